//! `lucarne triage`: what the desk would say, before it has to. One file a verb.

mod simulate;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// Ask a policy what it would decide
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Simulate(simulate::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the policy cannot be read, or the result not be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Simulate(args) => simulate::run(args, &mut std::io::stdout().lock()),
    }
}
