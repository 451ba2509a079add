//! Classes of characters: `[a-z]`, `\d`, `\pL`.
//!
//! In Rust a class may hold classes and set operations; in Go `[`, `&`, `~` and `-` in a class are
//! characters, so each is written by its number.

use alloc::string::String;
use alloc::{format, string::ToString as _};

use super::error::RegexError;
use super::translate::{escaped_char, push_literal};

/// Translates the class at the beginning of `rest` and says how many bytes it took.
pub(super) fn translate(rest: &str, out: &mut String) -> Result<usize, RegexError> {
    let missing = || RegexError::MissingBracket(rest.into());
    let mut at = 1;
    out.push('[');
    if rest.get(at..).is_some_and(|after| after.starts_with('^')) {
        out.push('^');
        at = 2;
    }
    let first = at;
    loop {
        let text = rest.get(at..).unwrap_or("");
        let next = text.chars().next().ok_or_else(missing)?;
        if next == ']' && at != first {
            out.push(']');
            return Ok(at.saturating_add(1));
        }
        let read = item(text, rest, out)?;
        at = at.saturating_add(read);
    }
}

/// One class, range or character within a class.
fn item(text: &str, whole: &str, out: &mut String) -> Result<usize, RegexError> {
    if text.starts_with("[:")
        && let Some(end) = text.find(":]")
    {
        let name = text.get(2..end).unwrap_or("");
        let read = end.saturating_add(2);
        let plain = name.strip_prefix('^').unwrap_or(name);
        if !POSIX.contains(&plain) {
            let text = text.get(..read).unwrap_or("");
            return Err(RegexError::InvalidCharRange(text.into()));
        }
        out.push_str(text.get(..read).unwrap_or(""));
        return Ok(read);
    }
    if let Some((class, read)) = shorthand(text)? {
        out.push('[');
        out.push_str(&class);
        out.push(']');
        return Ok(read);
    }
    let (low, read) = character(text, whole)?;
    let after = text.get(read..).unwrap_or("");
    let high = match after.strip_prefix('-') {
        Some(end) if !end.starts_with(']') && !end.is_empty() => Some(character(end, whole)?),
        _ => None,
    };
    push_literal(low, out);
    let Some((high, more)) = high else {
        return Ok(read);
    };
    let length = read.saturating_add(1).saturating_add(more);
    if high < low {
        return Err(RegexError::InvalidCharRange(text.get(..length).unwrap_or("").into()));
    }
    out.push('-');
    push_literal(high, out);
    Ok(length)
}

fn character(text: &str, whole: &str) -> Result<(char, usize), RegexError> {
    match text.chars().next() {
        None => Err(RegexError::MissingBracket(whole.into())),
        Some('\\') => escaped_char(text),
        Some(c) => Ok((c, c.len_utf8())),
    }
}

/// What stands between brackets for `\d`, `\pN` and the like, and how many bytes were read.
pub(super) fn shorthand(rest: &str) -> Result<Option<(String, usize)>, RegexError> {
    let simple = |text: &str| Ok(Some((text.to_string(), 2)));
    match rest.strip_prefix('\\').and_then(|after| after.chars().next()) {
        Some('d') => simple("0-9"),
        Some('D') => simple("^0-9"),
        // Rust's own ASCII class has the vertical tab, Go's has not.
        Some('s') => simple("\\t\\n\\x0c\\r\\x20"),
        Some('S') => simple("^\\t\\n\\x0c\\r\\x20"),
        Some('w') => simple("0-9A-Za-z_"),
        Some('W') => simple("^0-9A-Za-z_"),
        Some(letter @ ('p' | 'P')) => unicode(rest, letter == 'P').map(Some),
        _ => Ok(None),
    }
}

/// `\pN`, `\p{Greek}`, `\p{^Greek}` and their opposites.
fn unicode(rest: &str, negated: bool) -> Result<(String, usize), RegexError> {
    let wrong = |read: usize| RegexError::InvalidCharRange(rest.get(..read).unwrap_or(rest).into());
    let after = rest.get(2..).unwrap_or("");
    let (name, read) = match after.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}').ok_or_else(|| wrong(rest.len()))?;
            (inner.get(..end).unwrap_or(""), end.saturating_add(4))
        }
        None => {
            let c = after.chars().next().ok_or_else(|| wrong(rest.len()))?;
            (after.get(..c.len_utf8()).unwrap_or(""), c.len_utf8().saturating_add(2))
        }
    };
    let (name, negated) = match name.strip_prefix('^') {
        Some(plain) => (plain, !negated),
        None => (name, negated),
    };
    if name == "Any" {
        let class = if negated { "[a&&b]" } else { "\\x{0}-\\x{10ffff}" };
        return Ok((class.into(), read));
    }
    let class = format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' });
    // Names that RE2 has are names that Rust has; the reverse is not so, and only capitals are
    // RE2's.
    let known = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && regex_syntax::parse(&class).is_ok();
    if known { Ok((class, read)) } else { Err(wrong(read)) }
}

/// The named classes of ASCII.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];
