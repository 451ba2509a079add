//! Log records: what is repeated, mistyped or odd.

use lucarne_contract::Malformed;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::WireError;

use crate::capture::{Captured, DEFAULT, capture, sanitize};
use crate::request::V::{B, D, I, List, S};
use crate::request::{SPAN_ID, TIME, V, attributes, logs, message, request};

fn check(request: &[u8], records: &[&str], withheld: &[&str]) {
    let captured = default(request);
    assert_eq!(captured.records, records);
    assert_eq!(captured.withheld(), withheld);
}

fn default(request: &[u8]) -> Captured {
    capture(&DEFAULT, Signal::Logs, request)
}

fn one(record: Vec<u8>) -> Vec<u8> {
    request(&[], "app", &[record])
}

#[test]
fn the_first_accepted_value_of_a_name_counts() {
    check(
        &logs(&[&[
            ("durationMs", I(-5)),
            ("durationMs", I(1)),
            ("durationMs", I(2)),
            ("durationMs", S("Jane")),
        ]]),
        &["log durationMs=1"],
        &["durationMs/value=1", "durationMs/duplicate=2"],
    );
}

#[test]
fn every_type_in_a_slot_of_another() {
    check(
        &logs(&[&[
            ("errorCode", I(1)),
            ("durationMs", D(1.0)),
            ("nodeType", B(true)),
            ("outcome", List(vec![S("completed")])),
            ("stepCount", V::Map(vec![("a", S("b"))])),
            ("spanId", V::Bytes(b"00f067aa0ba902b7")),
        ]]),
        &["log lucarne.withheld=[\"durationMs\",\"errorCode\",\"nodeType\",\"outcome\",\
             \"spanId\",\"stepCount\"]"],
        &[
            "durationMs/type=1",
            "errorCode/type=1",
            "nodeType/type=1",
            "outcome/type=1",
            "spanId/type=1",
            "stepCount/type=1",
        ],
    );
}

#[test]
fn a_record_with_nothing_left_is_a_count() {
    let bare = message(|w| {
        w.fixed64(1, TIME);
        w.varint(2, 17);
        w.bytes(3, b"ERROR");
        w.message(5, |w| S("applicant Jane Roe").write(w));
        attributes(w, 6, &[("applicant.name", S("Jane Roe"))]);
    });
    check(&one(bare), &[], &["other/unlisted=1", "body/unlisted=1", "log_record/empty=1"]);
}

#[test]
fn names_that_are_withheld_can_be_named_again_and_nothing_else() {
    let note = List(vec![S("durationMs"), S("Jane Roe"), I(7), S("errorCode")]);
    check(
        &logs(&[&[("errorCode", S("E_OK")), ("lucarne.withheld", note)]]),
        &["log errorCode=\"E_OK\" lucarne.withheld=[\"durationMs\"]"],
        &[],
    );
    check(
        &logs(&[&[("errorCode", S("E_OK")), ("lucarne.withheld", S("Jane Roe"))]]),
        &["log errorCode=\"E_OK\""],
        &[],
    );
}

#[test]
fn level_names_numbers_and_flags_are_closed_sets() {
    let record = message(|w| {
        w.varint(2, 25);
        w.bytes(3, b"ERROR for Jane Roe");
        w.fixed32(8, 0xffff_ff00);
        w.bytes(10, &SPAN_ID);
        w.bytes(12, b"applicant.jane");
    });
    check(
        &one(record),
        &["log span=b2b2b2b2b2b2b2b2"],
        &["severity_text/unlisted=1", "event_name/unlisted=1"],
    );
}

#[test]
fn ids_have_their_length_and_are_not_zero() {
    let record = |trace: &'static [u8], span: &'static [u8]| {
        message(|w| {
            w.bytes(9, trace);
            w.bytes(10, span);
            attributes(w, 6, &[("stepCount", I(1))]);
        })
    };
    check(
        &request(&[], "app", &[record(b"123456789012345", b"1234567"), record(&[0; 16], &[0; 8])]),
        &["log stepCount=1", "log stepCount=1"],
        &["trace_id/type=1", "trace_id/value=1", "span_id/type=1", "span_id/value=1"],
    );
}

