//! The past of a ledger under audit: the roots of its last batch ends, for comparing overlaps and
//! anchors.
//!
//! A root commits to every leaf before it, so two histories with one root at one size are one
//! history. The past is bounded: what lies further back cannot be compared, and the auditor says
//! so.

use alloc::collections::VecDeque;

use crate::hash::Hash;

/// Roots that are remembered: 2.5 MiB, and more batches than files overlap by.
pub(crate) const PAST_MAX: usize = 1 << 16;

/// Roots by size, the sizes ascending.
#[derive(Debug)]
pub(crate) struct Past {
    roots: VecDeque<(u64, Hash)>,
}

impl Past {
    /// The past of a ledger that nothing is known of but that it was empty once.
    pub(crate) fn new() -> Self {
        Self { roots: VecDeque::from([(0, Hash::of(&[]))]) }
    }

    /// Remembers a root. Sizes that are not beyond the last one are not news.
    pub(crate) fn push(&mut self, size: u64, root: Hash) {
        if self.roots.back().is_some_and(|(last, _)| *last >= size) {
            return;
        }
        if self.roots.len() == PAST_MAX {
            self.roots.pop_front();
        }
        self.roots.push_back((size, root));
    }

    /// The root at `size`, if a batch ended there and it is not too long ago.
    pub(crate) fn root(&self, size: u64) -> Option<Hash> {
        let at = self.roots.binary_search_by_key(&size, |(size, _)| *size).ok()?;
        self.roots.get(at).map(|(_, root)| *root)
    }
}
