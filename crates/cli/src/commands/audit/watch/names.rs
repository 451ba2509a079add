//! Which files there are, as one sum for each epoch, so that a round need not open what it knows.
//!
//! A file that is new, gone or renamed changes the sum; one whose bytes were changed under its old
//! name does not, and is found by the next full verification. Names are added up in any order and
//! none is kept: an archive of years has millions.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use lucarne_archive::name::SealName;
use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, ArchiveError, Name, Put};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};

use crate::commands::audit::Wanted;
use crate::commands::audit::catalogue::unreadable;
use crate::commands::audit::since::Heads;
use crate::failure::Failure;

/// A set of names: how many, and the sum of their digests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Names {
    count: u64,
    sum: [u64; 4],
}

impl Names {
    fn add(&mut self, name: &str) {
        let digest = Hash::of(name.as_bytes()).0;
        self.count = self.count.wrapping_add(1);
        for (sum, eight) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            let number = eight.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            *sum = sum.wrapping_add(number);
        }
    }

    /// Both sets together, which have no name in common.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.count = self.count.wrapping_add(other.count);
        for (sum, more) in self.sum.iter_mut().zip(other.sum) {
            *sum = sum.wrapping_add(more);
        }
        self
    }
}

/// An epoch of an instance.
pub(super) type Place = (Instance, EpochId);

/// What an archive has at one moment.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Of each epoch.
    pub(super) epochs: BTreeMap<Place, Listed>,
    /// What belongs to no epoch: the register, and strays.
    pub(super) site: Names,
}

/// What there is of an epoch.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// All of its files.
    pub(super) all: Names,
    /// Of each ledger, the segments that end before its remembered head.
    pub(super) below: BTreeMap<LedgerKind, Names>,
}

impl Inventory {
    /// Lists an archive.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub(super) fn of(
        archive: &dyn Archive,
        wanted: &Wanted,
        heads: &Heads,
    ) -> Result<Self, Failure> {
        let mut inventory = Self::default();
        for name in archive.list("").map_err(|error| unreadable(&error))? {
            match name {
                Ok(name) => inventory.take(&name, wanted, heads),
                Err(ArchiveError::Stray { path }) => inventory.site.add(&path.to_string_lossy()),
                Err(error) => return Err(unreadable(&error)),
            }
        }
        Ok(inventory)
    }

    fn take(&mut self, name: &Name, only: &Wanted, heads: &Heads) {
        let (instance, epoch, kind) = match name {
            Name::Seal(seal) => (&seal.ledger.instance, seal.ledger.epoch, Some(seal.ledger.kind)),
            Name::Checkpoint(note) | Name::Stamp(note) => {
                (&note.ledger.instance, note.ledger.epoch, Some(note.ledger.kind))
            }
            Name::Epoch(file) => (&file.instance, file.epoch, None),
            Name::Register(_) | Name::Erasure(_) => return self.site.add(&name.to_string()),
            // Batches for other verifiers are no part of any ledger.
            Name::Json(_) => return,
        };
        if !only.takes(instance, epoch, kind) {
            return;
        }
        let text = name.to_string();
        let listed = self.epochs.entry((instance.clone(), epoch)).or_default();
        listed.all.add(&text);
        let Name::Seal(seal) = name else { return };
        if heads.get(&seal.ledger).is_some_and(|head| seal.last < head.size) {
            listed.below.entry(seal.ledger.kind).or_default().add(&text);
        }
    }
}

/// An archive that notes which segments are read.
pub(super) struct Noting<'a> {
    archive: &'a dyn Archive,
    heads: &'a Heads,
    opened: Mutex<BTreeMap<LedgerId, Names>>,
}

impl<'a> Noting<'a> {
    /// Notes the segments that do not end before these heads.
    pub(super) const fn new(archive: &'a dyn Archive, heads: &'a Heads) -> Self {
        Self { archive, heads, opened: Mutex::new(BTreeMap::new()) }
    }

    /// The segments of each ledger that were read.
    pub(super) fn opened(self) -> BTreeMap<LedgerId, Names> {
        self.opened.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, seal: &SealName, text: &str) {
        let from = self.heads.get(&seal.ledger).map_or(0, |head| head.size);
        if seal.last >= from {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.entry(seal.ledger.clone()).or_default().add(text);
        }
    }
}

impl Archive for Noting<'_> {
    fn put(&self, _name: &Name, _bytes: &[u8]) -> Result<Put, ArchiveError> {
        Err(ArchiveError::ReadOnly)
    }

    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        if let Name::Seal(seal) = name {
            self.note(seal, &name.to_string());
        }
        self.archive.open(name)
    }

    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError> {
        self.archive.list(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn names(all: &[&str]) -> Names {
        let mut names = Names::default();
        all.iter().for_each(|name| names.add(name));
        names
    }

    #[test]
    fn the_order_does_not_count_and_every_name_does() {
        assert_eq!(names(&["a", "b"]), names(&["b", "a"]));
        assert_eq!(names(&["a"]).with(names(&["b", "c"])), names(&["a", "b", "c"]));
        for other in [&["a"][..], &["a", "a"], &["a", "c"], &["a", "b", "c"], &[]] {
            assert_ne!(names(&["a", "b"]), names(other), "{other:?}");
        }
    }
}
