//! `lucarne baseline export`: a version as the file that current evidence is compared with.

use std::io::Write;

use super::File;
use super::expected::Expected;
use crate::failure::{Exit, Failure};

/// Print what evidence of a version is expected to show, as expected-attestation.json
///
/// Example: lucarne baseline export --expected v1.2.3 > expected-attestation.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the version
    #[arg(long, value_name = "VERSION")]
    expected: String,
    /// Which of its sets of registers, counted from 1
    #[arg(long, value_name = "N", default_value = "1")]
    set: usize,
    #[command(flatten)]
    file: File,
}

/// Runs the command.
///
/// # Errors
/// When there is no such version or no such set.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let entry = args.file.version(&args.expected)?.entry;
    let sets = entry.any_of.len();
    let set = args.set.checked_sub(1).and_then(|index| entry.any_of.get(index));
    let Some(pcrs) = set.cloned() else {
        return Err(Failure::usage(format!("{} has {sets} sets of registers", args.expected)));
    };
    Expected { pcrs, deployment: entry.deployment }.print(out)?;
    Ok(Exit::Yes)
}
