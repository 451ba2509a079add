//! Lines of traces: one flat JSON object a span reference.

use lucarne_otlp::view::{Resource, Span, View as _};

use super::{Malformed, mark_unsealed};
use crate::export::flat::Flat;
use crate::export::{Telemetry, Whence};

/// The line of a span record, provenance inside.
///
/// # Errors
/// When the record is not a `Span`.
pub(crate) fn line<'f>(
    record: Whence<'_>,
    span: &Telemetry,
    flat: &'f mut Flat,
) -> Result<&'f [u8], Malformed> {
    let message = Span::parse(&span.message)?;
    flat.clear();
    flat.time("timestamp", message.start_time_unix_nano);
    flat.hex("traceId", message.trace_id);
    flat.hex("spanId", message.span_id);
    if !message.parent_span_id.is_empty() {
        flat.hex("parentSpanId", message.parent_span_id);
    }
    if !message.name.is_empty() {
        flat.text("name", message.name);
    }
    if let Some(kind) = kind(message.kind) {
        flat.text("kind", kind);
    }
    flat.time("endTimestamp", message.end_time_unix_nano);
    let nanos = message.end_time_unix_nano.saturating_sub(message.start_time_unix_nano);
    flat.field("durationMs", |out| milliseconds(nanos, out));
    flat.text("status", status(message.status.as_ref().map_or(0, |status| status.code)));
    mark_unsealed(record, flat);
    message.attributes().try_for_each(|entry| flat.attribute("", entry?))?;
    Resource::parse(&span.resource)?.attributes().try_for_each(|e| flat.attribute("", e?))?;
    if let Some(provenance) = record.provenance() {
        provenance.write(flat);
    }
    Ok(flat.finish())
}

/// A decimal number of milliseconds without trailing zeros.
fn milliseconds(nanos: u64, out: &mut Vec<u8>) {
    let (whole, rest) = (nanos / 1_000_000, nanos % 1_000_000);
    let fraction = format!(".{rest:06}");
    out.extend_from_slice(whole.to_string().as_bytes());
    out.extend_from_slice(fraction.trim_end_matches('0').trim_end_matches('.').as_bytes());
}

const fn status(code: u32) -> &'static str {
    match code {
        1 => "ok",
        2 => "error",
        _ => "unset",
    }
}

const fn kind(number: u32) -> Option<&'static str> {
    match number {
        1 => Some("internal"),
        2 => Some("server"),
        3 => Some("client"),
        4 => Some("producer"),
        5 => Some("consumer"),
        _ => None,
    }
}
