//! Every value of a request that has a name or a place of its own, one after the other.
//!
//! Decided here: which places a contract can speak about. Times, ids and numbers of metrics are no
//! values in this sense: they have rules of their own.

use lucarne_otlp::Signal;
use lucarne_otlp::view::{
    AnyValue, KeyValue, LogRecord, LogsRequest, Metric, MetricData, MetricsRequest, Repeated,
    Resource, Span, TracesRequest,
};
use lucarne_otlp::wire::WireError;

/// Where a value stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Spot {
    /// An attribute of a resource.
    Resource,
    /// An attribute of a log record.
    Log,
    /// The body of a log record.
    Body,
    /// The event name of a log record.
    Event,
    /// A label of a metric.
    Label,
    /// The name of a metric.
    Metric,
    /// The name of a span.
    SpanName,
    /// An attribute of a span, of its events or links.
    Span,
}

/// One value.
pub struct Found<'a> {
    /// Where it stands.
    pub spot: Spot,
    /// The name of an attribute or label, else empty.
    pub key: &'a str,
    /// The metric of a label, else empty.
    pub metric: &'a str,
    /// The value.
    pub value: AnyValue<'a>,
}

impl Spot {
    /// The place in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource attribute",
            Self::Log => "log attribute",
            Self::Body => "body",
            Self::Event => "event name",
            Self::Label => "label",
            Self::Metric => "metric",
            Self::SpanName => "span name",
            Self::Span => "span attribute",
        }
    }
}

/// Who is told.
pub type Told<'f> = &'f mut dyn FnMut(Found<'_>);

/// Tells every value of a request.
///
/// # Errors
/// When the request is not OTLP; what stood before was told.
pub fn walk(signal: Signal, request: &[u8], told: Told<'_>) -> Result<(), WireError> {
    match signal {
        Signal::Logs => {
            for group in LogsRequest::new(request).resources() {
                let group = group?;
                resource(&group.resource, told)?;
                for scope in group.scopes() {
                    for record in scope?.records() {
                        log(&record?, told)?;
                    }
                }
            }
        }
        Signal::Metrics => {
            for group in MetricsRequest::new(request).resources() {
                let group = group?;
                resource(&group.resource, told)?;
                for scope in group.scopes() {
                    for one in scope?.metrics() {
                        metric(one?, told)?;
                    }
                }
            }
        }
        Signal::Traces => {
            for group in TracesRequest::new(request).resources() {
                let group = group?;
                resource(&group.resource, told)?;
                for scope in group.scopes() {
                    for one in scope?.spans() {
                        span(&one?, told)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Tells the attributes of a resource.
///
/// # Errors
/// When they are not OTLP.
pub fn resource(resource: &Resource<'_>, told: Told<'_>) -> Result<(), WireError> {
    attributes(Spot::Resource, "", resource.attributes(), told)
}

/// Tells the values of a log record.
///
/// # Errors
/// When it is not OTLP.
pub fn log(record: &LogRecord<'_>, told: Told<'_>) -> Result<(), WireError> {
    if let Some(value) = record.body {
        told(Found { spot: Spot::Body, key: "", metric: "", value });
    }
    if !record.event_name.is_empty() {
        named(Spot::Event, record.event_name, told);
    }
    attributes(Spot::Log, "", record.attributes(), told)
}

/// Tells the values of a metric.
///
/// # Errors
/// When it is not OTLP.
pub fn metric(metric: Metric<'_>, told: Told<'_>) -> Result<(), WireError> {
    let name = metric.name;
    named(Spot::Metric, name, told);
    let mut labels =
        |entries: Repeated<'_, KeyValue<'_>>| attributes(Spot::Label, name, entries, told);
    match metric.data {
        None => Ok(()),
        Some(MetricData::Gauge { mut points } | MetricData::Sum { mut points, .. }) => {
            points.try_for_each(|point| labels(point?.attributes()))
        }
        Some(MetricData::Histogram { mut points, .. }) => {
            points.try_for_each(|point| labels(point?.attributes()))
        }
        Some(MetricData::ExponentialHistogram { mut points, .. }) => {
            points.try_for_each(|point| labels(point?.attributes()))
        }
        Some(MetricData::Summary { mut points }) => {
            points.try_for_each(|point| labels(point?.attributes()))
        }
    }
}

/// Tells the values of a span.
///
/// # Errors
/// When it is not OTLP.
pub fn span(span: &Span<'_>, told: Told<'_>) -> Result<(), WireError> {
    named(Spot::SpanName, span.name, told);
    attributes(Spot::Span, "", span.attributes(), told)?;
    for event in span.events() {
        attributes(Spot::Span, "", event?.attributes(), told)?;
    }
    for link in span.links() {
        attributes(Spot::Span, "", link?.attributes(), told)?;
    }
    Ok(())
}

fn named(spot: Spot, name: &str, told: Told<'_>) {
    told(Found { spot, key: "", metric: "", value: AnyValue::String(name) });
}

fn attributes(
    spot: Spot,
    metric: &str,
    entries: Repeated<'_, KeyValue<'_>>,
    told: Told<'_>,
) -> Result<(), WireError> {
    for entry in entries {
        let KeyValue { key, value } = entry?;
        value.check()?;
        told(Found { spot, key, metric, value });
    }
    Ok(())
}
