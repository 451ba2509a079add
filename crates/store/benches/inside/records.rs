//! What is put into the store: JSON lines and records with attributes, the same in every run.
//!
//! Fifty records an execution, a thousandth of a second apart, as in the demo.

use lucarne_otlp::wire::Writer;

/// Records of one request.
pub(crate) const A_REQUEST: u64 = 1000;
/// The first record's time.
pub(crate) const START_NS: i64 = 1_763_696_787_000_000_000;
/// Between two records.
pub(crate) const STEP_NS: i64 = 1_000_003;

/// Writes one record after its time and level.
pub(crate) type Make = fn(u64, &mut Writer<'_>);

/// A request with the records from `first` on.
pub(crate) fn request(first: u64, make: Make) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |w| {
        w.message(1, |w| string(w, 1, "service.name", "processengine"));
        w.message(2, |w| {
            for n in first..first + A_REQUEST {
                w.message(2, |w| {
                    let start = START_NS.unsigned_abs() + n * STEP_NS.unsigned_abs();
                    w.fixed64(1, start + (mix(n) >> 44));
                    w.varint(2, if n % 50 == 0 { 17 } else { 9 });
                    make(n, w);
                });
            }
        });
    });
    out
}

/// A request with one trace of ten spans.
pub(crate) fn trace(n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |w| {
        w.message(1, |w| string(w, 1, "service.name", "processengine"));
        w.message(2, |w| {
            for span in 0..10 {
                w.message(2, |w| {
                    w.bytes(1, &trace_id(n));
                    w.bytes(2, &mix(n * 10 + span).to_be_bytes());
                    w.bytes(5, b"POST /workflow");
                    let start = START_NS.unsigned_abs() + n * 1_000_000 + span * 10_000;
                    w.fixed64(7, start);
                    w.fixed64(8, start + 9_000);
                    string(w, 9, "nodeType", "calculation");
                });
            }
        });
    });
    out
}

/// The id of the n-th trace.
pub(crate) fn trace_id(n: u64) -> [u8; 16] {
    let (high, low) = (mix(n), mix(n ^ 0x5555));
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(high.to_be_bytes().into_iter().chain(low.to_be_bytes())) {
        *to = from;
    }
    id
}

fn string(w: &mut Writer<'_>, field: u32, key: &str, value: &str) {
    w.message(field, |w| {
        w.bytes(1, key.as_bytes());
        w.message(2, |w| w.bytes(1, value.as_bytes()));
    });
}

const CODES: [&str; 4] = ["OK", "E_CALCULATION_OVERFLOW", "E_TIMEOUT", "E_SCHEMA"];

/// A short body and ten attributes.
pub(crate) fn attributes(n: u64, w: &mut Writer<'_>) {
    w.message(5, |w| w.bytes(1, b"workflow step completed"));
    let execution = (n / 50).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    string(w, 6, "executionId", &format!("exec-{execution:016x}"));
    string(w, 6, "workflowType", "credit-assessment");
    string(w, 6, "nodeType", ["calculation", "decision", "fetch"][usize_of((mix(n) >> 40) % 3)]);
    string(w, 6, "tenantHash", &format!("t_{:08x}", n / 50 % 40));
    string(w, 6, "errorCode", CODES[usize_of(mix(n) % 4)]);
    string(w, 6, "outcome", "approved");
    string(w, 6, "region", "us-east");
    string(w, 6, "engine", "2.4.1");
    for (key, value) in [("durationMs", (mix(n) >> 20) % 900), ("stepCount", n % 50)] {
        w.message(6, |w| {
            w.bytes(1, key.as_bytes());
            w.message(2, |w| w.varint(3, value));
        });
    }
}

/// A line of JSON.
pub(crate) fn json(n: u64, w: &mut Writer<'_>) {
    w.message(5, |w| w.bytes(1, json_line(n).as_bytes()));
}

pub(crate) fn json_line(n: u64) -> String {
    let execution = (n / 50).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{{\"executionId\":\"exec-{execution:016x}\",\"workflowType\":\"credit-assessment\",\
         \"nodeType\":\"calculation\",\"tenantHash\":\"t_{:08x}\",\"errorCode\":\"{}\",\
         \"outcome\":\"approved\",\"region\":\"us-east\",\"durationMs\":{},\"stepCount\":{},\
         \"message\":\"workflow step completed after the rules of its tenant were applied\"}}",
        n / 50 % 40,
        CODES[usize_of(mix(n) % 4)],
        (mix(n) >> 20) % 900,
        n % 50
    )
}

/// The finaliser of SplitMix64: values that follow no pattern, the same in every run.
const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(0)
}
