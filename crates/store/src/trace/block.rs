//! The bytes of a block of spans: sorted by trace id, in pieces that are compressed by themselves.
//!
//! The head names every piece with the first trace in it and both of its lengths, so that one
//! trace costs one piece; four bytes of each trace's id say which traces are not here. The pieces
//! fill the block to the byte. `docs/formats.md` has the table.

use std::collections::BTreeMap;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use super::{StoredSpan, TraceId};
use crate::block::{BLOCK_BYTES_MAX, STORED_BYTES_MAX};
use crate::cursor::{Cursor, Malformed, put_varint, unzigzag, zigzag};

/// Begins every block of spans; the digit is the version.
const MAGIC: &[u8; 4] = b"LST1";
/// A piece is closed when it has so many bytes; one span may make it larger.
const PIECE_BYTES: usize = 64 * 1024;
/// A block is closed when its pieces have so many bytes before compression.
const RAW_BYTES: usize = BLOCK_BYTES_MAX;
const ZSTD_LEVEL: i32 = 1;
/// A span takes at least two ids and its lengths.
const SPANS_MAX: usize = STORED_BYTES_MAX / 8;

/// The spans that came lately.
pub(super) type Recent = BTreeMap<TraceId, Vec<StoredSpan>>;

/// What a block says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TraceBlock {
    pub(crate) spans: u64,
    /// The earliest start of a span.
    pub(crate) first_ns: i64,
    /// The latest end of a span.
    pub(crate) last_ns: i64,
    /// The newest record that this block and those before it cover.
    pub(crate) through: u64,
    pieces: Vec<Piece>,
    /// Sorted.
    fingerprints: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Piece {
    first: TraceId,
    /// Where it lies in the block.
    at: usize,
    stored: usize,
    raw: usize,
}

