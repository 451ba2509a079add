//! Prometheus remote write, 1.0 and 2.0: OTLP metrics as series.
//!
//! A monotonic sum becomes a counter (`_total` is appended if missing), a histogram the `_bucket`,
//! `_sum` and `_count` that Prometheus knows, and deltas are added up here, per series and bounded;
//! after a restart such a counter begins at zero, which `rate` understands. A receiver rejects a
//! whole request for one sample out of order, so those are left out here and counted. Signed
//! heartbeats become `lucarne_heartbeat_timestamp_seconds`, on which a silence alert stands.
//! Exponential histograms become native ones where the receiver has them; else their count and sum.

mod native;
pub(crate) mod second;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use lucarne_ledger::control::{Control, Workload};
use lucarne_otlp::Signal;
use lucarne_otlp::view::{AnyValue, Metric, NumberValue, Temporality, View as _};
use lucarne_otlp::wire::{WireError, Writer};

use crate::export::points::{Native, Point, Sample, points};
use crate::export::request::{Format, Part, Request, gather};
use crate::export::sink::Tally;
use crate::export::{Entry, Item, Record, Whence};

/// What remote write has to remember between batches.
#[derive(Debug)]
pub struct RemoteWrite {
    /// By encoded labels.
    series: HashMap<Vec<u8>, Series>,
    series_max: usize,
    newest_ms: i64,
    options: Options,
}

/// What the receiver knows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Whether it is spoken to in 2.0.
    pub second: bool,
    /// Whether it takes native histograms.
    pub native_histograms: bool,
}

/// What is remembered of a series.
#[derive(Clone, Copy, Debug)]
struct Series {
    last_ms: i64,
    /// Sum of the deltas.
    total: f64,
}

/// Samples of one batch, by encoded labels.
#[derive(Debug, Default)]
struct Batch {
    numbers: BTreeMap<Vec<u8>, Vec<(i64, Value)>>,
    natives: BTreeMap<Vec<u8>, Vec<(i64, Native)>>,
    about: HashMap<Vec<u8>, About>,
    takes_natives: bool,
}

/// What 2.0 says about a series beside its samples.
#[derive(Clone, Copy, Debug, Default)]
struct About {
    // `MetricType` of the protocol
    kind: u64,
    created_ms: i64,
}

/// A value as the source gives it.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// Goes out as it is.
    Whole(f64),
    /// Is added to what the series has.
    Delta(f64),
}

/// Labels in the order of their names.
type Labels = BTreeMap<String, String>;

impl RemoteWrite {
    /// One that remembers nothing.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// One that remembers nothing, for a receiver with these abilities.
    pub fn with(options: Options) -> Self {
        Self { series: HashMap::new(), series_max: SERIES_MAX, newest_ms: 0, options }
    }

