//! Cursors: how far an exporter has come, as one small file that survives a crash whole.
//!
//! The cursor is written after the receiver has taken the items, so a crash in between delivers
//! them again and never loses them. What a sink needs to make that exact (the lengths of its files)
//! is in the same file, because two files could disagree.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable_file;
use crate::export::Position;

/// The cursor of one exporter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// Where to read on.
    pub position: Position,
    /// Lengths of the files of a sink that writes files, by file name.
    pub lengths: Vec<(String, u64)>,
}

/// The file that holds a cursor.
#[derive(Clone, Debug)]
pub struct CursorFile {
    path: PathBuf,
}

/// Why a cursor could not be read or kept.
#[derive(Debug)]
pub enum CursorError {
    /// The file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a cursor of this version. It is never guessed or started over in silence:
    /// that would export everything again.
    Format {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "cursor {}: {source}", path.display()),
            Self::Format { path } => write!(
                f,
                "cursor {}: not a cursor of version {VERSION}; \
                 remove it to export from the beginning",
                path.display()
            ),
        }
    }
}

impl std::error::Error for CursorError {}

impl Cursor {
    /// The cursor in the content of a file, if it is one of this version.
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(content).ok()?;
        let is_ours = stored.version == VERSION;
        let position = Position(stored.position);
        is_ours.then_some(Self { position, lengths: stored.lengths })
    }
}

impl CursorFile {
    /// The cursor of the exporter `name` below `directory`, which is created if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn open(directory: &Path, name: &str) -> Result<Self, CursorError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| CursorError::Io { path: directory.to_owned(), source })?;
        Ok(Self { path: directory.join(format!("{name}.cursor")) })
    }

    /// What was kept last; the beginning when nothing was.
    ///
    /// # Errors
    /// When there is a file and it is not a readable cursor.
    pub fn load(&self) -> Result<Cursor, CursorError> {
        let content = durable_file::read(&self.path, CURSOR_BYTES_MAX)
            .map_err(|source| CursorError::Io { path: self.path.clone(), source })?;
        let Some(content) = content else {
            return Ok(Cursor { position: Position::default(), lengths: Vec::new() });
        };
        Cursor::parse(&content).ok_or_else(|| CursorError::Format { path: self.path.clone() })
    }

    /// Keeps `cursor`; on return it is on the disk.
    ///
    /// # Errors
    /// When it could not be written; the one before it is then still there.
    pub fn save(&self, cursor: &Cursor) -> Result<(), CursorError> {
        let stored = Stored {
            version: VERSION,
            position: cursor.position.0.clone(),
            lengths: cursor.lengths.clone(),
        };
        let io = |source| CursorError::Io { path: self.path.clone(), source };
        let content = serde_json::to_vec(&stored).map_err(|error| io(error.into()))?;
        durable_file::replace(&self.path, &content).map_err(io)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    position: String,
    lengths: Vec<(String, u64)>,
}

const VERSION: u32 = 1;
/// A position and three file lengths take some hundred bytes.
const CURSOR_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = CursorFile::open(&directory.path().join("exporters"), "loki").unwrap();
        assert_eq!(file.load().unwrap(), Cursor { position: Position::default(), lengths: vec![] });
        let kept = Cursor { position: Position("3:17".into()), lengths: vec![("logs".into(), 9)] };
        file.save(&kept).unwrap();
        assert_eq!(file.load().unwrap(), kept);
    }

    #[test]
    fn a_damaged_cursor_is_refused_with_the_cure() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("loki.cursor");
        for content in ["", "{}", r#"{"version":2,"position":"","lengths":[]}"#] {
            std::fs::write(&path, content).unwrap();
            let error = CursorFile::open(directory.path(), "loki").unwrap().load().unwrap_err();
            let expected = format!(
                "cursor {}: not a cursor of version 1; remove it to export from the beginning",
                path.display()
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}
