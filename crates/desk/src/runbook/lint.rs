//! What can be run and should not be: every finding says why it matters during an incident.

use std::fmt;

use super::compile::END;
use super::{Runbook, Step, Work};
use crate::incident::Phase;
use crate::policy::Effect;

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lint {
    /// The line of the step.
    pub line: u64,
    /// The step.
    pub step: String,
    /// What is wrong with it.
    pub rule: Rule,
}

/// What a runbook should not do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// A change that cannot be undone, without two people before it.
    ActsAlone,
    /// A change that can be undone and does not say how, or one that cannot and does.
    Undo,
    /// A change that cannot be undone, before a sealed bag.
    BeforeEvidence,
    /// Evidence is asked for that no earlier step collects.
    EvidenceMissing,
    /// A change that cannot be undone is tried again without anybody looking.
    RetriesBlindly,
    /// No step leads to it.
    Unreachable,
    /// It recovers and nothing checks that it did.
    NotValidated,
}

impl Runbook {
    /// Everything that should not be, in the order of steps.
    pub fn lint(&self) -> Vec<Lint> {
        let mut found = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let mut say = |rule| found.push(Lint { line: step.line, step: step.id.clone(), rule });
            if !self.reached(place) {
                say(Rule::Unreachable);
            }
            if let Work::Act { effect, undo, requires_evidence, .. } = &step.work {
                let before = self.steps.get(..place).unwrap_or_default();
                let for_good = matches!(effect, Effect::Destructive | Effect::Erasing);
                if for_good && !two_agree(before, &step.id) {
                    say(Rule::ActsAlone);
                }
                if undo.is_some() != (*effect == Effect::Reversible) {
                    say(Rule::Undo);
                }
                if for_good && !before.iter().any(seals) {
                    say(Rule::BeforeEvidence);
                }
                if for_good && step.retries > 0 {
                    say(Rule::RetriesBlindly);
                }
                if requires_evidence.iter().any(|item| !before.iter().any(|s| gives(s, item))) {
                    say(Rule::EvidenceMissing);
                }
            }
            let later = self.steps.get(place..).unwrap_or_default();
            let validates = |step: &Step| {
                step.phase == Phase::Validating && matches!(step.work, Work::Check { .. })
            };
            let recovers = matches!(step.work, Work::Act { .. }) && step.phase == Phase::Recovering;
            if recovers && !later.iter().any(validates) {
                say(Rule::NotValidated);
            }
        }
        found
    }

    /// Whether a step comes after one that goes on, or an arrow leads to it.
    fn reached(&self, place: usize) -> bool {
        let Some(step) = self.steps.get(place) else { return false };
        let before = self.steps.get(..place).unwrap_or_default();
        let falls = before.last().is_none_or(|last| !matches!(last.work, Work::Branch { .. }));
        let leads = |from: &Step| {
            let by_branch = match &from.work {
                Work::Branch { cases, otherwise, .. } => {
                    cases.values().chain([otherwise]).any(|to| *to == step.id)
                }
                _ => false,
            };
            by_branch || from.on_failure.as_deref() == Some(step.id.as_str())
        };
        debug_assert!(step.id != END, "a step is not called as the end is");
        falls || before.iter().any(leads)
    }
}

fn two_agree(before: &[Step], id: &str) -> bool {
    let agrees = |step: &Step| match &step.work {
        Work::Approve { action, n, .. } => action == id && *n >= 2,
        _ => false,
    };
    before.iter().any(agrees)
}

const fn seals(step: &Step) -> bool {
    matches!(step.work, Work::Preserve { seal: true, .. })
}

fn gives(step: &Step, item: &str) -> bool {
    match &step.work {
        Work::Query { evidence, .. } => evidence == item,
        Work::Preserve { items, .. } => items.iter().any(|one| one == item),
        Work::Check { .. }
        | Work::Approve { .. }
        | Work::Act { .. }
        | Work::Notify { .. }
        | Work::Wait { .. }
        | Work::Branch { .. } => false,
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.rule {
            Rule::ActsAlone => "cannot be undone and two people are not asked before",
            Rule::Undo => "expected undo of a reversible action, and of no other",
            Rule::BeforeEvidence => "cannot be undone and no bag is sealed before",
            Rule::EvidenceMissing => "asks for evidence that no step before it collects",
            Rule::RetriesBlindly => "cannot be undone and is tried again without anybody looking",
            Rule::Unreachable => "no step leads here",
            Rule::NotValidated => "recovers, and no check after it shows that it did",
        };
        write!(f, "line {}: {}: {text}", self.line, self.step)
    }
}
