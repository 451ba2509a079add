//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.
//!
//! Those of the write-ahead log are in `wal::fuzzing`.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lucarne_redact::RulesConfig;

use crate::collector::{Collector, Resolve};
use crate::delivery::Delivery;
use crate::export::backoff::Backoff;
use crate::export::client::Answer;
use crate::export::cursor::Cursor;
use crate::export::line::{Flat, line};
use crate::export::otlp::OtlpTransport;
use crate::export::otlp::answer::judge;
use crate::export::push::{Verdict, retry_after};
use crate::export::sink::Stuck;
use crate::export::{HostJob, HostMessage, Item};
use crate::proxy::allowlist::Allowlist;
use crate::proxy::message::Message;
use crate::proxy::place::{Local, Remote, Route};
use crate::{baseline, config, http as pages, policy, source, websocket};

/// What an OTLP receiver answers: a line with the gRPC status, a line with its details, a line with
/// `Retry-After`, and the body, judged as the answer over both transports.
pub fn fuzz_otlp_answer(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in ["grpc-status", "grpc-status-details-bin", "retry-after"] {
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        value.into_iter().for_each(|value| drop(headers.insert(name, value)));
    }
    let body = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    let _after = retry_after(&headers);
    for status in [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
        let answer = Answer { status, headers: headers.clone(), body: body.clone() };
        for transport in [OtlpTransport::Grpc, OtlpTransport::Http] {
            if let Verdict::Later(Stuck { retry_after, .. }) = judge(transport, &answer) {
                // A receiver may ask for patience, not for silence.
                assert!(Backoff::new(1).failed(retry_after) < Duration::from_secs(3600));
            }
        }
    }
}

/// The allow-list of the proxy: a list, or a line of text.
pub fn fuzz_allowlist(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    if let Err(error) = Allowlist::parse(yaml, Path::new("list.yaml")) {
        assert!(!error.to_string().contains('\n'), "an error is one line");
    }
}

/// Places as the command line writes them. What is understood is printed in one spelling.
pub fn fuzz_place(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(remote) = text.parse::<Remote>() {
        assert_eq!(remote.to_string().parse(), Ok(remote));
    }
    if let Ok(local) = text.parse::<Local>() {
        assert_eq!(local.to_string().parse(), Ok(local));
    }
    drop(text.parse::<Route>());
}

/// A line of a proxy. What is read is what was written.
pub fn fuzz_proxy_line(line: &[u8]) {
    if let Ok(message) = Message::parse(line) {
        assert_eq!(message.encode(), line);
    }
}

/// An entry of the write-ahead log. What is read is what was written.
pub fn fuzz_delivery(bytes: &[u8]) {
    if let Ok(delivery) = Delivery::decode(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(delivery.encode(), bytes);
    }
}

/// A cursor, and the position in it.
pub fn fuzz_cursor(bytes: &[u8]) {
    if let Some(cursor) = Cursor::parse(bytes) {
        source::check_position(&cursor.position);
    }
}

/// The body that sets a gate.
pub fn fuzz_gate(body: &[u8]) {
    pages::gates::check_body(body);
}

/// The exported line of a message: one JSON object, if it is one.
pub fn fuzz_host_line(json: &[u8]) {
    let message = HostMessage { job: HostJob::Proxy, json: Bytes::copy_from_slice(json) };
    let (item, mut flat) = (Item::Host(message), Flat::default());
    if let Ok(Some(line)) = line(&item, &mut flat) {
        let whole: serde_json::Map<_, _> = serde_json::from_slice(line.into_whole())
            .unwrap_or_else(|error| unreachable!("a line is a JSON object: {error}"));
        assert_eq!(whole.get("job").and_then(|job| job.as_str()), Some("vsock-proxy"));
    }
}

/// The configuration; whatever it is, the answer is a configuration or a line of text.
pub fn fuzz_config(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    if let Err(error) = config::shape(yaml, Path::new("gateway.yaml")) {
        assert!(!error.to_string().contains('\n'), "an error is one line");
    }
}

/// A collector file; whatever it is, the answer is pipelines or a line of text that leads to one of
/// its own lines.
pub fn fuzz_collector(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    let lookup = |name: &str| (name == "SET").then(|| "value".to_owned());
    let read = Collector::parse(yaml, Path::new("c.yaml"), &Resolve::default(), &lookup);
    match read {
        Ok(collector) => {
            let mut rules = RulesConfig::shipped();
            collector.add_rules(&mut rules);
            let places = collector.places(&rules);
            assert!(places.values().all(|place| place.contains(" line ")), "{places:?}");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
}

/// The policy file; whatever it is, the answer is a policy or a line of text.
pub fn fuzz_policy(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    if let Err(error) = policy::shape(yaml, Path::new("policy.yaml")) {
        assert!(!error.to_string().contains('\n'), "an error is one line");
    }
}

/// The baseline file. What is read is written so that the same is read again.
pub fn fuzz_baseline(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    let path = Path::new("baseline.yaml");
    match baseline::parse(yaml, path) {
        Ok(read) => {
            let again = baseline::parse(&baseline::text(&read), path);
            assert!(again.is_ok_and(|again| again == read), "the layout keeps what it says");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
}

/// What a client says on a WebSocket, frame after frame.
///
/// # Panics
/// When a frame is longer than the bytes it was read from, or has no length, which is a bug.
pub fn fuzz_websocket(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((_frame, length))) = websocket::read(rest) {
        assert!(length > 0);
        rest = &rest[length..];
    }
}
