//! Planned work, mutes and changes: `lucarne window`, `lucarne mute` and `lucarne change`.
//!
//! Each has a scope of labels. None of them touches what is about integrity, and all of them go on
//! recording.

use std::io::Write;

use clap::Subcommand;
use lucarne_desk::report::utc;
use lucarne_gateway::export::timestamp::parse_rfc3339;
use serde_json::{Value, json};

use crate::clock;
use crate::desk_client::{DeskAt, Output, Scope, span};
use crate::failure::{Exit, Failure};

/// Plan work, so that what it causes is proposed or waits until it ends
#[derive(Debug, clap::Args)]
pub struct Windows {
    /// What to do.
    #[command(subcommand)]
    verb: WindowVerb,
}

#[derive(Debug, Subcommand)]
enum WindowVerb {
    Create(Window),
    List(List),
    End(End),
}

/// Do nothing about a scope for a while, and go on recording
#[derive(Debug, clap::Args)]
pub struct Mutes {
    /// What to do.
    #[command(subcommand)]
    verb: MuteVerb,
}

#[derive(Debug, Subcommand)]
enum MuteVerb {
    Create(Mute),
    List(List),
    End(End),
}

/// Tell the desk of deployments and approved changes
#[derive(Debug, clap::Args)]
pub struct Changes {
    /// What to do.
    #[command(subcommand)]
    verb: ChangeVerb,
}

#[derive(Debug, Subcommand)]
enum ChangeVerb {
    Add(Change),
    List(List),
}

/// Plan work
///
/// What would be done by itself is proposed, what is weaker waits until the end and is then looked
/// at again. Signals about integrity are not touched.
///
/// Example: lucarne window create CHG-0525 --scope instance=nitro-001-us-east --for 30m
#[derive(Debug, clap::Args)]
struct Window {
    #[command(flatten)]
    scoped: Scoped,
    /// From when [default: now]
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    from: Option<u64>,
    /// For how long
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    for_ms: u64,
}

/// Do nothing about a scope for a while
///
/// Signals about integrity are not touched.
///
/// Example: lucarne mute create network-fix --scope zone=us-east-1a --for 2h
#[derive(Debug, clap::Args)]
struct Mute {
    #[command(flatten)]
    scoped: Scoped,
    /// For how long
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    for_ms: u64,
}

/// Record a deployment or an approved change
///
/// Example: lucarne change add CHG-0525 --scope instance=nitro-001-us-east
#[derive(Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    scoped: Scoped,
    /// When it was made [default: now]
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    at_time: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct Scoped {
    /// Its name
    name: String,
    /// A label that a signal must have to be in scope; may be repeated
    #[arg(long = "scope", value_name = "NAME=VALUE", required = true)]
    scope: Vec<Scope>,
    #[command(flatten)]
    at: DeskAt,
}

/// List them
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    at: DeskAt,
}

/// End one before its time
#[derive(Debug, clap::Args)]
struct End {
    /// Its name
    name: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Runs the chosen verb of `window`.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn windows(args: &Windows) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        WindowVerb::Create(new) => {
            let from_ms = new.from.unwrap_or_else(clock::unix_ms);
            let more = json!({ "from_ms": from_ms, "to_ms": from_ms.saturating_add(new.for_ms) });
            new.scoped.post("/v1/maintenance-windows", more, &mut out)
        }
        WindowVerb::List(args) => args.get("/v1/maintenance-windows", &mut out),
        WindowVerb::End(args) => args.delete("/v1/maintenance-windows", &mut out),
    }
}

/// Runs the chosen verb of `mute`.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn mutes(args: &Mutes) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        MuteVerb::Create(new) => {
            new.scoped.post("/v1/mutes", json!({ "for_ms": new.for_ms }), &mut out)
        }
        MuteVerb::List(args) => args.get("/v1/mutes", &mut out),
        MuteVerb::End(args) => args.delete("/v1/mutes", &mut out),
    }
}

/// Runs the chosen verb of `change`.
///
/// # Errors
/// When the desk refuses or cannot be reached.
pub fn changes(args: &Changes) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        ChangeVerb::Add(new) => {
            let at_ms = new.at_time.unwrap_or_else(clock::unix_ms);
            new.scoped.post("/v1/changes", json!({ "at_ms": at_ms }), &mut out)
        }
        ChangeVerb::List(args) => args.get("/v1/changes", &mut out),
    }
}

impl Scoped {
    fn post(&self, path: &str, mut body: Value, out: &mut dyn Write) -> Result<Exit, Failure> {
        body["id"] = json!(self.name);
        body["scope"] = json!(Scope::all(&self.scope)?);
        let answer = self.at.open()?.post(path, &body)?;
        match self.at.output {
            Output::Text => {
                writeln!(out, "{} is recorded as entry {}", self.name, answer["entry"])?;
            }
            Output::Json => writeln!(out, "{answer}")?,
        }
        Ok(Exit::Yes)
    }
}

impl List {
    fn get(&self, path: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
        let found = self.at.open()?.get(path)?;
        if self.at.output == Output::Json {
            writeln!(out, "{found}")?;
            return Ok(Exit::Yes);
        }
        for one in found.as_array().into_iter().flatten() {
            writeln!(out, "{}", line(one))?;
        }
        Ok(Exit::Yes)
    }
}

fn line(one: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let scope = one["scope"].as_object().into_iter().flatten();
    let scope: Vec<String> = scope.map(|(name, value)| format!("{name}={}", text(value))).collect();
    let when = |name: &str| one[name].as_u64().map(utc);
    let time = match (when("from_ms"), when("to_ms"), when("at_ms"), one["for_ms"].as_u64()) {
        (Some(from), Some(to), ..) => format!("from {from} to {to}"),
        (_, _, Some(at), _) => format!("at {at}"),
        (_, _, _, Some(ms)) => format!("for {} s", ms / 1000),
        _ => String::new(),
    };
    format!("{} {} {time}", text(&one["id"]), scope.join(" "))
}

impl End {
    fn delete(&self, path: &str, out: &mut dyn Write) -> Result<Exit, Failure> {
        let answer = self.at.open()?.delete(&format!("{path}/{}", self.name))?;
        match self.at.output {
            Output::Text => {
                writeln!(out, "{} is over, recorded as entry {}", self.name, answer["entry"])?;
            }
            Output::Json => writeln!(out, "{answer}")?,
        }
        Ok(Exit::Yes)
    }
}

fn moment(text: &str) -> Result<u64, String> {
    let ns = parse_rfc3339(text).ok_or("expected a time such as 2026-05-25T10:00:00Z")?;
    Ok(ns / 1_000_000)
}
