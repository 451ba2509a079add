//! Our own body of a signal, and the guard trip of Provability-Fabric.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{IntakeError, empty, read, written};
use crate::signal::{Draft, Fault, Kind, Pasted, Source, Status};

/// A signal as people, findings and monitors send it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// What it is about.
    pub kind: Kind,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Names and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The measured value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// A risk from 0 to 1.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub risk: serde_json::Value,
    /// Missed beats.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub misses: serde_json::Value,
    /// When it was sent, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_ms: Option<u64>,
    /// Since when it holds, milliseconds since 1970; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_ms: Option<u64>,
    /// Whether it holds; absent: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// A secret that is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Exposed>,
}

/// A secret that somebody reports.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exposed {
    /// The name of the key.
    pub kid: Option<String>,
    /// The secret, when it was pasted; it is not kept.
    #[serde(default)]
    pub secret: String,
    /// Where it was found.
    pub location: String,
}

impl std::fmt::Debug for Exposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exposed")
    }
}

/// A guard trip as its topic has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardTrip {
    capsule_hash: String,
    tenant_id: Option<String>,
    #[serde(default)]
    risk_score: serde_json::Value,
    #[serde(default)]
    heartbeat_misses: serde_json::Value,
    event_type: Option<String>,
    reason: Option<String>,
}

/// The signal of a body of ours.
///
/// # Errors
/// When it has another shape.
pub fn plain(body: &[u8], source: Source, now_ms: u64) -> Result<Draft, IntakeError> {
    let plain: Plain = read(body)?;
    Ok(plain.draft(source, body, now_ms))
}

impl Plain {
    pub(super) fn draft(self, source: Source, body: &[u8], now_ms: u64) -> Draft {
        let pasted =
            |one: Exposed| Pasted { kid: one.kid, secret: one.secret, location: one.location };
        Draft {
            fault: self.fault,
            value: self.value,
            risk: written(&self.risk),
            misses: written(&self.misses),
            stated_ms: self.stated_ms,
            starts_ms: self.starts_ms.unwrap_or(now_ms),
            status: self.status.unwrap_or(Status::Firing),
            secret: self.secret.map(pasted),
            labels: self.labels,
            ..empty(source, self.kind, body.to_vec())
        }
    }
}

impl GuardTrip {
    pub(super) fn draft(self, source: Source, body: &[u8], now_ms: u64) -> Draft {
        let mut labels = BTreeMap::from([("capsule_hash".to_owned(), self.capsule_hash)]);
        labels.extend(self.tenant_id.map(|tenant| ("tenant_id".to_owned(), tenant)));
        labels.extend(self.reason.map(|reason| ("reason".to_owned(), reason)));
        Draft {
            labels,
            risk: written(&self.risk_score),
            misses: written(&self.heartbeat_misses),
            starts_ms: now_ms,
            schema_known: self.event_type.as_deref().is_none_or(|name| name == "guard_trip"),
            ..empty(source, Kind::GuardTrip, body.to_vec())
        }
    }
}
