//! Fields that a store has taken out of a line beforehand, so that a parser stage need not read it.
//!
//! Whoever answers here promises what the parser stage would have found, in the order in which it
//! would have found it: names flattened and sanitised but without `_extracted`, the first of two
//! equal names only, values byte for byte. A line that the parser would have called malformed has
//! no fields at all: its store hands over `None` and the line is parsed.

use alloc::string::String;

/// Which parser stage the fields stand for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shredding {
    /// `| json` without expressions; see [`json_fields`](crate::stage::json_fields).
    Json,
    /// `| logfmt` without flags or expressions; see
    /// [`logfmt_fields`](crate::stage::logfmt_fields).
    Logfmt,
}

/// The fields of one line.
pub trait Fields {
    /// Which parser stage these fields stand for.
    fn shredding(&self) -> Shredding;

    /// Appends the value of a name to `out` and says whether there is one.
    fn get(&self, name: &str, out: &mut String) -> bool;

    /// Shows each name and value, in the order in which the parser finds them.
    fn each(&self, visit: &mut dyn FnMut(&str, &str));
}
