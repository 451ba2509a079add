//! Blocks that enclaves keep here: files of noise, by instance and epoch.
//!
//! The gateway cannot read them and is not believed about them; it only has to keep within its
//! bound. Nothing is synced: what a crash of the host loses is missed by the enclave and named.
//! A key ends with its epoch, so the files of other epochs are removed, but neither those of an
//! epoch that is connected, for two may overlap, nor those that were written to a moment ago.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lucarne_ledger::hash::{from_hex, to_hex};
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_link::blob::{Answer, BLOB_BYTES_MAX, BlobName, NAMES_MAX, PIECE_BYTES_MAX, Request};
use serde::Deserialize;

/// `blobs:` of the gateway's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlobsFile {
    directory: PathBuf,
    #[serde(default)]
    max_bytes: Option<u64>,
}

/// 4 GiB for each instance: days of a workload that fills an enclave of 256 MiB in an hour.
const MAX_BYTES: u64 = 4 << 30;
/// An epoch whose files were not changed for so long, and that is not connected, is over.
const ABANDONED: Duration = Duration::from_secs(3_600);
const FILE_BYTES_MIN: u64 = 4_096;
/// A whole block.
const WHOLE: &str = ".blob";
/// One of which pieces are missing.
const PART: &str = ".part";

impl BlobsFile {
    pub(crate) fn beside(self, file: &Path) -> Blobs {
        let directory = file.parent().unwrap_or(Path::new("")).join(self.directory);
        let bytes_max = self.max_bytes.unwrap_or(MAX_BYTES);
        Blobs { directory, bytes_max, open: Arc::default() }
    }
}

/// The directory of all instances.
#[derive(Clone, Debug)]
pub struct Blobs {
    directory: PathBuf,
    bytes_max: u64,
    open: Arc<Mutex<BTreeMap<PathBuf, usize>>>,
}

/// The blocks of one epoch.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    bytes_max: u64,
    bytes: u64,
    // the blob of which pieces came, and how long it will be
    part: Option<(BlobName, u64)>,
    is_broken: bool,
    _open: Open,
}

/// Word that a directory is in use, for as long as it lives.
#[derive(Debug)]
struct Open {
    directory: PathBuf,
    all: Arc<Mutex<BTreeMap<PathBuf, usize>>>,
}

