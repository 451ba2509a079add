//! A reader over the text of one JSON value, which borrows what needs no unescaping.

use alloc::string::String;
use core::fmt;

/// Why a line is not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JsonError {
    /// It does not begin with a brace, or for paths a bracket.
    NotObject,
    /// It ends too early.
    Unclosed,
    /// Something in it is not JSON.
    Malformed,
    /// Objects within objects beyond any use.
    TooDeep,
    /// More labels than a line may have.
    TooLarge,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotObject => "the line is not a JSON object",
            Self::Unclosed => "Value looks like object, but can't find closing '}' symbol",
            Self::Malformed => "Malformed JSON error",
            Self::TooDeep => "objects are nested too deeply",
            Self::TooLarge => super::super::error::FULL,
        })
    }
}

impl core::error::Error for JsonError {}

/// A position in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'l> {
    text: &'l str,
    at: usize,
    /// The last key, when it had no escapes.
    key: Option<&'l str>,
}

/// The value that was just read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Value<'l> {
    /// Its brace is behind us.
    Object,
    /// Its bracket is behind us.
    Array,
    /// `null`
    Null,
    /// A number or word as it is spelt, or a string without escapes.
    Plain(&'l str),
    /// A string that is in the buffer.
    Unescaped,
}

impl<'l> Reader<'l> {
    pub(crate) fn new(text: &'l str) -> Self {
        Self { text, at: 0, key: None }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step(1);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The next byte that is no space, which stays.
    pub(crate) fn next_byte(&mut self) -> Result<u8, JsonError> {
        self.skip_space();
        self.peek().ok_or(JsonError::Unclosed)
    }

    /// Steps over a byte if it is the next one.
    pub(crate) fn take(&mut self, byte: u8) -> Result<bool, JsonError> {
        let there = self.next_byte()? == byte;
        if there {
            self.step(1);
        }
        Ok(there)
    }

    pub(crate) fn begin_object(&mut self) -> Result<(), JsonError> {
        match self.take(b'{') {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(JsonError::NotObject),
        }
    }

    /// Reads the next key and its colon; false at the end of the object.
    pub(crate) fn next_key(
        &mut self,
        first: &mut bool,
        buffer: &mut String,
    ) -> Result<bool, JsonError> {
        if core::mem::take(first) {
            if self.take(b'}')? {
                return Ok(false);
            }
        } else if !self.take(b',')? {
            return if self.take(b'}')? { Ok(false) } else { Err(JsonError::Malformed) };
        }
        if !self.take(b'"')? {
            return Err(JsonError::Malformed);
        }
        self.key = self.string(buffer)?;
        if self.take(b':')? { Ok(true) } else { Err(JsonError::Malformed) }
    }

    /// The key that was read last, which is in the buffer if it had escapes.
    pub(crate) fn key<'k>(&self, buffer: &'k str) -> &'k str
    where
        'l: 'k,
    {
        self.key.unwrap_or(buffer)
    }

    pub(crate) fn value(&mut self, buffer: &mut String) -> Result<Value<'l>, JsonError> {
        let first = self.next_byte()?;
        match first {
            b'"' => {
                self.step(1);
                Ok(self.string(buffer)?.map_or(Value::Unescaped, Value::Plain))
            }
            b'{' => {
                self.step(1);
                Ok(Value::Object)
            }
            b'[' => {
                self.step(1);
                Ok(Value::Array)
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    /// A token of the bytes of numbers, with the form of one.
    fn number(&mut self) -> Result<Value<'l>, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let inside = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().position(|b| !inside(b)).unwrap_or(rest.len());
        let token = rest.get(..length).unwrap_or("");
        if !is_number(token) {
            return Err(JsonError::Malformed);
        }
        self.step(length);
        Ok(Value::Plain(token))
    }

    fn word(&mut self) -> Result<Value<'l>, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or("");
        for (word, value) in WORDS {
            if let Some(after) = rest.strip_prefix(word) {
                if after.starts_with(|c: char| c.is_alphanumeric()) {
                    return Err(JsonError::Malformed);
                }
                self.step(word.len());
                return Ok(value);
            }
        }
        Err(JsonError::Malformed)
    }

