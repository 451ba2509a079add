//! Proofs as a file (c2sp.org/tlog-proof): which leaf, its path, and the signed checkpoint that the
//! path leads to, so that anybody with the log's keys can check it offline.
//!
//! There is one spelling of each proof, and the reader accepts no other. The extra data is not
//! authenticated by anything: it is kept apart and nothing here believes it. The checkpoint is
//! carried as it was signed, cosignatures included, and never written again.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::{NOTE_BYTES_MAX, NoteKey};
use crate::proof::{Inclusion, PATH_HASHES_MAX, ProofError};

/// Longest extra data that is read: enough for a record's own payload in most cases.
pub const EXTRA_BYTES_MAX: usize = 1 << 16;
// A line is at most the base64 of the extra data; a path is at most 45 bytes a hash.
const HEAD_BYTES_MAX: usize = EXTRA_BYTES_MAX / 3 * 4 + PATH_HASHES_MAX * 45 + 128;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A proof that a leaf is in a log, as read: nothing is checked but its form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlogProof {
    /// Whatever the writer added. Not authenticated.
    pub extra: Option<Vec<u8>>,
    /// Which leaf, from 0.
    pub index: u64,
    /// The siblings, that of the leaf first.
    pub path: Vec<Hash>,
    /// The signed note, as it was issued.
    pub checkpoint: String,
}

/// Why a proof is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlogProofError {
    /// Longer than any proof.
    TooLong,
    /// It does not begin with the line of this format.
    Version,
    /// A line is missing, or spelt in another way than we would.
    NotCanonical,
    /// The checkpoint is not one of the log's.
    Checkpoint(CheckpointError),
    /// The checkpoint is signed, and of another log than the one asked about.
    Origin,
    /// The path does not lead from the leaf to the checkpoint's root.
    Proof(ProofError),
}

impl fmt::Display for TlogProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "proof is too long"),
            Self::Version => write!(f, "not a proof of the form {FIRST_LINE}"),
            Self::NotCanonical => write!(f, "proof is not in its one spelling"),
            Self::Checkpoint(_) => write!(f, "checkpoint of the proof is not accepted"),
            Self::Origin => write!(f, "checkpoint of the proof is of another log"),
            Self::Proof(_) => write!(f, "record is not in the tree of the checkpoint"),
        }
    }
}

impl core::error::Error for TlogProofError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Checkpoint(error) => Some(error),
            Self::Proof(error) => Some(error),
            Self::TooLong | Self::Version | Self::NotCanonical | Self::Origin => None,
        }
    }
}

impl TlogProof {
    /// Reads a proof; the checkpoint in it is not opened.
    ///
    /// # Errors
    /// When it is not in its one spelling.
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        if text.len() > HEAD_BYTES_MAX + NOTE_BYTES_MAX {
            return Err(TlogProofError::TooLong);
        }
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(TlogProofError::Version)?;
        let (head, checkpoint) = rest.split_once("\n\n").ok_or(TlogProofError::NotCanonical)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            None => None,
            Some(blob) => {
                lines.next();
                Some(decode_extra(blob)?)
            }
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|text| text.parse().ok()).ok_or(TlogProofError::NotCanonical)?;
        let mut path = Vec::new();
        for line in lines {
            if path.len() == PATH_HASHES_MAX {
                return Err(TlogProofError::TooLong);
            }
            let hash = STANDARD.decode(line).map_err(|_| TlogProofError::NotCanonical)?;
            path.push(Hash(hash.try_into().map_err(|_| TlogProofError::NotCanonical)?));
        }
        let proof = Self { extra, index, path, checkpoint: checkpoint.to_owned() };
        // Comparing with our own spelling refuses leading zeros, a plus sign and stray carriage
        // returns at once.
        let same = format!("{proof}") == text;
        if same { Ok(proof) } else { Err(TlogProofError::NotCanonical) }
    }

    /// The checkpoint, once it is known that `leaf` is in the tree that it is the head of, and that
    /// one of `keys` signed it under the name `origin`.
    ///
    /// Whether enough witnesses cosigned it is asked of the checkpoint's note, not here.
    ///
    /// # Errors
    /// Each check its own: note, origin, path.
    pub fn verify(
        &self,
        leaf: Hash,
        origin: &str,
        keys: &[NoteKey],
    ) -> Result<Checkpoint, TlogProofError> {
        let head = Checkpoint::open(&self.checkpoint, keys).map_err(TlogProofError::Checkpoint)?;
        if head.origin != origin {
            return Err(TlogProofError::Origin);
        }
        let inclusion = Inclusion { index: self.index, size: head.size, path: self.path.clone() };
        inclusion.verify(leaf, head.root).map_err(TlogProofError::Proof)?;
        Ok(head)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

fn decode_extra(blob: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = STANDARD.decode(blob).map_err(|_| TlogProofError::NotCanonical)?;
    match extra.len() {
        // No data is said by no line.
        0 => Err(TlogProofError::NotCanonical),
        1..=EXTRA_BYTES_MAX => Ok(extra),
        _ => Err(TlogProofError::TooLong),
    }
}

#[cfg(test)]
mod tests;
