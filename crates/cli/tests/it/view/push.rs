//! What is taken in, in every form; what is refused; and what a crash leaves.

use std::io::Write;
use std::process::Command;

use lucarne_otlp::wire::Writer;
use serde_json::{Value, json};

use super::super::site::{free_port, lucarne_program};
use super::client::{View, now_ns};

fn push_request(labels: &str, time_ns: u64, line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |stream| {
        stream.bytes(1, labels.as_bytes());
        stream.message(2, |entry| {
            entry.message(1, |time| {
                time.varint(1, time_ns / 1_000_000_000);
                time.varint(2, time_ns % 1_000_000_000);
            });
            entry.bytes(2, line.as_bytes());
            entry.message(3, |pair| {
                pair.bytes(1, b"trace_id");
                pair.bytes(2, b"abc");
            });
        });
    });
    out
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The streams of everything, with what stands beside each line.
fn everything(view: &View) -> Value {
    let target = "/loki/api/v1/query_range?query=%7Bjob=~%22.%2B%22%7D";
    let flag = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";
    view.ask("GET", target, flag, b"").json()["data"]["result"].clone()
}

#[test]
fn protobuf_and_gzip_are_taken() {
    let view = View::start(&[]);
    let now = now_ns();
    let body = snappy(&push_request(r#"{job="j", level="Error"}"#, now, "first"));
    let proto = "Content-Type: application/x-protobuf\r\n";
    assert_eq!(view.ask("POST", "/loki/api/v1/push", proto, &body).status, 204);
    let time = now.to_string();
    let json = json!({ "streams": [{ "stream": { "job": "k" }, "values": [[time, "second"]] }] });
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let body = gzip(json.to_string().as_bytes());
    assert_eq!(view.ask("POST", "/loki/api/v1/push", headers, &body).status, 204);
    assert_eq!(
        everything(&view),
        json!([
            {
                "stream": { "job": "j", "level": "Error", "service_name": "j" },
                "values": [[time, "first", { "structuredMetadata": {
                    "detected_level": "error", "trace_id": "abc" } }]],
            },
            {
                "stream": { "job": "k", "service_name": "k" },
                "values": [[time, "second", { "structuredMetadata": {
                    "detected_level": "unknown" } }]],
            },
        ])
    );
}

#[test]
fn otlp_is_taken_as_json() {
    let view = View::start(&[]);
    let time = now_ns().to_string();
    let attribute = json!({ "key": "service.name", "value": { "stringValue": "s" } });
    let record =
        json!({ "timeUnixNano": time, "severityNumber": 17, "body": { "stringValue": "boom" } });
    let body = json!({ "resourceLogs": [{ "resource": { "attributes": [attribute] },
        "scopeLogs": [{ "logRecords": [record] }] }] });
    let headers = "Content-Type: application/json\r\n";
    let reply = view.ask("POST", "/otlp/v1/logs", headers, body.to_string().as_bytes());
    assert_eq!(reply.status, 204);
    let found = view.get("/loki/api/v1/query_range", &[("query", "{service_name=\"s\"}")]).json();
    assert_eq!(found["data"]["result"][0]["values"], json!([[time, "boom"]]));
    assert_eq!(found["data"]["result"][0]["stream"]["level"], "Error");
}

#[test]
fn what_is_no_push_is_refused_and_nothing_of_it_is_kept() {
    let view = View::start(&[]);
    let (json, proto) =
        ("Content-Type: application/json\r\n", "Content-Type: application/x-protobuf\r\n");
    let now = now_ns().to_string();
    let good = json!({ "stream": { "job": "j" }, "values": [[now, "kept?"]] });
    let with = |bad: Value| json!({ "streams": [good, bad] }).to_string().into_bytes();
    let path = "/loki/api/v1/push";
    for (headers, body, status) in [
        (json, b"{".to_vec(), 400),
        (json, with(json!({ "stream": { "job": "j" }, "values": [["soon", "x"]] })), 400),
        (json, with(json!({ "stream": { "job": "j" }, "values": [[now, "x", {"a": 1}]] })), 400),
        (json, with(json!({ "stream": {}, "values": [[now, "x"]] })), 400),
        (proto, b"\xff\xff".to_vec(), 400),
        (proto, snappy(b"\x0a\x05ab"), 400),
        (proto, snappy(&push_request("{job=~\"j\"}", 1, "x")), 400),
        (proto, snappy(&push_request("job", 1, "x")), 400),
        ("Content-Encoding: br\r\n", b"x".to_vec(), 415),
    ] {
        let reply = view.ask("POST", path, headers, &body);
        assert_eq!(reply.status, status, "{} {}", String::from_utf8_lossy(&body), reply.text());
    }
    assert_eq!(view.ask("GET", path, json, &with(good.clone())).status, 405);
    assert_eq!(everything(&view), json!([]));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut view = View::over(&data, &[]);
    let now = now_ns();
    for n in 0..20 {
        let value = json!([(now + n).to_string(), format!("line {n}")]);
        view.push(&json!([{ "stream": { "job": "j" }, "values": [value] }]));
    }
    let before = everything(&view);
    assert_eq!(before[0]["values"].as_array().unwrap().len(), 20);

    // The directory is one process's.
    let other = free_port().to_string();
    let second = Command::new(lucarne_program())
        .args(["view", "--http", &other, "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(4), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("another process has it open"));

    view.process.stop("-KILL");
    let mut view = View::over(&data, &[]);
    assert_eq!(everything(&view), before);
    assert_eq!(view.process.stop("-TERM"), Some(0));
}

/// Clients that died in the middle of a push hold every place for a while, and hide nothing.
#[test]
fn a_view_without_a_place_says_that_it_runs() {
    let view = View::start(&[]);
    let half = || {
        let mut stream = std::net::TcpStream::connect(view.at).unwrap();
        let head = "POST /loki/api/v1/push HTTP/1.1\r\nHost: v\r\nContent-Length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let halves: Vec<std::net::TcpStream> = (0..8).map(|_| half()).collect();
    assert_eq!(view.ask("GET", "/ready", "", b"").status, 200);
    drop(halves);
}
