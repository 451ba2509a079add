//! Blocks as files of a local directory: written aside, synced, then given their name.
//!
//! So a file with the name of a block is a whole block, at any crash. What was written aside and
//! never named is removed when the directory is opened. One process uses a directory at a time;
//! whoever opens it sees to that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::{Backend, BackendError};
use crate::block::{BlockId, STORED_BYTES_MAX};
use crate::crypt::OVERHEAD_BYTES;

const BLOCK_SUFFIX: &str = ".lsb";
const ASIDE_SUFFIX: &str = ".tmp";
const FILE_BYTES_MAX: u64 = (STORED_BYTES_MAX + OVERHEAD_BYTES) as u64;

/// Blocks in a directory.
pub struct Directory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({})", self.path.display())
    }
}

impl Directory {
    /// Opens an existing directory, and removes what a crash left half written.
    ///
    /// # Errors
    /// When it cannot be read or cleaned.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, BackendError> {
        let failed = |source| BackendError::Io { action: "open the directory", source };
        for name in disk.list(path).map_err(failed)? {
            if name.ends_with(ASIDE_SUFFIX) {
                disk.remove(&path.join(name)).map_err(failed)?;
            }
        }
        Ok(Self { disk, path: path.to_owned() })
    }

    fn file(&self, id: BlockId) -> PathBuf {
        self.path.join(format!("{id}{BLOCK_SUFFIX}"))
    }

    fn write(&self, id: BlockId, bytes: &[u8]) -> io::Result<()> {
        let aside = self.path.join(format!("{id}{ASIDE_SUFFIX}"));
        let mut file = self.disk.create(&aside)?;
        file.write_all(bytes)?;
        file.sync()?;
        self.disk.rename(&aside, &self.file(id))?;
        self.disk.sync_dir(&self.path)
    }
}

impl Backend for Directory {
    fn put(&self, id: BlockId, bytes: &Arc<[u8]>) -> Result<(), BackendError> {
        self.write(id, bytes).map_err(|source| BackendError::Io { action: "write a block", source })
    }

    fn get(&self, id: BlockId) -> Result<Option<Arc<[u8]>>, BackendError> {
        match self.disk.read(&self.file(id), FILE_BYTES_MAX + 1) {
            Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => {
                Err(BackendError::TooLong { bytes: bytes.len() as u64 })
            }
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BackendError::Io { action: "read a block", source }),
        }
    }

    fn list(&self) -> Result<Vec<BlockId>, BackendError> {
        let names = self.disk.list(&self.path);
        let names = names.map_err(|source| BackendError::Io { action: "list blocks", source })?;
        let id = |name: &String| BlockId::parse(name.strip_suffix(BLOCK_SUFFIX)?);
        Ok(names.iter().filter_map(id).collect())
    }

    fn remove(&self, id: BlockId) -> Result<(), BackendError> {
        let failed = |source| BackendError::Io { action: "remove a block", source };
        match self.disk.remove(&self.file(id)) {
            Ok(()) => self.disk.sync_dir(&self.path).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}
