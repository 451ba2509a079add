//! `lucarne query trace`: one whole trace, as a line, a waterfall, a drawing or JSON.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use lucarne_ledger::hash::from_hex;
use lucarne_link::channel::message::{Query, Verb};

use super::channel::{Answer, Channel};
use super::connection::Connection;
use super::period::Period;
use super::question::SPANS;
use crate::failure::{Exit, Failure};
use crate::shutdown;
use crate::waterfall::{Waterfall, json, svg, terminal};

/// Ask an enclave for a trace with everything that its spans say
///
/// Shows a summary; with --show-spans a waterfall of all spans: bars over the time of the trace,
/// the time that no child of a span covers (self), ! for errors, * on the path that the end waited
/// for, ? where the parent is missing. Exits with 1 when there is no such trace.
///
/// Example: lucarne query trace --trace-id 4bf92f3577b34da6a3ce929d0e0e4736 --show-spans --connect
/// vsock:16:5100 --policy ./policy.yaml --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The trace, 32 hex digits
    #[arg(long, value_name = "ID", value_parser = trace_id)]
    trace_id: String,
    /// Draw every span
    #[arg(long)]
    show_spans: bool,
    /// Draw every span into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What to print: text, or one JSON object a span with all its attributes
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    period: Period,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Less than the day that a role allows by default, by what clocks differ.
const HOURS: u64 = 23;
/// Without a terminal's word on how wide it is.
const COLUMNS: usize = 120;

/// A trace id as the channel has it.
pub(super) fn trace_id(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let read = from_hex::<16>(&lower).map_err(|_| "expected 32 hex digits".to_owned());
    read.map(|_| lower)
}

/// Runs the command.
///
/// # Errors
/// When the enclave cannot be reached or believed, refuses, or answers with something else.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (from_ns, to_ns) = args.period.nanoseconds(HOURS);
    let text = args.trace_id.clone();
    let query = Query { verb: Verb::Trace, text, from_ns, to_ns, limit: SPANS };
    let terms = args.connection.terms()?;
    let mut spans = Vec::new();
    let (answer, exit) = shutdown::runtime()?.block_on(async {
        let mut channel = Channel::open(terms).await?;
        let take = |piece: &[u8]| {
            spans.extend_from_slice(piece);
            Ok(())
        };
        let answer = channel.ask(&query, take).await?;
        let exit = answer.conclude(&channel)?;
        Ok::<_, Failure>((answer, exit))
    })?;
    let waterfall = Waterfall::read(&args.trace_id, &spans).map_err(|error| {
        Failure::because(Exit::Unreadable, "read the spans of the answer", &error)
    })?;
    let none = matches!(&answer, Answer::Done { rows: 0, .. });
    show(args, &waterfall, &mut std::io::stdout().lock())?;
    // What is withheld is not absent.
    Ok(if none && exit != Exit::CouldNotTell { Exit::No } else { exit })
}

fn show(args: &Args, waterfall: &Waterfall, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(path) = &args.svg {
        std::fs::write(path, svg::draw(waterfall))
            .map_err(|error| Failure::unreadable(&format!("write {}", path.display()), &error))?;
    }
    match (args.output, args.show_spans) {
        (Output::Json, _) => out.write_all(&json::lines(waterfall))?,
        (Output::Text, true) => out.write_all(terminal::draw(waterfall, COLUMNS).as_bytes())?,
        (Output::Text, false) => writeln!(out, "{}", terminal::summary(waterfall))?,
    }
    Ok(out.flush()?)
}
