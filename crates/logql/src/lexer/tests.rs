//! Tokens by hand, and strings as Go reads them.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::text::{TextError, value};
use super::*;

fn kinds(source: &str) -> Vec<TokenKind> {
    tokens(source).into_iter().map(|token| token.kind).collect()
}

#[test]
fn signs_are_read_longest_first() {
    use TokenKind::{End, Sign, Text, Word};
    assert_eq!(
        kinds("{a=~`b`}|=|~|>!>!=!~"),
        vec![
            Sign("{"),
            Word,
            Sign("=~"),
            Text,
            Sign("}"),
            Sign("|="),
            Sign("|~"),
            Sign("|>"),
            Sign("!>"),
            Sign("!="),
            Sign("!~"),
            End,
        ],
    );
    assert_eq!(kinds("a==b>=c<=d"), {
        vec![Word, Sign("=="), Word, Sign(">="), Word, Sign("<="), Word, End]
    });
}

#[test]
fn numbers_durations_and_sizes() {
    use TokenKind::{Bad as B, Bytes, Duration, End, Number};
    for (source, expected) in [
        ("0", Number(0.0)),
        ("42", Number(42.0)),
        (".5", Number(0.5)),
        ("1.", Number(1.0)),
        ("1e3", Number(1000.0)),
        ("1E+3", Number(1000.0)),
        ("25e-1", Number(2.5)),
        ("0x1F", Number(31.0)),
        ("5m", Duration(300_000_000_000)),
        ("1h30m", Duration(5_400_000_000_000)),
        ("1d", Duration(86_400_000_000_000)),
        ("1.5s", Duration(1_500_000_000)),
        ("7\u{b5}s", Duration(7000)),
        ("20KB", Bytes(20_000)),
        ("1.5GiB", Bytes(1_610_612_736)),
        ("9b", Bytes(9)),
        ("5mfoo", B(Bad::Number)),
        ("1e999", B(Bad::Number)),
        ("0x", B(Bad::Number)),
        ("0x1G", B(Bad::Number)),
        ("1_000", B(Bad::Number)),
        ("1.2.3", B(Bad::Number)),
    ] {
        let end = if matches!(expected, B(_)) { vec![] } else { vec![End] };
        assert_eq!(kinds(source), [vec![expected], end].concat(), "{source}");
    }
    assert_eq!(kinds("1e3-2"), [Number(1000.0), TokenKind::Sign("-"), Number(2.0), End]);
    assert_eq!(kinds("1--1"), {
        [Number(1.0), TokenKind::Sign("-"), TokenKind::Sign("-"), Number(1.0), End]
    });
}

#[test]
fn comments_and_blanks_are_nothing() {
    assert_eq!(kinds(" \t\r\n# a { comment\n"), [TokenKind::End]);
    assert_eq!(kinds("a#b"), [TokenKind::Word, TokenKind::End]);
    assert_eq!(kinds("\"#\" #"), [TokenKind::Text, TokenKind::End]);
}

#[test]
fn what_is_no_token_ends_the_list() {
    use TokenKind::{Bad as B, Flag, Variable, Word};
    assert_eq!(kinds("a @ b"), [Word, B(Bad::Character)]);
    assert_eq!(kinds("a !"), [Word, B(Bad::Character)]);
    assert_eq!(kinds("a \"b\nc\""), [Word, B(Bad::Unterminated)]);
    assert_eq!(kinds("a `b"), [Word, B(Bad::Unterminated)]);
    assert_eq!(kinds("'a'"), [B(Bad::SingleQuoted)]);
    assert_eq!(kinds("\u{e9}"), [B(Bad::Character)]);
    assert_eq!(kinds("--keep-empty $range $"), [Flag, Variable, B(Bad::Character)]);
    assert_eq!(tokens("ab  \u{e9}").last().unwrap().span, Span { start: 4, end: 6 });
}

#[test]
fn strings_have_the_values_that_go_gives_them() {
    for (quoted, expected) in [
        (r#""""#, ""),
        (r#""a b""#, "a b"),
        (r#""\a\b\f\n\r\t\v\\\"""#, "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\""),
        (r#""\x41\101\u0041\U0001F600""#, "AAA\u{1f600}"),
        (r#""\xc3\xa9""#, "\u{e9}"),
        ("`a\\n\"b`", "a\\n\"b"),
        ("`a\r\nb`", "a\nb"),
    ] {
        assert_eq!(value(quoted), Ok(String::from(expected)), "{quoted}");
    }
}

#[test]
fn escapes_that_go_does_not_know_are_refused() {
    for (quoted, error, start, end) in [
        (r#""a\'b""#, TextError::Escape, 2, 4),
        (r#""\d""#, TextError::Escape, 1, 3),
        (r#""x\xg0""#, TextError::Escape, 2, 4),
        (r#""\x4""#, TextError::Escape, 1, 3),
        (r#""\+11""#, TextError::Escape, 1, 3),
        (r#""\x+1""#, TextError::Escape, 1, 3),
        (r#""\777""#, TextError::Escape, 1, 3),
        (r#""\ud800""#, TextError::Escape, 1, 3),
        (r#""\U00110000""#, TextError::Escape, 1, 3),
        (r#""\xff""#, TextError::Utf8, 0, 6),
    ] {
        assert_eq!(value(quoted), Err((error, Span { start, end })), "{quoted}");
    }
    assert_eq!(TextError::Escape.to_string(), "invalid escape in string");
}
