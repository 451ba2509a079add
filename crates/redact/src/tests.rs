//! The outer layer as a whole: planted values are found wherever they lie, and what is clean stays
//! clean.

mod chance;
mod find;
mod nested;
mod rewriting;
mod settings;

use alloc::vec::Vec;

use lucarne_otlp::wire::Writer;

use crate::{Hit, RuleKind, Rules, Shape, Verdict};

const CARD: &str = "4111111111111111";
const BEARER: &str = "Bearer eyJhbGciOiJIUzI1NiJ9.x.y-z";
const SSN: &str = "078-05-1120";
const NOW: u64 = 1_763_696_787_123_456_789;

fn rules() -> Rules {
    Rules::default_rules().unwrap()
}

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

fn text(value: &str) -> Vec<u8> {
    message(|out| out.bytes(1, value.as_bytes()))
}

fn pair(key: &str, value: &[u8]) -> Vec<u8> {
    message(|out| {
        out.bytes(1, key.as_bytes());
        out.bytes(2, value);
    })
}

/// A log record like those of the seeds, with one more attribute.
fn log_with(key: &str, value: &[u8]) -> Vec<u8> {
    message(|out| {
        out.fixed64(1, NOW);
        out.varint(2, 9);
        out.bytes(3, b"Information");
        out.bytes(5, &text("workflow completed"));
        out.bytes(6, &pair("executionId", &text("exec-abc-123")));
        out.bytes(6, &pair("tenantHash", &text("t_8f3a2b1c")));
        out.bytes(6, &pair("nodeType", &text("calculation")));
        out.bytes(6, &pair("durationMs", &message(|any| any.varint(3, 412))));
        out.bytes(6, &pair(key, value));
        out.fixed32(8, 1);
        out.bytes(9, &[0x41; 16]);
        out.bytes(10, &[0x99; 8]);
        out.fixed64(11, NOW);
    })
}

fn counter(label: &str, value: &str, count: u64) -> Vec<u8> {
    message(|metric| {
        metric.bytes(1, b"bizfirst_workflow_executions_total");
        metric.message(7, |sum| {
            sum.message(1, |point| point_fields(point, label, value, count));
            sum.varint(2, 2);
            sum.varint(3, 1);
        });
    })
}

fn point_fields(point: &mut Writer<'_>, label: &str, value: &str, count: u64) {
    point.fixed64(2, NOW - 1);
    point.fixed64(3, NOW);
    point.fixed64(6, count);
    point.bytes(7, &pair(label, &text(value)));
}

fn hit(shape: Shape, payload: &[u8]) -> Hit {
    match rules().inspect(shape, payload) {
        Verdict::Hit(hit) => hit,
        Verdict::Clean => panic!("nothing found in {payload:02x?}"),
    }
}

#[track_caller]
fn check(shape: Shape, payload: &[u8], kind: RuleKind, index: usize, key: Option<&str>) {
    let hit = hit(shape, payload);
    assert_eq!((hit.rule.kind, hit.rule.index, hit.key.as_deref()), (kind, index, key));
}

#[track_caller]
fn clean(shape: Shape, payload: &[u8]) {
    assert_eq!(rules().inspect(shape, payload), Verdict::Clean);
}
