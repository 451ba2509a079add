//! `lucarne drill`: an incident on purpose, and a table top that ends in a signed report.

mod play;
mod tabletop;

use clap::Subcommand;

pub(in crate::commands) use self::play::passed_note;
use crate::failure::{Exit, Failure};

/// Rehearse incidents
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(play::Args),
    Tabletop(tabletop::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the desk refuses or cannot be reached, or a file cannot be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Run(args) => play::run(args, &mut out),
        Verb::Tabletop(args) => tabletop::run(args, &mut std::io::stdin().lock(), &mut out),
    }
}
