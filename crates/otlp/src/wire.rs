//! The protobuf wire format, walked in place and written back.
//!
//! Reading copies nothing and trusts nothing: every length is checked against what is left, groups
//! are refused, and a varint has one to ten bytes. Unknown fields are the caller's to skip or
//! refuse.

use alloc::vec::Vec;
use core::fmt;

/// One field of a message: its number and its undecoded value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Field number, 1 to 2^29 - 1.
    pub number: u32,
    /// The value as the wire type gives it.
    pub value: Value<'a>,
}

/// A value as one of the four wire types that OTLP uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1, little endian.
    Fixed64(u64),
    /// Wire type 2: bytes, string, message or packed field.
    Bytes(&'a [u8]),
    /// Wire type 5, little endian.
    Fixed32(u32),
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WireError {
    /// The message ends inside a field.
    Truncated,
    /// A varint has more than ten bytes or more than 64 bits.
    Varint,
    /// A tag has field number zero, one above 2^29 - 1, or a wire type that OTLP does not use.
    Tag,
    /// A field that is text is not UTF-8.
    Utf8,
    /// A known field has another wire type than its definition says.
    Type {
        /// Field number.
        number: u32,
    },
    /// Nested deeper than the limit.
    Depth,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "message ends inside a field"),
            Self::Varint => write!(f, "varint is longer than 64 bits"),
            Self::Tag => write!(f, "field tag is not valid"),
            Self::Utf8 => write!(f, "text field is not UTF-8"),
            Self::Type { number } => write!(f, "field {number} has the wrong wire type"),
            Self::Depth => write!(f, "message is nested too deeply"),
        }
    }
}

impl core::error::Error for WireError {}

/// Walks the fields of one message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over the body of one message.
    pub const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field, or `None` at the exact end.
    ///
    /// # Errors
    /// When the bytes are not a valid field.
    #[expect(
        clippy::inline_always,
        reason = "a field that is returned through memory costs a third"
    )]
    #[inline(always)]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Tag)?;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(WireError::Tag);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                let (head, tail) =
                    self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.rest = tail;
                Value::Bytes(head)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(WireError::Tag),
        };
        Ok(Some(Field { number, value }))
    }

    /// The next number of a packed field of varints, or `None` at the exact end.
    ///
    /// # Errors
    /// When the bytes are not a varint.
    pub fn next_varint(&mut self) -> Result<Option<u64>, WireError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    /// The next number of a packed field of fixed64, or `None` at the exact end.
    ///
    /// # Errors
    /// When less than eight bytes are left.
    pub fn next_fixed64(&mut self) -> Result<Option<u64>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.array().map(|bytes| Some(u64::from_le_bytes(bytes)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        // Nearly every tag and length of OTLP is one byte.
        match self.rest.split_first() {
            Some((&byte, tail)) if byte < 0x80 => {
                self.rest = tail;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        let mut shift = 0_u32;
        let mut rest = self.rest;
        while let Some((&byte, tail)) = rest.split_first() {
            if shift == 63 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << shift;
            rest = tail;
            if byte < 0x80 {
                self.rest = rest;
                return Ok(value);
            }
            shift = shift.saturating_add(7);
        }
        Err(WireError::Truncated)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = tail;
        Ok(*head)
    }
}

/// Appends fields to a buffer that the caller owns and reuses.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    /// A writer that appends to `out`.
    pub const fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Length of the buffer so far, what stood in it before included.
    pub const fn position(&self) -> usize {
        self.out.len()
    }

    /// Wire type 0.
    #[inline]
    pub fn varint(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        self.raw_varint(value);
    }

    /// Wire type 0 in zigzag form (`sint32`, `sint64`).
    pub fn zigzag(&mut self, number: u32, value: i64) {
        self.varint(number, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
    }

    /// Wire type 1.
    #[inline]
    pub fn fixed64(&mut self, number: u32, value: u64) {
        self.tag(number, 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Wire type 1 holding a double.
    #[inline]
    pub fn double(&mut self, number: u32, value: f64) {
        self.fixed64(number, value.to_bits());
    }

    /// Wire type 5.
    #[inline]
    pub fn fixed32(&mut self, number: u32, value: u32) {
        self.tag(number, 5);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Wire type 2 with known content.
    #[inline]
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        self.head(number, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// Wire type 2 whose content, of so many bytes, is written next.
    #[inline]
    pub fn head(&mut self, number: u32, length: u64) {
        self.tag(number, 2);
        self.raw_varint(length);
    }

    /// One number of a packed field of varints, to be written within [`message`](Self::message).
    #[inline]
    pub fn packed_varint(&mut self, value: u64) {
        self.raw_varint(value);
    }

    /// One number of a packed field of fixed64, to be written within [`message`](Self::message).
    #[inline]
    pub fn packed_fixed64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Fields that were encoded before, as they are.
    #[inline]
    pub fn encoded(&mut self, fields: &[u8]) {
        self.out.extend_from_slice(fields);
    }

    /// Wire type 2 whose content `write` appends; the length is put before it afterwards.
    #[inline]
    pub fn message<R>(&mut self, number: u32, write: impl FnOnce(&mut Writer<'_>) -> R) -> R {
        self.tag(number, 2);
        let length_at = self.out.len();
        self.out.push(0); // nearly every nested message of OTLP is shorter than 128 bytes
        let result = write(&mut Writer { out: self.out });
        self.patch_length(length_at);
        result
    }

    /// Puts the length of what follows `length_at` there, where one byte is kept free for it.
    #[inline]
    fn patch_length(&mut self, length_at: usize) {
        let start = length_at.saturating_add(1);
        let length = self.out.len().saturating_sub(start);
        if let (Ok(short @ 0..0x80), Some(slot)) =
            (u8::try_from(length), self.out.get_mut(length_at))
        {
            *slot = short;
            return;
        }
        let mut prefix = [0_u8; VARINT_BYTES_MAX];
        let used = put_varint(&mut prefix, length as u64);
        let prefix = prefix.get(..used).unwrap_or(&[]);
        // The content moves right by what the length needs beyond its one byte.
        self.out.splice(length_at..start, prefix.iter().copied());
    }

    #[inline]
    fn tag(&mut self, number: u32, wire_type: u8) {
        self.raw_varint(u64::from(number) << 3 | u64::from(wire_type));
    }

    #[inline]
    fn raw_varint(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(short @ 0..0x80) => self.out.push(short),
            _ => {
                let mut bytes = [0_u8; VARINT_BYTES_MAX];
                let used = put_varint(&mut bytes, value);
                self.out.extend_from_slice(bytes.get(..used).unwrap_or(&[]));
            }
        }
    }
}

/// Encodes a varint at the front of `bytes` and says how many bytes it took.
fn put_varint(bytes: &mut [u8; VARINT_BYTES_MAX], mut value: u64) -> usize {
    for (index, byte) in bytes.iter_mut().enumerate() {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            *byte = low & 0x7f;
            return index.saturating_add(1);
        }
        *byte = low | 0x80;
    }
    VARINT_BYTES_MAX
}

const FIELD_NUMBER_MAX: u32 = (1 << 29) - 1;

/// A varint of 64 bits in groups of seven.
const VARINT_BYTES_MAX: usize = 10;

#[cfg(test)]
mod tests;
