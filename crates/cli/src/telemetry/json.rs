//! The same telemetry as OTLP/JSON: lower camel case, ids in hex, 64-bit integers as strings.

use serde_json::{Value as Json, json};

use super::logs::LogRecord;
use super::metrics::{CUMULATIVE, HistogramPoint, Metric, Points, SumPoint};
use super::traces::{KIND_INTERNAL, STATUS_ERROR, STATUS_OK, Span};
use super::{Attribute, Source, Value};

/// `ExportLogsServiceRequest`.
pub fn logs(source: &Source, records: &[LogRecord]) -> Vec<u8> {
    let items = records.iter().map(log_record).collect::<Vec<_>>();
    request(source, ["resourceLogs", "scopeLogs", "logRecords"], &items)
}

/// `ExportMetricsServiceRequest`.
pub fn metrics(source: &Source, metrics: &[Metric]) -> Vec<u8> {
    let items = metrics.iter().map(metric).collect::<Vec<_>>();
    request(source, ["resourceMetrics", "scopeMetrics", "metrics"], &items)
}

/// `ExportTraceServiceRequest`.
pub fn traces(source: &Source, spans: &[Span]) -> Vec<u8> {
    let items = spans.iter().map(span).collect::<Vec<_>>();
    request(source, ["resourceSpans", "scopeSpans", "spans"], &items)
}

fn request(source: &Source, [outer, inner, list]: [&str; 3], items: &[Json]) -> Vec<u8> {
    let resource = json!({ "attributes": attributes(&source.resource) });
    let scope = json!({ "scope": { "name": source.scope }, list: items });
    json!({ outer: [{ "resource": resource, inner: [scope] }] }).to_string().into_bytes()
}

fn log_record(record: &LogRecord) -> Json {
    json!({
        "timeUnixNano": record.time_ns.to_string(),
        "observedTimeUnixNano": record.time_ns.to_string(),
        "severityNumber": record.level.number(),
        "severityText": record.level.name(),
        "body": value(&record.body),
        "attributes": attributes(&record.attributes),
        "flags": 1,
        "traceId": hex(&record.context.trace),
        "spanId": hex(&record.context.span),
        "eventName": record.event_name,
    })
}

fn metric(metric: &Metric) -> Json {
    let (kind, data) = match &metric.points {
        Points::Sum(points) => (
            "sum",
            json!({
                "dataPoints": points.iter().map(sum_point).collect::<Vec<_>>(),
                "aggregationTemporality": CUMULATIVE,
                "isMonotonic": true,
            }),
        ),
        Points::Histogram(points) => (
            "histogram",
            json!({
                "dataPoints": points.iter().map(histogram_point).collect::<Vec<_>>(),
                "aggregationTemporality": CUMULATIVE,
            }),
        ),
    };
    json!({ "name": metric.name, "unit": metric.unit, kind: data })
}

fn sum_point(point: &SumPoint) -> Json {
    json!({
        "attributes": attributes(&point.labels),
        "startTimeUnixNano": point.window.start_ns.to_string(),
        "timeUnixNano": point.window.time_ns.to_string(),
        "asInt": point.value.to_string(),
    })
}

fn histogram_point(point: &HistogramPoint) -> Json {
    json!({
        "attributes": attributes(&point.labels),
        "startTimeUnixNano": point.window.start_ns.to_string(),
        "timeUnixNano": point.window.time_ns.to_string(),
        "count": point.count().to_string(),
        "sum": point.sum,
        "bucketCounts": point.buckets.iter().map(u64::to_string).collect::<Vec<_>>(),
        "explicitBounds": point.bounds,
    })
}

fn span(span: &Span) -> Json {
    let events: Vec<Json> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "timeUnixNano": event.time_ns.to_string(),
                "name": event.name,
                "attributes": attributes(&event.attributes),
            })
        })
        .collect();
    let status = match &span.error {
        Some(message) => json!({ "code": STATUS_ERROR, "message": message }),
        None => json!({ "code": STATUS_OK }),
    };
    json!({
        "traceId": hex(&span.context.trace),
        "spanId": hex(&span.context.span),
        "parentSpanId": span.parent.map(|id| hex(&id)).unwrap_or_default(),
        "name": span.name,
        "kind": KIND_INTERNAL,
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes(&span.attributes),
        "events": events,
        "status": status,
    })
}

fn attributes(attributes: &[Attribute]) -> Json {
    attributes
        .iter()
        .map(|attribute| json!({ "key": attribute.key, "value": value(&attribute.value) }))
        .collect()
}

fn value(from: &Value) -> Json {
    match from {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Int(number) => json!({ "intValue": number.to_string() }),
        Value::Double(number) => json!({ "doubleValue": number }),
        Value::Bool(yes) => json!({ "boolValue": yes }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
