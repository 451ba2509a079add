//! Encryption to recipients in the format `age-encryption.org/v1`, with X25519 recipients only.
//!
//! The format is age's so that a forensic team opens a compartment with the ordinary tool; the
//! cryptography is that of the one library, which is why the crate of that name is not used.
//! Refuses headers in any other spelling than age's own, and payloads that are cut short.

mod bech32;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Recipients of one file: a forensic team.
const RECIPIENTS_MAX: usize = 64;
/// Bytes of the header: a few lines a recipient.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Who can open what is encrypted: `age1…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient([u8; 32]);

/// What opens it: `AGE-SECRET-KEY-1…`.
pub struct Identity {
    private: PrivateKey,
    public: [u8; 32],
}

/// Why something was not encrypted or opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AgeError {
    /// Not a recipient or an identity as age spells them.
    NotAKey,
    /// None, or more than can be addressed.
    Recipients,
    /// The library refused.
    Refused,
    /// Not a header of the format.
    Header,
    /// Not for this identity.
    NotForUs,
    /// The header was changed.
    HeaderMac,
    /// The payload was changed or cut short.
    Payload,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// When the library has no randomness.
    pub fn generate() -> Result<Self, AgeError> {
        Self::of(PrivateKey::generate(&X25519).map_err(|_| AgeError::Refused)?)
    }

    fn of(private: PrivateKey) -> Result<Self, AgeError> {
        let public = private.compute_public_key().map_err(|_| AgeError::Refused)?;
        let public = public.as_ref().try_into().map_err(|_| AgeError::Refused)?;
        Ok(Self { private, public })
    }

    /// Whom to encrypt to for it.
    pub const fn recipient(&self) -> Recipient {
        Recipient(self.public)
    }
}

impl FromStr for Identity {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let lower = text.to_ascii_lowercase();
        if lower.to_ascii_uppercase() != text {
            return Err(AgeError::NotAKey);
        }
        let secret = bech32::decode(SECRET, &lower).ok_or(AgeError::NotAKey)?;
        let private =
            PrivateKey::from_private_key(&X25519, &secret).map_err(|_| AgeError::NotAKey)?;
        Self::of(private)
    }
}

