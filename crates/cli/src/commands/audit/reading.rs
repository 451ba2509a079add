//! Reading an archive for the auditor: each ledger's segments and checkpoints, in the order it
//! needs them.
//!
//! Constant memory: one frame, one name ahead. What cannot be *read* ends the command; what can be
//! read and is wrong is the auditor's business, down to the last byte.

use std::io::BufReader;
use std::iter::Peekable;

use lucarne_archive::name::{CheckpointName, SealName};
use lucarne_archive::segment::{SegmentError, SegmentReader};
use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, ArchiveError, Directory, Name};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::audit::ledger::{LedgerAudit, SegmentName, Step};
use lucarne_ledger::batch;
use lucarne_ledger::identity::LedgerId;

use super::catalogue::{Files, unreadable};
use super::epochs::read_all;
use crate::failure::{Failure, chain};

/// What watches the reading: it sees each batch, and each file that is done.
pub(super) trait Watcher {
    /// A batch has been looked at.
    ///
    /// # Errors
    /// When what it says about that cannot be written.
    fn batch(&mut self, ledger: &LedgerAudit<'_>, step: &Step<'_>) -> Result<(), Failure>;

    /// A file has been read.
    fn file(&mut self);
}

const READ_BYTES: usize = 256 << 10;

/// Hands a whole ledger to its audit.
///
/// # Errors
/// When a file cannot be read, or the watcher cannot write.
pub(super) fn feed(
    archive: &Directory,
    files: &Files,
    ledger: &mut LedgerAudit<'_>,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    let id = ledger.id().clone();
    let mut checkpoints = list(archive, &format!("checkpoints/{id}/"))?.peekable();
    for day in &files.days {
        let mut names = list(archive, &format!("{day}/{id}/"))?.peekable();
        while let Some(name) = next_seal(&mut names, &id)? {
            for name in with_revisions(&name, &mut names, &id)? {
                let size = name.last.saturating_add(1);
                feed_checkpoints(archive, &mut checkpoints, size, ledger, watcher)?;
                feed_segment(archive, &name, ledger, watcher)?;
            }
        }
    }
    feed_checkpoints(archive, &mut checkpoints, u64::MAX, ledger, watcher)
}

fn list(archive: &Directory, prefix: &str) -> Result<Listing, Failure> {
    archive.list(prefix).map_err(|error| unreadable(&error))
}

fn next_name(names: &mut Peekable<Listing>) -> Result<Option<Name>, Failure> {
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
            Name::Seal(_) | Name::Epoch(_) | Name::Checkpoint(_) => {}
        }
    }
    Ok(None)
}

/// The revisions of one range by their number: the tenth stands before the second by its letters.
fn with_revisions(
    first: &SealName,
    names: &mut Peekable<Listing>,
    id: &LedgerId,
) -> Result<Vec<SealName>, Failure> {
    let same = |name: &SealName| {
        (name.first, name.last, name.root) == (first.first, first.last, first.root)
    };
    let mut revisions = vec![first.clone()];
    while matches!(names.peek(), Some(Ok(Name::Seal(name))) if same(name)) {
        revisions.extend(next_seal(names, id)?);
    }
    revisions.sort_by_key(|name| name.revision);
    Ok(revisions)
}

fn feed_checkpoints(
    archive: &Directory,
    names: &mut Peekable<Listing>,
    size: u64,
    ledger: &mut LedgerAudit<'_>,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    let due = |name: &CheckpointName| name.size <= size;
    loop {
        match names.peek() {
            Some(Ok(Name::Checkpoint(name))) if !due(name) => return Ok(()),
            None => return Ok(()),
            Some(_) => {}
        }
        let Some(name) = next_name(names)? else { return Ok(()) };
        let Name::Checkpoint(checkpoint) = &name else { continue };
        let source = archive.open(&name).map_err(|error| unreadable(&error))?;
        let note = read_all(source)?;
        ledger.checkpoint(&name.to_string(), (checkpoint.size, checkpoint.root), &note);
        watcher.file();
    }
}

fn feed_segment(
    archive: &Directory,
    name: &SealName,
    ledger: &mut LedgerAudit<'_>,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    ledger.begin_segment(segment_name(name));
    let source = archive.open(&Name::Seal(name.clone())).map_err(|error| unreadable(&error))?;
    let outcome = batches(source, &mut |batch| {
        let step = ledger.batch(batch);
        watcher.batch(ledger, &step)
    })?;
    if let Err(error) = outcome {
        ledger.unreadable(&chain(&error));
    }
    watcher.file();
    Ok(())
}

/// Hands out each batch of a segment; the inner error says why the segment is not whole.
///
/// # Errors
/// When the file cannot be read, or `each` fails.
pub(super) fn batches(
    source: impl std::io::Read,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Result<(), SegmentError>, Failure> {
    let source = BufReader::with_capacity(READ_BYTES, source);
    let mut reader = match SegmentReader::open(source) {
        Ok(reader) => reader,
        Err(error) => return broken(error).map(Err),
    };
    loop {
        let mut rest = match reader.next_frame() {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(frame)) => frame.content,
            Err(error) => return broken(error).map(Err),
        };
        while !rest.is_empty() {
            let (batch, after) = batch::split_first(rest);
            each(batch)?;
            rest = after;
        }
    }
}

// A disk that fails says nothing about the archive.
fn broken(error: SegmentError) -> Result<SegmentError, Failure> {
    match error {
        SegmentError::Read { .. } => Err(Failure::unreadable("read the archive", &error)),
        other => Ok(other),
    }
}

fn segment_name(name: &SealName) -> SegmentName {
    SegmentName {
        file: Name::Seal(name.clone()).to_string(),
        range: SeqRange { first: name.first, last: name.last },
        root: name.root,
        revision: name.revision,
        day: Some(day(&name.date.to_string())),
    }
}

/// Days from 1970-01-01 to `yyyy/mm/dd` of the Gregorian calendar.
fn day(date: &str) -> u64 {
    let mut parts = date.split('/').map(|part| part.parse::<u64>().unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default();
    let (year, month, day) = (part(), part(), part());
    // Years that begin in March end with their leap day.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    days.saturating_sub(DAYS_TO_1970)
}

/// What the formula above gives for 1970-01-01.
const DAYS_TO_1970: u64 = 719_469;

#[cfg(test)]
mod tests {
    use lucarne_archive::name::Date;

    use super::day;

    #[test]
    fn days_are_those_of_the_archive() {
        for days in (0..80_000_u64).step_by(7).chain([59, 60, 789, 11_016, 47_540, 47_541]) {
            assert_eq!(day(&Date::of_unix_ms(days * 86_400_000).to_string()), days);
        }
    }
}
