//! `lucarne query logs`: full log records inside, by a filter.

use lucarne_link::channel::message::{Query, Verb};

use super::connection::Connection;
use super::period::Period;
use super::question::RECORDS;
use super::to_standard_output;
use crate::failure::{Exit, Failure};

/// Ask an enclave for its full log records, by a filter on everything in the time
///
/// The filter is one of LogQL without a selector: label filters on attributes (dots are written as
/// underlines), line filters and stages. One JSON object a line, oldest first. Exits with 2 when a
/// limit of your role cut the answer.
///
/// Example: lucarne query logs --filter 'executionId="exec-abc-123"' --time-from
/// 2026-05-25T10:00:00Z --time-to 2026-05-25T10:30:00Z --connect vsock:16:5100 --policy
/// ./policy.yaml --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Only records for which this holds, such as errorCode="E42" and durationMs > 500
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,
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
    let (text, limit) = (args.filter.clone(), args.limit);
    let query = Query { verb: Verb::Logs, text, from_ns, to_ns, limit };
    to_standard_output(&args.connection, &query)
}
