//! A store over a directory that holds its own key: the blocks, and the file `key` beside them.
//!
//! The file names the epoch and has the key of the blocks. It is made once, is locked while the
//! store is open, and is never written again: without it the blocks are noise. With it they are
//! not, so the encryption protects copies of the blocks alone; a TEE keeps its key elsewhere.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::{Config, DirectoryError, Store, open_directory};
use crate::backend::disk::RealDisk;
use crate::crypt::{BlockCipher, CipherFailed, Epoch};

/// Why the directory cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyedError {
    /// The directory or its key file cannot be made, read or written.
    Io(io::Error),
    /// Another process has it open.
    InUse,
    /// The file `key` has another length than ours.
    NotOurs {
        /// Its length.
        bytes: u64,
    },
    /// The key cannot be made or used.
    Cipher(CipherFailed),
    /// There is no randomness for a new key.
    Randomness,
    /// The blocks cannot be read.
    Blocks(DirectoryError),
}

impl fmt::Display for KeyedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the directory or its key cannot be used"),
            Self::InUse => f.write_str("another process has it open"),
            Self::NotOurs { bytes } => write!(f, "the file key has {bytes} bytes, not 48"),
            Self::Cipher(_) => f.write_str("the key cannot be used"),
            Self::Randomness => f.write_str("there is no randomness for a key"),
            Self::Blocks(_) => f.write_str("the blocks cannot be read"),
        }
    }
}

impl std::error::Error for KeyedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(source) => Some(source),
            Self::Cipher(source) => Some(source),
            Self::Blocks(source) => Some(source),
            Self::InUse | Self::NotOurs { .. } | Self::Randomness => None,
        }
    }
}

/// Opens the store of a directory, and makes both when they are not there. The directory is this
/// store's for as long as the file is open.
///
/// # Errors
/// When it cannot be used, or is used already.
pub fn open_keyed(config: Config, path: &Path, now_ns: i64) -> Result<(Store, File), KeyedError> {
    let blocks = path.join("blocks");
    fs::create_dir_all(&blocks).map_err(KeyedError::Io)?;
    let (lock, epoch, key) = key(path)?;
    let cipher = BlockCipher::new(&key, epoch).map_err(KeyedError::Cipher)?;
    let store = open_directory(config, Arc::new(RealDisk), &blocks, cipher, now_ns);
    Ok((store.map_err(KeyedError::Blocks)?, lock))
}

/// 16 bytes that name the epoch, 32 bytes of key.
const KEY_FILE_BYTES: u64 = 48;

/// The locked file and its content; a new one where there is none.
fn key(path: &Path) -> Result<(File, Epoch, Zeroizing<[u8; 32]>), KeyedError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path.join("key")).map_err(KeyedError::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(KeyedError::Io(error)),
        Err(TryLockError::WouldBlock) => return Err(KeyedError::InUse),
    }
    let (mut epoch, mut key) = ([0; 16], Zeroizing::new([0; 32]));
    let done = match file.metadata().map_err(KeyedError::Io)?.len() {
        0 => {
            rand::fill(&mut epoch).map_err(|_| KeyedError::Randomness)?;
            rand::fill(&mut *key).map_err(|_| KeyedError::Randomness)?;
            file.write_all(&epoch)
                .and_then(|()| file.write_all(&*key))
                .and_then(|()| file.sync_all())
                .and_then(|()| File::open(path)?.sync_all())
        }
        KEY_FILE_BYTES => file.read_exact(&mut epoch).and_then(|()| file.read_exact(&mut *key)),
        bytes => return Err(KeyedError::NotOurs { bytes }),
    };
    done.map_err(KeyedError::Io)?;
    Ok((file, Epoch(epoch), key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Row;
    use crate::retention::Retention;
    use crate::stream::Mapping;

    fn config() -> Config {
        Config {
            mapping: Mapping::with_job(""),
            retention: Retention { bytes: 1 << 20, age_ns: i64::MAX },
            head_bytes: 64 << 10,
        }
    }

    #[test]
    fn the_key_is_made_once_and_opens_the_store_again() {
        let dir = tempfile::tempdir().unwrap();
        let (store, lock) = open_keyed(config(), dir.path(), 0).unwrap();
        let row = Row::new([("job", "j")], 1, "a line".to_owned(), Vec::new());
        assert_eq!(store.append(&[row], 0).unwrap().records, 1);
        let made = fs::read(dir.path().join("key")).unwrap();
        let again = open_keyed(config(), dir.path(), 0).unwrap_err();
        assert_eq!(again.to_string(), "another process has it open");
        drop((store, lock));
        let (store, _lock) = open_keyed(config(), dir.path(), 0).unwrap();
        assert_eq!(store.report().records, 1);
        assert_eq!(fs::read(dir.path().join("key")).unwrap(), made);
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), [0; 47]).unwrap();
        let error = open_keyed(config(), dir.path(), 0).unwrap_err();
        assert_eq!(error.to_string(), "the file key has 47 bytes, not 48");
    }
}
