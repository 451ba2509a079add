//! Has checkpoints cosigned by witnesses, and stores what a quorum has cosigned.
//!
//! It goes behind the archive, as an exporter does: a checkpoint is stored when its records are,
//! and what the witnesses add is a second object beside it (`.cosigned.note`), written once when
//! the quorum of the policy is reached. So nothing waits for a witness, a kill at any moment loses
//! at most the asking, and the next start asks again for what has no such object. Of each ledger
//! only the newest checkpoint is shown; it vouches for all before it.

mod asker;
mod file;
mod history;
mod measures;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use lucarne_archive::name::{CheckpointName, EpochFile, EpochName};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::origin;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::note::NOTE_BYTES_MAX;
use lucarne_ledger::trust_policy::TrustPolicy;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use self::asker::{AskError, Asker};
pub use self::file::{Witnesses, WitnessesFile};
pub use self::measures::{Measures, Tally};
use crate::archiver::Archived;
use crate::clock::Clock;
use crate::export::backoff::Backoff;
use crate::journal::{Journal, Level, Value};
use crate::source::Rolls;
use crate::witness::logs::keys_of;

/// The part of the gateway that asks witnesses.
pub struct Witnessing {
    policy: TrustPolicy,
    witnesses: Vec<Slot>,
    archived: Archived,
    archive: Arc<dyn Archive>,
    log_prefix: String,
    clock: Arc<dyn Clock>,
    journal: Journal,
    measures: Arc<Measures>,
    next_roll: u64,
    /// Found, and not read yet.
    later: BTreeMap<LedgerId, CheckpointName>,
    pending: BTreeMap<LedgerId, Pending>,
}

/// One witness, and when it is asked again.
struct Slot {
    asker: Arc<Mutex<Asker>>,
    backoff: Backoff,
    not_before: Duration,
}

/// The newest checkpoint of a ledger, which has no quorum yet.
struct Pending {
    head: Arc<Head>,
    since: Duration,
    lines: BTreeMap<usize, Vec<String>>,
}

/// A checkpoint with what is needed to show it.
#[derive(Debug)]
pub(crate) struct Head {
    name: CheckpointName,
    note: String,
    binding: EpochBinding,
    evidence: Vec<u8>,
}

/// Between two rounds when a checkpoint still waits: a witness that comes back, or an archive that
/// can be written again, is noticed after this.
const ROUND_MIN: Duration = Duration::from_millis(250);
/// An archive that could not be written is tried again after this.
const RETRY: Duration = Duration::from_secs(5);
/// Checkpoints shown at a time, with their evidence: some megabytes. A site that turns to witnesses
/// late has an epoch for every boot of its past.
const PENDING_MAX: usize = 256;
/// Evidence of any kind with its chain.
const EPOCH_FILE_BYTES_MAX: u64 = 1 << 20;

