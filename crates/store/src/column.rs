//! One column of a block: the values that one name has in its rows, byte for byte.
//!
//! A writer looks at the values and takes the smallest [`Encoding`] that gives each of them back
//! exactly; what fits none is kept as text. A reader turns every encoding into text once, so that
//! asking for the value of a row costs no parsing. Unique values of a JSON line are not stored
//! twice: they are places in the line.

mod choose;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use self::write::{Cells, encode};

/// How the values of a column are stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// One value in every row that has one.
    Constant,
    /// At most [`DICTIONARY_MAX`] values, by number.
    Dictionary,
    /// Canonical decimal numbers of 64 bits, as differences.
    Integer,
    /// Doubles whose shortest spelling is the text.
    Float,
    /// `2026-11-21T09:34:39.123Z` with one number of decimals, as differences.
    Timestamp,
    /// Lower-case hex of one even length.
    Hex,
    /// Anything.
    Text,
    /// Places in the line of the same row.
    Place,
}

impl Encoding {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Constant => 0,
            Self::Dictionary => 1,
            Self::Integer => 2,
            Self::Float => 3,
            Self::Timestamp => 4,
            Self::Hex => 5,
            Self::Text => 6,
            Self::Place => 7,
        }
    }

    pub(crate) const fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Constant,
            1 => Self::Dictionary,
            2 => Self::Integer,
            3 => Self::Float,
            4 => Self::Timestamp,
            5 => Self::Hex,
            6 => Self::Text,
            7 => Self::Place,
            _ => return None,
        })
    }
}

/// More values than this say little by their number, and looking each one up costs the writer.
pub(crate) const DICTIONARY_MAX: usize = 4096;

/// A column, ready to be asked.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// By row, whether it has the value.
    Constant(String, Vec<bool>),
    /// By row; [`ABSENT`] has no value.
    Dictionary(Vec<u16>, Vec<Box<str>>),
    /// By row, the place in one text; a start of [`NOWHERE`] has no value.
    Text(Vec<(u32, u32)>, String),
    /// By row, the place in the row's line.
    Place(Vec<(u32, u32)>),
}

const ABSENT: u16 = u16::MAX;
const NOWHERE: u32 = u32::MAX;

impl Column {
    /// The value of a row whose line is `line`; `None` when the row has none.
    #[inline]
    #[must_use]
    pub(crate) fn get<'a>(&'a self, row: usize, line: &'a str) -> Option<&'a str> {
        match &self.values {
            Values::Constant(value, rows) => rows.get(row).is_some_and(|&has| has).then_some(value),
            Values::Dictionary(codes, values) => {
                values.get(usize::from(*codes.get(row)?)).map(AsRef::as_ref)
            }
            Values::Text(places, text) => slice(*places.get(row)?, text),
            Values::Place(places) => slice(*places.get(row)?, line),
        }
    }

    /// How many numbers [`Self::kind`] gives; `None` when values have none.
    #[must_use]
    pub(crate) fn kinds(&self) -> Option<usize> {
        match &self.values {
            Values::Constant(..) => Some(2),
            Values::Dictionary(_, values) => Some(values.len() + 1),
            Values::Text(..) | Values::Place(..) => None,
        }
    }

    /// A number that only rows of one value have, and one that only rows without a value have.
    #[inline]
    #[must_use]
    pub(crate) fn kind(&self, row: usize) -> Option<usize> {
        match &self.values {
            Values::Constant(_, rows) => rows.get(row).map(|&has| usize::from(has)),
            Values::Dictionary(codes, values) => {
                codes.get(row).map(|&code| usize::from(code).min(values.len()))
            }
            Values::Text(..) | Values::Place(..) => None,
        }
    }

    /// Bytes in memory.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        match &self.values {
            Values::Constant(value, rows) => value.len() + rows.len(),
            Values::Dictionary(codes, values) => {
                codes.len() * 2 + values.iter().map(|value| value.len() + 16).sum::<usize>()
            }
            Values::Text(places, text) => places.len() * 8 + text.len(),
            Values::Place(places) => places.len() * 8,
        }
    }
}

#[inline]
fn slice((start, end): (u32, u32), text: &str) -> Option<&str> {
    if start == NOWHERE {
        return None;
    }
    text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