    /// The headers of the protocol.
    pub const fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self.options.second {
            false => &[("x-prometheus-remote-write-version", "0.1.0")],
            true => &[("x-prometheus-remote-write-version", "2.0.0")],
        }
    }

    /// The requests that carry the metrics and heartbeats among `items`; the tally counts samples.
    pub fn encode(&mut self, items: &[Item], tally: &mut Tally) -> Vec<Request> {
        let takes_natives = self.options.native_histograms;
        let mut batch = Batch { takes_natives, ..Batch::default() };
        for item in items {
            let collected = match item {
                Item::Record(record) => match &record.entry {
                    Entry::Metric(metric) => {
                        collect(Whence::Sealed(record), &metric.message, &mut batch)
                    }
                    Entry::Control { json, .. } => {
                        heartbeat(record, json, &mut batch);
                        Ok(())
                    }
                    Entry::Log(_) | Entry::Span(_) | Entry::Audit { .. } => Ok(()),
                },
                Item::Telemetry(host) if host.signal == Signal::Metrics => {
                    collect(Whence::Host(host), &host.telemetry.message, &mut batch)
                }
                Item::Telemetry(_) | Item::Unverified(_) | Item::Host(_) => Ok(()),
            };
            tally.skipped += u64::from(collected.is_err());
        }
        let mut parts = Vec::with_capacity(batch.numbers.len());
        let Batch { numbers, natives, about, .. } = batch;
        let second = self.options.second;
        let told = |labels: &[u8]| about.get(labels).filter(|_| second);
        for (labels, mut samples) in numbers {
            samples.sort_by_key(|(time_ms, _)| *time_ms);
            let offered = samples.len() as u64;
            let samples = self.settle(&labels, samples);
            tally.skipped += offered - samples.len() as u64;
            if !samples.is_empty() {
                parts.push(part(&labels, told(&labels), &samples));
            }
        }
        for (labels, mut samples) in natives {
            samples.sort_by_key(|(time_ms, _)| *time_ms);
            let offered = samples.len() as u64;
            let samples = self.settle_natives(&labels, samples);
            let part = native::part(&labels, told(&labels), &samples);
            tally.skipped += offered - part.items;
            if part.items > 0 {
                parts.push(part);
            }
        }
        let format = match second {
            false => Format::ProtobufSnappy,
            true => Format::RemoteWriteSecond,
        };
        gather("", format, parts)
    }

    /// The samples that go out: in order, later than what went out before, deltas added up.
    fn settle(&mut self, labels: &[u8], samples: Vec<(i64, Value)>) -> Vec<(i64, f64)> {
        let Some(series) = self.series(labels) else { return Vec::new() };
        let mut out: Vec<(i64, f64)> = Vec::with_capacity(samples.len());
        for (time_ms, value) in samples {
            let value = match value {
                Value::Whole(value) => value,
                // A late delta still counts; it shows with the next sample.
                Value::Delta(delta) => {
                    series.total += delta;
                    series.total
                }
            };
            if time_ms > series.last_ms {
                series.last_ms = time_ms;
                out.push((time_ms, value));
            } else if let Some(last) = out.last_mut().filter(|last| last.0 == time_ms) {
                // Two points of one moment in one batch: the later one stands.
                last.1 = value;
            }
        }
        self.newest_ms = out.last().map_or(self.newest_ms, |last| self.newest_ms.max(last.0));
        out
    }

    /// The native histograms that go out: in order, later than what went out before.
    fn settle_natives(&mut self, labels: &[u8], samples: Vec<(i64, Native)>) -> Vec<(i64, Native)> {
        let Some(series) = self.series(labels) else { return Vec::new() };
        let mut out: Vec<(i64, Native)> = Vec::with_capacity(samples.len());
        for (time_ms, value) in samples {
            if time_ms > series.last_ms {
                series.last_ms = time_ms;
                out.push((time_ms, value));
            }
        }
        self.newest_ms = out.last().map_or(self.newest_ms, |last| self.newest_ms.max(last.0));
        out
    }

    /// What is remembered of a series; `None` when there is no room for another.
    fn series(&mut self, labels: &[u8]) -> Option<&mut Series> {
        if !self.series.contains_key(labels) {
            if self.series.len() >= self.series_max {
                let horizon = self.newest_ms.saturating_sub(FORGET_MS);
                self.series.retain(|_, series| series.last_ms > horizon);
            }
            if self.series.len() >= self.series_max {
                return None;
            }
            self.series.insert(labels.to_vec(), Series { last_ms: i64::MIN, total: 0.0 });
        }
        self.series.get_mut(labels)
    }
}

fn collect(record: Whence<'_>, message: &[u8], batch: &mut Batch) -> Result<(), WireError> {
    let metric = Metric::parse(message)?;
    let name = metric.name;
    for point in points(metric)? {
        let mut labels = source_labels(record);
        add_attributes(&point, &mut labels)?;
        let time_ns = if point.time_ns == 0 { record.time_ns() } else { point.time_ns };
        let time_ms = i64::try_from(time_ns / 1_000_000).unwrap_or(i64::MAX);
        spread(&point, name, time_ms, &labels, batch);
    }
    Ok(())
}