impl FromStr for Recipient {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        bech32::decode(PUBLIC, text).map(Self).ok_or(AgeError::NotAKey)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(PUBLIC, &self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// `clear` for these recipients.
///
/// # Errors
/// When there are none or too many, or one of them is no point of the curve.
pub fn encrypt(clear: &[u8], to: &[Recipient]) -> Result<Vec<u8>, AgeError> {
    if to.is_empty() || to.len() > RECIPIENTS_MAX {
        return Err(AgeError::Recipients);
    }
    let file_key: [u8; 16] = random()?;
    let mut header = format!("{VERSION}\n");
    for recipient in to {
        header.push_str(&stanza(&file_key, recipient)?);
    }
    header.push_str("---");
    let mac = hmac::sign(&mac_key(&file_key)?, header.as_bytes());
    header.push_str(&format!(" {}\n", STANDARD_NO_PAD.encode(mac.as_ref())));
    let nonce: [u8; 16] = random()?;
    let mut out = [header.as_bytes(), &nonce[..]].concat();
    let key = aead(&derive(&nonce, &file_key, b"payload")?)?;
    // An empty payload is one empty last chunk; any other has no empty chunk.
    let count = clear.len().div_ceil(CHUNK).max(1);
    for (index, place) in (0..count).enumerate() {
        let from = place.saturating_mul(CHUNK);
        let chunk = clear.get(from..clear.len().min(from + CHUNK)).unwrap_or_default();
        let mut sealed = chunk.to_vec();
        let nonce = chunk_nonce(index, index + 1 == count);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
            .map_err(|_| AgeError::Refused)?;
        out.extend_from_slice(&sealed);
    }
    Ok(out)
}

/// What was encrypted.
///
/// # Errors
/// When it is not for this identity, or not what was encrypted.
pub fn decrypt(bytes: &[u8], with: &Identity) -> Result<Vec<u8>, AgeError> {
    let header = Header::read(bytes)?;
    let file_key = header
        .stanzas
        .iter()
        .find_map(|(share, body)| open_stanza(share, body, with))
        .ok_or(AgeError::NotForUs)?;
    hmac::verify(&mac_key(&file_key)?, header.signed, &header.mac)
        .map_err(|_| AgeError::HeaderMac)?;
    let (nonce, payload) = header.rest.split_first_chunk::<16>().ok_or(AgeError::Payload)?;
    let key = aead(&derive(nonce, &file_key, b"payload")?)?;
    let count = payload.len().div_ceil(CHUNK + TAG).max(1);
    let mut clear = Vec::with_capacity(payload.len());
    for (index, chunk) in payload.chunks(CHUNK + TAG).enumerate() {
        let mut chunk = chunk.to_vec();
        let nonce = chunk_nonce(index, index + 1 == count);
        let opened =
            key.open_in_place(nonce, Aad::empty(), &mut chunk).map_err(|_| AgeError::Payload)?;
        if opened.is_empty() && count > 1 {
            return Err(AgeError::Payload);
        }
        clear.extend_from_slice(opened);
    }
    if payload.is_empty() { Err(AgeError::Payload) } else { Ok(clear) }
}

/// Whether bytes begin as a file of the format does, with a header in one spelling.
pub fn has_header(bytes: &[u8]) -> bool {
    Header::read(bytes).is_ok()
}

struct Header<'a> {
    // ephemeral share and wrapped file key of each recipient
    stanzas: Vec<([u8; 32], [u8; 32])>,
    signed: &'a [u8],
    mac: [u8; 32],
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, AgeError> {
        let mut at = 0;
        let mut line = || {
            let rest = bytes.get(at..HEADER_BYTES_MAX.min(bytes.len())).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or(AgeError::Header)?;
            let text = rest.get(..end).and_then(|line| std::str::from_utf8(line).ok());
            let begin = at;
            at += end + 1;
            text.map(|text| (text, begin)).ok_or(AgeError::Header)
        };
        if line()?.0 != VERSION {
            return Err(AgeError::Header);
        }
        let mut stanzas = Vec::new();
        loop {
            let (text, begin) = line()?;
            if let Some(mac) = text.strip_prefix("--- ") {
                let mac = decode(mac)?;
                let signed = bytes.get(..begin + 3).unwrap_or_default();
                let rest = bytes.get(at..).unwrap_or_default();
                return Ok(Self { stanzas, signed, mac, rest });
            }
            let share = decode(text.strip_prefix("-> X25519 ").ok_or(AgeError::Header)?)?;
            let body = decode(line()?.0)?;
            if stanzas.len() >= RECIPIENTS_MAX {
                return Err(AgeError::Header);
            }
            stanzas.push((share, body));
        }
    }
}

fn stanza(file_key: &[u8; 16], to: &Recipient) -> Result<String, AgeError> {
    let ephemeral = Identity::generate()?;
    let key = wrap_key(&ephemeral.private, &to.0, &ephemeral.public, &to.0)?;
    let mut body = file_key.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body)
        .map_err(|_| AgeError::Refused)?;
    let share = STANDARD_NO_PAD.encode(ephemeral.public);
    Ok(format!("-> X25519 {share}\n{}\n", STANDARD_NO_PAD.encode(body)))
}

fn open_stanza(share: &[u8; 32], body: &[u8; 32], with: &Identity) -> Option<[u8; 16]> {
    let key = wrap_key(&with.private, share, share, &with.public).ok()?;
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    key.open_in_place(nonce, Aad::empty(), &mut body).ok()?.as_ref().try_into().ok()
}

fn wrap_key(
    own: &PrivateKey,
    peer: &[u8; 32],
    share: &[u8; 32],
    recipient: &[u8; 32],
) -> Result<LessSafeKey, AgeError> {
    let salt = [&share[..], &recipient[..]].concat();
    let peer = UnparsedPublicKey::new(&X25519, peer);
    agreement::agree(own, peer, AgeError::Refused, |shared| {
        aead(&derive(&salt, shared, b"age-encryption.org/v1/X25519")?)
    })
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<[u8; 32], AgeError> {
    let mut key = [0; 32];
    let secret = Salt::new(HKDF_SHA256, salt).extract(secret);
    let expanded = secret.expand(&[info], Bytes32).and_then(|okm| {
        okm.fill(&mut key)?;
        Ok(())
    });
    expanded.map_err(|_| AgeError::Refused)?;
    Ok(key)
}

fn mac_key(file_key: &[u8; 16]) -> Result<hmac::Key, AgeError> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(&[], file_key, b"header")?))
}

