//! The projection: what is so now, by the log and by nothing else.
//!
//! [`State::apply`] is the only way in. It decides nothing, reads no clock and fails on no entry,
//! so that the same log gives the same bytes.

mod apply;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::approval::{Request, RequestId};
use crate::decision::{Action, ActionId};
use crate::digest::Digest;
use crate::event::{Change, Mute, SignalId, Window};
use crate::incident::{Incident, IncidentId};
use crate::moment::Moment;
use crate::number::Number;
use crate::person::{Person, PersonId};
use crate::policy::Policy;
use crate::proposal::{Former, Proposal};
use crate::runbook::record::{Record, Starting};
use crate::runbook::run::RunId;
use crate::scrub::Scrubbed;
use crate::signal::{Risk, Signal, Status};

/// Everything that decisions depend on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub(crate) next_seq: u64,
    pub(crate) last: Option<Moment>,
    #[serde(serialize_with = "policy_text", deserialize_with = "policy_of")]
    pub(crate) policy: Policy,
    // the policy that the configuration named last; people may have agreed to another since
    pub(crate) configured: Option<Digest>,
    pub(crate) former: Option<Former>,
    pub(crate) proposals: BTreeMap<Digest, Proposal>,
    pub(crate) people: BTreeMap<PersonId, Person>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    // the newest incident of each cause
    pub(crate) by_cause: BTreeMap<Digest, IncidentId>,
    pub(crate) received: u64,
    pub(crate) sensed: u64,
    // the signal that is being decided
    pub(crate) current: Option<(SignalId, Moment, Signal)>,
    #[serde(serialize_with = "pairs", deserialize_with = "from_pairs")]
    pub(crate) pending: BTreeMap<SignalId, Pending>,
    // the last signal with missed beats of each capsule, while it can still correlate
    pub(crate) missing: BTreeMap<String, (Moment, Risk)>,
    pub(crate) beats: BTreeMap<String, Liveness>,
    pub(crate) windows: BTreeMap<String, Window>,
    pub(crate) mutes: BTreeMap<String, (Moment, Mute)>,
    pub(crate) changes: VecDeque<Change>,
    // by cause: what is to be looked at again when a window ends
    pub(crate) suppressed: BTreeMap<Digest, (SignalId, String, Signal)>,
    pub(crate) flaps: BTreeMap<Digest, Flap>,
    pub(crate) gates: BTreeMap<String, IncidentId>,
    pub(crate) holds: BTreeMap<IncidentId, Hold>,
    pub(crate) frozen: BTreeSet<IncidentId>,
    pub(crate) requests: BTreeMap<RequestId, Request>,
    pub(crate) runs: BTreeMap<RunId, Record>,
    pub(crate) ran: u64,
    // the run that is being started
    #[serde(skip)]
    pub(crate) starting: Option<Starting>,
    pub(crate) issued: u64,
    pub(crate) awaited: BTreeMap<ActionId, Awaited>,
    pub(crate) labelled: VecDeque<(Moment, IncidentId, Number)>,
}

/// A signal that waits for what the fleet says.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    pub(crate) received: Moment,
    pub(crate) since: Moment,
    pub(crate) for_ms: u64,
    pub(crate) signal: Signal,
}

/// The heartbeats of a capsule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Liveness {
    pub(crate) last: Moment,
    // how long the desk itself was away since then
    pub(crate) blind_ms: u64,
    // the count of misses of which a signal was made
    pub(crate) said: u64,
    pub(crate) risk: Option<Number>,
}

/// How often a cause came and went.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flap {
    pub(crate) status: Status,
    pub(crate) changes: VecDeque<Moment>,
}

/// Something is kept as it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {
    // the instance that is held; none: everything of the incident
    pub(crate) instance: Option<String>,
    pub(crate) released_by: BTreeSet<String>,
}

/// An action whose result is waited for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Awaited {
    pub(crate) action: Action,
    pub(crate) since: Moment,
    pub(crate) overdue: bool,
}

