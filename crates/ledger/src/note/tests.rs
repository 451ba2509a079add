//! Notes of other implementations: the verdict here is theirs.

extern crate std;

use alloc::borrow::ToOwned;
use alloc::vec;
use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::cosignature::Cosigner;
use crate::hash::Hash;
use crate::key::{Ed25519Key, PublicKey, Signer};

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    vkeys: Vec<String>,
    note_base64: String,
    accept: bool,
    #[serde(default)]
    verified: Vec<String>,
}

impl Vector {
    fn keys(&self) -> Vec<NoteKey> {
        let parse = |vkey: &String| {
            let key: NoteKey = vkey.parse().unwrap();
            assert_eq!(key.to_string(), *vkey);
            key
        };
        self.vkeys.iter().map(parse).collect()
    }

    fn note(&self) -> String {
        String::from_utf8(STANDARD.decode(&self.note_base64).unwrap()).unwrap()
    }
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Name and key id of those who signed, or why the note is refused.
fn verdict(vector: &Vector) -> Result<Vec<String>, NoteError> {
    let keys = vector.keys();
    let note = vector.note();
    let opened = opened(&note, &keys)?;
    assert!(note.starts_with(opened.text) && opened.text.ends_with('\n'), "{}", vector.name);
    let name = |signature: &Signature<'_>| {
        let key = &keys[signature.key];
        format!("{}+{}", key.name(), crate::hash::to_hex(&key.id()))
    };
    Ok(opened.signatures.iter().map(name).collect())
}

#[test]
fn the_reference_implementation_agrees() {
    let vectors = read::<Vectors>("x-mod/notes.json").vectors;
    assert_eq!(vectors.len(), 23);
    for vector in vectors {
        let mut found = verdict(&vector);
        assert_eq!(found.is_ok(), vector.accept, "{}: {found:?}", vector.name);
        if found.is_ok() {
            let (note, keys) = (vector.note(), vector.keys());
            let known = opened(&note, &keys).unwrap().to_note();
            assert_eq!(opened(&known, &keys), opened(&note, &keys), "{}", vector.name);
            assert!(known.len() <= note.len());
        }
        if let Ok(names) = &mut found {
            // The reference keeps one of two lines of a key, we keep both.
            names.dedup();
            assert_eq!(*names, vector.verified, "{}", vector.name);
        }
    }
}

#[test]
fn cosignatures_say_when() {
    let vectors = read::<Vectors>("x-mod/notes.json").vectors;
    let all = vectors.iter().find(|vector| vector.name.ends_with("all keys known")).unwrap();
    let (keys, note) = (all.keys(), all.note());
    let said: Vec<Vouched> =
        opened(&note, &keys).unwrap().signatures.iter().map(|one| one.vouched).collect();
    let at = |time_s| Vouched::Cosigned { time_s };
    let [log, first, second] = [at(1_700_000_001), at(1_679_315_147), at(1_700_000_000)];
    assert_eq!(said, [Vouched::Signed, Vouched::Signed, log, first, second]);
    // One second more, and neither the text nor the tree is what was signed.
    for key in keys.iter().filter(|key| key.signature_type() as u8 >= 4) {
        let start = note.find(&key.line(&[])[..key.name().len() + 5]).unwrap();
        for line in note[start..].lines().filter(|line| line.contains(key.name())) {
            let (_, blob) = line.rsplit_once(' ').unwrap();
            let mut blob = STANDARD.decode(blob).unwrap();
            blob[11] ^= 1;
            if blob[..4] == key.id() {
                let later = note.replace(line, key.line(&blob[4..]).trim_end());
                assert_eq!(open(&later, &keys), Err(NoteError::BadSignature), "{}", key.name());
            }
        }
    }
}

#[test]
fn verifier_keys_have_one_spelling() {
    let good = "audit.example/log1+e040881c+AXaPW80pCm3OQlXMTFVmkBP0Z1uZfeMAyQzNfAifeeXo";
    let why = |from: &str, to: &str| good.replace(from, to).parse::<NoteKey>().unwrap_err();
    let malformed = VerifierKeyError::Malformed;
    assert_eq!(why("e040881c", "E040881C"), malformed);
    assert_eq!(why("e040881c", "e040881"), malformed);
    assert_eq!(why("eeXo", "eeX"), malformed);
    assert_eq!(why("eeXo", "eeXo="), malformed);
    assert_eq!(why("audit.example/log1", ""), malformed);
    assert_eq!(why("audit.example/log1", "audit example"), malformed);
    assert_eq!(why("+AX", "AX"), malformed);
    assert_eq!(why("+AX", "++AX"), malformed);
    assert_eq!(why("log1", &"l".repeat(5000)), malformed);
    assert_eq!(why("e040881c", "e040881d"), VerifierKeyError::Id);
    assert_eq!(why("log1", "log2"), VerifierKeyError::Id);
    // Type 5 is the signed tree head of RFC 6962, which we do not check; type 2 wants an SPKI.
    assert_eq!(why("AXaP", "BXaP"), VerifierKeyError::Type { found: 5 });
    assert_eq!(why("AXaP", "AnaP"), VerifierKeyError::Key);
    assert_eq!(why("AXaP", "BnaP"), VerifierKeyError::Key);
    // The same bytes as a cosigner's key are another key, with another id.
    assert_eq!(why("AXaP", "BHaP"), VerifierKeyError::Id);
}

