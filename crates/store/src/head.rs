//! The rows of one stream that are not in a block yet.
//!
//! Texts lie one after the other in two buffers, so a row costs no allocation. A head is cloned
//! only when it is written to while a query still reads it.

use crate::block::{BLOCK_BYTES_MAX, ROWS_MAX};

/// Metadata names of one head; a row with a further name begins a new block.
pub(crate) const NAMES_MAX: usize = 256;

/// Metadata fields of one record, as Loki's default.
pub(crate) const FIELDS_MAX: usize = 128;
/// A row may overflow a head by all of its names before it is taken out again.
const NAME_WORDS: usize = (NAMES_MAX + FIELDS_MAX) / 64;

/// Rows of a stream in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    times: Vec<i64>,
    lines: String,
    line_ends: Vec<u32>,
    names: Vec<Box<str>>,
    /// Name by number, and where the value ends in `values`.
    fields: Vec<(u16, u32)>,
    values: String,
    /// By row, where its fields end.
    field_ends: Vec<u32>,
    /// The number of the newest record that entered the store when this head had all of its rows.
    pub(crate) through: u64,
    name_bytes: usize,
    hint: usize,
    row_names: [u64; NAME_WORDS],
}

impl Head {
    pub(crate) fn rows(&self) -> usize {
        self.times.len()
    }

    /// Bytes of lines and values, which is what a block is limited by.
    pub(crate) fn content_bytes(&self) -> usize {
        self.lines.len() + self.values.len()
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.capacity()
            + self.values.capacity()
            + self.times.capacity() * 8
            + (self.line_ends.capacity() + self.field_ends.capacity()) * 4
            + self.fields.capacity() * 8
            + self.name_bytes
    }

    /// Whether the row that came last is more than one block holds.
    pub(crate) fn is_over(&self) -> bool {
        self.content_bytes() > BLOCK_BYTES_MAX
            || self.rows() > ROWS_MAX
            || self.names.len() > NAMES_MAX
    }

    /// Takes the row that came last into a head of its own; `None` when it is the only one.
    pub(crate) fn split_last(&mut self) -> Option<Self> {
        let last = self.rows().checked_sub(1).filter(|&row| row > 0)?;
        let mut other = Self { through: self.through, ..Self::default() };
        other.begin(self.time(last), self.line(last));
        for (name, value) in self.fields(last) {
            other.field(self.names.get(name).map_or("", AsRef::as_ref), value);
        }
        let end = |ends: &[u32]| ends.get(last - 1).map_or(0, |&end| widen(end));
        self.lines.truncate(end(&self.line_ends));
        self.fields.truncate(end(&self.field_ends));
        let values = self.fields.last().map_or(0, |&(_, end)| widen(end));
        self.values.truncate(values);
        self.times.truncate(last);
        self.line_ends.truncate(last);
        self.field_ends.truncate(last);
        Some(other)
    }

    /// Begins a row; its fields follow.
    pub(crate) fn begin(&mut self, time_ns: i64, line: &str) {
        self.times.push(time_ns);
        self.lines.push_str(line);
        self.line_ends.push(narrow(self.lines.len()));
        self.field_ends.push(narrow(self.fields.len()));
        self.hint = 0;
        self.row_names = [0; NAME_WORDS];
    }

