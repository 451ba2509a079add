//! One flat JSON object, written field by field, in which no name occurs twice.
//!
//! The line's own fields come first and win. A field of the record with a name that is taken is
//! left out if it says the same and gets the prefix `attributes.` if it does not. Nested maps
//! become dotted names; arrays stay arrays.

use std::borrow::Cow;
use std::ops::Range;

use lucarne_otlp::display::{hex, string_to_json, value_to_json};
use lucarne_otlp::time::write_rfc3339;
use lucarne_otlp::view::{AnyValue, KeyValue};
use lucarne_otlp::wire::WireError;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object being written, and its memory, which serves one object after the other.
#[derive(Debug)]
pub struct Flat {
    out: Vec<u8>,
    fields: Vec<Field>,
    /// One bit for each field, chosen by its hash: most names are new, and seen to be.
    taken: u64,
}

/// A field that is written: where its name and its value lie.
#[derive(Debug)]
struct Field {
    /// Of the name, to compare numbers and seldom names.
    hash: u64,
    name: Range<usize>,
    value: Range<usize>,
}

impl Default for Flat {
    fn default() -> Self {
        let mut out = Vec::with_capacity(512);
        out.push(b'{');
        Self { out, fields: Vec::with_capacity(24), taken: 0 }
    }
}

impl Flat {
    /// Without fields again.
    pub(crate) fn clear(&mut self) {
        self.out.truncate(1);
        self.out.shrink_to(KEPT_BYTES);
        self.fields.clear();
        self.fields.shrink_to(KEPT_FIELDS);
        self.taken = 0;
    }

    /// The object; nothing can be added to it.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.out.push(b'}');
        &self.out
    }

    /// A field whose value `write` appends as JSON.
    pub(crate) fn field(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        if start > 1 {
            self.out.push(b',');
        }
        let name = self.out.len();
        string_to_json(key, &mut self.out);
        let value = self.out.len() + 1;
        self.out.push(b':');
        write(&mut self.out);
        self.settle(start, name..value - 1, key);
    }

    /// Text.
    pub(crate) fn text(&mut self, key: &str, text: &str) {
        self.field(key, |out| string_to_json(text, out));
    }

    /// Bytes as lower-case hex.
    pub(crate) fn hex(&mut self, key: &str, bytes: &[u8]) {
        self.quoted(key, |out| hex(bytes, out));
    }

    // Text of which nothing has to be escaped.
    fn quoted(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.field(key, |out| {
            out.push(b'"');
            write(out);
            out.push(b'"');
        });
    }

    /// A whole number.
    pub(crate) fn number(&mut self, key: &str, number: u64) {
        self.field(key, |out| out.extend_from_slice(Decimal::of(number).as_str().as_bytes()));
    }

    /// Unix nanoseconds as RFC 3339 text.
    pub(crate) fn time(&mut self, key: &str, unix_ns: u64) {
        self.quoted(key, |out| write_rfc3339(unix_ns, out));
    }

    /// An attribute; a map as one field an entry, its name behind that of the map and a dot.
    pub(crate) fn attribute(&mut self, prefix: &str, entry: KeyValue<'_>) -> Result<(), WireError> {
        let name = dotted(prefix, entry.key);
        if let AnyValue::KvList(mut entries) = entry.value {
            return entries.try_for_each(|inner| self.attribute(&name, inner?));
        }
        if !is_provenance(&name) {
            return self.body(&name, entry.value);
        }
        let mut json = Vec::new();
        value_to_json(entry.value, &mut json)?;
        self.foreign(&name, &json);
        Ok(())
    }

    /// A value as it is; a map stays one.
    pub(crate) fn body(&mut self, key: &str, value: AnyValue<'_>) -> Result<(), WireError> {
        value.check()?;
        let mut written = Ok(());
        self.field(key, |out| written = value_to_json(value, out));
        written
    }

    /// The members of a JSON object, nested ones as dotted names.
    pub(crate) fn object(&mut self, prefix: &str, object: &Object<'_>) {
        for (key, value) in &object.0 {
            let name = dotted(prefix, key);
            let text = value.get();
            let nested = text.starts_with('{') && name.len() < NAME_BYTES_MAX;
            match nested.then(|| Object::parse(text.as_bytes())).flatten() {
                Some(inner) => self.object(&name, &inner),
                None => self.foreign(&name, text.as_bytes()),
            }
        }
    }

    // A record must not be able to say where it comes from: names that only the gateway writes are
    // set aside.
    fn foreign(&mut self, name: &str, json: &[u8]) {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(json);
        if !is_provenance(name) {
            self.field(name, write);
        } else if self.value(name) != Some(json) {
            self.field(&format!("{CLASH}{name}"), write);
        }
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        let mut quoted = Vec::new();
        string_to_json(name, &mut quoted);
        let field = self.named(hash(name.as_bytes()), &quoted)?;
        Some(&self.out[field.value.clone()])
    }

    fn named(&self, hash: u64, quoted: &[u8]) -> Option<&Field> {
        if self.taken & bit(hash) == 0 {
            return None;
        }
        let same = |field: &&Field| field.hash == hash && &self.out[field.name.clone()] == quoted;
        self.fields.iter().find(same)
    }

    // The field that begins at `start` was written under `name`; a clash is settled after the fact,
    // because clashes are rare.
    fn settle(&mut self, start: usize, name: Range<usize>, key: &str) {
        let hash = hash(key.as_bytes());
        let value = name.end + 1..self.out.len();
        let Some(first) = self.named(hash, &self.out[name.clone()]) else {
            self.fields.push(Field { hash, name, value });
            self.taken |= bit(hash);
            return;
        };
        let same = self.out[first.value.clone()] == self.out[value.clone()];
        let text = self.out[value].to_vec();
        self.out.truncate(start);
        if !same && !key.starts_with(CLASH) {
            self.field(&format!("{CLASH}{key}"), |out| out.extend_from_slice(&text));
        }
    }
}

