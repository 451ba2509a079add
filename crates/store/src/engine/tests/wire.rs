//! The bodies that Loki's own tests expect, out of answers of ours.

use std::sync::Arc;
use std::time::Duration;

use lucarne_logql::labels::LabelSet;
use serde_json::{Value, json};

use crate::engine::answer::json::{Labels, names, query, series, tail};
use crate::engine::answer::{Answer, Data, Order, Partial, Point, Row, Rows, Series, Stats};
use crate::engine::limits::{Exceeded, Limit};
use crate::engine::source::{Direction, Unreadable};
use crate::engine::tail::Frame;

const MS: i64 = 1_000_000;

fn fixture(at: usize) -> Value {
    let all = include_str!("../../../testdata/engine/loki_wire_fixtures.json");
    let all: Value = serde_json::from_str(all).unwrap();
    all["fixtures"][at]["expected"].clone()
}

fn row(time_ns: i64, line: &str, metadata: &[(&str, &str)], parsed: &[(&str, &str)]) -> Row {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let stream = Arc::new(LabelSet::from_pairs([("test", "test")]));
    let (metadata, parsed) = (owned(metadata), owned(parsed));
    Row { time_ns, line: line.to_owned(), stream, metadata, parsed }
}

fn answer(data: Data) -> Answer {
    Answer { data, partial: Vec::new(), stats: Stats::default() }
}

fn streams(rows: Vec<Row>) -> Answer {
    answer(Data::Streams(Rows { rows, order: Order::Time(Direction::Forward) }))
}

fn set(pairs: &[(&str, &str)]) -> LabelSet {
    LabelSet::from_pairs(pairs.iter().copied())
}

/// Compares a body with a fixture, the statistics aside, which are an object.
#[track_caller]
fn check(answer: &Answer, labels: Labels, at: usize) {
    let expected = fixture(at);
    let warnings = match &expected["warnings"] {
        Value::Null => Vec::new(),
        _ => vec!["this is a warning".to_owned()],
    };
    let body = query(answer, labels, &warnings, Duration::ZERO);
    let mut body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["data"]["stats"]["summary"].is_object());
    body["data"]["stats"] = "STATS".into();
    assert_eq!(body, expected);
}

