//! Consistency proofs out of what is archived: the records between two sizes, read again.
//!
//! Usually that is the one file that was just written. Only the tree's right edge is in memory, so
//! a witness that was away for a day costs time and nothing else. The proof is not checked here:
//! who is shown it will.

use std::fmt;
use std::io::Read as _;

use lucarne_archive::name::{RegisterName, SealName};
use lucarne_archive::segment::SegmentReader;
use lucarne_archive::{Archive, Name};
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::proof::ConsistencyProver;
use lucarne_ledger::register::{ENTRY_BYTES_MAX, Entry};
use lucarne_ledger::tree::Frontier;

use super::{Head, Log};
use crate::archiver::Archived;

/// Why there is no proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HistoryError {
    /// Records before this size are not in the archive.
    Hole {
        /// Where the hole ends.
        before: u64,
    },
    /// A file of the archive cannot be read, or is not what was written.
    Unreadable,
    /// The records do not make up the tree.
    Leaves,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hole { before } => {
                write!(f, "records before {before} are not in the archive, so nothing is proven")
            }
            Self::Unreadable => write!(f, "records for a proof cannot be read from the archive"),
            Self::Leaves => write!(f, "records of the archive do not make up the tree"),
        }
    }
}

impl std::error::Error for HistoryError {}

/// The proof that the tree of `head` begins with that of size `old`; empty where there is nothing
/// to prove. Blocks.
pub(super) fn path(
    archived: &Archived,
    archive: &dyn Archive,
    head: &Head,
    old: u64,
) -> Result<Vec<Hash>, HistoryError> {
    if old == 0 || old >= head.size {
        return Ok(Vec::new());
    }
    let prover = match (&head.log, &head.epoch) {
        (Log::Ledger(ledger), Some(epoch)) => {
            let key = PublicKey::from_spki(&epoch.binding.p256_spki);
            let key = EpochKey {
                instance: ledger.instance.clone(),
                epoch: ledger.epoch,
                key: key.map_err(|_| HistoryError::Leaves)?,
            };
            let mut prover = None;
            for seal in files(archived, ledger, head.size, old)? {
                feed(archive, seal, &key, (old, head.size), &mut prover)?;
            }
            prover.ok_or(HistoryError::Leaves)?
        }
        (Log::Register, _) => of_register(archive, old, head.size)?,
        (Log::Ledger(_), None) => return Err(HistoryError::Leaves),
    };
    Ok(prover.finish().map_err(|_| HistoryError::Leaves)?.path)
}

/// All entries of the register: one a boot.
fn of_register(
    archive: &dyn Archive,
    old: u64,
    size: u64,
) -> Result<ConsistencyProver, HistoryError> {
    let prover = ConsistencyProver::new(old, size, &Frontier::empty());
    let mut prover = prover.map_err(|_| HistoryError::Leaves)?;
    while let Some(index) = prover.next() {
        let name = Name::Register(RegisterName::Entry { index });
        let entry = archive.open(&name).map_err(|_| HistoryError::Hole { before: index + 1 })?;
        let mut bytes = Vec::new();
        let mut entry = entry.take(ENTRY_BYTES_MAX as u64 + 1);
        entry.read_to_end(&mut bytes).map_err(|_| HistoryError::Unreadable)?;
        let entry = Entry::from_cbor(&bytes).map_err(|_| HistoryError::Unreadable)?;
        prover.push(entry.leaf());
    }
    Ok(prover)
}

/// The files that hold the records from `old` to the head, in their order.
fn files(
    archived: &Archived,
    ledger: &LedgerId,
    size: u64,
    old: u64,
) -> Result<Vec<SealName>, HistoryError> {
    let mut want = size;
    let mut files = Vec::new();
    let mut rolls = (0..*archived.through.borrow()).rev();
    while want > old {
        let roll = rolls.next().ok_or(HistoryError::Hole { before: want })?;
        for name in archived.names.of(roll).iter().rev() {
            let Name::Seal(seal) = name else { continue };
            let covers = seal.first < want && want <= seal.last.saturating_add(1);
            if seal.ledger == *ledger && covers && want > old {
                want = seal.first;
                files.push(seal.clone());
            }
        }
    }
    files.reverse();
    Ok(files)
}

fn feed(
    archive: &dyn Archive,
    seal: SealName,
    key: &EpochKey,
    (old, new): (u64, u64),
    prover: &mut Option<ConsistencyProver>,
) -> Result<(), HistoryError> {
    let file = archive.open(&Name::Seal(seal)).map_err(|_| HistoryError::Unreadable)?;
    let mut reader = SegmentReader::open(file).map_err(|_| HistoryError::Unreadable)?;
    while let Some(frame) = reader.next_frame().map_err(|_| HistoryError::Unreadable)? {
        let mut rest = frame.content;
        while !rest.is_empty() {
            let (bytes, after) = batch::split_first(rest);
            rest = after;
            let batch = batch::verify(bytes, key).map_err(|_| HistoryError::Unreadable)?;
            if batch.statement().size() <= old {
                continue;
            }
            let prover = match prover {
                Some(prover) => prover,
                None => {
                    let begun = ConsistencyProver::new(old, new, &batch.start());
                    prover.insert(begun.map_err(|_| HistoryError::Leaves)?)
                }
            };
            for (seq, record) in (batch.statement().first..).zip(batch.records()) {
                if prover.next() == Some(seq) {
                    prover.push(record.leaf);
                }
            }
        }
    }
    Ok(())
}
