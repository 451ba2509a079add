//! A view of its own, filled with items and asked over HTTP.

use std::path::Path;

use lucarne_ledger::identity::LedgerKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::export::samples::{self, TIME_NS};
use crate::export::{HostJob, HostMessage, Unverified};

fn view(data: Option<&Path>) -> View {
    View::new(Settings {
        http: "127.0.0.1:0".parse().unwrap(),
        data: data.map(Path::to_owned),
        bytes: 64 << 20,
        age: Duration::from_secs(86_400 * 36_500),
    })
}

/// Status and body.
async fn ask(view: &View, method: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(view.address().unwrap()).await.unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: view\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// The streams of a selector, percent-encoded, around the time of the samples.
async fn streams(view: &View, selector: &str) -> Value {
    let (start, end) = (TIME_NS - 1_000_000_000, TIME_NS + 3_600_000_000_000);
    let target = format!("/loki/api/v1/query_range?query={selector}&start={start}&end={end}");
    let (status, body) = ask(view, "GET", &target).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["data"]["result"].clone()
}

#[tokio::test]
async fn a_record_has_the_labels_of_loki_and_says_that_it_is_sealed() {
    let mut view = view(None);
    view.open().unwrap();
    view.load(&[samples::log(0, 17), samples::span(), samples::counter(1, "c", 1)]);
    view.advance().await.unwrap();
    // The span is kept, too; the metric is not for a view.
    assert_eq!(view.tally(), Tally { sent: 2, refused: 0, skipped: 0 });
    let found = streams(&view, "%7Bjob%3D%22tee-processengine%22%7D").await;
    let stream = json!({
        "job": "tee-processengine", "level": "Error", "tee_instance_id": "nitro-001-us-east",
        "signature_valid": "true", "service_name": "tee-processengine", "detected_level": "error",
        "lucarne_sealed": "true", "tee_batch_seq": "42", "tee_cert_thumbprint": "sha256:a1b2c3",
        "tee_seal": "a.seal", "tee_record_index": "0",
    });
    assert_eq!(found[0]["stream"], stream);
    let line: Value = serde_json::from_str(found[0]["values"][0][1].as_str().unwrap()).unwrap();
    assert_eq!(line["executionId"], "exec-abc-123");
    assert_eq!(found.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_nobody_sealed_says_so() {
    let mut view = view(None);
    view.open().unwrap();
    let unverified = Item::Unverified(Unverified {
        instance: "nitro-001-us-east".into(),
        batch_first: Some(7),
        thumbprint: None,
        reason: "signature",
        received_ns: TIME_NS,
    });
    let json = r#"{"timestamp":"2024-05-27T16:00:00Z","level":"Warning","message":"m"}"#;
    let host = Item::Host(HostMessage { job: HostJob::Proxy, json: json.into() });
    let Item::Record(mut rewritten) = samples::log(3, 9) else { panic!("not a record") };
    rewritten.unsealed = true;
    view.load(&[unverified, host, Item::Record(rewritten)]);
    view.advance().await.unwrap();
    let found = streams(&view, "%7Bjob%3D~%22.%2B%22%7D").await;
    let said = |stream: &Value| stream["stream"]["lucarne_sealed"].as_str().map(str::to_owned);
    let said: Vec<_> = found.as_array().unwrap().iter().map(said).collect();
    assert_eq!(said, vec![Some("false".to_owned()); 3]);
}

#[tokio::test]
async fn nobody_can_push_and_a_form_that_is_too_long_is_refused() {
    let mut view = view(None);
    view.open().unwrap();
    assert_eq!(ask(&view, "POST", "/loki/api/v1/push").await.0, 404);
    assert_eq!(ask(&view, "POST", "/otlp/v1/logs").await.0, 404);
    assert_eq!(ask(&view, "GET", "/ready").await, (200, "ready\n".to_owned()));
    let mut stream = TcpStream::connect(view.address().unwrap()).await.unwrap();
    let head = "POST /loki/api/v1/query_range HTTP/1.1\r\nhost: view\r\nconnection: close\r\n\
                content-length: 524289\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_directory_has_it_again_after_a_restart_and_memory_has_not() {
    let dir = tempfile::tempdir().unwrap();
    for (data, expected) in [(Some(dir.path()), 1), (None, 0)] {
        let mut first = view(data);
        first.open().unwrap();
        first.load(&[samples::log(0, 9)]);
        first.advance().await.unwrap();
        drop(first);
        let mut second = view(data);
        // The server of the first lets go of the directory when its task is next looked at.
        let opening = async {
            while second.open().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), opening).await.unwrap();
        let found = streams(&second, "%7Bjob%3D%22tee-processengine%22%7D").await;
        assert_eq!(found.as_array().unwrap().len(), expected, "{data:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let mut first = view(None);
    first.open().unwrap();
    let mut second = view(None);
    second.settings.http = first.address().unwrap();
    let error = second.open().unwrap_err().to_string();
    let expected = format!("listen at {}: ", first.address().unwrap());
    assert!(error.starts_with(&expected), "{error}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "x").unwrap();
    let mut third = view(Some(dir.path()));
    let expected =
        format!("open the store {}: the file key has 1 bytes, not 48", dir.path().display());
    assert_eq!(third.open().unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn a_malformed_record_is_skipped_and_the_others_are_kept() {
    let mut view = view(None);
    view.open().unwrap();
    let broken = samples::telemetry(bytes::Bytes::from_static(&[0xff]));
    let broken = samples::record(LedgerKind::Telemetry, 1, crate::export::Entry::Log(broken));
    view.load(&[broken, samples::log(2, 9)]);
    view.advance().await.unwrap();
    assert_eq!(view.tally(), Tally { sent: 1, refused: 0, skipped: 1 });
}
