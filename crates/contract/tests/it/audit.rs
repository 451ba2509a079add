//! Audit events: log records of the selected scope.

use lucarne_contract::Contract;
use lucarne_otlp::Signal;

use crate::capture::{Captured, DEFAULT, capture};
use crate::request::V::{I, S};
use crate::request::{SPAN_ID, TIME, TRACE_ID, V, attributes, message, request};

fn audit(records: &[Vec<u8>]) -> Captured {
    capture(&DEFAULT, Signal::Logs, &request(&[], "audit", records))
}

fn event(name: &str, entries: &[(&str, V<'_>)]) -> Vec<u8> {
    message(|w| {
        w.fixed64(1, TIME + 42);
        w.varint(2, 9);
        attributes(w, 6, entries);
        w.bytes(12, name.as_bytes());
    })
}

#[test]
fn an_event_with_everything_that_crosses() {
    let record = message(|w| {
        w.fixed64(1, TIME + 42);
        w.varint(2, 17);
        w.message(5, |w| S("Jane Roe approved 95000").write(w));
        attributes(
            w,
            6,
            &[
                ("executionId", S("exec-abc-123")),
                ("applicant.name", S("Jane Roe")),
                ("stepCount", I(5)),
                ("nodeType", S("hil")),
                ("outcome", S("Jane")),
            ],
        );
        w.bytes(9, &TRACE_ID);
        w.bytes(10, &SPAN_ID);
        w.bytes(12, b"hil.approved");
    });
    let captured = audit(&[record]);
    assert_eq!(
        captured.audit,
        ["{\"timestamp_utc\":\"2026-05-25T10:00:00.000000042Z\",\"event_type\":\"hil.approved\",\
          \"level\":\"Error\",\"trace_id\":\"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\",\
          \"span_id\":\"b2b2b2b2b2b2b2b2\",\"executionId\":\"exec-abc-123\",\"nodeType\":\"hil\",\
          \"stepCount\":5}"]
    );
    assert_eq!(captured.records, [""; 0], "audit events do not go to the telemetry ledger");
    assert_eq!(captured.withheld(), ["other/unlisted=1", "body/unlisted=1", "outcome/value=1"]);
    crate::crossing::assert_absent(&captured, "Jane");
}

#[test]
fn every_event_of_the_seeds() {
    for name in [
        "workflow.started",
        "workflow.completed",
        "workflow.failed",
        "workflow.cancelled",
        "node.started",
        "node.completed",
        "node.failed",
        "hil.approved",
    ] {
        let captured = audit(&[event(name, &[])]);
        assert_eq!(
            captured.audit,
            [format!(
                "{{\"timestamp_utc\":\"2026-05-25T10:00:00.000000042Z\",\
                 \"event_type\":\"{name}\",\"level\":\"Information\"}}"
            )]
        );
    }
}

#[test]
fn an_event_that_is_not_listed_is_counted_and_does_not_leave() {
    let captured = audit(&[event("applicant.rejected", &[("stepCount", I(1))]), event("", &[])]);
    assert_eq!(captured.audit, [""; 0]);
    assert_eq!(captured.records, [""; 0]);
    assert_eq!(captured.withheld(), ["audit_event/unlisted=2"]);
}

#[test]
fn the_name_may_stand_in_an_attribute() {
    for key in ["event.name", "event_type", "eventType"] {
        let captured = audit(&[event("", &[(key, S("node.completed"))])]);
        assert!(captured.audit[0].contains("\"event_type\":\"node.completed\""), "{key}");
    }
    // The record's own name is the better one.
    let captured = audit(&[event("node.started", &[("event.name", S("node.completed"))])]);
    assert!(captured.audit[0].contains("\"event_type\":\"node.started\""));
    let captured = audit(&[event(
        "",
        &[("eventType", S("node.completed")), ("event.name", S("node.started"))],
    )]);
    assert!(captured.audit[0].contains("\"event_type\":\"node.started\""));
}

#[test]
fn the_observed_time_stands_in_for_an_unknown_one() {
    let record = message(|w| {
        w.fixed64(11, TIME);
        w.bytes(3, b"WARNING");
        w.bytes(12, b"node.started");
    });
    assert_eq!(
        audit(&[record]).audit,
        ["{\"timestamp_utc\":\"2026-05-25T10:00:00.000000000Z\",\"event_type\":\"node.started\",\
          \"level\":\"Warning\"}"]
    );
}

#[test]
fn without_an_audit_section_nothing_is_an_audit_event() {
    let contract = Contract::parse("contract: none/1\n").unwrap();
    let captured =
        capture(&contract, Signal::Logs, &request(&[], "audit", &[event("node.started", &[])]));
    assert_eq!(captured.audit, [""; 0]);
    assert_eq!(captured.withheld(), ["event_name/unlisted=1", "log_record/empty=1"]);
}
