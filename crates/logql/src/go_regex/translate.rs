//! The walk over a pattern outside of classes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::class;
use super::error::RegexError;

/// A pattern in Rust's language, and the names of its groups.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Translation {
    /// The pattern; no group in it has a name.
    pub pattern: String,
    /// Number and name of each named group.
    pub names: Vec<(usize, String)>,
}

/// Rewrites Go's text.
///
/// # Errors
/// What Go refuses.
pub fn translate(source: &str) -> Result<Translation, RegexError> {
    let mut walk = Walk {
        source,
        at: 0,
        out: String::with_capacity(source.len()),
        names: Vec::new(),
        groups: 0,
        open: Vec::new(),
        atom: false,
        repeat: None,
    };
    while let Some(next) = walk.peek() {
        walk.step(next)?;
    }
    if !walk.open.is_empty() {
        return Err(RegexError::MissingParen(source.into()));
    }
    Ok(Translation { pattern: walk.out, names: walk.names })
}

struct Walk<'s> {
    source: &'s str,
    at: usize,
    out: String,
    names: Vec<(usize, String)>,
    groups: usize,
    open: Vec<()>,
    /// Whether there is something that a repetition could repeat.
    atom: bool,
    /// Where the repetition just read began.
    repeat: Option<usize>,
}

impl<'s> Walk<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn took_atom(&mut self) {
        self.atom = true;
        self.repeat = None;
    }

    fn step(&mut self, next: char) -> Result<(), RegexError> {
        match next {
            '(' => self.group(),
            ')' => self.group_end(),
            '[' => {
                let rest = self.source.get(self.at..).unwrap_or("");
                let read = class::translate(rest, &mut self.out)?;
                self.skip(read);
                self.took_atom();
                Ok(())
            }
            '\\' => self.escape(),
            '*' | '+' | '?' => self.repeat(1),
            '{' => match counted(self.rest()) {
                Some(length) => self.counted_repeat(length),
                None => self.literal(next),
            },
            '|' => {
                self.plain(next);
                self.atom = false;
                Ok(())
            }
            '^' | '$' | '.' => {
                self.plain(next);
                self.atom = true;
                Ok(())
            }
            _ => self.literal(next),
        }
    }

    fn plain(&mut self, next: char) {
        self.out.push(next);
        self.skip(next.len_utf8());
        self.repeat = None;
    }

    fn literal(&mut self, next: char) -> Result<(), RegexError> {
        push_literal(next, &mut self.out);
        self.skip(next.len_utf8());
        self.took_atom();
        Ok(())
    }

    /// `*`, `+`, `?` or `{n,m}` of the given length, with its `?` if it is lazy.
    fn repeat(&mut self, length: usize) -> Result<(), RegexError> {
        let text = self.rest().get(..length).unwrap_or("");
        if !self.atom {
            return Err(RegexError::MissingRepeatArgument(text.into()));
        }
        let lazy = self.rest().get(length..).is_some_and(|after| after.starts_with('?'));
        let length = if lazy { length.saturating_add(1) } else { length };
        let end = self.at.saturating_add(length);
        if let Some(first) = self.repeat {
            let both = self.source.get(first..end).unwrap_or("");
            return Err(RegexError::InvalidRepeatOp(both.into()));
        }
        self.repeat = Some(self.at);
        let text = self.source.get(self.at..end).unwrap_or("");
        self.out.push_str(text);
        self.at = end;
        Ok(())
    }

    fn counted_repeat(&mut self, length: usize) -> Result<(), RegexError> {
        let text = self.rest().get(..length).unwrap_or("");
        let wrong = || RegexError::InvalidRepeatSize(text.into());
        let inner = text.trim_start_matches('{').trim_end_matches('}');
        let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
        let low: u32 = low.parse().map_err(|_| wrong())?;
        let high: u32 = if high.is_empty() { low } else { high.parse().map_err(|_| wrong())? };
        if low > REPEAT_MAX || high > REPEAT_MAX || low > high {
            return Err(wrong());
        }
        self.repeat(length)
    }

    fn group_end(&mut self) -> Result<(), RegexError> {
        if self.open.pop().is_none() {
            return Err(RegexError::UnexpectedParen(self.source.into()));
        }
        self.out.push(')');
        self.skip(1);
        self.took_atom();
        Ok(())
    }

    fn group(&mut self) -> Result<(), RegexError> {
        if self.rest().starts_with("(?") {
            if self.rest().starts_with("(?P<") || named(self.rest()) {
                return self.named_group();
            }
            return self.flags();
        }
        self.open_group("(", 1);
        self.groups = self.groups.saturating_add(1);
        Ok(())
    }

    fn open_group(&mut self, text: &str, read: usize) {
        self.out.push_str(text);
        self.skip(read);
        self.open.push(());
        self.atom = false;
        self.repeat = None;
    }

    fn named_group(&mut self) -> Result<(), RegexError> {
        let rest = self.rest();
        let prefix = if rest.starts_with("(?P<") { 4 } else { 3 };
        let Some(end) = rest.find('>') else {
            return Err(RegexError::InvalidNamedCapture(rest.into()));
        };
        let name = rest.get(prefix..end).unwrap_or("");
        let read = end.saturating_add(1);
        let valid =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !valid || self.names.iter().any(|(_, known)| known == name) {
            let text = if valid { name } else { rest.get(..read).unwrap_or(rest) };
            return Err(RegexError::InvalidNamedCapture(text.into()));
        }
        let name = name.into();
        self.open_group("(", read);
        self.groups = self.groups.saturating_add(1);
        self.names.push((self.groups, name));
        Ok(())
    }

    /// `(?i)`, `(?i-s:` and the like; anything else after `(?` is not RE2.
    fn flags(&mut self) -> Result<(), RegexError> {
        let rest = self.rest();
        let (mut minus, mut after_minus) = (false, false);
        for (at, c) in rest.char_indices().skip(2) {
            match c {
                'i' | 'm' | 's' | 'U' => after_minus = minus,
                '-' if !minus => minus = true,
                ':' | ')' if !minus || after_minus => {
                    let read = at.saturating_add(1);
                    let text: String = rest.get(..read).unwrap_or("").into();
                    if c == ':' {
                        self.open_group(&text, read);
                    } else {
                        // Rust refuses `(?)`, which says nothing.
                        self.out.push_str(if text == "(?)" { "" } else { &text });
                        self.skip(read);
                        self.repeat = None;
                    }
                    return Ok(());
                }
                _ => {
                    let end = at.saturating_add(c.len_utf8());
                    return Err(RegexError::InvalidPerlOp(rest.get(..end).unwrap_or("").into()));
                }
            }
        }
        Err(RegexError::MissingParen(self.source.into()))
    }

    fn escape(&mut self) -> Result<(), RegexError> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let length = quoted.find("\\E").unwrap_or(quoted.len());
            let closed = if length < quoted.len() { 2 } else { 0 };
            let quoted: String = quoted.get(..length).unwrap_or("").into();
            for c in quoted.chars() {
                push_literal(c, &mut self.out);
                self.took_atom();
            }
            self.skip(length.saturating_add(2).saturating_add(closed));
            return Ok(());
        }
        let zero_width = match rest.chars().nth(1) {
            Some('b') => Some("(?-u:\\b)"),
            Some('B') => Some("(?-u:\\B)"),
            Some('A') => Some("\\A"),
            Some('z') => Some("\\z"),
            _ => None,
        };
        if let Some(text) = zero_width {
            self.out.push_str(text);
            self.skip(2);
            self.took_atom();
            return Ok(());
        }
        if let Some((text, read)) = class::shorthand(rest)? {
            self.out.push('[');
            self.out.push_str(&text);
            self.out.push(']');
            self.skip(read);
        } else {
            let (c, read) = escaped_char(rest)?;
            push_literal(c, &mut self.out);
            self.skip(read);
        }
        self.took_atom();
        Ok(())
    }
}

