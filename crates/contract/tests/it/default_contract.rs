//! The default contract: each key of the seeds, and what no slot of it admits.

use lucarne_contract::{Contract, Reason};
use lucarne_otlp::Signal;

use crate::capture::{DEFAULT, capture};
use crate::crossing::assert_absent;
use crate::request::V::{B, D, I, S};
use crate::request::{
    SPAN_ID, TIME, TRACE_ID, V, logs, message, metrics, number_point, request, sum,
};

/// A value of a key crosses, shown as JSON; another one does not and the record says so.
#[track_caller]
fn check(key: &str, passes: &[(V<'_>, &str)], fails: &[V<'_>]) {
    let contract = &*DEFAULT;
    for (value, shown) in passes {
        let captured = capture(contract, Signal::Logs, &logs(&[&[(key, value.clone())]]));
        assert_eq!(captured.records, [format!("log {key}={shown}")]);
        assert_eq!(captured.withheld(), [""; 0]);
    }
    for value in fails {
        let captured = capture(contract, Signal::Logs, &logs(&[&[(key, value.clone())]]));
        let expected = [format!("log lucarne.withheld=[\"{key}\"]")];
        assert_eq!(captured.records, expected, "{value:?}");
    }
}

#[test]
fn execution_id() {
    check(
        "executionId",
        &[
            (S("exec-abc-123"), "\"exec-abc-123\""),
            (S("abc-123"), "\"abc-123\""),
            (S("exec-000042"), "\"exec-000042\""),
            (S("9f1b6c1e-5a60-4b0d-8a3e-0c9d6f1e2a3b"), "\"9f1b6c1e-5a60-4b0d-8a3e-0c9d6f1e2a3b\""),
            // Four groups of digits inside a UUID are not a card number.
            (S("00001234-1234-1234-1234-123412341234"), "\"00001234-1234-1234-1234-123412341234\""),
        ],
        &[
            S("exec-4111111111111111"),
            S("exec-4111-1111-1111-1111"),
            S("exec-3782-822463-10005"),
            S("exec-078-05-1120"),
            S("078-05-1120"),
            S("Jane Roe"),
            S("bearer abcdefghijklmnopqrstuvwxyz"),
            S(""),
            S("exec-abc-123\n"),
            I(42),
        ],
    );
}

#[test]
fn workflow_type() {
    check(
        "workflowType",
        &[(S("credit-assessment"), "\"credit-assessment\""), (S("onboarding"), "\"onboarding\"")],
        &[S("loan of 95000"), S("1500000"), S("Credit"), B(true)],
    );
}

#[test]
fn node_type() {
    check(
        "nodeType",
        &[(S("calculation"), "\"calculation\""), (S("hil"), "\"hil\"")],
        &[S("Calculation"), S("calculation "), S("salary")],
    );
}

#[test]
fn tenant_hash() {
    check(
        "tenantHash",
        &[(S("t_8f3a2b1c"), "\"t_8f3a2b1c\""), (S("t_8f3a2b1c8f3a2b1c"), "\"t_8f3a2b1c8f3a2b1c\"")],
        &[
            S("Acme Bank"),
            S("t_8f3a"),
            S("t_4111111111111111"),
            S("t_4111111111111111abcd"),
            S("t_378282246310005"),
        ],
    );
}

#[test]
fn duration_ms() {
    check(
        "durationMs",
        &[(I(0), "0"), (I(342), "342"), (I(86_400_000), "86400000")],
        &[I(-1), I(86_400_001), I(4_111_111_111_111_111), S("342"), D(342.0)],
    );
}

#[test]
fn error_code() {
    check(
        "errorCode",
        &[(S("E_CALCULATION_OVERFLOW"), "\"E_CALCULATION_OVERFLOW\"")],
        &[S("E_1500000"), S("overflow"), S("E_")],
    );
}

#[test]
fn trace_id_and_span_id() {
    check(
        "traceId",
        &[(S("4bf92f3577b34da6a3ce929d0e0e4736"), "\"4bf92f3577b34da6a3ce929d0e0e4736\"")],
        &[
            S("4BF92F3577B34DA6A3CE929D0E0E4736"),
            S("4bf92f3577b34da6"),
            S("00000000000000004111111111111111"),
        ],
    );
    check(
        "spanId",
        &[(S("00f067aa0ba902b7"), "\"00f067aa0ba902b7\"")],
        &[S("4111111111111111"), S("00f067aa")],
    );
}

#[test]
fn step_count() {
    check("stepCount", &[(I(5), "5")], &[I(-1), I(100_001), S("5")]);
}

#[test]
fn severity() {
    check("severity", &[(S("Error"), "\"Error\""), (S("INFO"), "\"INFO\"")], &[S("high")]);
}

#[test]
fn outcome() {
    check("outcome", &[(S("completed"), "\"completed\"")], &[S("granted 95000")]);
}

#[test]
fn level_time_and_own_ids_of_a_record() {
    let record = message(|w| {
        w.fixed64(1, TIME);
        w.varint(2, 9);
        w.bytes(3, b"Information");
        w.bytes(9, &TRACE_ID);
        w.bytes(10, &SPAN_ID);
    });
    let captured = capture(&DEFAULT, Signal::Logs, &request(&[], "app", &[record]));
    assert_eq!(
        captured.records,
        [format!(
            "log time={TIME} severity=9 level=Information \
             trace=a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1 span=b2b2b2b2b2b2b2b2"
        )]
    );
}

/// The record of seed 002, as attributes.
#[test]
fn the_lines_that_the_seeds_print() {
    let contract = &*DEFAULT;
    let request = logs(&[
        &[
            ("executionId", S("abc-123")),
            ("nodeType", S("calculation")),
            ("outcome", S("completed")),
        ],
        &[("executionId", S("abc-123")), ("stepCount", I(5)), ("durationMs", I(342))],
    ]);
    assert_eq!(
        capture(contract, Signal::Logs, &request).records,
        [
            "log executionId=\"abc-123\" nodeType=\"calculation\" outcome=\"completed\"",
            "log executionId=\"abc-123\" stepCount=5 durationMs=342",
        ]
    );
}

/// Card numbers, social security numbers and bearer tokens, in every slot and around it.
#[test]
fn no_slot_admits_a_secret() {
    let contract = &*DEFAULT;
    let secrets = [
        "4111111111111111",
        "378282246310005",
        "4222222222222",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "078-05-1120",
        "bearer abcdefghijklmnopqrstuvwxyz.0123",
        "Bearer ABCDEFGHIJKLMNOPQRSTUVWXYZ.0123",
    ];
    let keys = [
        "executionId",
        "workflowType",
        "nodeType",
        "tenantHash",
        "durationMs",
        "errorCode",
        "traceId",
        "spanId",
        "stepCount",
        "severity",
        "outcome",
        "lucarne.withheld",
        "service.name",
        "service.namespace",
        "service.version",
        "service.instance.id",
        "tee.instance",
        "deployment.environment",
        "tenant_hash",
        "node_type",
        "workflow_type",
        "error_code",
    ];
    let prefixes = ["", "exec-", "t_", "E_", "abc-", "a-", "v1.", "0000000000000000", "x4111-"];
    for secret in secrets {
        for prefix in prefixes {
            let text = format!("{prefix}{secret}");
            for suffix in ["", "0", "a", "-a"] {
                // Fewer than 16 digits among hexadecimal ones are what a hash looks like.
                if suffix == "a" && secret.len() < 16 && !secret.contains(['-', ' ']) {
                    continue;
                }
                let text = format!("{text}{suffix}");
                let entries: Vec<_> = keys.iter().map(|key| (*key, S(&text))).collect();
                let record = message(|w| {
                    w.bytes(3, text.as_bytes());
                    w.message(5, |w| S(&text).write(w));
                    crate::request::attributes(w, 6, &entries);
                    w.bytes(9, text.as_bytes());
                    w.bytes(10, text.as_bytes());
                    w.bytes(12, text.as_bytes());
                });
                let scoped = request(&entries, &text, &[record]);
                assert_absent(&capture(contract, Signal::Logs, &scoped), secret);
                let points = [number_point(&entries, 1, 2, 3)];
                let sum = sum("bizfirst_workflow_executions_total", 2, &points);
                assert_absent(&capture(contract, Signal::Metrics, &metrics(&[sum])), secret);
            }
        }
    }
}

#[test]
fn an_id_that_is_digits_in_disguise() {
    let record = message(|w| {
        w.bytes(9, b"4111111111111111");
        w.bytes(10, &SPAN_ID);
    });
    let captured = capture(&DEFAULT, Signal::Logs, &request(&[], "app", &[record]));
    assert_eq!(captured.records, ["log span=b2b2b2b2b2b2b2b2"]);
    assert_eq!(captured.tally.count("trace_id", Reason::Rejected), 1);
}

#[test]
fn its_source_is_the_file_and_parses_again() {
    let contract = &*DEFAULT;
    assert_eq!(contract.name(), "lucarne-default/1");
    assert_eq!(contract.source(), include_str!("../../src/default.yaml"));
    assert_eq!(Contract::parse(contract.source()).unwrap().name(), contract.name());
}
