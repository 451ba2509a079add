//! The epochs that the gateway knows: their keys, and how far each of their ledgers has come.
//!
//! A batch is admitted by what it says of its place: it goes on where the last one ended, repeats
//! what is there, leaves a hole, or contradicts. Nothing here decides what a contradiction means;
//! it is kept, counted and left to the auditor.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::checkpoint::{Checkpoint, CheckpointError, origin};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::statement::{Archived, Statement};
use lucarne_ledger::tree::Frontier;
use lucarne_link::message::PreviousHead;
use tokio::sync::watch;

/// Batch ends remembered for each ledger, to tell a repetition from a fork.
const ENDS_MAX: usize = 4096;

/// What a batch is to its ledger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admission {
    /// It goes on where the last one ended.
    Next,
    /// It is there already, with the same root.
    Repeated,
    /// Records between the last one and this are missing.
    Hole {
        /// Size that the gateway knew.
        known: u64,
    },
    /// It covers what is there, cut in another way; whether the leaves agree is the auditor's to
    /// say.
    Overlap,
    /// It contradicts what is there.
    Fork,
}

/// How far one ledger has come.
#[derive(Debug)]
struct Head {
    size: u64,
    // root after each of the newest batches, by size
    ends: BTreeMap<u64, Hash>,
}

impl Head {
    fn at(size: u64, root: Hash) -> Self {
        Self { size, ends: BTreeMap::from([(size, root)]) }
    }

    fn admit(&mut self, statement: &Statement) -> Admission {
        let end = statement.size();
        if statement.first > self.size {
            let known = self.size;
            self.advance(end, statement.root);
            return Admission::Hole { known };
        }
        let differs = |size, root| self.ends.get(&size).is_some_and(|known| *known != root);
        if differs(end, statement.root) || differs(statement.first, statement.prev_root) {
            return Admission::Fork;
        }
        if statement.first == self.size {
            self.advance(end, statement.root);
            return Admission::Next;
        }
        if self.ends.contains_key(&end) {
            return Admission::Repeated;
        }
        if end > self.size {
            self.advance(end, statement.root);
        }
        Admission::Overlap
    }

    fn advance(&mut self, size: u64, root: Hash) {
        self.size = size;
        self.ends.insert(size, root);
        while self.ends.len() > ENDS_MAX {
            self.ends.pop_first();
        }
    }
}

/// One epoch whose evidence was verified.
#[derive(Debug)]
pub struct Epoch {
    /// Whose statements verify under which key.
    pub key: EpochKey,
    /// `sha256:<hex>` of the key.
    pub thumbprint: Arc<str>,
    /// Measurement of the code that holds it, in hex.
    pub measurement: Arc<str>,
    ed25519: PublicKey,
    log_prefix: Arc<str>,
    heads: Mutex<[Head; 2]>,
    acknowledged: [watch::Sender<Option<Archived>>; 2],
    cosigned: [watch::Sender<Option<Arc<str>>>; 2],
}

impl Epoch {
    /// The ledger of this kind.
    pub fn ledger(&self, kind: LedgerKind) -> LedgerId {
        LedgerId { instance: self.key.instance.clone(), epoch: self.key.epoch, kind }
    }

    /// Says what a verified batch is to its ledger, and moves the head if it goes on.
    pub fn admit(&self, statement: &Statement) -> Admission {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        slot_mut(&mut heads, statement.ledger.kind).admit(statement)
    }

