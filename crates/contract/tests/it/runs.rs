//! Runs: bounded in records and bytes, each complete with its contexts.

use lucarne_otlp::Signal;

use crate::capture::{DEFAULT, capture};
use crate::request::V::{I, S};
use crate::request::{attributes, logs, message, request};

#[test]
fn a_long_request_becomes_runs_of_8192_records() {
    let records: Vec<_> =
        (0..20_000).map(|n| message(|w| attributes(w, 6, &[("stepCount", I(n))]))).collect();
    let request = request(&[("service.name", S("processengine"))], "app", &records);
    let captured = capture(&DEFAULT, Signal::Logs, &request);
    assert_eq!(captured.runs, [8192, 8192, 3616]);
    for (n, line) in captured.records.iter().enumerate() {
        assert_eq!(*line, format!("resource.service.name=\"processengine\" log stepCount={n}"));
    }
}

#[test]
fn a_heavy_request_becomes_runs_of_a_mebibyte() {
    let code = format!("E_{}", "A".repeat(48));
    let hash = format!("t_{}", "a".repeat(64));
    let entries =
        [("errorCode", S(&code)), ("tenantHash", S(&hash)), ("executionId", S("exec-abc-123"))];
    let records: Vec<_> = (0..8000).map(|_| message(|w| attributes(w, 6, &entries))).collect();
    let captured = capture(&DEFAULT, Signal::Logs, &request(&[], "app", &records));
    assert_eq!(captured.runs.iter().sum::<usize>(), 8000);
    assert_eq!(captured.runs.len(), 2, "{:?}", captured.runs);
}

#[test]
fn equal_resources_share_a_context_and_others_do_not() {
    let one = |name, host| {
        let entries = [("service.name", S(name)), ("host.name", S(host))];
        request(&entries, "app", &[message(|w| attributes(w, 6, &[("stepCount", I(1))]))])
    };
    let requests = [one("ab-b", "h1"), one("ab-b", "h2"), one("cd-d", "h1"), one("ab-b", "h1")];
    let captured = capture(&DEFAULT, Signal::Logs, &requests.concat());
    assert_eq!(
        captured.records,
        ["ab-b", "ab-b", "cd-d", "ab-b"]
            .map(|n| format!("resource.service.name=\"{n}\" log stepCount=1"))
    );
    // The name of a resource is sealed once for each context it became.
    assert_eq!(captured.bytes.windows(4).filter(|window| window == b"ab-b").count(), 1);
}

#[test]
fn nothing_that_leaves_is_no_run() {
    let captured = capture(&DEFAULT, Signal::Logs, &logs(&[&[("x", I(1))]]));
    assert_eq!(captured.runs, [0; 0]);
    assert_eq!(capture(&DEFAULT, Signal::Logs, b"").runs, [0; 0]);
}
