//! `lucarne evidence collect`.

use std::io::Write;
use std::path::{Path, PathBuf};

use lucarne_desk::bundle::collect::Plan;
use lucarne_desk::bundle::draft::Draft;
use lucarne_desk::bundle::item::{About, Status};
use lucarne_desk::incident::Severity;

use super::{Holder, failed, read, scrubber};
use crate::clock;
use crate::failure::{Exit, Failure};

/// Collect what a plan names into a bag
///
/// Begins the bag, or goes on with one that is not sealed. What cannot be had is listed with its
/// reason, and so is what a TEE gives to nobody; the exit code is 2 when something failed. Secrets
/// are taken out of texts; what the plan encrypts is kept as it is, for its recipients alone.
///
/// Example: lucarne evidence collect ./bag --plan plan.yaml --incident INC-1 --severity SEV0
/// --contact forensics@example.org --by responder-a --purpose "audit chain does not hold"
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bag
    #[arg(value_name = "BAG")]
    bag: PathBuf,
    /// What to collect: YAML; paths in it are relative to it
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The incident; of a new bag
    #[arg(long, value_name = "ID", default_value = "none")]
    incident: String,
    /// How bad it is; of a new bag
    #[arg(long, value_enum, default_value_t = Level::Sev2)]
    severity: Level,
    /// Whom to ask; of a new bag
    #[arg(long, value_name = "TEXT", default_value = "none")]
    contact: String,
    #[command(flatten)]
    holder: Holder,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Level {
    #[value(name = "SEV0")]
    Sev0,
    #[value(name = "SEV1")]
    Sev1,
    #[value(name = "SEV2")]
    Sev2,
    #[value(name = "SEV3")]
    Sev3,
}

/// Collects.
pub(super) fn run(args: &Args, out: &mut impl Write) -> Result<Exit, Failure> {
    let text = String::from_utf8(read(&args.plan)?)
        .map_err(|_| Failure::usage(format!("{}: expected UTF-8", args.plan.display())))?;
    let plan = Plan::parse(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.plan.display())))?;
    let scrubber = scrubber()?;
    let what = format!("collect into {}", args.bag.display());
    let draft = if args.bag.exists() {
        Draft::open(&args.bag)
    } else {
        let about = About {
            incident: scrubber.scrub(&args.incident),
            severity: args.severity.into(),
            contact: scrubber.scrub(&args.contact),
            completes: None,
        };
        Draft::create(&args.bag, about)
    };
    let mut draft = draft.map_err(|error| failed(&what, &error))?;
    let base = args.plan.parent().unwrap_or(Path::new(""));
    let known = draft.items().items.len();
    for found in plan.collect(base, &scrubber, &clock::unix_ms) {
        // What a TEE gives to nobody is named by every plan, and once in a bag.
        let named = draft.items().items.iter().any(|item| item.id == found.id);
        if named && !plan.names(&found.id) {
            continue;
        }
        draft.add(found, &args.holder.hand(&scrubber)).map_err(|error| failed(&what, &error))?;
    }
    let mut all = true;
    for item in draft.items().items.iter().skip(known) {
        let reason = item.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        writeln!(out, "{} {}{reason}", word(item.status), item.id)?;
        all &= item.status != Status::Failed;
    }
    Ok(if all { Exit::Yes } else { Exit::CouldNotTell })
}

pub(super) const fn word(status: Status) -> &'static str {
    match status {
        Status::Collected => "collected",
        Status::Empty => "empty",
        Status::Failed => "failed",
        Status::UnavailableByDesign => "unavailable-by-design",
        Status::Denied => "denied",
    }
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Sev0 => Self::Sev0,
            Level::Sev1 => Self::Sev1,
            Level::Sev2 => Self::Sev2,
            Level::Sev3 => Self::Sev3,
        }
    }
}
