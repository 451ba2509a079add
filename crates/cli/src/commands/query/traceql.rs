//! `lucarne query traceql`: a search by TraceQL over what is inside.

use std::io::Write as _;

use lucarne_link::channel::message::{Query, Verb};

use super::channel::{Answer, Channel};
use super::connection::Connection;
use super::period::Period;
use crate::commands::tunnel;
use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Ask an enclave which traces a query of TraceQL finds
///
/// Prints the answer of Tempo's search as one JSON object: the traces that began last first, with
/// the spans of each that the query is about. Exits with 1 when there is none. The role needs the
/// verb tempo.
///
/// Example: lucarne query traceql '{ status = error } >> { duration > 1s }' --connect
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
    /// Most traces
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u64,
    /// Most spans of each
    #[arg(long, value_name = "N", default_value_t = 3)]
    spans: u64,
}

/// What an answer without a trace begins with.
const NONE: &[u8] = br#"{"traces":[],"#;

/// Runs the command.
///
/// # Errors
/// When the enclave cannot be reached or believed, refuses, or the query is none.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (from_ns, to_ns) = args.period.nanoseconds(1);
    let mut text = format!("/api/search?limit={}&spss={}&q=", args.limit, args.spans);
    for byte in args.query.bytes() {
        text.push_str(&format!("%{byte:02x}"));
    }
    text.push_str(&format!("&start={}", seconds(from_ns)));
    if to_ns < u64::MAX {
        text.push_str(&format!("&end={}", seconds(to_ns)));
    }
    // The times are in the text.
    let query = Query { verb: Verb::Tempo, text, from_ns: 0, to_ns: u64::MAX, limit: args.limit };
    let terms = args.connection.terms()?;
    let mut said = Vec::new();
    let (answer, exit) = shutdown::runtime()?.block_on(async {
        let mut channel = Channel::open(terms).await?;
        let take = |piece: &[u8]| {
            said.extend_from_slice(piece);
            Ok(())
        };
        let answer = channel.ask(&query, take).await?;
        let exit = answer.conclude(&channel)?;
        Ok::<_, Failure>((answer, exit))
    })?;
    match answer {
        Answer::Refused { .. } => return Ok(exit),
        // It was stopped before its beginning, which is said already.
        Answer::Done { partial: Some(_), .. } if said.is_empty() => return Ok(exit),
        Answer::Done { .. } => {}
    }
    show(&said, exit)
}

fn show(said: &[u8], exit: Exit) -> Result<Exit, Failure> {
    let Some((status, _, lacks, body)) = tunnel::head(said) else {
        return Err(Failure::new(Exit::Unreadable, "the answer has no head"));
    };
    if !status.is_success() {
        let text = String::from_utf8_lossy(body);
        return Err(Failure::usage(text.trim_end().to_owned()));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(body)?;
    out.write_all(b"\n")?;
    out.flush()?;
    if !lacks.is_empty() {
        writeln!(std::io::stderr(), "{lacks}")?;
        return Ok(Exit::CouldNotTell);
    }
    Ok(if body.starts_with(NONE) { Exit::No } else { exit })
}

/// Seconds with nine digits behind the point, exactly.
fn seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_exact() {
        assert_eq!(seconds(1_700_000_000_000_000_001), "1700000000.000000001");
        assert_eq!(seconds(5), "0.000000005");
    }
}
