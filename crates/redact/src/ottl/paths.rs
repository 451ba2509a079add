//! Which path names what, and where it lies in the message (opentelemetry-proto 1.x).
//!
//! Tables and nothing else. A path is a level (which message), a field and perhaps keys. Where a
//! field lies depends on the kind of message: a data point has one of four.

/// Whose paths need no prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Context {
    /// The resource of all three signals.
    Resource,
    /// The instrumentation scope of all three signals.
    Scope,
    /// A log record.
    Log,
    /// A span.
    Span,
    /// An event of a span.
    SpanEvent,
    /// A metric.
    Metric,
    /// A data point of a metric.
    DataPoint,
}

/// One of the messages that a statement can reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Level {
    Resource,
    Scope,
    /// The span of an event, the metric of a data point.
    Parent,
    Record,
    /// Scratch values of the statements on one record.
    Cache,
}

/// What a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Resource,
    Scope,
    Log,
    Span,
    SpanEvent,
    Metric,
    NumberPoint,
    HistogramPoint,
    ExponentialPoint,
    SummaryPoint,
}

/// A field by its meaning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    AggregationTemporality,
    Attributes,
    Body,
    BodyText,
    BucketCounts,
    Count,
    Description,
    DroppedAttributes,
    DroppedEvents,
    DroppedLinks,
    EndNanos,
    EndTime,
    EventIndex,
    EventName,
    ExplicitBounds,
    Flags,
    IsMonotonic,
    KindNumber,
    KindText,
    Max,
    Metadata,
    Min,
    Name,
    NegativeCounts,
    NegativeOffset,
    ObservedNanos,
    ObservedTime,
    ParentSpanId,
    ParentSpanIdText,
    PositiveCounts,
    PositiveOffset,
    Scale,
    SeverityNumber,
    SeverityText,
    SpanId,
    SpanIdText,
    StartNanos,
    StartTime,
    StatusCode,
    StatusMessage,
    Sum,
    Nanos,
    Time,
    TraceId,
    TraceIdText,
    TraceState,
    Type,
    Unit,
    ValueDouble,
    ValueInt,
    Version,
    ZeroCount,
}

/// How a field is written on the wire and shown as a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Text,
    TraceState,
    Any,
    AnyText,
    Map,
    /// `int32`, `uint32` and enumerations.
    Varint,
    /// `sint32`.
    Zigzag,
    Fixed32,
    /// fixed64 as a number of nanoseconds.
    Nanos,
    /// fixed64 as a time.
    Time,
    /// fixed64 as an integer.
    Count,
    /// sfixed64, one of two.
    Signed,
    Double,
    /// So many bytes.
    Id(usize),
    IdText(usize),
    Counts,
    Bounds,
    Varints,
    SpanKindText,
    MetricType,
    Temporality,
    Monotonic,
    EventIndex,
}

/// Where a field lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// The number of the message around it, if it is not in the record itself.
    pub(super) inside: Option<u32>,
    pub(super) number: u32,
    pub(super) form: Form,
}

impl Context {
    /// As it is written before a path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Log => "log",
            Self::Span => "span",
            Self::SpanEvent => "spanevent",
            Self::Metric => "metric",
            Self::DataPoint => "datapoint",
        }
    }

    /// The context of this name. `instrumentation_scope` is the older name of `scope`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "resource" => Self::Resource,
            "scope" | "instrumentation_scope" => Self::Scope,
            "log" => Self::Log,
            "span" => Self::Span,
            "spanevent" => Self::SpanEvent,
            "metric" => Self::Metric,
            "datapoint" => Self::DataPoint,
            _ => return None,
        })
    }

    /// Which message a path of `other` is, seen from here; `None` when it cannot be reached.
    pub(super) const fn level(self, other: Self) -> Option<Level> {
        Some(match (self, other) {
            (_, Self::Resource) => Level::Resource,
            (Self::Resource, _) => return None,
            (_, Self::Scope) => Level::Scope,
            (Self::Log, Self::Log)
            | (Self::Span, Self::Span)
            | (Self::SpanEvent, Self::SpanEvent)
            | (Self::Metric, Self::Metric)
            | (Self::DataPoint, Self::DataPoint) => Level::Record,
            (Self::SpanEvent, Self::Span) | (Self::DataPoint, Self::Metric) => Level::Parent,
            _ => return None,
        })
    }

    /// Names of its fields.
    pub(super) const fn fields(self) -> &'static [(&'static str, Field)] {
        match self {
            Self::Resource => &RESOURCE,
            Self::Scope => &SCOPE,
            Self::Log => &LOG,
            Self::Span => &SPAN,
            Self::SpanEvent => &SPAN_EVENT,
            Self::Metric => &METRIC,
            Self::DataPoint => &DATA_POINT,
        }
    }

    /// The messages that a record of it can be.
    pub(super) const fn shapes(self) -> &'static [Shape] {
        match self {
            Self::Resource => &[Shape::Resource],
            Self::Scope => &[Shape::Scope],
            Self::Log => &[Shape::Log],
            Self::Span => &[Shape::Span],
            Self::SpanEvent => &[Shape::SpanEvent],
            Self::Metric => &[Shape::Metric],
            Self::DataPoint => &[
                Shape::NumberPoint,
                Shape::HistogramPoint,
                Shape::ExponentialPoint,
                Shape::SummaryPoint,
            ],
        }
    }
}

