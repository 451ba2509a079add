//! `lucarne triage`: what the desk would say, before it has to. One file a verb.

mod explain;
mod probe;
mod simulate;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// Ask a policy what it would decide, and the desk why it did
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Simulate(simulate::Args),
    Explain(explain::Args),
    Probe(probe::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the policy or the desk cannot be read, or the result not be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Simulate(args) => simulate::run(args, &mut std::io::stdout().lock()),
        Verb::Explain(args) => explain::run(args, &mut std::io::stdout().lock()),
        Verb::Probe(args) => probe::run(args, &mut std::io::stdout().lock()),
    }
}
