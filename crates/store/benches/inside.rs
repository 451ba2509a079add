//! The figures of the inside view, each beside the primitive of the same run that bounds it.
//!
//! Run with `cargo xtask bench inside`. `LUCARNE_RECORDS` sets how many records there are (300,000
//! when it is not set), `LUCARNE_SPANS` how many spans (100,000). Ratios are of processor time, all
//! threads together, so they hold on a machine that does other work beside.
#![allow(missing_docs, reason = "a program")]

#[path = "inside/machine.rs"]
mod machine;
#[path = "inside/records.rs"]
mod records;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::{Mode, parse};
use lucarne_store::engine::answer::Answer;
use lucarne_store::engine::limits::{Cancel, Limits, Meter};
use lucarne_store::engine::source::{
    Columns, Direction, Entry, ScanError, ScanStats, Selection, Source, TimeRange,
};
use lucarne_store::engine::{Engine, RangeAsk};
use lucarne_store::retention::Retention;
use lucarne_store::stream::Mapping;
use lucarne_store::trace::{TraceId, TraceSource as _};
use lucarne_store::vault::Vault;
use lucarne_store::{Config, Store};

use self::machine::{best, memory_mib, per_second, processor, thread_spent};
use self::records::{A_REQUEST, Make, START_NS, STEP_NS};

const BUDGET: u64 = 256 << 20;
const RARE: &str = "completed calculation";
const MINUTE: i64 = 60_000_000_000;

fn main() {
    let records = setting("LUCARNE_RECORDS", 300_000);
    machine::primitives();
    let kinds = [("attributes", records::attributes as Make), ("json", records::json)];
    for (name, make) in kinds {
        let Some(store) = filled(name, records, make) else { return };
        cold_grep(name, &store);
        if name == "json" {
            columns(&store, newest(records));
            questions(&store, records);
            during_ingest(&store, records);
        }
    }
    traces(setting("LUCARNE_SPANS", 100_000));
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn config(bytes: u64) -> Config {
    Config {
        mapping: Mapping::with_job("tee-processengine"),
        retention: Retention { bytes, age_ns: i64::MAX },
        head_bytes: 16 << 20,
    }
}

fn filled(name: &str, records: u64, make: Make) -> Option<Store> {
    let store = Store::new(config(BUDGET), Vault::memory()).ok()?;
    let before = memory_mib("VmRSS");
    let (mut spent, mut sent) = (Duration::ZERO, 0);
    for batch in 0..records / A_REQUEST {
        let request = records::request(batch * A_REQUEST, make);
        sent += request.len() as u64;
        let start = thread_spent();
        black_box(store.ingest_logs(&request, 0).is_ok());
        spent += thread_spent() - start;
    }
    let start = thread_spent();
    store.maintain(0);
    spent += thread_spent() - start;
    let report = store.report();
    let (rate, each) = (records as f64 / spent.as_secs_f64(), sent as f64 / records as f64);
    let kept = (report.stored_bytes + report.memory_bytes) as f64 / report.records as f64;
    say(&format!("{name}: ingest {rate:.0} records/s a core, of {each:.0} bytes (goal 300,000)"));
    say(&format!("{name}: kept {kept:.1} bytes a record (goal 40)"));
    let beside = memory_mib("VmRSS").saturating_sub(before + (report.stored_bytes >> 20));
    say(&format!("{name}: resident beside the blocks {beside} MiB (goal 64)"));
    Some(store)
}

/// A needle that is in every block's filter and in no line.
fn cold_grep(name: &str, store: &Store) {
    let needle = [RARE.to_owned()];
    let bytes = store.line_bytes();
    let (wall, _) = best(|| scan(store, &needle));
    let found = processor(|| {
        black_box(scan(store, &needle));
    });
    let floor = processor(|| {
        black_box(store.decompress_and_find(RARE.as_bytes()));
    });
    say(&format!(
        "{name}: cold grep {:.2} GB/s on all cores, {:.2} a core; decompress and memmem {:.2} a \
         core: {:.2} of it (goal 0.80)",
        per_second(bytes, wall),
        per_second(bytes, found),
        per_second(bytes, floor),
        floor.as_secs_f64() / found.as_secs_f64()
    ));
}

fn scan(store: &Store, literals: &[String]) -> u64 {
    let cancel = Cancel::default();
    let meter = Meter::new(UNLIMITED, &cancel, &|| false);
    let range = TimeRange { from_ns: 0, to_ns: i64::MAX };
    let columns = Columns::None;
    let what = Selection {
        matchers: &[],
        range,
        direction: None,
        literals,
        conditions: None,
        columns,
        meter: &meter,
    };
    let mut rows = 0_u64;
    let shown = store.scan(&what, &mut |entry| {
        rows += black_box(entry.line.len() as u64).min(1);
        ControlFlow::Continue(())
    });
    // A scan that skipped a block would not have paid for the bytes that are counted.
    assert!(shown.is_ok_and(|stats| stats.blocks_skipped == 0), "every block is read");
    rows
}

/// The same store without its columns: every line is parsed.
struct Parsed<'a>(&'a Store);

impl Source for Parsed<'_> {
    fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LabelSet>, ScanError> {
        self.0.streams(matchers, range)
    }

    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        let lines = Selection { columns: Columns::None, conditions: None, ..*what };
        self.0.scan(&lines, &mut |entry| visit(&Entry { shredded: None, ..*entry }))
    }
}

fn columns(store: &Store, end_ns: i64) {
    for (code, who) in [("E_NONE", "no line"), ("E_SCHEMA", "a quarter of the lines")] {
        let text = format!(
            "sum(count_over_time({{job=\"tee-processengine\"}} | json \
             | errorCode=\"{code}\" [30m]))"
        );
        a_code(store, end_ns, &text, who);
    }
}

