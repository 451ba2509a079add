//! `lucarne baseline list`: every version and what it is at a time.

use std::io::Write;
use std::path::PathBuf;

use lucarne_attest::Time;
use lucarne_attest::baseline::{Approvers, Version};
use lucarne_gateway::policy;
use lucarne_ledger::hash::to_hex;
use serde_json::{Value, json};

use super::{File, now};
use crate::failure::{Exit, Failure};

/// List every version with its window, who approved it, and what it is now
///
/// Whether a version is authorised depends on whose approval counts, which the policy says. Without
/// one the signatures are shown, and that they hold, and nothing is called authorised.
///
/// Example: lucarne baseline list --policy audit-policy.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: File,
    /// The policy that names the approvers (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Judge at this time, such as 2026-11-21T08:00:00Z; now, if not given
    #[arg(long, value_name = "RFC3339", requires = "policy")]
    at: Option<Time>,
    /// For people, or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Output {
    /// Lines
    Text,
    /// One JSON document
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the file or the policy cannot be read, or the policy names no approvers.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let baseline = args.file.read()?;
    let approvers = args.policy.as_deref().map(approvers).transpose()?;
    let judge = approvers.as_ref().map(|approvers| (approvers, args.at.unwrap_or_else(now)));
    if args.output == Output::Json {
        let all: Vec<Value> =
            baseline.versions().iter().map(|version| as_json(version, judge)).collect();
        serde_json::to_writer_pretty(&mut *out, &json!({ "versions": all }))
            .map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        baseline.versions().iter().try_for_each(|version| as_text(version, judge, out))?;
    }
    Ok(Exit::Yes)
}

fn approvers(path: &std::path::Path) -> Result<Approvers, Failure> {
    let policy = policy::read(path).map_err(|error| Failure::usage(error.to_string()))?;
    policy.authority.map(|authority| authority.approvers).ok_or_else(|| {
        Failure::usage(format!("{} names no baseline", path.display()))
            .hint("add `measurements: { baseline: baseline.yaml, approvers: [...] }`")
    })
}

type Judge<'a> = Option<(&'a Approvers, Time)>;

fn as_text(version: &Version, judge: Judge<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let entry = &version.entry;
    match judge {
        Some((approvers, at)) => writeln!(out, "{}", version.standing(approvers, at))?,
        None => writeln!(out, "{}, approvers not judged without a policy", entry.version)?,
    }
    let until = entry.valid_until.map(|until| format!(" until {until}")).unwrap_or_default();
    writeln!(out, "  from {}{until}", entry.valid_from)?;
    let texts = [
        ("deployment", &entry.deployment),
        ("change", &entry.change),
        ("commit", &entry.git_commit),
        ("build", &entry.build_digest),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            writeln!(out, "  {key} {text}")?;
        }
    }
    for (index, value) in entry.any_of.iter().flatten() {
        writeln!(out, "  PCR{index} {value}")?;
    }
    for one in &version.approvals {
        let counts = judge.is_none_or(|(approvers, _)| approvers.include(one));
        let counts = if counts { "" } else { ", who does not count" };
        writeln!(out, "  approved by {} at {}, key {}{counts}", one.by, one.at, to_hex(&one.key))?;
    }
    let Some(retired) = &version.retirement else { return Ok(()) };
    writeln!(out, "  retired by {} since {}: {}", retired.by, retired.at, retired.reason)
}

fn as_json(version: &Version, judge: Judge<'_>) -> Value {
    let entry = &version.entry;
    let standing = judge.map(|(approvers, at)| version.standing(approvers, at));
    let sets = entry.any_of.iter().map(|registers| {
        let pairs = registers.iter().map(|(index, value)| (index.to_string(), value.to_string()));
        Value::Object(pairs.map(|(index, value)| (index, Value::String(value))).collect())
    });
    let approvals = version.approvals.iter().map(|one| {
        let counts = judge.map(|(approvers, _)| approvers.include(one));
        json!({
            "by": one.by,
            "ed25519": to_hex(&one.key),
            "at": one.at.to_string(),
            "counts": counts,
        })
    });
    let retired = version.retirement.as_ref().map(|retired| {
        json!({ "by": retired.by, "at": retired.at.to_string(), "reason": retired.reason })
    });
    json!({
        "version": entry.version,
        "standing": standing.as_ref().map(|standing| standing.as_str()),
        "detail": standing.as_ref().map(ToString::to_string),
        "entry": entry.digest().to_string(),
        "valid_from": entry.valid_from.to_string(),
        "valid_until": entry.valid_until.map(|until| until.to_string()),
        "deployment": entry.deployment,
        "change": entry.change,
        "git_commit": entry.git_commit,
        "build_digest": entry.build_digest,
        "any_of": sets.collect::<Vec<_>>(),
        "approvals": approvals.collect::<Vec<_>>(),
        "retired": retired,
    })
}
