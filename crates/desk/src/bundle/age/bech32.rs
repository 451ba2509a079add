//! Bech32 (BIP 173) of 32 bytes, as age spells its keys: lower case, checksum 1.

/// `bytes` under the prefix.
pub(super) fn encode(prefix: &str, bytes: &[u8; 32]) -> String {
    let mut values = regroup(bytes, 8, 5, true).unwrap_or_default();
    let mut checked = expand(prefix);
    checked.extend_from_slice(&values);
    checked.extend_from_slice(&[0; 6]);
    let sum = polymod(&checked) ^ 1;
    values.extend((0..6).map(|place| u8::try_from(sum >> (5 * (5 - place)) & 31).unwrap_or(0)));
    let letters = values.iter().filter_map(|value| ALPHABET.get(usize::from(*value)));
    format!("{prefix}1{}", letters.copied().map(char::from).collect::<String>())
}

/// The 32 bytes under the prefix, if `text` is their one spelling in lower case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let value = |letter: u8| {
        let place = ALPHABET.iter().position(|known| *known == letter)?;
        u8::try_from(place).ok()
    };
    let values: Vec<u8> = letters.bytes().map(value).collect::<Option<_>>()?;
    let data = values.get(..values.len().checked_sub(6)?)?;
    let bytes: [u8; 32] = regroup(data, 5, 8, false)?.try_into().ok()?;
    (encode(prefix, &bytes) == text).then_some(bytes)
}

fn expand(prefix: &str) -> Vec<u8> {
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    high.chain([0]).chain(low).collect()
}

fn polymod(values: &[u8]) -> u32 {
    values.iter().fold(1, |sum, value| {
        let top = sum >> 25;
        let next = ((sum & 0x01ff_ffff) << 5) ^ u32::from(*value);
        let taps = GENERATOR.iter().enumerate();
        taps.filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |sum, (_, tap)| sum ^ tap)
    })
}

fn regroup(values: &[u8], from: u32, to: u32, pad: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0_u32, Vec::new());
    let mask = (1_u32 << to) - 1;
    for value in values {
        held = (held << from | u32::from(*value)) & 0xfff;
        bits += from;
        while bits >= to {
            bits -= to;
            out.push(u8::try_from(held >> bits & mask).ok()?);
        }
    }
    if pad && bits > 0 {
        out.push(u8::try_from(held << (to - bits) & mask).ok()?);
    }
    Some(out)
}

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
