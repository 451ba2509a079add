//! Random queries over random lines: the engine and the slow model agree.
//!
//! `LUCARNE_CASES` sets how many; a failure prints the query, which with its number is the case.

use lucarne_logql::ast::{
    Binary, BinaryOp, CompareOp, Conversion, Group, GroupSide, Grouping, LabelFilter,
    LabelSelector, LabelTest, LabelValue, LineFilter, LineMatch, LineOp, LogQuery, MatchOp,
    Matcher, Metric, Pipe, Query, RangeAggregation, RangeOp, Selector, SortKey, Stage, Unwrap,
    VectorAggregation, VectorMatching, VectorOp,
};
use lucarne_logql::labels::LabelSet;

use super::model::{self, Value};
use super::vec_source::{Stored, VecSource};
use super::{SECOND, When, ask, range};
use crate::engine::answer::Data;
use crate::engine::source::Direction;

/// Splitmix64: numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }

    fn name(&mut self) -> String {
        self.pick(&["app", "env", "a", "b", "v", "m"]).to_owned()
    }

    fn names(&mut self) -> Vec<String> {
        let mut names: Vec<String> = (0..self.below(3)).map(|_| self.name()).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn cases() -> u64 {
    std::env::var("LUCARNE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

fn entries(dice: &mut Dice) -> Vec<Stored> {
    (0..dice.below(40))
        .map(|_| {
            let mut stream = LabelSet::from_pairs([("app", dice.pick(&["x", "y"]))]);
            if !dice.one_in(3) {
                stream.set("env", dice.pick(&["p", "q"]));
            }
            let number = dice.pick(&["0", "1", "2", "3.5", "7", "-4", "16", "NaN", "word"]);
            let (a, b) = (dice.below(3), dice.pick(&["u", "w", ""]));
            let line = if dice.one_in(2) {
                format!("v={number} a={a} b={b}")
            } else {
                format!(r#"{{"v":"{number}","a":{a},"b":"{b}"}}"#)
            };
            let metadata = dice.one_in(4).then(|| ("m".to_owned(), dice.below(2).to_string()));
            let time_ns = i64::try_from(dice.below(120)).unwrap() * SECOND;
            Stored { stream, time_ns, line, metadata: metadata.into_iter().collect() }
        })
        .collect()
}

fn matchers(dice: &mut Dice) -> Selector {
    let matcher = |name: &str, op, value: &str| Matcher {
        name: name.to_owned(),
        op,
        value: value.to_owned(),
    };
    let mut matchers = vec![match dice.below(3) {
        0 => matcher("app", MatchOp::Eq, dice.pick(&["x", "y"])),
        1 => matcher("app", MatchOp::Re, dice.pick(&["x|y", ".+", "x"])),
        _ => matcher("app", MatchOp::Ne, ""),
    }];
    if dice.one_in(3) {
        let op = dice.pick(&[MatchOp::Eq, MatchOp::Ne, MatchOp::Nre]);
        matchers.push(matcher("env", op, dice.pick(&["p", "q", ""])));
    }
    Selector { matchers }
}

fn stages(dice: &mut Dice, parse: bool) -> Vec<Stage> {
    let test = |name: &str, value| LabelFilter::Test(LabelTest { name: name.to_owned(), value });
    let mut stages = Vec::new();
    if dice.one_in(3) {
        let needle = dice.pick(&["1", "u", "v=", "{"]).to_owned();
        let op = dice.pick(&[LineOp::Contains, LineOp::NotContains]);
        stages.push(Stage::LineFilter(LineFilter {
            op,
            alternatives: vec![LineMatch::Text(needle)],
        }));
    }
    if parse || dice.one_in(2) {
        stages.push(if dice.one_in(3) {
            Stage::Json(Vec::new())
        } else {
            Stage::Logfmt { strict: false, keep_empty: false, fields: Vec::new() }
        });
        if !dice.one_in(4) {
            let skip = LabelValue::Text(MatchOp::Eq, String::new());
            stages.push(Stage::LabelFilter(test("__error__", skip)));
        }
    }
    match dice.below(6) {
        0 => {
            let op = dice.pick(&[CompareOp::Gt, CompareOp::Le, CompareOp::Ne]);
            let number = LabelValue::Number(op, 1.0);
            stages.push(Stage::LabelFilter(test("a", number)));
        }
        1 => {
            let name = dice.name();
            stages.push(Stage::Drop(vec![LabelSelector { name, condition: None }]));
        }
        2 => {
            let keep = ["app", "a", "v"]
                .map(|name| LabelSelector { name: name.to_owned(), condition: None });
            stages.push(Stage::Keep(keep.to_vec()));
        }
        _ => {}
    }
    stages
}

fn grouping(dice: &mut Dice) -> Option<Grouping> {
    (!dice.one_in(3)).then(|| Grouping { without: dice.one_in(3), labels: dice.names() })
}

/// Where numbers are compared or ranked, only such that have no rounding.
fn range_metric(dice: &mut Dice, exact: bool) -> Metric {
    use RangeOp::*;
    let exact_ops = [Count, Bytes, Sum, Min, Max, First, Last, Absent];
    let all = [
        Rate,
        RateCounter,
        Count,
        BytesRate,
        Bytes,
        Avg,
        Sum,
        Min,
        Max,
        Stdvar,
        Stddev,
        Quantile,
        First,
        Last,
        Absent,
    ];
    let op = if exact { dice.pick(&exact_ops) } else { dice.pick(&all) };
    let unwraps = !op.takes_lines() || (op.takes_unwrap() && dice.one_in(3));
    let unwrap = unwraps.then(|| {
        let skip = LabelValue::Text(MatchOp::Eq, String::new());
        let test = LabelTest { name: "__error__".to_owned(), value: skip };
        let filters = if dice.one_in(8) { Vec::new() } else { vec![LabelFilter::Test(test)] };
        Unwrap { label: "v".to_owned(), conversion: Conversion::Number, filters }
    });
    Metric::Range(Box::new(RangeAggregation {
        op,
        param: (op == Quantile).then(|| dice.pick(&[0.0, 0.3, 0.5, 0.9, 1.0, -1.0, 2.0])),
        query: LogQuery {
            selector: matchers(dice),
            stages: stages(dice, unwraps),
            pipes: Vec::new(),
        },
        unwrap,
        range_ns: dice.pick(&[1, 7, 10, 20, 30, 60, 200]) * SECOND,
        offset_ns: dice.pick(&[0, 0, 0, 5, 20, -10]) * SECOND,
        grouping: if op.takes_grouping() { grouping(dice) } else { None },
    }))
}

fn metric(dice: &mut Dice, depth: u64, exact: bool) -> Metric {
    if depth == 0 {
        return range_metric(dice, exact);
    }
    match dice.below(5) {
        0 => range_metric(dice, exact),
        1 | 2 => vector_metric(dice, depth, exact),
        _ => binary_metric(dice, depth, exact),
    }
}

fn vector_metric(dice: &mut Dice, depth: u64, exact: bool) -> Metric {
    use VectorOp::*;
    let all = [Sum, Sum, Count, Min, Max, Topk, Bottomk, Avg, Stddev, Stdvar];
    let op = if exact { dice.pick(&all[..7]) } else { dice.pick(&all) };
    let ranks = matches!(op, Topk | Bottomk);
    Metric::Vector(VectorAggregation {
        op,
        param: ranks.then(|| 1 + dice.below(3)),
        grouping: grouping(dice),
        of: Box::new(metric(dice, depth - 1, exact || ranks)),
    })
}

fn binary_metric(dice: &mut Dice, depth: u64, exact: bool) -> Metric {
    use BinaryOp::*;
    let all = [Add, Sub, Mul, And, Or, Unless, Eq, Ne, Gt, Ge, Lt, Le, Div, Mod, Pow];
    let op = if exact { dice.pick(&all[..12]) } else { dice.pick(&all) };
    let compares = op.is_comparison();
    let exact = exact || compares || op == Mod;
    let scalar = if op.is_set() { 9 } else { dice.below(6) };
    let number = |dice: &mut Dice| Metric::Number(dice.pick(&[0.0, 1.0, 2.0, -3.0, 0.5]));
    let left = if scalar == 0 { number(dice) } else { metric(dice, depth - 1, exact) };
    let right = if scalar == 1 {
        number(dice)
    } else if dice.one_in(8) {
        Metric::VectorLiteral(2.0)
    } else if dice.one_in(3) {
        left.clone()
    } else {
        metric(dice, depth - 1, exact)
    };
    let matching = (scalar > 1 && !dice.one_in(3)).then(|| {
        let side = dice.pick(&[GroupSide::Left, GroupSide::Right]);
        let group = (!op.is_set() && dice.one_in(2)).then(|| Group { side, include: dice.names() });
        VectorMatching { ignoring: dice.one_in(2), labels: dice.names(), group }
    });
    let return_bool = compares && dice.one_in(2);
    Metric::Binary(Box::new(Binary { op, left, right, return_bool, matching }))
}

fn close(one: f64, other: f64) -> bool {
    (one.is_nan() && other.is_nan())
        || one == other
        || (one - other).abs() <= 1e-9 + 1e-9 * one.abs().max(other.abs())
}

/// What the model says about every step, as series.
fn expected(
    metric: &Metric,
    steps: &[i64],
    entries: &[Stored],
) -> Option<Vec<(LabelSet, i64, f64)>> {
    let mut points = Vec::new();
    for at_ns in steps {
        match model::evaluate(metric, *at_ns, entries).ok()? {
            Value::Scalar(value) => points.push((LabelSet::new(), *at_ns, value)),
            Value::Vector(samples) => {
                points.extend(samples.into_iter().map(|(set, value)| (set, *at_ns, value)));
            }
        }
    }
    points.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    Some(points)
}

fn check_metric(case: u64, dice: &mut Dice) -> bool {
    let source = VecSource { entries: entries(dice), blocks_unreadable: 0 };
    let depth = dice.below(3);
    let metric = metric(dice, depth, false);
    let (start, step, count) =
        (i64::try_from(dice.below(60)).unwrap(), dice.pick(&[1, 5, 10, 17, 60]), dice.below(12));
    let count = i64::try_from(count).unwrap();
    let asked = range(start, start + count * step, step, Direction::Forward, 0);
    let steps: Vec<i64> = (0..=count).map(|k| (start + k * step) * SECOND).collect();
    let expected = expected(&metric, &steps, &source.entries);
    let query = Query::Metric(metric.clone());
    let got = ask(&source, &query, When::Range(asked));
    match (&got, &expected) {
        (Err(_), None) => return false,
        (Ok(answer), Some(expected)) => {
            let Data::Matrix(series) = &answer.data else { panic!("no matrix: {answer:?}") };
            let points: Vec<(&LabelSet, i64, f64)> = series
                .iter()
                .flat_map(|series| series.points.iter().map(|(at, v)| (&series.labels, *at, *v)))
                .collect();
            let same = points.len() == expected.len()
                && points.iter().zip(expected).all(|(got, expected)| {
                    (got.0, got.1) == (&expected.0, expected.1) && close(got.2, expected.2)
                });
            assert!(same, "case {case}: {metric:?} {asked:?}\n{points:?}\nexpected {expected:?}");
        }
        _ => panic!("case {case}: {metric:?} {asked:?}\n{got:?}\nexpected {expected:?}"),
    }
    true
}

#[test]
fn metric_queries_agree_with_the_model() {
    let cases = cases();
    let answered = (0..cases).filter(|case| check_metric(*case, &mut Dice(*case))).count() as u64;
    // Queries that fail on both sides prove little; most must have an answer.
    assert!(answered * 2 > cases, "only {answered} of {cases} had an answer");
}

fn pipes(dice: &mut Dice) -> Vec<Pipe> {
    (0..dice.below(4))
        .map(|_| match dice.below(4) {
            0 => Pipe::Head(1 + dice.below(6)),
            1 => Pipe::Tail(1 + dice.below(6)),
            2 => Pipe::Distinct(vec![dice.name()]),
            _ => Pipe::Sort {
                keys: (0..=dice.below(2))
                    .map(|_| SortKey { field: dice.name(), descending: dice.one_in(2) })
                    .collect(),
                limit: dice.one_in(2).then(|| 1 + dice.below(5)),
            },
        })
        .collect()
}

#[test]
fn log_queries_agree_with_the_model() {
    for case in 0..cases() {
        let mut dice = Dice(case ^ 0x5eed_0000_0000);
        let source = VecSource { entries: entries(&mut dice), blocks_unreadable: 0 };
        let query = LogQuery {
            selector: matchers(&mut dice),
            stages: stages(&mut dice, false),
            pipes: pipes(&mut dice),
        };
        let direction = dice.pick(&[Direction::Forward, Direction::Backward]);
        let (from, length) = (dice.below(80), dice.below(100));
        let (from, length) = (i64::try_from(from).unwrap(), i64::try_from(length).unwrap());
        let limit = dice.below(30);
        let asked = range(from, from + length, 1, direction, limit);
        let limit = usize::try_from(limit).unwrap();
        let (start, end) = (asked.start_ns, asked.end_ns);
        let expected = model::rows(&query, start, end, direction, limit, &source.entries);
        let got = ask(&source, &Query::Log(query.clone()), When::Range(asked)).unwrap();
        let Data::Streams(rows) = got.data else { panic!("case {case}: no rows") };
        assert_eq!(rows.rows, expected, "case {case}: {query:?} {asked:?}");
    }
}
