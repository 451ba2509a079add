//! What the enclave counts of itself comes out at the exporters, sealed like everything else.

use serde_json::Value;

use super::process::{PATIENCE, until};
use super::site::{Changes, Site, http};

/// The newest exported value of a metric of the enclave, by one label.
fn value(site: &Site, metric: &str, label: Option<(&str, &str)>) -> Option<u64> {
    let text = std::fs::read_to_string(site.path("export/metrics.jsonl")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_it = |line: &Value| {
        line["metric"] == metric
            && line["signature_valid"] == true
            && label.is_none_or(|(key, value)| line[key] == value)
    };
    lines.rev().find(is_it)?["value"].as_u64()
}

#[test]
fn what_the_receivers_took_and_refused_comes_out_at_the_exporters() {
    let mut site =
        Site::start(&Changes { enclave: "limits: { heartbeat_ms: 300 }\n", ..Changes::default() });
    let mut load = site.send(&["--count", "60", "--batch", "20", "--durability", "sealed"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
    let post = |path: &str, kind: &str, body: &str| {
        let head = format!("POST {path} HTTP/1.1\r\ncontent-type: {kind}\r\n");
        http(site.addresses.http, &head, body).unwrap().0
    };
    assert_eq!(post("/v1/logs", "text/plain", "x"), 415);
    assert_eq!(post("/v1/logs", "application/json", "{"), 400);
    assert_eq!(post("/v1/logs", "application/json", "{}"), 200);
    assert_eq!(post("/v1/other", "application/json", "{}"), 404);
    let refused = "lucarne_receiver_refused_total";
    for (metric, label, expected) in [
        (refused, Some(("reason", "content_type")), 1),
        (refused, Some(("reason", "malformed")), 1),
        (refused, Some(("reason", "path")), 1),
        ("lucarne_receiver_requests_total", Some(("signal", "logs")), 4),
        ("lucarne_receiver_requests_total", Some(("signal", "traces")), 0),
        ("lucarne_receiver_requests_by_protocol_total", Some(("protocol", "grpc")), 3),
        ("lucarne_receiver_requests_by_protocol_total", Some(("protocol", "http")), 1),
        ("lucarne_receiver_rejected_items_total", Some(("signal", "logs")), 0),
    ] {
        let what = format!("{metric} {label:?} {expected}");
        until(&what, PATIENCE, || (value(&site, metric, label) == Some(expected)).then_some(()));
    }
    let bytes = "lucarne_receiver_bytes_total";
    until("bytes", PATIENCE, || value(&site, bytes, None).filter(|count| *count > 1_000));
    assert_eq!(value(&site, refused, Some(("reason", "slow_body"))), None);
    assert_eq!(site.stop(), [Some(0); 3]);
}
