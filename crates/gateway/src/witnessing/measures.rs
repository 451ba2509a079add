//! What is measured of witnesses: answers of each, and how long a checkpoint waits for its quorum.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::asker::AskError;
use crate::clock::Clock;
use crate::counters::Counter;

/// The measures of all witnesses.
pub struct Measures {
    witnesses: Vec<(String, Tally)>,
    /// Checkpoints stored with a quorum.
    pub cosigned: Counter,
    clock: Arc<dyn Clock>,
    oldest: Mutex<Option<Duration>>,
}

/// What became of what one witness was shown.
#[derive(Debug, Default)]
pub struct Tally {
    cosigned: Counter,
    refused: Counter,
    failed: Counter,
}

impl Tally {
    /// Each result with its counter.
    pub fn results(&self) -> [(&'static str, &Counter); 3] {
        [("cosigned", &self.cosigned), ("refused", &self.refused), ("failed", &self.failed)]
    }
}

impl Measures {
    pub(super) fn new(names: Vec<String>, clock: Arc<dyn Clock>) -> Self {
        let witnesses = names.into_iter().map(|name| (name, Tally::default())).collect();
        Self { witnesses, cosigned: Counter::default(), clock, oldest: Mutex::new(None) }
    }

    /// Each witness by the name that the policy gives it.
    pub fn witnesses(&self) -> &[(String, Tally)] {
        &self.witnesses
    }

    /// Age of the oldest checkpoint that waits for its quorum; 0 when none does.
    pub fn lag(&self) -> Duration {
        let oldest = *self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.map_or(Duration::ZERO, |since| self.clock.elapsed().saturating_sub(since))
    }

    pub(super) fn name(&self, place: usize) -> &str {
        self.witnesses.get(place).map_or("", |(name, _)| name)
    }

    pub(super) fn count(&self, place: usize, error: Option<&AskError>) {
        let Some((_, tally)) = self.witnesses.get(place) else { return };
        match error {
            None => tally.cosigned.add(1),
            Some(error) if error.is_refusal() => tally.refused.add(1),
            Some(_) => tally.failed.add(1),
        }
    }

    pub(super) fn oldest(&self, since: Option<Duration>) {
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl std::fmt::Debug for Measures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Measures").field("witnesses", &self.witnesses).finish_non_exhaustive()
    }
}
