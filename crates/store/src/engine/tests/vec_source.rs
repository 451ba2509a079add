//! A source that is a list: the plainest thing that keeps the contract.

use std::ops::ControlFlow;

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::LabelMatcher;

use crate::engine::source::{
    Direction, Entry, ScanError, ScanStats, Selection, Source, TimeRange, Unreadable,
};

/// A stored line.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) stream: LabelSet,
    pub(super) time_ns: i64,
    pub(super) line: String,
    pub(super) metadata: Vec<(String, String)>,
}

/// Entries in order of arrival; that order breaks ties of time.
#[derive(Clone, Debug, Default)]
pub(super) struct VecSource {
    pub(super) entries: Vec<Stored>,
    /// Reported with every scan.
    pub(super) blocks_unreadable: u64,
}

impl VecSource {
    fn selected(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<(usize, &Stored)>, ScanError> {
        let compile = |matcher: &Matcher| {
            LabelMatcher::compile(matcher)
                .map_err(|_| ScanError::Matcher { name: matcher.name.clone() })
        };
        let matchers: Vec<LabelMatcher> = matchers.iter().map(compile).collect::<Result<_, _>>()?;
        let holds = |stored: &Stored| {
            let value = |name| stored.stream.get(name).unwrap_or("");
            matchers.iter().all(|matcher| matcher.holds(value(matcher.name())))
        };
        let all = self.entries.iter().enumerate();
        Ok(all.filter(|(_, stored)| range.contains(stored.time_ns) && holds(stored)).collect())
    }

    fn stream_ids(&self) -> Vec<&LabelSet> {
        let mut ids: Vec<&LabelSet> = self.entries.iter().map(|stored| &stored.stream).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

impl Source for VecSource {
    fn streams(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<LabelSet>, ScanError> {
        let selected = self.selected(matchers, range)?;
        let mut streams: Vec<LabelSet> =
            selected.into_iter().map(|(_, stored)| stored.stream.clone()).collect();
        streams.sort();
        streams.dedup();
        Ok(streams)
    }

    /// Without a direction entries come by stream and from the back, so that nothing can lean on
    /// an order that was not asked for.
    fn scan(
        &self,
        what: &Selection<'_>,
        visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ScanStats, ScanError> {
        let mut selected = self.selected(what.matchers, what.range)?;
        match what.direction {
            Some(_) => selected.sort_by_key(|(at, stored)| (stored.time_ns, *at)),
            None => selected.sort_by_key(|(at, stored)| (stored.stream.clone(), *at)),
        }
        if what.direction != Some(Direction::Forward) {
            selected.reverse();
        }
        let ids = self.stream_ids();
        for (_, stored) in selected {
            let metadata: Vec<(&str, &str)> =
                stored.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
            let entry = Entry {
                stream: &stored.stream,
                stream_id: u32::try_from(ids.binary_search(&&stored.stream).unwrap()).unwrap(),
                time_ns: stored.time_ns,
                line: &stored.line,
                metadata: &metadata,
                shredded: None,
                note: None,
            };
            let hidden = what.literals.iter().any(|literal| !stored.line.contains(literal));
            let flow = what.meter.read(stored.line.len() as u64);
            if flow.is_break() || (!hidden && visit(&entry).is_break()) {
                break;
            }
        }
        let blocks_unreadable = Unreadable::unnamed(self.blocks_unreadable);
        Ok(ScanStats { streams: ids.len() as u64, blocks_unreadable, ..ScanStats::default() })
    }
}
