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

/// When something was last seen, also by an earlier run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    at: Duration,
    /// How old it was then: more than nothing when an earlier run saw it.
    older: Duration,
}

impl Moment {
    /// The present.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { at: clock.elapsed(), older: Duration::ZERO }
    }

    /// One of an earlier run, by the wall clock.
    pub fn of_unix_ms(unix_ms: u64, clock: &dyn Clock) -> Self {
        let older = Duration::from_millis(unix_ms_of(clock).saturating_sub(unix_ms));
        Self { older, ..Self::now(clock) }
    }

    /// Time since then.
    pub fn age(self, clock: &dyn Clock) -> Duration {
        self.older.saturating_add(self.known(clock))
    }

    /// Time since this run knows of it.
    pub fn known(self, clock: &dyn Clock) -> Duration {
        clock.elapsed().saturating_sub(self.at)
    }

    /// The same by the wall clock, for a later run.
    pub fn unix_ms(self, clock: &dyn Clock) -> u64 {
        let age = u64::try_from(self.age(clock).as_millis()).unwrap_or(u64::MAX);
        unix_ms_of(clock).saturating_sub(age)
    }
}

fn unix_ms_of(clock: &dyn Clock) -> u64 {
    clock.unix_ns() / 1_000_000
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
