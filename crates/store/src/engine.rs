//! Evaluates LogQL over a [`Source`].
//!
//! A log query is a scan in order of time; a metric query is one scan for each range aggregation
//! and then arithmetic over steps. The engine has no clock, no thread and no knowledge of blocks.
//! What a query may use is bounded by [`Limits`]; an answer that lacks something
//! says so, and one that would be wrong is refused.

pub mod answer;
pub mod error;
pub mod limits;
mod logs;
mod metric;
pub mod natural;
mod pipeline;
pub mod pipes;
pub mod source;
pub mod tail;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lucarne_logql::ast::{Metric, Query};

use self::answer::{Answer, Data, Partial, Point, Series, Stats};
use self::error::QueryError;
use self::limits::{Cancel, Exceeded, Limit, Limits, Meter};
use self::logs::Asked;
use self::metric::series::{LabelId, Sample};
use self::metric::steps::Steps;
use self::metric::{Plan, Value, When};
use self::source::{Direction, ScanStats, Source, TimeRange};

/// Evaluates the queries of one asker.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    source: &'a dyn Source,
    limits: Limits,
    cancel: &'a Cancel,
    deadline: &'a (dyn Fn() -> bool + Sync),
    now_ns: i64,
}

/// A question about a range of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RangeAsk {
    /// The first nanosecond of lines, and the first step of numbers.
    pub start_ns: i64,
    /// The end of lines, which is not included, and the last step that numbers may have.
    pub end_ns: i64,
    /// Nanoseconds between steps, of metric queries only.
    pub step_ns: i64,
    /// Rows, of log queries only.
    pub limit: u64,
    /// Order of rows, of log queries only.
    pub direction: Direction,
}

impl RangeAsk {
    /// Loki's default step: a 250th of the range in whole seconds, at least one.
    #[must_use]
    pub fn default_step_ns(start_ns: i64, end_ns: i64) -> i64 {
        const SECOND: i64 = 1_000_000_000;
        let steps = end_ns.saturating_sub(start_ns) / SECOND / 250;
        steps.max(1).saturating_mul(SECOND)
    }
}

impl<'a> Engine<'a> {
    /// An engine over a source. `deadline` answers whether the query's time is over; `now_ns` is
    /// what templates call `now`.
    #[must_use]
    pub fn new(
        source: &'a dyn Source,
        limits: Limits,
        cancel: &'a Cancel,
        deadline: &'a (dyn Fn() -> bool + Sync),
        now_ns: i64,
    ) -> Self {
        Self { source, limits, cancel, deadline, now_ns }
    }

    /// Answers with lines, or with numbers at every step. A window `[$range]` is asked once, over
    /// the whole range, and answers as an instant query at its end.
    ///
    /// # Errors
    /// [`QueryError`]; a log query that a limit stops answers partially instead.
    pub fn query_range(&self, query: &Query, ask: &RangeAsk) -> Result<Answer, QueryError> {
        let meter = self.meter();
        match query {
            Query::Log(log) => {
                if ask.end_ns < ask.start_ns {
                    return Err(QueryError::EndBeforeStart);
                }
                let range = TimeRange { from_ns: ask.start_ns, to_ns: ask.end_ns };
                let asked = Asked {
                    range,
                    direction: ask.direction,
                    limit: ask.limit,
                    now_ns: self.now_ns,
                };
                let (rows, stopped, scanned) = logs::run(log, asked, self.source, &meter)?;
                let returned = rows.rows.len() as u64;
                let stopped = stopped.map(Partial::Stopped);
                Ok(answer(Data::Streams(rows), stopped, returned, scanned, &meter))
            }
            Query::Metric(metric) if metric::spans_range(metric) => {
                let range_ns = ask.end_ns.saturating_sub(ask.start_ns);
                if range_ns <= 0 {
                    return Err(QueryError::EndBeforeStart);
                }
                self.instant(metric, ask.end_ns, Some(range_ns), &meter)
            }
            Query::Metric(metric) => self.range(metric, ask, &meter),
        }
    }

    /// Answers with numbers at one instant.
    ///
    /// # Errors
    /// [`QueryError`]; a log query has no instant.
    pub fn query_instant(&self, query: &Query, time_ns: i64) -> Result<Answer, QueryError> {
        match query {
            Query::Log(_) => Err(QueryError::LogQueryAtInstant),
            Query::Metric(metric) => self.instant(metric, time_ns, None, &self.meter()),
        }
    }