impl Open {
    fn new(directory: &Path, all: &Arc<Mutex<BTreeMap<PathBuf, usize>>>) -> Self {
        let mut open = all.lock().unwrap_or_else(PoisonError::into_inner);
        *open.entry(directory.to_owned()).or_default() += 1;
        drop(open);
        Self { directory: directory.to_owned(), all: Arc::clone(all) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get_mut(&self.directory).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if count == 0 {
            open.remove(&self.directory);
        }
    }
}

impl Blobs {
    /// Opens the blocks of an epoch, and removes those of every other epoch of the instance that
    /// is neither connected nor was a while ago.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn shelf(&self, instance: &Instance, epoch: EpochId) -> io::Result<Shelf> {
        let of_instance = self.directory.join(instance.as_str());
        let own = epoch.to_string();
        let directory = of_instance.join(&own);
        fs::create_dir_all(&directory)?;
        let guard = Open::new(&directory, &self.open);
        self.sweep(&of_instance)?;
        let mut bytes = 0_u64;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(PART) {
                fs::remove_file(entry.path())?;
            } else {
                bytes = bytes.saturating_add(taken(entry.metadata()?.len()));
            }
        }
        let bytes_max = self.bytes_max;
        Ok(Shelf { directory, bytes_max, bytes, part: None, is_broken: false, _open: guard })
    }

    // While the lock is held no other epoch begins.
    fn sweep(&self, of_instance: &Path) -> io::Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in fs::read_dir(of_instance)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let age = metadata.modified()?.elapsed().unwrap_or_default();
            if metadata.is_dir() && age > ABANDONED && !open.contains_key(&entry.path()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Shelf {
    /// Does what the enclave asks for.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub fn answer(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let answer = match *request {
            Request::Put { name, total, offset, bytes } => self.put(name, total, offset, bytes),
            Request::Get { name, offset } => self.get(name, offset),
            Request::Remove { name } => self.remove(name),
            Request::List { after } => self.list(after),
        };
        self.is_broken |= answer.is_err();
        answer
    }

    /// Whether it must be opened again, since its files could not be used.
    pub(crate) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn remove(&mut self, name: BlobName) -> io::Result<Answer> {
        self.forget(name)?;
        if self.part.is_some_and(|(of, _)| of == name) {
            self.part = None;
            remove(&self.file(name, PART))?;
        }
        Ok(Answer::Done)
    }

    fn put(&mut self, name: BlobName, total: u64, offset: u64, bytes: &[u8]) -> io::Result<Answer> {
        if offset == 0 {
            if self.bytes.saturating_add(taken(total)) > self.bytes_max {
                return Ok(Answer::Refused);
            }
            // One blob at a time is in pieces: what was not ended is given up.
            if let Some((of, _)) = self.part.replace((name, total)).filter(|(of, _)| *of != name) {
                remove(&self.file(of, PART))?;
            }
        } else if self.part != Some((name, total)) {
            return Ok(Answer::Refused);
        }
        let part = self.file(name, PART);
        let mut options = OpenOptions::new();
        options.create(offset == 0).truncate(offset == 0).write(true);
        let mut file = options.open(&part)?;
        // Pieces come in order; after anything else the enclave begins anew.
        if file.metadata()?.len() != offset {
            return Ok(Answer::Refused);
        }
        file.seek(SeekFrom::End(0))?;
        file.write_all(bytes)?;
        if offset.saturating_add(bytes.len() as u64) == total {
            self.part = None;
            self.forget(name)?;
            fs::rename(&part, self.file(name, WHOLE))?;
            self.bytes = self.bytes.saturating_add(taken(total));
        }
        Ok(Answer::Done)
    }

    fn get(&self, name: BlobName, offset: u64) -> io::Result<Answer> {
        let mut file = match File::open(self.file(name, WHOLE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Answer::Nothing),
            Err(error) => return Err(error),
        };
        let total = file.metadata()?.len();
        if offset >= total || total > BLOB_BYTES_MAX {
            return Ok(Answer::Nothing);
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(PIECE_BYTES_MAX);
        file.take(PIECE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        Ok(if bytes.is_empty() { Answer::Nothing } else { Answer::Piece { total, bytes } })
    }

    fn list(&self, after: Option<BlobName>) -> io::Result<Answer> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let file = entry?.file_name();
            let digits = file.to_str().and_then(|file| file.strip_suffix(WHOLE));
            let name = digits.and_then(|digits| from_hex(digits).ok()).map(BlobName);
            names.extend(name.filter(|name| after.is_none_or(|after| *name > after)));
        }
        names.sort_unstable();
        names.truncate(NAMES_MAX);
        Ok(Answer::Names(names))
    }

    fn forget(&mut self, name: BlobName) -> io::Result<()> {
        if let Some(bytes) = remove(&self.file(name, WHOLE))? {
            self.bytes = self.bytes.saturating_sub(taken(bytes));
        }
        Ok(())
    }

    fn file(&self, name: BlobName, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}{suffix}", to_hex(&name.0)))
    }
}

/// What a file takes of a disk: no fewer bytes than one of its blocks.
const fn taken(bytes: u64) -> u64 {
    if bytes < FILE_BYTES_MIN { FILE_BYTES_MIN } else { bytes }
}

