//! A reader over the pairs of one line.

use alloc::string::String;
use core::fmt;

/// Why a pair is malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogfmtError {
    /// A byte where it cannot be.
    Unexpected {
        /// Its place in the line, from one.
        at: usize,
        /// The character.
        found: char,
    },
    /// A quoted value without its end.
    Unterminated {
        /// Where the line ends, from one.
        at: usize,
    },
    /// A quoted value with an escape that is none.
    InvalidQuoted {
        /// Where the value ends, from one.
        at: usize,
    },
    /// More labels than a line may have.
    TooLarge,
}

impl fmt::Display for LogfmtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let syntax = "logfmt syntax error at pos";
        match self {
            Self::Unexpected { at, found } => write!(f, "{syntax} {at} : unexpected {found:?}"),
            Self::Unterminated { at } => write!(f, "{syntax} {at} : unterminated quoted value"),
            Self::InvalidQuoted { at } => write!(f, "{syntax} {at} : invalid quoted value"),
            Self::TooLarge => f.write_str(super::super::error::FULL),
        }
    }
}

impl core::error::Error for LogfmtError {}

/// A position in a line.
#[derive(Debug)]
pub(super) struct Reader<'l> {
    line: &'l str,
    at: usize,
}

/// A key with its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pair<'l> {
    pub(super) key: &'l str,
    /// Nothing if the value is in the buffer.
    plain: Option<&'l str>,
}

impl<'l> Pair<'l> {
    /// A value with what cannot be decoded is no value.
    pub(super) fn value<'b>(&self, buffer: &'b str) -> &'b str
    where
        'l: 'b,
    {
        let value = self.plain.unwrap_or(buffer);
        if value.contains(char::REPLACEMENT_CHARACTER) { "" } else { value }
    }
}

impl<'l> Reader<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { line, at: 0 }
    }

    fn rest(&self) -> &'l str {
        self.line.get(self.at..).unwrap_or("")
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The next pair; nothing at the end. After an error the rest of its word is passed over.
    pub(super) fn next(&mut self, buffer: &mut String) -> Option<Result<Pair<'l>, LogfmtError>> {
        let rest = self.rest();
        let space = rest.bytes().position(|b| b > b' ').unwrap_or(rest.len());
        self.step(space);
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let end = |b: u8| b <= b' ' || matches!(b, b'=' | b'"');
        let length = rest.bytes().position(end).unwrap_or(rest.len());
        let key = rest.get(..length).unwrap_or("");
        self.step(length);
        let read = match self.rest().bytes().next() {
            Some(b'=') if !key.is_empty() => {
                self.step(1);
                self.value(buffer).map(|plain| Pair { key, plain })
            }
            Some(found @ (b'=' | b'"')) => Err(self.unexpected(found)),
            _ => Ok(Pair { key, plain: Some("") }),
        };
        if read.is_err() {
            let rest = self.rest();
            self.step(rest.bytes().position(|b| b <= b' ').unwrap_or(rest.len()));
        }
        Some(read)
    }

    fn unexpected(&self, found: u8) -> LogfmtError {
        LogfmtError::Unexpected { at: self.at.saturating_add(1), found: char::from(found) }
    }

    fn value(&mut self, buffer: &mut String) -> Result<Option<&'l str>, LogfmtError> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('"') {
            self.step(1);
            return self.quoted(quoted, buffer);
        }
        let end = |b: u8| b <= b' ' || matches!(b, b'=' | b'"');
        let length = rest.bytes().position(end).unwrap_or(rest.len());
        self.step(length);
        match self.rest().bytes().next() {
            Some(found @ (b'=' | b'"')) => Err(self.unexpected(found)),
            _ => Ok(rest.get(..length)),
        }
    }

    fn quoted(
        &mut self,
        text: &'l str,
        buffer: &mut String,
    ) -> Result<Option<&'l str>, LogfmtError> {
        let end = closing_quote(text);
        let Some(end) = end else {
            self.at = self.line.len();
            return Err(LogfmtError::Unterminated { at: self.at.saturating_add(1) });
        };
        let inner = text.get(..end).unwrap_or("");
        self.step(end.saturating_add(1));
        if !inner.contains('\\') {
            return Ok(Some(inner));
        }
        buffer.clear();
        unescape(inner, buffer)
            .map(|()| None)
            .ok_or(LogfmtError::InvalidQuoted { at: self.at.saturating_add(1) })
    }
}

/// Where the quote is that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let found = memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        at = at.saturating_add(found);
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at = at.saturating_add(2);
    }
}

fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at)?);
        let escape = rest.get(at.saturating_add(1)..)?;
        let c = escape.chars().next()?;
        let mut read = 1;
        out.push(match c {
            '"' | '\\' | '/' | '\'' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (c, length) = unicode(escape)?;
                read = length;
                c
            }
            _ => return None,
        });
        rest = escape.get(read..)?;
    }
    out.push_str(rest);
    Some(())
}

/// `u00e9`, or a pair of them.
fn unicode(escape: &str) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = escape.get(from..from.saturating_add(4))?;
        let valid = digits.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let first = unit(1)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((c, 5));
    }
    let second = if escape.get(5..7) == Some("\\u") { unit(7) } else { None };
    let pair = [first, second.unwrap_or(0)];
    match char::decode_utf16(pair).next() {
        Some(Ok(c)) => Some((c, 11)),
        _ => Some((char::REPLACEMENT_CHARACTER, 5)),
    }
}
