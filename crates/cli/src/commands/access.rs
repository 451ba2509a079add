//! `lucarne access`: certificates for those who may ask an enclave. One file a verb.
//!
//! The key of an investigator is made where the investigator works and never leaves; what is sent
//! is a request. The authority, whose public key the enclave's configuration names, signs name,
//! role and validity. A certificate that must end early is listed in that configuration.

pub mod countersign;
pub mod issue;
pub mod list;
pub mod request;
pub mod revoke;

mod issued;
mod pem;

use clap::Subcommand;

use crate::failure::{Exit, Failure};

/// Request, issue, list and revoke certificates of access
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Request(request::Args),
    Issue(issue::Args),
    List(list::Args),
    Revoke(revoke::Args),
    Countersign(countersign::Args),
}

/// Runs the chosen verb.
///
/// # Errors
/// When something cannot be read or written, or is not what it should be.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match &args.verb {
        Verb::Request(args) => request::run(args, &mut out),
        Verb::Issue(args) => issue::run(args, &mut out),
        Verb::List(args) => list::run(args, &mut out),
        Verb::Revoke(args) => revoke::run(args, &mut out),
        Verb::Countersign(args) => countersign::run(args, &mut out),
    }
}
