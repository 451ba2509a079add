//! One record as JSON: payload decoded, with its context, for `audit show`.

use lucarne_ledger::batch::{Content, Record, VerifiedBatch, split_context};
use lucarne_ledger::chain;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::record::Stream;
use lucarne_otlp::display::value_to_json;
use lucarne_otlp::view::{
    AnyValue, ExponentialHistogramDataPoint, HistogramDataPoint, KeyValue, LogRecord, Metric,
    MetricData, NumberDataPoint, NumberValue, Resource, Scope, Span, SummaryDataPoint, View,
};
use lucarne_otlp::wire::WireError;
use serde_json::{Map, Value, json};

use super::payloads::Payloads;

/// The payload and context of the record `seq` of a verified batch.
///
/// # Errors
/// When it was sealed and is not OTLP or JSON.
pub(super) fn content(
    batch: &VerifiedBatch<'_>,
    (seq, record): (u64, &Record<'_>),
    payloads: &Payloads,
) -> Result<Value, WireError> {
    let sealed = match record.content {
        Content::Present { payload, .. } => payload,
        Content::Withheld { .. } => return Ok(json!({ "withheld": true })),
        Content::Encrypted => return Ok(payloads.closed(batch, seq)),
    };
    let kind = batch.statement().ledger.kind;
    payload(kind, record.stream, sealed, &|index| batch.context(index))
}

/// Finds the payload of a context by its index, with the index that it refers to itself.
pub(super) type Contexts<'c, 'a> = &'c dyn Fn(u32) -> Option<(u32, &'a [u8])>;

/// A payload of this ledger and stream, with the contexts that can be found.
///
/// # Errors
/// When it was sealed and is not OTLP or JSON.
pub(super) fn payload(
    kind: LedgerKind,
    stream: Stream,
    payload: &[u8],
    contexts: Contexts<'_, '_>,
) -> Result<Value, WireError> {
    let json_payload = || serde_json::from_slice(payload).unwrap_or(Value::String(to_hex(payload)));
    match stream {
        Stream::Control | Stream::Audit => {
            let named = match kind {
                LedgerKind::Audit => chain::split(payload).map(|(hash, _)| hash.to_string()),
                LedgerKind::Telemetry => None,
            };
            Ok(json!({ "prev_hash": named, "payload": json_payload() }))
        }
        Stream::Context => {
            let (index, message) = split_context(payload).unwrap_or_default();
            let shown =
                if contexts(index).is_some() { scope(message)? } else { resource(message)? };
            Ok(json!({ "payload": shown }))
        }
        Stream::Logs | Stream::Metrics | Stream::Traces => telemetry(stream, payload, contexts),
    }
}

fn telemetry(
    stream: Stream,
    payload: &[u8],
    contexts: Contexts<'_, '_>,
) -> Result<Value, WireError> {
    let (index, message) = split_context(payload).unwrap_or_default();
    let scope_context = contexts(index);
    let resource_context = scope_context.and_then(|(index, _)| contexts(index));
    let shown = match stream {
        Stream::Metrics => metric(message)?,
        Stream::Traces => span(message)?,
        _ => log(message)?,
    };
    let scope = scope_context.map(|(_, message)| scope(message)).transpose()?;
    let resource = resource_context.map(|(_, message)| resource(message)).transpose()?;
    Ok(json!({ "payload": shown, "context": { "scope": scope, "resource": resource } }))
}

fn log(message: &[u8]) -> Result<Value, WireError> {
    let log = LogRecord::parse(message)?;
    Ok(json!({
        "time_unix_nano": log.time_unix_nano,
        "observed_time_unix_nano": log.observed_time_unix_nano,
        "severity_number": log.severity_number,
        "severity_text": log.severity_text,
        "body": log.body.map(value).transpose()?,
        "event_name": log.event_name,
        "trace_id": to_hex(log.trace_id),
        "span_id": to_hex(log.span_id),
        "attributes": attributes(log.attributes())?,
    }))
}

fn span(message: &[u8]) -> Result<Value, WireError> {
    let span = Span::parse(message)?;
    Ok(json!({
        "trace_id": to_hex(span.trace_id),
        "span_id": to_hex(span.span_id),
        "parent_span_id": to_hex(span.parent_span_id),
        "name": span.name,
        "kind": span.kind,
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "status_code": span.status.as_ref().map(|status| status.code),
        "attributes": attributes(span.attributes())?,
    }))
}

