//! Incidents: their phases, what must be true before each, and how bad they are.
//!
//! The table of moves is here and nowhere else. A severity rises by decisions and falls by a human
//! with a reason; nothing is recovered before its evidence is sealed, nothing resolved before its
//! checks are green for their time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::moment::Moment;
use crate::number::Number;
use crate::person::{Person, PersonId};
use crate::policy::{Cause, Response, RuleId, Verdict};
use crate::refusal::Refusal;
use crate::scrub::Scrubbed;
use crate::signal::Kind;

/// The number of an incident.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

/// How bad it is; the smaller, the worse.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Severity {
    /// Active harm to integrity, an exploit, a key that is out.
    #[serde(rename = "SEV0")]
    Sev0,
    /// Plausible high impact.
    #[serde(rename = "SEV1")]
    Sev1,
    /// Bounded.
    #[serde(rename = "SEV2")]
    Sev2,
    /// A signal.
    #[serde(rename = "SEV3")]
    Sev3,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sev0 => "SEV0",
            Self::Sev1 => "SEV1",
            Self::Sev2 => "SEV2",
            Self::Sev3 => "SEV3",
        })
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A signal came.
    Detected,
    /// It was decided what it is.
    Triaged,
    /// Harm is being limited.
    Containing,
    /// Evidence is being kept.
    Preserving,
    /// The cause is being looked for.
    Diagnosing,
    /// The service is being brought back.
    Recovering,
    /// It is being shown that it is back.
    Validating,
    /// It is back.
    Resolved,
    /// What happened is being written down.
    InReview,
    /// Done.
    Closed,
    /// It was nothing.
    FalsePositive,
    /// Planned work explained it.
    Suppressed,
    /// It is part of another.
    Merged,
    /// It was a test.
    Cancelled,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Detected,
        Self::Triaged,
        Self::Containing,
        Self::Preserving,
        Self::Diagnosing,
        Self::Recovering,
        Self::Validating,
        Self::Resolved,
        Self::InReview,
        Self::Closed,
        Self::FalsePositive,
        Self::Suppressed,
        Self::Merged,
        Self::Cancelled,
    ];

    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Triaged => "triaged",
            Self::Containing => "containing",
            Self::Preserving => "preserving",
            Self::Diagnosing => "diagnosing",
            Self::Recovering => "recovering",
            Self::Validating => "validating",
            Self::Resolved => "resolved",
            Self::InReview => "in_review",
            Self::Closed => "closed",
            Self::FalsePositive => "false_positive",
            Self::Suppressed => "suppressed",
            Self::Merged => "merged",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether somebody still has to do something about the cause.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Detected
            | Self::Triaged
            | Self::Containing
            | Self::Preserving
            | Self::Diagnosing
            | Self::Recovering
            | Self::Validating => true,
            Self::Resolved
            | Self::InReview
            | Self::Closed
            | Self::FalsePositive
            | Self::Suppressed
            | Self::Merged
            | Self::Cancelled => false,
        }
    }

    /// The table of moves. Going back to `triaged` from where it was over is reopening.
    pub const fn may_become(self, to: Self) -> bool {
        use Phase::{
            Cancelled, Closed, Containing, Detected, Diagnosing, FalsePositive, InReview, Merged,
            Preserving, Recovering, Resolved, Suppressed, Triaged, Validating,
        };
        match self {
            Detected => matches!(to, Triaged | FalsePositive | Suppressed | Merged | Cancelled),
            Triaged => matches!(
                to,
                Containing
                    | Preserving
                    | Diagnosing
                    | FalsePositive
                    | Suppressed
                    | Merged
                    | Cancelled
            ),
            Containing => {
                matches!(to, Preserving | Diagnosing | FalsePositive | Merged | Cancelled)
            }
            Preserving => {
                matches!(to, Containing | Diagnosing | FalsePositive | Merged | Cancelled)
            }
            Diagnosing => {
                matches!(
                    to,
                    Containing | Preserving | Recovering | FalsePositive | Merged | Cancelled
                )
            }
            Recovering => matches!(to, Validating | Diagnosing | Cancelled),
            Validating => matches!(to, Resolved | Recovering | Diagnosing | Cancelled),
            Resolved => matches!(to, InReview | Triaged),
            InReview => matches!(to, Closed | Triaged),
            Closed | FalsePositive | Suppressed => matches!(to, Triaged),
            Merged | Cancelled => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One incident.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// What it is about.
    pub kind: Kind,
    /// By which signals of the same cause are known.
    pub fingerprint: Digest,
    /// How bad it is.
    pub severity: Severity,
    /// The worst that was found, whatever people made of that since.
    pub worst: Severity,
    /// Where it stands.
    pub phase: Phase,
    /// Since when it has been there.
    pub entered: Moment,
    /// When it was opened.
    pub opened: Moment,
    /// When it was last decided what it is.
    pub decided: Moment,
    /// The row that decided.
    pub rule: Option<RuleId>,
    /// How strong that row is.
    pub strength: u8,
    /// What was decided.
    pub verdict: Verdict,
    /// What is behind it.
    pub cause: Option<Cause>,
    /// The risk that was decided about.
    pub risk: Option<Number>,
    /// Labels of the first signal.
    pub labels: BTreeMap<String, Scrubbed>,
    /// Signals that belong to it.
    pub signals: u64,
    /// Whether the last of them holds.
    pub firing: bool,
    /// Whether somebody is woken for it.
    pub pages: bool,
    /// Roles that were told.
    pub told: BTreeSet<String>,
    /// Whether anybody was told anything of it.
    pub spoken: bool,
    /// Who has it in hand, and the last sign of it.
    pub acked: Option<(PersonId, Moment)>,
    /// Whether it comes and goes.
    pub flapping: bool,
    /// How often it came back.
    pub reopened: u64,
    /// Whether what limits the harm is in place.
    pub contained: bool,
    /// What was done for a row that does things once.
    pub(crate) done_once: BTreeSet<(RuleId, Response)>,
    /// Items of evidence that were collected.
    pub evidence: BTreeSet<String>,
    /// The sealed bundle.
    pub sealed: Option<Digest>,
    /// Humans who waived an item, or the bundle (`bundle`).
    pub waivers: BTreeMap<String, BTreeSet<String>>,
    /// What must be shown before it is resolved.
    pub checks: BTreeMap<String, Check>,
    /// Root cause and lessons.
    pub review: Option<Review>,
    /// What is left to do.
    pub follow_ups: Vec<FollowUp>,
    /// The sealed report.
    pub report: Option<Digest>,
    /// Whether all notifications are out.
    pub drained: bool,
    /// What it is part of.
    pub merged_into: Option<IncidentId>,
}

/// Something that must be shown.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// For how long it must be green, in milliseconds.
    pub soak_ms: u64,
    /// Since when it is.
    pub green_since: Option<Moment>,
    /// Whether it could not be made.
    pub skipped: bool,
}

