//! Masking: OTLP messages walked and written anew, attribute by attribute.
//!
//! Every map of attributes is walked, those of resources, scopes, span events, links and exemplars
//! too, and what is nested in values and in the body of a log. A message that cannot be walked is
//! refused.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA3_256};
use lucarne_ledger::hash::to_hex;
use lucarne_otlp::wire::{Field, Reader, Value, WireError, Writer};
use lucarne_redact::Shape;

use super::{Finding, Hash, Patterns, Settings, Summary};

/// The messages that have attributes in them.
#[derive(Clone, Copy)]
enum Kind {
    Resource,
    Scope,
    Log,
    Span,
    Event,
    Link,
    Metric,
    Data(Points),
    Point(Points),
    Exemplar,
}

/// The kinds of data points, which have their attributes in different fields.
#[derive(Clone, Copy)]
enum Points {
    Number,
    Histogram,
    Exponential,
    Summary,
}

/// What a field is.
enum Part {
    Attribute,
    Body,
    Message(Kind),
    Other,
}

/// A masked message, and the first finding in it.
type Masked = (Vec<u8>, Option<Finding>);

/// What was done so far.
#[derive(Default)]
struct Tally {
    masked: Vec<String>,
    removed: Vec<String>,
    ignored: u64,
    allowed: u64,
    first: Option<Finding>,
    changed: bool,
}

impl Kind {
    const fn of(shape: Shape) -> Option<Self> {
        match shape {
            Shape::LogRecord => Some(Self::Log),
            Shape::Metric => Some(Self::Metric),
            Shape::Span => Some(Self::Span),
            Shape::Resource => Some(Self::Resource),
            Shape::Scope => Some(Self::Scope),
            Shape::Json => None,
        }
    }

    /// opentelemetry-proto 1.x.
    const fn part(self, number: u32) -> Part {
        match (self, number) {
            (Self::Resource, 1)
            | (Self::Scope | Self::Event, 3)
            | (Self::Log, 6)
            | (Self::Span, 9)
            | (Self::Link, 4)
            | (Self::Metric, 12)
            | (Self::Point(Points::Number | Points::Summary) | Self::Exemplar, 7)
            | (Self::Point(Points::Histogram), 9)
            | (Self::Point(Points::Exponential), 1) => Part::Attribute,
            (Self::Log, 5) => Part::Body,
            (Self::Span, 11) => Part::Message(Self::Event),
            (Self::Span, 13) => Part::Message(Self::Link),
            (Self::Metric, 5 | 7) => Part::Message(Self::Data(Points::Number)),
            (Self::Metric, 9) => Part::Message(Self::Data(Points::Histogram)),
            (Self::Metric, 10) => Part::Message(Self::Data(Points::Exponential)),
            (Self::Metric, 11) => Part::Message(Self::Data(Points::Summary)),
            (Self::Data(points), 1) => Part::Message(Self::Point(points)),
            (Self::Point(Points::Number), 5)
            | (Self::Point(Points::Histogram), 8)
            | (Self::Point(Points::Exponential), 11) => Part::Message(Self::Exemplar),
            _ => Part::Other,
        }
    }

    /// The field of the attributes that a summary can be added to.
    const fn summary_field(self) -> Option<u32> {
        match self {
            Self::Resource => Some(1),
            Self::Log => Some(6),
            Self::Span => Some(9),
            Self::Scope
            | Self::Event
            | Self::Link
            | Self::Metric
            | Self::Data(_)
            | Self::Point(_)
            | Self::Exemplar => None,
        }
    }
}

impl Settings {
    /// The message masked, or `None` when nothing is to be done.
    pub(super) fn mask(&self, shape: Shape, message: &[u8]) -> Result<Option<Masked>, WireError> {
        let Some(kind) = Kind::of(shape) else { return Ok(None) };
        let mut out = Vec::with_capacity(message.len());
        let mut tally = Tally::default();
        self.message(kind, message, &mut Writer::new(&mut out), &mut tally)?;
        Ok(tally.changed.then_some((out, tally.first)))
    }

