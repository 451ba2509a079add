//! The driver of runs: it asks the core what is next, writes down that it begins, does it, and
//! writes down what came of it.
//!
//! It holds nothing that a restart would miss: what a run has done is in the log, what it has
//! collected is in its folder. A step of another process is left to it, until that process is
//! known to be gone. What the desk does itself happens in the same transaction as the word of it.

pub mod bags;
mod diagnose;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::bags::{Bags, BagsError, Kept};
use crate::act::{Action as _, ActionError};
use crate::approval::Standing;
use crate::catalogue::Catalogue;
use crate::collect::Collector as _;
use crate::decide::OWN;
use crate::decision::What;
use crate::digest::Digest;
use crate::engine::lanes::{Lanes, Unavailable};
use crate::event::{Input, Outcome};
use crate::exchange::Names;
use crate::incident::{Incident, Phase};
use crate::moment::{Moment, SECOND_MS};
use crate::person::Actor;
use crate::probe::{Probe as _, Sample};
use crate::refusal::Refusal;
use crate::runbook::record::Record;
use crate::runbook::run::{Next, RunEvent, RunId};
use crate::runbook::{Step, Work};
use crate::scrub::Scrubber;
use crate::state::State;

/// The desk as a driver sees it: the engine of a process, or a core on a virtual clock.
pub trait Seat: Send + Sync {
    /// Hands inputs of the desk itself in, in one transaction; why each was refused, if it was.
    fn ask(
        &self,
        inputs: Vec<Input>,
    ) -> impl Future<Output = Result<Vec<Option<Refusal>>, Unavailable>> + Send;

    /// Looks at the state.
    fn see<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State, Moment) -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Unavailable>> + Send;
}

impl Seat for Arc<Lanes> {
    async fn ask(&self, inputs: Vec<Input>) -> Result<Vec<Option<Refusal>>, Unavailable> {
        let answers = Lanes::ask(self, Actor::Desk, inputs).await?;
        Ok(answers.into_iter().map(|answer| answer.refused).collect())
    }

    async fn see<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State, Moment) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        Lanes::see(self, look).await
    }
}

/// The driver.
#[derive(Debug)]
pub struct Runner<S> {
    /// The desk.
    pub seat: S,
    /// What names mean.
    pub catalogue: Catalogue,
    /// Where evidence goes.
    pub bags: Option<Bags>,
    /// What takes secrets out.
    pub scrubber: Arc<Scrubber>,
    /// The name of this process.
    pub owner: String,
    /// Whether no other process drives runs of this log.
    pub alone: bool,
    /// What checks have seen so far.
    pub watching: Mutex<BTreeMap<(RunId, usize), Watching>>,
}

/// What a check has seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watching {
    green: Option<Moment>,
    sampled: Option<Moment>,
    said: Option<Outcome>,
}

// One step of one run, as it stands.
struct Job {
    record: Record,
    incident: Incident,
    place: usize,
    attempt: u8,
    key: String,
    by: Option<String>,
    now: Moment,
    asked: Option<Standing>,
    policy: Digest,
}

impl<S: Seat> Runner<S> {
    /// Does what is next of every run, once; whether there was anything.
    ///
    /// # Errors
    /// When the desk takes nothing.
    pub async fn turn(&self) -> Result<bool, Unavailable> {
        let mut moved = false;
        for run in self.live().await? {
            moved |= self.advance(run).await?;
        }
        Ok(moved)
    }

    /// Does what decisions and people asked for, and says what became of it. What the catalogue
    /// does not name is left to whoever else reports it; what does not drop a key that it has seen
    /// is not done here, since nobody knows whether it was.
    ///
    /// # Errors
    /// When the desk takes nothing.
    pub async fn answer(&self) -> Result<(), Unavailable> {
        let awaited =
            self.seat.see(|state, _| state.awaited().cloned().collect::<Vec<_>>()).await?;
        for action in awaited {
            let (name, args) = match action.what {
                What::Respond(response) => (response.as_str().to_owned(), BTreeMap::new()),
                What::Execute { action, .. } => (action.name, action.args),
                What::Tell(_) => continue,
            };
            let Some(at) = self.catalogue.actions.get(&name) else { continue };
            let mut names: Names =
                args.iter().map(|(name, text)| (name.clone(), text.to_string())).collect();
            names.insert("incident".to_owned(), action.incident.to_string());
            let done = if at.idempotent {
                at.perform(&names, &action.id.to_string(), ACTION_TIME).await
            } else {
                Err(ActionError::NotIdempotent)
            };
            let failed = done.err().map(|error| self.scrubber.scrub(&causes(&error)));
            self.ask(vec![Input::Result { action: action.id, failed }]).await?;
        }
        Ok(())
    }

