//! What is wrong with an OTLP/JSON request: where and what kind, never its content.

use core::fmt;

/// Why a request could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JsonError {
    /// Line, from 1; 0 when the whole request is meant.
    pub line: usize,
    /// Column in bytes, from 1; 0 when the whole request is meant.
    pub column: usize,
    /// What is wrong there.
    pub fault: JsonFault,
}

/// What is wrong at a place of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JsonFault {
    /// Not JSON, or nested deeper than any OTLP message can be.
    Syntax,
    /// The request ends too early.
    Truncated,
    /// Longer than [`JSON_BYTES_MAX`](crate::limits::JSON_BYTES_MAX).
    TooLong,
    /// A value nests deeper than [`VALUE_DEPTH_MAX`](crate::limits::VALUE_DEPTH_MAX).
    Depth,
    /// Another kind of value is expected.
    Expected(Expected),
}

/// What a field should have been.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// Text.
    Text,
    /// Base64 in either alphabet.
    Base64,
    /// At most 32 hex digits, an even number.
    Hex,
    /// `true` or `false`.
    Bool,
    /// A number, or its text.
    Number,
    /// A whole number in the range of the field, or its text.
    Integer,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        match self.fault {
            JsonFault::Syntax => f.write_str("not valid JSON"),
            JsonFault::Truncated => f.write_str("request ends too early"),
            JsonFault::TooLong => f.write_str("request is too long"),
            JsonFault::Depth => f.write_str("value is nested too deeply"),
            JsonFault::Expected(expected) => write!(f, "expected {expected}"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a string",
            Self::Base64 => "base64",
            Self::Hex => "at most 32 hex digits",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Integer => "an integer in range",
            Self::Object => "an object",
            Self::Array => "an array",
        })
    }
}

impl core::error::Error for JsonError {}
