//! Signed notes (c2sp.org/signed-note): a text, a blank line, and a line for each signature.
//!
//! A line of an unknown key is skipped; a bad line of a known key spoils the note. Keys are those
//! that the caller knows, as [`NoteKey`]; nothing is learnt from a note.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

mod verifier;

pub use verifier::{NoteKey, SignatureType, VerifierKeyError, Vouched};

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

/// Puts a signed note together from its text, which ends in a newline, and signature lines.
pub fn assemble(text: &str, lines: &[String]) -> String {
    let mut note = text.to_string();
    note.push('\n');
    note.extend(lines.iter().map(String::as_str));
    note
}

/// A note whose known signatures hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened<'a> {
    /// What was signed; ends in a newline.
    pub text: &'a str,
    /// The signatures of known keys, in the order of their lines; at least one.
    pub signatures: Vec<Signature<'a>>,
}

/// One signature that holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signature<'a> {
    /// Whose: a position in the keys that were given.
    pub key: usize,
    /// What it says.
    pub vouched: Vouched,
    /// Its line, without the newline.
    pub line: &'a str,
}

impl Opened<'_> {
    /// The note again, without the lines of unknown keys.
    pub fn to_note(&self) -> String {
        let lines = self.signatures.iter().map(|signature| format!("{}\n", signature.line));
        assemble(self.text, &lines.collect::<Vec<_>>())
    }
}

/// The text of a note, once every key of `keys` that signed it has been checked and at least one
/// did.
///
/// # Errors
/// When it is malformed, a known signature is bad, or none is known.
pub fn open<'a>(note: &'a str, keys: &[NoteKey]) -> Result<&'a str, NoteError> {
    opened(note, keys).map(|opened| opened.text)
}

/// The text of a note with who signed it.
///
/// # Errors
/// As for [`open`].
pub fn opened<'a>(note: &'a str, keys: &[NoteKey]) -> Result<Opened<'a>, NoteError> {
    let (text, lines) = split(note)?;
    let mut signatures = Vec::new();
    for (count, line) in lines.lines().enumerate() {
        if count == SIGNATURES_MAX {
            return Err(NoteError::TooLong);
        }
        let (name, id, signature) = parse_line(line).ok_or(NoteError::Malformed)?;
        let mut known =
            keys.iter().enumerate().filter(|(_, key)| key.name() == name && key.id() == id);
        let Some(first) = known.next() else { continue };
        // Four bytes of a digest may be those of two keys.
        let mut any = core::iter::once(first).chain(known);
        let held = any.find_map(|(key, known)| {
            known.verify(text, &signature).map(|vouched| Signature { key, vouched, line })
        });
        signatures.push(held.ok_or(NoteError::BadSignature)?);
    }
    if signatures.is_empty() { Err(NoteError::Unsigned) } else { Ok(Opened { text, signatures }) }
}

/// The text of a note, unverified: to find out whose keys to ask for.
///
/// # Errors
/// When it is too long, or not a text with signature lines.
pub fn claimed_text(note: &str) -> Result<&str, NoteError> {
    split(note).map(|(text, _)| text)
}

fn split(note: &str) -> Result<(&str, &str), NoteError> {
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
    Ok((text, lines))
}

fn parse_line(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if !is_name(name) {
        return None;
    }
    let blob = STANDARD.decode(blob).ok()?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    Some((name, *id, signature.to_vec())).filter(|(_, _, signature)| !signature.is_empty())
}

/// Whether a text can be the name of a key.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

#[cfg(test)]
mod tests;
