//! Whatever tree of TraceQL can be built is printed so that it parses to the same tree.

use lucarne_logql::traceql::ast::{
    Aggregate, Expr, Field, Intrinsic, Keep, Kind, Metric, MetricFunction, Op, Pipeline, Query,
    Relation, Scalar, ScalarFilter, Scope, Spanset, SpansetOp, Stage, Static, Status,
};
use lucarne_logql::traceql::parse;
use proptest::prelude::*;

fn attribute() -> impl Strategy<Value = Field> {
    let name = prop_oneof!["[a-z][a-z0-9._/-]{0,8}", "[a-z \"\\\\{}=.0-9\u{e9}]{1,8}"];
    let parent = (any::<bool>(), 0..3_usize, name.clone());
    prop_oneof![
        (0..6_usize, name).prop_map(|(scope, name)| Field::Attribute {
            parent: false,
            scope: Scope::ALL[scope],
            name
        }),
        parent.prop_map(|(parent, scope, name)| Field::Attribute {
            parent,
            scope: Scope::ALL[scope],
            name
        }),
    ]
}

fn number() -> impl Strategy<Value = Expr> {
    let constant = prop_oneof![
        (-1000..1000_i64).prop_map(Static::Int),
        (-1e9..1e9_f64).prop_map(Static::Float),
        (-10_000_000_000_000..10_000_000_000_000_i64).prop_map(Static::Duration),
    ];
    let leaf = prop_oneof![
        constant.prop_map(Expr::Static),
        attribute().prop_map(Expr::Field),
        Just(Expr::Field(Field::Intrinsic(Intrinsic::Duration))),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let op = prop_oneof![
            Just(Op::Add),
            Just(Op::Sub),
            Just(Op::Mul),
            Just(Op::Div),
            Just(Op::Mod),
            Just(Op::Pow)
        ];
        prop_oneof![
            (op, inner.clone(), inner.clone()).prop_map(|(op, l, r)| binary(op, l, r)),
            inner.prop_map(|inner| Expr::Negative(Box::new(inner))),
        ]
    })
}

fn binary(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary { op, left: Box::new(left), right: Box::new(right) }
}

fn test_of_a_value() -> impl Strategy<Value = Expr> {
    let compare = prop_oneof![
        Just(Op::Eq),
        Just(Op::Ne),
        Just(Op::Lt),
        Just(Op::Le),
        Just(Op::Gt),
        Just(Op::Ge)
    ];
    let of = |intrinsic| Expr::Field(Field::Intrinsic(intrinsic));
    let text = |text: String| Expr::Static(Static::Text(text));
    prop_oneof![
        (compare, number(), number()).prop_map(|(op, l, r)| binary(op, l, r)),
        "[ -~\n\u{e9}]{0,8}".prop_map(move |t| binary(Op::Ne, of(Intrinsic::Name), text(t))),
        "[a-z.*]?"
            .prop_filter("a pattern", |p| !p.starts_with('*'))
            .prop_map(move |p| { binary(Op::Nre, of(Intrinsic::RootName), text(p)) }),
        (0..3_usize).prop_map(move |at| binary(
            Op::Eq,
            of(Intrinsic::Status),
            Expr::Static(Static::Status(Status::ALL[at]))
        )),
        (0..6_usize).prop_map(move |at| binary(
            Op::Ne,
            of(Intrinsic::Kind),
            Expr::Static(Static::Kind(Kind::ALL[at]))
        )),
        attribute().prop_map(|f| binary(Op::Eq, Expr::Field(f), Expr::Static(Static::Nil))),
        attribute().prop_map(Expr::Field),
        any::<bool>().prop_map(|truth| Expr::Static(Static::Bool(truth))),
    ]
}

