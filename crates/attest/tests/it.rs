//! Tests of the crate from outside.

#[path = "it/checklist.rs"]
mod checklist;
#[path = "it/corpus.rs"]
mod corpus;

/// Every file in `tests/it` is a module above: a forgotten one would test nothing.
#[test]
fn no_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["checklist.rs", "corpus.rs"]);
}
