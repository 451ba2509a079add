//! Every genuine document with every byte changed, and changed in every structural way that the
//! vectors know: never accepted, or the same evidence in another spelling.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::collections::BTreeMap;

use lucarne_ledger::cbor::{CborError, Writer};

use super::genuine::{aws, document, json};
use super::*;
use crate::register::Fingerprint;
use crate::rejected::{Class, Field, Part};

/// Everything that AWS signed; three of them in debug mode, which is accepted here.
const GENUINE: [&str; 5] = [
    "veracruz_doc.cbor",
    "evervault_valid_beta.bin",
    "evervault_valid_ga.b64",
    "evervault_debug_mode.bin",
    "ppmag_debug.bin",
];

fn judge(bytes: &[u8]) -> Result<Claims, Rejected> {
    let policy = Policy { debug: DebugMode::InsecureAccept, ..aws() };
    verify(bytes, &policy, When::Replay, Expect::AnyNonce).map(Verified::into_inner)
}

#[track_caller]
fn no_byte_may_be_other(name: &str) {
    let document = document(name);
    judge(&document).unwrap();
    let mut classes = BTreeMap::<Class, u32>::new();
    for at in 0..document.len() {
        let mut flipped = document.clone();
        flipped[at] ^= 1 << (at % 8);
        let refused = judge(&flipped).expect_err(&alloc::format!("{name} byte {at}"));
        *classes.entry(refused.class()).or_default() += 1;
        // Whatever was changed, it is never excused as a matter of time, policy or purpose.
        let class = refused.class();
        assert!(matches!(class, Class::Malformed | Class::Untrusted), "{at}: {refused}");
    }
    assert!(classes.values().all(|count| *count > 50), "{classes:?}");
    for cut in (0..document.len()).step_by(7) {
        assert_eq!(judge(&document[..cut]).expect_err("cut").class(), Class::Malformed, "{cut}");
    }
}

#[test]
fn no_byte_of_the_first_may_be_other() {
    no_byte_may_be_other(GENUINE[0]);
}

#[test]
fn no_byte_of_the_second_may_be_other() {
    no_byte_may_be_other(GENUINE[1]);
}

#[test]
fn no_byte_of_the_third_may_be_other() {
    no_byte_may_be_other(GENUINE[2]);
}

#[test]
fn no_byte_of_the_fourth_may_be_other() {
    no_byte_may_be_other(GENUINE[3]);
}

#[test]
fn no_byte_of_the_fifth_may_be_other() {
    no_byte_may_be_other(GENUINE[4]);
}

