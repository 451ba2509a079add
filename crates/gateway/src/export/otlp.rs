//! OTLP out again: logs, metrics and traces to a receiver of the user's choice.
//!
//! Messages go out byte for byte as they were sealed, with attributes appended that say where each
//! comes from. Audit events, ledger records and the host's messages become log records whose body
//! is their line. Retries follow the OTLP specification, except that refused credentials are waited
//! out.

pub mod answer;
mod group;

use bytes::Bytes;
use lucarne_otlp::Signal;
use lucarne_otlp::view::{LogRecord, Metric, Span, View as _};
use lucarne_otlp::wire::Writer;

pub use self::answer::judge;
use self::group::Groups;
use crate::export::line::{self, Flat, Line, Malformed};
use crate::export::request::{Format, Request, gather};
use crate::export::sink::Tally;
use crate::export::{Entry, Item, Telemetry, Whence};

/// How to speak to an OTLP receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Otlp {
    /// gRPC or HTTP.
    pub transport: OtlpTransport,
    /// What to send.
    pub signals: Signals,
}

/// The transports of OTLP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OtlpTransport {
    /// Unary calls over HTTP/2.
    Grpc,
    /// Protobuf over HTTP/1.1.
    Http,
}

/// Which signals an exporter sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signals {
    /// Log records, audit events, ledger records, messages.
    pub logs: bool,
    /// Metrics.
    pub metrics: bool,
    /// Spans.
    pub traces: bool,
}

impl Otlp {
    /// The requests that carry those of `items` that are asked for.
    pub fn encode(&self, items: &[Item], tally: &mut Tally) -> Vec<Request> {
        let [mut logs, mut metrics, mut traces] = [Groups::new(), Groups::new(), Groups::new()];
        for item in items {
            let placed = match (item, kind(item)) {
                (_, Kind::Log) if !self.signals.logs => Ok(()),
                (_, Kind::Metric) if !self.signals.metrics => Ok(()),
                (_, Kind::Span) if !self.signals.traces => Ok(()),
                (Item::Record(record), _) => match record.entry.telemetry() {
                    Some((signal, telemetry)) => {
                        let groups = [&mut logs, &mut metrics, &mut traces];
                        add(Whence::Sealed(record), signal, telemetry, groups)
                    }
                    None => add_line(item, &mut logs),
                },
                (Item::Telemetry(host), _) => {
                    let groups = [&mut logs, &mut metrics, &mut traces];
                    add(Whence::Host(host), host.signal, &host.telemetry, groups)
                }
                (Item::Unverified(_) | Item::Host(_), _) => add_line(item, &mut logs),
            };
            tally.skipped += u64::from(placed.is_err());
        }
        let mut requests = self.requests(Kind::Log, logs);
        requests.extend(self.requests(Kind::Metric, metrics));
        requests.extend(self.requests(Kind::Span, traces));
        requests
    }

    fn requests(&self, kind: Kind, groups: Groups) -> Vec<Request> {
        let (path, format) = match self.transport {
            OtlpTransport::Grpc => (kind.grpc_path(), Format::Grpc),
            OtlpTransport::Http => (kind.http_path(), Format::ProtobufGzip),
        };
        gather(path, format, groups.finish())
    }
}

/// The three services.
#[derive(Clone, Copy)]
enum Kind {
    Log,
    Metric,
    Span,
}

impl Kind {
    const fn grpc_path(self) -> &'static str {
        match self {
            Self::Log => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metric => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Span => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        }
    }

    const fn http_path(self) -> &'static str {
        match self {
            Self::Log => "/v1/logs",
            Self::Metric => "/v1/metrics",
            Self::Span => "/v1/traces",
        }
    }
}

const fn kind(item: &Item) -> Kind {
    match item {
        Item::Record(record) => match &record.entry {
            Entry::Metric(_) => Kind::Metric,
            Entry::Span(_) => Kind::Span,
            Entry::Log(_) | Entry::Audit { .. } | Entry::Control { .. } => Kind::Log,
        },
        Item::Telemetry(host) => match host.signal {
            Signal::Logs => Kind::Log,
            Signal::Metrics => Kind::Metric,
            Signal::Traces => Kind::Span,
        },
        Item::Unverified(_) | Item::Host(_) => Kind::Log,
    }
}

fn add(
    whence: Whence<'_>,
    signal: Signal,
    telemetry: &Telemetry,
    [logs, metrics, traces]: [&mut Groups; 3],
) -> Result<(), Malformed> {
    match signal {
        Signal::Logs => add_log(whence, telemetry, logs),
        Signal::Metrics => add_metric(whence, telemetry, metrics),
        Signal::Traces => add_span(whence, telemetry, traces),
    }
}

fn add_log(record: Whence<'_>, log: &Telemetry, groups: &mut Groups) -> Result<(), Malformed> {
    LogRecord::parse(&log.message)?;
    groups.add(record, log, |out| {
        out.encoded(&log.message);
        provenance(record, 6, out);
    });
    Ok(())
}

fn add_span(record: Whence<'_>, span: &Telemetry, groups: &mut Groups) -> Result<(), Malformed> {
    Span::parse(&span.message)?;
    groups.add(record, span, |out| {
        out.encoded(&span.message);
        provenance(record, 9, out);
    });
    Ok(())
}

// Attributes of a metric are its labels: provenance in them would make a series of every batch.
fn add_metric(
    record: Whence<'_>,
    metric: &Telemetry,
    groups: &mut Groups,
) -> Result<(), Malformed> {
    Metric::parse(&metric.message)?;
    groups.add(record, metric, |out| out.encoded(&metric.message));
    Ok(())
}

fn add_line(item: &Item, groups: &mut Groups) -> Result<(), Malformed> {
    let mut flat = Flat::default();
    let Some(line) = line::line(item, &mut flat)? else { return Ok(()) };
    let message = log_record(line);
    match item {
        Item::Record(record) => {
            let telemetry = Telemetry { resource: Bytes::new(), scope: Bytes::new(), message };
            let whence = Whence::Sealed(record);
            groups.add(whence, &telemetry, |out| {
                out.encoded(&telemetry.message);
                provenance(whence, 6, out);
            });
        }
        Item::Unverified(_) | Item::Host(_) | Item::Telemetry(_) => groups.add_bare(&message),
    }
    Ok(())
}

/// A line as a `LogRecord`.
fn log_record(line: Line<'_, '_>) -> Bytes {
    let (job, level, timestamp_ns) = (line.job, line.level, line.timestamp_ns);
    let text = line.into_text();
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut writer = Writer::new(&mut out);
    writer.fixed64(1, timestamp_ns);
    writer.fixed64(11, timestamp_ns);
    writer.varint(2, level.number());
    writer.bytes(3, level.as_str().as_bytes());
    writer.message(5, |body| body.bytes(1, text));
    attribute(6, "job", job, &mut writer);
    out.into()
}

/// Appends where a record comes from to its attributes, which are field `number`.
fn provenance(whence: Whence<'_>, number: u32, out: &mut Writer<'_>) {
    if let Some(provenance) = whence.provenance() {
        provenance.metadata(|key, value| attribute(number, key, value, out));
    }
    if whence.is_unsealed() {
        out.message(number, |entry| {
            entry.bytes(1, b"lucarne.sealed");
            entry.message(2, |value| value.varint(2, 0));
        });
    }
}

fn attribute(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |entry| {
        entry.bytes(1, key.as_bytes());
        entry.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

#[cfg(test)]
mod tests;
