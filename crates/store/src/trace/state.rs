//! The changing part of the spans: those that came lately, and the index of the blocks.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::block::{Recent, TraceBlock, TraceWriter};
use super::{StoredSpan, TraceId};
use crate::block::{BlockId, Kind};

/// What is kept in memory of a block.
#[derive(Debug)]
pub(crate) struct TraceMeta {
    pub(crate) id: BlockId,
    pub(crate) stored: u64,
    pub(crate) head: TraceBlock,
}

/// Spans of a store.
pub(crate) struct TraceState {
    // Copied only when a query still reads it.
    pub(super) recent: Arc<Recent>,
    recent_bytes: usize,
    recent_spans: u64,
    pub(crate) blocks: BTreeMap<BlockId, Arc<TraceMeta>>,
    writer: TraceWriter,
    next: BlockId,
    /// The newest record that blocks cover.
    through: u64,
    lost: u64,
}

impl TraceState {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            recent: Arc::default(),
            recent_bytes: 0,
            recent_spans: 0,
            blocks: BTreeMap::new(),
            writer: TraceWriter::new()?,
            next: BlockId::first(0, Kind::Traces),
            through: 0,
            lost: 0,
        })
    }

    pub(crate) const fn begin_life(&mut self, life: u32) {
        self.next = BlockId::first(life, Kind::Traces);
    }

    /// Whether the span of this number is in a block already.
    pub(crate) const fn is_known(&self, sequence: u64) -> bool {
        sequence <= self.through
    }

    pub(super) fn add(&mut self, id: TraceId, span: StoredSpan) {
        self.recent_bytes += span.bytes();
        self.recent_spans += 1;
        Arc::make_mut(&mut self.recent).entry(id).or_default().push(span);
    }

    pub(crate) const fn recent_bytes(&self) -> usize {
        self.recent_bytes
    }

    pub(crate) fn spans(&self) -> u64 {
        self.recent_spans + self.blocks.values().map(|block| block.head.spans).sum::<u64>()
    }

    /// Spans that could not be compressed for want of memory.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn adopt(&mut self, id: BlockId, stored: u64, head: TraceBlock) {
        self.through = self.through.max(head.through);
        self.blocks.insert(id, Arc::new(TraceMeta { id, stored, head }));
    }

    pub(crate) const fn through(&self) -> u64 {
        self.through
    }

    /// Makes blocks of what came lately, and gives their bytes to be stored in this order.
    /// `sequence` is the newest record.
    pub(crate) fn cut(&mut self, sequence: u64) -> Vec<(BlockId, Arc<[u8]>)> {
        if self.recent_spans == 0 {
            return Vec::new();
        }
        let recent = std::mem::take(&mut self.recent);
        let spans = std::mem::take(&mut self.recent_spans);
        self.recent_bytes = 0;
        let Ok(blocks) = self.writer.write(&recent, self.through, sequence) else {
            self.lost += spans;
            return Vec::new();
        };
        self.through = self.through.max(sequence);
        let mut cut = Vec::new();
        for (head, bytes) in blocks {
            let id = self.next;
            self.next = id.next();
            let stored = bytes.len() as u64;
            self.blocks.insert(id, Arc::new(TraceMeta { id, stored, head }));
            cut.push((id, bytes.into()));
        }
        cut
    }
}
