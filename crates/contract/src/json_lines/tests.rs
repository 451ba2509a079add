//! What the contract lets pass, as objects of a signed log batch: nothing more, and readable.

use std::format;
use std::string::String;
use std::vec;

use lucarne_ledger::payload::{ContextSlot, RecordSlot};
use lucarne_ledger::record::Stream;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;

use super::*;
use crate::{Contract, Parts, Scratch};

const TIME: u64 = 1_779_703_200_123_456_789;

fn field(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

fn attribute(out: &mut Writer<'_>, key: &str, value: impl FnOnce(&mut Writer<'_>)) {
    out.message(6, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, value);
    });
}

/// A request of one record of a scope.
fn request(scope: &str, record: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    field(|request| {
        request.message(1, |resource| {
            resource.message(2, |items| {
                items.message(1, |it| it.bytes(1, scope.as_bytes()));
                items.message(2, record);
            });
        });
    })
}

fn sanitized(request: &[u8]) -> Parts {
    let contract = Contract::default_contract();
    contract.sanitize(Signal::Logs, request, &mut Scratch::default()).unwrap().into_parts()
}

fn texts(lines: &JsonLines) -> Vec<String> {
    let text = format!("{lines:?}");
    assert_eq!(lines.lines().count(), lines.record_count(), "{text}");
    let json = |line| {
        // Through the batch, since a line shows itself to nobody else.
        let mut batches = lucarne_ledger::json_batch::writer::JsonBatches::new("m");
        batches.append(line).unwrap();
        open_text(&mut batches)
    };
    lines.lines().map(json).collect()
}

/// The one record of an open batch.
fn open_text(batches: &mut lucarne_ledger::json_batch::writer::JsonBatches) -> String {
    use base64_of::payload;
    let key = lucarne_ledger::key::Ed25519Key::from_seed(&[1; 32]).unwrap();
    let sealed = batches.seal(&key, "t").unwrap().unwrap();
    let payload = payload(&sealed.bytes);
    let (_, records) = payload.split_once("\"records\":[").unwrap();
    records.strip_suffix("]}").unwrap().into()
}

/// The payload of a batch, without a library for base64.
mod base64_of {
    use std::string::String;
    use std::vec::Vec;

    pub(super) fn payload(batch: &[u8]) -> String {
        let batch: serde_json::Value = serde_json::from_slice(batch).unwrap();
        let text = batch["PayloadBase64"].as_str().unwrap();
        let digit = |byte: u8| match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let mut bytes = Vec::new();
        for four in text.trim_end_matches('=').as_bytes().chunks(4) {
            let bits = four.iter().fold(0_u32, |bits, byte| bits << 6 | u32::from(digit(*byte)));
            let bits = bits << (6 * (4 - four.len()));
            bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
        }
        String::from_utf8(bytes).unwrap()
    }
}

#[test]
fn a_log_record_is_what_the_contract_let_pass_of_it() {
    let request = request("app", |record| {
        record.fixed64(1, TIME);
        record.varint(2, 17);
        record.message(5, |body| body.bytes(1, b"node completed"));
        attribute(record, "executionId", |value| value.bytes(1, b"exec-1"));
        attribute(record, "durationMs", |value| value.varint(3, 42));
        attribute(record, "applicant", |value| value.bytes(1, b"Erika Quaverly"));
        record.bytes(9, &[0xa1; 16]);
        record.bytes(10, &[0xb2; 8]);
    });
    let parts = sanitized(&request);
    let found = texts(&json_lines_of_logs(&parts.telemetry[0]));
    let (trace, span) = ("a1".repeat(16), "b2".repeat(8));
    let expected = format!(
        "{{\"timestamp\":\"2026-05-25T10:00:00.123456789Z\",\"level\":\"Error\",\
         \"message\":\"node completed\",\"attributes\":{{\"executionId\":\"exec-1\",\
         \"durationMs\":42,\"traceId\":\"{trace}\",\"spanId\":\"{span}\"}}}}"
    );
    assert_eq!(found, [expected]);
}

#[test]
fn a_record_with_nothing_but_a_time_of_observation_is_one_too() {
    let message = field(|record| record.fixed64(11, TIME));
    let text = [&[0; 4], &message[..]].concat();
    let slot = |stream| RecordSlot { stream, scope: 0, range: 0..text.len() };
    let records = vec![slot(Stream::Metrics), slot(Stream::Logs), slot(Stream::Traces)];
    let contexts = Vec::<ContextSlot>::new();
    let run = Payloads::assertion_by_contract(text.clone(), contexts, records);
    let expected = "{\"timestamp\":\"2026-05-25T10:00:00.123456789Z\",\
                    \"level\":\"Information\",\"message\":null,\"attributes\":{}}";
    assert_eq!(texts(&json_lines_of_logs(&run)), [expected]);
}

#[test]
fn no_name_occurs_twice() {
    let message = field(|record| {
        attribute(record, "traceId", |value| value.bytes(1, b"own"));
        attribute(record, "eventName", |value| value.bytes(1, b"own"));
        record.bytes(9, &[0xa1; 16]);
        record.bytes(12, b"workflow.started");
    });
    let text = [&[0; 4], &message[..]].concat();
    let records = vec![RecordSlot { stream: Stream::Logs, scope: 0, range: 0..text.len() }];
    let run = Payloads::assertion_by_contract(text, Vec::new(), records);
    let expected = "{\"timestamp\":\"1970-01-01T00:00:00.000000000Z\",\
                    \"level\":\"Information\",\"message\":null,\
                    \"attributes\":{\"traceId\":\"own\",\"eventName\":\"own\"}}";
    assert_eq!(texts(&json_lines_of_logs(&run)), [expected]);
}

#[test]
fn an_audit_event_has_its_fields_as_they_are_sealed() {
    let event = |level: &str| {
        let fields = format!(
            "\"timestamp_utc\":\"2026-05-25T10:00:00.000000000Z\",\"event_type\":\"a\\\"b\\\\\"\
             {level},\"stepCount\":5"
        );
        let event = AuditEvent::assertion_by_contract(fields.clone().into_bytes());
        (fields, texts(&json_line_of_event(&event)))
    };
    for (level, named) in [(",\"level\":\"Warning\"", "Warning"), ("", "Information")] {
        let (fields, found) = event(level);
        let expected = format!(
            "{{\"timestamp\":\"2026-05-25T10:00:00.000000000Z\",\"level\":\"{named}\",\
             \"message\":\"a\\\"b\\\\\",\"attributes\":{{{fields}}}}}"
        );
        assert_eq!(found, [expected]);
    }
    let other = AuditEvent::assertion_by_contract(b"\"a\":1".to_vec());
    assert_eq!(json_line_of_event(&other), JsonLines::default());
}
