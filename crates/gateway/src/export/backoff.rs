//! How long to wait before trying again: doubling, with jitter, bounded, and never less than asked.

use std::time::Duration;

/// The state of one series of failures.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// A fresh series; `seed` decides the jitter and differs between exporters.
    pub const fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed }
    }

    /// Forgets the failures.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Consecutive failures.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after one more failure. `asked` is what the receiver asked for, if it did.
    ///
    /// The wait is a random half to whole of the bound, so that exporters that failed together do
    /// not come back together.
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1);
        let half = bound / 2;
        let wait = half + half.mul_f64(self.fraction());
        wait.max(asked.unwrap_or_default().min(ASKED_MAX))
    }

    /// The next of a SplitMix64 sequence, in [0, 1).
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// A receiver that restarts is back in well under a second.
const FIRST: Duration = Duration::from_millis(250);
/// Enough to reach [`WAIT_MAX`] from [`FIRST`].
const DOUBLINGS_MAX: u32 = 8;
/// A receiver that comes back is noticed within 30 s, the delay that users of the seeds know.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A receiver may ask for patience, not for silence.
const ASKED_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_over() {
        let mut backoff = Backoff::new(7);
        for bound_ms in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
            let wait = backoff.failed(None);
            let bound = Duration::from_millis(bound_ms);
            assert!(bound / 2 <= wait && wait <= bound, "{wait:?} of {bound:?}");
        }
        assert_eq!(backoff.failures(), 10);
        backoff.succeeded();
        assert!(backoff.failed(None) <= FIRST);
    }

    #[test]
    fn what_the_receiver_asks_is_a_lower_bound() {
        let mut backoff = Backoff::new(7);
        assert_eq!(backoff.failed(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(backoff.failed(Some(Duration::from_secs(86_400))), ASKED_MAX);
    }

    #[test]
    fn two_seeds_wait_differently() {
        assert_ne!(Backoff::new(1).failed(None), Backoff::new(2).failed(None));
    }
}
