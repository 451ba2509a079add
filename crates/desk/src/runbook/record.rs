//! What the desk knows of a run: for which incident, by whom, how far, what it asked for and what
//! of its changes still stands. It follows from the log like all other state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::run::{Next, Resume, Run, RunEvent, RunId, resolve};
use super::{Runbook, Step, Work};
use crate::approval::{ActionSpec, RequestId};
use crate::digest::Digest;
use crate::event::Fact;
use crate::incident::IncidentId;
use crate::moment::Moment;
use crate::person::Actor;
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;

/// A run and what belongs to it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number.
    pub id: RunId,
    /// For which incident.
    pub incident: IncidentId,
    /// Who started it, and owns what it changes.
    pub by: Actor,
    /// What it was given.
    pub inputs: BTreeMap<String, Scrubbed>,
    /// When it began.
    pub began: Moment,
    /// When something happened last.
    pub since: Moment,
    /// How far it is.
    pub run: Run,
    /// Why it waits for people.
    pub blocked: Option<Refusal>,
    // whether people know that it failed or is in doubt
    pub(crate) told: bool,
    // by the place of the step that is to be allowed
    pub(crate) asked: BTreeMap<usize, RequestId>,
    /// What it changed and has not undone, by the place of the step.
    pub measures: BTreeMap<usize, Measure>,
}

/// Something that was changed and can be undone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// When it was changed.
    pub since: Moment,
    /// For how long it is meant to stand, in milliseconds.
    pub expires_ms: u64,
    /// Whether its owner was asked.
    pub told: bool,
}

/// A run that is about to begin.
#[derive(Clone, Debug)]
pub(crate) struct Starting {
    pub(crate) runbook: Arc<Runbook>,
    inputs: BTreeMap<String, Scrubbed>,
    by: Actor,
}

impl Starting {
    pub(crate) fn read(
        source: &str,
        inputs: &BTreeMap<String, Scrubbed>,
        by: &Actor,
    ) -> Option<Self> {
        let runbook = Arc::new(Runbook::parse(source).ok()?);
        Some(Self { runbook, inputs: inputs.clone(), by: by.clone() })
    }

    /// Whether it is given exactly what the runbook names, and nothing that it says looks like a
    /// secret.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let mut named: Vec<&String> = self.runbook.inputs.iter().collect();
        named.sort();
        if !named.iter().copied().eq(self.inputs.keys()) {
            return Err(Refusal::Inputs);
        }
        let clean = |step: &Step| {
            let mut texts = arguments(step, &self.inputs);
            if let Work::Notify { text, .. } = &step.work {
                texts.insert(String::new(), Scrubbed::assertion(text.clone()));
            }
            let text = serde_json::to_string(&texts).unwrap_or_default();
            serde_json::from_str::<BTreeMap<String, Scrubbed>>(&text).is_ok()
        };
        if self.runbook.steps.iter().all(clean) { Ok(()) } else { Err(Refusal::BadRunbook) }
    }

    pub(crate) fn begin(self, id: RunId, incident: IncidentId, at: Moment) -> Record {
        Record {
            id,
            incident,
            by: self.by,
            inputs: self.inputs,
            began: at,
            since: at,
            run: Run::new(self.runbook, id),
            blocked: None,
            told: false,
            asked: BTreeMap::new(),
            measures: BTreeMap::new(),
        }
    }
}

/// A run as it is looked up.
#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    /// Its name, such as `RUN-1`.
    pub name: String,
    /// The incident's name.
    pub incident: String,
    /// The name of the runbook.
    pub runbook: &'a str,
    /// SHA-256 of its text.
    pub digest: Digest,
    /// Who started it.
    pub by: String,
    /// `running`, `waiting`, `in_doubt`, `undoing`, `done`, `aborted` or `failed`.
    pub standing: &'static str,
    /// The step it stands at.
    pub step: Option<&'a str>,
    /// Why it waits for people.
    pub blocked: Option<String>,
    /// Requests that wait for people, by step.
    pub asked: BTreeMap<&'a str, String>,
    /// What it was given.
    pub inputs: &'a BTreeMap<String, Scrubbed>,
    /// What its steps answered.
    pub answers: &'a BTreeMap<String, Scrubbed>,
    /// Why steps failed or could not be undone, of which nothing better was heard since.
    pub failures: &'a BTreeMap<String, Scrubbed>,
    /// What it changed and has not undone, by step.
    pub measures: BTreeMap<&'a str, Measure>,
}

impl Record {
    /// A step.
    pub fn step(&self, place: usize) -> Option<&Step> {
        self.run.runbook().steps.get(place)
    }

    /// The action of a step with its arguments, or the one that undoes it.
    pub fn action(&self, place: usize, undo: bool) -> Option<ActionSpec> {
        let step = self.step(place)?;
        let Work::Act { action, undo: back, .. } = &step.work else { return None };
        let name = if undo { back.clone()? } else { action.clone() };
        Some(ActionSpec { name, args: arguments(step, &self.inputs) })
    }

