//! The archiver: write-ahead log with group commit, then the archive, then the acknowledgement.
//!
//! One thread owns both. A roll of the log becomes one `.seal` file for each run of batches in it,
//! and nothing is acknowledged before its file is durable. After a crash the rolls that no manifest
//! line covers are archived again: the same bytes under the same names, so that nothing is there
//! twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lucarne_archive::data_keys::Slot;
use lucarne_archive::encryption::{Cipher, EncryptError, Encrypted};
use lucarne_archive::hold::Holds;
use lucarne_archive::segment::SegmentWriter;
use lucarne_archive::withhold::REVISIONS_MAX;
use lucarne_archive::{Archive, ArchiveError, Name, Put};
use lucarne_ledger::identity::{EpochId, LedgerId, LedgerKind, NotAnInstance};
use lucarne_otlp::Signal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::counters::Counters;
use crate::delivery::{Batch, Delivery, Refused};
use crate::epochs::{ArchivedHead, Epochs};
use crate::export::HostJob;
use crate::journal::{Journal, Level, Value};
use crate::register::SiteRegister;
use crate::run_of_batches::{self, Run};
use crate::wal::{Entry, Kind, Wal, WalError, WalReader};

/// Bytes of batches between the receivers and the log.
const WAITING_BYTES: u32 = 64 << 20;
/// Jobs between the receivers and the log.
const WAITING_JOBS: usize = 1024;
/// One group commit takes no further job when it has this many bytes.
const GROUP_BYTES: u64 = 4 << 20;
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// When a roll is closed, and how long it stays.
#[derive(Clone, Copy, Debug)]
pub struct RollLimits {
    /// Closed at this many bytes.
    pub bytes: u64,
    /// Closed at this age of its first entry.
    pub age: Duration,
    /// Archived rolls are kept up to this many bytes, so that exporters that keep up never read
    /// the archive.
    pub kept_bytes: u64,
}

/// What is to be written.
#[derive(Debug)]
pub struct Job {
    ledger: LedgerId,
    delivery: Delivery,
    urgent: bool,
    permit: Option<OwnedSemaphorePermit>,
    /// Told when the log has it. Whoever waits no longer was told, or tells, that it failed: such a
    /// job is not written.
    durable: Option<oneshot::Sender<()>>,
}

impl Job {
    /// A verified and screened batch.
    pub const fn batch(ledger: LedgerId, batch: Batch, urgent: bool) -> Self {
        Self { ledger, delivery: Delivery::Batch(batch), urgent, permit: None, durable: None }
    }

    /// Word of a batch that did not verify.
    pub const fn refused(ledger: LedgerId, refused: Refused) -> Self {
        Self {
            ledger,
            delivery: Delivery::Refused(refused),
            urgent: false,
            permit: None,
            durable: None,
        }
    }

    /// A message of a process on the host, for export; it goes into no file of the archive.
    ///
    /// # Errors
    /// Never: the name that stands for the gateway is a valid one.
    pub fn message(job: HostJob, json: Vec<u8>) -> Result<Self, NotAnInstance> {
        Self::unsealed(Delivery::Message(job, json), None)
    }

    /// Telemetry of the host, for export; `durable` is told when the log has it.
    ///
    /// # Errors
    /// Never: the name that stands for the gateway is a valid one.
    pub fn telemetry(
        signal: Signal,
        request: Vec<u8>,
        received_ns: u64,
        durable: oneshot::Sender<()>,
    ) -> Result<Self, NotAnInstance> {
        Self::unsealed(Delivery::Telemetry(signal, request, received_ns), Some(durable))
    }

    fn unsealed(
        delivery: Delivery,
        durable: Option<oneshot::Sender<()>>,
    ) -> Result<Self, NotAnInstance> {
        let ledger = LedgerId {
            instance: "gateway".parse()?,
            epoch: EpochId([0; 16]),
            kind: LedgerKind::Telemetry,
        };
        Ok(Self { ledger, delivery, urgent: false, permit: None, durable })
    }

