//! Replays the fuzz corpora: whatever was once found stays mended.

use std::path::Path;

use lucarne_cli::capture;
use lucarne_cli::commands::audit::watch;
use lucarne_cli::otlp_client;

#[test]
fn corpora_are_replayed() {
    replay("cli_capture", capture::fuzzing::fuzz_capture);
    replay("cli_otlp_answer", otlp_client::fuzzing::fuzz_otlp_answer);
    replay("cli_watch_state", watch::fuzzing::fuzz_watch_state);
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
