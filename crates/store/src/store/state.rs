//! Everything of a store that changes: streams, heads, the index of blocks, and counts.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::mem::discriminant;
use std::sync::Arc;

use lucarne_logql::labels::LabelSet;

use super::Report;
use crate::block::{BlockId, BlockWriter, Kind};
use crate::bloom::Bloom;
use crate::head::Head;
use crate::postings::Postings;
use crate::retention::{self, Candidate, Evicted, Hold, Retention, Room};
use crate::stream::{Stream, Streams};
use crate::trace::TraceState;
use crate::vault::{Fault, Vault};
use crate::wal::Wal;

/// What is kept in memory of a block.
#[derive(Debug)]
pub(crate) struct BlockMeta {
    pub(crate) id: BlockId,
    pub(crate) stream: Arc<Stream>,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) rows: u64,
    pub(crate) stored: u64,
    /// Lines and columns, decompressed.
    pub(crate) content: u64,
    /// Lines alone.
    pub(crate) lines: u64,
    pub(crate) bloom: Bloom,
}

/// Bytes of blocks that are cut and not stored; more than this are dropped, since memory is what is
/// scarce. As much as the blocks of sixteen full heads, or of any number of small ones.
const CUT_BYTES_MAX: usize = 16 << 20;
/// Wrong blocks that are remembered by name: more than a store of an enclave has blocks, but for
/// the largest.
const FAULTS_MAX: usize = 4_096;
/// An entry of the index beside its filter.
const META_BYTES: u64 = 160;

/// The changing part of a store.
pub(crate) struct State {
    streams: Streams,
    pub(crate) postings: Postings,
    heads: BTreeMap<u32, Slot>,
    head_bytes: usize,
    pub(crate) blocks: BTreeMap<BlockId, Arc<BlockMeta>>,
    /// Blocks that are in no vault yet.
    pub(crate) cut: BTreeMap<BlockId, Arc<[u8]>>,
    /// By stream, how many blocks it has.
    counts: HashMap<u32, u32>,
    writer: BlockWriter,
    pub(crate) traces: TraceState,
    next: BlockId,
    /// Records that ever entered, those included that were left out.
    pub(crate) sequence: u64,
    /// While the log is read again: by stream, the newest record that a block has.
    pub(crate) known: HashMap<u32, u64>,
    holds: Vec<Hold>,
    evicted: Evicted,
    failed_puts: u64,
    faults: Vec<(BlockId, Fault)>,
    pub(crate) wal: Option<Wal>,
}

/// The head of one stream.
pub(crate) struct Slot {
    pub(crate) stream: Arc<Stream>,
    pub(crate) head: Arc<Head>,
    counted: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} streams, {} blocks)", self.streams.len(), self.blocks.len())
    }
}

