//! What an exported log record costs, on one core, times reading its attributes.
//!
//! 4,096 records of 300 bytes with ten attributes, as an exporter takes them at a time. Run with
//! `cargo xtask bench gateway/export`.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lucarne_gateway::export::line::{self, Flat};
use lucarne_gateway::export::loki::{Loki, LokiFormat};
use lucarne_gateway::export::sink::Tally;
use lucarne_gateway::export::{Entry, Item, Origin, Record, Telemetry};
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};
use lucarne_otlp::view::{LogRecord, View as _};
use lucarne_otlp::wire::Writer;

fn main() {
    let Ok(instance) = "nitro-001-us-east".parse::<Instance>() else { return };
    let items = items(&instance);
    let walk = fastest(|| items.iter().for_each(walk));
    println!("walk of ten attributes     {:6.0} ns a record", nanos(walk));
    for (name, format) in [
        ("Loki, protobuf in snappy", LokiFormat::Protobuf),
        ("Loki, JSON", LokiFormat::Json),
        ("Loki, JSON in gzip", LokiFormat::JsonGzip),
    ] {
        let loki = Loki { format, labels_compat: false };
        let mut bytes = 0;
        let time = fastest(|| {
            let requests = loki.encode(black_box(&items), &mut Tally::default());
            bytes = requests.iter().map(|request| black_box(request.body()).len()).sum();
        });
        figure(name, time, walk, bytes);
    }
    let (mut bytes, mut flat) = (0, Flat::default());
    let time = fastest(|| {
        bytes = 0;
        for item in &items {
            if let Ok(Some(line)) = line::line(black_box(item), &mut flat) {
                bytes += black_box(line.into_whole()).len();
            }
        }
    });
    figure("JSON lines", time, walk, bytes);
}

fn figure(name: &str, time: Duration, walk: Duration, bytes: usize) {
    let (ns, times) = (nanos(time), time.as_secs_f64() / walk.as_secs_f64());
    let bytes = bytes / usize::from(RECORDS);
    println!("{name:26} {ns:6.0} ns a record, {times:4.1} times the walk, {bytes} bytes");
}

/// The best of many rounds: noise only ever adds.
fn fastest(mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed());
    }
    best
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(RECORDS)
}

/// Reads every attribute and does nothing with them.
fn walk(item: &Item) {
    let Item::Record(Record { entry: Entry::Log(log), .. }) = item else { return };
    let Ok(record) = LogRecord::parse(black_box(&log.message)) else { return };
    for attribute in record.attributes().flatten() {
        let _: (&str, _) = black_box((attribute.key, attribute.value));
    }
}

fn items(instance: &Instance) -> Vec<Item> {
    let resource = message(|out| text(1, "service.name", "credit-engine", out));
    let scope = message(|out| out.bytes(1, b"workflow"));
    let mut origin = None;
    let item = |index: u16| {
        if index.is_multiple_of(BATCH) {
            origin = Some(Arc::new(self::origin(instance, u64::from(index))));
        }
        let (resource, scope) = (resource.clone(), scope.clone());
        let telemetry = Telemetry { resource, scope, message: log(u64::from(index)) };
        let (origin, index, entry) = (origin.clone()?, u64::from(index), Entry::Log(telemetry));
        Some(Item::Record(Record { origin, index, unsealed: false, entry }))
    };
    (0..RECORDS).filter_map(item).collect()
}

fn origin(instance: &Instance, first: u64) -> Origin {
    let (instance, epoch) = (instance.clone(), EpochId([0xab; 16]));
    let range = format!("{first:020}-{:020}", first + u64::from(BATCH));
    Origin {
        ledger: LedgerId { instance, epoch, kind: LedgerKind::Telemetry },
        thumbprint: format!("sha256:{}", "a1".repeat(32)),
        measurement: "c3".repeat(48),
        batch_first: first,
        batch_time_ns: TIME_NS,
        head_size: first + u64::from(BATCH),
        head_root: "0f".repeat(32),
        seal: format!(
            "2024/05/27/i/{}/telemetry/{range}-{}.seal",
            "ab".repeat(16),
            "0f".repeat(32)
        ),
    }
}

/// As the contract's default lets it leave.
fn log(index: u64) -> Bytes {
    let execution = format!("exec-abcd-{index:09}");
    message(|out| {
        out.fixed64(1, TIME_NS + index * 1_000_003);
        out.varint(2, if index.is_multiple_of(16) { 17 } else { 9 });
        out.message(5, |any| any.bytes(1, b"workflow completed"));
        for (key, value) in [("executionId", &*execution)].into_iter().chain(TEXTS) {
            text(6, key, value, out);
        }
        for (key, value) in [("durationMs", 412), ("stepCount", 7)] {
            out.message(6, |pair| {
                pair.bytes(1, key.as_bytes());
                pair.message(2, |any| any.varint(3, value));
            });
        }
        out.bytes(9, &index.to_be_bytes().repeat(2));
        out.bytes(10, &index.to_be_bytes());
    })
}

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out.into()
}

fn text(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |entry| {
        entry.bytes(1, key.as_bytes());
        entry.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

const TEXTS: [(&str, &str); 7] = [
    ("workflowType", "credit-assessment"),
    ("nodeType", "calculation"),
    ("tenantHash", "t_8f3a2b1c"),
    ("errorCode", "E_CALCULATION_OVERFLOW"),
    ("outcome", "approved"),
    ("tier", "standard"),
    ("region", "us-east"),
];
const RECORDS: u16 = 4096;
/// Records of a sealed batch.
const BATCH: u16 = 1000;
const ROUNDS: usize = 50;
/// 2024-05-27T16:00:00Z.
const TIME_NS: u64 = 1_716_825_600_000_000_000;
