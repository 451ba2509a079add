//! A run as a pure state machine over recorded events: what was begun is never begun again.
//!
//! Whoever drives it writes `Begun` durably before a step touches anything, and `Ended` after.
//! After a crash the events are taken in again; a step that was begun and has no end is in doubt,
//! unless it was begun as one that may be begun again: it reads, or whoever it asks drops what it
//! has seen. Of any other a person says what became of it. An aborted run is undone backwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compile::END;
use super::{Runbook, Step, Work};
use crate::digest::Digest;
use crate::scrub::Scrubbed;

/// The number of a run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RUN-{}", self.0)
    }
}

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
        /// Whether it may be begun again when nothing is heard of it.
        again: bool,
        /// The process that does it.
        by: String,
        /// The process that it takes the step over from, since nothing was heard of that one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<String>,
    },
    /// It did, or failed.
    Ended {
        /// Its place.
        step: usize,
        /// What it answered; nothing when it failed.
        answer: Option<Scrubbed>,
        /// Why it failed, as far as anybody knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Scrubbed>,
        /// The process that says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody stopped the run.
    Aborted,
    /// A person says how to go on.
    Resumed(Resume),
    /// An approval has to be asked for anew, at this step.
    Returned {
        /// The place of the step that asks.
        step: usize,
    },
    /// A step is about to be undone.
    Undoing {
        /// Its place.
        step: usize,
        /// Whether that may be begun again when nothing is heard of it.
        again: bool,
        /// The process that does it.
        by: String,
        /// The process that it takes this over from, since nothing was heard of that one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<String>,
    },
    /// It was undone, or not.
    Undone {
        /// Its place.
        step: usize,
        /// Whether.
        done: bool,
        /// Why not, as far as anybody knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Scrubbed>,
        /// The process that says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

impl RunEvent {
    /// A step did what it answers, or failed for this reason, says the process that did it.
    pub fn ended(step: usize, came: Result<Scrubbed, Scrubbed>, by: &str) -> Self {
        let (answer, why) = match came {
            Ok(answer) => (Some(answer), None),
            Err(why) => (None, Some(why)),
        };
        Self::Ended { step, answer, why, by: Some(by.to_owned()) }
    }

    /// A step was undone, or not for this reason, says the process that tried.
    pub fn undone(step: usize, came: Result<(), Scrubbed>, by: &str) -> Self {
        Self::Undone { step, done: came.is_ok(), why: came.err(), by: Some(by.to_owned()) }
    }

    /// Whom it takes to be at work, when it says so.
    pub fn of(&self) -> Option<Option<&str>> {
        match self {
            Self::Begun { over, .. } | Self::Undoing { over, .. } => Some(over.as_deref()),
            Self::Ended { by, .. } | Self::Undone { by, .. } => by.as_deref().map(Some),
            Self::Aborted | Self::Resumed(_) | Self::Returned { .. } => None,
        }
    }
}

/// How a person lets a run go on that failed or is in doubt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// The step did nothing: begin it again.
    Again,
    /// The step did what it should.
    Done,
    /// Go on without it.
    Skip,
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
        /// The process that has begun it.
        by: Option<String>,
    },
    /// It is not known whether this step changed something, or was undone; a person says so.
    InDoubt {
        /// Its place.
        step: usize,
    },
    /// This step is to be undone, under this key.
    Undo {
        /// Its place.
        step: usize,
        /// SHA-256 as above.
        key: Digest,
    },
    /// All done.
    Done,
    /// Stopped, and undone.
    Aborted,
    /// A step failed for good.
    Failed {
        /// Its place.
        step: usize,
    },
}

/// An event that cannot have happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotNext;

impl fmt::Display for NotNext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event does not follow from those before")
    }
}

impl std::error::Error for NotNext {}

