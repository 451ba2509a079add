//! Log records and audit events.

use lucarne_otlp::wire::Writer;

use super::{Attribute, Source, SpanContext, Value, write_attributes, write_request, write_value};

/// The field of `ScopeLogs` that holds the records.
pub const ITEM_FIELD: u32 = 2;

/// The levels of the seeds with their OTLP severity numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Severity number 9.
    Information,
    /// Severity number 13.
    Warning,
    /// Severity number 17.
    Error,
}

impl Level {
    /// The name in the seeds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Information => "Information",
            Self::Warning => "Warning",
            Self::Error => "Error",
        }
    }

    /// `SeverityNumber` of OTLP.
    pub const fn number(self) -> u8 {
        match self {
            Self::Information => 9,
            Self::Warning => 13,
            Self::Error => 17,
        }
    }
}

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// When it happened, nanoseconds since 1970.
    pub time_ns: u64,
    /// How bad it is.
    pub level: Level,
    /// The message.
    pub body: Value,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// The span it belongs to.
    pub context: SpanContext,
    /// Name of the event; empty for plain logs.
    pub event_name: String,
}

impl LogRecord {
    /// Appends the fields of the `LogRecord` message.
    pub fn write(&self, record: &mut Writer<'_>) {
        record.fixed64(1, self.time_ns);
        record.varint(2, u64::from(self.level.number()));
        record.bytes(3, self.level.name().as_bytes());
        write_value(record, 5, &self.body);
        write_attributes(record, 6, &self.attributes);
        record.fixed32(8, 1); // sampled
        record.bytes(9, &self.context.trace);
        record.bytes(10, &self.context.span);
        record.fixed64(11, self.time_ns);
        if !self.event_name.is_empty() {
            record.bytes(12, self.event_name.as_bytes());
        }
    }
}

/// `ExportLogsServiceRequest` of one source.
pub fn write_logs(out: &mut Vec<u8>, source: &Source, records: &[LogRecord]) {
    write_request(out, source, |scope| {
        for record in records {
            scope.message(ITEM_FIELD, |writer| record.write(writer));
        }
    });
}
