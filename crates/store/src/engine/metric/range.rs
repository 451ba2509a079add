//! Range aggregations: one scan fills the table of all series and steps.
//!
//! A series is named by the labels that a line has when the pipeline is through, or by those that
//! a sum above it groups by: then the table has no more series than the answer. Lines whose
//! pipeline cannot change labels are assigned by their stream alone.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use lucarne_logql::ast::{Grouping, MatchOp, RangeAggregation, RangeOp, Selector, Stage};
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::{Input, Outcome, Pipeline, Row, SamplePipeline, Scratch};

use super::fold::{count_f64, needs_order};
use super::series::{Interner, LabelId, set_bytes};
use super::steps::Window;
use super::table::{Points, Table, table};
use crate::engine::error::QueryError;
use crate::engine::limits::Meter;
use crate::engine::pipeline::{Wanted, compile_error, read_by_filter};
use crate::engine::source::{Direction, Entry, ScanStats, Selection, Source};

/// The series of a range aggregation, in label order.
pub(super) type Ranged = Vec<(LabelId, Points)>;

/// Where a scan takes from and counts to.
pub(super) struct Reading<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) meter: &'a Meter<'a>,
    /// What templates call `now`.
    pub(super) now_ns: i64,
    pub(super) stats: &'a mut ScanStats,
    pub(super) interner: &'a mut Interner,
}

/// Computes a range aggregation. `group` replaces its own grouping: a sum above it asks for that.
pub(super) fn evaluate(
    of: &RangeAggregation,
    group: Option<&Grouping>,
    window: Window,
    seconds: f64,
    reading: &mut Reading<'_>,
) -> Result<Ranged, QueryError> {
    let sampler = Sampler::compile(of)?;
    let naming = Naming::new(of, group.or(of.grouping.as_ref()));
    let mut wanted = Wanted::by(&of.query.stages, naming.columns(of).as_deref());
    if !matches!(sampler, Sampler::Bytes(_)) {
        wanted = wanted.without_lines(&of.query.stages);
    }
    let selection = Selection {
        matchers: &of.query.selector.matchers,
        range: window.reach(),
        direction: needs_order(of.op).then_some(Direction::Forward),
        literals: sampler.literals(),
        conditions: Some(sampler.pipeline()),
        columns: wanted.columns(),
        meter: reading.meter,
    };
    let mut filling = Filling {
        sampler: &sampler,
        naming,
        window,
        table: table(of, window, seconds),
        series: Vec::new(),
        by_key: HashMap::new(),
        key: Vec::new(),
        by_stream: Vec::new(),
        scratch: Scratch::new(reading.now_ns),
        meter: reading.meter,
        failed: None,
    };
    let scanned = reading.source.scan(&selection, &mut |entry| filling.visit(entry))?;
    *reading.stats = reading.stats.and(scanned);
    if let Some(error) = filling.failed.take() {
        return Err(error);
    }
    filling.finish(of, reading.interner)
}

/// What a line is worth.
enum Sampler {
    Lines(Pipeline),
    Bytes(Pipeline),
    Unwrapped(SamplePipeline),
}

impl Sampler {
    fn compile(of: &RangeAggregation) -> Result<Self, QueryError> {
        let stages = &of.query.stages;
        if let Some(unwrap) = &of.unwrap {
            let samples = SamplePipeline::compile(stages, unwrap).map_err(compile_error)?;
            return Ok(Self::Unwrapped(samples));
        }
        let pipeline = Pipeline::compile(stages).map_err(compile_error)?;
        let bytes = matches!(of.op, RangeOp::Bytes | RangeOp::BytesRate);
        Ok(if bytes { Self::Bytes(pipeline) } else { Self::Lines(pipeline) })
    }

    fn literals(&self) -> &[String] {
        match self {
            Self::Lines(pipeline) | Self::Bytes(pipeline) => pipeline.literals(),
            Self::Unwrapped(samples) => samples.literals(),
        }
    }

    const fn pipeline(&self) -> &Pipeline {
        match self {
            Self::Lines(pipeline) | Self::Bytes(pipeline) => pipeline,
            Self::Unwrapped(samples) => samples.pipeline(),
        }
    }

    /// The value of a line with its labels, if the line is kept.
    fn sample<'r>(&self, input: &'r Input<'r>, scratch: &'r mut Scratch) -> Option<(f64, Row<'r>)> {
        match self {
            Self::Unwrapped(samples) => {
                samples.run(input, scratch).map(|sample| (sample.value, sample.row))
            }
            Self::Lines(pipeline) | Self::Bytes(pipeline) => match pipeline.run(input, scratch) {
                Outcome::Dropped => None,
                Outcome::Kept(row) if matches!(self, Self::Bytes(_)) => {
                    Some((count_f64(row.line.len() as u64), row))
                }
                Outcome::Kept(row) => Some((1.0, row)),
            },
        }
    }
}