    async fn live(&self) -> Result<Vec<RunId>, Unavailable> {
        let live = |state: &State, _: Moment| {
            state.runs().filter(|run| run.is_live()).map(|run| run.id).collect()
        };
        self.seat.see(live).await
    }

    /// Does what is next of a run; whether it went on.
    ///
    /// # Errors
    /// When the desk takes nothing.
    pub async fn advance(&self, run: RunId) -> Result<bool, Unavailable> {
        let seen = self.seat.see(move |state, now| {
            let record = state.run(run)?.clone();
            let incident = state.incident(record.incident)?.clone();
            let asked = BTreeMap::from_iter(standings(state, run));
            Some((record, incident, now, asked, state.policy().digest()))
        });
        let Some((record, incident, now, asked, policy)) = seen.await? else { return Ok(false) };
        if record.blocked.is_some() {
            return Ok(false);
        }
        match record.run.next() {
            Next::Do { step: place, attempt, key, by } => {
                let target = record.step(place).and_then(|step| match &step.work {
                    Work::Approve { action, .. } => record.run.runbook().place(action),
                    _ => None,
                });
                let asked = target.and_then(|target| asked.get(&target).copied());
                let key = key.to_string();
                let job = Job { record, incident, place, attempt, key, by, now, asked, policy };
                self.step(&job).await
            }
            Next::Undo { .. } if self.is_anothers(&record, now) => Ok(false),
            Next::Undo { step, key } => self.undo(&record, step, &key.to_string()).await,
            Next::InDoubt { .. } | Next::Done | Next::Aborted | Next::Failed { .. } => Ok(false),
        }
    }

    async fn step(&self, job: &Job) -> Result<bool, Unavailable> {
        let Some(step) = job.record.step(job.place) else { return Ok(false) };
        match &step.work {
            Work::Branch { .. } | Work::Notify { .. } => self.at_once(job).await,
            Work::Act { action, .. } if OWN.contains(&action.as_str()) => self.at_once(job).await,
            Work::Act { action, .. } => self.act(job, step, action).await,
            Work::Query { source, text, evidence } => {
                self.query(job, step, source, text, evidence).await
            }
            Work::Check { probe, expect, soak_ms } => {
                self.check(job, step, probe, expect, *soak_ms).await
            }
            Work::Approve { .. } => self.approve(job, step).await,
            Work::Preserve { items, seal } => self.preserve(job, items, *seal).await,
            Work::Wait { ms } => {
                if !self.begin(job, true).await? {
                    return Ok(false);
                }
                let over = job.by.is_some() && job.now.since(job.record.since) >= *ms;
                if over { self.end(job, Ok("waited"), Vec::new()).await } else { Ok(false) }
            }
        }
    }

    // Whether the step is this process's to do. A step that was begun here is not begun twice.
    async fn begin(&self, job: &Job, again: bool) -> Result<bool, Unavailable> {
        let by = job.by.as_deref();
        if by == Some(self.owner.as_str()) {
            return Ok(true);
        }
        if self.is_anothers(&job.record, job.now) {
            return Ok(false);
        }
        let refused = self.ask(vec![self.begun(job, again)]).await?;
        Ok(refused.iter().all(Option::is_none))
    }

    fn begun(&self, job: &Job, again: bool) -> Input {
        let (step, attempt) = (job.place, job.attempt);
        let (by, over) = (self.owner.clone(), job.by.clone());
        stepped(job.record.id, RunEvent::Begun { step, attempt, again, by, over })
    }

    async fn end(
        &self,
        job: &Job,
        came: Result<&str, &str>,
        mut inputs: Vec<Input>,
    ) -> Result<bool, Unavailable> {
        let scrub = |text: &str| self.scrubber.scrub(text);
        let ended = RunEvent::ended(job.place, came.map(scrub).map_err(scrub), &self.owner);
        inputs.push(stepped(job.record.id, ended));
        let refused = self.ask(inputs).await?;
        Ok(refused.last().is_some_and(Option::is_none))
    }

