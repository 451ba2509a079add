//! A run as a pure state machine over recorded events: what was begun is never begun again.
//!
//! Whoever drives it writes `Begun` durably before a step touches anything, and `Ended` after.
//! After a crash the events are taken in again; a step that was begun and has no end is in doubt.
//! One that only reads is begun anew under the same idempotency key; one that changes something is
//! not, and a person says what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compile::END;
use super::{Runbook, Step, Work};
use crate::digest::Digest;

/// One event of a run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RunEvent {
    /// A step is about to touch something.
    Begun {
        /// Its place.
        step: usize,
        /// From 0.
        attempt: u8,
    },
    /// It did, or failed.
    Ended {
        /// Its place.
        step: usize,
        /// What it answered; nothing when it failed.
        answer: Option<String>,
    },
    /// Somebody stopped the run.
    Aborted,
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// This step, under this key, which is the same whenever it is asked for.
    Do {
        /// Its place.
        step: usize,
        /// From 0.
        attempt: u8,
        /// SHA-256 over run, runbook, step and attempt; the outside drops what it has seen.
        key: Digest,
    },
    /// It is not known whether this step changed something; a person says so with `Ended`.
    InDoubt {
        /// Its place.
        step: usize,
    },
    /// Steps to undo, the last first.
    Undo {
        /// Places.
        steps: Vec<usize>,
    },
    /// All done.
    Done,
    /// A step failed for good.
    Failed {
        /// Its place.
        step: usize,
    },
}

/// An event that cannot have happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotNext;

impl std::fmt::Display for NotNext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the event does not follow from those before")
    }
}

impl std::error::Error for NotNext {}

/// A run.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    runbook: &'a Runbook,
    id: String,
    at: Place,
    answers: BTreeMap<String, String>,
    // steps that changed something and can be undone, in order
    changed: Vec<usize>,
    aborted: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Before { step: usize, attempt: u8 },
    Within { step: usize, attempt: u8 },
    Done,
    Failed { step: usize },
}

impl<'a> Run<'a> {
    /// A run that has not begun.
    pub fn new(runbook: &'a Runbook, id: &str) -> Self {
        Self {
            runbook,
            id: id.to_owned(),
            at: Place::Before { step: 0, attempt: 0 },
            answers: BTreeMap::new(),
            changed: Vec::new(),
            aborted: false,
        }
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// When it cannot have happened here; the run stays as it is.
    pub fn apply(&mut self, event: &RunEvent) -> Result<(), NotNext> {
        match (event, self.at) {
            (RunEvent::Begun { step, attempt }, Place::Before { step: at, attempt: expected })
                if *step == at && *attempt == expected && !self.aborted =>
            {
                self.at = Place::Within { step: at, attempt: expected };
            }
            // A step that only reads may be begun again after a crash.
            (RunEvent::Begun { step, attempt }, Place::Within { step: at, attempt: expected })
                if *step == at && *attempt == expected && self.reads(at) && !self.aborted => {}
            (RunEvent::Ended { step, answer }, Place::Within { step: at, attempt })
                if *step == at =>
            {
                self.end(at, attempt, answer.as_deref());
            }
            (RunEvent::Aborted, Place::Before { .. } | Place::Within { .. }) if !self.aborted => {
                self.aborted = true;
            }
            (RunEvent::Begun { .. } | RunEvent::Ended { .. } | RunEvent::Aborted, _) => {
                return Err(NotNext);
            }
        }
        Ok(())
    }

    /// What is to be done now.
    pub fn next(&self) -> Next {
        match self.at {
            Place::Within { step, .. } if !self.reads(step) => Next::InDoubt { step },
            _ if self.aborted => Next::Undo { steps: self.changed.iter().rev().copied().collect() },
            Place::Before { step, attempt } | Place::Within { step, attempt } => {
                Next::Do { step, attempt, key: self.key(step, attempt) }
            }
            Place::Done => Next::Done,
            Place::Failed { step } => Next::Failed { step },
        }
    }

    fn end(&mut self, step: usize, attempt: u8, answer: Option<&str>) {
        let Some(this) = self.runbook.steps.get(step) else { return };
        let Some(answer) = answer else {
            self.at = self.after_failure(this, step, attempt);
            return;
        };
        if matches!(&this.work, Work::Act { undo: Some(_), .. }) {
            self.changed.push(step);
        }
        self.answers.insert(this.id.clone(), answer.to_owned());
        self.at = match &this.work {
            Work::Branch { on, cases, otherwise } => {
                let to = self.answers.get(on).and_then(|answer| cases.get(answer));
                self.place(to.unwrap_or(otherwise))
            }
            _ => self.step_or_end(step.saturating_add(1)),
        };
    }

    fn after_failure(&self, this: &Step, step: usize, attempt: u8) -> Place {
        if attempt < this.retries {
            return Place::Before { step, attempt: attempt.saturating_add(1) };
        }
        this.on_failure.as_ref().map_or(Place::Failed { step }, |to| self.place(to))
    }

    fn place(&self, id: &str) -> Place {
        if id == END {
            return Place::Done;
        }
        self.runbook.place(id).map_or(Place::Done, |step| self.step_or_end(step))
    }

    const fn step_or_end(&self, step: usize) -> Place {
        if step < self.runbook.steps.len() {
            Place::Before { step, attempt: 0 }
        } else {
            Place::Done
        }
    }

    fn reads(&self, step: usize) -> bool {
        let step = self.runbook.steps.get(step);
        step.is_some_and(|step| match step.work {
            Work::Query { .. }
            | Work::Check { .. }
            | Work::Approve { .. }
            | Work::Wait { .. }
            | Work::Branch { .. } => true,
            Work::Act { .. } | Work::Preserve { .. } | Work::Notify { .. } => false,
        })
    }

    fn key(&self, step: usize, attempt: u8) -> Digest {
        let (runbook, step) = (self.runbook.digest().to_string(), step.to_string());
        let attempt = attempt.to_string();
        let parts = [self.id.as_str(), &runbook, &step, &attempt].map(str::as_bytes);
        Digest::of_parts(parts)
    }
}

/// A text with its `{inputs}` filled in.
pub fn resolve(text: &str, inputs: &[(String, String)]) -> String {
    inputs
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