/// Where `field` lies in a message of `shape`; `None` when it has none.
pub(super) const fn place(shape: Shape, field: Field) -> Option<Place> {
    use Field as F;
    use Shape as S;
    let (number, form) = match (shape, field) {
        (S::Resource, F::Attributes) => (1, Form::Map),
        (S::Resource, F::DroppedAttributes) => (2, Form::Varint),
        (S::Scope, F::Name) => (1, Form::Text),
        (S::Scope, F::Version) => (2, Form::Text),
        (S::Scope, F::Attributes) => (3, Form::Map),
        (S::Scope, F::DroppedAttributes) => (4, Form::Varint),
        (S::Log, field) => return log_place(field),
        (S::Span, field) => return span_place(field),
        (S::SpanEvent, F::Nanos) => (1, Form::Nanos),
        (S::SpanEvent, F::Time) => (1, Form::Time),
        (S::SpanEvent, F::Name) => (2, Form::Text),
        (S::SpanEvent, F::Attributes) => (3, Form::Map),
        (S::SpanEvent, F::DroppedAttributes) => (4, Form::Varint),
        (S::SpanEvent, F::EventIndex) => (0, Form::EventIndex),
        (S::Metric, F::Name) => (1, Form::Text),
        (S::Metric, F::Description) => (2, Form::Text),
        (S::Metric, F::Unit) => (3, Form::Text),
        (S::Metric, F::Metadata) => (12, Form::Map),
        (S::Metric, F::Type) => (0, Form::MetricType),
        (S::Metric, F::AggregationTemporality) => (2, Form::Temporality),
        (S::Metric, F::IsMonotonic) => (3, Form::Monotonic),
        _ => return point_place(shape, field),
    };
    Some(Place { inside: None, number, form })
}

const fn log_place(field: Field) -> Option<Place> {
    use Field as F;
    let (number, form) = match field {
        F::Nanos => (1, Form::Nanos),
        F::Time => (1, Form::Time),
        F::SeverityNumber => (2, Form::Varint),
        F::SeverityText => (3, Form::Text),
        F::Body => (5, Form::Any),
        F::BodyText => (5, Form::AnyText),
        F::Attributes => (6, Form::Map),
        F::DroppedAttributes => (7, Form::Varint),
        F::Flags => (8, Form::Fixed32),
        F::TraceId => (9, Form::Id(16)),
        F::TraceIdText => (9, Form::IdText(16)),
        F::SpanId => (10, Form::Id(8)),
        F::SpanIdText => (10, Form::IdText(8)),
        F::ObservedNanos => (11, Form::Nanos),
        F::ObservedTime => (11, Form::Time),
        F::EventName => (12, Form::Text),
        _ => return None,
    };
    Some(Place { inside: None, number, form })
}

const fn span_place(field: Field) -> Option<Place> {
    use Field as F;
    let (number, form) = match field {
        F::TraceId => (1, Form::Id(16)),
        F::TraceIdText => (1, Form::IdText(16)),
        F::SpanId => (2, Form::Id(8)),
        F::SpanIdText => (2, Form::IdText(8)),
        F::TraceState => (3, Form::TraceState),
        F::ParentSpanId => (4, Form::Id(8)),
        F::ParentSpanIdText => (4, Form::IdText(8)),
        F::Name => (5, Form::Text),
        F::KindNumber => (6, Form::Varint),
        F::KindText => (6, Form::SpanKindText),
        F::StartNanos => (7, Form::Nanos),
        F::StartTime => (7, Form::Time),
        F::EndNanos => (8, Form::Nanos),
        F::EndTime => (8, Form::Time),
        F::Attributes => (9, Form::Map),
        F::DroppedAttributes => (10, Form::Varint),
        F::DroppedEvents => (12, Form::Varint),
        F::DroppedLinks => (14, Form::Varint),
        F::Flags => (16, Form::Fixed32),
        F::StatusMessage => return inside(15, 2, Form::Text),
        F::StatusCode => return inside(15, 3, Form::Varint),
        _ => return None,
    };
    Some(Place { inside: None, number, form })
}

