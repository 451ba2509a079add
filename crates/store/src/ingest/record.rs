//! One resource, one scope, one record at a time, with buffers that are reused.

use std::fmt::Write as _;
use std::sync::Arc;

use lucarne_logql::labels::LabelSet;
use lucarne_otlp::display::value_to_json;
use lucarne_otlp::view::{AnyValue, LogRecord, LogsRequest, Resource, Scope};
use lucarne_otlp::wire::WireError;

use super::{Ingested, METADATA_BYTES_MAX};
use crate::block::{NAME_BYTES_MAX, VALUE_BYTES_MAX};
use crate::head::{FIELDS_MAX, Head};
use crate::store::State;
use crate::stream::{LABEL_BYTES_MAX, LABELS_MAX, Mapping, Stream, sanitise};

/// Puts the records of a request into their streams.
///
/// # Errors
/// When the request is not valid; it was checked before, so that nothing of it is kept then.
pub(crate) fn apply_logs(
    state: &mut State,
    mapping: &Mapping,
    request: &[u8],
    now_ns: i64,
) -> Result<Ingested, WireError> {
    let mut walk = Walk::default();
    for resource in LogsRequest::new(request).resources() {
        let resource = resource?;
        walk.enter_resource(mapping, &resource.resource)?;
        for scope in resource.scopes() {
            let scope = scope?;
            walk.enter_scope(&scope.scope);
            for record in scope.records() {
                walk.record(state, &record?, now_ns)?;
            }
        }
    }
    Ok(walk.result)
}

/// The state of a walk through one request.
#[derive(Default)]
struct Walk {
    result: Ingested,
    labels: Vec<(String, String)>,
    /// Metadata of the resource, then of the scope.
    shared: Vec<(String, String)>,
    of_resource: usize,
    /// By level, once it was needed.
    streams: [Option<Arc<Stream>>; LEVELS.len()],
    name: String,
    value: String,
    json: Vec<u8>,
    line: String,
}

impl Walk {
    fn enter_resource(
        &mut self,
        mapping: &Mapping,
        resource: &Resource<'_>,
    ) -> Result<(), WireError> {
        self.labels.clear();
        self.shared.clear();
        self.streams = Default::default();
        if !mapping.job().is_empty() {
            self.labels.push(("job".to_owned(), mapping.job().to_owned()));
        }
        for entry in resource.attributes() {
            let entry = entry?;
            let name = sanitise(entry.key, &mut self.name);
            let value = text_of(entry.value, &mut self.value, &mut self.json)?;
            // One place is kept for the level, and one for the service.
            let places = if name == "service_name" { LABELS_MAX - 1 } else { LABELS_MAX - 2 };
            let fits = self.labels.len() < places && value.len() <= LABEL_BYTES_MAX;
            if mapping.is_label(entry.key) && fits {
                self.labels.push((name.to_owned(), value.to_owned()));
            } else {
                self.shared.push((name.to_owned(), value.to_owned()));
            }
        }
        if !self.labels.iter().any(|(name, _)| name == "service_name") {
            self.labels.push(("service_name".to_owned(), "unknown_service".to_owned()));
        }
        self.of_resource = self.shared.len();
        Ok(())
    }

