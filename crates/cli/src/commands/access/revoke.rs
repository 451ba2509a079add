//! `lucarne access revoke`: a certificate that is no longer good.
//!
//! What an enclave believes is in its measured configuration, so a revocation takes hold with the
//! next epoch; this prints the lines for it.

use std::io::Write;
use std::path::PathBuf;

use lucarne_link::access::Serial;

use super::issued;
use crate::failure::{Exit, Failure};

/// Note that a certificate is no longer good, and print the list for the enclave's configuration
///
/// The enclave refuses it from the epoch on whose configuration names it under access.revoked.
///
/// Example: lucarne access revoke 40a1b2c3d4e5f60718293a4b5c6d7e8f --issued issued.jsonl --reason
/// "left the team"
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serial number of the certificate
    serial: Serial,
    /// The list of what was issued
    #[arg(long, value_name = "FILE")]
    issued: PathBuf,
    /// Why
    #[arg(long)]
    reason: String,
}

/// Runs the command.
///
/// # Errors
/// When the list cannot be used, or does not have the certificate.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let serial = args.serial.to_string();
    if !issued::read(&args.issued)?.contains_key(&serial) {
        let text = format!("{}: no certificate {serial} was issued", args.issued.display());
        return Err(Failure::new(Exit::No, text));
    }
    issued::revoke(&args.issued, args.serial, &args.reason)?;
    writeln!(out, "  revoked:")?;
    for entry in issued::read(&args.issued)?.values().filter(|it| it.state() == "revoked") {
        writeln!(out, "  - \"{}\"", entry.serial)?;
    }
    Ok(Exit::Yes)
}