    /// Opens the checkpoint that came with a batch.
    ///
    /// # Errors
    /// When no key of this epoch signed it for that ledger.
    pub fn open_note(&self, kind: LedgerKind, note: &str) -> Result<Checkpoint, CheckpointError> {
        let origin = origin(&self.log_prefix, &self.ledger(kind));
        let keys = [&self.key.key, &self.ed25519].map(|key| NoteKey::new(&origin, key.clone()));
        let checkpoint = Checkpoint::open(note, &keys)?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::NotCanonical)
        }
    }

    /// Tells everybody who serves this epoch how far the archive holds a ledger.
    pub fn acknowledge(&self, archived: Archived) {
        let told = self.acknowledgements_of(archived.ledger.kind);
        told.send_if_modified(|newest| {
            let newer = newest.as_ref().is_none_or(|known| known.size() < archived.size());
            if newer {
                *newest = Some(archived);
            }
            newer
        });
    }

    /// What the archive holds of a ledger, and every change of it.
    pub fn acknowledged(&self, kind: LedgerKind) -> watch::Receiver<Option<Archived>> {
        self.acknowledgements_of(kind).subscribe()
    }

    /// The newest checkpoint of a ledger that a quorum of witnesses cosigned, and every later one.
    pub fn cosigned(&self, kind: LedgerKind) -> watch::Receiver<Option<Arc<str>>> {
        slot(&self.cosigned, kind).subscribe()
    }

    fn acknowledgements_of(&self, kind: LedgerKind) -> &watch::Sender<Option<Archived>> {
        slot(&self.acknowledged, kind)
    }
}

const fn slot<T>(pair: &[T; 2], kind: LedgerKind) -> &T {
    let [audit, telemetry] = pair;
    match kind {
        LedgerKind::Audit => audit,
        LedgerKind::Telemetry => telemetry,
    }
}

fn slot_mut<T>(pair: &mut [T; 2], kind: LedgerKind) -> &mut T {
    let [audit, telemetry] = pair;
    match kind {
        LedgerKind::Audit => audit,
        LedgerKind::Telemetry => telemetry,
    }
}

/// What the archive holds of a ledger, as far as the gateway has seen it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ArchivedHead {
    /// First record of the last `.seal` file.
    pub first: u64,
    /// Size after it.
    pub size: u64,
    /// Root after it.
    pub root: Hash,
}

/// All epochs of a site.
#[derive(Debug)]
pub struct Epochs {
    log_prefix: Arc<str>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<(Instance, EpochId), Arc<Epoch>>,
    archived: BTreeMap<LedgerId, ArchivedHead>,
    // the epoch of each instance that was seen last
    newest: HashMap<Instance, [Option<EpochId>; 2]>,
}

impl Epochs {
    /// No epochs; checkpoints have this origin prefix.
    pub fn new(log_prefix: &str) -> Self {
        Self { log_prefix: log_prefix.into(), inner: Mutex::default() }
    }

