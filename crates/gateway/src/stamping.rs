//! Has checkpoints stamped by a time-stamping authority (RFC 3161), and stores its word with them.
//!
//! It goes behind the archive, as witnesses do: nothing waits for an authority. Now and then the
//! newest checkpoint of each ledger that grew is stamped; one stamp bounds the time of every record
//! before it. An answer that does not verify under the configured roots is not stored. A kill loses
//! at most the asking, and an object that is there is not asked for again.

mod authority;
mod file;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use lucarne_archive::name::CheckpointName;
use lucarne_archive::store::{is_there, read_up_to};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_attest::timestamp::Refused;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::note::NOTE_BYTES_MAX;
use tokio::sync::watch;

pub use self::authority::{AskError, Authority, ask};
pub use self::file::{TimeStamps, TimeStampsFile};
use crate::clock::Clock;
use crate::counters::Counter;
use crate::export::backoff::Backoff;
use crate::journal::{Journal, Level, Value};
use crate::new_heads::NewHeads;
use crate::source::Rolls;

/// The part of the gateway that asks an authority.
pub struct Stamping {
    authority: Authority,
    every: Duration,
    heads: NewHeads,
    archive: Arc<dyn Archive>,
    clock: Arc<dyn Clock>,
    journal: Journal,
    measures: Arc<Measures>,
    /// The newest checkpoints, and when the next of them are stamped.
    pending: BTreeMap<LedgerId, CheckpointName>,
    not_before: Duration,
    /// Those whose turn has come and that have no stamp, and when they are tried again.
    late: BTreeMap<LedgerId, CheckpointName>,
    retry_at: Duration,
    backoff: Backoff,
    /// What was last said against each ledger, and against the authority.
    said: BTreeMap<Option<LedgerId>, String>,
}

/// What became of checkpoints that were to be stamped.
#[derive(Debug, Default)]
pub struct Measures {
    stamped: Counter,
    refused: Counter,
    failed: Counter,
}

impl Measures {
    /// Each result with its counter.
    pub fn results(&self) -> [(&'static str, &Counter); 3] {
        [("stamped", &self.stamped), ("refused", &self.refused), ("failed", &self.failed)]
    }
}

/// Why a checkpoint has no stamp.
#[derive(Debug)]
enum StampError {
    Archive(ArchiveError),
    Ask(AskError),
    Refused(Refused),
}

impl std::fmt::Display for StampError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "{error}"),
            Self::Ask(error) => write!(f, "{error}"),
            Self::Refused(error) => write!(f, "its answer is not believed: {error}"),
        }
    }
}

/// Ledgers that wait at a time; the others wait in the archive.
const PENDING_MAX: usize = 256;

impl Stamping {
    /// Asks nobody before it runs.
    pub fn new(stamps: TimeStamps, rolls: &Rolls, clock: Arc<dyn Clock>, journal: Journal) -> Self {
        let TimeStamps { authority, every } = stamps;
        Self {
            authority,
            every,
            heads: NewHeads::new(rolls.archived.clone()),
            archive: Arc::clone(&rolls.archive),
            clock,
            journal,
            measures: Arc::default(),
            pending: BTreeMap::new(),
            not_before: Duration::ZERO,
            late: BTreeMap::new(),
            retry_at: Duration::ZERO,
            backoff: Backoff::new(0),
            said: BTreeMap::new(),
        }
    }

    /// What it measures.
    pub fn measures(&self) -> Arc<Measures> {
        Arc::clone(&self.measures)
    }

