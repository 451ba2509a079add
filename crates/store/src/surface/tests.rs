//! The surface over a store in memory: requests as values, answers compared whole.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::retention::Retention;
use crate::store::{Config, Store};
use crate::stream::Mapping;
use crate::vault::Vault;

const NOW: i64 = 1_000_000_000_000;

fn store() -> Store {
    let config = Config {
        mapping: Mapping::with_job(""),
        retention: Retention { bytes: 1 << 30, age_ns: i64::MAX },
        head_bytes: 1 << 20,
    };
    Store::new(config, Vault::memory()).unwrap()
}

fn request<'a>(method: &'a str, target: &'a str, body: &'a [u8]) -> Request<'a> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let content_type = "application/json";
    Request { method, path, query, content_type, accept: "", encoding_flags: "", body }
}

fn ask_with(store: &Store, target: &str, limits: Limits, mode: Mode) -> Response {
    let cancel = Cancel::default();
    let elapsed = || Duration::from_millis(7);
    let asker = Asker { limits, mode, cancel: &cancel, now_ns: NOW, elapsed: &elapsed };
    answer(&request("GET", target, b""), store, &asker)
}

fn ask(store: &Store, target: &str) -> Response {
    ask_with(store, target, Limits::STANDARD, Mode::Extended)
}