#[test]
fn a_listed_event_name_crosses() {
    let record = message(|w| w.bytes(12, b"workflow.started"));
    check(&one(record), &["log event=workflow.started"], &[]);
}

#[test]
fn a_repeated_field_is_written_once_with_its_last_value() {
    let record = message(|w| {
        w.fixed64(1, 1);
        w.fixed64(1, 2);
        w.bytes(10, b"Jane Roe");
        w.bytes(10, &SPAN_ID);
    });
    let captured = default(&one(record));
    assert_eq!(captured.records, ["log time=2 span=b2b2b2b2b2b2b2b2"]);
    crate::crossing::assert_absent(&captured, "Jane");
}

#[test]
fn the_name_of_a_scope_does_not_cross() {
    let captured =
        default(&request(&[], "applicant Jane Roe", &[message(|w| w.bytes(10, &SPAN_ID))]));
    assert_eq!(captured.records, ["log span=b2b2b2b2b2b2b2b2"]);
}

#[test]
fn a_request_with_one_unreadable_record_is_refused_whole() {
    let good = message(|w| attributes(w, 6, &[("stepCount", I(1))]));
    let contract = &*DEFAULT;
    for (bad, error) in [
        (vec![0x0a], WireError::Truncated),
        (message(|w| w.varint(1, 5)), WireError::Type { number: 1 }),
        (message(|w| w.bytes(3, b"\xff")), WireError::Utf8),
        (message(|w| w.message(6, |w| w.bytes(1, b"\xff"))), WireError::Utf8),
        // Also in what would not have left.
        (unlisted(|w| w.bytes(1, b"\xff")), WireError::Utf8),
        (unlisted(|w| w.message(5, |w| w.message(1, |w| w.bytes(1, b"\xff")))), WireError::Utf8),
        (unlisted(|w| w.encoded(&nested(17))), WireError::Depth),
        (vec![0x0b], WireError::Tag),
    ] {
        let request = request(&[], "app", &[good.clone(), bad]);
        let refused = sanitize(contract, Signal::Logs, &request).err();
        assert_eq!(refused, Some(Malformed { signal: Signal::Logs, error }));
    }
    assert_eq!(
        Malformed { signal: Signal::Logs, error: WireError::Utf8 }.to_string(),
        "logs request is not OTLP: text field is not UTF-8"
    );
}

#[test]
fn a_scratch_is_clean_after_a_refusal() {
    let contract = &*DEFAULT;
    let mut scratch = lucarne_contract::Scratch::default();
    let good = logs(&[&[("stepCount", I(1))]]);
    let mut bad = logs(&[&[("stepCount", I(2))]]);
    bad.extend_from_slice(&[0x0a, 0x01]);
    assert_eq!(
        contract.sanitize(Signal::Logs, &bad, &mut scratch).err(),
        Some(Malformed { signal: Signal::Logs, error: WireError::Truncated })
    );
    let sanitized = contract.sanitize(Signal::Logs, &good, &mut scratch).unwrap();
    let captured = crate::capture::capture_sanitized(sanitized);
    assert_eq!(captured.records, ["log stepCount=1"]);
}

fn unlisted(write: impl FnOnce(&mut lucarne_otlp::wire::Writer<'_>)) -> Vec<u8> {
    message(|w| {
        w.message(6, |w| {
            w.bytes(1, b"unlisted");
            w.message(2, write);
        });
    })
}

fn nested(levels: u8) -> Vec<u8> {
    let mut value = message(|w| w.varint(3, 1));
    for _ in 0..levels {
        value = message(|w| w.message(5, |w| w.bytes(1, &value)));
    }
    value
}
