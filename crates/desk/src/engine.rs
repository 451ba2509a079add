//! The one that decides: it owns the state, takes inputs in groups and answers when they are kept.
//!
//! A group is one transaction: under the lock of the log it takes in what other desks appended,
//! decides, writes, commits, and only then tells anybody. When the store refuses, nothing of the
//! group has happened: the state is read again from the log, and inputs are refused until the store
//! takes a write. Signals about integrity come before all others.

pub mod lanes;
mod project;
mod sealing;
mod snapshot;
pub mod sweep;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::lanes::{Ask, Lanes, Unavailable};
use self::project::Touched;
pub use self::project::{IncidentView, Notification, notices};
use self::sealing::Sealing;
pub use self::sealing::{Identity, IdentityError};
use self::snapshot::Read;
use crate::approval::RequestId;
use crate::decide::{Desk, PolicyUnsafe};
use crate::decision::Action;
use crate::event::{Entry, Event, Fact, Input};
use crate::incident::IncidentId;
use crate::log;
use crate::metrics::Metrics;
use crate::moment::{Moment, SECOND_MS};
use crate::own;
use crate::person::{Actor, Person};
use crate::policy::{Policy, Profile};
use crate::refusal::Refusal;
use crate::store::work::NewWork;
use crate::store::{Line, Store, StoreError};

/// What came of one input.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// The number of its entry.
    pub seq: u64,
    /// Why it was refused.
    pub refused: Option<Refusal>,
    /// The incident it is about.
    pub incident: Option<IncidentId>,
    /// The request that it made.
    pub request: Option<RequestId>,
    /// The run that began.
    pub run: Option<crate::runbook::run::RunId>,
    /// What was decided, as row and verdict.
    pub decided: Option<(String, String)>,
}

/// What everybody may see at any time, as of the last group.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Gates that are shut, and for which incident.
    pub gates: BTreeMap<String, IncidentId>,
    /// Open incidents by severity and kind.
    pub open: BTreeMap<(String, String), u64>,
    /// The next number of the log.
    pub next: u64,
    /// Whether the store takes anything.
    pub writable: bool,
    /// The policy that holds.
    pub policy: Option<Arc<Policy>>,
}

/// What an engine is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where everything is kept.
    pub store: Store,
    /// The policy that the configuration names.
    pub policy: Policy,
    /// The people that the configuration names.
    pub people: Vec<Person>,
    /// Names of the channels that notifications go to.
    pub channels: Vec<String>,
    /// Key and salt of this desk.
    pub identity: Identity,
    /// What is measured.
    pub metrics: Arc<Metrics>,
}

/// Why an engine does not start.
#[derive(Debug)]
pub enum EngineError {
    /// The store refuses, or what it holds does not verify.
    Store(StoreError),
    /// The policy is for comparison.
    Policy(PolicyUnsafe),
    /// The log could not be sealed.
    Seal,
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(_) => f.write_str("store cannot be used"),
            Self::Policy(cause) => cause.fmt(f),
            Self::Seal => f.write_str("log cannot be sealed"),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(cause) => Some(cause),
            Self::Policy(_) | Self::Seal => None,
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    desk: Desk,
    lanes: Arc<Lanes>,
    published: Arc<RwLock<Published>>,
    started: Instant,
    // the count of the log at the start, by this desk's own clock
    base_ms: u64,
    ticked_ms: u64,
    sealing: Sealing,
    writable: bool,
    // the state may have what was never kept: it is neither shown nor decided by
    ahead: bool,
    // the entry of the newest snapshot
    snapshotted: u64,
    in_part: bool,
}

