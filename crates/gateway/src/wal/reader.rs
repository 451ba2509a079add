//! Reading the log while it is written: exporters, and the archiver.
//!
//! A reader sees durable groups only. It holds no file open between calls, so a roll can be removed
//! under it; it then learns that the roll is gone and reads on from the archive.

use std::fmt;
use std::io::SeekFrom;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{self, Entry};
use super::error::{Step, WalError, failed};
use super::{HEADER_BYTES, ROLL_MAGIC, Shared, frames, roll_path};

/// A place between two groups.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The roll.
    pub roll: u64,
    /// Bytes before it in the roll's file; less than the header means the first group.
    pub offset: u64,
}

/// A group that was appended together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Where it begins.
    pub at: Position,
    /// Where the next one will begin.
    pub next: Position,
    /// What it holds.
    pub entries: Vec<Entry>,
}

/// Reads durable groups. Clones are independent and cheap.
#[derive(Clone)]
pub struct WalReader {
    shared: Arc<Shared>,
}

impl fmt::Debug for WalReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalReader").field("directory", &self.shared.directory).finish()
    }
}

impl WalReader {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The first place that is still in the log.
    pub fn oldest(&self) -> Position {
        let roll = self.shared.committed().keys().next().copied().unwrap_or(0);
        Position { roll, offset: 0 }
    }

    /// The place behind everything that is durable.
    pub fn newest(&self) -> Position {
        let last = self.shared.committed().last_key_value().map(|(&roll, &offset)| (roll, offset));
        let (roll, offset) = last.unwrap_or_default();
        Position { roll, offset }
    }

    /// The group at `from`, or the first one of the next roll when `from` is the end of a sealed
    /// one. `None` when nothing more is durable yet.
    ///
    /// # Errors `Removed` when the roll is not in the log any more; `NoGroup` when no group begins
    /// there; else the disk.
    pub fn read(&self, from: Position) -> Result<Option<Group>, WalError> {
        let Some(at) = self.place(from)? else { return Ok(None) };
        self.read_group(at).map(Some)
    }

    /// All groups of one roll, as far as they are durable.
    pub fn read_roll(&self, roll: u64) -> impl Iterator<Item = Result<Group, WalError>> + use<> {
        let reader = self.clone();
        let mut next = Some(Position { roll, offset: 0 });
        std::iter::from_fn(move || {
            let from = next.take()?;
            match reader.read(from) {
                Ok(Some(group)) if group.at.roll == roll => {
                    next = Some(group.next);
                    Some(Ok(group))
                }
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            }
        })
    }

    /// Where the next group after `from` begins.
    fn place(&self, from: Position) -> Result<Option<Position>, WalError> {
        let committed = self.shared.committed();
        let mut at = Position { offset: from.offset.max(HEADER_BYTES as u64), ..from };
        loop {
            let Some(&end) = committed.get(&at.roll) else {
                return Err(WalError::Removed { roll: at.roll });
            };
            if at.offset < end {
                return Ok(Some(at));
            }
            if at.offset > end {
                return Err(WalError::NoGroup { roll: at.roll, offset: at.offset });
            }
            if committed.last_key_value().is_none_or(|(&last, _)| last == at.roll) {
                return Ok(None);
            }
            at = Position { roll: at.roll.saturating_add(1), offset: HEADER_BYTES as u64 };
        }
    }

    fn read_group(&self, at: Position) -> Result<Group, WalError> {
        let Position { roll, offset } = at;
        let path = roll_path(&self.shared.directory, roll);
        let frame = self.shared.disk.read(&path).and_then(|mut file| {
            let Some(mark) = frames::read_mark(ROLL_MAGIC, roll, &mut file)? else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(offset))?;
            frames::read_frame(mark, &mut file)
        });
        let frame = frame.map_err(|error| match self.shared.committed().contains_key(&roll) {
            true => failed(Step::Read, &path)(error),
            false => WalError::Removed { roll },
        })?;
        let body = Bytes::from(frame.ok_or(WalError::NoGroup { roll, offset })?);
        let entries = entry::decode(&body).ok_or(WalError::NoGroup { roll, offset })?;
        let bytes = frames::framed_bytes(&body);
        let next = Position { roll, offset: offset.saturating_add(bytes) };
        Ok(Group { at, next, entries })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.roll, self.offset)
    }
}

/// A text that is no position.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotAPosition;

impl fmt::Display for NotAPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a position is roll:offset")
    }
}

impl std::error::Error for NotAPosition {}

impl From<ParseIntError> for NotAPosition {
    fn from(_: ParseIntError) -> Self {
        Self
    }
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (roll, offset) = text.split_once(':').ok_or(NotAPosition)?;
        let position = Self { roll: roll.parse()?, offset: offset.parse()? };
        if position.to_string() == text { Ok(position) } else { Err(NotAPosition) }
    }
}
