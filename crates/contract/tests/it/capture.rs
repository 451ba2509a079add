//! What leaves, read back from a sealed batch: the bytes that would cross the boundary.
//!
//! The output of the contract is sealed by a real ledger, verified as the gateway does it, and told
//! as one line a record, so that a test compares everything that crossed.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_contract::{Contract, Malformed, Sanitized, Scratch, Tally};
use lucarne_ledger::batch::{self, Content, EpochKey};
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::{PublicKey, Signer, SigningFailed};
use lucarne_ledger::record::Stream;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Ledger, Telemetry};
use lucarne_otlp::Signal;
use lucarne_otlp::display::{hex, value_to_json};
use lucarne_otlp::view::{
    KeyValue, LogRecord, Metric, MetricData, NumberDataPoint, NumberValue, Repeated, Resource,
    Scope, Span, View,
};
use lucarne_otlp::wire::Writer;

/// Everything that left of one request.
pub(crate) struct Captured {
    /// One line a record of the telemetry ledger.
    pub(crate) records: Vec<String>,
    /// One JSON object an audit event, without `prev_hash`.
    pub(crate) audit: Vec<String>,
    /// The same records as a request again, one resource a record.
    pub(crate) again: Vec<u8>,
    /// Every byte of the sealed batches.
    pub(crate) bytes: Vec<u8>,
    pub(crate) tally: Tally,
    pub(crate) rejected: u64,
    /// Records of each run.
    pub(crate) runs: Vec<usize>,
}

impl Captured {
    /// The tally as one word a count.
    pub(crate) fn withheld(&self) -> Vec<String> {
        self.tally
            .iter()
            .map(|(key, reason, times)| format!("{key}/{}={times}", reason.as_str()))
            .collect()
    }
}

/// The default contract, built once: its patterns take a while without optimisation.
pub(crate) static DEFAULT: LazyLock<Contract> = LazyLock::new(Contract::default_contract);

/// Sanitises a request that must be valid.
#[track_caller]
pub(crate) fn capture(contract: &Contract, signal: Signal, request: &[u8]) -> Captured {
    capture_sanitized(sanitize(contract, signal, request).unwrap())
}

pub(crate) fn sanitize(
    contract: &Contract,
    signal: Signal,
    request: &[u8],
) -> Result<Sanitized, Malformed> {
    contract.sanitize(signal, request, &mut Scratch::default())
}

/// Seals what was sanitised, and reads it back.
pub(crate) fn capture_sanitized(sanitized: Sanitized) -> Captured {
    let key = P256::new();
    let parts = sanitized.into_parts();
    let mut captured = Captured {
        records: Vec::new(),
        audit: Vec::new(),
        again: Vec::new(),
        bytes: Vec::new(),
        tally: parts.tally,
        rejected: parts.rejected,
        runs: parts.telemetry.iter().map(|run| run.record_count()).collect(),
    };
    for mut run in parts.telemetry {
        assert!(run.size_bytes() <= (1 << 20) + 8192 * 64, "a run is bounded");
        let mut ledger = Ledger::<Telemetry>::new(instance(), EPOCH, Seed::new([1; 32]));
        ledger.append(&mut run).unwrap();
        let sealed = ledger.seal(&key, 0, Seed::new([2; 32])).unwrap().unwrap().into_bytes();
        read_telemetry(&sealed, &key, &mut captured);
        captured.bytes.extend_from_slice(&sealed);
    }
    let mut ledger = Ledger::<Audit>::new(instance(), EPOCH, Seed::new([1; 32]));
    for event in &parts.audit {
        ledger.append_event(event).unwrap();
    }
    if let Some(sealed) = ledger.seal(&key, 0, Seed::new([2; 32])).unwrap() {
        read_audit(sealed.bytes(), &key, &mut captured);
        captured.bytes.extend_from_slice(sealed.bytes());
    }
    captured
}

fn read_telemetry(sealed: &[u8], key: &P256, captured: &mut Captured) {
    let verified = batch::verify(sealed, &key.epoch()).unwrap();
    for record in verified.records() {
        let Content::Present { payload, .. } = record.content else { panic!("a hole") };
        if record.stream == Stream::Context {
            continue;
        }
        let (scope, message) = batch::split_context(payload).unwrap();
        let (resource, scope) = verified.context(scope).unwrap();
        let (_, resource) = verified.context(resource).unwrap();
        captured.records.push(line(record.stream, resource, scope, message));
        Writer::new(&mut captured.again).message(1, |writer| {
            writer.bytes(1, resource);
            writer.message(2, |writer| {
                writer.bytes(1, scope);
                writer.bytes(2, message);
            });
        });
    }
}

