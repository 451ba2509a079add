//! Replays the fuzz corpora.

use lucarne_contract::fuzzing;

#[test]
fn corpora_are_replayed() {
    replay("contract_contract", fuzzing::fuzz_contract);
    replay("contract_logs", fuzzing::fuzz_logs);
    replay("contract_metrics", fuzzing::fuzz_metrics);
    replay("contract_traces", fuzzing::fuzz_traces);
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(inputs.len() >= 4, "{target} has a corpus");
    for input in inputs {
        run(&input);
    }
}