    fn is_abandoned(&self) -> bool {
        self.durable.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn entry(&self) -> Entry {
        let kind = match self.delivery {
            Delivery::Batch(_) => Kind::Batch,
            Delivery::Refused(_) => Kind::Unverified,
            Delivery::Message(..) | Delivery::Telemetry(..) => Kind::Message,
        };
        Entry { kind, origin: self.ledger.clone(), payload: self.delivery.encode().into() }
    }

    fn size(&self) -> u32 {
        let bytes = match &self.delivery {
            Delivery::Batch(batch) => batch.bytes.len(),
            Delivery::Message(_, json) => json.len(),
            Delivery::Telemetry(_, request, _) => request.len(),
            Delivery::Refused(_) => 0,
        };
        u32::try_from(bytes).unwrap_or(WAITING_BYTES).clamp(1, WAITING_BYTES)
    }
}

/// Where receivers hand jobs to.
#[derive(Clone, Debug)]
pub struct Archiver {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
}

/// The archiver has stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stopped;

impl Archiver {
    /// Waits for room and hands a job over. A full disk is felt here, by whoever sends, and nowhere
    /// else.
    ///
    /// # Errors
    /// When the archiver has stopped.
    pub async fn send(&self, mut job: Job) -> Result<(), Stopped> {
        let room = Arc::clone(&self.room).acquire_many_owned(job.size()).await;
        job.permit = Some(room.map_err(|_| Stopped)?);
        self.jobs.send(job).await.map_err(|_| Stopped)
    }
}

/// Which objects each archived roll became; shared with the exporters.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<BTreeMap<u64, Arc<[Name]>>>>);

impl Names {
    /// The objects of a roll; empty when it is not archived.
    pub fn of(&self, roll: u64) -> Arc<[Name]> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&roll).cloned().unwrap_or_default()
    }

    pub(crate) fn insert(&self, roll: u64, names: &[Name]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(roll, names.into());
    }
}

/// What the exporters need of a recovered archiver.
#[derive(Clone)]
pub struct Archived {
    /// Reads the log.
    pub reader: WalReader,
    /// What became of its rolls.
    pub names: Names,
    /// Number of archived rolls: the first that is not.
    pub through: watch::Receiver<u64>,
}

/// The thread's state.
pub struct Worker {
    wal: Wal,
    archive: Arc<dyn Archive>,
    epochs: Arc<Epochs>,
    names: Names,
    holds: Holds,
    cipher: Option<Cipher>,
    register: Option<Arc<SiteRegister>>,
    limits: RollLimits,
    counters: Arc<Counters>,
    journal: Journal,
    jobs: mpsc::Receiver<Job>,
    archived: watch::Sender<u64>,
    roll: Roll,
}

/// The roll that is being filled.
#[derive(Debug, Default)]
struct Roll {
    batches: Vec<Batch>,
    entries: usize,
    bytes: u64,
    since: Option<Instant>,
    urgent: bool,
}

/// What stops the archiver.
#[derive(Debug)]
pub enum ArchiverError {
    /// The log is not what it wrote.
    Wal(WalError),
    /// The archive refuses for good.
    Archive(ArchiveError),
    /// Payloads cannot be encrypted, and so are not archived.
    Encrypt(EncryptError),
    /// A batch of the log no longer reads as one.
    Corrupt {
        /// The roll.
        roll: u64,
    },
}

impl std::fmt::Display for ArchiverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wal(error) => write!(f, "{error}"),
            Self::Archive(error) => write!(f, "{error}"),
            Self::Encrypt(error) => write!(f, "{error}"),
            Self::Corrupt { roll } => {
                write!(f, "roll {roll} of the write-ahead log is not what was written")
            }
        }
    }
}

impl std::error::Error for ArchiverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wal(error) => Some(error),
            Self::Archive(error) => Some(error),
            Self::Encrypt(error) => error.source(),
            Self::Corrupt { .. } => None,
        }
    }
}

