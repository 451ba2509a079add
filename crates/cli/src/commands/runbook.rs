//! `lucarne runbook`: what a runbook is, would do, and who has signed it.
//!
//! A signature is over the digest of the text, in a file beside the runbook, so that any edit makes
//! it stale. Whose keys count for which role is said by a file of the site.

mod approve;
mod follow;
mod live;
mod read;
#[cfg(test)]
mod tests;

use clap::Subcommand;

pub(in crate::commands) use self::approve::{Approval, Signed, signed_by};
pub(in crate::commands) use self::read::read;
use crate::failure::{Exit, Failure};

/// Lint, try, approve and run runbooks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Lint(read::Lint),
    DryRun(read::DryRun),
    Approve(approve::Args),
    Approvals(approve::Approvals),
    List(live::List),
    Run(live::Run),
    Runs(live::Runs),
    Follow(follow::Args),
    Resume(live::Resume),
    Abort(live::Abort),
}

/// Runs the chosen verb.
///
/// # Errors
/// When a file cannot be read or written, or the desk refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Lint(args) => read::lint(args, &mut out),
        Verb::DryRun(args) => read::dry_run(args, &mut out),
        Verb::Approve(args) => approve::run(args, &mut out),
        Verb::Approvals(args) => approve::approvals(args, &mut out),
        Verb::List(args) => live::list(args, &mut out),
        Verb::Run(args) => live::run(args, &mut out),
        Verb::Runs(args) => live::runs(args, &mut out),
        Verb::Follow(args) => follow::run(args, &mut out),
        Verb::Resume(args) => live::resume(args, &mut out),
        Verb::Abort(args) => live::abort(args, &mut out),
    }
}
