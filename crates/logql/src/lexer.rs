//! Tokens of a query, each with its span.
//!
//! Reading never fails as a whole: what is no token ends the list as [`TokenKind::Bad`], so that
//! the parser reports whichever mistake comes first. Values of strings are decoded when they are
//! used ([`text`]); numbers, durations and sizes are told apart here ([`number`]).

pub(crate) mod number;
pub(crate) mod text;

use alloc::vec::Vec;

use crate::error::Span;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A name or a keyword: which of them, its place decides.
    Word,
    /// `"…"` or `` `…` ``
    Text,
    Number(f64),
    Duration(i64),
    Bytes(u64),
    /// `--strict`
    Flag,
    /// `$range`
    Variable,
    /// An operator or a bracket.
    Sign(&'static str),
    /// After the last.
    End,
    /// No token.
    Bad(Bad),
}

/// Why something is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Character,
    Number,
    Unterminated,
    SingleQuoted,
}

/// Longest first, so that the first that fits is the token.
const SIGNS: [&str; 28] = [
    "=~", "==", "!=", "!~", "!>", "|=", "|~", "|>", ">=", "<=", "=", "|", ">", "<", "{", "}", "(",
    ")", "[", "]", ",", "+", "-", "*", "/", "%", "^", "!",
];

/// The tokens of `source`; the last is the end, or what is no token.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    // A token of a dense query has about four bytes.
    let mut out = Vec::with_capacity((source.len() / 4).saturating_add(1));
    let mut at = 0_usize;
    loop {
        at = at.saturating_add(blank(rest(source, at)));
        let (kind, length) = next(rest(source, at));
        let end = at.saturating_add(length);
        out.push(Token { kind, span: Span { start: at, end } });
        if matches!(kind, TokenKind::End | TokenKind::Bad(_)) {
            return out;
        }
        at = end;
    }
}

fn rest(source: &str, at: usize) -> &str {
    source.get(at..).unwrap_or("")
}

/// Bytes of white space and comments in front.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        match rest.strip_prefix('#') {
            Some(comment) => rest = comment.find('\n').map_or("", |end| self::rest(comment, end)),
            None => return text.len().saturating_sub(rest.len()),
        }
    }
}

/// The token in front, and its length in bytes.
fn next(text: &str) -> (TokenKind, usize) {
    let mut bytes = text.bytes();
    let second = || text.as_bytes().get(1).copied().unwrap_or(0);
    match bytes.next() {
        None => (TokenKind::End, 0),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => (TokenKind::Word, word(text)),
        Some(b'"' | b'`') => match text::length(text) {
            Some(length) => (TokenKind::Text, length),
            None => (TokenKind::Bad(Bad::Unterminated), text.len()),
        },
        Some(b'\'') => (TokenKind::Bad(Bad::SingleQuoted), 1),
        Some(b'0'..=b'9') => number::read(text),
        Some(b'.') if second().is_ascii_digit() => number::read(text),
        Some(b'$') if word(rest(text, 1)) > 0 => {
            (TokenKind::Variable, word(rest(text, 1)).saturating_add(1))
        }
        Some(b'-') if second() == b'-' && flag(text) > 2 => (TokenKind::Flag, flag(text)),
        Some(_) => match SIGNS.iter().find(|sign| text.starts_with(**sign)) {
            Some(&"!") | None => {
                (TokenKind::Bad(Bad::Character), text.chars().next().map_or(0, char::len_utf8))
            }
            Some(sign) => (TokenKind::Sign(sign), sign.len()),
        },
    }
}

fn word(text: &str) -> usize {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().position(|byte| !part(byte)).unwrap_or(text.len())
}

/// `--` and letters or hyphens.
fn flag(text: &str) -> usize {
    let body = rest(text, 2);
    if !body.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return 2;
    }
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    body.bytes().position(|byte| !part(byte)).unwrap_or(body.len()).saturating_add(2)
}

#[cfg(test)]
mod tests;
