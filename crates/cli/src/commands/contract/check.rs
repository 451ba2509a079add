//! `lucarne contract check`: what of a capture would leave, and what would stay.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use lucarne_contract::{Contract, Memory, Parts, Scratch, SlotPlace, Tally};
use lucarne_ledger::record::Stream;
use lucarne_otlp::view::{AnyValue, LogRecord, Metric, Resource, Span, View as _};

use super::{CapturedSignal, captures, contract, shown};
use crate::capture::Request;
use crate::capture::values::{self, Found, Spot};
use crate::failure::{Exit, Failure};

/// Show what of captured telemetry a contract would send and withhold
///
/// Counts by name and reason, with examples of values that would leave; a value that would be
/// withheld is never shown. `default` instead of a file is the contract that an enclave has when
/// none is given.
///
/// Example: lucarne contract check contract.yaml --against logs.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The contract, or `default`
    pub(super) file: PathBuf,
    /// Captured OTLP; may be repeated
    #[arg(long, value_name = "CAPTURE", required = true)]
    pub(super) against: Vec<PathBuf>,
    /// What captures in protobuf hold [default: what their names say]
    #[arg(long, value_enum)]
    pub(super) signal: Option<CapturedSignal>,
    /// Name attributes that the contract does not name, too: they are text of the workload
    #[arg(long)]
    pub(super) names: bool,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let contract = contract(&args.file)?;
    let requests = captures(&args.against, args.signal)?;
    let mut seen = Seen::default();
    for request in &requests {
        seen.take(&contract, request)?;
    }
    seen.write(&contract, out)?;
    if args.names {
        write_names(&contract, &requests, out)?;
    }
    Ok(Exit::Yes)
}

/// What left and what stayed.
#[derive(Default)]
struct Seen {
    scratch: Scratch,
    memory: Memory,
    sent: BTreeMap<(&'static str, String), Sent>,
    tally: Tally,
    records: u64,
    rejected: u64,
}

#[derive(Default)]
struct Sent {
    count: u64,
    examples: BTreeSet<String>,
}

impl Seen {
    fn take(&mut self, contract: &Contract, request: &Request) -> Result<(), Failure> {
        let Self { scratch, memory, .. } = self;
        let sanitized = contract
            .sanitize_remembering(request.signal, &request.bytes, scratch, memory)
            .map_err(|error| Failure::unreadable("capture", &error))?;
        let Parts { telemetry, audit, tally, rejected, .. } = sanitized.into_parts();
        self.tally.merge(&tally);
        self.rejected += rejected;
        for (stream, resource, message) in telemetry.iter().flat_map(|run| run.messages()) {
            self.records += 1;
            self.record(stream, resource, message)
                .map_err(|error| Failure::bug(format!("the contract wrote no OTLP: {error}")))?;
        }
        for event in &audit {
            self.records += 1;
            let text = [b"{", event.fields(), b"}"].concat();
            let fields: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text)
                .map_err(|error| Failure::bug(format!("the contract wrote no JSON: {error}")))?;
            for (name, value) in fields {
                self.add("audit event", name, value.to_string());
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        stream: Stream,
        resource: &[u8],
        message: &[u8],
    ) -> Result<(), lucarne_otlp::wire::WireError> {
        let mut add = |found: Found<'_>| {
            let key = match found.spot {
                Spot::Label => format!("{} of {}", found.key, found.metric),
                Spot::Resource
                | Spot::Log
                | Spot::Body
                | Spot::Event
                | Spot::Metric
                | Spot::SpanName
                | Spot::Span => found.key.to_owned(),
            };
            let nothing = matches!(found.value, AnyValue::String(""));
            if !nothing {
                self.add(found.spot.as_str(), key, shown(found.value));
            }
        };
        values::resource(&Resource::parse(resource)?, &mut add)?;
        match stream {
            Stream::Logs => values::log(&LogRecord::parse(message)?, &mut add),
            Stream::Metrics => values::metric(Metric::parse(message)?, &mut add),
            Stream::Traces => values::span(&Span::parse(message)?, &mut add),
            Stream::Control | Stream::Audit | Stream::Context => Ok(()),
        }
    }

    fn add(&mut self, spot: &'static str, key: String, example: String) {
        let sent = self.sent.entry((spot, key)).or_default();
        sent.count += 1;
        if sent.examples.len() < EXAMPLES {
            sent.examples.insert(example);
        }
    }

    fn write(&self, contract: &Contract, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "contract {}: {} records would leave", contract.name(), self.records)?;
        writeln!(out, "\nsent")?;
        for ((spot, key), Sent { count, examples }) in &self.sent {
            let examples = examples.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let name = if key.is_empty() { spot.to_string() } else { format!("{spot} {key}") };
            writeln!(out, "  {count:>9}  {name}: {examples}")?;
        }
        writeln!(out, "\nwithheld")?;
        for (key, reason, count) in self.tally.iter() {
            writeln!(out, "  {count:>9}  {key}: {}", reason.as_str())?;
        }
        if self.rejected > 0 {
            writeln!(out, "  {:>9}  beyond the limits of a request", self.rejected)?;
        }
        Ok(())
    }
}

fn write_names(
    contract: &Contract,
    requests: &[Request],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let told = contract.description().map_err(|error| Failure::bug(error.to_string()))?;
    let named = |spot: Spot, key: &str| {
        let place = match spot {
            Spot::Log => SlotPlace::LogAttribute,
            Spot::Resource => SlotPlace::ResourceAttribute,
            Spot::Label => SlotPlace::Label,
            Spot::Body | Spot::Event | Spot::Metric | Spot::SpanName | Spot::Span => return false,
        };
        told.slots.iter().any(|slot| slot.place == place && slot.name == key)
    };
    let mut unnamed: BTreeMap<(Spot, String), u64> = BTreeMap::new();
    for request in requests {
        let mut count = |found: Found<'_>| {
            if !found.key.is_empty() && !named(found.spot, found.key) {
                *unnamed.entry((found.spot, found.key.to_owned())).or_default() += 1;
            }
        };
        values::walk(request.signal, &request.bytes, &mut count)
            .map_err(|error| Failure::unreadable("capture", &error))?;
    }
    writeln!(out, "\nnot named by the contract")?;
    for ((spot, key), count) in &unnamed {
        let key = serde_json::Value::from(key.as_str());
        writeln!(out, "  {count:>9}  {} {key}", spot.as_str())?;
    }
    Ok(())
}

/// Enough to see what a slot is for.
const EXAMPLES: usize = 3;