impl State {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            streams: Streams::default(),
            postings: Postings::default(),
            heads: BTreeMap::new(),
            head_bytes: 0,
            blocks: BTreeMap::new(),
            cut: BTreeMap::new(),
            counts: HashMap::new(),
            writer: BlockWriter::new()?,
            traces: TraceState::new()?,
            next: BlockId::first(0, Kind::Logs),
            sequence: 0,
            known: HashMap::new(),
            holds: Vec::new(),
            evicted: Evicted::default(),
            failed_puts: 0,
            faults: Vec::new(),
            wal: None,
        })
    }

    /// The stream of these labels; `None` when there are too many.
    pub(crate) fn stream(&mut self, labels: LabelSet) -> Option<Arc<Stream>> {
        let (stream, new) = self.streams.add(labels)?;
        if new {
            self.postings.add(&stream);
        }
        Some(stream)
    }

    /// Whether the record of the present number is in a block of the stream already.
    pub(crate) fn is_known(&self, stream: &Stream) -> bool {
        self.known.get(&stream.id).is_some_and(|&through| self.sequence <= through)
    }

    /// The head of a stream, to write a row to.
    #[inline]
    pub(crate) fn head(&mut self, stream: &Arc<Stream>) -> &mut Head {
        let sequence = self.sequence;
        let slot = self.heads.entry(stream.id).or_insert_with(|| Slot {
            stream: Arc::clone(stream),
            head: Arc::default(),
            counted: 0,
        });
        // Copies only when a query still reads these rows.
        let head = Arc::make_mut(&mut slot.head);
        head.through = sequence;
        head
    }

    /// Closes the row that was written last; a head that it makes too large is cut before it.
    #[inline]
    pub(crate) fn row_is_complete(&mut self, stream: &Arc<Stream>) {
        let Some(slot) = self.heads.get_mut(&stream.id) else { return };
        let mut full = None;
        if slot.head.is_over()
            && let Some(rest) = Arc::make_mut(&mut slot.head).split_last()
        {
            let mut head = std::mem::replace(&mut slot.head, Arc::new(rest));
            Arc::make_mut(&mut head).through -= 1;
            full = Some(head);
        }
        let bytes = slot.head.bytes();
        self.head_bytes = self.head_bytes + bytes - slot.counted;
        slot.counted = bytes;
        if let Some(head) = full {
            self.cut_head(stream, &head);
        }
    }

    /// Bytes of rows and spans that are in no block.
    pub(crate) const fn head_bytes(&self) -> usize {
        self.head_bytes + self.traces.recent_bytes()
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.wal.as_ref().map_or(0, |wal| wal.bytes)
    }

    pub(crate) fn slot(&self, stream: u32) -> Option<&Slot> {
        self.heads.get(&stream)
    }

    /// Cuts the largest head into a block, or the spans if they are more; `false` when there is
    /// none.
    pub(crate) fn cut_largest(&mut self) -> bool {
        let largest = self.heads.iter().max_by_key(|(_, slot)| slot.counted);
        let largest = largest.map(|(&id, slot)| (id, slot.counted));
        match largest {
            Some((id, bytes)) if bytes >= self.traces.recent_bytes() => self.cut_stream(id),
            Some(_) | None => self.cut_spans(),
        }
    }

    /// Makes blocks of the spans that are in none; `false` when there are none.
    fn cut_spans(&mut self) -> bool {
        let cut = self.traces.cut(self.sequence);
        let some = !cut.is_empty();
        self.cut.extend(cut);
        some
    }

    /// Cuts every head.
    pub(crate) fn cut_all(&mut self) {
        self.cut_spans();
        while let Some((&id, _)) = self.heads.first_key_value() {
            self.cut_stream(id);
        }
    }

    fn cut_stream(&mut self, id: u32) -> bool {
        let Some(slot) = self.heads.remove(&id) else { return false };
        self.head_bytes -= slot.counted;
        self.cut_head(&slot.stream, &slot.head);
        true
    }

    fn cut_head(&mut self, stream: &Arc<Stream>, head: &Head) {
        let Some(written) = self.writer.write(&stream.labels, head) else { return };
        let Some(bloom) = Bloom::from_bytes(&written.bloom) else { return };
        let id = self.next;
        self.next = id.next();
        let meta = BlockMeta {
            id,
            stream: Arc::clone(stream),
            first_ns: written.first_ns,
            last_ns: written.last_ns,
            rows: head.rows() as u64,
            stored: written.bytes.len() as u64,
            content: written.content,
            lines: head.lines().len() as u64,
            bloom,
        };
        self.cut.insert(id, written.bytes.into());
        self.add_block(meta);
    }

    pub(super) fn add_block(&mut self, meta: BlockMeta) {
        *self.counts.entry(meta.stream.id).or_default() += 1;
        self.blocks.insert(meta.id, Arc::new(meta));
    }

    /// Moves cut blocks to the vault; whether there was one. What it refuses waits, within bounds.
    pub(crate) fn store_cut(&mut self, vault: &Vault) -> bool {
        let some = !self.cut.is_empty();
        while let Some((&id, bytes)) = self.cut.first_key_value() {
            if vault.put(id, bytes).is_err() {
                self.failed_puts += 1;
                break;
            }
            self.cut.remove(&id);
        }
        let mut waiting: usize = self.cut.values().map(|bytes| bytes.len()).sum();
        while waiting > CUT_BYTES_MAX {
            let Some((&id, bytes)) = self.cut.first_key_value() else { break };
            waiting -= bytes.len();
            self.drop_block(vault, id);
        }
        some
    }

    /// Drops what is too much or too old, with room kept for heads to grow to `head_bytes`.
    pub(crate) fn retain(
        &mut self,
        vault: &Vault,
        retention: Retention,
        head_bytes: usize,
        now_ns: i64,
    ) {
        let spans = self.traces.blocks.values().map(|block| Candidate {
            id: block.id,
            first_ns: block.head.first_ns,
            last_ns: block.head.last_ns,
            bytes: vault.stored_bytes(0) + block.stored,
            memory: block.head.memory_bytes(),
        });
        let rows = self.blocks.values().map(|block| Candidate {
            id: block.id,
            first_ns: block.first_ns,
            last_ns: block.last_ns,
            bytes: vault.stored_bytes(0) + block.stored,
            memory: block.bloom.bytes() as u64 + META_BYTES,
        });
        let other = (self.head_bytes().max(head_bytes) + self.streams.bytes) as u64;
        let room = Room { retention, memory_bytes: vault.memory_bytes_max() };
        for id in retention::choose(rows.chain(spans), other, room, now_ns, &self.holds) {
            self.drop_block(vault, id);
        }
    }

    fn drop_block(&mut self, vault: &Vault, id: BlockId) {
        if self.cut.remove(&id).is_none() {
            // A host that keeps what it was told to forget keeps ciphertext without a name.
            drop(vault.remove(id));
        }
        if let Some(meta) = self.traces.blocks.remove(&id) {
            self.evicted.blocks += 1;
            self.evicted.records += meta.head.spans;
            self.evicted.bytes += meta.stored;
        }
        let Some(meta) = self.blocks.remove(&id) else { return };
        self.evicted.blocks += 1;
        self.evicted.records += meta.rows;
        self.evicted.bytes += meta.stored;
        let Some(count) = self.counts.get_mut(&meta.stream.id) else { return };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&meta.stream.id);
            if !self.heads.contains_key(&meta.stream.id) {
                self.postings.remove(&meta.stream);
                self.streams.remove(&meta.stream);
            }
        }
    }

    /// Removes the log when blocks have everything that is in it.
    pub(crate) fn trim_log(&mut self) {
        let idle = self.heads.is_empty() && self.traces.recent_bytes() == 0 && self.cut.is_empty();
        if let Some(wal) = self.wal.as_mut().filter(|wal| idle && wal.has_files()) {
            // What cannot be removed is read again, and its records are known then.
            drop(wal.clear());
        }
    }

    pub(super) const fn begin_life(&mut self, life: u32) {
        self.next = BlockId::first(life, Kind::Logs);
        self.traces.begin_life(life);
    }

    pub(super) fn hold(&mut self, name: &str, from_ns: i64, to_ns: i64) {
        self.holds.push(Hold { name: name.to_owned(), from_ns, to_ns });
    }

    pub(super) fn release(&mut self, name: &str) -> bool {
        let before = self.holds.len();
        self.holds.retain(|hold| hold.name != name);
        self.holds.len() < before
    }

    pub(crate) fn note_fault(&mut self, id: BlockId, fault: Fault) {
        // One entry a block and kind: a host that gives another block each time fills no table.
        let same = |&(other, kind): &(BlockId, Fault)| {
            other == id && discriminant(&kind) == discriminant(&fault)
        };
        if self.faults.len() < FAULTS_MAX && !self.faults.iter().any(same) {
            self.faults.push((id, fault));
        }
    }

    pub(super) fn faults(&self) -> &[(BlockId, Fault)] {
        &self.faults
    }

    pub(super) fn report(&self) -> Report {
        let in_heads: usize = self.heads.values().map(|slot| slot.head.rows()).sum();
        let index: u64 =
            self.blocks.values().map(|block| block.bloom.bytes() as u64 + META_BYTES).sum();
        let spans = self.traces.blocks.values();
        let index = index + spans.clone().map(|block| block.head.memory_bytes()).sum::<u64>();
        let mut evicted = self.evicted;
        evicted.records += self.traces.lost();
        Report {
            streams: self.streams.len() as u64,
            blocks: (self.blocks.len() + spans.len()) as u64,
            records: self.blocks.values().map(|block| block.rows).sum::<u64>() + in_heads as u64,
            spans: self.traces.spans(),
            stored_bytes: self.blocks.values().map(|block| block.stored).sum::<u64>()
                + spans.map(|block| block.stored).sum::<u64>(),
            memory_bytes: (self.head_bytes() + self.streams.bytes) as u64 + index,
            evicted,
            failed_puts: self.failed_puts,
            faults: self.faults.clone(),
        }
    }
}
