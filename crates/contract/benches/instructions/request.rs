//! The request whose records are counted and timed.

use lucarne_otlp::wire::Writer;

#[derive(Clone, Copy)]
pub(crate) enum Value {
    Text(&'static str),
    Int(u64),
}

use Value::{Int, Text};

pub(crate) type Attributes = [(&'static str, Value); 10];

/// What a well-behaved workload sends: nothing is withheld of it.
pub(crate) const CLEAN: Attributes = [
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

/// A request of 1,000 records.
pub(crate) fn request(entries: &Attributes) -> Vec<u8> {
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

pub(crate) const RECORDS: usize = 1000;
