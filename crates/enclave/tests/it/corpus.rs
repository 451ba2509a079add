//! Replays the fuzz corpora: whatever was once found stays mended.

use std::path::Path;

use lucarne_enclave::fuzzing;
use lucarne_enclave::receive::fuzzing as receive;

#[test]
fn corpora_are_replayed() {
    replay("enclave_config", fuzzing::fuzz_config);
    replay("receive_grpc_body", receive::fuzz_grpc_body);
    replay("receive_grpc_timeout", receive::fuzz_grpc_timeout);
    replay("receive_gzip", receive::fuzz_gzip);
    replay("enclave_probe_answer", fuzzing::fuzz_probe_answer);
    replay("enclave_probe_check", fuzzing::fuzz_probe_check);
    replay("receive_zstd", receive::fuzz_zstd);
}

/// Each input, and what is one cut or one bit away.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(inputs.len() >= 4, "{target} has a corpus");
    for input in inputs {
        run(&input);
        for at in (0..input.len()).step_by(input.len() / 64 + 1) {
            let mut flipped = input.clone();
            flipped[at] ^= 1 << (at % 8);
            run(&flipped);
            run(&input[..at]);
        }
    }
}
