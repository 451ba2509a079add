//! What the store costs: records a second, bytes a record, a cold search beside its floor, memory.
//!
//! Run with `cargo bench -p lucarne-store --bench store`; `LUCARNE_RECORDS` sets how many records
//! (100,000 when it is not set). Lines are JSON of about 300 bytes or records with ten attributes.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use lucarne_otlp::wire::Writer;
use lucarne_store::engine::limits::{Cancel, Limits, Meter};
use lucarne_store::engine::source::{Columns, Selection, Source as _, TimeRange};
use lucarne_store::retention::Retention;
use lucarne_store::stream::Mapping;
use lucarne_store::vault::Vault;
use lucarne_store::{Config, Store};

const A_REQUEST: u64 = 1000;

fn main() {
    let records = std::env::var("LUCARNE_RECORDS").ok().and_then(|text| text.parse().ok());
    let records: u64 = records.unwrap_or(100_000);
    for (name, make) in [("attributes", attributes as fn(u64, &mut Writer<'_>)), ("json", json)] {
        run(name, records, make);
    }
}

fn run(name: &str, records: u64, make: fn(u64, &mut Writer<'_>)) {
    let config = Config {
        mapping: Mapping::with_job("tee-processengine"),
        retention: Retention { bytes: 256 << 20, age_ns: i64::MAX },
        head_bytes: 16 << 20,
    };
    let Ok(store) = Store::new(config, Vault::memory()) else { return };
    let mut spent = Duration::ZERO;
    let mut sent = 0;
    for batch in 0..records / A_REQUEST {
        let request = request(batch * A_REQUEST, make);
        sent += request.len();
        let start = Instant::now();
        black_box(store.ingest_logs(&request, 0).is_ok());
        spent += start.elapsed();
    }
    let start = Instant::now();
    store.maintain(0);
    spent += start.elapsed();
    let report = store.report();
    let rate = records as f64 / spent.as_secs_f64();
    let kept = report.stored_bytes as f64 / report.records as f64;
    let index = report.memory_bytes as f64 / report.records as f64;
    let sent = sent as f64 / records as f64;
    say(&format!("{name}: {sent:.0} bytes a record, ingest {rate:.0} records/s a core"));
    say(&format!("{name}: kept {kept:.1} bytes a record, index {index:.1}"));
    say(&format!(
        "{name}: {} records, {} evicted, rss {}",
        report.records,
        report.evicted.records,
        rss()
    ));
    search(name, &store);
}

/// A needle that is in every block's filter and in no line, beside decompressing and searching.
fn search(name: &str, store: &Store) {
    let needle = ["completed calculation".to_owned()];
    let (found, bytes) = best(|| scan(store, &needle, Columns::None));
    let (all, _) = best(|| scan(store, &[], Columns::None));
    let (columns, _) = best(|| scan(store, &[], Columns::All));
    let rate = |spent: Duration| bytes as f64 / spent.as_secs_f64() / 1e9;
    say(&format!(
        "{name}: needle {:.2} GB/s, every row {:.2}, with columns {:.2}",
        rate(found),
        rate(all),
        rate(columns)
    ));
    let (floor, floor_bytes) = best(|| store.decompress_and_find(needle[0].as_bytes()));
    let floor = floor_bytes as f64 / floor.as_secs_f64() / 1e9;
    say(&format!("{name}: decompress and memmem alone {floor:.2} GB/s"));
}

fn scan(store: &Store, literals: &[String], columns: Columns<'_>) -> u64 {
    let (cancel, most) = (Cancel::default(), u64::MAX);
    let limits = Limits {
        memory_bytes: most,
        rows: most,
        scanned_bytes: most,
        series: most,
        steps: most,
        time_ms: most,
    };
    let meter = Meter::new(limits, &cancel, &|| false);
    let range = TimeRange { from_ns: 0, to_ns: i64::MAX };
    let what =
        Selection { matchers: &[], range, direction: None, literals, columns, meter: &meter };
    let mut rows = 0_u64;
    let shown = store.scan(&what, &mut |entry| {
        rows += black_box(entry.line.len() as u64).min(1);
        ControlFlow::Continue(())
    });
    // A scan that skipped a block would not have paid for the bytes that are counted.
    assert!(shown.is_ok_and(|stats| stats.blocks_skipped == 0), "every block is read");
    black_box(rows);
    store.line_bytes()
}

fn best(mut once: impl FnMut() -> u64) -> (Duration, u64) {
    let mut best = (Duration::MAX, 0);
    for _ in 0..5 {
        let start = Instant::now();
        let bytes = once();
        best = best.min((start.elapsed(), bytes));
    }
    best
}

fn request(first: u64, make: fn(u64, &mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |w| {
        w.message(1, |w| string(w, 1, "service.name", "processengine"));
        w.message(2, |w| {
            for n in first..first + A_REQUEST {
                w.message(2, |w| {
                    w.fixed64(1, 1_763_696_787_000_000_000 + n * 1_000_003 + (mix(n) >> 44));
                    w.varint(2, if n % 50 == 0 { 17 } else { 9 });
                    make(n, w);
                });
            }
        });
    });
    out
}

fn string(w: &mut Writer<'_>, field: u32, key: &str, value: &str) {
    w.message(field, |w| {
        w.bytes(1, key.as_bytes());
        w.message(2, |w| w.bytes(1, value.as_bytes()));
    });
}

const CODES: [&str; 4] = ["OK", "E_CALCULATION_OVERFLOW", "E_TIMEOUT", "E_SCHEMA"];

fn attributes(n: u64, w: &mut Writer<'_>) {
    w.message(5, |w| w.bytes(1, b"workflow step completed"));
    let execution = (n / 50).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    string(w, 6, "executionId", &format!("exec-{execution:016x}"));
    string(w, 6, "workflowType", "credit-assessment");
    string(w, 6, "nodeType", ["calculation", "decision", "fetch"][usize_of((mix(n) >> 40) % 3)]);
    string(w, 6, "tenantHash", &format!("t_{:08x}", n / 50 % 40));
    string(w, 6, "errorCode", CODES[usize_of(mix(n) % 4)]);
    string(w, 6, "outcome", "approved");
    string(w, 6, "region", "us-east");
    string(w, 6, "engine", "2.4.1");
    for (key, value) in [("durationMs", (mix(n) >> 20) % 900), ("stepCount", n % 50)] {
        w.message(6, |w| {
            w.bytes(1, key.as_bytes());
            w.message(2, |w| w.varint(3, value));
        });
    }
}

fn json(n: u64, w: &mut Writer<'_>) {
    let execution = (n / 50).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let line = format!(
        "{{\"executionId\":\"exec-{execution:016x}\",\"workflowType\":\"credit-assessment\",\
         \"nodeType\":\"calculation\",\"tenantHash\":\"t_{:08x}\",\"errorCode\":\"{}\",\
         \"outcome\":\"approved\",\"region\":\"us-east\",\"durationMs\":{},\"stepCount\":{},\
         \"message\":\"workflow step completed after the rules of its tenant were applied\"}}",
        n / 50 % 40,
        CODES[usize_of(mix(n) % 4)],
        (mix(n) >> 20) % 900,
        n % 50
    );
    w.message(5, |w| w.bytes(1, line.as_bytes()));
}

/// The finaliser of SplitMix64: values that follow no pattern, the same in every run.
const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

fn rss() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap_or("unknown").trim().to_owned()
}

#[expect(clippy::print_stdout, reason = "the figures are the point of the program")]
fn say(line: &str) {
    println!("store {line}");
}
