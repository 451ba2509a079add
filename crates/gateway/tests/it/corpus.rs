//! Replays the fuzz corpora: whatever was once found stays mended.

use std::path::Path;

use lucarne_gateway::fuzzing;
use lucarne_gateway::wal::fuzzing as wal;

#[test]
fn corpora_are_replayed() {
    replay("gateway_allowlist", fuzzing::fuzz_allowlist);
    replay("gateway_baseline", fuzzing::fuzz_baseline);
    replay("gateway_config", fuzzing::fuzz_config);
    replay("gateway_cursor", fuzzing::fuzz_cursor);
    replay("gateway_delivery", fuzzing::fuzz_delivery);
    replay("gateway_gate", fuzzing::fuzz_gate);
    replay("gateway_host_line", fuzzing::fuzz_host_line);
    replay("gateway_otlp_answer", fuzzing::fuzz_otlp_answer);
    replay("gateway_place", fuzzing::fuzz_place);
    replay("gateway_policy", fuzzing::fuzz_policy);
    replay("gateway_proxy_line", fuzzing::fuzz_proxy_line);
    replay("gateway_wal_frames", wal::fuzz_wal_frames);
    replay("gateway_wal_group", wal::fuzz_wal_group);
    replay("gateway_wal_manifest", wal::fuzz_wal_manifest);
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
