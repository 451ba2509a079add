//! Queries that LogQL documents, and the canonical form of each (`testdata/accepted.txt`).

use lucarne_logql::{Mode, parse};

const TABLE: &str = include_str!("../../testdata/accepted.txt");

/// Extensions among them, which strict mode must refuse.
const EXTENSIONS: usize = 38;

/// What a table of lines cannot hold.
const OF_SEVERAL_LINES: &[(&str, &str)] = &[
    ("  { a = \"b\" , c =~ \"d\" }  ", r#"{a="b", c=~"d"}"#),
    ("\n\t{a=\"b\"}\r\n|= \"x\"\n", r#"{a="b"} |= "x""#),
    ("{a=\"b\"}\n# the errors\n|= \"x\" # here\n", r#"{a="b"} |= "x""#),
    ("{a=`b\nc`}", r#"{a="b\nc"}"#),
];

/// Queries with their canonical forms.
fn table() -> Vec<(&'static str, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let mut out: Vec<(&str, &str)> = OF_SEVERAL_LINES.to_vec();
    for line in lines {
        match line.strip_prefix("=> ") {
            Some(canonical) => out.last_mut().expect("a query before it").1 = canonical,
            None => out.push((line, line)),
        }
    }
    out
}

#[test]
fn every_query_has_its_canonical_form() {
    for (query, canonical) in table() {
        let parsed =
            parse(query, Mode::Extended).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(parsed.canonical, canonical, "{query}");
        let again = parse(canonical, Mode::Extended).expect(canonical);
        assert_eq!(again.query, parsed.query, "{canonical}");
        assert_eq!((again.canonical.as_str(), again.rewritten), (canonical, false));
    }
}

/// What strict mode takes is what is standard, and it is read the same.
#[test]
fn strict_mode_takes_all_but_extensions() {
    let mut refused = 0_usize;
    for (query, _) in table() {
        let extended = parse(query, Mode::Extended).expect(query);
        match parse(query, Mode::Strict) {
            Ok(strict) => {
                assert!(strict.query.is_standard() && !strict.rewritten, "{query}");
                assert_eq!(strict, extended);
            }
            Err(error) => {
                refused += 1;
                assert!(!extended.query.is_standard() || extended.rewritten, "{query}: {error}");
                assert!(error.message.ends_with(" is an extension of LogQL"), "{error}");
            }
        }
    }
    assert_eq!(refused, EXTENSIONS);
}

#[test]
fn there_are_enough_of_them() {
    assert!(table().len() >= 350, "{}", table().len());
}
