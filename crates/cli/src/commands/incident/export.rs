//! `lucarne incident export`: an incident as another system wants it.

use std::io::Write;

use clap::ValueEnum;

use crate::desk_client::DeskAt;
use crate::failure::{Exit, Failure};

/// Print an incident as one JSON object for another system
///
/// `ocsf` is an Incident Finding (class 2005) of OCSF 1.8.0, as the incident stands now; the same
/// entries give the same object.
///
/// Example: lucarne incident export INC-1 --format ocsf
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The incident
    #[arg(value_name = "INC")]
    id: String,
    /// For whom
    #[arg(long, value_enum, default_value = "ocsf")]
    format: Format,
    #[command(flatten)]
    at: DeskAt,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Open Cybersecurity Schema Framework 1.8.0
    Ocsf,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let made = args.at.open()?.get(&format!("/v1/incidents/{}/report", args.id))?;
    match args.format {
        Format::Ocsf => writeln!(out, "{}", made["ocsf"])?,
    }
    Ok(Exit::Yes)
}
