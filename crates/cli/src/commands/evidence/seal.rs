//! `lucarne evidence seal`.

use std::io::Write;
use std::path::PathBuf;

use lucarne_desk::bundle::draft::Draft;
use lucarne_desk::digest::Digest;

use super::{Holder, Signing, collector, failed, read, scrubber};
use crate::failure::{Exit, Failure};

/// Seal a bag
///
/// Hashes everything again, writes the manifests, closes custody, and signs for all of it. A sealed
/// bag is not changed any more; late evidence makes another one.
///
/// Example: lucarne evidence seal ./bag --sign-with desk.pem --by responder-a --purpose "complete"
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bag
    #[arg(value_name = "BAG")]
    bag: PathBuf,
    #[command(flatten)]
    signing: Signing,
    /// The policy that the desk works under; its digest is signed with the rest
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The timeline of the incident, one event a line, kept as timeline.jsonl
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// Its decisions, one a line, kept as decisions.jsonl
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    #[command(flatten)]
    holder: Holder,
}

/// Seals.
pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Exit, Failure> {
    let key = args.signing.key()?;
    let policy = args.policy.as_deref().map(read).transpose()?.map(|bytes| Digest::of(&bytes));
    let what = format!("seal {}", args.bag.display());
    let draft = Draft::open(&args.bag).map_err(|error| failed(&what, &error))?;
    let scrubber = scrubber()?;
    let tags = [("timeline.jsonl", &args.timeline), ("decisions.jsonl", &args.decisions)];
    for (name, path) in tags {
        let (Some(path), Ok(name)) = (path, name.parse()) else { continue };
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let kept = scrubber.scrub_whole(&text);
        draft.tag(&name, kept.as_bytes()).map_err(|error| failed(&what, &error))?;
    }
    let sealed = draft
        .seal(&args.holder.hand(&scrubber), collector(), policy, &key)
        .map_err(|error| failed(&what, &error))?;
    writeln!(out, "sealed {} files, bag sha256:{}", sealed.files, sealed.digest)?;
    writeln!(out, "key {}", sealed.key.id())?;
    Ok(Exit::Yes)
}