impl Witnessing {
    /// Asks nobody before it runs.
    pub fn new(
        witnesses: Witnesses,
        rolls: &Rolls,
        log_prefix: String,
        clock: Arc<dyn Clock>,
        journal: Journal,
    ) -> Self {
        let Witnesses { policy, endpoints } = witnesses;
        let named = |at: &usize| policy.witnesses().get(*at).map(|witness| witness.name.clone());
        let names: Vec<String> = endpoints.iter().filter_map(|(at, _)| named(at)).collect();
        let measures = Arc::new(Measures::new(names, Arc::clone(&clock)));
        let slot = |(at, endpoint): (usize, _)| {
            let key = policy.witnesses().get(at)?.key.clone();
            let asker = Arc::new(Mutex::new(Asker::new(key, endpoint)));
            Some(Slot { asker, backoff: Backoff::new(at as u64), not_before: Duration::ZERO })
        };
        let slots = endpoints.into_iter().filter_map(slot).collect();
        Self {
            witnesses: slots,
            policy,
            archived: rolls.archived.clone(),
            archive: Arc::clone(&rolls.archive),
            log_prefix,
            clock,
            journal,
            measures,
            next_roll: 0,
            later: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// What it measures.
    pub fn measures(&self) -> Arc<Measures> {
        Arc::clone(&self.measures)
    }

    /// Runs until `stop` is true; then every witness that answers is asked once more, for the last
    /// checkpoints.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let last = *stop.borrow_and_update();
            tokio::task::block_in_place(|| self.collect());
            self.round().await;
            self.measures.oldest(self.pending.values().map(|pending| pending.since).min());
            if last {
                return;
            }
            let wait = self.wait();
            let next_roll = self.next_roll;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
                // The archiver that has gone changes nothing any more; then the stop is near.
                Ok(_) = self.archived.through.wait_for(|through| *through > next_roll) => {}
            }
        }
    }

    fn wait(&self) -> Duration {
        if self.pending.is_empty() {
            return if self.later.is_empty() { Duration::MAX } else { ROUND_MIN };
        }
        let now = self.clock.elapsed();
        let wanted = |place| self.pending.values().any(|one| !one.lines.contains_key(&place));
        let slots = self.witnesses.iter().enumerate().filter(|(place, _)| wanted(*place));
        // When all have been heard, it is the archive that has to be tried again.
        let next = slots.map(|(_, slot)| slot.not_before.saturating_sub(now)).min();
        next.unwrap_or(RETRY).max(ROUND_MIN)
    }

    /// Finds the newest checkpoint of each ledger that was archived since.
    fn collect(&mut self) {
        let through = *self.archived.through.borrow_and_update();
        for roll in self.next_roll..through {
            for name in self.archived.names.of(roll).iter() {
                let Name::Seal(seal) = name else { continue };
                let (ledger, root) = (seal.ledger.clone(), seal.root);
                let size = seal.last.saturating_add(1);
                if self.later.get(&ledger).is_none_or(|known| known.size < size) {
                    let name = CheckpointName { ledger, size, root, cosigned: false };
                    self.later.insert(name.ledger.clone(), name);
                }
            }
        }
        self.next_roll = through;
        let known = |(ledger, _): &(&LedgerId, _)| self.pending.contains_key(*ledger);
        let (mut now, new): (Vec<_>, Vec<_>) = self.later.iter().partition(known);
        now.extend(new.into_iter().take(PENDING_MAX.saturating_sub(self.pending.len())));
        let now: Vec<LedgerId> = now.into_iter().map(|(ledger, _)| ledger.clone()).collect();
        for ledger in now {
            if let Some(name) = self.later.remove(&ledger) {
                self.expect(ledger, name);
            }
        }
    }

    fn expect(&mut self, ledger: LedgerId, name: CheckpointName) {
        match self.load(name) {
            Ok(None) => {}
            Ok(Some(head)) => {
                let known = self.pending.get(&ledger);
                let since = known.map_or(self.clock.elapsed(), |pending| pending.since);
                let (head, lines) = (Arc::new(head), BTreeMap::new());
                self.pending.insert(ledger, Pending { head, since, lines });
            }
            Err(error) => {
                let fields = [("ledger", Value::Shown(&ledger)), ("error", Value::Shown(&error))];
                let message = "checkpoint cannot be shown to witnesses";
                self.journal.note(Level::Error, message, &fields);
            }
        }
    }

    /// Reads what is needed to show a checkpoint; `None` when a quorum has cosigned it before.
    fn load(&self, name: CheckpointName) -> Result<Option<Head>, ArchiveError> {
        let cosigned = Name::Checkpoint(CheckpointName { cosigned: true, ..name.clone() });
        match self.archive.open(&cosigned) {
            Ok(_) => return Ok(None),
            Err(ArchiveError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let LedgerId { instance, epoch, .. } = name.ledger.clone();
        let file = |file| Name::Epoch(EpochName { instance: instance.clone(), epoch, file });
        let stored = Name::Checkpoint(name.clone());
        let lost = |name: &Name| ArchiveError::NotFound { name: Box::new(name.clone()) };
        let note = self.read(&stored, NOTE_BYTES_MAX as u64)?;
        let note = String::from_utf8(note).map_err(|_| lost(&stored))?;
        let (binding, evidence) = (file(EpochFile::Binding), file(EpochFile::Evidence));
        let bytes = self.read(&binding, EPOCH_FILE_BYTES_MAX)?;
        let bound = EpochBinding::from_cbor(&bytes).map_err(|_| lost(&binding))?;
        let evidence = self.read(&evidence, EPOCH_FILE_BYTES_MAX)?;
        Ok(Some(Head { name, note, binding: bound, evidence }))
    }

    fn read(&self, name: &Name, bytes_max: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let mut object = self.archive.open(name)?.take(bytes_max);
        object.read_to_end(&mut bytes).map_err(|source| ArchiveError::Disk {
            step: lucarne_archive::store::Step::Read,
            path: name.to_string().into(),
            source,
        })?;
        Ok(bytes)
    }

    /// Asks every witness whose time has come for every checkpoint that it has not cosigned.
    async fn round(&mut self) {
        tokio::task::block_in_place(|| self.store());
        let now = self.clock.elapsed();
        let mut asked = JoinSet::new();
        for (place, slot) in self.witnesses.iter().enumerate() {
            let wanted = |pending: &&Pending| !pending.lines.contains_key(&place);
            let heads: Vec<Arc<Head>> =
                self.pending.values().filter(wanted).map(|one| Arc::clone(&one.head)).collect();
            if heads.is_empty() || slot.not_before > now {
                continue;
            }
            let (asker, archived) = (Arc::clone(&slot.asker), self.archived.clone());
            let archive = Arc::clone(&self.archive);
            asked.spawn(async move {
                let mut asker = asker.lock().await;
                (place, asker.ask_all(&heads, &archived, &*archive).await)
            });
        }
        while let Some(answer) = asked.join_next().await {
            // A task that panicked is asked again in the next round.
            let Ok((place, answers)) = answer else { continue };
            self.take(place, answers);
            tokio::task::block_in_place(|| self.store());
        }
    }

    fn take(&mut self, place: usize, answers: Vec<(LedgerId, Result<Vec<String>, AskError>)>) {
        let Some(slot) = self.witnesses.get_mut(place) else { return };
        let mut failure = None;
        for (ledger, answer) in answers {
            self.measures.count(place, answer.as_ref().err());
            match answer {
                Ok(lines) => {
                    if let Some(pending) = self.pending.get_mut(&ledger) {
                        pending.lines.insert(place, lines);
                    }
                }
                Err(error) => failure = Some((ledger, error)),
            }
        }
        let Some((ledger, error)) = failure else {
            slot.backoff.succeeded();
            return;
        };
        // Said once a series: a witness that is down for a night is one message.
        if slot.backoff.failures() == 0 {
            let fields = [
                ("witness", Value::Text(self.measures.name(place))),
                ("ledger", Value::Shown(&ledger)),
                ("error", Value::Shown(&error)),
            ];
            self.journal.note(Level::Warning, "witness did not cosign", &fields);
        }
        slot.not_before = self.clock.elapsed().saturating_add(slot.backoff.failed(None));
    }

    /// Stores what a quorum has cosigned.
    fn store(&mut self) {
        let mut done = Vec::new();
        for (ledger, pending) in &self.pending {
            let Head { name, note, binding, .. } = &*pending.head;
            let lines: String = pending.lines.values().flatten().map(String::as_str).collect();
            let cosigned = format!("{note}{lines}");
            let keys = keys_of(binding, &origin(&self.log_prefix, ledger));
            match self.policy.judge(&cosigned, &keys) {
                Ok(judged) if judged.is_quorum() => {}
                Ok(_) | Err(_) => continue,
            }
            let object = Name::Checkpoint(CheckpointName { cosigned: true, ..name.clone() });
            match self.archive.put(&object, cosigned.as_bytes()) {
                // Another quorum's word of an earlier run is as good.
                Ok(_) => {
                    self.measures.cosigned.add(1);
                    done.push(ledger.clone());
                }
                Err(error) => {
                    let fields = [("error", Value::Shown(&error))];
                    let message = "cosigned checkpoint cannot be stored";
                    self.journal.note(Level::Error, message, &fields);
                }
            }
        }
        done.iter().for_each(|ledger| drop(self.pending.remove(ledger)));
    }
}

#[cfg(test)]
mod tests;
