//! What a run of generated load has done: counts, and a histogram of the times to an answer.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Counters that all workers share. Numbers are records, but for `retried` (requests).
#[derive(Debug)]
pub struct Tally {
    /// Given to a receiver, each record once however often it was tried.
    pub sent: AtomicU64,
    /// Acknowledged.
    pub accepted: AtomicU64,
    /// Acknowledged requests' records that the receiver called malformed.
    pub rejected: AtomicU64,
    /// Refused with nothing taken, counted at each refusal.
    pub refused: AtomicU64,
    /// Requests that were sent again.
    pub retried: AtomicU64,
    /// Attempts whose end nobody knows; they were sent anew under new ids.
    pub unknown: AtomicU64,
    /// Given up.
    pub failed: AtomicU64,
    /// Planted values that were acknowledged.
    pub planted: AtomicU64,
    /// Bytes of acknowledged requests.
    pub bytes: AtomicU64,
    latency: Vec<AtomicU64>,
}

/// The end of a run, as `--output json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Version of this shape.
    pub schema: u32,
    /// The letters in all ids of this run.
    pub run: String,
    /// Records given to the receiver.
    pub sent: u64,
    /// Records acknowledged.
    pub accepted: u64,
    /// Records that the receiver called malformed.
    pub rejected: u64,
    /// Records refused with nothing taken, at each refusal.
    pub refused: u64,
    /// Requests sent again.
    pub retried: u64,
    /// Records of attempts whose end nobody knows.
    pub unknown: u64,
    /// Records given up.
    pub failed: u64,
    /// Planted values acknowledged.
    pub planted: u64,
    /// Planted values in the file.
    pub planted_wanted: u64,
    /// Bytes of acknowledged requests.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Acknowledged records a second.
    pub records_per_second: f64,
    /// Time to an acknowledgement.
    pub latency_ms: Latency,
    /// What the last failure was.
    pub last_failure: Option<String>,
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the requests took at most this long.
    pub p50: f64,
    /// 99 of 100 did.
    pub p99: f64,
    /// All did.
    pub max: f64,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            sent: zero(),
            accepted: zero(),
            rejected: zero(),
            refused: zero(),
            retried: zero(),
            unknown: zero(),
            failed: zero(),
            planted: zero(),
            bytes: zero(),
            latency: (0..BUCKETS).map(|_| zero()).collect(),
        }
    }

    /// Counts the time of one acknowledged request.
    pub fn answered(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency[bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// The quantiles of the times counted so far, 3 % too high at most.
    pub fn latency(&self) -> Latency {
        let counts: Vec<u64> =
            self.latency.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let at = |per_mille: u64| {
            let rank = (total * per_mille).div_ceil(1000).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            found.map_or(0.0, |index| upper_micros(index) as f64 / 1000.0)
        };
        Latency { p50: at(500), p99: at(990), max: at(1000) }
    }
}

impl Report {
    /// The report for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let Latency { p50, p99, max } = self.latency_ms;
        // Writing to a string cannot fail.
        writeln!(out, "run          exec-{}-*", self.run).ok();
        writeln!(out, "sent         {} records in {:.1} s", self.sent, self.seconds).ok();
        let rate = self.records_per_second;
        writeln!(out, "accepted     {} ({rate:.0} records/s)", self.accepted).ok();
        writeln!(out, "rejected     {}", self.rejected).ok();
        writeln!(out, "refused      {} ({} requests sent again)", self.refused, self.retried).ok();
        writeln!(out, "unknown      {}", self.unknown).ok();
        writeln!(out, "failed       {}", self.failed).ok();
        if self.planted_wanted > 0 {
            writeln!(out, "planted      {} of {}", self.planted, self.planted_wanted).ok();
        }
        writeln!(out, "latency      p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms").ok();
        if let Some(failure) = &self.last_failure {
            writeln!(out, "last failure {failure}").ok();
        }
        out
    }
}

/// 32 buckets for each power of two: an error of at most 1/32.
fn bucket(micros: u64) -> usize {
    let micros = micros.min(MICROS_MAX);
    let power = u64::from(63 - (micros | 1).leading_zeros()).saturating_sub(5);
    usize::try_from(power * 32 + (micros >> power)).unwrap_or(BUCKETS - 1)
}

fn upper_micros(index: usize) -> u64 {
    let index = index as u64;
    let power = (index / 32).saturating_sub(1);
    ((index - power * 32 + 1) << power) - 1
}

/// An hour; nothing waits that long for an answer.
const MICROS_MAX: u64 = 3_600_000_000;
const BUCKETS: usize = 32 * 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_times() {
        for micros in (0..100_000).chain([1 << 20, (1 << 31) - 1, MICROS_MAX]) {
            let index = bucket(micros);
            let upper = upper_micros(index);
            assert!(micros <= upper && upper <= micros + micros / 32, "{micros} {index} {upper}");
            assert!(index < BUCKETS);
        }
    }

    #[test]
    fn quantiles() {
        let tally = Tally::new();
        assert_eq!(tally.latency(), Latency { p50: 0.0, p99: 0.0, max: 0.0 });
        for micros in 1..=20 {
            tally.answered(Duration::from_micros(micros));
        }
        assert_eq!(tally.latency(), Latency { p50: 0.01, p99: 0.02, max: 0.02 });
    }
}
