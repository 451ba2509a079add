//! Spans: ids decide, everything else is cut.

use lucarne_contract::{Contract, Malformed};
use lucarne_otlp::Signal;
use lucarne_otlp::wire::WireError;

use crate::capture::{DEFAULT, capture, sanitize};
use crate::request::{SPAN_ID, TRACE_ID, message, request};

fn check(span: Vec<u8>, records: &[&str], withheld: &[&str]) {
    let captured = capture(&DEFAULT, Signal::Traces, &request(&[], "t", &[span]));
    assert_eq!(captured.records, records);
    assert_eq!(captured.withheld(), withheld);
}

#[test]
fn a_span_without_ids_is_a_count() {
    check(
        message(|w| {
            w.bytes(1, b"short");
            w.bytes(2, &SPAN_ID);
            w.bytes(5, b"node");
        }),
        &[],
        &["trace_id/type=1", "span/empty=1"],
    );
    check(message(|w| w.bytes(1, &TRACE_ID)), &[], &["span/empty=1"]);
}

#[test]
fn kinds_status_codes_and_flags_out_of_range() {
    check(
        message(|w| {
            w.bytes(1, &TRACE_ID);
            w.bytes(2, &SPAN_ID);
            w.bytes(4, b"parent of Jane");
            w.varint(6, 41_111);
            w.message(15, |w| w.varint(3, 41_111));
            w.fixed32(16, 0xffff_fc00);
        }),
        &["span trace=a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 span=b2b2b2b2b2b2b2b2"],
        &["span_id/type=1"],
    );
}

#[test]
fn links_are_bounded_and_need_ids() {
    let span = message(|w| {
        w.bytes(1, &TRACE_ID);
        w.bytes(2, &SPAN_ID);
        w.message(13, |w| w.bytes(3, b"vendor=jane"));
        for _ in 0..130 {
            w.message(13, |w| {
                w.bytes(1, &TRACE_ID);
                w.bytes(2, &SPAN_ID);
            });
        }
    });
    let captured = capture(&DEFAULT, Signal::Traces, &request(&[], "t", &[span]));
    assert_eq!(captured.records[0].matches("link.span").count(), 128);
    assert_eq!(captured.withheld(), ["span_link/empty=1", "span_link/limit=2"]);
}

#[test]
fn times_are_rounded_only_when_the_contract_says_so() {
    let span = message(|w| {
        w.bytes(1, &TRACE_ID);
        w.bytes(2, &SPAN_ID);
        w.fixed64(7, 1_999_999_999);
    });
    let request = request(&[], "t", &[span]);
    for (round, start) in [
        ("", 1_999_999_999_u64),
        ("round_times: 1us", 1_999_999_000),
        ("round_times: 1s", 1_000_000_000),
    ] {
        let contract = Contract::parse(&format!("contract: a/1\ntraces: {{ {round} }}")).unwrap();
        let line = &capture(&contract, Signal::Traces, &request).records[0];
        assert!(line.ends_with(&format!("start={start}")), "{line}");
    }
}

#[test]
fn what_does_not_leave_must_still_be_readable() {
    let span = message(|w| {
        w.bytes(1, &TRACE_ID);
        w.bytes(2, &SPAN_ID);
        w.message(11, |w| w.message(3, |w| w.bytes(1, b"\xff")));
    });
    let request = request(&[], "t", &[span]);
    assert_eq!(
        sanitize(&DEFAULT, Signal::Traces, &request).err(),
        Some(Malformed { signal: Signal::Traces, error: WireError::Utf8 })
    );
}
