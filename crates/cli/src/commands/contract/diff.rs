//! `lucarne contract diff`: what a new contract would let leave that the old one does not.

use std::io::Write;
use std::path::PathBuf;

use super::contract;
use crate::failure::{Exit, Failure};

/// Show what would newly leave with contract B instead of contract A
///
/// Patterns are compared as languages, not as texts: two that admit the same texts are the same,
/// and a wider one is shown with the shortest text that leaves anew.
///
/// Exit codes: 0 nothing would newly leave; 1 something would.
///
/// Example: lucarne contract diff contract-1.yaml contract-2.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The contract in force, or `default`
    pub(super) a: PathBuf,
    /// The new one
    pub(super) b: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a contract cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (before, after) = (contract(&args.a)?, contract(&args.b)?);
    let found = after.newly_leaving(&before).map_err(|error| Failure::bug(error.to_string()))?;
    for one in &found {
        match &one.example {
            Some(example) => {
                let example = serde_json::Value::from(example.as_str());
                writeln!(out, "{}: {}, such as {example}", one.path, one.what)?;
            }
            None => writeln!(out, "{}: {}", one.path, one.what)?,
        }
    }
    if found.is_empty() {
        writeln!(out, "nothing would newly leave")?;
        return Ok(Exit::Yes);
    }
    Ok(Exit::No)
}
