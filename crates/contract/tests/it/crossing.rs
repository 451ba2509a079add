//! One test a row of "What crosses" in the design of the boundary.

use lucarne_otlp::Signal;

use crate::capture::{Captured, DEFAULT, capture};
use crate::request::V::{D, S};
use crate::request::{
    TIME, attributes, logs, message, metrics, number_point, request, rich_log, rich_span, sum,
};

fn default(signal: Signal, request: &[u8]) -> Captured {
    capture(&DEFAULT, signal, request)
}

#[test]
fn log_record_with_listed_attributes_code_ids_and_duration() {
    let captured = default(Signal::Logs, &rich_log());
    assert_eq!(
        captured.records,
        [format!(
            "resource.service.name=\"processengine\" log time={TIME} observed={} severity=17 \
             level=ERROR executionId=\"exec-abc-123\" durationMs=342 \
             errorCode=\"E_CALCULATION_OVERFLOW\" flags=1 \
             trace=a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 span=b2b2b2b2b2b2b2b2",
            TIME + 5
        )]
    );
}

#[test]
fn free_text_that_the_contract_names() {
    let body = |text| message(|w| w.message(5, |w| S(text).write(w)));
    let captured = default(
        Signal::Logs,
        &request(&[], "app", &[body("workflow started"), body("workflow started ")]),
    );
    assert_eq!(captured.records, ["log body=\"workflow started\""]);
    assert_eq!(captured.withheld(), ["body/unlisted=1", "log_record/empty=1"]);
}

#[test]
fn calculation_result_in_a_message_does_not_cross() {
    let captured = default(Signal::Logs, &rich_log());
    assert_absent(&captured, "1500000");
    assert_eq!(
        captured.withheld(),
        ["other/unlisted=4", "body/unlisted=1"] // host.name, form.income, exception.*
    );
}

#[test]
fn metric_with_a_tenant_hash_label() {
    let labels = [("tenant_hash", S("t_8f3a2b1c")), ("outcome", S("completed"))];
    let points = [number_point(&labels, 1, TIME, 3)];
    let sum = sum("bizfirst_workflow_executions_total", 2, &points);
    assert_eq!(
        default(Signal::Metrics, &metrics(&[sum])).records,
        [format!(
            "resource.service.name=\"processengine\" bizfirst_workflow_executions_total sum \
             Cumulative monotonic (1..{TIME} outcome=\"completed\" tenant_hash=\"t_8f3a2b1c\" 3)"
        )]
    );
}

#[test]
fn amount_range_label_is_removed_and_the_series_added_up() {
    let point = |range, value| {
        let labels = [("tenant_hash", S("t_8f3a2b1c")), ("amount_range", S(range))];
        number_point(&labels, 1, TIME, value)
    };
    let points = [point("0-1M", 3), point("1M-2M", 4)];
    let sum = sum("bizfirst_workflow_executions_total", 2, &points);
    let captured = default(Signal::Metrics, &metrics(&[sum]));
    assert_eq!(
        captured.records,
        [format!(
            "resource.service.name=\"processengine\" bizfirst_workflow_executions_total sum \
             Cumulative monotonic (1..{TIME} tenant_hash=\"t_8f3a2b1c\" 7)"
        )]
    );
    assert_absent(&captured, "amount_range");
    assert_absent(&captured, "1M");
    assert_eq!(captured.withheld(), ["other/unlisted=2"]);
}

#[test]
fn metric_that_the_contract_does_not_name() {
    let sum = sum("salary_total", 2, &[number_point(&[], 1, TIME, 1_500_000)]);
    let captured = default(Signal::Metrics, &metrics(&[sum]));
    assert_eq!(captured.records, [""; 0]);
    assert_eq!(captured.withheld(), ["metric/unlisted=1"]);
}

#[test]
fn exemplars_do_not_cross() {
    let point = message(|w| {
        w.fixed64(3, TIME);
        w.message(5, |w| {
            w.double(3, 1_500_000.0);
            w.bytes(4, &[9; 8]);
            attributes(w, 7, &[("form.income", D(95_000.0))]);
        });
        w.fixed64(6, 1);
    });
    let captured = default(
        Signal::Metrics,
        &metrics(&[sum("bizfirst_workflow_executions_total", 1, &[point])]),
    );
    assert_eq!(
        captured.records,
        [format!(
            "resource.service.name=\"processengine\" bizfirst_workflow_executions_total sum \
             Delta monotonic (0..{TIME} 1)"
        )]
    );
    assert_eq!(captured.withheld(), ["exemplar/unlisted=1"]);
}

#[test]
fn span_ids_parent_times_status_and_a_listed_name() {
    let captured = default(Signal::Traces, &rich_span("POST /workflow"));
    // Times are rounded down to the millisecond.
    assert_eq!(
        captured.records,
        [format!(
            "resource.service.name=\"processengine\" span trace=a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 \
             span=b2b2b2b2b2b2b2b2 parent=c3c3c3c3c3c3c3c3 name=POST /workflow kind=2 start={} \
             end={} link.trace=d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4 link.span=e5e5e5e5e5e5e5e5 \
             status=2 flags=769",
            TIME + 1_000_000,
            TIME + 9_000_000
        )]
    );
}

#[test]
fn span_name_that_is_not_listed() {
    let captured = default(Signal::Traces, &rich_span("applicant Jane Roe"));
    assert!(!captured.records[0].contains(" name="));
    assert_absent(&captured, "Jane");
    assert_eq!(captured.tally.count("span_name", lucarne_contract::Reason::Unlisted), 1);
}

#[test]
fn span_attributes_events_and_attributes_of_links_do_not_cross() {
    let captured = default(Signal::Traces, &rich_span("node"));
    for content in ["form.income", "exec-abc-123", "exception", "Jane", "vendor", "applicant"] {
        assert_absent(&captured, content);
    }
    assert_eq!(
        captured.withheld(),
        [
            "span_attribute/unlisted=2",
            "span_event/unlisted=1",
            "status_message/unlisted=1",
            "trace_state/unlisted=1",
        ]
    );
}

#[test]
fn exception_message_and_stack_do_not_cross_but_the_code_does() {
    let captured = default(
        Signal::Logs,
        &logs(&[&[
            ("errorCode", S("E_CALCULATION_OVERFLOW")),
            ("exception.message", S("overflow for Jane Roe")),
            ("exception.stacktrace", S("at Credit.Score(95000)")),
        ]]),
    );
    assert_eq!(captured.records, ["log errorCode=\"E_CALCULATION_OVERFLOW\""]);
    assert_absent(&captured, "Jane");
    assert_absent(&captured, "95000");
}

/// Looks for a text in everything that was sealed.
#[track_caller]
pub(crate) fn assert_absent(captured: &Captured, text: &str) {
    let found = captured.bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!found, "{text:?} crossed");
}
