//! What a witness remembers, on a disk that may fail at any step.
//!
//! One file a log, named by the SHA-256 of its origin: the checkpoint cosigned last, with our own
//! cosignatures on it, which show when the disk has changed it. A new one is written beside,
//! synced, and renamed over the old one; then the directory is synced, and only then is there an
//! answer. When rename or sync fail, nobody knows which of the two is on the disk, so nothing more
//! is cosigned until the state is read again at the next start. One process at a time, one change
//! at a time.

use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lucarne_archive::disk::{Disk, Lock};
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::cosignature::CosignError;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::note::{NOTE_BYTES_MAX, NoteKey};
use lucarne_ledger::witness::{Held, Signed};

use super::AddError;

/// Why the state cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// A step failed, and has changed nothing.
    Disk {
        /// With which file or directory.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// Which state is on the disk is not known; start the witness again.
    Unsettled,
    /// A file is not what was written.
    Damaged {
        /// Its name.
        name: String,
    },
    /// Another process has this state.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// There are as many epochs as a witness takes.
    Full,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { path, .. } => write!(f, "state of the witness: {}", path.display()),
            Self::Unsettled => {
                write!(f, "which state is on the disk is not known: start the witness again")
            }
            Self::Damaged { name } => {
                write!(f, "state of the witness: {name} is not what was written")
            }
            Self::Locked { path } => {
                write!(f, "another process has the state of this witness, see {}", path.display())
            }
            Self::Full => write!(f, "witness knows {EPOCHS_MAX} epochs and takes no more"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk { source, .. } => Some(source),
            Self::Unsettled | Self::Damaged { .. } | Self::Locked { .. } | Self::Full => None,
        }
    }
}

/// The state of a witness.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    checkpoints: PathBuf,
    epochs: PathBuf,
    staging: PathBuf,
    _lock: Lock,
    /// Held from reading a state to having replaced it.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Numbers of staged files; each is used once in the life of the process.
    next_stage: u64,
    /// Set when the state on the disk is not known; never reset.
    unsettled: bool,
    epochs: usize,
}

impl Store {
    /// Opens the state in `root`, and makes it if only it is missing.
    ///
    /// # Errors
    /// `Locked` when another process has it; `Disk` when a step fails.
    pub fn open_on(disk: Arc<dyn Disk>, root: &Path) -> Result<Self, StoreError> {
        let [checkpoints, epochs, staging] =
            ["checkpoints", "epochs", ".staging"].map(|name| root.join(name));
        for path in [root, &checkpoints, &epochs, &staging] {
            match disk.make_dir(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(failed(path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        let path = root.join(".lock");
        let lock = disk.lock(&path).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => StoreError::Locked { path: path.clone() },
            _ => failed(&path)(error),
        })?;
        for entry in disk.list(&staging).map_err(failed(&staging))? {
            let path = staging.join(&entry.name);
            disk.remove(&path).map_err(failed(&path))?;
        }
        // A state that is merely visible may be the work of a process that died before its sync.
        for path in [root, &checkpoints, &epochs] {
            disk.sync_dir(path).map_err(failed(path))?;
        }
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent).map_err(failed(parent))?;
        }
        let known = disk.list(&epochs).map_err(failed(&epochs))?.len();
        let inner = Mutex::new(Inner { next_stage: 0, unsettled: false, epochs: known });
        Ok(Self { disk, checkpoints, epochs, staging, _lock: lock, inner })
    }

