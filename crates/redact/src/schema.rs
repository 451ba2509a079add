//! Which field of which OTLP message is what (opentelemetry-proto 1.x).
//!
//! A table and nothing else. A field that it does not name makes the payload unreadable: the
//! contract writes its output anew and never copies unknown fields, so one outside is already
//! wrong.

/// A message of OTLP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Message {
    LogRecord,
    Span,
    SpanEvent,
    SpanLink,
    SpanStatus,
    Metric,
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
    NumberPoint,
    HistogramPoint,
    ExponentialPoint,
    Buckets,
    SummaryPoint,
    Quantile,
    Exemplar,
    Resource,
    EntityRef,
    Scope,
    KeyValue,
    AnyValue,
    Array,
    KeyValueList,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Nanoseconds since 1970, fixed64.
    Time,
    /// A trace or span id in binary.
    Id,
    /// An enum, a flag or a small counter of the format itself.
    Structure,
    /// UTF-8, or bytes of a value.
    Text,
    /// A truth value.
    Truth,
    /// int64 as varint.
    Int,
    /// sfixed64.
    SignedFixed,
    /// fixed64 that counts.
    Count,
    /// double.
    Double,
    /// Packed or single fixed64.
    Counts,
    /// Packed or single double.
    Doubles,
    /// Packed or single uint64.
    Varints,
    /// A message.
    Message(Message),
}

/// What the field `number` of `message` holds, or `None` for one that OTLP does not have.
pub(crate) const fn field(message: Message, number: u32) -> Option<Kind> {
    use Kind::{Id, Int, Structure, Text, Time, Truth};
    use Message as M;
    let kind = match (message, number) {
        (M::LogRecord, 1 | 11) => Time,
        (M::LogRecord, 2 | 7 | 8) => Structure,
        (M::LogRecord, 3 | 12) => Text,
        (M::LogRecord, 5) => Kind::Message(M::AnyValue),
        (M::LogRecord, 6) => Kind::Message(M::KeyValue),
        (M::LogRecord, 9 | 10) => Id,

        (M::Span, 1 | 2 | 4) => Id,
        (M::Span, 3 | 5) => Text,
        (M::Span, 6 | 10 | 12 | 14 | 16) => Structure,
        (M::Span, 7 | 8) => Time,
        (M::Span, 9) => Kind::Message(M::KeyValue),
        (M::Span, 11) => Kind::Message(M::SpanEvent),
        (M::Span, 13) => Kind::Message(M::SpanLink),
        (M::Span, 15) => Kind::Message(M::SpanStatus),
        (M::SpanEvent, 1) => Time,
        (M::SpanEvent, 2) => Text,
        (M::SpanEvent, 3) => Kind::Message(M::KeyValue),
        (M::SpanEvent, 4) => Structure,
        (M::SpanLink, 1 | 2) => Id,
        (M::SpanLink, 3) => Text,
        (M::SpanLink, 4) => Kind::Message(M::KeyValue),
        (M::SpanLink, 5 | 6) => Structure,
        (M::SpanStatus, 2) => Text,
        (M::SpanStatus, 3) => Structure,

        (M::Resource, 1) => Kind::Message(M::KeyValue),
        (M::Resource, 2) => Structure,
        (M::Resource, 3) => Kind::Message(M::EntityRef),
        (M::EntityRef, 1..=4) => Text,
        (M::Scope, 1 | 2) => Text,
        (M::Scope, 3) => Kind::Message(M::KeyValue),
        (M::Scope, 4) => Structure,

        (M::KeyValue, 1) => Text,
        (M::KeyValue, 2) => Kind::Message(M::AnyValue),
        (M::AnyValue, 1 | 7) => Text,
        (M::AnyValue, 2) => Truth,
        (M::AnyValue, 3) => Int,
        (M::AnyValue, 4) => Kind::Double,
        (M::AnyValue, 5) => Kind::Message(M::Array),
        (M::AnyValue, 6) => Kind::Message(M::KeyValueList),
        (M::Array, 1) => Kind::Message(M::AnyValue),
        (M::KeyValueList, 1) => Kind::Message(M::KeyValue),

        _ => return metric_field(message, number),
    };
    Some(kind)
}

const fn metric_field(message: Message, number: u32) -> Option<Kind> {
    use Kind::{Count, Counts, Double, Doubles, Id, SignedFixed, Structure, Text, Time, Varints};
    use Message as M;
    let kind = match (message, number) {
        (M::Metric, 1..=3) => Text,
        (M::Metric, 5) => Kind::Message(M::Gauge),
        (M::Metric, 7) => Kind::Message(M::Sum),
        (M::Metric, 9) => Kind::Message(M::Histogram),
        (M::Metric, 10) => Kind::Message(M::ExponentialHistogram),
        (M::Metric, 11) => Kind::Message(M::Summary),
        (M::Metric, 12) => Kind::Message(M::KeyValue),
        (M::Gauge | M::Sum, 1) => Kind::Message(M::NumberPoint),
        (M::Histogram, 1) => Kind::Message(M::HistogramPoint),
        (M::ExponentialHistogram, 1) => Kind::Message(M::ExponentialPoint),
        (M::Summary, 1) => Kind::Message(M::SummaryPoint),
        (M::Sum, 2 | 3) | (M::Histogram | M::ExponentialHistogram, 2) => Structure,

        (M::NumberPoint | M::HistogramPoint | M::ExponentialPoint | M::SummaryPoint, 2 | 3) => Time,
        (M::NumberPoint, 4) => Double,
        (M::NumberPoint, 5) => Kind::Message(M::Exemplar),
        (M::NumberPoint, 6) => SignedFixed,
        (M::NumberPoint, 7) => Kind::Message(M::KeyValue),
        (M::NumberPoint, 8) => Structure,
        (M::HistogramPoint | M::ExponentialPoint | M::SummaryPoint, 4) => Count,
        (M::HistogramPoint | M::ExponentialPoint | M::SummaryPoint, 5) => Double,
        (M::HistogramPoint, 6) => Counts,
        (M::HistogramPoint, 7) => Doubles,
        (M::HistogramPoint, 8) => Kind::Message(M::Exemplar),
        (M::HistogramPoint, 9) => Kind::Message(M::KeyValue),
        (M::HistogramPoint, 10) => Structure,
        (M::HistogramPoint, 11 | 12) => Double,
        (M::ExponentialPoint, 1) => Kind::Message(M::KeyValue),
        (M::ExponentialPoint, 6 | 10) => Structure,
        (M::ExponentialPoint, 7) => Count,
        (M::ExponentialPoint, 8 | 9) => Kind::Message(M::Buckets),
        (M::ExponentialPoint, 11) => Kind::Message(M::Exemplar),
        (M::ExponentialPoint, 12..=14) => Double,
        (M::Buckets, 1) => Structure,
        (M::Buckets, 2) => Varints,
        (M::SummaryPoint, 6) => Kind::Message(M::Quantile),
        (M::SummaryPoint, 7) => Kind::Message(M::KeyValue),
        (M::SummaryPoint, 8) => Structure,
        (M::Quantile, 1 | 2) => Double,

        (M::Exemplar, 2) => Time,
        (M::Exemplar, 3) => Double,
        (M::Exemplar, 4 | 5) => Id,
        (M::Exemplar, 6) => SignedFixed,
        (M::Exemplar, 7) => Kind::Message(M::KeyValue),
        _ => return None,
    };
    Some(kind)
}
