//! Spans by trace: kept whole as bytes, found by id, and put into a tree.
//!
//! Recent traces lie in a map; when that is full it becomes a segment, sorted by trace
//! id and compressed in pieces, with the ids of the pieces' first traces and a filter beside it.
//! So a trace is found by looking into few pieces, whatever the number of spans. What is too much
//! is dropped oldest first and counted.

mod segment;
mod span;
#[cfg(test)]
mod tests;
pub mod tree;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lucarne_otlp::wire::{Reader, Value, WireError};

use self::segment::{Segment, SegmentWriter};
pub use self::span::{SpanInfo, StoredSpan};

/// 16 bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TraceId(pub [u8; 16]);

/// Spans of one trace that are given back; a trace with more is cut and marked.
pub const SPANS_MAX: usize = 50_000;
/// One span with its resource, as long as a line of a log may be.
pub(crate) const SPAN_BYTES_MAX: usize = 1024 * 1024;

/// Full spans in bounded memory.
#[derive(Debug)]
pub struct Traces {
    state: Mutex<State>,
    /// Of everything.
    bytes_max: u64,
    /// Of spans that are in no segment yet.
    recent_max: usize,
}

struct State {
    recent: BTreeMap<TraceId, Vec<StoredSpan>>,
    recent_bytes: usize,
    segments: VecDeque<Segment>,
    writer: SegmentWriter,
    evicted: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} traces, {} segments)", self.recent.len(), self.segments.len())
    }
}

/// What became of the spans of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct IngestedSpans {
    /// Kept.
    pub spans: u64,
    /// Left out: ids of a wrong length, or too long.
    pub refused: u64,
}

/// The spans of one trace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trace {
    /// As they came, oldest first where that is known.
    pub spans: Vec<StoredSpan>,
    /// Whether there were more than [`SPANS_MAX`].
    pub is_partial: bool,
}

impl Traces {
    /// An empty store of spans within so many bytes.
    ///
    /// # Errors
    /// When there is no memory for the tables of the compressor.
    pub fn new(bytes_max: u64, recent_max: usize) -> io::Result<Self> {
        let state = State {
            recent: BTreeMap::new(),
            recent_bytes: 0,
            segments: VecDeque::new(),
            writer: SegmentWriter::new()?,
            evicted: 0,
        };
        Ok(Self { state: Mutex::new(state), bytes_max, recent_max })
    }

    /// Keeps the spans of an `ExportTraceServiceRequest`.
    ///
    /// # Errors
    /// When it cannot be read; nothing of it was kept then.
    pub fn ingest(&self, request: &[u8]) -> Result<IngestedSpans, WireError> {
        let mut result = IngestedSpans::default();
        let mut spans = Vec::new();
        for resource in messages(request, 1) {
            let resource = resource?;
            let shared = messages(resource, 1).last().transpose()?.unwrap_or_default();
            span::check_resource(shared)?;
            for scope in messages(resource, 2) {
                for span in messages(scope?, 2) {
                    match StoredSpan::of(span?, shared)? {
                        Some(kept) if kept.1.bytes() <= SPAN_BYTES_MAX => spans.push(kept),
                        Some(_) | None => result.refused += 1,
                    }
                }
            }
        }
        result.spans = spans.len() as u64;
        let mut state = self.state();
        for (id, span) in spans {
            state.recent_bytes += span.bytes();
            state.recent.entry(id).or_default().push(span);
        }
        if state.recent_bytes > self.recent_max {
            state.cut();
            state.retain(self.bytes_max.saturating_sub(self.recent_max as u64));
        }
        Ok(result)
    }

    /// All spans of a trace; empty when there are none.
    #[must_use]
    pub fn by_id(&self, id: TraceId) -> Trace {
        let state = self.state();
        let mut spans = Vec::new();
        for segment in &state.segments {
            segment.find(id, &mut spans);
        }
        spans.extend(state.recent.get(&id).into_iter().flatten().cloned());
        drop(state);
        let is_partial = spans.len() > SPANS_MAX;
        spans.truncate(SPANS_MAX);
        Trace { spans, is_partial }
    }

    /// The newest `limit` traces that have a span for which `wanted` holds, newest segment first.
    /// Every stored span is looked at until there are enough.
    #[must_use]
    pub fn search(
        &self,
        limit: usize,
        wanted: &mut dyn FnMut(&StoredSpan) -> bool,
    ) -> Vec<TraceId> {
        let state = self.state();
        let mut found: Vec<TraceId> = Vec::new();
        for (&id, spans) in state.recent.iter().rev() {
            if found.len() < limit && spans.iter().any(&mut *wanted) {
                found.push(id);
            }
        }
        for segment in state.segments.iter().rev() {
            segment.each(&mut |id, span| {
                if found.len() < limit && !found.contains(&id) && wanted(span) {
                    found.push(id);
                }
                found.len() < limit
            });
        }
        found
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let state = self.state();
        state.recent_bytes as u64 + state.segments.iter().map(Segment::bytes).sum::<u64>()
    }

    /// Spans that were dropped for room.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.state().evicted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held is a mistake of this program; what is kept is still readable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        self.recent_bytes = 0;
        self.segments.push_back(self.writer.write(&recent));
    }

    fn retain(&mut self, bytes_max: u64) {
        let mut total: u64 = self.segments.iter().map(Segment::bytes).sum();
        while total > bytes_max {
            let Some(oldest) = self.segments.pop_front() else { return };
            total -= oldest.bytes();
            self.evicted += oldest.spans();
        }
    }
}

/// The messages in one field of a message, as they were encoded. After an error it ends.
fn messages(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], WireError>> {
    let mut reader = Some(Reader::new(message));
    std::iter::from_fn(move || {
        loop {
            match reader.as_mut()?.next_field() {
                Ok(None) => return None,
                Ok(Some(field)) if field.number != number => {}
                Ok(Some(field)) => match field.value {
                    Value::Bytes(bytes) => return Some(Ok(bytes)),
                    Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => {
                        reader = None;
                        return Some(Err(WireError::Type { number }));
                    }
                },
                Err(error) => {
                    reader = None;
                    return Some(Err(error));
                }
            }
        }
    })
}
