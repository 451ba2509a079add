//! Reading an archive for the auditor: each ledger's segments and checkpoints, in the order it
//! needs them.
//!
//! Batches are self-contained, so segments are read and verified by several workers at a time; each
//! then waits for its turn and joins its batches to what came before, in the order of the names.
//! Constant memory: one segment a worker, one name ahead. What cannot be *read* ends the command;
//! what can be read and is wrong is the auditor's business, down to the last byte.

mod segments;
mod turns;

use std::io::{BufReader, Read};
use std::iter::Peekable;
use std::num::NonZeroUsize;
use std::ops::Range;

use lucarne_archive::data_keys::DataKeys;
use lucarne_archive::encryption::{Decrypted, NotDecrypted, decrypt};
use lucarne_archive::name::{CheckpointName, SealName};
use lucarne_archive::segment::{SegmentError, SegmentReader};
use lucarne_archive::store::Listing;
use lucarne_archive::{Archive, Name};
use lucarne_ledger::audit::finding::SeqRange;
use lucarne_ledger::audit::ledger::{Extent, LedgerAudit, SegmentName, Step};
use lucarne_ledger::batch::{self, BatchError, EpochKey, VerifiedBatch};

pub(super) use self::segments::Segments;
use self::segments::next_name;
use self::turns::{Fed, Turns};
use super::catalogue::{Files, unreadable};
use super::epochs::{read_all, read_file};
use super::stamps;
use crate::failure::{Failure, chain};

/// What watches the reading: it sees each batch, and each file that is done.
pub(super) trait Watcher: Send {
    /// A batch has been looked at.
    ///
    /// # Errors
    /// When what it says about that cannot be written.
    fn batch(&mut self, ledger: &LedgerAudit<'_>, step: &Step<'_>) -> Result<(), Failure>;

    /// A file has been read.
    fn file(&mut self);
}

/// How a ledger is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// What is read.
    pub(super) archive: &'a dyn Archive,
    /// Which part of the ledger.
    pub(super) extent: Extent,
    /// Whether names tell the day of a segment, and not a guess.
    pub(super) days_known: bool,
    /// Whether there is a key to check checkpoints with.
    pub(super) checkpoints: bool,
    /// Roots of the time-stamping authorities that are believed, in DER; none: stamps are not read.
    pub(super) stamp_roots: &'a [Vec<u8>],
    /// What payloads may be encrypted under; none: those that are stay closed.
    pub(super) data_keys: Option<&'a DataKeys>,
    /// Segments that are verified at a time.
    pub(super) jobs: NonZeroUsize,
    /// Whether somebody wants it to end.
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
}

const READ_BYTES: usize = 256 << 10;
/// What a worker keeps of the room that one large segment needed.
const KEPT_BYTES_MAX: usize = 16 << 20;

impl Reading<'_> {
    /// Hands a ledger to its audit. False when it was stopped on the way.
    ///
    /// # Errors
    /// When a file cannot be read, or the watcher cannot write.
    pub(super) fn feed(
        &self,
        files: &Files,
        ledger: &mut LedgerAudit<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<bool, Failure> {
        let id = ledger.id().clone();
        ledger.limit(self.extent);
        let key = ledger.epoch_key().clone();
        let list = |prefix: &str| self.archive.list(prefix).map_err(|error| unreadable(&error));
        let checkpoints = list(&format!("checkpoints/{id}/"))?.peekable();
        let names = Segments::new(self.archive, &id, files, self.extent.from);
        let seam = Seam { reading: *self, checkpoints, ledger, watcher };
        let turns = Turns::new(names, self.stop, seam);
        let work = || {
            let mut content = Segment::default();
            turns.work(|name, ticket| {
                let whole = content.read(self.archive, &name, self.data_keys)?;
                let checked = content.check(&key);
                turns.at(ticket, |seam| seam.join(&name, checked, &whole))
            });
        };
        if self.jobs.get() == 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                (0..self.jobs.get()).for_each(|_| drop(scope.spawn(work)));
            });
        }
        match turns.finish()? {
            Fed::Stopped => Ok(false),
            Fed::Whole(mut seam) => seam.checkpoints(u64::MAX).map(|()| true),
        }
    }
}

/// A batch as it lies in its segment, and what checking it said.
type Checked<'a> = (&'a [u8], Result<VerifiedBatch<'a>, BatchError>);

/// The content of one segment, in room that is used again.
#[derive(Default)]
struct Segment {
    content: Vec<u8>,
    frames: Vec<Frame>,
}

/// One frame, or one batch of it when some may be encrypted.
struct Frame {
    bytes: Range<usize>,
    // what it decrypts to, if it is encrypted and its key is there
    opened: Option<Result<Range<usize>, NotDecrypted>>,
}

impl Segment {
    /// Reads a segment; the inner error says why it is not whole.
    fn read(
        &mut self,
        archive: &dyn Archive,
        name: &SealName,
        keys: Option<&DataKeys>,
    ) -> Result<Result<(), SegmentError>, Failure> {
        self.content.clear();
        self.content.shrink_to(KEPT_BYTES_MAX);
        self.frames.clear();
        let source = archive.open(&Name::Seal(name.clone())).map_err(|error| unreadable(&error))?;
        frames(source, &mut |frame| {
            let Some(keys) = keys else {
                let bytes = self.keep(frame);
                self.frames.push(Frame { bytes, opened: None });
                return Ok(());
            };
            let mut rest = frame;
            while !rest.is_empty() {
                let (batch, after) = batch::split_first(rest);
                rest = after;
                let opened = match decrypt(batch, keys) {
                    Ok(Decrypted::Plain | Decrypted::Closed(_)) => None,
                    Ok(Decrypted::Opened(plain)) => Some(Ok(self.keep(&plain))),
                    Err(error) => Some(Err(error)),
                };
                let bytes = self.keep(batch);
                self.frames.push(Frame { bytes, opened });
            }
            Ok(())
        })
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.content.len();
        self.content.extend_from_slice(bytes);
        start..self.content.len()
    }

