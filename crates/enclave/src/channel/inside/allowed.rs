//! The store as one role sees it: other streams are not there, and no window of a query reaches
//! further back than the role may look.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use lucarne_store::Store;
use lucarne_store::engine::limits::Meter;
use lucarne_store::engine::source::{Entry, ScanError, ScanStats, Selection, Source, TimeRange};

use lucarne_otlp::view::{AnyValue, Resource, View as _};
use lucarne_otlp::wire::WireError;
use lucarne_store::trace::{StoredSpan, Trace, TraceId, TraceSource};

use crate::channel::config::Streams;

/// A source within the bounds of a role.
pub(super) struct Allowed<'a> {
    store: &'a Store,
    streams: &'a Streams,
    span_ns_max: u64,
    now_ns: i64,
    went_too_far: AtomicBool,
}

impl<'a> Allowed<'a> {
    pub(super) const fn new(
        store: &'a Store,
        streams: &'a Streams,
        span_ns_max: u64,
        now_ns: i64,
    ) -> Self {
        Self { store, streams, span_ns_max, now_ns, went_too_far: AtomicBool::new(false) }
    }

    /// Whether a scan was refused because it began too early.
    pub(super) fn went_too_far(&self) -> bool {
        self.went_too_far.load(Ordering::Relaxed)
    }

    /// `[24h]` and `offset` reach behind the beginning of the question.
    fn check(&self, range: TimeRange) -> Result<(), ScanError> {
        let span = range.to_ns.min(self.now_ns).saturating_sub(range.from_ns);
        if u64::try_from(span).unwrap_or(0) <= self.span_ns_max {
            return Ok(());
        }
        self.went_too_far.store(true, Ordering::Relaxed);
        Err(ScanError::Index { what: "the range is longer than the role may ask about".into() })
    }
}

/// Whether a role may see what has these labels.
fn may_see(streams: &Streams, labels: &LabelSet) -> bool {
    match streams {
        Streams::All => true,
        Streams::OneOf(pairs) => {
            pairs.iter().any(|(name, value)| labels.get(name) == Some(value.as_str()))
        }
    }
}

impl Source for Allowed<'_> {
    fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LabelSet>, ScanError> {
        self.check(range)?;
        self.store.streams_seen(matchers, range, &|labels| may_see(self.streams, labels))
    }

    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        self.check(what.range)?;
        self.store.scan_seen(what, &|labels| may_see(self.streams, labels), visit)
    }
}

impl TraceSource for Allowed<'_> {
    /// Spans that began longer ago than the role may look are left out, and that is said.
    fn trace(&self, id: TraceId) -> Trace {
        let oldest_ns =
            self.now_ns.saturating_sub(i64::try_from(self.span_ns_max).unwrap_or(i64::MAX));
        let mut trace = self.seen(self.store.trace(id));
        let before = trace.spans.len();
        trace.spans.retain(|span| span.times().1 >= oldest_ns);
        trace.is_partial |= trace.spans.len() < before;
        trace
    }

    fn each_trace(
        &self,
        range: TimeRange,
        meter: &Meter<'_>,
        visit: &mut dyn FnMut(TraceId, Trace) -> ControlFlow<(), i64>,
    ) -> bool {
        if self.check(range).is_err() {
            return false;
        }
        self.store.each_trace(range, meter, &mut |id, trace| {
            let trace = self.seen(trace);
            if trace.spans.is_empty() {
                return ControlFlow::Continue(i64::MIN);
            }
            visit(id, trace)
        })
    }
}

impl Allowed<'_> {
    /// What the role may see of a trace; that something else is there is nothing it may know.
    fn seen(&self, mut trace: Trace) -> Trace {
        trace.spans.retain(|span| may_see_span(self.streams, span));
        trace
    }
}

/// Whether a role may see a span; one that cannot be read is not shown.
pub(super) fn may_see_span(streams: &Streams, span: &StoredSpan) -> bool {
    has_label(streams, &span.resource).unwrap_or(false)
}

/// Labels are attributes of the resource, with dots written as underlines.
fn has_label(streams: &Streams, resource: &[u8]) -> Result<bool, WireError> {
    let Streams::OneOf(pairs) = streams else { return Ok(true) };
    for attribute in Resource::parse(resource)?.attributes() {
        let attribute = attribute?;
        if let AnyValue::String(text) = attribute.value
            && pairs
                .iter()
                .any(|(name, value)| *name == attribute.key.replace('.', "_") && value == text)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
