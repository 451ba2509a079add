//! The sweep: at the start, or right after it, and every hour the log is compared with what was
//! sealed. What differs becomes a signal about integrity, which no window and no mute suppresses.
//!
//! A desk whose log was changed still starts: somebody has to be told, and the incident shuts its
//! gates and holds what is there. It does not start on a log that another key has sealed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lucarne_ledger::identity::Instance;
use lucarne_ledger::key::PublicKey;
use tokio::sync::watch;

use super::Published;
use super::lanes::Lanes;
use crate::event::Input;
use crate::own;
use crate::person::Actor;
use crate::policy::Policy;
use crate::scrub::Scrubber;
use crate::signal::Status;
use crate::store::{Store, StoreError};

/// The batch from which on a store does not hold what was sealed, of those from `from` on; none: it
/// does.
///
/// # Errors
/// When the store cannot be read, or is another desk's.
pub(super) fn first_broken(
    store: &mut Store,
    desk: &Instance,
    key: &PublicKey,
    from: u64,
) -> Result<Option<u64>, StoreError> {
    match store.verify_from(desk, key, from) {
        Ok(_) => Ok(None),
        Err(StoreError::Sealed { position, .. }) => Ok(Some(position)),
        // A row that cannot even be read was written by somebody else.
        Err(StoreError::Entry { seq, cause }) => match store.sealed_holding(seq)? {
            Some(position) => Ok(Some(position)),
            None => Err(StoreError::Entry { seq, cause }),
        },
        Err(cause) => Err(cause),
    }
}

/// A sweeper with a connection of its own.
#[derive(Debug)]
pub struct Sweeper {
    /// What is swept.
    pub store: Store,
    /// Whose it is.
    pub desk: Instance,
    /// What its seals are checked with.
    pub key: PublicKey,
    /// What takes secrets out.
    pub scrubber: Scrubber,
}

impl Sweeper {
    /// Sweeps; what it finds, as an input for the engine.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sweep(&mut self, policy: &Policy) -> Result<Option<Input>, StoreError> {
        let broken = match first_broken(&mut self.store, &self.desk, &self.key, 0) {
            // The desk has started under its key: what another sealed was put there since, and so
            // was a row of another form.
            Err(StoreError::Stranger { position }) => Some(position),
            Err(StoreError::Shape) => Some(0),
            other => other?,
        };
        let desk = self.desk.to_string();
        let signal = |position| own::tampered(&desk, position, policy, &self.scrubber);
        Ok(broken.and_then(signal).map(Input::Signal))
    }

    /// Sweeps every hour until it is told to stop. The start of the engine was the first time; when
    /// it has not seen the whole log, the first time is now.
    pub async fn run(
        mut self,
        lanes: Arc<Lanes>,
        published: Arc<RwLock<Published>>,
        at_once: bool,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut after = if at_once { Duration::ZERO } else { SWEEP_AFTER };
        let (mut failed, mut unread) = (false, false);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(after) => {}
            }
            after = SWEEP_AFTER;
            let policy = published.read().unwrap_or_else(PoisonError::into_inner).policy.clone();
            let Some(policy) = policy else {
                after = SWEEP_AGAIN_AFTER;
                continue;
            };
            let swept = tokio::task::spawn_blocking(move || {
                let found = self.sweep(&policy);
                (self, policy, found)
            });
            let Ok((sweeper, policy, found)) = swept.await else { return };
            self = sweeper;
            let fault = |status| own::fault(own::LOG_UNREAD, status, &policy, &self.scrubber);
            let (fails, mut inputs) = match found {
                Ok(found) => (false, Vec::from_iter(found)),
                Err(_) => (true, Vec::new()),
            };
            // A connection that was lost in the hour is there at the next try.
            let standing = if fails && !failed { None } else { Some(fails) };
            failed = fails;
            let news = standing.filter(|standing| *standing != unread);
            if let Some(fails) = news {
                let status = if fails { Status::Firing } else { Status::Resolved };
                inputs.extend(fault(status).map(Input::Signal));
            }
            let is_told = inputs.is_empty() || lanes.ask(Actor::Desk, inputs).await.is_ok();
            if is_told {
                unread = news.unwrap_or(unread);
            }
            // What could not be read or told is not left for an hour.
            if fails || !is_told {
                after = SWEEP_AGAIN_AFTER;
            }
        }
    }
}

/// As often as the design says.
const SWEEP_AFTER: Duration = Duration::from_secs(3600);
const SWEEP_AGAIN_AFTER: Duration = Duration::from_secs(60);
