//! Bounded zero-copy views of OTLP messages, and writing them back.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod wire;

/// The three kinds of telemetry of OTLP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Signal {
    /// `ExportLogsServiceRequest`.
    Logs,
    /// `ExportMetricsServiceRequest`.
    Metrics,
    /// `ExportTraceServiceRequest`.
    Traces,
}
