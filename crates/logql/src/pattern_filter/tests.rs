//! Patterns and what they match, by the documentation's rules.

use super::*;
use alloc::vec;

#[track_caller]
fn line(pattern: &str, text: &str, expected: bool) {
    assert_eq!(LinePattern::parse(pattern).unwrap().matches(text), expected, "{pattern} on {text}");
}

#[track_caller]
fn captures(pattern: &str, text: &str, expected: &[(&str, &str)]) {
    let mut found = Vec::new();
    let pattern = CapturePattern::parse(pattern).unwrap();
    pattern.captures(text, |name, value| found.push((String::from(name), value)));
    let found: Vec<(&str, &str)> =
        found.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_line_filter_matches_whole_lines() {
    line("level=error", "level=error", true);
    line("level=error", "a level=error", false);
    line("level=error", "level=error b", false);
    line("<_>level=error<_>", "a level=error b", true);
    line("<_>level=error<_>", "level=error b", false);
    line("<_>level=error<_>", "a level=error", false);
    line("<_> level=error", "a level=error", true);
    line("level=<_> msg=<_>", "level=info msg=x", true);
    line("level=<_> msg=<_>", "level= msg=x", false);
    line("<_>", "anything", true);
    line("<_>", "", false);
    line("", "", true);
    line("", "x", false);
    line("a<_>a", "aba", true);
    line("a<_>a", "abaa", false);
    line("<1>", "<1>", true);
    line("<a b>", "<a b>", true);
    line("é<_>", "éa", true);
}

#[test]
fn a_parser_captures_up_to_the_next_literal() {
    captures(
        "<ip> - - <_> \"<method> <uri> <_>\" <status> <size> <_>",
        concat!(
            "0.191.12.2 - - [10/Jun/2021:09:14:29 +0000] \"GET /api/plugins/versioncheck ",
            "HTTP/1.1\" 200 2 \"-\" \"Go\"",
        ),
        &[
            ("ip", "0.191.12.2"),
            ("method", "GET"),
            ("uri", "/api/plugins/versioncheck"),
            ("status", "200"),
            ("size", "2"),
        ],
    );
    captures("<a>,<b>", "1,2", &[("a", "1"), ("b", "2")]);
    captures("<a>,<b>", "12", &[("a", "12")]);
    captures("<a>,<b>", ",", &[("a", "")]);
    captures("<a>,<b>", "", &[("a", "")]);
    captures("id=<a>;", "x id=7;y", &[("a", "7")]);
    captures("id=<a>", "no such", &[]);
    captures("<a> <_>", "one two", &[("a", "one")]);
    captures("<_> <a>", "one two three", &[("a", "two three")]);
    captures("<_>:<a>", "k:", &[]);
}

#[test]
fn wrong_patterns_are_refused() {
    let line = |text| LinePattern::parse(text).map(|_| ()).unwrap_err();
    let parser = |text| CapturePattern::parse(text).map(|_| ()).unwrap_err();
    assert_eq!(line("<_> <a>"), PatternError::NamedCapture("a".into()));
    assert_eq!(line("<_><_>"), PatternError::Consecutive("<_>".into()));
    assert_eq!(parser("<a><b>"), PatternError::Consecutive("<b>".into()));
    assert_eq!(parser("<a> <a>"), PatternError::Duplicate("a".into()));
    assert_eq!(parser("<_> x"), PatternError::NoCapture);
    assert_eq!(parser("plain"), PatternError::NoCapture);
    assert_eq!(parser(""), PatternError::NoCapture);
    let literals = LinePattern::parse("a<_>bc").unwrap();
    assert_eq!(literals.literals().collect::<Vec<_>>(), vec!["a", "bc"]);
}
