//! Records that are encoded once and then only patched: a batch is copies with new times and ids.
//!
//! Encoding each record anew would make the generator, not the receiver, what a benchmark measures.

use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use crate::random::Random;
use crate::telemetry::logs::{Level, LogRecord};
use crate::telemetry::metrics::{Metric, Points, SumPoint, Window};
use crate::telemetry::traces::Span;
use crate::telemetry::{
    Attribute, Source, SpanContext, Value, logs, metrics, traces, write_attributes,
};

/// How a generated record looks.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes of one encoded record, reached by padding; a record that needs more stays longer.
    pub size: usize,
    /// Attributes of one record.
    pub attributes: usize,
}

/// Encoded records of one signal that differ in tenant, node, outcome and level.
#[derive(Debug)]
pub struct Templates {
    variants: Vec<Template>,
    run: String,
}

#[derive(Debug)]
struct Template {
    // The record with its field tag and length in front, as it stands in a request.
    bytes: Vec<u8>,
    number: Option<usize>,
    times: Vec<usize>,
    trace: Option<usize>,
    span: Option<usize>,
}

impl Templates {
    /// Encodes the variants of a signal for a run, whose letters are in every id.
    pub fn new(signal: Signal, shape: Shape, run: &str, random: &mut Random) -> Self {
        let variants = (0..VARIANTS)
            .map(|variant| {
                let base = base(variant, run, random);
                Template::find(&encode(signal, shape, &base, random))
            })
            .collect();
        Self { variants, run: run.to_owned() }
    }

    /// Appends record `number` of the run.
    pub fn append(&self, out: &mut Vec<u8>, number: u64, time_ns: u64) {
        let index = usize::try_from(number).unwrap_or(0) % self.variants.len();
        self.variants[index].append(out, number, time_ns);
    }

    /// The id of record `number`.
    pub fn execution(&self, number: u64) -> String {
        execution(&self.run, number)
    }
}

/// `exec-<letters>-<number>`: no run of sixteen digits, nothing like a social security number.
pub fn execution(run: &str, number: u64) -> String {
    format!("exec-{run}-{number:09}")
}

/// The trace and span of record `number`: different for each, and not zero.
pub fn context(number: u64) -> SpanContext {
    let mut mixed = Random::new(number ^ TRACE_MARK_SEED);
    SpanContext { trace: mixed.bytes(), span: mixed.bytes() }
}

/// The scope of a request, as it stands before the records that [`Templates::append`] adds.
pub fn scope_field(source: &Source) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |scope| scope.bytes(1, source.scope.as_bytes()));
    out
}

/// The request around a scope and its records; alike for all signals.
pub fn request(source: &Source, scope_items: &[u8]) -> Vec<u8> {
    let mut resource = Vec::new();
    write_attributes(&mut Writer::new(&mut resource), 1, &source.resource);
    let mut inner = Vec::with_capacity(resource.len() + scope_items.len() + 16);
    let mut writer = Writer::new(&mut inner);
    writer.bytes(1, &resource);
    writer.bytes(2, scope_items);
    let mut out = Vec::with_capacity(inner.len() + 8);
    Writer::new(&mut out).bytes(1, &inner);
    out
}

impl Template {
    /// Finds the places to patch by the marks that stand in them.
    fn find(bytes: &[u8]) -> Self {
        let find = |mark: &[u8]| bytes.windows(mark.len()).position(|at| at == mark);
        let number = format!("-{NUMBER_MARK:09}");
        let time = TIME_MARK.to_le_bytes();
        let times = bytes.windows(8).enumerate().filter(|(_, at)| *at == time);
        Self {
            number: find(number.as_bytes()).map(|at| at + 1),
            times: times.map(|(at, _)| at).collect(),
            trace: find(&TRACE_MARK),
            span: find(&SPAN_MARK),
            bytes: bytes.to_owned(),
        }
    }

    fn append(&self, out: &mut Vec<u8>, number: u64, time_ns: u64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let copy = &mut out[start..];
        for at in &self.times {
            copy[*at..at + 8].copy_from_slice(&time_ns.to_le_bytes());
        }
        if let Some(at) = self.number {
            write_digits(&mut copy[at..at + 9], number);
        }
        let mut ids = Random::new(number ^ TRACE_MARK_SEED);
        if let Some(at) = self.trace {
            copy[at..at + 16].copy_from_slice(&ids.bytes::<16>());
        }
        if let Some(at) = self.span {
            copy[at..at + 8].copy_from_slice(&ids.bytes::<8>());
        }
    }
}

fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

fn base(variant: u64, run: &str, random: &mut Random) -> (Level, Vec<Attribute>) {
    let failed = variant % 8 == 7;
    let outcome = if failed { "failed" } else { "completed" };
    let mut attributes = vec![
        Attribute::new("executionId", execution(run, NUMBER_MARK)),
        Attribute::new("tenantHash", random.pick(&TENANTS)),
        Attribute::new("nodeType", random.pick(&NODES)),
        Attribute::new("durationMs", 128 + i64::try_from(random.below(900)).unwrap_or(0)),
        Attribute::new("outcome", outcome),
        Attribute::new("stepCount", 1 + i64::try_from(random.below(9)).unwrap_or(0)),
        Attribute::new("workflowType", "credit-assessment"),
    ];
    if failed {
        attributes.insert(1, Attribute::new("errorCode", "E_CALCULATION_OVERFLOW"));
    }
    (if failed { Level::Error } else { Level::Information }, attributes)
}

fn encode(
    signal: Signal,
    shape: Shape,
    (level, base): &(Level, Vec<Attribute>),
    random: &mut Random,
) -> Vec<u8> {
    let mut attributes: Vec<Attribute> = base.iter().take(shape.attributes).cloned().collect();
    let pads = shape.attributes.saturating_sub(attributes.len());
    // What a workload says beside the names of the contract, and what the contract withholds.
    attributes.extend((0..pads).map(|pad| Attribute::new(&format!("p{pad}"), "")));
    let encoded = |attributes: &[Attribute]| item(signal, *level, attributes);
    let length = |attributes: &[Attribute]| encoded(attributes).len() - FRAME_BYTES;
    let missing = shape.size.saturating_sub(length(&attributes));
    if pads > 0 && missing > 0 {
        // One pad takes the rest; a length of 128 and more costs a byte or two that nobody misses.
        let text = random.letters(missing);
        if let Some(last) = attributes.last_mut() {
            last.value = Value::Text(text);
        }
        let over = length(&attributes).saturating_sub(shape.size);
        if let Some(Attribute { value: Value::Text(text), .. }) = attributes.last_mut() {
            text.truncate(text.len().saturating_sub(over));
        }
    }
    encoded(&attributes)
}

fn item(signal: Signal, level: Level, attributes: &[Attribute]) -> Vec<u8> {
    let context = SpanContext { trace: TRACE_MARK, span: SPAN_MARK };
    let attributes = attributes.to_vec();
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    match signal {
        Signal::Logs => {
            let done = if level == Level::Error { "node failed" } else { "node completed" };
            let (body, event_name, time_ns) = (done.into(), String::new(), TIME_MARK);
            let record = LogRecord { time_ns, level, body, attributes, context, event_name };
            writer.message(logs::ITEM_FIELD, |item| record.write(item));
        }
        Signal::Traces => {
            let span = Span {
                context,
                parent: None,
                name: "node".to_owned(),
                start_ns: TIME_MARK,
                end_ns: TIME_MARK,
                attributes,
                events: Vec::new(),
                error: (level == Level::Error).then(|| "calculation overflow".to_owned()),
            };
            writer.message(traces::ITEM_FIELD, |item| span.write(item));
        }
        Signal::Metrics => {
            let window = Window { start_ns: TIME_MARK - 1, time_ns: TIME_MARK };
            let metric = Metric {
                name: "bizfirst_workflow_executions_total".to_owned(),
                unit: "1".to_owned(),
                points: Points::Sum(vec![SumPoint {
                    labels: labels(&attributes),
                    window,
                    value: 1,
                }]),
            };
            writer.message(metrics::ITEM_FIELD, |item| metric.write(item));
        }
    }
    out
}

