//! A witness's decision (c2sp.org/tlog-witness): whether the checkpoint in a request goes on from
//! the one that it cosigned last.
//!
//! Pure: the caller knows the logs' keys, holds the state and makes it durable. The steps are
//! types, so none can be left out: a [`Request`] is read, its signature is checked, and only what
//! [`Signed::decide`] accepts may be stored and cosigned. Refused: going back, forking, and
//! checkpoints with extension lines, for which nobody could vouch.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::note::{self, NoteError, NoteKey};
use crate::proof::{Consistency, ProofError};
use crate::tree::Frontier;

mod enrolment;
mod request;

pub use enrolment::{ENROLMENT_BYTES_MAX, Enrolment};
pub use request::{PROOF_HASHES_MAX, REQUEST_BYTES_MAX, Request, read_size, write};

/// What a witness remembers of a log: the largest tree that it cosigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Held {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Why a checkpoint is not cosigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The request is not in its one spelling: 400.
    Malformed,
    /// The old size is beyond the checkpoint's: 400.
    OldBeyond,
    /// No trusted key of the log signed it, or the signature of one is bad: 403.
    Unsigned,
    /// Nobody enrolled the log: 404.
    UnknownOrigin,
    /// The old size is not the one that is held: 409, and the body says what is held.
    Held {
        /// Size of the tree cosigned last, 0 if none was.
        size: u64,
    },
    /// The proof does not lead from the old tree to the new one: 422.
    NotConsistent {
        /// Why not.
        why: ProofError,
    },
    /// The tree of this size has another root: 422. The log has forked.
    Forked {
        /// The root that is held.
        held: Hash,
    },
    /// The empty tree has another root than the empty tree: 422.
    EmptyRoot,
    /// A proof from nothing, or from a tree to itself, proves nothing: 422.
    NeedlessProof,
}

impl Refusal {
    /// The HTTP status of the specification.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::OldBeyond => 400,
            Self::Unsigned => 403,
            Self::UnknownOrigin => 404,
            Self::Held { .. } => 409,
            Self::NotConsistent { .. }
            | Self::Forked { .. }
            | Self::EmptyRoot
            | Self::NeedlessProof => 422,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "request is not an old size, a proof and a checkpoint"),
            Self::OldBeyond => write!(f, "old size is beyond the size of the checkpoint"),
            Self::Unsigned => write!(f, "checkpoint carries no good signature of its log"),
            Self::UnknownOrigin => write!(f, "log of this origin is not known here"),
            Self::Held { size } => write!(f, "the checkpoint cosigned last has size {size}"),
            Self::NotConsistent { .. } => {
                write!(f, "checkpoint is not proven to go on from the one cosigned last")
            }
            Self::Forked { held } => {
                write!(f, "log has forked: the tree of this size was cosigned with root {held}")
            }
            Self::EmptyRoot => write!(f, "checkpoint of size 0 has not the root of nothing"),
            Self::NeedlessProof => write!(f, "proof is there where there is nothing to prove"),
        }
    }
}

impl core::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NotConsistent { why } => Some(why),
            Self::Malformed
            | Self::OldBeyond
            | Self::Unsigned
            | Self::UnknownOrigin
            | Self::Held { .. }
            | Self::Forked { .. }
            | Self::EmptyRoot
            | Self::NeedlessProof => None,
        }
    }
}

impl Request<'_> {
    /// Checks the log's signature.
    ///
    /// # Errors
    /// `Malformed` when a signature line is, `Unsigned`, or `OldBeyond`.
    pub fn verify(self, keys: &[NoteKey]) -> Result<Signed, Refusal> {
        let opened = note::opened(self.note(), keys).map_err(|error| match error {
            NoteError::TooLong | NoteError::Malformed => Refusal::Malformed,
            NoteError::BadSignature | NoteError::Unsigned => Refusal::Unsigned,
        })?;
        let head = self.claimed().clone();
        let of_log = |at: usize| keys.get(at).is_some_and(|key| key.name() == head.origin);
        if !opened.signatures.iter().any(|signature| of_log(signature.key)) {
            return Err(Refusal::Unsigned);
        }
        if self.old() > head.size {
            return Err(Refusal::OldBeyond);
        }
        let note = opened.to_note();
        Ok(Signed { old: self.old(), path: self.into_path(), head, note })
    }
}

/// A request whose checkpoint its log has signed.
///
/// ```compile_fail
/// use lucarne_ledger::witness::Signed;
/// fn forge(signed: Signed) -> Signed {
///     Signed { old: 0, ..signed } // private fields: what was checked cannot be exchanged
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    old: u64,
    path: Vec<Hash>,
    head: Checkpoint,
    note: String,
}

impl Signed {
    /// Says whether the checkpoint may be cosigned by who cosigned `held` last. The caller must not
    /// let `held` change before what is accepted is stored.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn decide(self, held: Option<Held>) -> Result<Accepted, Refusal> {
        let Self { old, path, head, note } = self;
        let empty = Frontier::empty().root();
        if old != held.map_or(0, |held| held.size) {
            return Err(Refusal::Held { size: held.map_or(0, |held| held.size) });
        }
        if head.size == 0 && head.root != empty {
            return Err(Refusal::EmptyRoot);
        }
        if let Some(held) = held.filter(|held| held.size == head.size && held.root != head.root) {
            return Err(Refusal::Forked { held: held.root });
        }
        if old == 0 || old == head.size {
            let accepted = Accepted { head, note };
            return if path.is_empty() { Ok(accepted) } else { Err(Refusal::NeedlessProof) };
        }
        let held_root = held.map_or(empty, |held| held.root);
        let proof = Consistency { old, new: head.size, path };
        proof.verify(held_root, head.root).map_err(|why| Refusal::NotConsistent { why })?;
        Ok(Accepted { head, note })
    }

    /// The checkpoint's log.
    pub fn origin(&self) -> &str {
        &self.head.origin
    }
}

/// A checkpoint that may be cosigned. Only [`Signed::decide`] makes one.
///
/// ```compile_fail
/// use lucarne_ledger::witness::Accepted;
/// fn forge(accepted: Accepted) -> Accepted {
///     Accepted { note: String::new(), ..accepted } // private fields
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    head: Checkpoint,
    note: String,
}

impl Accepted {
    /// The checkpoint.
    pub const fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The note with the signatures of its log, and no others.
    pub fn note(&self) -> &str {
        &self.note
    }
}

#[cfg(test)]
mod tests;
