//! Loki's push API, as protobuf with snappy and as JSON.
//!
//! Streams have few labels: `job`, `level` and, for what comes out of a TEE, `tee_instance_id` and
//! `signature_valid`. Sequence, key and place in the archive are structured metadata: as labels
//! they would make a stream of every batch. Entries of a stream are sent in the order of their
//! time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use lucarne_otlp::display::string_to_json;
use lucarne_otlp::wire::Writer;

use crate::export::Item;
use crate::export::line::{self, Line, Malformed};
use crate::export::request::{Format, Part, Request, gather};
use crate::export::sink::Tally;

/// How to speak to a Loki.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loki {
    /// Protobuf or JSON.
    pub format: LokiFormat,
    /// Sequence and key as labels, as seed 002 prints them.
    pub labels_compat: bool,
}

/// The encodings of a push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LokiFormat {
    /// `logproto.PushRequest` in a snappy block.
    Protobuf,
    /// JSON as it is.
    Json,
    /// JSON in gzip.
    JsonGzip,
}

/// One line of a stream.
pub(super) struct Entry {
    pub(super) timestamp_ns: u64,
    pub(super) line: Vec<u8>,
    pub(super) metadata: Vec<(&'static str, String)>,
}

/// Labels in the order of their names.
pub(super) type Labels = BTreeMap<&'static str, String>;

impl Loki {
    /// The requests that carry `items`; metrics and spans are not for Loki.
    pub fn encode(&self, items: &[Item], tally: &mut Tally) -> Vec<Request> {
        let mut streams: BTreeMap<Labels, Vec<Entry>> = BTreeMap::new();
        for item in items {
            match line::line(item) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    let (labels, entry) = self.place(line);
                    streams.entry(labels).or_default().push(entry);
                }
                Err(Malformed) => tally.skipped += 1,
            }
        }
        let format = match self.format {
            LokiFormat::Protobuf => Format::ProtobufSnappy,
            LokiFormat::Json => Format::LokiJson,
            LokiFormat::JsonGzip => Format::LokiJsonGzip,
        };
        let mut parts = Vec::new();
        for (labels, mut entries) in streams {
            entries.sort_by_key(|entry| entry.timestamp_ns);
            parts.extend(entries.chunks(ENTRIES_PER_PART).map(|chunk| self.part(&labels, chunk)));
        }
        gather("", format, parts)
    }

    /// The stream of a line, and the line in it.
    pub(super) fn place(&self, line: Line) -> (Labels, Entry) {
        let mut labels =
            Labels::from([("job", line.job.to_owned()), ("level", line.level.as_str().to_owned())]);
        let mut metadata = Vec::new();
        if let Some(provenance) = &line.provenance {
            labels.insert("tee_instance_id", provenance.instance.clone());
            labels.insert("signature_valid", provenance.signature_valid.to_string());
            metadata = provenance.metadata();
        }
        if self.labels_compat {
            let compat = metadata.extract_if(.., |(key, _)| COMPAT_LABELS.contains(key));
            labels.extend(compat);
        }
        let (timestamp_ns, level) = (line.timestamp_ns, line.level);
        let text = line.into_text();
        // Loki refuses longer lines by default; the record itself is in the archive.
        let is_short = text.len() <= LINE_BYTES_MAX;
        let line = if is_short { text } else { Line::brief(timestamp_ns, level) };
        (labels, Entry { timestamp_ns, line, metadata })
    }

    fn part(&self, labels: &Labels, entries: &[Entry]) -> Part {
        let bytes = match self.format {
            LokiFormat::Protobuf => stream_protobuf(labels, entries),
            LokiFormat::Json | LokiFormat::JsonGzip => stream_json(labels, entries),
        };
        Part { bytes: Bytes::from(bytes), items: entries.len() as u64 }
    }
}

/// `StreamAdapter` as element of `PushRequest.streams`.
fn stream_protobuf(labels: &Labels, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |stream| {
        stream.bytes(1, selector(labels).as_bytes());
        for entry in entries {
            stream.message(2, |adapter| {
                adapter.message(1, |timestamp| {
                    timestamp.varint(1, entry.timestamp_ns / 1_000_000_000);
                    timestamp.varint(2, entry.timestamp_ns % 1_000_000_000);
                });
                adapter.bytes(2, &entry.line);
                for (name, value) in &entry.metadata {
                    adapter.message(3, |pair| {
                        pair.bytes(1, name.as_bytes());
                        pair.bytes(2, value.as_bytes());
                    });
                }
            });
        }
    });
    out
}

/// `{job="…", level="…"}`, values quoted as Go quotes them.
fn selector(labels: &Labels) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}{name}=\"");
        for char in value.chars() {
            match char {
                '"' | '\\' => out.extend(['\\', char]),
                '\n' => out.push_str("\\n"),
                _ if char.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(char));
                }
                _ => out.push(char),
            }
        }
        out.push('"');
    }
    out.push('}');
    out
}

/// `{"stream":{…},"values":[["<ns>","<line>",{…}],…]}`.
fn stream_json(labels: &Labels, entries: &[Entry]) -> Vec<u8> {
    let mut out = b"{\"stream\":{".to_vec();
    members(labels.iter().map(|(name, value)| (*name, value)), &mut out);
    out.extend_from_slice(b"},\"values\":[");
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("[\"{}\",", entry.timestamp_ns).as_bytes());
        // Lines are JSON that this crate wrote, so they are text.
        string_to_json(&String::from_utf8_lossy(&entry.line), &mut out);
        out.extend_from_slice(b",{");
        members(entry.metadata.iter().map(|(name, value)| (*name, value)), &mut out);
        out.extend_from_slice(b"}]");
    }
    out.extend_from_slice(b"]}");
    out
}

fn members<'a>(pairs: impl Iterator<Item = (&'static str, &'a String)>, out: &mut Vec<u8>) {
    for (index, (name, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string_to_json(name, out);
        out.push(b':');
        string_to_json(value, out);
    }
}

/// Small enough that halving finds a culprit, large enough that labels do not weigh.
const ENTRIES_PER_PART: usize = 64;
/// Loki's default `max_line_size`.
const LINE_BYTES_MAX: usize = 256 * 1024;
const COMPAT_LABELS: [&str; 2] = ["tee_batch_seq", "tee_cert_thumbprint"];

#[cfg(test)]
mod tests;
