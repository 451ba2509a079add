//! Many traces in little memory: sorted by id, in compressed pieces that hold whole traces.

use std::collections::BTreeMap;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

use super::{StoredSpan, TraceId};
use crate::block::STORED_BYTES_MAX;
use crate::cursor::{Cursor, Malformed, put_varint};

/// A piece is closed when it has so many bytes; one trace may make it larger.
const PIECE_BYTES: usize = 64 * 1024;
const ZSTD_LEVEL: i32 = 1;

/// Writes segments.
pub(super) struct SegmentWriter(Compressor<'static>);

impl SegmentWriter {
    pub(super) fn new() -> io::Result<Self> {
        Compressor::new(ZSTD_LEVEL).map(Self)
    }

    pub(super) fn write(&mut self, traces: &BTreeMap<TraceId, Vec<StoredSpan>>) -> Segment {
        let mut segment = Segment { pieces: Vec::new(), fingerprints: Vec::new(), spans: 0 };
        let mut raw = Vec::with_capacity(PIECE_BYTES * 2);
        let mut first = None;
        for (&id, spans) in traces {
            first.get_or_insert(id);
            raw.extend_from_slice(&id.0);
            put_varint(&mut raw, spans.len() as u64);
            spans.iter().for_each(|span| span.write(&mut raw));
            segment.fingerprints.push(fingerprint(id));
            segment.spans += spans.len() as u64;
            if raw.len() >= PIECE_BYTES {
                self.close(&mut first, &mut raw, &mut segment);
            }
        }
        self.close(&mut first, &mut raw, &mut segment);
        segment.fingerprints.sort_unstable();
        segment
    }

    fn close(&mut self, first: &mut Option<TraceId>, raw: &mut Vec<u8>, segment: &mut Segment) {
        let Some(first) = first.take() else { return };
        let stored = self.0.compress(raw).ok();
        let is_compressed = stored.is_some();
        let stored = stored.unwrap_or_else(|| raw.clone()).into();
        segment.pieces.push(Piece { first, raw: raw.len(), is_compressed, stored });
        raw.clear();
    }
}

/// Traces that are not written any more.
pub(super) struct Segment {
    pieces: Vec<Piece>,
    /// Four bytes of each id, sorted: a trace that is not here costs a search in memory.
    fingerprints: Vec<u32>,
    spans: u64,
}

struct Piece {
    first: TraceId,
    raw: usize,
    is_compressed: bool,
    stored: Box<[u8]>,
}

impl Segment {
    pub(super) const fn spans(&self) -> u64 {
        self.spans
    }

    pub(super) fn bytes(&self) -> u64 {
        let pieces: usize = self.pieces.iter().map(|piece| piece.stored.len() + 64).sum();
        (pieces + self.fingerprints.len() * 4) as u64
    }

    /// Appends the spans of a trace.
    pub(super) fn find(&self, id: TraceId, out: &mut Vec<StoredSpan>) {
        if self.fingerprints.binary_search(&fingerprint(id)).is_err() {
            return;
        }
        let after = self.pieces.partition_point(|piece| piece.first <= id);
        let Some(piece) = after.checked_sub(1).and_then(|at| self.pieces.get(at)) else { return };
        // It was written by this process and never left it; what cannot be read is not there.
        let _ = piece.each(&mut |found, span| {
            if found == id {
                out.push(span.clone());
            }
            found <= id
        });
    }

    /// Shows all spans until `visit` has enough.
    pub(super) fn each(&self, visit: &mut dyn FnMut(TraceId, &StoredSpan) -> bool) {
        for piece in &self.pieces {
            if let Ok(false) | Err(_) = piece.each(visit) {
                return;
            }
        }
    }
}

impl Piece {
    fn each(&self, visit: &mut dyn FnMut(TraceId, &StoredSpan) -> bool) -> Result<bool, Malformed> {
        let failed = Malformed::Compression { what: "spans" };
        let raw = if self.is_compressed {
            let mut zstd = Decompressor::new().map_err(|_| failed)?;
            zstd.decompress(&self.stored, self.raw).map_err(|_| failed)?
        } else {
            self.stored.to_vec()
        };
        let mut cursor = Cursor::new(&raw);
        while !cursor.remaining().is_empty() {
            let id = TraceId(cursor.array()?);
            for _ in 0..cursor.count("spans", self.raw)? {
                let span = StoredSpan::read(&mut cursor, STORED_BYTES_MAX)?;
                if !visit(id, &span) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn fingerprint(TraceId(id): TraceId) -> u32 {
    // The end of an id is random also where its beginning is a time.
    let [.., a, b, c, d] = id;
    u32::from_be_bytes([a, b, c, d])
}
