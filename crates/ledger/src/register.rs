//! The register: one long-lived log of a site that names every epoch and the end of each.
//!
//! Ledgers begin and end with their epochs, so a whole one can be left out of an archive without a
//! trace in the others. The register is the trace: an append-only log of few entries, kept by the
//! gateway under a key of its own and shown to witnesses. It is not trusted to tell the truth, only
//! unable to tell two: its checkpoints are signed and consistent, or they are a fork.
//!
//! An entry is deterministic CBOR; its leaf is that of RFC 6962 over its bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::cbor::{CborError, Reader, Writer};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerId, LedgerKind};
use crate::key::{PublicKey, Signer, SigningFailed};
use crate::note::{self, NoteKey};
use crate::tree::Frontier;

#[cfg(test)]
mod tests;

/// Version of the entries.
pub const REGISTER_VERSION: u64 = 1;
/// Longest entry: two names, four digests and two heads.
pub const ENTRY_BYTES_MAX: usize = 1024;

/// The origin of the register's checkpoints under the site's log prefix.
pub fn origin(log_prefix: &str) -> String {
    format!("{log_prefix}/register")
}

/// The head of one ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Which of the two.
    pub kind: LedgerKind,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// The epoch before, as the archive held it when the next one began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Predecessor {
    /// Its boot.
    pub epoch: EpochId,
    /// Its last heads: at most one of each ledger, audit first.
    pub heads: Vec<Head>,
}

/// One entry of the register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// An epoch began: its evidence was verified and is archived.
    Epoch {
        /// The workload.
        instance: Instance,
        /// Its boot: the first 16 bytes of the digest of its binding.
        epoch: EpochId,
        /// SHA-256 of the binding.
        binding_sha256: Hash,
        /// SHA-256 of the evidence.
        evidence_sha256: Hash,
        /// The epoch of the same instance before it, if the gateway knew one.
        predecessor: Option<Predecessor>,
        /// Milliseconds since the Unix epoch by the gateway's clock.
        time_ms: u64,
    },
    /// A ledger came to an end at this head.
    End {
        /// Whose.
        ledger: LedgerId,
        /// Its size.
        size: u64,
        /// Its root.
        root: Hash,
        /// Milliseconds since the Unix epoch by the gateway's clock.
        time_ms: u64,
    },
}

impl Entry {
    /// Deterministic CBOR: `[1, 0, instance, epoch, binding, evidence, predecessor or null, time]`
    /// or `[1, 1, instance, epoch, ledger, size, root, time]`.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(8).uint(REGISTER_VERSION);
        match self {
            Self::Epoch {
                instance,
                epoch,
                binding_sha256,
                evidence_sha256,
                predecessor,
                time_ms,
            } => {
                out.uint(0).text(instance.as_str()).bytes(&epoch.0);
                out.bytes(&binding_sha256.0).bytes(&evidence_sha256.0);
                match predecessor {
                    None => out.null(),
                    Some(before) => write_predecessor(&mut out, before),
                };
                out.uint(*time_ms);
            }
            Self::End { ledger, size, root, time_ms } => {
                out.uint(1).text(ledger.instance.as_str()).bytes(&ledger.epoch.0);
                out.uint(ledger.kind.code()).uint(*size).bytes(&root.0).uint(*time_ms);
            }
        }
        out.finish()
    }

    /// Reads what `to_cbor` writes and nothing else.
    ///
    /// # Errors
    /// When the bytes are not exactly one entry of this version.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, CborError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(CborError::Value);
        }
        let mut reader = Reader::new(bytes);
        if reader.array()? != 8 {
            return Err(CborError::Value);
        }
        reader.exactly(REGISTER_VERSION)?;
        let kind = reader.uint()?;
        let instance: Instance = reader.text()?.parse().map_err(|_| CborError::Value)?;
        let epoch = EpochId(reader.array_of()?);
        let entry = match kind {
            0 => Self::Epoch {
                instance,
                epoch,
                binding_sha256: Hash(reader.array_of()?),
                evidence_sha256: Hash(reader.array_of()?),
                predecessor: read_predecessor(&mut reader)?,
                time_ms: reader.uint()?,
            },
            1 => Self::End {
                ledger: LedgerId { instance, epoch, kind: read_kind(&mut reader)? },
                size: reader.uint()?,
                root: Hash(reader.array_of()?),
                time_ms: reader.uint()?,
            },
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(entry)
    }

    /// Its hash in the register's tree.
    pub fn leaf(&self) -> Hash {
        leaf(&self.to_cbor())
    }
}

