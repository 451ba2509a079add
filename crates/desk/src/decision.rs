//! Decisions and what follows from them: the record that explains itself, and the act.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::approval::{ActionSpec, RequestId};
use crate::digest::Digest;
use crate::event::SignalId;
use crate::incident::{IncidentId, Severity};
use crate::policy::{Cause, Confidence, Response, RuleId, Verdict};
use crate::runbook::run::RunId;
use crate::scrub::Scrubbed;
use crate::triage::Inputs;

/// A verdict with everything it came from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The signal.
    pub signal: SignalId,
    /// Its incident, if there is one.
    pub incident: Option<IncidentId>,
    /// What the desk says.
    pub verdict: Verdict,
    /// What is behind it.
    pub cause: Option<Cause>,
    /// The row that held; none when the policy has none.
    pub rule: Option<RuleId>,
    /// How strong that row is.
    pub strength: u8,
    /// How sure it is.
    pub confidence: Confidence,
    /// How bad it is.
    pub severity: Severity,
    /// What the row asks for.
    pub actions: Vec<Response>,
    /// The row that would have held otherwise.
    pub next_best: Option<RuleId>,
    /// Everything that the verdict depends on.
    pub inputs: Inputs,
    /// SHA-256 of the policy.
    pub policy_sha256: Digest,
    /// Milliseconds from receipt to verdict.
    pub latency_ms: u64,
    /// Why, one thought a line.
    pub explanation: Vec<String>,
}

/// The number of an action.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ActionId(pub u64);

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ACT-{}", self.0)
    }
}

/// Something to be done in the world. Its number is its idempotency key: whoever does it does a
/// number once.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Its number.
    pub id: ActionId,
    /// For which incident.
    pub incident: IncidentId,
    /// What.
    pub what: What,
    /// Which attempt it is, from 1.
    pub attempt: u64,
}

/// What is to be done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// What a row asks for.
    Respond(Response),
    /// Somebody is told.
    Tell(Notice),
    /// What people asked for and were allowed.
    Execute {
        /// By which request.
        request: RequestId,
        /// What.
        action: ActionSpec,
    },
}

impl What {
    /// The name of the action; `tell` when somebody is told.
    pub fn name(&self) -> String {
        match self {
            Self::Respond(response) => response.as_str().to_owned(),
            Self::Execute { action, .. } => action.name.clone(),
            Self::Tell(_) => "tell".to_owned(),
        }
    }
}

/// What somebody is told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// An incident began.
    Opened,
    /// It was decided anew, and is worse.
    Redecided,
    /// It is over.
    Resolved,
    /// It comes and goes.
    Flapping,
    /// A role is told, as the ladder says.
    Escalated {
        /// Whom.
        role: String,
    },
    /// An action could not be done.
    ActionFailed {
        /// Which.
        action: ActionId,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Why not, as far as anybody knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Scrubbed>,
    },
    /// People are asked to allow an action.
    Asked {
        /// By which request.
        request: RequestId,
    },
    /// It was nothing, a test, or is part of another.
    Ended,
    /// Nothing was heard of an action.
    Overdue {
        /// Which.
        action: ActionId,
    },
    /// A runbook says something to a role.
    Said {
        /// Whom.
        role: String,
        /// What.
        text: Scrubbed,
    },
    /// What a runbook changed has stood for as long as it was meant to.
    MeasureOverdue {
        /// The action.
        action: String,
        /// Who is responsible.
        owner: String,
    },
    /// A run waits for people.
    RunWaits {
        /// Which.
        run: RunId,
    },
    /// A commander acted alone.
    BrokenGlass {
        /// Whom it concerns.
        role: String,
        /// The request that says who did what, and why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
}

impl Notice {
    /// Its name, and whom it is for when the desk knows.
    pub fn event(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Opened => ("opened", None),
            Self::Redecided => ("redecided", None),
            Self::Resolved => ("resolved", None),
            Self::Flapping => ("flapping", None),
            Self::Escalated { role } => ("escalated", Some(role)),
            Self::ActionFailed { .. } => ("action_failed", None),
            Self::Asked { .. } => ("asked", None),
            Self::Ended => ("ended", None),
            Self::Overdue { .. } => ("overdue", None),
            Self::BrokenGlass { role, .. } => ("broken_glass", Some(role)),
            Self::Said { role, .. } => ("said", Some(role)),
            Self::MeasureOverdue { owner, .. } => ("measure_overdue", Some(owner)),
            Self::RunWaits { .. } => ("run_waits", None),
        }
    }

    /// Both in words.
    pub fn told(&self) -> String {
        let (event, role) = self.event();
        role.map_or_else(|| event.to_owned(), |role| format!("{event} to {role}"))
    }
}
