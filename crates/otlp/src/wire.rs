//! The protobuf wire format, walked in place and written back.
//!
//! Reading copies nothing and trusts nothing: every length is checked against what is left, groups are
//! refused, and a varint has one to ten bytes. Unknown fields are the caller's to skip or refuse.

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
    #[inline]
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

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= bits << (7 * index);
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..).ok_or(WireError::Truncated)?;
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }

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

    /// Wire type 0.
    pub fn varint(&mut self, number: u32, value: u64) {
        self.raw_varint(u64::from(number) << 3);
        self.raw_varint(value);
    }

    /// Wire type 1.
    pub fn fixed64(&mut self, number: u32, value: u64) {
        self.raw_varint(u64::from(number) << 3 | 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Wire type 5.
    pub fn fixed32(&mut self, number: u32, value: u32) {
        self.raw_varint(u64::from(number) << 3 | 5);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Wire type 2 with known content.
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        self.raw_varint(u64::from(number) << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// Wire type 2 whose content `write` appends; the length is put before it afterwards.
    pub fn message<R>(&mut self, number: u32, write: impl FnOnce(&mut Writer<'_>) -> R) -> R {
        self.raw_varint(u64::from(number) << 3 | 2);
        let start = self.out.len();
        self.out.push(0); // nearly every nested message of OTLP is shorter than 128 bytes
        let result = write(&mut Writer { out: self.out });
        let length = (self.out.len() - start - 1) as u64;
        if length < 0x80 {
            self.out[start] = length as u8;
        } else {
            let mut prefix = Vec::with_capacity(10);
            Writer { out: &mut prefix }.raw_varint(length);
            self.out.splice(start..=start, prefix);
        }
        result
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

const FIELD_NUMBER_MAX: u32 = (1 << 29) - 1;
