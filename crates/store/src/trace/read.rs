//! The store as a [`TraceSource`]: what came lately, and blocks that may have a trace.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::block::Recent;
use super::state::TraceMeta;
use super::{SPANS_MAX, StoredSpan, TRACE_BYTES_MAX, Trace, TraceId, TraceSource};
use crate::engine::limits::Meter;
use crate::engine::source::{Lost, TimeRange, Unreadable};
use crate::store::{State, Store};
use crate::vault::{Fault, VaultError};

/// A block, and its bytes when no vault has them yet.
type Part = (Arc<TraceMeta>, Option<Arc<[u8]>>);

/// What one question reads, taken under the lock.
struct Snapshot {
    recent: Arc<Recent>,
    /// Those that ended last first.
    blocks: Vec<Part>,
}

impl Snapshot {
    fn of(state: &State) -> Self {
        let mut blocks: Vec<_> = state
            .traces
            .blocks
            .values()
            .map(|meta| (Arc::clone(meta), state.cut.get(&meta.id).cloned()))
            .collect();
        blocks.sort_by_key(|(meta, _)| Reverse((meta.head.last_ns, meta.id)));
        Self { recent: Arc::clone(&state.traces.recent), blocks }
    }
}

impl TraceSource for Store {
    fn trace(&self, id: TraceId) -> Trace {
        let snapshot = Snapshot::of(&self.state());
        self.assemble(&snapshot, id, Vec::new(), usize::MAX)
    }

    fn each_trace(
        &self,
        range: TimeRange,
        meter: &Meter<'_>,
        visit: &mut dyn FnMut(TraceId, Trace) -> ControlFlow<(), i64>,
    ) -> bool {
        let snapshot = Snapshot::of(&self.state());
        let mut walk = Walk { range, since_ns: i64::MIN, seen: HashSet::new(), visit };
        for (&id, spans) in &*snapshot.recent {
            if !walk.wants(spans) || meter.look().is_break() {
                continue;
            }
            walk.seen.insert(id);
            let trace = self.assemble(&snapshot, id, Vec::new(), usize::MAX);
            if walk.show(id, trace).is_break() {
                return false;
            }
        }
        let mut unreadable = false;
        for (at, (meta, cut)) in snapshot.blocks.iter().enumerate() {
            let overlaps = meta.head.first_ns < range.to_ns && range.from_ns <= meta.head.last_ns;
            if !overlaps || meta.head.last_ns < walk.since_ns {
                continue;
            }
            if meter.read(meta.head.content_bytes()).is_break() {
                return unreadable;
            }
            let Some(traces) = self.traces_of(meta, cut.as_ref()) else {
                unreadable = true;
                continue;
            };
            for (id, spans) in traces {
                if !walk.wants(&spans) || walk.seen.contains(&id) {
                    continue;
                }
                if snapshot.is_elsewhere(id, at) {
                    walk.seen.insert(id);
                }
                let trace = self.assemble(&snapshot, id, spans, at);
                if meter.look().is_break() || walk.show(id, trace).is_break() {
                    return unreadable;
                }
            }
        }
        unreadable
    }
}

/// A question that goes from block to block.
struct Walk<'a> {
    range: TimeRange,
    since_ns: i64,
    /// Traces that lie in more than one place and were shown.
    seen: HashSet<TraceId>,
    visit: &'a mut dyn FnMut(TraceId, Trace) -> ControlFlow<(), i64>,
}

impl Walk<'_> {
    fn wants(&self, spans: &[StoredSpan]) -> bool {
        spans.iter().any(|span| {
            let (start_ns, end_ns) = span.times();
            start_ns < self.range.to_ns && self.range.from_ns <= end_ns
        })
    }

    fn show(&mut self, id: TraceId, trace: Trace) -> ControlFlow<()> {
        self.since_ns = (self.visit)(id, trace)?;
        ControlFlow::Continue(())
    }
}

impl Snapshot {
    /// Whether a trace may also lie somewhere else than in the block at this place.
    fn is_elsewhere(&self, id: TraceId, at: usize) -> bool {
        let in_block = |(other, (meta, _)): (usize, &Part)| other != at && meta.head.may_have(id);
        self.recent.contains_key(&id) || self.blocks.iter().enumerate().any(in_block)
    }
}

impl Store {
    /// A trace with what other blocks than the one at `except`, and the recent spans, have of it.
    fn assemble(
        &self,
        snapshot: &Snapshot,
        id: TraceId,
        mut spans: Vec<StoredSpan>,
        except: usize,
    ) -> Trace {
        let mut unreadable = Unreadable::default();
        let mut is_cut = false;
        let mut held: usize = spans.iter().map(StoredSpan::bytes).sum();
        for (at, (meta, cut)) in snapshot.blocks.iter().enumerate() {
            if at == except || !meta.head.may_have(id) {
                continue;
            }
            // What is shown is cut to this anyway; what it might have been is not worth the memory.
            if held > TRACE_BYTES_MAX || spans.len() > SPANS_MAX {
                is_cut = true;
                break;
            }
            let before = spans.len();
            let found = self.block_bytes(meta, cut.as_ref()).and_then(|bytes| {
                meta.head.find(&bytes, id, &mut spans).map_err(|_| self.note(meta))
            });
            if let Err(lost) = found {
                unreadable = unreadable.and(Unreadable::one(lost));
            }
            held += spans.iter().skip(before).map(StoredSpan::bytes).sum::<usize>();
        }
        spans.extend(snapshot.recent.get(&id).into_iter().flatten().cloned());
        spans
            .sort_by(|one, other| one.times().0.cmp(&other.times().0).then_with(|| one.cmp(other)));
        spans.dedup();
        let mut bytes = 0_usize;
        let fits = spans.iter().take(SPANS_MAX).take_while(|span| {
            bytes = bytes.saturating_add(span.bytes());
            bytes <= TRACE_BYTES_MAX
        });
        let fits = fits.count();
        let is_partial = is_cut || unreadable.blocks() > 0 || fits < spans.len();
        spans.truncate(fits);
        Trace { spans, is_partial, unreadable }
    }

    fn traces_of(
        &self,
        meta: &TraceMeta,
        cut: Option<&Arc<[u8]>>,
    ) -> Option<BTreeMap<TraceId, Vec<StoredSpan>>> {
        let bytes = self.block_bytes(meta, cut).ok()?;
        let mut traces: BTreeMap<TraceId, Vec<StoredSpan>> = BTreeMap::new();
        let read = meta.head.each(&bytes, &mut |id, span| {
            traces.entry(id).or_default().push(span);
        });
        read.map_err(|_| self.note(meta)).ok().map(|()| traces)
    }

    /// A block that comes back wrong is named in the report.
    fn block_bytes(&self, meta: &TraceMeta, cut: Option<&Arc<[u8]>>) -> Result<Arc<[u8]>, Lost> {
        if let Some(bytes) = cut {
            return Ok(Arc::clone(bytes));
        }
        self.vault.get(meta.id).map_err(|error| {
            // One that was dropped meanwhile is no fault.
            if self.state().traces.blocks.contains_key(&meta.id) {
                self.note_lost(meta.id, &error)
            } else {
                Lost { id: meta.id, fault: None }
            }
        })
    }

    fn note(&self, meta: &TraceMeta) -> Lost {
        self.note_lost(meta.id, &VaultError::Fault { id: meta.id, fault: Fault::Malformed })
    }
}
