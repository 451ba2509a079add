//! Why a pattern is refused, in Go's words: people search for them.

use alloc::string::String;
use core::fmt;

/// Why a pattern is refused. The text is the part of the pattern that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RegexError {
    /// A class without its end.
    MissingBracket(String),
    /// A group without its end.
    MissingParen(String),
    /// An end without its group.
    UnexpectedParen(String),
    /// A backslash at the end.
    TrailingBackslash,
    /// An escape that RE2 does not have; back references among them.
    InvalidEscape(String),
    /// A range from high to low, or an unknown class of characters.
    InvalidCharRange(String),
    /// A name of a group that is none, or that is there twice.
    InvalidNamedCapture(String),
    /// Look-around, or a flag that RE2 does not have.
    InvalidPerlOp(String),
    /// `a**`.
    InvalidRepeatOp(String),
    /// More than a thousand repetitions, or a minimum above the maximum.
    InvalidRepeatSize(String),
    /// An operator with nothing before it.
    MissingRepeatArgument(String),
    /// More text than a pattern may have.
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// An automaton larger than a query may cost.
    TooLarge {
        /// The pattern.
        pattern: String,
    },
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error parsing regexp: ")?;
        match self {
            Self::MissingBracket(text) => write!(f, "missing closing ]: `{text}`"),
            Self::MissingParen(text) => write!(f, "missing closing ): `{text}`"),
            Self::UnexpectedParen(text) => write!(f, "unexpected ): `{text}`"),
            Self::TrailingBackslash => f.write_str("trailing backslash at end of expression: ``"),
            Self::InvalidEscape(text) => write!(f, "invalid escape sequence: `{text}`"),
            Self::InvalidCharRange(text) => write!(f, "invalid character class range: `{text}`"),
            Self::InvalidNamedCapture(text) => write!(f, "invalid named capture: `{text}`"),
            Self::InvalidPerlOp(text) => {
                write!(f, "invalid or unsupported Perl syntax: `{text}`")
            }
            Self::InvalidRepeatOp(text) => {
                write!(f, "invalid nested repetition operator: `{text}`")
            }
            Self::InvalidRepeatSize(text) => write!(f, "invalid repeat count: `{text}`"),
            Self::MissingRepeatArgument(text) => {
                write!(f, "missing argument to repetition operator: `{text}`")
            }
            Self::TooLong { got } => write!(f, "expression of {got} bytes is too long"),
            Self::TooLarge { pattern } => write!(f, "expression too large: `{pattern}`"),
        }
    }
}

impl core::error::Error for RegexError {}
