//! Spans are found by id wherever they lie, and trees are built of whatever came.

use lucarne_logql::labels::LabelSet;
use lucarne_otlp::wire::Writer;

use super::*;
use crate::Malformed;
use crate::engine::limits::{Cancel, Limits};
use crate::ingest::Row;
use crate::retention::Retention;
use crate::store::Config;
use crate::stream::Mapping;
use crate::vault::Vault;

fn request(spans: &[(u8, u8, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |w| {
        w.message(1, |w| {
            w.message(1, |w| {
                w.bytes(1, b"service.name");
                w.message(2, |w| w.bytes(1, b"engine"));
            });
        });
        w.message(2, |w| {
            for &(trace, id, start) in spans {
                w.message(2, |w| {
                    w.bytes(1, &[trace; 16]);
                    w.bytes(2, &[id; 8]);
                    w.bytes(5, format!("step {id}").as_bytes());
                    w.fixed64(7, start);
                    w.fixed64(8, start + 10);
                    w.bytes(77, b"a field of tomorrow");
                });
            }
        });
    });
    out
}

fn store(bytes: u64, head_bytes: usize) -> Store {
    let retention = Retention { bytes, age_ns: i64::MAX };
    let config = Config { mapping: Mapping::with_job("tee"), retention, head_bytes };
    Store::new(config, Vault::memory()).unwrap()
}

/// Everything that a store shows of a range: ids and numbers of spans, in the order it is shown.
fn walk(store: &Store, from_ns: i64, to_ns: i64) -> Vec<(u8, usize)> {
    let cancel = Cancel::default();
    let meter = Meter::new(Limits::STANDARD, &cancel, &|| false);
    let mut shown = Vec::new();
    let unreadable = store.each_trace(TimeRange { from_ns, to_ns }, &meter, &mut |id, trace| {
        assert!(!trace.is_partial);
        shown.push((id.0[0], trace.spans.len()));
        ControlFlow::Continue(i64::MIN)
    });
    assert!(!unreadable);
    shown
}

#[test]
fn spans_are_kept_whole_and_found_by_id() {
    // The smallest bound cuts blocks at each request.
    for head_bytes in [0, 1 << 20] {
        let store = store(1 << 30, head_bytes);
        for round in 0..40 {
            let spans: Vec<_> = (0..10).map(|trace| (trace, round, u64::from(round))).collect();
            let kept = store.ingest_spans(&request(&spans), 1).unwrap();
            assert_eq!(kept, IngestedSpans { spans: 10, refused: 0, known: 0 });
        }
        let trace = store.trace(TraceId([3; 16]));
        let infos: Vec<_> = trace.spans.iter().map(|span| span.info().unwrap()).collect();
        let ids: Vec<_> = infos.iter().map(|info| info.id).collect();
        assert_eq!(ids, (0..40).map(|id| [id; 8]).collect::<Vec<_>>());
        assert_eq!((infos[7].name.as_str(), infos[7].service.as_str()), ("step 7", "engine"));
        assert_eq!((infos[7].start_ns, infos[7].end_ns, infos[7].parent), (7, 17, None));
        let unknown = b"a field of tomorrow";
        assert!(trace.spans[0].span.windows(unknown.len()).any(|window| window == unknown));
        assert_eq!(store.trace(TraceId([99; 16])), Trace::default());
        let mut all = walk(&store, 0, i64::MAX);
        all.sort_unstable();
        assert_eq!(all, (0..10).map(|trace| (trace, 40)).collect::<Vec<_>>());
        // The last span ends at 49.
        assert_eq!((walk(&store, 49, 50).len(), walk(&store, 50, 60).len()), (10, 0));
    }
}

#[test]
fn a_span_that_came_twice_is_shown_once() {
    let store = store(1 << 30, 0);
    for _ in 0..2 {
        store.ingest_spans(&request(&[(1, 1, 5), (1, 2, 6)]), 1).unwrap();
    }
    store.ingest_spans(&request(&[(1, 2, 7)]), 1).unwrap();
    let starts: Vec<_> = store.trace(TraceId([1; 16])).spans.iter().map(|s| s.times().0).collect();
    assert_eq!(starts, [5, 6, 7]);
    assert_eq!(walk(&store, 0, 100), [(1, 3)]);
}

#[test]
fn spans_and_rows_share_the_bytes_and_the_oldest_go_first() {
    let store = store(40_000, 4_000);
    for round in 0_u8..=250 {
        let at = u64::from(round) * 1_000;
        let spans: Vec<_> = (0..9).map(|id| (round, id, at)).collect();
        store.ingest_spans(&request(&spans), 1).unwrap();
        let row = Row {
            labels: LabelSet::from_pairs([("a", "b")]),
            time_ns: i64::from(round) * 1_000,
            line: format!("{round} {}", "x".repeat(300)),
            metadata: vec![],
        };
        store.append(&[row], 1).unwrap();
        let report = store.report();
        let bytes = report.stored_bytes + report.memory_bytes;
        assert!(bytes <= 40_000 + 8_000, "{bytes} bytes");
    }
    let report = store.report();
    assert!(report.evicted.records > 0 && report.records > 0 && report.spans > 0, "{report:?}");
    assert_eq!(report.evicted.records + report.records + report.spans, 251 * 10);
    assert_eq!(store.trace(TraceId([0; 16])), Trace::default());
    assert_eq!(store.trace(TraceId([250; 16])).spans.len(), 9);
}

#[test]
fn a_wrong_request_keeps_nothing() {
    let store = store(1 << 20, 0);
    let mut broken = request(&[(1, 1, 0)]);
    broken.extend_from_slice(&[0x0a, 0x05]);
    let refused = store.ingest_spans(&broken, 1).unwrap_err();
    assert!(matches!(refused, IngestError::Wire(WireError::Truncated)), "{refused}");
    assert_eq!(store.trace(TraceId([1; 16])), Trace::default());
}

#[test]
fn blocks_of_spans_are_read_back_and_every_changed_byte_is_survived() {
    let mut state = TraceState::new().unwrap();
    for (id, span) in read_spans(&request(&[(1, 1, 5), (1, 2, 6), (2, 3, 7)])).unwrap() {
        state.add(id, span);
    }
    let cut = state.cut(3);
    assert_eq!(cut.len(), 1);
    let bytes = &cut[0].1;
    let block = TraceBlock::open(bytes).unwrap();
    assert_eq!((block.spans, block.first_ns, block.last_ns, block.through), (3, 5, 17, 3));
    let mut shown = Vec::new();
    block.each(bytes, &mut |id, span| shown.push((id.0[0], span.times()))).unwrap();
    assert_eq!(shown, [(1, (5, 15)), (1, (6, 16)), (2, (7, 17))]);
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 0x55;
        crate::fuzzing::fuzz_trace_block(&changed);
        crate::fuzzing::fuzz_trace_block(&bytes[..at]);
        assert_ne!(TraceBlock::open(&bytes[..at]), Ok(block.clone()), "cut at {at}");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(TraceBlock::open(&longer), Err(Malformed::Trailing { bytes: 1 }));
}

#[test]
fn the_corpus_is_replayed() {
    lucarne_testkit::replay("store_trace_block", crate::fuzzing::fuzz_trace_block);
}

fn info(id: u8, parent: Option<u8>, start_ns: u64, end_ns: u64) -> SpanInfo {
    SpanInfo {
        id: [id; 8],
        parent: parent.map(|parent| [parent; 8]),
        name: String::new(),
        service: String::new(),
        start_ns,
        end_ns,
        is_error: false,
    }
}

/// Id, depth, orphan, self time, critical.
#[track_caller]
fn check(spans: Vec<SpanInfo>, expected: &[(u8, usize, bool, u64, bool)]) {
    let nodes: Vec<_> = tree::build(spans)
        .into_iter()
        .map(|n| (n.span.id[0], n.depth, n.is_orphan, n.self_ns, n.is_critical))
        .collect();
    assert_eq!(nodes, expected);
}

#[test]
fn a_tree_with_self_time_and_critical_path() {
    check(vec![], &[]);
    let spans = vec![
        info(3, Some(1), 50, 90),
        info(1, None, 0, 100),
        info(2, Some(1), 10, 60),
        info(4, Some(3), 55, 80),
        info(5, Some(1), 20, 40),
    ];
    check(
        spans,
        &[
            (1, 0, false, 20, true),
            (2, 1, false, 50, false),
            (5, 1, false, 20, true),
            (3, 1, false, 15, true),
            (4, 2, false, 25, true),
        ],
    );
}

#[test]
fn what_does_not_fit_is_still_shown() {
    // A missing parent, a child outside of its parent, and a pair that is its own ancestor.
    check(
        vec![info(1, None, 0, 10), info(2, Some(9), 3, 5), info(3, Some(1), 5, 50)],
        &[(1, 0, false, 5, true), (3, 1, false, 45, false), (2, 0, true, 2, false)],
    );
    check(
        vec![info(1, Some(2), 0, 10), info(2, Some(1), 1, 5)],
        &[(1, 0, true, 6, true), (2, 1, false, 4, true)],
    );
    check(vec![info(1, Some(1), 0, 10)], &[(1, 0, true, 10, true)]);
}
