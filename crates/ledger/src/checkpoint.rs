//! Checkpoints: the signed head of a ledger, as three lines of text (c2sp.org/tlog-checkpoint).
//!
//! Parsing accepts exactly one spelling of each checkpoint, so equal heads are equal bytes.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::identity::LedgerId;
use crate::note::{self, NoteError, NoteKey};

/// Longest text of a checkpoint: an origin and two short lines.
pub const TEXT_BYTES_MAX: usize = 1024;

/// The head of a ledger: everything a verifier must remember about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// `<log prefix>/<instance>/<epoch>/<ledger>`.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckpointError {
    /// The note around it is not accepted.
    Note(NoteError),
    /// It is longer than `TEXT_BYTES_MAX`.
    TooLong,
    /// It has not exactly three lines; extension lines are refused, for we could not vouch for
    /// them.
    Lines,
    /// A line is spelt in another way than we would.
    NotCanonical,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(_) => write!(f, "checkpoint note is not accepted"),
            Self::TooLong => write!(f, "checkpoint is too long"),
            Self::Lines => write!(f, "checkpoint has not exactly three lines"),
            Self::NotCanonical => write!(f, "checkpoint is not in its one spelling"),
        }
    }
}

impl core::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Note(error) => Some(error),
            Self::TooLong | Self::Lines | Self::NotCanonical => None,
        }
    }
}

/// The origin of a ledger's checkpoints under the site's log prefix.
pub fn origin(log_prefix: &str, ledger: &LedgerId) -> String {
    format!("{log_prefix}/{ledger}")
}

impl Checkpoint {
    /// Parses the text of a checkpoint.
    ///
    /// # Errors
    /// When it is not in its one spelling.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CheckpointError::TooLong);
        }
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        let size = size.parse().map_err(|_| CheckpointError::NotCanonical)?;
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::NotCanonical)?;
        let root = Hash(root.try_into().map_err(|_| CheckpointError::NotCanonical)?);
        let head = Self { origin: origin.to_owned(), size, root };
        // Comparing with our own spelling refuses leading zeros, a plus sign and stray line ends at
        // once.
        if !head.origin.is_empty() && head.to_string() == text {
            Ok(head)
        } else {
            Err(CheckpointError::NotCanonical)
        }
    }

    /// The head in a text that may go on with extension lines, about which cosigners say nothing.
    pub(crate) fn parse_head(text: &str) -> Result<Self, CheckpointError> {
        let (end, _) = text.match_indices('\n').nth(2).ok_or(CheckpointError::Lines)?;
        Self::parse(text.get(..=end).ok_or(CheckpointError::Lines)?)
    }

    /// Opens a signed checkpoint with the keys of its ledger.
    ///
    /// # Errors
    /// When the note or its text is not accepted.
    pub fn open(note: &str, keys: &[NoteKey]) -> Result<Self, CheckpointError> {
        Self::parse(note::open(note, keys).map_err(CheckpointError::Note)?)
    }

    /// Opens a checkpoint that every one of `keys` has to have signed: an epoch signs with all of
    /// its keys, so a line less is a line that was taken away.
    ///
    /// # Errors
    /// When the note or its text is not accepted, or one of the keys has not signed it.
    pub fn open_by_all(note: &str, keys: &[NoteKey]) -> Result<Self, CheckpointError> {
        let opened = note::opened(note, keys).map_err(CheckpointError::Note)?;
        let signed = |key| opened.signatures.iter().any(|signature| signature.key == key);
        if !(0..keys.len()).all(signed) {
            return Err(CheckpointError::Note(NoteError::Unsigned));
        }
        Self::parse(opened.text)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }
}

#[cfg(test)]
mod tests;
