//! The report of an audit as one JSON object, schema `lucarne.audit/1`.
//!
//! Fields may be added under this schema, none changes its meaning.

use std::collections::BTreeMap;
use std::io::Write;

use lucarne_ledger::audit::finding::{Finding, SeqRange, Severity};
use lucarne_ledger::audit::report::{LedgerSummary, Report, exit_code};
use lucarne_ledger::hash::to_hex;
use serde::Serialize;

use super::outcome::{Outcome, sentence};
use super::text::Valid;
use crate::failure::Failure;

#[derive(Serialize)]
struct Object<'a> {
    schema: &'static str,
    exit: u8,
    sentence: String,
    ledgers: Vec<Ledger<'a>>,
    findings: Vec<Found<'a>>,
    ignored: Vec<String>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Ledger<'a> {
    instance: &'a str,
    epoch: String,
    ledger: &'static str,
    from: u64,
    size: u64,
    root: String,
    verified: u64,
    anchored: u64,
    closed: bool,
    insecure: bool,
    withheld: &'a BTreeMap<String, u64>,
    erased: &'a BTreeMap<String, u64>,
    encrypted: u64,
    valid: Vec<[u64; 2]>,
}

#[derive(Serialize)]
struct Found<'a> {
    kind: &'static str,
    code: &'static str,
    severity: &'static str,
    instance: Option<&'a str>,
    epoch: Option<String>,
    ledger: Option<&'static str>,
    first: Option<u64>,
    last: Option<u64>,
    file: Option<&'a str>,
    cause: String,
    expected: Option<String>,
    found: Option<String>,
    likely: Option<&'static str>,
    settle: &'static str,
    accepted: Option<&'a str>,
    /// Two signed messages that exclude each other, in hex.
    fork_proof: Option<[String; 2]>,
}

/// Writes the report.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(outcome: &Outcome<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let Outcome { report, valid, ignored, notes } = outcome;
    let object = Object {
        schema: SCHEMA,
        exit: exit_code(report),
        sentence: sentence(report),
        ledgers: report.ledgers.iter().map(|one| ledger(one, report, valid)).collect(),
        findings: report.findings.iter().map(found).collect(),
        ignored: ignored.to_vec(),
        notes,
    };
    serde_json::to_writer_pretty(&mut *out, &object).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Its name and version; `docs/schemas/lucarne.audit-1.json` describes it.
const SCHEMA: &str = "lucarne.audit/1";

fn ledger<'a>(one: &'a LedgerSummary, report: &Report, valid: &Valid) -> Ledger<'a> {
    let pair = |range: SeqRange| [range.first, range.last];
    Ledger {
        instance: one.id.instance.as_str(),
        epoch: one.id.epoch.to_string(),
        ledger: one.id.kind.as_str(),
        from: one.from,
        size: one.size,
        root: one.root.to_string(),
        verified: one.verified,
        anchored: one.anchored,
        closed: one.closed,
        insecure: one.insecure,
        withheld: &one.withheld,
        erased: &one.erased,
        encrypted: one.encrypted,
        valid: valid.of(&one.id, &report.findings).into_iter().map(pair).collect(),
    }
}

/// A finding alone, as it stands in a report.
///
/// # Errors
/// Never in practice: its parts are texts and numbers.
pub(super) fn value(finding: &Finding) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(found(finding))
}

fn found(finding: &Finding) -> Found<'_> {
    Found {
        kind: finding.kind().as_str(),
        code: finding.cause.code(),
        severity: severity(finding.severity()),
        instance: finding.subject.instance().map(|instance| instance.as_str()),
        epoch: finding.subject.epoch().map(|epoch| epoch.to_string()),
        ledger: finding.subject.kind().map(|kind| kind.as_str()),
        first: finding.range.map(|range| range.first),
        last: finding.range.map(|range| range.last),
        file: finding.file.as_deref(),
        cause: finding.to_string(),
        expected: finding.expected().map(|hash| hash.to_string()),
        found: finding.found().map(|hash| hash.to_string()),
        likely: finding.likely().map(|likely| likely.as_str()),
        settle: finding.settle(),
        accepted: finding.accepted.as_deref(),
        fork_proof: finding.cause.proof().map(|p| [to_hex(&p.one), to_hex(&p.other)]),
    }
}

/// How bad it is, as text.
pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Incomplete => "incomplete",
        Severity::Tamper => "tamper",
    }
}
