//! Why a query was refused, and where.
//!
//! The text has the form that clients of Loki know: `parse error at line L, col C: …`. Columns
//! count characters from 1, spans count bytes from 0.

use alloc::string::String;
use core::fmt;

/// A range of bytes of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last; equal to `start` at the end of the query.
    pub end: usize,
}

impl Span {
    /// From the start of this one to the end of the other.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }
}

/// A query that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line of the first character at fault, from 1.
    pub line: usize,
    /// Column of it in characters, from 1.
    pub column: usize,
    /// What is at fault.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What could be meant, as a clause: `did you mean json`.
    pub suggestion: Option<String>,
}

impl ParseError {
    /// An error in `source`, whose line and column follow from the span.
    pub(crate) fn new(source: &str, span: Span, message: String) -> Self {
        let before = source.get(..span.start).unwrap_or(source);
        let line = before.matches('\n').count().saturating_add(1);
        let last = before.rsplit('\n').next().unwrap_or(before);
        let column = last.chars().count().saturating_add(1);
        Self { line, column, span, message, suggestion: None }
    }

    /// Adds what could be meant; none leaves what there was.
    pub(crate) fn suggest(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion.or(self.suggestion);
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parse error at line {}, col {}: {}", self.line, self.column, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for ParseError {}
