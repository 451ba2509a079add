//! The ends of a ledger's batches with their times, thinned out: what a later epoch says of this
//! one is compared with them.
//!
//! Bounded to some six KiB a ledger, for a site has thousands of epochs: when full, every second
//! one is let go.

use alloc::vec::Vec;

use crate::hash::Hash;

/// Ends that are kept of a ledger.
const ENDS_MAX: usize = 128;

/// One end of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct End {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) time_ms: u64,
}

/// Ends by size, the last one among them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ends {
    kept: Vec<End>,
    last: Option<End>,
    // one in so many is kept
    stride: u64,
    seen: u64,
}

impl Ends {
    /// Adds the end of the next batch.
    pub(crate) fn push(&mut self, end: End) {
        self.last = Some(end);
        self.stride = self.stride.max(1);
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == ENDS_MAX {
                let mut position = 0_usize;
                self.kept.retain(|_| {
                    position = position.saturating_add(1);
                    position % 2 == 1
                });
                self.stride = self.stride.saturating_mul(2);
            }
            self.kept.push(end);
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// The root at `size`, if it is one that was kept.
    pub(crate) fn root(&self, size: u64) -> Option<Hash> {
        self.all().find(|end| end.size == size).map(|end| end.root)
    }

    /// A time by which the ledger had more than `size` records; the true one may be earlier.
    pub(crate) fn beyond(&self, size: u64) -> Option<u64> {
        self.all().filter(|end| end.size > size).map(|end| end.time_ms).min()
    }

    fn all(&self) -> impl Iterator<Item = End> {
        self.kept.iter().copied().chain(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_spans_the_whole_ledger() {
        let mut ends = Ends::default();
        for n in 1..=10_000 {
            ends.push(End { size: n, root: Hash::of(&n.to_be_bytes()), time_ms: n * 10 });
        }
        assert!(ends.kept.len() <= ENDS_MAX, "{}", ends.kept.len());
        assert_eq!(ends.root(10_000), Some(Hash::of(&10_000_u64.to_be_bytes())));
        assert_eq!(ends.beyond(10_000), None);
        assert_eq!(ends.beyond(9_999), Some(100_000));
        for size in [0, 77, 5_000] {
            let late = ends.beyond(size).unwrap() - (size + 1) * 10;
            assert!(late <= 10_000 / 64 * 10 * 2, "{size}: {late} ms late");
        }
    }
}
