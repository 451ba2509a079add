//! A block to rows: each part is decompressed when it is asked for, and checked as a whole.

use std::cell::RefCell;

use zstd::bulk::Decompressor;

use super::footer::{Class, Footer, MAGIC, Section};
use super::shapes::Shapes;
use super::{BLOCK_BYTES_MAX, STORED_BYTES_MAX, VALUE_BYTES_MAX};
use crate::bloom::{BLOOM_BYTES_MAX, Bloom};
use crate::column::Column;
use crate::cursor::{Cursor, Malformed};

/// A block whose footer was read.
#[derive(Debug)]
pub struct Block<'a> {
    pub(crate) footer: Footer,
    body: &'a [u8],
}

/// The times of a block, and its lines unless they are not needed.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) times: Vec<i64>,
    pub(crate) lines: String,
    pub(crate) line_ends: Vec<u32>,
}

impl<'a> Block<'a> {
    /// Reads the footer. The parts must fill what is before it.
    ///
    /// # Errors
    /// When no writer makes these bytes.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > STORED_BYTES_MAX {
            let (got, max) = (bytes.len() as u64, STORED_BYTES_MAX as u64);
            return Err(Malformed::Limit { what: "block", got, max });
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(Malformed::Magic)?;
        let (rest, length) = rest.split_last_chunk::<4>().ok_or(Malformed::Truncated)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let body = rest.len().checked_sub(length).ok_or(Malformed::Truncated)?;
        let (body, footer) = rest.split_at_checked(body).ok_or(Malformed::Truncated)?;
        let footer = Footer::read(footer)?;
        let parts: usize = footer.sections.iter().map(|section| section.stored).sum();
        if parts != body.len() {
            return Err(Malformed::NotCanonical { what: "sections" });
        }
        Ok(Self { footer, body })
    }

    /// How many rows it has.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.footer.rows
    }

    /// Lines and columns, decompressed.
    pub(crate) fn content_bytes(&self) -> u64 {
        self.footer.sections.iter().map(|section| section.raw as u64).sum()
    }

    /// Reads everything, as a query for all columns would.
    ///
    /// # Errors
    /// When a part is not as its writer makes it.
    pub fn check(&self) -> Result<(), Malformed> {
        self.read_rows()?;
        self.bloom()?;
        self.shapes()?;
        for section in &self.footer.sections {
            if section.class > Class::Bloom {
                self.column(section)?;
            }
        }
        Ok(())
    }

    pub(crate) fn read_rows(&self) -> Result<Rows, Malformed> {
        self.rows_of(self.lines()?)
    }

    /// The rows, given their lines.
    pub(crate) fn rows_of(&self, lines: Vec<u8>) -> Result<Rows, Malformed> {
        let times = self.times()?;
        let lines = String::from_utf8(lines).map_err(|_| Malformed::Utf8)?;
        let line_ends = self.line_ends(&lines)?;
        Ok(Rows { times, lines, line_ends })
    }

    /// The rows with nothing in their lines.
    pub(crate) fn bare_rows(&self) -> Result<Rows, Malformed> {
        Ok(Rows { times: self.times()?, lines: String::new(), line_ends: Vec::new() })
    }

    pub(crate) fn lines(&self) -> Result<Vec<u8>, Malformed> {
        self.part(self.once(Class::Lines)?, BLOCK_BYTES_MAX)
    }

    /// Bytes of the lines, decompressed.
    pub(crate) fn line_bytes(&self) -> u64 {
        self.columns(Class::Lines).map(|section| section.raw as u64).sum()
    }

    pub(crate) fn times(&self) -> Result<Vec<i64>, Malformed> {
        let bytes = self.part(self.once(Class::Times)?, self.footer.rows * 10)?;
        let mut cursor = Cursor::new(&bytes);
        let mut last = self.footer.first_ns;
        let mut times = Vec::with_capacity(self.footer.rows);
        for row in 0..self.footer.rows {
            let step = cursor.varint()?;
            let next = last.checked_add_unsigned(step).filter(|_| row > 0 || step == 0);
            last = next.ok_or(Malformed::NotCanonical { what: "times" })?;
            times.push(last);
        }
        cursor.finish()?;
        if last != self.footer.last_ns {
            return Err(Malformed::NotCanonical { what: "times" });
        }
        Ok(times)
    }

    fn line_ends(&self, lines: &str) -> Result<Vec<u32>, Malformed> {
        let bytes = self.part(self.once(Class::LineLengths)?, self.footer.rows * 5)?;
        let mut cursor = Cursor::new(&bytes);
        let mut ends = Vec::with_capacity(self.footer.rows);
        let mut end = 0_usize;
        for _ in 0..self.footer.rows {
            end += cursor.count("line", VALUE_BYTES_MAX)?;
            if !lines.is_char_boundary(end) {
                return Err(Malformed::NotCanonical { what: "line lengths" });
            }
            ends.push(u32::try_from(end).unwrap_or(u32::MAX));
        }
        cursor.finish()?;
        if end != lines.len() {
            return Err(Malformed::NotCanonical { what: "line lengths" });
        }
        Ok(ends)
    }

    pub(crate) fn bloom(&self) -> Result<Bloom, Malformed> {
        let bytes = self.part(self.once(Class::Bloom)?, BLOOM_BYTES_MAX)?;
        Bloom::from_bytes(&bytes).ok_or(Malformed::NotCanonical { what: "filter" })
    }

    pub(crate) fn shapes(&self) -> Result<Shapes, Malformed> {
        let bytes = self.part(self.once(Class::Shapes)?, STORED_BYTES_MAX)?;
        Shapes::read(&bytes, self.footer.rows, self.columns(Class::Json).count())
    }

    /// The columns of a class with their names, by name.
    pub(crate) fn columns(&self, class: Class) -> impl Iterator<Item = &Section> {
        self.footer.sections.iter().filter(move |section| section.class == class)
    }

    pub(crate) fn column(&self, section: &Section) -> Result<Column, Malformed> {
        let bytes = self.part(section, STORED_BYTES_MAX)?;
        Column::read(section.encoding, &bytes, self.footer.rows)
    }

    fn once(&self, class: Class) -> Result<&Section, Malformed> {
        self.columns(class).next().ok_or(Malformed::NotCanonical { what: class.as_str() })
    }

    fn part(&self, section: &Section, max: usize) -> Result<Vec<u8>, Malformed> {
        let what = section.class.as_str();
        if section.raw > max {
            return Err(Malformed::Limit { what, got: section.raw as u64, max: max as u64 });
        }
        let before = self.footer.sections.iter().take_while(|other| !std::ptr::eq(*other, section));
        let start: usize = before.map(|section| section.stored).sum();
        let stored = self.body.get(start..start + section.stored).ok_or(Malformed::Truncated)?;
        if !section.compressed {
            return Ok(stored.to_vec());
        }
        let raw = decompress(stored, section.raw);
        raw.filter(|raw| raw.len() == section.raw).ok_or(Malformed::Compression { what })
    }
}

/// Undoes the compression of one part, with tables that a thread makes once.
fn decompress(stored: &[u8], raw: usize) -> Option<Vec<u8>> {
    thread_local! {
        static ZSTD: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    }
    ZSTD.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(Decompressor::new().ok()?);
        }
        slot.as_mut()?.decompress(stored, raw).ok()
    })
}
