//! `lucarne query labels`: what the streams inside are called.

use lucarne_link::channel::message::{Query, Verb};

use super::connection::Connection;
use super::period::Period;
use super::question::NAMES;
use super::to_standard_output;
use crate::failure::{Exit, Failure};

/// Ask an enclave for the names of its labels, or the values of one
///
/// One JSON string a line, in order.
///
/// Example: lucarne query labels service_name --connect vsock:16:5100 --policy ./policy.yaml
/// --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The label whose values are wanted
    #[arg(value_name = "NAME", default_value = "")]
    name: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    period: Period,
}

/// Runs the command.
///
/// # Errors
/// When the enclave cannot be reached or believed, or refuses.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (from_ns, to_ns) = args.period.nanoseconds(1);
    let text = args.name.clone();
    let query = Query { verb: Verb::Labels, text, from_ns, to_ns, limit: NAMES };
    to_standard_output(&args.connection, &query)
}
