//! The driver of `cargo xtask bench inside --loki`, run against the only program with Loki's API
//! that is always there: our own view.

#[path = "../../examples/loki/campaign.rs"]
mod campaign;
#[path = "../../examples/loki/rival.rs"]
mod rival;

use std::path::Path;

use super::site::lucarne_program;

#[test]
fn a_load_is_pushed_asked_and_compared() {
    const { assert!(campaign::RECORDS > 3_000) };
    let figures = campaign::run(lucarne_program(), 3_000).unwrap();
    let contents: Vec<(&str, u64)> =
        figures.questions.iter().map(|(name, _, content)| (*name, *content)).collect();
    let needle = ("a needle", 50);
    let json = ("| json with two filters", 3);
    assert_eq!(contents, [needle, json, ("count by code and tenant over 30 minutes", 3_000)]);
    assert!(figures.rate > 0.0 && figures.peak_mib > 0, "{figures:?}");
    let text = figures.text(Path::new("other"), Some(&figures));
    assert!(text.contains("1.0 times our memory"), "{text}");
    assert!(!text.contains("DIFFERS"), "{text}");
    let mut lost = figures.clone();
    lost.questions[0].2 = 49;
    let text = lost.text(Path::new("other"), Some(&figures));
    assert!(text.contains("the answer DIFFERS: 49 against our 50"), "{text}");
}

#[test]
fn a_program_that_is_no_store_is_named() {
    let error = campaign::run(Path::new("/nowhere/loki"), 1).unwrap_err();
    assert!(error.starts_with("cannot start it"), "{error}");
}
