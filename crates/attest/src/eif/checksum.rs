//! The checksum of an image: CRC-32 of IEEE 802.3 over all bytes but the four that hold it.
//!
//! It finds what a disk or a copy broke. It refuses nobody who can count.

use super::{EifError, HEADER_LENGTH, u32_at};

/// Offset of the checksum, the last field of the header.
pub(super) const AT: usize = HEADER_LENGTH - 4;

/// Compares the checksum in the header with the bytes.
pub(super) fn check(bytes: &[u8]) -> Result<(), EifError> {
    let want = u32_at(bytes, AT)?;
    let before = bytes.get(..AT).unwrap_or_default();
    let after = bytes.get(HEADER_LENGTH..).unwrap_or_default();
    let got = !update(update(u32::MAX, before), after);
    if got == want { Ok(()) } else { Err(EifError::Checksum { want, got }) }
}

fn update(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        // The index is a byte and the table has 256 entries.
        TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default() ^ (crc >> 8)
    })
}

/// The remainder of each byte by the reflected polynomial.
static TABLE: [u32; 256] = table();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, over a fixed range")]
const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder >>= 1;
            if carry == 1 {
                remainder ^= POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte as usize] = remainder;
        byte += 1;
    }
    table
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The same bytes with the checksum that belongs to them.
    pub(in crate::eif) fn mended(bytes: &[u8]) -> std::vec::Vec<u8> {
        let crc = !update(update(u32::MAX, &bytes[..AT]), &bytes[HEADER_LENGTH..]);
        [&bytes[..AT], &crc.to_be_bytes(), &bytes[HEADER_LENGTH..]].concat()
    }

    #[test]
    fn the_check_value_of_the_catalogue_comes_out() {
        assert_eq!(!update(u32::MAX, b"123456789"), 0xcbf4_3926);
    }
}
