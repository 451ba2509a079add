//! Entry points for fuzzing: total functions over arbitrary bytes.
//!
//! What is read must be written as it came: a second spelling is a finding of the fuzzer.

use crate::batch;
use crate::checkpoint::Checkpoint;
use crate::control::Control;
use crate::identity::LedgerKind;
use crate::key::PublicKey;
use crate::note::{self, NoteKey};
use crate::statement::Statement;

/// Reads the bytes as a sequence of batches, and each batch as if its signature held.
///
/// # Panics
/// When the sequence loses or repeats a byte, which is a bug.
pub fn fuzz_batch(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (first, after) = batch::split_first(rest);
        assert!(!first.is_empty(), "a sequence must come to its end");
        assert_eq!(first.len() + after.len(), rest.len());
        batch::read_unsigned(first).ok();
        rest = after;
    }
}

/// Reads the bytes as a signed note under a key that has signed nothing.
///
/// # Panics
/// When it is accepted, which is a bug.
pub fn fuzz_note(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let name = text.lines().next().unwrap_or_default();
    let keys = [NoteKey::new(name, PublicKey::from_ed25519(&[0x5a; 32]))];
    assert!(note::open(text, &keys).is_err());
    drop(Checkpoint::open(text, &keys));
}

/// Reads the bytes as the text of a checkpoint.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_checkpoint(bytes: &[u8]) {
    use alloc::string::ToString;
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(head) = Checkpoint::parse(text) {
        assert_eq!(head.to_string(), text);
    }
}

/// Reads the bytes as a statement.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_statement(bytes: &[u8]) {
    if let Ok(statement) = Statement::from_cbor(bytes) {
        assert_eq!(statement.to_cbor(), bytes);
    }
}

/// Reads the bytes as a control record of either ledger.
///
/// # Panics
/// When what was read cannot be written and read again, which is a bug.
pub fn fuzz_control(bytes: &[u8]) {
    for kind in LedgerKind::ALL {
        if let Ok(control) = Control::parse(bytes, kind) {
            let object = [b"{", &control.fields()[..], b"}"].concat();
            assert_eq!(Control::parse(&object, LedgerKind::Telemetry), Ok(control));
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::path::Path;

    use super::*;

    #[track_caller]
    fn replay(topic: &str, fuzz: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(topic);
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            fuzz(&bytes);
            // Every seed also cut and bent, so that a replay reaches the refusals too.
            for at in 0..bytes.len().min(512) {
                fuzz(bytes.get(..at).unwrap_or_default());
                let mut bent = bytes.clone();
                bent[at] ^= 0x41;
                fuzz(&bent);
            }
            count += 1;
        }
        assert!(count >= 2, "corpus of {topic} has {count} files");
    }

    #[test]
    fn corpora_are_replayed() {
        replay("ledger_batch", fuzz_batch);
        replay("ledger_note", fuzz_note);
        replay("ledger_checkpoint", fuzz_checkpoint);
        replay("ledger_statement", fuzz_statement);
        replay("ledger_control", fuzz_control);
    }
}
