//! What an operator may write, and what is refused how.

use std::string::{String, ToString};

use super::*;
use crate::{OnHit, PatternError, RulesConfig, RulesError};

fn parse(json: &str) -> Result<RulesConfig, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn the_printed_section_is_read_as_it_is() {
    let config = parse(
        r#"{"allow_all_keys": true,
            "blocked_values_patterns": ["bearer [a-zA-Z0-9._-]{20,}", "[0-9]{16}"],
            "blocked_keys": ["form.*", "calculation.*", "applicant.*", "result.*"]}"#,
    );
    let config = config.unwrap();
    assert_eq!(config.on_hit, OnHit::Drop);
    assert_eq!(config.blocked_tags, ["sensitive"]);
    let rules = Rules::compile(config).unwrap();
    assert_eq!(rules.inspect(Shape::Json, b"{\"amount\":1}"), Verdict::Clean);
    let Verdict::Hit(hit) = rules.inspect(Shape::Json, b"{\"form\":1}") else { panic!("missed") };
    assert_eq!(hit.rule.to_string(), "key:form.*");
}

#[test]
fn the_collectors_own_name_is_accepted_beside_it() {
    let config = parse(r#"{"blocked_values": ["x{3}"], "on_hit": "rewrite"}"#).unwrap();
    assert_eq!(config.blocked_values_patterns, ["x{3}"]);
    assert_eq!(Rules::compile(config).unwrap().on_hit(), OnHit::Rewrite);
}

#[test]
fn unknown_and_repeated_keys_are_refused() {
    let unknown = parse(r#"{"blocked_keyz": []}"#).unwrap_err();
    assert!(unknown.starts_with("unknown field `blocked_keyz`"), "{unknown}");
    let twice =
        parse(r#"{"blocked_values": ["a"], "blocked_values_patterns": ["b"]}"#).unwrap_err();
    assert!(twice.starts_with("duplicate field `blocked_values_patterns`"), "{twice}");
}

#[track_caller]
fn refused(json: &str, expected: &RulesError, shown: &str) {
    let error = Rules::compile(parse(json).unwrap()).unwrap_err();
    assert_eq!(&error, expected);
    assert_eq!(error.to_string(), shown);
}

#[test]
fn mistakes_are_named_with_their_position() {
    refused(
        r#"{"blocked_values": ["ok", "a(b"]}"#,
        &RulesError::Value { index: 1, error: PatternError::Syntax { column: 2 } },
        "blocked_values_patterns[1] is not a regular expression, see column 2",
    );
    refused(
        r#"{"blocked_keys": ["*"]}"#,
        &RulesError::Key { index: 0, error: crate::GlobError::Empty },
        "blocked_keys[0] has no letter or digit",
    );
    refused("{}", &RulesError::NoRules, "the outer layer has no rule");
    refused(
        r#"{"allow_all_keys": false, "blocked_keys": ["a"]}"#,
        &RulesError::PositiveList,
        "allow_all_keys must be true: the list of allowed keys is the contract",
    );
    refused(
        r#"{"blocked_keys": ["a"], "blocked_tags": ["_"]}"#,
        &RulesError::Tag { index: 0 },
        "blocked_tags[0] has no letter or digit",
    );
}

#[test]
fn anchored_patterns_see_each_text_alone() {
    let rules = Rules::compile(parse(r#"{"blocked_values": ["^secret$"]}"#).unwrap()).unwrap();
    let found = rules.inspect(Shape::LogRecord, &log_with("note", &text("secret")));
    let Verdict::Hit(hit) = found else { panic!("missed") };
    assert_eq!((hit.rule.index, hit.key.as_deref()), (0, Some("note")));
    let verdict = rules.inspect(Shape::LogRecord, &log_with("note", &text("a secret")));
    assert_eq!(verdict, Verdict::Clean);
}
