//! Time for judging certificates: it never runs back within an epoch.
//!
//! The host sets the clock. It can make certificates expire early, which refuses; it cannot make
//! time run back below what was seen, which would revive what had expired. Until a source that it
//! cannot forge says a time, every verdict is marked as resting on none.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;

/// The latest time that anybody has said.
pub(super) struct Watermark<C> {
    clock: C,
    latest_ms: AtomicU64,
}

/// A time to judge by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Moment {
    /// Milliseconds since 1970.
    pub(super) ms: u64,
    /// Whether a source that the host cannot forge vouches for it.
    pub(super) verified: bool,
}

impl<C: Clock> Watermark<C> {
    pub(super) const fn new(clock: C) -> Self {
        Self { clock, latest_ms: AtomicU64::new(0) }
    }

    /// Now, or later if somebody has said so.
    pub(super) fn now(&self) -> Moment {
        let now_ms = self.clock.now_ms();
        let before_ms = self.latest_ms.fetch_max(now_ms, Ordering::AcqRel);
        Moment { ms: now_ms.max(before_ms), verified: false }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Hand(Arc<AtomicU64>);

    impl Clock for Hand {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_clock_that_is_set_back_changes_nothing() {
        let hand = Arc::new(AtomicU64::new(5_000));
        let time = Watermark::new(Hand(Arc::clone(&hand)));
        for (set, seen) in [(5_000, 5_000), (9_000, 9_000), (1_000, 9_000), (9_001, 9_001)] {
            hand.store(set, Ordering::Relaxed);
            assert_eq!(time.now(), Moment { ms: seen, verified: false });
        }
    }
}
