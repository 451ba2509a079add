//! Queries that are followed: over a WebSocket, as logcli and Grafana do it.

use serde_json::{Value, json};

use super::super::web_socket::{Said, WebSocket};
use super::client::{View, escape, now_ns};

const SECOND: u64 = 1_000_000_000;

fn target(query: &str, parameters: &str) -> String {
    format!("/loki/api/v1/tail?query={}&{parameters}", escape(query))
}

fn stream(values: &[(u64, &str)]) -> Value {
    let values: Vec<Value> =
        values.iter().map(|(time, line)| json!([time.to_string(), line])).collect();
    json!({ "stream": { "job": "a" }, "values": values })
}

#[test]
fn rows_that_were_there_and_rows_that_come() {
    let view = View::start(&["--as-pushed"]);
    let then = now_ns() - 30 * SECOND;
    view.push(&json!([stream(&[(then, "one"), (then + 1, "two x"), (then + 2, "x three")])]));
    let start = format!("start={then}&limit=10&delay_for=0");
    let mut socket = WebSocket::open(view.at, &target("{job=\"a\"} |= \"x\"", &start)).unwrap();
    assert_eq!(
        socket.message(),
        json!({ "streams": [stream(&[(then + 1, "two x"), (then + 2, "x three")])] })
    );
    let now = now_ns();
    view.push(&json!([stream(&[(now, "x four"), (now + 1, "five")])]));
    assert_eq!(socket.message(), json!({ "streams": [stream(&[(now, "x four")])] }));
    assert!(now_ns() >= now + 2 * SECOND, "a follower stays behind the present");
    assert_eq!(socket.close(), Said::End(1000, String::new()));
}

#[test]
fn with_the_flag_of_grafana_every_row_has_its_metadata() {
    let view = View::start(&["--as-pushed"]);
    let then = now_ns() - 30 * SECOND;
    view.push(&json!([stream(&[(then, "n=1")])]));
    let flags = "X-Loki-Response-Encoding-Flags: categorize-labels\r\n";
    let target = target("{job=\"a\"} | logfmt", &format!("start={then}"));
    let mut socket = WebSocket::open_with(view.at, &target, flags).unwrap();
    assert_eq!(
        socket.message(),
        json!({
            "streams": [{
                "stream": { "job": "a" },
                "values": [[then.to_string(), "n=1", { "parsed": { "n": "1" } }]],
            }],
            "encodingFlags": ["categorize-labels"],
        })
    );
}

/// Browsers let a page open a WebSocket to any port, and send along what they know.
#[test]
fn a_page_of_another_origin_follows_nothing() {
    let view = View::start(&["--as-pushed"]);
    let target = target("{job=\"a\"}", "limit=1");
    for origin in ["https://evil.example", "null", "http://x.evil.example", "http://x, http://y"] {
        let refused = WebSocket::open_with(view.at, &target, &format!("Origin: {origin}\r\n"));
        let (status, said) = refused.err().unwrap();
        assert_eq!((status, said.as_str()), (400, "a page of another origin may not follow\n"));
    }
    assert!(WebSocket::open_with(view.at, &target, "Origin: http://x\r\n").is_ok());
}

/// A follower that is too far behind is brought to the present, and told what it missed.
#[test]
fn what_is_passed_over_is_named() {
    let view = View::start(&["--as-pushed"]);
    let then = now_ns() - 60 * SECOND;
    let lines: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    let rows: Vec<(u64, &str)> =
        lines.iter().zip(then..).map(|(line, time)| (time, line.as_str())).collect();
    view.push(&json!([stream(&rows)]));
    let start = format!("start={then}&limit=2");
    let mut socket = WebSocket::open(view.at, &target("{job=\"a\"}", &start)).unwrap();
    let messages: Vec<Value> = (0..10).map(|_| socket.message()).collect();
    for (message, rows) in messages.iter().zip(rows.chunks(2)) {
        assert_eq!(message["streams"], json!([stream(rows)]));
    }
    let dropped = |message: &Value| message["dropped_entries"].clone();
    assert!(messages[..9].iter().all(|message| dropped(message).is_null()));
    let last = (then + 19).to_string();
    assert_eq!(dropped(&messages[9]), json!([{ "timestamp": last, "labels": { "job": "a" } }]));
}

#[test]
fn what_cannot_be_followed_is_refused_before_the_upgrade() {
    let view = View::start(&[]);
    let refused = |query: &str, parameters: &str| {
        WebSocket::open(view.at, &target(query, parameters)).err().unwrap()
    };
    for (query, parameters, why) in [
        ("rate({job=\"a\"}[1m])", "", "the query must be one for log lines\n"),
        ("{job=\"a\"} | head(3)", "", "a query with pipes over all rows cannot be followed"),
        ("{job=\"a\"}", "delay_for=6", "delay_for must be 0 to 5 seconds\n"),
        ("{job=\"a\"}", "limit=5001", "max entries limit per query exceeded"),
        ("{job=", "", "parse error at line 1"),
    ] {
        let (status, body) = refused(query, parameters);
        assert_eq!(status, 400, "{body}");
        assert!(body.starts_with(why), "{body}");
    }
    let plain = view.get("/loki/api/v1/tail", &[("query", "{job=\"a\"}")]);
    assert_eq!(plain.status, 400);
    assert_eq!(plain.text(), "expected a request for a WebSocket of version 13\n");
}
