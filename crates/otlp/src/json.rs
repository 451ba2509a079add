//! OTLP/JSON into OTLP, in one pass over the text.
//!
//! A table of the messages drives a serde visitor that writes each field as it reads it, so no tree
//! of the request exists. Unknown fields are skipped, `null` is an absent field, repeated numbers
//! are written unpacked. Errors say where, never what the request holds: serde's own texts quote it
//! and are not used.

mod error;
mod schema;

use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use self::schema::{Field, Kind, Message};
use crate::Signal;
use crate::limits::{JSON_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::wire::Writer;

pub use self::error::{Expected, JsonError, JsonFault};

/// Appends the binary form of an OTLP/JSON request to `out`.
///
/// # Errors
/// When the text is not JSON, or a known field holds what it cannot; `out` is as it was then.
pub fn to_protobuf(signal: Signal, json: &[u8], out: &mut Vec<u8>) -> Result<(), JsonError> {
    if json.len() > JSON_BYTES_MAX {
        return Err(JsonError { line: 0, column: 0, fault: JsonFault::TooLong });
    }
    let before = out.len();
    let fault = Cell::new(None);
    let mut text = serde_json::Deserializer::from_slice(json);
    let mut writer = Writer::new(out);
    let root = Root { message: Message::request(signal), writer: &mut writer, fault: &fault };
    let read = text.deserialize_any(root).and_then(|()| text.end());
    read.map_err(|error| {
        out.truncate(before);
        JsonError {
            line: error.line(),
            column: error.column(),
            fault: match (error.classify(), fault.get()) {
                (_, Some(fault)) => fault,
                (Category::Eof, None) => JsonFault::Truncated,
                // Fields note what they expect; only the request itself is left.
                (Category::Data, None) => JsonFault::Expected(Expected::Object),
                (Category::Syntax | Category::Io, None) => JsonFault::Syntax,
            },
        }
    })
}

/// Where the first fault is noted, because serde's errors carry text only.
type Fault<'f> = &'f Cell<Option<JsonFault>>;

fn fail<T, E: serde::de::Error>(noted: Fault<'_>, fault: JsonFault) -> Result<T, E> {
    noted.set(Some(fault));
    Err(E::custom("OTLP/JSON"))
}

/// The request itself.
struct Root<'w, 'b, 'f> {
    message: &'static Message,
    writer: &'w mut Writer<'b>,
    fault: Fault<'f>,
}

impl<'de> Visitor<'de> for Root<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        fields(map, self.message, self.writer, VALUE_DEPTH_MAX, self.fault)
    }
}

/// Writes the fields of one object.
fn fields<'de, A: MapAccess<'de>>(
    mut map: A,
    message: &'static Message,
    writer: &mut Writer<'_>,
    depth_left: u8,
    fault: Fault<'_>,
) -> Result<(), A::Error> {
    while let Some(known) = map.next_key_seed(Name(message))? {
        match known {
            Some(field) => {
                let (number, kind) = (field.number, field.kind);
                map.next_value_seed(FieldValue { number, kind, writer, depth_left, fault })?;
            }
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

/// The name of a field; finds it in the table without keeping the text.
struct Name(&'static Message);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: serde::Deserializer<'de>>(self, text: D) -> Result<Self::Value, D::Error> {
        text.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.field(name))
    }
}

/// The value of a known field, or one element of a repeated one.
struct FieldValue<'w, 'b, 'f> {
    number: u32,
    kind: Kind,
    writer: &'w mut Writer<'b>,
    depth_left: u8,
    fault: Fault<'f>,
}

impl FieldValue<'_, '_, '_> {
    fn refuse<E: serde::de::Error>(&self) -> Result<(), E> {
        fail(
            self.fault,
            JsonFault::Expected(match self.kind {
                Kind::Text => Expected::Text,
                Kind::Bytes => Expected::Base64,
                Kind::Id => Expected::Hex,
                Kind::Bool => Expected::Bool,
                Kind::Double => Expected::Number,
                Kind::Fixed64
                | Kind::Sfixed64
                | Kind::Fixed32
                | Kind::Uint32
                | Kind::Sint32
                | Kind::Int64
                | Kind::Uint64 => Expected::Integer,
                Kind::Doubles | Kind::Fixed64s | Kind::Uint64s | Kind::Many(_) => Expected::Array,
                Kind::One(_) | Kind::Deeper(_) => Expected::Object,
            }),
        )
    }

    fn integer<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        let number = self.number;
        let fits = match self.kind {
            Kind::Double => {
                #[expect(clippy::cast_precision_loss, reason = "a JSON integer in a double field")]
                self.writer.double(number, value as f64);
                true
            }
            Kind::Fixed64 => write_if(value, |value| self.writer.fixed64(number, value)),
            Kind::Sfixed64 => write_if(value, |value: i64| {
                self.writer.fixed64(number, value.cast_unsigned());
            }),
            Kind::Fixed32 => write_if(value, |value| self.writer.fixed32(number, value)),
            Kind::Uint32 => {
                write_if(value, |value: u32| self.writer.varint(number, u64::from(value)))
            }
            Kind::Sint32 => {
                write_if(value, |value: i32| self.writer.zigzag(number, i64::from(value)))
            }
            Kind::Int64 => write_if(value, |value: i64| {
                self.writer.varint(number, value.cast_unsigned());
            }),
            Kind::Uint64 => write_if(value, |value| self.writer.varint(number, value)),
            Kind::Text
            | Kind::Bytes
            | Kind::Id
            | Kind::Bool
            | Kind::Doubles
            | Kind::Fixed64s
            | Kind::Uint64s
            | Kind::One(_)
            | Kind::Many(_)
            | Kind::Deeper(_) => false,
        };
        if fits { Ok(()) } else { self.refuse() }
    }
}

