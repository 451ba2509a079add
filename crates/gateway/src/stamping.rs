//! Has checkpoints stamped by a time-stamping authority (RFC 3161), and stores its word with them.
//!
//! It goes behind the archive, as witnesses do: nothing waits for an authority. Now and then the
//! newest checkpoint of each ledger that grew is stamped; one stamp bounds the time of every record
//! before it. An answer that does not verify under the configured roots is not stored. A kill loses
//! at most the asking, and an object that is there is not asked for again.

mod authority;
mod file;

use std::collections::BTreeMap;
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
    pending: BTreeMap<LedgerId, CheckpointName>,
    backoff: Backoff,
    not_before: Duration,
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
            backoff: Backoff::new(0),
            not_before: Duration::ZERO,
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
            if last || self.clock.elapsed() >= self.not_before {
                self.round().await;
            }
            if last {
                return;
            }
            let wait = self.not_before.saturating_sub(self.clock.elapsed());
            let wait = if self.pending.is_empty() { Duration::MAX } else { wait };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
                () = self.heads.more() => {}
            }
        }
    }

    fn collect(&mut self) {
        self.heads.collect();
        let room = PENDING_MAX.saturating_sub(self.pending.len());
        let known = |ledger: &LedgerId| self.pending.contains_key(ledger);
        let heads = self.heads.take(known, room);
        self.pending.extend(heads.into_iter().map(|head| (head.ledger.clone(), head)));
    }

    /// Asks for a stamp of every checkpoint that waits; the first failure ends the round.
    async fn round(&mut self) {
        while let Some((ledger, name)) = self.pending.pop_first() {
            match self.stamp(&name).await {
                Ok(()) => {
                    self.backoff.succeeded();
                    self.measures.stamped.add(1);
                }
                Err(error) => return self.failed(ledger, name, &error),
            }
            self.not_before = self.clock.elapsed().saturating_add(self.every);
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

    fn failed(&mut self, ledger: LedgerId, name: CheckpointName, error: &StampError) {
        match error {
            StampError::Refused(_) => self.measures.refused.add(1),
            StampError::Archive(_) | StampError::Ask(_) => self.measures.failed.add(1),
        }
        // Said once a series: an authority that is down for a night is one message.
        if self.backoff.failures() == 0 {
            let fields = [("ledger", Value::Shown(&ledger)), ("error", Value::Shown(error))];
            self.journal.note(Level::Warning, "checkpoint was not stamped", &fields);
        }
        self.pending.entry(ledger).or_insert(name);
        self.not_before = self.clock.elapsed().saturating_add(self.backoff.failed(None));
    }
}
