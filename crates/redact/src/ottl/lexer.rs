//! Tokens of a statement, each with its column.
//!
//! A sign is a token of its own, so `1-1` is a difference; the collector reads it as two numbers
//! and refuses it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{CompileError, Mistake};

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'t> {
    Word(&'t str),
    Text(Box<str>),
    Int(u64),
    Double(f64),
    Bytes(Box<[u8]>),
    /// One of `( ) [ ] { } , . : = + - * /` and the comparisons.
    Mark(&'static str),
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    /// In characters, from 1.
    pub(super) column: usize,
    /// As written.
    pub(super) source: &'t str,
}

/// Splits a statement; the last token is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, CompileError> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(CompileError { column: 1, kind: Mistake::TooLong });
    }
    let mut found = Vec::new();
    let mut rest = text;
    let mut column = 1_usize;
    loop {
        let trimmed = rest.trim_start();
        column = column.saturating_add(chars(rest).saturating_sub(chars(trimmed)));
        rest = trimmed;
        let (kind, length) = token(rest).map_err(|kind| CompileError { column, kind })?;
        let (source, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let end = kind == Kind::End;
        found.push(Token { kind, column, source });
        if end {
            return Ok(found);
        }
        column = column.saturating_add(chars(source));
        rest = tail;
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn token(rest: &str) -> Result<(Kind<'_>, usize), Mistake> {
    let Some(first) = rest.chars().next() else {
        return Ok((Kind::End, 0));
    };
    if first.is_ascii_alphabetic() {
        let length = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
        return Ok((Kind::Word(rest.get(..length).unwrap_or(rest)), length));
    }
    if first == '"' {
        return quoted(rest);
    }
    let point_first = first == '.' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    if first.is_ascii_digit() || point_first {
        return number(rest);
    }
    for mark in MARKS {
        if rest.starts_with(mark) {
            return Ok((Kind::Mark(mark), mark.len()));
        }
    }
    Err(Mistake::Character { found: first })
}

fn run(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// Escapes are those of Go: a backslash before anything else stays as it is.
fn quoted(rest: &str) -> Result<(Kind<'_>, usize), Mistake> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((Kind::Text(text.into_boxed_str()), at.saturating_add(1))),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, escaped @ ('"' | '\\' | '\''))) => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => return Err(Mistake::OpenText),
            },
            _ => text.push(c),
        }
    }
    Err(Mistake::OpenText)
}

fn number(rest: &str) -> Result<(Kind<'_>, usize), Mistake> {
    if let Some(digits) = rest.strip_prefix("0x") {
        let length = run(digits, |c| c.is_ascii_hexdigit());
        let bytes = digits.get(..length).and_then(unhex).ok_or(Mistake::Number)?;
        return Ok((Kind::Bytes(bytes.into_boxed_slice()), length.saturating_add(2)));
    }
    let whole = run(rest, |c| c.is_ascii_digit());
    let tail = rest.get(whole..).unwrap_or_default();
    let fraction = match tail.strip_prefix('.') {
        Some(digits) => run(digits, |c| c.is_ascii_digit()),
        None => 0,
    };
    if fraction == 0 {
        let value = rest.get(..whole).and_then(|digits| digits.parse().ok());
        return Ok((Kind::Int(value.ok_or(Mistake::Number)?), whole));
    }
    let mantissa = whole.saturating_add(1).saturating_add(fraction);
    let length = mantissa.saturating_add(exponent(rest.get(mantissa..).unwrap_or_default()));
    let value = rest.get(..length).and_then(|digits| digits.parse().ok());
    Ok((Kind::Double(value.ok_or(Mistake::Number)?), length))
}

/// Length of `e-12` at the front, or 0.
fn exponent(text: &str) -> usize {
    let Some(power) = text.strip_prefix(['e', 'E']) else {
        return 0;
    };
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    match run(digits, |c| c.is_ascii_digit()) {
        0 => 0,
        length => text.len().saturating_sub(digits.len()).saturating_add(length),
    }
}

/// Bytes of an even number of hex digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|pair| {
            let text = core::str::from_utf8(pair).ok()?;
            let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if plain { u8::from_str_radix(text, 16).ok() } else { None }
        })
        .collect()
}

/// Longer marks first, so that `<=` is not `<` and `=`.
const MARKS: [&str; 20] = [
    "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "=", "<", ">", "+", "-",
    "*", "/",
];

/// People write lines; generated lists of keys are a few KiB.
const STATEMENT_BYTES_MAX: usize = 16 * 1024;