/// How a line finds its series.
struct Naming {
    /// Only these labels, or all but these.
    grouping: Grouping,
    /// Whether labels come from the stream alone unless an entry has metadata.
    by_stream: bool,
    /// One series, whatever the labels.
    single: bool,
}

impl Naming {
    fn new(of: &RangeAggregation, group: Option<&Grouping>) -> Self {
        let mut grouping = group.cloned().unwrap_or(Grouping { without: true, labels: Vec::new() });
        // The label that is the value names no series, unless it was asked for by name.
        if let (Some(unwrap), true) = (of.unwrap.as_ref(), grouping.without) {
            grouping.labels.push(unwrap.label.clone());
        }
        let keeps_labels =
            of.query.stages.iter().all(|stage| matches!(stage, Stage::LineFilter(_)));
        let single = of.op == RangeOp::Absent || (!grouping.without && grouping.labels.is_empty());
        Self { grouping, by_stream: keeps_labels && of.unwrap.is_none(), single }
    }

    /// The labels that are read when the pipeline is through; none where all are.
    fn columns(&self, of: &RangeAggregation) -> Option<Vec<String>> {
        if self.grouping.without && !self.single {
            return None;
        }
        let mut names = if self.single { Vec::new() } else { self.grouping.labels.clone() };
        if let Some(unwrap) = &of.unwrap {
            names.push(unwrap.label.clone());
            unwrap.filters.iter().for_each(|filter| read_by_filter(filter, &mut names));
        }
        Some(names)
    }

    /// Writes what tells the line's series from others; equal keys are equal series.
    fn key(&self, row: &Row<'_>, key: &mut Vec<u8>) {
        key.clear();
        if self.single {
            return;
        }
        if !self.grouping.without {
            for name in &self.grouping.labels {
                push_text(key, row.get(name).unwrap_or(""));
            }
            return;
        }
        let mut labels: Vec<(&str, &str)> = self.left(row).collect();
        labels.sort_unstable();
        for (name, value) in labels {
            push_text(key, name);
            push_text(key, value);
        }
    }

    /// The labels that name the line's series.
    fn set(&self, row: &Row<'_>) -> LabelSet {
        if self.single {
            return LabelSet::new();
        }
        if self.grouping.without {
            return LabelSet::from_pairs(self.left(row));
        }
        let named = self.grouping.labels.iter();
        LabelSet::from_pairs(named.filter_map(|name| {
            row.get(name).filter(|value| !value.is_empty()).map(|value| (name.as_str(), value))
        }))
    }

    fn left<'r>(&'r self, row: &'r Row<'_>) -> impl Iterator<Item = (&'r str, &'r str)> {
        row.labels().map(|(_, name, value)| (name, value)).filter(|(name, value)| {
            !value.is_empty() && !self.grouping.labels.iter().any(|label| label == name)
        })
    }
}

/// A text that no other text followed by anything equals.
fn push_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u64).to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

/// What became of an entry.
#[derive(Clone, Copy)]
enum Made {
    Dropped,
    /// In the series with this number.
    Counted(usize),
}

impl Made {
    /// What was noted on an entry like it.
    fn noted(note: &Cell<u32>) -> Option<Self> {
        let code = usize::try_from(note.get()).ok()?.checked_sub(1)?;
        Some(code.checked_sub(1).map_or(Self::Dropped, Self::Counted))
    }

    /// The number to note; 0 says nothing.
    fn note(self) -> u32 {
        match self {
            Self::Dropped => 1,
            Self::Counted(series) => u32::try_from(series.saturating_add(2)).unwrap_or(0),
        }
    }
}

struct Filling<'a> {
    sampler: &'a Sampler,
    naming: Naming,
    window: Window,
    table: Box<dyn Table>,
    series: Vec<LabelSet>,
    by_key: HashMap<Box<[u8]>, usize>,
    key: Vec<u8>,
    by_stream: Vec<Option<usize>>,
    scratch: Scratch,
    meter: &'a Meter<'a>,
    failed: Option<QueryError>,
}

