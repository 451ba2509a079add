//! The outbox: notifications that were written with the entries that ask for them, sent after.
//!
//! Each channel sends in order and one at a time. What fails waits longer each time, or as long as
//! the receiver asks, and what is behind it waits as well; the fallback gets a copy of all that has
//! waited for a minute. After so many attempts a piece is dead and visible. A receiver may get a
//! piece twice, under the same key, when this process dies between sending and writing down that it
//! did.

pub mod channel;
mod client;
pub mod mail;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use self::channel::{Channel, Sent};
use crate::engine::{Notification, wall_ms};
use crate::store::work::{NewWork, Standing, Work};
use crate::store::{Store, StoreError, apart};

/// The sender of one channel.
#[derive(Debug)]
pub struct Sender {
    /// Where to.
    pub channel: Channel,
    /// Where a copy goes after a minute.
    pub fallback: Option<String>,
    /// The outbox; all senders share a connection.
    pub store: Arc<Mutex<Store>>,
    /// Who leases: the name of this process.
    pub owner: String,
}

impl Sender {
    /// Sends until it is told to stop; what is being sent then is sent again by whoever is next.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let waited = match self.step().await {
                Ok(true) => continue,
                Ok(false) => IDLE,
                // The store is the engine's to report on; here it is only waited for.
                Err(_) => TROUBLE,
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(waited) => {}
            }
        }
    }

    /// Sends the first piece that is due; whether there was one.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn step(&self) -> Result<bool, StoreError> {
        self.copy_late().await?;
        let queue = format!("notify/{}", self.channel.name);
        let owner = self.owner.clone();
        let lease = move |store: &mut Store| store.lease(&queue, &owner, wall_ms(), LEASE_MS);
        let Some(work) = self.with(lease).await? else { return Ok(false) };
        let sent = match serde_json::from_str::<Notification>(&work.body) {
            Ok(told) => self.channel.send(&told).await,
            Err(_) => Sent::Never("body is no notification".to_owned()),
        };
        self.settle(work, sent).await?;
        Ok(true)
    }

    async fn settle(&self, work: Work, sent: Sent) -> Result<(), StoreError> {
        let now_ms = wall_ms();
        let (standing, due_ms, error) = match sent {
            Sent::Done => (Standing::Done, now_ms, String::new()),
            Sent::Never(error) => (Standing::Dead, now_ms, error),
            Sent::Later { error, .. } if work.attempts >= ATTEMPTS_MAX => {
                (Standing::Dead, now_ms, format!("tried too often: {error}"))
            }
            Sent::Later { after_ms, error } => {
                let least = after_ms.unwrap_or(0).min(RETRY_AFTER_MS_MAX);
                (Standing::Open, now_ms.saturating_add(backoff_ms(work.attempts).max(least)), error)
            }
        };
        let copy = self.copy(&work).filter(|_| standing == Standing::Dead);
        let owner = self.owner.clone();
        self.with(move |store| {
            if let Some(copy) = copy {
                // Under its own key: it is there once, however often this is said.
                store.locked(|store, _| store.add_work(&[copy]))?;
            }
            store.settle(work.id, &owner, standing, due_ms, &error).map(|_| ())
        })
        .await
    }

    // Whatever waits here for too long, first or not, is told elsewhere.
    async fn copy_late(&self) -> Result<(), StoreError> {
        if self.fallback.is_none() {
            return Ok(());
        }
        let queue = format!("notify/{}", self.channel.name);
        let before = wall_ms().saturating_sub(FALLBACK_AFTER_MS);
        let late = move |store: &mut Store| store.without_copy(&queue, COPY, before, COPIES_MAX);
        let late = self.with(late).await?;
        let copies: Vec<NewWork> = late.iter().filter_map(|work| self.copy(work)).collect();
        if copies.is_empty() {
            return Ok(());
        }
        self.with(move |store| store.locked(|store, _| store.add_work(&copies))).await
    }

    fn copy(&self, work: &Work) -> Option<NewWork> {
        let fallback = self.fallback.as_ref()?;
        // A copy of a copy would go round for ever.
        if work.key.ends_with(COPY) {
            return None;
        }
        Some(NewWork {
            queue: format!("notify/{fallback}"),
            key: format!("{}{COPY}", work.key),
            incident: work.incident,
            body: work.body.clone(),
            made_ms: wall_ms(),
        })
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        apart(&self.store, work).await
    }
}

const fn backoff_ms(attempts: u64) -> u64 {
    let doubled = if attempts > 6 { 64 } else { 1 << attempts };
    500 * doubled
}

/// The end of the key of a copy.
pub const COPY: &str = "/fallback";
/// Copies that are made at once.
const COPIES_MAX: u64 = 100;
/// Longer than a send may take.
const LEASE_MS: u64 = 30_000;
/// With the longest waits an hour.
const ATTEMPTS_MAX: u64 = 120;
/// A receiver that asks for more than this is not waited for so long.
const RETRY_AFTER_MS_MAX: u64 = 300_000;
/// A channel that is down for so long is not where people look.
const FALLBACK_AFTER_MS: u64 = 60_000;
/// Sent within ten seconds of being written.
const IDLE: Duration = Duration::from_millis(250);
const TROUBLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// What a channel is told of an incident in a phase.
    pub(super) fn told(event: &str, phase: &str) -> Notification {
        Notification {
            key: "ACT-9/pager".to_owned(),
            incident: "INC-1".to_owned(),
            event: event.to_owned(),
            role: None,
            severity: "SEV1".to_owned(),
            kind: "other".to_owned(),
            phase: phase.to_owned(),
            verdict: "legitimate".to_owned(),
            summary: "something".to_owned(),
            at_ms: 0,
        }
    }
}
