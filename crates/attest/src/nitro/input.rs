//! Reading CBOR with the place of an error, and with the one liberty that genuine documents take.
//!
//! Numbers and lengths have one spelling, strings come in one piece. Maps and arrays of the payload
//! may be of definite or indefinite length: both were met in documents that AWS signed.

use lucarne_ledger::cbor::{CborError, Reader};

use crate::rejected::{Part, Rejected};

/// A part of the evidence that is being read.
pub(super) struct Input<'a> {
    part: Part,
    length: usize,
    reader: Reader<'a>,
}

/// How many items of a container are still to come.
#[derive(Clone, Copy)]
pub(super) enum Remaining {
    /// So many.
    Items(u64),
    /// Those before the break.
    UntilBreak,
}

impl<'a> Input<'a> {
    pub(super) const fn new(part: Part, bytes: &'a [u8]) -> Self {
        Self { part, length: bytes.len(), reader: Reader::new(bytes) }
    }

    /// Offset of what is read next.
    pub(super) const fn at(&self) -> usize {
        self.length - self.reader.rest().len()
    }

    /// Reads with the strict reader; an error carries the place where the item began.
    pub(super) fn read<T>(
        &mut self,
        item: impl FnOnce(&mut Reader<'a>) -> Result<T, CborError>,
    ) -> Result<T, Rejected> {
        let (part, at) = (self.part, self.at());
        item(&mut self.reader).map_err(|cause| Rejected::Cbor { part, at, cause })
    }

    /// Takes a null if one stands here.
    pub(super) fn null(&mut self) -> bool {
        self.reader.null()
    }

    /// Whether a tag stands here.
    pub(super) fn at_tag(&self) -> bool {
        self.reader.rest().first().is_some_and(|first| first >> 5 == TAG)
    }

    /// Opens a map.
    pub(super) fn map(&mut self) -> Result<Remaining, Rejected> {
        if self.take_if(MAP_UNTIL_BREAK) {
            return Ok(Remaining::UntilBreak);
        }
        self.read(Reader::map).map(Remaining::Items)
    }

    /// Opens an array.
    pub(super) fn array(&mut self) -> Result<Remaining, Rejected> {
        if self.take_if(ARRAY_UNTIL_BREAK) {
            return Ok(Remaining::UntilBreak);
        }
        self.read(Reader::array).map(Remaining::Items)
    }

    /// Whether the container has another item (another pair, for a map); takes the break if not.
    pub(super) fn more(&mut self, remaining: &mut Remaining) -> bool {
        match remaining {
            Remaining::Items(count) => match count.checked_sub(1) {
                Some(fewer) => {
                    *count = fewer;
                    true
                }
                None => false,
            },
            Remaining::UntilBreak => !self.take_if(BREAK),
        }
    }

    /// Passes over one item of any kind.
    pub(super) fn skip(&mut self, depth: u8) -> Result<(), Rejected> {
        if depth > NESTING_MAX {
            return Err(Rejected::TooDeep { at: self.at() });
        }
        let major = self.reader.rest().first().map_or(0, |first| first >> 5);
        match major {
            BYTES => self.read(Reader::bytes).map(|_| ()),
            TEXT => self.read(Reader::text).map(|_| ()),
            ARRAY => {
                let mut remaining = self.array()?;
                while self.more(&mut remaining) {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            MAP => {
                let mut remaining = self.map()?;
                while self.more(&mut remaining) {
                    self.skip(depth + 1)?;
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            TAG => {
                self.skip_head()?;
                self.skip(depth + 1)
            }
            _ => self.skip_head(),
        }
    }

    /// Ends the reading: nothing may follow.
    pub(super) fn end(mut self) -> Result<(), Rejected> {
        self.read(|reader| reader.clone().end())
    }

    /// Passes over the head of a number, a tag, a simple value or a float.
    fn skip_head(&mut self) -> Result<(), Rejected> {
        self.read(|reader| {
            let rest = reader.rest();
            let after = match rest.first().ok_or(CborError::Truncated)? & 31 {
                0..24 => 1,
                24 => 2,
                25 => 3,
                26 => 5,
                27 => 9,
                _ => return Err(CborError::NotDeterministic),
            };
            *reader = Reader::new(rest.get(after..).ok_or(CborError::Truncated)?);
            Ok(())
        })
    }

    fn take_if(&mut self, byte: u8) -> bool {
        match self.reader.rest().split_first() {
            Some((first, rest)) if *first == byte => {
                self.reader = Reader::new(rest);
                true
            }
            _ => false,
        }
    }
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const ARRAY_UNTIL_BREAK: u8 = 0x9f;
const MAP_UNTIL_BREAK: u8 = 0xbf;
const BREAK: u8 = 0xff;
/// Documents nest two deep. Unknown fields may nest further, but not without bound: this recurses.
const NESTING_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[track_caller]
    fn skipped(bytes: &[u8]) -> Result<(), Rejected> {
        let mut input = Input::new(Part::Payload, bytes);
        input.skip(0)?;
        input.end()
    }

    #[test]
    fn every_kind_of_item_can_be_passed_over() {
        let items: [&[u8]; 12] = [
            &[0x17],
            &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x38, 0x22],
            &[0x42, 1, 2],
            &[0x61, b'a'],
            &[0x82, 0x01, 0x80],
            &[0x9f, 0x01, 0xff],
            &[0xa1, 0x01, 0x02],
            &[0xbf, 0x01, 0x02, 0xff],
            &[0xd8, 0x20, 0x61, b'a'],
            &[0xf6],
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for item in items {
            assert_eq!(skipped(item), Ok(()), "{item:x?}");
            let cut = &item[..item.len() - 1];
            let cause = CborError::Truncated;
            let refused =
                matches!(skipped(cut), Err(Rejected::Cbor { cause: c, .. }) if c == cause);
            assert!(refused, "{cut:x?}");
        }
    }

    #[test]
    fn depth_is_bounded_and_strings_come_in_one_piece() {
        let deep = vec![0x81; 4_000];
        assert_eq!(skipped(&deep), Err(Rejected::TooDeep { at: 17 }));
        let chunked =
            Rejected::Cbor { part: Part::Payload, at: 0, cause: CborError::NotDeterministic };
        assert_eq!(skipped(&[0x5f, 0x41, 0, 0xff]), Err(chunked));
    }
}
