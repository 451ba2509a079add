//! The messages of OTLP 1.x as tables: JSON name, field number, kind.
//!
//! One table serves the whole conversion, so a field is described once. Names are lowerCamelCase
//! only; OTLP forbids the original names that general protobuf JSON accepts.

use crate::Signal;

/// A message: its fields.
pub(super) struct Message(pub(super) &'static [Field]);

/// A field of a message.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) kind: Kind,
}

/// What a field holds, in JSON and on the wire.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `string`.
    Text,
    /// `bytes` as base64.
    Bytes,
    /// `bytes` as hex: trace and span ids.
    Id,
    /// `bool`.
    Bool,
    /// `double`.
    Double,
    /// `fixed64`.
    Fixed64,
    /// `sfixed64`.
    Sfixed64,
    /// `fixed32`.
    Fixed32,
    /// `uint32`, and enumerations, which OTLP writes as numbers.
    Uint32,
    /// `sint32`.
    Sint32,
    /// `int64`.
    Int64,
    /// `uint64`.
    Uint64,
    /// `repeated double`.
    Doubles,
    /// `repeated fixed64`.
    Fixed64s,
    /// `repeated uint64`.
    Uint64s,
    /// A message.
    One(&'static Message),
    /// Repeated messages.
    Many(&'static Message),
    /// A message that holds values one level deeper.
    Deeper(&'static Message),
}

impl Message {
    /// The request of a signal.
    pub(super) const fn request(signal: Signal) -> &'static Self {
        match signal {
            Signal::Logs => &LOGS_REQUEST,
            Signal::Metrics => &METRICS_REQUEST,
            Signal::Traces => &TRACES_REQUEST,
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.0.iter().find(|field| field.name == name)
    }
}

const fn field(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { name, number, kind }
}

static LOGS_REQUEST: Message = Message(&[field(1, "resourceLogs", Kind::Many(&RESOURCE_LOGS))]);

static RESOURCE_LOGS: Message = Message(&[
    field(1, "resource", Kind::One(&RESOURCE)),
    field(2, "scopeLogs", Kind::Many(&SCOPE_LOGS)),
    field(3, "schemaUrl", Kind::Text),
]);

static SCOPE_LOGS: Message = Message(&[
    field(1, "scope", Kind::One(&SCOPE)),
    field(2, "logRecords", Kind::Many(&LOG_RECORD)),
    field(3, "schemaUrl", Kind::Text),
]);

static LOG_RECORD: Message = Message(&[
    field(1, "timeUnixNano", Kind::Fixed64),
    field(2, "severityNumber", Kind::Uint32),
    field(3, "severityText", Kind::Text),
    field(5, "body", Kind::One(&ANY_VALUE)),
    field(6, "attributes", Kind::Many(&KEY_VALUE)),
    field(7, "droppedAttributesCount", Kind::Uint32),
    field(8, "flags", Kind::Fixed32),
    field(9, "traceId", Kind::Id),
    field(10, "spanId", Kind::Id),
    field(11, "observedTimeUnixNano", Kind::Fixed64),
    field(12, "eventName", Kind::Text),
]);

static METRICS_REQUEST: Message =
    Message(&[field(1, "resourceMetrics", Kind::Many(&RESOURCE_METRICS))]);

static RESOURCE_METRICS: Message = Message(&[
    field(1, "resource", Kind::One(&RESOURCE)),
    field(2, "scopeMetrics", Kind::Many(&SCOPE_METRICS)),
    field(3, "schemaUrl", Kind::Text),
]);

static SCOPE_METRICS: Message = Message(&[
    field(1, "scope", Kind::One(&SCOPE)),
    field(2, "metrics", Kind::Many(&METRIC)),
    field(3, "schemaUrl", Kind::Text),
]);

static METRIC: Message = Message(&[
    field(1, "name", Kind::Text),
    field(2, "description", Kind::Text),
    field(3, "unit", Kind::Text),
    field(5, "gauge", Kind::One(&GAUGE)),
    field(7, "sum", Kind::One(&SUM)),
    field(9, "histogram", Kind::One(&HISTOGRAM)),
    field(10, "exponentialHistogram", Kind::One(&EXPONENTIAL_HISTOGRAM)),
    field(11, "summary", Kind::One(&SUMMARY)),
    field(12, "metadata", Kind::Many(&KEY_VALUE)),
]);

static GAUGE: Message = Message(&[field(1, "dataPoints", Kind::Many(&NUMBER_POINT))]);

static SUM: Message = Message(&[
    field(1, "dataPoints", Kind::Many(&NUMBER_POINT)),
    field(2, "aggregationTemporality", Kind::Uint32),
    field(3, "isMonotonic", Kind::Bool),
]);

static HISTOGRAM: Message = Message(&[
    field(1, "dataPoints", Kind::Many(&HISTOGRAM_POINT)),
    field(2, "aggregationTemporality", Kind::Uint32),
]);

static EXPONENTIAL_HISTOGRAM: Message = Message(&[
    field(1, "dataPoints", Kind::Many(&EXPONENTIAL_POINT)),
    field(2, "aggregationTemporality", Kind::Uint32),
]);

static SUMMARY: Message = Message(&[field(1, "dataPoints", Kind::Many(&SUMMARY_POINT))]);

static NUMBER_POINT: Message = Message(&[
    field(2, "startTimeUnixNano", Kind::Fixed64),
    field(3, "timeUnixNano", Kind::Fixed64),
    field(4, "asDouble", Kind::Double),
    field(5, "exemplars", Kind::Many(&EXEMPLAR)),
    field(6, "asInt", Kind::Sfixed64),
    field(7, "attributes", Kind::Many(&KEY_VALUE)),
    field(8, "flags", Kind::Uint32),
]);

static HISTOGRAM_POINT: Message = Message(&[
    field(2, "startTimeUnixNano", Kind::Fixed64),
    field(3, "timeUnixNano", Kind::Fixed64),
    field(4, "count", Kind::Fixed64),
    field(5, "sum", Kind::Double),
    field(6, "bucketCounts", Kind::Fixed64s),
    field(7, "explicitBounds", Kind::Doubles),
    field(8, "exemplars", Kind::Many(&EXEMPLAR)),
    field(9, "attributes", Kind::Many(&KEY_VALUE)),
    field(10, "flags", Kind::Uint32),
    field(11, "min", Kind::Double),
    field(12, "max", Kind::Double),
]);

static EXPONENTIAL_POINT: Message = Message(&[
    field(1, "attributes", Kind::Many(&KEY_VALUE)),
    field(2, "startTimeUnixNano", Kind::Fixed64),
    field(3, "timeUnixNano", Kind::Fixed64),
    field(4, "count", Kind::Fixed64),
    field(5, "sum", Kind::Double),
    field(6, "scale", Kind::Sint32),
    field(7, "zeroCount", Kind::Fixed64),
    field(8, "positive", Kind::One(&BUCKETS)),
    field(9, "negative", Kind::One(&BUCKETS)),
    field(10, "flags", Kind::Uint32),
    field(11, "exemplars", Kind::Many(&EXEMPLAR)),
    field(12, "min", Kind::Double),
    field(13, "max", Kind::Double),
    field(14, "zeroThreshold", Kind::Double),
]);

static BUCKETS: Message =
    Message(&[field(1, "offset", Kind::Sint32), field(2, "bucketCounts", Kind::Uint64s)]);

static SUMMARY_POINT: Message = Message(&[
    field(2, "startTimeUnixNano", Kind::Fixed64),
    field(3, "timeUnixNano", Kind::Fixed64),
    field(4, "count", Kind::Fixed64),
    field(5, "sum", Kind::Double),
    field(6, "quantileValues", Kind::Many(&QUANTILE)),
    field(7, "attributes", Kind::Many(&KEY_VALUE)),
    field(8, "flags", Kind::Uint32),
]);

static QUANTILE: Message =
    Message(&[field(1, "quantile", Kind::Double), field(2, "value", Kind::Double)]);

static EXEMPLAR: Message = Message(&[
    field(2, "timeUnixNano", Kind::Fixed64),
    field(3, "asDouble", Kind::Double),
    field(4, "spanId", Kind::Id),
    field(5, "traceId", Kind::Id),
    field(6, "asInt", Kind::Sfixed64),
    field(7, "filteredAttributes", Kind::Many(&KEY_VALUE)),
]);

static TRACES_REQUEST: Message = Message(&[field(1, "resourceSpans", Kind::Many(&RESOURCE_SPANS))]);

static RESOURCE_SPANS: Message = Message(&[
    field(1, "resource", Kind::One(&RESOURCE)),
    field(2, "scopeSpans", Kind::Many(&SCOPE_SPANS)),
    field(3, "schemaUrl", Kind::Text),
]);

static SCOPE_SPANS: Message = Message(&[
    field(1, "scope", Kind::One(&SCOPE)),
    field(2, "spans", Kind::Many(&SPAN)),
    field(3, "schemaUrl", Kind::Text),
]);

static SPAN: Message = Message(&[
    field(1, "traceId", Kind::Id),
    field(2, "spanId", Kind::Id),
    field(3, "traceState", Kind::Text),
    field(4, "parentSpanId", Kind::Id),
    field(5, "name", Kind::Text),
    field(6, "kind", Kind::Uint32),
    field(7, "startTimeUnixNano", Kind::Fixed64),
    field(8, "endTimeUnixNano", Kind::Fixed64),
    field(9, "attributes", Kind::Many(&KEY_VALUE)),
    field(10, "droppedAttributesCount", Kind::Uint32),
    field(11, "events", Kind::Many(&EVENT)),
    field(12, "droppedEventsCount", Kind::Uint32),
    field(13, "links", Kind::Many(&LINK)),
    field(14, "droppedLinksCount", Kind::Uint32),
    field(15, "status", Kind::One(&STATUS)),
    field(16, "flags", Kind::Fixed32),
]);

static EVENT: Message = Message(&[
    field(1, "timeUnixNano", Kind::Fixed64),
    field(2, "name", Kind::Text),
    field(3, "attributes", Kind::Many(&KEY_VALUE)),
    field(4, "droppedAttributesCount", Kind::Uint32),
]);

static LINK: Message = Message(&[
    field(1, "traceId", Kind::Id),
    field(2, "spanId", Kind::Id),
    field(3, "traceState", Kind::Text),
    field(4, "attributes", Kind::Many(&KEY_VALUE)),
    field(5, "droppedAttributesCount", Kind::Uint32),
    field(6, "flags", Kind::Fixed32),
]);

static STATUS: Message =
    Message(&[field(2, "message", Kind::Text), field(3, "code", Kind::Uint32)]);

static RESOURCE: Message = Message(&[
    field(1, "attributes", Kind::Many(&KEY_VALUE)),
    field(2, "droppedAttributesCount", Kind::Uint32),
]);

static SCOPE: Message = Message(&[
    field(1, "name", Kind::Text),
    field(2, "version", Kind::Text),
    field(3, "attributes", Kind::Many(&KEY_VALUE)),
    field(4, "droppedAttributesCount", Kind::Uint32),
]);

static KEY_VALUE: Message =
    Message(&[field(1, "key", Kind::Text), field(2, "value", Kind::One(&ANY_VALUE))]);

static ANY_VALUE: Message = Message(&[
    field(1, "stringValue", Kind::Text),
    field(2, "boolValue", Kind::Bool),
    field(3, "intValue", Kind::Int64),
    field(4, "doubleValue", Kind::Double),
    field(5, "arrayValue", Kind::Deeper(&ARRAY_VALUE)),
    field(6, "kvlistValue", Kind::Deeper(&KV_LIST)),
    field(7, "bytesValue", Kind::Bytes),
]);

static ARRAY_VALUE: Message = Message(&[field(1, "values", Kind::Many(&ANY_VALUE))]);

static KV_LIST: Message = Message(&[field(1, "values", Kind::Many(&KEY_VALUE))]);
