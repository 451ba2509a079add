//! `ExportMetricsServiceRequest` down to the metric; its data points are in [`points`].

pub mod points;

use super::resource::{Resource, Scope};
use super::value::KeyValue;
use super::{Repeated, View};
use crate::wire::{Reader, WireError};

pub use self::points::{
    Buckets, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, NumberValue,
    Numbers, QuantileValue, SummaryDataPoint,
};

/// A request of the metrics service.
pub struct MetricsRequest<'a>(&'a [u8]);

/// Metrics of one resource.
pub struct ResourceMetrics<'a> {
    message: &'a [u8],
    /// The resource; without attributes when the message has none.
    pub resource: Resource<'a>,
}

/// Metrics of one scope.
pub struct ScopeMetrics<'a> {
    message: &'a [u8],
    /// The scope; nameless when the message has none.
    pub scope: Scope<'a>,
}

/// One metric with its data points.
pub struct Metric<'a> {
    message: &'a [u8],
    /// Its name.
    pub name: &'a str,
    /// Text for people.
    pub description: &'a str,
    /// Unit of the values, in UCUM.
    pub unit: &'a str,
    /// The data points; `None` when the message has none of a known kind.
    pub data: Option<MetricData<'a>>,
}

/// The data points of a metric, by kind.
pub enum MetricData<'a> {
    /// The last value.
    Gauge {
        /// One a series.
        points: Repeated<'a, NumberDataPoint<'a>>,
    },
    /// A sum.
    Sum {
        /// One a series.
        points: Repeated<'a, NumberDataPoint<'a>>,
        /// Since when the values count.
        temporality: Temporality,
        /// Whether it only goes up.
        is_monotonic: bool,
    },
    /// Counts in buckets with given bounds.
    Histogram {
        /// One a series.
        points: Repeated<'a, HistogramDataPoint<'a>>,
        /// Since when the values count.
        temporality: Temporality,
    },
    /// Counts in buckets with computed bounds.
    ExponentialHistogram {
        /// One a series.
        points: Repeated<'a, ExponentialHistogramDataPoint<'a>>,
        /// Since when the values count.
        temporality: Temporality,
    },
    /// Quantiles computed at the source.
    Summary {
        /// One a series.
        points: Repeated<'a, SummaryDataPoint<'a>>,
    },
}

/// Since when the values of a data point count.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Temporality {
    /// Not said, or not a value that OTLP knows.
    Unspecified,
    /// Since the last report.
    Delta,
    /// Since a fixed start.
    Cumulative,
}

impl<'a> MetricsRequest<'a> {
    /// Walks a request. Nothing is read yet.
    pub const fn new(request: &'a [u8]) -> Self {
        Self(request)
    }

    /// Its resources.
    pub const fn resources(&self) -> Repeated<'a, ResourceMetrics<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> ResourceMetrics<'a> {
    /// The scopes of the resource.
    pub const fn scopes(&self) -> Repeated<'a, ScopeMetrics<'a>> {
        Repeated::new(self.message, 2)
    }
}

impl<'a> View<'a> for ResourceMetrics<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut metrics = Self { message, resource: Resource::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                metrics.resource = Resource::parse(field.bytes()?)?;
            }
        }
        Ok(metrics)
    }
}

impl<'a> ScopeMetrics<'a> {
    /// The metrics of the scope.
    pub const fn metrics(&self) -> Repeated<'a, Metric<'a>> {
        Repeated::new(self.message, 2)
    }
}

impl<'a> View<'a> for ScopeMetrics<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut metrics = Self { message, scope: Scope::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                metrics.scope = Scope::parse(field.bytes()?)?;
            }
        }
        Ok(metrics)
    }
}

impl<'a> Metric<'a> {
    /// What the metric says about itself beside its points.
    pub const fn metadata(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 12)
    }
}

impl<'a> View<'a> for Metric<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut metric = Self { message, name: "", description: "", unit: "", data: None };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => metric.name = field.text()?,
                2 => metric.description = field.text()?,
                3 => metric.unit = field.text()?,
                5 | 7 | 9 | 10 | 11 => {
                    metric.data = Some(MetricData::parse(field.number, field.bytes()?)?);
                }
                _ => {}
            }
        }
        Ok(metric)
    }
}

impl<'a> MetricData<'a> {
    fn parse(number: u32, message: &'a [u8]) -> Result<Self, WireError> {
        let mut temporality = Temporality::Unspecified;
        let mut is_monotonic = false;
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => temporality = Temporality::parse(field.low32()?),
                3 => is_monotonic = field.varint()? != 0,
                _ => {}
            }
        }
        Ok(match number {
            5 => Self::Gauge { points: Repeated::new(message, 1) },
            7 => Self::Sum { points: Repeated::new(message, 1), temporality, is_monotonic },
            9 => Self::Histogram { points: Repeated::new(message, 1), temporality },
            10 => Self::ExponentialHistogram { points: Repeated::new(message, 1), temporality },
            _ => Self::Summary { points: Repeated::new(message, 1) },
        })
    }
}

impl Temporality {
    const fn parse(number: u32) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }

    /// `AggregationTemporality` as a number.
    pub const fn number(self) -> u64 {
        match self {
            Self::Unspecified => 0,
            Self::Delta => 1,
            Self::Cumulative => 2,
        }
    }
}
