//! The committed inputs of a fuzz target, replayed by an ordinary test.
//!
//! A replay is more than the inputs: what is cut short or one byte away reaches the refusals too.

use std::path::Path;

/// Places of an input at which it is cut and bent: the header of most, and a second for a test.
const PLACES_MAX: usize = 64;

/// The files of `fuzz/corpus/TARGET`.
///
/// # Panics
/// When there are fewer than two, or one cannot be read.
#[must_use]
#[track_caller]
pub fn inputs(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry?.path());
    let inputs: Vec<_> = entries.map(|entry| read(entry).expect("it can be read")).collect();
    assert!(inputs.len() >= 2, "the corpus of {target} has {} files", inputs.len());
    inputs
}

/// Runs a target on each input, and on what is cut short or one byte away from it.
///
/// # Panics
/// When the target does, or when there is no corpus.
#[track_caller]
pub fn replay(target: &str, run: fn(&[u8])) {
    for input in inputs(target) {
        run(&input);
        for at in (0..input.len()).step_by(input.len() / PLACES_MAX + 1) {
            run(&input[..at]);
            let mut bent = input.clone();
            // Case and sign of a letter, and a length that is far off.
            bent[at] ^= 0x41;
            run(&bent);
        }
    }
}
