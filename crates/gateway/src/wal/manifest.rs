//! The manifest: which objects of the archive each roll became.
//!
//! A file of frames beside the rolls; the body of a frame is the roll's number and the names, a
//! line each. Rolls are recorded in order, so one number says how far the archive has come. An
//! exporter that is late finds here where to read on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lucarne_archive::disk::Disk;
use lucarne_archive::name::Name;

use super::error::{Step, WalError, failed};
use super::frames::{self, FrameFile, Scanned, Tail};

/// What is archived.
#[derive(Debug)]
pub struct Manifest {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file: FrameFile,
    rolls: BTreeMap<u64, Vec<Name>>,
    /// Set when a rename may or may not be durable; only opening again helps.
    broken: bool,
}

impl Manifest {
    /// Reads the manifest in `directory`, or begins it.
    pub(super) fn open(disk: Arc<dyn Disk>, directory: &Path) -> Result<Self, WalError> {
        let path = directory.join(FILE);
        let entries = disk.list(directory).map_err(failed(Step::Open, directory))?;
        let is_there = |name: &str| entries.iter().any(|entry| entry.name == name);
        if is_there(NEW_FILE) {
            let unfinished = directory.join(NEW_FILE);
            disk.remove(&unfinished).map_err(failed(Step::Open, &unfinished))?;
        }
        let mut rolls = BTreeMap::new();
        let mut file = None;
        if is_there(FILE) {
            let scanned = frames::scan(&*disk, &path, MAGIC, 0, Tail::MayBeTorn, &mut |body| {
                accept(&mut rolls, body)
            })?;
            match scanned {
                Scanned::Begun { .. } => {
                    disk.remove(&path).map_err(failed(Step::Open, &path))?;
                }
                Scanned::UpTo(end) => file = Some(FrameFile::resume(&*disk, &path, 0, end)?),
            }
        }
        let file = match file {
            Some(file) => file,
            None => FrameFile::create(&*disk, &path, MAGIC, 0)?,
        };
        disk.sync_dir(directory).map_err(failed(Step::Open, directory))?;
        Ok(Self { disk, directory: directory.to_owned(), file, rolls, broken: false })
    }

    /// The last archived roll; all before it are archived too.
    pub fn archived_through(&self) -> Option<u64> {
        self.rolls.keys().next_back().copied()
    }

    /// What a roll became; `None` when it is not archived, or forgotten.
    pub fn names(&self, roll: u64) -> Option<&[Name]> {
        self.rolls.get(&roll).map(Vec::as_slice)
    }

    pub(super) fn record(&mut self, roll: u64, names: &[Name]) -> Result<(), WalError> {
        if self.broken {
            return Err(WalError::Stopped);
        }
        if let Some(known) = self.rolls.get(&roll) {
            return if known == names { Ok(()) } else { Err(WalError::Conflict { roll }) };
        }
        let expected = self.archived_through().map_or(0, |through| through.saturating_add(1));
        if roll != expected {
            return Err(WalError::OutOfOrder { roll, expected });
        }
        self.file.append(encode(roll, names).as_bytes())?;
        self.rolls.insert(roll, names.to_vec());
        Ok(())
    }

    /// Writes what remains beside the manifest and moves it over. The last record stays in any
    /// case.
    pub(super) fn forget_before(&mut self, roll: u64) -> Result<(), WalError> {
        if self.broken {
            return Err(WalError::Stopped);
        }
        let Some(through) = self.archived_through() else { return Ok(()) };
        let kept = self.rolls.split_off(&roll.min(through));
        let forgotten = std::mem::replace(&mut self.rolls, kept);
        if forgotten.is_empty() {
            return Ok(());
        }
        match self.rewrite() {
            Ok(file) => {
                self.file = file;
                Ok(())
            }
            Err(error) => {
                self.rolls.extend(forgotten);
                Err(error)
            }
        }
    }

    fn rewrite(&mut self) -> Result<FrameFile, WalError> {
        let (path, new) = (self.directory.join(FILE), self.directory.join(NEW_FILE));
        drop(self.disk.remove(&new)); // of an attempt that failed; if it cannot go, create says so
        let mut file = FrameFile::create(&*self.disk, &new, MAGIC, 0)?;
        for (&roll, names) in &self.rolls {
            file.append(encode(roll, names).as_bytes())?;
        }
        let moved = self.disk.rename(&new, &path);
        moved.and_then(|()| self.disk.sync_dir(&self.directory)).map_err(|source| {
            // Which of the two files has the name is not known, so nothing may be appended to
            // either.
            self.broken = true;
            WalError::Broken { path: path.clone(), source }
        })?;
        Ok(file)
    }
}

/// Whether a file of this name belongs to the manifest.
pub(super) fn is_own(name: &str) -> bool {
    name == FILE || name == NEW_FILE
}

pub(super) fn encode(roll: u64, names: &[Name]) -> String {
    let mut out = format!("{roll}\n");
    for name in names {
        out.push_str(&name.to_string());
        out.push('\n');
    }
    out
}

/// Takes a record in, if it is one and the next.
fn accept(rolls: &mut BTreeMap<u64, Vec<Name>>, body: &[u8]) -> bool {
    let Some((roll, names)) = decode(body) else { return false };
    let expected = rolls.keys().next_back().map_or(roll, |last| last.saturating_add(1));
    if roll != expected {
        return false;
    }
    rolls.insert(roll, names);
    true
}

pub(super) fn decode(body: &[u8]) -> Option<(u64, Vec<Name>)> {
    let text = std::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let mut lines = text.split('\n');
    let roll = lines.next()?.parse().ok()?;
    let names = lines.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((roll, names))
}

const FILE: &str = "manifest";
const NEW_FILE: &str = "manifest.new";
const MAGIC: &[u8; 8] = b"LUCMAN03";