/// What an archiver is made from.
pub struct Parts {
    /// The log, opened.
    pub wal: Wal,
    /// Where files go.
    pub archive: Arc<dyn Archive>,
    /// What keeps the log from being cut.
    pub holds: Holds,
    /// Encrypts payloads on their way into the archive, if they are to be erasable.
    pub cipher: Option<Cipher>,
    /// Where the ends of ledgers are noted, if the site keeps a register.
    pub register: Option<Arc<SiteRegister>>,
    /// Who is told.
    pub epochs: Arc<Epochs>,
    /// When rolls close.
    pub limits: RollLimits,
    /// Counters.
    pub counters: Arc<Counters>,
    /// The gateway's own messages.
    pub journal: Journal,
}

impl Worker {
    /// Archives what a crash left behind, and tells `epochs` what the archive holds.
    ///
    /// # Errors
    /// When log or archive cannot be used.
    pub fn recover(parts: Parts) -> Result<(Self, Archiver, Archived), ArchiverError> {
        let (sender, jobs) = mpsc::channel(WAITING_JOBS);
        let room = Arc::new(Semaphore::new(WAITING_BYTES as usize));
        let done = parts.wal.manifest().archived_through().map_or(0, |through| through + 1);
        let (archived, through) = watch::channel(done);
        let names = Names::default();
        let readers = Archived { reader: parts.wal.reader(), names: names.clone(), through };
        let mut worker = Self {
            wal: parts.wal,
            archive: parts.archive,
            epochs: parts.epochs,
            holds: parts.holds,
            cipher: parts.cipher,
            register: parts.register,
            names,
            limits: parts.limits,
            counters: parts.counters,
            journal: parts.journal,
            jobs,
            archived,
            roll: Roll::default(),
        };
        worker.tell_what_is_archived(done);
        worker.archive_leftovers(done)?;
        Ok((worker, Archiver { jobs: sender, room }, readers))
    }

