//! From a template's text to pieces: text, and actions as tokens.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::TemplateError;
use crate::go_number::{parse_float, parse_int};

/// What a template is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// A token, and whether a space is before it: `.a.b` and `.a .b` differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) spaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Dot,
    /// `.name`
    Field(String),
    /// `$name`, without its dollar
    Variable(String),
    Name(String),
    Text(String),
    Int(i64),
    Float(f64),
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
}

/// Splits a template; spaces beside `{{-` and `-}}` are gone, comments too.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let (mut rest, mut trim) = (source, false);
    loop {
        let (text, after) = match rest.split_once("{{") {
            Some((text, after)) => (text, Some(after)),
            None => (rest, None),
        };
        let text = if trim { text.trim_start_matches(SPACE) } else { text };
        let trims =
            after.and_then(|after| after.strip_prefix('-')).filter(|a| a.starts_with(SPACE));
        let text = if trims.is_some() { text.trim_end_matches(SPACE) } else { text };
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        let Some(after) = after else {
            return Ok(pieces);
        };
        let after = trims.unwrap_or(after);
        let comment = after.trim_start_matches(SPACE);
        if trims.is_some() && comment.starts_with("/*") || after.starts_with("/*") {
            (rest, trim) = skip_comment(comment)?;
            continue;
        }
        let (tokens, end, trims_after) = tokens(after)?;
        pieces.push(Piece::Action(tokens));
        (rest, trim) = (after.get(end..).unwrap_or(""), trims_after);
    }
}

fn skip_comment(text: &str) -> Result<(&str, bool), TemplateError> {
    let open = TemplateError::Unclosed { what: "comment" };
    let after = text.split_once("*/").ok_or(open.clone())?.1;
    let trimmed = after.trim_start_matches(SPACE);
    if let Some(rest) = trimmed.strip_prefix("-}}") {
        return Ok((rest, true));
    }
    after.strip_prefix("}}").map(|rest| (rest, false)).ok_or(open)
}

/// The tokens of an action, where it ends, and whether the space behind it goes.
fn tokens(text: &str) -> Result<(Vec<Token>, usize, bool), TemplateError> {
    let mut tokens = Vec::new();
    let (mut at, mut spaced) = (0, false);
    loop {
        let rest = text.get(at..).unwrap_or("");
        if rest.starts_with("}}") {
            return Ok((tokens, at.saturating_add(2), false));
        }
        if spaced && rest.starts_with("-}}") {
            return Ok((tokens, at.saturating_add(3), true));
        }
        let c = rest.chars().next().ok_or(TemplateError::Unclosed { what: "action" })?;
        if SPACE.contains(&c) {
            (at, spaced) = (at.saturating_add(1), true);
            continue;
        }
        let (kind, length) = token(rest, c)?;
        tokens.push(Token { kind, spaced });
        (at, spaced) = (at.saturating_add(length), false);
    }
}

fn token(rest: &str, c: char) -> Result<(Kind, usize), TemplateError> {
    let simple = |kind| Ok((kind, 1));
    let word = |from: usize| name_length(rest.get(from..).unwrap_or(""));
    match c {
        '|' => simple(Kind::Pipe),
        '(' => simple(Kind::Open),
        ')' => simple(Kind::Close),
        ',' => simple(Kind::Comma),
        '=' => simple(Kind::Assign),
        ':' if rest.starts_with(":=") => Ok((Kind::Declare, 2)),
        '"' => quoted(rest),
        '`' => raw(rest),
        '\'' => character(rest),
        '$' => Ok((
            Kind::Variable(rest.get(1..word(1).saturating_add(1)).unwrap_or("").into()),
            word(1).saturating_add(1),
        )),
        '.' if rest
            .get(1..)
            .is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit())) =>
        {
            number(rest)
        }
        '.' if word(1) > 0 => {
            let end = word(1).saturating_add(1);
            Ok((Kind::Field(rest.get(1..end).unwrap_or("").into()), end))
        }
        '.' => simple(Kind::Dot),
        '+' | '-' | '0'..='9' => number(rest),
        _ if word(0) > 0 => Ok((Kind::Name(rest.get(..word(0)).unwrap_or("").into()), word(0))),
        _ => Err(TemplateError::Unexpected { found: c.into(), context: "action" }),
    }
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn number(rest: &str) -> Result<(Kind, usize), TemplateError> {
    let sign = usize::from(rest.starts_with(['+', '-']));
    let inside = |(at, c): (usize, char)| {
        let before = at.checked_sub(1).and_then(|before| rest.as_bytes().get(before));
        let exponent = matches!(before, Some(b'e' | b'E' | b'p' | b'P'));
        at < sign
            || c.is_ascii_alphanumeric()
            || matches!(c, '.' | '_')
            || (exponent && matches!(c, '+' | '-'))
    };
    let length = rest.char_indices().find(|&c| !inside(c)).map_or(rest.len(), |(at, _)| at);
    let text = rest.get(..length).unwrap_or("");
    let plain = text.replace('_', "");
    let kind = match (parse_int(&plain), parse_float(text)) {
        (Some(value), _) => Kind::Int(value),
        (None, Some(value)) if text.contains(|c: char| c.is_ascii_digit()) => Kind::Float(value),
        _ => return Err(TemplateError::Unexpected { found: text.into(), context: "number" }),
    };
    Ok((kind, length))
}

fn raw(rest: &str) -> Result<(Kind, usize), TemplateError> {
    let inner = rest.get(1..).unwrap_or("");
    let end = inner.find('`').ok_or(TemplateError::Unclosed { what: "raw string" })?;
    Ok((Kind::Text(inner.get(..end).unwrap_or("").into()), end.saturating_add(2)))
}

fn character(rest: &str) -> Result<(Kind, usize), TemplateError> {
    let open = || TemplateError::Unclosed { what: "character constant" };
    let (text, length) = unquote(rest, '\'').ok_or_else(open)?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok((Kind::Int(i64::from(u32::from(c))), length)),
        _ => Err(open()),
    }
}

fn quoted(rest: &str) -> Result<(Kind, usize), TemplateError> {
    let open = TemplateError::Unclosed { what: "quoted string" };
    unquote(rest, '"').map(|(text, length)| (Kind::Text(text), length)).ok_or(open)
}

/// The text between two quotes, with Go's escapes, and its length with them.
fn unquote(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut at = 1;
    loop {
        let text = rest.get(at..)?;
        let c = text.chars().next()?;
        let length = match c {
            '\n' => return None,
            c if c == quote => return Some((out, at.saturating_add(1))),
            '\\' => {
                let (c, length) = escape(text, quote)?;
                out.push(c);
                length
            }
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        at = at.saturating_add(length);
    }
}

fn escape(text: &str, quote: char) -> Option<(char, usize)> {
    let coded = |from: usize, digits: usize, radix: u32| {
        let end = from.saturating_add(digits);
        let code = u32::from_str_radix(text.get(from..end)?, radix).ok()?;
        Some((char::from_u32(code)?, end))
    };
    let simple = |c| Some((c, 2));
    match text.chars().nth(1)? {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '\\' => simple('\\'),
        c if c == quote => simple(quote),
        'x' => coded(2, 2, 16),
        'u' => coded(2, 4, 16),
        'U' => coded(2, 8, 16),
        '0'..='7' => coded(1, 3, 8),
        _ => None,
    }
}

/// What Go trims.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
