//! A bag's folder: files read with a limit, written whole and durably, and listed without links.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::error::BundleError;
use super::path::BagPath;
use super::{ITEM_BYTES_MAX, ITEMS_MAX};
use crate::digest::Digest;

/// Folders within folders.
const DEPTH_MAX: usize = 8;

/// A whole file of at most `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, BundleError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(BundleError::file(path))?;
    if bytes.len() as u64 > most {
        return Err(BundleError::File {
            path: path.to_owned(),
            cause: io::Error::other(format!("longer than {most} bytes")),
        });
    }
    Ok(bytes)
}

/// SHA-256 of a payload file; nothing when there is none.
pub(super) fn digest(path: &Path) -> Result<Option<Digest>, BundleError> {
    // An encrypted item is a little longer than a clear one.
    match read(path, ITEM_BYTES_MAX as u64 * 2) {
        Ok(bytes) => Ok(Some(Digest::of(&bytes))),
        Err(BundleError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a file in its place: whole or not at all, and durable.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let write = || {
        let parent = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
        fs::create_dir_all(parent)?;
        let next = path.with_added_extension("next");
        let mut file = File::create(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(BundleError::file(path))
}

/// Appends to a file, durably.
pub(super) fn append(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(BundleError::file(path))
}

/// Every file of the folder, sorted; what is neither file nor folder, or has no name that a bag may
/// have, comes second.
pub(super) fn list(bag: &Path) -> Result<(Vec<BagPath>, Vec<String>), BundleError> {
    let (mut files, mut odd) = (Vec::new(), Vec::new());
    let mut open = vec![(String::new(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let at = bag.join(&folder);
        for entry in fs::read_dir(&at).map_err(BundleError::file(&at))? {
            let entry = entry.map_err(BundleError::file(&at))?;
            let kind = entry.file_type().map_err(BundleError::file(&at))?;
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() && depth < DEPTH_MAX {
                open.push((format!("{name}/"), depth + 1));
            } else {
                match name.parse() {
                    Ok(path) if kind.is_file() => files.push(path),
                    Ok(_) | Err(_) => odd.push(name),
                }
            }
            if files.len() + odd.len() > ITEMS_MAX + 1000 {
                return Err(BundleError::TooMuch { what: "files", most: ITEMS_MAX });
            }
        }
    }
    files.sort();
    odd.sort();
    Ok((files, odd))
}
