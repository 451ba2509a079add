//! Tests of the enclave from outside.

#[path = "it/channel.rs"]
mod channel;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/host.rs"]
mod host;
#[path = "it/software.rs"]
mod software;

/// Every file in `tests/it` is a module above: a forgotten one would test nothing.
#[test]
fn no_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["channel.rs", "corpus.rs", "host", "host.rs", "software.rs"]);
}