    /// Adds a field to the row that was begun last; of two with one name the first stays.
    #[inline]
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        let number = match self.names.get(self.hint) {
            Some(hint) if **hint == *name => self.hint,
            _ => self.name(name),
        };
        self.hint = number + 1;
        let bit = 1_u64 << (number % 64);
        let Some(word) = self.row_names.get_mut(number / 64) else { return };
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        self.values.push_str(value);
        self.fields.push((u16::try_from(number).unwrap_or(u16::MAX), narrow(self.values.len())));
        if let Some(end) = self.field_ends.last_mut() {
            *end = narrow(self.fields.len());
        }
    }

    fn name(&mut self, name: &str) -> usize {
        if let Some(known) = self.names.iter().position(|have| **have == *name) {
            return known;
        }
        self.name_bytes += name.len() + 16;
        self.names.push(name.into());
        self.names.len() - 1
    }

    pub(crate) fn time(&self, row: usize) -> i64 {
        self.times.get(row).copied().unwrap_or(0)
    }

    pub(crate) fn line(&self, row: usize) -> &str {
        let start = row.checked_sub(1).and_then(|above| self.line_ends.get(above));
        part(&self.lines, start.copied().unwrap_or(0), self.line_ends.get(row).copied())
    }

    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }

    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The fields of a row as number of the name and value, in the order they came.
    pub(crate) fn fields(&self, row: usize) -> impl Iterator<Item = (usize, &str)> {
        let above = row.checked_sub(1).and_then(|above| self.field_ends.get(above));
        let first = widen(above.copied().unwrap_or(0));
        let end = widen(self.field_ends.get(row).copied().unwrap_or(0));
        let fields = self.fields.get(first..end).unwrap_or_default();
        let before = first.checked_sub(1).and_then(|at| self.fields.get(at));
        let mut start = before.map_or(0, |&(_, end)| end);
        fields.iter().map(move |&(name, end)| {
            let value = part(&self.values, start, Some(end));
            start = end;
            (usize::from(name), value)
        })
    }

    /// The rows by time, those of one time as they came; `None` when they lie so already.
    pub(crate) fn order(&self) -> Option<Vec<u32>> {
        if self.times.is_sorted() {
            return None;
        }
        let mut order: Vec<u32> = (0..narrow(self.rows())).collect();
        order.sort_by_key(|&row| self.time(widen(row)));
        Some(order)
    }

    /// First and last time; `None` without a row.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        Some((self.times.iter().min().copied()?, self.times.iter().max().copied()?))
    }
}

/// A head never comes near 4 GiB: [`Head::has_room`] ends it before.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn widen(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn part(text: &str, start: u32, end: Option<u32>) -> &str {
    text.get(widen(start)..widen(end.unwrap_or(start))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let mut head = Head::default();
        head.begin(3, "first");
        head.field("a", "1");
        head.field("b", "2");
        head.field("a", "again");
        head.begin(1, "");
        head.begin(2, "third");
        head.field("b", "");
        head.field("c", "3");
        let rows: Vec<_> = (0..3)
            .map(|row| (head.time(row), head.line(row), head.fields(row).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            rows,
            [
                (3, "first", vec![(0, "1"), (1, "2")]),
                (1, "", vec![]),
                (2, "third", vec![(1, ""), (2, "3")]),
            ]
        );
        assert_eq!(head.order(), Some(vec![1, 2, 0]));
        assert_eq!(head.span(), Some((1, 3)));
        assert_eq!(head.content_bytes(), 13);
    }

    #[test]
    fn a_row_too_many_is_taken_out_again() {
        let mut head = Head::default();
        head.begin(1, "one");
        head.field("a", "1");
        assert!(head.split_last().is_none());
        let before = head.clone();
        head.begin(2, &"x".repeat(BLOCK_BYTES_MAX - 4));
        assert!(!head.is_over());
        head.field("b", "2");
        assert!(head.is_over());
        let other = head.split_last().unwrap();
        assert_eq!((head.rows(), head.lines(), head.content_bytes()), (1, "one", 4));
        assert_eq!(head.fields(0).collect::<Vec<_>>(), before.fields(0).collect::<Vec<_>>());
        assert_eq!((other.time(0), other.line(0).len()), (2, BLOCK_BYTES_MAX - 4));
        assert_eq!(other.fields(0).collect::<Vec<_>>(), [(0, "2")]);
        assert_eq!(&*other.names()[0], "b");
    }

    #[test]
    fn a_head_is_full_by_names() {
        let mut head = Head::default();
        for n in 0..NAMES_MAX {
            if n % FIELDS_MAX == 0 {
                head.begin(0, "x");
            }
            head.field(&format!("n{n}"), "");
        }
        assert!(!head.is_over());
        head.begin(0, "y");
        head.field("more", "");
        assert!(head.is_over());
    }
}
