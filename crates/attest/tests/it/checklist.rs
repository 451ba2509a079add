//! The page that says which test watches over which check names tests that are there.

use std::collections::BTreeSet;
use std::path::Path;

/// Names of all functions in the sources below.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
            continue;
        }
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn "));
        found.extend(names.filter_map(|line| line.split_once("()")).map(|(name, _)| name.into()));
    }
}

#[test]
fn every_test_that_the_page_names_exists() {
    let mut known = BTreeSet::new();
    functions(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut known);
    let page = include_str!("../../../../docs/attestation.md");
    let table = page.split_once("## Check by check").unwrap().1;
    let table = table.split_once("## Not checked").unwrap().0;
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let named: Vec<&str> = rows
        .filter_map(|row| row.rsplit("| ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert_eq!(missing, Vec::<&&str>::new());
    assert!(named.len() > 90, "{}", named.len());
}
