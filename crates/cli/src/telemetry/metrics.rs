//! Cumulative counters and histograms.

use lucarne_otlp::wire::Writer;

use super::{Attribute, Source, write_attributes, write_request};

/// The field of `ScopeMetrics` that holds the metrics.
pub const ITEM_FIELD: u32 = 2;

/// One metric with its data points.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its unit in UCUM; `1` for counts.
    pub unit: String,
    /// Its data points.
    pub points: Points,
}

/// Data points by kind; both are cumulative since the start of the process.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// A counter that only grows.
    Sum(Vec<SumPoint>),
    /// A histogram with explicit bounds.
    Histogram(Vec<HistogramPoint>),
}

/// One series of a counter.
#[derive(Clone, Debug, PartialEq)]
pub struct SumPoint {
    /// Labels.
    pub labels: Vec<Attribute>,
    /// Start of the count and time of the reading, nanoseconds since 1970.
    pub window: Window,
    /// The count.
    pub value: i64,
}

/// One series of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramPoint {
    /// Labels.
    pub labels: Vec<Attribute>,
    /// Start of the count and time of the reading.
    pub window: Window,
    /// Sum of all observations.
    pub sum: f64,
    /// Observations a bucket; one more than there are bounds.
    pub buckets: Vec<u64>,
    /// Upper bounds, inclusive, ascending.
    pub bounds: Vec<f64>,
}

/// The time that a cumulative point covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// Start, nanoseconds since 1970.
    pub start_ns: u64,
    /// Time of the reading.
    pub time_ns: u64,
}

impl Metric {
    /// Appends the fields of the `Metric` message.
    pub fn write(&self, metric: &mut Writer<'_>) {
        metric.bytes(1, self.name.as_bytes());
        metric.bytes(3, self.unit.as_bytes());
        match &self.points {
            Points::Sum(points) => metric.message(7, |sum| {
                for point in points {
                    sum.message(1, |writer| point.write(writer));
                }
                sum.varint(2, CUMULATIVE);
                sum.varint(3, 1); // monotonic
            }),
            Points::Histogram(points) => metric.message(9, |histogram| {
                for point in points {
                    histogram.message(1, |writer| point.write(writer));
                }
                histogram.varint(2, CUMULATIVE);
            }),
        }
    }
}

impl SumPoint {
    fn write(&self, point: &mut Writer<'_>) {
        point.fixed64(2, self.window.start_ns);
        point.fixed64(3, self.window.time_ns);
        point.fixed64(6, self.value.cast_unsigned());
        write_attributes(point, 7, &self.labels);
    }
}

impl HistogramPoint {
    fn write(&self, point: &mut Writer<'_>) {
        let packed = |values: &mut dyn Iterator<Item = u64>| -> Vec<u8> {
            values.flat_map(u64::to_le_bytes).collect()
        };
        point.fixed64(2, self.window.start_ns);
        point.fixed64(3, self.window.time_ns);
        point.fixed64(4, self.count());
        point.fixed64(5, self.sum.to_bits());
        point.bytes(6, &packed(&mut self.buckets.iter().copied()));
        point.bytes(7, &packed(&mut self.bounds.iter().map(|bound| bound.to_bits())));
        write_attributes(point, 9, &self.labels);
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// `ExportMetricsServiceRequest` of one source.
pub fn write_metrics(out: &mut Vec<u8>, source: &Source, metrics: &[Metric]) {
    write_request(out, source, |scope| {
        for metric in metrics {
            scope.message(ITEM_FIELD, |writer| metric.write(writer));
        }
    });
}

pub(super) const CUMULATIVE: u64 = 2;
