//! `lucarne triage simulate`: the verdict on one guard trip, with its reasons.
//!
//! The figures are taken as a source would write them, so that what is absurd can be tried too.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lucarne_desk::policy::{FILE_BYTES_MAX, Policy, Profile, Verdict};
use lucarne_desk::signal::{Misses, Risk, Status};
use lucarne_desk::simulation::{Simulation, simulate};
use lucarne_desk::triage::{Fleet, Inputs};
use serde_json::json;

use crate::failure::{Exit, Failure};

/// Decide a guard trip as if it came now: verdict, rule, actions and reasons
///
/// Nothing is opened, done or stored. --profile is the name of a policy that is shipped or the path
/// of a file. A risk or a count that is absent or absurd is tried as it is.
///
/// Exit codes: 0 legitimate; 1 false positive, suppressed, resolved or ignored; 2 a person must
/// look, or the policy has no row for it; 3 the policy is wrong; 4 it cannot be read.
///
/// Example: lucarne triage simulate --risk 0.6 --misses 4
///
/// Example: lucarne triage simulate --risk 0.8 --misses 0 --profile provability-playbook-v1
/// --output json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The risk score, from 0 to 1 [default: missing]
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    risk: Option<String>,
    /// Heartbeats missed in a row [default: missing]
    #[arg(long, value_name = "M", allow_hyphen_values = true)]
    misses: Option<String>,
    /// A policy that is shipped, or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "responder-default-v1")]
    profile: String,
    /// Whether the signal still holds
    #[arg(long, value_enum, default_value = "firing")]
    status: Word,
    /// Planned work is in scope
    #[arg(long)]
    maintenance: bool,
    /// So many capsules of the fleet miss beats at once, as 7/20
    #[arg(long, value_name = "N/FLEET")]
    network: Option<String>,
    /// How to print it
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    Firing,
    Resolved,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the policy cannot be read or is wrong, or the result cannot be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let policy = policy(&args.profile)?;
    let inputs = Inputs {
        status: match args.status {
            Word::Firing => Status::Firing,
            Word::Resolved => Status::Resolved,
        },
        maintenance: args.maintenance.then(|| "simulated".to_owned()),
        network: args.network.as_deref().map(fleet).transpose()?,
        ..Inputs::scored(Risk::parse(args.risk.as_deref()), Misses::parse(args.misses.as_deref()))
    };
    let simulation = simulate(&policy, &inputs);
    match args.output {
        Output::Text => write_text(&policy, &simulation, out)?,
        Output::Json => writeln!(out, "{}", as_json(&policy, &inputs, &simulation))?,
    }
    Ok(exit(simulation.ruling.verdict))
}

const fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Legitimate => Exit::Yes,
        Verdict::FalsePositive
        | Verdict::Suppressed
        | Verdict::Duplicate
        | Verdict::Resolved
        | Verdict::Ignored => Exit::No,
        Verdict::Investigate | Verdict::Undecided => Exit::CouldNotTell,
    }
}

fn policy(name: &str) -> Result<Policy, Failure> {
    if let Some(shipped) = Profile::ALL.into_iter().find(|profile| profile.as_str() == name) {
        return Ok(Policy::shipped(shipped));
    }
    let path = PathBuf::from(name);
    let text = read(&path)?;
    Policy::parse(&text).map_err(|error| Failure::usage(format!("{name}: {error}")))
}

