//! `lucarne baseline retire`: a version that may not run any more.

use std::io::Write;

use lucarne_attest::Time;
use lucarne_attest::baseline::{Retirement, retirement_message};

use super::{File, Person, now};
use crate::failure::{Exit, Failure};

/// Say that a version may not run any more, and why
///
/// The version stays in the file: what it did before is still judged by the time when it did it.
/// There is no way back; propose the same registers under a new name.
///
/// Example: lucarne baseline retire v1.2.3 --reason "leaks the request body" --by alice --key
/// alice.key
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the version
    version: String,
    #[command(flatten)]
    file: File,
    /// Why
    #[arg(long)]
    reason: String,
    /// From when on, such as 2026-11-21T08:00:00Z; now, if not given
    #[arg(long, value_name = "RFC3339")]
    since: Option<Time>,
    #[command(flatten)]
    person: Person,
}

/// Runs the command.
///
/// # Errors
/// When the version is retired already.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let at = args.since.unwrap_or_else(now);
    args.file.edit(&args.version, |version| {
        if let Some(retired) = &version.retirement {
            let text = format!("{} is retired since {}", args.version, retired.at);
            return Err(Failure::new(Exit::No, text));
        }
        let (by, reason) = (args.person.by.clone(), args.reason.clone());
        let message = retirement_message(&version.entry.digest(), &by, at, &reason);
        let signed = args.person.sign(&message)?;
        let (key, signature) = (signed.key, signed.signature);
        version.retirement = Some(Retirement { reason, by, key, at, signature });
        Ok(())
    })?;
    writeln!(out, "retired {} since {at}", args.version)?;
    Ok(Exit::Yes)
}
