//! The findings of an audit, bounded so that what is harmless never takes the room of evidence.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::audit::cause::Cause;
use crate::audit::finding::{Finding, SeqRange, Severity, Subject};
use crate::audit::{FINDINGS_MAX, concerns, subject_finding};

/// Findings in the order in which they were made.
///
/// Each severity has room of its own, and what lies outside of the range that was asked for has
/// another: whoever seals a hundred thousand gaps hides no change behind them.
#[derive(Debug)]
pub(super) struct Findings {
    list: Vec<Finding>,
    range: Option<SeqRange>,
    counts: BTreeMap<Class, usize>,
    left_out: bool,
}

/// How bad it is, and whether it concerns the range.
type Class = (Severity, bool);

impl Findings {
    /// None yet, for a reader of these numbers; `None` is all of them.
    pub(super) const fn new(range: Option<SeqRange>) -> Self {
        Self { list: Vec::new(), range, counts: BTreeMap::new(), left_out: false }
    }

    /// Adds one where there is room; in the place of the first that has none stands that there was
    /// more.
    pub(super) fn push(&mut self, finding: Finding) {
        let class = class(&finding, self.range);
        let count = self.counts.entry(class).or_default();
        if finding.cause != Cause::TooMany && *count < FINDINGS_MAX {
            *count += 1;
            self.list.push(finding);
        } else if class.1 && !self.left_out {
            self.left_out = true;
            self.list.push(subject_finding(Subject::Archive, None, Cause::TooMany));
        }
    }

    /// Puts others, or none, in the place of the one at `at`.
    pub(super) fn replace(&mut self, at: usize, by: impl IntoIterator<Item = Finding>) {
        let Some(gone) = self.list.get(at).cloned() else { return };
        let by: Vec<Finding> = by.into_iter().collect();
        for part in &by {
            *self.counts.entry(class(part, self.range)).or_default() += 1;
        }
        self.forget(&gone);
        drop(self.list.splice(at..=at, by));
    }

    /// Keeps some of them.
    pub(super) fn retain(&mut self, keep: impl Fn(&Finding) -> bool) {
        let (kept, gone) = core::mem::take(&mut self.list).into_iter().partition(keep);
        self.list = kept;
        let gone: Vec<Finding> = gone;
        gone.iter().for_each(|finding| self.forget(finding));
    }

    fn forget(&mut self, gone: &Finding) {
        let count = self.counts.entry(class(gone, self.range)).or_default();
        *count = count.saturating_sub(1);
    }

    /// Those that concern the range.
    pub(super) fn into_vec(mut self) -> Vec<Finding> {
        if let Some(range) = self.range {
            self.list.retain(|finding| concerns(finding, &range));
        }
        self.list
    }
}

fn class(finding: &Finding, range: Option<SeqRange>) -> Class {
    (finding.severity(), range.is_none_or(|range| concerns(finding, &range)))
}

impl Deref for Findings {
    type Target = [Finding];

    fn deref(&self) -> &[Finding] {
        &self.list
    }
}

impl DerefMut for Findings {
    fn deref_mut(&mut self) -> &mut [Finding] {
        &mut self.list
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = alloc::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
