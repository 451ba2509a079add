//! `lucarne runbook follow`: a run, step by step, until it stands still.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk_client::{Desk, DeskAt, Output, span};
use crate::failure::{Exit, Failure};

/// Print what a run does until it is over or waits for somebody
///
/// A check that must stay green for a while is waited for until --for is over.
///
/// Exit codes: 0 done; 1 failed or aborted; 2 it waits for people, or goes on or is in doubt when
/// --for is over.
///
/// Example: lucarne runbook follow RUN-1 --for 60s
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// For how long at most
    #[arg(long = "for", value_name = "SPAN", default_value = "60s", value_parser = span)]
    patience: u64,
    /// Stop as soon as it stands at this step
    #[arg(long, value_name = "STEP")]
    until: Option<String>,
    #[command(flatten)]
    at: DeskAt,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let (began, mut said) = (Instant::now(), Vec::new());
    loop {
        let run = desk.get(&format!("/v1/runs/{}", args.run))?;
        if args.at.output == Output::Text {
            told(&run, &mut said, out)?;
        }
        let exit = match over(&run, args.until.as_deref()) {
            // A request is out, and only people can answer it.
            None if open_request(&desk, &run)?.is_some() => Some(Exit::CouldNotTell),
            exit => exit,
        };
        let late = began.elapsed() >= Duration::from_millis(args.patience);
        if exit.is_some() || late {
            match args.at.output {
                Output::Json => writeln!(out, "{run}")?,
                Output::Text => writeln!(out, "{}", stands(&desk, &run)?)?,
            }
            return Ok(exit.unwrap_or(Exit::CouldNotTell));
        }
        std::thread::park_timeout(LOOK);
    }
}

// Steps that have ended since the last look, in the order of the desk's map of answers.
fn told(run: &Value, said: &mut Vec<String>, out: &mut dyn Write) -> Result<(), Failure> {
    for (step, answer) in run["answers"].as_object().into_iter().flatten() {
        if !said.contains(step) {
            writeln!(out, "{step}: {}", answer.as_str().unwrap_or_default())?;
            said.push(step.clone());
        }
    }
    Ok(())
}

fn over(run: &Value, until: Option<&str>) -> Option<Exit> {
    let step = run["step"].as_str();
    match run["standing"].as_str() {
        Some("done") => Some(Exit::Yes),
        Some("failed" | "aborted") => Some(Exit::No),
        Some("waiting") => Some(Exit::CouldNotTell),
        _ if until.is_some() && step == until => Some(Exit::CouldNotTell),
        _ => None,
    }
}

// The request of a step that has begun and that nobody has answered.
fn open_request(desk: &Desk, run: &Value) -> Result<Option<Value>, Failure> {
    for request in run["asked"].as_object().into_iter().flat_map(|asked| asked.values()) {
        let request = request.as_str().unwrap_or_default();
        let asked = desk.get(&format!("/v1/approvals/{request}"))?;
        if asked["standing"] == "open" {
            return Ok(Some(asked));
        }
    }
    Ok(None)
}

fn stands(desk: &Desk, run: &Value) -> Result<String, Failure> {
    let text = |name: &str| run[name].as_str().unwrap_or("none").to_owned();
    let (name, standing) = (text("name"), text("standing"));
    let Some(step) = run["step"].as_str() else { return Ok(format!("{name} is {standing}")) };
    let line = format!("{name} is {standing} at {step}");
    if let Some(asked) = open_request(desk, run)? {
        let action = asked["action"]["name"].as_str().unwrap_or("an action");
        return Ok(format!("{line}, which asks for {action} by REQ-{}", asked["id"]));
    }
    Ok(match why(run, step) {
        Some(why) => format!("{line}: {why}"),
        None => line,
    })
}

// Why it waits for people, failed or could not be undone.
fn why<'a>(run: &'a Value, step: &str) -> Option<&'a str> {
    run["blocked"].as_str().or_else(|| run["failures"][step].as_str())
}

/// Often enough for somebody who watches.
const LOOK: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_step_that_it_stands_at_says_why() {
        let run = |blocked: Value| {
            let failures = json!({ "look": "answered 500", "isolate": "answered 503" });
            json!({ "blocked": blocked, "failures": failures })
        };
        assert_eq!(why(&run(Value::Null), "isolate"), Some("answered 503"));
        assert_eq!(why(&run(json!("quorum_not_met")), "isolate"), Some("quorum_not_met"));
        assert_eq!(why(&run(Value::Null), "tell"), None);
        assert_eq!(why(&json!({ "blocked": null }), "tell"), None, "a desk of before");
    }

    #[test]
    fn a_run_stands_still_when_it_is_over_or_people_must_act() {
        let run = |standing: &str, step: Value| json!({ "standing": standing, "step": step });
        assert_eq!(over(&run("done", Value::Null), None), Some(Exit::Yes));
        assert_eq!(over(&run("failed", json!("a")), None), Some(Exit::No));
        assert_eq!(over(&run("aborted", json!("a")), None), Some(Exit::No));
        let could_not = Some(Exit::CouldNotTell);
        // An act that has begun and not ended is in doubt while it is done.
        assert_eq!(over(&run("in_doubt", json!("a")), None), None);
        assert_eq!(over(&run("waiting", json!("a")), None), could_not);
        assert_eq!(over(&run("running", json!("a")), None), None);
        assert_eq!(over(&run("running", json!("a")), Some("a")), could_not);
        assert_eq!(over(&run("running", json!("a")), Some("b")), None);
    }
}
