//! Lines, compared whole.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::export::HostJob;
use crate::export::samples::{self, TIME_NS, message, record, telemetry, text};

/// A line, and its text with and without its provenance.
struct Parsed {
    job: &'static str,
    level: Severity,
    timestamp_ns: u64,
    signature_valid: Option<bool>,
    text: Vec<u8>,
    whole: Vec<u8>,
}

fn parsed(item: &Item) -> Parsed {
    let mut flat = Flat::default();
    let whole = line(item, &mut flat).unwrap().unwrap().into_whole().to_vec();
    // In the memory of the one before.
    let line = line(item, &mut flat).unwrap().unwrap();
    let (job, level, timestamp_ns) = (line.job, line.level, line.timestamp_ns);
    let signature_valid = line.provenance.map(|from| from.signature_valid);
    Parsed { job, level, timestamp_ns, signature_valid, text: line.into_text().to_vec(), whole }
}

fn object(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

fn log_with(severity: u64, severity_text: &str, attributes: &[(&str, &str)]) -> Item {
    let message = message(|out| {
        out.varint(2, severity);
        out.bytes(3, severity_text.as_bytes());
        attributes.iter().for_each(|(key, value)| text(6, key, value, out));
    });
    record(LedgerKind::Telemetry, 1, Entry::Log(telemetry(message)))
}

#[test]
fn a_log_record_is_one_flat_object_in_the_order_of_the_seeds() {
    let line = parsed(&samples::log(1, 9));
    assert_eq!(
        (line.job, line.level, line.timestamp_ns),
        ("tee-processengine", Severity::Information, TIME_NS + 1_000_000_000)
    );
    assert_eq!(
        String::from_utf8(line.text).unwrap(),
        concat!(
            r#"{"timestamp":"2024-05-27T16:00:01.000000000Z","level":"Information","#,
            r#""executionId":"exec-abc-123","durationMs":342,"service.name":"credit-engine"}"#
        )
    );
    assert_eq!(
        String::from_utf8(line.whole).unwrap(),
        concat!(
            r#"{"timestamp":"2024-05-27T16:00:01.000000000Z","level":"Information","#,
            r#""executionId":"exec-abc-123","durationMs":342,"service.name":"credit-engine","#,
            r#""job":"tee-processengine","tee_instance_id":"nitro-001-us-east","#,
            r#""signature_valid":true,"#,
            r#""tee_batch_seq":42,"tee_cert_thumbprint":"sha256:a1b2c3","tee_seal":"a.seal","#,
            r#""tee_record_index":1}"#
        )
    );
}

#[test]
fn body_ids_event_name_and_rewriting_show() {
    let message = message(|out| {
        out.fixed64(11, TIME_NS);
        out.varint(2, 17);
        out.message(5, |body| body.bytes(1, b"node failed"));
        out.bytes(9, &[0x11; 16]);
        out.bytes(10, &[0x22; 8]);
        out.bytes(12, b"node.failed");
    });
    let item = record(LedgerKind::Telemetry, 3, Entry::Log(telemetry(message)));
    let Item::Record(record) = item else { unreachable!() };
    let line = parsed(&Item::Record(Record { unsealed: true, ..record }));
    assert_eq!(
        object(&line.text),
        json!({
            "timestamp": "2024-05-27T16:00:00.000000000Z", "level": "Error",
            "message": "node failed", "traceId": "11".repeat(16), "spanId": "22".repeat(8),
            "eventName": "node.failed", "lucarne.sealed": false, "service.name": "credit-engine",
        })
    );
}

#[test]
fn levels_have_the_names_of_the_seeds() {
    use Severity::{Critical, Debug, Error, Information, Trace, Warning};
    let numbers = [
        (1, Trace),
        (4, Trace),
        (5, Debug),
        (8, Debug),
        (9, Information),
        (12, Information),
        (13, Warning),
        (16, Warning),
        (17, Error),
        (20, Error),
        (21, Critical),
        (24, Critical),
    ];
    for (number, level) in numbers {
        assert_eq!(Severity::of(number, "whatever"), Some(level), "{number}");
    }
    let cases = [
        (17, "ERROR", Some(Error)), // the Python SDK
        (9, "Critical", Some(Critical)),
        (0, "WARN", Some(Warning)),
        (0, "fatal", Some(Critical)),
        (0, "info", Some(Information)),
        (25, "", None),
        (0, "", None),
    ];
    for (number, text, level) in cases {
        assert_eq!(Severity::of(number, text), level, "{number} {text}");
    }
    assert_eq!(parsed(&log_with(0, "", &[("level", "Error")])).level, Error);
    assert_eq!(parsed(&log_with(0, "", &[])).level, Information);
}

#[test]
fn what_a_record_says_itself_counts_before_its_attributes() {
    let said = [("level", "Debug"), ("timestamp", "2024-05-27T16:00:02Z")];
    let graded = parsed(&log_with(17, "", &said));
    assert_eq!((graded.level, graded.timestamp_ns), (Severity::Error, TIME_NS + 2_000_000_000));
    let message = message(|out| {
        out.fixed64(1, TIME_NS);
        said.iter().for_each(|(key, value)| text(6, key, value, out));
    });
    let timed = parsed(&record(LedgerKind::Telemetry, 1, Entry::Log(telemetry(message))));
    assert_eq!((timed.level, timed.timestamp_ns), (Severity::Debug, TIME_NS));
}

#[test]
fn a_line_that_failed_half_way_leaves_nothing_to_the_next() {
    let Item::Record(good) = samples::log(1, 9) else { unreachable!() };
    let Entry::Log(log) = &good.entry else { unreachable!() };
    let torn = Telemetry { resource: Bytes::from_static(&[0x0a, 0xff]), ..log.clone() };
    let bad = Item::Record(Record { entry: Entry::Log(torn), ..good.clone() });
    let mut flat = Flat::default();
    assert_eq!(line(&bad, &mut flat).err(), Some(Malformed));
    let good = Item::Record(good);
    assert_eq!(line(&good, &mut flat).unwrap().unwrap().into_text(), parsed(&good).text);
}

#[test]
fn neither_a_map_nor_an_escape_hides_a_name_of_the_gateway() {
    let message = message(|out| {
        out.message(6, |entry| {
            entry.bytes(1, b"lucarne");
            entry.message(2, |any| any.message(6, |map| text(1, "sealed", "x", map)));
        });
    });
    let line = parsed(&record(LedgerKind::Telemetry, 1, Entry::Log(telemetry(message))));
    assert_eq!(object(&line.whole)["attributes.lucarne.sealed"], "x");
    assert_eq!(object(&line.whole).get("lucarne.sealed"), None);
    let json = Bytes::from_static(br#"{"\u006aob":"forged","tee_se\u0061l":"s"}"#);
    let entry = Entry::Audit { json, record_hash: "bb".into() };
    let whole = object(&parsed(&record(LedgerKind::Audit, 5, entry)).whole);
    assert_eq!((&whole["job"], &whole["tee_seal"]), (&json!("tee-audit"), &json!("a.seal")));
    assert_eq!(whole["attributes.job"], "forged");
}

#[test]
fn a_record_cannot_say_where_it_comes_from() {
    let forged = [
        ("tee_instance_id", "other"),
        ("signature_valid", "x"),
        ("job", "j"),
        ("tee_batch_seq", "q"),
        ("tee_cert_thumbprint", "p"),
        ("tee_seal", "s"),
        ("tee_record_index", "i"),
        ("lucarne.sealed", "x"),
        ("level", "Odd"),
        ("timestamp", "2024-05-27T16:00:02Z"),
    ];
    let line = parsed(&log_with(9, "", &forged));
    // The attribute says when, since the record does not.
    assert_eq!(line.timestamp_ns, TIME_NS + 2_000_000_000);
    assert_eq!(
        object(&line.whole),
        json!({
            "timestamp": "2024-05-27T16:00:02.000000000Z", "level": "Information",
            "attributes.tee_instance_id": "other", "attributes.signature_valid": "x",
            "attributes.job": "j", "attributes.tee_batch_seq": "q",
            "attributes.tee_cert_thumbprint": "p", "attributes.tee_seal": "s",
            "attributes.tee_record_index": "i", "attributes.lucarne.sealed": "x",
            "attributes.level": "Odd", "attributes.timestamp": "2024-05-27T16:00:02Z",
            "service.name": "credit-engine", "job": "tee-processengine",
            "tee_instance_id": "nitro-001-us-east", "signature_valid": true, "tee_batch_seq": 42,
            "tee_cert_thumbprint": "sha256:a1b2c3", "tee_seal": "a.seal", "tee_record_index": 1,
        })
    );
}

#[test]
fn an_audit_event_has_its_place_in_the_chain() {
    let json = concat!(
        r#"{"prev_hash":"aa","timestamp_utc":"2024-05-27T16:00:01.5Z","#,
        r#""event_type":"hil.approved","level":"Warning","tee_measurement":"forged"}"#
    );
    let json = Bytes::from_static(json.as_bytes());
    let entry = Entry::Audit { json, record_hash: "bb".into() };
    let line = parsed(&record(LedgerKind::Audit, 5, entry));
    assert_eq!(
        (line.job, line.level, line.timestamp_ns),
        ("tee-audit", Severity::Warning, TIME_NS + 1_500_000_000)
    );
    assert_eq!(
        object(&line.text),
        json!({
            "timestamp": "2024-05-27T16:00:01.500000000Z", "level": "Warning", "seq": 5,
            "record_hash": "bb", "tee_instance_id": "nitro-001-us-east",
            "tee_measurement": "c3d4e5",
            "prev_hash": "aa", "timestamp_utc": "2024-05-27T16:00:01.5Z",
            "event_type": "hil.approved", "attributes.tee_measurement": "forged",
        })
    );
}

#[test]
fn heartbeats_carry_instance_epoch_and_head() {
    let beat = |workload: &str| {
        let json =
            format!(r#"{{"type":"heartbeat","time_ms":1716825601000,"workload":"{workload}"}}"#);
        Entry::Control { json: json.into(), record_hash: "bb".into() }
    };
    let line = parsed(&record(LedgerKind::Telemetry, 5, beat("healthy")));
    assert_eq!((line.job, line.level), ("tee-processengine", Severity::Information));
    assert_eq!(
        object(&line.text),
        json!({
            "timestamp": "2024-05-27T16:00:01.000000000Z", "level": "Information", "seq": 5,
            "record_hash": "bb", "tee_instance_id": "nitro-001-us-east",
            "tee_epoch": "ab".repeat(16),
            "head_size": 50, "head_root": "0f".repeat(32), "type": "heartbeat",
            "time_ms": 1_716_825_601_000_u64, "workload": "healthy",
        })
    );
    let line = parsed(&record(LedgerKind::Audit, 5, beat("not-responding")));
    assert_eq!((line.job, line.level), ("tee-audit", Severity::Warning));
}

#[test]
fn a_batch_that_did_not_verify_is_one_line_without_content() {
    let line = parsed(&Item::Unverified(Unverified {
        instance: "nitro-001-us-east".into(),
        batch_first: Some(9),
        thumbprint: Some("sha256:ff".into()),
        reason: "signature",
        received_ns: TIME_NS,
    }));
    assert_eq!(line.signature_valid, Some(false));
    assert_eq!(
        object(&line.whole),
        json!({
            "timestamp": "2024-05-27T16:00:00.000000000Z", "level": "Error",
            "message": "batch failed verification", "reason": "signature",
            "job": "tee-processengine", "tee_instance_id": "nitro-001-us-east",
            "signature_valid": false, "tee_batch_seq": 9, "tee_cert_thumbprint": "sha256:ff",
        })
    );
}

#[test]
fn messages_of_the_host_have_their_own_streams() {
    let json = concat!(
        r#"{"timestamp":"2024-05-27T16:00:00Z","level":"Error","job":"vsock-proxy","#,
        r#""status":"error","reason":"unlisted"}"#
    );
    let message = HostMessage { job: HostJob::Proxy, json: Bytes::from_static(json.as_bytes()) };
    let line = parsed(&Item::Host(message));
    assert_eq!((line.job, line.level), ("vsock-proxy", Severity::Error));
    assert_eq!(
        object(&line.whole),
        json!({
            "timestamp": "2024-05-27T16:00:00.000000000Z", "level": "Error", "job": "vsock-proxy",
            "attributes.timestamp": "2024-05-27T16:00:00Z", "status": "error", "reason": "unlisted",
        })
    );
}

#[test]
fn what_is_not_its_message_is_malformed() {
    let torn = telemetry(Bytes::from_static(&[0x0a, 0xff]));
    let not_json = Bytes::from_static(b"[1]");
    let host = HostMessage { job: HostJob::Gateway, json: Bytes::from_static(b"{}") };
    for item in [
        record(LedgerKind::Telemetry, 1, Entry::Log(torn)),
        record(
            LedgerKind::Audit,
            1,
            Entry::Audit { json: not_json.clone(), record_hash: String::new() },
        ),
        record(LedgerKind::Audit, 1, Entry::Control { json: not_json, record_hash: String::new() }),
        Item::Host(host),
    ] {
        assert_eq!(line(&item, &mut Flat::default()).err(), Some(Malformed));
    }
}

#[test]
fn a_span_and_the_points_of_a_metric_are_lines_too() {
    let Item::Record(item) = samples::span() else { unreachable!() };
    let Entry::Span(span) = &item.entry else { unreachable!() };
    let common = json!({
        "tee_instance_id": "nitro-001-us-east", "signature_valid": true, "tee_batch_seq": 42,
        "tee_cert_thumbprint": "sha256:a1b2c3", "tee_seal": "a.seal",
    });
    let with_common = |mut value: Value| {
        value.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
        value
    };
    assert_eq!(
        object(span::line(Whence::Sealed(&item), span, &mut Flat::default()).unwrap()),
        with_common(json!({
            "timestamp": "2024-05-27T16:00:00.000000000Z", "traceId": "11".repeat(16),
            "spanId": "22".repeat(8), "parentSpanId": "33".repeat(8), "name": "node",
            "kind": "server",
            "endTimestamp": "2024-05-27T16:00:00.012345000Z", "durationMs": 12.345,
            "status": "error",
            "service.name": "credit-engine", "tee_record_index": 7,
        }))
    );
    let Item::Record(item) = samples::histogram() else { unreachable!() };
    let Entry::Metric(metric) = &item.entry else { unreachable!() };
    let lines: Vec<Value> = metric::lines(Whence::Sealed(&item), metric, &mut Flat::default())
        .unwrap()
        .iter()
        .map(|line| object(line))
        .collect();
    let expected = json!({
        "timestamp": "2024-05-27T16:00:00.000000000Z", "metric": "bizfirst_workflow_duration_ms",
        "kind": "histogram", "temporality": "cumulative", "unit": "ms", "count": 6, "sum": 900.5,
        "bounds": [100.0, 250.5], "buckets": [1, 2, 3], "tee_record_index": 9,
    });
    assert_eq!(lines, [with_common(expected)]);
}