    /// Whether a driver has something to do.
    pub fn is_live(&self) -> bool {
        self.blocked.is_none() && matches!(self.run.next(), Next::Do { .. } | Next::Undo { .. })
    }

    /// Whether the process that began something last has had its time for this step, and longer: it
    /// is done or gone.
    pub fn lease_is_over(&self, place: usize, now: Moment) -> bool {
        let timeout_ms = self.step(place).map_or(0, |step| step.timeout_ms);
        now.since(self.since) >= timeout_ms.saturating_add(LEASE_MS)
    }

    /// Whether a step that is not to be begun twice may be on its way yet: nobody can say what
    /// became of it.
    pub fn may_be_at_work(&self, now: Moment) -> bool {
        self.run.unheard().is_some_and(|place| !self.lease_is_over(place, now))
    }

    /// Whether it failed or nobody knows how far it is: only people can let it go on.
    pub fn needs_people(&self, now: Moment) -> bool {
        match self.run.next() {
            Next::Failed { .. } => true,
            Next::InDoubt { .. } => !self.may_be_at_work(now),
            Next::Do { .. } | Next::Undo { .. } | Next::Done | Next::Aborted => false,
        }
    }

    /// It as it is looked up.
    pub fn view(&self) -> RunView<'_> {
        let runbook = self.run.runbook();
        let name = |place: usize| runbook.steps.get(place).map_or("", |step| step.id.as_str());
        let (standing, step) = match self.run.next() {
            Next::Do { step, .. } if self.blocked.is_none() => ("running", Some(step)),
            Next::Do { step, .. } => ("waiting", Some(step)),
            Next::InDoubt { step } => ("in_doubt", Some(step)),
            Next::Undo { step, .. } => ("undoing", Some(step)),
            Next::Done => ("done", None),
            Next::Aborted => ("aborted", None),
            Next::Failed { step } => ("failed", Some(step)),
        };
        RunView {
            name: self.id.to_string(),
            incident: self.incident.to_string(),
            runbook: &runbook.id,
            digest: runbook.digest(),
            by: self.by.to_string(),
            standing,
            step: step.map(name),
            blocked: self.blocked.as_ref().map(ToString::to_string),
            asked: self.asked.iter().map(|(at, asked)| (name(*at), asked.to_string())).collect(),
            inputs: &self.inputs,
            answers: self.run.answers(),
            failures: self.run.failures(),
            measures: self.measures.iter().map(|(at, measure)| (name(*at), *measure)).collect(),
        }
    }

    pub(crate) fn follow(&mut self, fact: &Fact, at: Moment) {
        match fact {
            Fact::Stepped { event, .. } => {
                self.measure(event, at);
                // The core has looked before it wrote this.
                self.run.apply(event).ok();
                self.since = at;
                self.blocked = None;
                self.told = false;
            }
            Fact::RunStands { .. } => self.told = true,
            Fact::RunBlocked { why, .. } => self.blocked = Some(why.clone()),
            Fact::RunUnblocked { .. } => self.blocked = None,
            Fact::RunAsked { step, request, .. } => {
                self.asked.insert(*step, *request);
            }
            Fact::MeasureOverdue { step, .. } => {
                if let Some(measure) = self.measures.get_mut(step) {
                    measure.told = true;
                }
            }
            _ => {}
        }
    }

    // What it changed, or no longer: what somebody says was done counts as what was done.
    fn measure(&mut self, event: &RunEvent, at: Moment) {
        let (step, undone) = match (event, self.run.next()) {
            (RunEvent::Ended { step, answer: Some(_), .. }, _) => (*step, false),
            (RunEvent::Undone { step, done: true, .. }, _) => (*step, true),
            (RunEvent::Resumed(Resume::Done), Next::InDoubt { step }) => {
                (step, !self.run.is_within())
            }
            (RunEvent::Resumed(Resume::Done), Next::Failed { step }) => (step, false),
            _ => return,
        };
        if undone {
            self.measures.remove(&step);
            return;
        }
        let work = self.step(step).map(|step| &step.work);
        if let Some(Work::Act { undo: Some(_), expires_ms, .. }) = work {
            let measure = Measure { since: at, expires_ms: *expires_ms, told: false };
            self.measures.insert(step, measure);
        }
    }
}

/// A process that began a step and is silent for so much longer than it may take is gone.
const LEASE_MS: u64 = 15_000;

fn arguments(step: &Step, inputs: &BTreeMap<String, Scrubbed>) -> BTreeMap<String, Scrubbed> {
    let Work::Act { args, .. } = &step.work else { return BTreeMap::new() };
    let given: Vec<(String, String)> =
        inputs.iter().map(|(name, text)| (name.clone(), text.as_str().to_owned())).collect();
    let fill = |(name, text): (&String, &String)| {
        (name.clone(), Scrubbed::assertion(resolve(text, &given)))
    };
    args.iter().map(fill).collect()
}
