//! The directory of a view: its blocks, and the file `key` with the epoch and the key of them.
//!
//! The file is made once, is locked while a view is open, and is never written again: without it
//! the blocks are noise.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use lucarne_store::backend::disk::RealDisk;
use lucarne_store::crypt::{BlockCipher, Epoch};
use lucarne_store::store::open_directory;
use lucarne_store::{Config, Store};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// 16 bytes that name the epoch, 32 bytes of key.
const KEY_FILE_BYTES: usize = 48;

pub(super) fn open(path: &Path, config: Config, now_ns: i64) -> Result<(Store, File), Failure> {
    let what = format!("open the store {}", path.display());
    let unreadable = |error: &io::Error| Failure::because(Exit::Unreadable, &what, error);
    let blocks = path.join("blocks");
    fs::create_dir_all(&blocks).map_err(|error| unreadable(&error))?;
    let (lock, secret) = key(path).map_err(|error| unreadable(&error))?;
    let Some((epoch, key)) = secret.split_first_chunk::<16>() else {
        return Err(Failure::bug("a key of another length"));
    };
    let Ok(key) = <[u8; 32]>::try_from(key).map(Zeroizing::new) else {
        return Err(Failure::bug("a key of another length"));
    };
    let cipher = BlockCipher::new(&key, Epoch(*epoch))
        .map_err(|error| Failure::because(Exit::Bug, &what, &error))?;
    let store = open_directory(config, Arc::new(RealDisk), &blocks, cipher, now_ns)
        .map_err(|error| Failure::because(Exit::Unreadable, &what, &error))?;
    Ok((store, lock))
}

/// The locked file and its content; a new one where there is none.
fn key(path: &Path) -> io::Result<(File, Zeroizing<[u8; KEY_FILE_BYTES]>)> {
    let file = path.join("key");
    let mut secret = Zeroizing::new([0; KEY_FILE_BYTES]);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut opened = options.open(&file)?;
    match opened.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::other("another process has it open"));
        }
    }
    match opened.metadata()?.len() {
        0 => {
            rand::fill(&mut *secret).map_err(|_| io::Error::other("no randomness"))?;
            opened.write_all(&*secret)?;
            opened.sync_all()?;
            File::open(path)?.sync_all()?;
        }
        48 => opened.read_exact(&mut *secret)?,
        _ => return Err(io::Error::other("the file key is not one of ours")),
    }
    Ok((opened, secret))
}