/// Writes blocks.
pub(super) struct TraceWriter(Compressor<'static>);

impl TraceWriter {
    pub(super) fn new() -> io::Result<Self> {
        Compressor::new(ZSTD_LEVEL).map(Self)
    }

    /// All spans in as many blocks as they need. The last one alone covers records up to
    /// `through`, the others those up to `before`: they are stored in this order.
    pub(super) fn write(
        &mut self,
        recent: &Recent,
        before: u64,
        through: u64,
    ) -> io::Result<Vec<(TraceBlock, Vec<u8>)>> {
        let mut blocks = Vec::new();
        let mut draft = Draft::default();
        for (&id, spans) in recent {
            for span in spans {
                draft.add(id, span);
                if draft.open.len() >= PIECE_BYTES {
                    draft.close_piece(&mut self.0)?;
                }
                if draft.raw >= RAW_BYTES {
                    blocks.push(std::mem::take(&mut draft).finish(&mut self.0, before)?);
                }
            }
        }
        if draft.spans > 0 {
            blocks.push(draft.finish(&mut self.0, through)?);
        } else if let Some((block, bytes)) = blocks.last_mut() {
            block.through = through;
            let pieces = bytes.split_off(block.pieces.first().map_or(0, |piece| piece.at));
            *bytes = block.head();
            bytes.extend_from_slice(&pieces);
            block.place(bytes.len() - pieces.len());
        }
        Ok(blocks)
    }
}

/// A block that is being written.
#[derive(Default)]
struct Draft {
    spans: u64,
    first_ns: Option<i64>,
    last_ns: i64,
    pieces: Vec<Piece>,
    fingerprints: Vec<u32>,
    first: Option<TraceId>,
    newest: Option<TraceId>,
    open: Vec<u8>,
    closed: Vec<u8>,
    raw: usize,
}

impl Draft {
    fn add(&mut self, id: TraceId, span: &StoredSpan) {
        self.first.get_or_insert(id);
        if self.newest != Some(id) {
            self.fingerprints.push(fingerprint(id));
            self.newest = Some(id);
        }
        self.open.extend_from_slice(&id.0);
        span.write(&mut self.open);
        let (start_ns, end_ns) = span.times();
        self.first_ns = Some(self.first_ns.map_or(start_ns, |first| first.min(start_ns)));
        self.last_ns = self.last_ns.max(end_ns);
        self.spans += 1;
    }

    fn close_piece(&mut self, zstd: &mut Compressor<'static>) -> io::Result<()> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let stored = zstd.compress(&self.open)?;
        self.pieces.push(Piece { first, at: 0, stored: stored.len(), raw: self.open.len() });
        self.raw += self.open.len();
        self.closed.extend_from_slice(&stored);
        self.open.clear();
        Ok(())
    }

    fn finish(
        mut self,
        zstd: &mut Compressor<'static>,
        through: u64,
    ) -> io::Result<(TraceBlock, Vec<u8>)> {
        self.close_piece(zstd)?;
        self.fingerprints.sort_unstable();
        let mut block = TraceBlock {
            spans: self.spans,
            first_ns: self.first_ns.unwrap_or_default(),
            last_ns: self.last_ns,
            through,
            pieces: self.pieces,
            fingerprints: self.fingerprints,
        };
        let mut bytes = block.head();
        block.place(bytes.len());
        bytes.extend_from_slice(&self.closed);
        Ok((block, bytes))
    }
}

impl TraceBlock {
    /// Reads the head of a block, and checks that its pieces fill it.
    ///
    /// # Errors
    /// When it is not as it was written.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes.strip_prefix(MAGIC).ok_or(Malformed::Magic)?);
        let spans = cursor.count("spans", SPANS_MAX)? as u64;
        let first_ns = unzigzag(cursor.varint()?);
        let last_ns = unzigzag(cursor.varint()?);
        let through = cursor.varint()?;
        let mut pieces = Vec::new();
        for _ in 0..cursor.count("pieces", STORED_BYTES_MAX / PIECE_BYTES)? {
            let first = TraceId(cursor.array()?);
            let raw = cursor.count("piece", STORED_BYTES_MAX)?;
            let stored = cursor.count("piece", STORED_BYTES_MAX)?;
            pieces.push(Piece { first, at: 0, stored, raw });
        }
        let mut fingerprints = Vec::new();
        for _ in 0..cursor.count("traces", SPANS_MAX)? {
            fingerprints.push(u32::from_be_bytes(cursor.array()?));
        }
        if spans == 0 || pieces.is_empty() || !pieces.is_sorted_by_key(|piece| piece.first) {
            return Err(Malformed::NotCanonical { what: "pieces" });
        }
        if !fingerprints.is_sorted() {
            return Err(Malformed::NotCanonical { what: "traces" });
        }
        let stored: usize = pieces.iter().map(|piece| piece.stored).sum();
        let left = cursor.remaining().len();
        if left < stored {
            return Err(Malformed::Truncated);
        }
        if left > stored {
            return Err(Malformed::Trailing { bytes: left - stored });
        }
        let mut block = Self { spans, first_ns, last_ns, through, pieces, fingerprints };
        block.place(bytes.len() - left);
        Ok(block)
    }

    fn head(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_varint(&mut out, self.spans);
        put_varint(&mut out, zigzag(self.first_ns));
        put_varint(&mut out, zigzag(self.last_ns));
        put_varint(&mut out, self.through);
        put_varint(&mut out, self.pieces.len() as u64);
        for piece in &self.pieces {
            out.extend_from_slice(&piece.first.0);
            put_varint(&mut out, piece.raw as u64);
            put_varint(&mut out, piece.stored as u64);
        }
        put_varint(&mut out, self.fingerprints.len() as u64);
        self.fingerprints.iter().for_each(|four| out.extend_from_slice(&four.to_be_bytes()));
        out
    }

    /// Says where each piece lies behind a head of this length.
    fn place(&mut self, head: usize) {
        let mut at = head;
        for piece in &mut self.pieces {
            piece.at = at;
            at += piece.stored;
        }
    }

    /// What this takes in memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.pieces.len() * size_of::<Piece>() + self.fingerprints.len() * 4 + 160) as u64
    }

    /// Bytes of its pieces, decompressed.
    pub(super) fn content_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.raw as u64).sum()
    }

    /// Whether a trace may be here; `false` is certain.
    pub(super) fn may_have(&self, id: TraceId) -> bool {
        self.fingerprints.binary_search(&fingerprint(id)).is_ok()
    }

    /// Appends the spans of a trace out of the bytes of the block.
    ///
    /// # Errors
    /// When a piece is not as it was written.
    pub(super) fn find(
        &self,
        bytes: &[u8],
        id: TraceId,
        out: &mut Vec<StoredSpan>,
    ) -> Result<(), Malformed> {
        let after = self.pieces.partition_point(|piece| piece.first <= id);
        let before = self.pieces.partition_point(|piece| piece.first < id);
        // A trace that begins a piece may have begun in the one before it.
        for piece in self.pieces.get(before.saturating_sub(1)..after).unwrap_or_default() {
            piece.each(bytes, &mut |found, span| {
                if found == id {
                    out.push(span);
                }
            })?;
        }
        Ok(())
    }

    /// Shows the spans of each piece in turn, in the order of their traces, while `go_on` says so.
    ///
    /// # Errors
    /// When a piece is not as it was written.
    pub(crate) fn each(
        &self,
        bytes: &[u8],
        visit: &mut dyn FnMut(TraceId, StoredSpan),
    ) -> Result<(), Malformed> {
        self.pieces.iter().try_for_each(|piece| piece.each(bytes, visit))
    }
}

impl Piece {
    fn each(
        &self,
        bytes: &[u8],
        visit: &mut dyn FnMut(TraceId, StoredSpan),
    ) -> Result<(), Malformed> {
        let failed = Malformed::Compression { what: "spans" };
        let stored = bytes.get(self.at..self.at + self.stored).ok_or(Malformed::Truncated)?;
        let raw = zstd::zstd_safe::get_frame_content_size(stored).ok().flatten();
        if raw != Some(self.raw as u64) {
            return Err(failed);
        }
        let mut zstd = Decompressor::new().map_err(|_| failed)?;
        let raw = zstd.decompress(stored, self.raw).map_err(|_| failed)?;
        let mut cursor = Cursor::new(&raw);
        while !cursor.remaining().is_empty() {
            let id = TraceId(cursor.array()?);
            visit(id, StoredSpan::read(&mut cursor, STORED_BYTES_MAX)?);
        }
        Ok(())
    }
}

fn fingerprint(TraceId(id): TraceId) -> u32 {
    // The end of an id is random also where its beginning is a time.
    let [.., a, b, c, d] = id;
    u32::from_be_bytes([a, b, c, d])
}
