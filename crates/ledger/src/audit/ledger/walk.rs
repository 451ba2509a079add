//! The walk along verified batches: joining, overlapping, missing, misplaced, and what cannot be
//! read.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use super::overlap::seam;
use super::{Claim, Covered, Edge, LedgerAudit, MS_PER_DAY, Segment};
use crate::audit::cause::{Cause, ForkProof};
use crate::audit::ends::End;
use crate::audit::finding::{FindingKind, SeqRange};
use crate::batch::{Content, VerifiedBatch};
use crate::chain;
use crate::control::Control;
use crate::hash::Hash;
use crate::identity::LedgerKind;
use crate::record::Stream;

impl LedgerAudit<'_> {
    /// Takes a verified batch of this ledger; says whether it follows directly on what came before.
    pub(super) fn join(&mut self, batch: &VerifiedBatch<'_>) -> bool {
        if self.before_start(batch) {
            self.cover(batch);
            return true;
        }
        let first = batch.statement().first;
        let joined = if first < self.edge.tree.size() {
            self.overlap(batch);
            false
        } else {
            self.absent_before(first);
            self.settle(first, Some(batch));
            let joined = self.follows(batch);
            // Two histories have two clocks.
            if joined && !self.forked {
                self.check_time(batch, declares_gap(batch));
            }
            self.advance(batch, first);
            joined
        };
        self.cover(batch);
        joined
    }

    /// Sets aside what cannot be read, once for each break.
    pub(super) fn broken(&mut self, cause: Cause) {
        let Some(segment) = self.segment.as_mut() else { return };
        if core::mem::replace(&mut segment.broken, true) {
            return;
        }
        segment.absent = true;
        let named = segment.name.range;
        let file = segment.name.file.clone();
        let at = segment.covered.map_or(named.first, |covered| covered.end);
        if at > named.last || named.last < segment.reached {
            self.find(Some(named), Some(file), extra(cause, named));
        } else {
            self.claims.push(Claim { first: at, last: named.last, named, file, cause });
        }
    }

    /// Ends the segment being read: compares its name with what was in it.
    pub(super) fn end_segment(&mut self) {
        let Some(segment) = self.segment.take() else { return };
        let named = segment.name.range;
        if segment.skipped && !segment.ordered {
            let cause = Cause::RevisionAbsent { revision: segment.name.revision };
            self.find(Some(named), Some(segment.name.file.clone()), cause);
        }
        let short = |first| Claim {
            first,
            last: named.last,
            named,
            file: segment.name.file.clone(),
            cause: Cause::BatchesAbsent,
        };
        let Some(covered) = segment.covered else {
            if !segment.broken {
                self.claims.push(short(named.first));
            }
            return;
        };
        let file = Some(segment.name.file.clone());
        let range = SeqRange { first: covered.first, last: covered.end.saturating_sub(1) };
        if segment.uncompared {
            self.find(Some(range), file.clone(), Cause::OverlapUncompared);
        }
        match misnamed(&segment, covered) {
            Some(cause) => {
                self.misplace(range, named, &segment.name.file);
                self.find(Some(range), file, cause);
            }
            None if covered.end <= named.last && !segment.broken => {
                self.claims.push(short(covered.end));
            }
            None if covered.first > named.first => {
                if self.short.len() < super::HOLES_MAX {
                    self.short.push((range, named, segment.name.file.clone()));
                }
            }
            None => self.recognise_copy(range, &segment.name.file),
        }
    }

    /// Settles every claim below `first`, where a verified batch begins, and names what is missing.
    ///
    /// Returns the size up to which claims speak.
    pub(super) fn settle(&mut self, first: u64, batch: Option<&VerifiedBatch<'_>>) -> u64 {
        let mut at = self.reached();
        for claim in core::mem::take(&mut self.claims) {
            let begin = claim.first.max(at);
            let file = Some(claim.file.clone());
            let lost = SeqRange::before(begin, first.min(claim.last.saturating_add(1)));
            match lost.filter(|_| batch.is_some() || self.may_have_held(begin, at)) {
                Some(lost) => {
                    if let Some(before) = SeqRange::before(at, begin) {
                        self.hole(before, None, None, Cause::FilesAbsent { root: None });
                    }
                    self.lose(lost, file, batch, claim.cause);
                    at = lost.last.saturating_add(1);
                }
                None if claim.first > first => self.claims.push(claim),
                None => self.find(Some(claim.named), file, extra(claim.cause, claim.named)),
            }
        }
        if let (Some(batch), Some(lost)) = (batch, SeqRange::before(at, first)) {
            let root = Some(batch.statement().prev_root);
            self.hole(lost, None, Some(batch), Cause::FilesAbsent { root });
        }
        at
    }

    // Whether records can have followed at `begin`, where nothing that verifies comes behind: names
    // say little, and a ledger that closed has no more.
    fn may_have_held(&self, begin: u64, at: u64) -> bool {
        let open = self.content.closed_at.is_none_or(|closed| closed >= begin);
        open && (begin == at || self.anchors.beyond(at).is_some_and(|anchor| anchor.size > begin))
    }

    fn lose(
        &mut self,
        lost: SeqRange,
        file: Option<String>,
        batch: Option<&VerifiedBatch<'_>>,
        cause: Cause,
    ) {
        if cause.kind() == FindingKind::Missing {
            self.hole(lost, file, batch, cause);
        } else {
            self.find(Some(lost), file, cause);
        }
    }

    fn hole(
        &mut self,
        range: SeqRange,
        file: Option<String>,
        batch: Option<&VerifiedBatch<'_>>,
        cause: Cause,
    ) {
        let cause = batch.and_then(|batch| self.record_absent(range, batch)).unwrap_or(cause);
        self.find(Some(range), file, cause);
        self.miss(range);
    }

    // The record after a single missing one names its leaf, and the root confirms it.
    fn record_absent(&self, range: SeqRange, batch: &VerifiedBatch<'_>) -> Option<Cause> {
        let next = batch.statement().first;
        let single = range.first == range.last && range.last.checked_add(1) == Some(next);
        if !single || self.id.kind != LedgerKind::Audit || self.edge.tree.size() != range.first {
            return None;
        }
        let leaf = named_leaf(batch)?;
        let mut tree = self.edge.tree.clone();
        tree.append(leaf);
        let confirmed = tree.root() == batch.statement().prev_root;
        Some(Cause::RecordAbsent { leaf, confirmed })
    }

    // A batch that begins inside the range of its file's name: those before it should be in that
    // file.
    fn absent_before(&mut self, first: u64) {
        let reached = self.reached();
        let Some(segment) = self.segment.as_mut().filter(|segment| !segment.broken) else { return };
        let named = segment.name.range;
        if first <= named.first || first > named.last {
            return;
        }
        let at = segment.covered.map_or(named.first, |covered| covered.end).max(reached);
        if let Some(lost) = SeqRange::before(at, first) {
            segment.absent = true;
            let (file, cause) = (segment.name.file.clone(), Cause::BatchesAbsent);
            self.claims.push(Claim { first: lost.first, last: lost.last, named, file, cause });
        }
    }

    // Whether the batch starts where the edge is, with the same root and, in the audit ledger, the
    // same leaf.
    fn follows(&mut self, batch: &VerifiedBatch<'_>) -> bool {
        let statement = batch.statement();
        if statement.first != self.edge.tree.size() {
            return false;
        }
        let at = SeqRange { first: statement.first, last: statement.first };
        let root = self.edge.tree.root();
        if statement.prev_root != root {
            let cause = self.two_roots(statement.first, root, statement.prev_root, batch);
            self.fork(seam(statement.first), cause);
            return false;
        }
        let named = named_leaf(batch).filter(|_| self.id.kind == LedgerKind::Audit);
        match (self.edge.last_leaf, named) {
            (Some(leaf), Some(named)) if leaf != named => {
                self.fork(Some(at), Cause::ChainBroken { leaf, named });
                false
            }
            _ => true,
        }
    }

    // Moves the edge to the end of the batch; records before `from` are known already.
    pub(super) fn advance(&mut self, batch: &VerifiedBatch<'_>, from: u64) {
        let statement = batch.statement();
        self.past.push(statement.first, statement.prev_root);
        self.past.push(statement.size(), statement.root);
        if let Some((size, cause)) = self.anchors.meet(batch) {
            self.fork(seam(size), cause);
        }
        self.learn(batch, from, statement.size());
        let (size, root, time_ms) = (statement.size(), statement.root, statement.time_ms);
        self.ends.push(End { size, root, time_ms });
        self.time_ms = Some(time_ms);
        self.start.entered = true;
        self.edge = Edge {
            tree: batch.end().clone(),
            last_leaf: batch.records().last().map(|record| record.leaf),
            statement: batch.signed_statement().to_owned(),
        };
    }

    pub(super) fn learn(&mut self, batch: &VerifiedBatch<'_>, from: u64, end: u64) {
        self.verified = self.verified.saturating_add(end.saturating_sub(from));
        self.past.remember(batch, from, end);
        let file = self.segment.as_mut().map(|segment| {
            segment.news = true;
            segment.name.file.clone()
        });
        let before = self.content.authorised();
        let remarks = self.content.inspect(batch, (from, end), self.policy);
        if let Some(segment) = self.segment.as_mut() {
            segment.ordered |= self.content.authorised() > before;
        }
        for (range, cause) in remarks {
            // Of two histories that exclude each other, one always goes on after the other's end.
            if cause != Cause::AfterClose || !self.forked {
                self.find(Some(range), file.clone(), cause);
            }
        }
    }

    fn cover(&mut self, batch: &VerifiedBatch<'_>) {
        let statement = batch.statement();
        let Some(segment) = self.segment.as_mut() else { return };
        segment.broken = false;
        let new = Covered {
            first: statement.first,
            end: statement.size(),
            root: statement.root,
            day: statement.time_ms / MS_PER_DAY,
        };
        segment.covered = Some(match segment.covered {
            None => new,
            Some(old) => Covered {
                day: if new.first < old.first { new.day } else { old.day },
                first: old.first.min(new.first),
                end: old.end.max(new.end),
                root: if new.end >= old.end { new.root } else { old.root },
            },
        });
    }

    pub(super) fn two_roots(
        &self,
        size: u64,
        one: Hash,
        other: Hash,
        batch: &VerifiedBatch<'_>,
    ) -> Cause {
        // The statement that ended at the edge speaks of this size only when the edge is there.
        let ends_here = size == self.edge.tree.size() && !self.edge.statement.is_empty();
        let starts_here = size == batch.statement().first || size == batch.statement().size();
        let proof = (ends_here && starts_here).then(|| ForkProof {
            one: self.edge.statement.clone(),
            other: batch.signed_statement().to_owned(),
        });
        Cause::TwoRoots { size, one, other, proof }
    }
}

