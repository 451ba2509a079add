//! DER (X.690): the few shapes of the certificates that Lucarne writes and reads itself.
//!
//! The writer has one spelling for each value and the reader accepts no other: a certificate of
//! ours is read, written again and compared, so nothing that is not in its profile gets through.

use alloc::vec::Vec;
use core::fmt;

pub mod time;

/// `BIT STRING`.
pub const BIT_STRING: u8 = 0x03;
/// `INTEGER`.
pub const INTEGER: u8 = 0x02;
/// `UTF8String`.
pub const UTF8_STRING: u8 = 0x0c;
/// `UTCTime`.
pub const UTC_TIME: u8 = 0x17;
/// `SEQUENCE`.
pub const SEQUENCE: u8 = 0x30;
/// `SET`.
pub const SET: u8 = 0x31;
/// Context tag 0 around its content.
pub const EXPLICIT_0: u8 = 0xa0;
/// Context tag 3 around its content.
pub const EXPLICIT_3: u8 = 0xa3;
/// `INTEGER 2` in its context tag: version 3 of X.509.
pub const VERSION_3: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];

/// Longest content: three bytes of length are enough for every certificate of ours.
const CONTENT_BYTES_MAX: usize = 0xffff;

/// Bytes that are not the element that was asked for, in its one spelling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotDer;

impl fmt::Display for NotDer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the expected element in DER")
    }
}

impl core::error::Error for NotDer {}

/// One element. Content of more than 64 KiB cannot be read back.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}

/// A sequence of elements that are already encoded.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A string of whole bytes as bits.
pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// Reads elements one after the other, in place.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of the next element, which has this tag.
    ///
    /// # Errors
    /// When there is another, or its length is not written as short as can be.
    pub fn content(&mut self, tag: u8) -> Result<&'a [u8], NotDer> {
        let (&found, rest) = self.rest.split_first().ok_or(NotDer)?;
        let (length, rest) = length(rest)?;
        if found != tag {
            return Err(NotDer);
        }
        let (content, rest) = rest.split_at_checked(length).ok_or(NotDer)?;
        self.rest = rest;
        Ok(content)
    }

    /// The next element with its head, which has this tag.
    ///
    /// # Errors
    /// As [`content`](Self::content).
    pub fn whole(&mut self, tag: u8) -> Result<&'a [u8], NotDer> {
        let before = self.rest;
        self.content(tag)?;
        Ok(before.get(..before.len() - self.rest.len()).unwrap_or_default())
    }

    /// These bytes and no others.
    ///
    /// # Errors
    /// When something else stands here.
    pub fn exactly(&mut self, bytes: &[u8]) -> Result<(), NotDer> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(NotDer)?;
        Ok(())
    }

    /// Ends the reading: nothing may follow.
    ///
    /// # Errors
    /// When something does.
    pub const fn end(self) -> Result<(), NotDer> {
        if self.rest.is_empty() { Ok(()) } else { Err(NotDer) }
    }
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), NotDer> {
    let (value, least, rest) = match bytes {
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), 0, rest),
        [0x81, low, rest @ ..] => (usize::from(*low), 0x80, rest),
        [0x82, high, low, rest @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), 0x100, rest)
        }
        _ => return Err(NotDer),
    };
    if value < least || value > CONTENT_BYTES_MAX { Err(NotDer) } else { Ok((value, rest)) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn every_length_has_one_spelling() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let written = element(SEQUENCE, &vec![7; length]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.content(SEQUENCE), Ok(&vec![7; length][..]));
            assert_eq!(reader.end(), Ok(()));
        }
        for longer in [&[0x30, 0x81, 1, 7][..], &[0x30, 0x82, 0, 1, 7], &[0x30, 0x80, 0, 0]] {
            assert_eq!(Reader::new(longer).content(SEQUENCE), Err(NotDer), "{longer:?}");
        }
    }

    #[test]
    fn another_tag_a_cut_and_a_tail_are_refused() {
        let written = element(INTEGER, &[5]);
        assert_eq!(Reader::new(&written).content(SEQUENCE), Err(NotDer));
        for cut in 0..written.len() {
            assert_eq!(Reader::new(&written[..cut]).content(INTEGER), Err(NotDer));
        }
        let mut reader = Reader::new(&[2, 1, 5, 9]);
        assert_eq!(reader.whole(INTEGER), Ok(&[2, 1, 5][..]));
        assert_eq!(reader.clone().exactly(&[9]), Ok(()));
        assert_eq!(reader.end(), Err(NotDer));
    }
}
