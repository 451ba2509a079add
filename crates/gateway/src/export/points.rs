//! The data points of a metric in one shape, whatever its kind.
//!
//! Summaries are cut down to count and sum; the buckets of exponential histograms go where there is
//! a place for them, which is remote write.

use lucarne_otlp::view::{
    Buckets, ExponentialHistogramDataPoint, KeyValue, Metric, MetricData, NumberValue, Repeated,
    Temporality,
};
use lucarne_otlp::wire::WireError;

/// One data point.
pub(crate) struct Point<'a> {
    /// Name of the kind in lines.
    pub(crate) kind: &'static str,
    pub(crate) temporality: Temporality,
    /// Whether the value only goes up.
    pub(crate) monotonic: bool,
    pub(crate) start_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) attributes: Vec<KeyValue<'a>>,
    pub(crate) sample: Sample,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sample {
    Number(NumberValue),
    Distribution {
        count: u64,
        sum: Option<f64>,
        /// Upper bounds of all buckets but the last; empty when there are no buckets.
        bounds: Vec<f64>,
        /// One more than bounds, or none.
        counts: Vec<u64>,
    },
    /// Buckets by powers of a base.
    Native(Box<Native>),
}

/// An exponential histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Native {
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) scale: i32,
    pub(crate) zero_count: u64,
    pub(crate) zero_threshold: f64,
    /// First index and counts.
    pub(crate) positive: (i32, Vec<u64>),
    pub(crate) negative: (i32, Vec<u64>),
}

/// The points of a metric that have a value.
pub(crate) fn points(metric: Metric<'_>) -> Result<Vec<Point<'_>>, WireError> {
    let mut out = Vec::new();
    match metric.data {
        None => {}
        Some(MetricData::Gauge { points }) => {
            numbers("gauge", Temporality::Unspecified, false, points, &mut out)?;
        }
        Some(MetricData::Sum { points, temporality, is_monotonic }) => {
            numbers("sum", temporality, is_monotonic, points, &mut out)?;
        }
        Some(MetricData::Histogram { mut points, temporality }) => {
            points.try_for_each(|point| {
                let point = point?;
                let mut bounds: Vec<f64> = point.explicit_bounds().collect::<Result<_, _>>()?;
                let mut counts: Vec<u64> = point.bucket_counts().collect::<Result<_, _>>()?;
                if counts.len() != bounds.len() + 1 {
                    bounds.clear();
                    counts.clear();
                }
                let sample =
                    Sample::Distribution { count: point.count, sum: point.sum, bounds, counts };
                let (start_ns, time_ns) = (point.start_time_unix_nano, point.time_unix_nano);
                let shape = Shape { kind: "histogram", temporality, start_ns, time_ns };
                shape.push(point.flags, point.attributes(), sample, &mut out)
            })?;
        }
        Some(MetricData::ExponentialHistogram { mut points, temporality }) => {
            points.try_for_each(|point| {
                let point = point?;
                let (start_ns, time_ns) = (point.start_time_unix_nano, point.time_unix_nano);
                let shape = Shape { kind: "exponential_histogram", temporality, start_ns, time_ns };
                let sample = native(&point)?;
                shape.push(point.flags, point.attributes(), sample, &mut out)
            })?;
        }
        Some(MetricData::Summary { mut points }) => points.try_for_each(|point| {
            let point = point?;
            let (start_ns, time_ns) = (point.start_time_unix_nano, point.time_unix_nano);
            let temporality = Temporality::Cumulative;
            let shape = Shape { kind: "summary", temporality, start_ns, time_ns };
            let sample = totals(point.count, Some(point.sum));
            shape.push(point.flags, point.attributes(), sample, &mut out)
        })?,
    }
    Ok(out)
}

fn numbers<'a>(
    kind: &'static str,
    temporality: Temporality,
    monotonic: bool,
    mut points: Repeated<'a, lucarne_otlp::view::NumberDataPoint<'a>>,
    out: &mut Vec<Point<'a>>,
) -> Result<(), WireError> {
    points.try_for_each(|point| {
        let point = point?;
        if let Some(value) = point.value.filter(|_| point.flags & NO_VALUE == 0) {
            out.push(Point {
                kind,
                temporality,
                monotonic,
                start_ns: point.start_time_unix_nano,
                time_ns: point.time_unix_nano,
                attributes: point.attributes().collect::<Result<_, _>>()?,
                sample: Sample::Number(value),
            });
        }
        Ok(())
    })
}

struct Shape {
    kind: &'static str,
    temporality: Temporality,
    start_ns: u64,
    time_ns: u64,
}

impl Shape {
    fn push<'a>(
        self,
        flags: u32,
        attributes: Repeated<'a, KeyValue<'a>>,
        sample: Sample,
        out: &mut Vec<Point<'a>>,
    ) -> Result<(), WireError> {
        if flags & NO_VALUE == 0 {
            let Self { kind, temporality, start_ns, time_ns } = self;
            let attributes = attributes.collect::<Result<_, _>>()?;
            out.push(Point {
                kind,
                temporality,
                monotonic: true,
                start_ns,
                time_ns,
                attributes,
                sample,
            });
        }
        Ok(())
    }
}

fn native(point: &ExponentialHistogramDataPoint<'_>) -> Result<Sample, WireError> {
    let side = |buckets: &Option<Buckets<'_>>| match buckets {
        None => Ok((0, Vec::new())),
        Some(buckets) => {
            buckets.bucket_counts().collect::<Result<_, _>>().map(|counts| (buckets.offset, counts))
        }
    };
    Ok(Sample::Native(Box::new(Native {
        count: point.count,
        sum: point.sum,
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive: side(&point.positive)?,
        negative: side(&point.negative)?,
    })))
}

const fn totals(count: u64, sum: Option<f64>) -> Sample {
    Sample::Distribution { count, sum, bounds: Vec::new(), counts: Vec::new() }
}

/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`.
const NO_VALUE: u32 = 1;
