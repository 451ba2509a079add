//! `lucarne approve`, `reject` and `approval`: people who agree to exactly these arguments.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::desk_client::{Desk, DeskAt, Output, Scope};
use crate::failure::{Exit, Failure};

/// Agree to a request, with exactly the arguments that are shown
///
/// What is agreed to is the digest of the action and its arguments. With --digest nothing else is;
/// without it, what the desk shows now is printed and agreed to.
///
/// Exit codes: 0 your word is recorded; 1 the desk refuses, and why.
///
/// Example: lucarne approve REQ-1
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// The request
    #[arg(value_name = "REQ")]
    id: String,
    /// The digest that you looked at
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    #[command(flatten)]
    at: DeskAt,
}

/// Say no to a request; one no ends it
///
/// Example: lucarne reject REQ-1
#[derive(Debug, clap::Args)]
pub struct Reject {
    /// The request
    #[arg(value_name = "REQ")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Ask for actions, and see who agreed
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Ask(Ask),
    List(List),
    Show(One),
    Execute(Execute),
    BreakGlass(BreakGlass),
}

/// Ask for an action
///
/// Example: lucarne approval ask INC-1 `throttle_tenant` --arg tenant=t1 --reason "it floods"
#[derive(Debug, clap::Args)]
struct Ask {
    #[command(flatten)]
    what: What,
}

/// Act alone as commander; the CISO is told, and no hold is passed
///
/// Example: lucarne approval break-glass INC-1 rollback --reason "nobody answers"
#[derive(Debug, clap::Args)]
struct BreakGlass {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, clap::Args)]
struct What {
    /// The incident
    #[arg(value_name = "INC")]
    incident: String,
    /// The action, by its name in the policy
    action: String,
    /// An argument; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<Scope>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

/// List requests, the newest first
///
/// Example: lucarne approval list
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    at: DeskAt,
}

/// Show a request
///
/// Example: lucarne approval show REQ-1
#[derive(Debug, clap::Args)]
struct One {
    /// The request
    #[arg(value_name = "REQ")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Have an approved action done, once
///
/// Example: lucarne approval execute REQ-1
#[derive(Debug, clap::Args)]
struct Execute {
    /// The request
    #[arg(value_name = "REQ")]
    id: String,
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
        Verb::Ask(args) => args.what.send("approvals", &mut out),
        Verb::BreakGlass(args) => args.what.send("break-glass", &mut out),
        Verb::List(args) => list(args, &mut out),
        Verb::Show(args) => show(args, &mut out),
        Verb::Execute(args) => {
            let answer =
                args.at.open()?.post(&format!("/v1/approvals/{}/execute", args.id), &json!({}))?;
            recorded(args.at.output, &args.id, &answer, &mut out)
        }
    }
}

/// Agrees.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn approve(args: &Approve) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let desk = args.at.open()?;
    let digest = match &args.digest {
        Some(digest) => digest.clone(),
        None => {
            let request = desk.get(&format!("/v1/approvals/{}", args.id))?;
            if args.at.output == Output::Text {
                write(&request, &mut out)?;
            }
            request["digest"].as_str().unwrap_or_default().to_owned()
        }
    };
    let path = format!("/v1/approvals/{}/approve", args.id);
    let answer = desk.post(&path, &json!({ "digest": digest }))?;
    recorded(args.at.output, &args.id, &answer, &mut out)
}

/// Says no.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn reject(args: &Reject) -> Result<Exit, Failure> {
    let desk: Desk = args.at.open()?;
    let answer = desk.post(&format!("/v1/approvals/{}/reject", args.id), &json!({}))?;
    recorded(args.at.output, &args.id, &answer, &mut std::io::stdout().lock())
}

impl What {
    fn send(&self, verb: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
        let args = Scope::all(&self.args)?;
        let body = json!({ "action": self.action, "args": args, "reason": self.reason });
        let path = format!("/v1/incidents/{}/{verb}", self.incident);
        let answer = self.at.open()?.post(&path, &body)?;
        let name = answer["request"].as_str().unwrap_or("none").to_owned();
        recorded(self.at.output, &name, &answer, out)
    }
}

fn recorded(
    output: Output,
    name: &str,
    answer: &Value,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    match output {
        Output::Text => writeln!(out, "{name} is recorded as entry {}", answer["entry"])?,
        Output::Json => writeln!(out, "{answer}")?,
    }
    Ok(Exit::Yes)
}

fn list(args: &List, out: &mut dyn Write) -> Result<Exit, Failure> {
    let found = args.at.open()?.get("/v1/approvals")?;
    match args.at.output {
        Output::Json => writeln!(out, "{found}")?,
        Output::Text => {
            for request in found.as_array().into_iter().flatten() {
                writeln!(out, "{}", line(request))?;
            }
        }
    }
    Ok(Exit::Yes)
}

fn line(request: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let args = request["action"]["args"].as_object();
    let args: Vec<String> =
        args.into_iter().flatten().map(|(name, value)| format!("{name}={}", text(value))).collect();
    let granted = request["granted"].as_array().map_or(0, Vec::len);
    format!(
        "REQ-{} INC-{} {} {} ({}) {granted} of {}, {}",
        request["id"],
        request["incident"],
        text(&request["action"]["name"]),
        args.join(" "),
        text(&request["effect"]),
        request["quorum"]["n"],
        text(&request["standing"]),
    )
}

fn show(args: &One, out: &mut dyn Write) -> Result<Exit, Failure> {
    let request = args.at.open()?.get(&format!("/v1/approvals/{}", args.id))?;
    match args.at.output {
        Output::Json => writeln!(out, "{request}")?,
        Output::Text => write(&request, out)?,
    }
    Ok(Exit::Yes)
}

fn write(request: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    writeln!(out, "{}", line(request))?;
    writeln!(out, "digest    {}", text(&request["digest"]))?;
    writeln!(out, "asked by  {}: {}", text(&request["by"]), text(&request["reason"]))?;
    writeln!(out, "groups    {}", request["quorum"]["distinct_groups"])?;
    writeln!(out, "agreed    {}", request["granted"])?;
    Ok(())
}
