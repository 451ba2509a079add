//! `AnyValue` and `KeyValue`: attribute values and bodies.
//!
//! Values nest. Every level that is entered costs one of [`VALUE_DEPTH_MAX`], so neither iterating
//! nor [`AnyValue::check`] can be driven deeper by input.

use super::View;
use crate::limits::VALUE_DEPTH_MAX;
use crate::wire::{Reader, WireError};

/// A value of an attribute, or a body.
#[derive(Clone, Copy)]
pub enum AnyValue<'a> {
    /// No value is set; OTLP calls that valid.
    Empty,
    /// Text.
    String(&'a str),
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A double; may be NaN or infinite.
    Double(f64),
    /// Values in order.
    Array(Array<'a>),
    /// Named values in order; names may repeat.
    KvList(KvList<'a>),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The values of an array, one level deeper than the array.
#[derive(Clone, Copy)]
pub struct Array<'a> {
    reader: Reader<'a>,
    depth_left: u8,
}

/// The entries of a key-value list, one level deeper than the list.
#[derive(Clone, Copy)]
pub struct KvList<'a> {
    reader: Reader<'a>,
    depth_left: u8,
}

/// A named value.
#[derive(Clone, Copy)]
pub struct KeyValue<'a> {
    /// The name; empty when the message has none.
    pub key: &'a str,
    /// The value; [`AnyValue::Empty`] when the message has none.
    pub value: AnyValue<'a>,
}

/// A named value that is not read yet.
#[derive(Clone, Copy)]
pub struct EncodedKeyValue<'a>(pub(super) &'a [u8]);

/// A value that is not read yet.
#[derive(Clone, Copy)]
pub struct EncodedValue<'a>(&'a [u8]);

impl<'a> EncodedKeyValue<'a> {
    /// Name and value, if they lie there as everybody puts them: each once, in this order, with
    /// lengths of one byte. Whether the name is UTF-8 is not checked.
    #[inline]
    pub fn pair(self) -> Option<(&'a [u8], EncodedValue<'a>)> {
        let (key, rest) = short(self.0, KEY_TAG)?;
        let (value, rest) = short(rest, VALUE_TAG)?;
        rest.is_empty().then_some((key, EncodedValue(value)))
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`View::parse`].
    #[inline]
    pub fn parse(self) -> Result<KeyValue<'a>, WireError> {
        View::parse(self.0)
    }
}

impl<'a> EncodedValue<'a> {
    /// The text, if that is all there is. Whether it is UTF-8 is not checked.
    #[inline]
    pub fn text(self) -> Option<&'a [u8]> {
        let (text, rest) = short(self.0, TEXT_TAG)?;
        rest.is_empty().then_some(text)
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`View::parse`].
    #[inline]
    pub fn parse(self) -> Result<AnyValue<'a>, WireError> {
        View::parse(self.0)
    }
}

/// A field of wire type 2 with a length of one byte, and what is behind it.
#[inline]
fn short(message: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length @ 0..0x80], rest) = message.split_first_chunk()? else { return None };
    if found != tag {
        return None;
    }
    rest.split_at_checked(usize::from(length))
}

impl<'a> View<'a> for EncodedKeyValue<'a> {
    #[inline]
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        Ok(Self(message))
    }
}

// Fields 1 and 2 of a `KeyValue` and field 1 of an `AnyValue`, of wire type 2.
const KEY_TAG: u8 = 0x0a;
const VALUE_TAG: u8 = 0x12;
const TEXT_TAG: u8 = 0x0a;

impl<'a> AnyValue<'a> {
    /// Reads everything beneath this value.
    ///
    /// # Errors
    /// When anything beneath is not valid, or is nested deeper than [`VALUE_DEPTH_MAX`].
    pub fn check(self) -> Result<(), WireError> {
        match self {
            Self::Array(mut values) => values.try_for_each(|value| value?.check()),
            Self::KvList(mut entries) => entries.try_for_each(|entry| entry?.value.check()),
            Self::Empty
            | Self::String(_)
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Double(_)
            | Self::Bytes(_) => Ok(()),
        }
    }

    #[inline]
    fn parse_at(message: &'a [u8], depth_left: u8) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let mut value = Self::Empty;
        while let Some(field) = reader.next_field()? {
            value = match field.number {
                1 => Self::String(field.text()?),
                2 => Self::Bool(field.varint()? != 0),
                3 => Self::Int(field.varint()?.cast_signed()),
                4 => Self::Double(field.double()?),
                5 => {
                    let depth_left = depth_left.checked_sub(1).ok_or(WireError::Depth)?;
                    Self::Array(Array { reader: Reader::new(field.bytes()?), depth_left })
                }
                6 => {
                    let depth_left = depth_left.checked_sub(1).ok_or(WireError::Depth)?;
                    Self::KvList(KvList { reader: Reader::new(field.bytes()?), depth_left })
                }
                7 => Self::Bytes(field.bytes()?),
                _ => value,
            };
        }
        Ok(value)
    }
}

impl<'a> View<'a> for AnyValue<'a> {
    #[inline]
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        Self::parse_at(message, VALUE_DEPTH_MAX)
    }
}

impl<'a> KeyValue<'a> {
    #[inline]
    fn parse_at(message: &'a [u8], depth_left: u8) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        let mut entry = Self { key: "", value: AnyValue::Empty };
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => entry.key = field.text()?,
                2 => entry.value = AnyValue::parse_at(field.bytes()?, depth_left)?,
                _ => {}
            }
        }
        Ok(entry)
    }
}

impl<'a> View<'a> for KeyValue<'a> {
    #[inline]
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        Self::parse_at(message, VALUE_DEPTH_MAX)
    }
}

impl<'a> Iterator for Array<'a> {
    type Item = Result<AnyValue<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        next_entry(&mut self.reader, |bytes| AnyValue::parse_at(bytes, self.depth_left))
    }
}

impl<'a> Iterator for KvList<'a> {
    type Item = Result<KeyValue<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        next_entry(&mut self.reader, |bytes| KeyValue::parse_at(bytes, self.depth_left))
    }
}

/// Both lists hold their entries in field 1. After an error the list ends.
fn next_entry<'a, T>(
    reader: &mut Reader<'a>,
    parse: impl Fn(&'a [u8]) -> Result<T, WireError>,
) -> Option<Result<T, WireError>> {
    loop {
        let entry = match reader.next_field() {
            Ok(None) => return None,
            Ok(Some(field)) if field.number == 1 => field.bytes().and_then(&parse),
            Ok(Some(_)) => continue,
            Err(error) => Err(error),
        };
        if entry.is_err() {
            *reader = Reader::new(&[]);
        }
        return Some(entry);
    }
}
