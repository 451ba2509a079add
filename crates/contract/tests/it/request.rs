//! Requests as workloads send them, written field by field.

use lucarne_otlp::wire::Writer;

/// 2026-05-25T10:00:00Z.
pub(crate) const TIME: u64 = 1_779_703_200_000_000_000;
pub(crate) const TRACE_ID: [u8; 16] = [0xa1; 16];
pub(crate) const SPAN_ID: [u8; 8] = [0xb2; 8];

/// A value of an attribute.
#[derive(Clone, Debug)]
pub(crate) enum V<'a> {
    S(&'a str),
    I(i64),
    D(f64),
    B(bool),
    Bytes(&'a [u8]),
    List(Vec<Self>),
    Map(Vec<(&'a str, Self)>),
}

use V::{D, S};

impl V<'_> {
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::S(text) => writer.bytes(1, text.as_bytes()),
            Self::B(truth) => writer.varint(2, u64::from(*truth)),
            Self::I(number) => writer.varint(3, number.cast_unsigned()),
            Self::D(number) => writer.double(4, *number),
            Self::List(values) => writer.message(5, |writer| {
                for value in values {
                    writer.message(1, |writer| value.write(writer));
                }
            }),
            Self::Map(entries) => writer.message(6, |writer| attributes(writer, 1, entries)),
            Self::Bytes(bytes) => writer.bytes(7, bytes),
        }
    }
}

pub(crate) fn attributes(writer: &mut Writer<'_>, number: u32, entries: &[(&str, V<'_>)]) {
    for (key, value) in entries {
        writer.message(number, |writer| {
            writer.bytes(1, key.as_bytes());
            writer.message(2, |writer| value.write(writer));
        });
    }
}

pub(crate) fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut message = Vec::new();
    write(&mut Writer::new(&mut message));
    message
}

/// A request of any signal: one resource, one scope, these records.
pub(crate) fn request(resource: &[(&str, V<'_>)], scope: &str, records: &[Vec<u8>]) -> Vec<u8> {
    message(|writer| {
        writer.message(1, |writer| {
            writer.message(1, |writer| attributes(writer, 1, resource));
            writer.message(2, |writer| {
                writer.message(1, |writer| writer.bytes(1, scope.as_bytes()));
                for record in records {
                    writer.bytes(2, record);
                }
            });
        });
    })
}

/// Log records with nothing but these attributes.
pub(crate) fn logs(records: &[&[(&str, V<'_>)]]) -> Vec<u8> {
    let records: Vec<_> =
        records.iter().map(|entries| message(|w| attributes(w, 6, entries))).collect();
    request(&[], "app", &records)
}

/// One log record with all that a workload may put into one.
pub(crate) fn rich_log() -> Vec<u8> {
    let record = message(|w| {
        w.fixed64(1, TIME);
        w.varint(2, 17);
        w.bytes(3, b"ERROR");
        w.message(5, |w| S("Calculation result: 1500000").write(w));
        attributes(
            w,
            6,
            &[
                ("executionId", S("exec-abc-123")),
                ("durationMs", V::I(342)),
                ("errorCode", S("E_CALCULATION_OVERFLOW")),
                ("form.income", D(95_000.0)),
                ("exception.message", S("overflow at 1500000 for Jane Roe")),
                ("exception.stacktrace", S("at Credit.Score(1500000)")),
            ],
        );
        w.varint(7, 3);
        w.fixed32(8, 0x101);
        w.bytes(9, &TRACE_ID);
        w.bytes(10, &SPAN_ID);
        w.fixed64(11, TIME + 5);
        w.bytes(99, b"unknown field with Jane Roe");
    });
    request(
        &[("service.name", S("processengine")), ("host.name", S("ip-10-0-0-1"))],
        "bizfirst.engine",
        &[record],
    )
}

/// One span with all that a workload may put into one.
pub(crate) fn rich_span(name: &str) -> Vec<u8> {
    let span = message(|w| {
        w.bytes(1, &TRACE_ID);
        w.bytes(2, &SPAN_ID);
        w.bytes(3, b"vendor=jane");
        w.bytes(4, &[0xc3; 8]);
        w.bytes(5, name.as_bytes());
        w.varint(6, 2);
        w.fixed64(7, TIME + 1_234_567);
        w.fixed64(8, TIME + 9_999_999);
        attributes(w, 9, &[("form.income", D(95_000.0)), ("executionId", S("exec-abc-123"))]);
        w.message(11, |w| {
            w.fixed64(1, TIME);
            w.bytes(2, b"exception");
            attributes(w, 3, &[("exception.message", S("Jane Roe"))]);
        });
        w.message(13, |w| {
            w.bytes(1, &[0xd4; 16]);
            w.bytes(2, &[0xe5; 8]);
            w.bytes(3, b"vendor=roe");
            attributes(w, 4, &[("applicant.name", S("Jane Roe"))]);
        });
        w.message(15, |w| {
            w.bytes(2, b"failed for Jane Roe");
            w.varint(3, 2);
        });
        w.fixed32(16, 0x301);
    });
    request(&[("service.name", S("processengine"))], "tracer", &[span])
}

/// A number point with these labels.
pub(crate) fn number_point(labels: &[(&str, V<'_>)], start: u64, time: u64, value: i64) -> Vec<u8> {
    message(|w| {
        attributes(w, 7, labels);
        w.fixed64(2, start);
        w.fixed64(3, time);
        w.fixed64(6, value.cast_unsigned());
    })
}

/// A sum over points.
pub(crate) fn sum(name: &str, temporality: u64, points: &[Vec<u8>]) -> Vec<u8> {
    message(|w| {
        w.bytes(1, name.as_bytes());
        w.bytes(2, b"free text about Jane Roe");
        w.bytes(3, b"{jane}");
        w.message(7, |w| {
            for point in points {
                w.bytes(1, point);
            }
            w.varint(2, temporality);
            w.varint(3, 1);
        });
    })
}

/// A metric of another kind than sum, by the number of its field.
pub(crate) fn metric(name: &str, kind: u32, points: &[Vec<u8>]) -> Vec<u8> {
    message(|w| {
        w.bytes(1, name.as_bytes());
        w.message(kind, |w| {
            for point in points {
                w.bytes(1, point);
            }
            w.varint(2, 2);
        });
    })
}

/// A histogram point with these labels.
pub(crate) fn histogram_point(labels: &[(&str, V<'_>)], counts: &[u64], bounds: &[f64]) -> Vec<u8> {
    message(|w| {
        attributes(w, 9, labels);
        w.fixed64(2, 1);
        w.fixed64(3, TIME);
        w.fixed64(4, counts.iter().sum());
        w.double(5, 10.5);
        w.message(6, |w| counts.iter().for_each(|count| w.packed_fixed64(*count)));
        w.message(7, |w| bounds.iter().for_each(|bound| w.packed_fixed64(bound.to_bits())));
        w.double(11, 1.0);
        w.double(12, 7.0);
    })
}

pub(crate) fn metrics(metrics: &[Vec<u8>]) -> Vec<u8> {
    request(&[("service.name", S("processengine"))], "meter", metrics)
}
