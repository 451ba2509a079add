//! A bucket that is watched: before each round, what is new in it is copied into the directory.
//!
//! What the copy has is not fetched again, so a round costs a listing and the new objects. Other
//! versions and delete markers come along as files that no archive has, and are findings. What an
//! administrator of the store removes without a trace stays in the copy: only a fresh copy misses
//! it.

use std::path::Path;

use lucarne_archive::pull::pull;
use lucarne_archive::{Directory, S3};

use crate::commands::archive::bucket;
use crate::failure::Failure;

/// A bucket and the directory that follows it.
pub(super) struct Feed {
    from: S3,
    to: Directory,
}

/// Objects that are fetched at a time.
const JOBS: usize = 4;

impl Feed {
    /// Opens both; the directory is made if it is not there.
    ///
    /// # Errors
    /// When the file is wrong, or the directory is somebody else's.
    pub(super) fn open(file: &Path, to: &Path) -> Result<Self, Failure> {
        let from = bucket::open(file)?;
        let to =
            Directory::open(to).map_err(|error| Failure::unreadable("open the copy", &error))?;
        Ok(Self { from, to })
    }

    /// Brings what is new.
    ///
    /// # Errors
    /// When the bucket cannot be read, or the directory not written; the next call goes on.
    pub(super) fn bring(&self) -> Result<(), Failure> {
        pull(&self.from, &self.to, "", JOBS, &|| ())
            .map(drop)
            .map_err(|error| Failure::unreadable("copy the archive", &error))
    }
}