const fn point_place(shape: Shape, field: Field) -> Option<Place> {
    use Field as F;
    use Shape as S;
    let (number, form) = match (shape, field) {
        (S::Resource | S::Scope | S::Metric | S::SpanEvent, _) => return None,
        (_, F::StartNanos) => (2, Form::Nanos),
        (_, F::StartTime) => (2, Form::Time),
        (_, F::Nanos) => (3, Form::Nanos),
        (_, F::Time) => (3, Form::Time),
        (S::NumberPoint | S::SummaryPoint, F::Attributes) => (7, Form::Map),
        (S::HistogramPoint, F::Attributes) => (9, Form::Map),
        (S::ExponentialPoint, F::Attributes) => (1, Form::Map),
        (S::NumberPoint | S::SummaryPoint, F::Flags) => (8, Form::Varint),
        (S::HistogramPoint | S::ExponentialPoint, F::Flags) => (10, Form::Varint),
        (S::NumberPoint, F::ValueDouble) => (4, Form::Double),
        (S::NumberPoint, F::ValueInt) => (6, Form::Signed),
        (S::HistogramPoint | S::ExponentialPoint | S::SummaryPoint, F::Count) => (4, Form::Count),
        (S::HistogramPoint | S::ExponentialPoint | S::SummaryPoint, F::Sum) => (5, Form::Double),
        (S::HistogramPoint, F::BucketCounts) => (6, Form::Counts),
        (S::HistogramPoint, F::ExplicitBounds) => (7, Form::Bounds),
        (S::HistogramPoint, F::Min) => (11, Form::Double),
        (S::HistogramPoint, F::Max) => (12, Form::Double),
        (S::ExponentialPoint, F::Scale) => (6, Form::Zigzag),
        (S::ExponentialPoint, F::ZeroCount) => (7, Form::Count),
        (S::ExponentialPoint, F::PositiveOffset) => return inside(8, 1, Form::Zigzag),
        (S::ExponentialPoint, F::PositiveCounts) => return inside(8, 2, Form::Varints),
        (S::ExponentialPoint, F::NegativeOffset) => return inside(9, 1, Form::Zigzag),
        (S::ExponentialPoint, F::NegativeCounts) => return inside(9, 2, Form::Varints),
        (S::ExponentialPoint, F::Min) => (12, Form::Double),
        (S::ExponentialPoint, F::Max) => (13, Form::Double),
        _ => return None,
    };
    Some(Place { inside: None, number, form })
}

const fn inside(message: u32, number: u32, form: Form) -> Option<Place> {
    Some(Place { inside: Some(message), number, form })
}

const RESOURCE: [(&str, Field); 2] =
    [("attributes", Field::Attributes), ("dropped_attributes_count", Field::DroppedAttributes)];

const SCOPE: [(&str, Field); 4] = [
    ("attributes", Field::Attributes),
    ("dropped_attributes_count", Field::DroppedAttributes),
    ("name", Field::Name),
    ("version", Field::Version),
];

const LOG: [(&str, Field); 16] = [
    ("attributes", Field::Attributes),
    ("body", Field::Body),
    ("body.string", Field::BodyText),
    ("dropped_attributes_count", Field::DroppedAttributes),
    ("event_name", Field::EventName),
    ("flags", Field::Flags),
    ("observed_time", Field::ObservedTime),
    ("observed_time_unix_nano", Field::ObservedNanos),
    ("severity_number", Field::SeverityNumber),
    ("severity_text", Field::SeverityText),
    ("span_id", Field::SpanId),
    ("span_id.string", Field::SpanIdText),
    ("time", Field::Time),
    ("time_unix_nano", Field::Nanos),
    ("trace_id", Field::TraceId),
    ("trace_id.string", Field::TraceIdText),
];

