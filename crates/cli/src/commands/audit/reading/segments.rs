//! The segments of a ledger in the order an auditor needs them: day by day, range by range, and the
//! revisions of one range by their number.

use std::collections::{VecDeque, btree_set};
use std::iter::Peekable;

use lucarne_archive::name::SealName;
use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, ArchiveError, Name};
use lucarne_ledger::identity::LedgerId;

use crate::commands::audit::catalogue::{Files, unreadable};
use crate::failure::Failure;

/// The names of a ledger's segments, one after the other.
pub(in crate::commands::audit) struct Segments<'a> {
    archive: &'a dyn Archive,
    id: LedgerId,
    from: u64,
    days: btree_set::Iter<'a, String>,
    names: Option<Peekable<Listing>>,
    /// The revisions of one range.
    ready: VecDeque<SealName>,
}

impl<'a> Segments<'a> {
    /// Those that do not end before the record before `from`.
    pub(in crate::commands::audit) fn new(
        archive: &'a dyn Archive,
        id: &LedgerId,
        files: &'a Files,
        from: u64,
    ) -> Self {
        let days = files.days.iter();
        Self { archive, id: id.clone(), from, days, names: None, ready: VecDeque::new() }
    }

    fn advance(&mut self) -> Result<Option<SealName>, Failure> {
        loop {
            if let Some(name) = self.ready.pop_front() {
                if name.last.saturating_add(1) >= self.from {
                    return Ok(Some(name));
                }
                continue;
            }
            let first = match &mut self.names {
                Some(names) => next_seal(names, &self.id)?,
                None => None,
            };
            match (first, self.names.take()) {
                (Some(first), Some(mut names)) => {
                    self.ready = with_revisions(first, &mut names, &self.id)?.into();
                    self.names = Some(names);
                }
                _ => {
                    let Some(day) = self.days.next() else { return Ok(None) };
                    let names = self.archive.list(&format!("{day}/{}/", self.id));
                    self.names = Some(names.map_err(|error| unreadable(&error))?.peekable());
                }
            }
        }
    }
}

impl Iterator for Segments<'_> {
    type Item = Result<SealName, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// The next name that is one.
pub(super) fn next_name(names: &mut Peekable<Listing>) -> Result<Option<Name>, Failure> {
    loop {
        match names.next() {
            None => return Ok(None),
            Some(Ok(name)) => return Ok(Some(name)),
            // Already in the catalogue.
            Some(Err(ArchiveError::Stray { .. })) => {}
            Some(Err(error)) => return Err(unreadable(&error)),
        }
    }
}

fn next_seal(names: &mut Peekable<Listing>, id: &LedgerId) -> Result<Option<SealName>, Failure> {
    while let Some(name) = next_name(names)? {
        match name {
            Name::Seal(seal) if seal.ledger == *id => return Ok(Some(seal)),
            Name::Seal(_)
            | Name::Epoch(_)
            | Name::Checkpoint(_)
            | Name::Stamp(_)
            | Name::Register(_)
            | Name::Json(_)
            | Name::Erasure(_) => {}
        }
    }
    Ok(None)
}

/// The revisions of one range by their number: the tenth stands before the second by its letters.
fn with_revisions(
    first: SealName,
    names: &mut Peekable<Listing>,
    id: &LedgerId,
) -> Result<Vec<SealName>, Failure> {
    let key = (first.first, first.last, first.root);
    let mut revisions = vec![first];
    while matches!(names.peek(), Some(Ok(Name::Seal(n))) if (n.first, n.last, n.root) == key) {
        revisions.extend(next_seal(names, id)?);
    }
    revisions.sort_by_key(|name| name.revision);
    Ok(revisions)
}
