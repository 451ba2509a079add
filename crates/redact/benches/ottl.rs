//! How many statements a second one core runs: log records with ten attributes, 1,000 a request.
//!
//! Run with `cargo bench -p lucarne-redact --bench ottl`. Three cases: conditions that do not hold,
//! the statement of the printed collector file, and a replacement by a digest.

use std::hint::black_box;
use std::time::Instant;

use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use lucarne_redact::ottl::{Context, ErrorMode, Transform};

fn main() {
    let request = request();
    for (name, statement) in [
        ("no match", r#"set(severity_text, "FAIL") where attributes["outcome"] == "denied""#),
        ("keep_keys", r#"keep_keys(attributes, ["executionId", "nodeType", "durationMs"])"#),
        ("hash", r#"replace_pattern(attributes["executionId"], "exec-(.*)", "$1", SHA256)"#),
    ] {
        measure(name, statement, &request);
    }
}

fn measure(name: &str, statement: &str, request: &[u8]) {
    let (context, mode) = (Some(Context::Log), ErrorMode::Ignore);
    let Ok(transform) = Transform::compile(Signal::Logs, context, &[], &[statement], mode) else {
        return;
    };
    let rounds = 200_u32;
    let mut bytes = 0_usize;
    let start = Instant::now();
    for _ in 0..rounds {
        if let Ok(applied) = transform.apply(black_box(request), 0) {
            bytes = applied.payload.len();
        }
    }
    let rate = f64::from(rounds) * f64::from(RECORDS) / start.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the figure is the point of the program")]
    {
        println!("redact ottl {name}: {} to {bytes} bytes, {rate:.0} statements/s", request.len());
    }
}

fn request() -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |resource| {
        resource.message(2, |scope| {
            for _ in 0..RECORDS {
                scope.message(2, record);
            }
        });
    });
    out
}

fn record(log: &mut Writer<'_>) {
    log.fixed64(1, 1_763_696_787_123_456_789);
    log.varint(2, 9);
    log.bytes(3, b"Information");
    log.message(5, |any| any.bytes(1, b"workflow completed"));
    for (key, value) in [
        ("executionId", "exec-7f3a2b1c-99d1"),
        ("workflowType", "credit-assessment"),
        ("nodeType", "calculation"),
        ("tenantHash", "t_8f3a2b1c"),
        ("errorCode", "E_CALCULATION_OVERFLOW"),
        ("severity", "Information"),
        ("region", "us-east"),
        ("outcome", "approved"),
    ] {
        log.message(6, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.bytes(1, value.as_bytes()));
        });
    }
    for (key, value) in [("durationMs", 412), ("stepCount", 7)] {
        log.message(6, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.varint(3, value));
        });
    }
}

const RECORDS: u32 = 1_000;
