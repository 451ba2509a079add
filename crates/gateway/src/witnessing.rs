//! Has checkpoints cosigned by witnesses, and stores what a quorum has cosigned.
//!
//! It goes behind the archive, as an exporter does: a checkpoint is stored when its records are,
//! and what the witnesses add is a second object beside it (`.cosigned.note`), written once when
//! the quorum of the policy is reached. So nothing waits for a witness, a kill at any moment loses
//! at most the asking, and the next start asks again for what has no such object. Of each ledger
//! only the newest checkpoint is shown; it vouches for all before it. The site's register is one
//! log more: whoever removes it whole and begins another finds witnesses who remember.

mod asker;
mod file;
mod history;
mod measures;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lucarne_archive::name::{CheckpointName, EpochFile, EpochName, RegisterName};
use lucarne_archive::store::{is_there, read_up_to};
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::checkpoint::origin;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::LedgerId;
use lucarne_ledger::note::{NOTE_BYTES_MAX, NoteKey};
use lucarne_ledger::register::note_key;
use lucarne_ledger::trust_policy::TrustPolicy;
use lucarne_ledger::witness::ENROLMENT_BYTES_MAX;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use self::asker::{AskError, Asker};
pub use self::file::{Witnesses, WitnessesFile};
pub use self::measures::{Measures, Tally};
use crate::clock::Clock;
use crate::epochs::Epochs;
use crate::export::backoff::Backoff;
use crate::journal::{Journal, Level, Value};
use crate::new_heads::NewHeads;
use crate::register::SiteRegister;
use crate::source::Rolls;
use crate::witness::logs::keys_of;

/// The part of the gateway that asks witnesses.
pub struct Witnessing {
    policy: TrustPolicy,
    witnesses: Vec<Slot>,
    heads: NewHeads,
    archive: Arc<dyn Archive>,
    clock: Arc<dyn Clock>,
    journal: Journal,
    measures: Arc<Measures>,
    epochs: Arc<Epochs>,
    register: Option<Arc<SiteRegister>>,
    /// Size of the newest head of the register that was looked at.
    registered: u64,
    pending: BTreeMap<Log, Pending>,
    /// Checkpoints that could not be read, or that nobody would cosign when there was no more room:
    /// only their names, and since when they wait.
    aside: BTreeMap<Log, (Wanted, Duration)>,
    /// When the next of those are read again, and behind which.
    reread_at: Duration,
    reread_from: Option<Log>,
}

/// One witness, and when it is asked again.
struct Slot {
    asker: Arc<Mutex<Asker>>,
    backoff: Backoff,
    not_before: Duration,
    /// The logs that it would not cosign: these have to wait, and others have not.
    refusals: BTreeMap<Log, Refusal>,
}

/// What a witness last said against a log, and when it is asked about it again.
struct Refusal {
    error: AskError,
    backoff: Backoff,
    not_before: Duration,
}

/// Which checkpoint is to be shown.
#[derive(Clone)]
enum Wanted {
    Ledger(CheckpointName),
    Register { size: u64, root: Hash },
}

impl Wanted {
    fn log(&self) -> Log {
        match self {
            Self::Ledger(name) => Log::Ledger(name.ledger.clone()),
            Self::Register { .. } => Log::Register,
        }
    }

    /// The one whose cosigned form has this name.
    fn of(cosigned: &Name) -> Option<Self> {
        match cosigned {
            Name::Checkpoint(name) => {
                Some(Self::Ledger(CheckpointName { cosigned: false, ..name.clone() }))
            }
            Name::Register(RegisterName::Checkpoint { size, root, .. }) => {
                Some(Self::Register { size: *size, root: *root })
            }
            _ => None,
        }
    }
}

impl Slot {
    /// When it is asked about this log again.
    fn next(&self, log: &Log) -> Duration {
        let refused = self.refusals.get(log).map_or(Duration::ZERO, |refusal| refusal.not_before);
        refused.max(self.not_before)
    }

