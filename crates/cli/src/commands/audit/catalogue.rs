//! The catalogue of an archive: which epochs and ledgers it has, without reading any of them.
//!
//! It remembers ledgers and days, never files: an archive of years has millions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use lucarne_archive::{Archive, ArchiveError, Directory, Name};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};

use super::Place;
use crate::failure::Failure;

/// What an archive has.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Every epoch that any file speaks of, with its ledgers.
    pub(super) epochs: BTreeMap<(Instance, EpochId), BTreeMap<LedgerKind, Files>>,
    /// Files in the archive's own folders with a name that is none of the archive's.
    pub(super) malformed: Vec<PathBuf>,
    /// Files that do not concern the archive.
    pub(super) ignored: Vec<PathBuf>,
    /// Files that may have to be read.
    pub(super) file_count: u64,
}

/// What there is of one ledger.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The folders of days with segments, in their order.
    pub(super) days: BTreeSet<String>,
    /// The numbers that the names of segments and checkpoints span.
    pub(super) named: Option<SeqRange>,
}

/// More strays than this are not listed one by one.
const STRAYS_MAX: usize = 1_000;

impl Catalogue {
    /// Lists the part of the archive that the command line asks for.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub(super) fn of(archive: &Directory, place: &Place) -> Result<Self, Failure> {
        let mut catalogue = Self::default();
        let names = archive.list("").map_err(|error| unreadable(&error))?;
        for name in names {
            match name {
                Ok(name) => catalogue.take(&name, place),
                Err(ArchiveError::Stray { path }) => catalogue.stray(path),
                Err(error) => return Err(unreadable(&error)),
            }
        }
        Ok(catalogue)
    }

    fn take(&mut self, name: &Name, place: &Place) {
        let (instance, epoch, kind) = match name {
            Name::Seal(seal) => of_ledger(&seal.ledger),
            Name::Checkpoint(checkpoint) => of_ledger(&checkpoint.ledger),
            Name::Epoch(file) => (&file.instance, file.epoch, None),
        };
        let wanted = place.instance.as_ref().is_none_or(|only| only == instance)
            && place.epoch.is_none_or(|only| only == epoch);
        if !wanted {
            return;
        }
        let ledgers = self.epochs.entry((instance.clone(), epoch)).or_default();
        let Some(kind) = kind.filter(|kind| place.ledger.is_none_or(|only| only == *kind)) else {
            return;
        };
        self.file_count += 1;
        let files = ledgers.entry(kind).or_default();
        let named = match name {
            Name::Seal(seal) => {
                let day = seal.date.to_string();
                if !files.days.contains(&day) {
                    files.days.insert(day);
                }
                Some(SeqRange { first: seal.first, last: seal.last })
            }
            Name::Checkpoint(checkpoint) => SeqRange::before(0, checkpoint.size),
            Name::Epoch(_) => None,
        };
        files.named = match (files.named, named) {
            (Some(old), Some(new)) => {
                Some(SeqRange { first: old.first.min(new.first), last: old.last.max(new.last) })
            }
            (old, new) => new.or(old),
        };
    }

    fn stray(&mut self, path: PathBuf) {
        let top = path.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
        let year = top.len() == 4 && top.bytes().all(|byte| byte.is_ascii_digit());
        let ours = year || top == "epochs" || top == "checkpoints";
        let list = if ours { &mut self.malformed } else { &mut self.ignored };
        if list.len() < STRAYS_MAX {
            list.push(path);
        }
    }
}

const fn of_ledger(id: &LedgerId) -> (&Instance, EpochId, Option<LedgerKind>) {
    (&id.instance, id.epoch, Some(id.kind))
}

/// The archive could not be read: that says nothing about what is in it.
pub(super) fn unreadable(error: &ArchiveError) -> Failure {
    Failure::unreadable("read the archive", error)
}
