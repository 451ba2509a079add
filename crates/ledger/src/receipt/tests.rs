//! Receipts of other implementations, and ours with every kind of damage.

extern crate std;

use alloc::vec;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::key::Ed25519Key;
use crate::proof::{ConsistencyProver, InclusionProver};
use crate::testing::P256;
use crate::tree::Frontier;

const ORIGIN: &str = "lucarne.local/nitro-001-us-east/e1/audit";

fn data(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    std::fs::read(path).unwrap()
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    alg: i64,
    spki: String,
    message: String,
    leaf_data: Option<String>,
    root: Option<String>,
    root1: Option<String>,
    root2: Option<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: Option<&String>) -> Hash {
    hex.unwrap().parse().unwrap()
}

#[test]
fn receipts_of_another_implementation_prove_membership_and_no_more() {
    let file = data("cose/cose-sign1-and-receipts.json");
    let vectors: Vectors = serde_json::from_slice(&file).unwrap();
    let mut seen = Vec::new();
    for vector in vectors.vectors.iter().filter(|vector| vector.name.contains("9942")) {
        let message = bytes(&vector.message);
        if vector.alg != -7 {
            // P-384 is no key of ours.
            assert_eq!(Receipt::parse(&message).map(drop), Err(ReceiptError::Key));
            continue;
        }
        let receipt = Receipt::parse(&message).unwrap();
        let key = PublicKey::from_spki(&bytes(&vector.spki)).unwrap();
        let proven = match receipt.unverified_proof() {
            Proof::Inclusion(_) => {
                let entry = bytes(vector.leaf_data.as_ref().unwrap());
                let leaf = Hash::of(&[&[0], &entry[..]].concat());
                let proven = receipt.verify_inclusion(&key, leaf).unwrap();
                assert_eq!(proven.root, hash(vector.root.as_ref()));
                assert_eq!(receipt.verify_inclusion(&key, Hash::ZERO), {
                    // The path leads elsewhere, and nobody signed that root.
                    Err(ReceiptError::Signature)
                });
                proven
            }
            Proof::Consistency(_) => {
                let old = hash(vector.root1.as_ref());
                let proven = receipt.verify_consistency(&key, old).unwrap();
                assert_eq!(proven.root, hash(vector.root2.as_ref()));
                proven
            }
        };
        // They sign who speaks, and not of how large a tree.
        assert_eq!(proven.head, None);
        seen.push(receipt.unverified_proof().size());
    }
    assert_eq!(seen, [600, 1030]);
}

#[test]
fn the_examples_of_the_standard_are_read() {
    let read = |file: &str| {
        let message = data(file);
        let receipt = Receipt::parse(&message).unwrap();
        assert_eq!(receipt.key_id(), Some(&b"test-key-1"[..]));
        assert_eq!(receipt.header.origin, Some("https://transparency-service.example.com"));
        receipt.unverified_proof().clone()
    };
    let Proof::Inclusion(proof) = read("cose-receipts/inclusion-receipt.cbor") else { panic!() };
    assert_eq!((proof.size, proof.index, proof.path.len()), (5, 3, 3));
    let first = "3d06455dd33da4e9bbd8090677a2d0955e6dffe4b92069605a468920d1198095";
    assert_eq!(proof.path.first().copied(), first.parse().ok());
    let Proof::Consistency(proof) = read("cose-receipts/consistency-receipt.cbor") else {
        panic!()
    };
    assert_eq!((proof.old, proof.new, proof.path.len()), (3, 5, 4));
}

fn leaf(i: u64) -> Hash {
    Hash::of(&i.to_be_bytes())
}

fn tree(size: u64) -> Frontier {
    let mut tree = Frontier::empty();
    (0..size).for_each(|i| tree.append(leaf(i)));
    tree
}

fn inclusion(index: u64, size: u64) -> Proof {
    let mut prover = InclusionProver::new(index, size, &Frontier::empty()).unwrap();
    (0..size).for_each(|i| prover.push(leaf(i)));
    Proof::Inclusion(prover.finish().unwrap())
}

