//! Events: everything that reaches the desk, and everything that it concludes.
//!
//! The log holds both. Inputs are what cannot be computed; facts follow from the inputs and the
//! policy, so that a log can be made again from its inputs and compared. An entry names who and
//! which entry it follows from.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::approval::{ActionSpec, Request, RequestId};
use crate::decision::{Action, ActionId, Decision};
use crate::digest::Digest;
use crate::incident::{FollowUp, IncidentId, Phase, Review, Severity};
use crate::moment::Moment;
use crate::number::Number;
use crate::person::{Actor, Person, PersonId};
use crate::policy::{Response, RuleId, Verdict};
use crate::proposal::Proposal;
use crate::refusal::Refusal;
use crate::runbook::run::{Resume, RunEvent, RunId};
use crate::scrub::Scrubbed;
use crate::signal::{Kind, Signal};

/// One line of the log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// When.
    pub at: Moment,
    /// Who.
    pub actor: Actor,
    /// The entry it follows from; none for inputs.
    pub cause: Option<u64>,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Something came from outside.
    Input(Input),
    /// Something follows.
    Fact(Fact),
}

/// The number of a signal: those that came and those that were made here are counted apart, so that
/// another policy leaves the numbers of the first alone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalId {
    /// One that came.
    Received(u64),
    /// One that was made of missed heartbeats.
    Sensed(u64),
}

/// What comes from outside.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A policy that holds from now on: its text.
    Policy(String),
    /// Somebody whom the desk knows, as the identity provider has them.
    Person(Person),
    /// A signal.
    Signal(Signal),
    /// A heartbeat.
    Beat {
        /// Whose.
        capsule: Scrubbed,
        /// When its sender says it was; recorded, and never counted with.
        stated_ms: Option<u64>,
    },
    /// Time passes.
    Tick,
    /// The state before this entry is kept beside the log; it changes nothing.
    Snapshot {
        /// SHA-256 of its bytes.
        state: Digest,
        /// The version of the desk that made it.
        version: String,
    },
    /// Planned work.
    Window(Window),
    /// Planned work is over before its time.
    WindowEnd(String),
    /// No actions for a scope; recording goes on.
    Mute(Mute),
    /// Actions again.
    MuteEnd(String),
    /// A deployment or another approved change.
    Change(Change),
    /// Somebody has it in hand.
    Ack(IncidentId),
    /// Nobody has.
    Unack(IncidentId),
    /// Somebody writes something down.
    Note {
        /// About which incident.
        incident: IncidentId,
        /// What.
        text: Scrubbed,
    },
    /// Somebody moves an incident.
    Move {
        /// Which.
        incident: IncidentId,
        /// Where to.
        to: Phase,
        /// Why.
        reason: Scrubbed,
    },
    /// A human finds it less bad.
    Lower {
        /// Which.
        incident: IncidentId,
        /// How bad it is.
        to: Severity,
        /// Why.
        reason: Scrubbed,
    },
    /// A human says what it really was.
    Label {
        /// Which.
        incident: IncidentId,
        /// What it was.
        verdict: Verdict,
    },
    /// One incident is part of another.
    Merge {
        /// The part.
        incident: IncidentId,
        /// The whole.
        into: IncidentId,
    },
    /// An item of evidence was collected.
    Collected {
        /// Of which incident.
        incident: IncidentId,
        /// The item.
        item: String,
    },
    /// The bundle is sealed.
    Sealed {
        /// Of which incident.
        incident: IncidentId,
        /// Its digest.
        bundle: Digest,
    },
    /// A human agrees to go on without an item, or without the bundle.
    Waive {
        /// Of which incident.
        incident: IncidentId,
        /// The item, or `bundle`.
        item: String,
        /// Why.
        reason: Scrubbed,
    },
    /// What must be shown: names, and for how many milliseconds.
    Checks {
        /// Of which incident.
        incident: IncidentId,
        /// The checks.
        checks: BTreeMap<String, u64>,
    },
    /// A check was made.
    Checked {
        /// Of which incident.
        incident: IncidentId,
        /// Which.
        check: String,
        /// What came out.
        outcome: Outcome,
    },
    /// What was learned.
    Reviewed {
        /// Of which incident.
        incident: IncidentId,
        /// Root cause and lessons.
        review: Review,
        /// What is left to do.
        follow_ups: Vec<FollowUp>,
    },
    /// All notifications are out.
    Drained(IncidentId),
    /// The report is sealed.
    Reported {
        /// Of which incident.
        incident: IncidentId,
        /// Its digest.
        report: Digest,
    },
    /// What became of an action.
    Result {
        /// Which.
        action: ActionId,
        /// Why not, or nothing when it was done.
        failed: Option<Scrubbed>,
    },
    /// Somebody asks for an action.
    Request {
        /// For which incident.
        incident: IncidentId,
        /// What.
        action: ActionSpec,
        /// Why.
        reason: Scrubbed,
    },
    /// Somebody edits the arguments.
    Edit {
        /// Of which request.
        request: RequestId,
        /// The new ones.
        args: BTreeMap<String, Scrubbed>,
    },
    /// Somebody agrees.
    Approve {
        /// To which request.
        request: RequestId,
        /// To exactly what.
        digest: Digest,
    },
    /// Somebody says no.
    Reject(RequestId),
    /// Somebody wants it done now.
    Execute(RequestId),
    /// A commander acts alone.
    BreakGlass {
        /// For which incident.
        incident: IncidentId,
        /// What.
        action: ActionSpec,
        /// Why.
        reason: Scrubbed,
    },
    /// A human opens a gate.
    OpenGate {
        /// Which.
        gate: String,
        /// Why.
        reason: Scrubbed,
    },
    /// Somebody wants another policy to hold.
    Propose {
        /// Its text.
        source: String,
        /// For how many milliseconds; absent: for good.
        for_ms: Option<u64>,
        /// Why.
        reason: Scrubbed,
    },
    /// Somebody agrees to a policy.
    Grant {
        /// SHA-256 of its text.
        policy: Digest,
    },
    /// Somebody wants the policy back that held before.
    Revert {
        /// Why.
        reason: Scrubbed,
    },
    /// A runbook is to be run for an incident.
    RunStart {
        /// Which.
        incident: IncidentId,
        /// The text of the runbook.
        source: String,
        /// What the run is given.
        inputs: BTreeMap<String, Scrubbed>,
        /// Roles that have signed exactly this text, as whoever hands it in has verified.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        approved: BTreeSet<String>,
    },
    /// A person has a runbook run for a change, without any signal.
    RunPlanned {
        /// The change that is its reason.
        change: String,
        /// The text of the runbook.
        source: String,
        /// What the run is given.
        inputs: BTreeMap<String, Scrubbed>,
        /// Roles that have signed exactly this text.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        approved: BTreeSet<String>,
    },
    /// Something happened in a run.
    Step {
        /// Which.
        run: RunId,
        /// What.
        event: RunEvent,
    },
    /// A person lets a run go on.
    Resume {
        /// Which.
        run: RunId,
        /// How; nothing when it only waits.
        how: Option<Resume>,
        /// Why.
        reason: Scrubbed,
    },
    /// A person stops a run; what it did is undone.
    Abort {
        /// Which.
        run: RunId,
        /// Why.
        reason: Scrubbed,
    },
    /// A human ends a hold whose evidence is sealed; two must.
    Release {
        /// Of which incident.
        incident: IncidentId,
        /// Why.
        reason: Scrubbed,
    },
}