    /// Whether nothing was ever cosigned.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn is_new(&self) -> Result<bool, StoreError> {
        let list = self.disk.list(&self.checkpoints).map_err(failed(&self.checkpoints))?;
        Ok(list.is_empty())
    }

    /// Whether it still changes anything.
    pub fn is_settled(&self) -> bool {
        !self.lock().unsettled
    }

    /// Decides on a checkpoint, has it cosigned, and makes it the state. Gives the cosignatures.
    ///
    /// # Errors
    /// When it may not be cosigned, or cannot be kept; nothing was cosigned then.
    pub fn add(
        &self,
        signed: Signed,
        own: &[NoteKey],
        cosign: impl FnOnce(&Checkpoint) -> Result<Vec<String>, CosignError>,
    ) -> Result<Vec<String>, AddError> {
        let mut inner = self.lock();
        if inner.unsettled {
            return Err(AddError::Store(StoreError::Unsettled));
        }
        let name = Hash::of(signed.origin().as_bytes()).to_string();
        let held = self.held(&name, signed.origin(), own).map_err(AddError::Store)?;
        let accepted = signed.decide(held).map_err(AddError::Refused)?;
        let lines = cosign(accepted.head()).map_err(AddError::Cosign)?;
        let head = Held { size: accepted.head().size, root: accepted.head().root };
        // Asked again for the same: there is nothing to remember.
        if held != Some(head) {
            let note = [accepted.note(), &lines.concat()].concat();
            let path = self.checkpoints.join(&name);
            self.replace(&mut inner, &path, note.as_bytes()).map_err(AddError::Store)?;
        }
        Ok(lines)
    }

    /// The cosigned checkpoint of the log whose origin has this SHA-256.
    ///
    /// # Errors
    /// When it cannot be read, or may be newer than what is durable.
    pub fn note(&self, origin_sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if origin_sha256.parse::<Hash>().is_err() {
            return Ok(None);
        }
        // Under the lock: what is visible before its sync is nobody's to see.
        let inner = self.lock();
        if inner.unsettled {
            return Err(StoreError::Unsettled);
        }
        self.read(&self.checkpoints.join(origin_sha256), NOTE_BYTES_MAX)
    }

    /// What was kept of an epoch.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn epoch(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&self.epochs.join(name), EPOCH_BYTES_MAX)
    }

    /// Keeps an epoch, unless it is there: its name is the digest of what matters in it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn keep_epoch(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.unsettled {
            return Err(StoreError::Unsettled);
        }
        if self.epoch(name)?.is_some() {
            return Ok(());
        }
        if inner.epochs >= EPOCHS_MAX {
            return Err(StoreError::Full);
        }
        self.replace(&mut inner, &self.epochs.join(name), bytes)?;
        inner.epochs += 1;
        Ok(())
    }

    fn held(&self, name: &str, origin: &str, own: &[NoteKey]) -> Result<Option<Held>, StoreError> {
        let Some(note) = self.read(&self.checkpoints.join(name), NOTE_BYTES_MAX)? else {
            return Ok(None);
        };
        let damaged = || StoreError::Damaged { name: name.to_owned() };
        let note = std::str::from_utf8(&note).map_err(|_| damaged())?;
        let head = Checkpoint::open(note, own).map_err(|_| damaged())?;
        if head.origin != origin {
            return Err(damaged());
        }
        Ok(Some(Held { size: head.size, root: head.root }))
    }

    fn read(&self, path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let file = match self.disk.read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path)(error)),
        };
        let mut bytes = Vec::new();
        let limit = bytes_max as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).map_err(failed(path))?;
        if bytes.len() > bytes_max {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(StoreError::Damaged { name });
        }
        Ok(Some(bytes))
    }

    fn replace(&self, inner: &mut Inner, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let staged = self.staging.join(inner.next_stage.to_string());
        inner.next_stage += 1;
        let written = self.disk.create(&staged).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync()
        });
        if let Err(error) = written {
            // A stage that stays behind is removed at the next start.
            drop(self.disk.remove(&staged));
            return Err(failed(&staged)(error));
        }
        let directory = path.parent().unwrap_or(path);
        let settled = self.disk.rename(&staged, path).and_then(|()| self.disk.sync_dir(directory));
        settled.map_err(|error| {
            inner.unsettled = true;
            failed(path)(error)
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Disk { path: path.to_owned(), source }
}

/// A thousand instances that boot daily for three years.
const EPOCHS_MAX: usize = 1 << 20;

/// Binding, evidence, and at most sixteen files of collateral of half a megabyte.
const EPOCH_BYTES_MAX: usize = 9 << 20;

#[cfg(test)]
mod tests;
