//! How many records a second one core inspects: 300-byte log records with ten attributes, all
//! clean.
//!
//! Run with `cargo bench -p lucarne-redact`. The plain loop keeps it free of a benchmark framework.

use std::hint::black_box;
use std::time::Instant;

use lucarne_otlp::wire::Writer;
use lucarne_redact::{Rules, Shape, Verdict};

fn main() {
    let Ok(rules) = Rules::default_rules() else { return };
    let records: Vec<Vec<u8>> = (0..1000).map(record).collect();
    let rounds = 500_000_u32;
    let mut clean = 0_u32;
    let start = Instant::now();
    for record in records.iter().cycle().take(rounds as usize) {
        if rules.inspect(Shape::LogRecord, black_box(record)) == Verdict::Clean {
            clean += 1;
        }
    }
    let elapsed = start.elapsed();
    let rate = f64::from(rounds) / elapsed.as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the figure is the point of the program")]
    {
        println!(
            "redact inspect: {} bytes, {clean} clean, {rate:.0} records/s",
            records.iter().map(Vec::len).sum::<usize>() / records.len()
        );
    }
}

/// One of many: what is drawn by lot differs, so that its bytes are now and then those of a text.
fn record(n: u64) -> Vec<u8> {
    let lot = |salt: u64| (n ^ salt << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let [trace, more, span] = [1, 2, 3].map(|salt| (lot(salt) ^ lot(salt) >> 31).to_be_bytes());
    let execution = format!("exec-abcd-{n:09}");
    let mut out = Vec::new();
    let mut log = Writer::new(&mut out);
    log.fixed64(1, 1_763_696_787_123_456_789 + lot(4) % 1_000_000_000);
    log.varint(2, 9);
    log.bytes(3, b"Information");
    log.message(5, |any| any.bytes(1, b"workflow completed"));
    for (key, value) in [
        ("executionId", &*execution),
        ("workflowType", "credit-assessment"),
        ("nodeType", "calculation"),
        ("tenantHash", "t_8f3a2b1c"),
        ("errorCode", "E_CALCULATION_OVERFLOW"),
        ("outcome", "approved"),
        ("severity", "Information"),
        ("region", "us-east"),
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
    log.bytes(9, &[trace, more].concat());
    log.bytes(10, &span);
    out
}
