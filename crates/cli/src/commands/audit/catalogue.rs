//! The catalogue of an archive: which epochs and ledgers it has, without reading any of them.
//!
//! It remembers ledgers and days, never files: an archive of years has millions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};

use super::Wanted;
use crate::failure::Failure;

/// What an archive has.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// Every epoch that any file speaks of, with its ledgers.
    pub(super) epochs: BTreeMap<(Instance, EpochId), BTreeMap<LedgerKind, Files>>,
    /// The epochs of batches in JSON. That these are there says of no epoch that it is.
    pub(super) in_json: BTreeSet<(Instance, EpochId)>,
    /// Files in the archive's own folders with a name that is none of the archive's; what would
    /// move a terminal is escaped, since anybody may have named them.
    pub(super) malformed: Vec<String>,
    /// Files that do not concern the archive, written like this too.
    pub(super) ignored: Vec<String>,
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
    /// The smallest number that the name of a segment begins with.
    pub(super) first_sealed: Option<u64>,
}

/// More strays than this are not listed one by one.
const STRAYS_MAX: usize = 1_000;

impl Catalogue {
    /// Lists the part of the archive that the command line asks for.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub(super) fn of(archive: &dyn Archive, wanted: &Wanted) -> Result<Self, Failure> {
        let mut catalogue = Self::default();
        let names = archive.list("").map_err(|error| unreadable(&error))?;
        for name in names {
            match name {
                Ok(name) => catalogue.take(&name, wanted),
                Err(ArchiveError::Stray { path }) => catalogue.stray(&path),
                Err(error) => return Err(unreadable(&error)),
            }
        }
        Ok(catalogue)
    }

    /// Makes room for ledgers that somebody remembers: that they are gone must show.
    pub(super) fn expect<'a>(&mut self, ids: impl Iterator<Item = &'a LedgerId>, only: &Wanted) {
        for id in ids.filter(|id| only.takes(&id.instance, id.epoch, Some(id.kind))) {
            let ledgers = self.epochs.entry((id.instance.clone(), id.epoch)).or_default();
            ledgers.entry(id.kind).or_default();
        }
    }

    fn take(&mut self, name: &Name, only: &Wanted) {
        let (instance, epoch, kind) = match name {
            Name::Seal(seal) => of_ledger(&seal.ledger),
            Name::Checkpoint(head) | Name::Stamp(head) => of_ledger(&head.ledger),
            Name::Epoch(file) => (&file.instance, file.epoch, None),
            Name::Json(batch) => {
                if only.takes(&batch.instance, batch.epoch, None) {
                    self.in_json.insert((batch.instance.clone(), batch.epoch));
                }
                return;
            }
            Name::Register(_) | Name::Erasure(_) => return,
        };
        if !only.takes(instance, epoch, None) {
            return;
        }
        let ledgers = self.epochs.entry((instance.clone(), epoch)).or_default();
        let Some(kind) = kind.filter(|kind| only.takes(instance, epoch, Some(*kind))) else {
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
                let before = files.first_sealed.unwrap_or(u64::MAX);
                files.first_sealed = Some(seal.first.min(before));
                Some(SeqRange { first: seal.first, last: seal.last })
            }
            Name::Checkpoint(checkpoint) => SeqRange::before(0, checkpoint.size),
            Name::Epoch(_)
            | Name::Stamp(_)
            | Name::Register(_)
            | Name::Json(_)
            | Name::Erasure(_) => None,
        };
        files.named = match (files.named, named) {
            (Some(old), Some(new)) => {
                Some(SeqRange { first: old.first.min(new.first), last: old.last.max(new.last) })
            }
            (old, new) => new.or(old),
        };
    }

    fn stray(&mut self, path: &Path) {
        let top = path.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
        let year = top.len() == 4 && top.bytes().all(|byte| byte.is_ascii_digit());
        let ours =
            year || matches!(top, "epochs" | "checkpoints" | "register" | "json" | "erasures");
        let list = if ours { &mut self.malformed } else { &mut self.ignored };
        if list.len() < STRAYS_MAX {
            list.push(path.to_string_lossy().escape_debug().to_string());
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
