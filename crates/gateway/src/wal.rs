//! The write-ahead log: what passed the outer layer, durable before anything else is done with it.
//!
//! A directory of numbered rolls. Entries are appended in groups, one sync a group; a group
//! is there after a crash whole or not at all. A roll that is sealed becomes objects of the
//! archive, the manifest says which, and only then may it be removed, oldest first. The log is
//! bounded: when it is full, `append` says so and the enclave waits.
//!
//! When it cannot be known what is durable, the log stops and has to be opened again, which finds
//! out.

mod entry;
mod error;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod manifest;
mod reader;

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lucarne_archive::disk::{Disk, EntryKind, Lock, RealDisk};
use lucarne_archive::name::Name;

pub use entry::{Entry, Kind};
pub use error::{Step, WalError};
pub use manifest::Manifest;
pub use reader::{Group, NotAPosition, Position, WalReader};

use error::failed;
use frames::{End, FrameFile, HEADER_BYTES, Scanned, Tail};

/// How much the log may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of all rolls together, at least one group.
    pub total_bytes_max: u64,
}

/// What opening the log found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
    /// The rolls that are there, oldest first. All but the last are sealed.
    pub rolls: Vec<RollSummary>,
    /// Bytes of an unfinished group that were cut off; nobody was told that they were durable.
    pub torn_bytes: u64,
}

/// One roll.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RollSummary {
    /// Its number, from 0.
    pub number: u64,
    /// Its size on the disk.
    pub bytes: u64,
    /// Groups in it.
    pub groups: u64,
}

/// The log, open for writing. One process has it at a time.
pub struct Wal {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    limits: Limits,
    _lock: Lock,
    current: FrameFile,
    manifest: Manifest,
    shared: Arc<Shared>,
    /// The last group: memory that is asked for again and again costs more than its bytes do.
    group: Vec<u8>,
    /// Set when a name may or may not be durable; only opening again helps.
    broken: bool,
}

/// What readers know of the log.
struct Shared {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// Durable bytes of every roll that is there.
    committed: Mutex<BTreeMap<u64, u64>>,
}

