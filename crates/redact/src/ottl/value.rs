//! Values while a statement runs.
//!
//! What comes from the payload stays where it lies: a text borrows it, and what is inside a list or
//! map is not decoded until somebody looks ([`Val::Raw`]). Nothing here is kept after a statement.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lucarne_otlp::display::{hex, string_to_json};
use lucarne_otlp::wire::{Reader, Value as Wire, WireError, Writer};

use super::error::Fault;

/// The entries of a map, in order.
pub(super) type Entries<'a> = Vec<(Cow<'a, str>, Val<'a>)>;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A trace or span id.
    Id(Cow<'a, [u8]>),
    /// Nanoseconds since 1970.
    Time(i64),
    /// Nanoseconds.
    Duration(i64),
    List(Vec<Self>),
    Map(Entries<'a>),
    /// An `AnyValue` as it is encoded.
    Raw(&'a [u8]),
}

impl<'a> Val<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// The value itself; what is inside a list or map stays undecoded.
    pub(super) fn open(self) -> Result<Self, Fault> {
        let Self::Raw(message) = self else {
            return Ok(self);
        };
        let mut value = Self::Nil;
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            value = match (field.number, field.value) {
                (1, Wire::Bytes(text)) => Self::Text(Cow::Borrowed(utf8(text)?)),
                (2, Wire::Varint(truth)) => Self::Bool(truth != 0),
                (3, Wire::Varint(number)) => Self::Int(number.cast_signed()),
                (4, Wire::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
                (5, Wire::Bytes(list)) => Self::List(elements(list)?),
                (6, Wire::Bytes(map)) => Self::Map(entries(map, 1)?),
                (7, Wire::Bytes(bytes)) => Self::Bytes(Cow::Borrowed(bytes)),
                (1..=7, _) => return Err(WireError::Type { number: field.number }.into()),
                _ => value,
            };
        }
        Ok(value)
    }

    /// What it is, for messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Double(_) => "a double",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Id(_) => "an id",
            Self::Time(_) => "a time",
            Self::Duration(_) => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Raw(_) => "a value",
        }
    }

    pub(super) fn fault(&self, wants: &'static str) -> Fault {
        Fault::Type { wants, got: self.kind() }
    }

    pub(super) fn into_text(self) -> Result<Cow<'a, str>, Fault> {
        match self.open()? {
            Self::Text(text) => Ok(text),
            other => Err(other.fault("a text")),
        }
    }

    pub(super) fn into_int(self) -> Result<i64, Fault> {
        match self.open()? {
            Self::Int(number) => Ok(number),
            other => Err(other.fault("an int")),
        }
    }

    pub(super) fn into_list(self) -> Result<Vec<Self>, Fault> {
        match self.open()? {
            Self::List(list) => Ok(list),
            other => Err(other.fault("a list")),
        }
    }

    pub(super) fn into_map(self) -> Result<Entries<'a>, Fault> {
        match self.open()? {
            Self::Map(map) => Ok(map),
            other => Err(other.fault("a map")),
        }
    }

    /// One level in; nil stays nil.
    pub(super) fn member(self, key: &str) -> Result<Self, Fault> {
        match self.open()? {
            Self::Nil => Ok(Self::Nil),
            Self::Map(map) => {
                let found = map.into_iter().find(|(name, _)| name == key);
                found.map_or(Ok(Self::Nil), |(_, value)| value.open())
            }
            other => Err(other.fault("a map")),
        }
    }

    /// One element of a list.
    pub(super) fn element(self, index: i64) -> Result<Self, Fault> {
        match self.open()? {
            Self::Nil => Ok(Self::Nil),
            Self::List(list) => {
                let index = usize::try_from(index).map_err(|_| Fault::Range)?;
                list.into_iter().nth(index).ok_or(Fault::Range)?.open()
            }
            other => Err(other.fault("a list")),
        }
    }

    /// Writes the fields of an `AnyValue`.
    pub(super) fn write(&self, out: &mut Writer<'_>, depth: u8) -> Result<(), Fault> {
        let deeper = depth.checked_sub(1).ok_or(Fault::TooLarge);
        match self {
            Self::Nil => {}
            Self::Bool(truth) => out.varint(2, u64::from(*truth)),
            Self::Int(number) => out.varint(3, number.cast_unsigned()),
            Self::Double(number) => out.double(4, *number),
            Self::Text(text) => out.bytes(1, text.as_bytes()),
            Self::Bytes(bytes) => out.bytes(7, bytes),
            Self::Raw(fields) => out.encoded(fields),
            Self::List(list) => out.message(5, |out| {
                let deeper = deeper?;
                list.iter().try_for_each(|item| out.message(1, |out| item.write(out, deeper)))
            })?,
            Self::Map(map) => out.message(6, |out| {
                let deeper = deeper?;
                map.iter().try_for_each(|(key, value)| pair(key, value, 1, out, deeper))
            })?,
            Self::Id(_) | Self::Time(_) | Self::Duration(_) => {
                return Err(self.fault("a value that an attribute can hold"));
            }
        }
        Ok(())
    }

    /// As the collector shows a value: text as it is, the rest as JSON, bytes as base64.
    pub(super) fn shown(&self) -> Result<Cow<'a, str>, Fault> {
        Ok(match self.clone().open()? {
            Self::Text(text) => text,
            Self::Nil => Cow::Borrowed(""),
            Self::Bytes(bytes) => Cow::Owned(STANDARD.encode(&bytes)),
            other => Cow::Owned(other.json()?),
        })
    }

    /// As JSON.
    pub(super) fn json(&self) -> Result<String, Fault> {
        let mut out = Vec::new();
        self.write_json(&mut out, DEPTH_MAX)?;
        String::from_utf8(out).map_err(|_| Fault::Wire(WireError::Utf8))
    }

    fn write_json(&self, out: &mut Vec<u8>, depth: u8) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::TooLarge)?;
        match self.clone().open()? {
            Self::Nil | Self::Raw(_) => out.extend_from_slice(b"null"),
            Self::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Double(number) => out.extend_from_slice(double_text(number).as_bytes()),
            Self::Text(text) => string_to_json(&text, out),
            Self::Bytes(bytes) => string_to_json(&STANDARD.encode(&bytes), out),
            Self::Id(bytes) => hex(&bytes, out),
            Self::Time(nanos) => string_to_json(&super::convert::time::rfc3339(nanos), out),
            Self::Duration(nanos) => {
                string_to_json(&super::convert::time::duration_text(nanos), out);
            }
            Self::List(list) => {
                out.push(b'[');
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_json(out, depth)?;
                }
                out.push(b']');
            }
            Self::Map(map) => {
                out.push(b'{');
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    string_to_json(key, out);
                    out.push(b':');
                    value.write_json(out, depth)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// Whether two values are equal as the language has it: numbers by value, nil like no bytes.
    pub(super) fn equals(&self, other: &Self, depth: u8) -> Result<bool, Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::TooLarge)?;
        let (left, right) = (self.clone().open()?, other.clone().open()?);
        Ok(match (&left, &right) {
            (Self::Nil, Self::Nil) => true,
            (Self::Nil, Self::Bytes(bytes)) | (Self::Bytes(bytes), Self::Nil) => bytes.is_empty(),
            (Self::List(a), Self::List(b)) => {
                let mut same = a.len() == b.len();
                for (a, b) in a.iter().zip(b) {
                    same = same && a.equals(b, depth)?;
                }
                same
            }
            (Self::Map(a), Self::Map(b)) => {
                let mut same = a.len() == b.len();
                for (key, value) in a {
                    let found = b.iter().find(|(name, _)| name == key);
                    same =
                        same && found.map_or(Ok(false), |(_, other)| value.equals(other, depth))?;
                }
                same
            }
            _ => left.order(&right) == Some(Ordering::Equal),
        })
    }

    /// The order of two scalars of one type, or of two numbers; `None` for anything else.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Double(b)) => as_double(*a).partial_cmp(b),
            (Self::Double(a), Self::Int(b)) => a.partial_cmp(&as_double(*b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Bytes(a) | Self::Id(a), Self::Bytes(b) | Self::Id(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) | (Self::Duration(a), Self::Duration(b)) => {
                Some(a.cmp(b))
            }
            _ => None,
        }
    }
}

