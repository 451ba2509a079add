//! Where an extension begins, and that nothing standard does.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::ast::{Pipe, Query, SortKey};
use crate::{Mode, parse};

fn pipes(source: &str) -> Vec<Pipe> {
    match parse(source, Mode::Extended).unwrap().query {
        Query::Log(log) => log.pipes,
        Query::Metric(metric) => panic!("{metric}"),
    }
}

#[test]
fn pipes_have_these_trees() {
    let key = |field: &str, descending| SortKey { field: String::from(field), descending };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let source = r#"{a="b"} | sort by (x desc, y) limit 3 | head(4) | tail 5 | uniq by (z)
        | top 6 by (v, w) | fields p, q"#;
    let expected = vec![
        Pipe::Sort { keys: vec![key("x", true), key("y", false)], limit: Some(3) },
        Pipe::Head(4),
        Pipe::Tail(5),
        Pipe::Distinct(names(&["z"])),
        Pipe::Top { count: 6, by: names(&["v", "w"]) },
        Pipe::Fields(names(&["p", "q"])),
    ];
    assert_eq!(pipes(source), expected);
}

/// A name of a pipe before a comparison is a label, in either mode.
#[test]
fn a_comparison_is_never_a_pipe() {
    for name in [
        "sort",
        "head",
        "limit",
        "tail",
        "distinct",
        "uniq",
        "top",
        "fields",
        "count",
        "rate",
        "count_over_time",
        "unwrap",
    ] {
        for test in ["=\"x\"", "!=\"x\"", "=~\"x\"", "!~\"x\"", " == 5", " > 5", " <= 5s"] {
            let source = alloc::format!("{{a=\"b\"}} | {name}{test}");
            let strict = parse(&source, Mode::Strict).map(|parsed| parsed.canonical);
            assert_eq!(strict, Ok(source.clone()));
            assert_eq!(parse(&source, Mode::Extended).map(|parsed| parsed.canonical), strict);
        }
    }
}

#[test]
fn only_what_is_replaced_counts_as_rewritten() {
    for (source, rewritten) in [
        (r#"{a="b"} | count by (x)"#, true),
        (r#"{a="b"} | rate([5m])"#, true),
        (r#"{a="b"} | head 5"#, false),
        (r#"rate({a="b"} [$range])"#, false),
        (r#"rate({a="b"}[5m])"#, false),
    ] {
        let parsed = parse(source, Mode::Extended).unwrap();
        assert_eq!(parsed.rewritten, rewritten, "{source}");
    }
}