/// Removes a file that may not be there; its bytes.
fn remove(path: &Path) -> io::Result<Option<u64>> {
    let bytes = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::remove_file(path)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: BlobName = BlobName([0, 0, 0, 0, 0, 0, 0, 7]);
    const OTHER: BlobName = BlobName([0, 0, 0, 2, 0, 0, 0, 7]);

    fn open(dir: &Path, epoch: u8, bytes_max: u64) -> Shelf {
        let blobs = Blobs { directory: dir.to_owned(), bytes_max, open: Arc::default() };
        open_of(&blobs, epoch)
    }

    fn open_of(blobs: &Blobs, epoch: u8) -> Shelf {
        blobs.shelf(&"tee-1".parse().unwrap(), EpochId([epoch; 16])).unwrap()
    }

    /// As if nothing had been written there for longer than an epoch may be away.
    fn age(shelf: &Shelf) {
        let then = std::time::SystemTime::now() - ABANDONED - Duration::from_secs(1);
        File::open(&shelf.directory).unwrap().set_modified(then).unwrap();
    }

    fn put(shelf: &mut Shelf, name: BlobName, total: u64, offset: u64, bytes: &[u8]) -> Answer {
        shelf.answer(&Request::Put { name, total, offset, bytes }).unwrap()
    }

    fn get(shelf: &mut Shelf, name: BlobName, offset: u64) -> Answer {
        shelf.answer(&Request::Get { name, offset }).unwrap()
    }

    fn piece(total: u64, bytes: &[u8]) -> Answer {
        Answer::Piece { total, bytes: bytes.to_vec() }
    }

    #[test]
    fn a_blob_is_there_once_its_last_piece_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = open(dir.path(), 1, 1 << 20);
        assert_eq!(put(&mut shelf, NAME, 5, 0, b"abc"), Answer::Done);
        assert_eq!(get(&mut shelf, NAME, 0), Answer::Nothing);
        assert_eq!(put(&mut shelf, NAME, 5, 2, b"cde"), Answer::Refused);
        assert_eq!(put(&mut shelf, NAME, 5, 3, b"de"), Answer::Done);
        assert_eq!(get(&mut shelf, NAME, 0), piece(5, b"abcde"));
        assert_eq!(get(&mut shelf, NAME, 4), piece(5, b"e"));
        assert_eq!(get(&mut shelf, NAME, 5), Answer::Nothing);
        assert_eq!(put(&mut shelf, OTHER, 1, 0, b"x"), Answer::Done);
        let list = |shelf: &mut Shelf, after| shelf.answer(&Request::List { after }).unwrap();
        assert_eq!(list(&mut shelf, None), Answer::Names(vec![NAME, OTHER]));
        assert_eq!(list(&mut shelf, Some(NAME)), Answer::Names(vec![OTHER]));
        assert_eq!(shelf.answer(&Request::Remove { name: NAME }).unwrap(), Answer::Done);
        assert_eq!(shelf.answer(&Request::Remove { name: NAME }).unwrap(), Answer::Done);
        assert_eq!(list(&mut shelf, None), Answer::Names(vec![OTHER]));
    }

    #[test]
    fn a_shelf_that_is_full_takes_no_more_until_something_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = open(dir.path(), 1, 3 * FILE_BYTES_MIN);
        let more = FILE_BYTES_MIN + 1;
        assert_eq!(put(&mut shelf, NAME, 2 * FILE_BYTES_MIN + 1, 0, b"a"), Answer::Done);
        assert_eq!(put(&mut shelf, NAME, 3 * FILE_BYTES_MIN + 1, 1, b"a"), Answer::Refused);
        assert_eq!(put(&mut shelf, NAME, 4, 0, b"abcd"), Answer::Done);
        assert_eq!(put(&mut shelf, OTHER, 2 * more, 0, b"abc"), Answer::Refused);
        assert_eq!(put(&mut shelf, OTHER, 2, 0, b"ab"), Answer::Done);
        // What is there is counted again when it is opened again; the smallest takes a block.
        let mut shelf = open(dir.path(), 1, 3 * FILE_BYTES_MIN);
        assert_eq!(put(&mut shelf, BlobName([9; 8]), more, 0, b"x"), Answer::Refused);
        shelf.answer(&Request::Remove { name: NAME }).unwrap();
        assert_eq!(put(&mut shelf, BlobName([9; 8]), more, 0, b"abcd"), Answer::Done);
    }

    #[test]
    fn of_blobs_in_pieces_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = open(dir.path(), 1, 1 << 20);
        for n in 0..9 {
            assert_eq!(put(&mut shelf, BlobName([n; 8]), 5, 0, b"abc"), Answer::Done);
        }
        assert_eq!(fs::read_dir(&shelf.directory).unwrap().count(), 1);
        assert_eq!(put(&mut shelf, BlobName([7; 8]), 5, 3, b"de"), Answer::Refused);
        assert_eq!(put(&mut shelf, BlobName([8; 8]), 5, 3, b"de"), Answer::Done);
    }

    #[test]
    fn a_new_epoch_finds_nothing_of_one_that_is_over_and_takes_nothing_from_one_that_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let blobs =
            Blobs { directory: dir.path().to_owned(), bytes_max: 1 << 20, open: Arc::default() };
        let mut first = open_of(&blobs, 1);
        put(&mut first, NAME, 3, 0, b"old");
        age(&first);
        let mut second = open_of(&blobs, 2);
        assert_eq!(get(&mut second, NAME, 0), Answer::Nothing);
        assert_eq!(get(&mut first, NAME, 0), piece(3, b"old"), "it is connected");
        put(&mut second, OTHER, 3, 0, b"new");
        drop((first, second));
        drop(open_of(&blobs, 3));
        // The first was away for long, the second only for a moment.
        assert_eq!(get(&mut open_of(&blobs, 1), NAME, 0), Answer::Nothing);
        assert_eq!(get(&mut open_of(&blobs, 2), OTHER, 0), piece(3, b"new"));
    }

    #[test]
    fn what_a_stranger_has_put_there_is_no_answer_that_breaks_the_session() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = open(dir.path(), 1, 100);
        fs::write(shelf.file(NAME, WHOLE), b"").unwrap();
        assert_eq!(get(&mut shelf, NAME, 0), Answer::Nothing);
        let file = File::create(shelf.file(NAME, WHOLE)).unwrap();
        file.set_len(BLOB_BYTES_MAX + 1).unwrap();
        assert_eq!(get(&mut shelf, NAME, 0), Answer::Nothing);
        fs::write(shelf.directory.join("else.blob"), b"x").unwrap();
        assert_eq!(
            shelf.answer(&Request::List { after: None }).unwrap(),
            Answer::Names(vec![NAME])
        );
    }
}
