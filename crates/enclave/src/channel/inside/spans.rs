//! One trace, whole: each span with its resource and its scope, as it was received.
//!
//! A row is one field of an OTLP `TracesData`, so that the rows together are one message.

use lucarne_otlp::wire::{WireError, Writer};
use lucarne_store::Store;
use lucarne_store::engine::answer::Partial;
use lucarne_store::trace::{SPANS_MAX, StoredSpan, TraceId, TraceSource as _};

use super::allowed::may_see_span;
use crate::channel::answers::{AnswerError, Rows, Stop};
use crate::channel::permit::Permit;

/// The spans of the trace that the text names, those that touch the time of the query.
pub(super) fn trace(store: &Store, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
    let query = permit.query();
    let expected = || AnswerError::Malformed("expected a trace id of 32 hex digits".into());
    let id = lucarne_ledger::hash::from_hex(&query.text).map_err(|_| expected())?;
    let trace = store.trace(TraceId(id));
    for span in &trace.spans {
        // Stored spans were read when they came.
        let damaged = |_: WireError| AnswerError::Failed("a kept span cannot be read");
        let info = span.info().map_err(damaged)?;
        let touches = info.start_ns < query.to_ns && info.end_ns >= query.from_ns;
        if touches && may_see_span(permit.streams(), span) {
            rows.row(&encode(span))?;
        }
    }
    if trace.unreadable.blocks() > 0 {
        return Err(Stop::Incomplete(Partial::Unreadable(trace.unreadable)).into());
    }
    if trace.is_partial {
        return Err(Stop::Rows { max: SPANS_MAX as u64 }.into());
    }
    Ok(())
}

fn encode(span: &StoredSpan) -> Vec<u8> {
    let mut out = Vec::with_capacity(span.bytes());
    Writer::new(&mut out).message(1, |spans| {
        spans.bytes(1, &span.resource);
        spans.message(2, |scope| {
            if !span.scope.is_empty() {
                scope.bytes(1, &span.scope);
            }
            scope.bytes(2, &span.span);
        });
    });
    out
}
