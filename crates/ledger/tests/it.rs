//! The public interface of the ledger, judged by programs that share no line with it.

#[path = "it/verifiers.rs"]
mod verifiers;
#[path = "it/written.rs"]
mod written;

/// A file under `it/` that no `mod` line names would never run.
#[test]
fn no_file_is_forgotten() {
    let here = include_str!("it.rs");
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(here.contains(&format!("#[path = \"it/{name}\"]")), "{name} is not named");
    }
}
