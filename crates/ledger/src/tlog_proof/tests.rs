//! A proof of the reference implementation, and ours with every kind of damage.

extern crate std;

use alloc::string::ToString;
use std::path::Path;

use super::*;
use crate::key::{Ed25519Key, PublicKey, Signer};
use crate::note::{NoteError, assemble};
use crate::proof::InclusionProver;
use crate::tree::Frontier;

const ORIGIN: &str = "lucarne.local/nitro-001-us-east/e1/audit";

fn record(i: u64) -> Hash {
    Hash::of(format!("\0record {i}").as_bytes())
}

fn log_key(name: &str) -> NoteKey {
    NoteKey::new(name, signer().public_key().clone())
}

fn signer() -> Ed25519Key {
    Ed25519Key::from_seed(&[4; 32]).unwrap()
}

/// A proof for leaf `index` of a log of `size`.
fn proof(index: u64, size: u64, extra: Option<&[u8]>) -> TlogProof {
    let mut tree = Frontier::empty();
    let mut prover = InclusionProver::new(index, size, &tree).unwrap();
    (0..size).map(record).for_each(|leaf| {
        tree.append(leaf);
        prover.push(leaf);
    });
    let text = Checkpoint { origin: ORIGIN.to_owned(), size, root: tree.root() }.to_string();
    let line = log_key(ORIGIN).line(&signer().sign(text.as_bytes()).unwrap());
    let path = prover.finish().unwrap().path;
    TlogProof {
        extra: extra.map(<[u8]>::to_vec),
        index,
        path,
        checkpoint: assemble(&text, &[line]),
    }
}

#[test]
fn a_proof_of_the_reference_implementation_is_read_checked_and_written_again() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/x-mod/record-299.tlog-proof");
    let text = std::fs::read_to_string(path).unwrap();
    let proof = TlogProof::parse(&text).unwrap();
    assert_eq!((proof.extra.as_deref(), proof.index), (Some(&b"hello"[..]), 299));
    assert_eq!(proof.to_string(), text);
    let origin = "audit.example/log1";
    // audit.example/log1+e040881c+AXaPW80pCm3OQlXMTFVmkBP0Z1uZfeMAyQzNfAifeeXo
    let key = STANDARD.decode("do9bzSkKbc5CVcxMVWaQE/RnW5l94wDJDM18CJ955eg=").unwrap();
    let key = PublicKey::from_ed25519(&key.try_into().unwrap());
    let keys = [NoteKey::new(origin, key)];
    let head = proof.verify(record(299), origin, &keys).unwrap();
    assert_eq!((head.origin.as_str(), head.size), (origin, 600));
    let other = proof.verify(record(298), origin, &keys);
    assert!(matches!(other, Err(TlogProofError::Proof(ProofError::Root { .. }))), "{other:?}");
}

#[test]
fn what_is_written_is_read_and_proves() {
    for (index, size) in [(0, 1), (0, 2), (6, 7), (41, 100)] {
        for extra in [None, Some(&b"x"[..])] {
            let proof = proof(index, size, extra);
            assert_eq!(TlogProof::parse(&proof.to_string()).as_ref(), Ok(&proof));
            let head = proof.verify(record(index), ORIGIN, &[log_key(ORIGIN)]).unwrap();
            assert_eq!((head.origin.as_str(), head.size), (ORIGIN, size));
        }
    }
}

#[test]
fn each_refusal_names_what_is_wrong() {
    let good = proof(3, 9, None);
    let keys = [log_key(ORIGIN)];
    let verify = |proof: &TlogProof| proof.verify(record(3), ORIGIN, &keys);
    let unknown = good.verify(record(3), ORIGIN, &[log_key("another.name")]);
    let error = CheckpointError::Note(NoteError::Unsigned);
    assert_eq!(unknown, Err(TlogProofError::Checkpoint(error)));
    let mut edited = good.clone();
    edited.checkpoint = edited.checkpoint.replacen("\n9\n", "\n8\n", 1);
    let error = CheckpointError::Note(NoteError::BadSignature);
    assert_eq!(verify(&edited), Err(TlogProofError::Checkpoint(error)));
    assert_eq!(good.verify(record(3), "another.log", &keys), Err(TlogProofError::Origin));
    let mut cut = good.clone();
    cut.path.pop();
    assert_eq!(verify(&cut), Err(TlogProofError::Proof(ProofError::Length { found: 3 })));
    let mut beyond = good;
    beyond.index = 9;
    let error = ProofError::Range { start: 9, end: 10, size: 9 };
    assert_eq!(verify(&beyond), Err(TlogProofError::Proof(error)));
}

#[test]
fn a_proof_has_one_spelling() {
    let good = proof(3, 9, Some(b"extra")).to_string();
    assert_eq!(TlogProof::parse(&good).map(|proof| proof.to_string()), Ok(good.clone()));
    let wrong = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        TlogProof::parse(&text)
    };
    assert_eq!(wrong("@v1", "@v2"), Err(TlogProofError::Version));
    assert_eq!(wrong("@v1\n", "@v1\r\n"), Err(TlogProofError::Version));
    for (from, to) in [
        ("index 3", "index 03"),
        ("index 3", "index +3"),
        ("index 3", "index 3 "),
        ("index 3\n", ""),
        ("index 3", "index 18446744073709551616"),
        ("index 3\n", "index 3\r\n"),
        ("extra ZXh0cmE=", "extra ZXh0cmE"),
        ("extra ZXh0cmE=", "extra ZXh0cmF="),
        ("extra ZXh0cmE=", "extra "),
        ("extra ZXh0cmE=", "extra  ZXh0cmE="),
        ("extra", "Extra"),
        ("=\n\n", "=\n\t\n\n"),
    ] {
        assert_eq!(wrong(from, to), Err(TlogProofError::NotCanonical), "{from} {to}");
    }
    let head = good.split_once("\n\n").unwrap().0;
    assert_eq!(TlogProof::parse(head), Err(TlogProofError::NotCanonical));
}

#[test]
fn a_long_proof_is_refused_by_its_length() {
    let mut many = proof(3, 9, None);
    many.path = [Hash::ZERO; PATH_HASHES_MAX + 1].to_vec();
    assert_eq!(TlogProof::parse(&many.to_string()), Err(TlogProofError::TooLong));
    let mut wide = proof(3, 9, None);
    wide.extra = Some([7; EXTRA_BYTES_MAX + 1].to_vec());
    assert_eq!(TlogProof::parse(&wide.to_string()), Err(TlogProofError::TooLong));
    wide.extra = Some([7; EXTRA_BYTES_MAX].to_vec());
    assert_eq!(TlogProof::parse(&wide.to_string()), Ok(wide));
    let long = "x".repeat(HEAD_BYTES_MAX + NOTE_BYTES_MAX + 1);
    assert_eq!(TlogProof::parse(&long), Err(TlogProofError::TooLong));
}