const SPAN: [(&str, Field); 21] = [
    ("attributes", Field::Attributes),
    ("dropped_attributes_count", Field::DroppedAttributes),
    ("dropped_events_count", Field::DroppedEvents),
    ("dropped_links_count", Field::DroppedLinks),
    ("end_time", Field::EndTime),
    ("end_time_unix_nano", Field::EndNanos),
    ("flags", Field::Flags),
    ("kind", Field::KindNumber),
    ("kind.string", Field::KindText),
    ("name", Field::Name),
    ("parent_span_id", Field::ParentSpanId),
    ("parent_span_id.string", Field::ParentSpanIdText),
    ("span_id", Field::SpanId),
    ("span_id.string", Field::SpanIdText),
    ("start_time", Field::StartTime),
    ("start_time_unix_nano", Field::StartNanos),
    ("status.code", Field::StatusCode),
    ("status.message", Field::StatusMessage),
    ("trace_id", Field::TraceId),
    ("trace_id.string", Field::TraceIdText),
    ("trace_state", Field::TraceState),
];

const SPAN_EVENT: [(&str, Field); 6] = [
    ("attributes", Field::Attributes),
    ("dropped_attributes_count", Field::DroppedAttributes),
    ("event_index", Field::EventIndex),
    ("name", Field::Name),
    ("time", Field::Time),
    ("time_unix_nano", Field::Nanos),
];

const METRIC: [(&str, Field); 7] = [
    ("aggregation_temporality", Field::AggregationTemporality),
    ("description", Field::Description),
    ("is_monotonic", Field::IsMonotonic),
    ("metadata", Field::Metadata),
    ("name", Field::Name),
    ("type", Field::Type),
    ("unit", Field::Unit),
];

const DATA_POINT: [(&str, Field); 20] = [
    ("attributes", Field::Attributes),
    ("bucket_counts", Field::BucketCounts),
    ("count", Field::Count),
    ("explicit_bounds", Field::ExplicitBounds),
    ("flags", Field::Flags),
    ("max", Field::Max),
    ("min", Field::Min),
    ("negative.bucket_counts", Field::NegativeCounts),
    ("negative.offset", Field::NegativeOffset),
    ("positive.bucket_counts", Field::PositiveCounts),
    ("positive.offset", Field::PositiveOffset),
    ("scale", Field::Scale),
    ("start_time", Field::StartTime),
    ("start_time_unix_nano", Field::StartNanos),
    ("sum", Field::Sum),
    ("time", Field::Time),
    ("time_unix_nano", Field::Nanos),
    ("value_double", Field::ValueDouble),
    ("value_int", Field::ValueInt),
    ("zero_count", Field::ZeroCount),
];

/// Symbols that stand for numbers.
pub(super) const SYMBOLS: [(&str, i64); 42] = [
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
    ("FLAG_NONE", 0),
    ("FLAG_NO_RECORDED_VALUE", 1),
    ("METRIC_DATA_TYPE_NONE", 0),
    ("METRIC_DATA_TYPE_GAUGE", 1),
    ("METRIC_DATA_TYPE_SUM", 2),
    ("METRIC_DATA_TYPE_HISTOGRAM", 3),
    ("METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4),
    ("METRIC_DATA_TYPE_SUMMARY", 5),
    ("SEVERITY_NUMBER_UNSPECIFIED", 0),
    ("SEVERITY_NUMBER_TRACE", 1),
    ("SEVERITY_NUMBER_TRACE2", 2),
    ("SEVERITY_NUMBER_TRACE3", 3),
    ("SEVERITY_NUMBER_TRACE4", 4),
    ("SEVERITY_NUMBER_DEBUG", 5),
    ("SEVERITY_NUMBER_DEBUG2", 6),
    ("SEVERITY_NUMBER_DEBUG3", 7),
    ("SEVERITY_NUMBER_DEBUG4", 8),
    ("SEVERITY_NUMBER_INFO", 9),
    ("SEVERITY_NUMBER_INFO2", 10),
    ("SEVERITY_NUMBER_INFO3", 11),
    ("SEVERITY_NUMBER_INFO4", 12),
    ("SEVERITY_NUMBER_WARN", 13),
    ("SEVERITY_NUMBER_WARN2", 14),
    ("SEVERITY_NUMBER_WARN3", 15),
    ("SEVERITY_NUMBER_WARN4", 16),
    ("SEVERITY_NUMBER_ERROR", 17),
    ("SEVERITY_NUMBER_ERROR2", 18),
    ("SEVERITY_NUMBER_ERROR3", 19),
    ("SEVERITY_NUMBER_ERROR4", 20),
    ("SEVERITY_NUMBER_FATAL", 21),
    ("SEVERITY_NUMBER_FATAL2", 22),
    ("SEVERITY_NUMBER_FATAL3", 23),
    ("SEVERITY_NUMBER_FATAL4", 24),
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];

/// The rest of them.
pub(super) const STATUS_SYMBOLS: [(&str, i64); 3] =
    [("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];
