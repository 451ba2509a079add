//! `lucarne query recent`: the newest log records inside, as they were received.

use lucarne_link::channel::message::{Query, Verb};

use super::connection::Connection;
use super::period::time;
use super::question::RECORDS;
use super::to_standard_output;
use crate::clock;
use crate::failure::{Exit, Failure};

/// Ask an enclave for its newest log records, before any of them was sanitised
///
/// One JSON object a line, newest first. Exits with 2 when a limit of your role cut the answer.
///
/// Example: lucarne query recent --minutes 10 --contains timeout --connect vsock:16:5100
/// --policy ./policy.yaml --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    about: About,
}

/// What is asked.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::commands) struct About {
    /// How far back
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// From this time on, instead: what a second person countersigns must say it
    #[arg(long, value_name = "RFC3339", value_parser = time, conflicts_with = "minutes")]
    time_from: Option<u64>,
    /// Only records whose line contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    contains: String,
    /// Most records
    #[arg(long, value_name = "N", default_value_t = RECORDS)]
    limit: u64,
}

impl About {
    /// The question.
    pub(in crate::commands) fn query(&self) -> Query {
        let back = self.minutes.saturating_mul(60_000_000_000);
        let from_ns = self.time_from.unwrap_or_else(|| clock::unix_ns().saturating_sub(back));
        Query {
            verb: Verb::Recent,
            text: self.contains.clone(),
            from_ns,
            to_ns: u64::MAX,
            limit: self.limit,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the enclave cannot be reached or believed, or refuses.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    to_standard_output(&args.connection, &args.about.query())
}
