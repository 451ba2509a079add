//! `lucarne baseline approve`: one person's signature under a version.

use std::io::Write;

use lucarne_attest::baseline::{Approval, approval_message};

use super::{File, Person, now};
use crate::failure::{Exit, Failure};

/// Sign that a version may run, as one of the two people it needs
///
/// What is signed is the version as it stands in the file, your name and the time. One person
/// cannot approve twice, and an approval counts from when it was given.
///
/// Example: lucarne baseline approve v1.2.3 --by alice --key alice.key
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the version
    version: String,
    #[command(flatten)]
    file: File,
    #[command(flatten)]
    person: Person,
}

/// Runs the command.
///
/// # Errors
/// When the person has approved already, or the version is retired.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut approvals = 0;
    args.file.edit(&args.version, |version| {
        if version.retirement.is_some() {
            return Err(Failure::new(Exit::No, format!("{} is retired", args.version))
                .hint("propose the same registers under a new name"));
        }
        let (by, at) = (&args.person.by, now());
        let message = approval_message(&version.entry.digest(), by, at);
        let signed = args.person.sign(&message)?;
        let (key, signature) = (signed.key, signed.signature);
        version.approvals.push(Approval { by: by.clone(), key, at, signature });
        approvals = version.approvals.len();
        Ok(())
    })?;
    let signatures = if approvals == 1 { "signature" } else { "signatures" };
    writeln!(out, "approved {}, which has {approvals} {signatures}", args.version)?;
    Ok(Exit::Yes)
}