    // What was done must be written: nothing but the end of the desk keeps it from being.
    async fn ask(&self, inputs: Vec<Input>) -> Result<Vec<Option<Refusal>>, Unavailable> {
        loop {
            match self.seat.ask(inputs.clone()).await {
                Err(Unavailable::Busy | Unavailable::Full | Unavailable::Store) => {
                    tokio::time::sleep(TROUBLE).await;
                }
                other => return other,
            }
        }
    }

    async fn at_once(&self, job: &Job) -> Result<bool, Unavailable> {
        let ended = RunEvent::ended(job.place, Ok(self.scrubber.scrub("done")), &self.owner);
        let ended = stepped(job.record.id, ended);
        let refused = self.ask(vec![self.begun(job, true), ended]).await?;
        Ok(refused.iter().all(Option::is_none))
    }

    async fn act(&self, job: &Job, step: &Step, action: &str) -> Result<bool, Unavailable> {
        let at = self.catalogue.actions.get(action);
        let again = at.is_some_and(|at| at.idempotent);
        if !self.begin(job, again).await? {
            return Ok(false);
        }
        let names = self.names(&job.record, job.place);
        let patience = Duration::from_millis(step.timeout_ms);
        let done = match at {
            Some(at) => at.perform(&names, &job.key, patience).await,
            None => Err(ActionError::Unknown),
        };
        let done = done.map_err(|error| causes(&error));
        self.end(job, said(&done), Vec::new()).await
    }

    // Whether the process that began what is next, or what was cut off, is another one, and may be
    // at it yet.
    fn is_anothers(&self, record: &Record, now: Moment) -> bool {
        record.run.at_work().is_some_and(|(place, by)| {
            by != self.owner && !self.alone && !record.lease_is_over(place, now)
        })
    }

    async fn undo(&self, record: &Record, place: usize, key: &str) -> Result<bool, Unavailable> {
        let Some(action) = record.action(place, true) else { return Ok(false) };
        let at = self.catalogue.actions.get(&action.name);
        let own = OWN.contains(&action.name.as_str());
        let again = own || at.is_some_and(|at| at.idempotent);
        let (run, by) = (record.id, self.owner.clone());
        let over = record.run.at_work().map(|(_, by)| by.to_owned());
        let undoing = stepped(run, RunEvent::Undoing { step: place, again, by, over });
        let undone = |came| stepped(run, RunEvent::undone(place, came, &self.owner));
        if own {
            let refused = self.ask(vec![undoing, undone(Ok(()))]).await?;
            return Ok(refused.iter().all(Option::is_none));
        }
        if self.ask(vec![undoing]).await?.iter().any(Option::is_some) {
            return Ok(false);
        }
        let timeout_ms = record.step(place).map_or(0, |step| step.timeout_ms);
        let patience = Duration::from_millis(timeout_ms);
        let done = match at {
            Some(at) => at.perform(&self.names(record, place), key, patience).await,
            None => Err(ActionError::Unknown),
        };
        let came = done.map(drop).map_err(|error| self.scrubber.scrub(&causes(&error)));
        let done = came.is_ok();
        let refused = self.ask(vec![undone(came)]).await?;
        Ok(done && refused.iter().all(Option::is_none))
    }

    async fn query(
        &self,
        job: &Job,
        step: &Step,
        source: &str,
        text: &str,
        item: &str,
    ) -> Result<bool, Unavailable> {
        if !self.begin(job, true).await? {
            return Ok(false);
        }
        let names = self.names(&job.record, job.place);
        let patience = Duration::from_millis(step.timeout_ms);
        let collector = self.catalogue.collector(source, text, item);
        let (came, word, tool) = match &collector {
            Some(collector) => {
                let came = collector.collect(&names, patience).await;
                let word = collector.word(&came);
                (came, word, collector.tool())
            }
            None if source == "desk" => {
                let (body, word) = diagnose::own(item, &job.incident, job.record.run.answers());
                (Ok(body.to_string().into_bytes()), word, "desk".to_owned())
            }
            None => (Err("the catalogue names no collector".to_owned()), None, source.to_owned()),
        };
        let why =
            came.as_ref().err().map_or("`answer` of the catalogue points at nothing", |why| why);
        let word = word.ok_or_else(|| why.to_owned());
        let kept = match self.keep(&job.record, item, &Kept { came, tool }) {
            Ok(kept) => kept,
            // What a bag lacks must not look as if nobody had asked for it.
            Err(error) => return self.end(job, Err(&causes(&error)), Vec::new()).await,
        };
        let collected = Input::Collected { incident: job.incident.id, item: item.to_owned() };
        let collected = if kept && word.is_ok() { vec![collected] } else { Vec::new() };
        self.end(job, said(&word), collected).await
    }

