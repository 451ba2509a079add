//! Spans by trace: kept whole as bytes, found by id, asked by TraceQL, and put into a tree.
//!
//! They are part of the store: one log, one vault, one budget with the records of logs. Spans that
//! came lately lie in a map; when heads are too large they become blocks, sorted by trace id and
//! compressed in pieces. A late span joins its trace wherever the rest of it lies, and a span that
//! came twice is shown once.

mod block;
mod read;
mod span;
mod state;
pub mod traceql;
pub mod tree;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use lucarne_otlp::wire::{Reader, Value, WireError};

pub(crate) use self::block::TraceBlock;
pub use self::span::{SpanInfo, StoredSpan};
pub(crate) use self::state::TraceState;
use crate::engine::limits::Meter;
use crate::engine::source::{TimeRange, Unreadable};
use crate::ingest::IngestError;
use crate::store::{State, Store};
use crate::wal::Content;

/// 16 bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TraceId(pub [u8; 16]);

/// Spans of one trace that are given back; a trace with more is cut and marked.
pub const SPANS_MAX: usize = 50_000;
/// Bytes of one trace that are given back: what a question may hold beside its answer.
pub const TRACE_BYTES_MAX: usize = 32 << 20;
/// One span with its resource and scope, as long as a line of a log may be.
pub(crate) const SPAN_BYTES_MAX: usize = 1024 * 1024;

/// What became of the spans of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct IngestedSpans {
    /// Kept.
    pub spans: u64,
    /// Left out: ids of a wrong length, or too long.
    pub refused: u64,
    /// Kept before, when the log is read again.
    pub known: u64,
}

/// The spans of one trace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trace {
    /// By start, each once.
    pub spans: Vec<StoredSpan>,
    /// Whether there were more than may be given back, or a block could not be read.
    pub is_partial: bool,
    /// Blocks that may have had more of it.
    pub unreadable: Unreadable,
}

/// What traces come from: a store, or the part of one that a role may see.
pub trait TraceSource: Sync {
    /// All spans of a trace; none when there is no such trace.
    fn trace(&self, id: TraceId) -> Trace;

    /// Shows each trace that has a span in the range, once and whole, those that ended last
    /// roughly first. `visit` answers from when on traces are of interest: what began before may
    /// be left out. Ends early when `visit` or the meter breaks; whether a block was unreadable.
    fn each_trace(
        &self,
        range: TimeRange,
        meter: &Meter<'_>,
        visit: &mut dyn FnMut(TraceId, Trace) -> ControlFlow<(), i64>,
    ) -> bool;
}

impl Store {
    /// Keeps the spans of an `ExportTraceServiceRequest`.
    ///
    /// # Errors
    /// When nothing of it was kept.
    pub fn ingest_spans(&self, request: &[u8], now_ns: i64) -> Result<IngestedSpans, IngestError> {
        let spans = spans_of(request).map_err(IngestError::Wire)?;
        let mut state = self.state();
        crate::store::log(&mut state, Content::Spans, now_ns, || request.to_vec())?;
        let result = apply(&mut state, spans);
        self.settle(&mut state, now_ns);
        Ok(result)
    }
}

/// The spans of an `ExportTraceServiceRequest`, or of a trace as it is given back, without those
/// that a store would leave out.
///
/// # Errors
/// When it cannot be read.
pub fn read_spans(request: &[u8]) -> Result<Vec<(TraceId, StoredSpan)>, WireError> {
    Ok(spans_of(request)?.into_iter().flatten().collect())
}

/// Takes a request again as it was taken first.
pub(crate) fn replay(state: &mut State, request: &[u8]) {
    if let Ok(spans) = spans_of(request) {
        apply(state, spans);
    }
}

/// The spans of a request, or `None` for one that is left out.
type Spans = Vec<Option<(TraceId, StoredSpan)>>;

fn spans_of(request: &[u8]) -> Result<Spans, WireError> {
    let mut spans = Vec::new();
    for resource in messages(request, 1) {
        let resource = resource?;
        let shared = messages(resource, 1).last().transpose()?.unwrap_or_default();
        span::check_resource(shared)?;
        for scope in messages(resource, 2) {
            let scope = scope?;
            let named = messages(scope, 1).last().transpose()?.unwrap_or_default();
            span::check_scope(named)?;
            for span in messages(scope, 2) {
                let kept = StoredSpan::of(span?, shared, named)?;
                spans.push(kept.filter(|(_, span)| span.bytes() <= SPAN_BYTES_MAX));
            }
        }
    }
    Ok(spans)
}

fn apply(state: &mut State, spans: Spans) -> IngestedSpans {
    let mut result = IngestedSpans::default();
    for span in spans {
        state.sequence += 1;
        match span {
            None => result.refused += 1,
            Some(_) if state.traces.is_known(state.sequence) => result.known += 1,
            Some((id, span)) => {
                state.traces.add(id, span);
                result.spans += 1;
            }
        }
    }
    result
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
