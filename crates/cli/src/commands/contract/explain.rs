//! `lucarne contract explain`: what becomes of each field of a record, and why.
//!
//! No second decision is made here. The real contract is applied to the record again and again,
//! each time with one field more, and what the tally and the output gain by a field is its fate.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use lucarne_contract::{Contract, Scratch};
use lucarne_otlp::Signal;
use lucarne_otlp::view::{KeyValue, View as _};
use lucarne_otlp::wire::{Field, Reader, Value, WireError, Writer};

use super::{CapturedSignal, captures, contract, shown};
use crate::failure::{Exit, Failure};

/// Explain what becomes of every field of captured records, and for which reason
///
/// Values that would leave are shown, others never are. Only the first 20 records of the capture
/// are explained.
///
/// Example: lucarne contract explain record.json --contract contract.yaml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Captured OTLP
    pub(super) record: PathBuf,
    /// The contract, or `default`
    #[arg(long, value_name = "FILE")]
    pub(super) contract: PathBuf,
    /// What a capture in protobuf holds [default: what its name says]
    #[arg(long, value_enum)]
    pub(super) signal: Option<CapturedSignal>,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be read.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let contract = contract(&args.contract)?;
    let mut left = RECORDS_MAX;
    for request in captures(std::slice::from_ref(&args.record), args.signal)? {
        let places = places(&request.bytes, request.signal, left)
            .map_err(|error| Failure::unreadable("capture", &error))?;
        left -= places.len();
        for place in places {
            explain(&contract, request.signal, &place, out)?;
        }
    }
    Ok(Exit::Yes)
}

/// A record with what stands around it, as encoded messages.
struct Place<'a> {
    resource: &'a [u8],
    scope: &'a [u8],
    record: &'a [u8],
    /// A data point of the record with the number of its kind, for metrics.
    point: Option<(u32, &'a [u8])>,
}

/// A part of a record that has a fate of its own.
struct Piece<'a> {
    field: Field<'a>,
    /// Whether it belongs to the resource.
    of_resource: bool,
}

/// The records of a request; of a metric one place a point.
fn places(request: &[u8], signal: Signal, most: usize) -> Result<Vec<Place<'_>>, WireError> {
    let mut all = Vec::new();
    for group in messages(request, 1)? {
        let resource = messages(group, 1)?.pop().unwrap_or_default();
        for scoped in messages(group, 2)? {
            let scope = messages(scoped, 1)?.pop().unwrap_or_default();
            for record in messages(scoped, 2)? {
                if signal != Signal::Metrics {
                    all.push(Place { resource, scope, record, point: None });
                    continue;
                }
                for kind in [5, 7, 9, 10, 11] {
                    for data in messages(record, kind)? {
                        let points = messages(data, 1)?.into_iter();
                        all.extend(points.map(|point| Place {
                            resource,
                            scope,
                            record,
                            point: Some((kind, point)),
                        }));
                    }
                }
            }
        }
    }
    all.truncate(most);
    Ok(all)
}

/// The messages of one field.
fn messages(message: &[u8], number: u32) -> Result<Vec<&[u8]>, WireError> {
    let all = fields(message)?.into_iter().filter(|field| field.number == number);
    Ok(all.filter_map(|field| bytes(&field)).collect())
}

const fn bytes<'a>(field: &Field<'a>) -> Option<&'a [u8]> {
    match field.value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => None,
    }
}

fn fields(message: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
    let mut reader = Reader::new(message);
    let mut all = Vec::new();
    while let Some(field) = reader.next_field()? {
        all.push(field);
    }
    Ok(all)
}

