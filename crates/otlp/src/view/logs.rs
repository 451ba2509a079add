//! `ExportLogsServiceRequest` and what is in it.

use super::resource::{Resource, Scope};
use super::value::{AnyValue, EncodedKeyValue, KeyValue};
use super::{Repeated, View};
use crate::wire::{Reader, WireError};

/// A request of the logs service.
pub struct LogsRequest<'a>(&'a [u8]);

/// Logs of one resource.
pub struct ResourceLogs<'a> {
    message: &'a [u8],
    /// The resource; without attributes when the message has none.
    pub resource: Resource<'a>,
}

/// Logs of one scope.
pub struct ScopeLogs<'a> {
    message: &'a [u8],
    /// The scope; nameless when the message has none.
    pub scope: Scope<'a>,
}

/// One log record.
pub struct LogRecord<'a> {
    message: &'a [u8],
    /// When it happened, nanoseconds since 1970; 0 is unknown.
    pub time_unix_nano: u64,
    /// When it was collected, nanoseconds since 1970; 0 is unknown.
    pub observed_time_unix_nano: u64,
    /// 1 to 24 in OTLP; 0 is unspecified. Not checked.
    pub severity_number: u32,
    /// The name of the level at its source.
    pub severity_text: &'a str,
    /// The message, usually text.
    pub body: Option<AnyValue<'a>>,
    /// Attributes that the sender dropped.
    pub dropped_attributes_count: u32,
    /// W3C trace flags in the low eight bits.
    pub flags: u32,
    /// 16 bytes, or empty. Not checked.
    pub trace_id: &'a [u8],
    /// 8 bytes, or empty. Not checked.
    pub span_id: &'a [u8],
    /// The class of the event; empty when it is none.
    pub event_name: &'a str,
}

impl<'a> LogsRequest<'a> {
    /// Walks a request. Nothing is read yet.
    pub const fn new(request: &'a [u8]) -> Self {
        Self(request)
    }

    /// Its resources.
    pub const fn resources(&self) -> Repeated<'a, ResourceLogs<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> ResourceLogs<'a> {
    /// The scopes of the resource.
    pub const fn scopes(&self) -> Repeated<'a, ScopeLogs<'a>> {
        Repeated::new(self.message, 2)
    }
}

impl<'a> View<'a> for ResourceLogs<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut logs = Self { message, resource: Resource::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                logs.resource = Resource::parse(field.bytes()?)?;
            }
        }
        Ok(logs)
    }
}

impl<'a> ScopeLogs<'a> {
    /// The records of the scope.
    pub const fn records(&self) -> Repeated<'a, LogRecord<'a>> {
        Repeated::new(self.message, 2)
    }
}

impl<'a> View<'a> for ScopeLogs<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut logs = Self { message, scope: Scope::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                logs.scope = Scope::parse(field.bytes()?)?;
            }
        }
        Ok(logs)
    }
}

impl<'a> LogRecord<'a> {
    /// Its attributes; names may repeat.
    #[inline]
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 6)
    }

    /// The same, none of them read yet.
    #[inline]
    pub const fn encoded_attributes(&self) -> Repeated<'a, EncodedKeyValue<'a>> {
        Repeated::new(self.message, 6)
    }
}

impl<'a> View<'a> for LogRecord<'a> {
    #[inline]
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut record = Self {
            message,
            time_unix_nano: 0,
            observed_time_unix_nano: 0,
            severity_number: 0,
            severity_text: "",
            body: None,
            dropped_attributes_count: 0,
            flags: 0,
            trace_id: &[],
            span_id: &[],
            event_name: "",
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => record.time_unix_nano = field.fixed64()?,
                2 => record.severity_number = field.low32()?,
                3 => record.severity_text = field.text()?,
                5 => record.body = Some(AnyValue::parse(field.bytes()?)?),
                7 => record.dropped_attributes_count = field.low32()?,
                8 => record.flags = field.fixed32()?,
                9 => record.trace_id = field.bytes()?,
                10 => record.span_id = field.bytes()?,
                11 => record.observed_time_unix_nano = field.fixed64()?,
                12 => record.event_name = field.text()?,
                _ => {}
            }
        }
        Ok(record)
    }
}
