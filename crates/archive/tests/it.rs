//! The archive against a disk that fails at every step.

#[path = "it/faults.rs"]
mod faults;
#[path = "it/hold.rs"]
mod hold;
#[path = "it/layout.rs"]
mod layout;
#[path = "it/withhold.rs"]
mod withhold;

/// Every file in `tests/it` is a module above: a forgotten one would test nothing.
#[test]
fn no_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["faults.rs", "hold.rs", "layout.rs", "withhold.rs"]);
}
