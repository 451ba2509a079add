//! `lucarne audit`: what an archive is worth. One file a verb; what they share lies beside them.

pub mod show;
pub mod verify;

mod catalogue;
mod epochs;
mod json;
mod reading;
mod record;
mod text;

use std::path::PathBuf;

use clap::Subcommand;
use lucarne_ledger::identity::{EpochId, Instance, LedgerKind};

use crate::failure::{Exit, Failure};

/// Verify an archive, or show a record of it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Verify(verify::Args),
    Show(show::Args),
}

/// Where the archive is, and which part of it matters.
#[derive(Clone, Debug, clap::Args)]
struct Place {
    /// The archive: a directory, or a copy of one
    #[arg(long, value_name = "DIR")]
    records_dir: PathBuf,
    /// What to trust: roots, measurements, keys (audit-policy.yaml)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Look at this ledger only: audit or telemetry
    #[arg(long)]
    ledger: Option<LedgerKind>,
    /// Look at this instance only
    #[arg(long)]
    instance: Option<Instance>,
    /// Look at this epoch only (32 hex digits)
    #[arg(long)]
    epoch: Option<EpochId>,
}

/// Runs the chosen verb.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read.
pub fn run(args: Args) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Verify(args) => verify::run(&args),
        Verb::Show(args) => show::run(&args),
    }
}
