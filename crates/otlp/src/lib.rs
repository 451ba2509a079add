//! Bounded zero-copy views of OTLP messages, and writing them back.
//!
//! Messages are walked, not decoded: a view borrows the request and copies nothing but scalars.
//! What is written is written field by field with [`wire::Writer`]. OTLP/JSON is turned into the
//! binary form first ([`json`]), so that everything behind it knows one encoding only.
#![no_std]
#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test stops at the first surprise"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod display;
pub mod json;
pub mod limits;
pub mod time;
pub mod view;
pub mod wire;

#[doc(hidden)]
pub mod fuzzing;

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
