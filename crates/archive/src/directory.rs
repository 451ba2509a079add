//! An archive in a local directory.
//!
//! An object is staged in `.staging/`, synced, and then gets its name by a hard link: a link fails
//! when the name exists, so nothing is ever replaced, and no reader sees half an object.
//! Directories above it are synced before, the directory that holds the name after. One process
//! writes at a time, kept by a lock file.
//!
//! It is not write-once: the operating system lets the owner of the files change and remove them.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, EntryKind, Lock, RealDisk};
use crate::hold::{self, Clearance, Holds};
use crate::name::Name;
use crate::store::{Archive, ArchiveError, Listing, OBJECT_BYTES_MAX, Put, Step};

mod walk;

use walk::Walk;

/// A directory as an archive.
pub struct Directory {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    writer: Option<Writer>,
}

/// What only the writing process has.
struct Writer {
    _lock: Lock,
    /// Numbers of staged files; a number is used once in the life of the process.
    next_stage: AtomicU64,
    /// Directories whose names are durable up to the root, as far as this process has seen to it. A
    /// directory that is merely there may have been made by a process that died before its sync.
    settled: Mutex<HashSet<PathBuf>>,
    /// Set when a name may or may not be durable; never reset.
    unsettled: AtomicBool,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes = self.writer.is_some();
        f.debug_struct("Directory").field("root", &self.root).field("writes", &writes).finish()
    }
}

impl Directory {
    /// Opens the archive at `root` for writing, and makes the directory if only it is missing.
    ///
    /// # Errors
    /// `Locked` when another process has it; `Disk` when a step fails.
    pub fn open(root: &Path) -> Result<Self, ArchiveError> {
        Self::open_on(Arc::new(RealDisk), root)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_on(disk: Arc<dyn Disk>, root: &Path) -> Result<Self, ArchiveError> {
        let staging = root.join(STAGING);
        for path in [root, &staging] {
            make_dir_if_missing(&*disk, path).map_err(failed(Step::Open, path))?;
        }
        let path = root.join(LOCK);
        let lock = disk.lock(&path).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ArchiveError::Locked { path: path.clone() },
            _ => failed(Step::Open, &path)(error),
        })?;
        for entry in disk.list(&staging).map_err(failed(Step::Open, &staging))? {
            let path = staging.join(&entry.name);
            disk.remove(&path).map_err(failed(Step::Open, &path))?;
        }
        // The root's own name is in a directory that may not be ours to sync; without it there is
        // nothing.
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent).map_err(failed(Step::Open, parent))?;
        }
        disk.sync_dir(root).map_err(failed(Step::Open, root))?;
        let writer = Writer {
            _lock: lock,
            next_stage: AtomicU64::new(0),
            settled: Mutex::new(HashSet::new()),
            unsettled: AtomicBool::new(false),
        };
        Ok(Self { root: root.to_owned(), disk, writer: Some(writer) })
    }

    /// Opens a copy of an archive, or one that another process writes, for reading. Changes
    /// nothing.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn open_read_only(root: &Path) -> Result<Self, ArchiveError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        disk.list(root).map_err(failed(Step::Open, root))?;
        Ok(Self { root: root.to_owned(), disk, writer: None })
    }

    /// Removes a file that no hold covers; on return that is durable.
    ///
    /// For what may be erased by order. A file that is not there is no error.
    ///
    /// # Errors
    /// When it is open for reading only, or the disk fails: the file may then be there or not, and
    /// the same call may be made again.
    pub fn remove(&self, clearance: &Clearance) -> Result<(), ArchiveError> {
        if self.writer.is_none() {
            return Err(ArchiveError::ReadOnly);
        }
        let path = self.root.join(clearance.seal().to_string());
        match self.disk.remove(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed(Step::Remove, &path)(error));
            }
            _ => {}
        }
        let folder = path.parent().unwrap_or(&self.root);
        self.disk.sync_dir(folder).map_err(failed(Step::Remove, folder))
    }

    /// The holds on what it has.
    pub fn holds(&self) -> Holds {
        Holds::at(Arc::clone(&self.disk), &Holds::folder_of(&self.root))
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The bytes beside their place, durable, under a name that no reader sees.
    fn stage(&self, writer: &Writer, bytes: &[u8]) -> Result<PathBuf, ArchiveError> {
        let number = writer.next_stage.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(STAGING).join(number.to_string());
        let written = self.disk.create(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync()
        });
        written.map(|()| path.clone()).map_err(|error| {
            self.unstage(&path);
            failed(Step::Stage, &path)(error)
        })
    }

    /// A stage that stays behind costs space until the next start and is otherwise harmless.
    fn unstage(&self, path: &Path) {
        drop(self.disk.remove(path));
    }

    /// Makes the directories above `path` and sees to it that they are durable.
    fn settle_parents(&self, writer: &Writer, path: &Path) -> Result<(), ArchiveError> {
        let above = path.ancestors().skip(1).take_while(|above| **above != self.root);
        let mut chain: Vec<&Path> = above.collect();
        chain.reverse();
        for directory in chain {
            let mut settled = writer.settled.lock().unwrap_or_else(PoisonError::into_inner);
            if settled.contains(directory) {
                continue;
            }
            let parent = directory.parent().unwrap_or(&self.root);
            make_dir_if_missing(&*self.disk, directory)
                .map_err(failed(Step::Parents, directory))?;
            self.disk.sync_dir(parent).map_err(failed(Step::Parents, parent))?;
            if settled.len() >= SETTLED_MAX {
                settled.clear();
            }
            settled.insert(directory.to_owned());
        }
        Ok(())
    }

    /// The name is there; makes sure that it stays.
    fn settle_name(&self, writer: &Writer, path: &Path) -> Result<(), ArchiveError> {
        let directory = path.parent().unwrap_or(&self.root);
        self.disk.sync_dir(directory).map_err(|error| {
            writer.unsettled.store(true, Ordering::Release);
            failed(Step::Settle, directory)(error)
        })
    }

    fn is_identical(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        let mut stored = self.disk.read(path)?;
        let mut rest = bytes;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = match stored.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match (read, rest.split_at_checked(read)) {
                (0, _) => return Ok(rest.is_empty()),
                (_, Some((head, tail))) if buffer.get(..read) == Some(head) => rest = tail,
                _ => return Ok(false),
            }
        }
    }

    /// Compares with what has the name already.
    fn put_existing(
        &self,
        writer: &Writer,
        path: &Path,
        bytes: &[u8],
    ) -> Result<Put, ArchiveError> {
        if !self.is_identical(path, bytes).map_err(failed(Step::Read, path))? {
            return Ok(Put::Different);
        }
        // The one who made it may have died before its name was durable, and we are about to vouch
        // for it.
        self.settle_parents(writer, path)?;
        self.settle_name(writer, path)?;
        Ok(Put::AlreadyIdentical)
    }
}

