//! `lucarne policy`: by what the desk decides, and how that is changed by two people.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use lucarne_desk::policy::{FILE_BYTES_MAX, Policy};
use serde_json::{Value, json};

use crate::desk_client::{DeskAt, Output, span};
use crate::failure::{Exit, Failure};

/// See, try, propose and approve the policy of the desk
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(Show),
    Propose(Propose),
    BackTest(BackTest),
    Approve(Approve),
    Revert(Revert),
}

/// Show the policy that holds, and those that wait for people
///
/// Example: lucarne policy show
#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    at: DeskAt,
}

/// Propose another policy, or another threshold, for a while or for good
///
/// Nothing changes until as many people agree as the action `change_policy` of the policy that
/// holds says; who proposes is not among them.
///
/// Example: lucarne policy propose --high 0.9 --for 2h --reason "false positives since 09:00"
///
/// Example: lucarne policy propose --high 0.85 --reason "back-tested over a week"
#[derive(Debug, clap::Args)]
struct Propose {
    #[command(flatten)]
    text: Text,
    /// For how long [default: for good]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    for_ms: Option<u64>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Show which recorded decisions would have been others
///
/// Reads the desk's log and runs its inputs again. Nothing is changed.
///
/// Exit codes: 0 none would differ; 1 at least one would; 3 the policy is wrong.
///
/// Example: lucarne policy back-test --high 0.85
#[derive(Debug, clap::Args)]
struct BackTest {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    at: DeskAt,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Text {
    /// The policy that holds, with this threshold for a high risk
    #[arg(long, value_name = "R")]
    high: Option<f64>,
    /// A whole policy
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Agree to a proposal
///
/// Example: lucarne policy approve SHA256
#[derive(Debug, clap::Args)]
struct Approve {
    /// The digest of the policy, as `policy show` prints it
    #[arg(value_name = "SHA256")]
    policy: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Go back to the policy that held before
///
/// Example: lucarne policy revert --reason "it hides what is real"
#[derive(Debug, clap::Args)]
struct Revert {
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: DeskAt,
}

/// Runs the chosen verb.
///
/// # Errors
/// When the desk refuses or cannot be reached, or a policy is wrong.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Show(args) => show(args, &mut out),
        Verb::Propose(args) => propose(args, &mut out),
        Verb::BackTest(args) => back_test(args, &mut out),
        Verb::Approve(args) => {
            let path = format!("/v1/policies/{}/approve", args.policy);
            let answer = args.at.open()?.post(&path, &json!({}))?;
            recorded(&args.at, &answer, &mut out)
        }
        Verb::Revert(args) => {
            let body = json!({ "reason": args.reason });
            let answer = args.at.open()?.post("/v1/policies/revert", &body)?;
            recorded(&args.at, &answer, &mut out)
        }
    }
}

fn recorded(at: &DeskAt, answer: &Value, out: &mut dyn Write) -> Result<Exit, Failure> {
    match at.output {
        Output::Text => writeln!(out, "recorded as entry {}", answer["entry"])?,
        Output::Json => writeln!(out, "{answer}")?,
    }
    Ok(Exit::Yes)
}

fn show(args: &Show, out: &mut dyn Write) -> Result<Exit, Failure> {
    let found = args.at.open()?.get("/v1/policies")?;
    if args.at.output == Output::Json {
        writeln!(out, "{found}")?;
        return Ok(Exit::Yes);
    }
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    writeln!(out, "holds     {} {}", text(&found["name"]), text(&found["policy"]))?;
    writeln!(out, "high      from {}", found["high"])?;
    if let Some(left_ms) = found["left_ms"].as_u64() {
        writeln!(out, "for       {} s more", left_ms / 1000)?;
    }
    for one in found["proposals"].as_array().into_iter().flatten() {
        let (by, why) = (text(&one["by"]), text(&one["reason"]));
        let agreed = one["granted"].as_array().map_or(0, Vec::len);
        let digest = text(&one["policy"]);
        writeln!(out, "proposed  {digest} by {by}, {agreed} of {}: {why}", one["quorum"]["n"])?;
    }
    Ok(Exit::Yes)
}

fn propose(args: &Propose, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut body = json!({ "reason": args.reason });
    if let Some(for_ms) = args.for_ms {
        body["for_ms"] = json!(for_ms);
    }
    if let Some(high) = args.text.high {
        body["high"] = json!(high);
    }
    if let Some(path) = &args.text.file {
        body["source"] = json!(read(path)?.source());
    }
    let desk = args.at.open()?;
    let answer = desk.post("/v1/policies", &body)?;
    if args.at.output == Output::Json {
        return recorded(&args.at, &answer, out);
    }
    recorded(&args.at, &answer, out)?;
    show(&Show { at: args.at.clone() }, out)
}

fn read(path: &Path) -> Result<Policy, Failure> {
    let what = format!("read {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::unreadable(&what, &cause))?;
    if text.len() > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{what}: a policy has at most {FILE_BYTES_MAX} bytes")));
    }
    Policy::parse(&text).map_err(|cause| Failure::because(Exit::Usage, &what, &cause))
}

fn back_test(args: &BackTest, out: &mut dyn Write) -> Result<Exit, Failure> {
    let desk = args.at.open()?;
    let policy = match (&args.text.high, &args.text.file) {
        (_, Some(path)) => read(path)?,
        (high, None) => {
            let holds = desk.get("/v1/policies")?;
            let source = holds["source"].as_str().unwrap_or_default();
            let policy = Policy::parse(source)
                .map_err(|cause| Failure::because(Exit::No, "read the desk's policy", &cause))?;
            let high = high.and_then(lucarne_desk::number::Number::new);
            let high = high.ok_or_else(|| Failure::usage("--high is a number"))?;
            policy
                .with_high(high)
                .map_err(|cause| Failure::because(Exit::Usage, "--high", &cause))?
        }
    };
    let mut entries = Vec::new();
    loop {
        let next = desk.get(&format!("/v1/entries?from={}&limit=1000", entries.len()))?;
        let next: Vec<lucarne_desk::event::Entry> = serde_json::from_value(next)
            .map_err(|cause| Failure::because(Exit::No, "read the desk's log", &cause))?;
        if next.is_empty() {
            break;
        }
        entries.extend(next);
        if entries.len() > ENTRIES_MAX {
            return Err(Failure::new(Exit::CouldNotTell, "the log is too long to run again here"));
        }
    }
    let differences = lucarne_desk::log::replay(&entries, &policy);
    for one in &differences {
        let said = |said: &[lucarne_desk::log::Said]| {
            let said = said.iter().map(|one| {
                let rule = one.rule.as_ref().map_or("none", |rule| rule.as_str());
                format!("{} ({rule})", one.verdict)
            });
            let said: Vec<String> = said.collect();
            if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
        };
        let (was, now) = (said(&one.was), said(&one.now));
        match args.at.output {
            Output::Text => writeln!(out, "{:?}: {was} would be {now}", one.signal)?,
            Output::Json => {
                let line = json!({ "signal": one.signal, "was": was, "would_be": now });
                writeln!(out, "{line}")?;
            }
        }
    }
    if args.at.output == Output::Text {
        let (count, of) = (differences.len(), entries.len());
        writeln!(out, "{count} signals of {of} entries would be decided otherwise")?;
    }
    Ok(if differences.is_empty() { Exit::Yes } else { Exit::No })
}

/// Some 500 MiB of entries in memory.
const ENTRIES_MAX: usize = 500_000;