#[test]
fn keys_are_those_of_the_reference_implementation() {
    let vectors = read::<Vectors>("x-mod/notes.json").vectors;
    let all = vectors.iter().find(|vector| vector.name.ends_with("all keys known")).unwrap();
    let seed = |label: &str| Hash::of(label.as_bytes()).0;
    let log = Ed25519Key::from_seed(&seed("log1 ed25519")).unwrap();
    let log = NoteKey::new("audit.example/log1", log.public_key().clone());
    assert_eq!(log.to_string(), all.vkeys[0]);
    let pq = Cosigner::ml_dsa_44("audit.example/log1", &seed("log1 mldsa44")).unwrap();
    assert_eq!(pq.verifier().to_string(), all.vkeys[2]);
    let first = Cosigner::ed25519("witness.example/w1", &seed("w1")).unwrap();
    assert_eq!(first.verifier().to_string(), all.vkeys[3]);
    let second = Cosigner::ml_dsa_44("witness.example/w2", &seed("w2")).unwrap();
    assert_eq!(second.verifier().to_string(), all.vkeys[4]);
}

#[derive(Deserialize)]
struct Examples {
    signed_note: Example,
    go_sumdb_vkey: String,
}

#[derive(Deserialize)]
struct Example {
    vkey: String,
    note: String,
}

#[test]
fn the_example_of_the_specification_is_opened() {
    let examples = read::<Examples>("c2sp/examples.json");
    let key: NoteKey = examples.signed_note.vkey.parse().unwrap();
    let text = "This is an example message.\n";
    assert_eq!(open(&examples.signed_note.note, &[key]), Ok(text));
    let sumdb: NoteKey = examples.go_sumdb_vkey.parse().unwrap();
    assert_eq!(sumdb.name(), "sum.golang.org");
}

#[test]
fn each_refusal_has_its_reason() {
    let vectors = read::<Vectors>("x-mod/notes.json").vectors;
    let reason =
        |name: &str| verdict(vectors.iter().find(|vector| vector.name == name).unwrap()).map(drop);
    assert_eq!(reason("no known key"), Err(NoteError::Unsigned));
    assert_eq!(reason("wrong key id (=> unknown key)"), Err(NoteError::Unsigned));
    assert_eq!(reason("one good, one known-but-invalid signature"), Err(NoteError::BadSignature));
    assert_eq!(reason("body modified (size)"), Err(NoteError::BadSignature));
    for name in [
        "trailing garbage line",
        "missing final newline",
        "CRLF",
        "control character in body",
        "hyphen instead of em dash",
        "no signatures",
        "no blank line",
        "invalid base64 in signature",
        "signature shorter than 5 bytes",
    ] {
        assert_eq!(reason(name), Err(NoteError::Malformed), "{name}");
    }
}

#[derive(Deserialize)]
struct RealVectors {
    vectors: Vec<RealVector>,
}

#[derive(Deserialize)]
struct RealVector {
    key_name: String,
    key_material_base64_type_plus_spki: String,
    note: String,
}

#[test]
fn checkpoints_of_public_logs_are_opened() {
    let vectors = read::<RealVectors>("formats/real-world-ecdsa-notes.json").vectors;
    let mut sizes = vec![];
    for vector in vectors {
        let material = STANDARD.decode(vector.key_material_base64_type_plus_spki).unwrap();
        let key = PublicKey::from_spki(material.strip_prefix(&[2]).unwrap()).unwrap();
        let keys = [NoteKey::new(&vector.key_name, key)];
        let head = crate::checkpoint::Checkpoint::open(&vector.note, &keys).unwrap();
        sizes.push((head.origin, head.size));
        let digit = vector.note.find('\n').unwrap() + 1;
        let mut flipped = vector.note.into_bytes();
        flipped[digit] ^= 1;
        let flipped = String::from_utf8(flipped).unwrap();
        assert_eq!(open(&flipped, &keys), Err(NoteError::BadSignature));
    }
    assert_eq!(sizes, [("Rekor".to_owned(), 798_034), ("DEFAULT".to_owned(), 10)]);
}

#[test]
fn a_note_is_bounded_in_bytes_and_lines() {
    let long = "x".repeat(NOTE_BYTES_MAX + 1);
    assert_eq!(open(&long, &[]), Err(NoteError::TooLong));
    let line = format!("\u{2014} name {}\n", STANDARD.encode([0; 68]));
    let lines = |count: usize| format!("text\n\n{}", line.repeat(count));
    assert_eq!(open(&lines(SIGNATURES_MAX), &[]), Err(NoteError::Unsigned));
    assert_eq!(open(&lines(SIGNATURES_MAX + 1), &[]), Err(NoteError::TooLong));
}
