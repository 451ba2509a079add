//! The history of one ledger as an archive has it: which records, and the signed root at the end of
//! each batch.

use std::collections::BTreeMap;
use std::fmt;

use lucarne_archive::{Archive, Name};
use lucarne_ledger::audit::cause::ForkProof;
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerId;

use crate::commands::audit::catalogue::{Files, unreadable};
use crate::commands::audit::reading::{self, Segments};
use crate::failure::{Exit, Failure};

/// What an archive has of a ledger. It grows with the number of batches: 40 bytes each.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Roots by size. The first statement of each size counts.
    roots: BTreeMap<u64, Hash>,
    /// The largest size, and the statement of it.
    ranges: Vec<SeqRange>,
    statements: BTreeMap<u64, Vec<u8>>,
    refused: u64,
}

/// How two histories of one ledger stand to each other.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Relation {
    /// They end at one size with one root.
    Same { size: u64 },
    /// One ends where the other goes on.
    Prefix { shorter: &'static str, longer: &'static str, common: u64, size: u64 },
    /// Two signed roots for one size.
    Forked { size: u64, common: u64, proof: ForkProof },
    /// No batch of one ends where a batch of the other does.
    Unknown,
    /// One of them has nothing of it.
    Absent { from: &'static str },
}

impl History {
    /// Reads all batches of a ledger that verify.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(
        archive: &dyn Archive,
        id: &LedgerId,
        files: &Files,
        key: &EpochKey,
    ) -> Result<Self, Failure> {
        let mut history = Self::default();
        for name in Segments::new(archive, id, files, 0) {
            let source = archive.open(&Name::Seal(name?)).map_err(|error| unreadable(&error))?;
            let whole = reading::batches(source, &mut |bytes| {
                history.take(id, bytes, key);
                Ok(())
            })?;
            history.refused += u64::from(whole.is_err());
        }
        history.ranges.sort();
        history.ranges = merged(&history.ranges);
        Ok(history)
    }

    fn take(&mut self, id: &LedgerId, bytes: &[u8], key: &EpochKey) {
        let Some(batch) = batch::verify(bytes, key).ok().filter(|b| b.statement().ledger == *id)
        else {
            self.refused += 1;
            return;
        };
        let statement = batch.statement();
        let (first, size) = (statement.first, statement.size());
        self.ranges.extend(SeqRange::before(first, size));
        self.roots.entry(size).or_insert(statement.root);
        // One statement of a thousand bytes a batch is too much to keep of a large ledger.
        if self.statements.len() < STATEMENTS_MAX {
            self.statements.entry(size).or_insert_with(|| batch.signed_statement().to_vec());
        }
    }

    /// Batches and files that do not verify.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// How this history, `A`, stands to another one, `B`.
    pub(super) fn relation(&self, other: &Self) -> Relation {
        let (Some((size_a, _)), Some((size_b, _))) =
            (self.roots.last_key_value(), other.roots.last_key_value())
        else {
            return Relation::Absent { from: if self.roots.is_empty() { "A" } else { "B" } };
        };
        let both = || {
            self.roots
                .iter()
                .filter_map(|(size, one)| other.roots.get(size).map(|other| (*size, one == other)))
        };
        let parted = both().find(|(_, same)| !same).map(|(size, _)| size);
        let before = |end: u64| {
            both()
                .take_while(|(size, same)| *same && *size < end)
                .last()
                .map_or(0, |(size, _)| size)
        };
        if let Some(size) = parted {
            let signed = |side: &Self| side.statements.get(&size).cloned().unwrap_or_default();
            let proof = ForkProof { one: signed(self), other: signed(other) };
            return Relation::Forked { size, common: before(size), proof };
        }
        let common = before(u64::MAX);
        match size_a.cmp(size_b) {
            _ if common == 0 => Relation::Unknown,
            std::cmp::Ordering::Equal => Relation::Same { size: *size_a },
            std::cmp::Ordering::Less => {
                Relation::Prefix { shorter: "A", longer: "B", common, size: *size_b }
            }
            std::cmp::Ordering::Greater => {
                Relation::Prefix { shorter: "B", longer: "A", common, size: *size_a }
            }
        }
    }

    /// The records that this one has and the other has not.
    pub(super) fn without(&self, other: &Self) -> Vec<SeqRange> {
        let mut left = Vec::new();
        for range in &self.ranges {
            let mut first = range.first;
            for hole in other.ranges.iter().filter(|hole| hole.meets(range)) {
                left.extend(SeqRange::before(first, hole.first));
                first = hole.last.saturating_add(1);
            }
            left.extend(SeqRange::before(first, range.last.saturating_add(1)));
        }
        left
    }
}

/// Statements that are kept for a proof: a fork is shown by the first that part.
const STATEMENTS_MAX: usize = 1 << 14;

fn merged(ranges: &[SeqRange]) -> Vec<SeqRange> {
    let mut out: Vec<SeqRange> = Vec::new();
    for range in ranges {
        match out.last_mut().filter(|last| last.last.saturating_add(1) >= range.first) {
            Some(last) => last.last = last.last.max(range.last),
            None => out.push(*range),
        }
    }
    out
}

impl Relation {
    /// What it comes to.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Same { .. } => Exit::Yes,
            Self::Prefix { .. } | Self::Forked { .. } | Self::Absent { .. } => Exit::No,
            Self::Unknown => Exit::CouldNotTell,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { size } => write!(f, "one history of {size} records"),
            Self::Prefix { shorter, longer, common, size } => write!(
                f,
                "{shorter} is a prefix of {longer}: one history up to {common}, {longer} goes on \
                 to {size}"
            ),
            Self::Forked { size, common, proof } => {
                let signed = !proof.one.is_empty() && !proof.other.is_empty();
                let proven = if signed { ", both signed" } else { "" };
                write!(f, "FORKED: two roots for size {size}{proven}; one history up to {common}")
            }
            Self::Unknown => write!(f, "no batch of A ends where one of B does"),
            Self::Absent { from } => write!(f, "{from} has nothing of it"),
        }
    }
}
