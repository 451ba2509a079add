//! The report of an audit as SARIF 2.1.0 (OASIS), for tools that gather findings of many checkers.
//!
//! One rule a cause, one result a finding. What a policy has explained is a suppressed result, not
//! an absent one. Sequence numbers are no lines of a file, so they stand in the logical location.

use std::io::Write;

use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, Severity};
use lucarne_ledger::audit::report::exit_code;
use serde_json::{Map, Value, json};

use super::json::severity;
use super::outcome::{Outcome, sentence};
use crate::failure::Failure;

/// Writes the report.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let rules = Cause::examples();
    let results: Vec<Value> =
        outcome.report.findings.iter().map(|finding| result(finding, &rules)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lucarne audit",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": exit_code(outcome.report),
                "exitCodeDescription": sentence(outcome.report),
                "toolExecutionNotifications":
                    outcome.notes.iter().map(|note| notification(note)).collect::<Vec<_>>(),
            }],
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

fn rule(cause: &Cause) -> Value {
    let kind = cause.kind();
    json!({
        "id": cause.code(),
        "name": kind.as_str(),
        "shortDescription": { "text": format!("{kind}: {cause}") },
        "fullDescription": { "text": kind.meaning() },
        "help": { "text": format!("What would settle it: {}.", cause.settle()) },
        "defaultConfiguration": { "level": level(kind.severity()) },
    })
}

fn notification(note: &str) -> Value {
    json!({ "level": "note", "message": { "text": note } })
}

fn result(finding: &Finding, rules: &[Cause]) -> Value {
    let code = finding.cause.code();
    let mut result = json!({
        "ruleId": code,
        "kind": if finding.kind().severity() == Severity::Ok { "informational" } else { "fail" },
        "level": level(finding.kind().severity()),
        "message": { "text": message(finding) },
        "locations": [location(finding)],
        "partialFingerprints": { "lucarneFinding/1": fingerprint(finding) },
        "properties": properties(finding),
    });
    if let Value::Object(result) = &mut result {
        if let Some(index) = rules.iter().position(|rule| rule.code() == code) {
            result.insert("ruleIndex".to_owned(), json!(index));
        }
        if let Some(why) = &finding.accepted {
            let suppression = json!([{ "kind": "external", "justification": why }]);
            result.insert("suppressions".to_owned(), suppression);
        }
    }
    result
}

fn message(finding: &Finding) -> String {
    match finding.range {
        Some(range) => format!("seq {range}: {} ({finding})", finding.kind()),
        None => format!("{}: {} ({finding})", finding.subject, finding.kind()),
    }
}

fn location(finding: &Finding) -> Value {
    let subject = finding.subject.to_string();
    let name = match finding.range {
        Some(range) => format!("{subject}/{range}"),
        None => subject,
    };
    let mut location = Map::new();
    let logical = json!([{ "fullyQualifiedName": name, "kind": "resource" }]);
    location.insert("logicalLocations".to_owned(), logical);
    if let Some(file) = &finding.file {
        let artifact = json!({ "artifactLocation": { "uri": file, "uriBaseId": "RECORDS" } });
        location.insert("physicalLocation".to_owned(), artifact);
    }
    Value::Object(location)
}

// The same finding has the same one in every run.
fn fingerprint(finding: &Finding) -> String {
    let range = finding.range.map_or_else(|| "-".to_owned(), |range| range.to_string());
    format!("{}/{}/{range}", finding.cause.code(), finding.subject)
}

fn properties(finding: &Finding) -> Value {
    json!({
        "finding": finding.kind().as_str(),
        "severity": severity(finding.severity()),
        "first": finding.range.map(|range| range.first),
        "last": finding.range.map(|range| range.last),
        "expected": finding.expected().map(|hash| hash.to_string()),
        "found": finding.found().map(|hash| hash.to_string()),
        "likely": finding.likely().map(|likely| likely.as_str()),
        "settle": finding.settle(),
    })
}

// A result that is no failure has the level "none" (§3.27.10).
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Tamper => "error",
        Severity::Incomplete => "warning",
        Severity::Ok => "none",
    }
}
