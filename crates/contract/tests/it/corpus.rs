//! Replays the fuzz corpora; as they are, since each run of a target compiles a contract.

use lucarne_contract::fuzzing;
use lucarne_testkit::corpus::inputs;

#[test]
fn corpora_are_replayed() {
    let replay = |target: &str, run: fn(&[u8])| inputs(target).iter().for_each(|input| run(input));
    replay("contract_contract", fuzzing::fuzz_contract);
    replay("contract_logs", fuzzing::fuzz_logs);
    replay("contract_metrics", fuzzing::fuzz_metrics);
    replay("contract_traces", fuzzing::fuzz_traces);
}