fn condition() -> impl Strategy<Value = Expr> {
    test_of_a_value().prop_recursive(3, 12, 2, |inner| {
        let op = prop_oneof![Just(Op::And), Just(Op::Or), Just(Op::Eq)];
        prop_oneof![
            (op, inner.clone(), inner.clone()).prop_map(|(op, left, right)| {
                // Two truths can be equal; anything else has been said above.
                let truth = |e: &Expr| matches!(e, Expr::Binary { op, .. } if !op.computes());
                let op =
                    if op == Op::Eq && !(truth(&left) && truth(&right)) { Op::And } else { op };
                binary(op, left, right)
            }),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

fn spanset_op() -> impl Strategy<Value = SpansetOp> {
    let relation = prop_oneof![
        Just(Relation::Child),
        Just(Relation::Descendant),
        Just(Relation::Parent),
        Just(Relation::Ancestor),
        Just(Relation::Sibling)
    ];
    let keep = prop_oneof![Just(Keep::Right), Just(Keep::Unrelated), Just(Keep::Both)];
    prop_oneof![
        Just(SpansetOp::And),
        Just(SpansetOp::Or),
        (relation, keep).prop_map(|(relation, keep)| SpansetOp::Structural { relation, keep }),
    ]
}

fn spanset() -> impl Strategy<Value = Spanset> {
    let leaf = proptest::option::of(condition()).prop_map(Spanset::Filter);
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (spanset_op(), inner.clone(), inner.clone()).prop_map(|(op, left, right)| {
                Spanset::Binary { op, left: Box::new(left), right: Box::new(right) }
            }),
            (inner, stage_of_numbers()).prop_map(|(spans, stage)| {
                let stages = vec![Stage::Spans(spans), stage];
                Spanset::Pipeline(Box::new(Pipeline { stages }))
            }),
        ]
    })
}

fn aggregate() -> impl Strategy<Value = Aggregate> {
    prop_oneof![
        Just(Aggregate::Avg),
        Just(Aggregate::Min),
        Just(Aggregate::Max),
        Just(Aggregate::Sum)
    ]
}

fn asking() -> impl Strategy<Value = Expr> {
    (attribute(), number()).prop_map(|(f, n)| binary(Op::Add, Expr::Field(f), n))
}

fn scalar() -> impl Strategy<Value = Scalar> {
    let leaf = prop_oneof![
        Just(Scalar::Count),
        (aggregate(), asking()).prop_map(|(aggregate, e)| Scalar::Aggregate(aggregate, e)),
        (-9..9_i64).prop_map(|whole| Scalar::Static(Static::Int(whole))),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        let op = prop_oneof![Just(Op::Sub), Just(Op::Div), Just(Op::Pow)];
        (op, inner.clone(), inner).prop_map(|(op, left, right)| Scalar::Binary {
            op,
            left: Box::new(left),
            right: Box::new(right),
        })
    })
}

fn stage_of_numbers() -> impl Strategy<Value = Stage> {
    let filter = scalar()
        .prop_map(|right| Stage::Filter(ScalarFilter { op: Op::Ge, left: Scalar::Count, right }));
    prop_oneof![
        filter,
        asking().prop_map(Stage::By),
        Just(Stage::Coalesce),
        proptest::collection::vec(attribute(), 1..3).prop_map(Stage::Select),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let by = proptest::collection::vec(attribute(), 0..3);
    let function = prop_oneof![
        Just(MetricFunction::Rate),
        Just(MetricFunction::Count),
        (aggregate(), asking()).prop_map(|(aggregate, e)| MetricFunction::Over(aggregate, e)),
    ];
    let compare = (proptest::option::of(condition()), 1..1000_u64).prop_map(|(selection, top)| {
        let function = MetricFunction::Compare { selection, top };
        Metric { function, by: Vec::new() }
    });
    let metric =
        prop_oneof![(function, by).prop_map(|(function, by)| Metric { function, by }), compare];
    let stage = prop_oneof![stage_of_numbers(), spanset().prop_map(Stage::Spans)];
    let more = proptest::collection::vec(stage, 0..3);
    (spanset(), more, proptest::option::of(metric)).prop_map(|(first, more, metric)| {
        let mut stages = vec![Stage::Spans(first)];
        stages.extend(more);
        Query { pipeline: Pipeline { stages }, metric }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_printed_parses_to_the_same(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(parse(&text), Ok(query), "{}", text);
    }
}
