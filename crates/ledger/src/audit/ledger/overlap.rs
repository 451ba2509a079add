//! Batches that begin before the edge: late ones that fill a hole, copies, or a second history.
//!
//! Overlaps with equal leaves, however cut, are benign: a gateway that was killed writes them. Two
//! leaves for one sequence number, or two roots for one size, are a fork.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::walk::root_at;
use super::{HOLES_MAX, LedgerAudit};
use crate::audit::cause::Cause;
use crate::audit::finding::{Finding, FindingKind, SeqRange};
use crate::batch::VerifiedBatch;

/// Records that were found missing, in case they turn up later under a wrong name.
#[derive(Debug)]
pub(super) struct Hole {
    range: SeqRange,
    // what is still missing of it
    rest: Vec<SeqRange>,
    // the file being read when it was found
    file: Option<String>,
}

impl LedgerAudit<'_> {
    /// Keeps a range in mind that was found missing.
    pub(super) fn miss(&mut self, range: SeqRange) {
        if self.holes.len() < HOLES_MAX {
            let file = self.segment.as_ref().map(|segment| segment.name.file.clone());
            self.holes.push(Hole { range, rest: vec![range], file });
        }
    }

    /// Takes a verified batch that begins before the edge.
    pub(super) fn overlap(&mut self, batch: &VerifiedBatch<'_>) {
        let statement = batch.statement();
        let (first, end, reached) = (statement.first, statement.size(), self.edge.tree.size());
        let common = end.min(reached);
        let found = self.past.compare(batch, common, |seq| self.is_missing(seq));
        let known = self.past.last_root(first, common);
        let other = known.map(|(size, _)| root_at(batch, size));
        if let Some((from, to)) = found.differs {
            let range = Some(SeqRange { first: from, last: to });
            let cause = match (known, other) {
                (Some((size, one)), Some(other)) if one != other => {
                    self.two_roots(size, one, other, batch)
                }
                _ => Cause::TwoLeaves { seq: from },
            };
            self.fork(range, cause);
        } else if let Some(one) = self.past.root(first).filter(|one| *one != statement.prev_root) {
            let cause = self.two_roots(first, one, statement.prev_root, batch);
            self.fork(seam(first), cause);
        } else if let (Some((size, one)), Some(other)) = (known, other)
            && one != other
        {
            let cause = self.two_roots(size, one, other, batch);
            self.fork(SeqRange::before(first, size), cause);
        } else {
            self.fill(batch, common);
            if self.segment.as_ref().is_some_and(|at| at.name.revision > 0 && !at.skipped) {
                self.content.reconsider(batch, self.policy);
            }
            let compared = known.map_or(0, |(size, _)| size);
            if let Some(segment) = self.segment.as_mut() {
                segment.uncompared = found.unknown.is_some_and(|seq| seq >= compared);
            }
        }
        if end > reached {
            self.advance(batch, reached);
        }
    }

    // Records that had been missed turn up: their finding goes, or becomes one about their order.
    fn fill(&mut self, batch: &VerifiedBatch<'_>, common: u64) {
        let first = batch.statement().first;
        let Some(here) = SeqRange::before(first, common) else { return };
        let mut holes = core::mem::take(&mut self.holes);
        for hole in holes.iter_mut().filter(|hole| hole.range.meets(&here)) {
            for part in core::mem::take(&mut hole.rest) {
                if !part.meets(&here) {
                    hole.rest.push(part);
                    continue;
                }
                let (from, last) = (part.first.max(here.first), part.last.min(here.last));
                self.learn(batch, from, last.saturating_add(1));
                hole.rest.extend(SeqRange::before(part.first, from));
                hole.rest
                    .extend(SeqRange::before(last.saturating_add(1), part.last.saturating_add(1)));
            }
            self.past.push(first, batch.statement().prev_root);
            self.past.push(batch.statement().size(), batch.statement().root);
        }
        let (filled, open) = holes.into_iter().partition(|hole| hole.rest.is_empty());
        self.holes = open;
        self.filled(filled);
    }

    fn filled(&mut self, holes: Vec<Hole>) {
        let file = self.segment.as_ref().map(|segment| segment.name.file.clone());
        for hole in holes {
            let is_its =
                |f: &Finding| f.range == Some(hole.range) && f.kind() == FindingKind::Missing;
            let Some(at) = self.findings.iter().position(is_its) else { continue };
            // In another file it stands under a wrong name, which is a finding of its own; or it
            // stands where it belongs, and the file that is named for it as well was renamed.
            let Some(found) = self.findings.get(at).cloned() else { continue };
            let renamed = self.short.iter().position(|short| Some(&short.2) == found.file.as_ref());
            if let Some((range, stated, other)) = renamed.map(|at| self.short.swap_remove(at)) {
                let cause = Cause::Misnamed { stated };
                self.findings.replace(at, [Finding { range: Some(range), cause, ..found }]);
                self.misplace(range, stated, &other);
                continue;
            }
            self.findings.replace(at, None);
            if file == hole.file {
                self.reordered(Finding {
                    cause: Cause::BatchesReordered,
                    file: file.clone(),
                    ..found
                });
            }
        }
    }

    // One file whose batches are out of order is one cause.
    fn reordered(&mut self, found: Finding) {
        let same = |f: &&mut Finding| f.cause == Cause::BatchesReordered && f.file == found.file;
        match (self.findings.iter_mut().find(same), found.range) {
            (Some(Finding { range: Some(known), .. }), Some(range)) => {
                known.first = known.first.min(range.first);
                known.last = known.last.max(range.last);
            }
            _ => self.findings.push(found),
        }
    }

    /// What is left of holes that were filled in part is what is missing.
    pub(super) fn conclude_holes(&mut self) {
        for hole in core::mem::take(&mut self.holes) {
            if hole.rest == [hole.range] {
                continue;
            }
            let is_its =
                |f: &Finding| f.range == Some(hole.range) && f.kind() == FindingKind::Missing;
            let Some(at) = self.findings.iter().position(is_its) else { continue };
            let Some(found) = self.findings.get(at).cloned() else { continue };
            let mut rest = hole.rest;
            rest.sort();
            let part = |part| Finding { range: Some(part), ..found.clone() };
            self.findings.replace(at, rest.into_iter().map(part));
        }
    }

    /// Whether a record was found missing and has not turned up.
    pub(super) fn is_missing(&self, seq: u64) -> bool {
        let at = SeqRange { first: seq, last: seq };
        self.holes.iter().any(|hole| hole.rest.iter().any(|part| part.meets(&at)))
    }

    /// A file that was read under a wrong name is a copy once its records come under their own.
    pub(super) fn recognise_copy(&mut self, covered: SeqRange, file: &str) {
        let Some(at) =
            self.misplaced.iter().position(|(range, _, other)| *range == covered && other != file)
        else {
            return;
        };
        let (_, stated, other) = self.misplaced.swap_remove(at);
        let is_its = |f: &&mut Finding| {
            f.file.as_deref() == Some(other.as_str())
                && matches!(
                    f.cause,
                    Cause::Misnamed { .. } | Cause::NameDiffers { .. } | Cause::WrongDay
                )
        };
        if let Some(finding) = self.findings.iter_mut().find(is_its) {
            finding.cause = Cause::SecondCopy { stated };
        }
    }

    /// Keeps in mind that a file stands under a wrong name.
    pub(super) fn misplace(&mut self, covered: SeqRange, stated: SeqRange, file: &str) {
        if self.misplaced.len() < HOLES_MAX {
            self.misplaced.push((covered, stated, file.to_owned()));
        }
    }
}

/// The record before which two roots of this size disagree.
pub(super) fn seam(size: u64) -> Option<SeqRange> {
    SeqRange::before(size.saturating_sub(1), size.max(1))
}
