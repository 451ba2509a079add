//! Extension pipes: what is done with the rows of a log query together, at its end.
//!
//! Standard LogQL has none of them. Values compare naturally (numbers in text by value), and a
//! missing field is the empty string.

use alloc::string::String;
use alloc::vec::Vec;

/// One step over all rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pipe {
    /// `sort by (a desc, b) [limit n]`
    Sort {
        /// The first decides, the next break ties; at least one.
        keys: Vec<SortKey>,
        /// So many of the first rows are kept.
        limit: Option<u64>,
    },
    /// `head n`, also `limit n`: the first n rows.
    Head(u64),
    /// `tail n`: the last n rows.
    Tail(u64),
    /// `distinct by (a, b)`, also `uniq by`: the first row of each combination; at least one.
    Distinct(Vec<String>),
    /// `top n by (a, b)`: the n most frequent combinations with their counts; at least one.
    Top {
        /// How many.
        count: u64,
        /// Fields of the combination.
        by: Vec<String>,
    },
    /// `fields a, b`: only these fields of each row, in this order; at least one.
    Fields(Vec<String>),
}

/// A field and its direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SortKey {
    /// Label, or `_line` or `_time`.
    pub field: String,
    /// From the greatest to the least.
    pub descending: bool,
}