fn explain(
    contract: &Contract,
    signal: Signal,
    place: &Place<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let unreadable = |error: WireError| Failure::unreadable("capture", &error);
    let (fixed, pieces) = pieces(signal, place).map_err(unreadable)?;
    let title = match signal {
        Signal::Logs => "log record",
        Signal::Metrics => "data point",
        Signal::Traces => "span",
    };
    writeln!(out, "{title}")?;
    let mut before = fate(contract, signal, place, &fixed, &pieces, 0)?;
    for (position, piece) in pieces.iter().enumerate() {
        let after = fate(contract, signal, place, &fixed, &pieces, position + 1)?;
        let name = name(signal, piece);
        let gained = after.counts.iter().filter_map(|(key, count)| {
            let more = count - before.counts.get(key).copied().unwrap_or(0);
            (more > 0 && !WHOLE.contains(&key.0.as_str())).then(|| format!("{}: {}", key.0, key.1))
        });
        let gained: Vec<String> = gained.collect();
        let id = !piece.of_resource && is_id(signal, piece.field.number);
        if !gained.is_empty() {
            writeln!(out, "  withheld  {name} ({})", gained.join(", "))?;
        } else if after.bytes > before.bytes || id {
            writeln!(out, "  sent      {name}{}", value(signal, piece))?;
        } else {
            writeln!(out, "  left out  {name}")?;
        }
        before = after;
    }
    if signal == Signal::Metrics {
        for (key, reason) in before.counts.keys() {
            writeln!(out, "  in all    {key}: {reason}")?;
        }
        if before.bytes == 0 {
            writeln!(out, "  the point does not leave")?;
        }
    }
    Ok(())
}

/// What is always there, and what is added piece by piece.
fn pieces<'a>(
    signal: Signal,
    place: &Place<'a>,
) -> Result<(Vec<Field<'a>>, Vec<Piece<'a>>), WireError> {
    let resource = fields(place.resource)?.into_iter();
    let mut pieces: Vec<Piece<'a>> =
        resource.map(|field| Piece { field, of_resource: true }).collect();
    let Some((kind, point)) = place.point else {
        let own = fields(place.record)?.into_iter();
        pieces.extend(own.map(|field| Piece { field, of_resource: false }));
        return Ok((Vec::new(), pieces));
    };
    let labels = match (signal, kind) {
        (_, 9) => 9,
        (_, 10) => 1,
        _ => 7,
    };
    let (named, fixed): (Vec<_>, Vec<_>) =
        fields(point)?.into_iter().partition(|field| field.number == labels);
    pieces.extend(named.into_iter().map(|field| Piece { field, of_resource: false }));
    Ok((fixed, pieces))
}