/// Writes one pair as field `number`.
pub(super) fn pair(
    key: &str,
    value: &Val<'_>,
    number: u32,
    out: &mut Writer<'_>,
    depth: u8,
) -> Result<(), Fault> {
    out.message(number, |out| {
        out.bytes(1, key.as_bytes());
        out.message(2, |out| value.write(out, depth))
    })
}

/// The pairs in field `number` of a message, their values undecoded.
pub(super) fn entries(message: &[u8], number: u32) -> Result<Entries<'_>, Fault> {
    let mut map = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        if let (true, Wire::Bytes(pair)) = (field.number == number, field.value) {
            let (key, value) = split_pair(pair)?;
            map.push((Cow::Borrowed(key), Val::Raw(value)));
        }
    }
    Ok(map)
}

/// The value of one key in field `number`, without decoding the others.
pub(super) fn entry<'a>(message: &'a [u8], number: u32, key: &str) -> Result<Val<'a>, Fault> {
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        if let (true, Wire::Bytes(pair)) = (field.number == number, field.value) {
            let (name, value) = split_pair(pair)?;
            if name == key {
                return Ok(Val::Raw(value));
            }
        }
    }
    Ok(Val::Nil)
}

/// The name of a pair and its undecoded value.
fn split_pair(pair: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut reader = Reader::new(pair);
    while let Some(field) = reader.next_field()? {
        match (field.number, field.value) {
            (1, Wire::Bytes(bytes)) => key = bytes,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((utf8(key)?, value))
}

fn elements(message: &[u8]) -> Result<Vec<Val<'_>>, Fault> {
    let mut list = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        if let (1, Wire::Bytes(value)) = (field.number, field.value) {
            list.push(Val::Raw(value));
        }
    }
    Ok(list)
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    core::str::from_utf8(bytes).map_err(|_| Fault::Wire(WireError::Utf8))
}

/// The nearest double; large integers lose their last digits, as in the collector.
#[expect(clippy::cast_precision_loss, reason = "the language compares numbers as doubles")]
pub(super) const fn as_double(number: i64) -> f64 {
    number as f64
}

/// A double as the collector shows it: no exponent between 1e-6 and 1e21.
pub(super) fn double_text(number: f64) -> String {
    let size = number.abs();
    if number.is_finite() && size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    number.to_string()
}

/// As deep as the views of this workspace read.
pub(super) const DEPTH_MAX: u8 = lucarne_otlp::limits::VALUE_DEPTH_MAX;

/// What a function makes is not longer: no attribute of a record is.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;
