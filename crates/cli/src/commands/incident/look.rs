//! What is to be seen of incidents.

use std::io::Write;
use std::time::{Duration, Instant};

use lucarne_desk::report::utc;
use serde_json::Value;

use crate::desk_client::{Desk, DeskAt, Output, span};
use crate::failure::{Exit, Failure};

/// List incidents, the newest first
///
/// The exit code speaks of all of them, also of those that are not printed.
///
/// Exit codes: 0 none is open that pages; 1 at least one is; 4 the desk cannot be reached.
///
/// Example: lucarne incident list --limit 20
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// So many at most
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
    /// Only of this kind, such as `audit_integrity`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Wait until there is one that is not over, for so long at most
    #[arg(long, value_name = "SPAN", value_parser = span)]
    wait: Option<u64>,
    #[command(flatten)]
    at: DeskAt,
}

/// Show an incident
///
/// Example: lucarne incident show INC-1
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// Its name
    #[arg(value_name = "INC")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Show every entry of an incident, with who and why
///
/// Example: lucarne incident timeline INC-1
#[derive(Debug, clap::Args)]
pub(super) struct Timeline {
    /// Its name
    #[arg(value_name = "INC")]
    id: String,
    #[command(flatten)]
    at: DeskAt,
}

pub(super) fn list(args: &List, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let (began, patience) = (Instant::now(), Duration::from_millis(args.wait.unwrap_or(0)));
    let mut incidents = loop {
        let found = listed(&desk, args)?;
        if found.iter().any(is_open) || began.elapsed() >= patience {
            break found;
        }
        std::thread::park_timeout(LOOK);
    };
    let exit = if incidents.iter().any(needs_somebody) { Exit::No } else { Exit::Yes };
    incidents.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if args.at.output == Output::Json {
        writeln!(out, "{}", Value::from(incidents.clone()))?;
    } else {
        for view in &incidents {
            writeln!(out, "{}", line(view))?;
        }
        if incidents.is_empty() {
            writeln!(out, "no incidents")?;
        }
    }
    Ok(exit)
}

// All of the kind, page by page.
fn listed(desk: &Desk, args: &List) -> Result<Vec<Value>, Failure> {
    let wanted =
        |view: &Value| args.kind.as_ref().is_none_or(|kind| view["incident"]["kind"] == **kind);
    let (mut all, mut below) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("/v1/incidents?limit={PAGE}{below}"))?;
        let page = page.as_array().cloned().unwrap_or_default();
        let (last, whole) = (page.last().map(|view| view["incident"]["id"].clone()), page.len());
        all.extend(page.into_iter().filter(wanted));
        match last {
            Some(last) if whole >= PAGE => below = format!("&below={last}"),
            _ => return Ok(all),
        }
    }
}

fn needs_somebody(view: &Value) -> bool {
    view["incident"]["pages"] == true && is_open(view)
}

fn is_open(view: &Value) -> bool {
    let over =
        ["resolved", "in_review", "closed", "false_positive", "suppressed", "merged", "cancelled"];
    let phase = view["incident"]["phase"].as_str().unwrap_or_default();
    !over.contains(&phase)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

fn line(view: &Value) -> String {
    let incident = &view["incident"];
    let opened = incident["opened"]["wall_ms"].as_u64().map_or_else(String::new, utc);
    let held = if view["held"] == true { ", held" } else { "" };
    format!(
        "{:8} {} {} {} {} ({}) {}, {} signals{held}",
        text(&view["name"]),
        opened,
        text(&incident["severity"]),
        text(&incident["kind"]),
        text(&incident["verdict"]),
        text(&incident["rule"]),
        text(&incident["phase"]),
        incident["signals"],
    )
}

pub(super) fn show(args: &One, out: &mut dyn Write) -> Result<Exit, Failure> {
    let view = args.at.open()?.get(&format!("/v1/incidents/{}", args.id))?;
    if args.at.output == Output::Json {
        writeln!(out, "{view}")?;
        return Ok(Exit::Yes);
    }
    let incident = &view["incident"];
    writeln!(out, "{}", line(&view))?;
    for (name, value) in incident["labels"].as_object().into_iter().flatten() {
        writeln!(out, "label     {name}={}", text(value))?;
    }
    let acked = text(&incident["acked"][0]);
    writeln!(out, "in hand   {acked}")?;
    writeln!(out, "told      {}", names(&incident["told"]))?;
    writeln!(out, "evidence  {}", names(&incident["evidence"]))?;
    writeln!(out, "sealed    {}", text(&incident["sealed"]))?;
    for (name, check) in incident["checks"].as_object().into_iter().flatten() {
        let green = if check["green_since"].is_null() { "not green" } else { "green" };
        writeln!(out, "check     {name}: {green}")?;
    }
    Ok(Exit::Yes)
}

fn names(value: &Value) -> String {
    let names: Vec<&str> = value.as_array().into_iter().flatten().map(text).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

pub(super) fn timeline(args: &Timeline, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    if args.at.output == Output::Json {
        let mut from = 0;
        loop {
            let path = format!("/v1/incidents/{}/timeline?from={from}&limit=500", args.id);
            let entries = desk.get(&path)?;
            let entries = entries.as_array().map_or(&[][..], Vec::as_slice);
            for entry in entries {
                writeln!(out, "{entry}")?;
                from = entry["seq"].as_u64().unwrap_or(from).saturating_add(1);
            }
            if entries.is_empty() {
                return Ok(Exit::Yes);
            }
        }
    }
    let report = desk.get(&format!("/v1/incidents/{}/report", args.id))?;
    for line in report["report"]["timeline"].as_array().into_iter().flatten() {
        let at = line["at_ms"].as_u64().map_or_else(String::new, utc);
        let cause = line["cause"].as_u64().map_or_else(String::new, |seq| format!(" from {seq}"));
        let (by, told) = (text(&line["by"]), text(&line["text"]));
        writeln!(out, "{at} {}{cause} {by}: {told}", line["seq"])?;
    }
    Ok(Exit::Yes)
}

/// The most that the desk gives at once.
const PAGE: usize = 1000;
/// Often enough for somebody who waits.
const LOOK: Duration = Duration::from_millis(200);
