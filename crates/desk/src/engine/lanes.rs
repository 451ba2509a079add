//! The two lanes into the engine: integrity first. A lane that is full refuses at once, so that
//! whoever sends tries again instead of waiting here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Answer;
use crate::event::Input;
use crate::moment::Moment;
use crate::person::Actor;
use crate::state::State;
use crate::store::StoreError;

/// Inputs of one caller, taken together.
#[derive(Debug)]
pub struct Ask {
    /// Who.
    pub actor: Actor,
    /// What.
    pub inputs: Vec<Input>,
    /// When it came.
    pub came: Instant,
    /// Who waits for what came of it.
    pub reply: oneshot::Sender<Result<Vec<Answer>, Unavailable>>,
}

/// Why inputs are not taken now. They may be later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unavailable {
    /// Too many are waiting.
    Busy,
    /// The disk is full.
    Full,
    /// The store does not take anything.
    Store,
    /// The desk is stopping.
    Stopping,
}

impl Unavailable {
    pub(super) const fn of(cause: &StoreError) -> Self {
        match cause {
            StoreError::Full => Self::Full,
            _ => Self::Store,
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "too much is waiting",
            Self::Full => "the disk is full",
            Self::Store => "the store takes nothing",
            Self::Stopping => "the desk is stopping",
        })
    }
}

impl std::error::Error for Unavailable {}

type Look = Box<dyn FnOnce(&State, Moment) + Send>;

#[derive(Default)]
struct Waiting {
    first: VecDeque<Ask>,
    others: VecDeque<Ask>,
    inputs: usize,
    looks: Vec<Look>,
    closed: bool,
}

/// What waits for the engine.
#[derive(Default)]
pub struct Lanes {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lanes")
    }
}

impl Lanes {
    /// Hands inputs in and waits for what comes of them; it is kept when the answer is there.
    ///
    /// # Errors
    /// When too much waits, or the store takes nothing.
    pub async fn ask(&self, actor: Actor, inputs: Vec<Input>) -> Result<Vec<Answer>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.push(Ask { actor, inputs, came: Instant::now(), reply })?;
        answer.await.map_err(|_| Unavailable::Stopping)?
    }

    pub(super) fn push(&self, ask: Ask) -> Result<(), Unavailable> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Err(Unavailable::Stopping);
        }
        let integrity = |input: &Input| matches!(input, Input::Signal(one) if one.is_integrity());
        let first = ask.inputs.iter().any(integrity);
        let most = if first { INPUTS_MAX * 2 } else { INPUTS_MAX };
        if waiting.inputs.saturating_add(ask.inputs.len()) > most {
            return Err(Unavailable::Busy);
        }
        waiting.inputs += ask.inputs.len();
        if first {
            waiting.first.push_back(ask);
        } else {
            waiting.others.push_back(ask);
        }
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }

    /// Looks at the state between two groups.
    ///
    /// # Errors
    /// When the desk is stopping.
    pub async fn see<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State, Moment) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |state, now| {
            // Whoever asked may be gone.
            reply.send(look(state, now)).ok();
        });
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.closed {
                return Err(Unavailable::Stopping);
            }
            if waiting.looks.len() >= LOOKS_MAX {
                return Err(Unavailable::Busy);
            }
            waiting.looks.push(look);
        }
        self.came.notify_one();
        let gone = |_| {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.closed { Unavailable::Stopping } else { Unavailable::Store }
        };
        answer.await.map_err(gone)
    }

    /// Nothing more comes in; what waits is still taken.
    pub fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.came.notify_one();
    }

    /// At most about `most` inputs, integrity first; none of them when nothing came in time. No
    /// group at all when the lanes are closed and empty.
    pub(super) fn wait(&self, most: usize, within: Duration) -> Option<Vec<Ask>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |waiting: &mut Waiting| {
            waiting.inputs == 0 && waiting.looks.is_empty() && !waiting.closed
        };
        let (mut waiting, _) = self
            .came
            .wait_timeout_while(waiting, within, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.closed && waiting.inputs == 0 {
            // Nobody looks any more: whoever waits for a look is told that the desk stops.
            waiting.looks.clear();
            return None;
        }
        let mut group = Vec::new();
        let mut size = 0;
        while size < most {
            let next = match waiting.first.pop_front() {
                Some(next) => Some(next),
                None => waiting.others.pop_front(),
            };
            let Some(next) = next else { break };
            size += next.inputs.len();
            group.push(next);
        }
        waiting.inputs = waiting.inputs.saturating_sub(size);
        Some(group)
    }

    /// There is no state to look at.
    pub(super) fn refuse_looks(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).looks.clear();
    }

    pub(super) fn look(&self, state: &State, now: Moment) {
        let looks = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut waiting.looks)
        };
        for look in looks {
            look(state, now);
        }
    }
}

/// Inputs that wait: some seconds of work, and at their largest some hundred MiB.
const INPUTS_MAX: usize = 20_000;
/// Looks that wait.
const LOOKS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_look_that_waits_when_the_desk_stops_is_told_so() {
        let lanes = Arc::new(Lanes::default());
        let asking = Arc::clone(&lanes);
        let look = tokio::spawn(async move { asking.see(|_, _| ()).await });
        while lanes.waiting.lock().unwrap().looks.is_empty() {
            tokio::task::yield_now().await;
        }
        lanes.close();
        assert!(lanes.wait(1, Duration::ZERO).is_none());
        let told = tokio::time::timeout(Duration::from_secs(5), look).await.unwrap();
        assert_eq!(told.unwrap(), Err(Unavailable::Stopping));
    }
}
