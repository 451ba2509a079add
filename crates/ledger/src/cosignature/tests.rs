//! Cosignatures against another implementation's bytes, and against each change of one's own.

extern crate std;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::*;
use crate::note::{self, NoteError, SignatureType};

#[derive(Deserialize)]
struct Vector {
    vkey: String,
    cosigner_name: String,
    log_origin: String,
    start: u64,
    end: u64,
    hash_hex: String,
    signed_message_hex: String,
    signature_hex: String,
}

fn vector() -> Vector {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/x-mod/subtree-cosignature.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn head() -> Checkpoint {
    Checkpoint { origin: "audit.example/log1".into(), size: 600, root: Hash([3; 32]) }
}

#[test]
fn a_subtree_is_signed_in_the_bytes_of_the_specification() {
    let vector = vector();
    let hash = vector.hash_hex.parse().unwrap();
    let (start, end) = (vector.start, vector.end);
    let subtree = Subtree { origin: &vector.log_origin, start, end, hash };
    let message = subtree_message(&vector.cosigner_name, 0, &subtree).unwrap();
    assert_eq!(crate::hash::to_hex(&message), vector.signed_message_hex);
    let key: NoteKey = vector.vkey.parse().unwrap();
    let mut signature = [&[0; 8][..], &bytes(&vector.signature_hex)].concat();
    if signature.len() > 8 + ml_dsa::SIGNATURE_BYTES {
        // The vector carries the time too.
        signature.drain(..8);
    }
    assert!(key.verifies_subtree(&subtree, &signature));
    for other in [
        Subtree { start: 0, ..subtree },
        Subtree { end: 513, ..subtree },
        Subtree { origin: "audit.example/log2", ..subtree },
        Subtree { hash: Hash([0; 32]), ..subtree },
    ] {
        assert!(!key.verifies_subtree(&other, &signature), "{other:?}");
    }
    signature[7] = 1;
    assert!(!key.verifies_subtree(&subtree, &signature), "a subtree inside a log has no time");
    let ed25519 = Cosigner::ed25519("witness.example/w2", &[1; 32]).unwrap();
    assert!(!ed25519.verifier().verifies_subtree(&subtree, &signature));
}

#[test]
fn what_a_cosigner_signs_is_opened_with_its_time() {
    let head = head();
    for (cosigner, kind) in [
        (Cosigner::ed25519("w.example/a", &[1; 32]).unwrap(), SignatureType::Cosignature),
        (Cosigner::ml_dsa_44("w.example/b", &[2; 32]).unwrap(), SignatureType::Subtree),
    ] {
        assert_eq!(cosigner.verifier().signature_type(), kind);
        let keys = [cosigner.verifier().to_string().parse().unwrap()];
        for time_s in [0, 1_779_703_200, TIME_END - 1] {
            let line = cosigner.cosign(&head, time_s).unwrap();
            let signed = note::assemble(&head.to_string(), &[line]);
            let opened = note::opened(&signed, &keys).unwrap();
            assert_eq!(opened.text, head.to_string());
            let said: Vec<Vouched> = opened.signatures.iter().map(|one| one.vouched).collect();
            assert_eq!(said, [Vouched::Cosigned { time_s }]);
            for (from, to) in [("600\n", "601\n"), ("log1\n", "log2\n"), ("AwMD", "BwMD")] {
                let other = signed.replacen(from, to, 1);
                assert_ne!(other, signed);
                assert_eq!(note::open(&other, &keys), Err(NoteError::BadSignature), "{to:?}");
            }
        }
        assert_eq!(cosigner.cosign(&head, TIME_END), Err(CosignError::Time));
    }
}

#[test]
fn a_time_beyond_the_specification_is_refused_on_reading_too() {
    let key = Ed25519Key::from_seed(&[1; 32]).unwrap();
    let text = head().to_string();
    let line = |time_s: u64| {
        let signature = key.sign(&ed25519_message(time_s, &text)).unwrap();
        [&time_s.to_be_bytes(), &signature[..]].concat()
    };
    let last = TIME_END - 1;
    let public = key.public_key();
    let held = verify_ed25519(public, &text, &line(last));
    assert_eq!(held, Some(Vouched::Cosigned { time_s: last }));
    assert_eq!(verify_ed25519(public, &text, &line(TIME_END)), None);
    assert_eq!(verify_ed25519(public, &text, &line(last)[..71]), None);
    assert_eq!(verify_ed25519(public, &text, &[0; 7]), None);
}

#[test]
fn names_that_do_not_fit_are_refused() {
    let long = Checkpoint { origin: "o".repeat(256), ..head() };
    let cosigner = Cosigner::ml_dsa_44("w", &[2; 32]).unwrap();
    assert_eq!(cosigner.cosign(&long, 1), Err(CosignError::Name));
    let fits = Checkpoint { origin: "o".repeat(255), ..head() };
    assert!(cosigner.cosign(&fits, 1).unwrap().starts_with("\u{2014} w "));
    let nameless = Cosigner::ml_dsa_44("", &[2; 32]).unwrap();
    assert_eq!(nameless.cosign(&head(), 1), Err(CosignError::Name));
}

#[test]
fn extension_lines_are_signed_by_one_kind_and_not_by_the_other() {
    let head = head();
    let extended = std::format!("{head}extension\n");
    let ed25519 = Ed25519Key::from_seed(&[1; 32]).unwrap();
    let signature = ed25519.sign(&ed25519_message(5, &extended)).unwrap();
    let signature = [&5_u64.to_be_bytes(), &signature[..]].concat();
    let public = ed25519.public_key();
    assert_eq!(
        verify_ed25519(public, &extended, &signature),
        Some(Vouched::Cosigned { time_s: 5 })
    );
    assert_eq!(verify_ed25519(public, &head.to_string(), &signature), None);
    let pq = Cosigner::ml_dsa_44("w", &[2; 32]).unwrap();
    let line = pq.cosign(&head, 5).unwrap();
    let (_, blob) = line.trim_end().rsplit_once(' ').unwrap();
    let blob = STANDARD.decode(blob).unwrap();
    let said = pq.verifier().verify(&extended, &blob[4..]);
    assert_eq!(said, Some(Vouched::Cosigned { time_s: 5 }));
}
