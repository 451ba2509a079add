//! Deterministic CBOR (RFC 8949 §4.2): the few shapes that Lucarne's formats use, one spelling
//! each.
//!
//! The reader refuses every longer spelling of a number, indefinite lengths and bytes after the
//! end, so equal values are equal bytes. General-purpose readers accept those, which is why this
//! one exists.

use alloc::vec::Vec;
use core::fmt;

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CborError {
    /// They end inside an item.
    Truncated,
    /// Another kind of item stands where this major type was expected.
    Unexpected {
        /// Major type that the format asks for.
        expected: u8,
    },
    /// A number or length is written longer than it must be, or with indefinite length.
    NotDeterministic,
    /// Something follows the last item.
    TrailingBytes,
    /// A text is not UTF-8.
    Utf8,
    /// A value, a count or a length is not one that the format allows.
    Value,
}

impl fmt::Display for CborError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "cbor ends inside an item"),
            Self::Unexpected { expected } => write!(f, "cbor item is not of major type {expected}"),
            Self::NotDeterministic => write!(f, "cbor is not in deterministic form"),
            Self::TrailingBytes => write!(f, "bytes follow the last cbor item"),
            Self::Utf8 => write!(f, "cbor text is not UTF-8"),
            Self::Value => write!(f, "cbor value is not allowed here"),
        }
    }
}

impl core::error::Error for CborError {}

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;

/// Reads items one after the other, in place.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Ends the reading: nothing may follow.
    ///
    /// # Errors
    /// `TrailingBytes`.
    pub const fn end(self) -> Result<(), CborError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CborError::TrailingBytes) }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// When there is none.
    pub fn uint(&mut self) -> Result<u64, CborError> {
        self.head(UINT)
    }

    /// A negative integer `-1 - n`, as `n`.
    ///
    /// # Errors
    /// When there is none.
    pub fn negative(&mut self) -> Result<u64, CborError> {
        self.head(NEGATIVE)
    }

    /// The major type of the next item, if there is one.
    pub fn peek_major(&self) -> Option<u8> {
        self.rest.first().map(|first| first >> 5)
    }

    /// The integer `expected` and no other.
    ///
    /// # Errors
    /// `Value` for another integer.
    pub fn exactly(&mut self, expected: u64) -> Result<(), CborError> {
        if self.uint()? == expected { Ok(()) } else { Err(CborError::Value) }
    }

    /// A byte string.
    ///
    /// # Errors
    /// When there is none.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let length = self.head(BYTES)?;
        self.take(length)
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// `Value` for another length.
    pub fn array_of<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        self.bytes()?.try_into().map_err(|_| CborError::Value)
    }

    /// A text string.
    ///
    /// # Errors
    /// When there is none, or it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        let length = self.head(TEXT)?;
        core::str::from_utf8(self.take(length)?).map_err(|_| CborError::Utf8)
    }

    /// The number of items of an array.
    ///
    /// # Errors
    /// When there is none.
    pub fn array(&mut self) -> Result<u64, CborError> {
        self.head(ARRAY)
    }

    /// The number of pairs of a map.
    ///
    /// # Errors
    /// When there is none.
    pub fn map(&mut self) -> Result<u64, CborError> {
        self.head(MAP)
    }

    /// The tag `expected` and no other.
    ///
    /// # Errors
    /// `Value` for another tag.
    pub fn tag(&mut self, expected: u64) -> Result<(), CborError> {
        if self.head(TAG)? == expected { Ok(()) } else { Err(CborError::Value) }
    }

    /// Takes a null if one stands here.
    pub fn null(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&NULL, rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let length = usize::try_from(length).map_err(|_| CborError::Truncated)?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or(CborError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn head(&mut self, major: u8) -> Result<u64, CborError> {
        let (&first, rest) = self.rest.split_first().ok_or(CborError::Truncated)?;
        if first >> 5 != major {
            return Err(CborError::Unexpected { expected: major });
        }
        self.rest = rest;
        let (value, least) = match first & 31 {
            short @ 0..=23 => return Ok(u64::from(short)),
            24 => (u64::from(self.number::<1>()?[0]), 24),
            25 => (u64::from(u16::from_be_bytes(self.number()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.number()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.number()?), 1 << 32),
            _ => return Err(CborError::NotDeterministic),
        };
        if value < least { Err(CborError::NotDeterministic) } else { Ok(value) }
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(CborError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }
}

/// Appends items in their one spelling.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub const fn new() -> Self {
        Self { out: Vec::new() }
    }

    /// A writer that goes on after `out`.
    pub const fn after(out: Vec<u8>) -> Self {
        Self { out }
    }

    /// What has been written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Number of bytes written.
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(UINT, value)
    }

    /// A negative integer, `-1 - value`.
    pub fn negative(&mut self, value: u64) -> &mut Self {
        self.head(NEGATIVE, value)
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(BYTES, value.len() as u64);
        self.raw(value)
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(TEXT, value.len() as u64);
        self.raw(value.as_bytes())
    }

    /// The head of an array of `count` items.
    pub fn array(&mut self, count: u64) -> &mut Self {
        self.head(ARRAY, count)
    }

    /// The head of a map of `count` pairs.
    pub fn map(&mut self, count: u64) -> &mut Self {
        self.head(MAP, count)
    }

    /// A tag.
    pub fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(TAG, tag)
    }

    /// A null.
    pub fn null(&mut self) -> &mut Self {
        self.raw(&[NULL])
    }

    /// Items that are already encoded.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        self.out.extend_from_slice(encoded);
        self
    }

    #[expect(clippy::cast_possible_truncation, reason = "each arm's pattern bounds the value")]
    fn head(&mut self, major: u8, value: u64) -> &mut Self {
        let major = major << 5;
        match value {
            0..=23 => self.out.push(major | value as u8),
            24..=0xff => self.out.extend_from_slice(&[major | 24, value as u8]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend_from_slice(&(value as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend_from_slice(&(value as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_of_number_has_one_spelling() {
        for value in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut writer = Writer::new();
            writer.uint(value);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.uint(), Ok(value));
            assert_eq!(reader.end(), Ok(()));
        }
        for long in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1b; 9], &[0x1f]]
        {
            let long = if long.len() == 9 { &[0x1b, 0, 0, 0, 0, 1, 0, 0, 0][..] } else { long };
            assert_eq!(Reader::new(long).uint(), Err(CborError::NotDeterministic), "{long:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_truncated_and_allocates_nothing() {
        let claim = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(&claim).bytes(), Err(CborError::Truncated));
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let mut reader = Reader::new(&[0x01, 0x02]);
        assert_eq!(reader.uint(), Ok(1));
        assert_eq!(reader.end(), Err(CborError::TrailingBytes));
    }
}
