//! Values to bytes: the smallest encoding that gives each value back exactly.

use super::{DICTIONARY_MAX, Encoding, choose};
use crate::cursor::{put_text, put_varint, zigzag};

/// The cells of one column while a block is written: which rows have a value, and which.
#[derive(Debug, Default)]
pub(crate) struct Cells<'a> {
    /// Rows in rising order.
    rows: Vec<u32>,
    values: Vec<&'a str>,
    /// Where each value begins in its line; empty for values that are in no line.
    starts: Vec<u32>,
}

impl<'a> Cells<'a> {
    pub(crate) fn push(&mut self, row: u32, value: &'a str) {
        self.rows.push(row);
        self.values.push(value);
    }

    pub(crate) fn push_place(&mut self, row: u32, start: u32, value: &'a str) {
        self.push(row, value);
        self.starts.push(start);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Appends the column of a block of `rows` rows, and says how it is encoded. `words` is told each
/// value that is stored.
pub(crate) fn encode<'a>(
    cells: &Cells<'a>,
    rows: usize,
    words: &mut dyn FnMut(&'a str),
    out: &mut Vec<u8>,
) -> Encoding {
    put_presence(&cells.rows, rows, out);
    let values = &cells.values;
    let body = out.len();
    if let Some(encoding) = small_dictionary(values, words, out) {
        return encoding;
    }
    values.iter().for_each(|value| words(value));
    let typed: [(Encoding, TryEncode); 4] = [
        (Encoding::Integer, integers),
        (Encoding::Timestamp, timestamps),
        (Encoding::Hex, hexes),
        (Encoding::Float, floats),
    ];
    for (encoding, write) in typed {
        if write(values, out).is_some() {
            return encoding;
        }
        out.truncate(body);
    }
    if cells.starts.is_empty() {
        texts(values, out);
        return Encoding::Text;
    }
    cells.starts.iter().for_each(|&start| put_varint(out, u64::from(start)));
    values.iter().for_each(|value| put_varint(out, value.len() as u64));
    Encoding::Place
}

type TryEncode = fn(&[&str], &mut Vec<u8>) -> Option<()>;

/// 0 when every row has a value, else 1 and a bit a row.
fn put_presence(present: &[u32], rows: usize, out: &mut Vec<u8>) {
    if present.len() == rows {
        out.push(0);
        return;
    }
    out.push(1);
    let start = out.len();
    out.resize(start + rows.div_ceil(8), 0);
    for row in present {
        let at = usize::try_from(row / 8).ok().and_then(|at| out.get_mut(start + at));
        if let Some(byte) = at {
            *byte |= 1 << (row % 8);
        }
    }
}

/// Constants and dictionaries; `None` with nothing written when the values are too many.
fn small_dictionary<'a>(
    values: &[&'a str],
    words: &mut dyn FnMut(&'a str),
    out: &mut Vec<u8>,
) -> Option<Encoding> {
    let mut table = Table::new();
    let mut codes = Vec::with_capacity(values.len());
    // A dictionary that half of the rows enlarge is larger than the values themselves.
    let worth = (values.len() / 4).clamp(16, DICTIONARY_MAX);
    for &value in values {
        codes.push(table.code(value));
        if table.values.len() > worth {
            return None;
        }
    }
    table.values.iter().for_each(|value| words(value));
    if let [only] = table.values.as_slice() {
        put_text(out, only);
        return Some(Encoding::Constant);
    }
    put_varint(out, table.values.len() as u64);
    table.values.iter().for_each(|value| put_text(out, value));
    let wide = table.values.len() > 256;
    for code in codes {
        let [low, high] = code.to_le_bytes();
        out.push(low);
        if wide {
            out.push(high);
        }
    }
    Some(Encoding::Dictionary)
}

/// Values by number, in the order of their first use. Open addressing over a power of two.
struct Table<'a> {
    values: Vec<&'a str>,
    slots: Vec<u16>,
    last: Option<(&'a str, u16)>,
}

const SLOTS_MIN: usize = 64;
const EMPTY: u16 = u16::MAX;

impl<'a> Table<'a> {
    fn new() -> Self {
        Self { values: Vec::new(), slots: vec![EMPTY; SLOTS_MIN], last: None }
    }

    #[inline]
    fn code(&mut self, value: &'a str) -> u16 {
        if let Some((last, code)) = self.last
            && last == value
        {
            return code;
        }
        if self.values.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let code = self.find(value);
        self.last = Some((value, code));
        code
    }

    fn find(&mut self, value: &'a str) -> u16 {
        let mask = self.slots.len() - 1;
        let mut at = hash(value) & mask;
        loop {
            let Some(slot) = self.slots.get_mut(at) else { return EMPTY };
            if *slot == EMPTY {
                // At most DICTIONARY_MAX + 1 values ever come here.
                let code = u16::try_from(self.values.len()).unwrap_or(EMPTY);
                *slot = code;
                self.values.push(value);
                return code;
            }
            if self.values.get(usize::from(*slot)) == Some(&value) {
                return *slot;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.slots = vec![EMPTY; self.slots.len() * 2];
        for value in values {
            self.find(value);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
fn hash(value: &str) -> usize {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = value.as_bytes().as_chunks::<8>();
    let hash =
        words.iter().fold(value.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, &byte| mix(hash, u64::from(byte)));
    (hash ^ hash >> 29) as usize
}

fn integers(values: &[&str], out: &mut Vec<u8>) -> Option<()> {
    let mut last = 0;
    for value in values {
        let number = choose::integer(value)?;
        put_varint(out, zigzag(number.wrapping_sub(last)));
        last = number;
    }
    Some(())
}

fn floats(values: &[&str], out: &mut Vec<u8>) -> Option<()> {
    for value in values {
        out.extend_from_slice(&choose::float(value)?.to_bits().to_le_bytes());
    }
    Some(())
}

fn timestamps(values: &[&str], out: &mut Vec<u8>) -> Option<()> {
    let (decimals, _) = choose::timestamp(values.first()?)?;
    out.push(decimals);
    let mut last = 0;
    for value in values {
        let (have, number) = choose::timestamp(value)?;
        if have != decimals {
            return None;
        }
        put_varint(out, zigzag(number.wrapping_sub(last)));
        last = number;
    }
    Some(())
}

fn hexes(values: &[&str], out: &mut Vec<u8>) -> Option<()> {
    let length = values.first()?.len();
    // Short ones are words as likely as numbers, and gain nothing.
    if length < 8 || values.iter().any(|value| value.len() != length) {
        return None;
    }
    out.push(u8::try_from(length / 2).ok()?);
    values.iter().try_for_each(|value| choose::hex(value, out))
}

fn texts(values: &[&str], out: &mut Vec<u8>) {
    values.iter().for_each(|value| put_varint(out, value.len() as u64));
    values.iter().for_each(|value| out.extend_from_slice(value.as_bytes()));
}
