//! Turns of searches: each may hold as much memory as its limits say, and an enclave has room for
//! few of them at a time. Whoever comes later waits, within the time of its answer.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::channel::answers::{Rows, Stop};

/// Searches at a time: what the memory of one search is reckoned with.
const TURNS: usize = 2;
/// How often who waits looks whether its asker has gone.
const LOOK: Duration = Duration::from_millis(100);

/// Who may search.
pub(super) struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One that ends with this.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    pub(super) const fn new() -> Self {
        Self { free: Mutex::new(TURNS), freed: Condvar::new() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When the time of the answer is over, or nobody waits for it any longer.
    pub(super) fn take(&self, rows: &Rows) -> Result<Turn<'_>, Stop> {
        loop {
            if let Some(turn) = self.wait(rows, Instant::now() + LOOK)? {
                return Ok(turn);
            }
        }
    }

    /// Waits for a turn until then.
    ///
    /// # Errors
    /// When the time of the answer is over, or nobody waits for it any longer.
    pub(super) fn wait(&self, rows: &Rows, until: Instant) -> Result<Option<Turn<'_>>, Stop> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            rows.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = self.freed.wait_timeout(free, left.min(LOOK));
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= 1;
        Ok(Some(Turn(self)))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::answers::tests::rows;

    #[test]
    fn only_so_many_search_at_a_time_and_waiting_ends() {
        let turns = Turns::new();
        let (waits, _taken) = rows(1, 1, Instant::now() + Duration::from_secs(60));
        let (late, _taken) = rows(1, 1, Instant::now());
        let (left, taken) = rows(1, 1, Instant::now() + Duration::from_secs(60));
        drop(taken);
        let all: Vec<Turn<'_>> = (0..TURNS).map(|_| turns.take(&waits).unwrap()).collect();
        assert_eq!(turns.take(&late).err(), Some(Stop::Time));
        assert_eq!(turns.take(&left).err(), Some(Stop::Gone));
        assert!(turns.wait(&waits, Instant::now()).is_ok_and(|turn| turn.is_none()));
        drop(all);
        assert!(turns.take(&left).is_ok());
    }
}
