//! `ExportTraceServiceRequest` and what is in it.

use super::resource::{Resource, Scope};
use super::value::KeyValue;
use super::{Repeated, View};
use crate::wire::{Reader, WireError};

/// A request of the trace service.
pub struct TracesRequest<'a>(&'a [u8]);

/// Spans of one resource.
pub struct ResourceSpans<'a> {
    message: &'a [u8],
    /// The resource; without attributes when the message has none.
    pub resource: Resource<'a>,
}

/// Spans of one scope.
pub struct ScopeSpans<'a> {
    message: &'a [u8],
    /// The scope; nameless when the message has none.
    pub scope: Scope<'a>,
}

/// One span.
pub struct Span<'a> {
    message: &'a [u8],
    /// 16 bytes. Not checked.
    pub trace_id: &'a [u8],
    /// 8 bytes. Not checked.
    pub span_id: &'a [u8],
    /// W3C trace state.
    pub trace_state: &'a str,
    /// 8 bytes, or empty for a root. Not checked.
    pub parent_span_id: &'a [u8],
    /// W3C trace flags in the low eight bits; bits 8 and 9 say whether the parent is remote.
    pub flags: u32,
    /// The operation.
    pub name: &'a str,
    /// `SpanKind`, 0 to 5 in OTLP. Not checked.
    pub kind: u32,
    /// Nanoseconds since 1970.
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    pub end_time_unix_nano: u64,
    /// Attributes that the sender dropped.
    pub dropped_attributes_count: u32,
    /// Events that the sender dropped.
    pub dropped_events_count: u32,
    /// Links that the sender dropped.
    pub dropped_links_count: u32,
    /// How it ended.
    pub status: Option<Status<'a>>,
}

/// How a span ended.
pub struct Status<'a> {
    /// Text for developers.
    pub message: &'a str,
    /// 0 unset, 1 ok, 2 error. Not checked.
    pub code: u32,
}

/// Something that happened during a span.
pub struct Event<'a> {
    message: &'a [u8],
    /// Nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// What happened.
    pub name: &'a str,
    /// Attributes that the sender dropped.
    pub dropped_attributes_count: u32,
}

/// A reference to another span.
pub struct Link<'a> {
    message: &'a [u8],
    /// 16 bytes. Not checked.
    pub trace_id: &'a [u8],
    /// 8 bytes. Not checked.
    pub span_id: &'a [u8],
    /// W3C trace state.
    pub trace_state: &'a str,
    /// Attributes that the sender dropped.
    pub dropped_attributes_count: u32,
    /// As [`Span::flags`].
    pub flags: u32,
}

impl<'a> TracesRequest<'a> {
    /// Walks a request. Nothing is read yet.
    pub const fn new(request: &'a [u8]) -> Self {
        Self(request)
    }

    /// Its resources.
    pub const fn resources(&self) -> Repeated<'a, ResourceSpans<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> ResourceSpans<'a> {
    /// The scopes of the resource.
    pub const fn scopes(&self) -> Repeated<'a, ScopeSpans<'a>> {
        Repeated::new(self.message, 2)
    }
}

impl<'a> View<'a> for ResourceSpans<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut spans = Self { message, resource: Resource::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                spans.resource = Resource::parse(field.bytes()?)?;
            }
        }
        Ok(spans)
    }
}

impl<'a> ScopeSpans<'a> {
    /// The spans of the scope.
    pub const fn spans(&self) -> Repeated<'a, Span<'a>> {
        Repeated::new(self.message, 2)
    }
}

impl<'a> View<'a> for ScopeSpans<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut spans = Self { message, scope: Scope::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                spans.scope = Scope::parse(field.bytes()?)?;
            }
        }
        Ok(spans)
    }
}

impl<'a> Span<'a> {
    /// Its attributes.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 9)
    }

    /// What happened during it.
    pub const fn events(&self) -> Repeated<'a, Event<'a>> {
        Repeated::new(self.message, 11)
    }

    /// Other spans that it refers to.
    pub const fn links(&self) -> Repeated<'a, Link<'a>> {
        Repeated::new(self.message, 13)
    }
}

impl<'a> View<'a> for Span<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut span = Self {
            message,
            trace_id: &[],
            span_id: &[],
            trace_state: "",
            parent_span_id: &[],
            flags: 0,
            name: "",
            kind: 0,
            start_time_unix_nano: 0,
            end_time_unix_nano: 0,
            dropped_attributes_count: 0,
            dropped_events_count: 0,
            dropped_links_count: 0,
            status: None,
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => span.trace_id = field.bytes()?,
                2 => span.span_id = field.bytes()?,
                3 => span.trace_state = field.text()?,
                4 => span.parent_span_id = field.bytes()?,
                5 => span.name = field.text()?,
                6 => span.kind = field.low32()?,
                7 => span.start_time_unix_nano = field.fixed64()?,
                8 => span.end_time_unix_nano = field.fixed64()?,
                10 => span.dropped_attributes_count = field.low32()?,
                12 => span.dropped_events_count = field.low32()?,
                14 => span.dropped_links_count = field.low32()?,
                15 => span.status = Some(Status::parse(field.bytes()?)?),
                16 => span.flags = field.fixed32()?,
                _ => {}
            }
        }
        Ok(span)
    }
}

impl<'a> View<'a> for Status<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut status = Self { message: "", code: 0 };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => status.message = field.text()?,
                3 => status.code = field.low32()?,
                _ => {}
            }
        }
        Ok(status)
    }
}

impl<'a> Event<'a> {
    /// Its attributes.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 3)
    }
}

impl<'a> View<'a> for Event<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut event = Self { message, time_unix_nano: 0, name: "", dropped_attributes_count: 0 };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => event.time_unix_nano = field.fixed64()?,
                2 => event.name = field.text()?,
                4 => event.dropped_attributes_count = field.low32()?,
                _ => {}
            }
        }
        Ok(event)
    }
}

impl<'a> Link<'a> {
    /// Its attributes.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 4)
    }
}

impl<'a> View<'a> for Link<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut link = Self {
            message,
            trace_id: &[],
            span_id: &[],
            trace_state: "",
            dropped_attributes_count: 0,
            flags: 0,
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => link.trace_id = field.bytes()?,
                2 => link.span_id = field.bytes()?,
                3 => link.trace_state = field.text()?,
                5 => link.dropped_attributes_count = field.low32()?,
                6 => link.flags = field.fixed32()?,
                _ => {}
            }
        }
        Ok(link)
    }
}
