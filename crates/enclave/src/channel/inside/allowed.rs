//! The store as one role sees it: other streams are not there, and no window of a query reaches
//! further back than the role may look.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use lucarne_store::engine::source::{Entry, ScanError, ScanStats, Selection, Source, TimeRange};

use crate::channel::config::Streams;

/// A source within the bounds of a role.
pub(super) struct Allowed<'a> {
    source: &'a dyn Source,
    streams: &'a Streams,
    span_ns_max: u64,
    now_ns: i64,
    went_too_far: AtomicBool,
}

impl<'a> Allowed<'a> {
    pub(super) const fn new(
        source: &'a dyn Source,
        streams: &'a Streams,
        span_ns_max: u64,
        now_ns: i64,
    ) -> Self {
        Self { source, streams, span_ns_max, now_ns, went_too_far: AtomicBool::new(false) }
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
        let mut streams = self.source.streams(matchers, range)?;
        streams.retain(|labels| may_see(self.streams, labels));
        Ok(streams)
    }

    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        self.check(what.range)?;
        self.source.scan(what, &mut |entry| match may_see(self.streams, entry.stream) {
            true => visit(entry),
            false => ControlFlow::Continue(()),
        })
    }
}