    fn message(
        &self,
        kind: Kind,
        bytes: &[u8],
        out: &mut Writer<'_>,
        tally: &mut Tally,
    ) -> Result<(), WireError> {
        let mut own = Tally::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match (kind.part(field.number), field.value) {
                (Part::Attribute, Value::Bytes(pair)) => {
                    if let Some(pair) = self.pair(pair, 0, &mut own)? {
                        out.bytes(field.number, &pair);
                    }
                }
                (Part::Body, Value::Bytes(value)) => {
                    let value = self.value("", value, 0, &mut own)?;
                    out.bytes(field.number, &value);
                }
                (Part::Message(inner), Value::Bytes(bytes)) => {
                    out.message(field.number, |out| self.message(inner, bytes, out, &mut own))?;
                }
                (Part::Attribute | Part::Body | Part::Message(_), _) => {
                    return Err(WireError::Type { number: field.number });
                }
                (Part::Other, _) => copy(field, out),
            }
        }
        if let Some(number) = kind.summary_field() {
            self.summarise(number, &own, out);
        }
        tally.add(own);
        Ok(())
    }

    /// A pair as it may stay. The last key and the last value count, as protobuf has it.
    fn pair(
        &self,
        bytes: &[u8],
        depth: usize,
        tally: &mut Tally,
    ) -> Result<Option<Vec<u8>>, WireError> {
        let (mut key, mut value): (&[u8], Option<&[u8]>) = (&[], None);
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field {
                Field { number: 1, value: Value::Bytes(bytes) } => key = bytes,
                Field { number: 2, value: Value::Bytes(bytes) } => value = Some(bytes),
                Field { number, .. } => return Err(WireError::Type { number }),
            }
        }
        let name = std::str::from_utf8(key).map_err(|_| WireError::Utf8)?;
        let ignored = self.ignored_keys.contains(name)
            || self.ignored_key_patterns.as_ref().is_some_and(|list| list.regex.is_match(key));
        if ignored {
            tally.ignored += 1;
            return Ok(Some(bytes.to_vec()));
        }
        if depth == 0 && !self.allow_all_keys && !self.allowed_keys.contains(name) {
            tally.changed = true;
            tally.removed.push(name.to_owned());
            return Ok(None);
        }
        tally.allowed += 1;
        let masked = match (&self.blocked_key_patterns, value) {
            (Some(list), Some(_)) if list.regex.is_match(key) => {
                tally.found(list, key, name);
                Some(text(self.replacement(value.unwrap_or_default()).as_bytes()))
            }
            (_, Some(value)) => Some(self.value(name, value, depth, tally)?),
            (_, None) => None,
        };
        let mut out = Vec::with_capacity(bytes.len());
        let mut writer = Writer::new(&mut out);
        writer.bytes(1, key);
        if let Some(value) = masked {
            writer.bytes(2, &value);
        }
        Ok(Some(out))
    }

    /// An `AnyValue` as it may stay.
    fn value(
        &self,
        name: &str,
        bytes: &[u8],
        depth: usize,
        tally: &mut Tally,
    ) -> Result<Vec<u8>, WireError> {
        if depth > DEPTH_MAX {
            return Err(WireError::Depth);
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            let scalar = match (field.number, field.value) {
                (1 | 7, Value::Bytes(text)) => self.masked(name, text, tally),
                (2, Value::Varint(truth)) => {
                    self.masked(name, if truth == 0 { b"false" } else { b"true" }, tally)
                }
                (3, Value::Varint(number)) => {
                    self.masked(name, number.cast_signed().to_string().as_bytes(), tally)
                }
                (4, Value::Fixed64(bits)) => {
                    self.masked(name, f64::from_bits(bits).to_string().as_bytes(), tally)
                }
                (5, Value::Bytes(list)) => {
                    let list = self.elements(name, list, depth, tally)?;
                    Writer::new(&mut out).bytes(5, &list);
                    continue;
                }
                (6, Value::Bytes(map)) => {
                    let map = self.members(map, depth, tally)?;
                    Writer::new(&mut out).bytes(6, &map);
                    continue;
                }
                (number, _) => return Err(WireError::Type { number }),
            };
            match scalar {
                Some(masked) => Writer::new(&mut out).bytes(1, &masked),
                None => copy(field, &mut Writer::new(&mut out)),
            }
        }
        Ok(out)
    }

    fn elements(
        &self,
        name: &str,
        bytes: &[u8],
        depth: usize,
        tally: &mut Tally,
    ) -> Result<Vec<u8>, WireError> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            let Field { number: 1, value: Value::Bytes(element) } = field else {
                return Err(WireError::Type { number: field.number });
            };
            let element = self.value(name, element, depth + 1, tally)?;
            Writer::new(&mut out).bytes(1, &element);
        }
        Ok(out)
    }

    fn members(&self, bytes: &[u8], depth: usize, tally: &mut Tally) -> Result<Vec<u8>, WireError> {
        if depth > DEPTH_MAX {
            return Err(WireError::Depth);
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            let Field { number: 1, value: Value::Bytes(pair) } = field else {
                return Err(WireError::Type { number: field.number });
            };
            if let Some(pair) = self.pair(pair, depth + 1, tally)? {
                Writer::new(&mut out).bytes(1, &pair);
            }
        }
        Ok(out)
    }

    /// The text with what is blocked in it replaced, or `None` when it may stay.
    fn masked(&self, name: &str, written: &[u8], tally: &mut Tally) -> Option<Vec<u8>> {
        let blocked = self.blocked_values.as_ref()?;
        if !blocked.regex.is_match(written)
            || self.allowed_values.as_ref().is_some_and(|list| list.regex.is_match(written))
        {
            return None;
        }
        tally.found(blocked, written, name);
        let mut current = written.to_vec();
        // What is left beside a replacement may match another pattern; each round shortens that.
        for _ in 0..ROUNDS_MAX {
            let mut next = Vec::with_capacity(current.len());
            let mut end = 0;
            for found in blocked.regex.find_iter(&current) {
                next.extend_from_slice(current.get(end..found.start()).unwrap_or_default());
                let value = current.get(found.range()).unwrap_or_default();
                next.extend_from_slice(self.replacement(value).as_bytes());
                end = found.end();
            }
            next.extend_from_slice(current.get(end..).unwrap_or_default());
            current = next;
            if !blocked.regex.is_match(&current) {
                return Some(String::from_utf8_lossy(&current).into_owned().into_bytes());
            }
        }
        Some(MASK.as_bytes().to_vec())
    }

    fn replacement(&self, value: &[u8]) -> String {
        let algorithm = match self.hash {
            None => return MASK.to_owned(),
            Some(Hash::Sha1) => &SHA1_FOR_LEGACY_USE_ONLY,
            Some(Hash::Sha3) => &SHA3_256,
        };
        to_hex(digest::digest(algorithm, value).as_ref())
    }

    fn summarise(&self, number: u32, tally: &Tally, out: &mut Writer<'_>) {
        let lists = [("masked", &tally.masked), ("redacted", &tally.removed)];
        for (what, keys) in lists.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            if self.summary == Summary::Debug {
                let mut keys = keys.clone();
                keys.sort();
                attribute(number, &format!("redaction.{what}.keys"), &keys.join(","), out);
            }
            if self.summary != Summary::Silent {
                count(number, &format!("redaction.{what}.count"), keys.len() as u64, out);
            }
        }
        if self.summary != Summary::Silent && tally.ignored > 0 {
            count(number, "redaction.ignored.count", tally.ignored, out);
        }
        if self.summary == Summary::Debug && tally.changed {
            count(number, "redaction.allowed.count", tally.allowed, out);
        }
    }
}

