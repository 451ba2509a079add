//! Strings of a query: Go's interpreted `"…"` with its escapes, and raw `` `…` `` without any.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::Span;

/// Why a string has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextError {
    /// An escape that Go does not know, or one that ends early.
    Escape,
    /// Escapes that together are not UTF-8.
    Utf8,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Escape => "invalid escape in string",
            Self::Utf8 => "escapes in string are not UTF-8",
        })
    }
}

/// Bytes of the string in front, quotes included. `None` if it has no end.
pub(crate) fn length(text: &str) -> Option<usize> {
    let body = text.get(1..)?;
    if text.starts_with('`') {
        return body.find('`')?.checked_add(2);
    }
    let mut escaped = false;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            b'\n' => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at.checked_add(2),
            _ => {}
        }
    }
    None
}

/// The value of a string with its quotes, or what is wrong with which bytes of it.
pub(crate) fn value(quoted: &str) -> Result<String, (TextError, Span)> {
    let whole = Span { start: 0, end: quoted.len() };
    let body = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or("");
    if quoted.starts_with('`') {
        // Go leaves carriage returns out of raw strings.
        return Ok(body.chars().filter(|c| *c != '\r').collect());
    }
    if !body.contains('\\') {
        return Ok(String::from(body));
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(rest.get(..at).unwrap_or("").as_bytes());
        let escape = rest.get(at..).unwrap_or("");
        let start = quoted.len().saturating_sub(escape.len()).saturating_sub(1);
        let Some(length) = unescape(escape, &mut out) else {
            let second = escape.chars().nth(1).map_or(0, char::len_utf8);
            let end = start.saturating_add(1).saturating_add(second);
            return Err((TextError::Escape, Span { start, end }));
        };
        rest = escape.get(length..).unwrap_or("");
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_err(|_| (TextError::Utf8, whole))
}

/// Appends what the escape in front stands for; its length, or `None` if Go does not know it.
fn unescape(escape: &str, out: &mut Vec<u8>) -> Option<usize> {
    let simple = match escape.as_bytes().get(1)? {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => return byte(escape.get(2..4)?, 16, 4, out),
        b'0'..=b'7' => return byte(escape.get(1..4)?, 8, 4, out),
        b'u' => return scalar(escape.get(2..6)?, 6, out),
        b'U' => return scalar(escape.get(2..10)?, 10, out),
        _ => return None,
    };
    out.push(simple);
    Some(2)
}

fn byte(digits: &str, radix: u32, length: usize, out: &mut Vec<u8>) -> Option<usize> {
    out.push(u8::try_from(number(digits, radix)?).ok()?);
    Some(length)
}

fn scalar(digits: &str, length: usize, out: &mut Vec<u8>) -> Option<usize> {
    let scalar = char::from_u32(number(digits, 16)?)?;
    out.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
    Some(length)
}

/// Digits only: the standard parser would also take a sign.
fn number(digits: &str, radix: u32) -> Option<u32> {
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}
