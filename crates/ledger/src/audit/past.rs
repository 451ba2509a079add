//! The past of a ledger under audit: the roots at batch ends and the newest leaves, for comparing
//! overlaps and anchors.
//!
//! A root commits to every leaf before it, so two histories with one root at one size are one
//! history; leaves say where two histories part. The past is bounded: what lies further back cannot
//! be compared, and the auditor says so.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::batch::VerifiedBatch;
use crate::hash::Hash;

/// Roots that are remembered: some 3 MiB, and more batches than files overlap by.
pub(crate) const PAST_MAX: usize = 1 << 16;
/// Leaves that are remembered: 2 MiB, more than the records of a `.seal` file.
const LEAVES_MAX: usize = 1 << 16;

/// Roots by size, and runs of leaves that do not overlap.
#[derive(Debug)]
pub(crate) struct Past {
    roots: BTreeMap<u64, Hash>,
    leaves: BTreeMap<u64, Vec<Hash>>,
    held: usize,
}

/// What the past says of the records of a batch.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Comparison {
    /// The first and the last record that has another leaf here than there.
    pub(crate) differs: Option<(u64, u64)>,
    /// The last record whose leaf is not remembered.
    pub(crate) unknown: Option<u64>,
}

impl Past {
    /// The past of a ledger that nothing is known of but that it was empty once.
    pub(crate) fn new() -> Self {
        let roots = BTreeMap::from([(0, Hash::of(&[]))]);
        Self { roots, leaves: BTreeMap::new(), held: 0 }
    }

    /// Remembers a root, unless one of this size is known.
    pub(crate) fn push(&mut self, size: u64, root: Hash) {
        self.roots.entry(size).or_insert(root);
        if self.roots.len() > PAST_MAX {
            self.roots.pop_first();
        }
    }

    /// Remembers the leaves of the records from `from` to before `end`, which are new.
    pub(crate) fn remember(&mut self, batch: &VerifiedBatch<'_>, from: u64, end: u64) {
        let skip = usize::try_from(from.saturating_sub(batch.statement().first)).unwrap_or(0);
        let take = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
        let run = batch.records().iter().skip(skip).take(take).map(|record| record.leaf);
        let run: Vec<Hash> = run.collect();
        self.held = self.held.saturating_add(run.len());
        self.leaves.insert(from, run);
        while self.held > LEAVES_MAX && self.leaves.len() > 1 {
            let old = self.leaves.pop_first().map_or(0, |(_, run)| run.len());
            self.held = self.held.saturating_sub(old);
        }
    }

    /// The root at `size`, if a batch ended there and it is not too long ago.
    pub(crate) fn root(&self, size: u64) -> Option<Hash> {
        self.roots.get(&size).copied()
    }

    /// The largest size above `first` and not above `end` whose root is remembered.
    pub(crate) fn last_root(&self, first: u64, end: u64) -> Option<(u64, Hash)> {
        if first >= end {
            return None;
        }
        self.roots
            .range(first.saturating_add(1)..=end)
            .next_back()
            .map(|(size, root)| (*size, *root))
    }

    /// Compares the records of a batch before `end` with the leaves that are remembered; those that
    /// are `new` need not be.
    pub(crate) fn compare(
        &self,
        batch: &VerifiedBatch<'_>,
        end: u64,
        new: impl Fn(u64) -> bool,
    ) -> Comparison {
        let mut found = Comparison::default();
        let first = batch.statement().first;
        for (seq, record) in (first..end).zip(batch.records()) {
            match self.leaf(seq) {
                Some(leaf) if leaf == record.leaf => {}
                Some(_) => {
                    let start = found.differs.map_or(seq, |(start, _)| start);
                    found.differs = Some((start, seq));
                }
                None if new(seq) => {}
                None => found.unknown = Some(seq),
            }
        }
        found
    }

    fn leaf(&self, seq: u64) -> Option<Hash> {
        let (first, run) = self.leaves.range(..=seq).next_back()?;
        run.get(usize::try_from(seq - first).ok()?).copied()
    }
}
