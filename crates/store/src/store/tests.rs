//! What a store shows is what a list of rows would show, whatever was cut, dropped or reopened.

mod adversary;
mod crash;
mod model;
mod otlp;

use std::ops::ControlFlow;

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;

use super::*;
use crate::engine::limits::{Cancel, Limits, Meter};
use crate::engine::source::{Columns, Direction, ScanStats, Selection, Source, TimeRange};
use crate::retention::AGE_NS_DEFAULT;

pub(super) const ALL: TimeRange = TimeRange { from_ns: 0, to_ns: i64::MAX };

pub(super) fn config() -> Config {
    let retention = Retention { bytes: 64 << 20, age_ns: i64::MAX };
    Config { mapping: Mapping::with_job("tee"), retention, head_bytes: 8 << 20 }
}

pub(super) fn row(stream: &str, time_ns: i64, line: &str) -> Row {
    let metadata = vec![("n".to_owned(), line.len().to_string())];
    let labels = LabelSet::from_pairs([("stream", stream)]);
    Row { labels, time_ns, line: line.to_owned(), metadata }
}

pub(super) struct Query<'a> {
    pub(super) matchers: &'a [Matcher],
    pub(super) range: TimeRange,
    pub(super) direction: Option<Direction>,
    pub(super) literals: &'a [String],
}

pub(super) const EVERYTHING: Query<'static> =
    Query { matchers: &[], range: ALL, direction: Some(Direction::Forward), literals: &[] };

/// Everything that a scan shows, as rows. Fields out of columns are compared with those of the
/// parser on the way.
pub(super) fn rows_of(store: &Store, query: &Query<'_>) -> (Vec<Row>, ScanStats) {
    let cancel = Cancel::default();
    let most = u64::MAX;
    let limits = Limits {
        memory_bytes: most,
        rows: most,
        scanned_bytes: most,
        series: most,
        steps: most,
        time_ms: most,
    };
    let meter = Meter::new(limits, &cancel, &|| false);
    let what = Selection {
        matchers: query.matchers,
        range: query.range,
        direction: query.direction,
        literals: query.literals,
        conditions: None,
        columns: Columns::All,
        meter: &meter,
    };
    let mut rows = Vec::new();
    let stats = store
        .scan(&what, &mut |entry| {
            if let Some(fields) = entry.shredded {
                let mut parsed = Vec::new();
                let read = lucarne_logql::stage::json_fields(entry.line, &mut |name, value| {
                    parsed.push((name.to_owned(), value.to_owned()));
                    true
                });
                assert_eq!(read, Ok(()), "{}", entry.line);
                let mut columns = Vec::new();
                fields.each(&mut |name, value| columns.push((name.to_owned(), value.to_owned())));
                assert_eq!(columns, parsed, "{}", entry.line);
                for (name, value) in &parsed {
                    let mut got = String::new();
                    assert!(fields.get(name, &mut got));
                    assert_eq!(&got, value);
                }
                assert!(!fields.get("never", &mut String::new()));
            }
            rows.push(Row {
                labels: entry.stream.clone(),
                time_ns: entry.time_ns,
                line: entry.line.to_owned(),
                metadata: entry
                    .metadata
                    .iter()
                    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            });
            ControlFlow::Continue(())
        })
        .unwrap();
    (rows, stats)
}

#[test]
fn a_full_store_drops_the_oldest_and_never_fails_a_writer() {
    let retention = Retention { bytes: 1 << 20, age_ns: AGE_NS_DEFAULT };
    let store =
        Store::new(Config { retention, head_bytes: 1 << 18, ..config() }, Vault::memory()).unwrap();
    let mut seed = 1_u64;
    for n in 0..400_i64 {
        let rows: Vec<Row> = (0..100)
            .map(|m| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                row("a", n * 100 + m, &format!("{seed:016x} {:016x}", seed.rotate_left(17)))
            })
            .collect();
        assert_eq!(store.append(&rows, n * 100).unwrap().records, 100);
        let report = store.report();
        let total = report.stored_bytes + report.memory_bytes;
        assert!(total <= (1 << 20) + 64 * 1024, "{total} bytes at request {n}");
    }
    let report = store.report();
    assert_eq!(report.records + report.evicted.records, 40_000);
    assert!(report.evicted.blocks > 0);
    let (rows, _) = rows_of(&store, &EVERYTHING);
    // What is left is the newest, without a hole.
    let times: Vec<i64> = rows.iter().map(|row| row.time_ns).collect();
    assert_eq!(times, (40_000 - times.len() as i64..40_000).collect::<Vec<_>>());
}

#[test]
fn a_hold_keeps_its_range_and_age_counts() {
    let retention = Retention { bytes: 64 << 20, age_ns: 1_000 };
    let store = Store::new(Config { retention, ..config() }, Vault::memory()).unwrap();
    store.hold("case-7", 100, 200);
    for n in 0..10_i64 {
        store.append(&[row("a", n * 100, "x")], n * 100).unwrap();
        store.maintain(n * 100);
    }
    store.append(&[row("a", 5_000, "x")], 5_000).unwrap();
    store.maintain(5_000);
    let times = |store: &Store| -> Vec<i64> {
        rows_of(store, &EVERYTHING).0.iter().map(|row| row.time_ns).collect()
    };
    assert_eq!(times(&store), [100, 5_000]);
    assert_eq!(store.report().evicted.records, 9);
    assert!(store.release("case-7"));
    assert!(!store.release("case-7"));
    store.append(&[row("a", 5_001, "x")], 5_001).unwrap();
    store.maintain(5_001);
    assert_eq!(times(&store), [5_000, 5_001]);
    // Nothing comes any more, and it grows old all the same.
    store.maintain(6_001);
    assert_eq!(times(&store), [5_001]);
    store.maintain(7_000);
    assert_eq!(times(&store), [0_i64; 0]);
}

/// What a sender writes beside a line never makes the rows of others unreadable.
#[test]
fn names_that_no_block_may_have_are_left_out() {
    let store = Store::new(config(), Vault::memory()).unwrap();
    let names = ["", "ok", &"n".repeat(1_024), &"n".repeat(1_025)];
    let metadata = names.map(|name| (name.to_owned(), "v".to_owned())).to_vec();
    let ingested = store.append(&[Row { metadata, ..row("a", 1, "x") }, row("a", 2, "y")], 2);
    let taken = ingested.unwrap();
    assert_eq!((taken.records, taken.metadata_dropped), (2, 2));
    store.maintain(2);
    let (rows, stats) = rows_of(&store, &EVERYTHING);
    assert_eq!((rows.len(), stats.blocks_read), (2, 1), "{stats:?}");
    assert_eq!(rows[0].metadata.len(), 2);
}

#[test]
fn streams_end_with_their_rows() {
    let retention = Retention { bytes: 64 << 20, age_ns: 1_000 };
    let store = Store::new(Config { retention, ..config() }, Vault::memory()).unwrap();
    store.append(&[row("old", 0, "x"), row("new", 0, "x")], 0).unwrap();
    store.maintain(0);
    store.append(&[row("new", 5_000, "x")], 5_000).unwrap();
    store.maintain(5_000);
    let new = LabelSet::from_pairs([("stream", "new")]);
    assert_eq!(store.streams(&[], ALL), Ok(vec![new]));
    assert_eq!(store.streams(&[], TimeRange { from_ns: 0, to_ns: 5_000 }), Ok(vec![]));
    assert_eq!(store.report().streams, 1);
}