#[track_caller]
fn body(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", text(response));
    serde_json::from_slice(&response.body).unwrap()
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

fn filled() -> Store {
    let store = store();
    let streams = json!({ "streams": [
        { "stream": { "job": "a", "env": "x" }, "values": [
            ["999000000000", r#"{"took":"5ms","size":"3KB","n":1,"ok":true}"#, { "user": "u" }],
            ["999000000001", "level=warn took=7ms n=2.5"],
        ] },
        { "stream": { "job": "b" }, "values": [["999500000000", "plain words"]] },
    ] });
    let doors = Doors { store: &store, as_pushed: true };
    let bytes = streams.to_string();
    let request = request("POST", "/loki/api/v1/push", bytes.as_bytes());
    let taken = push(&request, &doors, NOW).unwrap();
    assert_eq!(taken, Response::empty());
    store
}

#[test]
fn fields_have_the_type_of_most_of_their_values() {
    let store = filled();
    let target = "/loki/api/v1/detected_fields?query=%7Bjob=%22a%22%7D";
    let field = |label: &str, kind: &str, cardinality: u64, parsers: Value| {
        let mut field = json!({ "label": label, "type": kind, "cardinality": cardinality });
        field["parsers"] = parsers;
        field
    };
    assert_eq!(
        body(&ask(&store, target)),
        json!({ "fields": [
            field("level", "string", 1, json!(["logfmt"])),
            field("n", "int", 2, json!(["json", "logfmt"])),
            field("ok", "boolean", 1, json!(["json"])),
            field("size", "bytes", 1, json!(["json"])),
            field("took", "duration", 2, json!(["json", "logfmt"])),
            field("user", "string", 1, json!(null)),
        ], "limit": 1000 })
    );
    let target = "/loki/api/v1/detected_field/took/values?query=%7Bjob=%22a%22%7D&limit=1";
    assert_eq!(body(&ask(&store, target)), json!({ "values": ["5ms"], "limit": 1 }));
}

#[test]
fn volumes_are_by_the_labels_that_were_asked_for() {
    let store = filled();
    let vector = |parameters: &str| {
        let target = format!("/loki/api/v1/index/volume?query=%7Bjob=~%22.%2B%22%7D{parameters}");
        body(&ask(&store, &target))["data"]["result"].clone()
    };
    let a = 43 + 25;
    let one =
        |metric: Value, bytes: u64| json!({ "metric": metric, "value": [1000, bytes.to_string()] });
    assert_eq!(vector(""), json!([one(json!({"job": "a"}), a), one(json!({"job": "b"}), 11)]));
    assert_eq!(vector("&targetLabels=env"), json!([one(json!({"env": "x"}), a)]));
    assert_eq!(vector("&limit=1"), json!([one(json!({"job": "a"}), a)]));
    assert_eq!(
        vector("&aggregateBy=labels"),
        json!([one(json!({"job": ""}), a + 11), one(json!({"env": ""}), a)])
    );
    let target = "/loki/api/v1/index/stats?query=%7Bjob=%22a%22%7D";
    assert_eq!(
        body(&ask(&store, target)),
        json!({ "streams": 1, "chunks": 0, "bytes": a, "entries": 2 })
    );
}

#[track_caller]
fn refused(target: &str, status: u16, expected: &str) {
    let response = ask(&filled(), target);
    assert_eq!((response.status, text(&response)), (status, expected), "{target}");
    assert_eq!(response.content_type, TEXT);
}

#[test]
fn a_range_of_all_times_is_one() {
    let start = "start=-9223372036854775808";
    for path in ["query_range", "query"] {
        let target = format!("/api/metrics/{path}?q=%7B%7D%7Crate()&{start}");
        assert_eq!(body(&ask(&filled(), &target))["series"], json!([]));
    }
}

#[test]
fn refusals_say_what_to_change() {
    refused("/loki/api/v1/query", 400, "the parameter query is missing\n");
    refused("/loki/api/v2/query", 404, "404 page not found\n");
    refused("/loki/api/v1/labels?start=%zz", 400, NOT_A_FORM);
    refused("/loki/api/v1/labels?start=%ff", 400, NOT_A_FORM);
    refused(
        "/loki/api/v1/query?query=%7Ba=%22b%22%7D",
        400,
        "log queries are not supported as an instant query type, please change your query to a \
         range query type\n",
    );
    refused(
        "/loki/api/v1/index/volume?query=%7Ba=%22b%22%7D&aggregateBy=size",
        400,
        "aggregateBy must be series or labels\n",
    );
    refused("/loki/api/v1/detected_fields?query=vector(1)", 400, "query must be a log query\n");
    let parse = ask(&filled(), "/loki/api/v1/query_range?query=%7Ba=%7D");
    assert!(text(&parse).starts_with("parse error at line 1, col 4: "), "{}", text(&parse));
}

const NOT_A_FORM: &str = "the parameters are not valid: invalid URL escape or text\n";

#[test]
fn limits_and_time_outs_have_their_status() {
    let store = filled();
    let target = "/loki/api/v1/query?query=count_over_time(%7Bjob=%22a%22%7D[1h])";
    let late = Limits { time_ms: 7, ..Limits::STANDARD };
    let response = ask_with(&store, target, late, Mode::Extended);
    assert_eq!(response.status, 504, "{}", text(&response));
    let narrow = Limits { scanned_bytes: 1, ..Limits::STANDARD };
    let response = ask_with(&store, target, narrow, Mode::Extended);
    assert_eq!(response.status, 400, "{}", text(&response));
    assert!(text(&response).contains("limit scanned_bytes"), "{}", text(&response));
    let target = "/loki/api/v1/query_range?query=%7Bjob=%22a%22%7D";
    let response = ask_with(&store, target, narrow, Mode::Extended);
    assert_eq!(response.status, 200);
    assert!(response.headers.iter().any(|(name, _)| *name == "lucarne-partial"));
}

#[test]
fn extensions_are_answered_with_what_was_evaluated() {
    let store = filled();
    let target = "/loki/api/v1/query?query=%7Bjob=%22a%22%7D+|+count_over_time([5m])+by+(job)";
    let response = ask(&store, target);
    let canonical = "sum by (job) (count_over_time({job=\"a\"} [5m]))";
    let header = ("x-query-canonical", canonical.to_owned());
    assert_eq!(response.headers, [header]);
    let body = body(&response);
    assert_eq!(body["warnings"], json!([format!("evaluated as {canonical}")]));
    assert_eq!(body["data"]["result"], json!([{ "metric": {"job": "a"}, "value": [1000, "2"] }]));
    assert_eq!(ask_with(&store, target, Limits::STANDARD, Mode::Strict).status, 400);
}

#[test]
fn what_a_push_of_otlp_lacks_is_said() {
    let store = store();
    let doors = Doors { store: &store, as_pushed: true };
    let long = "x".repeat(crate::block::VALUE_BYTES_MAX + 1);
    let record = |text: &str| json!({ "timeUnixNano": "1", "body": { "stringValue": text } });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{
        "logRecords": [record("a"), record(&long), record("b")],
    }] }] });
    let said = |path, body: &Value| {
        let body = body.to_string();
        let taken = push(&request("POST", path, body.as_bytes()), &doors, NOW).unwrap();
        (taken.status, text(&taken).to_owned())
    };
    let (status, partial) = said("/v1/logs", &logs);
    let partial: Value = serde_json::from_str(&partial).unwrap();
    assert_eq!((status, &partial["partialSuccess"]["rejectedLogRecords"]), (200, &json!("1")));
    let (status, left_out) = said("/otlp/v1/logs", &logs);
    assert!(status == 400 && left_out.starts_with("1 lines are longer than "), "{left_out}");
    assert_eq!(store.report().records, 4);
    let span = json!({ "traceId": "ab", "spanId": "cd", "startTimeUnixNano": "1" });
    let traces = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    let (status, partial) = said("/v1/traces", &traces);
    assert_eq!((status, partial.contains("\"rejectedSpans\":\"1\"")), (200, true), "{partial}");
    assert_eq!(said("/v1/traces", &json!({})), (200, "{}".to_owned()));
}

#[test]
fn a_push_that_is_asked_for_is_not_taken() {
    let store = store();
    let doors = Doors { store: &store, as_pushed: true };
    let body = br#"{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}]}"#;
    let get = request("GET", "/loki/api/v1/push", body);
    assert_eq!(push(&get, &doors, NOW).unwrap().status, 405);
    assert_eq!(push(&request("POST", "/v1/metrics", b"{}"), &doors, NOW), None);
    assert_eq!(store.report().records, 0);
}

#[test]
fn the_corpus_is_read_as_it_was_written() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/store_push");
    let mut read = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let data = std::fs::read(entry.path()).unwrap();
        crate::fuzzing::fuzz_push(&data);
        read.push((entry.file_name().into_string().unwrap(), read_push(&data)));
    }
    read.sort();
    let expected = [
        ("cut", [None, None]),
        ("empty", [None, Some(0)]),
        ("json", [Some(2), None]),
        ("protobuf", [None, Some(1)]),
    ];
    assert_eq!(read, expected.map(|(name, rows)| (name.to_owned(), rows)));
}
