//! `lucarne contacts`: who is told when, and whether the way to them works.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::{Value, json};

use crate::desk_client::{DeskAt, Output};
use crate::failure::{Exit, Failure};

/// See who is told when, and test the way to them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    PageTest(PageTest),
}

/// List roles, when each is told, who speaks for them, and by which channels
///
/// Example: lucarne contacts list
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    at: DeskAt,
}

/// Send a test page to a role through every channel, and wait until it is delivered
///
/// Exit codes: 0 every channel delivered; 1 one did not, or there is none; 2 not known in time.
///
/// Example: lucarne contacts page-test on-call
#[derive(Debug, clap::Args)]
struct PageTest {
    /// The role, as `contacts list` prints it
    role: String,
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
        Verb::List(args) => list(args, &mut out),
        Verb::PageTest(args) => page_test(args, &mut out),
    }
}

fn list(args: &List, out: &mut dyn Write) -> Result<Exit, Failure> {
    let found = args.at.open()?.get("/v1/contacts")?;
    if args.at.output == Output::Json {
        writeln!(out, "{found}")?;
        return Ok(Exit::Yes);
    }
    for rung in found.as_array().into_iter().flatten() {
        let minutes = rung["after_ms"].as_u64().unwrap_or_default() / 60_000;
        let role = rung["role"].as_str().unwrap_or_default();
        let (people, channels) = (joined(&rung["people"]), joined(&rung["channels"]));
        writeln!(out, "{role:20} after {minutes:3} min  people {people}  channels {channels}")?;
    }
    Ok(Exit::Yes)
}

fn joined(value: &Value) -> String {
    let names: Vec<&str> =
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn page_test(args: &PageTest, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let sent = desk.post("/v1/contacts/page-test", &json!({ "role": args.role }))?;
    let keys = sent["keys"].as_array().cloned().unwrap_or_default();
    if keys.is_empty() {
        return Err(Failure::new(Exit::No, "the desk has no channel to anybody")
            .hint("name one under `channels` of its configuration"));
    }
    let start = Instant::now();
    loop {
        let outbox = desk.get("/v1/outbox?limit=1000")?;
        let outbox = outbox.as_array().map_or(&[][..], Vec::as_slice);
        let of_test: Vec<&Value> =
            outbox.iter().filter(|line| keys.contains(&line["key"])).collect();
        let all = |standing: &str| {
            of_test.len() == keys.len() && of_test.iter().all(|line| line["standing"] == standing)
        };
        let dead = of_test.iter().any(|line| line["standing"] == "dead");
        let late = start.elapsed() > PATIENCE;
        if !(all("done") || dead || late) {
            std::thread::park_timeout(LOOK);
            continue;
        }
        for line in &of_test {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let (queue, standing, error) = (text("queue"), text("standing"), text("error"));
            match args.at.output {
                Output::Text => writeln!(out, "{queue} {standing} {error}")?,
                Output::Json => writeln!(out, "{line}")?,
            }
        }
        return Ok(match (all("done"), dead) {
            (true, _) => Exit::Yes,
            (_, true) => Exit::No,
            _ => Exit::CouldNotTell,
        });
    }
}

/// As long as a notification may take (10 s), and once more after a failure.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);