/// Labels are what a metric has of the attributes of a record; an execution id is none.
fn labels(attributes: &[Attribute]) -> Vec<Attribute> {
    let name = |key: &str| match key {
        "tenantHash" => Some("tenant_hash"),
        "nodeType" => Some("node_type"),
        "outcome" => Some("outcome"),
        _ => None,
    };
    let label = |attribute: &Attribute| {
        Some(Attribute { key: name(&attribute.key)?.to_owned(), value: attribute.value.clone() })
    };
    attributes.iter().filter_map(label).collect()
}

/// Tag and length in front of a record of 128 bytes to 16 KiB.
const FRAME_BYTES: usize = 3;
const VARIANTS: u64 = 64;
const TENANTS: [&str; 4] = ["t_8f3a2b1c", "t_1b9e07d4", "t_c05d33fe", "t_77aa90b2"];
const NODES: [&str; 3] = ["calculation", "decision", "hil"];

// Marks that occur nowhere else in a record.
const NUMBER_MARK: u64 = 987_650_123;
const TIME_MARK: u64 = 0xf1e2_d3c4_b5a6_9788;
const TRACE_MARK: [u8; 16] = *b"\xf0trace-id-mark-\xf1";
const SPAN_MARK: [u8; 8] = *b"\xf2span-m\xf3";
/// Keeps ids of records apart from other uses of small seeds.
const TRACE_MARK_SEED: u64 = 0x7472_6163_6573_0000;

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { size: 300, attributes: 10 };

    fn templates(signal: Signal) -> Templates {
        Templates::new(signal, SHAPE, "abcd", &mut Random::new(1))
    }

    #[test]
    fn a_patched_copy_is_the_record_encoded_anew() {
        let templates = templates(Signal::Logs);
        let mut out = Vec::new();
        templates.append(&mut out, 0, 1_700_000_000_000_000_000);
        let find = |needle: &[u8]| out.windows(needle.len()).filter(|at| *at == needle).count();
        assert_eq!(find(b"exec-abcd-000000000"), 1);
        assert_eq!(find(&1_700_000_000_000_000_000_u64.to_le_bytes()), 2);
        assert_eq!(find(&context(0).trace), 1);
        assert_eq!(find(&context(0).span), 1);
        for mark in [&TRACE_MARK[..], &SPAN_MARK, &TIME_MARK.to_le_bytes(), b"987650123"] {
            assert_eq!(find(mark), 0);
        }
    }

    fn sizes(shape: Shape) -> Vec<usize> {
        let templates = Templates::new(Signal::Logs, shape, "abcd", &mut Random::new(1));
        templates.variants.iter().map(|variant| variant.bytes.len() - FRAME_BYTES).collect()
    }

    #[test]
    fn records_have_the_size_asked_for() {
        let small = sizes(SHAPE);
        let mean = small.iter().sum::<usize>() as f64 / small.len() as f64;
        assert!((299.0..304.0).contains(&mean), "{mean}: {small:?}");
        let large = sizes(Shape { size: 2000, attributes: 20 });
        assert!(large.iter().all(|size| (1996..=2000).contains(size)), "{large:?}");
    }

    #[test]
    fn every_id_is_another() {
        let ids: std::collections::BTreeSet<_> =
            (0..1000).map(|number| context(number).trace).collect();
        assert_eq!(ids.len(), 1000);
        assert_eq!(execution("abcd", 12), "exec-abcd-000000012");
    }

    #[test]
    fn copies_stand_in_a_request_like_records_encoded_in_it() {
        let source = Source { resource: Vec::new(), scope: "s".to_owned() };
        let record = LogRecord {
            time_ns: 5,
            level: Level::Information,
            body: "node completed".into(),
            attributes: vec![Attribute::new("executionId", execution("abcd", 7))],
            context: context(7),
            event_name: String::new(),
        };
        let mut expected = Vec::new();
        logs::write_logs(&mut expected, &source, std::slice::from_ref(&record));

        let (time_ns, context) = (TIME_MARK, SpanContext { trace: TRACE_MARK, span: SPAN_MARK });
        let attributes = vec![Attribute::new("executionId", execution("abcd", NUMBER_MARK))];
        let marked = LogRecord { time_ns, context, attributes, ..record };
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).message(logs::ITEM_FIELD, |item| marked.write(item));
        let mut items = scope_field(&source);
        Template::find(&bytes).append(&mut items, 7, 5);
        assert_eq!(request(&source, &items), expected);
    }
}
