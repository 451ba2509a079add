//! The contract from outside: requests in, what the ledger would seal out.

#[path = "it/audit.rs"]
mod audit;
#[path = "it/capture.rs"]
mod capture;
#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/crossing.rs"]
mod crossing;
#[path = "it/default_contract.rs"]
mod default_contract;
#[path = "it/difference.rs"]
mod difference;
#[path = "it/language.rs"]
mod language;
#[path = "it/logs.rs"]
mod logs;
#[path = "it/metrics.rs"]
mod metrics;
#[path = "it/own_metrics.rs"]
mod own_metrics;
#[path = "it/properties.rs"]
mod properties;
#[path = "it/request.rs"]
mod request;
#[path = "it/runs.rs"]
mod runs;
#[path = "it/traces.rs"]
mod traces;

/// A test file that nobody includes is a test that nobody runs.
#[test]
fn no_test_file_is_forgotten() {
    let root = include_str!("it.rs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        let name = name.to_str().unwrap();
        assert!(root.contains(&format!("\"it/{name}\"")), "{name} is not included");
    }
}
