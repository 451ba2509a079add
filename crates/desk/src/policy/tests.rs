//! Policies that are shipped, and every way in which one is refused.

use super::*;

fn default() -> Policy {
    Policy::shipped(Profile::ResponderDefault)
}

#[test]
fn shipped_policies_are_what_their_names_say() {
    for profile in Profile::ALL {
        let policy = Policy::shipped(profile);
        assert_eq!(policy.name(), profile.as_str());
        assert_eq!(policy.digest(), Digest::of(profile.source().as_bytes()));
        assert_eq!(policy.covers_integrity(), profile == Profile::ResponderDefault);
    }
}

#[test]
fn the_default_has_the_rows_of_the_design_in_their_order() {
    let ids: Vec<String> = default().rows.iter().map(|row| row.id.to_string()).collect();
    let expected = "D0 D2 D1 D3 D4 D5 D6 D7 D8 D9 D10 D11 O1";
    assert_eq!(ids.join(" "), expected);
}

#[test]
fn another_threshold_is_one_line_of_the_text() {
    let changed = default().with_high(Number::new(0.85).unwrap()).unwrap();
    assert_eq!(changed.thresholds().high.get(), 0.85);
    assert_ne!(changed.digest(), default().digest());
    let source = default();
    let pairs = source.source().lines().zip(changed.source().lines());
    let differ: Vec<(&str, &str)> = pairs.filter(|(one, other)| one != other).collect();
    assert_eq!(differ, [("  high: 0.8", "  high: 0.85")]);
    let refused = default().with_high(Number::new(0.4).unwrap()).unwrap_err();
    assert_eq!(refused.problem, Problem::Order);
}

/// What is said of the default policy with one text replaced.
#[track_caller]
fn check(text: &str, by: &str, said: &str) {
    let source = Profile::ResponderDefault.source();
    assert!(source.contains(text), "the policy has {text}");
    let error = Policy::parse(&source.replacen(text, by, 1)).unwrap_err();
    assert_eq!(error.to_string(), said);
}

#[test]
fn refusals_name_line_key_and_what_was_expected() {
    check(
        "input: checked",
        "input: guessed",
        "line 4, column 8: input: unknown variant `guessed`, expected one of checked, as-sent",
    );
    check(
        "low: 0.3",
        "low: 0.6",
        "line 8, column 9: thresholds.high: expected values that rise, risks from 0 to 1",
    );
    check(
        "high: 0.8",
        "high: 1.5",
        "line 8, column 9: thresholds.high: expected values that rise, risks from 0 to 1",
    );
    check(
        "silent: 5",
        "silent: 3",
        "line 11, column 11: misses.silent: expected values that rise, risks from 0 to 1",
    );
    check(
        "cool_down_seconds: 600",
        "cool_down_seconds: 0",
        "line 14, column 22: windows.cool_down_seconds: expected a number from 1 to 2592000",
    );
    check(
        "capsules: 3",
        "capsules: 1",
        "line 25, column 13: correlation.capsules: expected a number from 2 to 1000",
    );
    check("- id: D2", "- id: D0", "line 41, column 5: rules[1].id: expected each name once");
    check(
        "- id: D2",
        "- id: two",
        "line 41, column 5: rules[1].id: expected a letter and a number: D5",
    );
    let source = Profile::ResponderDefault.source();
    let terminate = "terminate_instance: {effect: erasing, approvals: 2";
    let line = source.lines().position(|line| line.contains(terminate)).unwrap() + 1;
    check(
        terminate,
        "terminate_instance: {effect: erasing, approvals: 1",
        &format!(
            "line {line}, column 23: actions.terminate_instance: expected two approvals or more \
             of what cannot be undone"
        ),
    );
}

#[test]
fn a_key_that_is_not_known_is_named() {
    let source = Profile::ResponderDefault.source().replacen("  other: {", "  odd: {", 1);
    let line = source.lines().position(|line| line.contains("  odd: {")).unwrap() as u64 + 1;
    let error = Policy::parse(&source).unwrap_err();
    assert_eq!((error.line, error.column), (line, 3));
    assert!(error.to_string().contains("unknown variant `odd`"), "{error}");
}

#[test]
fn a_kind_without_an_entry_is_missed() {
    let source = Profile::ResponderDefault.source();
    let without: String = source
        .lines()
        .filter(|line| !line.starts_with("  other:"))
        .map(|l| format!("{l}\n"))
        .collect();
    let error = Policy::parse(&without).unwrap_err();
    assert_eq!(error.to_string(), "kinds: expected an entry for other");
}

#[test]
fn a_long_file_is_refused_before_it_is_read() {
    let error = Policy::parse(&" ".repeat(FILE_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(error.problem, Problem::TooLong { bytes: FILE_BYTES_MAX + 1 });
}

#[test]
fn integrity_is_covered_only_by_a_free_first_row() {
    let source = Profile::ResponderDefault.source();
    for (text, by) in [
        ("{integrity: true, status: firing}", "{integrity: true, maintenance: false}"),
        ("{integrity: true, status: firing}", "{integrity: true, risk_from: high}"),
        ("{integrity: true, status: firing}", "{integrity: true, status: resolved}"),
        ("actions: [hold, gate, freeze, page]", "actions: [page]"),
    ] {
        let policy = Policy::parse(&source.replacen(text, by, 1)).unwrap();
        assert!(!policy.covers_integrity(), "{by}");
    }
}
