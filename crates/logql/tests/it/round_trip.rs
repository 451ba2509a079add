//! `parse(print(q)) == q` on generated queries, far from what a hand would write.
//!
//! `LUCARNE_CASES` sets how many.

use lucarne_logql::ast::*;
use lucarne_logql::{Mode, parse};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn cases() -> u32 {
    let set = std::env::var("LUCARNE_CASES").ok();
    set.map_or(2000, |cases| cases.parse().expect("LUCARNE_CASES is a number"))
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z_][a-zA-Z0-9_]{0,6}",
        // Words that are keywords elsewhere.
        1 => prop::sample::select(vec![
            "by", "on", "or", "and", "json", "sum", "rate", "sort", "head", "offset", "bool",
            "duration", "bytes", "ip", "unwrap", "desc", "limit", "without", "group_left",
        ]).prop_map(String::from),
    ]
}

/// Names where a keyword would be read as one.
fn plain_name() -> impl Strategy<Value = String> {
    "[a-z]{1,6}".prop_map(|name| format!("x_{name}"))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{0,5}", "\\PC{0,8}", any::<String>()]
}

/// Text that is also a regular expression, a pattern and a template.
fn tame() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,6}"
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1000_i32..1000).prop_map(f64::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()),
    ]
}

fn match_op() -> impl Strategy<Value = MatchOp> {
    prop::sample::select(vec![MatchOp::Eq, MatchOp::Ne, MatchOp::Re, MatchOp::Nre])
}

