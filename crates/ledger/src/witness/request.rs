//! The body of `add-checkpoint`: an old size, a consistency proof, a blank line, a checkpoint note.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Refusal;
use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::note::{self, NOTE_BYTES_MAX};

/// Most hashes that a request may carry; a proof between trees of less than 2^63 has no more.
pub const PROOF_HASHES_MAX: usize = 63;
/// Longest body: the old size, the proof at 45 bytes a line, and the longest note.
pub const REQUEST_BYTES_MAX: usize = 32 + PROOF_HASHES_MAX * 45 + NOTE_BYTES_MAX;

/// A request, read but not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request<'a> {
    old: u64,
    path: Vec<Hash>,
    note: &'a str,
    claimed: Checkpoint,
}

impl<'a> Request<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// `Malformed`, for every spelling but the one that [`write()`] has.
    pub fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let text = core::str::from_utf8(body).map_err(|_| Refusal::Malformed)?;
        let (old, mut rest) = text.split_once('\n').ok_or(Refusal::Malformed)?;
        let old = old.strip_prefix("old ").and_then(read_size).ok_or(Refusal::Malformed)?;
        let mut path = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(Refusal::Malformed)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if path.len() == PROOF_HASHES_MAX {
                return Err(Refusal::Malformed);
            }
            path.push(read_hash(line).ok_or(Refusal::Malformed)?);
        }
        let text = note::claimed_text(rest).map_err(|_| Refusal::Malformed)?;
        let claimed = Checkpoint::parse(text).map_err(|_| Refusal::Malformed)?;
        Ok(Self { old, path, note: rest, claimed })
    }

    /// The size that the sender believes to be held.
    pub const fn old(&self) -> u64 {
        self.old
    }

    /// The checkpoint as signed.
    pub const fn note(&self) -> &'a str {
        self.note
    }

    /// The checkpoint, before its signature was checked.
    pub const fn claimed(&self) -> &Checkpoint {
        &self.claimed
    }

    /// The consistency proof, lowest node first.
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    pub(super) fn into_path(self) -> Vec<Hash> {
        self.path
    }
}

/// The body that asks to go on from the tree of size `old` to the checkpoint in `note`.
pub fn write(old: u64, path: &[Hash], note: &str) -> String {
    let mut body = format!("old {old}\n");
    for hash in path {
        STANDARD.encode_string(hash.0, &mut body);
        body.push('\n');
    }
    body.push('\n');
    body.push_str(note);
    body
}

fn read_hash(line: &str) -> Option<Hash> {
    // 32 bytes have one spelling in padded base64; the decoder refuses bits that do not matter.
    if line.len() != 44 {
        return None;
    }
    Some(Hash(STANDARD.decode(line).ok()?.try_into().ok()?))
}

/// A tree size in decimal, without leading zeros.
pub fn read_size(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading = text.len() > 1 && text.starts_with('0');
    if digits && !leading { text.parse().ok() } else { None }
}
