//! Exported copies: without what was found, saying so, and absent when nothing may be shown.

use std::string::String;

use super::*;

#[track_caller]
fn copy(shape: Shape, payload: &[u8]) -> Option<Vec<u8>> {
    let rules = rules();
    let hit = hit(shape, payload);
    let copy = rules.rewrite(shape, payload, &hit)?;
    assert_eq!(rules.inspect(shape, &copy), Verdict::Clean);
    Some(copy)
}

fn marked(number: u32, rule: &str) -> Vec<u8> {
    message(|out| out.bytes(number, &pair("lucarne.redacted", &text(rule))))
}

#[test]
fn a_log_record_loses_the_attribute_and_keeps_the_rest() {
    let fields = |out: &mut Writer<'_>| {
        out.fixed64(1, NOW);
        out.bytes(6, &pair("executionId", &text("exec-abc-123")));
    };
    let payload = message(|out| {
        fields(out);
        out.bytes(6, &pair("form.income", &message(|any| any.varint(3, 95_000))));
        out.bytes(5, &text("Calculation result: 1500000"));
    });
    let expected = [message(fields), marked(6, "key:form.*")].concat();
    assert_eq!(copy(Shape::LogRecord, &payload), Some(expected));
}

#[test]
fn a_metric_loses_whole_points_and_then_itself() {
    let one = counter("tenant_hash", "t_8f3a2b1c", 1);
    assert_eq!(copy(Shape::Metric, &counter("amount_range", "50k-100k", 1)), None);
    let two = message(|metric| {
        metric.bytes(1, b"bizfirst_workflow_executions_total");
        metric.message(7, |sum| {
            sum.message(1, |point| point_fields(point, "tenant_hash", "t_8f3a2b1c", 1));
            sum.message(1, |point| point_fields(point, "amount_range", "50k-100k", 2));
            sum.varint(2, 2);
            sum.varint(3, 1);
        });
    });
    assert_eq!(copy(Shape::Metric, &two), Some([one, marked(12, "key:amount.*")].concat()));
}

#[test]
fn a_span_loses_its_event_and_its_name() {
    let payload = message(|span| {
        span.bytes(1, &[7; 16]);
        span.bytes(5, SSN.as_bytes());
        span.message(11, |event| event.bytes(3, &pair("message", &text(BEARER))));
    });
    let expected = [message(|span| span.bytes(1, &[7; 16])), marked(9, "value:2")].concat();
    assert_eq!(copy(Shape::Span, &payload), Some(expected));
}

#[test]
fn a_json_object_loses_the_member_and_keeps_the_others_bytes() {
    let payload = br#"{"seq": 7, "note":{"a":["078-05-1120"]},"t":"\u00e9", "applicantName":"x"}"#;
    let copy = copy(Shape::Json, payload).map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(copy.unwrap(), r#"{"seq": 7,"t":"\u00e9","lucarne.redacted":"value:2"}"#);
}

#[test]
fn tagged_and_unreadable_records_have_no_copy() {
    let tagged = log_with("sensitive", &message(|any| any.varint(2, 1)));
    assert_eq!(copy(Shape::LogRecord, &tagged), None);
    assert_eq!(copy(Shape::LogRecord, b"\xff"), None);
    assert_eq!(copy(Shape::Json, b"[\"078-05-1120\"]"), None);
}

#[test]
fn what_only_the_raw_bytes_show_has_no_copy() {
    // A binary trace id is no text, and yet these sixteen bytes must not be written anywhere.
    let payload = message(|log| log.bytes(9, b"\xff078-05-1120\xff\xff\xff\xff"));
    let hit = hit(Shape::LogRecord, &payload);
    assert_eq!(hit.key, None);
    assert_eq!(rules().rewrite(Shape::LogRecord, &payload, &hit), None);
}
