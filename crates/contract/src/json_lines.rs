//! Sanitised log records and audit events as objects of a signed log batch in JSON.
//!
//! Nothing is decided here: what goes in was sanitised before, and the types say so. A record has
//! exactly `timestamp`, `level`, `message` and `attributes`; what else a log record may have (its
//! event and its place in a trace) is among the attributes, behind the contract's own.

use alloc::vec::Vec;

use lucarne_ledger::payload::{AuditEvent, JsonLines, Payloads};
use lucarne_otlp::display::{hex, string_to_json, value_to_json};
use lucarne_otlp::time::write_rfc3339;
use lucarne_otlp::view::{AnyValue, KeyValue, LogRecord, View as _};
use lucarne_otlp::wire::WireError;

use crate::severity;

/// The log records of a run, in their order; metrics and spans have no place in the format.
pub fn json_lines_of_logs(payloads: &Payloads) -> JsonLines {
    let mut text = Vec::new();
    let mut ends = Vec::new();
    for message in payloads.log_messages() {
        let start = text.len();
        match log_line(message, &mut text) {
            Ok(()) => ends.push(text.len()),
            // The contract wrote it, so it can be read.
            Err(_) => text.truncate(start),
        }
    }
    JsonLines::assertion_by_contract(text, ends)
}

/// An audit event: its type is the message, and its attributes are its fields as they are sealed.
pub fn json_line_of_event(event: &AuditEvent) -> JsonLines {
    let mut text = Vec::new();
    // The contract wrote it, so it begins as its events do.
    let ends = match event_line(event.fields(), &mut text) {
        Some(()) => Vec::from([text.len()]),
        None => Vec::new(),
    };
    JsonLines::assertion_by_contract(text, ends)
}

fn log_line(message: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    let record = LogRecord::parse(message)?;
    let time = match record.time_unix_nano {
        0 => record.observed_time_unix_nano,
        time => time,
    };
    let level = severity::name_of(record.severity_number)
        .or_else(|| severity::name_meant(record.severity_text))
        .unwrap_or(LEVEL_UNKNOWN);
    out.extend_from_slice(b"{\"timestamp\":\"");
    write_rfc3339(time, out);
    out.extend_from_slice(b"\",\"level\":");
    string_to_json(level, out);
    out.extend_from_slice(b",\"message\":");
    value_to_json(record.body.unwrap_or(AnyValue::Empty), out)?;
    out.extend_from_slice(b",\"attributes\":{");
    attributes(&record, out)?;
    out.extend_from_slice(b"}}");
    Ok(())
}

fn attributes(record: &LogRecord<'_>, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    let mut named = Vec::new();
    for attribute in record.attributes() {
        let KeyValue { key, value } = attribute?;
        member(key, start, out);
        value_to_json(value, out)?;
        named.push(key);
    }
    // A reader refuses a name that occurs twice; the contract may have an attribute of its own with
    // one of these.
    let ids = [("traceId", record.trace_id), ("spanId", record.span_id)];
    for (key, id) in ids.into_iter().filter(|(key, id)| !id.is_empty() && !named.contains(key)) {
        member(key, start, out);
        out.push(b'"');
        hex(id, out);
        out.push(b'"');
    }
    if !record.event_name.is_empty() && !named.contains(&EVENT_NAME) {
        member(EVENT_NAME, start, out);
        string_to_json(record.event_name, out);
    }
    Ok(())
}

fn member(key: &str, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    string_to_json(key, out);
    out.push(b':');
}

fn event_line(fields: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let rest = fields.strip_prefix(b"\"timestamp_utc\":")?;
    let (time, rest) = split_string(rest)?;
    let (event, rest) = split_string(rest.strip_prefix(b",\"event_type\":")?)?;
    let level = rest.strip_prefix(b",\"level\":").and_then(split_string);
    out.extend_from_slice(b"{\"timestamp\":");
    out.extend_from_slice(time);
    out.extend_from_slice(b",\"level\":");
    match level {
        Some((level, _)) => out.extend_from_slice(level),
        None => string_to_json(LEVEL_UNKNOWN, out),
    }
    out.extend_from_slice(b",\"message\":");
    out.extend_from_slice(event);
    out.extend_from_slice(b",\"attributes\":{");
    out.extend_from_slice(fields);
    out.extend_from_slice(b"}}");
    Some(())
}

/// A JSON string with its quotes, and what follows it.
fn split_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let inner = text.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| {
        let ends = !escaped && *byte == b'"';
        escaped = !escaped && *byte == b'\\';
        ends
    })?;
    text.split_at_checked(end.checked_add(2)?)
}

/// What the exporters say of a record that has no level.
const LEVEL_UNKNOWN: &str = "Information";
const EVENT_NAME: &str = "eventName";

#[cfg(test)]
mod tests;
