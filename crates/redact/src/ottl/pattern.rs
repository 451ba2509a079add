//! Regular expressions and globs as the collector reads them.
//!
//! Its classes `\d \w \s \b` are ASCII, while a dot is a character of any script. Both are had by
//! translating the classes and leaving the rest to the Unicode mode. A glob becomes an expression.

use alloc::string::String;
use core::ops::Range;

use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_syntax::ParserBuilder;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles a regular expression; the error is the column of the mistake, from 1.
    pub(super) fn regex(text: &str) -> Result<Self, usize> {
        if let Some(pattern) = Self::build(&translated(text)) {
            return Ok(pattern);
        }
        // The translation has other columns than the text.
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).nest_limit(NEST_MAX);
        Err(match parser.build().parse(text) {
            Err(regex_syntax::Error::Parse(error)) => error.span().start.column,
            Err(regex_syntax::Error::Translate(error)) => error.span().start.column,
            _ => 1,
        })
    }

    /// Compiles a glob: `*`, `?`, `[a-z]`, `[!a]` and `{a,b}`; it matches whole texts.
    pub(super) fn glob(text: &str) -> Result<Self, usize> {
        let mut regex = String::from("^(?s:");
        let mut characters = text.chars();
        let (mut braces, mut class) = (0_usize, false);
        while let Some(c) = characters.next() {
            match c {
                '\\' => push_literal(characters.next().unwrap_or('\\'), &mut regex),
                ']' if class => {
                    class = false;
                    regex.push(']');
                }
                '!' if class && regex.ends_with('[') => regex.push('^'),
                '-' if class => regex.push('-'),
                _ if class => push_literal(c, &mut regex),
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '[' => {
                    class = true;
                    regex.push('[');
                }
                '{' => {
                    braces = braces.saturating_add(1);
                    regex.push_str("(?:");
                }
                '}' if braces > 0 => {
                    braces = braces.saturating_sub(1);
                    regex.push(')');
                }
                ',' if braces > 0 => regex.push('|'),
                _ => push_literal(c, &mut regex),
            }
        }
        regex.push_str(")$");
        Self::build(&regex).ok_or(1)
    }

    fn build(text: &str) -> Option<Self> {
        let config = Regex::config().nfa_size_limit(Some(COMPILED_BYTES_MAX));
        let syntax = syntax::Config::new().nest_limit(NEST_MAX);
        Regex::builder().syntax(syntax).configure(config).build(text).ok().map(Self)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Whether it has a named group.
    pub(super) fn has_names(&self) -> bool {
        self.0.group_info().all_names().any(|(_, _, name)| name.is_some())
    }

    /// Calls `each` with the name and place of every named group of the first match.
    pub(super) fn named(&self, text: &str, mut each: impl FnMut(&str, Range<usize>)) {
        let mut groups = self.0.create_captures();
        self.0.captures(text, &mut groups);
        if let Some(pattern) = groups.pattern() {
            for (index, name) in self.0.group_info().pattern_names(pattern).enumerate() {
                if let (Some(name), Some(span)) = (name, groups.get_group(index)) {
                    each(name, span.range());
                }
            }
        }
    }

    /// `text` with each match exchanged for what `with` makes of its groups; `None` if nothing
    /// matches.
    pub(super) fn replace(
        &self,
        text: &str,
        mut with: impl FnMut(&Groups<'_>, &mut String),
    ) -> Option<String> {
        let mut out = None;
        let mut copied = 0_usize;
        for captures in self.0.captures_iter(text) {
            let Some(whole) = captures.get_match() else { continue };
            let out = out.get_or_insert_with(String::new);
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            with(&Groups { text, captures: &captures }, out);
            copied = whole.end();
        }
        let mut out = out?;
        out.push_str(text.get(copied..).unwrap_or_default());
        Some(out)
    }
}

/// The groups of one match.
pub(super) struct Groups<'t> {
    text: &'t str,
    captures: &'t Captures,
}

impl Groups<'_> {
    /// Appends `template` with `$1`, `${1}`, `$name` and `$$` expanded; an unknown group is empty.
    pub(super) fn expand(&self, template: &str, out: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(tail) = after.strip_prefix('$') {
                out.push('$');
                rest = tail;
                continue;
            }
            let (name, tail) = match after.strip_prefix('{').and_then(|name| name.split_once('}')) {
                Some(found) => found,
                None => {
                    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    after.split_at_checked(end.unwrap_or(after.len())).unwrap_or((after, ""))
                }
            };
            if name.is_empty() {
                out.push('$');
            }
            let span = match name.parse::<usize>() {
                Ok(index) => self.captures.get_group(index),
                Err(_) => self.captures.get_group_by_name(name),
            };
            out.push_str(span.and_then(|span| self.text.get(span.range())).unwrap_or_default());
            rest = tail;
        }
        out.push_str(rest);
    }
}

fn push_literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

/// Classes in ASCII, and `[` inside a class as the character that it is there.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut class = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\f\r ]"),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                Some('b') if !class => out.push_str(r"(?-u:\b)"),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if class && characters.peek() != Some(&':') => out.push_str(r"\["),
            '[' => {
                // The second bracket of `[:alpha:]` closes no class.
                class = true;
                out.push('[');
                if out.ends_with("[[") {
                    out.extend(characters.by_ref().take_while(|c| *c != ']'));
                    out.push(']');
                } else if let Some(first) = characters.next_if(|c| matches!(c, '^' | ']')) {
                    out.push(first);
                }
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            _ => out.push(c),
        }
    }
    out
}

const NEST_MAX: u32 = 64; // far above what people write, far below what exhausts a stack
const COMPILED_BYTES_MAX: usize = 4 << 20; // a long alternation takes some 100 KiB

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::regex(pattern).unwrap().is_match(text), expected, "{pattern} {text}");
    }

    #[test]
    fn classes_are_ascii_and_a_dot_is_any_character() {
        check(r"^\d+$", "42", true);
        check(r"^\d+$", "٤٢", false);
        check(r"^[\w.]+$", "a.b_1", true);
        check(r"^.$", "é", true);
        check(r"\bword\b", "a word.", true);
        check(r"^[[:alpha:]-]+$", "a-b", true);
        check(r"^[[]$", "[", true);
        check(r"^\S\D\W$", "aa-", true);
    }

    #[test]
    fn a_mistake_has_its_column() {
        assert_eq!(Pattern::regex("card[0-9").map(|_| ()), Err(5));
    }

    #[test]
    fn globs_match_whole_texts() {
        let glob = |glob: &str, text: &str| Pattern::glob(glob).unwrap().is_match(text);
        assert!(glob("/user/*/list/*", "/user/1/list/2"));
        assert!(!glob("/user/*/list/*", "/x/user/1/list/2"));
        assert!(glob("{a,b}?[!c]", "bxd"));
        assert!(!glob("{a,b}?[!c]", "bxc"));
        assert!(!glob("a.c", "abc"));
    }
}
