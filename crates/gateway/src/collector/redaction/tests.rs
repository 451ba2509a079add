//! Each option of the processor, and the defects of others that it must not have.

use std::path::Path;

use lucarne_otlp::wire::Writer;

use super::super::node::Node;
use super::super::section::Section;
use super::*;

fn read(options: &str) -> Redaction {
    let path = Path::new("c.yaml");
    let node = Node::parse(options, path, &|_| None).unwrap();
    Redaction::read("redaction", Section::top(path, &node).unwrap()).unwrap()
}

/// The key of an attribute, and what writes its value.
type Attribute<'a> = (&'a str, &'a dyn Fn(&mut Writer<'_>));

/// A log record with these attributes.
fn log(attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.fixed64(1, 1_763_696_787_123_456_789);
    for (key, value) in attributes {
        writer.message(6, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| value(any));
        });
    }
    out
}

fn text(value: &'static str) -> impl Fn(&mut Writer<'_>) {
    move |any| any.bytes(1, value.as_bytes())
}

fn int(value: u64) -> impl Fn(&mut Writer<'_>) {
    move |any| any.varint(3, value)
}

#[track_caller]
fn check(options: &str, before: &[u8], after: Option<&[u8]>) {
    let copy = read(options).copy(Shape::LogRecord, before).map(Cow::into_owned);
    assert_eq!(copy.as_deref(), after);
}

#[test]
fn an_empty_list_of_keys_does_not_switch_off_the_values() {
    let before = log(&[("note", &text("card 4111111111111111 ok"))]);
    let after = log(&[("note", &text("card **** ok"))]);
    check(
        "allow_all_keys: true\nblocked_values: ['[0-9]{16}']\nallowed_keys: []",
        &before,
        Some(&after),
    );
}

#[test]
fn an_empty_list_of_values_does_not_switch_off_the_keys() {
    let before = log(&[("note", &text("x")), ("id", &text("y"))]);
    let after = log(&[("id", &text("y"))]);
    check("allowed_keys: [id]\nblocked_values: []", &before, Some(&after));
    // Nothing is allowed where nothing is listed.
    check("blocked_values: ['z']", &before, Some(&log(&[])));
}

#[test]
fn an_integer_card_number_is_found() {
    let before = log(&[("card", &int(4_111_111_111_111_111)), ("n", &int(42))]);
    let after = log(&[("card", &text("****")), ("n", &int(42))]);
    check("allow_all_keys: true\nblocked_values: ['[0-9]{16}']", &before, Some(&after));
}

#[test]
fn values_of_every_type_and_depth_are_checked() {
    let list: &dyn Fn(&mut Writer<'_>) = &|any| {
        any.message(5, |list| {
            list.message(1, |any| any.bytes(7, b"078-05-1120"));
            list.message(1, |any| {
                any.message(6, |map| {
                    map.message(1, |pair| {
                        pair.bytes(1, b"inner");
                        pair.message(2, |any| any.double(4, 4_111_111_111_111_111.0));
                    });
                });
            });
        });
    };
    let masked: &dyn Fn(&mut Writer<'_>) = &|any| {
        any.message(5, |list| {
            list.message(1, |any| any.bytes(1, b"****"));
            list.message(1, |any| {
                any.message(6, |map| {
                    map.message(1, |pair| {
                        pair.bytes(1, b"inner");
                        pair.message(2, |any| any.bytes(1, b"****"));
                    });
                });
            });
        });
    };
    let options =
        "allow_all_keys: true\nblocked_values: ['[0-9]{16}', '[0-9]{3}-[0-9]{2}-[0-9]{4}']";
    check(options, &log(&[("a", list)]), Some(&log(&[("a", masked)])));
}

#[test]
fn a_time_keeps_its_nanoseconds() {
    let before = log(&[("card", &int(4_111_111_111_111_111))]);
    let copy = read("allow_all_keys: true\nblocked_values: ['[0-9]{16}']");
    let copy = copy.copy(Shape::LogRecord, &before).unwrap().into_owned();
    assert_eq!(copy[..9], before[..9]);
    assert_eq!(copy[1..9], 1_763_696_787_123_456_789_u64.to_le_bytes());
}

#[test]
fn exemptions_hold_and_the_rest_is_found() {
    let options = "allow_all_keys: true\nignored_keys: [safe]\nallowed_values: ['^4111']\n\
                   ignored_key_patterns: ['^x\\.']\nblocked_values: ['[0-9]{16}']";
    let redaction = read(options);
    let exempt = log(&[
        ("safe", &text("5500000000000004")),
        ("x.y", &text("5500000000000004")),
        ("other", &text("4111111111111111")),
    ]);
    assert_eq!(redaction.find(Shape::LogRecord, &exempt), None);
    check(options, &exempt, Some(&exempt));
    let found = log(&[("other", &text("5500000000000004"))]);
    let finding = Finding { rule: "blocked_values:0".into(), key: "other".into() };
    assert_eq!(redaction.find(Shape::LogRecord, &found), Some(finding));
}

#[test]
fn keys_are_masked_by_pattern_and_removed_by_glob() {
    let before = log(&[("api_token", &text("abc")), ("form.income", &int(1)), ("id", &text("y"))]);
    let options = "allow_all_keys: true\nblocked_key_patterns: ['token']\nblocked_keys: ['form.*']";
    let copy = read(options).copy(Shape::LogRecord, &before).unwrap().into_owned();
    let mut after = log(&[("api_token", &text("****")), ("id", &text("y"))]);
    Writer::new(&mut after).message(6, |pair| {
        pair.bytes(1, b"lucarne.redacted");
        pair.message(2, |any| any.bytes(1, b"key:form.*"));
    });
    assert_eq!(copy, after);
}

#[test]
fn a_value_can_become_its_hash() {
    let before = log(&[("card", &text("no abc here"))]);
    let sha1 = "no a9993e364706816aba3e25717850c26c9cd0d89d here";
    let sha3 = "no 3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532 here";
    for (hash, expected) in [("sha1", sha1), ("sha3", sha3)] {
        let options =
            format!("allow_all_keys: true\nblocked_values: ['abc']\nhash_function: {hash}");
        check(&options, &before, Some(&log(&[("card", &text(expected))])));
    }
}

#[test]
fn a_summary_says_what_was_done() {
    let before = log(&[("note", &text("abc")), ("gone", &text("y"))]);
    let options = "allowed_keys: [note]\nblocked_values: ['abc']\nsummary: ";
    let mut info = log(&[("note", &text("****"))]);
    let mut debug = info.clone();
    let count = |key: &'static str, out: &mut Vec<u8>| {
        Writer::new(out).message(6, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.varint(3, 1));
        });
    };
    let keys = |key: &'static str, value: &'static str, out: &mut Vec<u8>| {
        Writer::new(out).message(6, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| any.bytes(1, value.as_bytes()));
        });
    };
    count("redaction.masked.count", &mut info);
    count("redaction.redacted.count", &mut info);
    keys("redaction.masked.keys", "note", &mut debug);
    count("redaction.masked.count", &mut debug);
    keys("redaction.redacted.keys", "gone", &mut debug);
    count("redaction.redacted.count", &mut debug);
    count("redaction.allowed.count", &mut debug);
    check(&format!("{options}info"), &before, Some(&info));
    check(&format!("{options}debug"), &before, Some(&debug));
    check(&format!("{options}silent"), &before, Some(&log(&[("note", &text("****"))])));
}

#[test]
fn what_cannot_be_walked_is_not_shown() {
    check("allow_all_keys: true\nblocked_values: ['abc']", b"\x32\x05\x0a", None);
}
