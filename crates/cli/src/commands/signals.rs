//! `lucarne signals`: what a desk is told, by hand, and what comes in.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::desk_client::{Desk, DeskAt, Output, Scope};
use crate::failure::{Exit, Failure};

/// Send a signal to the desk, or watch what comes in
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Send(Send),
    Tail(Tail),
}

/// Send one signal and print what was decided
///
/// It is durable, and decided or waiting for the rest of the fleet, when this ends. A secret goes
/// in by a file; the desk keeps its length and a salted fingerprint.
///
/// Exit codes: 0 it was taken; 1 the desk refuses; 3 it is no signal; 4 the desk cannot be reached.
///
/// Example: lucarne signals send --kind guard_trip --label capsule_hash=sha256:ab --risk 0.91
/// --misses 4
#[derive(Debug, clap::Args)]
struct Send {
    /// What it is about: `guard_trip`, `audit_integrity`, `attestation`, `telemetry_gap`, …
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// What was found, such as `chain_mismatch`
    #[arg(long, value_name = "FAULT")]
    fault: Option<String>,
    /// A label; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<Scope>,
    /// The value that was measured
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    value: Option<f64>,
    /// The risk score
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    risk: Option<String>,
    /// Heartbeats missed in a row
    #[arg(long, value_name = "M", allow_hyphen_values = true)]
    misses: Option<String>,
    /// It is over
    #[arg(long)]
    resolved: bool,
    /// Where a secret was found
    #[arg(long, value_name = "TEXT")]
    secret_location: Option<String>,
    /// The name of the secret
    #[arg(long, value_name = "NAME", requires = "secret_location")]
    secret_kid: Option<String>,
    /// The file with the secret
    #[arg(long, value_name = "FILE", requires = "secret_location")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    at: DeskAt,
}

/// Print signals and decisions as they come
///
/// Ends at Ctrl-C, or after --count lines.
///
/// Example: lucarne signals tail --from 0 --count 5
#[derive(Debug, clap::Args)]
struct Tail {
    /// From this entry of the log on [default: the newest]
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    count: Option<u64>,
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
        Verb::Send(args) => send(args, &mut out),
        Verb::Tail(args) => tail(args, &mut out),
    }
}

fn send(args: &Send, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut body = json!({ "kind": args.kind, "labels": Scope::all(&args.labels)? });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    put("fault", args.fault.as_ref().map(|fault| json!(fault)));
    put("value", args.value.map(|value| json!(value)));
    put("risk", args.risk.as_deref().map(figure));
    put("misses", args.misses.as_deref().map(figure));
    put("status", args.resolved.then(|| json!("resolved")));
    let secret = args.secret_file.as_ref().map(|path| {
        let what = format!("read {}", path.display());
        std::fs::read_to_string(path).map_err(|cause| Failure::unreadable(&what, &cause))
    });
    let secret = secret.transpose()?.map(|text| text.trim_end().to_owned());
    put(
        "secret",
        args.secret_location.as_ref().map(
            |location| json!({ "location": location, "kid": args.secret_kid, "secret": secret }),
        ),
    );
    let answer = args.at.open()?.post("/v1/signals", &body)?;
    if args.at.output == Output::Json {
        writeln!(out, "{answer}")?;
        return Ok(Exit::Yes);
    }
    let taken = &answer["answers"][0];
    let word = |name: &str| taken[name].as_str().unwrap_or("none yet").to_owned();
    writeln!(out, "entry     {}", taken["entry"])?;
    writeln!(out, "incident  {}", word("incident"))?;
    writeln!(out, "verdict   {} ({})", word("verdict"), word("rule"))?;
    Ok(Exit::Yes)
}

// A number stays one; anything else goes as it is, so that what is absurd can be tried.
fn figure(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) => Value::Number(number),
        _ => Value::String(text.to_owned()),
    }
}

fn tail(args: &Tail, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let mut from = match args.from {
        Some(from) => from,
        None => newest(&desk)?,
    };
    let mut left = args.count;
    loop {
        let entries = desk.get(&format!("/v1/entries?from={from}&limit=500"))?;
        let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
        for entry in entries {
            from = entry["seq"].as_u64().unwrap_or(from).saturating_add(1);
            let Some(line) = told(entry) else { continue };
            if left == Some(0) {
                return Ok(Exit::Yes);
            }
            match args.at.output {
                Output::Text => writeln!(out, "{line}")?,
                Output::Json => writeln!(out, "{entry}")?,
            }
            out.flush()?;
            left = left.map(|left| left - 1);
        }
        if left == Some(0) {
            return Ok(Exit::Yes);
        }
        if entries.is_empty() {
            std::thread::park_timeout(LOOK);
        }
    }
}

fn newest(desk: &Desk) -> Result<u64, Failure> {
    let mut from = 0;
    loop {
        let entries = desk.get(&format!("/v1/entries?from={from}&limit=1000"))?;
        let last = entries.as_array().and_then(|entries| entries.last());
        match last.and_then(|entry| entry["seq"].as_u64()) {
            Some(seq) => from = seq.saturating_add(1),
            None => return Ok(from),
        }
    }
}

fn told(entry: &Value) -> Option<String> {
    let at = lucarne_desk::report::utc(entry["at"]["wall_ms"].as_u64()?);
    let seq = &entry["seq"];
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let signal = &entry["event"]["input"]["signal"];
    let decided = &entry["event"]["fact"]["decided"];
    if signal.is_object() {
        let labels = signal["labels"].as_object()?;
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        let (kind, status) = (text(&signal["kind"]), text(&signal["status"]));
        return Some(format!("{at} {seq} signal {kind} {status} {}", labels.join(" ")));
    }
    if decided.is_object() {
        let incident = decided["incident"].as_u64();
        let incident = incident.map_or_else(|| "none".to_owned(), |id| format!("INC-{id}"));
        let (verdict, rule) = (text(&decided["verdict"]), text(&decided["rule"]));
        return Some(format!("{at} {seq} decided {verdict} by {rule} for {incident}"));
    }
    None
}

const LOOK: Duration = Duration::from_millis(500);
