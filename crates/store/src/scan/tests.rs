//! Two threads over one scan: every row once, and an end when somebody says so.

use std::ops::ControlFlow;

use lucarne_logql::labels::LabelSet;

use super::*;
use crate::Config;
use crate::engine::limits::{Cancel, Exceeded, Limit, Limits, Meter, Stop};
use crate::engine::source::Columns;
use crate::ingest::Row;
use crate::retention::Retention;
use crate::stream::Mapping;
use crate::vault::Vault;

const ROWS: usize = 4_000;
const STREAMS: usize = 40;

/// A store of forty blocks and no head.
fn store() -> Store {
    let config = Config {
        mapping: Mapping::with_job("tee"),
        retention: Retention { bytes: 64 << 20, age_ns: i64::MAX },
        head_bytes: 8 << 20,
    };
    let store = Store::new(config, Vault::memory()).unwrap();
    let row = |n: usize| {
        let labels = LabelSet::from_pairs([("stream", (n % STREAMS).to_string())]);
        let (time_ns, line) = (i64::try_from(n).unwrap(), format!("line {n} of the store"));
        Row { labels, time_ns, line, metadata: Vec::new() }
    };
    store.append(&(0..ROWS).map(row).collect::<Vec<_>>(), 0).unwrap();
    store.maintain(0);
    assert_eq!(store.report().blocks, STREAMS as u64);
    store
}

/// Times of the rows until `visit` breaks, and what the scan did.
fn scan(
    store: &Store,
    limits: Limits,
    mut visit: impl FnMut(usize) -> ControlFlow<()>,
) -> (Vec<i64>, ScanStats, Option<Stop>) {
    let cancel = Cancel::default();
    let meter = Meter::new(limits, &cancel, &|| false);
    let range = TimeRange { from_ns: 0, to_ns: i64::MAX };
    let what = Selection {
        matchers: &[],
        range,
        direction: None,
        literals: &[],
        columns: Columns::None,
        meter: &meter,
    };
    let mut times = Vec::new();
    let stats = store.scan(&what, &mut |entry| {
        times.push(entry.time_ns);
        visit(times.len())
    });
    (times, stats.unwrap(), meter.stopped())
}

fn always(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn every_row_is_shown_once_whoever_opened_its_block() {
    let store = store();
    for _ in 0..20 {
        let (mut times, stats, stopped) = scan(&store, Limits::STANDARD, always);
        times.sort_unstable();
        assert_eq!(times, (0..4_000).collect::<Vec<i64>>());
        let streams = STREAMS as u64;
        let expected = ScanStats { streams, blocks_read: streams, ..ScanStats::default() };
        assert_eq!((stats, stopped), (expected, None));
    }
}

#[test]
fn a_visit_that_breaks_sees_no_more_rows() {
    let store = store();
    for last in [1, 99, 100, 101, 3_999] {
        let stop = |seen| if seen == last { ControlFlow::Break(()) } else { always(seen) };
        let (times, stats, _) = scan(&store, Limits::STANDARD, stop);
        assert_eq!(times.len(), last);
        assert!(stats.blocks_read <= STREAMS as u64, "{stats:?}");
    }
}

#[test]
fn a_limit_stops_both_threads() {
    let store = store();
    let limits = Limits { scanned_bytes: 10_000, ..Limits::STANDARD };
    let (times, stats, stopped) = scan(&store, limits, always);
    let exceeded = Exceeded { limit: Limit::ScannedBytes, allowed: 10_000 };
    assert_eq!(stopped, Some(Stop::Exceeded(exceeded)));
    // A block has some 2 KiB: a few were read, whatever thread read them, and no more.
    assert!((1..=5).contains(&stats.blocks_read), "{stats:?}");
    assert!(times.len() <= 500, "{}", times.len());
}
