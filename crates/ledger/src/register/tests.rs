//! Entries in their one spelling, and checkpoints that fit them or do not.

extern crate std;

use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::key::Ed25519Key;

fn entries() -> Vec<Entry> {
    let (instance, epoch): (Instance, _) = ("nitro-001-us-east".parse().unwrap(), EpochId([1; 16]));
    let head = |kind, size| Head { kind, size, root: Hash([9; 32]) };
    let of = |predecessor| Entry::Epoch {
        instance: instance.clone(),
        epoch,
        binding_sha256: Hash([2; 32]),
        evidence_sha256: Hash([3; 32]),
        predecessor,
        time_ms: 1_779_703_200_000,
    };
    let before = |heads| Some(Predecessor { epoch: EpochId([4; 16]), heads });
    let ledger = LedgerId { instance: instance.clone(), epoch, kind: LedgerKind::Telemetry };
    vec![
        of(None),
        of(before(vec![])),
        of(before(vec![head(LedgerKind::Telemetry, 7)])),
        of(before(vec![head(LedgerKind::Audit, 1 << 40), head(LedgerKind::Telemetry, 7)])),
        Entry::End { ledger, size: 1000, root: Hash([5; 32]), time_ms: u64::MAX },
    ]
}

#[test]
fn an_entry_has_one_spelling_and_ends_where_it_ends() {
    for entry in entries() {
        let bytes = entry.to_cbor();
        assert_eq!(Entry::from_cbor(&bytes), Ok(entry.clone()));
        assert_eq!(entry.leaf(), Hash::of(&[&[0], &bytes[..]].concat()));
        for cut in 0..bytes.len() {
            assert!(Entry::from_cbor(&bytes[..cut]).is_err(), "{entry:?} cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Entry::from_cbor(&longer), Err(CborError::TrailingBytes));
        // Whatever one bit makes of it is no entry, or another one in its one spelling.
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = Entry::from_cbor(&changed) {
                assert_eq!(other.to_cbor(), changed);
            }
        }
    }
}

#[test]
fn heads_come_one_of_each_ledger_in_their_order() {
    let head = |kind| Head { kind, size: 1, root: Hash([9; 32]) };
    let (audit, telemetry) = (head(LedgerKind::Audit), head(LedgerKind::Telemetry));
    for heads in [vec![telemetry, audit], vec![audit, audit], vec![telemetry, telemetry]] {
        let entry = Entry::Epoch {
            instance: "a".parse().unwrap(),
            epoch: EpochId([1; 16]),
            binding_sha256: Hash([2; 32]),
            evidence_sha256: Hash([3; 32]),
            predecessor: Some(Predecessor { epoch: EpochId([4; 16]), heads }),
            time_ms: 0,
        };
        assert_eq!(Entry::from_cbor(&entry.to_cbor()), Err(CborError::Value));
    }
}

#[test]
fn a_checkpoint_fits_its_entries_and_no_others() {
    let signer = Ed25519Key::from_seed(&[6; 32]).unwrap();
    let key = note_key("lucarne.local", signer.public_key().clone());
    let mut register = Register::new("lucarne.local");
    let mut notes = vec![register.sign(&signer).unwrap()];
    for entry in entries() {
        assert_eq!(register.append(&entry.to_cbor()), Ok(entry));
        notes.push(register.sign(&signer).unwrap());
    }
    assert_eq!((register.size(), register.tree().size()), (5, 5));
    assert_eq!(register.check(&notes[5], &key), Ok(()));
    let (size, root) = (5, register.root());
    for (stated, note) in (0..5).zip(&notes) {
        let Err(RegisterError::Head { size: s, root: r, stated: (said, _) }) =
            register.check(note, &key)
        else {
            panic!("{note} was accepted");
        };
        assert_eq!((s, r, said), (size, root, stated));
    }
    let other =
        note_key("lucarne.local", Ed25519Key::from_seed(&[7; 32]).unwrap().public_key().clone());
    let refused = register.check(&notes[5], &other).unwrap_err();
    assert_eq!(refused.to_string(), "checkpoint of the register is not accepted");
    let mut elsewhere = Register::new("elsewhere.example");
    for entry in entries() {
        elsewhere.append(&entry.to_cbor()).unwrap();
    }
    let note = elsewhere.sign(&signer).unwrap();
    let elsewhere_key = note_key("elsewhere.example", signer.public_key().clone());
    let found = "elsewhere.example/register".to_owned();
    assert_eq!(register.check(&note, &elsewhere_key), Err(RegisterError::Origin { found }));
    assert_eq!(register.append(&[0x80]), Err(CborError::Value));
    assert_eq!(register.size(), 5, "what is refused is not appended");
}
