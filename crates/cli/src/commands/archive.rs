//! `lucarne archive`: what is done to an archive rather than found out about it. One file a verb.

pub mod access;
pub(in crate::commands) mod bucket;
pub mod check;
pub mod erase;
pub mod hold;
pub mod policy;
pub mod pull;
pub mod withhold;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// Withhold or erase records of an archive by order, hold what must stay, check and copy a bucket
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Withhold(withhold::Args),
    Erase(erase::Args),
    Hold(hold::Args),
    Check(check::Args),
    Pull(pull::Args),
    Policy(policy::Args),
    Access(access::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When the command line is wrong, or something cannot be read or written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Withhold(args) => withhold::run(args),
        Verb::Erase(args) => erase::run(args),
        Verb::Hold(args) => hold::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Pull(args) => pull::run(args),
        Verb::Policy(args) => policy::run(args),
        Verb::Access(args) => access::run(args),
    }
}
