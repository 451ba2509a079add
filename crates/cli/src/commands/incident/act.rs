//! What people do about an incident, in one request each.

use std::io::Write;

use serde_json::{Value, json};

use crate::desk_client::{DeskAt, Output};
use crate::failure::{Exit, Failure};

/// Have an incident in hand: nobody else is woken while you are heard of
///
/// Example: lucarne incident ack INC-1
#[derive(Debug, clap::Args)]
pub(super) struct Ack {
    #[command(flatten)]
    on: On,
}

/// Let an incident go on up the ladder
///
/// Example: lucarne incident unack INC-1
#[derive(Debug, clap::Args)]
pub(super) struct Unack {
    #[command(flatten)]
    on: On,
}

/// Write something down
///
/// Example: lucarne incident note INC-1 "the collector was restarted at 10:04"
#[derive(Debug, clap::Args)]
pub(super) struct Note {
    #[command(flatten)]
    on: On,
    /// What
    text: String,
}

/// Move an incident to another phase
///
/// Guards hold: nothing recovers before its evidence is sealed or waived by two people, nothing is
/// resolved before its checks are green.
///
/// Example: lucarne incident move INC-1 diagnosing --reason "the trace is read"
#[derive(Debug, clap::Args)]
pub(super) struct Move {
    #[command(flatten)]
    on: On,
    /// Where to: triaged, containing, preserving, diagnosing, recovering, validating, resolved,
    /// `in_review`, `false_positive` or cancelled
    phase: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Find an incident less bad than it was
///
/// A severity rises by decisions and falls by a person with a reason.
///
/// Example: lucarne incident severity INC-1 SEV3 --reason "one tenant, no data"
#[derive(Debug, clap::Args)]
pub(super) struct Severity {
    #[command(flatten)]
    on: On,
    /// SEV1, SEV2 or SEV3
    severity: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Say what an incident really was
///
/// Three high risks a day that people call false make the desk propose another threshold.
///
/// Example: lucarne incident label INC-1 false_positive
#[derive(Debug, clap::Args)]
pub(super) struct Label {
    #[command(flatten)]
    on: On,
    /// legitimate or `false_positive`
    verdict: String,
}

/// Agree to go on without an item of evidence, or without the whole bundle; two people must
///
/// Example: lucarne incident waive INC-1 bundle --reason "the disk is gone"
#[derive(Debug, clap::Args)]
pub(super) struct Waive {
    #[command(flatten)]
    on: On,
    /// The item, or `bundle`
    item: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// End a hold whose evidence is sealed; two people must
///
/// Example: lucarne incident release INC-1 --reason "the case is handed over"
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    on: On,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct On {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

impl On {
    fn act(&self, verb: &str, body: &Value, out: &mut dyn Write) -> Result<Exit, Failure> {
        let answer = self.at.open()?.post(&format!("/v1/incidents/{}/{verb}", self.id), body)?;
        match self.at.output {
            Output::Text => writeln!(out, "{} is recorded as entry {}", self.id, answer["entry"])?,
            Output::Json => writeln!(out, "{answer}")?,
        }
        Ok(Exit::Yes)
    }
}

pub(super) fn ack(args: &Ack, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("ack", &json!({}), out)
}

pub(super) fn unack(args: &Unack, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("unack", &json!({}), out)
}

pub(super) fn note(args: &Note, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("notes", &json!({ "text": args.text }), out)
}

pub(super) fn moves(args: &Move, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("move", &json!({ "to": args.phase, "reason": args.reason }), out)
}

pub(super) fn severity(args: &Severity, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("severity", &json!({ "to": args.severity, "reason": args.reason }), out)
}

pub(super) fn label(args: &Label, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("label", &json!({ "verdict": args.verdict }), out)
}

pub(super) fn waive(args: &Waive, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("waive", &json!({ "item": args.item, "reason": args.reason }), out)
}

pub(super) fn release(args: &Release, out: &mut dyn Write) -> Result<Exit, Failure> {
    args.on.act("release", &json!({ "reason": args.reason }), out)
}
