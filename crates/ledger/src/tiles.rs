//! Tiles of a ledger (c2sp.org/tlog-tiles): its tree cut into files of 256 hashes, and its entries
//! in bundles of 256, for mirrors and clients that follow a log by files.
//!
//! Tiles are derived data: they are made from the leaves whenever somebody wants them, and are
//! never in the archive, where each partial tile would stay for ever. They are built in one pass
//! with the memory of one tile a level. An entry that does not fit its length prefix is refused.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::hash::Hash;
use crate::tree::Frontier;

/// Hashes of a whole tile, entries of a whole bundle.
pub const TILE_WIDTH: usize = 256;
/// Longest entry that a bundle can carry: its length has 16 bits.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// What a tile is of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TileKind {
    /// Hashes: leaves at level 0, roots of whole tiles of the level below at the others.
    Hashes {
        /// 0 to 8: there are no more leaves than 2^64.
        level: u8,
    },
    /// Entries, each behind its length.
    Entries,
}

/// The name of a tile in its log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TilePath {
    /// What it is of.
    pub kind: TileKind,
    /// Which one, from 0.
    pub index: u64,
    /// How many it has: 1 to `TILE_WIDTH`; fewer only for the last.
    pub width: usize,
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => write!(f, "tile/entries/")?,
        }
        write_index(f, self.index)?;
        if self.width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Three digits a part; all parts but the last begin with an x.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let digits = alloc::format!("{index}");
    let zeros = (3 - digits.len() % 3) % 3;
    let digits: String = core::iter::repeat_n('0', zeros).chain(digits.chars()).collect();
    let last = digits.len() / 3;
    for (at, part) in digits.as_bytes().chunks(3).enumerate() {
        let part = core::str::from_utf8(part).map_err(|_| fmt::Error)?;
        if at + 1 < last { write!(f, "x{part}/")? } else { f.write_str(part)? }
    }
    Ok(())
}

/// Takes what a tile holds and its path.
pub type Emit<'e> = dyn FnMut(TilePath, &[u8]) + 'e;

/// Builds the hash tiles of a log from its leaves.
#[derive(Clone, Debug, Default)]
pub struct HashTiles {
    // what is not a whole tile yet, the leaves first
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
struct Level {
    index: u64,
    hashes: Vec<u8>,
    inner: Frontier,
}

impl Level {
    fn path(&self, level: usize) -> TilePath {
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let width = self.hashes.len() / 32;
        TilePath { kind: TileKind::Hashes { level }, index: self.index, width }
    }
}

impl HashTiles {
    /// A builder at the beginning of a log.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Takes the next leaf, and emits each tile that it fills.
    pub fn push(&mut self, leaf: Hash, emit: &mut Emit<'_>) {
        let mut node = leaf;
        for at in 0.. {
            if at == self.levels.len() {
                let empty = Level { index: 0, hashes: Vec::new(), inner: Frontier::empty() };
                self.levels.push(empty);
            }
            let Some(level) = self.levels.get_mut(at) else { return };
            level.hashes.extend_from_slice(&node.0);
            level.inner.append(node);
            if level.hashes.len() < TILE_WIDTH * 32 {
                return;
            }
            emit(level.path(at), &level.hashes);
            node = level.inner.root();
            *level = Level {
                index: level.index.saturating_add(1),
                hashes: Vec::new(),
                inner: Frontier::empty(),
            };
        }
    }

    /// Emits the partial tiles of the log as it is now, that of the leaves first.
    pub fn partial(&self, emit: &mut Emit<'_>) {
        for (at, level) in self.levels.iter().enumerate() {
            if !level.hashes.is_empty() {
                emit(level.path(at), &level.hashes);
            }
        }
    }
}

/// An entry is longer than its length prefix can say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EntryTooLong {
    /// Bytes given.
    pub bytes: usize,
}

impl fmt::Display for EntryTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry of {} bytes is longer than a bundle can carry", self.bytes)
    }
}

impl core::error::Error for EntryTooLong {}

/// Builds the entry bundles of a log.
#[derive(Clone, Debug, Default)]
pub struct EntryBundles {
    index: u64,
    count: usize,
    bytes: Vec<u8>,
}

impl EntryBundles {
    /// A builder at the beginning of a log.
    pub const fn new() -> Self {
        Self { index: 0, count: 0, bytes: Vec::new() }
    }

    /// Takes the next entry, and emits the bundle if that fills it.
    ///
    /// # Errors
    /// When the entry is longer than `ENTRY_BYTES_MAX`; it is not taken then.
    pub fn push(&mut self, entry: &[u8], emit: &mut Emit<'_>) -> Result<(), EntryTooLong> {
        let length = u16::try_from(entry.len());
        let length = length.map_err(|_| EntryTooLong { bytes: entry.len() })?;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(entry);
        self.count += 1;
        if self.count == TILE_WIDTH {
            emit(self.path(), &self.bytes);
            *self = Self { index: self.index.saturating_add(1), count: 0, bytes: Vec::new() };
        }
        Ok(())
    }

    /// Emits the partial bundle of the log as it is now, if there is one.
    pub fn partial(&self, emit: &mut Emit<'_>) {
        if self.count > 0 {
            emit(self.path(), &self.bytes);
        }
    }

    const fn path(&self) -> TilePath {
        TilePath { kind: TileKind::Entries, index: self.index, width: self.count }
    }
}

#[cfg(test)]
mod tests;