impl State {
    /// Nothing has happened yet.
    pub const fn new(policy: Policy) -> Self {
        Self {
            next_seq: 0,
            last: None,
            policy,
            configured: None,
            former: None,
            proposals: BTreeMap::new(),
            people: BTreeMap::new(),
            incidents: BTreeMap::new(),
            by_cause: BTreeMap::new(),
            received: 0,
            sensed: 0,
            current: None,
            pending: BTreeMap::new(),
            missing: BTreeMap::new(),
            beats: BTreeMap::new(),
            windows: BTreeMap::new(),
            mutes: BTreeMap::new(),
            changes: VecDeque::new(),
            suppressed: BTreeMap::new(),
            flaps: BTreeMap::new(),
            gates: BTreeMap::new(),
            holds: BTreeMap::new(),
            frozen: BTreeSet::new(),
            requests: BTreeMap::new(),
            runs: BTreeMap::new(),
            ran: 0,
            starting: None,
            issued: 0,
            awaited: BTreeMap::new(),
            labelled: VecDeque::new(),
        }
    }

    /// The policy that holds.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// All incidents, the oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// An incident.
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// A request.
    pub fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// All runs, the oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &Record> {
        self.runs.values()
    }

    /// A run.
    pub fn run(&self, id: RunId) -> Option<&Record> {
        self.runs.get(&id)
    }

    /// Actions whose result is waited for.
    pub fn awaited(&self) -> impl Iterator<Item = &Action> {
        self.awaited.values().map(|awaited| &awaited.action)
    }

    /// The incident for which a gate is shut; none when it is open.
    pub fn gate(&self, name: &str) -> Option<IncidentId> {
        self.gates.get(name).copied()
    }

    /// Whether changes and cleaning up are stopped.
    pub fn is_frozen(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// Whether an incident's evidence is held.
    pub fn is_held(&self, incident: IncidentId) -> bool {
        self.holds.contains_key(&incident)
    }

    /// Whether a hold keeps what an incident is about as it is, its bundle not being sealed yet. A
    /// hold of one instance keeps whatever is not known to be another.
    pub fn is_kept(&self, incident: IncidentId) -> bool {
        let labels = self.incidents.get(&incident).map(|found| &found.labels);
        let instance = labels.and_then(|labels| labels.get("instance")).map(Scrubbed::as_str);
        self.holds.iter().any(|(id, hold)| {
            let sealed = self.incidents.get(id).is_some_and(|found| found.sealed.is_some());
            let other = hold.instance.is_some()
                && instance.is_some()
                && hold.instance.as_deref() != instance;
            !sealed && (*id == incident || !other)
        })
    }

    /// Beats that a capsule has missed in a row, by the desk's own count.
    pub fn misses(&self, capsule: &str, now: Moment) -> Option<u64> {
        let beat_ms = self.policy.windows.beat_ms.max(1);
        let silent = |beats: &Liveness| now.since(beats.last).saturating_sub(beats.blind_ms);
        self.beats.get(capsule).map(|beats| silent(beats) / beat_ms)
    }

    /// The state as bytes, the same for the same log.
    #[expect(clippy::expect_used, reason = "maps have keys that are texts or numbers")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a state is JSON")
    }

    /// A state from its bytes; nothing when they are not in their one spelling.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let state: Self = serde_json::from_slice(bytes).ok()?;
        (state.to_bytes() == bytes).then_some(state)
    }
}

fn policy_text<S: Serializer>(policy: &Policy, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(policy.source())
}

fn policy_of<'de, D: Deserializer<'de>>(from: D) -> Result<Policy, D::Error> {
    let source = String::deserialize(from)?;
    Policy::parse(&source).map_err(|_| D::Error::custom("expected a policy"))
}

// Keys that are not texts.
fn pairs<K: Serialize, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(map)
}

fn from_pairs<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<SignalId, Pending>, D::Error> {
    let pairs: Vec<(SignalId, Pending)> = Vec::deserialize(from)?;
    Ok(pairs.into_iter().collect())
}
