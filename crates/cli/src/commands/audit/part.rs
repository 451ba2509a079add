//! A copy of a part of an archive: one day's folder, or what lies in one, without the folders that
//! stood above it.
//!
//! `aws s3 cp --recursive` of `<prefix>/<yyyy>/<mm>/<dd>/` leaves such a copy. The folders that are
//! missing above are told from a statement inside, unchecked, and are never more than names: every
//! batch is verified against what it says itself. A directory that has any file under its whole
//! name is an archive, and is not looked at in this way.

use std::io::Read;
use std::path::{Path, PathBuf};

use lucarne_archive::name::Date;
use lucarne_archive::segment::SegmentReader;
use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, ArchiveError, Directory, Name, Put};
use lucarne_ledger::batch;
use lucarne_ledger::statement::Statement;

use super::catalogue::unreadable;
use crate::failure::{Exit, Failure};

/// What was found at `--records-dir`.
pub(super) struct Source {
    /// Its objects, under their whole names.
    pub(super) archive: Box<dyn Archive>,
    /// The folders above, as they were recovered, if it is a copy of a part.
    pub(super) above: Option<String>,
}

/// Opens an archive, or a copy of a part of one.
///
/// # Errors
/// When it cannot be read, or no file of a part says what it is a part of.
pub(super) fn open(root: &Path) -> Result<Source, Failure> {
    let directory = Directory::open_read_only(root).map_err(|error| unreadable(&error))?;
    let Some(candidates) = partial_paths(&directory)? else {
        return Ok(Source { archive: Box::new(directory), above: None });
    };
    let above = candidates.iter().find_map(|path| above(root, path)).ok_or_else(|| {
        let text = "no file here says what this is a copy of";
        Failure::new(Exit::CouldNotTell, text).hint("copy the folders above it too")
    })?;
    let part = Part { directory, above: above.clone() };
    Ok(Source { archive: Box::new(part), above: Some(above) })
}

/// The paths of segments whose names are not whole; `None` in an archive.
fn partial_paths(directory: &Directory) -> Result<Option<Vec<String>>, Failure> {
    let mut found = Vec::new();
    for name in directory.list("").map_err(|error| unreadable(&error))? {
        match name {
            Ok(Name::Seal(_)) => return Ok(None),
            Ok(_) => {}
            Err(ArchiveError::Stray { path }) => {
                let text = path.to_string_lossy();
                if found.len() < CANDIDATES_MAX && whole_name(&text, &stand_in()).is_some() {
                    found.push(text.into_owned());
                }
            }
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok((!found.is_empty()).then_some(found))
}

/// Files that are opened to tell where a copy comes from.
const CANDIDATES_MAX: usize = 1_000;

/// The folders above the copy, if this file says whose it is.
fn above(root: &Path, path: &str) -> Option<String> {
    let file = std::fs::File::open(root.join(path)).ok()?;
    let mut reader = SegmentReader::open(file).ok()?;
    let (first, _) = batch::split_first(reader.next_frame().ok()??.content);
    let name = whole_name(path, &folders(&batch::claimed_statement(first).ok()?))?;
    Some(name.strip_suffix(path)?.to_owned())
}

/// The folders of a segment whose first statement this is.
fn folders(statement: &Statement) -> String {
    format!("{}/{}", Date::of_unix_ms(statement.time_ms), statement.ledger)
}

/// Folders that every path could lie in.
fn stand_in() -> String {
    format!("2000/01/01/any/{}/audit", "0".repeat(32))
}

/// The path with as many of `folders` before it as it lacks, if that names a segment.
fn whole_name(path: &str, folders: &str) -> Option<String> {
    let folders: Vec<&str> = folders.split('/').collect();
    let own = path.split('/').count();
    let missing = (folders.len() + 1).checked_sub(own).filter(|missing| *missing > 0)?;
    let name = [folders.get(..missing)?, &[path]].concat().join("/");
    match name.parse() {
        Ok(Name::Seal(_)) => Some(name),
        Ok(_) | Err(_) => None,
    }
}

/// The copy as a part of the archive it was taken from. `epochs/` and `checkpoints/` may lie beside
/// it under their own names.
struct Part {
    directory: Directory,
    /// Ends with a slash.
    above: String,
}

impl Archive for Part {
    fn put(&self, _name: &Name, _bytes: &[u8]) -> Result<Put, ArchiveError> {
        Err(ArchiveError::ReadOnly)
    }

    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let whole = name.to_string();
        let path = whole.strip_prefix(&self.above).unwrap_or(&whole);
        open_file(&self.directory.root().join(path), name)
    }

    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError> {
        let inner = match prefix.strip_prefix(&self.above) {
            Some(inner) => inner,
            None if self.above.starts_with(prefix) => "",
            None => prefix,
        };
        let (above, prefix) = (self.above.clone(), prefix.to_owned());
        let names = self.directory.list(inner)?.map(move |name| match name {
            Err(ArchiveError::Stray { path }) => {
                let whole = format!("{above}{}", path.to_string_lossy());
                whole.parse().map_err(|_| ArchiveError::Stray { path })
            }
            other => other,
        });
        let wanted = move |name: &Result<Name, ArchiveError>| {
            name.as_ref().map_or(true, |name| name.to_string().starts_with(&prefix))
        };
        Ok(Box::new(names.filter(wanted)))
    }
}

/// An archive whose epochs' files lie in another directory, or do so too.
pub(super) struct WithEvidence {
    archive: Box<dyn Archive>,
    directory: PathBuf,
}

impl WithEvidence {
    /// Looks for the files of epochs in `directory` first: a copy of the archive's `epochs/`, or of
    /// one folder in it.
    pub(super) fn new(archive: Box<dyn Archive>, directory: PathBuf) -> Self {
        Self { archive, directory }
    }
}

impl Archive for WithEvidence {
    fn put(&self, _name: &Name, _bytes: &[u8]) -> Result<Put, ArchiveError> {
        Err(ArchiveError::ReadOnly)
    }

    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        if matches!(name, Name::Epoch(_)) {
            let whole = name.to_string();
            let mut path = Some(whole.as_str());
            while let Some(inner) = path {
                match open_file(&self.directory.join(inner), name) {
                    Err(ArchiveError::NotFound { .. }) => {}
                    other => return other,
                }
                path = inner.split_once('/').map(|(_, rest)| rest);
            }
        }
        self.archive.open(name)
    }

    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError> {
        self.archive.list(prefix)
    }
}

fn open_file(path: &Path, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
    match std::fs::File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(ArchiveError::NotFound { name: Box::new(name.clone()) })
        }
        Err(source) => Err(ArchiveError::Disk {
            step: lucarne_archive::store::Step::Read,
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{stand_in, whole_name};

    #[test]
    fn a_path_is_completed_by_exactly_the_folders_it_lacks() {
        let folders = format!("2026/05/25/nitro-001/{}/audit", "ab".repeat(16));
        let file = format!("{:020}-{:020}-{}.r0.seal", 3, 5, "0".repeat(64));
        let whole = format!("{folders}/{file}");
        let parts: Vec<&str> = whole.split('/').collect();
        for lacking in 1..parts.len() {
            let path = parts[lacking..].join("/");
            assert_eq!(whole_name(&path, &folders), Some(whole.clone()), "{path}");
            assert!(whole_name(&path, &stand_in()).is_some(), "{path}");
        }
        assert_eq!(whole_name(&whole, &folders), None, "it lacks nothing");
        assert_eq!(whole_name(&format!("x/{file}"), &folders), None, "x is no ledger");
        assert_eq!(whole_name("notes.txt", &folders), None);
    }
}