/// A run.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    #[serde(serialize_with = "text_of", deserialize_with = "runbook_of")]
    runbook: Arc<Runbook>,
    id: RunId,
    at: Place,
    answers: BTreeMap<String, Scrubbed>,
    // of steps whose last word is that they failed or could not be undone
    failures: BTreeMap<String, Scrubbed>,
    // steps that changed something and can be undone, in order
    changed: Vec<usize>,
    // the last of them while it is being undone
    undoing: Option<Undoing>,
    stuck: bool,
    aborted: bool,
    // the step that waits for an approval that is asked for anew
    back: Option<(usize, u8)>,
    // the step that a process was doing when the run was aborted, and the process
    cut_off: Option<(usize, String)>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Undoing {
    step: usize,
    again: bool,
    by: String,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Place {
    Before { step: usize, attempt: u8 },
    Within { step: usize, attempt: u8, again: bool, by: String },
    Done,
    Failed { step: usize },
}

fn text_of<S: Serializer>(runbook: &Arc<Runbook>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(runbook.source())
}

fn runbook_of<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Runbook>, D::Error> {
    let source = String::deserialize(from)?;
    Runbook::parse(&source).map(Arc::new).map_err(|_| D::Error::custom("expected a runbook"))
}

impl Run {
    /// A run that has not begun.
    pub const fn new(runbook: Arc<Runbook>, id: RunId) -> Self {
        Self {
            runbook,
            id,
            at: Place::Before { step: 0, attempt: 0 },
            answers: BTreeMap::new(),
            failures: BTreeMap::new(),
            changed: Vec::new(),
            undoing: None,
            stuck: false,
            aborted: false,
            back: None,
            cut_off: None,
        }
    }

    /// What is run.
    pub const fn runbook(&self) -> &Arc<Runbook> {
        &self.runbook
    }

    /// Answers of steps so far.
    pub const fn answers(&self) -> &BTreeMap<String, Scrubbed> {
        &self.answers
    }

    /// Why steps failed or could not be undone that nothing better was heard of since.
    pub const fn failures(&self) -> &BTreeMap<String, Scrubbed> {
        &self.failures
    }

    /// The step that a process has begun to do or to undo, may be doing yet, and that is not to
    /// be begun a second time.
    pub fn unheard(&self) -> Option<usize> {
        match &self.at {
            Place::Within { step, again: false, .. } => Some(*step),
            _ => {
                let undoing = self.undoing.as_ref();
                undoing.filter(|at| !at.again && !self.stuck).map(|at| at.step)
            }
        }
    }

    /// The step that a process has begun to do or to undo, and may be at yet, and the process.
    pub fn at_work(&self) -> Option<(usize, &str)> {
        match &self.at {
            Place::Within { step, by, .. } => Some((*step, by)),
            _ => {
                let undoing = self.undoing.as_ref().map(|at| (at.step, at.by.as_str()));
                undoing.or(self.cut_off.as_ref().map(|(step, by)| (*step, by.as_str())))
            }
        }
    }

    /// Whether a step was begun to be done, and not to be undone.
    pub const fn is_within(&self) -> bool {
        matches!(self.at, Place::Within { .. })
    }

    /// Takes in what happened.
    ///
    /// # Errors
    /// When it cannot have happened here; the run stays as it is.
    pub fn apply(&mut self, event: &RunEvent) -> Result<(), NotNext> {
        match (event, self.at.clone()) {
            (RunEvent::Begun { step, attempt, again, by, .. }, at)
                if self.may_begin(*step, *attempt, &at) =>
            {
                let (step, attempt, again) = (*step, *attempt, *again);
                self.note(step, None);
                self.at = Place::Within { step, attempt, again, by: by.clone() };
            }
            (
                RunEvent::Ended { step, answer, why, .. },
                Place::Within { step: at, attempt, .. },
            ) if *step == at && (answer.is_none() || why.is_none()) => {
                self.end(at, attempt, answer.clone());
                self.note(at, why.clone());
            }
            (
                RunEvent::Aborted,
                Place::Before { .. } | Place::Within { .. } | Place::Failed { .. },
            ) if !self.aborted => {
                self.abort();
            }
            (RunEvent::Resumed(how), at) => self.resume(*how, &at)?,
            (RunEvent::Returned { step }, Place::Before { step: at, attempt })
                if *step < at && !self.aborted =>
            {
                // What was done between the two is not done again.
                self.back = Some((at, attempt));
                self.at = Place::Before { step: *step, attempt: 0 };
            }
            (RunEvent::Undoing { step, again, by, .. }, _) if self.may_undo(*step) => {
                self.cut_off = None;
                self.note(*step, None);
                self.undoing = Some(Undoing { step: *step, again: *again, by: by.clone() });
            }
            (RunEvent::Undone { step, done, why, .. }, _)
                if self.undoing.as_ref().is_some_and(|at| at.step == *step)
                    && !self.stuck
                    && (!done || why.is_none()) =>
            {
                self.undone(*done);
                self.note(*step, why.clone());
            }
            _ => return Err(NotNext),
        }
        Ok(())
    }

    /// What is to be done now.
    pub fn next(&self) -> Next {
        match &self.at {
            Place::Within { step, again: false, .. } => Next::InDoubt { step: *step },
            _ if self.aborted => self.next_undo(),
            Place::Before { step, attempt } => Next::Do {
                step: *step,
                attempt: *attempt,
                key: self.key(*step, *attempt, "do"),
                by: None,
            },
            Place::Within { step, attempt, by, .. } => Next::Do {
                step: *step,
                attempt: *attempt,
                key: self.key(*step, *attempt, "do"),
                by: Some(by.clone()),
            },
            Place::Done => Next::Done,
            Place::Failed { step } => Next::Failed { step: *step },
        }
    }

    fn next_undo(&self) -> Next {
        let Some(step) = self.changed.last().copied() else { return Next::Aborted };
        if self.stuck || self.undoing.as_ref().is_some_and(|at| !at.again) {
            return Next::InDoubt { step };
        }
        Next::Undo { step, key: self.key(step, 0, "undo") }
    }

    fn may_begin(&self, step: usize, attempt: u8, at: &Place) -> bool {
        let here = match at {
            Place::Before { step, attempt } | Place::Within { step, attempt, again: true, .. } => {
                Some((*step, *attempt))
            }
            _ => None,
        };
        here == Some((step, attempt)) && !self.aborted
    }

    fn may_undo(&self, step: usize) -> bool {
        matches!(self.next(), Next::Undo { step: at, .. } if at == step)
    }

    fn abort(&mut self) {
        self.aborted = true;
        // It may have been done: what may be done again may be undone without having been done.
        if let Place::Within { step, again: true, by, .. } = &self.at {
            let step = *step;
            self.cut_off = Some((step, by.clone()));
            self.at = Place::Failed { step };
            if self.runbook.steps.get(step).is_some_and(can_be_undone) {
                self.changed.push(step);
            }
        }
    }

    fn resume(&mut self, how: Resume, at: &Place) -> Result<(), NotNext> {
        if self.aborted && !matches!(at, Place::Within { .. }) {
            if !matches!(self.next(), Next::InDoubt { .. }) {
                return Err(NotNext);
            }
            self.stuck = false;
            self.undoing = None;
            let gone = if how == Resume::Again { None } else { self.changed.pop() };
            if let Some(step) = gone.filter(|_| how == Resume::Done) {
                self.note(step, None);
            }
            return Ok(());
        }
        let (step, attempt) = match *at {
            Place::Within { step, attempt, again: false, .. } => (step, attempt),
            Place::Failed { step } => (step, 0),
            _ => return Err(NotNext),
        };
        match how {
            // The key of the attempt that did nothing is used again.
            Resume::Again => self.at = Place::Before { step, attempt },
            Resume::Done => {
                self.end(step, attempt, Some(Scrubbed::assertion("done".to_owned())));
                self.note(step, None);
            }
            Resume::Skip => self.at = self.behind(step),
        }
        Ok(())
    }

    // The last word of a step: why it failed, or that there is nothing to say.
    fn note(&mut self, step: usize, why: Option<Scrubbed>) {
        let Some(this) = self.runbook.steps.get(step) else { return };
        self.failures.remove(&this.id);
        self.failures.extend(why.map(|why| (this.id.clone(), why)));
    }

    fn undone(&mut self, done: bool) {
        if done {
            self.changed.pop();
            self.undoing = None;
        } else {
            self.stuck = true;
        }
    }

    fn end(&mut self, step: usize, attempt: u8, answer: Option<Scrubbed>) {
        let runbook = Arc::clone(&self.runbook);
        let Some(this) = runbook.steps.get(step) else { return };
        let Some(answer) = answer else {
            self.at = self.after_failure(this, step, attempt);
            return;
        };
        if can_be_undone(this) {
            self.changed.push(step);
        }
        self.answers.insert(this.id.clone(), answer);
        self.at = match &this.work {
            Work::Branch { on, cases, otherwise } => {
                let to = self.answers.get(on).and_then(|answer| cases.get(answer.as_str()));
                self.place(to.unwrap_or(otherwise))
            }
            _ => self.behind(step),
        };
    }

    fn behind(&mut self, step: usize) -> Place {
        match self.back.take() {
            Some((step, attempt)) => Place::Before { step, attempt },
            None => self.step_or_end(step.saturating_add(1)),
        }
    }

    fn after_failure(&mut self, this: &Step, step: usize, attempt: u8) -> Place {
        if attempt < this.retries {
            return Place::Before { step, attempt: attempt.saturating_add(1) };
        }
        let Some(to) = &this.on_failure else { return Place::Failed { step } };
        self.back = None;
        self.place(to)
    }

    fn place(&self, id: &str) -> Place {
        if id == END {
            return Place::Done;
        }
        self.runbook.place(id).map_or(Place::Done, |step| self.step_or_end(step))
    }

    fn step_or_end(&self, step: usize) -> Place {
        if step < self.runbook.steps.len() {
            Place::Before { step, attempt: 0 }
        } else {
            Place::Done
        }
    }

    fn key(&self, step: usize, attempt: u8, what: &str) -> Digest {
        let (id, runbook) = (self.id.to_string(), self.runbook.digest().to_string());
        let (step, attempt) = (step.to_string(), attempt.to_string());
        let parts = [id.as_str(), &runbook, &step, &attempt, what].map(str::as_bytes);
        Digest::of_parts(parts)
    }
}

const fn can_be_undone(step: &Step) -> bool {
    matches!(step.work, Work::Act { undo: Some(_), .. })
}

/// A text with its `{inputs}` filled in.
pub fn resolve(text: &str, inputs: &[(String, String)]) -> String {
    inputs
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
