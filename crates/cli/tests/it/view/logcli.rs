//! The requests that logcli makes, in its order and its spelling.

use serde_json::{Value, json};

use super::client::View;

fn view() -> View {
    let view = View::start(&["--as-pushed", "--days", "36500"]);
    let values = |from: u64| -> Vec<Value> {
        (from..from + 10).map(|n| json!([(n * 1000).to_string(), format!("line {n}")])).collect()
    };
    view.push(&json!([
        { "stream": { "job": "a" }, "values": values(1) },
        { "stream": { "job": "b", "level": "info" }, "values": values(101) },
    ]));
    view
}

const WHOLE: [(&str, &str); 2] = [("start", "0"), ("end", "1970-01-01T00:00:01Z")];

fn data(names: &[&str]) -> Value {
    json!({ "status": "success", "data": names })
}

#[test]
fn names_streams_and_sizes() {
    let view = view();
    assert_eq!(view.get("/loki/api/v1/labels", &WHOLE).json(), data(&["job", "level"]));
    let values = |name: &str| view.get(&format!("/loki/api/v1/label/{name}/values"), &WHOLE).json();
    assert_eq!(values("job"), data(&["a", "b"]));
    assert_eq!(values("nothing"), json!({ "status": "success" }));
    let with = |query: &'static str| [&WHOLE[..], &[("query", query)]].concat();
    let stats = view.get("/loki/api/v1/index/stats", &with("{job=~\"a|b\"}")).json();
    // "line 1" to "line 9" are 6 bytes, "line 10" is 7, "line 101" to "line 110" are 8.
    assert_eq!(stats["bytes"], 9 * 6 + 7 + 10 * 8);
    assert_eq!((&stats["streams"], &stats["entries"]), (&json!(2), &json!(20)));
    let volume = view.get("/loki/api/v1/index/volume", &with("{job=~\"a|b\"}")).json();
    assert_eq!(
        volume["data"]["result"],
        json!([
            { "metric": { "job": "b" }, "value": [1, "80"] },
            { "metric": { "job": "a" }, "value": [1, "61"] },
        ])
    );
    let range = [&with("{job=\"a\"}")[..], &[("step", "0.5")]].concat();
    let volume = view.get("/loki/api/v1/index/volume_range", &range).json();
    assert_eq!(
        volume["data"]["result"],
        json!([{ "metric": { "job": "a" }, "values": [[0.5, "61"]] }])
    );
    let detected = view.get("/loki/api/v1/detected_labels", &WHOLE).json();
    assert_eq!(
        detected,
        json!({ "detectedLabels": [
            { "label": "job", "cardinality": 2 }, { "label": "level", "cardinality": 1 },
        ] })
    );
}

/// logcli asks for `limit` rows before the oldest it has, includes that instant, and leaves out
/// what it has already shown.
#[test]
fn batches_come_to_every_row_once() {
    let view = view();
    let (mut end, mut seen) = (1_000_000_u64, Vec::new());
    loop {
        let parameters = [
            ("query", "{job=\"a\"}"),
            ("start", "0"),
            ("end", &format!("1970-01-01T00:00:00.{end:09}Z")),
            ("limit", "4"),
            ("direction", "BACKWARD"),
        ];
        let body = view.get("/loki/api/v1/query_range", &parameters).json();
        let Some(stream) = body["data"]["result"].get(0) else { break };
        let before = seen.len();
        for value in stream["values"].as_array().unwrap() {
            let line = (value[0].as_str().unwrap().parse::<u64>().unwrap(), value[1].clone());
            if !seen.contains(&line) {
                seen.push(line);
            }
        }
        if seen.len() == before {
            break;
        }
        end = seen.last().unwrap().0 + 1;
    }
    let all: Vec<_> = (1..=10).rev().map(|n| (n * 1000, json!(format!("line {n}")))).collect();
    assert_eq!(seen, all);
}

#[test]
fn numbers_queries_as_they_are_meant_and_our_own_order() {
    let view = view();
    let at = [("query", "sum by (job) (count_over_time({job=~\".+\"}[1s]))"), ("time", "1")];
    let body = view.get("/loki/api/v1/query", &at).json();
    assert_eq!(
        body["data"]["result"],
        json!([
            { "metric": { "job": "a" }, "value": [1, "10"] },
            { "metric": { "job": "b" }, "value": [1, "10"] },
        ])
    );
    let formatted = view.get("/loki/api/v1/format_query", &[("query", "{ job = `a` }|=\"x\"")]);
    assert_eq!(formatted.json(), json!({ "status": "success", "data": "{job=\"a\"} |= \"x\"" }));
    let sorted = "{job=\"a\"} | regexp `(?P<n>[0-9]+)` | sort by (n asc) | head(2)";
    let query = [&WHOLE[..], &[("query", sorted)]].concat();
    let reply = view.get("/api/v1/query", &query);
    assert_eq!(
        reply.text(),
        "{\"time\":\"1000\",\"line\":\"line 1\",\"labels\":{\"job\":\"a\",\"n\":\"1\"}}\n\
         {\"time\":\"2000\",\"line\":\"line 2\",\"labels\":{\"job\":\"a\",\"n\":\"2\"}}\n"
    );
    assert!(reply.head.contains("content-type: application/x-ndjson"), "{}", reply.head);
    let body = view.get("/loki/api/v1/query_range", &query).json();
    assert_eq!(
        body["warnings"],
        json!(["the rows are ordered by a pipe; clients of the Loki API sort them by time again"])
    );
}

#[test]
fn what_grafana_asks_before_a_query() {
    let view = view();
    assert_eq!(view.get("/ready", &[]).text(), "ready\n");
    let built = view.get("/loki/api/v1/status/buildinfo", &[]).json();
    assert_eq!(built["version"], "3.0.0");
    let limits = view.get("/loki/api/v1/drilldown-limits", &[]).json();
    assert_eq!(limits["limits"]["max_entries_limit_per_query"], 5000);
    let metrics = view.get("/metrics", &[]);
    assert!(metrics.text().contains("lucarne_view_records 20\n"), "{}", metrics.text());
}
