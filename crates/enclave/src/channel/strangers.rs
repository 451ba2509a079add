//! Refusals of those whom no authority knows: recorded, but not as often as the host likes.
//!
//! Anybody who reaches the port can be refused. Each refusal costs a record, so after some within a
//! minute the rest are only counted, and the next record says how many there were.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Records within a window: enough to see an attack, too few to fill a ledger.
const RECORDED_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Who was refused without being known.
pub(super) struct Strangers(Mutex<State>);

struct State {
    since: Instant,
    recorded: u32,
    unrecorded: u64,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { since: Instant::now(), recorded: 0, unrecorded: 0 }))
    }

    /// Whether one more refusal is to be recorded: then how many were not, since the last one was.
    pub(super) fn refuse(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.elapsed() >= WINDOW {
            (state.since, state.recorded) = (Instant::now(), 0);
        }
        if state.recorded >= RECORDED_MAX {
            state.unrecorded = state.unrecorded.saturating_add(1);
            return None;
        }
        state.recorded += 1;
        Some(std::mem::take(&mut state.unrecorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_some_the_rest_is_counted_and_told_with_the_next() {
        let strangers = Strangers::new();
        for _ in 0..RECORDED_MAX {
            assert_eq!(strangers.refuse(), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(strangers.refuse(), None);
        }
        tokio::time::advance(WINDOW).await;
        assert_eq!(strangers.refuse(), Some(7));
        assert_eq!(strangers.refuse(), Some(0));
    }
}