    /// What the origins of its checkpoints begin with.
    pub fn log_prefix(&self) -> &str {
        &self.log_prefix
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the archive holds, in the order in which it came to hold it.
    pub fn note_archived(&self, ledger: &LedgerId, head: ArchivedHead) {
        let mut inner = self.lock();
        inner.see(&ledger.instance, ledger.epoch);
        let known = inner.archived.entry(ledger.clone()).or_insert(head);
        if head.size > known.size {
            *known = head;
        }
        let live = inner.live.get(&(ledger.instance.clone(), ledger.epoch)).cloned();
        drop(inner);
        if let Some(epoch) = live {
            epoch.acknowledge(archived(ledger, head));
        }
    }

    /// Tells everybody who serves an epoch what a quorum of witnesses cosigned.
    pub fn note_cosigned(&self, ledger: &LedgerId, note: &str) {
        let live = self.lock().live.get(&(ledger.instance.clone(), ledger.epoch)).cloned();
        if let Some(epoch) = live {
            slot(&epoch.cosigned, ledger.kind).send_replace(Some(note.into()));
        }
    }

    /// The epoch whose evidence has just been verified; the same one for every connection of it.
    pub fn enter(&self, key: EpochKey, ed25519: [u8; 32], measurement: &str) -> Arc<Epoch> {
        let mut inner = self.lock();
        inner.see(&key.instance, key.epoch);
        let place = (key.instance.clone(), key.epoch);
        if let Some(epoch) = inner.live.get(&place) {
            return Arc::clone(epoch);
        }
        let empty = Frontier::empty();
        let known = LedgerKind::ALL.map(|kind| {
            let (instance, epoch) = place.clone();
            let ledger = LedgerId { instance, epoch, kind };
            inner.archived.get(&ledger).map(|head| (ledger, *head))
        });
        let heads = known.each_ref().map(|known| match known {
            Some((_, head)) => Head::at(head.size, head.root),
            None => Head::at(0, empty.root()),
        });
        let acknowledged = known
            .map(|known| watch::Sender::new(known.map(|(ledger, head)| archived(&ledger, head))));
        let epoch = Arc::new(Epoch {
            thumbprint: format!("sha256:{}", key.key.id()).into(),
            measurement: measurement.into(),
            ed25519: PublicKey::from_ed25519(&ed25519),
            log_prefix: Arc::clone(&self.log_prefix),
            heads: Mutex::new(heads),
            acknowledged,
            cosigned: LedgerKind::ALL.map(|_| watch::Sender::new(None)),
            key,
        });
        inner.live.insert(place, Arc::clone(&epoch));
        epoch
    }

    /// The last heads of the epoch of `instance` that was seen before `epoch`.
    pub fn previous(&self, instance: &Instance, epoch: EpochId) -> Vec<PreviousHead> {
        let inner = self.lock();
        let seen = inner.newest.get(instance).copied().unwrap_or_default();
        let Some(before) = seen.into_iter().flatten().find(|seen| *seen != epoch) else {
            return Vec::new();
        };
        let head = |kind| {
            let ledger = LedgerId { instance: instance.clone(), epoch: before, kind };
            let head = inner.archived.get(&ledger)?;
            Some(PreviousHead { epoch: before, kind, size: head.size, root: head.root.0 })
        };
        LedgerKind::ALL.into_iter().filter_map(head).collect()
    }
}

impl Inner {
    fn see(&mut self, instance: &Instance, epoch: EpochId) {
        let newest = self.newest.entry(instance.clone()).or_default();
        if newest[0] != Some(epoch) {
            *newest = [Some(epoch), newest[0]];
        }
    }
}

fn archived(ledger: &LedgerId, head: ArchivedHead) -> Archived {
    let count = head.size.saturating_sub(head.first);
    Archived { ledger: ledger.clone(), first: head.first, count, root: head.root }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(first: u64, count: u64, prev: u8, root: u8) -> Statement {
        let ledger = LedgerId {
            instance: "i".parse().unwrap(),
            epoch: EpochId([1; 16]),
            kind: LedgerKind::Audit,
        };
        let [prev_root, root] = [prev, root].map(|byte| Hash([byte; 32]));
        Statement { ledger, first, count, time_ms: 0, prev_root, root }
    }

    #[test]
    fn a_batch_is_what_its_place_says() {
        let mut head = Head::at(0, Hash([0; 32]));
        assert_eq!(head.admit(&statement(0, 5, 0, 5)), Admission::Next);
        assert_eq!(head.admit(&statement(5, 5, 5, 10)), Admission::Next);
        assert_eq!(head.admit(&statement(0, 5, 0, 5)), Admission::Repeated);
        assert_eq!(head.admit(&statement(5, 5, 5, 10)), Admission::Repeated);
        assert_eq!(head.admit(&statement(5, 5, 5, 11)), Admission::Fork);
        assert_eq!(head.admit(&statement(10, 1, 99, 11)), Admission::Fork);
        assert_eq!(head.admit(&statement(0, 7, 0, 7)), Admission::Overlap);
        assert_eq!(head.admit(&statement(12, 2, 12, 14)), Admission::Hole { known: 10 });
        assert_eq!(head.admit(&statement(14, 1, 14, 15)), Admission::Next);
        assert_eq!(head.admit(&statement(10, 2, 10, 12)), Admission::Overlap);
    }
}
