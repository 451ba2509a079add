//! Wrong statements: `¦` stands before the column that the message must name.

use std::string::ToString as _;

use super::*;

#[track_caller]
fn check_in(signal: Signal, context: Option<Context>, marked: &str, message: &str) {
    let at = marked.chars().position(|c| c == '¦').unwrap();
    let statement = marked.replace('¦', "");
    let compiled = Transform::compile(signal, context, &[], &[&statement], ErrorMode::Ignore);
    let refused = compiled.map(|_| ()).unwrap_err();
    let expected = std::format!("column {}: {message}", at + 1);
    assert_eq!(refused.error.to_string(), expected, "{marked}");
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (marked, message) in cases {
        check_in(Signal::Logs, Some(Context::Log), marked, message);
    }
}

#[test]
fn tokens() {
    check(&[
        ("¦", "wants an editor, found the end"),
        ("set(attributes[\"a\"], ¦#)", "no token begins with '#'"),
        ("set(attributes[\"a\"], ¦'a')", "no token begins with '\\''"),
        ("set(attributes[\"é\"], ¦§)", "no token begins with '§'"),
        ("set(attributes[¦\"a)", "text has no closing quote"),
        (
            "set(attributes[\"a\"], ¦99999999999999999999)",
            "number does not fit 64 bits, or bytes lack a digit",
        ),
        (
            "set(attributes[\"a\"], ¦9223372036854775808)",
            "number does not fit 64 bits, or bytes lack a digit",
        ),
        ("set(attributes[\"a\"], ¦0x123)", "number does not fit 64 bits, or bytes lack a digit"),
        ("set(attributes[\"a\"], ¦0x)", "number does not fit 64 bits, or bytes lack a digit"),
    ]);
}

#[test]
fn grammar() {
    check(&[
        ("¦1", "wants an editor, found 1"),
        ("set¦", "wants (, found the end"),
        ("set(attributes[\"a\"] ¦1)", "wants ,, found 1"),
        ("set(attributes[\"a\"], 1¦", "wants ,, found the end"),
        ("set(attributes[\"a\"], 1) ¦if true", "wants `where` or the end, found if"),
        ("set(attributes[\"a\"], 1)¦[\"x\"]", "wants `where` or the end, found ["),
        ("set(attributes[\"a\"], 1) where¦", "wants a value, found the end"),
        ("set(attributes[\"a\"], 1) where body¦", "wants a comparison, found the end"),
        ("set(attributes[\"a\"], 1) where body ¦= 1", "wants a comparison, found ="),
        ("set(attributes[\"a\"], 1) where body == ¦", "wants a value, found the end"),
        ("set(attributes[\"a\"], 1) where true and ¦", "wants a value, found the end"),
        ("set(attributes[\"a\"], 1) where true ¦xor false", "wants the end, found xor"),
        ("set(attributes[\"a\"], 1) where (true¦", "wants ), found the end"),
        ("set(attributes[\"a\"], 1) where (1 + 1 == 2¦", "wants ), found the end"),
        ("set(attributes[\"a\"], 1 + ¦)", "wants a value, found )"),
        ("set(attributes[\"a\"], -¦\"x\")", "wants a number, found \"x\""),
        ("set(attributes[\"a\"], [1 ¦2])", "wants ,, found 2"),
        ("set(attributes[\"a\"], {¦a: 1})", "wants a key in quotes, found a"),
        ("set(attributes[\"a\"], {\"a\" ¦1})", "wants :, found 1"),
        ("set(attributes[\"a\"¦, 1)", "wants ], found ,"),
        ("set(log.¦, 1)", "wants a field, found ,"),
    ]);
}

#[test]
fn names() {
    check(&[
        ("¦sett(attributes[\"a\"], 1)", "no function `sett`, the nearest is `set`"),
        ("¦keep_key(attributes, [])", "no function `keep_key`, the nearest is `keep_keys`"),
        ("¦Set(attributes[\"a\"], 1)", "no function `Set`, the nearest is `set`"),
        ("¦truncate(attributes, 1)", "no function `truncate`, the nearest is `truncate_all`"),
        ("set(attributes[\"a\"], ¦Sha256(\"x\"))", "no function `Sha256`, the nearest is `SHA256`"),
        (
            "set(attributes[\"a\"], ¦Concatenate([]))",
            "no function `Concatenate`, the nearest is `Concat`",
        ),
        (
            "set(attributes[\"a\"], ¦concat([], \"\"))",
            "no function `concat`, the nearest is `Concat`",
        ),
        (
            "set(attributes[\"a\"], 1) where ¦IsMatched(body, \"x\")",
            "no function `IsMatched`, the nearest is `IsMatch`",
        ),
        ("set(¦attribute[\"a\"], 1)", "no path `attribute` here, the nearest is `attributes`"),
        ("set(¦log.bodi, 1)", "no path `log.bodi` here, the nearest is `body`"),
        ("set(¦severity, 1)", "no path `severity` here, the nearest is `severity_text`"),
        (
            "set(body, ¦resource.attribute[\"a\"])",
            "no path `resource.attribute` here, the nearest is `attributes`",
        ),
        (
            "set(body, ¦trace_id.strin)",
            "no path `trace_id.strin` here, the nearest is `trace_id.string`",
        ),
        ("set(body, ¦span.name)", "paths of `span` cannot be reached here, those of `log` can"),
        ("set(body, ¦metric.name)", "paths of `metric` cannot be reached here, those of `log` can"),
        (
            "set(severity_number, ¦SEVERITY_NUMBER_WARNING)",
            "no symbol `SEVERITY_NUMBER_WARNING`, the nearest is `SEVERITY_NUMBER_WARN`",
        ),
        (
            "set(severity_number, ¦STATUS_CODE_ERR)",
            "no symbol `STATUS_CODE_ERR`, the nearest is `STATUS_CODE_ERROR`",
        ),
        (
            "set(body, 1) where ¦IsRootSpan()",
            "paths of `log` cannot be reached here, those of `span` can",
        ),
    ]);
}

