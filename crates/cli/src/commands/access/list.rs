//! `lucarne access list`: what was issued, and whether it is still good.

use std::io::Write;
use std::path::PathBuf;

use lucarne_gateway::export::timestamp::rfc3339;
use serde_json::json;

use super::issued;
use crate::failure::{Exit, Failure};

/// List the certificates that were issued
///
/// Example: lucarne access list --issued issued.jsonl
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The list of what was issued
    #[arg(long, value_name = "FILE")]
    issued: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Output {
    /// Lines
    Text,
    /// One JSON document
    Json,
}

/// Runs the command.
///
/// # Errors
/// When the list cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let entries = issued::read(&args.issued)?;
    if args.output == Output::Json {
        let list: Vec<_> = (entries.values())
            .map(|entry| json!({ "state": entry.state(), "certificate": entry }))
            .collect();
        serde_json::to_writer_pretty(&mut *out, &list).map_err(std::io::Error::from)?;
        return writeln!(out).map(|()| Exit::Yes).map_err(Failure::from);
    }
    for entry in entries.values() {
        let until = rfc3339(entry.not_after.saturating_mul(1_000_000_000));
        let why = entry.revoked.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        let (state, holder, role) = (entry.state(), &entry.holder, &entry.role);
        writeln!(out, "{} {state:<8} {holder} as {role}, until {until}{why}", entry.serial)?;
    }
    Ok(Exit::Yes)
}
