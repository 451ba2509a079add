//! Time as it is handed in: what the wall says, and how long the desk has been counting.
//!
//! Nothing here reads a clock. Waiting, expiry and order go by the count, which never goes back;
//! the wall is for people, for windows with dates, and for comparison with what senders state.

use serde::{Deserialize, Serialize};

/// One moment.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// Milliseconds since 1970 UTC, as the machine's clock says. It may jump.
    pub wall_ms: u64,
    /// Milliseconds that have passed for the desk. After a restart whoever hands it in goes on from
    /// the last moment of the log, plus what the wall says has passed, and never below it.
    pub mono_ms: u64,
}

impl Moment {
    /// Milliseconds from an earlier moment to this one; 0 when it is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.mono_ms.saturating_sub(earlier.mono_ms)
    }

    /// The later of both, by the count.
    #[must_use]
    pub const fn max_count(self, other: Self) -> Self {
        if other.mono_ms > self.mono_ms { other } else { self }
    }

    /// The moment this much later, by both clocks.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self { wall_ms: self.wall_ms.saturating_add(ms), mono_ms: self.mono_ms.saturating_add(ms) }
    }
}

/// A second in milliseconds.
pub const SECOND_MS: u64 = 1000;
/// A minute in milliseconds.
pub const MINUTE_MS: u64 = 60 * SECOND_MS;
/// A day in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