impl Archive for Directory {
    fn put(&self, name: &Name, bytes: &[u8]) -> Result<Put, ArchiveError> {
        let writer = self.writer.as_ref().ok_or(ArchiveError::ReadOnly)?;
        if writer.unsettled.load(Ordering::Acquire) {
            return Err(ArchiveError::Unsettled);
        }
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(ArchiveError::TooLarge { got: bytes.len() as u64 });
        }
        let path = self.root.join(name.to_string());
        let staged = self.stage(writer, bytes)?;
        let linked = self.settle_parents(writer, &path).and_then(|()| {
            match self.disk.link(&staged, &path) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(failed(Step::Link, &path)(error)),
            }
        });
        self.unstage(&staged);
        if linked? {
            self.settle_name(writer, &path)?;
            Ok(Put::Created)
        } else {
            self.put_existing(writer, &path, bytes)
        }
    }

    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let path = self.root.join(name.to_string());
        match self.disk.read(&path) {
            Ok(object) => Ok(object),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(ArchiveError::NotFound { name: Box::new(name.clone()) })
            }
            Err(error) => Err(failed(Step::Read, &path)(error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError> {
        let walk = Walk::new(Arc::clone(&self.disk), self.root.clone(), prefix)?;
        Ok(Box::new(walk))
    }
}

fn make_dir_if_missing(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.make_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn failed(step: Step, path: &Path) -> impl Fn(io::Error) -> ArchiveError {
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ArchiveError::Full { step },
        _ => ArchiveError::Disk { step, path: path.to_owned(), source },
    }
}

/// Whether an entry of the root belongs to the archive's own working.
fn is_own(depth: usize, name: &str, kind: EntryKind) -> bool {
    depth == 0
        && ((matches!(name, STAGING | hold::FOLDER) && kind == EntryKind::Directory)
            || (name == LOCK && kind == EntryKind::File))
}

const STAGING: &str = ".staging";
const LOCK: &str = ".lock";
const READ_BYTES: usize = 64 << 10; // large enough that comparing is as fast as the disk
const SETTLED_MAX: usize = 4096; // directories of years; forgetting them costs one sync each

#[cfg(test)]
mod tests;
