//! One case a rule, a value type and a place.

use std::format;

use super::*;

#[test]
fn the_records_of_the_seeds_are_clean() {
    clean(Shape::LogRecord, &log_with("outcome", &text("approved")));
    clean(Shape::LogRecord, &log_with("traceId", &text("41111111111111114111111111111111")));
    clean(Shape::LogRecord, &log_with("spanId", &text("4111111111111111")));
    clean(Shape::LogRecord, &log_with("lucarne.withheld", &text("form.income,result")));
    clean(Shape::Metric, &counter("tenant_hash", "t_8f3a2b1c", 1_500_000));
    clean(Shape::Scope, &message(|scope| scope.bytes(1, b"engine")));
    clean(Shape::Json, br#"{"seq":7,"event_type":"hil.approved","outcome":"approved"}"#);
}

#[test]
fn every_blocked_key_is_found_in_every_spelling() {
    let keys = ["form.income", "calculation_input", "applicantName", "RESULT", "amount-range"];
    for (index, key) in keys.into_iter().enumerate() {
        check(Shape::LogRecord, &log_with(key, &text("x")), RuleKind::Key, index, Some(key));
        let label = counter(key, "x", 1);
        check(Shape::Metric, &label, RuleKind::Key, index, Some(key));
        let json = format!("{{\"a\":{{\"{key}\":null}}}}");
        check(Shape::Json, json.as_bytes(), RuleKind::Key, index, Some(key));
    }
    check(Shape::LogRecord, &log_with("_form", &text("x")), RuleKind::Key, 0, Some("_form"));
}

#[test]
fn every_pattern_is_found_in_bodies_attributes_and_json() {
    let values = [BEARER, CARD, SSN, "4111 1111 1111 1111", "Calculation result: 1500000"];
    for (index, value) in values.into_iter().enumerate() {
        let log = log_with("note", &text(value));
        check(Shape::LogRecord, &log, RuleKind::Value, index, Some("note"));
        let body = message(|log| log.bytes(5, &text(value)));
        check(Shape::LogRecord, &body, RuleKind::Value, index, None);
        let json = format!("{{\"note\":[\"{value}\"]}}");
        check(Shape::Json, json.as_bytes(), RuleKind::Value, index, Some("note"));
    }
}

#[test]
fn every_value_type_is_checked() {
    let card = 4_111_111_111_111_111_u64;
    let int = message(|any| any.varint(3, card));
    let negative = message(|any| any.varint(3, card.wrapping_neg()));
    let double = message(|any| any.fixed64(4, 4_111_111_111_111_111_f64.to_bits()));
    let bytes = message(|any| any.bytes(7, CARD.as_bytes()));
    let array = message(|any| any.message(5, |array| array.bytes(1, &int)));
    let map = message(|any| any.message(6, |map| map.bytes(1, &pair("deep", &double))));
    for (value, key) in
        [(int, "n"), (negative, "n"), (double, "n"), (bytes, "n"), (array, "n"), (map, "deep")]
    {
        check(Shape::LogRecord, &log_with("n", &value), RuleKind::Value, 1, Some(key));
    }
}

#[test]
fn values_hide_in_no_field_of_a_metric() {
    let card = 4_111_111_111_111_111_u64;
    let bits = 4_111_111_111_111_111_f64.to_bits();
    let mut varint = message(|out| out.varint(1, card));
    varint.remove(0);
    let points = [
        (5, message(|p| p.fixed64(4, bits))),
        (7, message(|p| p.fixed64(6, card))),
        (9, message(|p| p.fixed64(4, card))),
        (9, message(|p| p.fixed64(5, bits))),
        (9, message(|p| p.bytes(6, &card.to_le_bytes()))),
        (9, message(|p| p.bytes(7, &bits.to_le_bytes()))),
        (9, message(|p| p.fixed64(12, bits))),
        (9, message(|p| p.message(8, |e| e.fixed64(6, card)))),
        (10, message(|p| p.fixed64(7, card))),
        (10, message(|p| p.message(8, |b| b.bytes(2, &varint)))),
        (11, message(|p| p.message(6, |q| q.fixed64(2, bits)))),
        (7, message(|p| p.fixed64(3, card))),
        (7, message(|p| p.varint(8, card))),
    ];
    for (data, point) in points {
        let metric = message(|metric| metric.message(data, |data| data.bytes(1, &point)));
        check(Shape::Metric, &metric, RuleKind::Value, 1, None);
    }
}

#[test]
fn values_hide_in_no_field_of_a_span() {
    let places: [fn(&mut Writer<'_>); 7] = [
        |span| span.bytes(3, CARD.as_bytes()),
        |span| span.bytes(5, CARD.as_bytes()),
        |span| span.message(11, |event| event.bytes(2, CARD.as_bytes())),
        |span| span.message(13, |link| link.bytes(3, CARD.as_bytes())),
        |span| span.message(15, |status| status.bytes(2, CARD.as_bytes())),
        |span| span.fixed64(7, 4_111_111_111_111_111),
        |span| span.bytes(1, CARD.as_bytes()),
    ];
    for place in places {
        check(Shape::Span, &message(place), RuleKind::Value, 1, None);
    }
}

#[test]
fn a_name_that_is_a_blocked_value_is_not_told() {
    check(Shape::LogRecord, &log_with(CARD, &text("x")), RuleKind::Value, 1, None);
    let key = format!("form.{CARD}");
    check(Shape::LogRecord, &log_with(&key, &text("x")), RuleKind::Key, 0, None);
}

#[test]
fn escapes_and_repeated_members_hide_nothing() {
    let escaped = br#"{"note":"\u0034111111111111111"}"#;
    check(Shape::Json, escaped, RuleKind::Value, 1, Some("note"));
    let key = br#"{"\u0066orm.income":1}"#;
    check(Shape::Json, key, RuleKind::Key, 0, Some("form.income"));
    let twice = br#"{"note":"078-05-1120","note":"fine"}"#;
    check(Shape::Json, twice, RuleKind::Value, 2, Some("note"));
}

#[test]
fn tags_are_found_as_switch_and_as_word() {
    let switch = message(|any| any.varint(2, 1));
    check(Shape::LogRecord, &log_with("sensitive", &switch), RuleKind::Tag, 0, Some("sensitive"));
    let off = message(|any| any.varint(2, 0));
    clean(Shape::LogRecord, &log_with("sensitive", &off));
    clean(Shape::LogRecord, &log_with("note", &text("sensitive")));
    let listed = text("internal,Sensitive");
    check(Shape::LogRecord, &log_with("tags", &listed), RuleKind::Tag, 0, Some("tags"));
    check(Shape::Json, br#"{"sensitive":1}"#, RuleKind::Tag, 0, Some("sensitive"));
    check(Shape::Json, br#"{"tags":["a","sensitive"]}"#, RuleKind::Tag, 0, Some("tags"));
}

#[test]
fn what_cannot_be_walked_is_a_hit() {
    let log = log_with("a", &text("b"));
    check(Shape::LogRecord, &log[..log.len() - 1], RuleKind::Unreadable, 0, None);
    let unknown = message(|log| log.varint(99, 1));
    check(Shape::LogRecord, &unknown, RuleKind::Unreadable, 0, None);
    let wrong_type = message(|log| log.varint(5, 1));
    check(Shape::LogRecord, &wrong_type, RuleKind::Unreadable, 0, None);
    let long_id = message(|log| log.bytes(9, &[0; 17]));
    check(Shape::LogRecord, &long_id, RuleKind::Unreadable, 0, None);
    let two_keys = message(|log| {
        log.message(6, |pair| {
            pair.bytes(1, b"a");
            pair.bytes(1, b"b");
        });
    });
    check(Shape::LogRecord, &two_keys, RuleKind::Unreadable, 0, None);
    check(Shape::Json, b"\xff", RuleKind::Unreadable, 0, None);
    check(Shape::Json, b"{}x", RuleKind::Unreadable, 0, None);
}

#[test]
fn digests_and_times_of_our_own_formats_are_no_card_numbers() {
    let hash = "1234567890123456789012345678901234567890123456789012345678901abc";
    let own = format!(
        "{{\"prev_hash\":\"{hash}\",\"trace_id\":\"{d}{d}\",\"span_id\":\"{d}\",\
         \"time_unix_nano\":{NOW},\"ratio\":0.30000000000000004}}",
        d = "4111111111111111",
    );
    clean(Shape::Json, own.as_bytes());
    // The exemption covers the value it stands for and nothing beside it.
    let beside = own.replace("\"ratio\"", "\"note\":\"4111111111111111\",\"ratio\"");
    check(Shape::Json, beside.as_bytes(), RuleKind::Value, 1, Some("note"));
    clean(Shape::LogRecord, &log_with("contractDigest", &text(hash)));
    // Under another name a rule without boundaries would believe the digits in it.
    clean(Shape::LogRecord, &log_with("comment", &text(hash)));
}

#[test]
fn a_card_number_is_found_wherever_it_stands_alone() {
    let after = format!("{CARD} {}", "x".repeat(90)); // its length in front of it is a letter
    let spellings = [
        "4111111111111111",
        "card=4111111111111111;",
        "t_4111111111111111",
        "exec-4111111111111111-7",
        "4111111111111111_a",
        "41111111111111112", // nineteen digits are a card number, too
        &after,
    ];
    for value in spellings {
        let log = log_with("note", &text(value));
        check(Shape::LogRecord, &log, RuleKind::Value, 1, Some("note"));
        let body = message(|log| log.bytes(5, &text(value)));
        check(Shape::LogRecord, &body, RuleKind::Value, 1, None);
        let json = format!("{{\"note\":\"{value}\"}}");
        check(Shape::Json, json.as_bytes(), RuleKind::Value, 1, Some("note"));
    }
    check(
        Shape::LogRecord,
        &log_with("note", &text("4111-1111-1111-1111")),
        RuleKind::Value,
        3,
        Some("note"),
    );
}

#[test]
fn digits_inside_of_a_longer_token_are_no_card_number() {
    for value in [
        "a4111111111111111",
        "4111111111111111f",
        "0123456789012345678901234567890123456789abcdef0123456789abcdef01",
        "Zk4111111111111111Qx9",
        // A UUID: four digits, and four, and four, and four.
        "a3f91234-1234-4123-8123-1234567890ab",
    ] {
        clean(Shape::LogRecord, &log_with("note", &text(value)));
        clean(Shape::Json, format!("{{\"note\":\"{value}\"}}").as_bytes());
    }
}

#[test]
fn an_id_that_is_a_text_is_searched_like_one() {
    let log = message(|log| {
        log.bytes(9, CARD.as_bytes());
        log.bytes(10, b"Rrandom8");
    });
    check(Shape::LogRecord, &log, RuleKind::Value, 1, None);
    let plain = message(|log| log.bytes(9, b"no card is here!"));
    clean(Shape::LogRecord, &plain);
}