impl Shared {
    fn committed(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        // A panic elsewhere leaves the map as it was before or after one insertion: both are true.
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Wal {
    /// Opens the log in `directory`, makes it if only it is missing, and recovers from whatever
    /// happened.
    ///
    /// # Errors `Locked`, `Corrupt` when something durable is not as it was written, `OtherFormat`
    /// when another build wrote it, `Missing` when a roll is gone that is not archived, or a disk
    /// that fails.
    pub fn open(directory: &Path, limits: Limits) -> Result<(Self, Recovered), WalError> {
        Self::open_on(Arc::new(RealDisk), directory, limits)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        limits: Limits,
    ) -> Result<(Self, Recovered), WalError> {
        let lock = enter(&*disk, directory)?;
        // It also syncs the directory, before the names in it are read: the last change to them may
        // have died with its process, and what is built on them has to last.
        let manifest = Manifest::open(Arc::clone(&disk), directory)?;
        let numbers = list_rolls(&*disk, directory)?;
        check_numbers(&numbers, manifest.archived_through())?;
        let (current, recovered) = recover_rolls(&disk, directory, &numbers)?;
        let committed = recovered.rolls.iter().map(|roll| (roll.number, roll.bytes)).collect();
        let shared = Shared {
            disk: Arc::clone(&disk),
            directory: directory.to_owned(),
            committed: Mutex::new(committed),
        };
        let wal = Self {
            disk,
            directory: directory.to_owned(),
            limits,
            _lock: lock,
            current,
            manifest,
            shared: Arc::new(shared),
            group: Vec::new(),
            broken: false,
        };
        Ok((wal, recovered))
    }

    /// Makes the entries durable, all or none, and says where they begin.
    ///
    /// # Errors `Full` and `NoSpace` may pass when rolls are removed; `RollFull` asks for
    /// [`Self::seal_roll`]. After `Broken` nobody knows whether the group is there: open the log
    /// again.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Position, WalError> {
        self.check()?;
        if self.group.capacity() > GROUP_BYTES_KEPT {
            self.group = Vec::new();
        }
        entry::encode(entries, &mut self.group)?;
        let added = frames::framed_bytes(&self.group);
        let bytes = self.total_bytes().saturating_add(added);
        if bytes > self.limits.total_bytes_max {
            return Err(WalError::Full { bytes, bytes_max: self.limits.total_bytes_max });
        }
        if self.current.end() > ROLL_BYTES_MAX {
            return Err(WalError::RollFull { roll: self.current.number() });
        }
        let offset = self.current.append(&self.group)?;
        let roll = self.current.number();
        self.shared.committed().insert(roll, self.current.end());
        Ok(Position { roll, offset })
    }

    /// Ends the current roll and begins the next; the number of the one that ended, or `None` when
    /// it is empty and goes on.
    ///
    /// # Errors
    /// When the disk fails. The roll then goes on, unless the error is `Broken`.
    pub fn seal_roll(&mut self) -> Result<Option<u64>, WalError> {
        self.check()?;
        if self.current.is_empty() {
            return Ok(None);
        }
        let sealed = self.current.number();
        let next = match begin_roll(&self.disk, &self.directory, sealed + 1) {
            Ok(next) => next,
            Err(error) => {
                self.broken = !error.is_retryable();
                return Err(error);
            }
        };
        self.shared.committed().insert(next.number(), next.end());
        self.current = next;
        Ok(Some(sealed))
    }

    /// Records which objects a sealed roll became. Durable on return; the same record again is no
    /// error.
    ///
    /// # Errors
    /// `NotSealed`, `OutOfOrder` and `Conflict` are mistakes of the caller; else the disk fails.
    pub fn record(&mut self, roll: u64, names: &[Name]) -> Result<(), WalError> {
        if roll >= self.current.number() {
            return Err(WalError::NotSealed { roll });
        }
        self.manifest.record(roll, names)
    }

    /// Removes the oldest roll, once it is archived.
    ///
    /// # Errors
    /// `NotOldest` and `NotArchived` are mistakes of the caller; else the disk fails.
    pub fn remove_roll(&mut self, roll: u64) -> Result<(), WalError> {
        self.check()?;
        let oldest = self.oldest();
        if roll != oldest || roll == self.current.number() {
            return Err(WalError::NotOldest { roll, oldest });
        }
        if self.manifest.archived_through().is_none_or(|through| roll > through) {
            return Err(WalError::NotArchived { roll });
        }
        let path = roll_path(&self.directory, roll);
        match self.disk.remove(&path) {
            // An attempt that reported an error may have done it all the same.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed(Step::Remove, &path)(error));
            }
            _ => {}
        }
        self.shared.committed().remove(&roll);
        // Unsynced removals may come back in any order and leave a hole.
        self.disk.sync_dir(&self.directory).map_err(|source| {
            self.broken = true;
            WalError::Broken { path: self.directory.clone(), source }
        })
    }

    /// Forgets the names of rolls before `roll`, which no exporter will ask for again.
    ///
    /// # Errors
    /// When the disk fails; the names are then still known.
    pub fn forget_before(&mut self, roll: u64) -> Result<(), WalError> {
        self.manifest.forget_before(roll)
    }

    /// Says whether everything in it is archived.
    ///
    /// # Errors
    /// `NotArchived` with the first roll that is not.
    pub fn check_archived(&self) -> Result<(), WalError> {
        let first = self.manifest.archived_through().map_or(0, |through| through.saturating_add(1));
        let whole = first == self.current.number() && self.current.is_empty();
        if whole { Ok(()) } else { Err(WalError::NotArchived { roll: first }) }
    }

    /// Which objects the rolls became.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A reader that sees what is durable, while this writes on.
    pub fn reader(&self) -> WalReader {
        WalReader::new(Arc::clone(&self.shared))
    }

    /// Bytes of all rolls.
    pub fn total_bytes(&self) -> u64 {
        self.shared.committed().values().sum()
    }

    /// Bytes of the roll that is being written: what decides when it is sealed.
    pub const fn roll_bytes(&self) -> u64 {
        self.current.end()
    }

    /// Number of the roll that is being written.
    pub const fn current_roll(&self) -> u64 {
        self.current.number()
    }

    fn oldest(&self) -> u64 {
        self.shared.committed().keys().next().copied().unwrap_or(self.current.number())
    }

    fn check(&self) -> Result<(), WalError> {
        if self.broken || self.current.is_broken() { Err(WalError::Stopped) } else { Ok(()) }
    }
}

/// Makes the directory if need be and keeps others out.
fn enter(disk: &dyn Disk, directory: &Path) -> Result<Lock, WalError> {
    match disk.make_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed(Step::Open, directory)(error));
        }
        _ => {}
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        disk.sync_dir(parent).map_err(failed(Step::Open, parent))?;
    }
    let path = directory.join(LOCK);
    disk.lock(&path).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => WalError::Locked { path: path.clone() },
        _ => failed(Step::Open, &path)(error),
    })
}

