//! What the store costs the process: its bound and 64 MiB, whatever comes in and is asked.
//!
//! `LUCARNE_INSIDE_RECORDS` sets how many records come in, 30,000 when it is not set; the bound
//! grows with them and is 256 MiB for ten million, of which more than half are dropped again.

use lucarne_logql::{Mode, parse};
use lucarne_otlp::wire::Writer;
use lucarne_store::engine::error::QueryError;
use lucarne_store::engine::limits::{Cancel, Exceeded, Limit, Limits};
use lucarne_store::engine::source::Direction;
use lucarne_store::engine::{Engine, RangeAsk};

use super::*;

const A_REQUEST: u64 = 500;
const RECORDS: u64 = 30_000;
const FULL_RECORDS: u64 = 10_000_000;
const FULL_BYTES: u64 = 256 << 20;
const BESIDE: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: i64 = 3_600_000_000_000;

/// Lines of 300 bytes, 32 of which no compressor can save.
fn request(first: u64, now_ns: i64) -> Raw<Bytes> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |resource| {
        resource.message(2, |scope| {
            for n in first..first + A_REQUEST {
                scope.message(2, |record| {
                    record.fixed64(1, now_ns.unsigned_abs());
                    record.message(5, |value| value.bytes(1, line(n).as_bytes()));
                });
            }
        });
    });
    Raw::new(out.into())
}

fn line(n: u64) -> String {
    let id = |m: u64| {
        let n = (4 * n + m).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n ^ n >> 27
    };
    format!(
        "{{\"id\":\"{:016x}{:016x}{:016x}{:016x}\",\"code\":\"E_{}\",\"workflowType\":\
         \"credit-assessment\",\"nodeType\":\"calculation\",\"durationMs\":{},\"message\":\
         \"the step was computed and its result was stored with the others of its execution, as \
         the rules of the tenant ask for\"}}",
        id(0),
        id(1),
        id(2),
        id(3),
        n % 9,
        n % 900
    )
}

/// What a question about the last hour gives: how many rows or series.
fn ask(kept: &Kept, text: &str, limits: Limits) -> Result<u64, QueryError> {
    let parsed = parse(text, Mode::Extended).unwrap();
    let (cancel, now_ns) = (Cancel::default(), now_ns());
    let engine = Engine::new(&kept.store, limits, &cancel, &|| false, now_ns);
    let direction = Direction::Backward;
    let (start_ns, end_ns, step_ns) = (now_ns - HOUR, now_ns + 1, 60_000_000_000);
    // Numbers are asked for one instant, lines for the hour.
    let start_ns = if text.starts_with('{') { start_ns } else { end_ns };
    let ask = RangeAsk { start_ns, end_ns, step_ns, limit: 1000, direction };
    engine.query_range(&parsed.query, &ask).map(|answer| answer.stats.returned)
}

#[track_caller]
fn check_questions(kept: &Kept) {
    for text in [
        r#"sum by (code) (count_over_time({job=~".+"} | json | code="E_7" [1h]))"#,
        r#"max_over_time({job=~".+"} | json | unwrap durationMs [5m]) by (code)"#,
        r#"{job=~".+"} |= "E_3" | json"#,
        r#"{job=~".+"} | json | sort by (durationMs desc) | head(10)"#,
    ] {
        assert!(ask(kept, text, Limits::STANDARD).unwrap() > 0, "{text}");
    }
    let limits = Limits { memory_bytes: 64 << 10, ..Limits::STANDARD };
    let greedy = ask(kept, r#"{job=~".+"} | json | sort by (id desc)"#, limits);
    let exceeded = Exceeded { limit: Limit::Memory, allowed: 64 << 10 };
    assert_eq!(greedy, Err(QueryError::Exceeded(exceeded)));
}

/// A line of `/proc/self/status` in bytes.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of a campaign are for people")]
fn resident_memory_stays_within_the_bound_and_64_mib() {
    // The length of a campaign is a person's choice.
    let records = std::env::var("LUCARNE_INSIDE_RECORDS").ok().and_then(|text| text.parse().ok());
    let records: u64 = records.unwrap_or(RECORDS);
    let bound = (records * FULL_BYTES / FULL_RECORDS).clamp(1 << 20, FULL_BYTES);
    let retention = Duration::from_secs(7 * 86_400);
    let bytes = usize::try_from(bound).unwrap();
    let bounds = Bounds { bytes, host_bytes: 0, retention, job: "j".into() };
    let store = InsideStore::start(&bounds, EpochId([1; 16])).unwrap();
    let requests = records / A_REQUEST;
    for number in 0..requests {
        store.offer(Signal::Logs, request(number * A_REQUEST, now_ns()));
        if number % 8 == 7 {
            store.caught_up(PATIENCE).unwrap();
        }
        if number % (requests / 3) == requests / 3 - 1 {
            check_questions(store.caught_up(PATIENCE).unwrap());
            println!("{} records, {} MiB", (number + 1) * A_REQUEST, memory("VmRSS") >> 20);
        }
    }
    let kept = store.caught_up(PATIENCE).unwrap();
    let report = kept.store.report();
    let peak = memory("VmHWM");
    println!("{report:?}, at most {} MiB of {} MiB and 64", peak >> 20, bound >> 20);
    assert_eq!(report.records + report.evicted.records, requests * A_REQUEST, "no record is lost");
    assert!(report.evicted.records > 0, "there was too much");
    assert!(peak <= bound + BESIDE, "{peak} bytes, with a bound of {bound}");
}