fn read(path: &Path) -> Result<String, Failure> {
    let names = Profile::ALL.map(Profile::as_str).join(", ");
    let unreadable = |error: std::io::Error| {
        Failure::unreadable(&format!("read {}", path.display()), &error)
            .hint(format!("policies that are shipped: {names}"))
    };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX as u64 {
        let said =
            format!("{} has {length} bytes, a policy at most {FILE_BYTES_MAX}", path.display());
        return Err(Failure::usage(said));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn fleet(text: &str) -> Result<Fleet, Failure> {
    let parsed = text.split_once('/').and_then(|(missing, of)| {
        Some(Fleet { missing: missing.parse().ok()?, of: of.parse().ok()? })
    });
    let sound = parsed.filter(|fleet| fleet.missing <= fleet.of);
    sound.ok_or_else(|| Failure::usage(format!("--network is N/FLEET such as 7/20, not {text}")))
}

fn actions(simulation: &Simulation) -> Vec<&'static str> {
    simulation.ruling.actions.iter().map(|action| action.as_str()).collect()
}

fn write_text(
    policy: &Policy,
    simulation: &Simulation,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let ruling = &simulation.ruling;
    let cause = ruling.cause.map_or(String::new(), |cause| format!(" ({})", cause.as_str()));
    let rule = |rule: &Option<_>| match rule {
        Some(rule) => format!("{rule}"),
        None => "none".to_owned(),
    };
    let actions = actions(simulation);
    let actions = if actions.is_empty() { "none".to_owned() } else { actions.join(", ") };
    writeln!(out, "verdict         {}{cause}", ruling.verdict)?;
    writeln!(out, "rule            {}", rule(&ruling.rule))?;
    writeln!(out, "actions         {actions}")?;
    writeln!(out, "confidence      {}", ruling.confidence.as_str())?;
    writeln!(out, "otherwise       {}", rule(&ruling.next_best))?;
    let unknown = "unknown";
    let likelihood = simulation.risk.map_or(unknown, |band| band.false_positive());
    let step = simulation.risk.map_or(unknown, |band| band.first_step());
    let beats = simulation.beats.map_or(unknown, |band| band.as_str());
    writeln!(out, "false positive  {likelihood}")?;
    writeln!(out, "playbook says   {step}")?;
    writeln!(out, "heartbeats      {beats}")?;
    writeln!(out, "policy          {} {}", policy.name(), policy.digest())?;
    for line in &ruling.lines {
        writeln!(out, "because         {line}")?;
    }
    Ok(())
}

fn as_json(policy: &Policy, inputs: &Inputs, simulation: &Simulation) -> serde_json::Value {
    let ruling = &simulation.ruling;
    json!({
        "version": 1,
        "verdict": ruling.verdict.as_str(),
        "cause": ruling.cause.map(|cause| cause.as_str()),
        "rule": ruling.rule.as_ref().map(|rule| rule.as_str()),
        "actions": actions(simulation),
        "confidence": ruling.confidence.as_str(),
        "next_best": ruling.next_best.as_ref().map(|rule| rule.as_str()),
        "false_positive_likelihood": simulation.risk.map(|band| band.false_positive()),
        "playbook_step": simulation.risk.map(|band| band.first_step()),
        "heartbeat_band": simulation.beats.map(|band| band.as_str()),
        "policy": policy.name(),
        "policy_sha256": policy.digest().to_string(),
        "inputs": inputs,
        "reasons": ruling.lines,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn said(line: &str) -> (Exit, String) {
        let words = std::iter::once("simulate").chain(line.split_whitespace());
        let mut out = Vec::new();
        let exit = run(&Line::parse_from(words).args, &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_verdict_comes_with_its_reasons() {
        let (exit, text) = said("--risk 0.6 --misses 4");
        let digest = Policy::shipped(Profile::ResponderDefault).digest();
        assert_eq!(exit, Exit::Yes);
        assert_eq!(
            text,
            format!(
                "verdict         legitimate (security)\n\
                 rule            D6\n\
                 actions         rollback, page\n\
                 confidence      medium\n\
                 otherwise       none\n\
                 false positive  Low\n\
                 playbook says   Investigate\n\
                 heartbeats      Suspicious activity\n\
                 policy          responder-default-v1 {digest}\n\
                 because         D6: medium risk with missed beats\n\
                 because         risk 0.6 is medium, from 0.5 to below 0.8\n\
                 because         4 missed beats, from 3 to below 5\n\
                 because         no change in scope in the last 60 min\n"
            )
        );
    }

    #[test]
    fn each_verdict_has_its_exit_code() {
        for (line, exit, rule) in [
            ("--risk 0.95 --misses 5", Exit::Yes, "\"D5\""),
            ("--risk 0.95 --misses 5 --status resolved", Exit::No, "\"D2\""),
            ("--risk 0.95 --misses 5 --maintenance", Exit::Yes, "\"D5\""),
            ("--risk 0.2 --misses 1 --maintenance", Exit::No, "\"D11\""),
            ("--risk 0.3 --misses 6 --network 7/20", Exit::No, "\"D4\""),
            ("--misses 4", Exit::CouldNotTell, "\"D1\""),
            ("--risk -0.1 --misses 0", Exit::CouldNotTell, "\"D1\""),
            ("--risk 0.3 --misses 4", Exit::CouldNotTell, "\"D9\""),
            ("--risk 0.8 --misses 0 --profile provability-playbook-v1", Exit::No, "\"P2\""),
            ("--misses 0 --profile provability-playbook-v1", Exit::CouldNotTell, "null"),
            ("--risk 0.3 --misses 3 --profile provability-bot-v1", Exit::Yes, "\"B3\""),
        ] {
            let (found, text) = said(&format!("{line} --output json"));
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((found, json["rule"].to_string().as_str()), (exit, rule), "{line}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_used_is_refused() {
        let refused = |profile: &str| {
            let line = Line::parse_from(["simulate", "--profile", profile]);
            run(&line.args, &mut Vec::new()).unwrap_err()
        };
        assert_eq!(refused("no-such-policy").exit(), Exit::Unreadable);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        std::fs::write(&path, "policy: x\nrisk: high\n").unwrap();
        let failure = refused(&path.display().to_string());
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.text(false).contains("line 2, column 1"), "{}", failure.text(false));
        assert_eq!(fleet("8/7").unwrap_err().exit(), Exit::Usage);
    }
}