fn consistency(old: u64, new: u64) -> Proof {
    let mut prover = ConsistencyProver::new(old, new, &tree(old)).unwrap();
    (old..new).for_each(|i| prover.push(leaf(i)));
    Proof::Consistency(prover.finish().unwrap())
}

#[test]
fn what_we_sign_proves_log_size_and_position() {
    let ed25519 = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let p256 = P256::of_rfc_6979();
    let signers: [&dyn Signer; 2] = [&ed25519, &p256];
    for signer in signers {
        let (key, root) = (signer.public_key(), tree(9).root());
        let head = Some(Head { origin: ORIGIN.to_owned(), size: 9 });
        let expected = Proven { root, head };
        let message = Receipt::sign(signer, ORIGIN, &inclusion(4, 9), root).unwrap();
        let receipt = Receipt::parse(&message).unwrap();
        assert_eq!(receipt.verify_inclusion(key, leaf(4)), Ok(expected.clone()));
        assert_eq!(receipt.verify_inclusion(key, leaf(5)), Err(ReceiptError::Signature));
        assert_eq!(receipt.verify_consistency(key, root), Err(ReceiptError::Kind));
        assert_eq!(receipt.key_id(), Some(&key.id().0[..]));

        let message = Receipt::sign(signer, ORIGIN, &consistency(6, 9), root).unwrap();
        let receipt = Receipt::parse(&message).unwrap();
        assert_eq!(receipt.verify_consistency(key, tree(6).root()), Ok(expected));
        let other = receipt.verify_consistency(key, tree(5).root());
        let error = ProofError::Start { expected: tree(5).root(), found: tree(6).root() };
        assert_eq!(other, Err(ReceiptError::Proof(error)));
        assert_eq!(receipt.verify_inclusion(key, leaf(4)), Err(ReceiptError::Kind));
    }
}

#[test]
fn the_key_must_be_the_one_that_is_named() {
    let root = tree(9).root();
    let p256 = P256::of_rfc_6979();
    let message = Receipt::sign(&p256, ORIGIN, &inclusion(4, 9), root).unwrap();
    let receipt = Receipt::parse(&message).unwrap();
    let strangers: [&dyn Signer; 2] = [&Ed25519Key::from_seed(&[3; 32]).unwrap(), &P256::fresh()];
    for stranger in strangers {
        let verdict = receipt.verify_inclusion(stranger.public_key(), leaf(4));
        assert_eq!(verdict, Err(ReceiptError::Key));
    }
}

#[test]
fn any_flipped_bit_of_a_receipt_is_refused() {
    let ed25519 = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let root = tree(9).root();
    let message = Receipt::sign(&ed25519, ORIGIN, &inclusion(4, 9), root).unwrap();
    for at in 0..message.len() * 8 {
        let mut bent = message.clone();
        bent[at / 8] ^= 1 << (at % 8);
        let verdict = Receipt::parse(&bent)
            .and_then(|receipt| receipt.verify_inclusion(ed25519.public_key(), leaf(4)));
        assert!(verdict.is_err(), "bit {at}: {verdict:?}");
    }
}

/// A receipt with another header or body, signed by the right key all the same.
fn forged(write: impl FnOnce(&mut Writer), body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let mut header = Writer::new();
    write(&mut header);
    let header = header.finish();
    let signature = signer.sign(&to_be_signed(&header, &tree(9).root().0)).unwrap();
    let mut out = Writer::new();
    out.tag(18).array(4).bytes(&header);
    body(&mut out);
    out.bytes(&signature);
    out.finish()
}

fn verdict(message: &[u8]) -> Result<Proven, ReceiptError> {
    let key = Ed25519Key::from_seed(&[3; 32]).unwrap();
    Receipt::parse(message)?.verify_inclusion(key.public_key(), leaf(4))
}

fn plain_body(out: &mut Writer) {
    out.raw(&write_proof(&inclusion(4, 9))).null();
}

