//! `lucarne audit`: what an archive is worth. One file a verb; what they share lies beside them.

pub mod check_proof;
pub mod diff;
pub mod explain;
pub mod export;
pub mod import_json;
pub mod inflight;
pub mod prove;
pub mod show;
pub mod timestamp;
pub mod verify;
pub mod versions;
pub mod watch;

mod catalogue;
pub(in crate::commands) mod epochs;
mod erasures;
mod json;
mod json_objects;
mod junit;
mod outcome;
mod part;
mod payloads;
mod pinned;
mod reading;
mod record;
pub(in crate::commands) mod register_log;
mod sarif;
mod since;
mod stamps;
mod text;
mod trust;

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
    Prove(prove::Args),
    CheckProof(check_proof::Args),
    Export(export::Args),
    ImportJson(import_json::Args),
    Timestamp(timestamp::Args),
    CheckTimestamp(timestamp::CheckArgs),
    Diff(diff::Args),
    Explain(explain::Args),
    Versions(versions::Args),
    Watch(watch::Args),
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
    #[command(flatten)]
    wanted: Wanted,
}

/// Which ledgers of an archive matter.
#[derive(Clone, Debug, Default, clap::Args)]
struct Wanted {
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

impl Wanted {
    /// Whether a ledger matters, or an epoch when no ledger is named.
    fn takes(&self, instance: &Instance, epoch: EpochId, ledger: Option<LedgerKind>) -> bool {
        self.instance.as_ref().is_none_or(|only| only == instance)
            && self.epoch.is_none_or(|only| only == epoch)
            && (ledger.is_none() || self.ledger.is_none() || self.ledger == ledger)
    }
}

/// Runs the chosen verb.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read.
pub fn run(args: Args) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Verify(args) => verify::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Prove(args) => prove::run(&args),
        Verb::CheckProof(args) => check_proof::run(&args),
        Verb::Export(args) => export::run(&args),
        Verb::ImportJson(args) => import_json::run(&args),
        Verb::Timestamp(args) => timestamp::run(&args),
        Verb::CheckTimestamp(args) => timestamp::check(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Versions(args) => versions::run(&args),
        Verb::Watch(args) => watch::run(&args),
    }
}
