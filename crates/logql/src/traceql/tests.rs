//! What is taken, its canonical form, and what is refused, by hand from the documentation.

use alloc::string::ToString as _;

use super::parse;

/// Queries; a line that begins with => is the canonical form of the one before it.
const ACCEPTED: &str = include_str!("../../testdata/traceql_accepted.txt");
/// Pairs of lines: a query, and what is said of it.
const REFUSED: &str = include_str!("../../testdata/traceql_refused.txt");

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

#[test]
fn every_query_has_its_canonical_form() {
    let mut lines = lines(ACCEPTED).peekable();
    let mut count = 0;
    while let Some(query) = lines.next() {
        let canonical = lines.next_if(|line| line.starts_with("=> "));
        let canonical = canonical.map_or(query, |line| &line[3..]);
        let parsed = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(parsed.to_string(), canonical, "{query}");
        assert_eq!(parse(canonical), Ok(parsed), "{canonical}");
        count += 1;
    }
    assert_eq!(count, 109);
}

#[test]
fn what_is_refused_is_named_with_its_column() {
    let mut lines = lines(REFUSED);
    let (mut count, mut wrong) = (0, alloc::string::String::new());
    while let Some(query) = lines.next() {
        let expected = lines.next().expect("what is said of the last query");
        let said = parse(query).map_or_else(|error| error.to_string(), |query| query.to_string());
        if said != expected {
            wrong.push_str(&alloc::format!("{query}\n{said}\n"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(count, 62);
}

#[test]
fn depth_length_and_operators_are_bounded() {
    let deep = alloc::format!("{{ {}.a{} }}", "(".repeat(200), ")".repeat(200));
    let said = "parse error at line 1, col 102: query is nested deeper than 100 levels";
    assert_eq!(parse(&deep).unwrap_err().to_string(), said);
    let many = alloc::format!("{{ .a{} }}", " && .a".repeat(501));
    let said = parse(&many).unwrap_err().message;
    assert_eq!(said, "query has more than 500 operators");
    let long = "{".repeat(200_000);
    let said = parse(&long).unwrap_err().message;
    assert_eq!(said, "query has 200000 bytes, more than 131072");
}
