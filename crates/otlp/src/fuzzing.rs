//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.
//!
//! They read everything that a view can reach. What they assert holds for any input.

use alloc::vec::Vec;

use crate::Signal;
use crate::display::value_to_json;
use crate::json::to_protobuf;
use crate::view::{
    AnyValue, KeyValue, LogRecord, LogsRequest, Metric, MetricData, MetricsRequest, Repeated, Span,
    TracesRequest, View,
};
use crate::wire::WireError;

/// Reads a logs request to its last value.
pub fn fuzz_logs(request: &[u8]) {
    let _ = read_logs(request);
}

/// Reads a metrics request to its last bucket.
pub fn fuzz_metrics(request: &[u8]) {
    let _ = read_metrics(request);
}

/// Reads a traces request to its last link.
pub fn fuzz_traces(request: &[u8]) {
    let _ = read_traces(request);
}

/// Converts JSON as each signal; what is converted must be readable.
pub fn fuzz_json(json: &[u8]) {
    let mut request = Vec::new();
    for signal in [Signal::Logs, Signal::Metrics, Signal::Traces] {
        request.clear();
        if to_protobuf(signal, json, &mut request).is_ok() {
            let read = match signal {
                Signal::Logs => read_logs(&request),
                Signal::Metrics => read_metrics(&request),
                Signal::Traces => read_traces(&request),
            };
            assert_eq!(read, Ok(()), "converted JSON must be readable");
        }
    }
}

/// Reads one `AnyValue` to its last level.
pub fn fuzz_value(message: &[u8]) {
    if let Ok(value) = AnyValue::parse(message) {
        let _ = read_value(value);
    }
}

fn read_logs(request: &[u8]) -> Result<(), WireError> {
    for resource in LogsRequest::new(request).resources() {
        let resource = resource?;
        read_attributes(resource.resource.attributes())?;
        for scope in resource.scopes() {
            let scope = scope?;
            read_attributes(scope.scope.attributes())?;
            for record in scope.records() {
                read_record(&record?)?;
            }
        }
    }
    Ok(())
}

fn read_record(record: &LogRecord<'_>) -> Result<(), WireError> {
    read_attributes(record.attributes())?;
    record.body.map_or(Ok(()), read_value)
}

fn read_metrics(request: &[u8]) -> Result<(), WireError> {
    for resource in MetricsRequest::new(request).resources() {
        let resource = resource?;
        read_attributes(resource.resource.attributes())?;
        for scope in resource.scopes() {
            let scope = scope?;
            read_attributes(scope.scope.attributes())?;
            for metric in scope.metrics() {
                read_metric(metric?)?;
            }
        }
    }
    Ok(())
}

fn read_metric(metric: Metric<'_>) -> Result<(), WireError> {
    read_attributes(metric.metadata())?;
    match metric.data {
        None => {}
        Some(MetricData::Gauge { points } | MetricData::Sum { points, .. }) => {
            for point in points {
                read_attributes(point?.attributes())?;
            }
        }
        Some(MetricData::Histogram { points, .. }) => {
            for point in points {
                let point = point?;
                read_attributes(point.attributes())?;
                read_all(point.bucket_counts())?;
                read_all(point.explicit_bounds())?;
            }
        }
        Some(MetricData::ExponentialHistogram { points, .. }) => {
            for point in points {
                let point = point?;
                read_attributes(point.attributes())?;
                for buckets in [point.positive, point.negative].into_iter().flatten() {
                    read_all(buckets.bucket_counts())?;
                }
            }
        }
        Some(MetricData::Summary { points }) => {
            for point in points {
                let point = point?;
                read_attributes(point.attributes())?;
                read_all(point.quantile_values())?;
            }
        }
    }
    Ok(())
}

fn read_traces(request: &[u8]) -> Result<(), WireError> {
    for resource in TracesRequest::new(request).resources() {
        let resource = resource?;
        read_attributes(resource.resource.attributes())?;
        for scope in resource.scopes() {
            let scope = scope?;
            read_attributes(scope.scope.attributes())?;
            for span in scope.spans() {
                read_span(&span?)?;
            }
        }
    }
    Ok(())
}

fn read_span(span: &Span<'_>) -> Result<(), WireError> {
    read_attributes(span.attributes())?;
    for event in span.events() {
        read_attributes(event?.attributes())?;
    }
    for link in span.links() {
        read_attributes(link?.attributes())?;
    }
    Ok(())
}

fn read_attributes<'a>(attributes: Repeated<'a, KeyValue<'a>>) -> Result<(), WireError> {
    for attribute in attributes {
        read_value(attribute?.value)?;
    }
    Ok(())
}

fn read_value(value: AnyValue<'_>) -> Result<(), WireError> {
    let mut json = Vec::new();
    let shown = value_to_json(value, &mut json);
    assert_eq!(shown, value.check(), "showing a value reads what checking it reads");
    if shown.is_ok() {
        assert!(core::str::from_utf8(&json).is_ok(), "JSON is UTF-8");
    }
    shown
}

fn read_all<T>(numbers: impl Iterator<Item = Result<T, WireError>>) -> Result<(), WireError> {
    for number in numbers {
        number?;
    }
    Ok(())
}