#[test]
fn streams_are_written_with_and_without_the_flag() {
    let meta = [("foo", "a"), ("bar", "b")];
    check(
        &streams(vec![
            row(123_456_789_012_345, "super line", &[], &[]),
            row(123_456_789_012_346, "super line with labels", &meta, &[]),
            row(123_456_789_012_347, "super line with labels msg=text", &meta, &[("msg", "text")]),
        ]),
        Labels::Categorized,
        0,
    );
    let plain = vec![
        row(123_456_789_012_345, "super line", &[], &[]),
        row(123_456_789_012_346, "super line with labels", &[], &[]),
    ];
    check(&streams(plain), Labels::Merged, 1);
    let mixed = || {
        streams(vec![
            row(123_456_789_012_346, "super line", &[], &[]),
            row(123_456_789_012_346, "super line with labels", &meta, &[]),
            row(123_456_789_012_346, "super line with labels msg=baz", &meta, &[("msg", "baz")]),
        ])
    };
    // Loki writes the streams of this fixture in the order of the entries, we by labels.
    let mut body: Value =
        serde_json::from_str(&query(&mixed(), Labels::Merged, &[], Duration::ZERO)).unwrap();
    let mut expected = fixture(8);
    let by_text = |value: &mut Value| {
        let streams = value["data"]["result"].as_array_mut().unwrap();
        streams.sort_by_key(Value::to_string);
        value["data"]["result"].clone()
    };
    assert_eq!(by_text(&mut body), by_text(&mut expected));
    // Under the flag there is one stream, and the same three values.
    let body: Value =
        serde_json::from_str(&query(&mixed(), Labels::Categorized, &[], Duration::ZERO)).unwrap();
    let values: Vec<Value> = fixture(9)["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|stream| stream["values"].as_array().unwrap().clone())
        .collect();
    assert_eq!(body["data"]["result"], json!([{"stream": {"test": "test"}, "values": values}]));
}

#[test]
fn numbers_are_written_as_strings_at_seconds() {
    let apport = set(&[("filename", "/var/hostlog/apport.log"), ("job", "varlogs")]);
    let syslog = set(&[("filename", "/var/hostlog/syslog"), ("job", "varlogs")]);
    let at = 1_568_404_331_324 * MS;
    let point = |labels: &LabelSet, value| Point { labels: labels.clone(), time_ns: at, value };
    let vector = vec![point(&apport, 0.013_333_333_333_333_334), point(&syslog, 3.45)];
    check(&answer(Data::Vector(vector)), Labels::Merged, 2);
    let matrix = vec![
        Series { labels: apport, points: vec![(at, 0.013_333_333_333_333_334)] },
        Series { labels: syslog, points: vec![(at, 3.45), (at + 15 * MS, 4.45)] },
    ];
    check(&answer(Data::Matrix(matrix)), Labels::Merged, 3);
}

#[test]
fn scalars_whole_seconds_and_what_is_no_number() {
    for (time_ns, value, expected) in [
        (60_000 * MS, 5.0, r#"[60,"5"]"#),
        (1_500 * MS, f64::NAN, r#"[1.5,"NaN"]"#),
        (1_050 * MS, f64::INFINITY, r#"[1.05,"+Inf"]"#),
        (-1_500 * MS, f64::NEG_INFINITY, r#"[-1.5,"-Inf"]"#),
        (4_000_000_000_000 * MS, 1e21, r#"[4000000000,"1000000000000000000000"]"#),
        (0, 0.0133, r#"[0,"0.0133"]"#),
    ] {
        let body =
            query(&answer(Data::Scalar { time_ns, value }), Labels::Merged, &[], Duration::ZERO);
        let start = r#"{"status":"success","data":{"resultType":"scalar","result":"#;
        assert!(body.starts_with(&format!("{start}{expected},\"stats\"")), "{body}");
    }
}

#[test]
fn names_series_and_tail_frames() {
    let value = |body: &str| serde_json::from_str::<Value>(body).unwrap();
    assert_eq!(value(&names(&["label1", "test", "value"])), fixture(4));
    assert_eq!(names::<&str>(&[]), r#"{"status":"success"}"#);
    let sets = [set(&[("a", "1"), ("b", "2")]), set(&[("c", "3"), ("d", "4")])];
    assert_eq!(value(&series(&sets)), fixture(7));
    let meta = [("foo", "a"), ("bar", "b")];
    let dropped = vec![(123_456_789_022_345, set(&[("test", "test")]))];
    let plain = Frame {
        rows: vec![
            row(123_456_789_012_345, "super line", &[], &[]),
            row(123_456_789_012_346, "super line with labels", &[], &[]),
        ],
        dropped: dropped.clone(),
        more: false,
    };
    assert_eq!(value(&tail(&plain, Labels::Merged)), fixture(5));
    let third =
        row(123_456_789_012_347, "super line with labels msg=text", &meta, &[("msg", "text")]);
    let rows = vec![
        row(123_456_789_012_345, "super line", &[], &[]),
        row(123_456_789_012_346, "super line with labels", &meta, &[]),
        third,
    ];
    let frame = Frame { rows, dropped, more: false };
    assert_eq!(value(&tail(&frame, Labels::Categorized)), fixture(6));
}

#[test]
fn any_text_survives_the_writing() {
    let text = "quote \" back \\ line \n tab \t nul \0 bell \u{7} sep \u{2028} é 𝄞 </script>";
    let body = query(
        &streams(vec![row(1, text, &[("m", text)], &[])]),
        Labels::Categorized,
        &[],
        Duration::ZERO,
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    let expected = json!(["1", text, {"structuredMetadata": {"m": text}}]);
    assert_eq!(body["data"]["result"][0]["values"][0], expected);
}

#[test]
fn what_is_partial_or_ordered_by_a_pipe_is_said() {
    let exceeded = Exceeded { limit: Limit::Time, allowed: 50 };
    let answer = Answer {
        data: Data::Streams(Rows { rows: Vec::new(), order: Order::Pipe }),
        partial: vec![Partial::Stopped(exceeded), Partial::Unreadable(Unreadable::unnamed(2))],
        stats: Stats { entries: 3, bytes: 40, ..Stats::default() },
    };
    let rewritten = ["rewritten".to_owned()];
    let body = query(&answer, Labels::Merged, &rewritten, Duration::from_millis(500));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["warnings"],
        json!([
            "rewritten",
            "the rows are ordered by a pipe; clients of the Loki API sort them by time again",
            "partial answer: the query takes more than 50 ms (limit time): narrow the time range, \
             or add label matchers or a line filter",
            "partial answer: 2 blocks could not be read"
        ])
    );
    assert_eq!(body["data"]["stats"]["summary"]["bytesProcessedPerSecond"], 80);
    assert_eq!(body["data"]["stats"]["summary"]["totalLinesProcessed"], 3);
}
