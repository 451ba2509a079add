//! The audit record view: one flat JSON object a record, as JSON lines.
//!
//! Ledger and attestation fields come first and are ours; fields of the payload follow under their
//! own names, behind `payload_` where a name is taken, so that no payload can pretend to be proof.

use std::io::Write;

use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_ledger::record::Stream;
use serde::Serialize;
use serde_json::{Map, Value};

use super::records::{Row, Walk};
use crate::failure::Failure;

/// One record.
#[derive(Serialize)]
pub(super) struct View<'a> {
    pub(super) seq: u64,
    /// The leaf of the record before it; the audit ledger alone has it.
    pub(super) prev_hash: Option<String>,
    /// Its leaf.
    pub(super) record_hash: String,
    pub(super) tee_measurement: &'a str,
    pub(super) tee_instance_id: &'a str,
    /// By the clock of the TEE, which is the host's.
    pub(super) timestamp_utc: String,
    pub(super) event_type: String,
    pub(super) tee_epoch: String,
    pub(super) ledger: &'static str,
    pub(super) stream: &'static str,
    pub(super) sealed_at_ms: u64,
    pub(super) seal: &'a str,
    pub(super) insecure: bool,
    pub(super) withheld: bool,
    #[serde(flatten)]
    pub(super) payload: Map<String, Value>,
}

/// The names above, which a payload cannot have.
const TAKEN: [&str; 14] = [
    "seq",
    "prev_hash",
    "record_hash",
    "tee_measurement",
    "tee_instance_id",
    "timestamp_utc",
    "event_type",
    "tee_epoch",
    "ledger",
    "stream",
    "sealed_at_ms",
    "seal",
    "insecure",
    "withheld",
];

impl<'a> View<'a> {
    pub(super) fn of(row: &Row<'a>) -> Self {
        let content = &row.content;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let payload = &content["payload"];
        let said = text(&payload["timestamp_utc"]);
        let time_ms = payload["time_ms"].as_u64().unwrap_or(row.sealed_at_ms);
        let timestamp_utc = said.unwrap_or_else(|| rfc3339(time_ms.saturating_mul(1_000_000)));
        let event_type = match row.stream {
            Stream::Audit => text(&payload["event_type"]).unwrap_or_else(|| "audit".to_owned()),
            Stream::Control => match &payload["type"] {
                Value::String(kind) => format!("control.{kind}"),
                _ => "control".to_owned(),
            },
            Stream::Logs | Stream::Metrics | Stream::Traces | Stream::Context => {
                row.stream.as_str().to_owned()
            }
        };
        Self {
            seq: row.seq,
            prev_hash: text(&content["prev_hash"]),
            record_hash: row.hash.to_string(),
            tee_measurement: row.measurement,
            tee_instance_id: row.ledger.instance.as_str(),
            timestamp_utc,
            event_type,
            tee_epoch: row.ledger.epoch.to_string(),
            ledger: row.ledger.kind.as_str(),
            stream: row.stream.as_str(),
            sealed_at_ms: row.sealed_at_ms,
            seal: row.seal,
            insecure: row.insecure,
            withheld: content["withheld"] == Value::Bool(true),
            payload: beside(content),
        }
    }
}

/// The fields of the payload, and its context, under names that are free.
fn beside(content: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    match &content["payload"] {
        Value::Object(fields) => {
            for (name, value) in fields {
                // The chain's own field and what was lifted stand in front already.
                let lifted = ["prev_hash", "timestamp_utc", "event_type"].contains(&name.as_str());
                if lifted {
                    continue;
                }
                let taken = TAKEN.contains(&name.as_str()) || name.starts_with("payload_");
                let name = if taken { format!("payload_{name}") } else { name.clone() };
                out.insert(name, value.clone());
            }
        }
        Value::Null => {}
        other => drop(out.insert("payload_text".to_owned(), other.clone())),
    }
    let order = &content["erased"];
    if content["encrypted"] == Value::Bool(true) {
        out.insert("payload_state".to_owned(), Value::from("ENCRYPTED"));
    } else if order.is_string() {
        out.insert("payload_state".to_owned(), Value::from("ERASED"));
        out.insert("payload_order".to_owned(), order.clone());
    }
    if let Value::Object(context) = &content["context"] {
        out.insert("payload_context".to_owned(), Value::Object(context.clone()));
    }
    out
}

/// Writes a line a record.
pub(super) fn write(walk: &Walk<'_>, out: &mut dyn Write) -> Result<u64, Failure> {
    walk.each(&mut |row| {
        serde_json::to_writer(&mut *out, &View::of(row)).map_err(std::io::Error::from)?;
        Ok(writeln!(out)?)
    })
}
