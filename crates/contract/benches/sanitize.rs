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
use lucarne_otlp::wire::Writer;

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

#[derive(Clone, Copy)]
enum Value {
    Text(&'static str),
    Int(u64),
}

use Value::{Int, Text};

type Attributes = [(&'static str, Value); 10];

const CLEAN: Attributes = [
    ("executionId", Text("9f1b6c1e-5a60-4b0d-8a3e-0c9d6f1e2a3b")),
    ("workflowType", Text("credit-assessment")),
    ("nodeType", Text("calculation")),
    ("tenantHash", Text("t_8f3a2b1c")),
    ("durationMs", Int(342)),
    ("errorCode", Text("E_CALCULATION_OVERFLOW")),
    ("stepCount", Int(5)),
    ("severity", Text("Error")),
    ("outcome", Text("completed")),
    ("spanId", Text("00f067aa0ba902b7")),
];

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

fn request(entries: &Attributes) -> Vec<u8> {
    let mut request = Vec::new();
    Writer::new(&mut request).message(1, |writer| {
        writer.message(1, |writer| attribute(writer, 1, "service.name", Text("processengine")));
        writer.message(2, |writer| {
            for n in 0..RECORDS as u64 {
                writer.message(2, |writer| record(writer, n, entries));
            }
        });
    });
    request
}

fn record(writer: &mut Writer<'_>, n: u64, entries: &Attributes) {
    writer.fixed64(1, 1_779_703_200_000_000_000 + n);
    writer.varint(2, 9);
    writer.bytes(3, b"Information");
    writer.message(5, |writer| writer.bytes(1, b"node completed"));
    for (key, value) in entries {
        attribute(writer, 6, key, *value);
    }
    writer.bytes(9, &[0xa1; 16]);
    writer.bytes(10, &[0xb2; 8]);
    writer.fixed64(11, 1_779_703_200_000_000_000 + n);
}

fn attribute(writer: &mut Writer<'_>, number: u32, key: &str, value: Value) {
    writer.message(number, |writer| {
        writer.bytes(1, key.as_bytes());
        writer.message(2, |writer| match value {
            Text(text) => writer.bytes(1, text.as_bytes()),
            Int(number) => writer.varint(3, number),
        });
    });
}

const RECORDS: usize = 1000;
const ROUNDS: usize = 300;
