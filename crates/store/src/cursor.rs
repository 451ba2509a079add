//! The primitives of everything the store writes: varints, texts and fixed numbers.
//!
//! A number has one spelling, the shortest, and a reader knows exactly where it stands: whoever
//! reads a whole ends with [`Cursor::finish`], which refuses trailing bytes.

use std::fmt;

/// What is wrong with bytes that should have been written by this crate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// They end inside a value.
    Truncated,
    /// Something follows the last value.
    Trailing {
        /// So many bytes.
        bytes: usize,
    },
    /// They do not begin as this format does, or are of another version.
    Magic,
    /// Text that is not UTF-8.
    Utf8,
    /// A value that the writer spells otherwise.
    NotCanonical {
        /// Which.
        what: &'static str,
    },
    /// A number over its limit.
    Limit {
        /// Of what.
        what: &'static str,
        /// What was read.
        got: u64,
        /// What is allowed.
        max: u64,
    },
    /// A section that does not decompress to the length it claims.
    Compression {
        /// Which.
        what: &'static str,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "ends inside a value"),
            Self::Trailing { bytes } => write!(f, "{bytes} bytes follow the last value"),
            Self::Magic => write!(f, "begins as another format or version"),
            Self::Utf8 => write!(f, "text is not UTF-8"),
            Self::NotCanonical { what } => write!(f, "{what} is not spelled as the writer does"),
            Self::Limit { what, got, max } => write!(f, "{what} is {got}, at most {max} allowed"),
            Self::Compression { what } => write!(f, "{what} does not decompress to its length"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (&head, tail) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if (shift == 63 && byte > 1) || (shift > 0 && byte == 0) {
                return Err(Malformed::NotCanonical { what: "varint" });
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed::NotCanonical { what: "varint" })
    }

    /// A number that counts things and may be at most `max`.
    pub(crate) fn count(&mut self, what: &'static str, max: usize) -> Result<usize, Malformed> {
        let got = self.varint()?;
        match usize::try_from(got) {
            Ok(count) if count <= max => Ok(count),
            Ok(_) | Err(_) => Err(Malformed::Limit { what, got, max: max as u64 }),
        }
    }

    pub(crate) fn text(&mut self, what: &'static str, max: usize) -> Result<&'a str, Malformed> {
        let length = self.count(what, max)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed::Utf8)
    }

    /// Everything that is left.
    pub(crate) const fn remaining(self) -> &'a [u8] {
        self.rest
    }

    /// # Errors
    /// When something is left.
    pub(crate) const fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Malformed::Trailing { bytes: self.rest.len() })
    }
}

/// Appends the shortest spelling of a number.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a text with its length before it.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Appends bytes with their length before them.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Small numbers of either sign as small numbers.
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

/// The inverse of [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut cursor = Cursor::new(&out);
            assert_eq!(cursor.varint(), Ok(value));
            assert_eq!(cursor.finish(), Ok(()));
        }
        let refused = Err(Malformed::NotCanonical { what: "varint" });
        assert_eq!(Cursor::new(&[0x80, 0]).varint(), refused);
        assert_eq!(Cursor::new(&[0xff; 10]).varint(), refused);
        assert_eq!(Cursor::new(&[0x80]).varint(), Err(Malformed::Truncated));
    }

    #[test]
    fn signs_fold_and_unfold() {
        for value in [0, 1, -1, i64::MIN, i64::MAX, -300] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!((zigzag(-1), zigzag(1)), (1, 2));
    }

    #[test]
    fn limits_come_before_content() {
        let over = Malformed::Limit { what: "name", got: 3, max: 2 };
        assert_eq!(Cursor::new(b"\x03abc").text("name", 2), Err(over));
        assert_eq!(Cursor::new(b"\x03abc").text("name", 3), Ok("abc"));
        assert_eq!(Cursor::new(b"\x02\xff\xff").text("name", 3), Err(Malformed::Utf8));
        assert_eq!(Cursor::new(b"xy").finish(), Err(Malformed::Trailing { bytes: 2 }));
    }
}