fn metric(message: &[u8]) -> Result<Value, WireError> {
    let metric = Metric::parse(message)?;
    let (kind, points) = match metric.data {
        None => ("none", Vec::new()),
        Some(MetricData::Gauge { points }) => ("gauge", list(points, number)?),
        Some(MetricData::Sum { points, .. }) => ("sum", list(points, number)?),
        Some(MetricData::Histogram { points, .. }) => ("histogram", list(points, histogram)?),
        Some(MetricData::ExponentialHistogram { points, .. }) => {
            ("exponential_histogram", list(points, exponential)?)
        }
        Some(MetricData::Summary { points }) => ("summary", list(points, summary)?),
    };
    Ok(json!({ "name": metric.name, "unit": metric.unit, "kind": kind, "points": points }))
}

fn list<T>(
    points: impl Iterator<Item = Result<T, WireError>>,
    show: impl Fn(&T) -> Result<Value, WireError>,
) -> Result<Vec<Value>, WireError> {
    points.map(|point| show(&point?)).collect()
}

fn number(point: &NumberDataPoint<'_>) -> Result<Value, WireError> {
    let shown = match point.value {
        None => Value::Null,
        Some(NumberValue::Int(number)) => json!(number),
        Some(NumberValue::Double(number)) => double(number),
    };
    Ok(json!({
        "start_time_unix_nano": point.start_time_unix_nano,
        "time_unix_nano": point.time_unix_nano,
        "value": shown,
        "attributes": attributes(point.attributes())?,
    }))
}

fn histogram(point: &HistogramDataPoint<'_>) -> Result<Value, WireError> {
    let counts: Vec<u64> = point.bucket_counts().collect::<Result<_, _>>()?;
    let bounds: Vec<f64> = point.explicit_bounds().collect::<Result<_, _>>()?;
    Ok(json!({
        "start_time_unix_nano": point.start_time_unix_nano,
        "time_unix_nano": point.time_unix_nano,
        "count": point.count,
        "sum": point.sum.map(double),
        "bucket_counts": counts,
        "explicit_bounds": bounds.into_iter().map(double).collect::<Vec<_>>(),
        "attributes": attributes(point.attributes())?,
    }))
}

fn exponential(point: &ExponentialHistogramDataPoint<'_>) -> Result<Value, WireError> {
    Ok(json!({
        "time_unix_nano": point.time_unix_nano,
        "count": point.count,
        "sum": point.sum.map(double),
        "scale": point.scale,
        "zero_count": point.zero_count,
        "attributes": attributes(point.attributes())?,
    }))
}

fn summary(point: &SummaryDataPoint<'_>) -> Result<Value, WireError> {
    Ok(json!({
        "time_unix_nano": point.time_unix_nano,
        "count": point.count,
        "sum": double(point.sum),
        "attributes": attributes(point.attributes())?,
    }))
}

fn resource(message: &[u8]) -> Result<Value, WireError> {
    Ok(json!({ "attributes": attributes(Resource::parse(message)?.attributes())? }))
}

fn scope(message: &[u8]) -> Result<Value, WireError> {
    let scope = Scope::parse(message)?;
    let attributes = attributes(scope.attributes())?;
    Ok(json!({ "name": scope.name, "version": scope.version, "attributes": attributes }))
}

fn attributes<'a>(
    list: impl Iterator<Item = Result<KeyValue<'a>, WireError>>,
) -> Result<Value, WireError> {
    let mut shown = Map::new();
    for attribute in list {
        let attribute = attribute?;
        shown.insert(attribute.key.to_owned(), value(attribute.value)?);
    }
    Ok(Value::Object(shown))
}

fn value(any: AnyValue<'_>) -> Result<Value, WireError> {
    let mut text = Vec::new();
    value_to_json(any, &mut text)?;
    // What was just written is JSON; text that is not would be a value of its own.
    Ok(serde_json::from_slice(&text).unwrap_or(Value::Null))
}

// JSON has no NaN and no infinities.
fn double(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or(Value::String(number.to_string()), Value::Number)
}
