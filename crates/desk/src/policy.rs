//! Policies: by which rows and figures the desk decides, as data with a digest.
//!
//! A policy is one YAML file, read whole and checked before it decides anything. A section that is
//! absent is that of `responder-default-v1`. A change of a policy is a change of its text, so that
//! it can be reviewed, approved and replayed against the past before it holds.

mod compile;
mod error;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::error::{PolicyError, Problem};
use crate::digest::Digest;
use crate::incident::Severity;
use crate::number::Number;
use crate::signal::{Kind, Status};

/// Longest policy. The default has 200 lines; a person must be able to review it.
pub const FILE_BYTES_MAX: usize = 32 * 1024;

/// A policy, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) input: Input,
    pub(crate) thresholds: Thresholds,
    // line of `thresholds.high`, from 1
    high_line: usize,
    pub(crate) suspicious: u32,
    pub(crate) silent: u32,
    pub(crate) windows: Windows,
    pub(crate) capsules: u64,
    pub(crate) fleet_percent: u64,
    pub(crate) flap_changes: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) kinds: BTreeMap<Kind, KindRule>,
    pub(crate) ladder: Vec<Rung>,
    pub(crate) actions: BTreeMap<String, ActionRule>,
}

/// The three figures that cut risk into bands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Thresholds {
    /// Below it a risk is very low.
    pub low: Number,
    /// From it on a risk is medium.
    pub medium: Number,
    /// From it on a risk is high.
    pub high: Number,
}

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Windows {
    pub(crate) stated_skew_ms: u64,
    pub(crate) cool_down_ms: u64,
    pub(crate) correlation_wait_ms: u64,
    pub(crate) correlation_span_ms: u64,
    pub(crate) reopen_ms: u64,
    pub(crate) flap_span_ms: u64,
    pub(crate) silence_after_ack_ms: u64,
    pub(crate) approval_ms: u64,
    pub(crate) action_ms: u64,
    pub(crate) self_gap_ms: u64,
    pub(crate) beat_ms: u64,
}

/// One row of the decision table.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) id: RuleId,
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) verdict: Verdict,
    pub(crate) cause: Option<Cause>,
    pub(crate) confidence: Confidence,
    pub(crate) actions: Vec<Response>,
    pub(crate) severity: Option<Severity>,
    pub(crate) strength: u8,
    pub(crate) once: bool,
    pub(crate) waits: bool,
    pub(crate) in_maintenance: InMaintenance,
}

/// When a row holds: everything that is there must.
#[derive(Clone, Debug)]
pub(crate) struct When {
    pub(crate) status: Option<Status>,
    pub(crate) integrity: Option<bool>,
    pub(crate) scored: Option<bool>,
    pub(crate) invalid: Option<bool>,
    pub(crate) duplicate: Option<bool>,
    pub(crate) network: Option<bool>,
    pub(crate) maintenance: Option<bool>,
    pub(crate) risk_from: Option<Number>,
    pub(crate) risk_above: Option<Number>,
    pub(crate) risk_below: Option<Number>,
    pub(crate) risk_to: Option<Number>,
    pub(crate) misses_from: Option<u32>,
    pub(crate) misses_below: Option<u32>,
}

/// What the desk does with a kind of signal.
#[derive(Clone, Debug)]
pub(crate) struct KindRule {
    pub(crate) chosen: Vec<String>,
    pub(crate) severity: Severity,
    pub(crate) cause: Cause,
    pub(crate) actions: Vec<Response>,
}

/// Who is told, and when.
#[derive(Clone, Debug)]
pub(crate) struct Rung {
    pub(crate) role: String,
    pub(crate) after_ms: u64,
    pub(crate) at_once: BTreeSet<Severity>,
    pub(crate) at_once_for: BTreeSet<Kind>,
}

/// What an action that people ask for needs.
#[derive(Clone, Debug)]
pub(crate) struct ActionRule {
    pub(crate) effect: Effect,
    pub(crate) undo: Option<String>,
    pub(crate) approvals: u8,
    pub(crate) groups: Vec<String>,
    pub(crate) requires_evidence: Vec<String>,
    pub(crate) approval_ms: Option<u64>,
}

/// The name of a row: a letter and a number, `D0`.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RuleId(pub(crate) String);

impl RuleId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How figures are read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Input {
    /// What is absent or absurd matches no bound.
    Checked,
    /// What is absent is 0, what is absurd is compared as it came.
    AsSent,
}

/// What the desk says of a signal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is real.
    Legitimate,
    /// It is not.
    FalsePositive,
    /// A person must look.
    Investigate,
    /// Planned work explains it.
    Suppressed,
    /// It says what was decided already.
    Duplicate,
    /// It says that something is over.
    Resolved,
    /// The policy does not care.
    Ignored,
    /// The policy has no row for it.
    Undecided,
}

impl Verdict {
    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legitimate => "legitimate",
            Self::FalsePositive => "false_positive",
            Self::Investigate => "investigate",
            Self::Suppressed => "suppressed",
            Self::Duplicate => "duplicate",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is behind a verdict.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody does harm.
    Security,
    /// Something does not work.
    Operations,
    /// The network between here and there.
    Network,
    /// The threshold is wrong.
    Threshold,
}

impl Cause {
    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Operations => "operations",
            Self::Network => "network",
            Self::Threshold => "threshold",
        }
    }
}

/// How sure a row is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Somebody should look.
    Low,
    /// Rather yes.
    Medium,
    /// Yes.
    High,
}

