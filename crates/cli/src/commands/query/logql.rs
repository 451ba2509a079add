//! `lucarne query logql`: a whole query of LogQL over what is inside.

use lucarne_link::channel::message::{Query, Verb};

use super::connection::Connection;
use super::period::Period;
use super::question::RECORDS;
use super::to_standard_output;
use crate::failure::{Exit, Failure};

/// Ask an enclave a query of LogQL
///
/// Log queries give one JSON object a line, newest first; queries for numbers give the body of
/// Loki's query_range. Pipes after a log query work as well: | sort by (durationMs desc) | head 10.
///
/// Example: lucarne query logql '{job="tee-processengine"} |= "timeout" | logfmt' --connect
/// vsock:16:5100 --policy ./policy.yaml --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The query
    #[arg(value_name = "QUERY")]
    query: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    period: Period,
    /// Most records
    #[arg(long, value_name = "N", default_value_t = RECORDS)]
    limit: u64,
}

/// Runs the command.
///
/// # Errors
/// When the enclave cannot be reached or believed, or refuses.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (from_ns, to_ns) = args.period.nanoseconds(1);
    let (text, limit) = (args.query.clone(), args.limit);
    let query = Query { verb: Verb::Logql, text, from_ns, to_ns, limit };
    to_standard_output(&args.connection, &query)
}