/// One point as the samples of its series.
fn spread(point: &Point<'_>, name: &str, time_ms: i64, labels: &Labels, batch: &mut Batch) {
    // Increments of native histograms would have to be added up here, across scales.
    if let Sample::Native(native) = &point.sample
        && batch.takes_natives
        && point.temporality != Temporality::Delta
    {
        let mut labels = labels.clone();
        labels.insert("__name__".to_owned(), metric_name(name));
        let labels = encode_labels(&labels);
        batch.about.insert(labels.clone(), About::of(point));
        batch.natives.entry(labels).or_default().push((time_ms, (**native).clone()));
        return;
    }
    let value = |number: f64| match point.temporality {
        Temporality::Delta => Value::Delta(number),
        Temporality::Cumulative | Temporality::Unspecified => Value::Whole(number),
    };
    let about = About::of(point);
    let mut put = |suffix: &str, le: Option<String>, number: f64| {
        let mut labels = labels.clone();
        labels.insert("__name__".to_owned(), format!("{}{suffix}", metric_name(name)));
        labels.extend(le.map(|le| ("le".to_owned(), le)));
        let labels = encode_labels(&labels);
        batch.about.insert(labels.clone(), about);
        batch.numbers.entry(labels).or_default().push((time_ms, value(number)));
    };
    match &point.sample {
        Sample::Native(native) => {
            if let Some(sum) = native.sum {
                put("_sum", None, sum);
            }
            put("_count", None, native.count as f64);
        }
        Sample::Number(number) => {
            let number = match *number {
                NumberValue::Int(int) => int as f64,
                NumberValue::Double(double) => double,
            };
            let counter = point.monotonic && !name.ends_with("_total");
            put(if counter { "_total" } else { "" }, None, number);
        }
        Sample::Distribution { count, sum, bounds, counts } => {
            let mut below = 0_u64;
            for (bound, count) in bounds.iter().zip(counts) {
                below = below.saturating_add(*count);
                put("_bucket", Some(bound.to_string()), below as f64);
            }
            if !counts.is_empty() {
                put("_bucket", Some("+Inf".to_owned()), *count as f64);
            }
            if let Some(sum) = sum {
                put("_sum", None, *sum);
            }
            put("_count", None, *count as f64);
        }
    }
}

/// A signed heartbeat as series of its instance. Other control records have nothing to measure.
fn heartbeat(record: &Record, json: &[u8], batch: &mut Batch) {
    let ledger = &record.origin.ledger;
    let Ok(Control::Heartbeat(beat)) = Control::parse(json, ledger.kind) else { return };
    let time_ms = i64::try_from(beat.time_ms).unwrap_or(i64::MAX);
    let mut labels = source_labels(Whence::Sealed(record));
    labels.insert("tee_epoch".to_owned(), ledger.epoch.to_string());
    labels.insert("ledger".to_owned(), ledger.kind.to_string());
    let mut put = |name: &str, value: f64| {
        let mut labels = labels.clone();
        labels.insert("__name__".to_owned(), name.to_owned());
        let labels = encode_labels(&labels);
        batch.about.insert(labels.clone(), About { kind: GAUGE, created_ms: 0 });
        batch.numbers.entry(labels).or_default().push((time_ms, Value::Whole(value)));
    };
    put("lucarne_heartbeat_timestamp_seconds", beat.time_ms as f64 / 1000.0);
    put("lucarne_ledger_size", record.origin.head_size as f64);
    match beat.workload {
        Workload::Healthy => put("lucarne_workload_healthy", 1.0),
        Workload::NotResponding => put("lucarne_workload_healthy", 0.0),
        Workload::Unknown => {}
    }
}