    /// The rest of a string whose quote is behind us: as it is, or unescaped into the buffer.
    fn string(&mut self, buffer: &mut String) -> Result<Option<&'l str>, JsonError> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or(&[]);
        let found = memchr::memchr2(b'"', b'\\', rest).ok_or(JsonError::Unclosed)?;
        let end = start.saturating_add(found);
        let plain = self.text.get(start..end).unwrap_or("");
        if rest.get(found) == Some(&b'"') && !plain.contains(char::REPLACEMENT_CHARACTER) {
            self.at = end.saturating_add(1);
            return Ok(Some(plain));
        }
        buffer.clear();
        loop {
            let rest = self.text.get(self.at..).unwrap_or("");
            let found = memchr::memchr2(b'"', b'\\', rest.as_bytes());
            let (plain, after) =
                rest.split_at_checked(found.ok_or(JsonError::Unclosed)?).unwrap_or(("", ""));
            plain.chars().for_each(|c| push_char(c, buffer));
            self.step(plain.len());
            if after.starts_with('"') {
                self.step(1);
                return Ok(None);
            }
            let (c, read) = escape(after)?;
            push_char(c, buffer);
            self.step(read);
        }
    }

    /// Steps over the rest of an array whose bracket is behind us, and whatever is in it.
    pub(crate) fn skip_array(&mut self) -> Result<(), JsonError> {
        self.skip_nested(1)
    }

    /// Steps over one value.
    pub(crate) fn skip_value(&mut self) -> Result<(), JsonError> {
        match self.next_byte()? {
            b'{' | b'[' => self.skip_nested(0),
            b'"' => {
                self.step(1);
                self.skip_string()
            }
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            _ => self.word().map(|_| ()),
        }
    }

    /// Strings are looked through for their ends only, and brackets are counted, not paired.
    fn skip_nested(&mut self, mut depth: usize) -> Result<(), JsonError> {
        loop {
            let byte = self.peek().ok_or(JsonError::Unclosed)?;
            self.step(1);
            match byte {
                b'"' => self.skip_string()?,
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or(&[]);
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(JsonError::Unclosed)?;
            let quote = rest.get(found) == Some(&b'"');
            self.step(found.saturating_add(if quote { 1 } else { 2 }));
            if quote {
                return Ok(());
            }
        }
    }

    /// The text between two positions.
    pub(crate) fn between(&self, start: usize) -> &'l str {
        self.text.get(start..self.at).unwrap_or("")
    }
}

/// What cannot be decoded is a space, since a label cannot hold it.
fn push_char(c: char, buffer: &mut String) {
    buffer.push(if c == char::REPLACEMENT_CHARACTER { ' ' } else { c });
}

/// The character of the escape at the beginning, and its length.
fn escape(text: &str) -> Result<(char, usize), JsonError> {
    let c = match text.as_bytes().get(1).ok_or(JsonError::Unclosed)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        _ => return Err(JsonError::Malformed),
    };
    Ok((c, 2))
}

/// `\u00e9`, or two of them for a character beyond the first plane; half a pair is a space.
fn unicode_escape(text: &str) -> Result<(char, usize), JsonError> {
    let unit = |from: usize| {
        let digits = text.get(from..from.saturating_add(4))?;
        let valid = digits.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    let first = unit(2).ok_or(JsonError::Malformed)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, 6));
    }
    if text.get(6..8) == Some("\\u") {
        let pair = [
            u16::try_from(first).unwrap_or(0),
            unit(8).and_then(|u| u16::try_from(u).ok()).unwrap_or(0),
        ];
        if let Some(Ok(c)) = char::decode_utf16(pair).next() {
            return Ok((c, 12));
        }
    }
    Ok((char::REPLACEMENT_CHARACTER, 6))
}

/// `-?int frac? exp?`
fn is_number(token: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let token = token.strip_prefix('-').unwrap_or(token);
    let (mantissa, exponent) = match token.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (token, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

const WORDS: [(&str, Value<'static>); 3] =
    [("true", Value::Plain("true")), ("false", Value::Plain("false")), ("null", Value::Null)];
