//! The end of an incident: what was learned, then the report, then closed.

use std::io::Write;

use lucarne_gateway::export::timestamp::parse_rfc3339;
use serde_json::{Value, json};

use crate::desk_client::{DeskAt, Output};
use crate::failure::{Exit, Failure};

/// Write down root cause, lessons and what is left to do
///
/// Moves a resolved incident into review. Said again, it replaces what was said before.
///
/// Example: lucarne incident review INC-1 --root-cause "a guard was too strict" --lessons "test
/// guards with load" --task "ann 2026-06-01T00:00:00Z Update monitoring rules"
#[derive(Debug, clap::Args)]
pub(super) struct Review {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    /// Why it happened
    #[arg(long, value_name = "TEXT")]
    root_cause: String,
    /// What is done differently
    #[arg(long, value_name = "TEXT")]
    lessons: String,
    /// What is left to do: who, until when, what; may be repeated
    #[arg(long = "task", value_name = "OWNER DUE TEXT", value_parser = task)]
    tasks: Vec<Value>,
    #[command(flatten)]
    at: DeskAt,
}

/// Seal the report and close an incident
///
/// Root cause and lessons must be written, every task have owner and date, notifications be out.
///
/// Exit codes: 0 closed; 1 something is missing, which is said.
///
/// Example: lucarne incident close INC-1 --reason "reviewed on Monday"
#[derive(Debug, clap::Args)]
pub(super) struct Close {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

pub(super) fn review(args: &Review, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let path = format!("/v1/incidents/{}", args.id);
    if desk.get(&path)?["incident"]["phase"] == "resolved" {
        desk.post(&format!("{path}/move"), &json!({ "to": "in_review", "reason": "review" }))?;
    }
    let body = json!({ "root_cause": args.root_cause, "lessons": args.lessons,
                       "follow_ups": args.tasks });
    let answer = desk.post(&format!("{path}/review"), &body)?;
    match args.at.output {
        Output::Text => writeln!(out, "{} is recorded as entry {}", args.id, answer["entry"])?,
        Output::Json => writeln!(out, "{answer}")?,
    }
    Ok(Exit::Yes)
}

pub(super) fn close(args: &Close, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let path = format!("/v1/incidents/{}", args.id);
    desk.post(&format!("{path}/report"), &json!({}))?;
    let to = json!({ "to": "closed", "reason": args.reason });
    let answer = desk.post(&format!("{path}/move"), &to)?;
    let view = desk.get(&path)?;
    match args.at.output {
        Output::Text => {
            let digest = view["incident"]["report"].as_str().unwrap_or("none");
            writeln!(out, "{} is closed; its report is sealed as {digest}", args.id)?;
        }
        Output::Json => writeln!(out, "{answer}")?,
    }
    Ok(Exit::Yes)
}

fn task(text: &str) -> Result<Value, String> {
    let expected = || "expected OWNER DUE TEXT, DUE as 2026-06-01T00:00:00Z".to_owned();
    let mut parts = text.splitn(3, ' ');
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(expected);
    let (owner, due, task) = (next()?, next()?, next()?);
    let due_ms = parse_rfc3339(due).ok_or_else(expected)? / 1_000_000;
    Ok(json!({ "task": task, "owner": owner, "due_ms": due_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_an_owner_a_date_and_words() {
        let is = json!({ "task": "Update the rules", "owner": "ann", "due_ms": 86_400_000 });
        assert_eq!(task("ann 1970-01-02T00:00:00Z Update the rules"), Ok(is));
        for wrong in ["ann", "ann 1970-01-02T00:00:00Z", "ann tomorrow x", ""] {
            assert!(task(wrong).is_err(), "{wrong}");
        }
    }
}