    /// Checks each batch on its own.
    fn check(&self, key: &EpochKey) -> Vec<Checked<'_>> {
        let mut checked = Vec::new();
        for frame in &self.frames {
            let slice = |range: &Range<usize>| self.content.get(range.clone()).unwrap_or_default();
            let mut rest = slice(&frame.bytes);
            // Our own frames hold one batch: then finding its end beforehand would cost a pass over
            // all records.
            if let Ok(batch) = batch::verify(rest, key) {
                // What it decrypts to is checked against the same signed root.
                checked.push(match &frame.opened {
                    None => (rest, Ok(batch)),
                    Some(Ok(opened)) => (slice(opened), batch::verify(slice(opened), key)),
                    Some(Err(_)) => (rest, Err(BatchError::NotDecrypted)),
                });
                continue;
            }
            while !rest.is_empty() {
                let (bytes, after) = batch::split_first(rest);
                checked.push((bytes, batch::verify(bytes, key)));
                rest = after;
            }
        }
        checked
    }
}

/// Where segments are joined, one after the other.
struct Seam<'a, 'l, 'p> {
    reading: Reading<'a>,
    checkpoints: Peekable<Listing>,
    ledger: &'l mut LedgerAudit<'p>,
    watcher: &'l mut dyn Watcher,
}

impl Seam<'_, '_, '_> {
    fn join(
        &mut self,
        name: &SealName,
        checked: Vec<Checked<'_>>,
        whole: &Result<(), SegmentError>,
    ) -> Result<(), Failure> {
        self.checkpoints(name.last.saturating_add(1))?;
        self.ledger.begin_segment(segment_name(name, self.reading.days_known));
        for (bytes, result) in checked {
            let step = self.ledger.checked(bytes, result);
            self.watcher.batch(self.ledger, &step)?;
        }
        if let Err(error) = whole {
            self.ledger.unreadable(&chain(error));
        }
        self.watcher.file();
        Ok(())
    }

    /// Hands over the checkpoints up to this size.
    fn checkpoints(&mut self, size: u64) -> Result<(), Failure> {
        let due = |name: &CheckpointName| name.size <= size;
        loop {
            match self.checkpoints.peek() {
                Some(Ok(Name::Checkpoint(name) | Name::Stamp(name))) if !due(name) => {
                    return Ok(());
                }
                None => return Ok(()),
                Some(_) => {}
            }
            let Some(name) = next_name(&mut self.checkpoints)? else { return Ok(()) };
            let (Name::Checkpoint(head) | Name::Stamp(head)) = &name else { continue };
            // Heads before the part that is looked at belong to an earlier audit.
            if self.reading.checkpoints && head.size >= self.reading.extent.from {
                self.head(&name, head)?;
            }
            self.watcher.file();
        }
    }

    fn head(&mut self, name: &Name, head: &CheckpointName) -> Result<(), Failure> {
        let Reading { archive, stamp_roots, .. } = self.reading;
        let read =
            |name: &Name| archive.open(name).map_err(|error| unreadable(&error)).and_then(read_all);
        match name {
            Name::Stamp(_) if stamp_roots.is_empty() => {}
            Name::Stamp(_) => {
                // Whoever took it away left a stamp that is about nothing.
                let checkpoint = Name::Checkpoint(head.clone());
                let note = read_file(archive, &checkpoint)?.unwrap_or_default();
                let said = stamps::said(&read(name)?, &note, stamp_roots);
                self.ledger.stamp(&name.to_string(), head.size, &note, said);
            }
            _ => self.ledger.checkpoint(&name.to_string(), (head.size, head.root), &read(name)?),
        }
        Ok(())
    }
}

/// Hands out each batch of a segment; the inner error says why the segment is not whole.
///
/// # Errors
/// When the file cannot be read, or `each` fails.
pub(super) fn batches(
    source: impl Read,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Result<(), SegmentError>, Failure> {
    frames(source, &mut |frame| {
        let mut rest = frame;
        while !rest.is_empty() {
            let (batch, after) = batch::split_first(rest);
            each(batch)?;
            rest = after;
        }
        Ok(())
    })
}

fn frames(
    source: impl Read,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Result<(), SegmentError>, Failure> {
    let source = BufReader::with_capacity(READ_BYTES, source);
    let mut reader = match SegmentReader::open(source) {
        Ok(reader) => reader,
        Err(error) => return broken(error).map(Err),
    };
    loop {
        match reader.next_frame() {
            Ok(None) => return Ok(Ok(())),
            Ok(Some(frame)) => each(frame.content)?,
            Err(error) => return broken(error).map(Err),
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

fn segment_name(name: &SealName, day_known: bool) -> SegmentName {
    SegmentName {
        file: Name::Seal(name.clone()).to_string(),
        range: SeqRange { first: name.first, last: name.last },
        root: name.root,
        revision: name.revision,
        day: day_known.then(|| day(&name.date.to_string())),
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
