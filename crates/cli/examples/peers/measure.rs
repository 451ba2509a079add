//! One measurement: start, send, wait until everything has arrived, and ask the system what it
//! cost.

pub(crate) mod capture;
pub(crate) mod child;
pub(crate) mod collectors;
pub(crate) mod load;
pub(crate) mod ours;
pub(crate) mod sink;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use capture::Capture;
use child::Usage;
use collectors::{Collector, Work};
use load::{Pace, Replay};
use ours::{Ours, Setup};
use sink::Sink;

/// What one process did with the load.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Which process.
    pub(crate) who: String,
    /// What it was asked to do.
    pub(crate) does: String,
    /// Records that were acknowledged.
    pub(crate) records: u64,
    /// Seconds until the last acknowledgement.
    pub(crate) seconds: f64,
    /// CPU seconds until everything had arrived.
    pub(crate) cpu_seconds: f64,
    /// The most memory that it held, in MiB.
    pub(crate) peak_mib: f64,
    /// The 99th percentile from the moment a request was due to its answer, at half the rate.
    pub(crate) p99: Option<Duration>,
}

impl Row {
    fn new(who: &str, does: &str, replay: &Replay, before: Usage, after: Usage) -> Self {
        Self {
            who: who.to_owned(),
            does: does.to_owned(),
            records: replay.records,
            seconds: replay.seconds,
            cpu_seconds: after.cpu_seconds - before.cpu_seconds,
            peak_mib: after.peak_mib,
            p99: None,
        }
    }
}

/// Enclave, proxy and gateway, one row each.
///
/// # Errors
/// In words, when something cannot be started or does not arrive.
pub(crate) fn measure_ours(
    capture: &Capture,
    requests: u64,
    setup: Setup,
) -> Result<Vec<Row>, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let sink = Arc::new(runtime.block_on(Sink::start())?);
    let ours = Ours::start(setup, sink.address())?;
    let before = ours.usage()?;
    let replay = runtime.block_on(load::replay(capture, ours.otlp(), requests, Pace::Free))?;
    runtime.block_on(ours.drained(&sink, replay.records))?;
    let after = ours.usage()?;
    // Half of what it takes, for as long as the same number of records needs.
    let half = Pace::Rate(replay.records as f64 / replay.seconds / 2.0);
    let paced = runtime.block_on(load::replay(capture, ours.otlp(), requests, half))?;
    let does = setup.words();
    let mut rows: Vec<Row> = ["enclave", "proxy", "gateway"]
        .into_iter()
        .zip(before.into_iter().zip(after))
        .map(|(who, (before, after))| Row::new(who, &does, &replay, before, after))
        .collect();
    if let Some(enclave) = rows.first_mut() {
        enclave.p99 = Some(paced.percentile(0.99));
    }
    Ok(rows)
}

/// One collector at one of its works.
///
/// # Errors
/// As `measure_ours`.
pub(crate) fn measure_collector(
    capture: &Capture,
    requests: u64,
    collector: &Collector,
    work: Work,
) -> Result<Row, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let sink = Arc::new(runtime.block_on(Sink::start())?);
    let running = collector.start(work, sink.address())?;
    let before = running.child.usage()?;
    let replay = runtime.block_on(load::replay(capture, running.otlp, requests, Pace::Free))?;
    runtime.block_on(sink.has(replay.records))?;
    let after = running.child.usage()?;
    let does = collector.kind.words(work);
    Ok(Row::new(collector.kind.name(), does, &replay, before, after))
}

/// The rows as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| process | what it does | CPU seconds a million | records/s | peak MiB | p99 ms |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in rows {
        let millions = row.records as f64 / 1e6;
        let p99 = row.p99.map_or("-".to_owned(), |p99| format!("{:.1}", p99.as_secs_f64() * 1e3));
        // Writing to a text does not fail.
        let _written = writeln!(
            out,
            "| {} | {} | {:.2} | {:.0} | {:.0} | {p99} |",
            row.who,
            row.does,
            row.cpu_seconds / millions,
            row.records as f64 / row.seconds,
            row.peak_mib,
        );
    }
    out
}