impl Engine {
    /// Verifies what is sealed, reads the log and takes in what the configuration says anew. A log
    /// that is not what was sealed is an incident of this desk.
    ///
    /// # Errors
    /// When the store refuses, cannot be read or is another desk's, or the policy is for
    /// comparison.
    pub fn start(mut parts: Parts, lanes: Arc<Lanes>) -> Result<Self, EngineError> {
        Desk::new(parts.policy.clone()).map_err(EngineError::Policy)?;
        let identity = &parts.identity;
        let (name, key) = (&identity.instance, identity.public_key());
        let Read { desk, broken, from } = snapshot::read(&mut parts.store, name, key)?;
        let last = desk.state().last;
        let away = last.map_or(0, |last| wall_ms().saturating_sub(last.wall_ms));
        let base_ms = last.map_or(0, |last| last.mono_ms.saturating_add(away));
        let sealing = Sealing::new(&parts.identity).map_err(|_| EngineError::Seal)?;
        let published = Arc::new(RwLock::new(Published::default()));
        let mut engine = Self {
            parts,
            desk,
            lanes,
            published,
            started: Instant::now(),
            base_ms,
            ticked_ms: 0,
            sealing,
            writable: true,
            ahead: false,
            snapshotted: from.unwrap_or(0),
            in_part: from.is_some(),
        };
        engine.configure()?;
        if let Some(position) = broken {
            engine.accuse(position)?;
        }
        engine.seal(0)?;
        engine.publish();
        Ok(engine)
    }

    // The log is not what was sealed: that is an incident, and the worst.
    fn accuse(&mut self, position: u64) -> Result<(), StoreError> {
        let (desk, scrubber) =
            (self.parts.identity.instance.to_string(), self.parts.identity.scrubber());
        let signal = own::tampered(&desk, position, &self.desk.state().policy, &scrubber);
        let inputs: Vec<Input> = signal.map(Input::Signal).into_iter().collect();
        self.decide(vec![(Actor::Desk, inputs)]).map(|_| ())
    }

    /// Whether the start has read and verified the log from a snapshot on, and not whole.
    pub const fn was_read_in_part(&self) -> bool {
        self.in_part
    }

    /// What everybody may see.
    pub fn published(&self) -> Arc<RwLock<Published>> {
        Arc::clone(&self.published)
    }

    /// Works until the lanes are closed and empty.
    pub fn run(mut self) {
        loop {
            let Some(group) = self.lanes.wait(GROUP_MAX, self.until_tick()) else { break };
            if self.writable {
                self.group(group);
            } else {
                self.try_again(group);
            }
            self.snapshot_if_due();
            self.publish();
        }
        // What is not sealed is sealed by the next start.
        self.seal(0).ok();
    }

    fn configure(&mut self) -> Result<(), EngineError> {
        let by = || Actor::Adapter("configuration".to_owned());
        let state = self.desk.state();
        let mut inputs = Vec::new();
        if state.configured != Some(self.parts.policy.digest()) {
            inputs.push(Input::Policy(self.parts.policy.source().to_owned()));
        }
        for person in &self.parts.people {
            if state.people.get(&person.id) != Some(person) {
                inputs.push(Input::Person(person.clone()));
            }
        }
        if inputs.is_empty() {
            return Ok(());
        }
        self.decide(vec![(by(), inputs)]).map(|_| ()).map_err(EngineError::Store)
    }

    fn now(&self) -> Moment {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { wall_ms: wall_ms(), mono_ms: self.base_ms.saturating_add(elapsed) }
    }

    fn until_tick(&self) -> Duration {
        let due = self.ticked_ms.saturating_add(TICK_MS);
        Duration::from_millis(due.saturating_sub(self.now().mono_ms))
    }

    fn group(&mut self, group: Vec<Ask>) {
        let mut inputs: Vec<(Actor, Vec<Input>)> =
            group.iter().map(|ask| (ask.actor.clone(), ask.inputs.clone())).collect();
        let now = self.now();
        if now.mono_ms.saturating_sub(self.ticked_ms) >= TICK_MS {
            inputs.push((Actor::Desk, vec![Input::Tick]));
            self.ticked_ms = now.mono_ms;
        }
        if inputs.is_empty() {
            return;
        }
        match self.decide(inputs) {
            Ok(answers) => {
                self.writable = true;
                // A gate that is answered for as shut is shut for whoever looks.
                self.publish();
                for (ask, answers) in group.into_iter().zip(answers) {
                    self.parts.metrics.decided(ask.came.elapsed(), &ask.inputs);
                    // Whoever asked may be gone.
                    ask.reply.send(Ok(answers)).ok();
                }
                self.seal(SEAL_ENTRIES).ok();
            }
            Err(cause) => {
                self.parts.metrics.store_failed();
                refuse(group, Unavailable::of(&cause));
                self.stand_still();
            }
        }
    }

