//! COSE messages of another implementation: the same bytes are signed, and no other form is
//! accepted.

extern crate std;

use alloc::string::String;
use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::testing::P256;

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
    tbs: Option<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_bytes_that_are_signed_are_those_of_others() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cose/cose-sign1-and-receipts.json");
    let vectors: Vectors = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut same = 0;
    for vector in vectors.vectors {
        let message = bytes(&vector.message);
        // Ours is a message with its payload attached, nothing unprotected and nothing from
        // outside.
        let Ok(parts) = split(&message) else { continue };
        // -7 is ES256: the curve, hash and signature of ESP256 under the older name.
        if vector.name != "sign1 attached" || vector.alg != -7 {
            continue;
        }
        let key = PublicKey::from_spki(&bytes(&vector.spki)).unwrap();
        let signed = to_be_signed(parts.header, parts.payload);
        assert_eq!(signed, bytes(&vector.tbs.unwrap()), "{}", vector.name);
        assert!(key.verifies(&signed, parts.signature), "{}", vector.name);
        // It is genuine, and of another algorithm name and type than ours: refused before the
        // signature.
        let refused = verify(&message, &key, ContentType::Statement);
        assert_eq!(refused, Err(SignatureError::Header));
        same += 1;
    }
    assert_eq!(same, 1);
}

#[test]
fn a_message_has_one_form() {
    let key = P256::of_rfc_6979();
    let message = sign(&key, ContentType::Archived, b"payload").unwrap();
    let public = key.public_key();
    assert_eq!(verify(&message, public, ContentType::Archived), Ok(&b"payload"[..]));
    assert_eq!(unverified_payload(&message), Ok(&b"payload"[..]));
    let untagged = verify(&message[1..], public, ContentType::Archived);
    let expected = SignatureError::Cbor(CborError::Unexpected { expected: 6 });
    assert_eq!(untagged, Err(expected));
    let longer = [&message[..], &[0]].concat();
    let expected = SignatureError::Cbor(CborError::TrailingBytes);
    assert_eq!(verify(&longer, public, ContentType::Archived), Err(expected));
}

#[test]
fn any_flipped_byte_of_a_message_is_refused() {
    let key = P256::of_rfc_6979();
    let message = sign(&key, ContentType::Archived, b"payload").unwrap();
    for at in 0..message.len() {
        let mut flipped = message.clone();
        flipped[at] ^= 1;
        let verdict = verify(&flipped, key.public_key(), ContentType::Archived);
        assert!(verdict.is_err(), "byte {at}");
    }
}

#[test]
fn each_algorithm_has_its_name() {
    let ed25519 = crate::key::Ed25519Key::from_seed(&[3; 32]).unwrap();
    let message = sign(&ed25519, ContentType::Archived, b"payload").unwrap();
    let public = ed25519.public_key();
    assert_eq!(verify(&message, public, ContentType::Archived), Ok(&b"payload"[..]));
    // RFC 9864: Ed25519 is -19, ESP256 is -9.
    assert_eq!(split(&message).unwrap().header[..3], [0xa3, 0x01, 0x32]);
    let p256 = P256::of_rfc_6979();
    let message = sign(&p256, ContentType::Archived, b"payload").unwrap();
    assert_eq!(split(&message).unwrap().header[..3], [0xa3, 0x01, 0x28]);
}