fn read_audit(sealed: &[u8], key: &P256, captured: &mut Captured) {
    let verified = batch::verify(sealed, &key.epoch()).unwrap();
    for record in verified.records() {
        let Content::Present { payload, .. } = record.content else { panic!("a hole") };
        let (_, fields) = lucarne_ledger::chain::split(payload).unwrap();
        let event = format!("{{{}}}", std::str::from_utf8(fields).unwrap());
        serde_json::from_str::<serde_json::Value>(&event).unwrap();
        captured.audit.push(event);
    }
}

/// Tells a record with all its fields.
fn line(stream: Stream, resource: &[u8], scope: &[u8], message: &[u8]) -> String {
    let mut line = String::new();
    attributes(&mut line, "resource.", Resource::parse(resource).unwrap().attributes());
    let scope = Scope::parse(scope).unwrap();
    word(&mut line, "scope", scope.name);
    attributes(&mut line, "scope.", scope.attributes());
    match stream {
        Stream::Logs => log(&mut line, &LogRecord::parse(message).unwrap()),
        Stream::Metrics => metric(&mut line, Metric::parse(message).unwrap()),
        Stream::Traces => span(&mut line, &Span::parse(message).unwrap()),
        Stream::Control | Stream::Audit | Stream::Context => panic!("not telemetry"),
    }
    line.trim_start().to_owned()
}

fn log(line: &mut String, record: &LogRecord<'_>) {
    word(line, "log", "");
    number(line, "time", record.time_unix_nano);
    number(line, "observed", record.observed_time_unix_nano);
    number(line, "severity", u64::from(record.severity_number));
    word(line, "level", record.severity_text);
    if let Some(body) = record.body {
        value(line, "body", body);
    }
    attributes(line, "", record.attributes());
    number(line, "dropped", u64::from(record.dropped_attributes_count));
    number(line, "flags", u64::from(record.flags));
    id(line, "trace", record.trace_id);
    id(line, "span", record.span_id);
    word(line, "event", record.event_name);
}

fn span(line: &mut String, span: &Span<'_>) {
    line.push_str(" span");
    id(line, "trace", span.trace_id);
    id(line, "span", span.span_id);
    id(line, "parent", span.parent_span_id);
    word(line, "state", span.trace_state);
    word(line, "name", span.name);
    number(line, "kind", u64::from(span.kind));
    number(line, "start", span.start_time_unix_nano);
    number(line, "end", span.end_time_unix_nano);
    attributes(line, "", span.attributes());
    for event in span.events() {
        word(line, "event", event.unwrap().name);
    }
    for link in span.links() {
        let link = link.unwrap();
        id(line, "link.trace", link.trace_id);
        id(line, "link.span", link.span_id);
        word(line, "link.state", link.trace_state);
        attributes(line, "link.", link.attributes());
    }
    if let Some(status) = &span.status {
        number(line, "status", u64::from(status.code));
        word(line, "status.message", status.message);
    }
    number(line, "flags", u64::from(span.flags));
}

