//! Listing a directory tree in the order of whole names, holding one directory a level.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{failed, is_own};
use crate::disk::{DirEntry, Disk, EntryKind};
use crate::name::Name;
use crate::store::{ArchiveError, Step, check_prefix};

/// An iterator over the names below a root that begin with a prefix.
pub(super) struct Walk {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    prefix: String,
    /// The directories from the root to the current one, with what is left in each, last first.
    levels: Vec<Level>,
    started: bool,
}

struct Level {
    /// Path below the root, empty or ending with a slash.
    path: String,
    rest: Vec<DirEntry>,
}

impl Walk {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        root: PathBuf,
        prefix: &str,
    ) -> Result<Self, ArchiveError> {
        check_prefix(prefix)?;
        Ok(Self { disk, root, prefix: prefix.to_owned(), levels: Vec::new(), started: false })
    }

    /// Goes down into a directory.
    fn enter(&mut self, path: String) -> Result<(), ArchiveError> {
        let full = self.root.join(Path::new(&path));
        let mut rest = self.disk.list(&full).map_err(failed(Step::List, &full))?;
        let depth = self.levels.len();
        rest.retain(|entry| {
            let whole = format!("{path}{}{}", entry.name, slash(entry.kind));
            !is_own(depth, &entry.name, entry.kind)
                && (whole.starts_with(&self.prefix) || self.prefix.starts_with(&whole))
        });
        // A directory's names begin with its own and a slash, and `-` and `.` come before the
        // slash.
        rest.sort_by_cached_key(|entry| {
            std::cmp::Reverse([entry.name.as_str(), slash(entry.kind)].concat())
        });
        self.levels.push(Level { path, rest });
        Ok(())
    }

    fn visit(&mut self, path: String, entry: &DirEntry) -> Option<Result<Name, ArchiveError>> {
        match entry.kind {
            EntryKind::Directory if self.levels.len() < DEPTH_MAX => {
                self.enter(path + "/").err().map(Err)
            }
            EntryKind::File => match path.parse() {
                Ok(name) => Some(Ok(name)),
                Err(_) => Some(Err(ArchiveError::Stray { path: path.into() })),
            },
            EntryKind::Directory | EntryKind::Other => {
                Some(Err(ArchiveError::Stray { path: path.into() }))
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Name, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            self.started = true;
            if let Err(error) = self.enter(String::new()) {
                return Some(Err(error));
            }
        }
        loop {
            let level = self.levels.last_mut()?;
            let Some(entry) = level.rest.pop() else {
                self.levels.pop();
                continue;
            };
            let path = format!("{}{}", level.path, entry.name);
            if let Some(item) = self.visit(path, &entry) {
                return Some(item);
            }
        }
    }
}

const fn slash(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Directory => "/",
        EntryKind::File | EntryKind::Other => "",
    }
}

const DEPTH_MAX: usize = 7; // parts of the deepest name, a seal