/// A number that tells nearly all names apart; who finds two that it does not, has cost a
/// comparison of them.
fn hash(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mix = |hash: u64, word: &[u8; 8]| {
        (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
    };
    words.iter().chain([&last]).fold(name.len() as u64, mix)
}

const fn bit(hash: u64) -> u64 {
    1 << (hash >> 26 & 63)
}

/// A number in decimal, without an allocation.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn of(mut number: u64) -> Self {
        let (mut digits, mut start) = ([b'0'; 20], 20);
        while start == 20 || number > 0 {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        Self { digits, start }
    }

    pub(crate) fn as_str(&self) -> &str {
        // Digits are text.
        std::str::from_utf8(&self.digits[self.start..]).unwrap_or_default()
    }
}

/// The members of a JSON object in their order, values as written.
pub(crate) struct Object<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The members, or `None` if the text is not one JSON object.
    pub(crate) fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The text of a member that is a string.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.raw(key)?).ok()
    }

    /// The value of a member that is a number without sign and fraction.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.raw(key)?.parse().ok()
    }

    fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.get())
    }
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Object<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

fn dotted<'k>(prefix: &str, key: &'k str) -> Cow<'k, str> {
    if prefix.is_empty() { key.into() } else { format!("{prefix}.{key}").into() }
}

/// Whether only the gateway writes this name.
fn is_provenance(name: &str) -> bool {
    matches!(
        name,
        "job"
            | "tee_instance_id"
            | "signature_valid"
            | "tee_batch_seq"
            | "tee_cert_thumbprint"
            | "tee_seal"
            | "tee_record_index"
            | "lucarne.sealed"
    )
}

/// Memory that an unusual line took is given back.
const KEPT_BYTES: usize = 64 * 1024;
const KEPT_FIELDS: usize = 1024;
const CLASH: &str = "attributes.";
/// Ends the recursion into objects; what is deeper stays as it is.
const NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Flat), expected: &str) {
        let mut flat = Flat::default();
        flat.text("of the one before", "x");
        flat.clear();
        write(&mut flat);
        assert_eq!(std::str::from_utf8(flat.finish()).unwrap(), expected);
    }

    fn entry<'a>(key: &'a str, value: AnyValue<'a>) -> KeyValue<'a> {
        KeyValue { key, value }
    }

    #[test]
    fn own_fields_win_and_names_are_unique() {
        check(|_| {}, "{}");
        check(
            |flat| {
                flat.text("level", "Error");
                flat.attribute("", entry("level", AnyValue::String("Error"))).unwrap();
                flat.attribute("", entry("a", AnyValue::Int(1))).unwrap();
                flat.attribute("", entry("level", AnyValue::String("odd"))).unwrap();
                flat.attribute("", entry("level", AnyValue::Int(7))).unwrap();
                flat.attribute("", entry("attributes.level", AnyValue::Int(7))).unwrap();
            },
            r#"{"level":"Error","a":1,"attributes.level":"odd"}"#,
        );
    }

    #[test]
    fn of_many_fields_each_name_is_there_once() {
        let mut flat = Flat::default();
        for round in 0..3 {
            for number in 0..500 {
                flat.number(&format!("{number:x}"), number + round);
            }
        }
        let text = String::from_utf8(flat.finish().to_vec()).unwrap();
        let object = Object::parse(text.as_bytes()).unwrap();
        let mut names: Vec<&String> = object.0.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        assert_eq!((names.len(), object.0.len()), (1000, 1000));
        assert_eq!(object.number("attributes.1f"), Some(32), "the first that differs");
    }

    #[test]
    fn memory_that_an_unusual_line_took_is_given_back() {
        let mut flat = Flat::default();
        for number in 0..2 * KEPT_FIELDS {
            flat.text(&number.to_string(), &"x".repeat(64));
        }
        flat.clear();
        assert!(flat.out.capacity() <= KEPT_BYTES, "{}", flat.out.capacity());
        assert!(flat.fields.capacity() <= KEPT_FIELDS, "{}", flat.fields.capacity());
    }

    #[test]
    fn numbers_are_written_as_they_are_printed() {
        for number in [0, 9, 10, 1234, u64::MAX] {
            assert_eq!(Decimal::of(number).as_str(), number.to_string());
        }
    }

    #[test]
    fn objects_are_flattened_and_arrays_are_kept() {
        let json = br#" {"a":{"b":{"c":1.50},"d":[{"e":1}]},"f":null,"g":{}} "#;
        let object = Object::parse(json).unwrap();
        check(|flat| flat.object("", &object), r#"{"a.b.c":1.50,"a.d":[{"e":1}],"f":null}"#);
        for not_an_object in ["[]", "{\"a\":1}x", "{\"a\":}", "1", ""] {
            assert!(Object::parse(not_an_object.as_bytes()).is_none(), "{not_an_object}");
        }
    }
}