impl Tally {
    fn found(&mut self, list: &Patterns, text: &[u8], name: &str) {
        self.changed = true;
        self.masked.push(name.to_owned());
        let index = list.regex.find(text).map_or(0, |found| found.pattern().as_usize());
        let finding = || Finding {
            rule: format!("{}:{index}", list.option),
            // A name that is itself a value is not told.
            key: if list.regex.is_match(name) { String::new() } else { shown(name) },
        };
        self.first.get_or_insert_with(finding);
    }

    fn add(&mut self, inner: Self) {
        self.changed |= inner.changed;
        self.first = self.first.take().or(inner.first);
    }
}

/// Enough of a name to find the line of code that set it.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    Writer::new(&mut out).bytes(1, bytes);
    out
}

fn attribute(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

fn count(number: u32, key: &str, value: u64, out: &mut Writer<'_>) {
    out.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.varint(3, value));
    });
}

fn copy(field: Field<'_>, out: &mut Writer<'_>) {
    match field.value {
        Value::Varint(value) => out.varint(field.number, value),
        Value::Fixed64(value) => out.fixed64(field.number, value),
        Value::Bytes(value) => out.bytes(field.number, value),
        Value::Fixed32(value) => out.fixed32(field.number, value),
    }
}

/// What the collector writes.
const MASK: &str = "****";
/// As deep as the contract lets values nest.
const DEPTH_MAX: usize = 16;
const ROUNDS_MAX: usize = 4;
