//! Signed notes (c2sp.org/signed-note): a text, a blank line, and a line for each signature.
//!
//! Keys and types: Ed25519 (0x01) and ECDSA P-256 (0x02, key id from the SPKI alone, as the
//! reference implementation has it). A line of an unknown key is skipped; a bad line of a known key
//! spoils the note.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::key::{Algorithm, PublicKey};

/// Longest note: a checkpoint with the signatures of many witnesses, some of them post-quantum.
pub const NOTE_BYTES_MAX: usize = 1 << 18;
/// Most signature lines that are looked at.
pub const SIGNATURES_MAX: usize = 100;

/// Why a note is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoteError {
    /// It is longer than `NOTE_BYTES_MAX` or has more lines than `SIGNATURES_MAX`.
    TooLong,
    /// It is not a text, a blank line and signature lines.
    Malformed,
    /// The signature of a known key does not verify.
    BadSignature,
    /// No signature of a known key is there.
    Unsigned,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "note is too long"),
            Self::Malformed => write!(f, "note is not a text with signature lines"),
            Self::BadSignature => write!(f, "signature of a known key on the note does not verify"),
            Self::Unsigned => write!(f, "note carries no signature of a known key"),
        }
    }
}

impl core::error::Error for NoteError {}

/// A key that signs notes under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteKey {
    name: String,
    key: PublicKey,
    id: [u8; 4],
}

impl NoteKey {
    /// The key `key` under the name `name`, which is the origin for a ledger's own keys.
    pub fn new(name: &str, key: PublicKey) -> Self {
        let digest = match key.algorithm() {
            Algorithm::EcdsaP256 => Hash::of(key.spki()),
            Algorithm::Ed25519 => Hash::of(&[name.as_bytes(), b"\n\x01", key.raw()].concat()),
        };
        let [a, b, c, d, ..] = digest.0;
        Self { name: name.to_owned(), key, id: [a, b, c, d] }
    }

    /// The signature line for `signature`: 64 bytes for Ed25519, DER for ECDSA.
    pub fn line(&self, signature: &[u8]) -> String {
        let blob = [&self.id[..], signature].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(blob))
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match self.key.algorithm() {
            Algorithm::EcdsaP256 => self.key.verifies_der(text.as_bytes(), signature),
            Algorithm::Ed25519 => self.key.verifies(text.as_bytes(), signature),
        }
    }
}

/// Puts a signed note together from its text, which ends in a newline, and signature lines.
pub fn assemble(text: &str, lines: &[String]) -> String {
    let mut note = text.to_string();
    note.push('\n');
    note.extend(lines.iter().map(String::as_str));
    note
}

/// The text of a note, once every key of `keys` that signed it has been checked and at least one
/// did.
///
/// # Errors
/// When it is malformed, a known signature is bad, or none is known.
pub fn open<'a>(note: &'a str, keys: &[NoteKey]) -> Result<&'a str, NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong);
    }
    if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed);
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, lines) = note.split_at_checked(split + 1).ok_or(NoteError::Malformed)?;
    let lines =
        lines.strip_prefix('\n').filter(|l| l.ends_with('\n')).ok_or(NoteError::Malformed)?;
    let mut seen = Vec::new();
    for (count, line) in lines.lines().enumerate() {
        if count == SIGNATURES_MAX {
            return Err(NoteError::TooLong);
        }
        let (name, id, signature) = parse_line(line).ok_or(NoteError::Malformed)?;
        let Some(key) = keys.iter().find(|key| key.name == name && key.id == id) else { continue };
        if !key.verifies(text, &signature) {
            return Err(NoteError::BadSignature);
        }
        seen.push(key.id);
    }
    if seen.is_empty() { Err(NoteError::Unsigned) } else { Ok(text) }
}

fn parse_line(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        return None;
    }
    let blob = STANDARD.decode(blob).ok()?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    Some((name, *id, signature.to_vec())).filter(|(_, _, signature)| !signature.is_empty())
}

#[cfg(test)]
mod tests;
