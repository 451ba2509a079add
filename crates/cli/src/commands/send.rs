//! `lucarne send`: generated OTLP load, counted.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::ValueEnum;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::load::planted::Planted;
use crate::load::tally::Report;
use crate::load::template::Shape;
use crate::load::{Mix, Plan, Run, Until};
use crate::otlp_client::{Endpoint, Options, Protocol};
use crate::random::Random;
use crate::shutdown;

/// Send generated telemetry to an OTLP receiver and count what became of it
///
/// Records look like those of a credit engine: executionId, tenantHash, nodeType,
/// durationMs and so on, filled up with attributes that the contract withholds.
/// Every executionId is used once.
///
/// Examples: 10,000 records a second for a minute; a million records with planted
/// secrets, each batch acknowledged when it is archived, the acknowledged ids
/// kept:
///
///   lucarne send --rate 10000 --duration 60
///   lucarne send --count 1000000 --secrets planted.txt --durability archived --ids acked.txt
///
/// A line of the file of secrets is a value with an optional place before it:
/// attr:form.income=95000, body:TEXT, resource:KEY=VALUE, scope:TEXT,
/// span:KEY=VALUE, name:TEXT (of a span), status:TEXT, event:KEY=VALUE,
/// label:KEY=VALUE, key:TEXT (of an attribute), event-name:TEXT, metric:TEXT,
/// unit:TEXT. attr.int:KEY=95000 and body.double:1500000.5 plant numbers, not
/// texts; so do the other places that have a KEY. A value without a place goes
/// into a random one.
///
/// Exits with 1 when a record was given up or a planted value was not delivered.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The receiver
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4317")]
    endpoint: Endpoint,
    /// OTLP transport; HTTP usually listens on port 4318
    #[arg(long, value_enum, default_value_t = Transport::Grpc)]
    protocol: Transport,
    /// Records a second; 0 is as fast as it goes
    #[arg(long, value_name = "N", default_value_t = 0)]
    rate: u64,
    /// Bytes of one encoded record
    #[arg(long, value_name = "BYTES", default_value_t = 300)]
    size: usize,
    /// Attributes of one record
    #[arg(long, value_name = "N", default_value_t = 10)]
    attributes: usize,
    /// TCP connections
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Requests that wait for their answer at a time on one connection (over HTTP: more
    /// connections)
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,
    /// Records in one request
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    batch: u64,
    /// End after this many seconds [default: 10 when no count is given]
    #[arg(long, value_name = "SECONDS", conflicts_with = "count", value_parser = seconds)]
    duration: Option<Duration>,
    /// End after this many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=999_999_999))]
    count: Option<u64>,
    /// Plant the values of this file, spread evenly over the run
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Ask that each request be brought this far before it is acknowledged
    #[arg(long, value_enum)]
    durability: Option<Durability>,
    /// What to send
    #[arg(long, value_enum, default_value_t = Signals::Logs)]
    signal: Signals,
    /// Determines ids, tenants and padding [default: of the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write each acknowledged executionId with its durability into this file
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Seconds to wait for one answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,
    /// Seconds to try one batch before it is given up
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    patience: Duration,
    /// How to print the counts
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Transport {
    /// gRPC
    Grpc,
    /// HTTP with protobuf
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    /// HTTP with JSON
    #[value(name = "http/json")]
    HttpJson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Durability {
    /// In the queue of the enclave
    Accepted,
    /// Under a signed statement
    Sealed,
    /// In the archive
    Archived,
    /// Cosigned by witnesses
    Witnessed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Signals {
    /// Log records
    Logs,
    /// Metric data points
    Metrics,
    /// Spans
    Traces,
    /// All of them
    Mixed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Sends, and prints the counts.
///
/// # Errors
/// When the plan is not usable or the counts cannot be printed.
pub fn run(args: Args) -> Result<Exit, Failure> {
    let output = args.output;
    let run = Run::prepare(plan(args)?)
        .map_err(|cause| Failure::because(Exit::Unreadable, "prepare the run", &cause))?;
    let report = shutdown::runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        let shown = progress(&run);
        let report = Arc::clone(&run).finish(stop).await;
        drop(shown);
        report.map_err(|cause| Failure::because(Exit::Unreadable, "keep count", &cause))
    })?;
    print(&report, output)?;
    let whole = report.failed == 0 && report.planted == report.planted_wanted;
    Ok(if whole { Exit::Yes } else { Exit::No })
}

fn print(report: &Report, output: Output) -> Result<(), Failure> {
    let text = match output {
        Output::Text => report.text(),
        Output::Json => {
            let json = serde_json::to_string(report);
            json.map_err(|cause| Failure::bug(format!("print the counts: {cause}")))? + "\n"
        }
    };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

fn plan(args: Args) -> Result<Plan, Failure> {
    let seed = args.seed.unwrap_or_else(clock_seed);
    let planted = match &args.secrets {
        None => Vec::new(),
        Some(path) => {
            let what = format!("read secrets from {}", path.display());
            let text = std::fs::read_to_string(path)
                .map_err(|cause| Failure::unreadable(&what, &cause))?;
            Planted::parse(&text, &mut Random::new(seed))
                .map_err(|cause| Failure::because(Exit::Usage, &what, &cause))?
        }
    };
    let until = match (args.count, args.duration) {
        (Some(count), _) => Until::Count(count),
        (None, Some(time)) => Until::Elapsed(time),
        (None, None) => Until::Elapsed(DURATION),
    };
    Ok(Plan {
        client: Options {
            endpoint: args.endpoint,
            protocol: match args.protocol {
                Transport::Grpc => Protocol::Grpc,
                Transport::HttpProtobuf => Protocol::HttpProtobuf,
                Transport::HttpJson => Protocol::HttpJson,
            },
            durability: args.durability.map(|durability| match durability {
                Durability::Accepted => "accepted",
                Durability::Sealed => "sealed",
                Durability::Archived => "archived",
                Durability::Witnessed => "witnessed",
            }),
            timeout: args.timeout,
        },
        rate: (args.rate > 0).then_some(args.rate),
        batch: args.batch,
        shape: Shape { size: args.size, attributes: args.attributes },
        connections: usize::from(args.connections),
        in_flight: usize::from(args.in_flight),
        until,
        planted,
        mix: match args.signal {
            Signals::Logs => Mix::Logs,
            Signals::Metrics => Mix::Metrics,
            Signals::Traces => Mix::Traces,
            Signals::Mixed => Mix::Mixed,
        },
        seed,
        ids: args.ids,
        patience: args.patience,
    })
}

/// Shows the counts on a terminal until the value is dropped.
fn progress(run: &Arc<Run>) -> Option<tokio::task::JoinSet<()>> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let (run, mut shown) = (Arc::clone(run), tokio::task::JoinSet::new());
    shown.spawn(async move {
        let mut tick = tokio::time::interval(PROGRESS);
        loop {
            tick.tick().await;
            let accepted = run.tally.accepted.load(Ordering::Relaxed);
            let refused = run.tally.refused.load(Ordering::Relaxed);
            let failed = run.tally.failed.load(Ordering::Relaxed);
            let line = format!("\r{accepted} accepted, {refused} refused, {failed} failed \x1b[K");
            // A terminal that went away is no reason to stop.
            std::io::stderr().write_all(line.as_bytes()).ok();
        }
    });
    Some(shown)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    match number {
        Ok(number) if number > 0.0 && number <= 604_800.0 => Ok(Duration::from_secs_f64(number)),
        Ok(_) | Err(_) => Err("expected seconds, more than 0 and at most a week".to_owned()),
    }
}

fn clock_seed() -> u64 {
    // The low half of the nanoseconds is what differs between two runs.
    u64::try_from(clock::since_1970().as_nanos() & u128::from(u64::MAX)).unwrap_or_default()
}

/// Long enough to see something, short enough to wait for.
const DURATION: Duration = Duration::from_secs(10);
const PROGRESS: Duration = Duration::from_millis(250);
