//! The clock of the gateway: time is injected, so that tests and replays decide what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time. Implementations are cheap to call and may be shared between threads.
pub trait Clock: Send + Sync + 'static {
    /// Wall time in nanoseconds since 1970 UTC; it may jump.
    fn unix_ns(&self) -> u64;

    /// Time since some moment before the first call; it never goes back. Ages are measured with it,
    /// so that a corrected wall clock neither revives nor kills an instance.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose [`Clock::elapsed`] counts from now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn unix_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
