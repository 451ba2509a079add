//! Loki's push API, as protobuf with snappy and as JSON.
//!
//! Streams have few labels: `job`, `level` and, for what comes out of a TEE, `tee_instance_id` and
//! `signature_valid`. Sequence, key and place in the archive are structured metadata: as labels
//! they would make a stream of every batch. Entries of a stream are sent in the order of their
//! time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use lucarne_otlp::display::string_to_json;
use lucarne_otlp::wire::Writer;

use crate::export::Item;
use crate::export::line::{self, Flat, Line, Malformed, Provenance, Severity};
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

/// What the labels of a stream say. Streams are sent in the order of these fields.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Stream<'i> {
    job: &'static str,
    level: Severity,
    /// Of what comes out of a TEE.
    signature_valid: Option<bool>,
    instance: Option<&'i str>,
    /// Only for the compatible labels.
    batch_seq: Option<u64>,
    thumbprint: Option<&'i str>,
}

/// Entries of a stream, encoded one after the other, with the time and the place of each.
#[derive(Default)]
struct Entries {
    bytes: Vec<u8>,
    places: Vec<(u64, Range<usize>)>,
}

impl Loki {
    /// The requests that carry `items`; metrics and spans are not for Loki.
    pub fn encode(&self, items: &[Item], tally: &mut Tally) -> Vec<Request> {
        let mut flat = Flat::default();
        let mut streams: BTreeMap<Stream<'_>, Entries> = BTreeMap::new();
        for item in items {
            match line::line(item, &mut flat) {
                Ok(None) => {}
                Ok(Some(line)) => self.add(line, &mut streams),
                Err(Malformed) => tally.skipped += 1,
            }
        }
        let format = match self.format {
            LokiFormat::Protobuf => Format::ProtobufSnappy,
            LokiFormat::Json => Format::LokiJson,
            LokiFormat::JsonGzip => Format::LokiJsonGzip,
        };
        let mut parts = Vec::new();
        for (stream, mut entries) in streams {
            entries.places.sort_by_key(|(timestamp_ns, _)| *timestamp_ns);
            let (labels, chunks) = (stream.labels(), entries.places.chunks(ENTRIES_PER_PART));
            parts.extend(chunks.map(|places| self.part(&labels, &entries.bytes, places)));
        }
        gather("", format, parts)
    }

    fn add<'i>(&self, line: Line<'i, '_>, streams: &mut BTreeMap<Stream<'i>, Entries>) {
        let (timestamp_ns, provenance) = (line.timestamp_ns, line.provenance);
        let entries = streams.entry(self.stream(&line)).or_default();
        let start = entries.bytes.len();
        let text = text(line);
        match self.format {
            LokiFormat::Protobuf => {
                self.entry_protobuf(timestamp_ns, &text, provenance, &mut entries.bytes);
            }
            LokiFormat::Json | LokiFormat::JsonGzip => {
                self.entry_json(timestamp_ns, &text, provenance, &mut entries.bytes);
            }
        }
        entries.places.push((timestamp_ns, start..entries.bytes.len()));
    }

    /// The stream of a line.
    pub(super) fn stream<'i>(&self, line: &Line<'i, '_>) -> Stream<'i> {
        let provenance = line.provenance;
        let compat = provenance.filter(|_| self.labels_compat);
        Stream {
            job: line.job,
            level: line.level,
            signature_valid: provenance.map(|from| from.signature_valid),
            instance: provenance.map(|from| from.instance),
            batch_seq: compat.and_then(|from| from.batch_seq),
            thumbprint: compat.and_then(|from| from.thumbprint),
        }
    }

    // What is a label is not metadata as well.
    fn metadata(&self, provenance: Option<Provenance<'_>>, mut give: impl FnMut(&str, &str)) {
        if let Some(provenance) = provenance {
            provenance.metadata(|name, value| {
                if !self.labels_compat || !COMPAT_LABELS.contains(&name) {
                    give(name, value);
                }
            });
        }
    }

    /// `EntryAdapter` as element of `StreamAdapter.entries`.
    fn entry_protobuf(
        &self,
        timestamp_ns: u64,
        text: &[u8],
        provenance: Option<Provenance<'_>>,
        out: &mut Vec<u8>,
    ) {
        Writer::new(out).message(2, |entry| {
            entry.message(1, |timestamp| {
                timestamp.varint(1, timestamp_ns / 1_000_000_000);
                timestamp.varint(2, timestamp_ns % 1_000_000_000);
            });
            entry.bytes(2, text);
            self.metadata(provenance, |name, value| {
                entry.message(3, |pair| {
                    pair.bytes(1, name.as_bytes());
                    pair.bytes(2, value.as_bytes());
                });
            });
        });
    }

    /// `["<ns>","<line>",{…}]`.
    fn entry_json(
        &self,
        timestamp_ns: u64,
        text: &[u8],
        provenance: Option<Provenance<'_>>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(format!("[\"{timestamp_ns}\",").as_bytes());
        // Lines are JSON that this crate wrote, so they are text.
        string_to_json(&String::from_utf8_lossy(text), out);
        out.extend_from_slice(b",{");
        let start = out.len();
        self.metadata(provenance, |name, value| {
            if out.len() > start {
                out.push(b',');
            }
            member(name, value, out);
        });
        out.extend_from_slice(b"}]");
    }

    fn part(&self, labels: &[Label<'_>], bytes: &[u8], places: &[(u64, Range<usize>)]) -> Part {
        let entries = places.iter().map(|(_, place)| &bytes[place.clone()]);
        let bytes = match self.format {
            LokiFormat::Protobuf => stream_protobuf(labels, entries),
            LokiFormat::Json | LokiFormat::JsonGzip => stream_json(labels, entries),
        };
        Part { bytes: Bytes::from(bytes), items: places.len() as u64 }
    }
}

