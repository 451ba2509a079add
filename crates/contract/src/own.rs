//! Metrics of the enclave itself, sealed like those of the workload.
//!
//! They do not pass the contract, because they hold nothing of the workload: names and labels are
//! static text of the program, keys of the tally are names of the contract, values are counts.

use alloc::vec::Vec;
use core::convert::Infallible;

use lucarne_ledger::record::Stream;
use lucarne_otlp::view::Temporality;
use lucarne_otlp::wire::Writer;

use crate::contract::Contract;
use crate::run::Run;
use crate::sanitize::{Parts, Sanitized};
use crate::tally::Tally;

/// The time of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OwnTime {
    /// Since when counters count, nanoseconds since 1970.
    pub start_unix_nano: u64,
    /// Now, nanoseconds since 1970.
    pub unix_nano: u64,
}

/// One number that the enclave reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OwnPoint {
    /// Name of the metric, `lucarne_*`. Points of one name must follow each other.
    pub name: &'static str,
    /// What the number means.
    pub kind: OwnKind,
    /// One label, as name and value.
    pub label: Option<(&'static str, &'static str)>,
    /// The number.
    pub value: u64,
}

/// What a number of the enclave means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OwnKind {
    /// A count since the epoch began.
    Counter,
    /// A value of now.
    Gauge,
}

pub(crate) fn metrics(
    contract: &Contract,
    time: OwnTime,
    withheld: &Tally,
    points: &[OwnPoint],
) -> Sanitized {
    let mut run = Run::default();
    run.begin(OWN_SCOPE);
    let withheld: Vec<_> = withheld.iter().collect();
    if !withheld.is_empty() {
        write_metric(&mut run, WITHHELD_TOTAL, OwnKind::Counter, |writer| {
            for (key, reason, value) in withheld {
                write_point(writer, OwnKind::Counter, time, value, |writer| {
                    write_label(writer, "key", key);
                    write_label(writer, "reason", reason.as_str());
                });
            }
        });
    }
    for group in points.chunk_by(|one, next| one.name == next.name && one.kind == next.kind) {
        let Some(first) = group.first() else { continue };
        write_metric(&mut run, first.name, first.kind, |writer| {
            for point in group {
                write_point(writer, point.kind, time, point.value, |writer| {
                    if let Some((name, value)) = point.label {
                        write_label(writer, name, value);
                    }
                });
            }
        });
    }
    Sanitized::assertion(Parts {
        telemetry: run.finish(),
        audit: Vec::new(),
        tally: contract.tally(),
        rejected: 0,
    })
}

fn write_metric(run: &mut Run, name: &str, kind: OwnKind, points: impl FnOnce(&mut Writer<'_>)) {
    let written: Result<bool, Infallible> = run.record(Stream::Metrics, |writer| {
        writer.bytes(1, name.as_bytes());
        match kind {
            OwnKind::Gauge => writer.message(5, points),
            OwnKind::Counter => writer.message(7, |writer| {
                points(writer);
                writer.varint(2, Temporality::Cumulative.number());
                writer.varint(3, 1);
            }),
        }
        Ok(true)
    });
    match written {
        Ok(_) => {}
    }
}

fn write_point(
    writer: &mut Writer<'_>,
    kind: OwnKind,
    time: OwnTime,
    value: u64,
    labels: impl FnOnce(&mut Writer<'_>),
) {
    writer.message(1, |writer| {
        labels(writer);
        if kind == OwnKind::Counter {
            writer.fixed64(2, time.start_unix_nano);
        }
        writer.fixed64(3, time.unix_nano);
        writer.fixed64(6, value.min(i64::MAX.cast_unsigned()));
    });
}

fn write_label(writer: &mut Writer<'_>, name: &str, value: &str) {
    writer.message(7, |writer| {
        writer.bytes(1, name.as_bytes());
        writer.message(2, |writer| writer.bytes(1, value.as_bytes()));
    });
}

/// The tally as a metric.
const WITHHELD_TOTAL: &str = "lucarne_withheld_total";

/// `InstrumentationScope { name: "lucarne" }`.
const OWN_SCOPE: &[u8] = b"\x0a\x07lucarne";
