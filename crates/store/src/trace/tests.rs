//! Spans are found by id wherever they lie, and trees are built of whatever came.

use lucarne_otlp::wire::Writer;

use super::*;

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

#[test]
fn spans_are_kept_whole_and_found_by_id() {
    // The smallest bound cuts a segment at each request.
    for recent_max in [0, 1 << 20] {
        let traces = Traces::new(1 << 20, recent_max).unwrap();
        for round in 0..40 {
            let spans: Vec<_> = (0..10).map(|trace| (trace, round, u64::from(round))).collect();
            let kept = traces.ingest(&request(&spans)).unwrap();
            assert_eq!(kept, IngestedSpans { spans: 10, refused: 0 });
        }
        let trace = traces.by_id(TraceId([3; 16]));
        let infos: Vec<_> = trace.spans.iter().map(|span| span.info().unwrap()).collect();
        let ids: Vec<_> = infos.iter().map(|info| info.id).collect();
        assert_eq!(ids, (0..40).map(|id| [id; 8]).collect::<Vec<_>>());
        assert_eq!((infos[7].name.as_str(), infos[7].service.as_str()), ("step 7", "engine"));
        assert_eq!((infos[7].start_ns, infos[7].end_ns, infos[7].parent), (7, 17, None));
        let unknown = b"a field of tomorrow";
        assert!(trace.spans[0].span.windows(unknown.len()).any(|window| window == unknown));
        assert_eq!(traces.by_id(TraceId([99; 16])), Trace::default());
        let found = traces.search(3, &mut |span| span.info().unwrap().name == "step 39");
        assert_eq!(found.len(), 3);
        assert_eq!(traces.search(3, &mut |_| false), []);
    }
}

#[test]
fn what_is_too_much_is_dropped_and_counted() {
    let traces = Traces::new(8_000, 4_000).unwrap();
    for round in 0..=250 {
        traces.ingest(&request(&[(round, round, 0), (round, 0, 0), (round, 1, 0)])).unwrap();
        assert!(traces.bytes() <= 8_000 + 1_000, "{} bytes", traces.bytes());
    }
    assert!(traces.evicted() > 0);
    assert_eq!(traces.by_id(TraceId([0; 16])), Trace::default());
    assert_eq!(traces.by_id(TraceId([250; 16])).spans.len(), 3);
}

#[test]
fn a_wrong_request_keeps_nothing() {
    let traces = Traces::new(1 << 20, 0).unwrap();
    let mut broken = request(&[(1, 1, 0)]);
    broken.extend_from_slice(&[0x0a, 0x05]);
    assert_eq!(traces.ingest(&broken), Err(WireError::Truncated));
    assert_eq!(traces.by_id(TraceId([1; 16])), Trace::default());
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