fn aead(key: &[u8; 32]) -> Result<LessSafeKey, AgeError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| AgeError::Refused)?;
    Ok(LessSafeKey::new(key))
}

// Eleven bytes of the chunk's number and one that says whether it is the last.
fn chunk_nonce(index: usize, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(index as u64).to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

fn random<const N: usize>() -> Result<[u8; N], AgeError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| AgeError::Refused)?;
    Ok(bytes)
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], AgeError> {
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| AgeError::Header)?;
    bytes.try_into().map_err(|_| AgeError::Header)
}

const VERSION: &str = "age-encryption.org/v1";
const PUBLIC: &str = "age";
const SECRET: &str = "age-secret-key-";
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

impl fmt::Display for AgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAKey => "expected age1… of a recipient or AGE-SECRET-KEY-1… of an identity",
            Self::Recipients => "expected 1 to 64 recipients",
            Self::Refused => "the library refused a key or gave no randomness",
            Self::Header => "not a header of age-encryption.org/v1 with X25519 recipients",
            Self::NotForUs => "not encrypted to this identity",
            Self::HeaderMac => "the header was changed",
            Self::Payload => "the payload was changed or cut short",
        })
    }
}

impl std::error::Error for AgeError {}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with age 1.1.1 (`age-keygen`, `age -r`).
    const IDENTITY: &str =
        concat!("AGE-SECRET-KEY-", "1E8PYA56HMU2MAUMZMV6EL2GX7RQM3UAAJXGE3AXQF7J0XFTRHHFQ3Y3KXV");
    const RECIPIENT: &str = "age1p3wvz6np3838udjlnl42g9gvx8fg7888dz27y6aqp96r67049sdswry96e";
    const FILE: &[u8] = include_bytes!("age/from-age-1.1.1.age");

    #[test]
    fn what_age_wrote_is_read() {
        let identity: Identity = IDENTITY.parse().unwrap();
        assert_eq!(identity.recipient().to_string(), RECIPIENT);
        let clear = decrypt(FILE, &identity).unwrap();
        assert_eq!(clear, b"an answer from inside\n".repeat(4000));
    }

    #[test]
    fn every_length_comes_back_and_no_change_does() {
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
            let clear = vec![0x5a; length];
            let sealed = encrypt(&clear, &[two.recipient(), one.recipient()]).unwrap();
            assert_eq!(decrypt(&sealed, &one).unwrap(), clear);
            assert_eq!(decrypt(&sealed, &Identity::generate().unwrap()), Err(AgeError::NotForUs));
            let mut bent = sealed.clone();
            *bent.last_mut().unwrap() ^= 1;
            assert_eq!(decrypt(&bent, &one), Err(AgeError::Payload));
            let cut = sealed.len() - 16 - length.min(1);
            assert_eq!(decrypt(&sealed[..cut], &one), Err(AgeError::Payload));
        }
    }

    #[test]
    fn a_changed_header_is_refused() {
        let (one, two) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let sealed = encrypt(b"x", &[one.recipient(), two.recipient()]).unwrap();
        let text = String::from_utf8_lossy(&sealed).into_owned();
        let lines: Vec<&str> = text.lines().take(5).collect();
        // Without the second recipient.
        let head = [lines[0], lines[1], lines[2], "--- "].join("\n");
        let at = sealed.windows(4).position(|window| window == b"--- ").unwrap();
        let bent = [head.as_bytes(), &sealed[at + 4..]].concat();
        assert_eq!(decrypt(&bent, &one), Err(AgeError::HeaderMac));
        assert_eq!(decrypt(&sealed[1..], &one), Err(AgeError::Header));
        assert_eq!(encrypt(b"x", &[]), Err(AgeError::Recipients));
        assert_eq!("age1qqqq".parse::<Recipient>(), Err(AgeError::NotAKey));
    }
}