impl Filling<'_> {
    fn visit(&mut self, entry: &Entry<'_>) -> ControlFlow<()> {
        self.meter.entry()?;
        // Between two windows nothing is seen, a line with an error neither.
        if self.window.cells_of(entry.time_ns).is_empty() {
            return ControlFlow::Continue(());
        }
        // A line counts as one; other values may stand in what was not asked for.
        let note = entry.note.filter(|_| matches!(self.sampler, Sampler::Lines(_)));
        match note.and_then(Made::noted) {
            Some(Made::Dropped) => return ControlFlow::Continue(()),
            Some(Made::Counted(series)) => {
                return self.table.add(series, entry.time_ns, 1.0, self.meter);
            }
            None => {}
        }
        let input = Input {
            time_ns: entry.time_ns,
            line: entry.line,
            stream: entry.stream,
            metadata: entry.metadata,
            shredded: entry.shredded,
        };
        // Taken out so that the row can borrow it while the table is filled.
        let mut scratch = std::mem::take(&mut self.scratch);
        let made = match self.sampler.sample(&input, &mut scratch) {
            None => ControlFlow::Continue(Made::Dropped),
            Some((value, row)) => self.count(entry, value, &row).map_continue(Made::Counted),
        };
        self.scratch = scratch;
        if let Some(note) = note {
            note.set(made?.note());
        }
        made.map_continue(drop)
    }

    /// The series that the entry belongs to.
    fn count(&mut self, entry: &Entry<'_>, value: f64, row: &Row<'_>) -> ControlFlow<(), usize> {
        if let Some(error) = row.error() {
            self.failed =
                Some(QueryError::Pipeline { error: error.to_owned(), series: row.label_set() });
            return ControlFlow::Break(());
        }
        let series = self.series_of(entry, row)?;
        self.table.add(series, entry.time_ns, value, self.meter)?;
        ControlFlow::Continue(series)
    }

    fn series_of(&mut self, entry: &Entry<'_>, row: &Row<'_>) -> ControlFlow<(), usize> {
        if self.naming.single && !self.series.is_empty() {
            return ControlFlow::Continue(0);
        }
        let stream = (self.naming.by_stream && entry.metadata.is_empty())
            .then_some(entry.stream_id as usize);
        let known = stream.and_then(|stream| self.by_stream.get(stream).copied().flatten());
        if let Some(series) = known {
            return ControlFlow::Continue(series);
        }
        self.naming.key(row, &mut self.key);
        let series = match self.by_key.get(self.key.as_slice()) {
            Some(series) => *series,
            None => self.open(row)?,
        };
        if let Some(stream) = stream {
            if self.by_stream.len() <= stream {
                self.by_stream.resize(stream.saturating_add(1), None);
            }
            if let Some(slot) = self.by_stream.get_mut(stream) {
                *slot = Some(series);
            }
        }
        ControlFlow::Continue(series)
    }

    fn open(&mut self, row: &Row<'_>) -> ControlFlow<(), usize> {
        let set = self.naming.set(row);
        self.meter.hold(set_bytes(&set).saturating_add(self.key.len()))?;
        self.table.open(self.meter)?;
        let series = self.series.len();
        self.series.push(set);
        self.by_key.insert(self.key.as_slice().into(), series);
        ControlFlow::Continue(series)
    }

    fn finish(
        mut self,
        of: &RangeAggregation,
        interner: &mut Interner,
    ) -> Result<Ranged, QueryError> {
        if let Some(stop) = self.meter.stopped() {
            return Err(stop.into());
        }
        if of.op == RangeOp::Absent {
            let seen = self.table.take(0, self.meter);
            let id = interner.id(absent_labels(&of.query.selector));
            return Ok(vec![(id, gaps(&seen, self.window.steps()))]);
        }
        let mut order: Vec<usize> = (0..self.series.len()).collect();
        order.sort_by(|one, other| self.series.get(*one).cmp(&self.series.get(*other)));
        let mut ranged = Vec::with_capacity(order.len());
        for at in order {
            let points = self.table.take(at, self.meter);
            let held = points.len().saturating_mul(size_of::<(u32, f64)>());
            if self.meter.hold(held).is_break() || self.meter.look().is_break() {
                break;
            }
            let set = self.series.get_mut(at).map(std::mem::take).unwrap_or_default();
            ranged.push((interner.id(set), points));
        }
        let charged = interner.charge(self.meter);
        match self.meter.stopped() {
            Some(stop) => Err(stop.into()),
            None if charged.is_break() => Err(QueryError::Cancelled),
            None => Ok(ranged),
        }
    }
}

/// One at every step that has no point.
fn gaps(seen: &[(u32, f64)], steps: u32) -> Points {
    let mut seen = seen.iter().map(|(step, _)| *step).peekable();
    (0..steps).filter(|step| seen.next_if_eq(step).is_none()).map(|step| (step, 1.0)).collect()
}

/// The labels of what is absent: those that the selector fixes to one value.
fn absent_labels(selector: &Selector) -> LabelSet {
    let alone = |name: &str| selector.matchers.iter().filter(|m| m.name == name).count() == 1;
    let fixed = selector.matchers.iter().filter(|m| m.op == MatchOp::Eq && alone(&m.name));
    LabelSet::from_pairs(fixed.map(|m| (m.name.as_str(), m.value.as_str())))
}