/// What the contract did.
struct Fate {
    counts: BTreeMap<(String, &'static str), u64>,
    bytes: usize,
}

fn fate(
    contract: &Contract,
    signal: Signal,
    place: &Place<'_>,
    fixed: &[Field<'_>],
    pieces: &[Piece<'_>],
    count: usize,
) -> Result<Fate, Failure> {
    let taken = pieces.get(..count).unwrap_or(pieces);
    let mut request = Vec::new();
    Writer::new(&mut request).message(1, |group| {
        group.message(1, |resource| {
            let own = taken.iter().filter(|piece| piece.of_resource);
            own.for_each(|piece| write(&piece.field, resource));
        });
        group.message(2, |scoped| {
            scoped.bytes(1, place.scope);
            scoped.message(2, |record| {
                let own = taken.iter().filter(|piece| !piece.of_resource);
                match place.point {
                    None => {
                        always(signal, record);
                        own.for_each(|piece| write(&piece.field, record));
                    }
                    Some((kind, _)) => metric(place, kind, record, |point| {
                        fixed.iter().for_each(|field| write(field, point));
                        own.for_each(|piece| write(&piece.field, point));
                    }),
                }
            });
        });
    });
    let sanitized = contract
        .sanitize(signal, &request, &mut Scratch::default())
        .map_err(|error| Failure::unreadable("capture", &error))?;
    let parts = sanitized.into_parts();
    let counts = parts.tally.iter();
    let messages = parts.telemetry.iter().flat_map(|run| run.messages());
    let audit: usize = parts.audit.iter().map(|event| event.size_bytes()).sum();
    Ok(Fate {
        counts: counts.map(|(key, why, n)| ((key.to_owned(), why.as_str()), n)).collect(),
        bytes: messages.map(|(_, resource, own)| resource.len() + own.len()).sum::<usize>() + audit,
    })
}

/// Ids that let any record leave, so that each field shows; those of the record come after them.
fn always(signal: Signal, record: &mut Writer<'_>) {
    let numbers = match signal {
        Signal::Logs => [9, 10],
        Signal::Metrics | Signal::Traces => [1, 2],
    };
    record.bytes(numbers[0], &[0xa5; 16]);
    record.bytes(numbers[1], &[0xa5; 8]);
}

/// A metric as it was, with this one point.
fn metric(
    place: &Place<'_>,
    kind: u32,
    record: &mut Writer<'_>,
    point: impl FnOnce(&mut Writer<'_>),
) {
    // It was read before.
    let own = fields(place.record).unwrap_or_default();
    own.iter().filter(|field| field.number != kind).for_each(|field| write(field, record));
    record.message(kind, |data| {
        for field in own.iter().filter(|field| field.number == kind) {
            let inner = bytes(field).map_or(Ok(Vec::new()), fields).unwrap_or_default();
            inner.iter().filter(|field| field.number != 1).for_each(|field| write(field, data));
        }
        data.message(1, point);
    });
}

fn write(field: &Field<'_>, out: &mut Writer<'_>) {
    match field.value {
        Value::Varint(value) => out.varint(field.number, value),
        Value::Fixed64(value) => out.fixed64(field.number, value),
        Value::Fixed32(value) => out.fixed32(field.number, value),
        Value::Bytes(bytes) => out.bytes(field.number, bytes),
    }
}

const fn is_id(signal: Signal, number: u32) -> bool {
    match signal {
        Signal::Logs => matches!(number, 9 | 10),
        Signal::Traces => matches!(number, 1 | 2),
        Signal::Metrics => false,
    }
}

/// What a piece is called: the key of an attribute, else its field of OTLP.
fn name(signal: Signal, piece: &Piece<'_>) -> String {
    if let Some(attribute) = attribute(signal, piece) {
        let place = match (piece.of_resource, signal) {
            (true, _) => "resource attribute",
            (false, Signal::Metrics) => "label",
            (false, Signal::Logs | Signal::Traces) => "attribute",
        };
        return format!("{place} {}", serde_json::Value::from(attribute.key));
    }
    let names: &[(u32, &str)] = match signal {
        Signal::Logs => &LOG_FIELDS,
        Signal::Traces => &SPAN_FIELDS,
        Signal::Metrics => &[],
    };
    let known = names.iter().find(|(number, _)| *number == piece.field.number);
    known
        .filter(|_| !piece.of_resource)
        .map_or_else(|| format!("field {}", piece.field.number), |(_, name)| (*name).to_owned())
}

/// The value of what was sent.
fn value(signal: Signal, piece: &Piece<'_>) -> String {
    if let Some(attribute) = attribute(signal, piece) {
        return format!(" = {}", shown(attribute.value));
    }
    match (signal, piece.field.number, &piece.field.value) {
        (Signal::Logs, 5, Value::Bytes(bytes)) => lucarne_otlp::view::AnyValue::parse(bytes)
            .map_or_else(|_| String::new(), |value| format!(" = {}", shown(value))),
        (Signal::Logs, 3 | 12, Value::Bytes(bytes)) | (Signal::Traces, 5, Value::Bytes(bytes)) => {
            format!(" = {}", serde_json::Value::from(String::from_utf8_lossy(bytes)))
        }
        _ => String::new(),
    }
}

fn attribute<'a>(signal: Signal, piece: &Piece<'a>) -> Option<KeyValue<'a>> {
    let number = match (piece.of_resource, signal) {
        (true, _) => 1,
        (false, Signal::Logs) => 6,
        (false, Signal::Traces) => 9,
        (false, Signal::Metrics) => piece.field.number,
    };
    let of_it = piece.field.number == number;
    bytes(&piece.field).filter(|_| of_it).and_then(|bytes| KeyValue::parse(bytes).ok())
}

/// Keys of the tally that speak of a whole record, not of a field.
const WHOLE: [&str; 4] = ["log_record", "audit_event", "span", "metric"];

const LOG_FIELDS: [(u32, &str); 10] = [
    (1, "time"),
    (2, "severity number"),
    (3, "severity text"),
    (5, "body"),
    (7, "count of dropped attributes"),
    (8, "flags"),
    (9, "trace id"),
    (10, "span id"),
    (11, "time of observation"),
    (12, "event name"),
];

const SPAN_FIELDS: [(u32, &str); 12] = [
    (1, "trace id"),
    (2, "span id"),
    (3, "trace state"),
    (4, "parent span id"),
    (5, "name"),
    (6, "kind"),
    (7, "start"),
    (8, "end"),
    (11, "event"),
    (13, "link"),
    (15, "status"),
    (16, "flags"),
];

/// A capture of a day has millions; a person reads a page.
const RECORDS_MAX: usize = 20;
