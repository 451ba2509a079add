//! Planted values in random nesting are always found, and random clean records never hit.

use std::string::String;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Tree {
    Planted,
    Text(String),
    Int(i64),
    Array(Vec<Self>),
    Map(Vec<(String, Self)>),
}

#[derive(Clone, Copy, Debug)]
enum Plant {
    Text(&'static str),
    Int(u64),
    Double(f64),
    Bytes(&'static str),
    Key(&'static str),
}

fn encode(tree: &Tree, plant: Option<Plant>, out: &mut Writer<'_>) {
    match tree {
        Tree::Planted => match plant {
            None => {}
            Some(Plant::Text(value)) => out.bytes(1, value.as_bytes()),
            Some(Plant::Int(value)) => out.varint(3, value),
            Some(Plant::Double(value)) => out.fixed64(4, value.to_bits()),
            Some(Plant::Bytes(value)) => out.bytes(7, value.as_bytes()),
            Some(Plant::Key(key)) => out.message(6, |map| map.bytes(1, &pair(key, &text("x")))),
        },
        Tree::Text(value) => out.bytes(1, value.as_bytes()),
        Tree::Int(value) => out.varint(3, value.cast_unsigned()),
        Tree::Array(items) => out.message(5, |array| {
            for item in items {
                array.message(1, |any| encode(item, plant, any));
            }
        }),
        Tree::Map(items) => out.message(6, |map| {
            for (key, item) in items {
                map.message(1, |pair| {
                    pair.bytes(1, key.as_bytes());
                    pair.message(2, |any| encode(item, plant, any));
                });
            }
        }),
    }
}

/// Trees whose one planted leaf lies under up to five levels of lists and maps with clean company.
fn tree() -> impl Strategy<Value = Tree> {
    let name = "[b-eg-qs-z][a-z]{0,8}";
    let company = prop_oneof![
        "[a-z ]{0,12}".prop_map(Tree::Text),
        (-9_999_999_i64..9_999_999).prop_map(Tree::Int),
    ];
    Just(Tree::Planted).prop_recursive(5, 32, 1, move |inner| {
        let wide = (inner, proptest::collection::vec(company.clone(), 0..4), 0..4_usize);
        prop_oneof![
            wide.clone().prop_map(|(inner, mut all, at)| {
                all.insert(at.min(all.len()), inner);
                Tree::Array(all)
            }),
            (wide, proptest::collection::vec(name, 5)).prop_map(|((inner, mut all, at), names)| {
                all.insert(at.min(all.len()), inner);
                Tree::Map(names.into_iter().zip(all).collect())
            }),
        ]
    })
}

fn plant() -> impl Strategy<Value = Plant> {
    prop_oneof![
        proptest::sample::select(&[CARD, BEARER, SSN, "amount due: 95000"][..])
            .prop_map(Plant::Text),
        (1_000_000_000_000_000_u64..9_999_999_999_999_999).prop_map(Plant::Int),
        (1e15..9e15_f64).prop_map(|value| Plant::Double(value.trunc())),
        proptest::sample::select(&[CARD, BEARER][..]).prop_map(Plant::Bytes),
        proptest::sample::select(&["form.a", "FormIncome", "applicant", "result_x"][..])
            .prop_map(Plant::Key),
    ]
}

proptest! {
    #[test]
    fn a_planted_value_is_found_at_any_depth(tree in tree(), plant in plant(), place in 0..4_u8) {
        let value = message(|any| encode(&tree, Some(plant), any));
        let (shape, payload) = match place {
            0 => (Shape::LogRecord, log_with("note", &value)),
            1 => (Shape::LogRecord, message(|log| log.bytes(5, &value))),
            2 => (Shape::Resource, message(|resource| resource.bytes(1, &pair("note", &value)))),
            _ => (Shape::Span, message(|span| {
                span.message(11, |event| event.bytes(3, &pair("note", &value)));
            })),
        };
        let hit = hit(shape, &payload);
        prop_assert_ne!(hit.rule.kind, RuleKind::Unreadable);
        // A copy, if there is one, is clean and no longer holds the value.
        if let Some(copy) = rules().rewrite(shape, &payload, &hit) {
            prop_assert_eq!(rules().inspect(shape, &copy), Verdict::Clean);
        }
    }

    #[test]
    fn without_the_planted_value_the_same_record_is_clean(tree in tree()) {
        let value = message(|any| encode(&tree, None, any));
        let log = log_with("note", &value);
        prop_assert_eq!(rules().inspect(Shape::LogRecord, &log), Verdict::Clean);
    }

    #[test]
    fn hostile_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::fuzz_inspect(&data);
    }

    #[test]
    fn damaged_records_never_panic(at in 0..150_usize, byte in any::<u8>(), shape in 0..6_u8) {
        let mut data = vec![shape];
        data.extend(log_with("note", &text(CARD)));
        let at = at % data.len();
        data[at] = byte;
        crate::fuzzing::fuzz_inspect(&data);
    }
}

use std::vec;

#[test]
fn the_corpus_replays() {
    lucarne_testkit::replay("redact_inspect", crate::fuzzing::fuzz_inspect);
}
