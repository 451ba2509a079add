//! Where signed log batches lie: `.json` files with one each, `.jsonl` files with one a line.
//!
//! Folders are read to a bounded depth and links are not followed. A file that cannot be read ends
//! the command, since what is in it may matter.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use lucarne_ledger::json_batch::JSON_BATCH_BYTES_MAX;

use crate::failure::Failure;

/// Where a batch lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    /// Counted from 1, in a file with a batch a line.
    pub(super) line: Option<u64>,
}

/// What a folder has.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files with batches.
    pub(super) files: Vec<PathBuf>,
    /// How many other files there are.
    pub(super) ignored: u64,
}

/// A run is judged in memory, some 300 bytes a batch.
pub(super) const BATCHES_MAX: usize = 1_000_000;
/// Year, month, day, instance and as much again.
const DEPTH_MAX: usize = 16;

/// The file itself, or the files of the folder in the order of their names.
///
/// # Errors
/// When a folder cannot be read or is too deep.
pub(super) fn find(path: &Path) -> Result<Found, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let mut found = Found::default();
    if metadata.is_dir() {
        visit(path, 0, &mut found)?;
    } else {
        found.files.push(path.to_owned());
    }
    Ok(found)
}

fn visit(folder: &Path, depth: usize, found: &mut Found) -> Result<(), Failure> {
    if depth == DEPTH_MAX {
        return Err(Failure::usage(format!("{}: folders are too deep", folder.display())));
    }
    let failed = |error: std::io::Error| unreadable(folder, &error);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() {
            visit(&path, depth + 1, found)?;
        } else if kind.is_file() && (is(&path, &["json"]) || is(&path, LINES)) {
            found.files.push(path);
        } else {
            found.ignored += 1;
        }
    }
    Ok(())
}

/// Takes each batch in turn.
type Each<'e> = &'e mut dyn FnMut(Place, &[u8]) -> Result<(), Failure>;

/// Hands out every batch of a file. One that is too long is handed out cut, and is too long still.
///
/// # Errors
/// When the file cannot be read, or `each` fails.
pub(super) fn each(path: &Path, each: Each<'_>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let place = |line| Place { file: path.to_owned(), line };
    if !is(path, LINES) {
        let mut bytes = Vec::new();
        file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
        return each(place(None), &bytes);
    }
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if (&mut file).take(LIMIT).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n");
        if !line.trim_ascii().is_empty() {
            each(place(Some(number)), &line)?;
        }
        if !whole {
            file.skip_until(b'\n').map_err(failed)?;
        }
    }
    Ok(())
}

fn is(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|found| endings.iter().any(|ending| found == *ending))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unreadable(&format!("read {}", path.display()), error)
}

const LINES: &[&str] = &["jsonl", "ndjson"];
/// One byte more than a batch may have, so that too much is seen as such.
const LIMIT: u64 = JSON_BATCH_BYTES_MAX as u64 + 1;
