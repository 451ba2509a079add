//! `lucarne check`: what must be shown before an incident is resolved, handed in by people and by
//! canaries of their own. Runbooks do the same by themselves.

use std::collections::BTreeMap;
use std::io::Write;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::desk_client::{DeskAt, Output, span};
use crate::failure::{Exit, Failure};

/// Say what must be green before an incident is resolved, and what came out
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Plan(Plan),
    Result(Outcome),
}

/// Say what must be green, and for how long; it replaces what was said before
///
/// Example: lucarne check plan INC-1 error-rate=10m canary=0s
#[derive(Debug, clap::Args)]
struct Plan {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    /// A check and how long it must be green without a break
    #[arg(value_name = "NAME=SPAN", required = true, value_parser = check)]
    checks: Vec<(String, u64)>,
    #[command(flatten)]
    at: DeskAt,
}

/// Say what came out of a check
///
/// Example: lucarne check result INC-1 canary pass
#[derive(Debug, clap::Args)]
struct Outcome {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    /// The check
    name: String,
    /// What came out
    #[arg(value_enum)]
    outcome: Word,
    #[command(flatten)]
    at: DeskAt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    Pass,
    Fail,
    Skipped,
}

/// Runs the chosen verb.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Plan(args) => {
            let checks: BTreeMap<&str, u64> =
                args.checks.iter().map(|(name, soak_ms)| (name.as_str(), *soak_ms)).collect();
            post(&args.at, &args.id, "checks", &json!({ "checks": checks }))
        }
        Verb::Result(args) => {
            let outcome = match args.outcome {
                Word::Pass => "pass",
                Word::Fail => "fail",
                Word::Skipped => "skipped",
            };
            let body = json!({ "check": args.name, "outcome": outcome });
            post(&args.at, &args.id, "checked", &body)
        }
    }
}

fn post(at: &DeskAt, id: &str, verb: &str, body: &Value) -> Result<Exit, Failure> {
    let answer = at.open()?.post(&format!("/v1/incidents/{id}/{verb}"), body)?;
    let mut out = std::io::stdout().lock();
    match at.output {
        Output::Text => writeln!(out, "{id} is recorded as entry {}", answer["entry"])?,
        Output::Json => writeln!(out, "{answer}")?,
    }
    Ok(Exit::Yes)
}

fn check(text: &str) -> Result<(String, u64), String> {
    let expected = || "expected NAME=SPAN such as canary=10m, or canary=0s".to_owned();
    let (name, soak) = text.split_once('=').ok_or_else(expected)?;
    let soak_ms = if soak == "0s" { 0 } else { span(soak).map_err(|_| expected())? };
    if name.is_empty() { Err(expected()) } else { Ok((name.to_owned(), soak_ms)) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_check_may_be_green_at_once() {
        assert_eq!(check("canary=0s"), Ok(("canary".to_owned(), 0)));
        assert_eq!(check("rate=10m"), Ok(("rate".to_owned(), 600_000)));
        for wrong in ["canary", "=5m", "canary=0m", "canary="] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