    fn enter_scope(&mut self, scope: &Scope<'_>) {
        self.shared.truncate(self.of_resource);
        for (name, value) in [("scope_name", scope.name), ("scope_version", scope.version)] {
            if !value.is_empty() {
                self.shared.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn record(
        &mut self,
        state: &mut State,
        record: &LogRecord<'_>,
        now_ns: i64,
    ) -> Result<(), WireError> {
        state.sequence += 1;
        let body = record.body.unwrap_or(AnyValue::Empty);
        let line = text_of(body, &mut self.line, &mut self.json)?;
        if line.len() > VALUE_BYTES_MAX {
            self.result.lines_too_long += 1;
            return Ok(());
        }
        let level = level_of(record.severity_number, record.severity_text);
        let Some(stream) = stream_of(&mut self.streams, &self.labels, level, state) else {
            self.result.streams_refused += 1;
            return Ok(());
        };
        if state.is_known(&stream) {
            self.result.known += 1;
            return Ok(());
        }
        let times = [record.time_unix_nano, record.observed_time_unix_nano];
        let time_ns = times.into_iter().find(|&time| time > 0);
        let time_ns = time_ns.map_or(now_ns, |time| i64::try_from(time).unwrap_or(i64::MAX));
        let head = state.head(&stream);
        head.begin(time_ns, line);
        let mut fields = Fields::of(head);
        for entry in record.attributes() {
            let entry = entry?;
            let name = sanitise(entry.key, &mut self.name);
            fields.put(name, text_of(entry.value, &mut self.value, &mut self.json)?);
        }
        put_ids(&mut fields, record, level, &mut self.value);
        self.shared.iter().for_each(|(name, value)| fields.put(name, value));
        self.result.metadata_dropped += fields.dropped;
        self.result.records += 1;
        state.row_is_complete(&stream);
        Ok(())
    }
}

/// The fields of one row, within their limits.
pub(super) struct Fields<'h> {
    head: &'h mut Head,
    count: usize,
    bytes: usize,
    /// How many did not fit.
    pub(super) dropped: u64,
}

impl<'h> Fields<'h> {
    pub(super) const fn of(head: &'h mut Head) -> Self {
        Self { head, count: 0, bytes: 0, dropped: 0 }
    }

    #[inline]
    pub(super) fn put(&mut self, name: &str, value: &str) {
        if self.count >= FIELDS_MAX
            || self.bytes + value.len() > METADATA_BYTES_MAX
            || name.len() > NAME_BYTES_MAX
            || name.is_empty()
        {
            self.dropped += 1;
            return;
        }
        self.count += 1;
        self.bytes += value.len();
        self.head.field(name, value);
    }
}

fn put_ids(fields: &mut Fields<'_>, record: &LogRecord<'_>, level: usize, scratch: &mut String) {
    fields.put("detected_level", LEVELS.get(level).map_or("unknown", |level| level.1));
    if !record.severity_text.is_empty() {
        fields.put("severity_text", record.severity_text);
    }
    if record.severity_number > 0 {
        scratch.clear();
        // Writing to a string cannot fail.
        let _ = write!(scratch, "{}", record.severity_number);
        fields.put("severity_number", scratch);
    }
    for (name, id) in [("trace_id", record.trace_id), ("span_id", record.span_id)] {
        if !id.is_empty() {
            scratch.clear();
            put_hex(id, scratch);
            fields.put(name, scratch);
        }
    }
    if !record.event_name.is_empty() {
        fields.put("event_name", record.event_name);
    }
}

/// The levels of the seeds as labels, with Loki's names for `detected_level`. The last is what a
/// record without a level has: it is shown as information, and nothing was detected.
const LEVELS: [(&str, &str); 7] = [
    ("Trace", "trace"),
    ("Debug", "debug"),
    ("Information", "info"),
    ("Warning", "warn"),
    ("Error", "error"),
    ("Critical", "critical"),
    ("Information", "unknown"),
];

/// The level by the name of the seeds, else by number, else by the usual other spellings.
fn level_of(number: u32, text: &str) -> usize {
    if let Some(named) = LEVELS.iter().take(6).position(|(name, _)| *name == text) {
        return named;
    }
    match number {
        1..=4 => 0,
        5..=8 => 1,
        9..=12 => 2,
        13..=16 => 3,
        17..=20 => 4,
        21..=24 => 5,
        _ => match text.to_ascii_uppercase().as_str() {
            "TRACE" => 0,
            "DEBUG" => 1,
            "INFO" | "INFORMATION" => 2,
            "WARN" | "WARNING" => 3,
            "ERROR" => 4,
            "FATAL" | "CRITICAL" => 5,
            _ => 6,
        },
    }
}

fn stream_of(
    streams: &mut [Option<Arc<Stream>>; LEVELS.len()],
    labels: &[(String, String)],
    level: usize,
    state: &mut State,
) -> Option<Arc<Stream>> {
    let slot = streams.get_mut(level)?;
    if slot.is_none() {
        let name = LEVELS.get(level)?.0.to_owned();
        let pairs = labels.iter().cloned().chain([("level".to_owned(), name)]);
        *slot = state.stream(LabelSet::from_pairs(pairs));
    }
    slot.clone()
}

/// A value as OTLP's collectors write it as text: bytes in base64, lists as JSON.
fn text_of<'a>(
    value: AnyValue<'a>,
    scratch: &'a mut String,
    json: &mut Vec<u8>,
) -> Result<&'a str, WireError> {
    scratch.clear();
    // Writing to a string cannot fail.
    match value {
        AnyValue::String(text) => return Ok(text),
        AnyValue::Empty => {}
        AnyValue::Bool(truth) => scratch.push_str(if truth { "true" } else { "false" }),
        AnyValue::Int(number) => {
            let _ = write!(scratch, "{number}");
        }
        AnyValue::Double(number) => {
            let _ = write!(scratch, "{number}");
        }
        AnyValue::Bytes(_) | AnyValue::Array(_) | AnyValue::KvList(_) => {
            json.clear();
            value_to_json(value, json)?;
            let text = std::str::from_utf8(json).map_err(|_| WireError::Utf8)?;
            let quoted = matches!(value, AnyValue::Bytes(_));
            scratch.push_str(if quoted { text.trim_matches('"') } else { text });
        }
    }
    Ok(scratch)
}

fn put_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }));
        }
    }
}