/// What came out of a check.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Green.
    Pass,
    /// Not green.
    Fail,
    /// It could not be made.
    Skipped,
}

/// Planned work, with dates by the wall.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name.
    pub id: String,
    /// Labels that a signal must have to be in scope; at least one.
    pub scope: BTreeMap<String, String>,
    /// From when, milliseconds since 1970.
    pub from_ms: u64,
    /// Until when, milliseconds since 1970.
    pub to_ms: u64,
}

/// No actions for a scope, for a while.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Its name.
    pub id: String,
    /// Labels that a signal must have to be in scope; at least one.
    pub scope: BTreeMap<String, String>,
    /// For how many milliseconds.
    pub for_ms: u64,
}

/// A change that was made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its name, such as `CHG-0525`.
    pub id: String,
    /// Labels that a signal must have to be in scope; at least one.
    pub scope: BTreeMap<String, String>,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// What follows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A request, a command or a word was refused.
    Refused {
        /// Of which incident, when it was of one.
        incident: Option<IncidentId>,
        /// Why.
        why: Refusal,
    },
    /// An incident begins.
    Opened {
        /// Its number.
        incident: IncidentId,
        /// What it is about.
        kind: Kind,
        /// By which signals are known.
        fingerprint: Digest,
        /// How bad.
        severity: Severity,
        /// Labels of its first signal.
        labels: BTreeMap<String, Scrubbed>,
    },
    /// A signal belongs to an incident.
    Attached {
        /// The incident.
        incident: IncidentId,
        /// The signal.
        signal: SignalId,
        /// Whether it holds.
        firing: bool,
    },
    /// The desk waits for what the fleet says.
    Deferred {
        /// Which signal.
        signal: SignalId,
        /// For how many milliseconds.
        for_ms: u64,
    },
    /// A verdict.
    Decided(Decision),
    /// An incident moves.
    Moved {
        /// Which.
        incident: IncidentId,
        /// From where.
        from: Phase,
        /// To where.
        to: Phase,
        /// Whether it was over before.
        reopened: bool,
    },
    /// It is worse than it was.
    Rose {
        /// Which.
        incident: IncidentId,
        /// How bad.
        to: Severity,
    },
    /// A human finds it less bad.
    Fell {
        /// Which.
        incident: IncidentId,
        /// How bad.
        to: Severity,
        /// Who says so.
        by: PersonId,
        /// Why.
        reason: Scrubbed,
    },
    /// It comes and goes.
    Flapping(IncidentId),
    /// It does so no more.
    Settled(IncidentId),
    /// Somebody is to be woken until one has it in hand.
    Paging(IncidentId),
    /// Somebody has it in hand.
    Acked {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: PersonId,
    },
    /// Nobody has any more.
    AckLapsed(IncidentId),
    /// Something is to be done in the world.
    Issued(Action),
    /// It was done.
    Done(ActionId),
    /// It was not done.
    Failed {
        /// Which.
        action: ActionId,
        /// Whether it is not tried again.
        last: bool,
    },
    /// Nothing was heard of it in time.
    Overdue(ActionId),
    /// What limits the harm is in place.
    Contained(IncidentId),
    /// Everything is kept as it is.
    HoldSet(IncidentId),
    /// A human wants a hold to end.
    Released {
        /// Of which incident.
        incident: IncidentId,
        /// The human.
        employee: String,
    },
    /// The hold is over.
    HoldReleased(IncidentId),
    /// A gate is shut.
    GateShut {
        /// Which.
        gate: String,
        /// For which incident.
        incident: IncidentId,
    },
    /// A gate is open again.
    GateOpened(String),
    /// No changes, and nothing cleans up.
    Frozen(IncidentId),
    /// Something of it is done once for this row.
    Once {
        /// Which incident.
        incident: IncidentId,
        /// The row.
        rule: RuleId,
        /// What.
        what: Response,
    },
    /// Heartbeats are missing: a signal is made of it.
    Sensed(Signal),
    /// A request waits for people.
    Requested(Request),
    /// Somebody agreed.
    Granted {
        /// To which.
        request: RequestId,
        /// Who.
        by: PersonId,
    },
    /// Enough have.
    Approved(RequestId),
    /// Somebody said no.
    Rejected(RequestId),
    /// Its arguments were edited.
    Voided(RequestId),
    /// Its time ran out.
    Expired(RequestId),
    /// It is being done. Once.
    Executed(RequestId),
    /// Changes are allowed again.
    Thawed(IncidentId),
    /// A run began; its text and inputs are those of the input.
    RunBegan {
        /// Which.
        run: RunId,
        /// For which incident.
        incident: IncidentId,
        /// The name of the runbook.
        runbook: String,
        /// SHA-256 of its text.
        digest: Digest,
    },
    /// A run went on.
    Stepped {
        /// Which.
        run: RunId,
        /// For which incident.
        incident: IncidentId,
        /// What happened.
        event: RunEvent,
    },
    /// A run waits for people.
    RunBlocked {
        /// Which.
        run: RunId,
        /// For which incident.
        incident: IncidentId,
        /// Why.
        why: Refusal,
    },
    /// It goes on.
    RunUnblocked {
        /// Which.
        run: RunId,
        /// For which incident.
        incident: IncidentId,
    },
    /// A run failed or is in doubt, and people are told.
    RunStands {
        /// Which.
        run: RunId,
        /// For which incident.
        incident: IncidentId,
    },
    /// A step of a run asks people.
    RunAsked {
        /// Which run.
        run: RunId,
        /// The place of the step that is to be allowed.
        step: usize,
        /// The request.
        request: RequestId,
    },
    /// What a step changed has stood for as long as it was meant to.
    MeasureOverdue {
        /// Which run.
        run: RunId,
        /// The place of the step.
        step: usize,
    },
    /// More must be shown before an incident is resolved.
    ChecksAdded {
        /// Which.
        incident: IncidentId,
        /// Names, and for how many milliseconds.
        checks: BTreeMap<String, u64>,
    },
    /// Parts become one.
    Merged {
        /// The part.
        incident: IncidentId,
        /// The whole.
        into: IncidentId,
    },
    /// An item is not waited for.
    Waived {
        /// Of which incident.
        incident: IncidentId,
        /// The item.
        item: String,
        /// The human.
        employee: String,
    },
    /// A review is due.
    ReviewDue {
        /// Of which incident.
        incident: IncidentId,
        /// When, milliseconds since 1970.
        due_ms: u64,
    },
    /// A human called a high risk a false positive.
    Labelled {
        /// Which incident.
        incident: IncidentId,
        /// The risk that was decided about.
        risk: Number,
    },
    /// An incident is over for so long that nothing depends on it; the log keeps it.
    Retired(IncidentId),
    /// A policy waits for people.
    PolicyDrafted(Box<Proposal>),
    /// Somebody agreed to it.
    PolicyGranted {
        /// To which.
        policy: Digest,
        /// Who.
        by: PersonId,
    },
    /// Enough have: it holds.
    PolicyAdopted(Digest),
    /// Nobody did in time.
    PolicyDropped(Digest),
    /// What held before holds again.
    PolicyReverted(Digest),
    /// A threshold looks wrong.
    Proposed {
        /// What it is.
        from: Number,
        /// What it could be.
        to: Number,
        /// The incidents that humans called false.
        cases: Vec<IncidentId>,
    },
}
