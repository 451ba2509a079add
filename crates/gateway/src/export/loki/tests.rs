//! Pushes, read back by decoders that share nothing with the encoder.

use bytes::Bytes;
use lucarne_ledger::identity::LedgerKind;
use prost::Message;
use serde_json::json;

use super::*;
use crate::export::samples::{self, TIME_NS, message, record, telemetry};
use crate::export::{Entry as Payload, Unverified};

/// `push.proto` of Loki, as its documentation prints it.
#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<StreamAdapter>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamAdapter {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<EntryAdapter>,
    #[prost(uint64, tag = "3")]
    hash: u64,
}

#[derive(Clone, PartialEq, Message)]
struct EntryAdapter {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    structured_metadata: Vec<LabelPair>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

const PROTOBUF: Loki = Loki { format: LokiFormat::Protobuf, labels_compat: false };
const JSON: Loki = Loki { format: LokiFormat::Json, labels_compat: false };

fn sample() -> Vec<Item> {
    let unverified = Unverified {
        instance: "nitro-001-us-east".into(),
        batch_first: Some(9),
        thumbprint: None,
        reason: "signature",
        received_ns: TIME_NS + 5,
    };
    // Out of order on purpose; the metric is not for Loki.
    vec![
        samples::log(2, 17),
        samples::log(1, 17),
        samples::histogram(),
        Item::Unverified(unverified),
    ]
}

fn decode(request: &Request) -> PushRequest {
    let plain = snap::raw::Decoder::new().decompress_vec(&request.body()).unwrap();
    PushRequest::decode(&plain[..]).unwrap()
}

#[test]
fn protobuf_is_the_recorded_fixture_and_reads_back() {
    let mut tally = Tally::default();
    let requests = PROTOBUF.encode(&sample(), &mut tally);
    assert_eq!((requests.len(), requests[0].items(), tally), (1, 3, Tally::default()));
    // The decompressed message, since the bytes of a compressor are not ours to fix.
    let plain = snap::raw::Decoder::new().decompress_vec(&requests[0].body()).unwrap();
    assert_eq!(hex(&plain), include_str!("../../../testdata/loki/push.hex").trim());
    // The recorded body is the one that decode.py has read.
    let recorded = include_bytes!("../../../testdata/loki/push.snappy");
    assert_eq!(snap::raw::Decoder::new().decompress_vec(recorded).unwrap(), plain);

    let push = decode(&requests[0]);
    let labels: Vec<&str> = push.streams.iter().map(|stream| &stream.labels[..]).collect();
    assert_eq!(
        labels,
        [
            concat!(
                r#"{job="tee-processengine", level="Error", signature_valid="false", "#,
                r#"tee_instance_id="nitro-001-us-east"}"#
            ),
            concat!(
                r#"{job="tee-processengine", level="Error", signature_valid="true", "#,
                r#"tee_instance_id="nitro-001-us-east"}"#
            ),
        ]
    );
    let entries = &push.streams[1].entries;
    let times: Vec<_> = entries.iter().map(|e| e.timestamp.unwrap().seconds).collect();
    assert_eq!(times, [1_716_825_601, 1_716_825_602]);
    let pair = |name: &str, value: &str| LabelPair { name: name.into(), value: value.into() };
    assert_eq!(
        entries[0],
        EntryAdapter {
            timestamp: Some(Timestamp { seconds: 1_716_825_601, nanos: 0 }),
            line: concat!(
                r#"{"timestamp":"2024-05-27T16:00:01.000000000Z","level":"Error","#,
                r#""executionId":"exec-abc-123","durationMs":342,"service.name":"credit-engine"}"#
            )
            .into(),
            structured_metadata: vec![
                pair("tee_batch_seq", "42"),
                pair("tee_cert_thumbprint", "sha256:a1b2c3"),
                pair("tee_seal", "a.seal"),
                pair("tee_record_index", "1"),
            ],
        }
    );
    assert_eq!(push.streams[0].entries[0].timestamp.unwrap().nanos, 5);
}

#[test]
fn json_says_the_same_as_protobuf() {
    let requests = JSON.encode(&sample(), &mut Tally::default());
    let body: serde_json::Value = serde_json::from_slice(&requests[0].body()).unwrap();
    let valid = &body["streams"][1];
    assert_eq!(
        valid["stream"],
        json!({
            "job": "tee-processengine", "level": "Error", "signature_valid": "true",
            "tee_instance_id": "nitro-001-us-east",
        })
    );
    let value = &valid["values"][0];
    assert_eq!(value[0], "1716825601000000000");
    assert_eq!(
        value[2],
        json!({
            "tee_batch_seq": "42", "tee_cert_thumbprint": "sha256:a1b2c3", "tee_seal": "a.seal",
            "tee_record_index": "1",
        })
    );
    let line: serde_json::Value = serde_json::from_str(value[1].as_str().unwrap()).unwrap();
    assert_eq!(line["executionId"], "exec-abc-123");
    assert_eq!(body["streams"][0]["stream"]["signature_valid"], "false");
}

#[test]
fn compatible_labels_are_those_of_seed_002() {
    let loki = Loki { labels_compat: true, ..PROTOBUF };
    let push = decode(&loki.encode(&[samples::log(1, 9)], &mut Tally::default())[0]);
    assert_eq!(
        push.streams[0].labels,
        concat!(
            r#"{job="tee-processengine", level="Information", signature_valid="true", "#,
            r#"tee_batch_seq="42", tee_cert_thumbprint="sha256:a1b2c3", "#,
            r#"tee_instance_id="nitro-001-us-east"}"#
        )
    );
    let names: Vec<&str> =
        push.streams[0].entries[0].structured_metadata.iter().map(|pair| &pair.name[..]).collect();
    assert_eq!(names, ["tee_seal", "tee_record_index"]);
}

#[test]
fn a_line_that_loki_would_refuse_is_cut_down() {
    let message = message(|out| {
        out.fixed64(1, TIME_NS);
        out.varint(2, 9);
        samples::text(6, "k", &"x".repeat(LINE_BYTES_MAX), out);
    });
    let item = record(LedgerKind::Telemetry, 1, Payload::Log(telemetry(message)));
    let push = decode(&PROTOBUF.encode(&[item], &mut Tally::default())[0]);
    assert_eq!(
        push.streams[0].entries[0].line,
        concat!(
            r#"{"timestamp":"2024-05-27T16:00:00.000000000Z","level":"Information","#,
            r#""lucarne.truncated":true}"#
        )
    );
}

#[test]
fn malformed_records_are_counted_and_the_rest_goes_out() {
    let torn = telemetry(Bytes::from_static(&[0x0a, 0xff]));
    let items = [record(LedgerKind::Telemetry, 1, Payload::Log(torn)), samples::log(1, 9)];
    let mut tally = Tally::default();
    let requests = PROTOBUF.encode(&items, &mut tally);
    assert_eq!(tally, Tally { skipped: 1, ..Tally::default() });
    assert_eq!(requests[0].items(), 1);
}

#[test]
fn large_batches_become_several_requests_of_small_parts() {
    let items: Vec<Item> = (0..8000).map(|index| samples::log(index, 9)).collect();
    let requests = PROTOBUF.encode(&items, &mut Tally::default());
    assert_eq!(requests.iter().map(Request::items).sum::<u64>(), 8000);
    assert!(requests.len() > 1, "{}", requests.len());
    for request in &requests {
        let bytes: usize = request.parts.iter().map(|part| part.bytes.len()).sum();
        assert!(bytes <= crate::export::request::REQUEST_BYTES_MAX, "{bytes}");
        assert!(request.parts.iter().all(|part| part.items <= 64));
    }
}

#[test]
fn label_values_are_quoted_as_go_quotes_them() {
    let labels = [("a", "q\"b\\s\nn\u{1}é".into())];
    assert_eq!(selector(&labels), r#"{a="q\"b\\s\nn\u0001é"}"#);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
