//! The core: from the state and an entry to what follows and what is to be done.
//!
//! [`decide`] is pure. [`Desk`] is the same with the state kept in place; whoever owns one writes
//! the entries it returns before doing any of the actions.

mod people;
mod policies;
pub(crate) use self::people::incident_of;
mod requests;
mod runs;
pub(crate) use self::runs::OWN;
mod signals;
mod time;

use crate::decision::{Action, ActionId, Notice, What};
use crate::event::{Entry, Event, Fact, Input};
use crate::incident::{IncidentId, Phase};
use crate::moment::Moment;
use crate::person::{Actor, Person};
use crate::policy::{Policy, Response};
use crate::refusal::Refusal;
use crate::state::State;

/// The gate that new executions pass.
pub const GATE: &str = "executions";

/// What follows from an entry, and what is to be done. The entry itself is not in it.
pub fn decide(state: &State, entry: &Entry) -> (Vec<Entry>, Vec<Action>) {
    advance(&mut state.clone(), entry)
}

/// A desk: the state, and nothing that could act.
#[derive(Clone, Debug)]
pub struct Desk {
    state: State,
}

/// The policy lets integrity signals past.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PolicyUnsafe;

impl std::fmt::Display for PolicyUnsafe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("policy is for comparison: its first row must hold whatever is about integrity")
    }
}

impl std::error::Error for PolicyUnsafe {}

impl Desk {
    /// A desk that works by a policy.
    ///
    /// # Errors
    /// When the policy has no row that integrity signals cannot get past.
    pub fn new(policy: Policy) -> Result<Self, PolicyUnsafe> {
        if policy.covers_integrity() { Ok(Self::comparing(policy)) } else { Err(PolicyUnsafe) }
    }

    /// A desk that shows what any policy would do; nobody may act on what it says.
    pub const fn comparing(policy: Policy) -> Self {
        Self { state: State::new(policy) }
    }

    /// A desk that goes on from a state.
    pub(crate) const fn of(state: State) -> Self {
        Self { state }
    }

    /// What is so now.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Takes an input in: its entry, all that follow, and what is to be done.
    pub fn take(&mut self, at: Moment, actor: Actor, input: Input) -> (Vec<Entry>, Vec<Action>) {
        // The count never goes back, whatever is handed in.
        let least = self.state.last.map_or(0, |last| last.mono_ms);
        let at = Moment { mono_ms: at.mono_ms.max(least), ..at };
        let event = Event::Input(input);
        let entry = Entry { seq: self.state.next_seq, at, actor, cause: None, event };
        let (facts, actions) = advance(&mut self.state, &entry);
        let mut entries = vec![entry];
        entries.extend(facts);
        (entries, actions)
    }

    /// Takes an entry of a log in, without deciding anything.
    pub fn apply(&mut self, entry: &Entry) {
        self.state.apply(entry);
    }
}

fn advance(state: &mut State, entry: &Entry) -> (Vec<Entry>, Vec<Action>) {
    let safe = state.policy.covers_integrity();
    state.apply(entry);
    let Event::Input(input) = &entry.event else { return (Vec::new(), Vec::new()) };
    let mut course = Course {
        state,
        at: entry.at,
        actor: &entry.actor,
        cause: entry.seq,
        facts: Vec::new(),
        actions: Vec::new(),
    };
    if let Err((incident, why)) = course.run(input, safe) {
        course.fact(Fact::Refused { incident, why });
    }
    (course.facts, course.actions)
}

/// One input on its way: facts hold as soon as they are known.
struct Course<'a> {
    state: &'a mut State,
    at: Moment,
    actor: &'a Actor,
    cause: u64,
    facts: Vec<Entry>,
    actions: Vec<Action>,
}

/// A refusal with the incident it is about.
type Asked = Result<(), (Option<IncidentId>, Refusal)>;

