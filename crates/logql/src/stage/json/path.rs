//! Paths of `| json a="servers[0].name"`.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::error::CompileError;
use super::reader::{JsonError, Reader, Value};

/// A compiled path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
}

/// What is at the end of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found<'l> {
    /// As it is in the line.
    Text(&'l str),
    /// In the buffer.
    Unescaped,
    /// Nothing, or null.
    Nothing,
}

impl Path {
    /// Reads `a.b[0]`, `["a b"].c` or `[0]`.
    pub(crate) fn parse(text: &str) -> Result<Self, CompileError> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || steps.is_empty() {
            let at = text.len().saturating_sub(rest.len());
            let wrong = || CompileError::JsonPath { path: text.into(), at };
            let (step, length) = step(rest, steps.is_empty()).ok_or_else(wrong)?;
            steps.push(step);
            rest = rest.get(length..).unwrap_or("");
        }
        Ok(Self(steps))
    }

    /// Follows the path in a line, which must be an object or an array.
    pub(super) fn find<'l>(
        &self,
        line: &'l str,
        buffer: &mut String,
    ) -> Result<Found<'l>, JsonError> {
        let mut reader = Reader::new(line);
        if !matches!(reader.next_byte(), Ok(b'{' | b'[')) {
            return Err(JsonError::NotObject);
        }
        for step in &self.0 {
            let there = match step {
                Step::Field(name) => reader.take(b'{')? && field(&mut reader, name, buffer)?,
                Step::Index(index) => reader.take(b'[')? && element(&mut reader, *index)?,
            };
            if !there {
                return Ok(Found::Nothing);
            }
        }
        if matches!(reader.next_byte()?, b'{' | b'[') {
            let start = reader.at();
            reader.skip_value()?;
            return Ok(Found::Text(reader.between(start)));
        }
        Ok(match reader.value(buffer)? {
            Value::Plain(text) => Found::Text(text),
            Value::Unescaped => Found::Unescaped,
            Value::Object | Value::Array | Value::Null => Found::Nothing,
        })
    }
}

/// Goes to the value of the first key of a name.
fn field(reader: &mut Reader<'_>, name: &str, buffer: &mut String) -> Result<bool, JsonError> {
    let mut first = true;
    while reader.next_key(&mut first, buffer)? {
        if reader.key(buffer) == name {
            return Ok(true);
        }
        reader.skip_value()?;
    }
    Ok(false)
}

/// Goes to the element of an index.
fn element(reader: &mut Reader<'_>, index: usize) -> Result<bool, JsonError> {
    if reader.take(b']')? {
        return Ok(false);
    }
    for _ in 0..index {
        reader.skip_value()?;
        if !reader.take(b',')? {
            return if reader.take(b']')? { Ok(false) } else { Err(JsonError::Malformed) };
        }
    }
    Ok(true)
}

/// The step at the beginning and its length.
fn step(rest: &str, first: bool) -> Option<(Step, usize)> {
    if let Some(inner) = rest.strip_prefix('[') {
        return bracketed(inner);
    }
    let (name, dot) = match rest.strip_prefix('.') {
        Some(after) if !first => (after, 1),
        Some(_) => return None,
        None if first => (rest, 0),
        None => return None,
    };
    let length = name.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'_');
    let name = name.get(..length.unwrap_or(name.len()))?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts.then(|| (Step::Field(name.into()), name.len().saturating_add(dot)))
}

/// `0]` or `"a b"]`; within quotes a backslash takes the next character as it is.
fn bracketed(inner: &str) -> Option<(Step, usize)> {
    let Some(quoted) = inner.strip_prefix('"') else {
        let end = inner.find(']')?;
        let digits = inner.get(..end)?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let index = plain.then(|| digits.parse().ok()).flatten()?;
        return Some((Step::Index(index), end.saturating_add(2)));
    };
    let mut name = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let closed = quoted.get(at.saturating_add(1)..)?.starts_with(']');
                return closed.then(|| (Step::Field(name), at.saturating_add(4)));
            }
            '\\' => name.push(chars.next()?.1),
            c => name.push(c),
        }
    }
    None
}