/// A label's name and value.
type Label<'i> = (&'static str, Cow<'i, str>);

impl<'i> Stream<'i> {
    /// Its labels in the order of their names.
    pub(super) fn labels(&self) -> Vec<Label<'i>> {
        let mut labels = vec![("job", self.job.into()), ("level", self.level.as_str().into())];
        let valid = |valid| if valid { "true" } else { "false" };
        labels.extend(self.signature_valid.map(|said| ("signature_valid", valid(said).into())));
        labels.extend(self.batch_seq.map(|seq| ("tee_batch_seq", seq.to_string().into())));
        labels.extend(self.thumbprint.map(|key| ("tee_cert_thumbprint", key.into())));
        labels.extend(self.instance.map(|instance| ("tee_instance_id", instance.into())));
        labels
    }
}

/// The text of a line. Loki refuses longer ones by default; the record itself is in the archive.
pub(super) fn text<'f>(line: Line<'_, 'f>) -> Cow<'f, [u8]> {
    let (timestamp_ns, level) = (line.timestamp_ns, line.level);
    let text = line.into_text();
    let is_short = text.len() <= LINE_BYTES_MAX;
    if is_short { text.into() } else { Line::brief(timestamp_ns, level).into() }
}

/// `StreamAdapter` as element of `PushRequest.streams`.
fn stream_protobuf<'e>(
    labels: &[Label<'_>],
    entries: impl Iterator<Item = &'e [u8]> + Clone,
) -> Vec<u8> {
    let mut head = Vec::new();
    Writer::new(&mut head).bytes(1, selector(labels).as_bytes());
    let length = head.len() + entries.clone().map(<[u8]>::len).sum::<usize>();
    let mut out = Vec::with_capacity(length + 8);
    let mut stream = Writer::new(&mut out);
    stream.head(1, length as u64);
    stream.encoded(&head);
    entries.for_each(|entry| stream.encoded(entry));
    out
}

/// `{job="…", level="…"}`, values quoted as Go quotes them.
fn selector(labels: &[Label<'_>]) -> String {
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

/// `{"stream":{…},"values":[…]}`.
fn stream_json<'e>(labels: &[Label<'_>], entries: impl Iterator<Item = &'e [u8]>) -> Vec<u8> {
    let mut out = b"{\"stream\":{".to_vec();
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        member(name, value, &mut out);
    }
    out.extend_from_slice(b"},\"values\":[");
    for (index, entry) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(entry);
    }
    out.extend_from_slice(b"]}");
    out
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    string_to_json(name, out);
    out.push(b':');
    string_to_json(value, out);
}

/// Small enough that halving finds a culprit, large enough that labels do not weigh.
const ENTRIES_PER_PART: usize = 64;
/// Loki's default `max_line_size`.
const LINE_BYTES_MAX: usize = 256 * 1024;
const COMPAT_LABELS: [&str; 2] = ["tee_batch_seq", "tee_cert_thumbprint"];

#[cfg(test)]
mod tests;
