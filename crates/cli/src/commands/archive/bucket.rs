//! The bucket that a verb is about: one file says how it is reached.

use std::path::Path;

use lucarne_archive::{ArchiveError, S3};
use lucarne_gateway::config;

use crate::failure::Failure;

/// Opens a bucket for reading.
///
/// # Errors
/// When the file is wrong.
pub(in crate::commands) fn open(file: &Path) -> Result<S3, Failure> {
    let settings = config::read_s3(file).map_err(|error| Failure::usage(error.to_string()))?;
    S3::open_read_only(settings).map_err(|error| unreadable(&error))
}

/// The store could not be asked: that says nothing about what is in it.
pub(super) fn unreadable(error: &ArchiveError) -> Failure {
    Failure::unreadable("read the bucket", error)
}
