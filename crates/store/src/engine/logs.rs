//! Log queries: lines in order of time, as far as the limit, or as pipes put them.
//!
//! The source shows entries in the order of the answer, so a plain query ends with its last row.
//! Where a limit of the role stops it earlier, what was found is a true beginning and is given as
//! a partial answer; behind a sort or a count nothing is true yet, and the query fails instead.

use std::ops::ControlFlow;
use std::sync::Arc;

use lucarne_logql::ast::{LogQuery, Pipe};
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::{Class, Input, Outcome, Pipeline, Row as Kept, Scratch};

use super::answer::{Order, Row, Rows};
use super::error::QueryError;
use super::limits::{Exceeded, Limit, Meter, Stop};
use super::pipeline::{Wanted, compile_error};
use super::pipes::Pipes;
use super::source::{Direction, Entry, ScanStats, Selection, Source, TimeRange};

/// What a log query is asked for beside its text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) range: TimeRange,
    pub(super) direction: Direction,
    pub(super) limit: u64,
    /// What templates call `now`.
    pub(super) now_ns: i64,
}

/// Rows, why there may be more, and what the scan did.
pub(super) type Found = (Rows, Option<Exceeded>, ScanStats);

/// Runs a log query.
pub(super) fn run(
    query: &LogQuery,
    asked: Asked,
    source: &dyn Source,
    meter: &Meter<'_>,
) -> Result<Found, QueryError> {
    let allowed = meter.limits().rows;
    if asked.limit > allowed {
        return Err(QueryError::Exceeded(Exceeded { limit: Limit::Rows, allowed }));
    }
    let pipeline = Pipeline::compile(&query.stages).map_err(compile_error)?;
    let wanted = Wanted::by(&query.stages, None);
    let mut collecting = Collecting {
        pipes: Pipes::new(&query.pipes, asked.limit),
        rows: RowMaker::new(&pipeline, asked.now_ns),
        meter,
    };
    let order = order(&query.pipes, asked.direction);
    let mut stats = ScanStats::default();
    if asked.limit > 0 && !asked.range.is_empty() {
        let selection = Selection {
            matchers: &query.selector.matchers,
            range: asked.range,
            direction: Some(asked.direction),
            literals: pipeline.literals(),
            conditions: Some(&pipeline),
            columns: wanted.columns(),
            meter,
        };
        stats = source.scan(&selection, &mut |entry| collecting.visit(entry))?;
    }
    let stopped = match meter.stopped() {
        None => None,
        Some(Stop::Exceeded(exceeded)) if Pipes::keeps_order(&query.pipes) => Some(exceeded),
        Some(stop) => return Err(stop.into()),
    };
    Ok((Rows { rows: collecting.pipes.finish(meter), order }, stopped, stats))
}

fn order(pipes: &[Pipe], direction: Direction) -> Order {
    let reorders = |pipe: &Pipe| matches!(pipe, Pipe::Sort { .. } | Pipe::Top { .. });
    if pipes.iter().any(reorders) { Order::Pipe } else { Order::Time(direction) }
}

struct Collecting<'a> {
    pipes: Pipes,
    rows: RowMaker<'a>,
    meter: &'a Meter<'a>,
}

impl Collecting<'_> {
    fn visit(&mut self, entry: &Entry<'_>) -> ControlFlow<()> {
        self.meter.entry()?;
        let Some(row) = self.rows.make(entry) else { return ControlFlow::Continue(()) };
        self.meter.hold(row.bytes())?;
        self.pipes.push(row, self.meter)
    }
}

/// Makes owned rows out of entries that a pipeline keeps.
struct RowMaker<'a> {
    pipeline: &'a Pipeline,
    scratch: Scratch,
    /// Label sets by stream, so that the rows of a stream share one.
    streams: Vec<Option<Arc<LabelSet>>>,
}

impl<'a> RowMaker<'a> {
    fn new(pipeline: &'a Pipeline, now_ns: i64) -> Self {
        Self { pipeline, scratch: Scratch::new(now_ns), streams: Vec::new() }
    }

    fn make(&mut self, entry: &Entry<'_>) -> Option<Row> {
        let input = Input {
            time_ns: entry.time_ns,
            line: entry.line,
            stream: entry.stream,
            metadata: entry.metadata,
            shredded: entry.shredded,
        };
        match self.pipeline.run(&input, &mut self.scratch) {
            Outcome::Dropped => None,
            Outcome::Kept(row) => Some(owned(entry, &row, &mut self.streams)),
        }
    }
}

fn owned(entry: &Entry<'_>, kept: &Kept<'_>, streams: &mut Vec<Option<Arc<LabelSet>>>) -> Row {
    let (mut metadata, mut parsed) = (Vec::new(), Vec::new());
    let mut left = Vec::with_capacity(entry.stream.len());
    for (class, name, value) in kept.labels() {
        match class {
            Class::Stream => left.push((name, value)),
            Class::Metadata => metadata.push((name.to_owned(), value.to_owned())),
            Class::Parsed => parsed.push((name.to_owned(), value.to_owned())),
        }
    }
    metadata.sort();
    parsed.sort();
    let whole = left.len() == entry.stream.len() && entry.stream.iter().eq(left.iter().copied());
    let stream = if whole {
        let at = entry.stream_id as usize;
        if streams.len() <= at {
            streams.resize(at.saturating_add(1), None);
        }
        match streams.get_mut(at) {
            Some(slot) => Arc::clone(slot.get_or_insert_with(|| Arc::new(entry.stream.clone()))),
            None => Arc::new(entry.stream.clone()),
        }
    } else {
        Arc::new(LabelSet::from_pairs(left))
    };
    Row { time_ns: entry.time_ns, line: kept.line.to_owned(), stream, metadata, parsed }
}
