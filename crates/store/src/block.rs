//! A block: up to 2 MiB of rows of one stream, by time, each part of which is read on its own.
//!
//! Lines are kept whole and exact. Metadata, and the fields of JSON lines, are columns beside
//! them. A footer names every part with its length, so that the parts fill the block to the byte;
//! what a reader was not told about is not there. `docs/formats.md` has the bytes.

mod footer;
mod read;
mod shapes;
#[cfg(test)]
pub(crate) mod tests;
mod write;

pub(crate) use self::footer::{Class, NAME_BYTES_MAX, Section};
pub use self::read::Block;
pub(crate) use self::read::Rows;
pub(crate) use self::shapes::Shapes;
pub(crate) use self::write::BlockWriter;

use std::fmt;

/// Lines and metadata values of one block: what a query must decompress to see one row.
pub const BLOCK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// One line or one value. Loki's default for a line is 256 KiB; a stack with data is longer.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Rows of one block; shorter lines fill fewer bytes.
pub const ROWS_MAX: usize = 65_536;
/// A stored block with its filter and footer, compressed or not.
pub const STORED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Names a block for as long as a store lives: never given twice, in no order of time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlockId {
    /// Which life of the store and which kind of content; see [`BlockId::kind`].
    pub segment: u32,
    /// The number within the segment.
    pub block: u32,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Rows of a stream.
    Logs,
    /// Spans.
    Traces,
}

impl BlockId {
    /// The first block of a kind in a life of the store.
    #[must_use]
    pub(crate) const fn first(life: u32, kind: Kind) -> Self {
        let low = match kind {
            Kind::Logs => 0,
            Kind::Traces => 1,
        };
        Self { segment: life << 1 | low, block: 0 }
    }

    /// The block after this one.
    pub(crate) const fn next(self) -> Self {
        Self { segment: self.segment, block: self.block.saturating_add(1) }
    }

    /// What the block holds.
    #[must_use]
    pub const fn kind(self) -> Kind {
        if self.segment & 1 == 0 { Kind::Logs } else { Kind::Traces }
    }

    pub(crate) const fn life(self) -> u32 {
        self.segment >> 1
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}", self.segment, self.block)
    }
}

impl BlockId {
    /// The id with this spelling, exactly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (segment, block) = text.split_once('-')?;
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let id = Self { segment: number(segment)?, block: number(block)? };
        (id.to_string() == text).then_some(id)
    }
}
