//! Telemetry that `lucarne send` and the demo make up: plain owned values, written as
//! OTLP/protobuf or OTLP/JSON.
//!
//! Owned values are right here, unlike in the receivers: what is sent a million times is encoded
//! once and patched (`load::template`). Field numbers are those of opentelemetry-proto 1.x.

pub mod json;
pub mod logs;
pub mod metrics;
pub mod traces;

use lucarne_otlp::wire::Writer;

/// One attribute of a record, a resource or a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Value,
}

impl Attribute {
    /// An attribute out of anything that is a value.
    pub fn new(key: &str, value: impl Into<Value>) -> Self {
        Self { key: key.to_owned(), value: value.into() }
    }
}

/// The value of an attribute or a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Who sends: the resource and the instrumentation scope of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Attributes of the resource, `service.name` among them.
    pub resource: Vec<Attribute>,
    /// Name of the scope; `audit` marks audit events.
    pub scope: String,
}

/// The ids that tie a record to a trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpanContext {
    /// Id of the trace.
    pub trace: [u8; 16],
    /// Id of the span.
    pub span: [u8; 8],
}

/// `KeyValue` (key 1, value 2), repeated under `field`.
pub(crate) fn write_attributes(writer: &mut Writer<'_>, field: u32, attributes: &[Attribute]) {
    for Attribute { key, value } in attributes {
        writer.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            write_value(pair, 2, value);
        });
    }
}

/// `AnyValue`: string 1, bool 2, int 3, double 4.
pub(crate) fn write_value(writer: &mut Writer<'_>, field: u32, value: &Value) {
    writer.message(field, |any| match value {
        Value::Text(text) => any.bytes(1, text.as_bytes()),
        Value::Bool(yes) => any.varint(2, u64::from(*yes)),
        Value::Int(number) => any.varint(3, number.cast_unsigned()),
        Value::Double(number) => any.fixed64(4, number.to_bits()),
    });
}

/// `ExportXServiceRequest { ResourceX { resource 1, ScopeX { scope 1, items 2 } 2 } 1 }`: alike
/// for all signals.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    source: &Source,
    items: impl FnOnce(&mut Writer<'_>),
) {
    Writer::new(out).message(1, |resource_items| {
        resource_items.message(1, |resource| write_attributes(resource, 1, &source.resource));
        resource_items.message(2, |scope_items| {
            scope_items.message(1, |scope| scope.bytes(1, source.scope.as_bytes()));
            items(scope_items);
        });
    });
}
