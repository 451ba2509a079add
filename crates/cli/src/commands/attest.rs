//! `lucarne attest`: what a piece of evidence says, and whether it may be believed. One file a
//! verb; evidence of each kind lies beside them, with the same functions for each.

pub mod export_key;
pub mod show;
pub mod verify;

mod ear;
mod evidence;
pub(in crate::commands) mod expected;
mod judging;
mod nitro;
mod policy;
mod registers;
mod snp;
mod tdx;
mod text;
mod verdict;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// Show or verify evidence of a TEE, without any server
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(show::Args),
    Verify(verify::Args),
    ExportKey(export_key::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the command line or the policy is wrong, or something cannot be read.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Show(args) => show::run(args, &mut out),
        Verb::Verify(args) => verify::run(args, &mut out),
        Verb::ExportKey(args) => export_key::run(args),
    }
}

/// What to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Output {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}
