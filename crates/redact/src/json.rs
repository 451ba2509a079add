//! Walking a JSON text (audit and control records) with the same visitor as OTLP.
//!
//! A strict scanner of RFC 8259 instead of a parser: it sees repeated members, which a parser into
//! a map would drop, and it knows where each member lies, so a rewritten copy can leave one out and
//! keep the others' bytes. Whatever it does not accept is unreadable.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use crate::glob::fold;
use crate::number::{Number, RENDERED_BYTES_MAX};
use crate::walk::{Flow, Stop, UNREADABLE, Visit};

/// Walks one JSON text.
pub(crate) fn walk<V: Visit>(text: &str, visit: &mut V) -> Flow {
    let mut scanner = Scanner { text, at: 0, visit, path: Vec::new() };
    scanner.value(&[], 0)?;
    scanner.space();
    if scanner.at == text.len() { ControlFlow::Continue(()) } else { UNREADABLE }
}

/// Where the members of a JSON object lie: each from the first byte of its name to the last of its
/// value. `None` when the text is not one object.
pub(crate) fn members(text: &str) -> Option<Vec<Range<usize>>> {
    let mut out = Vec::new();
    let mut scanner = Scanner { text, at: 0, visit: &mut Ignore, path: Vec::new() };
    scanner.space();
    scanner.token(b'{')?;
    scanner.space();
    while scanner.peek() != Some(b'}') {
        if !out.is_empty() {
            scanner.token(b',')?;
            scanner.space();
        }
        let start = scanner.at;
        scanner.member(0).continue_value()?;
        out.push(start..scanner.at);
        scanner.space();
    }
    scanner.token(b'}')?;
    scanner.space();
    (scanner.at == text.len()).then_some(out)
}

struct Scanner<'t, 'v, V> {
    text: &'t str,
    at: usize,
    visit: &'v mut V,
    path: Vec<u8>,
}

impl<'t, V: Visit> Scanner<'t, '_, V> {
    fn value(&mut self, slot: &[u8], depth: usize) -> Flow {
        if depth > DEPTH_MAX {
            return UNREADABLE;
        }
        self.space();
        match self.peek() {
            Some(b'{') => {
                let outer = self.path.len();
                fold(slot, &mut self.path);
                if self.path.len() > PATH_BYTES_MAX {
                    return UNREADABLE;
                }
                self.list(b'}', |scanner| scanner.member(depth))?;
                self.path.truncate(outer);
                ControlFlow::Continue(())
            }
            Some(b'[') => self.list(b']', |scanner| scanner.value(slot, depth.saturating_add(1))),
            Some(b'"') => {
                let text = self.string()?;
                self.visit.text(slot, text.as_bytes(), matches!(text, Cow::Borrowed(_)))
            }
            Some(b't') => self.word("true").and_then_visit(|| self.visit.truth(slot, true)),
            Some(b'f') => self.word("false").and_then_visit(|| self.visit.truth(slot, false)),
            Some(b'n') => self.word("null").and_then_visit(|| ControlFlow::Continue(())),
            Some(_) => {
                let number = self.number()?;
                self.visit.number(slot, number)
            }
            None => UNREADABLE,
        }
    }

    /// Elements between the bracket under the cursor and `close`.
    fn list(&mut self, close: u8, mut element: impl FnMut(&mut Self) -> Flow) -> Flow {
        self.at = self.at.saturating_add(1);
        self.space();
        if self.token(close).is_some() {
            return ControlFlow::Continue(());
        }
        loop {
            self.space();
            element(self)?;
            self.space();
            if self.token(close).is_some() {
                return ControlFlow::Continue(());
            }
            if self.token(b',').is_none() {
                return UNREADABLE;
            }
        }
    }

    fn member(&mut self, depth: usize) -> Flow {
        let key = self.string()?;
        let verbatim = matches!(key, Cow::Borrowed(_));
        self.visit.key(&self.path, key.as_bytes(), verbatim)?;
        self.space();
        if self.token(b':').is_none() {
            return UNREADABLE;
        }
        self.value(key.as_bytes(), depth.saturating_add(1))
    }

    fn string(&mut self) -> ControlFlow<Stop, Cow<'t, str>> {
        const BAD: ControlFlow<Stop, Cow<'static, str>> = ControlFlow::Break(Stop::Unreadable);
        let Some(rest) = self.rest().strip_prefix('"') else {
            return BAD;
        };
        let Some(first) = rest.find(['"', '\\']) else {
            return BAD;
        };
        let (head, tail) = rest.split_at(first);
        if head.bytes().any(|byte| byte < 0x20) {
            return BAD;
        }
        if tail.starts_with('"') {
            self.at = self.at.saturating_add(first).saturating_add(2);
            return ControlFlow::Continue(Cow::Borrowed(head));
        }
        let mut decoded = alloc::string::String::from(head);
        let mut chars = tail.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match escape(&mut chars) {
                    Some(c) => decoded.push(c),
                    None => return BAD,
                },
                Some(c) if c >= ' ' => decoded.push(c),
                _ => return BAD,
            }
        }
        self.at = self.text.len().saturating_sub(chars.as_str().len());
        ControlFlow::Continue(Cow::Owned(decoded))
    }

    fn number(&mut self) -> ControlFlow<Stop, Number<'t>> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let literal = rest.get(..end).unwrap_or_default();
        // A longer literal could not be rendered whole, so it could not be checked.
        if literal.len() >= RENDERED_BYTES_MAX || !is_number(literal) {
            return ControlFlow::Break(Stop::Unreadable);
        }
        self.at = self.at.saturating_add(end);
        ControlFlow::Continue(Number::Literal(literal))
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.rest().starts_with(word);
        found.then(|| self.at = self.at.saturating_add(word.len()))
    }

    fn token(&mut self, wanted: u8) -> Option<()> {
        (self.peek() == Some(wanted)).then(|| self.at = self.at.saturating_add(1))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

fn escape(chars: &mut core::str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        '"' => '"',
        '\\' => '\\',
        '/' => '/',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let high = four_hex(chars)?;
            if !(0xd800..0xdc00).contains(&high) {
                return char::from_u32(high);
            }
            if (chars.next()?, chars.next()?) != ('\\', 'u') {
                return None;
            }
            let low = four_hex(chars)?;
            char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low).ok()?])
                .next()?
                .ok()?
        }
        _ => return None,
    })
}

