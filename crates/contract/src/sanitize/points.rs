//! Data points of one series: checked, merged when several became one, and written.
//!
//! Sums add and keep the earliest start and the latest time. Gauges follow the rule of their
//! metric, by default the latest value, the later in the request when times are equal. Histograms
//! add when their bounds are equal, exponential ones by scale. What cannot be merged (summaries,
//! other bounds) keeps its first point and counts the rest.

use alloc::boxed::Box;
use alloc::vec::Vec;

use lucarne_otlp::view::{
    ExponentialHistogramDataPoint, HistogramDataPoint, KeyValue, NumberDataPoint, NumberValue,
    QuantileValue, Repeated, SummaryDataPoint,
};
use lucarne_otlp::wire::{WireError, Writer};

use super::exponential::Exponential;
use super::metrics::Kind;
use crate::file::GaugeRule;
use crate::limits::{BUCKETS_MAX, QUANTILES_MAX};
use crate::tally::Reason;

/// A data point as it came.
pub(super) enum Point<'a> {
    Number(NumberDataPoint<'a>),
    Histogram(HistogramDataPoint<'a>),
    Exponential(Box<ExponentialHistogramDataPoint<'a>>),
    Summary(SummaryDataPoint<'a>),
}

/// Who counts the points that are dropped.
pub(super) type Count<'f> = &'f mut dyn FnMut(Reason);

impl<'a> Point<'a> {
    pub(super) const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        match self {
            Self::Number(point) => point.attributes(),
            Self::Histogram(point) => point.attributes(),
            Self::Exponential(point) => point.attributes(),
            Self::Summary(point) => point.attributes(),
        }
    }

    pub(super) fn exemplar_count(&self) -> Result<u64, WireError> {
        match self {
            Self::Number(point) => point.exemplar_count(),
            Self::Histogram(point) => point.exemplar_count(),
            Self::Exponential(point) => point.exemplar_count(),
            Self::Summary(_) => Ok(0),
        }
    }
}

/// How points of one series become one.
#[derive(Clone, Copy)]
pub(super) struct Merging {
    pub(super) kind: Kind,
    pub(super) gauge: GaugeRule,
    /// Largest magnitude of a number.
    pub(super) limit: f64,
}

/// Merges the points that have a value which may leave; `None` when there are none.
pub(super) fn merge<'p, 'a: 'p>(
    merging: Merging,
    points: impl Iterator<Item = &'p Point<'a>>,
    count: Count<'_>,
) -> Result<Option<Merged>, WireError> {
    let mut merged: Option<Merged> = None;
    for point in points {
        match Merged::read(point, merging.limit)? {
            Ok(next) => merged = Some(Merged::join(merged, next, merging, count)),
            Err(reason) => count(reason),
        }
    }
    Ok(merged)
}

/// Writes a point with these encoded labels; false when it may not leave.
pub(super) fn write(
    merged: &Merged,
    merging: Merging,
    labels: &[u8],
    count: Count<'_>,
    writer: &mut Writer<'_>,
) -> bool {
    // Adding may have led beyond what a value may be.
    if !merged.value.is_within(merging.limit) {
        count(Reason::Value);
        return false;
    }
    writer.message(1, |writer| merged.write(merging.kind, labels, writer));
    true
}

/// One point, or several that were merged into one.
#[derive(Clone)]
pub(super) struct Merged {
    start: u64,
    pub(super) time: u64,
    value: Value,
    // how many points it was made of
    points: u64,
}

#[derive(Clone)]
enum Value {
    /// The flag "no recorded value".
    None,
    Number(NumberValue),
    Histogram(Histogram),
    Exponential(Box<Exponential>),
    Summary(Summary),
}

/// What histograms of both kinds have in common.
#[derive(Clone, Copy)]
pub(super) struct Totals {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

#[derive(Clone)]
struct Histogram {
    totals: Totals,
    counts: Vec<u64>,
    bounds: Vec<f64>,
}

#[derive(Clone)]
struct Summary {
    count: u64,
    sum: f64,
    quantiles: Vec<QuantileValue>,
}

impl Merged {
    fn read(point: &Point<'_>, limit: f64) -> Result<Result<Self, Reason>, WireError> {
        let (start, time, flags, value) = match point {
            Point::Number(p) => {
                let value = p.value.map(Value::Number).ok_or(Reason::Type);
                (p.start_time_unix_nano, p.time_unix_nano, p.flags, value)
            }
            Point::Histogram(p) => {
                let value = Histogram::read(p)?.map(Value::Histogram);
                (p.start_time_unix_nano, p.time_unix_nano, p.flags, value)
            }
            Point::Exponential(p) => {
                let value = Exponential::read(p)?.map(|value| Value::Exponential(Box::new(value)));
                (p.start_time_unix_nano, p.time_unix_nano, p.flags, value)
            }
            Point::Summary(p) => {
                let value = Summary::read(p)?.map(Value::Summary);
                (p.start_time_unix_nano, p.time_unix_nano, p.flags, value)
            }
        };
        let value = if flags & NO_RECORDED_VALUE == 0 { value } else { Ok(Value::None) };
        Ok(value.and_then(|value| {
            if value.is_within(limit) {
                Ok(Self { start, time, value, points: 1 })
            } else {
                Err(Reason::Value)
            }
        }))
    }

    /// Both as one.
    pub(super) fn join(
        before: Option<Self>,
        next: Self,
        merging: Merging,
        count: Count<'_>,
    ) -> Self {
        match before {
            None => next,
            Some(before) if merging.kind == Kind::Gauge => before.join_gauge(next, merging.gauge),
            Some(before) => before.add(next, count),
        }
    }

    fn join_gauge(self, next: Self, rule: GaugeRule) -> Self {
        let points = self.points.saturating_add(next.points);
        let joined = match (rule, &self.value, &next.value) {
            (GaugeRule::Last, ..) | (_, Value::None, _) | (_, _, Value::None) => {
                if next.time >= self.time { next } else { self }
            }
            (GaugeRule::Sum, Value::Number(one), Value::Number(other)) => {
                let value = Value::Number(add(*one, *other));
                Self { time: self.time.max(next.time), value, ..self }
            }
            (GaugeRule::Min | GaugeRule::Max, Value::Number(one), Value::Number(other)) => {
                let second = match rule {
                    GaugeRule::Min => double(*other) < double(*one),
                    GaugeRule::Max | GaugeRule::Last | GaugeRule::Sum => {
                        double(*other) > double(*one)
                    }
                };
                let time = self.time.max(next.time);
                let chosen = if second { next } else { self };
                Self { time, ..chosen }
            }
            _ => self,
        };
        Self { points, ..joined }
    }

    fn add(mut self, next: Self, count: Count<'_>) -> Self {
        match (&mut self.value, next.value) {
            (_, Value::None) => {}
            (value @ Value::None, recorded) => *value = recorded,
            (Value::Number(one), Value::Number(other)) => *one = add(*one, other),
            (Value::Histogram(one), Value::Histogram(other)) if one.fits(&other) => {
                one.totals.add(&other.totals);
                for (sum, more) in one.counts.iter_mut().zip(&other.counts) {
                    *sum = sum.saturating_add(*more);
                }
            }
            (Value::Exponential(one), Value::Exponential(other)) if one.fits(&other) => {
                one.add(*other);
            }
            _ => {
                count(Reason::Collision);
                return self;
            }
        }
        self.start = match (self.start, next.start) {
            (0, known) | (known, 0) => known,
            (one, other) => one.min(other),
        };
        self.time = self.time.max(next.time);
        self.points = self.points.saturating_add(next.points);
        self
    }

    /// What a cumulative point says beyond an earlier one of its series: all of it when the series
    /// began anew.
    pub(super) fn since(&self, last: &Self) -> Self {
        let restarted = self.start != last.start && self.start != 0 && last.start != 0;
        let value = match (&self.value, &last.value) {
            _ if restarted => None,
            (Value::Number(now), Value::Number(before)) => less(*now, *before).map(Value::Number),
            (Value::Histogram(now), Value::Histogram(before)) => {
                now.less(before).map(Value::Histogram)
            }
            (Value::Exponential(now), Value::Exponential(before)) => {
                now.less(before).map(|value| Value::Exponential(Box::new(value)))
            }
            _ => None,
        };
        Self { value: value.unwrap_or_else(|| self.value.clone()), ..*self }
    }

    /// Whether the series began at this instant or earlier.
    pub(super) fn began_before(&self, unix_nano: u64) -> bool {
        self.start != 0 && self.start <= unix_nano
    }

    /// Whether it says that there is no value.
    pub(super) const fn is_none(&self) -> bool {
        matches!(self.value, Value::None)
    }

    /// How many observations it stands for. A monotonic sum of whole numbers counts events itself;
    /// of other numbers only the points are known.
    pub(super) fn observations(&self, kind: Kind) -> u64 {
        match &self.value {
            Value::None => 0,
            Value::Number(NumberValue::Int(value)) if kind.is_monotonic() => {
                u64::try_from(*value).unwrap_or(0)
            }
            Value::Number(_) => self.points,
            Value::Histogram(histogram) => histogram.totals.count,
            Value::Exponential(histogram) => histogram.totals.count,
            Value::Summary(summary) => summary.count,
        }
    }

    /// Bytes held, from above.
    pub(super) fn size_bytes(&self) -> usize {
        let numbers = match &self.value {
            Value::None | Value::Number(_) => 0,
            Value::Histogram(histogram) => {
                histogram.counts.len().saturating_add(histogram.bounds.len())
            }
            Value::Exponential(histogram) => histogram.bucket_count().saturating_add(16),
            Value::Summary(summary) => summary.quantiles.len().saturating_mul(2),
        };
        numbers.saturating_mul(8).saturating_add(size_of::<Self>())
    }

    fn write(&self, kind: Kind, labels: &[u8], writer: &mut Writer<'_>) {
        writer.encoded(labels);
        if self.start != 0 {
            writer.fixed64(2, self.start);
        }
        if self.time != 0 {
            writer.fixed64(3, self.time);
        }
        match &self.value {
            Value::None => writer.varint(kind.flags_field(), u64::from(NO_RECORDED_VALUE)),
            Value::Number(NumberValue::Double(value)) => writer.double(4, *value),
            Value::Number(NumberValue::Int(value)) => writer.fixed64(6, value.cast_unsigned()),
            Value::Histogram(histogram) => histogram.write(writer),
            Value::Exponential(exponential) => exponential.write(writer),
            Value::Summary(summary) => summary.write(writer),
        }
    }
}

impl Value {
    /// Whether every number of the value may leave.
    fn is_within(&self, limit: f64) -> bool {
        match self {
            Self::None => true,
            Self::Number(NumberValue::Double(value)) => small(*value, limit),
            Self::Number(NumberValue::Int(value)) => few(value.unsigned_abs(), limit),
            Self::Histogram(Histogram { totals, counts, bounds }) => {
                totals.is_within(limit)
                    && counts.iter().all(|count| few(*count, limit))
                    && bounds.iter().all(|bound| small(*bound, limit))
                    && bounds.is_sorted_by(|one, next| one < next)
            }
            Self::Exponential(histogram) => {
                // One sample in buckets this fine is a measured value and no distribution.
                histogram.totals.count != 1
                    && histogram.totals.is_within(limit)
                    && small(histogram.zero_threshold, limit)
                    && histogram.all_counts().all(|count| few(count, limit))
            }
            Self::Summary(summary) => {
                few(summary.count, limit)
                    && small(summary.sum, limit)
                    && summary.quantiles.iter().all(|QuantileValue { quantile, value }| {
                        (0.0..=1.0).contains(quantile) && small(*value, limit)
                    })
            }
        }
    }
}

impl Totals {
    fn is_within(&self, limit: f64) -> bool {
        let doubles = [self.sum, self.min, self.max];
        few(self.count, limit) && doubles.into_iter().flatten().all(|value| small(value, limit))
    }

    pub(super) fn add(&mut self, other: &Self) {
        let both = |one: Option<f64>, other: Option<f64>, merge: fn(f64, f64) -> f64| {
            one.zip(other).map(|(one, other)| merge(one, other))
        };
        self.count = self.count.saturating_add(other.count);
        self.sum = both(self.sum, other.sum, |one, other| one + other);
        self.min = both(self.min, other.min, f64::min);
        self.max = both(self.max, other.max, f64::max);
    }

    /// What came since; `None` when it is less. Extremes cannot be taken back and stay.
    pub(super) fn less(&self, before: &Self) -> Option<Self> {
        let count = self.count.checked_sub(before.count)?;
        let sum = self.sum.zip(before.sum).map(|(now, before)| now - before);
        Some(Self { count, sum, ..*self })
    }

    pub(super) fn write(&self, [min, max]: [u32; 2], writer: &mut Writer<'_>) {
        writer.fixed64(4, self.count);
        for (number, value) in [(5, self.sum), (min, self.min), (max, self.max)] {
            if let Some(value) = value {
                writer.double(number, value);
            }
        }
    }
}

impl Histogram {
    fn read(point: &HistogramDataPoint<'_>) -> Result<Result<Self, Reason>, WireError> {
        let totals = Totals { count: point.count, sum: point.sum, min: point.min, max: point.max };
        let counts = bounded(point.bucket_counts(), BUCKETS_MAX)?;
        let bounds = bounded(point.explicit_bounds(), BUCKETS_MAX)?;
        let (Some(counts), Some(bounds)) = (counts, bounds) else {
            return Ok(Err(Reason::Limit));
        };
        // One bucket more than bounds, or the histogram has totals only.
        let fits = counts.len().checked_sub(1).map_or(bounds.is_empty(), |n| n == bounds.len());
        Ok(if fits { Ok(Self { totals, counts, bounds }) } else { Err(Reason::Value) })
    }

    fn fits(&self, other: &Self) -> bool {
        self.bounds == other.bounds && self.counts.len() == other.counts.len()
    }

    fn less(&self, before: &Self) -> Option<Self> {
        if !self.fits(before) {
            return None;
        }
        let counts = self.counts.iter().zip(&before.counts);
        let counts: Option<Vec<u64>> = counts.map(|(now, then)| now.checked_sub(*then)).collect();
        Some(Self {
            totals: self.totals.less(&before.totals)?,
            counts: counts?,
            bounds: self.bounds.clone(),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        self.totals.write([11, 12], writer);
        if self.counts.is_empty() {
            return;
        }
        writer.message(6, |writer| {
            for count in &self.counts {
                writer.packed_fixed64(*count);
            }
        });
        writer.message(7, |writer| {
            for bound in &self.bounds {
                writer.packed_fixed64(bound.to_bits());
            }
        });
    }
}

impl Summary {
    fn read(point: &SummaryDataPoint<'_>) -> Result<Result<Self, Reason>, WireError> {
        let quantiles = bounded(point.quantile_values(), QUANTILES_MAX)?;
        let summary = |quantiles| Self { count: point.count, sum: point.sum, quantiles };
        Ok(quantiles.map(summary).ok_or(Reason::Limit))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.fixed64(4, self.count);
        writer.double(5, self.sum);
        for QuantileValue { quantile, value } in &self.quantiles {
            writer.message(6, |writer| {
                writer.double(1, *quantile);
                writer.double(2, *value);
            });
        }
    }
}

/// Reads at most `most` numbers, and all of them to see that they are valid; `None` is too many.
pub(super) fn bounded<T>(
    numbers: impl Iterator<Item = Result<T, WireError>>,
    most: usize,
) -> Result<Option<Vec<T>>, WireError> {
    let mut read = Vec::new();
    let mut fits = true;
    for number in numbers {
        let number = number?;
        fits &= read.len() < most;
        if fits {
            read.push(number);
        }
    }
    Ok(fits.then_some(read))
}

fn add(one: NumberValue, other: NumberValue) -> NumberValue {
    match (one, other) {
        (NumberValue::Int(one), NumberValue::Int(other)) => {
            NumberValue::Int(one.saturating_add(other))
        }
        (one, other) => NumberValue::Double(double(one) + double(other)),
    }
}

/// The difference; `None` when it is negative: a counter began anew.
fn less(now: NumberValue, before: NumberValue) -> Option<NumberValue> {
    match (now, before) {
        (NumberValue::Int(now), NumberValue::Int(before)) => {
            now.checked_sub(before).filter(|more| *more >= 0).map(NumberValue::Int)
        }
        (now, before) => {
            let more = double(now) - double(before);
            (more >= 0.0).then_some(NumberValue::Double(more))
        }
    }
}

const fn double(value: NumberValue) -> f64 {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "a sum of doubles is as exact as they are")]
        NumberValue::Int(value) => value as f64,
        NumberValue::Double(value) => value,
    }
}

/// Finite and of small magnitude; NaN is not.
fn small(value: f64, limit: f64) -> bool {
    value.abs() <= limit
}

#[expect(clippy::cast_precision_loss, reason = "the limit is below 2^53, where a double is exact")]
fn few(count: u64, limit: f64) -> bool {
    count as f64 <= limit
}

/// Bit 0 of the flags of a data point.
const NO_RECORDED_VALUE: u32 = 1;