fn condition() -> impl Strategy<Value = (MatchOp, String)> {
    match_op().prop_flat_map(|op| {
        let value = if op.is_regex() { tame().boxed() } else { text().boxed() };
        value.prop_map(move |value| (op, value))
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    (name(), tame(), vec((name(), condition()), 0..3)).prop_map(|(first, value, more)| {
        let mut matchers = vec![Matcher { name: first, op: MatchOp::Eq, value }];
        let more = more.into_iter();
        matchers.extend(more.map(|(name, (op, value))| Matcher { name, op, value }));
        Selector { matchers }
    })
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::*;
    prop::sample::select(vec![Eq, Ne, Gt, Ge, Lt, Le])
}

fn label_test() -> impl Strategy<Value = LabelFilter> {
    let value = prop_oneof![
        condition().prop_map(|(op, value)| LabelValue::Text(op, value)),
        (compare_op(), finite()).prop_map(|(op, number)| LabelValue::Number(op, number)),
        (compare_op(), any::<i64>())
            .prop_map(|(op, length)| { LabelValue::Duration(op, length.max(-i64::MAX)) }),
        (compare_op(), any::<u64>()).prop_map(|(op, bytes)| LabelValue::Bytes(op, bytes)),
        any::<bool>()
            .prop_map(|negated| { LabelValue::Ip { negated, range: "10.0.0.0/8".into() } }),
    ];
    (name(), value).prop_map(|(name, value)| LabelFilter::Test(LabelTest { name, value }))
}

/// Chains of one kind are flat.
fn label_filter() -> impl Strategy<Value = LabelFilter> {
    label_test().prop_recursive(3, 12, 3, |inner| {
        (any::<bool>(), vec(inner, 2..4)).prop_map(|(any, parts)| {
            let flat = parts.into_iter().flat_map(|part| match part {
                LabelFilter::Any(parts) if any => parts,
                LabelFilter::All(parts) if !any => parts,
                part => vec![part],
            });
            let parts = flat.collect();
            if any { LabelFilter::Any(parts) } else { LabelFilter::All(parts) }
        })
    })
}

fn line_filter() -> impl Strategy<Value = Stage> {
    use LineOp::*;
    let ops = vec![Contains, NotContains, Regex, NotRegex, Pattern, NotPattern];
    prop::sample::select(ops).prop_flat_map(|op| {
        let one = match op {
            Contains | NotContains => prop_oneof![
                text().prop_map(LineMatch::Text),
                Just(LineMatch::Ip("10.0.0.1-10.0.0.2".into())),
            ]
            .boxed(),
            Regex | NotRegex => tame().prop_map(LineMatch::Text).boxed(),
            Pattern | NotPattern => {
                tame().prop_map(|text| LineMatch::Text(format!("<_>{text}"))).boxed()
            }
        };
        vec(one, 1..4)
            .prop_map(move |alternatives| Stage::LineFilter(LineFilter { op, alternatives }))
    })
}

fn extractions() -> impl Strategy<Value = Vec<Extraction>> {
    let one = (name(), tame().prop_map(|text| format!("x{text}")))
        .prop_map(|(name, expression)| Extraction { name, expression });
    vec(one, 0..3)
}

fn label_formats() -> impl Strategy<Value = Vec<LabelFormat>> {
    let value = prop_oneof![
        name().prop_map(LabelFormatValue::Rename),
        tame().prop_map(LabelFormatValue::Template),
    ];
    vec((name(), value), 1..4).prop_map(|formats| {
        let mut out: Vec<LabelFormat> = Vec::new();
        for (name, value) in formats {
            if out.iter().all(|format| format.name != name) {
                out.push(LabelFormat { name, value });
            }
        }
        out
    })
}

fn label_selectors() -> impl Strategy<Value = Vec<LabelSelector>> {
    let one =
        (name(), of(condition())).prop_map(|(name, condition)| LabelSelector { name, condition });
    vec(one, 1..4)
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        line_filter(),
        extractions().prop_map(Stage::Json),
        (any::<bool>(), any::<bool>(), extractions()).prop_map(|(strict, keep_empty, fields)| {
            Stage::Logfmt { strict, keep_empty, fields }
        }),
        tame().prop_map(|text| Stage::Regexp(format!("(?P<a>{text})"))),
        tame().prop_map(|text| Stage::Pattern(format!("<a> {text}"))),
        Just(Stage::Unpack),
        label_filter().prop_map(Stage::LabelFilter),
        tame().prop_map(|text| Stage::LineFormat(format!("{{{{.{text}}}}}").replace(".", ".x"))),
        label_formats().prop_map(Stage::LabelFormat),
        Just(Stage::Decolorize),
        label_selectors().prop_map(Stage::Drop),
        label_selectors().prop_map(Stage::Keep),
    ]
}

/// `| drop x != "y"` is a condition of `drop`: a line filter cannot be written there.
fn stages(most: usize) -> impl Strategy<Value = Vec<Stage>> {
    vec(stage(), 0..most).prop_map(|stages| {
        let mut out: Vec<Stage> = Vec::new();
        for stage in stages {
            let open = match out.last() {
                Some(Stage::Drop(labels) | Stage::Keep(labels)) => {
                    labels.last().is_some_and(|label| label.condition.is_none())
                }
                _ => false,
            };
            let negated = match &stage {
                Stage::LineFilter(filter) => {
                    matches!(filter.op, LineOp::NotContains | LineOp::NotRegex)
                }
                _ => false,
            };
            if !(open && negated) {
                out.push(stage);
            }
        }
        out
    })
}

fn pipe() -> impl Strategy<Value = Pipe> {
    let count = 1..(1_u64 << 53);
    let key = (name(), any::<bool>()).prop_map(|(field, descending)| SortKey { field, descending });
    prop_oneof![
        (vec(key, 1..4), of(count.clone())).prop_map(|(keys, limit)| Pipe::Sort { keys, limit }),
        count.clone().prop_map(Pipe::Head),
        count.clone().prop_map(Pipe::Tail),
        vec(name(), 1..4).prop_map(Pipe::Distinct),
        (count, vec(name(), 1..4)).prop_map(|(count, by)| Pipe::Top { count, by }),
        vec(name(), 1..4).prop_map(Pipe::Fields),
    ]
}

fn grouping() -> impl Strategy<Value = Grouping> {
    (any::<bool>(), vec(name(), 0..3)).prop_map(|(without, labels)| Grouping { without, labels })
}

fn unwrap() -> impl Strategy<Value = Unwrap> {
    use Conversion::*;
    let conversion = prop::sample::select(vec![Number, Bytes, Duration, DurationSeconds]);
    (name(), conversion, vec(label_filter(), 0..3))
        .prop_map(|(label, conversion, filters)| Unwrap { label, conversion, filters })
}

fn range() -> impl Strategy<Value = Metric> {
    use RangeOp::*;
    let ops = vec![
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
    let query = (selector(), stages(3));
    let window = prop_oneof![1 => Just(WHOLE_RANGE), 9 => 1..i64::MAX];
    let offset = prop_oneof![Just(0), any::<i64>().prop_map(|offset| offset.max(-i64::MAX))];
    let rest = (window, offset, of(grouping()), finite(), any::<bool>());
    (prop::sample::select(ops), query, unwrap(), rest).prop_map(
        |(op, (selector, stages), unwrap, (range_ns, offset_ns, grouping, param, lines))| {
            let plain = op.takes_lines() && (lines || !op.takes_unwrap());
            Metric::Range(Box::new(RangeAggregation {
                op,
                param: (op == Quantile).then_some(param),
                query: LogQuery { selector, stages, pipes: vec![] },
                unwrap: (!plain).then_some(unwrap),
                range_ns,
                offset_ns,
                grouping: grouping.filter(|_| op.takes_grouping()),
            }))
        },
    )
}

fn vector_aggregation(of_what: BoxedStrategy<Metric>) -> impl Strategy<Value = Metric> {
    use VectorOp::*;
    let ops = vec![Sum, Avg, Count, Min, Max, Stddev, Stdvar, Topk, Bottomk, ApproxTopk];
    (prop::sample::select(ops), 1_u64..1000, of(grouping()), of_what).prop_map(
        |(op, count, grouping, of)| {
            Metric::Vector(VectorAggregation {
                op,
                param: op.takes_param().then_some(count),
                grouping: grouping.filter(|_| op != ApproxTopk),
                of: Box::new(series(of)),
            })
        },
    )
}

/// What is a number becomes one series.
fn series(metric: Metric) -> Metric {
    fn scalar(metric: &Metric) -> bool {
        match metric {
            Metric::Number(_) => true,
            Metric::Binary(binary) => scalar(&binary.left) && scalar(&binary.right),
            _ => false,
        }
    }
    if scalar(&metric) { Metric::VectorLiteral(1.5) } else { metric }
}

fn binary(of_what: BoxedStrategy<Metric>) -> impl Strategy<Value = Metric> {
    use BinaryOp::*;
    let ops = vec![Or, And, Unless, Add, Sub, Mul, Div, Mod, Pow, Eq, Ne, Gt, Ge, Lt, Le];
    let side = prop::sample::select(vec![GroupSide::Left, GroupSide::Right]);
    let group = (side, vec(name(), 0..3)).prop_map(|(side, include)| Group { side, include });
    let matching = (any::<bool>(), vec(name(), 0..3), of(group));
    (prop::sample::select(ops), of_what.clone(), of_what, any::<bool>(), of(matching)).prop_map(
        |(op, left, right, return_bool, matching)| {
            let sets = op.is_set() || matching.is_some();
            let (left, right) = if sets { (series(left), series(right)) } else { (left, right) };
            let matching = matching.map(|(ignoring, labels, group)| VectorMatching {
                ignoring,
                labels,
                group: group.filter(|_| !op.is_set()),
            });
            let return_bool = return_bool && op.is_comparison();
            Metric::Binary(Box::new(Binary { op, left, right, return_bool, matching }))
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let leaf = prop_oneof![
        3 => range(),
        1 => finite().prop_map(Metric::VectorLiteral),
        1 => finite().prop_map(Metric::Number),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let inner = inner.boxed();
        let sort = (any::<bool>(), inner.clone()).prop_map(|(descending, of)| {
            Metric::Sort(Sort { descending, of: Box::new(series(of)) })
        });
        let replace = (inner.clone(), plain_name(), text(), text(), tame()).prop_map(
            |(of, dst, replacement, src, regex)| {
                let of = series(of);
                Metric::LabelReplace(Box::new(LabelReplace { of, dst, replacement, src, regex }))
            },
        );
        prop_oneof![
            3 => binary(inner.clone()),
            2 => vector_aggregation(inner),
            1 => sort,
            1 => replace,
        ]
    })
}

fn log_query() -> impl Strategy<Value = LogQuery> {
    (selector(), stages(5), vec(pipe(), 0..4)).prop_map(|(selector, stages, pipes)| LogQuery {
        selector,
        stages,
        pipes,
    })
}

fn query() -> impl Strategy<Value = Query> {
    prop_oneof![log_query().prop_map(Query::Log), metric().prop_map(Query::Metric)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_printed_query_is_the_same_query(query in query()) {
        let printed = query.to_string();
        let parsed = parse(&printed, Mode::Extended);
        prop_assert_eq!(parsed.map(|parsed| parsed.query), Ok(query), "{}", printed);
    }

    /// The printed form is a fixed point, and strict mode takes it if it is standard.
    #[test]
    fn printing_again_changes_nothing(query in query()) {
        let printed = query.to_string();
        let parsed = parse(&printed, Mode::Extended).unwrap();
        prop_assert_eq!(&parsed.canonical, &printed);
        prop_assert!(!parsed.rewritten);
        prop_assert_eq!(parse(&printed, Mode::Strict).is_ok(), query.is_standard());
    }

    /// No text makes the parser stop the process; spans lie in the text.
    #[test]
    fn any_text_is_answered(text in "[{}()\\[\\]|=!~<>a-c\"` 0-9mKB,.+*^-]{0,60}") {
        lucarne_logql::fuzzing::fuzz_parse(text.as_bytes());
    }
}
