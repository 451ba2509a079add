//! Alerts: the webhook of Alertmanager (version 4) and the API that Prometheus posts to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{IntakeError, bounded, empty, instant_ms, kind, read};
use crate::signal::{Draft, Kind, Source, Status};

#[derive(Deserialize)]
struct Webhook {
    version: Option<String>,
    alerts: Vec<Alert>,
}

// Fields that are not named here are not looked at: both senders add some with each release.
#[derive(Deserialize, Serialize)]
struct Alert {
    status: Option<String>,
    labels: BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: Option<String>,
    #[serde(rename = "endsAt")]
    ends_at: Option<String>,
}

/// Signals of a webhook body.
///
/// # Errors
/// When it has another shape.
pub fn webhook(body: &[u8]) -> Result<Vec<Draft>, IntakeError> {
    let webhook: Webhook = read(body)?;
    let known = webhook.version.as_deref() == Some("4");
    bounded(webhook.alerts)?.into_iter().map(|alert| draft(alert, known, None)).collect()
}

/// Signals of a body of `/api/v2/alerts`; an alert whose end is past at `now_ms` is over.
///
/// # Errors
/// When it has another shape.
pub fn alerts_v2(body: &[u8], now_ms: u64) -> Result<Vec<Draft>, IntakeError> {
    let alerts: Vec<Alert> = read(body)?;
    bounded(alerts)?.into_iter().map(|alert| draft(alert, true, Some(now_ms))).collect()
}

fn draft(alert: Alert, known: bool, now_ms: Option<u64>) -> Result<Draft, IntakeError> {
    let raw = serde_json::to_vec(&alert).map_err(|_| IntakeError::Shape)?;
    let at = |text: Option<&str>| match text {
        Some(text) => instant_ms(text).ok_or(IntakeError::Time),
        None => Ok(0),
    };
    let starts_ms = at(alert.starts_at.as_deref())?;
    // The year 1 means never.
    let ends_ms = Some(at(alert.ends_at.as_deref())?).filter(|end| *end > 0);
    let status = match (alert.status.as_deref(), now_ms) {
        (Some("resolved"), _) => Status::Resolved,
        (None, Some(now_ms)) if ends_ms.is_some_and(|end| end <= now_ms) => Status::Resolved,
        (Some("firing") | None, _) => Status::Firing,
        (Some(_), _) => return Err(IntakeError::Shape),
    };
    let mut labels = alert.labels;
    let mut take = |names: [&str; 2]| names.into_iter().find_map(|name| labels.remove(name));
    let (risk, misses) =
        (take(["risk_score", "riskScore"]), take(["heartbeat_misses", "heartbeatMisses"]));
    if let Some(capsule) = take(["capsuleHash", "capsule_hash"]) {
        labels.insert("capsule_hash".to_owned(), capsule);
    }
    let kind = kind_of(&labels, risk.is_some() || misses.is_some());
    let ends_ms = ends_ms.filter(|_| status == Status::Resolved);
    let schema_known = known;
    let draft = empty(Source::Alertmanager, kind, raw);
    Ok(Draft { labels, risk, misses, starts_ms, ends_ms, status, schema_known, ..draft })
}

fn kind_of(labels: &BTreeMap<String, String>, scored: bool) -> Kind {
    if let Some(kind) = labels.get("lucarne_kind").and_then(|name| kind(name)) {
        return kind;
    }
    let name = labels.get("alertname").map_or("", String::as_str);
    let known = KINDS.iter().find(|(alert, _)| *alert == name).map(|(_, kind)| *kind);
    known.unwrap_or(if scored { Kind::GuardTrip } else { Kind::Other })
}

/// The alerts of the shipped rule files.
const KINDS: [(&str, Kind); 10] = [
    ("BizfirstWorkflowErrorRateHigh", Kind::WorkflowErrorRate),
    ("TeeTelemetryGap", Kind::TelemetryGap),
    ("TeeAuditChainFailure", Kind::AuditIntegrity),
    ("TeeAttestationFailure", Kind::Attestation),
    ("CaracalAuditTamperDetected", Kind::AuditIntegrity),
    ("CaracalRevocationSnapshotStale", Kind::RevocationStale),
    ("CaracalAuditBacklog", Kind::AuditBacklog),
    ("CaracalEvidenceLost", Kind::EvidenceLost),
    ("CaracalStsCircuitOpen", Kind::CircuitOpen),
    ("RollbackLatencyHigh", Kind::DeskFault),
];