/// `(?<name>`, and not the look-behind that begins alike.
fn named(rest: &str) -> bool {
    rest.strip_prefix("(?<").is_some_and(|after| !after.starts_with(['=', '!']))
}

/// How long a `{n}`, `{n,}` or `{n,m}` at the beginning is; other braces are literals in Go.
fn counted(rest: &str) -> Option<usize> {
    let end = rest.find('}')?;
    let inner = rest.get(1..end)?;
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let leading = |text: &str| text.len() > 1 && text.starts_with('0');
    let counts = !low.is_empty() && digits(low) && digits(high) && !leading(low) && !leading(high);
    counts.then(|| end.saturating_add(1))
}

/// The character that an escape stands for, and how many bytes it takes.
pub(super) fn escaped_char(rest: &str) -> Result<(char, usize), RegexError> {
    let mut chars = rest.chars().skip(1);
    let Some(c) = chars.next() else {
        return Err(RegexError::TrailingBackslash);
    };
    let wrong = |length: usize| {
        let end = (length..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
        RegexError::InvalidEscape(rest.get(..end).unwrap_or("").into())
    };
    let simple = |c: char| Ok((c, 2));
    match c {
        'a' => simple('\u{7}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        'x' => hexadecimal(rest).ok_or_else(|| wrong(2)),
        // One digit that is not zero would be a back reference.
        '1'..='7' if !chars.next().is_some_and(|next| next.is_digit(8)) => Err(wrong(2)),
        '0'..='7' => Ok(octal(rest)),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => simple(c),
        _ => Err(wrong(2)),
    }
}

fn octal(rest: &str) -> (char, usize) {
    let digits = rest.bytes().skip(1).take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
    let end = digits.saturating_add(1);
    let value = rest.get(1..end).and_then(|text| u32::from_str_radix(text, 8).ok()).unwrap_or(0);
    (char::from_u32(value).unwrap_or('\0'), end)
}

/// `\xFF` or `\x{10FFFF}`.
fn hexadecimal(rest: &str) -> Option<(char, usize)> {
    let after = rest.get(2..)?;
    let (digits, read) = match after.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}')?;
            (inner.get(..end)?, end.saturating_add(4))
        }
        None => (after.get(..2)?, 4),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, read))
}

/// Writes one character so that it stands for itself, in a class or outside.
pub(super) fn push_literal(c: char, out: &mut String) {
    if c.is_alphanumeric() || matches!(c, '_' | ' ' | '"' | '\'' | ',' | ';' | ':' | '/' | '=') {
        out.push(c);
    } else {
        _ = write!(out, "\\x{{{:x}}}", u32::from(c));
    }
}

/// Go's own limit for `{n}`.
const REPEAT_MAX: u32 = 1000;
