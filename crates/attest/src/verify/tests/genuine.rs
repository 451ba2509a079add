//! Documents that AWS signed, against what an independent implementation read in them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;
use std::path::PathBuf;

use lucarne_ledger::cbor::CborError;
use lucarne_ledger::hash::to_hex;
use serde_json::Value;

use super::*;
use crate::measurement::Measurement;
use crate::policy::Root;
use crate::register::Fingerprint;
use crate::rejected::{Class, Difference, Field, Part, Place};

pub(super) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/nitro")
}

pub(super) fn document(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(directory().join(name)).unwrap();
    if name.ends_with(".b64") { base64(&bytes) } else { bytes }
}

fn base64(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.iter().filter_map(digit).collect();
    let mut out = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    out
}

pub(super) fn json(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(directory().join(name)).unwrap();
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

pub(super) fn aws() -> Policy {
    trusting(Root::aws_nitro())
}

fn replay(name: &str, policy: &Policy) -> Result<Claims, Rejected> {
    verify(&document(name), policy, When::Replay, Expect::AnyNonce).map(Verified::into_inner)
}

/// Length and, as far as the independent implementation printed it, content of an optional field.
#[track_caller]
fn check_optional(found: Option<&Vec<u8>>, truth: &Value, what: &str) {
    let length = found.map(|bytes| bytes.len() as u64);
    assert_eq!(length, truth.get("len").and_then(Value::as_u64), "{what}");
    if let (Some(bytes), Some(hex)) = (found, truth.get("hex").and_then(Value::as_str)) {
        // It printed 100 bytes at most.
        assert!(hex.len() >= 2 * bytes.len().min(100), "{what}");
        assert_eq!(&to_hex(bytes)[..hex.len()], hex, "{what}");
    }
}

#[test]
fn every_genuine_document_says_what_others_read_in_it() {
    let policy = Policy { debug: DebugMode::InsecureAccept, ..aws() };
    let truths = json("ground_truth.json");
    let mut verified = 0;
    for truth in &truths {
        let name = truth["file"].as_str().unwrap();
        if truth["cose_sig"] == "INVALID" {
            assert_eq!(replay(name, &policy), Err(Rejected::Signature), "{name}");
            continue;
        }
        let claims = replay(name, &policy).unwrap();
        assert_eq!(Hash::of(&document(name)).to_string(), truth["sha256"].as_str().unwrap());
        assert_eq!(claims.kind, Kind::Nitro);
        assert_eq!(claims.module_id, truth["module_id"].as_str().unwrap());
        assert_eq!(claims.time.unix_ms(), truth["timestamp_ms"].as_u64().unwrap());
        assert_eq!(claims.judged_at, claims.time);
        assert_eq!(claims.debug, truth["debug_mode"].as_bool().unwrap(), "{name}");
        assert_eq!(claims.insecure, claims.debug);
        let pcrs: BTreeMap<String, String> =
            claims.pcrs.iter().map(|(index, pcr)| (index.to_string(), pcr.to_string())).collect();
        let expected: BTreeMap<String, String> =
            serde_json::from_value(truth["pcrs"].clone()).unwrap();
        assert_eq!(pcrs, expected, "{name}");
        check_optional(claims.public_key.as_ref(), &truth["public_key"], name);
        check_optional(claims.user_data.as_ref(), &truth["user_data"], name);
        check_optional(claims.nonce.as_ref(), &truth["nonce"], name);
        let leaf = truth["chain"].as_array().unwrap().last().unwrap();
        let date = |time: Time| time.to_string().replace(".000Z", "+00:00");
        assert_eq!(date(claims.leaf_not_before), leaf["nb"].as_str().unwrap());
        assert_eq!(date(claims.leaf_not_after), leaf["na"].as_str().unwrap());
        verified += 1;
    }
    assert_eq!((verified, truths.len()), (5, 6));
}

#[test]
fn debug_mode_is_refused_unless_the_policy_says_otherwise() {
    for name in ["evervault_debug_mode.bin", "ppmag_debug.bin", "evervault_valid_ga.b64"] {
        assert_eq!(replay(name, &aws()), Err(Rejected::DebugMode), "{name}");
    }
    assert!(!replay(GOOD, &aws()).unwrap().insecure);
}

#[test]
fn the_root_must_be_pinned() {
    let got = Fingerprint::of(&document("aws_nitro_root_g1.der"));
    assert_eq!(Root::aws_nitro().fingerprint(), got);
    let other = Root::nitro(Fingerprint([7; 32]));
    assert_eq!(replay(GOOD, &trusting(other)), Err(Rejected::RootUnknown { got }));
    let none = Policy { roots: vec![], ..aws() };
    assert_eq!(replay(GOOD, &none), Err(Rejected::NoRoots));
    let both = Policy { roots: vec![other, Root::aws_nitro()], ..aws() };
    assert_eq!(replay(GOOD, &both), replay(GOOD, &aws()));
}

#[test]
fn live_verdicts_depend_on_the_clock_and_name_it() {
    let document = document(GOOD);
    let time = replay(GOOD, &aws()).unwrap().time;
    let live = |ms: i64, age_max_ms| {
        let now = Time::from_unix_ms(time.unix_ms().strict_add_signed(ms));
        let verdict = verify(&document, &aws(), When::Live { now, age_max_ms }, Expect::AnyNonce);
        verdict
            .map(|claims| claims.judged_at.unix_ms().cast_signed() - time.unix_ms().cast_signed())
    };
    let now = |ms: i64| Time::from_unix_ms(time.unix_ms().strict_add_signed(ms));
    assert_eq!(live(0, 0), Ok(0));
    assert_eq!(live(60_000, 60_000), Ok(60_000));
    let stale = Rejected::Stale { document: time, age_ms: 60_001, age_max_ms: 60_000 };
    assert_eq!(live(60_001, 60_000), Err(stale));
    // A slow clock is forgiven within the skew: the chain is then judged at the document's time.
    assert_eq!(live(-300_000, 60_000), Ok(0));
    let future = Rejected::FromTheFuture { document: time, now: now(-300_001) };
    assert_eq!(live(-300_001, 60_000), Err(future));
    // 2022-11-10T01:52:00 is the last second of the leaf: 10,799.304 s after the document.
    assert_eq!(live(10_799_304, u64::MAX), Ok(10_799_304));
    assert_eq!(live(10_800_303, u64::MAX), Ok(10_800_303));
    let not_after = Time::from_unix_ms(1_668_045_120_000);
    let expired = Rejected::Expired { place: Place::Leaf, not_after, at: now(10_800_304) };
    assert_eq!(expired.class(), Class::Time);
    assert_eq!(live(10_800_304, u64::MAX), Err(expired));
}

#[test]
fn nonces_are_compared_whole() {
    let ask = |name: &str, nonce| {
        verify(&document(name), &aws(), When::Replay, Expect::Nonce(nonce)).map(|_| ())
    };
    let right: [u8; 32] = replay(GOOD, &aws()).unwrap().nonce.unwrap().try_into().unwrap();
    assert_eq!(ask(GOOD, right), Ok(()));
    for at in 0..32 {
        let mut wrong = right;
        wrong[at] ^= 0x80;
        assert_eq!(ask(GOOD, wrong), Err(Rejected::NonceDiffers), "byte {at}");
    }
    // This one answers a nonce of 256 bytes.
    assert_eq!(ask("evervault_valid_beta.bin", right), Err(Rejected::NonceDiffers));
    let policy = Policy { debug: DebugMode::InsecureAccept, ..aws() };
    let none = verify(&document("ppmag_debug.bin"), &policy, When::Replay, Expect::Nonce(right));
    assert_eq!(none, Err(Rejected::NonceMissing));
}

#[test]
fn measurements_are_compared_register_by_register() {
    let shown = replay(GOOD, &aws()).unwrap().pcrs;
    let judge = |list: Vec<Measurement>| {
        let policy = Policy { measurements: Measurements::OneOf(list), ..aws() };
        replay(GOOD, &policy).map(|_| ())
    };
    let right: BTreeMap<u8, Register> = [0, 1, 2].map(|index| (index, shown[&index])).into();
    let mut newer = right.clone();
    newer.insert(0, Register([9; 48]));
    let mut other = newer.clone();
    other.insert(1, Register([9; 48]));
    let [right, newer, other] = [right, newer, other].map(|set| Measurement::new(set).unwrap());

    assert_eq!(judge(vec![]), Err(Rejected::NoMeasurements));
    // Said of the policy before anything is read.
    let measurements = Measurements::OneOf(vec![]);
    let nothing = Policy { roots: vec![Root::aws_nitro()], measurements, debug: DebugMode::Refuse };
    let judged = verify(b"no evidence", &nothing, When::Replay, Expect::AnyNonce);
    assert_eq!(judged.map(|_| ()), Err(Rejected::NoMeasurements));
    assert_eq!(judge(vec![right.clone()]), Ok(()));
    assert_eq!(judge(vec![other.clone(), right]), Ok(()));
    let difference = Difference { index: 0, want: Register([9; 48]), got: Some(shown[&0]) };
    let refused = judge(vec![other, newer]).unwrap_err();
    assert_eq!(refused, Rejected::Measurement { differences: vec![difference] });
    let text = alloc::format!("(want {}, got {})", Register([9; 48]), shown[&0]);
    assert!(refused.to_string().ends_with(&text), "{refused}");
    let absent = Measurement::new(BTreeMap::from([(16, Register([1; 48]))])).unwrap();
    let difference = Difference { index: 16, want: Register([1; 48]), got: None };
    assert_eq!(judge(vec![absent]), Err(Rejected::Measurement { differences: vec![difference] }));
}

/// The verdict on each mutation; `None` for the two that are genuine in another spelling.
fn expected(name: &str) -> Option<Rejected> {
    let envelope = |at, cause| Rejected::Cbor { part: Part::Envelope, at, cause };
    let length = |field, got, min, max| Rejected::FieldLength { field, got, min, max };
    Some(match name {
        "tag18.cbor" | "sig_s_flipped.cbor" => return None,
        "empty.cbor" => Rejected::Empty,
        "tag_wrong_17.cbor" => Rejected::Tag { at: 0 },
        "unprotected_nonempty.cbor" | "unprotected_alg_es256.cbor" => Rejected::UnprotectedHeader,
        "trailing_bytes.cbor" => envelope(4_461, CborError::TrailingBytes),
        "outer_indefinite.cbor" => envelope(0, CborError::NotDeterministic),
        "nonminimal_len_payload.cbor" => envelope(7, CborError::NotDeterministic),
        "sig_bitflip.cbor" | "sig_zero.cbor" => Rejected::Signature,
        "sig_short95.cbor" => Rejected::SignatureLength { got: 95 },
        "prot_alg_es256.cbor" | "prot_empty.cbor" | "prot_extra_crit.cbor" => {
            Rejected::ProtectedHeader
        }
        "payload_nil.cbor" => envelope(7, CborError::Unexpected { expected: 2 }),
        "array3.cbor" => Rejected::EnvelopeItems { got: 3 },
        "pl_no_pcrs.cbor" => Rejected::FieldMissing { field: Field::Pcrs },
        "pl_nitrotpm_pcrs.cbor" => Rejected::NitroTpm,
        "pl_pcr_index_32.cbor" => Rejected::PcrIndex { got: 32 },
        "pl_pcr_len_47.cbor" => Rejected::PcrLength { index: 0, got: 47 },
        "pl_digest_sha256.cbor" => Rejected::Digest,
        "pl_cabundle_empty.cbor" => length(Field::Cabundle, 0, 1, 8),
        "pl_cabundle_reversed.cbor" => Rejected::RootUnknown { got: reversed_root() },
        "pl_timestamp_0.cbor" => Rejected::Timestamp { got: 0 },
        "pl_user_data_513.cbor" => length(Field::UserData, 513, 0, 512),
        "pl_public_key_empty.cbor" => length(Field::PublicKey, 0, 1, 1_024),
        "pl_module_id_empty.cbor" => length(Field::ModuleId, 0, 1, 256),
        "pl_duplicate_nonce_key.cbor" => Rejected::FieldDuplicate { field: Field::Nonce },
        "deep_nesting.cbor" => Rejected::EnvelopeItems { got: 1 },
        "huge_len_claim.cbor" => envelope(7, CborError::Truncated),
        "truncated_half.cbor" => envelope(7, CborError::Truncated),
        other => panic!("{other} has no verdict here"),
    })
}

fn reversed_root() -> Fingerprint {
    let bytes = document("derived/pl_cabundle_reversed.cbor");
    let envelope = Envelope::parse(&bytes).unwrap();
    Fingerprint::of(Document::parse(envelope.payload).unwrap().cabundle[0])
}

#[test]
fn every_mutation_is_refused_for_its_own_reason() {
    let genuine = replay(GOOD, &aws()).unwrap();
    let manifest = json("derived/manifest.json");
    for entry in &manifest {
        let name = entry["file"].as_str().unwrap();
        let verdict = replay(&alloc::format!("derived/{name}"), &aws());
        match expected(name) {
            Some(reason) => assert_eq!(verdict, Err(reason), "{name}"),
            // The bytes differ and the identity does not: it is the same evidence.
            None => assert_eq!(verdict.as_ref(), Ok(&genuine), "{name}"),
        }
    }
    let named: BTreeSet<_> = manifest.iter().map(|e| e["file"].as_str().unwrap().into()).collect();
    let mut stored: BTreeSet<String> = std::fs::read_dir(directory().join("derived"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    stored.remove("manifest.json");
    assert_eq!(stored, named);
}

#[test]
fn certificates_of_another_chain_do_not_fit() {
    let (ours, theirs) = (document(GOOD), document("evervault_valid_beta.bin"));
    let (ours, theirs) =
        (Envelope::parse(&ours).unwrap().payload, Envelope::parse(&theirs).unwrap().payload);
    let parse = |payload| Document::parse(payload).unwrap();
    let other = parse(theirs);
    let judge = |document: &Document<'_>| {
        Chain::authenticate(document, &[Root::aws_nitro()]).map(|_| ()).unwrap_err()
    };

    let mut leaf = parse(ours);
    leaf.certificate = other.certificate;
    assert_eq!(judge(&leaf), Rejected::ChainOrder { place: Place::Leaf });
    for index in 1..4 {
        let mut swapped = parse(ours);
        swapped.cabundle[index] = other.cabundle[index];
        let place = Place::Intermediate(index);
        // The region's certificate is issued by the common root and its issuer fits; the next does
        // not.
        let place = if index == 1 { Place::Intermediate(2) } else { place };
        assert_eq!(judge(&swapped), Rejected::ChainOrder { place }, "{index}");
    }
    let mut doubled = parse(ours);
    doubled.cabundle.insert(1, doubled.cabundle[1]);
    assert_eq!(judge(&doubled), Rejected::ChainOrder { place: Place::Intermediate(2) });
    let mut short = parse(ours);
    short.cabundle.remove(2);
    assert_eq!(judge(&short), Rejected::ChainOrder { place: Place::Intermediate(2) });
}

#[test]
fn the_same_evidence_at_the_same_time_gives_the_same_verdict() {
    assert_eq!(replay(GOOD, &aws()), replay(GOOD, &aws()));
    let pcr = Register::from_str(&replay(GOOD, &aws()).unwrap().measurement().to_string());
    assert_eq!(pcr, Ok(replay(GOOD, &aws()).unwrap().pcrs[&0]));
}

const GOOD: &str = "veracruz_doc.cbor";
