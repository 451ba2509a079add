//! `lucarne gate`: what load balancers ask, and the person who opens it again.

use std::io::Write;

use clap::Subcommand;
use http::Method;
use serde_json::json;

use crate::desk_client::{DeskAt, Output};
use crate::failure::{Exit, Failure};

/// See whether a gate of the desk is open, and open it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(Show),
    Open(Open),
}

/// Say whether a gate is open
///
/// Exit codes: 0 open; 1 shut.
///
/// Example: lucarne gate show executions
#[derive(Debug, clap::Args)]
struct Show {
    /// Its name
    name: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Open a gate that the desk has shut
///
/// Example: lucarne gate open executions --reason "attested again at 10:20"
#[derive(Debug, clap::Args)]
struct Open {
    /// Its name
    name: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Runs the chosen verb.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Show(args) => {
            let path = format!("/v1/gates/{}", args.name);
            let answer = args.at.open()?.ask(&Method::GET, &path, None)?;
            let (word, exit) = match answer.status {
                200 => ("open", Exit::Yes),
                503 if answer.body["error"]["code"] == "shut" => ("shut", Exit::No),
                status => {
                    let text = format!("{path}: the desk answers {status}");
                    return Err(Failure::new(Exit::Unreadable, text));
                }
            };
            match args.at.output {
                Output::Text => writeln!(out, "{} is {word}", args.name)?,
                Output::Json => {
                    writeln!(out, "{}", json!({ "gate": args.name, "state": word }))?;
                }
            }
            Ok(exit)
        }
        Verb::Open(args) => {
            let path = format!("/v1/gates/{}/open", args.name);
            let answer = args.at.open()?.post(&path, &json!({ "reason": args.reason }))?;
            match args.at.output {
                Output::Text => {
                    writeln!(out, "{} is open, recorded as entry {}", args.name, answer["entry"])?;
                }
                Output::Json => writeln!(out, "{answer}")?,
            }
            Ok(Exit::Yes)
        }
    }
}
