//! Refusals: everything that somebody asked for and did not get, and why. They are recorded.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::incident::Phase;

/// Why not.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such incident, request, action, window or check.
    Unknown,
    /// The desk does not know the account.
    Stranger,
    /// Only a person can do this.
    NotAPerson,
    /// A reason is asked for.
    NoReason,
    /// No arrow leads from one phase to the other.
    NoSuchMove {
        /// Where it is.
        from: Phase,
        /// Where it was to go.
        to: Phase,
    },
    /// Evidence is neither sealed nor waived by two people.
    EvidenceNotSealed,
    /// A check is not green for as long as it must be.
    CheckNotGreen {
        /// Its name.
        check: String,
    },
    /// There is no check at all.
    NoChecks,
    /// A check was skipped: evidence that is missing.
    CheckSkipped {
        /// Its name.
        check: String,
    },
    /// Root cause and lessons are not written.
    NoReview,
    /// A follow-up has no owner or no date.
    FollowUpOpen,
    /// Notifications are still on their way.
    NotDrained,
    /// The report is not sealed.
    NoReport,
    /// Only this group may do it.
    NotInGroup {
        /// The group.
        group: String,
    },
    /// A severity does not fall by itself, and rises by decisions.
    NotLower,
    /// It is held as evidence.
    ForensicHold,
    /// Something must be collected first.
    EvidenceRequired {
        /// The item.
        item: String,
    },
    /// Approvers approve other arguments than there are.
    OtherArguments,
    /// The request is not open any more.
    NotOpen,
    /// It is too late.
    Expired,
    /// Whoever asks does not approve.
    OwnRequest,
    /// The same human approved already.
    SamePerson,
    /// Not enough people, or not of the groups that are asked for.
    QuorumNotMet,
    /// The incident is over, or was never a real one.
    NotOpenIncident,
    /// An incident cannot be merged into itself.
    SameIncident,
    /// It is no runbook, or its arguments look like secrets.
    BadRunbook,
    /// A role that the runbook asks for has not signed this text.
    NotApproved {
        /// The role.
        role: String,
    },
    /// A run must be given exactly what its runbook names.
    Inputs,
    /// It does not follow from what was done before.
    NotNext,
    /// The step may be on its way yet: its time is not over.
    AtWork,
    /// The policy cannot be read, or has no row that integrity signals cannot get past.
    PolicyUnsafe,
}

impl Refusal {
    /// A short name for answers and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Stranger => "stranger",
            Self::NotAPerson => "not_a_person",
            Self::NoReason => "no_reason",
            Self::NoSuchMove { .. } => "no_such_move",
            Self::EvidenceNotSealed => "evidence_not_sealed",
            Self::CheckNotGreen { .. } => "check_not_green",
            Self::NoChecks => "no_checks",
            Self::CheckSkipped { .. } => "check_skipped",
            Self::NoReview => "no_review",
            Self::FollowUpOpen => "follow_up_open",
            Self::NotDrained => "not_drained",
            Self::NoReport => "no_report",
            Self::NotInGroup { .. } => "not_in_group",
            Self::NotLower => "not_lower",
            Self::ForensicHold => "forensic_hold",
            Self::EvidenceRequired { .. } => "evidence_required",
            Self::OtherArguments => "other_arguments",
            Self::NotOpen => "not_open",
            Self::Expired => "expired",
            Self::OwnRequest => "own_request",
            Self::SamePerson => "same_person",
            Self::QuorumNotMet => "quorum_not_met",
            Self::NotOpenIncident => "not_open_incident",
            Self::SameIncident => "same_incident",
            Self::BadRunbook => "bad_runbook",
            Self::NotApproved { .. } => "not_approved",
            Self::Inputs => "inputs",
            Self::NotNext => "not_next",
            Self::AtWork => "at_work",
            Self::PolicyUnsafe => "policy_unsafe",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchMove { from, to } => write!(f, "{from} does not become {to}"),
            Self::CheckNotGreen { check } => write!(f, "check {check} is not green for its time"),
            Self::CheckSkipped { check } => write!(f, "check {check} was skipped"),
            Self::NotInGroup { group } => write!(f, "only {group} may do this"),
            Self::EvidenceRequired { item } => write!(f, "{item} must be collected first"),
            Self::NotApproved { role } => write!(f, "{role} has not signed this runbook"),
            Self::AtWork => {
                f.write_str("the step may be on its way yet; ask again when its time is over")
            }
            other => f.write_str(&other.code().replace('_', " ")),
        }
    }
}

impl std::error::Error for Refusal {}
