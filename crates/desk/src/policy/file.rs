//! A policy as it is written: the YAML grammar, before anything is compared with anything else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Cause, Confidence, Effect, InMaintenance, Input, Response, Verdict};
use crate::incident::Severity;
use crate::signal::{Kind, Status};

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) policy: Spanned<String>,
    pub(super) input: Input,
    pub(super) thresholds: Thresholds,
    pub(super) misses: Beats,
    pub(super) windows: Option<Windows>,
    pub(super) correlation: Option<Correlation>,
    pub(super) flap_changes: Option<Spanned<u64>>,
    pub(super) rules: Vec<Spanned<Rule>>,
    pub(super) kinds: Option<BTreeMap<Kind, Spanned<KindRule>>>,
    pub(super) escalation: Option<Vec<Spanned<Rung>>>,
    pub(super) actions: Option<BTreeMap<String, Spanned<ActionRule>>>,
}

/// `thresholds`: risks, from 0 to 1.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thresholds {
    pub(super) low: Spanned<f64>,
    pub(super) medium: Spanned<f64>,
    pub(super) high: Spanned<f64>,
}

/// `misses`: heartbeats in a row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Beats {
    pub(super) suspicious: Spanned<u32>,
    pub(super) silent: Spanned<u32>,
}

/// `windows`, in seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Windows {
    pub(super) stated_skew_seconds: Spanned<u64>,
    pub(super) cool_down_seconds: Spanned<u64>,
    pub(super) correlation_wait_seconds: Spanned<u64>,
    pub(super) correlation_span_seconds: Spanned<u64>,
    pub(super) reopen_seconds: Spanned<u64>,
    pub(super) flap_span_seconds: Spanned<u64>,
    pub(super) silence_after_ack_seconds: Spanned<u64>,
    pub(super) approval_seconds: Spanned<u64>,
    pub(super) action_seconds: Spanned<u64>,
    pub(super) self_gap_seconds: Spanned<u64>,
    pub(super) beat_seconds: Spanned<u64>,
}

/// `correlation`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Correlation {
    pub(super) capsules: Spanned<u64>,
    pub(super) fleet_percent: Spanned<u64>,
}

/// A row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) when: When,
    pub(super) verdict: Verdict,
    pub(super) cause: Option<Cause>,
    pub(super) confidence: Confidence,
    pub(super) actions: Vec<Response>,
    pub(super) severity: Option<Severity>,
    pub(super) strength: u8,
    #[serde(default)]
    pub(super) once: bool,
    #[serde(default)]
    pub(super) waits: bool,
    pub(super) in_maintenance: InMaintenance,
}

/// `when`: everything that is written must hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) status: Option<Status>,
    pub(super) integrity: Option<bool>,
    pub(super) scored: Option<bool>,
    pub(super) invalid: Option<bool>,
    pub(super) duplicate: Option<bool>,
    pub(super) network: Option<bool>,
    pub(super) maintenance: Option<bool>,
    pub(super) risk_from: Option<Threshold>,
    pub(super) risk_above: Option<Threshold>,
    pub(super) risk_below: Option<Threshold>,
    pub(super) risk_to: Option<Threshold>,
    pub(super) misses_from: Option<Count>,
    pub(super) misses_below: Option<Count>,
}

/// The name of a threshold.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Threshold {
    Low,
    Medium,
    High,
}

/// The name of a count of misses.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Count {
    Suspicious,
    Silent,
}

/// One of `kinds`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KindRule {
    pub(super) chosen: Vec<String>,
    pub(super) severity: Severity,
    pub(super) cause: Cause,
    #[serde(default)]
    pub(super) actions: Vec<Response>,
}

/// One of `escalation`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rung {
    pub(super) role: String,
    pub(super) after_seconds: u64,
    #[serde(default)]
    pub(super) at_once: Vec<Severity>,
    #[serde(default)]
    pub(super) at_once_for: Vec<Kind>,
}

/// One of `actions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionRule {
    pub(super) effect: Effect,
    pub(super) undo: Option<String>,
    pub(super) approvals: u8,
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) requires_evidence: Vec<String>,
    pub(super) approval_seconds: Option<u64>,
}