    /// Runs until `stop` is true; then the last checkpoints are stamped, if the authority answers.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let last = *stop.borrow_and_update();
            self.collect();
            self.round(last).await;
            if last {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(self.wait()) => {}
                _ = stop.changed() => {}
                () = self.heads.more() => {}
            }
        }
    }

    fn wait(&self) -> Duration {
        let now = self.clock.elapsed();
        let pending = (!self.pending.is_empty()).then_some(self.not_before);
        let late = (!self.late.is_empty()).then_some(self.retry_at);
        let next = [pending, late].into_iter().flatten().min();
        next.map_or(Duration::MAX, |next| next.saturating_sub(now))
    }

    fn collect(&mut self) {
        self.heads.collect();
        let room = PENDING_MAX.saturating_sub(self.pending.len());
        let known = |ledger: &LedgerId| self.pending.contains_key(ledger);
        let heads = self.heads.take(known, room);
        self.pending.extend(heads.into_iter().map(|head| (head.ledger.clone(), head)));
    }

    /// Asks for a stamp of every checkpoint whose turn has come. One that cannot be read keeps no
    /// other waiting; an authority that does not answer, or is not believed, is asked once.
    async fn round(&mut self, last: bool) {
        let now = self.clock.elapsed();
        let mut due = BTreeMap::new();
        if last || now >= self.retry_at {
            due.append(&mut self.late);
        }
        if last || now >= self.not_before {
            // A newer one vouches for what the older one did not get.
            due.append(&mut self.pending);
        }
        let (mut stamped, mut failed) = (false, false);
        // What was refused before comes last: it may be refused again.
        let is_refused = |ledger: &LedgerId| self.said.contains_key(&Some(ledger.clone()));
        let (refused, due): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(ledger, _)| is_refused(ledger));
        let mut due: VecDeque<_> = due.into_iter().chain(refused).collect();
        while let Some((ledger, name)) = due.pop_front() {
            match self.stamp(&name).await {
                Ok(()) => {
                    stamped = true;
                    self.succeeded(&ledger);
                }
                Err(error) => {
                    failed = true;
                    self.failed(&ledger, &error);
                    self.late.insert(ledger, name);
                    // An authority that will not is asked again later, and once.
                    if !matches!(error, StampError::Archive(_)) {
                        self.late.extend(due.drain(..));
                    }
                }
            }
        }
        let now = self.clock.elapsed();
        if failed {
            self.retry_at = now.saturating_add(self.backoff.failed(None));
            self.not_before = self.not_before.max(self.retry_at);
        }
        if stamped {
            self.not_before = now.saturating_add(self.every);
        }
        if self.late.is_empty() {
            self.backoff.succeeded();
        }
    }

    async fn stamp(&mut self, name: &CheckpointName) -> Result<(), StampError> {
        let object = Name::Stamp(name.clone());
        let note = {
            let checkpoint = Name::Checkpoint(name.clone());
            let read = || match is_there(&*self.archive, &object)? {
                true => Ok(None),
                false => read_up_to(&*self.archive, &checkpoint, NOTE_BYTES_MAX as u64).map(Some),
            };
            tokio::task::block_in_place(read).map_err(StampError::Archive)?
        };
        // Stamped before a restart.
        let Some(note) = note else { return Ok(()) };
        let response = self.authority.stamp(&note).await?;
        tokio::task::block_in_place(|| self.archive.put(&object, &response))
            .map(drop)
            .map_err(StampError::Archive)
    }

    fn succeeded(&mut self, ledger: &LedgerId) {
        self.measures.stamped.add(1);
        self.said.remove(&None);
        self.said.remove(&Some(ledger.clone()));
    }

    fn failed(&mut self, ledger: &LedgerId, error: &StampError) {
        let (counter, about) = match error {
            StampError::Refused(_) => (&self.measures.refused, Some(ledger.clone())),
            StampError::Archive(_) => (&self.measures.failed, Some(ledger.clone())),
            StampError::Ask(_) => (&self.measures.failed, None),
        };
        counter.add(1);
        // Said once a series: an authority that is down for a night is one message.
        if self.said.insert(about, error.to_string()).is_none_or(|said| said != error.to_string()) {
            let fields = [("ledger", Value::Shown(ledger)), ("error", Value::Shown(error))];
            self.journal.note(Level::Warning, "checkpoint was not stamped", &fields);
        }
    }
}

#[cfg(test)]
mod tests;