    /// Notes that it would not cosign; whether that is new.
    fn refused(&mut self, log: Log, error: AskError, now: Duration) -> bool {
        if self.refusals.len() >= REFUSALS_MAX {
            self.refusals.clear();
        }
        let seed = self.refusals.len() as u64;
        let before = self.refusals.remove(&log);
        let is_new = before.as_ref().is_none_or(|before| !error.repeats(&before.error));
        let mut backoff = before.map_or(Backoff::new(seed), |before| before.backoff);
        let not_before = now.saturating_add(backoff.failed(None));
        self.refusals.insert(log, Refusal { error, backoff, not_before });
        is_new
    }
}

/// The newest checkpoint of a ledger, which has no quorum yet.
struct Pending {
    head: Arc<Head>,
    since: Duration,
    lines: BTreeMap<usize, Vec<String>>,
}

/// Which log a checkpoint is of.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Log {
    Ledger(LedgerId),
    Register,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(ledger) => ledger.fmt(f),
            Self::Register => write!(f, "register"),
        }
    }
}

/// A checkpoint with what is needed to show it.
#[derive(Debug)]
pub(crate) struct Head {
    log: Log,
    size: u64,
    note: String,
    /// Where it lies once a quorum has cosigned it.
    cosigned: Name,
    /// The keys of its log.
    keys: Vec<NoteKey>,
    /// What a witness learns an epoch from; the register it has to know.
    epoch: Option<Enrolling>,
}

/// An epoch with its evidence.
#[derive(Debug)]
pub(crate) struct Enrolling {
    binding: EpochBinding,
    evidence: Vec<u8>,
    collateral: Option<Vec<u8>>,
}

/// Between two rounds when a checkpoint still waits: a witness that comes back, or an archive that
/// can be written again, is noticed after this.
const ROUND_MIN: Duration = Duration::from_millis(250);
/// Names of [`Witnessing::aside`] that are read at a time: of an archive that hangs, the first one
/// is felt and no other.
const REREAD_MAX: usize = 16;
/// An archive that could not be written is tried again after this.
const RETRY: Duration = Duration::from_secs(5);
/// Checkpoints shown at a time, with their evidence: some megabytes. A site that turns to witnesses
/// late has an epoch for every boot of its past.
const PENDING_MAX: usize = 256;
/// Logs that a witness refuses and that have a time of their own; with more, all are asked again.
const REFUSALS_MAX: usize = 4096;
/// Evidence of any kind with its chain.
const EPOCH_FILE_BYTES_MAX: u64 = 1 << 20;

