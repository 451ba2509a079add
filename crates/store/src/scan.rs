//! The store as a [`Source`]: streams, then blocks by time and filter, then rows.
//!
//! A block is fetched, decrypted and decompressed once a scan. The longest literal is searched in
//! all of its lines at once, so that lines without it cost what the search costs and nothing else;
//! columns are read only when a row is left. In order of time, a block is opened when the scan
//! comes to its first row, so that few are open at once; what is open counts as memory of the
//! query. In any order, a second thread opens blocks while the first shows rows.

mod ahead;
mod kinds;
mod merge;
mod piece;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use memchr::memmem;

use self::piece::{Opened, Piece};
use crate::block::{Block, BlockId};
use crate::engine::source::{
    Entry, Lost, ScanError, ScanStats, Selection, Source, TimeRange, Unreadable,
};
use crate::postings::WrongPattern;
use crate::store::Store;
use crate::stream::Stream;
use crate::vault::{Fault, VaultError};

impl Source for Store {
    fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LabelSet>, ScanError> {
        self.streams_seen(matchers, range, &|_| true)
    }

    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        self.scan_seen(what, &|_| true, visit)
    }
}

/// Whether whoever asks may see a stream of these labels.
type Seen<'a> = &'a dyn Fn(&LabelSet) -> bool;

impl Store {
    /// The streams that have something in the range, of those that may be seen.
    ///
    /// # Errors
    /// As for [`Source::streams`].
    pub fn streams_seen(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        seen: Seen<'_>,
    ) -> Result<Vec<LabelSet>, ScanError> {
        let (pieces, _) = self.pieces((matchers, seen), range, &[])?;
        let mut streams: Vec<&Arc<Stream>> = pieces.iter().map(Piece::stream).collect();
        streams.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
        streams.dedup_by_key(|stream| stream.id);
        let held = |stream: &&Arc<Stream>| {
            let of_stream = pieces.iter().filter(|piece| piece.stream().id == stream.id);
            of_stream.into_iter().any(|piece| piece.surely_overlaps(range))
                || pieces
                    .iter()
                    .filter(|piece| piece.stream().id == stream.id)
                    .any(|piece| self.has_row_in(piece, range))
        };
        Ok(streams.into_iter().filter(held).map(|stream| stream.labels.clone()).collect())
    }

    /// A scan of those streams that may be seen. The others are not there: nothing of them is read,
    /// counted or charged.
    ///
    /// # Errors
    /// As for [`Source::scan`].
    pub fn scan_seen(
        &self,
        what: &Selection<'_>,
        seen: Seen<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        let (pieces, mut stats) = self.pieces((what.matchers, seen), what.range, what.literals)?;
        if let Some(direction) = what.direction {
            merge::in_order(self, &pieces, what, direction, &mut stats, visit);
            return Ok(stats);
        }
        Ok(stats.and(ahead::in_any_order(self, &pieces, what, visit)))
    }