fn source_labels(whence: Whence<'_>) -> Labels {
    let mut labels = Labels::from([("job".to_owned(), whence.job().to_owned())]);
    if let Whence::Sealed(record) = whence {
        labels.insert("tee_instance_id".to_owned(), record.origin.ledger.instance.to_string());
    }
    labels
}

/// Attributes as labels. Ours win; a clash gets the prefix that Prometheus gives it when it
/// scrapes. Two attributes that become one name are joined, as the collector does.
fn add_attributes(point: &Point<'_>, labels: &mut Labels) -> Result<(), WireError> {
    let own: Vec<String> = labels.keys().cloned().collect();
    for entry in &point.attributes {
        let mut name = label_name(entry.key);
        if own.contains(&name) || name == "le" {
            name.insert_str(0, "exported_");
        }
        let text = label_value(entry.value)?;
        if !text.is_empty() {
            labels
                .entry(name)
                .and_modify(|there| {
                    there.push(';');
                    there.push_str(&text);
                })
                .or_insert(text);
        }
    }
    Ok(())
}

fn label_value(value: AnyValue<'_>) -> Result<String, WireError> {
    if let AnyValue::String(text) = value {
        return Ok(text.to_owned());
    }
    let mut json = Vec::new();
    lucarne_otlp::display::value_to_json(value, &mut json)?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn metric_name(name: &str) -> String {
    sanitise(name, |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, and no leading `__`, which is Prometheus's own.
fn label_name(name: &str) -> String {
    let name = sanitise(name, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.starts_with("__") { format!("key{name}") } else { name }
}

fn sanitise(name: &str, allowed: impl Fn(u8) -> bool) -> String {
    let clean = |char: char| match u8::try_from(char) {
        Ok(byte) if allowed(byte) => char,
        Ok(_) | Err(_) => '_',
    };
    let mut out: String = name.chars().map(clean).collect();
    if out.is_empty() || out.starts_with(|char: char| char.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// `TimeSeries.labels`.
fn encode_labels(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    for (name, value) in labels {
        writer.message(1, |label| {
            label.bytes(1, name.as_bytes());
            label.bytes(2, value.as_bytes());
        });
    }
    out
}

/// `TimeSeries` as element of `WriteRequest.timeseries`.
fn part(labels: &[u8], about: Option<&About>, samples: &[(i64, f64)]) -> Part {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |series| {
        series.encoded(labels);
        second::write_about(about, series);
        for &(time_ms, value) in samples {
            series.message(2, |sample| {
                sample.double(1, value);
                sample.varint(2, time_ms.cast_unsigned());
            });
        }
    });
    Part { bytes: Bytes::from(out), items: samples.len() as u64 }
}

impl About {
    fn of(point: &Point<'_>) -> Self {
        let kind = match &point.sample {
            Sample::Number(_) if point.monotonic => COUNTER,
            Sample::Number(_) => GAUGE,
            Sample::Distribution { .. } if point.kind == "summary" => SUMMARY,
            Sample::Distribution { .. } | Sample::Native(_) => HISTOGRAM,
        };
        // A delta began with the report before, which is not where its sum here began.
        let created_ms = match point.temporality {
            Temporality::Cumulative => i64::try_from(point.start_ns / 1_000_000).unwrap_or(0),
            Temporality::Delta | Temporality::Unspecified => 0,
        };
        Self { kind, created_ms }
    }
}

/// `Metadata.MetricType` of 2.0.
const COUNTER: u64 = 1;
const GAUGE: u64 = 2;
const HISTOGRAM: u64 = 3;
const SUMMARY: u64 = 5;

/// About 30 MiB of memory, and more series than one TEE has reason to send.
const SERIES_MAX: usize = 100_000;
/// A series silent for an hour is forgotten when room is needed.
const FORGET_MS: i64 = 3_600_000;

#[cfg(test)]
mod tests;