fn write_if<T: TryFrom<i128>>(value: i128, write: impl FnOnce(T)) -> bool {
    T::try_from(value).map(write).is_ok()
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, text: D) -> Result<(), D::Error> {
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a field")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(()) // null is an absent field
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        match self.kind {
            Kind::Bool => {
                self.writer.varint(self.number, u64::from(value));
                Ok(())
            }
            _ => self.refuse(),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(i128::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        match (self.kind, whole(value)) {
            (Kind::Double, _) => {
                self.writer.double(self.number, value);
                Ok(())
            }
            (_, Some(whole)) => self.integer(whole),
            (_, None) => self.refuse(),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let number = self.number;
        match self.kind {
            Kind::Text => {
                self.writer.bytes(number, text.as_bytes());
                Ok(())
            }
            Kind::Bytes => match base64_bytes(text) {
                Some(bytes) => {
                    self.writer.bytes(number, &bytes);
                    Ok(())
                }
                None => self.refuse(),
            },
            Kind::Id => {
                let mut id = [0; ID_BYTES_MAX];
                match hex_bytes(text, &mut id) {
                    Some(bytes) => {
                        self.writer.bytes(number, bytes);
                        Ok(())
                    }
                    None => self.refuse(),
                }
            }
            Kind::Double => match text.parse() {
                Ok(value) => {
                    self.writer.double(number, value);
                    Ok(())
                }
                Err(_) => self.refuse(),
            },
            _ => match text.parse() {
                Ok(value) => self.integer(value),
                Err(_) => self.refuse(),
            },
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let (message, depth_left) = match self.kind {
            Kind::One(message) => (message, self.depth_left),
            Kind::Deeper(message) => match self.depth_left.checked_sub(1) {
                Some(depth_left) => (message, depth_left),
                None => return fail(self.fault, JsonFault::Depth),
            },
            _ => return self.refuse(),
        };
        self.writer
            .message(self.number, |writer| fields(map, message, writer, depth_left, self.fault))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let kind = match self.kind {
            Kind::Many(message) => Kind::One(message),
            Kind::Doubles => Kind::Double,
            Kind::Fixed64s => Kind::Fixed64,
            Kind::Uint64s => Kind::Uint64,
            _ => return self.refuse(),
        };
        let Self { number, writer, depth_left, fault, .. } = self;
        loop {
            let element = FieldValue { number, kind, writer, depth_left, fault };
            if elements.next_element_seed(element)?.is_none() {
                return Ok(());
            }
        }
    }
}

/// A double that is a whole number, as one.
fn whole(value: f64) -> Option<i128> {
    // Beyond 2^64 no field could hold it; the cast is exact below.
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    let cast = value as i128;
    #[expect(clippy::cast_precision_loss, reason = "compared with what it was cast from")]
    let back = cast as f64;
    (value.abs() <= 18_446_744_073_709_551_616.0 && back.to_bits() == value.to_bits())
        .then_some(cast)
}

/// Base64 in either alphabet, padded or not: JSON writers differ, protobuf says read them all.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// Hex digits of either case into the front of `id`.
fn hex_bytes<'i>(text: &str, id: &'i mut [u8; ID_BYTES_MAX]) -> Option<&'i [u8]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > ID_BYTES_MAX {
        return None;
    }
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    id.get(..pairs.len())
}

/// A trace id, the longest id that OTLP has.
const ID_BYTES_MAX: usize = 16;

#[cfg(test)]
mod tests;
