//! What the desk says about itself: signals like all others, decided like all others.
//!
//! Three things are worth an incident of their own: notifications that do not arrive, a log that
//! cannot be compared with what was sealed, and one that is not what was sealed. The last is a
//! matter of integrity, and holds, shuts and freezes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::engine::lanes::{Lanes, Unavailable};
use crate::engine::{Published, wall_ms};
use crate::event::Input;
use crate::intake::empty;
use crate::moment::DAY_MS;
use crate::person::Actor;
use crate::policy::Policy;
use crate::scrub::Scrubber;
use crate::signal::{Draft, Fault, Kind, Signal, Source, Status};
use crate::store::work::Backlog;
use crate::store::{Store, StoreError, apart};

/// The alert about notifications.
pub const OUTBOX_STUCK: &str = "DeskOutboxStuck";

/// The alert about a log that cannot be swept.
pub const LOG_UNREAD: &str = "DeskLogUnread";

/// How the desk sees itself.
#[derive(Debug)]
pub(crate) struct Own {
    /// The way to the engine.
    pub(crate) lanes: Arc<Lanes>,
    /// What the engine shows.
    pub(crate) published: Arc<RwLock<Published>>,
    /// What takes secrets out.
    pub(crate) scrubber: Scrubber,
    /// The outbox; a connection that others use as well.
    pub(crate) store: Arc<Mutex<Store>>,
}

/// The signal that a log is not what was sealed, from a batch on.
pub(crate) fn tampered(
    desk: &str,
    position: u64,
    policy: &Policy,
    scrubber: &Scrubber,
) -> Option<Signal> {
    let labels = BTreeMap::from([
        ("instance".to_owned(), desk.to_owned()),
        ("batch".to_owned(), position.to_string()),
    ]);
    let draft = empty(Source::Desk, Kind::AuditIntegrity, Vec::new());
    let (fault, starts_ms) = (Some(Fault::ChainMismatch), wall_ms());
    let draft = Draft { fault, labels, starts_ms, ..draft };
    Signal::new(&draft, scrubber, policy.chosen(draft.kind)).ok()
}

/// The signal that a fault of the desk itself has begun or is over.
pub(crate) fn fault(
    alert: &str,
    status: Status,
    policy: &Policy,
    scrubber: &Scrubber,
) -> Option<Signal> {
    let labels = BTreeMap::from([("alertname".to_owned(), alert.to_owned())]);
    let draft = empty(Source::Desk, Kind::DeskFault, Vec::new());
    let draft = Draft { labels, status, starts_ms: wall_ms(), ..draft };
    Signal::new(&draft, scrubber, policy.chosen(draft.kind)).ok()
}

impl Own {
    /// Looks at the outbox until it is told to stop, and says when something is stuck there and
    /// when it is not any more.
    pub(crate) async fn watch_outbox(self, mut stop: watch::Receiver<bool>) {
        let (mut said, mut tidied) = (false, None::<Instant>);
        while !*stop.borrow() {
            if tidied.is_none_or(|at| at.elapsed() >= TIDY) && self.tidy().await.is_ok() {
                tidied = Some(Instant::now());
            }
            if let Ok(backlog) = self.backlog().await {
                let stuck = is_stuck(&backlog, wall_ms());
                // What could not be said is said at the next look.
                if stuck != said && self.say_stuck(stuck).await.is_ok() {
                    said = stuck;
                }
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn say_stuck(&self, stuck_now: bool) -> Result<(), Unavailable> {
        let policy = self.published.read().unwrap_or_else(PoisonError::into_inner).policy.clone();
        let status = if stuck_now { Status::Firing } else { Status::Resolved };
        let signal = policy.and_then(|it| fault(OUTBOX_STUCK, status, &it, &self.scrubber));
        let signal = signal.ok_or(Unavailable::Store)?;
        self.lanes.ask(Actor::Desk, vec![Input::Signal(signal)]).await.map(|_| ())
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        apart(&self.store, Store::backlog).await
    }

    // What was sent long ago is in the log; the outbox does not grow for ever.
    async fn tidy(&self) -> Result<u64, StoreError> {
        let before_ms = wall_ms().saturating_sub(KEPT_MS);
        apart(&self.store, move |store| store.forget_done(before_ms)).await
    }
}

// Dead pieces are not tried any more until somebody looks; old ones are not where people look.
fn is_stuck(backlog: &Backlog, now_ms: u64) -> bool {
    let late = |made: u64| now_ms.saturating_sub(made) >= STUCK_AFTER_MS;
    !backlog.dead.is_empty() || backlog.oldest_ms.is_some_and(late)
}

/// How often what was sent is forgotten.
const TIDY: Duration = Duration::from_secs(3600);
/// Longer than a test of who is on call is good for.
const KEPT_MS: u64 = 90 * DAY_MS;
/// How often the outbox is looked at: well within the minute in which somebody is told.
const LOOK: Duration = Duration::from_secs(2);
/// As long as until a fallback gets a copy.
const STUCK_AFTER_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dead_or_a_minute_old_is_stuck() {
        let backlog = |oldest_ms, dead: &[(&str, u64)]| Backlog {
            open: 1,
            oldest_ms,
            dead: dead.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        let now_ms = 100_000;
        let stuck = |backlog: Backlog| is_stuck(&backlog, now_ms);
        assert!(!stuck(backlog(None, &[])));
        assert!(!stuck(backlog(Some(40_001), &[])));
        assert!(stuck(backlog(Some(40_000), &[])));
        assert!(stuck(backlog(None, &[("notify/ops", 1)])));
    }
}
