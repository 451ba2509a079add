//! Trees of a few queries, by hand: what the printed form alone would not show.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;

use super::*;
use crate::ast::*;

fn query(source: &str) -> Query {
    parse(source, Mode::Strict).unwrap().query
}

fn selector() -> Selector {
    let (name, value) = (String::from("a"), String::from("b"));
    Selector { matchers: vec![Matcher { name, op: MatchOp::Eq, value }] }
}

fn stages(source: &str) -> Vec<Stage> {
    match query(source) {
        Query::Log(log) => log.stages,
        Query::Metric(metric) => panic!("{metric}"),
    }
}

fn test(name: &str, value: LabelValue) -> LabelFilter {
    LabelFilter::Test(LabelTest { name: name.into(), value })
}

#[test]
fn values_of_label_filters_have_types() {
    use CompareOp::{Eq, Ge, Lt, Ne};
    let source = r#"{a="b"} | t="1" | n=1 | d>=1m | s<1KB | i!=ip("::1") | m!=-2s | r!~"x""#;
    let expected = [
        ("t", LabelValue::Text(MatchOp::Eq, "1".into())),
        ("n", LabelValue::Number(Eq, 1.0)),
        ("d", LabelValue::Duration(Ge, 60_000_000_000)),
        ("s", LabelValue::Bytes(Lt, 1000)),
        ("i", LabelValue::Ip { negated: true, range: "::1".into() }),
        ("m", LabelValue::Duration(Ne, -2_000_000_000)),
        ("r", LabelValue::Text(MatchOp::Nre, "x".into())),
    ];
    let expected = expected.map(|(name, value)| Stage::LabelFilter(test(name, value)));
    assert_eq!(stages(source), expected);
}

#[test]
fn conditions_group_from_the_left() {
    let x = |name| test(name, LabelValue::Number(CompareOp::Eq, 1.0));
    let all = LabelFilter::All;
    let any = LabelFilter::Any;
    for (source, expected) in [
        ("w=1 or x=1 and y=1", all(vec![any(vec![x("w"), x("x")]), x("y")])),
        ("w=1 and x=1 or y=1", any(vec![all(vec![x("w"), x("x")]), x("y")])),
        ("w=1 or (x=1 and y=1)", any(vec![x("w"), all(vec![x("x"), x("y")])])),
        ("w=1, x=1 y=1", all(vec![x("w"), x("x"), x("y")])),
        ("w=1 and (x=1 and y=1)", all(vec![x("w"), x("x"), x("y")])),
    ] {
        let source = alloc::format!("{{a=\"b\"}} | {source}");
        assert_eq!(stages(&source), [Stage::LabelFilter(expected)], "{source}");
    }
}

#[test]
fn a_window_is_the_same_before_and_behind() {
    let expected = Query::Metric(Metric::Range(Box::new(RangeAggregation {
        op: RangeOp::Quantile,
        param: Some(0.5),
        query: LogQuery { selector: selector(), stages: vec![Stage::Json(vec![])], pipes: vec![] },
        unwrap: Some(Unwrap {
            label: "x".into(),
            conversion: Conversion::Duration,
            filters: vec![test("y", LabelValue::Text(MatchOp::Eq, "1".into()))],
        }),
        range_ns: 300_000_000_000,
        offset_ns: -1_000_000_000,
        grouping: Some(Grouping { without: true, labels: vec!["z".into()] }),
    })));
    for source in [
        r#"quantile_over_time(0.5, {a="b"} | json | unwrap duration(x) | y="1" [5m] offset -1s)"#,
        r#"quantile_over_time(0.5, {a="b"}[5m] offset -1s | json | unwrap duration(x) | y="1")"#,
        r#"quantile_over_time(0.5, ({a="b"} | json | unwrap duration(x) | y="1")[5m] offset -1s)"#,
    ] {
        assert_eq!(query(&alloc::format!("{source} without (z)")), expected, "{source}");
    }
}

#[test]
fn operators_bind_as_documented() {
    let one = |op, left, right| {
        let (return_bool, matching) = (false, None);
        Metric::Binary(Box::new(Binary { op, left, right, return_bool, matching }))
    };
    let n = Metric::Number;
    use BinaryOp::{Add, Gt, Mul, Pow, Sub};
    for (source, expected) in [
        ("1 - 2 - 3", one(Sub, one(Sub, n(1.0), n(2.0)), n(3.0))),
        ("1 ^ 2 ^ 3", one(Pow, n(1.0), one(Pow, n(2.0), n(3.0)))),
        ("-1 ^ 2", one(Pow, n(-1.0), n(2.0))),
        ("1 + 2 * 3", one(Add, n(1.0), one(Mul, n(2.0), n(3.0)))),
        ("1 * 2 + 3", one(Add, one(Mul, n(1.0), n(2.0)), n(3.0))),
        ("1 > 2 + 3", one(Gt, n(1.0), one(Add, n(2.0), n(3.0)))),
    ] {
        assert_eq!(query(source), Query::Metric(expected), "{source}");
    }
}
