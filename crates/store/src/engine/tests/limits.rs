//! Every limit stops the query that goes over it, by its name, and none that does not.

use std::sync::atomic::{AtomicU64, Ordering};

use super::queries::lines;
use super::vec_source::{Stored, VecSource};
use super::{SECOND, parsed, range};
use crate::engine::answer::{Answer, Data, Partial};
use crate::engine::error::QueryError;
use crate::engine::limits::{Cancel, Exceeded, Limit, Limits};
use crate::engine::source::{Direction, Source as _, TimeRange, Unreadable};
use crate::engine::{Engine, RangeAsk};

fn run(source: &VecSource, text: &str, limits: Limits) -> Result<Answer, QueryError> {
    let cancel = Cancel::default();
    let engine = Engine::new(source, limits, &cancel, &|| false, 0);
    engine.query_range(&parsed(text), &range(0, 200, 10, Direction::Forward, 100))
}

fn exceeded(limit: Limit, allowed: u64) -> Exceeded {
    Exceeded { limit, allowed }
}

fn rows(answer: &Answer) -> usize {
    let Data::Streams(rows) = &answer.data else { panic!("no rows: {answer:?}") };
    rows.rows.len()
}

#[test]
fn rows_beyond_the_role_are_refused() {
    let limits = |rows| Limits { rows, ..Limits::STANDARD };
    let refused = run(&lines(), r#"{app="api"}"#, limits(99)).unwrap_err();
    assert_eq!(refused, QueryError::Exceeded(exceeded(Limit::Rows, 99)));
    assert_eq!(rows(&run(&lines(), r#"{app="api"}"#, limits(100)).unwrap()), 6);
}

#[test]
fn bytes_stop_lines_with_a_true_beginning_and_numbers_with_an_error() {
    // The six lines of the two streams have 64, 65, 61, 62, 60 and 63 bytes or so.
    let limits = Limits { scanned_bytes: 140, ..Limits::STANDARD };
    let answer = run(&lines(), r#"{app="api"}"#, limits).unwrap();
    assert_eq!(answer.partial, [Partial::Stopped(exceeded(Limit::ScannedBytes, 140))]);
    assert_eq!(rows(&answer), 2);
    for text in [
        r#"count_over_time({app="api"}[1m])"#,
        r#"{app="api"} | sort by (app)"#,
        r#"{app="api"} | tail 1"#,
        r#"{app="api"} | top 1 by (app)"#,
    ] {
        let stopped = run(&lines(), text, limits).unwrap_err();
        let expected = QueryError::Exceeded(exceeded(Limit::ScannedBytes, 140));
        assert_eq!(stopped, expected, "{text}");
    }
}

#[test]
fn memory_stops_rows_series_and_samples() {
    let limits = |memory_bytes| Limits { memory_bytes, ..Limits::STANDARD };
    for text in [
        r#"{app="api"} | sort by (app)"#,
        r#"{app="api"} | top 1 by (app)"#,
        r#"sum by (ms) (count_over_time({app="api"} | json [1m]))"#,
        r#"quantile_over_time(0.5, {app="ctr"} | logfmt | unwrap v [1m])"#,
    ] {
        let stopped = run(&lines(), text, limits(200)).unwrap_err();
        let expected = QueryError::Exceeded(exceeded(Limit::Memory, 200));
        assert_eq!(stopped, expected, "{text}");
        let peak = run(&lines(), text, Limits::STANDARD).unwrap().stats.memory_bytes;
        assert!(run(&lines(), text, limits(peak)).is_ok(), "{text} fits into its peak {peak}");
    }
    let answer = run(&lines(), r#"{app="api"}"#, limits(500)).unwrap();
    assert_eq!(answer.partial, [Partial::Stopped(exceeded(Limit::Memory, 500))]);
}

#[test]
fn a_sort_with_a_limit_holds_only_its_best_rows() {
    let line = |at: i64| Stored {
        stream: lines().entries[0].stream.clone(),
        time_ns: at * 1000,
        line: format!("n={at} {}", "x".repeat(1000)),
        metadata: Vec::new(),
    };
    let source = VecSource { entries: (0..2_000).map(line).collect(), blocks_unreadable: 0 };
    let text = r#"{app="api"} | logfmt | sort by (n desc) | head 5"#;
    let answer = run(&source, text, Limits::STANDARD).unwrap();
    assert_eq!(rows(&answer), 5);
    assert!(answer.stats.memory_bytes < 20_000, "{:?}", answer.stats);
}

#[test]
fn series_are_counted_in_the_answer_and_not_below_it() {
    let limits = |series| Limits { series, ..Limits::STANDARD };
    let many = r#"count_over_time({app="api"} | json [200s])"#;
    let refused = run(&lines(), many, limits(5)).unwrap_err();
    assert_eq!(refused, QueryError::Exceeded(exceeded(Limit::Series, 5)));
    assert_eq!(run(&lines(), many, limits(6)), run(&lines(), many, Limits::STANDARD));
    let best = r#"topk(1, sum by (ms) (count_over_time({app="api"} | json [200s])))"#;
    assert!(run(&lines(), best, limits(2)).is_ok(), "topk is what the advice names");
}

#[test]
fn steps_are_at_most_eleven_thousand() {
    let cancel = Cancel::default();
    let (source, query) = (lines(), parsed(r#"count_over_time({app="api"}[1m])"#));
    let engine = Engine::new(&source, Limits::STANDARD, &cancel, &|| false, 0);
    let ask = |end_ns| RangeAsk {
        start_ns: 0,
        end_ns,
        step_ns: SECOND,
        limit: 0,
        direction: Direction::Forward,
    };
    let most = engine.query_range(&query, &ask(10_999 * SECOND)).unwrap();
    // A line is seen for a minute: one stream from second 10 to 129, the other from 15 to 134.
    assert_eq!(most.stats.returned, 240);
    let refused = engine.query_range(&query, &ask(11_000 * SECOND)).unwrap_err();
    assert_eq!(refused, QueryError::Exceeded(exceeded(Limit::Steps, 11_000)));
    assert_eq!(
        refused.to_string(),
        "the answer has more than 11000 points per series (limit steps): lengthen the step or \
         shorten the time range"
    );
}

#[test]
fn time_and_cancel_end_a_scan() {
    let source = lines();
    let log = parsed(r#"{app="api"}"#);
    let metric = parsed(r#"count_over_time({app="api"}[1m])"#);
    let ask = range(0, 200, 10, Direction::Forward, 100);
    let looks = AtomicU64::new(0);
    // Each entry is read once, and each read looks at the clock: time is over at the third.
    let late = || looks.fetch_add(1, Ordering::Relaxed) >= 3;
    let cancel = Cancel::default();
    let engine = Engine::new(&source, Limits::STANDARD, &cancel, &late, 0);
    let answer = engine.query_range(&log, &ask).unwrap();
    assert_eq!(answer.partial, [Partial::Stopped(exceeded(Limit::Time, 60_000))]);
    assert!(rows(&answer) < 6);
    let stopped = engine.query_range(&metric, &ask).unwrap_err();
    assert_eq!(stopped, QueryError::Exceeded(exceeded(Limit::Time, 60_000)));
    let engine = Engine::new(&source, Limits::STANDARD, &cancel, &|| false, 0);
    assert_eq!(rows(&engine.query_range(&log, &ask).unwrap()), 6);
    cancel.cancel();
    assert_eq!(engine.query_range(&log, &ask), Err(QueryError::Cancelled));
    assert_eq!(engine.query_range(&metric, &ask), Err(QueryError::Cancelled));
}

#[test]
fn blocks_that_cannot_be_read_make_any_answer_partial() {
    let source = VecSource { blocks_unreadable: 2, ..lines() };
    for text in [r#"{app="api"}"#, r#"count_over_time({app="api"}[1m])"#] {
        let answer = run(&source, text, Limits::STANDARD).unwrap();
        assert_eq!(answer.partial, [Partial::Unreadable(Unreadable::unnamed(2))], "{text}");
    }
}

#[test]
fn statistics_say_what_was_read() {
    let answer = run(&lines(), r#"{app="ctr"}"#, Limits::STANDARD).unwrap();
    assert_eq!((answer.stats.entries, answer.stats.bytes, answer.stats.returned), (5, 15, 5));
    assert_eq!(answer.partial, []);
}

#[test]
fn streams_are_listed_by_labels() {
    let query = parsed(r#"{app=~"api|web"}"#);
    let lucarne_logql::ast::Query::Log(query) = query else { panic!("a log query") };
    let at = |from_ns, to_ns| {
        let range = TimeRange { from_ns: from_ns * SECOND, to_ns: to_ns * SECOND };
        let streams = lines().streams(&query.selector.matchers, range).unwrap();
        streams.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let prod = r#"{app="api", env="prod"}"#.to_owned();
    let web = r#"{app="web", env="prod"}"#.to_owned();
    assert_eq!(at(0, 11), [prod, web.clone()]);
    assert_eq!(at(80, 200), [web]);
}

#[test]
fn a_default_step_makes_at_most_250_points() {
    let step = |seconds: i64| RangeAsk::default_step_ns(0, seconds * SECOND) / SECOND;
    assert_eq!([step(0), step(60), step(3_600), step(86_400)], [1, 1, 14, 345]);
}