impl Course<'_> {
    fn run(&mut self, input: &Input, safe: bool) -> Asked {
        match input {
            Input::Policy(source) => {
                let policy = Policy::parse(source).map_err(|_| (None, Refusal::PolicyUnsafe))?;
                let allowed = policy.covers_integrity() || !safe;
                if allowed { Ok(()) } else { Err((None, Refusal::PolicyUnsafe)) }
            }
            Input::Signal(_) => {
                self.signal();
                Ok(())
            }
            Input::Tick => {
                self.tick();
                Ok(())
            }
            Input::WindowEnd(_) => {
                self.end_windows();
                Ok(())
            }
            Input::Propose { .. } | Input::Grant { .. } | Input::Revert { .. } => {
                self.policies(input)
            }
            Input::Result { action, failed } => self.result(*action, failed.as_ref()),
            Input::Request { .. }
            | Input::Edit { .. }
            | Input::Approve { .. }
            | Input::Reject(_)
            | Input::Execute(_)
            | Input::BreakGlass { .. }
            | Input::OpenGate { .. }
            | Input::Release { .. } => self.request(input),
            Input::RunStart { .. }
            | Input::RunPlanned { .. }
            | Input::Step { .. }
            | Input::Resume { .. }
            | Input::Abort { .. } => self.of_run(input),
            Input::Person(_)
            | Input::Beat { .. }
            | Input::Window(_)
            | Input::Mute(_)
            | Input::MuteEnd(_)
            | Input::Snapshot { .. }
            | Input::Change(_) => Ok(()),
            other => self.about_incident(other),
        }
    }

    fn fact(&mut self, fact: Fact) {
        let entry = Entry {
            seq: self.state.next_seq,
            at: self.at,
            actor: Actor::Desk,
            cause: Some(self.cause),
            event: Event::Fact(fact),
        };
        self.state.apply(&entry);
        self.facts.push(entry);
    }

    fn act(&mut self, incident: IncidentId, what: What, attempt: u64) {
        let action = Action { id: ActionId(self.state.issued), incident, what, attempt };
        self.fact(Fact::Issued(action.clone()));
        self.actions.push(action);
    }

    fn tell(&mut self, incident: IncidentId, notice: Notice) {
        self.act(incident, What::Tell(notice), 1);
    }

    fn shift(&mut self, incident: IncidentId, to: Phase) {
        let Some(found) = self.state.incidents.get(&incident) else { return };
        let from = found.phase;
        if from.may_become(to) {
            let reopened = to == Phase::Triaged && from != Phase::Detected;
            self.fact(Fact::Moved { incident, from, to, reopened });
        }
    }

    fn person(&self) -> Result<&Person, Refusal> {
        let Actor::Person(id) = self.actor else { return Err(Refusal::NotAPerson) };
        self.state.people.get(id).ok_or(Refusal::Stranger)
    }

    // What a row asks for, as facts and actions.
    fn respond(&mut self, incident: IncidentId, response: Response) {
        // Going back to another release destroys what a hold is there to keep: people are asked.
        let held = response == Response::Rollback && self.state.is_kept(incident);
        let response = if held { response.proposed() } else { response };
        if self.state.is_in_force(incident, response) {
            return;
        }
        match response {
            Response::Hold => self.fact(Fact::HoldSet(incident)),
            Response::Gate => {
                self.fact(Fact::GateShut { gate: GATE.to_owned(), incident });
            }
            Response::Freeze => self.fact(Fact::Frozen(incident)),
            Response::Page => {
                let pages = self.state.incidents.get(&incident).is_some_and(|found| found.pages);
                if !pages {
                    self.fact(Fact::Paging(incident));
                }
                return;
            }
            Response::Notify => {
                self.tell(incident, Notice::Opened);
                return;
            }
            Response::Rollback
            | Response::ProposeRollback
            | Response::Contain
            | Response::ProposeContain
            | Response::Monitor
            | Response::Ticket
            | Response::RulesTask
            | Response::ThresholdTask => {}
        }
        self.act(incident, What::Respond(response), 1);
    }
}
