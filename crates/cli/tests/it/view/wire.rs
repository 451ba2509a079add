//! Bodies that Loki's own tests have, letter by letter, from rows that were pushed.

use serde_json::{Value, json};

use super::client::{Reply, View, vectors};

const FLAG: &str = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";

fn fixture(table: &str, name: Option<&str>, at: usize) -> Value {
    let file = vectors("loki_wire_fixtures.json");
    let of_table = file["fixtures"].as_array().unwrap().iter().filter(|fixture| {
        fixture["table"] == table && name.is_none_or(|name| fixture["name"] == name)
    });
    let mut expected = of_table.map(|fixture| fixture["expected"].clone()).nth(at).unwrap();
    // Nothing warns here, and statistics are measured.
    expected.as_object_mut().unwrap().remove("warnings");
    if let Some(data) = expected["data"].as_object_mut() {
        data.remove("stats");
    }
    expected
}

#[track_caller]
fn check(reply: &Reply, expected: &Value) {
    let mut body = reply.json();
    if let Some(data) = body["data"].as_object_mut() {
        assert!(data.remove("stats").is_none_or(|stats| stats["summary"].is_object()));
    }
    assert_eq!(&body, expected);
}

fn view() -> View {
    View::start(&["--as-pushed", "--days", "36500"])
}

#[test]
fn rows_with_and_without_categories() {
    let view = view();
    let meta = json!({ "foo": "a", "bar": "b" });
    view.push(&json!([{ "stream": { "test": "test" }, "values": [
        ["123456789012345", "super line"],
        ["123456789012346", "super line with labels", meta],
        ["123456789012347", "super line with labels msg=text", meta],
    ] }]));
    let target = |query: &str, end: &str| {
        format!("/loki/api/v1/query_range?query={query}&start=0&end={end}&direction=forward")
    };
    let all = target("%7Btest=%22test%22%7D|logfmt", "123456789012348");
    let reply = view.ask("GET", &all, FLAG, b"");
    check(&reply, &fixture("queryTestWithEncodingFlags", None, 0));
    // Without the flag, from rows without metadata.
    let plain = "%7Btest=%22test%22%7D|drop+foo,bar";
    let reply = view.ask("GET", &target(plain, "123456789012347"), "", b"");
    check(&reply, &fixture("queryTests", None, 0));
}

#[test]
fn labels_split_streams_without_the_flag() {
    let view = view();
    let meta = json!({ "foo": "a", "bar": "b" });
    view.push(&json!([{ "stream": { "test": "test" }, "values": [
        ["123456789012346", "super line"],
        ["123456789012346", "super line with labels", meta],
        ["123456789012346", "super line with labels msg=baz", meta],
    ] }]));
    let target = "/loki/api/v1/query_range?query=%7Btest=%22test%22%7D|logfmt&start=0&end=200000";
    let mut body = view.ask("GET", target, "", b"").json();
    let mut expected = fixture("range", Some("uncategorized labels"), 0);
    // The order of streams is nobody's promise.
    for side in [&mut body, &mut expected] {
        side["data"].as_object_mut().unwrap().remove("stats");
        let streams = side["data"]["result"].as_array_mut().unwrap();
        streams.sort_by_key(|stream| stream["stream"].to_string());
    }
    assert_eq!(body, expected);
}

#[test]
fn names_and_series() {
    let view = view();
    view.push(&json!([
        { "stream": { "label1": "x", "test": "y", "value": "z" }, "values": [["1", "line"]] },
    ]));
    let all = [("start", "0"), ("end", "2")];
    check(&view.get("/loki/api/v1/labels", &all), &fixture("labelTests", None, 0));
    check(
        &view.get("/loki/api/v1/patterns", &[("query", "{a=\"b\"}")]),
        &fixture("range", None, 3),
    );
    let view = self::view();
    view.push(&json!([
        { "stream": { "a": "1", "b": "2" }, "values": [["1", "line"]] },
        { "stream": { "c": "3", "d": "4" }, "values": [["1", "line"]] },
    ]));
    check(&view.get("/loki/api/v1/series", &all), &fixture("range", None, 0));
    let only = [("start", "0"), ("end", "2"), ("match[]", "{c=\"3\"}")];
    let expected = json!({ "status": "success", "data": [{ "c": "3", "d": "4" }] });
    assert_eq!(view.get("/loki/api/v1/series", &only).json(), expected);
}
