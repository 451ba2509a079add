//! One span: the bytes that say everything, and what a tree needs of them.

use lucarne_otlp::view::{AnyValue, Resource, Scope, Span, View as _};
use lucarne_otlp::wire::WireError;

use super::TraceId;
use crate::cursor::{Cursor, Malformed, put_bytes};

/// A span as it was received, with its resource and its scope.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct StoredSpan {
    /// The fields of an OTLP `Resource`, as they were.
    pub resource: Vec<u8>,
    /// The fields of an OTLP `InstrumentationScope`, as they were.
    pub scope: Vec<u8>,
    /// The fields of an OTLP `Span`, as they were.
    pub span: Vec<u8>,
}

/// What a tree of spans is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpanInfo {
    /// The span.
    pub id: [u8; 8],
    /// The span it belongs to; `None` for a root.
    pub parent: Option<[u8; 8]>,
    /// The operation.
    pub name: String,
    /// `service.name` of the resource; empty when it has none.
    pub service: String,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    /// Nanoseconds since 1970; never before the start.
    pub end_ns: u64,
    /// Whether its status is error.
    pub is_error: bool,
}

impl StoredSpan {
    /// A span to keep; `None` when its ids have a wrong length.
    pub(super) fn of(
        bytes: &[u8],
        resource: &[u8],
        scope: &[u8],
    ) -> Result<Option<(TraceId, Self)>, WireError> {
        let span = Span::parse(bytes)?;
        span.attributes().try_for_each(|entry| entry?.value.check())?;
        span.events().try_for_each(|event| event.map(drop))?;
        span.links().try_for_each(|link| link.map(drop))?;
        let trace = <[u8; 16]>::try_from(span.trace_id);
        let (Ok(trace), 8) = (trace, span.span_id.len()) else { return Ok(None) };
        let kept =
            Self { resource: resource.to_vec(), scope: scope.to_vec(), span: bytes.to_vec() };
        Ok(Some((TraceId(trace), kept)))
    }

    /// Bytes in memory, with what holds them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.resource.len() + self.scope.len() + self.span.len() + 96
    }

    /// Its start and its end, which is never before the start.
    #[must_use]
    pub fn times(&self) -> (i64, i64) {
        let Ok(span) = Span::parse(&self.span) else { return (0, 0) };
        let ns = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        let start_ns = ns(span.start_time_unix_nano);
        (start_ns, ns(span.end_time_unix_nano).max(start_ns))
    }

    /// Reads what a tree needs.
    ///
    /// # Errors
    /// When the stored bytes are no span.
    pub fn info(&self) -> Result<SpanInfo, WireError> {
        let span = Span::parse(&self.span)?;
        let mut service = String::new();
        for entry in Resource::parse(&self.resource)?.attributes() {
            let entry = entry?;
            if let ("service.name", AnyValue::String(name)) = (entry.key, entry.value) {
                name.clone_into(&mut service);
            }
        }
        Ok(SpanInfo {
            id: span.span_id.try_into().unwrap_or_default(),
            parent: span.parent_span_id.try_into().ok().filter(|id| *id != [0; 8]),
            name: span.name.to_owned(),
            service,
            start_ns: span.start_time_unix_nano,
            end_ns: span.end_time_unix_nano.max(span.start_time_unix_nano),
            is_error: span.status.is_some_and(|status| status.code == 2),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.resource);
        put_bytes(out, &self.scope);
        put_bytes(out, &self.span);
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, max: usize) -> Result<Self, Malformed> {
        let mut part = || -> Result<Vec<u8>, Malformed> {
            let length = cursor.count("span", max)?;
            Ok(cursor.take(length)?.to_vec())
        };
        Ok(Self { resource: part()?, scope: part()?, span: part()? })
    }
}

/// Reads a resource to its end.
pub(super) fn check_resource(resource: &[u8]) -> Result<(), WireError> {
    Resource::parse(resource)?.attributes().try_for_each(|entry| entry?.value.check())
}

/// Reads a scope to its end.
pub(super) fn check_scope(scope: &[u8]) -> Result<(), WireError> {
    Scope::parse(scope)?.attributes().try_for_each(|entry| entry?.value.check())
}
