//! `lucarne validate`: whether it is shown that an incident is over.

use std::io::Write;

use serde_json::Value;

use crate::desk_client::{DeskAt, Output};
use crate::failure::{Exit, Failure};

/// Show what must be green before an incident is resolved, and for how long it has been
///
/// Exit codes: 0 every check is green for its time; 1 one is not; 2 there is no check, or one was
/// skipped.
///
/// Example: lucarne validate INC-1
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Runs the command.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let found = args.at.open()?.get(&format!("/v1/incidents/{}/validation", args.id))?;
    let checks = found["checks"].as_array().map_or(&[][..], Vec::as_slice);
    if args.at.output == Output::Json {
        writeln!(out, "{found}")?;
        return Ok(exit(checks));
    }
    for check in checks {
        let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
        let seconds = |name: &str| check[name].as_u64().unwrap_or_default() / 1000;
        let (green, soak) = (seconds("green_ms"), seconds("soak_ms"));
        writeln!(out, "{:8} {} green for {green} of {soak} s", text("outcome"), text("check"))?;
    }
    if checks.is_empty() {
        writeln!(out, "no checks: nothing shows that {} is over", args.id)?;
    }
    Ok(exit(checks))
}

fn exit(checks: &[Value]) -> Exit {
    let any = |outcome: &[&str]| {
        let said = |check: &Value| check["outcome"].as_str().unwrap_or_default().to_owned();
        checks.iter().any(|check| outcome.contains(&said(check).as_str()))
    };
    if any(&["FAIL", "SOAKING"]) {
        Exit::No
    } else if checks.is_empty() || any(&["SKIPPED"]) {
        Exit::CouldNotTell
    } else {
        Exit::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_shown_is_not_a_yes() {
        let checks = |outcomes: &[&str]| {
            let checks: Vec<Value> = outcomes.iter().map(|one| json!({ "outcome": one })).collect();
            exit(&checks)
        };
        assert_eq!(checks(&["PASS", "PASS"]), Exit::Yes);
        assert_eq!(checks(&["PASS", "FAIL"]), Exit::No);
        assert_eq!(checks(&["PASS", "SOAKING"]), Exit::No);
        assert_eq!(checks(&["PASS", "SKIPPED"]), Exit::CouldNotTell);
        assert_eq!(checks(&[]), Exit::CouldNotTell);
    }
}
