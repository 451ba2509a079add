//! Queries that are refused, with place and message (`testdata/refused.txt`).

use lucarne_logql::{MAX_QUERY_BYTES, Mode, ParseError, parse};

const TABLE: &str = include_str!("../../testdata/refused.txt");

fn refusal(query: &str, mode: Mode) -> ParseError {
    match parse(query, mode) {
        Ok(parsed) => panic!("{query} was taken as {}", parsed.canonical),
        Err(error) => error,
    }
}

#[test]
fn every_query_is_refused_with_its_message() {
    let lines: Vec<&str> =
        TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
    assert!(lines.len() >= 300, "{} lines", lines.len());
    for pair in lines.chunks(2) {
        let [query, expected] = pair else { panic!("{pair:?} has no message") };
        let (column, message) = expected.trim_start().split_once(' ').expect(expected);
        let error = refusal(query, Mode::Extended);
        let expected = format!("parse error at line 1, col {column}: {message}");
        assert_eq!(error.to_string(), expected, "{query}");
        // What the extensions refuse, strict mode refuses as well.
        assert_eq!(refusal(query, Mode::Strict), error);
    }
}

/// Lines and columns count from 1, columns in characters; spans are bytes.
#[test]
fn places_are_those_of_an_editor() {
    for (query, line, column, start, end) in [
        ("", 1, 1, 0, 0),
        ("  ", 1, 3, 2, 2),
        ("# only a comment", 1, 17, 16, 16),
        ("{a=\"b\"}\n  |= x", 2, 6, 13, 14),
        ("{a=\"b\"}\n\n| json\n| nope", 4, 3, 18, 22),
        ("{a=\"é😀\"} |= x", 1, 13, 16, 17),
        ("{a=\"b\"} # é\n|", 2, 2, 14, 14),
        ("{a=\"b\"}\r\n|~ \"(\"", 2, 4, 12, 15),
        ("{a=\"x\\q\"}", 1, 6, 5, 7),
        ("{a!=\"b\",\nc=\"\"}", 1, 1, 0, 14),
    ] {
        let error = refusal(query, Mode::Extended);
        let place = (error.line, error.column, error.span.start, error.span.end);
        assert_eq!(place, (line, column, start, end), "{query:?}: {error}");
    }
}

#[test]
fn strict_mode_says_what_is_standard() {
    for (query, expected) in [
        (
            r#"{a="b"} | json | count_over_time([5m]) by (x)"#,
            "1, col 18: count_over_time is an extension of LogQL; \
             did you mean sum by (x) (count_over_time({a=\"b\"} | json [5m]))",
        ),
        (
            r#"{a="b"} | unwrap x | avg_over_time([5m]) by (y)"#,
            "1, col 22: avg_over_time is an extension of LogQL; \
             did you mean avg_over_time({a=\"b\"} | unwrap x [5m]) by (y)",
        ),
        (
            r#"{a="b"} | sort by (x desc) | head 10"#,
            "1, col 11: sort is an extension of LogQL; \
             in LogQL ask {a=\"b\"} and order or cut the answer",
        ),
        (
            r#"{a="b"} | count by (x)"#,
            "1, col 11: count is an extension of LogQL; put a duration in place of the whole range",
        ),
        (
            r#"rate({a="b"} [$range])"#,
            "1, col 15: $range is an extension of LogQL; \
             put a duration in place of the whole range",
        ),
    ] {
        let error = refusal(query, Mode::Strict).to_string();
        assert_eq!(error, format!("parse error at line {expected}"));
    }
}

#[test]
fn a_long_query_is_refused_unread() {
    let fits = format!("{{a=\"{}\"}}", "b".repeat(MAX_QUERY_BYTES - 6));
    assert_eq!(fits.len(), MAX_QUERY_BYTES);
    assert_eq!(parse(&fits, Mode::Strict).map(|parsed| parsed.canonical), Ok(fits.clone()));
    let long = format!("{fits} ");
    let expected = "parse error at line 1, col 1: query has 131073 bytes, more than 131072";
    assert_eq!(refusal(&long, Mode::Strict).to_string(), expected);
}

/// The tree of what is taken can be walked on a small stack.
#[test]
fn depth_and_operators_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&nested(100), Mode::Strict).map(|parsed| parsed.canonical), Ok("1".into()));
    let error = refusal(&nested(101), Mode::Strict).to_string();
    let expected = "parse error at line 1, col 101: query is nested deeper than 100 levels";
    assert_eq!(error, expected);

    let filter =
        |depth: usize| format!("{{a=\"b\"}} | {}x=\"1\"{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&filter(100), Mode::Strict).map(|p| p.canonical), Ok(filter(0)));
    let error = refusal(&filter(101), Mode::Strict).message;
    assert_eq!(error, "query is nested deeper than 100 levels");

    let chain = |count: usize| format!("1{}", " + 1".repeat(count));
    assert_eq!(parse(&chain(500), Mode::Strict).map(|p| p.canonical), Ok(chain(500)));
    let error = refusal(&chain(501), Mode::Strict).message;
    assert_eq!(error, "query has more than 500 operators");

    let powers = format!("1{}", " ^ 1".repeat(101));
    assert_eq!(refusal(&powers, Mode::Strict).message, "query is nested deeper than 100 levels");

    let stages = |count: usize| format!("{{a=\"b\"}}{}", " | json".repeat(count));
    assert_eq!(parse(&stages(256), Mode::Strict).map(|p| p.canonical), Ok(stages(256)));
    let error = refusal(&stages(257), Mode::Strict).to_string();
    assert_eq!(error, "parse error at line 1, col 1801: query has more than 256 stages");

    // A long list of one kind is flat, and free.
    let list = format!("{{a=\"b\"}} | x=\"1\"{}", " or x=\"1\"".repeat(5000));
    assert_eq!(parse(&list, Mode::Strict).map(|p| p.canonical), Ok(list.clone()));
    let mixed = format!("{{a=\"b\"}} | x=\"1\"{}", " or x=\"1\" and x=\"1\"".repeat(251));
    assert_eq!(refusal(&mixed, Mode::Strict).message, "query has more than 500 operators");
}
