//! Why a template is refused, and why it fails on a line.

use alloc::string::String;
use core::fmt;

use crate::go_regex::RegexError;

/// Why a template is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TemplateError {
    /// An action, comment, string or block without its end.
    Unclosed {
        /// What is open.
        what: &'static str,
    },
    /// Something where it cannot be.
    Unexpected {
        /// What is there.
        found: String,
        /// What it is in.
        context: &'static str,
    },
    /// A function that LogQL does not have.
    UnknownFunction {
        /// Its name.
        name: String,
    },
    /// A variable that is not declared.
    UnknownVariable {
        /// Its name.
        name: String,
    },
    /// A function with too few or too many arguments.
    ArgumentCount {
        /// Its name.
        function: &'static str,
        /// How many there are.
        got: usize,
    },
    /// A constant that is no regular expression.
    Regex(RegexError),
    /// `define`, `template` and `block`: there is one template only.
    Unsupported {
        /// What it was.
        what: String,
    },
    /// Blocks or parentheses within others beyond any use.
    TooDeep,
    /// More text than a template may have.
    TooLong {
        /// Its bytes.
        got: usize,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid template: ")?;
        match self {
            Self::Unclosed { what } => write!(f, "unclosed {what}"),
            Self::Unexpected { found, context } => write!(f, "unexpected {found:?} in {context}"),
            Self::UnknownFunction { name } => write!(f, "function {name:?} not defined"),
            Self::UnknownVariable { name } => write!(f, "undefined variable {name:?}"),
            Self::ArgumentCount { function, got } => {
                write!(f, "wrong number of args for {function}: got {got}")
            }
            Self::Regex(error) => error.fmt(f),
            Self::Unsupported { what } => write!(f, "{what} is not supported"),
            Self::TooDeep => f.write_str("nested too deeply"),
            Self::TooLong { got } => write!(f, "{got} bytes are too long"),
        }
    }
}

impl core::error::Error for TemplateError {}

/// Why a template fails on a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RenderError {
    /// An argument of the wrong type.
    WrongType {
        /// The function or operation.
        function: &'static str,
        /// What it wants.
        want: &'static str,
        /// What it got.
        got: &'static str,
    },
    /// A field of something that has no fields.
    NoField {
        /// The field.
        name: String,
        /// What was asked for it.
        of: &'static str,
    },
    /// Values of different types.
    Incomparable,
    /// An index beyond the end.
    IndexOutOfRange {
        /// The index.
        index: i64,
    },
    /// By zero.
    Division,
    /// Text that a function cannot read.
    Unreadable {
        /// The function.
        function: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A time zone that is neither UTC nor a fixed offset.
    UnknownZone {
        /// Its name.
        name: String,
    },
    /// A regular expression out of a label that is none.
    Regex(RegexError),
    /// More work than a line may cost.
    TooMuchWork,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { function, want, got } => {
                write!(f, "wrong type for value of {function}; expected {want}; got {got}")
            }
            Self::NoField { name, of } => write!(f, "can't evaluate field {name} in type {of}"),
            Self::Incomparable => f.write_str("incompatible types for comparison"),
            Self::IndexOutOfRange { index } => write!(f, "index out of range: {index}"),
            Self::Division => f.write_str("integer divide by zero"),
            Self::Unreadable { function, reason } => {
                write!(f, "error calling {function}: {reason}")
            }
            Self::UnknownZone { name } => write!(f, "unknown time zone {name}"),
            Self::Regex(error) => error.fmt(f),
            Self::TooMuchWork => f.write_str("the template takes more work than a line may cost"),
        }
    }
}

impl core::error::Error for RenderError {}