// What a file holds against what it is named for. A root commits to a size: where the roots agree,
// it is the numbers of the name that are wrong, and nothing is missing behind.
fn misnamed(segment: &Segment, covered: Covered) -> Option<Cause> {
    let name = &segment.name;
    let stated = name.range;
    let end = stated.last.saturating_add(1);
    let begins = covered.first == stated.first || (covered.first > stated.first && segment.absent);
    let ends = covered.end == end || (covered.end < end && covered.root != name.root);
    let cause = if !begins || !ends {
        Cause::Misnamed { stated }
    } else if covered.end == end && covered.root != name.root {
        Cause::NameDiffers { stated: name.root, found: covered.root }
    } else if covered.first == stated.first && name.day.is_some_and(|day| day != covered.day) {
        Cause::WrongDay
    } else {
        return None;
    };
    Some(if segment.news { cause } else { Cause::SecondCopy { stated } })
}

// What a break means when no record is missing because of it.
fn extra(cause: Cause, stated: SeqRange) -> Cause {
    match cause {
        Cause::FileUnreadable { detail } => Cause::ExtraBytes { detail },
        Cause::BatchRefused(error) => Cause::ExtraBytes { detail: error.to_string() },
        Cause::BatchesAbsent => Cause::Misnamed { stated },
        other => other,
    }
}

pub(super) fn root_at(batch: &VerifiedBatch<'_>, size: u64) -> Hash {
    let mut edge = batch.start();
    let count = usize::try_from(size.saturating_sub(edge.size())).unwrap_or(usize::MAX);
    batch.records().iter().take(count).for_each(|record| edge.append(record.leaf));
    edge.root()
}

fn named_leaf(batch: &VerifiedBatch<'_>) -> Option<Hash> {
    match batch.records().first()?.content {
        Content::Present { payload, .. } => chain::split(payload).map(|(leaf, _)| leaf),
        Content::Withheld { .. } | Content::Encrypted => None,
    }
}

// A ledger that was silent and says why is honest.
fn declares_gap(batch: &VerifiedBatch<'_>) -> bool {
    let kind = batch.statement().ledger.kind;
    batch.records().iter().any(|record| match record.content {
        Content::Present { payload, .. } if record.stream == Stream::Control => {
            matches!(Control::parse(payload, kind), Ok(Control::Gap(_)))
        }
        Content::Present { .. } | Content::Withheld { .. } | Content::Encrypted => false,
    })
}
