//! Orders to destroy data keys: one counts when the policy's authority signed it for the name it
//! lies under, and every other one is a finding.

use std::fs;

use lucarne_archive::Directory;
use lucarne_archive::name::ErasureName;
use lucarne_ledger::audit::finding::FindingKind;
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::key::{Ed25519Key, Signer as _};

use super::*;

fn signer(seed: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[seed; 32]).unwrap()
}

fn order() -> Erasure {
    Erasure {
        instance: "a".parse().unwrap(),
        kind: LedgerKind::Telemetry,
        day: "2026/05/25".to_owned(),
        key: KeyId([5; 16]),
        rule: "order of a court: 3 O 12/26".to_owned(),
        time_ms: 1,
    }
}

fn name() -> ErasureName {
    let Erasure { instance, kind, day, key, .. } = order();
    ErasureName { date: day.parse().unwrap(), instance, kind, key }
}

/// The accepted orders, and what is said of each other one, in an archive with this one.
fn said(name: &ErasureName, message: &[u8]) -> (Vec<Erasure>, Vec<String>, Vec<KeyId>) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Directory::open(folder.path()).unwrap();
    // Written, not put: two thousand orders need not outlive a crash.
    let path = folder.path().join(name.to_string());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, message).unwrap();
    let orders = read(&archive, &[signer(3).public_key().clone()]).unwrap();
    let detail = orders.findings.into_iter().map(|found| {
        assert_eq!(found.file, Some(name.to_string()));
        assert_eq!((found.kind(), found.cause.code()), (FindingKind::Modified, "erasure-refused"));
        let Cause::ErasureRefused { detail } = found.cause else { panic!("{:?}", found.cause) };
        detail
    });
    (orders.accepted, detail.collect(), orders.refused)
}

#[test]
fn an_order_counts_as_it_was_signed_and_where_it_belongs() {
    let message = order().sign(&signer(3)).unwrap();
    assert_eq!(said(&name(), &message), (vec![order()], vec![], vec![]));
}

#[test]
fn every_other_order_is_a_finding_and_excuses_its_key() {
    let message = order().sign(&signer(3)).unwrap();
    let refused = |name: &ErasureName, message: &[u8], why: &str| {
        assert_eq!(said(name, message), (vec![], vec![why.to_owned()], vec![name.key]));
    };
    let nobody = "no withholding key of the policy signed it";
    refused(&name(), &order().sign(&signer(4)).unwrap(), nobody);
    refused(&name(), b"", nobody);
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        refused(&name(), &flipped, nobody);
    }
    let elsewhere = "it is not about what its name says";
    refused(&ErasureName { key: KeyId([6; 16]), ..name() }, &message, elsewhere);
    let date = "2026/05/26".parse().unwrap();
    refused(&ErasureName { date, ..name() }, &message, elsewhere);
    refused(&ErasureName { kind: LedgerKind::Audit, ..name() }, &message, elsewhere);
    let instance = "b".parse().unwrap();
    refused(&ErasureName { instance, ..name() }, &message, elsewhere);
    let long = vec![0; usize::try_from(ORDER_BYTES_MAX).unwrap() + 1];
    refused(&name(), &long, "it is longer than any");
}
