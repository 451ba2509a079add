//! `lucarne evidence export`.

use std::io::Write;
use std::path::PathBuf;

use super::{Holder, Signing, Trust, collector, failed, scrubber};
use crate::failure::{Exit, Failure};

/// Copy a sealed bag for somebody else
///
/// The copy has one line of custody more, and a statement that follows on the one before. A bag
/// that does not verify is not handed over. What is encrypted stays encrypted.
///
/// Example: lucarne evidence export ./bag --to ./for-the-regulator --key desk.pub.pem --sign-with
/// desk.pem --by responder-a --purpose "report of the incident"
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bag
    #[arg(value_name = "BAG")]
    bag: PathBuf,
    /// The copy; must not be there
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    holder: Holder,
}

/// Copies.
pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Exit, Failure> {
    let (keys, key) = (args.trust.keys()?, args.signing.key()?);
    let by = args.holder.hand(&scrubber()?);
    let what = format!("export {}", args.bag.display());
    lucarne_desk::bundle::export::export(&args.bag, &args.to, &keys, &by, collector(), &key)
        .map_err(|error| failed(&what, &error))?;
    writeln!(out, "exported to {}", args.to.display())?;
    Ok(Exit::Yes)
}
