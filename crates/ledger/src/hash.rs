//! SHA-256, and the 32 bytes it gives.

use alloc::string::String;
use core::fmt::{self, Write as _};
use core::str::FromStr;

use aws_lc_rs::digest;

/// A SHA-256 value: a leaf, a node, a root or a digest.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The `prev_hash` of the first record of an audit ledger.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        // The algorithm fixes the length, so the copy always fits.
        out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(out)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// A text that is not the lower-case hex of the right number of bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotHex;

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not lower-case hex of the expected length")
    }
}

impl core::error::Error for NotHex {}

impl FromStr for Hash {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        from_hex(text).map(Self)
    }
}

/// Exactly `N` bytes from `2 N` lower-case hex digits.
///
/// # Errors
/// When the text has another length or another character.
pub fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let mut out = [0; N];
    if text.len() != N * 2 {
        return Err(NotHex);
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return Err(NotHex) };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Ok(out)
}

/// Lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    out.extend(bytes.iter().flat_map(|byte| digits(*byte)));
    out
}

fn digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|nibble| char::from_digit(nibble.into(), 16).unwrap_or('0'))
}

fn digit(byte: u8) -> Result<u8, NotHex> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(NotHex),
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().flat_map(|byte| digits(*byte)).try_for_each(|digit| f.write_char(digit))
}
