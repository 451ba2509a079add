//! Small files that survive a crash whole: the old content or the new one, never a mixture.
//!
//! For cursors and gate states. It writes beside the target, syncs, renames and syncs the
//! directory; it is not for logs or large data.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces the content of `path`; on return it is on the disk.
///
/// One writer at a time per path: the temporary name is fixed, so that a crash leaves one stray at
/// most.
///
/// # Errors
/// When a step fails; the old content is then still there, unless only the last sync failed.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let beside = path.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&beside, path)?;
    sync_directory(directory)
}

/// The content of `path`, or `None` if there is no such file; refuses more than `bytes_max`.
///
/// # Errors
/// When the file is there and cannot be read, or is too large to be ours.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    let read = io::Read::read_to_end(&mut io::Read::take(file, bytes_max + 1), &mut content)?;
    if read as u64 > bytes_max {
        Err(io::ErrorKind::FileTooLarge.into())
    } else {
        Ok(Some(content))
    }
}

/// Makes names created or renamed in `directory` durable.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_replaced_whole_and_strays_do_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.cursor");
        assert_eq!(read(&path, 10).unwrap(), None);
        std::fs::write(directory.path().join("a.cursor.new"), b"left by a crash, longer").unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), Some(b"two".to_vec()));
        assert_eq!(read(&path, 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let names: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["a.cursor"]);
    }
}