fn a_code(store: &Store, end_ns: i64, text: &str, who: &str) {
    let bytes = store.line_bytes();
    let over_columns = processor(|| drop(black_box(ask(store, text, end_ns))));
    let over_lines = processor(|| drop(black_box(ask(&Parsed(store), text, end_ns))));
    let (wall, _) = best(|| u64::from(ask(store, text, end_ns).is_some()));
    say(&format!(
        "json: | json | errorCode=\"...\", which {who} has: {:.2} GB/s on all cores, {:.2} a core \
         (goal 2), parsing each line {:.2}: {:.1} times (goal 10)",
        per_second(bytes, wall),
        per_second(bytes, over_columns),
        per_second(bytes, over_lines),
        over_lines.as_secs_f64() / over_columns.as_secs_f64()
    ));
}

fn questions(store: &Store, records: u64) {
    let end_ns = newest(records);
    let seed = concat!(
        r#"sum by (errorCode, tenantHash) (count_over_time({job="tee-processengine"} "#,
        r#"| json | errorCode != "" [30m]))"#
    );
    let rows = u64::try_from(30 * MINUTE / STEP_NS).unwrap_or(0).min(records);
    for (name, text) in [
        (format!("the seed's query over {rows} records (goal 100 ms)"), seed),
        ("lines a level".to_owned(), r#"sum by (level) (count_over_time({job=~".+"}[5m]))"#),
        ("a needle".to_owned(), r#"{job="tee-processengine"} |= "exec-00000000deadbeef""#),
    ] {
        let (wall, _) = best(|| u64::from(ask(store, text, end_ns).is_some()));
        say(&format!("json: {name} {:.1} ms", wall.as_secs_f64() * 1e3));
    }
    let all = TimeRange { from_ns: 0, to_ns: i64::MAX };
    let (wall, _) = best(|| store.streams(&[], all).map_or(0, |found| found.len() as u64));
    say(&format!("json: labels {:.3} ms", wall.as_secs_f64() * 1e3));
}

/// Questions about the last minutes while records come in.
fn during_ingest(store: &Store, records: u64) {
    let end_ns = newest(records);
    let text = r#"sum by (level) (count_over_time({job="tee-processengine"} |= "E_TIMEOUT" [1m]))"#;
    let over = AtomicBool::new(false);
    let mut spent: Vec<Duration> = std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut batch = records / A_REQUEST;
            while !over.load(Ordering::Relaxed) {
                black_box(
                    store
                        .ingest_logs(&records::request(batch * A_REQUEST, records::json), 0)
                        .is_ok(),
                );
                batch += 1;
            }
        });
        let once = |_| {
            let start = Instant::now();
            black_box(ask(store, text, end_ns));
            start.elapsed()
        };
        let spent = (0..200).map(once).collect();
        over.store(true, Ordering::Relaxed);
        spent
    });
    spent.sort_unstable();
    let ms = |part: usize| spent[spent.len() * part / 100].as_secs_f64() * 1e3;
    say(&format!(
        "json: a minute's query during ingest: median {:.1} ms, p99 {:.1} ms",
        ms(50),
        ms(99)
    ));
}

/// Behind the newest of so many records.
fn newest(records: u64) -> i64 {
    START_NS + STEP_NS * i64::try_from(records).unwrap_or(0) + 10_000_000
}

/// A question whose last instant is `end_ns`.
fn ask(source: &dyn Source, text: &str, end_ns: i64) -> Option<Answer> {
    let parsed = parse(text, Mode::Extended).ok()?;
    let cancel = Cancel::default();
    let engine = Engine::new(source, UNLIMITED, &cancel, &|| false, 0);
    let direction = Direction::Backward;
    let ask = RangeAsk { start_ns: end_ns, end_ns, step_ns: MINUTE, limit: 100, direction };
    let lines = RangeAsk { start_ns: START_NS, ..ask };
    let asked = if text.starts_with('{') { lines } else { ask };
    Some(
        engine.query_range(&parsed.query, &asked).unwrap_or_else(|error| panic!("{text}: {error}")),
    )
}

fn traces(spans: u64) {
    let Ok(store) = Store::new(config(4 << 30), Vault::memory()) else { return };
    let (traces, start) = (spans / 10, Instant::now());
    for n in 0..traces {
        black_box(store.ingest_spans(&records::trace(n), 0).is_ok());
    }
    store.maintain(0);
    let rate = spans as f64 / start.elapsed().as_secs_f64();
    let mut spent: Vec<Duration> = (0..200)
        .map(|n| {
            let id = TraceId(records::trace_id(n * traces / 200));
            let start = Instant::now();
            assert_eq!(store.trace(id).spans.len(), 10);
            start.elapsed()
        })
        .collect();
    spent.sort_unstable();
    let ms = |part: usize| spent[spent.len() * part / 100].as_secs_f64() * 1e3;
    say(&format!(
        "traces: {rate:.0} spans/s a core, {:.1} bytes a span; by id among {spans} spans: median \
         {:.2} ms, p99 {:.2} ms (goal 20)",
        store.report().stored_bytes as f64 / spans as f64,
        ms(50),
        ms(99)
    ));
}

const UNLIMITED: Limits = Limits {
    memory_bytes: u64::MAX,
    rows: u64::MAX,
    scanned_bytes: u64::MAX,
    series: u64::MAX,
    steps: u64::MAX,
    time_ms: u64::MAX,
};

#[expect(clippy::print_stdout, reason = "the figures are the point of the program")]
fn say(line: &str) {
    println!("inside {line}");
}
