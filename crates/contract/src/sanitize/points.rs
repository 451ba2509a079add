//! Data points of one series: checked, merged when several became one, and written.
//!
//! Sums add and keep the earliest start and the latest time. A gauge keeps its latest value, the
//! later in the request when times are equal. Histograms add when their bounds are equal. What
//! cannot be merged (exponential histograms, summaries, other bounds) keeps its first point and
//! counts the rest.

use alloc::boxed::Box;
use alloc::vec::Vec;

use lucarne_otlp::view::{
    Buckets, ExponentialHistogramDataPoint, HistogramDataPoint, KeyValue, NumberDataPoint,
    NumberValue, QuantileValue, Repeated, SummaryDataPoint,
};
use lucarne_otlp::wire::{WireError, Writer};

use super::metrics::Kind;
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

/// Writes the points of one series as one point with these encoded labels; false when none is left.
pub(super) fn write<'p, 'a: 'p>(
    kind: Kind,
    points: impl Iterator<Item = &'p Point<'a>>,
    labels: &[u8],
    limit: f64,
    count: Count<'_>,
    writer: &mut Writer<'_>,
) -> Result<bool, WireError> {
    let mut merged: Option<Merged> = None;
    for point in points {
        let next = match Merged::read(point, limit)? {
            Ok(next) => next,
            Err(reason) => {
                count(reason);
                continue;
            }
        };
        merged = match merged {
            None => Some(next),
            Some(before) => Some(before.merge(next, kind, count)),
        };
    }
    // Adding may have led beyond what a value may be.
    let Some(merged) = merged else { return Ok(false) };
    if !merged.value.is_within(limit) {
        count(Reason::Value);
        return Ok(false);
    }
    writer.message(1, |writer| merged.write(kind, labels, writer));
    Ok(true)
}

/// One point, or several that were merged into one.
struct Merged {
    start: u64,
    time: u64,
    value: Value,
}

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
struct Totals {
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

struct Histogram {
    totals: Totals,
    counts: Vec<u64>,
    bounds: Vec<f64>,
}

/// Offset and counts of consecutive buckets, if there are any.
type Side = Option<(i32, Vec<u64>)>;

struct Summary {
    count: u64,
    sum: f64,
    quantiles: Vec<QuantileValue>,
}

struct Exponential {
    totals: Totals,
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
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
                Ok(Self { start, time, value })
            } else {
                Err(Reason::Value)
            }
        }))
    }

    fn merge(mut self, next: Self, kind: Kind, count: Count<'_>) -> Self {
        if kind == Kind::Gauge {
            return if next.time >= self.time { next } else { self };
        }
        match (&mut self.value, next.value) {
            (_, Value::None) => {}
            (value @ Value::None, recorded) => *value = recorded,
            (Value::Number(one), Value::Number(other)) => *one = add(*one, other),
            (Value::Histogram(one), Value::Histogram(other)) => {
                if one.bounds != other.bounds || one.counts.len() != other.counts.len() {
                    count(Reason::Collision);
                    return self;
                }
                one.totals.add(&other.totals);
                for (sum, more) in one.counts.iter_mut().zip(&other.counts) {
                    *sum = sum.saturating_add(*more);
                }
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
        self
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
                let buckets = [&histogram.positive, &histogram.negative];
                // One sample in buckets this fine is a measured value and no distribution.
                histogram.totals.count != 1
                    && histogram.totals.is_within(limit)
                    && few(histogram.zero_count, limit)
                    && small(histogram.zero_threshold, limit)
                    && buckets
                        .into_iter()
                        .flatten()
                        .all(|(_, counts)| counts.iter().all(|count| few(*count, limit)))
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

    fn add(&mut self, other: &Self) {
        let both = |one: Option<f64>, other: Option<f64>, merge: fn(f64, f64) -> f64| {
            one.zip(other).map(|(one, other)| merge(one, other))
        };
        self.count = self.count.saturating_add(other.count);
        self.sum = both(self.sum, other.sum, |one, other| one + other);
        self.min = both(self.min, other.min, f64::min);
        self.max = both(self.max, other.max, f64::max);
    }

    fn write(&self, [min, max]: [u32; 2], writer: &mut Writer<'_>) {
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

impl Exponential {
    fn read(point: &ExponentialHistogramDataPoint<'_>) -> Result<Result<Self, Reason>, WireError> {
        let (Some(positive), Some(negative)) = (side(&point.positive)?, side(&point.negative)?)
        else {
            return Ok(Err(Reason::Limit));
        };
        Ok(Ok(Self {
            totals: Totals { count: point.count, sum: point.sum, min: point.min, max: point.max },
            scale: point.scale,
            zero_count: point.zero_count,
            zero_threshold: point.zero_threshold,
            positive,
            negative,
        }))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        self.totals.write([12, 13], writer);
        writer.zigzag(6, i64::from(self.scale));
        writer.fixed64(7, self.zero_count);
        for (number, buckets) in [(8, &self.positive), (9, &self.negative)] {
            if let Some((offset, counts)) = buckets {
                writer.message(number, |writer| {
                    writer.zigzag(1, i64::from(*offset));
                    writer.message(2, |writer| {
                        for count in counts {
                            writer.packed_varint(*count);
                        }
                    });
                });
            }
        }
        if self.zero_threshold != 0.0 {
            writer.double(14, self.zero_threshold);
        }
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

/// Reads the buckets of one side; the outer `None` is too many of them.
fn side(buckets: &Option<Buckets<'_>>) -> Result<Option<Side>, WireError> {
    let Some(buckets) = buckets else { return Ok(Some(None)) };
    let counts = bounded(buckets.bucket_counts(), BUCKETS_MAX)?;
    Ok(counts.map(|counts| Some((buckets.offset, counts))))
}

/// Reads at most `most` numbers, and all of them to see that they are valid; `None` is too many.
fn bounded<T>(
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
    let double = |value| match value {
        #[expect(clippy::cast_precision_loss, reason = "a sum of doubles is as exact as they are")]
        NumberValue::Int(value) => value as f64,
        NumberValue::Double(value) => value,
    };
    match (one, other) {
        (NumberValue::Int(one), NumberValue::Int(other)) => {
            NumberValue::Int(one.saturating_add(other))
        }
        (one, other) => NumberValue::Double(double(one) + double(other)),
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