    // Nobody knows what of the last commit was kept, and the state may be ahead of it.
    fn stand_still(&mut self) {
        self.writable = false;
        self.ahead = true;
        // What cannot be read now is read before anything is taken again.
        self.reread().ok();
    }

    fn reread(&mut self) -> Result<(), StoreError> {
        let identity = &self.parts.identity;
        let (name, key) = (&identity.instance, identity.public_key());
        let Read { desk, from, .. } = snapshot::read(&mut self.parts.store, name, key)?;
        self.desk = desk;
        self.snapshotted = from.unwrap_or(0);
        if let Ok(sealing) = Sealing::new(&self.parts.identity) {
            self.sealing = sealing;
        }
        self.ahead = false;
        Ok(())
    }

    fn try_again(&mut self, group: Vec<Ask>) {
        self.ticked_ms = self.now().mono_ms;
        let store = &mut self.parts.store;
        match store.probe().and_then(|()| self.reread()) {
            Ok(()) => {
                self.writable = true;
                self.group(group);
            }
            Err(cause) => refuse(group, Unavailable::of(&cause)),
        }
    }

    // One transaction for all inputs.
    fn decide(&mut self, asks: Vec<(Actor, Vec<Input>)>) -> Result<Vec<Vec<Answer>>, StoreError> {
        let (desk, channels) = (&mut self.desk, &self.parts.channels);
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = Moment { wall_ms: wall_ms(), mono_ms: self.base_ms.saturating_add(elapsed) };
        let began = Instant::now();
        let (mut tally, mut bodies) = (Vec::new(), Vec::new());
        let answers = self.parts.store.locked(|store, next| {
            catch_up(desk, store, next)?;
            let mut taken = Taken::default();
            let take = |(actor, inputs): (Actor, Vec<Input>)| {
                let one = |input| taken.take(desk, now, actor.clone(), input, channels);
                inputs.into_iter().map(one).collect()
            };
            let answers: Vec<Vec<Answer>> = asks.into_iter().map(take).collect();
            bodies = taken.keep(desk, store)?;
            tally = taken.entries;
            Ok::<_, StoreError>(answers)
        })?;
        if let Some(first) = tally.first() {
            self.sealing.remember(first.seq, bodies);
        }
        self.parts.metrics.appended(began.elapsed(), &tally);
        Ok(answers)
    }

    // Behind the log by a little: a signature for each group would be most of the store.
    fn seal(&mut self, at_least: u64) -> Result<(), EngineError> {
        let due = self.sealing.is_due(self.desk.state().next_seq, at_least);
        if !due {
            return Ok(());
        }
        match self.sealing.seal(&mut self.parts.store, wall_ms()) {
            Ok(()) => Ok(()),
            Err(cause) => {
                // The ledger in memory may be ahead of the one that is kept.
                if let Ok(sealing) = Sealing::new(&self.parts.identity) {
                    self.sealing = sealing;
                }
                Err(cause)
            }
        }
    }

    fn publish(&self) {
        if self.ahead {
            let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
            published.writable = false;
            self.lanes.refuse_looks();
            return;
        }
        let state = self.desk.state();
        let mut open: BTreeMap<(String, String), u64> = BTreeMap::new();
        for incident in state.incidents().filter(|incident| incident.phase.is_open()) {
            let key = (incident.severity.to_string(), incident.kind.to_string());
            *open.entry(key).or_default() += 1;
        }
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        let same = published.policy.take().filter(|one| one.digest() == state.policy.digest());
        let policy = same.unwrap_or_else(|| Arc::new(state.policy.clone()));
        *published = Published {
            policy: Some(policy),
            gates: state.gates.clone(),
            open,
            next: state.next_seq,
            writable: self.writable,
        };
        drop(published);
        self.lanes.look(state, self.now());
    }
}

/// What a group of inputs leads to.
#[derive(Default)]
struct Taken {
    entries: Vec<Entry>,
    abouts: Vec<Option<IncidentId>>,
    touched: Touched,
    work: Vec<NewWork>,
}