fn four_hex(chars: &mut core::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0_u32, |value, _| Some((value << 4) | chars.next()?.to_digit(16)?))
}

/// The grammar of RFC 8259 §6.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = |text: &str| digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(unsigned)
}

/// Lets a keyword that was or was not there decide between a visit and "unreadable".
trait AndThenVisit {
    fn and_then_visit(self, visit: impl FnOnce() -> Flow) -> Flow;
}

impl AndThenVisit for Option<()> {
    fn and_then_visit(self, visit: impl FnOnce() -> Flow) -> Flow {
        match self {
            Some(()) => visit(),
            None => UNREADABLE,
        }
    }
}

/// A visitor to whom everything is well: for finding where members end.
struct Ignore;

impl Visit for Ignore {
    fn key(&mut self, _: &[u8], _: &[u8], _: bool) -> Flow {
        ControlFlow::Continue(())
    }

    fn text(&mut self, _: &[u8], _: &[u8], _: bool) -> Flow {
        ControlFlow::Continue(())
    }

    fn number(&mut self, _: &[u8], _: Number<'_>) -> Flow {
        ControlFlow::Continue(())
    }

    fn truth(&mut self, _: &[u8], _: bool) -> Flow {
        ControlFlow::Continue(())
    }
}

const DEPTH_MAX: usize = 32; // audit events are flat; control records nest two deep
const PATH_BYTES_MAX: usize = 1024; // longer names of nested objects are an attack on the matcher

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec;

    use super::*;

    struct Record(Vec<String>);

    impl Visit for Record {
        fn key(&mut self, path: &[u8], key: &[u8], verbatim: bool) -> Flow {
            let (path, key) = (String::from_utf8_lossy(path), String::from_utf8_lossy(key));
            self.0.push(format!("key {path}/{key} {verbatim}"));
            ControlFlow::Continue(())
        }

        fn text(&mut self, slot: &[u8], text: &[u8], verbatim: bool) -> Flow {
            let (slot, text) = (String::from_utf8_lossy(slot), String::from_utf8_lossy(text));
            self.0.push(format!("text {slot}={text} {verbatim}"));
            ControlFlow::Continue(())
        }

        fn number(&mut self, slot: &[u8], number: Number<'_>) -> Flow {
            self.0.push(format!("number {}={number:?}", String::from_utf8_lossy(slot)));
            ControlFlow::Continue(())
        }

        fn truth(&mut self, slot: &[u8], truth: bool) -> Flow {
            self.0.push(format!("truth {}={truth}", String::from_utf8_lossy(slot)));
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn everything_is_visited_with_its_name() {
        let mut record = Record(Vec::new());
        let text = r#" {"a":{"b":[1,"x",true,null]},"a":-2.5e3,"\u0063":"\ud83d\ude00\n"} "#;
        assert_eq!(walk(text, &mut record), ControlFlow::Continue(()));
        let expected = vec![
            "key /a true",
            "key a/b true",
            "number b=Literal(\"1\")",
            "text b=x true",
            "truth b=true",
            "key /a true",
            "number a=Literal(\"-2.5e3\")",
            "key /c false",
            "text c=\u{1f600}\n false",
        ];
        assert_eq!(record.0, expected);
    }

    #[test]
    fn what_is_not_json_is_unreadable() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            ".5",
            "1e",
            "nul",
            "tru e",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "\"open",
            "{}{}",
            "1 2",
            "{a:1}",
            "'a'",
            "NaN",
        ] {
            assert_eq!(walk(text, &mut Ignore), UNREADABLE, "{text}");
        }
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert_eq!(walk(&deep, &mut Ignore), UNREADABLE);
        assert_eq!(walk(&"1".repeat(RENDERED_BYTES_MAX), &mut Ignore), UNREADABLE);
    }

    #[test]
    fn members_are_found_where_they_lie() {
        let text = r#"{ "a" : 1, "b":{"c":[2]} }"#;
        let found: Vec<&str> = members(text).unwrap().into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, [r#""a" : 1"#, r#""b":{"c":[2]}"#]);
        assert_eq!(members("{}"), Some(vec![]));
        assert_eq!(members("[1]"), None);
        assert_eq!(members("{\"a\":1"), None);
        assert_eq!(members("{\"a\":1 \"b\":2}"), None);
    }
}