    // Whether there is something to preserve.
    fn keep(&self, record: &Record, item: &str, kept: &Kept) -> Result<bool, BagsError> {
        let Some(bags) = &self.bags else { return Ok(false) };
        bags.keep(record.id, item, kept, &self.scrubber)?;
        Ok(kept.came.is_ok())
    }

    async fn preserve(&self, job: &Job, items: &[String], seal: bool) -> Result<bool, Unavailable> {
        if !self.begin(job, true).await? {
            return Ok(false);
        }
        let Some(bags) = &self.bags else {
            return self.end(job, Err("this desk has no folder for evidence"), Vec::new()).await;
        };
        if !seal {
            return self.end(job, Ok("kept"), Vec::new()).await;
        }
        match bags.seal(&job.record, &job.incident, items, job.now, job.policy, &self.scrubber) {
            Ok(bundle) => {
                let sealed = Input::Sealed { incident: job.incident.id, bundle };
                self.end(job, Ok(&bundle.to_string()), vec![sealed]).await
            }
            Err(error) => self.end(job, Err(&causes(&error)), Vec::new()).await,
        }
    }

    async fn approve(&self, job: &Job, step: &Step) -> Result<bool, Unavailable> {
        if !self.begin(job, true).await? || job.by.is_none() {
            return Ok(false);
        }
        let late = job.now.since(job.record.since) > step.timeout_ms;
        match job.asked {
            Some(Standing::Approved | Standing::Executed) => {
                self.end(job, Ok("approved"), Vec::new()).await
            }
            Some(Standing::Open) if !late => Ok(false),
            asked => self.end(job, Err(not_approved(asked)), Vec::new()).await,
        }
    }

    async fn check(
        &self,
        job: &Job,
        step: &Step,
        probe: &str,
        expect: &str,
        soak_ms: u64,
    ) -> Result<bool, Unavailable> {
        if !self.begin(job, true).await? {
            return Ok(false);
        }
        let at = (job.record.id, job.place);
        let mut watching = self.watching().get(&at).copied().unwrap_or_default();
        let every = if soak_ms == 0 { SECOND_MS } else { CHECK_EVERY_MS };
        if watching.sampled.is_some_and(|last| job.now.since(last) < every) {
            return Ok(false);
        }
        let names = self.names(&job.record, job.place);
        let sample = match self.catalogue.probes.get(probe) {
            Some(probe) => probe.sample(&names, expect, PROBE_TIME).await,
            None => Sample::skipped("the catalogue names no such probe"),
        };
        watching.sampled = Some(job.now);
        watching.green = match sample.outcome {
            Outcome::Pass => watching.green.or(Some(job.now)),
            Outcome::Fail | Outcome::Skipped => None,
        };
        let mut inputs = Vec::new();
        if step.phase == Phase::Validating && watching.said != Some(sample.outcome) {
            let (check, outcome) = (step.id.clone(), sample.outcome);
            inputs.push(Input::Checked { incident: job.incident.id, check, outcome });
            watching.said = Some(sample.outcome);
        }
        let item = format!("checks/{}.json", step.id);
        let seen = json!({ "probe": probe, "expect": expect, "said": sample.transcript });
        let kept = Kept { came: Ok(seen.to_string().into_bytes()), tool: format!("probe {probe}") };
        // A check goes by what it has seen; what was seen before is kept with the next look.
        self.keep(&job.record, &item, &kept).ok();
        let late = job.now.since(job.record.since) >= step.timeout_ms && job.by.is_some();
        let soaked = watching.green.is_some_and(|since| job.now.since(since) >= soak_ms);
        let answer = match sample.outcome {
            Outcome::Pass if soaked => Some(Ok(sample.answer)),
            Outcome::Skipped => Some(Ok(sample.answer)),
            Outcome::Fail if late || sample.decisive => {
                Some(Err(format!("expected {expect}, saw {}", sample.answer)))
            }
            Outcome::Pass if late => Some(Err("not for long enough".to_owned())),
            Outcome::Pass | Outcome::Fail => None,
        };
        match answer {
            Some(answer) => {
                self.watching().remove(&at);
                self.end(job, said(&answer), inputs).await
            }
            None => {
                self.watching().insert(at, watching);
                if !inputs.is_empty() {
                    self.ask(inputs).await?;
                }
                Ok(false)
            }
        }
    }