fn metric(line: &mut String, metric: Metric<'_>) {
    line.push(' ');
    line.push_str(metric.name);
    word(line, "unit", metric.unit);
    word(line, "description", metric.description);
    attributes(line, "metadata.", metric.metadata());
    match metric.data.unwrap() {
        MetricData::Gauge { points } => {
            line.push_str(" gauge");
            points.for_each(|point| number_point(line, &point.unwrap()));
        }
        MetricData::Sum { points, temporality, is_monotonic } => {
            line.push_str(&format!(" sum {temporality:?}"));
            line.push_str(if is_monotonic { " monotonic" } else { "" });
            points.for_each(|point| number_point(line, &point.unwrap()));
        }
        MetricData::Histogram { points, temporality } => {
            line.push_str(&format!(" histogram {temporality:?}"));
            for point in points {
                let point = point.unwrap();
                assert_eq!(point.exemplar_count(), Ok(0));
                open(line, point.start_time_unix_nano, point.time_unix_nano, point.flags);
                attributes(line, "", point.attributes());
                totals(line, point.count, [point.sum, point.min, point.max]);
                let counts: Vec<u64> = point.bucket_counts().map(Result::unwrap).collect();
                let bounds: Vec<f64> = point.explicit_bounds().map(Result::unwrap).collect();
                line.push_str(&format!(" {counts:?} {bounds:?})"));
            }
        }
        MetricData::ExponentialHistogram { points, temporality } => {
            line.push_str(&format!(" exponential {temporality:?}"));
            for point in points {
                let point = point.unwrap();
                assert_eq!(point.exemplar_count(), Ok(0));
                open(line, point.start_time_unix_nano, point.time_unix_nano, point.flags);
                attributes(line, "", point.attributes());
                totals(line, point.count, [point.sum, point.min, point.max]);
                line.push_str(&format!(" scale={} zero={}", point.scale, point.zero_count));
                for buckets in [point.positive, point.negative].into_iter().flatten() {
                    let counts: Vec<u64> = buckets.bucket_counts().map(Result::unwrap).collect();
                    line.push_str(&format!(" {}{counts:?}", buckets.offset));
                }
                line.push(')');
            }
        }
        MetricData::Summary { points } => {
            line.push_str(" summary");
            for point in points {
                let point = point.unwrap();
                open(line, point.start_time_unix_nano, point.time_unix_nano, point.flags);
                attributes(line, "", point.attributes());
                totals(line, point.count, [Some(point.sum), None, None]);
                for quantile in point.quantile_values() {
                    let quantile = quantile.unwrap();
                    line.push_str(&format!(" {}:{}", quantile.quantile, quantile.value));
                }
                line.push(')');
            }
        }
    }
}

fn number_point(line: &mut String, point: &NumberDataPoint<'_>) {
    assert_eq!(point.exemplar_count(), Ok(0));
    open(line, point.start_time_unix_nano, point.time_unix_nano, point.flags);
    attributes(line, "", point.attributes());
    line.push_str(&match point.value {
        None => " none)".to_owned(),
        Some(NumberValue::Int(value)) => format!(" {value})"),
        Some(NumberValue::Double(value)) => format!(" {value:?})"),
    });
}

fn open(line: &mut String, start: u64, time: u64, flags: u32) {
    line.push_str(&format!(" ({start}..{time}"));
    number(line, "flags", u64::from(flags));
}

fn totals(line: &mut String, count: u64, [sum, min, max]: [Option<f64>; 3]) {
    line.push_str(&format!(" count={count}"));
    for (name, total) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(total) = total {
            line.push_str(&format!(" {name}={total}"));
        }
    }
}

fn attributes<'a>(line: &mut String, prefix: &str, entries: Repeated<'a, KeyValue<'a>>) {
    for entry in entries {
        let entry = entry.unwrap();
        value(line, &format!("{prefix}{}", entry.key), entry.value);
    }
}

fn value(line: &mut String, name: &str, value: lucarne_otlp::view::AnyValue<'_>) {
    let mut json = Vec::new();
    value_to_json(value, &mut json).unwrap();
    line.push_str(&format!(" {name}={}", String::from_utf8(json).unwrap()));
}

fn word(line: &mut String, name: &str, text: &str) {
    if name == "log" {
        line.push_str(" log");
    } else if !text.is_empty() {
        line.push_str(&format!(" {name}={text}"));
    }
}

fn number(line: &mut String, name: &str, number: u64) {
    if number != 0 {
        line.push_str(&format!(" {name}={number}"));
    }
}

fn id(line: &mut String, name: &str, id: &[u8]) {
    if !id.is_empty() {
        let mut text = Vec::new();
        hex(id, &mut text);
        line.push_str(&format!(" {name}={}", String::from_utf8(text).unwrap()));
    }
}

fn instance() -> lucarne_ledger::identity::Instance {
    "nitro-001-us-east".parse().unwrap()
}

const EPOCH: EpochId = EpochId([7; 16]);

/// The key of an epoch.
struct P256 {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl P256 {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_p256_point(pair.public_key().as_ref()).unwrap();
        Self { pair, public }
    }

    fn epoch(&self) -> EpochKey {
        EpochKey { instance: instance(), epoch: EPOCH, key: self.public.clone() }
    }
}

impl Signer for P256 {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}