impl Taken {
    fn take(
        &mut self,
        desk: &mut Desk,
        now: Moment,
        actor: Actor,
        input: Input,
        channels: &[String],
    ) -> Answer {
        let (entries, actions) = desk.take(now, actor, input);
        let mut answer = answer(&entries);
        let abouts = entries.iter().map(|entry| project::about(entry, desk.state()));
        let abouts: Vec<_> = abouts.collect();
        let made = abouts.iter().find_map(|about| *about);
        answer.incident = made;
        for (entry, about) in entries.into_iter().zip(abouts) {
            self.touched.see(&entry, about);
            // An input is found by the incident it led to.
            let cause = entry.cause.is_none();
            self.abouts.push(about.or(made.filter(|_| cause)));
            self.entries.push(entry);
        }
        self.work.extend(actions.iter().flat_map(|action| work(desk, action, now, channels)));
        answer
    }

    // The entries as they were written.
    fn keep(&self, desk: &Desk, store: &mut Store) -> Result<Vec<Vec<u8>>, StoreError> {
        let bodies: Vec<Vec<u8>> = self.entries.iter().map(log::encode).collect();
        let mut lines = Vec::with_capacity(bodies.len());
        for ((entry, incident), body) in self.entries.iter().zip(&self.abouts).zip(&bodies) {
            lines.push(Line { entry, body, incident: *incident });
        }
        store.append(&lines)?;
        store.put(&self.touched.docs(desk.state()))?;
        store.add_work(&self.work)?;
        Ok(bodies)
    }
}

fn work(desk: &Desk, action: &Action, now: Moment, channels: &[String]) -> Vec<NewWork> {
    let state = desk.state();
    notices(state, action, now, channels)
}

fn answer(entries: &[Entry]) -> Answer {
    let mut answer =
        Answer { seq: entries.first().map_or(0, |entry| entry.seq), ..Answer::default() };
    for entry in entries {
        match &entry.event {
            Event::Fact(Fact::Refused { why, .. }) => answer.refused = Some(why.clone()),
            Event::Fact(Fact::Requested(request)) => answer.request = Some(request.id),
            Event::Fact(Fact::RunBegan { run, .. }) => answer.run = Some(*run),
            Event::Fact(Fact::Decided(decision)) => {
                let rule = decision.rule.as_ref().map(ToString::to_string).unwrap_or_default();
                answer.decided = Some((rule, decision.verdict.as_str().to_owned()));
            }
            _ => {}
        }
    }
    answer
}

fn refuse(group: Vec<Ask>, why: Unavailable) {
    for ask in group {
        // Whoever asked may be gone.
        ask.reply.send(Err(why)).ok();
    }
}

// What others appended since.
fn catch_up(desk: &mut Desk, store: &mut Store, next: u64) -> Result<(), StoreError> {
    while desk.state().next_seq < next {
        let from = desk.state().next_seq;
        let entries = store.entries(from, READ_AT_ONCE)?;
        if entries.is_empty() {
            return Err(StoreError::Shape);
        }
        entries.iter().for_each(|entry| desk.apply(entry));
    }
    // A state that has more than the log would write over what is missing.
    if desk.state().next_seq == next { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Writes what can be looked up again, from the log and nothing else.
///
/// # Errors
/// When the store refuses or its log cannot be read.
pub fn rebuild(store: &mut Store) -> Result<(), StoreError> {
    store.locked(|store, next| {
        store.forget_docs()?;
        let mut desk = Desk::comparing(Policy::shipped(Profile::ResponderDefault));
        let mut touched = Touched::default();
        while desk.state().next_seq < next {
            for entry in store.entries(desk.state().next_seq, READ_AT_ONCE)? {
                if matches!(entry.event, Event::Fact(Fact::Retired(_))) {
                    // The last that can be said of it.
                    store.put(&std::mem::take(&mut touched).docs(desk.state()))?;
                }
                touched.see(&entry, project::about(&entry, desk.state()));
                desk.apply(&entry);
            }
        }
        store.put(&touched.docs(desk.state()))
    })
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A beat is five seconds, and its count may be off by one.
const TICK_MS: u64 = SECOND_MS;
/// One group is one commit; an integrity signal waits for at most one.
const GROUP_MAX: usize = 256;
/// Entries that are read at once.
const READ_AT_ONCE: u64 = 2000;
/// So many entries are sealed together, or what there is after a while.
const SEAL_ENTRIES: u64 = 4096;