/// What is learned.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Why it happened.
    pub root_cause: Scrubbed,
    /// What is done differently.
    pub lessons: Scrubbed,
}

/// A thing that is left to do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUp {
    /// What.
    pub task: Scrubbed,
    /// Who does it.
    pub owner: Option<PersonId>,
    /// Until when, milliseconds since 1970.
    pub due_ms: Option<u64>,
}

/// The name under which a whole bundle is waived.
pub const BUNDLE: &str = "bundle";
/// Humans who must agree to go on without evidence.
const WAIVERS: usize = 2;

impl Incident {
    /// Whether a move is allowed now, and who may make it.
    ///
    /// # Errors
    /// With the guard that refuses.
    pub fn guard(&self, to: Phase, by: Option<&Person>, now: Moment) -> Result<(), Refusal> {
        if !self.phase.may_become(to) {
            return Err(Refusal::NoSuchMove { from: self.phase, to });
        }
        match to {
            Phase::Recovering if self.sealed.is_none() && !self.is_waived(BUNDLE) => {
                Err(Refusal::EvidenceNotSealed)
            }
            Phase::Resolved => self.guard_resolved(now),
            Phase::Closed => self.guard_closed(by),
            _ => Ok(()),
        }
    }

    fn guard_resolved(&self, now: Moment) -> Result<(), Refusal> {
        if self.checks.is_empty() {
            return Err(Refusal::NoChecks);
        }
        let open = self.checks.iter().find(|(_, check)| !check.skipped && !check.is_green(now));
        match open {
            Some((check, _)) => Err(Refusal::CheckNotGreen { check: check.clone() }),
            None => Ok(()),
        }
    }

    fn guard_closed(&self, by: Option<&Person>) -> Result<(), Refusal> {
        let skipped = self.checks.iter().find(|(_, check)| check.skipped);
        if let Some((check, _)) = skipped.filter(|_| self.severity <= Severity::Sev1) {
            return Err(Refusal::CheckSkipped { check: check.clone() });
        }
        if self.review.is_none() {
            return Err(Refusal::NoReview);
        }
        if self.follow_ups.iter().any(|task| task.owner.is_none() || task.due_ms.is_none()) {
            return Err(Refusal::FollowUpOpen);
        }
        if !self.drained {
            return Err(Refusal::NotDrained);
        }
        if self.report.is_none() {
            return Err(Refusal::NoReport);
        }
        let compliance = by.is_some_and(|person| person.groups.contains(COMPLIANCE));
        if self.kind == Kind::AuditIntegrity && !compliance {
            return Err(Refusal::NotInGroup { group: COMPLIANCE.to_owned() });
        }
        Ok(())
    }

    /// Whether two humans agreed to go on without an item.
    pub fn is_waived(&self, item: &str) -> bool {
        self.waivers.get(item).is_some_and(|humans| humans.len() >= WAIVERS)
    }

    /// Whether an item is there or waived.
    pub fn has_evidence(&self, item: &str) -> bool {
        self.evidence.contains(item) || self.is_waived(item)
    }
}

impl Check {
    /// Whether it has been green for long enough.
    pub const fn is_green(&self, now: Moment) -> bool {
        match self.green_since {
            Some(since) => now.since(since) >= self.soak_ms,
            None => false,
        }
    }
}

/// The group without which an incident about the audit ledger is not closed.
const COMPLIANCE: &str = "compliance";

#[cfg(test)]
mod tests;
