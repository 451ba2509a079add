//! Entry points for fuzzing: total functions over arbitrary bytes.
//!
//! What is read must be written as it came: a second spelling is a finding of the fuzzer.

use alloc::vec::Vec;

use crate::batch::{self, BatchError, encrypted};
use crate::canary;
use crate::checkpoint::Checkpoint;
use crate::control::Control;
use crate::encryption::KeyId;
use crate::hash::Hash;
use crate::identity::LedgerKind;
use crate::json_batch::taken::Taken;
use crate::json_batch::{Certificate, SignedLogBatch, fuzz_payload};
use crate::key::PublicKey;
use crate::note::{self, NoteKey};
use crate::proof_bundle::ProofBundle;
use crate::receipt::Receipt;
use crate::register::Entry;
use crate::statement::Statement;
use crate::tlog_proof::TlogProof;
use crate::trust_policy::TrustPolicy;
use crate::witness::{self, Enrolment, Request};

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
        take_apart_and_together(first);
        rest = after;
    }
}

// What can be taken apart is put together as the same bytes, whether one key holds all of it or
// records have two.
fn take_apart_and_together(bytes: &[u8]) {
    let shares = encrypted::claimed(bytes).map_or(0, |claimed| claimed.shares.len());
    encrypted::put_together(bytes, &alloc::vec![Some(bytes.to_vec()); shares]).ok();
    if let Ok(Some(apart)) = encrypted::take_apart(bytes) {
        let hidden = apart.with(KeyId([0; 16]), b"content", b"word");
        let same = encrypted::put_together(&hidden, &[Some(apart.secret())]);
        assert_eq!(same.as_deref(), Ok(bytes));
        let parity = |index: usize| Ok(KeyId([u8::try_from(index % 2).unwrap_or(0); 16]));
        let divided: Result<_, BatchError> = apart.divide(parity);
        let Ok(divided) = divided else { return };
        let contents = alloc::vec![b"content".to_vec(); divided.secrets().len()];
        let hidden = divided.with(&contents, b"word");
        let secrets = divided.secrets().iter().map(|(_, secret)| Some(secret.clone()));
        let secrets: Vec<_> = secrets.collect();
        let opened = encrypted::put_together(&hidden, &secrets);
        assert!(opened.is_ok_and(|opened| batch::read_unsigned(&opened).is_ok()));
    }
}

/// Looks for a canary in the bytes, and in the same with one put among them.
///
/// # Panics
/// When one that is there is not found, or one is found that stands in no part: both are bugs.
pub fn fuzz_canary(bytes: &[u8]) {
    let planted = canary::of([0xa5; 16]);
    let (before, after) = bytes.split_at(bytes.len() / 2);
    assert!(canary::occurs_in(&[before, planted.as_bytes(), after].concat()));
    let length = planted.len();
    let somewhere = bytes.windows(length).any(canary::occurs_in);
    assert_eq!(canary::occurs_in(bytes), somewhere);
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

/// Reads the bytes as a signed log batch in JSON, under a key that has signed nothing, and as the
/// payload of one.
///
/// # Panics
/// When it is accepted, which is a bug.
pub fn fuzz_json_batch(bytes: &[u8]) {
    if let Ok(taken) = Taken::from_cbor(bytes) {
        assert_eq!(taken.to_cbor(), bytes);
    }
    fuzz_payload(bytes);
    let Ok(batch) = SignedLogBatch::parse(bytes) else { return };
    let stranger = PublicKey::from_p256_point(&[4; 65]);
    assert!(stranger.is_ok_and(|key| batch.verify(&key, Certificate::KeyAlone).is_err()));
}

/// Reads the bytes as a proof file, and as if its log had a key that has signed nothing.
///
/// # Panics
/// When it has a second spelling, or proves something, which are bugs.
pub fn fuzz_tlog_proof(bytes: &[u8]) {
    use alloc::string::ToString;
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(proof) = TlogProof::parse(text) else { return };
    assert_eq!(proof.to_string(), text);
    let name = proof.checkpoint.lines().next().unwrap_or_default();
    let keys = [NoteKey::new(name, PublicKey::from_ed25519(&[0x5a; 32]))];
    assert!(proof.verify(Hash::ZERO, name, &keys).is_err());
}

/// Reads the bytes as a proof bundle.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_proof_bundle(bytes: &[u8]) {
    if let Ok(bundle) = ProofBundle::from_cbor(bytes) {
        assert_eq!(bundle.to_cbor(), bytes);
        bundle.claimed_statement().ok();
    }
}

