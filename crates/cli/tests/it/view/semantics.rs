//! Queries with what Loki makes of them: an answer of a kind, or a refusal.

use serde_json::{Value, json};

use super::client::{View, now_ns, vectors};

const SECOND: u64 = 1_000_000_000;

fn api_line(n: u64, level: &str) -> String {
    let status = if level == "error" { 503 } else { 200 };
    let method = if n.is_multiple_of(2) { "GET" } else { "POST" };
    json!({
        "method": method, "path": format!("/api/v1/users/{n}"), "status": status,
        "duration_ms": 90 + n * 20, "trace_id": format!("t{n}"), "upstream": "users",
        "msg": if level == "error" { "upstream error" } else { "served" },
    })
    .to_string()
}

/// One stream of so many lines.
fn stream(app: &str, level: &str, now: u64, line: impl Fn(u64) -> String) -> Value {
    let values: Vec<Value> =
        (0..6).map(|n| json!([(now - (40 - n) * SECOND).to_string(), line(n)])).collect();
    json!({
        "stream": {
            "app": app, "namespace": "prod", "env": "production", "cluster": "us-east-1",
            "pod": format!("{app}-1"), "level": level,
        },
        "values": values,
    })
}

fn push_all(view: &View, now: u64) {
    let nginx = |n: u64| {
        format!("10.0.0.{n} - - [21/Nov/2026:10:00:00 +0000] \"GET /{n} HTTP/1.1\" 40{n} 12")
    };
    let payment = |n: u64| format!("level=error msg=\"card refused\" n={n}");
    view.push(&json!([
        stream("api-gateway", "error", now, |n| api_line(n, "error")),
        stream("api-gateway", "info", now, |n| api_line(n, "info")),
        stream("api-gateway", "debug", now, |n| api_line(n, "debug")),
        stream("nginx-ingress", "info", now, nginx),
        stream("nginx-ingress", "error", now, nginx),
        stream("payment-service", "error", now, payment),
    ]));
}

#[test]
fn every_case_is_answered_or_refused_as_by_loki() {
    let view = View::start(&[]);
    let now = now_ns();
    push_all(&view, now);
    let (start, end) = ((now - 600 * SECOND).to_string(), (now + SECOND).to_string());
    let file = vectors("loki_http_semantics_vlproxy.json");
    let mut counted = [0, 0];
    for case in file["cases"].as_array().unwrap() {
        let word = |key: &str| case[key].as_str().unwrap_or_default();
        let path = format!("/loki/api/v1/{}", word("endpoint"));
        let mut parameters = vec![("query", word("query"))];
        match word("endpoint") {
            "query" => parameters.push(("time", &end)),
            _ => parameters.extend([("start", start.as_str()), ("end", &end), ("limit", "1000")]),
        }
        if !word("step").is_empty() {
            parameters.push(("step", word("step")));
        }
        let reply = view.get(&path, &parameters);
        if word("expectation") == "client_error" {
            assert_eq!(reply.status, 400, "{case} {}", reply.text());
            assert!(reply.head.contains("content-type: text/plain"), "{}", reply.head);
            counted[1] += 1;
            continue;
        }
        assert_eq!(reply.status, 200, "{case} {}", reply.text());
        let data = &reply.json()["data"];
        assert_eq!(data["resultType"], case["expect_result_type"], "{case}");
        let found = data["result"].as_array().unwrap().len();
        assert_eq!(found > 0, case["require_non_empty"] == true, "{case} {data}");
        counted[0] += 1;
    }
    assert_eq!(counted, [48, 11]);
}

#[test]
fn limits_times_and_directions_are_read_as_by_loki() {
    let view = View::start(&[]);
    let now = now_ns();
    push_all(&view, now);
    let path = "/loki/api/v1/query_range";
    let selector = r#"{app="payment-service"}"#;
    for (parameter, value, refused) in [
        (
            "limit",
            "5001",
            "max entries limit per query exceeded, limit > \
                           max_entries_limit_per_query (5001 > 5000)\n",
        ),
        ("limit", "0", "limit must be a positive number\n"),
        ("start", "tomorrow", "start must be unix seconds, unix nanoseconds or RFC 3339\n"),
        ("end", "1", "end must be no instant before start\n"),
        ("direction", "sideways", "direction must be forward or backward\n"),
        ("step", "x", "step must be a number of seconds or a duration\n"),
    ] {
        let start = ("start", "1000");
        let mut parameters = vec![("query", selector), (parameter, value)];
        if parameter == "end" {
            parameters.push(start);
        }
        let reply = view.get(path, &parameters);
        assert_eq!((reply.status, reply.text()), (400, refused), "{parameter}={value}");
    }
    assert_eq!(view.get(path, &[]).text(), "the parameter query is missing\n");
    assert_eq!(view.get("/loki/api/v1/nothing", &[]).status, 404);
    assert_eq!(view.ask("DELETE", "/loki/api/v1/labels", "", b"").status, 405);

    // Seconds, nanoseconds, fractions and dates name the same instant; forms are as good as GET.
    let lines = |parameters: &[(&str, &str)]| -> Vec<String> {
        let body = view.get(path, &[&[("query", selector)], parameters].concat()).json();
        let result = body["data"]["result"].as_array().unwrap().clone();
        let all = result.iter().flat_map(|stream| stream["values"].as_array().unwrap());
        all.map(|value| value[0].as_str().unwrap().to_owned()).collect()
    };
    let times: Vec<String> = (0..6).map(|n| (now - (40 - n) * SECOND).to_string()).collect();
    let newest_first: Vec<String> = times.iter().rev().cloned().collect();
    assert_eq!(lines(&[]), newest_first);
    assert_eq!(lines(&[("direction", "FORWARD")]), times);
    assert_eq!(lines(&[("direction", "BACKWARD"), ("limit", "2")]), newest_first[..2]);
    let third = now - 38 * SECOND;
    let fraction = format!("{}.{:09}", third / SECOND, third % SECOND);
    assert_eq!(lines(&[("start", &fraction), ("direction", "forward")]), times[2..]);
    assert_eq!(lines(&[("end", &fraction), ("since", "1h"), ("direction", "forward")]), times[..2]);
    let form = format!("direction=forward&limit=1&query={}", super::client::escape(selector));
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = view.ask("POST", path, headers, form.as_bytes()).json();
    assert_eq!(body["data"]["result"][0]["values"][0][0], times[0].as_str());
}
