//! `egress`: how sealed bytes leave, where the contract says more than "when there are some".
//!
//! `constant` sends frames of one size at one rate, so that lengths and times tell nothing. It
//! stands in the contract because what it hides, and what it costs, is for the person to know who
//! signs the contract off. Refused: a rate too small for the enclave's own heartbeats.

use alloc::string::String;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::compile::{at, nanos};
use crate::error::{ContractError, Problem};

/// Frames of one size at one rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Egress {
    /// Milliseconds between two frames.
    pub interval_ms: u64,
    /// Bytes of a frame, its length included.
    pub frame_bytes: u64,
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(rename = "shape")]
    _shape: Shape,
    interval: Spanned<String>,
    frame: Spanned<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Constant,
}

impl Egress {
    /// Bytes a second, rounded down.
    pub const fn bytes_a_second(&self) -> u64 {
        match self.frame_bytes.saturating_mul(1_000).checked_div(self.interval_ms) {
            Some(rate) => rate,
            None => 0,
        }
    }
}

/// Checks what is written.
pub(crate) fn compile(file: &File) -> Result<Egress, ContractError> {
    let interval = nanos(&file.interval.value)
        .ok_or_else(|| at(&file.interval, "egress.interval", Problem::Duration))?;
    let interval_ms = interval / 1_000_000;
    if !(INTERVAL_MS.0..=INTERVAL_MS.1).contains(&interval_ms) || interval % 1_000_000 != 0 {
        let problem = Problem::Between { least: "10ms", most: "1m", each: "1ms" };
        return Err(at(&file.interval, "egress.interval", problem));
    }
    let frame_bytes =
        bytes(&file.frame.value).ok_or_else(|| at(&file.frame, "egress.frame", Problem::Size))?;
    if !(FRAME_BYTES.0..=FRAME_BYTES.1).contains(&frame_bytes) {
        let problem = Problem::Between { least: "1KiB", most: "1MiB", each: "1B" };
        return Err(at(&file.frame, "egress.frame", problem));
    }
    let egress = Egress { interval_ms, frame_bytes };
    if egress.bytes_a_second() < RATE_MIN {
        return Err(at(&file.frame, "egress", Problem::Rate { least: RATE_MIN }));
    }
    Ok(egress)
}

/// A size such as `64KiB`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// What the uplink can do: below ten milliseconds timers of a busy machine show through.
const INTERVAL_MS: (u64, u64) = (10, 60_000);
/// A frame holds something, and is one that the gateway reads.
const FRAME_BYTES: (u64, u64) = (1 << 10, 1 << 20);
/// Heartbeats of both ledgers every 15 s, with statement and checkpoint, are some 200 bytes a
/// second; the enclave's own metrics are as much.
const RATE_MIN: u64 = 1 << 10;
