//! Where entries come from: what a query asks of a store, and what a store owes it.
//!
//! The engine knows no block, file or key. It hands a [`Selection`] to a [`Source`] and is shown
//! borrowed entries one by one; what a source skipped for good reason (time, labels, literals that
//! cannot be there) it reports in [`ScanStats`], and what it could not read it must report too, so
//! that an answer without it is marked partial. A source never filters by anything else.

use std::cell::Cell;
use std::fmt;
use std::ops::ControlFlow;

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::{Fields, Pipeline};

use super::limits::Meter;
use crate::block::BlockId;
use crate::vault::Fault;

/// Something that holds log entries by stream.
pub trait Source {
    /// The label sets of the streams that match and have an entry in the range, in label order.
    /// No matcher at all selects every stream.
    ///
    /// # Errors
    /// [`ScanError`] when the index itself could not be read.
    fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LabelSet>, ScanError>;

    /// Shows every selected entry to `visit`, until it breaks or the meter stops.
    ///
    /// With a direction, entries come in order of time, and those of one instant in one stable
    /// order of the source; backward is exactly the reverse of forward. Without a direction the
    /// order is the source's choice. The source calls [`Meter::read`] for what it decodes, block
    /// by block, also for blocks of which no entry is shown, and ends the scan when that breaks;
    /// a scan that was stopped is not an error of the source.
    ///
    /// # Errors
    /// [`ScanError`] when nothing sensible can be shown. A block that is lost or forged is not
    /// that: it is skipped and counted in [`ScanStats::blocks_unreadable`].
    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError>;
}

/// Nanoseconds since 1970, from the first to before the second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeRange {
    /// The first nanosecond inside.
    pub from_ns: i64,
    /// The first nanosecond behind the range.
    pub to_ns: i64,
}

impl TimeRange {
    /// Whether the instant lies inside.
    #[must_use]
    pub fn contains(self, time_ns: i64) -> bool {
        self.from_ns <= time_ns && time_ns < self.to_ns
    }

    /// Whether there is no instant inside.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.from_ns >= self.to_ns
    }
}

/// Which end of the range comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// What a scan is to show.
#[derive(Clone, Copy)]
pub struct Selection<'a> {
    /// All must hold for the stream's labels; a label that is missing has the empty value.
    pub matchers: &'a [Matcher],
    /// Times of entries.
    pub range: TimeRange,
    /// The order asked for, or none.
    pub direction: Option<Direction>,
    /// Texts each of which every line of interest contains. A source may leave out blocks and
    /// lines without them; it need not.
    pub literals: &'a [String],
    /// A pipeline whose [`Pipeline::may_keep`] every entry of interest passes. A source may leave
    /// out entries with shredded fields that do not; it need not.
    pub conditions: Option<&'a Pipeline>,
    /// Which shredded columns the pipeline may read.
    pub columns: Columns<'a>,
    /// Counts what is read, and says when to stop.
    pub meter: &'a Meter<'a>,
}

/// The columns that a query may read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Columns<'a> {
    /// No stage reads a field: do not decode columns.
    None,
    /// Only these.
    Named(&'a [String]),
    /// Only these, and where they are all that an entry is asked for, not its line: a source may
    /// show it empty when it shows the fields.
    Only(&'a [String]),
    /// Any.
    All,
}

/// One stored entry, borrowed from the source for the length of a visit.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The labels of its stream.
    pub stream: &'a LabelSet,
    /// Equal for two entries of one scan exactly when their streams are; small.
    pub stream_id: u32,
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The line, exactly as it was received.
    pub line: &'a str,
    /// Structured metadata in its stored order.
    pub metadata: &'a [(&'a str, &'a str)],
    /// The fields of the line, where the block has all of them as columns.
    pub shredded: Option<&'a dyn Fields>,
    /// Where a visitor may note what it made of the entry, 0 at first: entries that share a note
    /// differ in their time and in what was not asked for.
    pub note: Option<&'a Cell<u32>>,
}

/// What a scan did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ScanStats {
    /// Streams that matched.
    pub streams: u64,
    /// Blocks that were decoded.
    pub blocks_read: u64,
    /// Blocks of matching streams that were passed over unread, by time or by filter.
    pub blocks_skipped: u64,
    /// Blocks that should have been read and could not: withheld, replayed, damaged. An answer
    /// over such a scan is partial.
    pub blocks_unreadable: Unreadable,
}

impl ScanStats {
    /// The sum of two scans.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            streams: self.streams.saturating_add(other.streams),
            blocks_read: self.blocks_read.saturating_add(other.blocks_read),
            blocks_skipped: self.blocks_skipped.saturating_add(other.blocks_skipped),
            blocks_unreadable: self.blocks_unreadable.and(other.blocks_unreadable),
        }
    }
}

/// Blocks that an answer lacks: how many, and the first of them by name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unreadable {
    blocks: u64,
    named: [Option<Lost>; NAMED_MAX],
}

/// A block that an answer lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lost {
    /// Which.
    pub id: BlockId,
    /// What was wrong with it; `None` when nothing came, and it may come another time.
    pub fault: Option<Fault>,
}

/// As many names as a person reads; the report of the store has more.
const NAMED_MAX: usize = 4;

impl Unreadable {
    /// One block.
    #[must_use]
    pub const fn one(lost: Lost) -> Self {
        Self { blocks: 1, named: [Some(lost), None, None, None] }
    }

    /// So many of which no more is known.
    #[must_use]
    pub const fn unnamed(blocks: u64) -> Self {
        Self { blocks, named: [None; NAMED_MAX] }
    }

    /// How many.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut named = [None; NAMED_MAX];
        let both = self.named.into_iter().chain(other.named).flatten();
        named.iter_mut().zip(both).for_each(|(slot, lost)| *slot = Some(lost));
        Self { blocks: self.blocks.saturating_add(other.blocks), named }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Some(fault) => write!(f, "{} was {fault}", self.id),
            None => write!(f, "{} was not given", self.id),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks could not be read", self.blocks)?;
        for (at, lost) in self.named.iter().flatten().enumerate() {
            write!(f, "{}{lost}", if at == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

/// Why a source could not answer at all.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ScanError {
    /// A matcher's pattern does not compile (a parsed query never has one).
    Matcher {
        /// The label that the matcher is about.
        name: String,
    },
    /// The index of the store could not be read.
    Index {
        /// Which part, in the store's words.
        what: String,
    },
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matcher { name } => write!(f, "the pattern for label {name} does not compile"),
            Self::Index { what } => write!(f, "the index of the store cannot be read: {what}"),
        }
    }
}

impl std::error::Error for ScanError {}
