//! The machine's clock, for what the command line says in its own name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since 1970 UTC; nothing on a machine whose clock stands before that.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in nanoseconds.
pub(crate) fn unix_ns() -> u64 {
    u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX)
}

/// The same in milliseconds.
pub(crate) fn unix_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}