#[test]
fn every_structural_mutation_of_every_document_is_refused_by_name() {
    let names = json("derived/manifest.json");
    let names: Vec<&str> = names.iter().map(|entry| entry["file"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 32);
    for source in GENUINE {
        let genuine = Parts::of(&document(source));
        let claims = judge(&genuine.document).unwrap();
        for name in &names {
            let (bytes, expected) = genuine.mutate(name);
            assert_ne!(bytes, genuine.document, "{source}: {name}");
            match expected {
                Some(reason) => assert_eq!(judge(&bytes), Err(reason), "{source}: {name}"),
                // The bytes differ and the identity does not: it is the same evidence.
                None => assert_eq!(judge(&bytes).as_ref(), Ok(&claims), "{source}: {name}"),
            }
        }
    }
}

/// The mutations made here are those of the vectors, to the byte where the vectors are not random.
#[test]
fn mutations_are_those_of_the_vectors() {
    let genuine = Parts::of(&document("veracruz_doc.cbor"));
    for name in
        ["tag18", "tag_wrong_17", "trailing_bytes", "outer_indefinite", "sig_s_flipped", "array3"]
    {
        let name = alloc::format!("{name}.cbor");
        let theirs = document(&alloc::format!("derived/{name}"));
        assert!(genuine.mutate(&name).0 == theirs, "{name}");
    }
}

/// A document in pieces: the fields of its payload with their values as they are encoded.
struct Parts {
    document: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    fields: Vec<(String, Vec<u8>)>,
}

const HEADER: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
const EMPTY: &[u8] = &[0xa0];
const PAYLOAD_AT: usize = 7;

fn cbor(write: impl FnOnce(&mut Writer) -> &mut Writer) -> Vec<u8> {
    let mut out = Writer::new();
    write(&mut out);
    out.finish()
}

/// Length of the item that stands first.
fn item_bytes(bytes: &[u8]) -> usize {
    let (major, short) = (bytes[0] >> 5, bytes[0] & 31);
    let more = if short < 24 { 0 } else { 1 << (short - 24) };
    let number = bytes[1..=more].iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    let number = if more == 0 { usize::from(short) } else { number };
    let items = |count| (0..count).fold(1 + more, |at, _| at + item_bytes(&bytes[at..]));
    match major {
        2 | 3 => 1 + more + number,
        4 => items(number),
        5 => items(2 * number),
        _ => 1 + more,
    }
}

impl Parts {
    fn of(document: &[u8]) -> Self {
        let envelope = Envelope::parse(document).unwrap();
        let payload = envelope.payload.to_vec();
        let signature = document[document.len() - 96..].to_vec();
        let (mut at, mut fields) = (1, vec![]);
        while at < payload.len() {
            let key = item_bytes(&payload[at..]);
            let value = item_bytes(&payload[at + key..]);
            // Names of fields are short: one byte of head, or two.
            let text = if payload[at] == 0x78 { at + 2 } else { at + 1 };
            let name = String::from_utf8(payload[text..at + key].to_vec()).unwrap();
            fields.push((name, payload[at + key..at + key + value].to_vec()));
            at += key + value;
        }
        assert_eq!(fields.len(), 9);
        Self { document: document.to_vec(), payload, signature, fields }
    }

    fn envelope(&self, header: &[u8], unprotected: &[u8], payload: &[u8]) -> Vec<u8> {
        cbor(|out| out.array(4).bytes(header).raw(unprotected).raw(payload).bytes(&self.signature))
    }

    fn signed_with(&self, signature: &[u8]) -> Vec<u8> {
        let payload = &self.payload;
        cbor(|out| out.array(4).bytes(HEADER).raw(EMPTY).bytes(payload).bytes(signature))
    }

    /// The document with other fields. Its signature does not fit any more.
    fn with_fields(&self, fields: &[(String, Vec<u8>)]) -> Vec<u8> {
        let payload = cbor(|out| {
            out.map(fields.len() as u64);
            for (name, value) in fields {
                out.text(name).raw(value);
            }
            out
        });
        self.envelope(HEADER, EMPTY, &cbor(|out| out.bytes(&payload)))
    }

    fn with(&self, field: &str, value: Vec<u8>) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.iter_mut().find(|(name, _)| name == field).unwrap().1 = value;
        self.with_fields(&fields)
    }

    fn payload_item(&self) -> Vec<u8> {
        cbor(|out| out.bytes(&self.payload))
    }

    /// The mutation of this name, and why it is refused; `None` if it is the same evidence.
    fn mutate(&self, name: &str) -> (Vec<u8>, Option<Rejected>) {
        if name.starts_with("pl_") {
            return self.mutate_payload(name);
        }
        let whole = &self.document;
        let envelope = |at, cause| Rejected::Cbor { part: Part::Envelope, at, cause };
        let (spelling, nothing) = (CborError::NotDeterministic, CborError::Truncated);
        let (bytes, reason) = match name {
            "tag18.cbor" => return ([&[0xd2], &whole[..]].concat(), None),
            "sig_s_flipped.cbor" => return (self.signed_with(&other_s(&self.signature)), None),
            "tag_wrong_17.cbor" => ([&[0xd1], &whole[..]].concat(), Rejected::Tag { at: 0 }),
            "trailing_bytes.cbor" => {
                let refused = envelope(whole.len(), CborError::TrailingBytes);
                ([&whole[..], &[0]].concat(), refused)
            }
            "outer_indefinite.cbor" => {
                ([&[0x9f], &whole[1..], &[0xff]].concat(), envelope(0, spelling))
            }
            "nonminimal_len_payload.cbor" => {
                let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
                let payload = [&[0x5a], &length[..], &self.payload].concat();
                (self.envelope(HEADER, EMPTY, &payload), envelope(PAYLOAD_AT, spelling))
            }
            "payload_nil.cbor" => {
                let refused = envelope(PAYLOAD_AT, CborError::Unexpected { expected: 2 });
                (self.envelope(HEADER, EMPTY, &[0xf6]), refused)
            }
            "array3.cbor" => {
                let three = cbor(|out| out.array(3).bytes(HEADER).raw(EMPTY).bytes(&self.payload));
                (three, Rejected::EnvelopeItems { got: 3 })
            }
            "deep_nesting.cbor" => {
                ([vec![0x81; 4_000], vec![0]].concat(), Rejected::EnvelopeItems { got: 1 })
            }
            "huge_len_claim.cbor" => {
                let claim = [&whole[..PAYLOAD_AT], &[0x5b, 0x7f], &[0xff; 7]].concat();
                (claim, envelope(PAYLOAD_AT, nothing))
            }
            "empty.cbor" => (vec![], Rejected::Empty),
            "truncated_half.cbor" => {
                (whole[..whole.len() / 2].to_vec(), envelope(PAYLOAD_AT, nothing))
            }
            other => self.mutate_headers(other),
        };
        (bytes, Some(reason))
    }

    fn mutate_headers(&self, name: &str) -> (Vec<u8>, Rejected) {
        let payload = self.payload_item();
        let header =
            |header: &[u8]| (self.envelope(header, EMPTY, &payload), Rejected::ProtectedHeader);
        let unprotected =
            |map: &[u8]| (self.envelope(HEADER, map, &payload), Rejected::UnprotectedHeader);
        match name {
            "unprotected_nonempty.cbor" => unprotected(&[0xa1, 0x04, 0x42, b'h', b'0']),
            "unprotected_alg_es256.cbor" => unprotected(&[0xa1, 0x01, 0x26]),
            "prot_alg_es256.cbor" => header(&[0xa1, 0x01, 0x26]),
            "prot_empty.cbor" => header(&[]),
            "prot_extra_crit.cbor" => header(&[0xa2, 0x01, 0x38, 0x22, 0x02, 0x81, 0x01]),
            "sig_bitflip.cbor" => {
                let mut signature = self.signature.clone();
                signature[95] ^= 1;
                (self.signed_with(&signature), Rejected::Signature)
            }
            "sig_zero.cbor" => (self.signed_with(&[0; 96]), Rejected::Signature),
            "sig_short95.cbor" => {
                let refused = Rejected::SignatureLength { got: 95 };
                (self.signed_with(&self.signature[..95]), refused)
            }
            other => panic!("{other} is not made here"),
        }
    }

    fn mutate_payload(&self, name: &str) -> (Vec<u8>, Option<Rejected>) {
        let length = |field, got, min, max| Rejected::FieldLength { field, got, min, max };
        let renamed = |to: Option<&str>| {
            let mut fields = self.fields.clone();
            fields.retain_mut(|(name, _)| {
                let pcrs = name == "pcrs";
                if pcrs {
                    name.clear();
                    name.push_str(to.unwrap_or_default());
                }
                !pcrs || to.is_some()
            });
            self.with_fields(&fields)
        };
        let text = |text: &str| cbor(|out| out.text(text));
        let bytes = |length: usize| cbor(|out| out.bytes(&vec![7; length]));
        let pcr = |index, length| cbor(|out| out.map(1).uint(index).bytes(&vec![7; length]));
        let (bytes, reason) = match name {
            "pl_no_pcrs.cbor" => (renamed(None), Rejected::FieldMissing { field: Field::Pcrs }),
            "pl_nitrotpm_pcrs.cbor" => (renamed(Some("nitrotpm_pcrs")), Rejected::NitroTpm),
            "pl_pcr_index_32.cbor" => {
                (self.with("pcrs", pcr(32, 48)), Rejected::PcrIndex { got: 32 })
            }
            "pl_pcr_len_47.cbor" => {
                (self.with("pcrs", pcr(0, 47)), Rejected::PcrLength { index: 0, got: 47 })
            }
            "pl_digest_sha256.cbor" => (self.with("digest", text("SHA256")), Rejected::Digest),
            "pl_cabundle_empty.cbor" => {
                (self.with("cabundle", vec![0x80]), length(Field::Cabundle, 0, 1, 8))
            }
            "pl_cabundle_reversed.cbor" => self.reversed(),
            "pl_timestamp_0.cbor" => {
                (self.with("timestamp", vec![0]), Rejected::Timestamp { got: 0 })
            }
            "pl_user_data_513.cbor" => {
                (self.with("user_data", bytes(513)), length(Field::UserData, 513, 0, 512))
            }
            "pl_public_key_empty.cbor" => {
                (self.with("public_key", bytes(0)), length(Field::PublicKey, 0, 1, 1_024))
            }
            "pl_module_id_empty.cbor" => {
                (self.with("module_id", text("")), length(Field::ModuleId, 0, 1, 256))
            }
            "pl_duplicate_nonce_key.cbor" => {
                let mut fields = self.fields.clone();
                fields.push(("nonce".into(), bytes(32)));
                (self.with_fields(&fields), Rejected::FieldDuplicate { field: Field::Nonce })
            }
            other => panic!("{other} is not made here"),
        };
        (bytes, Some(reason))
    }

    fn reversed(&self) -> (Vec<u8>, Rejected) {
        let document = Document::parse(&self.payload).unwrap();
        let bundle = document.cabundle.iter().rev();
        let value = cbor(|out| {
            out.array(document.cabundle.len() as u64);
            bundle.for_each(|der| {
                out.bytes(der);
            });
            out
        });
        let got = Fingerprint::of(document.cabundle.last().unwrap());
        (self.with("cabundle", value), Rejected::RootUnknown { got })
    }
}

/// The other signature that verifies: `r` with `n - s`.
fn other_s(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(48);
    let mut borrow = 0;
    let mut flipped: Vec<u8> = (ORDER.iter().zip(s).rev())
        .map(|(n, s)| {
            let digit = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).unwrap()
        })
        .collect();
    flipped.reverse();
    [r, &flipped].concat()
}

/// Order of P-384 (FIPS 186-4 §D.1.2.4).
const ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