    /// A meter at zero for this asker, for a [`Tail`](tail::Tail).
    #[must_use]
    pub fn meter(&self) -> Meter<'a> {
        Meter::new(self.limits, self.cancel, self.deadline)
    }

    fn instant(
        &self,
        metric: &Metric,
        time_ns: i64,
        range_ns: Option<i64>,
        meter: &Meter<'_>,
    ) -> Result<Answer, QueryError> {
        let when = When { steps: Steps::instant(time_ns), range_ns, instant: true };
        let mut plan = Plan::scan(metric, when, self.source, meter, self.now_ns)?;
        let data = match plan.step(0)? {
            Value::Scalar(value) => Data::Scalar { time_ns, value },
            Value::Vector(samples) => {
                self.check_series(samples.len())?;
                let point = |sample: &Sample| Point {
                    labels: plan.interner.set(sample.labels).clone(),
                    time_ns,
                    value: sample.value,
                };
                let mut points: Vec<Point> = samples.iter().map(point).collect();
                if !metric::is_ordered(metric) {
                    points.sort_by(|one, other| one.labels.cmp(&other.labels));
                }
                Data::Vector(points)
            }
        };
        let returned = match &data {
            Data::Vector(points) => points.len() as u64,
            Data::Scalar { .. } | Data::Matrix(_) | Data::Streams(_) => 1,
        };
        Ok(answer(data, None, returned, plan.stats, meter))
    }

    fn range(
        &self,
        metric: &Metric,
        ask: &RangeAsk,
        meter: &Meter<'_>,
    ) -> Result<Answer, QueryError> {
        let allowed = self.limits.steps.min(limits::STEPS_MAX);
        let steps = Steps::range(ask.start_ns, ask.end_ns, ask.step_ns, allowed)?;
        let when = When { steps, range_ns: None, instant: false };
        let mut plan = Plan::scan(metric, when, self.source, meter, self.now_ns)?;
        let mut series: BTreeMap<LabelId, Vec<(i64, f64)>> = BTreeMap::new();
        let mut returned: u64 = 0;
        for step in 0..steps.count {
            if meter.look().is_break() {
                return Err(stopped(meter));
            }
            let samples = match plan.step(step)? {
                Value::Vector(samples) => samples,
                Value::Scalar(value) => {
                    let labels = plan.interner.id(lucarne_logql::labels::LabelSet::new());
                    vec![Sample { labels, value }]
                }
            };
            returned = returned.saturating_add(samples.len() as u64);
            let bytes = samples.len().saturating_mul(size_of::<(i64, f64)>());
            if meter.hold(bytes).is_break() || plan.interner.charge(meter).is_break() {
                return Err(stopped(meter));
            }
            for sample in samples {
                series.entry(sample.labels).or_default().push((steps.at(step), sample.value));
            }
            self.check_series(series.len())?;
        }
        let named = |(id, points)| Series { labels: plan.interner.set(id).clone(), points };
        let mut matrix: Vec<Series> = series.into_iter().map(named).collect();
        matrix.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(answer(Data::Matrix(matrix), None, returned, plan.stats, meter))
    }

    fn check_series(&self, count: usize) -> Result<(), QueryError> {
        let allowed = self.limits.series;
        if count as u64 > allowed {
            return Err(QueryError::Exceeded(Exceeded { limit: Limit::Series, allowed }));
        }
        Ok(())
    }
}

/// Why the meter broke; it always knows.
fn stopped(meter: &Meter<'_>) -> QueryError {
    meter.stopped().map_or(QueryError::Cancelled, QueryError::from)
}

fn answer(
    data: Data,
    stopped: Option<Partial>,
    returned: u64,
    scanned: ScanStats,
    meter: &Meter<'_>,
) -> Answer {
    let unreadable = scanned.blocks_unreadable;
    let unreadable = (unreadable.blocks() > 0).then_some(Partial::Unreadable(unreadable));
    Answer {
        data,
        partial: stopped.into_iter().chain(unreadable).collect(),
        stats: Stats {
            entries: meter.entries(),
            bytes: meter.scanned_bytes(),
            returned,
            memory_bytes: meter.memory_peak(),
            streams: scanned.streams,
            blocks: (scanned.blocks_read, scanned.blocks_skipped),
        },
    }
}