fn write_predecessor<'w>(out: &'w mut Writer, before: &Predecessor) -> &'w mut Writer {
    out.array(2).bytes(&before.epoch.0).array(before.heads.len() as u64);
    for head in &before.heads {
        out.array(3).uint(head.kind.code()).uint(head.size).bytes(&head.root.0);
    }
    out
}

fn read_predecessor(reader: &mut Reader<'_>) -> Result<Option<Predecessor>, CborError> {
    if reader.null() {
        return Ok(None);
    }
    if reader.array()? != 2 {
        return Err(CborError::Value);
    }
    let epoch = EpochId(reader.array_of()?);
    let count = reader.array()?;
    let mut heads: Vec<Head> = Vec::new();
    for _ in 0..count {
        if reader.array()? != 3 {
            return Err(CborError::Value);
        }
        let head =
            Head { kind: read_kind(reader)?, size: reader.uint()?, root: Hash(reader.array_of()?) };
        // One of each ledger, in their order: so there are at most two, and one spelling.
        if heads.last().is_some_and(|before| before.kind >= head.kind) {
            return Err(CborError::Value);
        }
        heads.push(head);
    }
    Ok(Some(Predecessor { epoch, heads }))
}

fn read_kind(reader: &mut Reader<'_>) -> Result<LedgerKind, CborError> {
    LedgerKind::from_code(reader.uint()?).ok_or(CborError::Value)
}

fn leaf(entry: &[u8]) -> Hash {
    Hash::of(&[&[0], entry].concat())
}

/// The register as its keeper has it: what is needed to go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Register {
    origin: String,
    tree: Frontier,
}

impl Register {
    /// A register without entries, whose checkpoints have this origin.
    pub fn new(log_prefix: &str) -> Self {
        Self { origin: origin(log_prefix), tree: Frontier::empty() }
    }

    /// Appends the bytes of an entry as they are stored.
    ///
    /// # Errors
    /// When they are not an entry: nothing is appended.
    pub fn append(&mut self, entry: &[u8]) -> Result<Entry, CborError> {
        let read = Entry::from_cbor(entry)?;
        self.tree.append(leaf(entry));
        Ok(read)
    }

    /// Number of entries.
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over them.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Its edge, for proofs.
    pub const fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Its head as a signed note.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, SigningFailed> {
        let head = Checkpoint { origin: self.origin.clone(), size: self.size(), root: self.root() };
        let text = format!("{head}");
        let signature = signer.sign(text.as_bytes())?;
        let key = NoteKey::new(&self.origin, signer.public_key().clone());
        Ok(note::assemble(&text, &[key.line(&signature)]))
    }

    /// Compares a checkpoint of the register with its entries so far.
    ///
    /// # Errors
    /// When its key did not sign it, or it is another head.
    pub fn check(&self, note: &str, key: &NoteKey) -> Result<(), RegisterError> {
        let head = Checkpoint::open(note, core::slice::from_ref(key))
            .map_err(RegisterError::Checkpoint)?;
        if head.origin != self.origin {
            return Err(RegisterError::Origin { found: head.origin });
        }
        let (size, root) = (self.size(), self.root());
        if (head.size, head.root) == (size, root) {
            Ok(())
        } else {
            Err(RegisterError::Head { size, root, stated: (head.size, head.root) })
        }
    }
}

/// Why a checkpoint is not that of the entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RegisterError {
    /// It is not signed by the register's key.
    Checkpoint(CheckpointError),
    /// It is that of another log.
    Origin {
        /// Which.
        found: String,
    },
    /// It has another size or root.
    Head {
        /// Number of entries.
        size: u64,
        /// Root over them.
        root: Hash,
        /// What the checkpoint says.
        stated: (u64, Hash),
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(_) => write!(f, "checkpoint of the register is not accepted"),
            Self::Origin { found } => write!(f, "checkpoint is one of {found}"),
            Self::Head { size, root, stated: (stated, other) } => {
                write!(f, "checkpoint says {stated} entries and root {other}, ")?;
                write!(f, "the entries are {size} and lead to {root}")
            }
        }
    }
}

impl core::error::Error for RegisterError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Checkpoint(error) => Some(error),
            Self::Origin { .. } | Self::Head { .. } => None,
        }
    }
}

/// The key under which a register's checkpoints are checked.
pub fn note_key(log_prefix: &str, key: PublicKey) -> NoteKey {
    NoteKey::new(&origin(log_prefix), key)
}