/// Reads the bytes as a receipt, and checks it with a key that has signed nothing.
///
/// # Panics
/// When it proves something, which is a bug.
pub fn fuzz_receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::parse(bytes) else { return };
    let key = PublicKey::from_ed25519(&[0x5a; 32]);
    assert!(receipt.verify_inclusion(&key, Hash::ZERO).is_err());
    assert!(receipt.verify_consistency(&key, Hash::ZERO).is_err());
}

/// Reads the bytes as a verifier key.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_verifier_key(bytes: &[u8]) {
    use alloc::string::ToString;
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(key) = text.parse::<NoteKey>() {
        assert_eq!(key.to_string(), text);
    }
}

/// Reads the bytes as a trust policy, and judges a note by it that nobody has signed.
///
/// # Panics
/// When the note is accepted, which is a bug.
pub fn fuzz_trust_policy(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(policy) = text.parse::<TrustPolicy>() {
        let note = "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} o AAAAAAAA\n";
        assert!(policy.judge_listed(note).is_err());
    }
}

/// Reads the bytes as the body of `add-checkpoint`, for a witness whose log has signed nothing.
///
/// # Panics
/// When it has a second spelling or is accepted, which is a bug.
pub fn fuzz_add_checkpoint(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        let again = witness::write(request.old(), request.path(), request.note());
        assert_eq!(again.as_bytes(), bytes);
        let origin = &request.claimed().origin;
        let keys = [NoteKey::new(origin, PublicKey::from_ed25519(&[0x5a; 32]))];
        assert!(request.clone().verify(&keys).is_err());
    }
}

/// Reads the bytes as the body of `add-epoch`.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_add_epoch(bytes: &[u8]) {
    if let Ok(enrolment) = Enrolment::from_cbor(bytes) {
        let again = Enrolment::write(
            &enrolment.binding.to_cbor(),
            &enrolment.evidence,
            enrolment.collateral.as_deref(),
        );
        assert_eq!(again, bytes);
    }
}

/// Reads the bytes as an entry of the register.
///
/// # Panics
/// When it has a second spelling, which is a bug.
pub fn fuzz_register(bytes: &[u8]) {
    if let Ok(entry) = Entry::from_cbor(bytes) {
        assert_eq!(entry.to_cbor(), bytes);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use lucarne_testkit::replay;

    use super::*;

    #[test]
    fn corpora_are_replayed() {
        replay("ledger_batch", fuzz_batch);
        replay("ledger_canary", fuzz_canary);
        replay("ledger_note", fuzz_note);
        replay("ledger_checkpoint", fuzz_checkpoint);
        replay("ledger_register", fuzz_register);
        replay("ledger_statement", fuzz_statement);
        replay("ledger_control", fuzz_control);
        replay("ledger_verifier_key", fuzz_verifier_key);
        replay("ledger_trust_policy", fuzz_trust_policy);
        replay("ledger_add_checkpoint", fuzz_add_checkpoint);
        replay("ledger_add_epoch", fuzz_add_epoch);
        replay("ledger_tlog_proof", fuzz_tlog_proof);
        replay("ledger_receipt", fuzz_receipt);
        replay("ledger_proof_bundle", fuzz_proof_bundle);
        replay("ledger_json_batch", fuzz_json_batch);
    }
}
