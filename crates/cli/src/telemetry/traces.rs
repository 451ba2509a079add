//! Spans with their events.

use lucarne_otlp::wire::Writer;

use super::{Attribute, Source, SpanContext, write_attributes, write_request};

/// The field of `ScopeSpans` that holds the spans.
pub const ITEM_FIELD: u32 = 2;

/// One finished span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its own ids.
    pub context: SpanContext,
    /// Id of the span above, or none for the root.
    pub parent: Option<[u8; 8]>,
    /// What was done.
    pub name: String,
    /// Start, nanoseconds since 1970.
    pub start_ns: u64,
    /// End, nanoseconds since 1970.
    pub end_ns: u64,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Events, an exception among them.
    pub events: Vec<SpanEvent>,
    /// The message of an error status; none is status ok.
    pub error: Option<String>,
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// When, nanoseconds since 1970.
    pub time_ns: u64,
    /// Its name.
    pub name: String,
    /// Attributes.
    pub attributes: Vec<Attribute>,
}

impl Span {
    /// Appends the fields of the `Span` message.
    pub fn write(&self, span: &mut Writer<'_>) {
        span.bytes(1, &self.context.trace);
        span.bytes(2, &self.context.span);
        if let Some(parent) = &self.parent {
            span.bytes(4, parent);
        }
        span.bytes(5, self.name.as_bytes());
        span.varint(6, KIND_INTERNAL);
        span.fixed64(7, self.start_ns);
        span.fixed64(8, self.end_ns);
        write_attributes(span, 9, &self.attributes);
        for event in &self.events {
            span.message(11, |writer| {
                writer.fixed64(1, event.time_ns);
                writer.bytes(2, event.name.as_bytes());
                write_attributes(writer, 3, &event.attributes);
            });
        }
        span.message(15, |status| match &self.error {
            Some(message) => {
                status.bytes(2, message.as_bytes());
                status.varint(3, STATUS_ERROR);
            }
            None => status.varint(3, STATUS_OK),
        });
    }
}

/// `ExportTraceServiceRequest` of one source.
pub fn write_traces(out: &mut Vec<u8>, source: &Source, spans: &[Span]) {
    write_request(out, source, |scope| {
        for span in spans {
            scope.message(ITEM_FIELD, |writer| span.write(writer));
        }
    });
}

pub(super) const KIND_INTERNAL: u64 = 1;
pub(super) const STATUS_OK: u64 = 1;
pub(super) const STATUS_ERROR: u64 = 2;