/// The numbers of the rolls that are there, in order.
fn list_rolls(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, WalError> {
    let mut numbers = Vec::new();
    for entry in disk.list(directory).map_err(failed(Step::Open, directory))? {
        if entry.name == LOCK || manifest::is_own(&entry.name) {
            continue;
        }
        let number = entry.name.strip_suffix(ROLL_SUFFIX).and_then(|digits| digits.parse().ok());
        match number {
            Some(number) if roll_name(number) == entry.name && entry.kind == EntryKind::File => {
                numbers.push(number);
            }
            _ => return Err(WalError::Stray { path: directory.join(entry.name) }),
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// No roll is missing between the archived ones and the last.
fn check_numbers(numbers: &[u64], archived_through: Option<u64>) -> Result<(), WalError> {
    let unarchived = archived_through.map_or(0, |through| through.saturating_add(1));
    let Some(&oldest) = numbers.first() else {
        // A log that never began has no roll; one that did has a current one at any time.
        return if unarchived == 0 { Ok(()) } else { Err(WalError::Missing { roll: unarchived }) };
    };
    if oldest > unarchived {
        return Err(WalError::Missing { roll: unarchived });
    }
    for (expected, &number) in (oldest..).zip(numbers) {
        if number != expected {
            return Err(WalError::Missing { roll: expected });
        }
    }
    match numbers.last() {
        Some(&last) if last < unarchived => Err(WalError::Missing { roll: unarchived }),
        _ => Ok(()),
    }
}

/// Reads every roll through; the last one may be torn and is mended.
fn recover_rolls(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    numbers: &[u64],
) -> Result<(FrameFile, Recovered), WalError> {
    let mut recovered = Recovered { rolls: Vec::new(), torn_bytes: 0 };
    let Some((&last, sealed)) = numbers.split_last() else {
        let first = begin_roll(disk, directory, 0)?;
        recovered.rolls.push(RollSummary { number: 0, bytes: first.end(), groups: 0 });
        return Ok((first, recovered));
    };
    let accept = &mut |body: &[u8]| entry::decode(&Bytes::copy_from_slice(body)).is_some();
    for &number in sealed {
        let path = roll_path(directory, number);
        let scanned = frames::scan(&**disk, &path, ROLL_MAGIC, number, Tail::Whole, accept)?;
        let Scanned::UpTo(End { bytes, frames: groups, .. }) = scanned else {
            return Err(WalError::Corrupt { path, offset: 0 });
        };
        recovered.rolls.push(RollSummary { number, bytes, groups });
    }
    let path = roll_path(directory, last);
    let (current, groups) =
        match frames::scan(&**disk, &path, ROLL_MAGIC, last, Tail::MayBeTorn, accept)? {
            // It died while the roll began.
            Scanned::Begun { torn_bytes } => {
                recovered.torn_bytes = torn_bytes;
                (begin_roll(disk, directory, last)?, 0)
            }
            Scanned::UpTo(end) => {
                recovered.torn_bytes = end.torn_bytes;
                (FrameFile::resume(&**disk, &path, last, end)?, end.frames)
            }
        };
    recovered.rolls.push(RollSummary { number: last, bytes: current.end(), groups });
    Ok((current, recovered))
}

/// A new roll, empty and durable. What a failed attempt left behind is replaced.
fn begin_roll(disk: &Arc<dyn Disk>, directory: &Path, number: u64) -> Result<FrameFile, WalError> {
    let path = roll_path(directory, number);
    match disk.remove(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(failed(Step::Roll, &path)(error));
        }
        _ => {}
    }
    let file = FrameFile::create(&**disk, &path, ROLL_MAGIC, number)?;
    disk.sync_dir(directory)
        .map_err(|source| WalError::Broken { path: directory.to_owned(), source })?;
    Ok(file)
}

fn roll_name(number: u64) -> String {
    format!("{number:020}{ROLL_SUFFIX}")
}

fn roll_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(roll_name(number))
}

const LOCK: &str = ".lock";
const ROLL_SUFFIX: &str = ".wal";
const GROUP_BYTES_KEPT: usize = 2 << 20; // a few ordinary batches
const ROLL_MAGIC: &[u8; 8] = b"LUCWAL03";
/// Eight times what a segment takes: a roll is sealed long before, and recovery may hold one in
/// memory.
const ROLL_BYTES_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;