#[test]
fn headers_of_others_are_read_in_any_order_and_strictly() {
    let membership = Proven { root: tree(9).root(), head: None };
    let bare = forged(
        |h| {
            h.map(2).uint(395).uint(1).uint(1).negative(18);
        },
        plain_body,
    );
    assert_eq!(verdict(&bare), Ok(membership.clone()));
    let unknown = forged(
        |h| {
            h.map(4).uint(1).negative(18).uint(395).uint(1);
            h.negative(70).array(2).bytes(b"x").map(1).text("a").uint(1).text("b").negative(4);
        },
        plain_body,
    );
    assert_eq!(verdict(&unknown), Ok(membership));
    let twice = |h: &mut Writer| {
        h.map(3).uint(1).negative(18).uint(395).uint(1).uint(1).negative(18);
    };
    assert_eq!(verdict(&forged(twice, plain_body)), Err(ReceiptError::Header));
    let critical = |h: &mut Writer| {
        h.map(3).uint(1).negative(18).uint(2).array(1).uint(395).uint(395).uint(1);
    };
    assert_eq!(verdict(&forged(critical, plain_body)), Err(ReceiptError::Header));
    let no_tree = forged(
        |h| {
            h.map(1).uint(1).negative(18);
        },
        plain_body,
    );
    assert_eq!(verdict(&no_tree), Err(ReceiptError::Header));
    let other_tree = forged(
        |h| {
            h.map(2).uint(1).negative(18).uint(395).uint(2);
        },
        plain_body,
    );
    assert_eq!(verdict(&other_tree), Err(ReceiptError::Header));
    let no_algorithm = forged(
        |h| {
            h.map(1).uint(395).uint(1);
        },
        plain_body,
    );
    assert_eq!(verdict(&no_algorithm), Err(ReceiptError::Key));
    let deep = |h: &mut Writer| {
        h.map(3).uint(1).negative(18).uint(395).uint(1);
        h.uint(900).array(1).array(1).array(1).array(1).uint(0);
    };
    let error = ReceiptError::Cbor(CborError::Value);
    assert_eq!(verdict(&forged(deep, plain_body)), Err(error));
    let many = |h: &mut Writer| {
        h.map(17);
    };
    assert_eq!(verdict(&forged(many, plain_body)), Err(ReceiptError::Header));
    let size = |h: &mut Writer| {
        h.map(3).uint(1).negative(18).uint(395).uint(1).text("tree_size").uint(8);
    };
    let error = ReceiptError::Size { signed: 8, proof: 9 };
    assert_eq!(verdict(&forged(size, plain_body)), Err(error));
}

#[test]
fn an_attached_root_must_be_the_one_of_the_path_and_there_is_one_proof() {
    let header = |h: &mut Writer| {
        h.map(2).uint(1).negative(18).uint(395).uint(1);
    };
    let root = tree(9).root();
    let attached = |hash: Hash| {
        forged(header, |out| {
            out.raw(&write_proof(&inclusion(4, 9))).bytes(&hash.0);
        })
    };
    assert_eq!(verdict(&attached(root)), Ok(Proven { root, head: None }));
    let error = ReceiptError::Root { attached: leaf(1), found: root };
    assert_eq!(verdict(&attached(leaf(1))), Err(error));
    let value = Err(ReceiptError::Cbor(CborError::Value));
    let two = forged(header, |out| {
        out.map(1).uint(396).map(1).negative(0).array(2).bytes(b"").bytes(b"").null();
    });
    assert_eq!(verdict(&two), value);
    let other_kind = forged(header, |out| {
        let proof = write_proof(&inclusion(4, 9));
        // The label -1 (0x20) of the inner map becomes -3.
        let at = proof.iter().position(|byte| *byte == 0x20).unwrap();
        let mut bent = proof;
        bent[at] = 0x22;
        out.raw(&bent).null();
    });
    assert_eq!(verdict(&other_kind), value);
    let long = Inclusion { index: 0, size: 9, path: vec![root; PATH_HASHES_MAX + 1] };
    let long = forged(header, |out| {
        out.raw(&write_proof(&Proof::Inclusion(long))).null();
    });
    assert_eq!(verdict(&long), value);
    assert_eq!(verdict(&[0; RECEIPT_BYTES_MAX + 1]), Err(ReceiptError::TooLong));
}
