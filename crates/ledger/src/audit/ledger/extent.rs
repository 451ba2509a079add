//! The part of a ledger that is looked at, when it is not all of it: a copy of one day, or what
//! came after an earlier audit.
//!
//! What lies before is neither read nor missed. Where the auditor remembers the root before his
//! part, the first batch that reaches it must lead to that very root; where he does not, the first
//! batch's own signed edge is the start, and nothing is known of what led to it.

use alloc::vec::Vec;

use super::{Edge, LedgerAudit};
use crate::audit::cause::Cause;
use crate::audit::finding::SeqRange;
use crate::batch::{Content, EpochKey, VerifiedBatch};
use crate::control::Control;
use crate::hash::Hash;
use crate::tree::Frontier;

/// Which part of a ledger is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// The first sequence number; 0 is the whole ledger.
    pub from: u64,
    /// The root before it, where it is remembered. It is believed, and is an anchor.
    pub root: Option<Hash>,
    /// Whether the ledger may go on behind this part: then nothing that follows is missed.
    pub open_ended: bool,
}

impl Extent {
    /// All of a ledger.
    pub const WHOLE: Self = Self { from: 0, root: None, open_ended: false };
}

/// How far the walk has come to the beginning of its part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) extent: Extent,
    // whether a batch has brought the edge of the tree
    pub(super) entered: bool,
    // the largest end of the batches that lie before the part
    seen: u64,
}

impl Start {
    pub(super) const fn new(extent: Extent) -> Self {
        Self { extent, entered: extent.from == 0, seen: 0 }
    }
}

impl LedgerAudit<'_> {
    /// Looks at a part only. To be called before anything is handed over; segments that end before
    /// `from` need not be, but for the one that ends right there.
    pub const fn limit(&mut self, extent: Extent) {
        self.start = Start::new(extent);
    }

    /// What batches are checked with, for callers that check several at a time.
    pub const fn epoch_key(&self) -> &EpochKey {
        &self.keys.statement
    }

    /// The size up to which verified batches reach, or the start of the part as long as none does.
    pub(super) const fn reached(&self) -> u64 {
        if self.start.entered { self.edge.tree.size() } else { self.start.extent.from }
    }

    /// Size and root up to which verified batches reach: where a later audit can go on.
    pub fn head(&self) -> (u64, Hash) {
        let remembered = self.start.extent.root.filter(|_| !self.start.entered);
        (self.reached(), remembered.unwrap_or_else(|| self.edge.tree.root()))
    }

    /// Looks at a batch while the start is not reached; true when it lies before it whole.
    pub(super) fn before_start(&mut self, batch: &VerifiedBatch<'_>) -> bool {
        if self.start.entered {
            return false;
        }
        let from = self.start.extent.from;
        let (first, end) = (batch.statement().first, batch.statement().size());
        if end <= from {
            self.start.seen = self.start.seen.max(end);
            if end == from {
                self.compare_start(batch, batch.statement().root);
                self.content.closed_at = closes(batch).then_some(end.saturating_sub(1));
            }
            return true;
        }
        if first <= from {
            let tree = edge_at(batch, from);
            let root = tree.root();
            self.compare_start(batch, root);
            self.past.push(from, root);
            self.edge = Edge { tree, last_leaf: None, statement: Vec::new() };
            self.start.entered = true;
        }
        false
    }

    /// What a remembered head means when the archive does not reach it any more.
    pub(super) fn conclude_start(&mut self) {
        let Extent { from: size, root, .. } = self.start.extent;
        if let Some(root) = root.filter(|_| !self.start.entered && self.start.seen < size) {
            let first = if self.start.seen > 0 { self.start.seen } else { size.saturating_sub(1) };
            self.find(SeqRange::before(first, size), None, Cause::AnchorBeyond { size, root });
        }
    }

    fn compare_start(&mut self, batch: &VerifiedBatch<'_>, found: Hash) {
        let Extent { from: size, root, .. } = self.start.extent;
        if let Some(one) = root.filter(|root| *root != found) {
            let (first, proof) = (batch.statement().first.min(size.saturating_sub(1)), None);
            let cause = Cause::TwoRoots { size, one, other: found, proof };
            self.fork(SeqRange::before(first, size), cause);
        }
    }
}

fn edge_at(batch: &VerifiedBatch<'_>, size: u64) -> Frontier {
    let mut edge = batch.start();
    let count = usize::try_from(size.saturating_sub(edge.size())).unwrap_or(usize::MAX);
    batch.records().iter().take(count).for_each(|record| edge.append(record.leaf));
    edge
}

// Whether the ledger ends with this batch.
fn closes(batch: &VerifiedBatch<'_>) -> bool {
    let kind = batch.statement().ledger.kind;
    match batch.records().last().map(|record| record.content) {
        Some(Content::Present { payload, .. }) => {
            matches!(Control::parse(payload, kind), Ok(Control::Close(_)))
        }
        Some(Content::Withheld { .. } | Content::Encrypted) | None => false,
    }
}
