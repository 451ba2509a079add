//! The anchors of a ledger under audit: verified checkpoints, each compared with the records when
//! they come.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::audit::cause::{Cause, ForkProof};
use crate::batch::VerifiedBatch;
use crate::hash::Hash;

/// Checkpoints that may wait for their records: one a second for eighteen hours.
pub(crate) const WAITING_MAX: usize = 1 << 16;

/// A verified checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// The signed note, for a fork proof.
    pub(crate) note: Vec<u8>,
}

/// Checkpoints that wait for their records, and the largest one.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    waiting: VecDeque<Anchor>,
    // whose records were not there when it was their turn
    late: Vec<Anchor>,
    largest: Option<Anchor>,
    fitting: u64,
    /// Whether some had to be let go without a comparison.
    pub(crate) overflowed: bool,
}

impl Anchors {
    /// Takes a checkpoint whose size is beyond the records seen so far.
    ///
    /// Returns the fork when another one of its size has another root.
    pub(crate) fn wait(&mut self, anchor: Anchor) -> Option<Cause> {
        // They are in the order of their sizes, and an archive may have very many.
        let first = self.waiting.partition_point(|other| other.size < anchor.size);
        let behind = self.waiting.partition_point(|other| other.size <= anchor.size);
        let mut same = self.waiting.range(first..behind).rev();
        if let Some(other) = same.find(|other| other.root != anchor.root) {
            return Some(two_anchors(other, &anchor));
        }
        if self.largest.as_ref().is_none_or(|largest| largest.size < anchor.size) {
            self.largest = Some(anchor.clone());
        }
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.overflowed = true;
        }
        let at = self.waiting.partition_point(|other| other.size <= anchor.size);
        self.waiting.insert(at, anchor);
        None
    }

    /// Keeps a checkpoint whose records are not there now and may come under a wrong name.
    pub(crate) fn late(&mut self, anchor: Anchor) {
        if self.late.len() < WAITING_MAX {
            self.late.push(anchor);
        } else {
            self.overflowed = true;
        }
    }

    /// Those that were kept, at the end.
    pub(crate) fn take_late(&mut self) -> Vec<Anchor> {
        core::mem::take(&mut self.late)
    }

    /// Notes a checkpoint that fits the records.
    pub(crate) fn fits(&mut self, size: u64) {
        self.fitting = self.fitting.max(size);
    }

    /// Size of the largest checkpoint that fits the records.
    pub(crate) const fn fitting(&self) -> u64 {
        self.fitting
    }

    /// The largest checkpoint, if it is beyond `size`.
    pub(crate) fn beyond(&self, size: u64) -> Option<&Anchor> {
        self.largest.as_ref().filter(|largest| largest.size > size)
    }

    /// Compares every waiting checkpoint that the batch reaches; returns the first that does not
    /// fit.
    pub(crate) fn meet(&mut self, batch: &VerifiedBatch<'_>) -> Option<(u64, Cause)> {
        let first = batch.statement().first;
        let mut edge = None;
        let mut fork = None;
        while let Some(anchor) = self.waiting.pop_front_if(|a| a.size <= batch.statement().size()) {
            if anchor.size < first {
                self.late(anchor);
                continue;
            }
            let edge = edge.get_or_insert_with(|| batch.start());
            let done = usize::try_from(edge.size() - first).unwrap_or(usize::MAX);
            let todo = usize::try_from(anchor.size - edge.size()).unwrap_or(usize::MAX);
            batch.records().iter().skip(done).take(todo).for_each(|r| edge.append(r.leaf));
            if edge.root() == anchor.root {
                self.fits(anchor.size);
            } else if fork.is_none() {
                fork = Some((anchor.size, two_roots(batch, edge.root(), &anchor)));
            }
        }
        fork
    }
}

fn two_roots(batch: &VerifiedBatch<'_>, root: Hash, anchor: &Anchor) -> Cause {
    // The statement speaks of the anchor's size only when it ends there.
    let same = batch.statement().size() == anchor.size;
    let one = batch.signed_statement().to_vec();
    let proof = same.then(|| ForkProof { one, other: anchor.note.clone() });
    Cause::TwoRoots { size: anchor.size, one: root, other: anchor.root, proof }
}

fn two_anchors(one: &Anchor, other: &Anchor) -> Cause {
    let proof = Some(ForkProof { one: one.note.clone(), other: other.note.clone() });
    Cause::TwoRoots { size: one.size, one: one.root, other: other.root, proof }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_that_nobody_can_wait_for_are_let_go_and_that_is_said() {
        let anchor = |size| Anchor { size, root: Hash::ZERO, note: Vec::new() };
        let mut anchors = Anchors::default();
        let mut late = Anchors::default();
        for size in 1..=WAITING_MAX as u64 {
            assert_eq!(anchors.wait(anchor(size)), None);
            late.late(anchor(size));
        }
        assert_eq!((anchors.overflowed, late.overflowed), (false, false));
        anchors.wait(anchor(1 << 17));
        late.late(anchor(1 << 17));
        assert_eq!((anchors.overflowed, late.overflowed), (true, true));
        assert_eq!((anchors.waiting.len(), late.late.len()), (WAITING_MAX, WAITING_MAX));
    }
}