    /// Works until every sender is gone and everything is archived.
    ///
    /// # Errors
    /// When log or archive cannot be used any longer.
    pub fn run(mut self, runtime: &tokio::runtime::Handle) -> Result<(), ArchiverError> {
        loop {
            let mut group = Vec::new();
            let wait = self.roll.since.map(|since| self.limits.age.saturating_sub(since.elapsed()));
            let first = runtime.block_on(async {
                match wait {
                    Some(wait) => tokio::time::timeout(wait, self.jobs.recv()).await,
                    None => Ok(self.jobs.recv().await),
                }
            });
            let ended = matches!(first, Ok(None));
            let mut next = first.ok().flatten();
            let mut bytes = 0;
            while let Some(job) = next {
                bytes += u64::from(job.size());
                group.push(job);
                next = if bytes < GROUP_BYTES { self.jobs.try_recv().ok() } else { None };
            }
            self.commit(group)?;
            if self.is_due() || (ended && self.roll.entries > 0) {
                self.close_roll()?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    fn is_due(&self) -> bool {
        let old = self.roll.since.is_some_and(|since| since.elapsed() >= self.limits.age);
        self.roll.entries > 0 && (old || self.roll.urgent || self.roll.bytes >= self.limits.bytes)
    }

    fn commit(&mut self, mut group: Vec<Job>) -> Result<(), ArchiverError> {
        let entries = self.logging("write-ahead log cannot be written", |worker| {
            group.retain(|job| !job.is_abandoned());
            let entries: Vec<Entry> = group.iter().map(Job::entry).collect();
            if !entries.is_empty() {
                worker.wal.append(&entries)?;
            }
            Ok(entries)
        })?;
        if entries.is_empty() {
            return Ok(());
        }
        self.counters.wal_bytes.add(entries.iter().map(|e| e.payload.len() as u64).sum());
        self.roll.since.get_or_insert_with(Instant::now);
        for job in group {
            self.roll.entries += 1;
            self.roll.bytes += u64::from(job.size());
            self.roll.urgent |= job.urgent;
            if let Some(durable) = job.durable {
                // Gone since it was written: it will say that it does not know.
                let _gone = durable.send(());
            }
            if let Delivery::Batch(batch) = job.delivery {
                self.roll.batches.push(batch);
            }
        }
        Ok(())
    }

    // A full disk stops the acknowledgement, not the process: senders wait, and it is tried again.
    fn retrying<T, E: std::fmt::Display>(
        &mut self,
        message: &'static str,
        is_retryable: fn(&E) -> bool,
        mut attempt: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            self.counters.stall.begin(Instant::now());
            match attempt(self) {
                Ok(done) => {
                    self.goes_on();
                    return Ok(done);
                }
                Err(error) if is_retryable(&error) => self.pause(message, &error.to_string()),
                // The last word: whoever called says it.
                Err(error) => return Err(error),
            }
        }
    }

    fn logging<T>(
        &mut self,
        message: &'static str,
        attempt: impl FnMut(&mut Self) -> Result<T, WalError>,
    ) -> Result<T, ArchiverError> {
        self.retrying(message, WalError::is_retryable, attempt).map_err(ArchiverError::Wal)
    }

    fn pause(&self, message: &'static str, error: &str) {
        self.counters.write_failures.add(1);
        // Said once: a bucket that refuses for a night is one message.
        if self.counters.stall.failed(&format!("{message}: {error}")) {
            self.journal.note(Level::Error, message, &[("error", Value::Text(error))]);
        }
        std::thread::park_timeout(RETRY);
    }

    fn goes_on(&self) {
        if let Some(lasted) = self.counters.stall.end() {
            let fields = [("seconds", Value::Number(lasted.as_secs()))];
            self.journal.note(Level::Information, "log and archive are written again", &fields);
        }
    }

    fn close_roll(&mut self) -> Result<(), ArchiverError> {
        let sealed =
            self.logging("write-ahead log cannot be closed", |worker| worker.wal.seal_roll())?;
        let roll = std::mem::take(&mut self.roll);
        sealed.map_or(Ok(()), |number| self.archive_roll(number, roll.batches))
    }

    fn archive_roll(&mut self, number: u64, batches: Vec<Batch>) -> Result<(), ArchiverError> {
        let runs =
            run_of_batches::cut(batches).map_err(|_| ArchiverError::Corrupt { roll: number })?;
        let mut names = Vec::with_capacity(runs.len());
        for run in &runs {
            names.push(self.archive_run(run, number)?);
        }
        self.logging("manifest cannot be written", |worker| worker.wal.record(number, &names))?;
        self.names.insert(number, &names);
        for run in &runs {
            let head = ArchivedHead { first: run.first, size: run.size, root: run.root };
            self.epochs.note_archived(&run.ledger, head);
            self.note_end(&run.ledger, run.size);
        }
        self.archived.send_replace(number + 1);
        self.counters.rolls.add(1);
        self.trim(number)
    }

    // An end that cannot be noted now is noted with the next epoch of its instance.
    fn note_end(&self, ledger: &LedgerId, size: u64) {
        let Some(register) = &self.register else { return };
        if let Err(error) = register.archived(ledger, size) {
            let fields = [("error", Value::Shown(&error))];
            self.journal.note(Level::Error, "cannot note the end of a ledger", &fields);
        }
    }

    // The log is bounded and cut behind the archive; a late exporter reads on from there. While
    // anything is held it stays, and a log that is full then refuses, which enclaves feel as a
    // delay.
    fn trim(&mut self, archived: u64) -> Result<(), ArchiverError> {
        if self.wal.total_bytes() > self.limits.kept_bytes && self.is_held() {
            return Ok(());
        }
        while self.wal.total_bytes() > self.limits.kept_bytes {
            let oldest = self.wal.reader().oldest().roll;
            if oldest > archived {
                break;
            }
            self.logging("write-ahead log cannot be trimmed", |worker| {
                worker.wal.remove_roll(oldest)
            })?;
        }
        Ok(())
    }

    // Holds that cannot be looked up hold: in doubt, nothing is lost.
    fn is_held(&self) -> bool {
        self.holds.any().unwrap_or(true)
    }

    // The records first and their head after them: a kill in between leaves a tail without an
    // anchor. The other way round it would leave an anchor beyond the archive, which is what
    // truncation looks like.
    fn archive_run(&mut self, run: &Run, roll: u64) -> Result<Name, ArchiverError> {
        let name = self.put_segment(run, roll)?;
        self.put(&Name::Checkpoint(run.checkpoint_name()), run.note().as_bytes())?;
        Ok(name)
    }

    fn put_segment(&mut self, run: &Run, roll: u64) -> Result<Name, ArchiverError> {
        let bytes = self.segment(run, roll)?;
        for revision in 0..REVISIONS_MAX {
            let name = Name::Seal(run.seal_name(revision));
            if self.put(&name, &bytes)? != Put::Different {
                self.counters.archive_puts.add(1);
                return Ok(name);
            }
            self.counters.conflicts.add(1);
            let fields = [("name", Value::Shown(&name))];
            self.journal.note(
                Level::Error,
                "the archive holds another object of this name",
                &fields,
            );
        }
        Err(ArchiverError::Corrupt { roll })
    }

    fn segment(&mut self, run: &Run, roll: u64) -> Result<Vec<u8>, ArchiverError> {
        let corrupt = || ArchiverError::Corrupt { roll };
        let mut writer = SegmentWriter::new().map_err(|_| corrupt())?;
        let mut crowded = 0;
        for batch in &run.batches {
            let encrypted = self.encrypt(run, &batch.bytes)?;
            crowded = crowded.max(encrypted.as_ref().map_or(0, |encrypted| encrypted.crowded));
            let bytes = encrypted.map(|encrypted| encrypted.bytes);
            writer.push(bytes.as_deref().unwrap_or(&batch.bytes)).map_err(|_| corrupt())?;
        }
        if crowded > 0 {
            let message = "too many tenants: records of further ones are erased with their day";
            let fields = [("tenants", Value::Number(crowded as u64))];
            self.journal.note(Level::Error, message, &fields);
        }
        Ok(writer.finish())
    }

    // A key that cannot be written now stops the acknowledgement like a full disk does.
    fn encrypt(&mut self, run: &Run, batch: &[u8]) -> Result<Option<Encrypted>, ArchiverError> {
        if self.cipher.is_none() {
            return Ok(None);
        }
        let slot = Slot::of(&run.seal_name(0));
        let is_retryable =
            |error: &EncryptError| matches!(error, EncryptError::Key(key) if key.is_retryable());
        let encrypted = self.retrying("data key cannot be written", is_retryable, |worker| {
            worker.cipher.as_ref().map_or(Ok(None), |cipher| cipher.encrypt(&slot, batch))
        });
        encrypted.map_err(ArchiverError::Encrypt)
    }

    fn put(&mut self, name: &Name, bytes: &[u8]) -> Result<Put, ArchiverError> {
        let message = "archive cannot be written";
        let put = self.retrying(message, ArchiveError::is_retryable, |worker| {
            worker.archive.put(name, bytes)
        });
        put.map_err(ArchiverError::Archive)
    }

    fn tell_what_is_archived(&self, done: u64) {
        for roll in 0..done {
            let Some(names) = self.wal.manifest().names(roll) else { continue };
            self.names.insert(roll, names);
            for name in names {
                let Name::Seal(seal) = name else { continue };
                let size = seal.last.saturating_add(1);
                let head = ArchivedHead { first: seal.first, size, root: seal.root };
                self.epochs.note_archived(&seal.ledger, head);
            }
        }
    }

    fn archive_leftovers(&mut self, done: u64) -> Result<(), ArchiverError> {
        self.logging("write-ahead log cannot be closed", |worker| worker.wal.seal_roll())?;
        for number in done..self.wal.current_roll() {
            let mut batches = Vec::new();
            for group in self.wal.reader().read_roll(number) {
                for entry in group.map_err(ArchiverError::Wal)?.entries {
                    let delivery = Delivery::decode(&entry.payload);
                    match delivery.map_err(|_| ArchiverError::Corrupt { roll: number })? {
                        Delivery::Batch(batch) => batches.push(batch),
                        Delivery::Refused(_) | Delivery::Message(..) | Delivery::Telemetry(..) => {}
                    }
                }
            }
            self.archive_roll(number, batches)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
