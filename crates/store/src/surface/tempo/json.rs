//! JSON of OTLP messages as protobuf's mapping has it, where bytes and so ids are base64.

use std::fmt::Write as _;

use lucarne_logql::go_number::format_float;
use lucarne_otlp::view::{AnyValue, KeyValue, Resource, Scope, Span, View as _};
use lucarne_otlp::wire::WireError;

use crate::engine::answer::json::write_string;
use crate::trace::traceql::value::Value;

/// `"key":"value"` with a comma before it where one belongs.
pub(super) fn member(out: &mut String, name: &str, value: &str) {
    key(out, name);
    write_string(out, value);
}

/// `"key":` with a comma before it where one belongs.
pub(super) fn key(out: &mut String, name: &str) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    write_string(out, name);
    out.push(':');
}

/// A value of a span in the form of OTLP.
pub(super) fn write_value(out: &mut String, value: &Value<'_>) {
    let name = match value {
        Value::Bool(_) => "boolValue",
        Value::Int(_) => "intValue",
        Value::Float(float) if float.is_finite() => "doubleValue",
        _ => "stringValue",
    };
    let _ = write!(out, r#"{{"{name}":"#);
    match value {
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Float(float) if float.is_finite() => out.push_str(&format_float(*float)),
        value => write_string(out, &value.text()),
    }
    out.push('}');
}

/// `{"key":…,"value":…}`.
pub(super) fn write_attribute(out: &mut String, name: &str, value: &Value<'_>) {
    out.push('{');
    member(out, "key", name);
    key(out, "value");
    write_value(out, value);
    out.push('}');
}

pub(super) fn write_resource(out: &mut String, resource: &[u8]) -> Result<(), WireError> {
    out.push('{');
    attributes(out, Resource::parse(resource)?.attributes())?;
    out.push('}');
    Ok(())
}

pub(super) fn write_scope(out: &mut String, scope: &[u8]) -> Result<(), WireError> {
    let scope = Scope::parse(scope)?;
    out.push('{');
    for (name, text) in [("name", scope.name), ("version", scope.version)] {
        if !text.is_empty() {
            member(out, name, text);
        }
    }
    attributes(out, scope.attributes())?;
    out.push('}');
    Ok(())
}

const KINDS: [&str; 6] = [
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

const CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

pub(super) fn write_span(out: &mut String, span: &[u8]) -> Result<(), WireError> {
    let span = Span::parse(span)?;
    out.push('{');
    member(out, "traceId", &base64(span.trace_id));
    member(out, "spanId", &base64(span.span_id));
    if !span.trace_state.is_empty() {
        member(out, "traceState", span.trace_state);
    }
    if !span.parent_span_id.is_empty() {
        member(out, "parentSpanId", &base64(span.parent_span_id));
    }
    member(out, "name", span.name);
    let kind = usize::try_from(span.kind).ok().and_then(|kind| KINDS.get(kind));
    member(out, "kind", kind.copied().unwrap_or(KINDS[0]));
    member(out, "startTimeUnixNano", &span.start_time_unix_nano.to_string());
    member(out, "endTimeUnixNano", &span.end_time_unix_nano.to_string());
    attributes(out, span.attributes())?;
    events(out, &span)?;
    links(out, &span)?;
    key(out, "status");
    out.push('{');
    if let Some(status) = &span.status {
        if !status.message.is_empty() {
            member(out, "message", status.message);
        }
        let code = usize::try_from(status.code).ok().and_then(|code| CODES.get(code));
        if let Some(code) = code.filter(|_| status.code > 0) {
            member(out, "code", code);
        }
    }
    out.push_str("}}");
    Ok(())
}

fn events(out: &mut String, span: &Span<'_>) -> Result<(), WireError> {
    for (at, event) in span.events().enumerate() {
        let event = event?;
        if at == 0 {
            key(out, "events");
        }
        out.push_str(if at == 0 { "[{" } else { ",{" });
        member(out, "timeUnixNano", &event.time_unix_nano.to_string());
        member(out, "name", event.name);
        attributes(out, event.attributes())?;
        out.push('}');
    }
    if span.events().next().is_some() {
        out.push(']');
    }
    Ok(())
}

fn links(out: &mut String, span: &Span<'_>) -> Result<(), WireError> {
    for (at, link) in span.links().enumerate() {
        let link = link?;
        if at == 0 {
            key(out, "links");
        }
        out.push_str(if at == 0 { "[{" } else { ",{" });
        member(out, "traceId", &base64(link.trace_id));
        member(out, "spanId", &base64(link.span_id));
        attributes(out, link.attributes())?;
        out.push('}');
    }
    if span.links().next().is_some() {
        out.push(']');
    }
    Ok(())
}

fn attributes<'a>(
    out: &mut String,
    attributes: impl Iterator<Item = Result<KeyValue<'a>, WireError>>,
) -> Result<(), WireError> {
    let mut some = false;
    for attribute in attributes {
        let attribute = attribute?;
        if some {
            out.push(',');
        } else {
            key(out, "attributes");
            out.push('[');
        }
        some = true;
        pair(out, &attribute)?;
    }
    if some {
        out.push(']');
    }
    Ok(())
}

fn pair(out: &mut String, pair: &KeyValue<'_>) -> Result<(), WireError> {
    out.push('{');
    member(out, "key", pair.key);
    key(out, "value");
    any(out, pair.value)?;
    out.push('}');
    Ok(())
}

/// How deep a value goes was checked when it came.
fn any(out: &mut String, value: AnyValue<'_>) -> Result<(), WireError> {
    match value {
        AnyValue::Empty => out.push_str("{}"),
        AnyValue::String(text) => one(out, "stringValue", text),
        AnyValue::Bool(truth) => {
            let _ = write!(out, r#"{{"boolValue":{truth}}}"#);
        }
        AnyValue::Int(whole) => one(out, "intValue", &whole.to_string()),
        AnyValue::Double(float) if float.is_finite() => {
            let _ = write!(out, r#"{{"doubleValue":{}}}"#, format_float(float));
        }
        AnyValue::Double(float) => one(out, "doubleValue", infinite(float)),
        AnyValue::Bytes(bytes) => one(out, "bytesValue", &base64(bytes)),
        AnyValue::Array(array) => {
            out.push_str(r#"{"arrayValue":{"values":["#);
            for (at, value) in array.enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                any(out, value?)?;
            }
            out.push_str("]}}");
        }
        AnyValue::KvList(list) => {
            out.push_str(r#"{"kvlistValue":{"values":["#);
            for (at, entry) in list.enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                pair(out, &entry?)?;
            }
            out.push_str("]}}");
        }
    }
    Ok(())
}

/// Numbers that JSON does not have, as protobuf's mapping spells them.
const fn infinite(float: f64) -> &'static str {
    if float.is_nan() {
        "NaN"
    } else if float > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn one(out: &mut String, name: &str, text: &str) {
    out.push('{');
    member(out, name, text);
    out.push('}');
}

/// The standard alphabet, padded.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let index = usize::try_from(bits >> shift & 63).unwrap_or(0);
            let digit = ALPHABET.get(index).filter(|_| at <= three.len());
            out.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{3ff}\u{7f}", "z79/"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected, "{text}");
        }
    }
}