impl Confidence {
    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a row asks for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Keep everything as it is.
    Hold,
    /// Let no new executions begin.
    Gate,
    /// Stop changes, and whatever cleans up.
    Freeze,
    /// Wake somebody.
    Page,
    /// Tell somebody.
    Notify,
    /// Go back to the last release that is known to be good.
    Rollback,
    /// Ask people whether to.
    ProposeRollback,
    /// Isolate the capsule; this can be undone.
    Contain,
    /// Ask people whether to.
    ProposeContain,
    /// Look closely for half an hour.
    Monitor,
    /// A ticket for the security team.
    Ticket,
    /// A task: mend the rules of the monitoring.
    RulesTask,
    /// A task: look at the threshold.
    ThresholdTask,
}

impl Response {
    /// Its name in files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Gate => "gate",
            Self::Freeze => "freeze",
            Self::Page => "page",
            Self::Notify => "notify",
            Self::Rollback => "rollback",
            Self::ProposeRollback => "propose_rollback",
            Self::Contain => "contain",
            Self::ProposeContain => "propose_contain",
            Self::Monitor => "monitor",
            Self::Ticket => "ticket",
            Self::RulesTask => "rules_task",
            Self::ThresholdTask => "threshold_task",
        }
    }

    /// The same, asking first.
    pub(crate) const fn proposed(self) -> Self {
        match self {
            Self::Rollback => Self::ProposeRollback,
            Self::Contain => Self::ProposeContain,
            other => other,
        }
    }

    /// Whether it changes the world, so that its result is waited for.
    pub(crate) const fn is_awaited(self) -> bool {
        matches!(self, Self::Rollback | Self::Contain)
    }
}

/// What planned work in scope does to a row.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InMaintenance {
    /// Nothing.
    Same,
    /// People are asked first.
    Propose,
    /// It is recorded, and nothing is done until the work is over.
    Suppress,
}

/// What an action does to the world.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It reads.
    Read,
    /// It can be undone.
    Reversible,
    /// It cannot be undone, and leaves what was there behind as evidence once that is sealed.
    Destructive,
    /// It takes away what a hold is there to keep.
    Erasing,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// With line, column and key of what is wrong, and what was expected.
    pub fn parse(yaml: &str) -> Result<Self, PolicyError> {
        compile::compile(yaml)
    }

    /// One of the policies that are part of this crate.
    #[expect(clippy::expect_used, reason = "the files are part of this crate and tests read them")]
    pub fn shipped(profile: Profile) -> Self {
        Self::parse(profile.source()).expect("shipped policies are valid")
    }

    /// The file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the file.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The figures that cut risk into bands.
    pub const fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// Whether it has a row that no integrity signal gets past. A desk does not work under one that
    /// has none; those are for comparison.
    pub fn covers_integrity(&self) -> bool {
        self.rows.first().is_some_and(|row| {
            let when = &row.when;
            let bounded = when.risk_from.or(when.risk_above).or(when.risk_below).or(when.risk_to);
            let counted = when.misses_from.or(when.misses_below);
            let flags = [when.scored, when.invalid, when.duplicate, when.network, when.maintenance];
            let free = flags.iter().all(Option::is_none) && bounded.is_none() && counted.is_none();
            let held = row.actions.contains(&Response::Hold);
            let status = matches!(when.status, None | Some(Status::Firing));
            when.integrity == Some(true) && free && status && held
        })
    }

    /// The policy with another `high` threshold: the same text with that line changed.
    ///
    /// # Errors
    /// When the new figure is out of order.
    pub fn with_high(&self, high: Number) -> Result<Self, PolicyError> {
        let lines = self.source.lines().enumerate().map(|(index, line)| {
            if index + 1 == self.high_line {
                let head = line.split_once(':').map_or(line, |(head, _)| head);
                format!("{head}: {high}\n")
            } else {
                format!("{line}\n")
            }
        });
        Self::parse(&lines.collect::<String>())
    }

    /// The labels by which signals of a kind are told apart.
    pub fn chosen(&self, kind: Kind) -> &[String] {
        self.kinds.get(&kind).map_or(&[], |rule| &rule.chosen)
    }

    pub(crate) fn row(&self, id: &RuleId) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == *id)
    }

    /// Whether capsules that miss beats together are one network incident.
    pub(crate) fn correlates(&self) -> bool {
        self.rows.iter().any(|row| row.when.network == Some(true))
    }
}

/// A policy that is part of this crate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// Ours.
    ResponderDefault,
    /// The bot of Provability-Fabric, as it is written.
    ProvabilityBot,
    /// The playbook of Provability-Fabric, as it is written.
    ProvabilityPlaybook,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::ResponderDefault, Self::ProvabilityBot, Self::ProvabilityPlaybook];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResponderDefault => "responder-default-v1",
            Self::ProvabilityBot => "provability-bot-v1",
            Self::ProvabilityPlaybook => "provability-playbook-v1",
        }
    }

    /// Its file.
    pub const fn source(self) -> &'static str {
        match self {
            Self::ResponderDefault => include_str!("../policies/responder-default-v1.yaml"),
            Self::ProvabilityBot => include_str!("../policies/provability-bot-v1.yaml"),
            Self::ProvabilityPlaybook => include_str!("../policies/provability-playbook-v1.yaml"),
        }
    }
}

#[cfg(test)]
mod tests;