    fn watching(&self) -> std::sync::MutexGuard<'_, BTreeMap<(RunId, usize), Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self, record: &Record, place: usize) -> Names {
        let inputs = record.inputs.iter();
        let args = record.action(place, false).map(|action| action.args).unwrap_or_default();
        let mut names: Names =
            inputs.chain(&args).map(|(name, text)| (name.clone(), text.to_string())).collect();
        names.insert("run".to_owned(), record.id.to_string());
        names.insert("incident".to_owned(), record.incident.to_string());
        names
    }
}

impl<S: Seat + 'static> Runner<S> {
    /// Does what decisions and people ask for, until it is told to stop.
    pub async fn run_actions(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(IDLE) => {}
            }
            // What is not taken now is done again under its key.
            self.answer().await.ok();
        }
    }

    /// Drives all runs until it is told to stop, each on a task of its own.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let (mut tasks, mut busy) = (JoinSet::new(), BTreeSet::new());
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(IDLE) => {}
                Some(Ok(done)) = tasks.join_next() => {
                    busy.remove(&done);
                    // A run that waits is not looked at without pause.
                    continue;
                }
            }
            let Ok(live) = self.live().await else { continue };
            for run in live {
                if busy.len() < RUNS_AT_ONCE && busy.insert(run) {
                    let this = Arc::clone(&self);
                    tasks.spawn(async move {
                        // What stands still is looked at again at the next round.
                        while this.advance(run).await == Ok(true) {}
                        run
                    });
                }
            }
        }
        // What is being done is left as it was begun: the next start finds it.
        tasks.shutdown().await;
    }
}

fn standings(state: &State, run: RunId) -> Vec<(usize, Standing)> {
    let asked = state.run(run).map(|record| record.asked.clone()).unwrap_or_default();
    let standing = |(place, id)| Some((place, state.request(id)?.standing));
    asked.into_iter().filter_map(standing).collect()
}

const fn not_approved(asked: Option<Standing>) -> &'static str {
    match asked {
        Some(Standing::Rejected) => "somebody said no",
        Some(Standing::Void) => "what was asked for was edited",
        Some(Standing::Open | Standing::Expired) => "too few people agreed in time",
        Some(Standing::Approved | Standing::Executed) | None => "nobody was asked",
    }
}

fn causes(error: &dyn Error) -> String {
    let all = std::iter::successors(Some(error), |error| (*error).source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn said(came: &Result<String, String>) -> Result<&str, &str> {
    came.as_deref().map_err(String::as_str)
}

const fn stepped(run: RunId, event: RunEvent) -> Input {
    Input::Step { run, event }
}

/// A look at something that must stay so.
const CHECK_EVERY_MS: u64 = 5_000;
/// What decisions ask for must answer while somebody waits for it.
const ACTION_TIME: Duration = Duration::from_secs(30);
/// One look.
const PROBE_TIME: Duration = Duration::from_secs(5);
/// How often it is looked whether there is something to do.
const IDLE: Duration = Duration::from_millis(200);
/// After a store that takes nothing.
const TROUBLE: Duration = Duration::from_secs(1);
/// Runs that are driven at once; more wait.
const RUNS_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_nobody_agreed_is_told_apart() {
        let said = |asked| not_approved(asked);
        assert_eq!(said(Some(Standing::Rejected)), "somebody said no");
        assert_eq!(said(Some(Standing::Void)), "what was asked for was edited");
        for asked in [Standing::Open, Standing::Expired] {
            assert_eq!(said(Some(asked)), "too few people agreed in time");
        }
        assert_eq!(said(None), "nobody was asked");
    }
}
