//! The few system calls that durable storage is made of, behind a seam.
//!
//! The real one is [`RealDisk`]. Tests use a simulated disk that fails, tears and forgets at every
//! step, which no real file system does on request. Each call is one step: nothing here retries or
//! combines.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A file system. What was not synced may be lost or torn by a crash, in any order.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes one directory.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn make_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable, new ones and removed ones.
    ///
    /// # Errors
    /// What the system says; the names may or may not be durable then.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a new empty file for writing.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a new empty file for writing that only its owner may read.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn create_private(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.create(path)
    }

    /// Opens a file for writing at its end.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Readable + Send>>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Moves a file over another one, or to a new name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away from a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// What is in a directory, in no order.
    ///
    /// # Errors
    /// `NotFound`, or what the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Keeps other processes out for as long as the lock lives. Makes the file if it is not there.
    ///
    /// # Errors
    /// `WouldBlock` when somebody else has it, or what the system says.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
}

/// A file that is being read, from any place in it.
pub trait Readable: Read + Seek {}

impl<T: Read + Seek> Readable for T {}

/// A file that is being written.
pub trait DiskFile: fmt::Debug + Send {
    /// Writes all bytes at the end.
    ///
    /// # Errors
    /// What the system says; any part of the bytes may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    /// What the system says; a later success says nothing about what was written before the error.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// One name in a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirEntry {
    /// The name; bytes that are not UTF-8 are replaced, so such a name is never a valid one.
    pub name: String,
    /// What has it.
    pub kind: EntryKind,
    /// Bytes of a file, 0 for anything else.
    pub length: u64,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A link, a socket or another thing that Lucarne never makes and never follows.
    Other,
}

/// Holds a lock until it is dropped, or the process ends in whatever way.
pub struct Lock(#[expect(dead_code, reason = "held, never looked at")] Box<dyn Send + Sync>);

impl Lock {
    /// A lock that lasts as long as `holder` lives.
    pub fn held_by(holder: impl Send + Sync + 'static) -> Self {
        Self(Box::new(holder))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn create_private(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().append(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Readable + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        fs::read_dir(path)?.map(|entry| entry.and_then(|entry| dir_entry(&entry))).collect()
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock::held_by(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn dir_entry(entry: &fs::DirEntry) -> io::Result<DirEntry> {
    let file_type = entry.file_type()?; // of the entry itself: links are not followed
    let (kind, length) = if file_type.is_dir() {
        (EntryKind::Directory, 0)
    } else if file_type.is_file() {
        (EntryKind::File, entry.metadata()?.len())
    } else {
        (EntryKind::Other, 0)
    };
    Ok(DirEntry { name: entry.file_name().to_string_lossy().into_owned(), kind, length })
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // Length is part of what fdatasync makes durable; times are not needed.
        self.0.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}