impl Witnessing {
    /// Asks nobody before it runs.
    pub fn new(
        witnesses: Witnesses,
        rolls: &Rolls,
        epochs: Arc<Epochs>,
        register: Option<Arc<SiteRegister>>,
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
            let (backoff, not_before) = (Backoff::new(at as u64), Duration::ZERO);
            Some(Slot { asker, backoff, not_before, refusals: BTreeMap::new() })
        };
        let slots = endpoints.into_iter().filter_map(slot).collect();
        Self {
            witnesses: slots,
            policy,
            heads: NewHeads::new(rolls.archived.clone()),
            archive: Arc::clone(&rolls.archive),
            clock,
            journal,
            measures,
            epochs,
            register,
            registered: 0,
            pending: BTreeMap::new(),
            aside: BTreeMap::new(),
            reread_at: Duration::ZERO,
            reread_from: None,
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
            self.measure();
            if last {
                return;
            }
            let wait = self.wait();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.changed() => {}
                () = self.heads.more() => {}
            }
        }
    }

    /// Notes since when the oldest checkpoint waits.
    fn measure(&self) {
        let pending = self.pending.values().map(|pending| pending.since);
        let aside = self.aside.values().map(|(_, since)| *since);
        self.measures.oldest(pending.chain(aside).min());
    }

    fn wait(&self) -> Duration {
        let now = self.clock.elapsed();
        let slots = self.witnesses.iter().enumerate();
        let asking = slots.flat_map(|(place, slot)| {
            let wanted =
                self.pending.iter().filter(move |(_, one)| !one.lines.contains_key(&place));
            wanted.map(|(log, _)| slot.next(log))
        });
        let asking = asking.min().map(|next| next.saturating_sub(now));
        // When all have been heard, it is the archive that has to be tried again.
        let storing = (!self.pending.is_empty()).then(|| asking.unwrap_or(RETRY));
        let more = (self.pending.is_empty() && !self.heads.is_empty()).then_some(ROUND_MIN);
        let rereading = (!self.aside.is_empty()).then(|| self.reread_at.saturating_sub(now));
        let next = [storing, more, rereading].into_iter().flatten().min();
        next.map_or(Duration::MAX, |next| next.max(ROUND_MIN))
    }

    /// Finds the newest checkpoint of each ledger that was archived since, and of the register.
    fn collect(&mut self) {
        self.heads.collect();
        self.make_room();
        let room = PENDING_MAX.saturating_sub(self.pending.len());
        let known = |ledger: &LedgerId| self.pending.contains_key(&Log::Ledger(ledger.clone()));
        let mut wanted: Vec<Wanted> =
            self.heads.take(known, room).into_iter().map(Wanted::Ledger).collect();
        let newest = self.register.as_ref().and_then(|register| register.head());
        if let Some((size, root)) = newest.filter(|(size, _)| *size > self.registered) {
            self.registered = size;
            wanted.push(Wanted::Register { size, root });
        }
        // What could not be read has its turn below, under its newest name: it keeps no other from
        // being read now.
        wanted.retain(|wanted| match self.aside.get_mut(&wanted.log()) {
            Some((known, _)) => {
                *known = wanted.clone();
                false
            }
            None => true,
        });
        self.expect(wanted);
        let now = self.clock.elapsed();
        if !self.aside.is_empty() && now >= self.reread_at {
            self.reread_at = now.saturating_add(RETRY);
            let again = self.next_aside();
            self.expect(again);
        }
    }

    /// Those aside whose turn it is, as far as there is room.
    fn next_aside(&mut self) -> Vec<Wanted> {
        let room = REREAD_MAX.min(PENDING_MAX.saturating_sub(self.pending.len()));
        let from = self.reread_from.take();
        let is_behind = |(log, _): &(&Log, _)| from.as_ref().is_none_or(|from| *log > from);
        let behind = self.aside.iter().filter(is_behind);
        // Behind the last one comes the first again.
        let before = self.aside.iter().filter(|one| !is_behind(one));
        let turn = behind.chain(before).take(room);
        let turn: Vec<Wanted> = turn.map(|(_, (wanted, _))| wanted.clone()).collect();
        self.reread_from = turn.last().map(Wanted::log);
        turn
    }

    /// When there is no room, what every witness left to ask has refused makes way for others.
    fn make_room(&mut self) {
        if self.pending.len() < PENDING_MAX {
            return;
        }
        let refused = |log: &Log, pending: &Pending| {
            let mut left = self.witnesses.iter().enumerate();
            left.all(|(place, slot)| {
                pending.lines.contains_key(&place) || slot.refusals.contains_key(log)
            })
        };
        let mut aside: Vec<(Log, Wanted, Duration)> = Vec::new();
        for (log, pending) in self.pending.iter().filter(|(log, one)| refused(log, one)) {
            let Some(wanted) = Wanted::of(&pending.head.cosigned) else { continue };
            aside.push((log.clone(), wanted, pending.since));
        }
        for (log, wanted, since) in aside {
            self.pending.remove(&log);
            // One that is aside already is a newer one.
            let (_, oldest) = self.aside.entry(log).or_insert((wanted, since));
            *oldest = since.min(*oldest);
        }
    }

    /// Reads what is to be shown. Behind the first that an archive in trouble does not give, the
    /// others wait for their turn unread.
    fn expect(&mut self, all: Vec<Wanted>) {
        let mut in_trouble = false;
        for wanted in all {
            let (log, now) = (wanted.log(), self.clock.elapsed());
            let before = self.aside.remove(&log).map(|(_, since)| since);
            let head = match &wanted {
                _ if in_trouble => None,
                Wanted::Ledger(name) => Some(self.load(name)),
                Wanted::Register { size, root } => Some(self.load_register(*size, *root)),
            };
            match head {
                Some(Ok(None)) => continue,
                Some(Ok(Some(head))) => {
                    let known = self.pending.get(&log).map(|pending| pending.since);
                    let since = known.or(before).unwrap_or(now);
                    let (head, lines) = (Arc::new(head), BTreeMap::new());
                    self.pending.insert(log, Pending { head, since, lines });
                    continue;
                }
                Some(Err(error)) => {
                    in_trouble = error.is_retryable();
                    // The next turn begins behind it.
                    self.reread_from = Some(log.clone());
                    // Said once: what cannot be read tonight is one message, and a lag that grows.
                    if before.is_none() {
                        let fields =
                            [("ledger", Value::Shown(&log)), ("error", Value::Shown(&error))];
                        let message = "checkpoint cannot be shown to witnesses";
                        self.journal.note(Level::Error, message, &fields);
                    }
                }
                None => {}
            }
            self.aside.insert(log, (wanted, before.unwrap_or(now)));
            if now >= self.reread_at {
                self.reread_at = now.saturating_add(RETRY);
            }
        }
    }

    /// Reads what is needed to show a checkpoint; `None` when a quorum has cosigned it before.
    fn load(&self, name: &CheckpointName) -> Result<Option<Head>, ArchiveError> {
        let cosigned = Name::Checkpoint(CheckpointName { cosigned: true, ..name.clone() });
        if is_there(&*self.archive, &cosigned)? {
            return Ok(None);
        }
        let LedgerId { instance, epoch, .. } = name.ledger.clone();
        let file = |file| Name::Epoch(EpochName { instance: instance.clone(), epoch, file });
        let (log, size) = (Log::Ledger(name.ledger.clone()), name.size);
        let note = self.note(&Name::Checkpoint(name.clone()))?;
        let (place, evidence) = (file(EpochFile::Binding), file(EpochFile::Evidence));
        let bytes = read_up_to(&*self.archive, &place, EPOCH_FILE_BYTES_MAX)?;
        let binding = EpochBinding::from_cbor(&bytes)
            .map_err(|_| ArchiveError::NotFound { name: Box::new(place) })?;
        let evidence = read_up_to(&*self.archive, &evidence, EPOCH_FILE_BYTES_MAX)?;
        let keys = keys_of(&binding, &origin(self.epochs.log_prefix(), &name.ledger)).to_vec();
        let collateral = self.collateral(&file(EpochFile::Collateral))?;
        let epoch = Some(Enrolling { binding, evidence, collateral });
        Ok(Some(Head { log, size, note, cosigned, keys, epoch }))
    }

    /// What the evidence was judged with; none where nothing was kept.
    fn collateral(&self, name: &Name) -> Result<Option<Vec<u8>>, ArchiveError> {
        if is_there(&*self.archive, name)? {
            // At most sixteen files of half a megabyte: a witness takes fewer.
            return read_up_to(&*self.archive, name, ENROLMENT_BYTES_MAX as u64).map(Some);
        }
        Ok(None)
    }

    /// The same for a head of the register.
    fn load_register(&self, size: u64, root: Hash) -> Result<Option<Head>, ArchiveError> {
        let name = |cosigned| Name::Register(RegisterName::Checkpoint { size, root, cosigned });
        let Some(register) = &self.register else { return Ok(None) };
        if is_there(&*self.archive, &name(true))? {
            return Ok(None);
        }
        let keys = vec![note_key(self.epochs.log_prefix(), register.public_key().clone())];
        let (log, note) = (Log::Register, self.note(&name(false))?);
        Ok(Some(Head { log, size, note, cosigned: name(true), keys, epoch: None }))
    }

    fn note(&self, name: &Name) -> Result<String, ArchiveError> {
        let note = read_up_to(&*self.archive, name, NOTE_BYTES_MAX as u64)?;
        let lost = |_| ArchiveError::NotFound { name: Box::new(name.clone()) };
        String::from_utf8(note).map_err(lost)
    }

    /// Asks every witness whose time has come for every checkpoint that it has not cosigned.
    async fn round(&mut self) {
        tokio::task::block_in_place(|| self.store());
        let now = self.clock.elapsed();
        let mut asked = JoinSet::new();
        for (place, slot) in self.witnesses.iter().enumerate() {
            let wanted = self.pending.iter().filter(|(log, pending)| {
                !pending.lines.contains_key(&place) && slot.next(log) <= now
            });
            let heads: Vec<_> = wanted.map(|(_, pending)| Arc::clone(&pending.head)).collect();
            if heads.is_empty() {
                continue;
            }
            let (asker, archived) = (Arc::clone(&slot.asker), self.heads.archived().clone());
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

    fn take(&mut self, place: usize, answers: Vec<(Log, Result<Vec<String>, AskError>)>) {
        let Some(slot) = self.witnesses.get_mut(place) else { return };
        let (now, name) = (self.clock.elapsed(), self.measures.name(place));
        let say = |log: &Log, error: &AskError| {
            let fields = [
                ("witness", Value::Text(name)),
                ("ledger", Value::Shown(log)),
                ("error", Value::Shown(error)),
            ];
            self.journal.note(Level::Warning, "witness did not cosign", &fields);
        };
        let mut unreachable = None;
        for (log, answer) in answers {
            self.measures.count(place, answer.as_ref().err());
            match answer {
                Ok(lines) => {
                    slot.refusals.remove(&log);
                    if let Some(pending) = self.pending.get_mut(&log) {
                        pending.lines.insert(place, lines);
                    }
                }
                Err(error) if error.is_of_one_log() => {
                    if slot.refused(log.clone(), error, now) {
                        say(&log, &error);
                    }
                }
                Err(error) => unreachable = Some((log, error)),
            }
        }
        let Some((log, error)) = unreachable else { return slot.backoff.succeeded() };
        // Said once a series: a witness that is down for a night is one message.
        if slot.backoff.failures() == 0 {
            say(&log, &error);
        }
        slot.not_before = now.saturating_add(slot.backoff.failed(None));
    }

    /// Stores what a quorum has cosigned.
    fn store(&mut self) {
        let mut done = Vec::new();
        for (log, pending) in &self.pending {
            let Head { note, cosigned: object, keys, .. } = &*pending.head;
            let lines: String = pending.lines.values().flatten().map(String::as_str).collect();
            let cosigned = format!("{note}{lines}");
            match self.policy.judge(&cosigned, keys) {
                Ok(judged) if judged.is_quorum() => {}
                Ok(_) | Err(_) => continue,
            }
            match self.archive.put(object, cosigned.as_bytes()) {
                // Another quorum's word of an earlier run is as good.
                Ok(_) => {
                    self.measures.cosigned.add(1);
                    if let Log::Ledger(ledger) = log {
                        self.epochs.note_cosigned(ledger, &cosigned);
                    }
                    done.push(log.clone());
                }
                Err(error) => {
                    let fields = [("error", Value::Shown(&error))];
                    let message = "cosigned checkpoint cannot be stored";
                    self.journal.note(Level::Error, message, &fields);
                }
            }
        }
        done.iter().for_each(|log| drop(self.pending.remove(log)));
    }
}

#[cfg(test)]
mod tests;