#[test]
fn arguments() {
    check(&[
        ("set(attributes[\"a\"]¦)", "argument `value` is missing"),
        ("set(¦)", "argument `target` is missing"),
        ("set(attributes[\"a\"], 1, ¦2)", "takes at most 2 arguments"),
        ("set(¦\"a\", 1)", "argument `target` wants a path"),
        ("set(¦Int(1), 1)", "argument `target` wants a path"),
        ("keep_keys(attributes, ¦\"a\")", "argument `keys` wants a list"),
        ("limit(attributes, ¦\"1\", [])", "argument `limit` wants an int"),
        ("limit(attributes, ¦1.5, [])", "argument `limit` wants an int"),
        ("delete_key(attributes, ¦1)", "argument `key` wants a text"),
        ("delete_matching_keys(attributes, ¦body)", "argument `pattern` wants a pattern in quotes"),
        ("delete_matching_keys(attributes, \"card¦[0-9\")", "is not a regular expression"),
        (
            "merge_maps(attributes, body, ¦\"upset\")",
            "`upset` is no choice here, the nearest is `upsert`",
        ),
        (
            "replace_all_patterns(attributes, ¦\"values\", \"a\", \"b\")",
            "`values` is no choice here, the nearest is `value`",
        ),
        (
            "replace_pattern(body, \"a\", \"b\", ¦Concat)",
            "argument `function` wants a converter of one text",
        ),
        (
            "replace_pattern(body, \"a\", \"b\", SHA256, ¦\"%d\")",
            "argument `replacement_format` wants a text with one `%s`",
        ),
        (
            "set(body, ExtractPatterns(body, ¦\"a+\"))",
            "argument `pattern` wants a pattern with a named group",
        ),
        (
            "truncate_all(attributes, 1, ¦marker=\"x\")",
            "no argument `marker`, the nearest is `target`",
        ),
        (
            "truncate_all(attributes, limit=1, ¦true)",
            "argument without a name after one with a name",
        ),
        ("truncate_all(attributes, 1, ¦limit=1)", "argument `limit` is given twice"),
        (
            "set(body, Time(\"1\", \"%Y\", ¦\"Europe/Rome\"))",
            "`Europe/Rome` is no choice here, the nearest is `UTC`",
        ),
    ]);
    let event = "set(¦event_index, 1)";
    check_in(Signal::Traces, Some(Context::SpanEvent), event, "can be read and not written");
    let members = "set(severity_text¦[\"a\"], 1)";
    check_in(Signal::Logs, Some(Context::Log), members, "has no members to index");
    let metrics = "¦convert_sum_to_gauge()";
    let message = "works on whole metrics, in the context `metric`";
    check_in(Signal::Metrics, Some(Context::DataPoint), metrics, message);
}

#[test]
fn what_is_refused_says_why_and_what_comes_nearest() {
    check(&[
        (
            "set(body, ¦MD5(\"a\"))",
            "`MD5` is not supported: it is broken and the cryptographic library does not have it; \
             the nearest is `SHA256`",
        ),
        (
            "set(body, ¦UUID())",
            "`UUID` is not supported: the outer layer has no randomness, so the same payload gives \
             the same copy; the nearest is `SHA256`",
        ),
        (
            "set(body, ¦ExtractGrokPatterns(body, \"%{WORD}\"))",
            "`ExtractGrokPatterns` is not supported: its pattern library is a dependency of its \
             own; the nearest is `ExtractPatterns`",
        ),
        (
            "set(body, ¦ParseXML(body))",
            "`ParseXML` is not supported: no XML is parsed at the boundary; the nearest is \
             `ParseJSON`",
        ),
    ]);
}

#[test]
fn every_name_that_is_offered_instead_exists() {
    use crate::ottl::functions::{CONVERTERS, EDITORS, REFUSED, find};
    for (name, _, nearest) in REFUSED {
        assert!(find(EDITORS, nearest).is_some() || find(CONVERTERS, nearest).is_some(), "{name}");
        assert!(find(EDITORS, name).is_none() && find(CONVERTERS, name).is_none(), "{name}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = std::format!("set(body, {}1{})", "(".repeat(40), ")".repeat(40));
    let long = std::format!("set(body, \"{}\")", "a".repeat(16 * 1024));
    let column = |statement: &str| {
        let context = Some(Context::Log);
        let compiled =
            Transform::compile(Signal::Logs, context, &[], &[statement], ErrorMode::Ignore);
        compiled.map(|_| ()).unwrap_err().error
    };
    use crate::ottl::{CompileError, Mistake};
    assert_eq!(column(&nested), CompileError { column: 43, kind: Mistake::TooDeep });
    assert_eq!(column(&long), CompileError { column: 1, kind: Mistake::TooLong });
}
