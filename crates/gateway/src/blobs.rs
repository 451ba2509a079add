//! Blocks that enclaves keep here: files of noise, by instance and epoch.
//!
//! The gateway cannot read them and is not believed about them; it only has to keep within its
//! bound. Nothing is synced: what a crash of the host loses is missed by the enclave and named.
//! A key ends with its epoch, so the files of an earlier epoch are removed when a later one begins
//! to use its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

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
/// A whole block.
const WHOLE: &str = ".blob";
/// One of which pieces are missing.
const PART: &str = ".part";

impl BlobsFile {
    pub(crate) fn beside(self, file: &Path) -> Blobs {
        let directory = file.parent().unwrap_or(Path::new("")).join(self.directory);
        Blobs { directory, bytes_max: self.max_bytes.unwrap_or(MAX_BYTES) }
    }
}

/// The directory of all instances.
#[derive(Clone, Debug)]
pub struct Blobs {
    directory: PathBuf,
    bytes_max: u64,
}

/// The blocks of one epoch.
#[derive(Debug)]
pub struct Shelf {
    directory: PathBuf,
    bytes_max: u64,
    bytes: u64,
}

impl Blobs {
    /// Opens the blocks of an epoch, and removes those of every other epoch of the instance.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn shelf(&self, instance: &Instance, epoch: EpochId) -> io::Result<Shelf> {
        let of_instance = self.directory.join(instance.as_str());
        let own = epoch.to_string();
        fs::create_dir_all(of_instance.join(&own))?;
        for entry in fs::read_dir(&of_instance)? {
            let entry = entry?;
            if entry.file_name() != own.as_str() && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let directory = of_instance.join(own);
        let mut bytes = 0_u64;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(PART) {
                fs::remove_file(entry.path())?;
            } else {
                bytes = bytes.saturating_add(entry.metadata()?.len());
            }
        }
        Ok(Shelf { directory, bytes_max: self.bytes_max, bytes })
    }
}

impl Shelf {
    /// Does what the enclave asks for.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub fn answer(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        match *request {
            Request::Put { name, total, offset, bytes } => self.put(name, total, offset, bytes),
            Request::Get { name, offset } => self.get(name, offset),
            Request::Remove { name } => {
                self.forget(name)?;
                remove(&self.file(name, PART))?;
                Ok(Answer::Done)
            }
            Request::List { after } => self.list(after),
        }
    }

    fn put(&mut self, name: BlobName, total: u64, offset: u64, bytes: &[u8]) -> io::Result<Answer> {
        if offset == 0 && self.bytes.saturating_add(total) > self.bytes_max {
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
            self.forget(name)?;
            fs::rename(&part, self.file(name, WHOLE))?;
            self.bytes = self.bytes.saturating_add(total);
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
        let bytes = remove(&self.file(name, WHOLE))?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Ok(())
    }

    fn file(&self, name: BlobName, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}{suffix}", to_hex(&name.0)))
    }
}

/// Removes a file that may not be there; its bytes.
fn remove(path: &Path) -> io::Result<u64> {
    let bytes = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    fs::remove_file(path)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: BlobName = BlobName([0, 0, 0, 0, 0, 0, 0, 7]);
    const OTHER: BlobName = BlobName([0, 0, 0, 2, 0, 0, 0, 7]);

    fn open(dir: &Path, epoch: u8, bytes_max: u64) -> Shelf {
        let blobs = Blobs { directory: dir.to_owned(), bytes_max };
        blobs.shelf(&"tee-1".parse().unwrap(), EpochId([epoch; 16])).unwrap()
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
        let mut shelf = open(dir.path(), 1, 100);
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
        let mut shelf = open(dir.path(), 1, 6);
        assert_eq!(put(&mut shelf, NAME, 4, 0, b"abcd"), Answer::Done);
        assert_eq!(put(&mut shelf, OTHER, 3, 0, b"abc"), Answer::Refused);
        assert_eq!(put(&mut shelf, OTHER, 2, 0, b"ab"), Answer::Done);
        // What is there is counted again when it is opened again.
        let mut shelf = open(dir.path(), 1, 6);
        assert_eq!(put(&mut shelf, BlobName([9; 8]), 1, 0, b"x"), Answer::Refused);
        shelf.answer(&Request::Remove { name: NAME }).unwrap();
        assert_eq!(put(&mut shelf, BlobName([9; 8]), 4, 0, b"abcd"), Answer::Done);
    }

    #[test]
    fn a_new_epoch_finds_nothing_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = open(dir.path(), 1, 100);
        put(&mut shelf, NAME, 3, 0, b"old");
        let mut later = open(dir.path(), 2, 100);
        assert_eq!(get(&mut later, NAME, 0), Answer::Nothing);
        assert_eq!(get(&mut shelf, NAME, 0), Answer::Nothing);
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
