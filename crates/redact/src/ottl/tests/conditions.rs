//! Conditions: comparison, precedence, and what they cost.

use super::*;

#[track_caller]
fn check(condition: &str, expected: bool) {
    let payload = log(
        r#"{"n": 5, "x": 2.5, "s": "b", "t": true, "l": [1, 2], "m": {"k": "v"}}"#,
        r#""operationA""#,
    );
    let context = Some(Context::Log);
    assert_eq!(holds(Signal::Logs, context, condition, &payload), expected, "{condition}");
}

#[test]
fn comparisons_follow_the_table_of_types() {
    for condition in [
        "1 == 1",
        "1 == 1.0",
        "1 < 1.5",
        "2.5 >= 2",
        r#""a" < "b""#,
        r#"attributes["n"] == 5"#,
        r#"attributes["x"] > attributes["n"] - 4 "#,
        r#"attributes["s"] >= "b""#,
        r#"attributes["t"] == true"#,
        "true > false",
        "nil == nil",
        r#"attributes["none"] == nil"#,
        r#"attributes["n"] != nil"#,
        r#"attributes["n"] != "5""#,
        r#"attributes["l"] == [1, 2]"#,
        r#"attributes["l"] != [1, 2, 3]"#,
        r#"attributes["m"] == {"k": "v"}"#,
        r#"attributes["m"]["k"] == "v""#,
        "0x01 < 0x02",
        "trace_id == TraceID(0x0102030405060708090a0b0c0d0e0f10)",
        "span_id != SpanID(0x0000000000000000)",
        "severity_number < SEVERITY_NUMBER_INFO",
        "severity_number == SEVERITY_NUMBER_TRACE",
        r#"Duration("1m") > Duration("1s")"#,
        "time < observed_time",
        r#"body == Concat(["operation", "A"], "")"#,
        r#"resource.attributes["host.name"] == "localhost""#,
        r#"IsMatch(body, "operation[AC]")"#,
        "true",
        "(1 + 1) * 2 == 4",
        "((1 == 1))",
    ] {
        check(condition, true);
    }
    for condition in [
        "1 == 2",
        r#"1 < "2""#,
        r#"1 > "2""#,
        "nil < 1",
        r#"attributes["l"] < [3]"#,
        r#"attributes["m"] == {"k": "w"}"#,
        r#"body == "operationB""#,
        "false",
    ] {
        check(condition, false);
    }
}

#[test]
fn not_binds_before_and_and_and_before_or() {
    for (condition, expected) in [
        ("not true", false),
        ("not false and true", true),
        ("true or true and false", true),
        ("(true or true) and false", false),
        ("false and true or true", true),
        (r#"not (IsMatch(body, "operation.*") and severity_number > 0)"#, false),
        (r#"not body == "foo""#, true),
        ("not not true", true),
        ("1 == 1 and (2 == 2 or 3 == 4)", true),
    ] {
        check(condition, expected);
    }
}

#[test]
fn a_fault_counts_or_stops_as_the_mode_says() {
    let payload = log("{}", r#""x""#);
    let statements = [r#"set(attributes["a"], Int(1) + "x")"#, r#"set(attributes["b"], 1)"#];
    let run = |mode| {
        let context = Some(Context::Log);
        let transform = Transform::compile(Signal::Logs, context, &[], &statements, mode).unwrap();
        let applied = transform.apply(&payload, NOW);
        applied.map(|applied| (attributes(&applied.payload), applied.faults, applied.first_fault))
    };
    let error = crate::ottl::RunError {
        index: Some(0),
        fault: crate::ottl::Fault::Type { wants: "a number of the same type", got: "a text" },
    };
    assert_eq!(run(ErrorMode::Ignore), Ok((json(r#"{"b":1}"#), 1, Some(error))));
    assert_eq!(run(ErrorMode::Silent), Ok((json(r#"{"b":1}"#), 0, None)));
    assert_eq!(run(ErrorMode::Propagate), Err(error));
}

#[test]
fn one_condition_of_a_group_is_enough() {
    let payload = log("{}", r#""x""#);
    for (conditions, expected) in [
        (&[r#"log.body == "x""#, "log.severity_number > 5"][..], r#"{"a":1}"#),
        (&[r#"log.body == "y""#, "log.severity_number > 5"], "{}"),
    ] {
        let statements = [r#"set(log.attributes["a"], 1)"#];
        let mode = ErrorMode::Propagate;
        let transform =
            Transform::compile(Signal::Logs, None, conditions, &statements, mode).unwrap();
        let applied = transform.apply(&payload, NOW).unwrap();
        assert_eq!(attributes(&applied.payload), json(expected));
    }
}

#[test]
fn a_payload_that_nothing_changes_is_handed_back() {
    let payload = log(r#"{"a":1}"#, r#""x""#);
    let statements = [r#"set(attributes["a"], 2) where body == "y""#];
    let mode = ErrorMode::Ignore;
    let transform =
        Transform::compile(Signal::Logs, Some(Context::Log), &[], &statements, mode).unwrap();
    let applied = transform.apply(&payload, NOW).unwrap();
    assert!(matches!(applied.payload, std::borrow::Cow::Borrowed(same) if same == payload));
}
