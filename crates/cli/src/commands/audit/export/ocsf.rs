//! Events of the Open Cybersecurity Schema Framework, one JSON object a line.
//!
//! A record becomes an API Activity (class 6003) of activity Other, named by its event type: what
//! the workload did is not one of create, read, update and delete. What the auditor found becomes a
//! Detection Finding (class 2004). The whole view lies in `unmapped`, so nothing is lost.

use std::io::Write;

use lucarne_gateway::export::timestamp::parse_rfc3339;
use serde_json::{Value, json};

use super::Judgement;
use super::records::Walk;
use super::view::View;
use crate::failure::Failure;

/// Writes the findings, then a line a record; says how many records.
pub(super) fn write(
    walk: &Walk<'_>,
    judgement: &Judgement,
    out: &mut dyn Write,
) -> Result<u64, Failure> {
    let mut last_ms = 0;
    let count = walk.each(&mut |row| {
        last_ms = last_ms.max(row.sealed_at_ms);
        line(&activity(&View::of(row), row.sealed_at_ms), out)
    })?;
    // A finding is about the archive; its time is that of the last record, not of the reading, so
    // that the same archive gives the same file.
    judgement.findings().iter().try_for_each(|found| line(&finding(found, last_ms), out))?;
    Ok(count)
}

fn line(event: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, event).map_err(std::io::Error::from)?;
    Ok(writeln!(out)?)
}

fn activity(view: &View<'_>, sealed_at_ms: u64) -> Value {
    let said = parse_rfc3339(&view.timestamp_utc).map(|ns| ns / 1_000_000);
    let product = product();
    json!({
        "class_uid": 6003, "class_name": "API Activity",
        "category_uid": 6, "category_name": "Application Activity",
        "activity_id": 99, "activity_name": view.event_type, "type_uid": 600_399,
        "severity_id": 1, "severity": "Informational",
        "time": said.unwrap_or(sealed_at_ms),
        "metadata": {
            "version": SCHEMA, "product": product, "uid": view.record_hash,
            "sequence": view.seq, "original_time": view.timestamp_utc,
            "logged_time": sealed_at_ms, "log_name": view.ledger,
        },
        "actor": { "app_name": view.tee_instance_id, "app_uid": view.tee_measurement },
        "api": { "operation": view.event_type },
        "src_endpoint": { "instance_uid": view.tee_instance_id, "name": view.tee_instance_id },
        "unmapped": view,
    })
}

fn finding(found: &Value, time_ms: u64) -> Value {
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    let (severity_id, severity) = match text("severity") {
        "tamper" => (5, "Critical"),
        "incomplete" => (3, "Medium"),
        _ => (1, "Informational"),
    };
    let place = [text("instance"), text("epoch"), text("ledger")].join("/");
    let range = format!("{}-{}", found["first"], found["last"]);
    json!({
        "class_uid": 2004, "class_name": "Detection Finding",
        "category_uid": 2, "category_name": "Findings",
        "activity_id": 1, "activity_name": "Create", "type_uid": 200_401,
        "severity_id": severity_id, "severity": severity,
        "time": time_ms,
        "message": found["cause"],
        "metadata": { "version": SCHEMA, "product": product() },
        "finding_info": {
            "uid": format!("{}:{place}:{range}", text("kind")),
            "title": format!("{} {place} {range}", text("kind")),
            "desc": found["cause"],
            "types": [found["kind"]],
        },
        "remediation": { "desc": found["settle"] },
        "unmapped": found,
    })
}

fn product() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({ "name": "lucarne", "vendor_name": "Lucarne", "version": version })
}

/// The version of the schema whose attributes these are.
const SCHEMA: &str = "1.8.0";