    /// What a scan may have to read, in the stable order of the store.
    fn pieces(
        &self,
        (matchers, seen): (&[Matcher], Seen<'_>),
        range: TimeRange,
        literals: &[String],
    ) -> Result<(Vec<Piece>, ScanStats), ScanError> {
        let state = self.state();
        let mut streams = state
            .postings
            .select(matchers)
            .map_err(|WrongPattern { label }| ScanError::Matcher { name: label })?;
        streams.retain(|stream| seen(&stream.labels));
        let mut stats = ScanStats { streams: streams.len() as u64, ..ScanStats::default() };
        let mut pieces = Vec::new();
        for block in state.blocks.values() {
            let id = block.stream.id;
            if streams.binary_search_by_key(&id, |stream| stream.id).is_err() {
                continue;
            }
            let overlaps = block.first_ns < range.to_ns && range.from_ns <= block.last_ns;
            let may = literals.iter().all(|needle| block.bloom.may_contain(needle.as_bytes()));
            if !overlaps || !may {
                stats.blocks_skipped += 1;
                continue;
            }
            let cut = state.cut.get(&block.id).cloned();
            pieces.push(Piece::Block { meta: Arc::clone(block), cut });
        }
        for stream in streams {
            if let Some(slot) = state.slot(stream.id) {
                let stream = Arc::clone(&slot.stream);
                pieces.push(Piece::Head { stream, head: Arc::clone(&slot.head) });
            }
        }
        pieces.sort_by_key(|piece| piece.stream().id);
        Ok((pieces, stats))
    }

    /// The rows of a piece that a scan shows; `None` when there are none.
    fn open(
        &self,
        piece: &Piece,
        what: &Selection<'_>,
        stats: &mut ScanStats,
    ) -> ControlFlow<(), Option<Opened>> {
        if what.range.is_empty() {
            return ControlFlow::Continue(None);
        }
        what.meter.read(piece.content_bytes())?;
        let Piece::Block { meta, cut } = piece else {
            return ControlFlow::Continue(Opened::head(piece, what));
        };
        let plain = match cut {
            Some(plain) => Ok(Arc::clone(plain)),
            None => self.vault.get(meta.id),
        };
        let opened = plain.and_then(|plain| {
            Opened::block(meta, &plain, what)
                .map_err(|_| VaultError::Fault { id: meta.id, fault: Fault::Malformed })
        });
        match opened {
            Ok(opened) => {
                stats.blocks_read += 1;
                ControlFlow::Continue(opened)
            }
            // Between the look at the index and now it may have been dropped for room.
            Err(_) if !self.state().blocks.contains_key(&meta.id) => ControlFlow::Continue(None),
            Err(error) => {
                let lost = self.note_lost(meta.id, &error);
                stats.blocks_unreadable = stats.blocks_unreadable.and(Unreadable::one(lost));
                ControlFlow::Continue(None)
            }
        }
    }

    /// What an answer says of a block that it lacks; one that came back wrong is remembered.
    pub(crate) fn note_lost(&self, id: BlockId, error: &VaultError) -> Lost {
        let fault = match error {
            VaultError::Fault { fault, .. } => Some(*fault),
            VaultError::Backend(_) | VaultError::Cipher(_) => None,
        };
        if let Some(fault) = fault {
            self.state().note_fault(id, fault);
        }
        Lost { id, fault }
    }

    fn has_row_in(&self, piece: &Piece, range: TimeRange) -> bool {
        match piece {
            Piece::Head { head, .. } => (0..head.rows()).any(|row| range.contains(head.time(row))),
            Piece::Block { meta, cut } => {
                let plain = match cut {
                    Some(plain) => Ok(Arc::clone(plain)),
                    None => self.vault.get(meta.id),
                };
                plain.is_ok_and(|plain| {
                    Block::open(&plain)
                        .and_then(|block| block.times())
                        .is_ok_and(|times| times.into_iter().any(|time| range.contains(time)))
                })
            }
        }
    }

    /// The floor of a cold search, for measuring: fetches and decompresses the lines of every block
    /// and searches them as one text. Gives the bytes of the lines.
    #[doc(hidden)]
    pub fn decompress_and_find(&self, needle: &[u8]) -> u64 {
        let ids: Vec<BlockId> = self.state().blocks.keys().copied().collect();
        let finder = memmem::Finder::new(needle);
        let mut bytes = 0;
        for id in ids {
            let Ok(plain) = self.vault.get(id) else { continue };
            let lines = Block::open(&plain).and_then(|block| block.lines()).unwrap_or_default();
            bytes += (lines.len() + usize::from(finder.find(&lines).is_some())) as u64;
        }
        bytes
    }

    /// Bytes of the lines of all blocks, for measuring.
    #[doc(hidden)]
    pub fn line_bytes(&self) -> u64 {
        self.state().blocks.values().map(|block| block.lines).sum()
    }
}
