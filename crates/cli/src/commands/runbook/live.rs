//! Runs on the desk: started, looked at, let go on, stopped.

use std::io::Write;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::desk_client::{DeskAt, Output, Scope};
use crate::failure::{Exit, Failure};

/// Run a runbook of the desk's site for an incident, or for a change that was announced
///
/// The desk runs the text that its own configuration names, never one of a caller.
///
/// Examples: lucarne runbook run telemetry-gap --incident INC-1 --input instance=nitro-001-us-east;
/// lucarne runbook run planned-restart --change CHG-7 --input instance=nitro-001-us-east
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// Its name, as `runbook list` prints it
    #[arg(value_name = "NAME")]
    runbook: String,
    /// For which incident
    #[arg(long, value_name = "INC", required_unless_present = "change")]
    incident: Option<String>,
    /// For which change, as `change add` named it
    #[arg(long, value_name = "ID", conflicts_with = "incident")]
    change: Option<String>,
    /// What the run is given; may be repeated
    #[arg(long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<Scope>,
    #[command(flatten)]
    at: DeskAt,
}

/// List the runbooks of the desk's site
///
/// Example: lucarne runbook list
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    at: DeskAt,
}

/// List runs, the newest first
///
/// Example: lucarne runbook runs
#[derive(Debug, clap::Args)]
pub(super) struct Runs {
    #[command(flatten)]
    at: DeskAt,
}

/// Let a run go on that waits, failed or is in doubt
///
/// Example: lucarne runbook resume RUN-1 --how again --reason "the collector is back"
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// What becomes of the step that it stands at
    #[arg(long, value_enum)]
    how: Option<How>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Stop a run and undo what it did, in reverse order
///
/// Example: lucarne runbook abort RUN-1 --reason "it is another cause"
#[derive(Debug, clap::Args)]
pub(super) struct Abort {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

/// What becomes of the step that a run stands at.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// It did nothing: begin it again.
    Again,
    /// It did what it should.
    Done,
    /// Go on without it.
    Skip,
}

impl How {
    const fn word(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Done => "done",
            Self::Skip => "skip",
        }
    }
}

pub(super) fn run(args: &Run, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut body = json!({ "runbook": args.runbook, "inputs": Scope::all(&args.inputs)? });
    match (&args.incident, &args.change) {
        (Some(incident), _) => body["incident"] = json!(incident),
        (None, change) => body["change"] = json!(change),
    }
    recorded(&args.at, "/v1/runs", &body, out)
}

pub(super) fn list(args: &List, out: &mut dyn Write) -> Result<Exit, Failure> {
    let line = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        format!("{} ({} steps): {}", text("runbook"), one["steps"], text("title"))
    };
    lines(&args.at, "/v1/runbooks", &line, out)
}

pub(super) fn runs(args: &Runs, out: &mut dyn Write) -> Result<Exit, Failure> {
    lines(&args.at, "/v1/runs", &|run: &Value| run.to_string(), out)
}

pub(super) fn resume(args: &Resume, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut body = json!({ "reason": args.reason });
    if let Some(how) = args.how {
        body["how"] = json!(how.word());
    }
    recorded(&args.at, &format!("/v1/runs/{}/resume", args.run), &body, out)
}

pub(super) fn abort(args: &Abort, out: &mut dyn Write) -> Result<Exit, Failure> {
    let body = json!({ "reason": args.reason });
    recorded(&args.at, &format!("/v1/runs/{}/abort", args.run), &body, out)
}

fn lines(
    at: &DeskAt,
    path: &str,
    line: &dyn Fn(&Value) -> String,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let found = at.open()?.get(path)?;
    match at.output {
        Output::Json => writeln!(out, "{found}")?,
        Output::Text => {
            for one in found.as_array().into_iter().flatten() {
                writeln!(out, "{}", line(one))?;
            }
        }
    }
    Ok(Exit::Yes)
}

fn recorded(at: &DeskAt, path: &str, body: &Value, out: &mut dyn Write) -> Result<Exit, Failure> {
    let answer = at.open()?.post(path, body)?;
    match at.output {
        Output::Json => writeln!(out, "{answer}")?,
        Output::Text => {
            let run = answer["run"].as_str().map_or_else(String::new, |run| format!("{run} is "));
            writeln!(out, "{run}recorded as entry {}", answer["entry"])?;
        }
    }
    Ok(Exit::Yes)
}
