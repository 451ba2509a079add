//! Patterns of literals and captures: `<ip> - <_> "<method> <_>"`.
//!
//! The same language serves the parser `| pattern`, whose named captures become labels, and the
//! line filters `|>` and `!>`, which have unnamed captures only and match the whole line. Neither
//! goes back: a capture ends at the first place where the literal behind it is found.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use memchr::memmem::Finder;

/// A compiled line filter.
#[derive(Clone, Debug)]
pub struct LinePattern {
    parts: Vec<Part>,
}

/// A compiled parser.
#[derive(Clone, Debug)]
pub struct CapturePattern {
    parts: Vec<Part>,
}

/// Why a pattern is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PatternError {
    /// A line filter that names a capture.
    NamedCapture(String),
    /// A parser that names none.
    NoCapture,
    /// Two captures with nothing between them: where does the first end?
    Consecutive(String),
    /// A name that is there twice.
    Duplicate(String),
}

#[derive(Clone, Debug)]
enum Part {
    Literal(Box<Finder<'static>>),
    /// Without a name for `<_>`.
    Capture(Option<String>),
}

impl LinePattern {
    /// Reads the pattern of `|>`.
    ///
    /// # Errors
    /// A named capture, or two captures side by side.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let parts = parts(text)?;
        for part in &parts {
            if let Part::Capture(Some(name)) = part {
                return Err(PatternError::NamedCapture(name.clone()));
            }
        }
        Ok(Self { parts })
    }

    /// Whether the whole line is as the pattern says; `<_>` stands for at least one byte.
    #[must_use]
    pub fn matches(&self, line: &str) -> bool {
        let mut rest = line.as_bytes();
        let mut captured = false;
        for part in &self.parts {
            match part {
                Part::Capture(_) => captured = true,
                Part::Literal(literal) => {
                    let found = literal.find(rest);
                    let fits = found.is_some_and(|at| (at > 0) == captured);
                    let end = found.map(|at| at.saturating_add(literal.needle().len()));
                    let Some(after) = end.and_then(|end| rest.get(end..)).filter(|_| fits) else {
                        return false;
                    };
                    rest = after;
                    captured = false;
                }
            }
        }
        rest.is_empty() != captured
    }

    /// The literals, each of which every matching line contains.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(literal) => core::str::from_utf8(literal.needle()).ok(),
            Part::Capture(_) => None,
        })
    }
}

impl CapturePattern {
    /// Reads the pattern of `| pattern`.
    ///
    /// # Errors
    /// No named capture, one name twice, or two captures side by side.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = Self { parts: parts(text)? };
        let mut names: Vec<&str> = Vec::new();
        for name in pattern.names() {
            if names.contains(&name) {
                return Err(PatternError::Duplicate(name.into()));
            }
            names.push(name);
        }
        if names.is_empty() { Err(PatternError::NoCapture) } else { Ok(pattern) }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Capture(name) => name.as_deref(),
            Part::Literal(_) => None,
        })
    }

    /// Shows each named capture with its text. A pattern that begins with a literal is looked for
    /// anywhere; a capture whose literal is missing takes the rest of the line and is the last.
    pub fn captures<'l>(&self, line: &'l str, mut visit: impl FnMut(&str, &'l str)) {
        let mut rest = line;
        let mut open: Option<&Option<String>> = None;
        for part in &self.parts {
            let literal = match part {
                Part::Capture(name) => {
                    open = Some(name);
                    continue;
                }
                Part::Literal(literal) => literal,
            };
            let found = literal.find(rest.as_bytes());
            let captured = rest.get(..found.unwrap_or(rest.len())).unwrap_or("");
            if let Some(Some(name)) = open.take() {
                visit(name, captured);
            }
            let Some(at) = found else {
                return;
            };
            rest = rest.get(at.saturating_add(literal.needle().len())..).unwrap_or("");
        }
        if let Some(Some(name)) = open
            && !rest.is_empty()
        {
            visit(name, rest);
        }
    }
}

/// Splits a pattern; what looks like a capture but has no name is text.
fn parts(text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let Some(name) = capture_name(rest) else {
            literal.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or("");
            continue;
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(Box::new(Finder::new(&literal).into_owned())));
            literal.clear();
        } else if matches!(parts.last(), Some(Part::Capture(_))) {
            return Err(PatternError::Consecutive(alloc::format!("<{name}>")));
        }
        rest = rest.get(name.len().saturating_add(2)..).unwrap_or("");
        parts.push(Part::Capture((name != "_").then(|| name.into())));
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(Box::new(Finder::new(&literal).into_owned())));
    }
    Ok(parts)
}

/// The name in the `<name>` at the beginning, if there is one.
fn capture_name(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix('<')?.split_once('>')?.0;
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let valid = first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    valid.then_some(name)
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamedCapture(name) => {
                write!(f, "named captures are not allowed in a line filter: <{name}>; use <_>")
            }
            Self::NoCapture => f.write_str("at least one named capture is required"),
            Self::Consecutive(capture) => {
                write!(f, "consecutive captures: put text before {capture}")
            }
            Self::Duplicate(name) => write!(f, "duplicate capture name {name:?}"),
        }
    }
}

impl core::error::Error for PatternError {}

#[cfg(test)]
mod tests;
