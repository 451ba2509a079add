//! Tokens of TraceQL, each with its span.
//!
//! The name of an attribute ends at a blank or at one of `{}()=~!<>&|^,`, so that `.a-b` is one
//! name and `.a - .b` are two; parts of it may be quoted. What is no token ends the list as `Bad`.

use alloc::string::String;
use alloc::vec::Vec;

use super::ast::{Field, Intrinsic, Scope};
use crate::duration;
use crate::error::Span;
use crate::lexer::text;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Word,
    Field(Field),
    Text,
    Int(i64),
    Float(f64),
    Duration(i64),
    Sign(&'static str),
    End,
    Bad(Bad),
}

/// Why something is no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bad {
    Character,
    Number,
    Unterminated,
    /// A scope with a colon, and a name that it does not have.
    Intrinsic,
    /// A point without a name.
    NoName,
    /// An escape in a quoted name.
    Escape,
}

/// Longest first, so that the first that fits is the token.
const SIGNS: [&str; 37] = [
    "&>>", "&<<", "!>>", "!<<", "&&", "||", "=~", "!=", "!~", ">=", "<=", ">>", "<<", "&>", "&<",
    "&~", "!>", "!<", "==", "{", "}", "(", ")", ",", "|", "=", ">", "<", "~", "+", "-", "*", "/",
    "%", "^", "!", "&",
];

/// The tokens of `source`; the last is the end, or what is no token.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut out = Vec::with_capacity((source.len() / 4).saturating_add(1));
    let mut at = 0_usize;
    loop {
        let rest = source.get(at..).unwrap_or("");
        at = at.saturating_add(blank(rest));
        let (kind, length) = next(source.get(at..).unwrap_or(""));
        let end = at.saturating_add(length);
        let last = matches!(kind, Kind::End | Kind::Bad(_));
        out.push(Token { kind, span: Span { start: at, end } });
        if last {
            return out;
        }
        at = end;
    }
}

/// Bytes of white space and of comments, which go from `//` to the end of their line.
fn blank(text: &str) -> usize {
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix("//") {
        rest = comment.find('\n').and_then(|end| comment.get(end..)).unwrap_or("").trim_start();
    }
    text.len().saturating_sub(rest.len())
}

/// The token in front, and its length in bytes.
fn next(text: &str) -> (Kind, usize) {
    let second = text.as_bytes().get(1).copied().unwrap_or(0);
    match text.bytes().next() {
        None => (Kind::End, 0),
        Some(b'"' | b'`') => match text::length(text) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Bad(Bad::Unterminated), text.len()),
        },
        Some(b'0'..=b'9') => number(text),
        Some(b'.') if second.is_ascii_digit() => number(text),
        Some(b'.') => attribute(text, 1, false, Scope::Any),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => word(text),
        Some(_) => match SIGNS.iter().find(|sign| text.starts_with(**sign)) {
            Some(sign) => (Kind::Sign(sign), sign.len()),
            None => (Kind::Bad(Bad::Character), text.chars().next().map_or(0, char::len_utf8)),
        },
    }
}

/// A word, or the field that begins with it.
fn word(text: &str) -> (Kind, usize) {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let length = text.bytes().position(|byte| !part(byte)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
    match (scope, rest.bytes().next()) {
        (Some(scope), Some(b'.')) => attribute(text, length.saturating_add(1), false, scope),
        (None, Some(b'.')) if word == "parent" => {
            let inner = rest.get(1..).unwrap_or("");
            let own = [Scope::Span, Scope::Resource].into_iter().find(|scope| {
                inner.strip_prefix(scope.as_str()).is_some_and(|rest| rest.starts_with('.'))
            });
            let scope = own.unwrap_or(Scope::Any);
            let skip = own.map_or(0, |scope| scope.as_str().len().saturating_add(1));
            attribute(text, length.saturating_add(1).saturating_add(skip), true, scope)
        }
        (scope, Some(b':')) if scope.is_some() || word == "trace" => {
            let name = rest.get(1..).unwrap_or("");
            let name = name.bytes().position(|byte| !part(byte)).unwrap_or(name.len());
            let whole = length.saturating_add(1).saturating_add(name);
            match text.get(..whole).and_then(Intrinsic::named) {
                Some(intrinsic) => (Kind::Field(Field::Intrinsic(intrinsic)), whole),
                None => (Kind::Bad(Bad::Intrinsic), whole),
            }
        }
        _ => (Kind::Word, length),
    }
}

/// The attribute whose name begins at `start`.
fn attribute(text: &str, start: usize, parent: bool, scope: Scope) -> (Kind, usize) {
    let mut name = String::new();
    let mut at = start;
    loop {
        let rest = text.get(at..).unwrap_or("");
        if let Some(quoted) = rest.strip_prefix('"') {
            match quoted_part(quoted, &mut name) {
                Ok(length) => at = at.saturating_add(1).saturating_add(length),
                Err(bad) => return (Kind::Bad(bad), text.len()),
            }
            continue;
        }
        let end = rest.find(|c: char| !is_bare(c)).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        name.push_str(rest.get(..end).unwrap_or(""));
        at = at.saturating_add(end);
    }
    if name.is_empty() {
        return (Kind::Bad(Bad::NoName), at);
    }
    (Kind::Field(Field::Attribute { parent, scope, name }), at)
}

/// Whether a character of a name needs no quotes.
pub(super) fn is_bare(c: char) -> bool {
    const ENDS: &str = "{}()=~!<>&|^,\"\\`";
    !c.is_whitespace() && !c.is_control() && !ENDS.contains(c)
}

/// Appends what is before the closing quote; bytes up to behind it.
fn quoted_part(text: &str, name: &mut String) -> Result<usize, Bad> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(at.saturating_add(1)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => name.push(escaped),
                _ => return Err(Bad::Escape),
            },
            c => name.push(c),
        }
    }
    Err(Bad::Unterminated)
}

/// A run of letters, digits and points is read whole, so that `5mfoo` is a mistake.
fn number(text: &str) -> (Kind, usize) {
    let length = run(text);
    let spelled = text.get(..length).unwrap_or(text);
    let kind = if let Ok(whole) = spelled.parse::<i64>() {
        Kind::Int(whole)
    } else if let Some(float) = spelled.parse::<f64>().ok().filter(|float| float.is_finite()) {
        Kind::Float(float)
    } else if let Some(nanoseconds) = duration::parse_literal(spelled) {
        Kind::Duration(nanoseconds)
    } else {
        Kind::Bad(Bad::Number)
    };
    (kind, length)
}

/// Bytes of letters, digits, points and the sign of an exponent.
fn run(text: &str) -> usize {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let exponent = matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
        if !(c.is_alphanumeric() || matches!(c, '.' | '_') || exponent) {
            return at;
        }
        before = c;
    }
    text.len()
}
