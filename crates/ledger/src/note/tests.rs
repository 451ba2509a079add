//! Notes of other implementations: the verdict here is theirs.

extern crate std;

use alloc::vec;
use std::path::Path;

use serde::Deserialize;

use super::*;

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
}

/// The key of a verifier line `name+id+base64(type || key)`, if it is of a type that we know.
fn known(vkey: &str) -> Option<NoteKey> {
    let mut parts = vkey.splitn(3, '+');
    let (name, id) = (parts.next()?, parts.next()?);
    let material = STANDARD.decode(parts.next()?).unwrap();
    let key = match material.split_first()? {
        (1, key) => PublicKey::from_ed25519(key.try_into().ok()?),
        (2, spki) => PublicKey::from_spki(spki).ok()?,
        _ => return None,
    };
    let key = NoteKey::new(name, key);
    assert_eq!(crate::hash::to_hex(&key.id), id, "key id of {name}");
    Some(key)
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_reference_implementation_agrees() {
    let mut judged = 0;
    for vector in read::<Vectors>("x-mod/notes.json").vectors {
        let keys: Vec<NoteKey> = vector.vkeys.iter().filter_map(|vkey| known(vkey)).collect();
        let note = String::from_utf8(STANDARD.decode(&vector.note_base64).unwrap()).unwrap();
        let accept = match vector.name.as_str() {
            // Keys of a type that we do not know are no keys to us: nothing is signed …
            "ecdsa-p384 with SHA-256 (0x02) checkpoint"
            | "mldsa44 (0x06) log signature"
            | "same, only mldsa witness known" => false,
            // … and a bad signature of such a key is not seen.
            "one good, one known-but-invalid signature" => true,
            _ => vector.accept,
        };
        assert_eq!(open(&note, &keys).is_ok(), accept, "{}", vector.name);
        if accept {
            let text = open(&note, &keys).unwrap();
            assert!(note.starts_with(text) && text.ends_with('\n'), "{}", vector.name);
            judged += 1;
        }
    }
    assert_eq!(judged, 8);
}

#[test]
fn each_refusal_has_its_reason() {
    let vectors = read::<Vectors>("x-mod/notes.json").vectors;
    let reason = |name: &str| {
        let vector = vectors.iter().find(|vector| vector.name == name).unwrap();
        let keys: Vec<NoteKey> = vector.vkeys.iter().filter_map(|vkey| known(vkey)).collect();
        let note = String::from_utf8(STANDARD.decode(&vector.note_base64).unwrap()).unwrap();
        open(&note, &keys).map(drop)
    };
    assert_eq!(reason("no known key"), Err(NoteError::Unsigned));
    assert_eq!(reason("wrong key id (=> unknown key)"), Err(NoteError::Unsigned));
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
