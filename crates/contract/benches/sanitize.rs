//! Records a second through the walk and the contract, on one core.
//!
//! The requests are those of the design's figures: batches of 1,000 log records of about 300 bytes
//! with ten attributes. `clean` is what a well-behaved workload sends, `dirty` has half of its
//! values withheld.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use lucarne_contract::{Contract, Scratch};
use lucarne_otlp::Signal;
use lucarne_otlp::view::LogsRequest;

#[path = "instructions/request.rs"]
mod request;

use request::Value::{Int, Text};
use request::{Attributes, CLEAN, RECORDS, request};

fn main() {
    let contract = Contract::default_contract();
    for (name, request) in [("clean", request(&CLEAN)), ("dirty", request(&DIRTY))] {
        let bytes = request.len() / RECORDS;
        let walk = fastest(|| walk(black_box(&request)));
        let mut scratch = Scratch::default();
        let sanitize = fastest(|| {
            let sanitized = contract.sanitize(Signal::Logs, black_box(&request), &mut scratch);
            drop(black_box(sanitized));
        });
        for (stage, time) in [("walk", walk), ("sanitize", sanitize)] {
            let record = time.as_secs_f64() / f64::from(u16::try_from(RECORDS).unwrap_or(0));
            println!(
                "{name:6} {stage:9} {bytes} bytes a record: {:7.0} ns a record, {:9.0} records/s",
                record * 1e9,
                1.0 / record
            );
        }
    }
}

/// The best of many rounds: noise only ever adds.
fn fastest(mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed());
    }
    best
}

/// Reads every attribute of every record and does nothing with them.
fn walk(request: &[u8]) {
    for resource in LogsRequest::new(request).resources().flatten() {
        for scope in resource.scopes().flatten() {
            for record in scope.records().flatten() {
                for attribute in record.attributes().flatten() {
                    let _: (&str, _) = black_box((attribute.key, attribute.value));
                }
            }
        }
    }
}

const DIRTY: Attributes = [
    ("executionId", Text("9f1b6c1e-5a60-4b0d-8a3e-0c9d6f1e2a3b")),
    ("applicant.name", Text("Jane Roe of Springfield")),
    ("nodeType", Text("salary")),
    ("tenantHash", Text("t_8f3a2b1c")),
    ("form.income", Int(95_000)),
    ("errorCode", Text("overflow at 1500000")),
    ("stepCount", Int(5)),
    ("severity", Text("Error")),
    ("http.request.header", Text("bearer abcdefghijklmnopqrstuvwxyz")),
    ("spanId", Text("00f067aa0ba902b7")),
];

const ROUNDS: usize = 300;
