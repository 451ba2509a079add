//! Orders in a bucket with Object Lock: nothing is removed there, and yet payloads go, with their
//! key or behind the next revision.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lucarne_archive::data_keys::{DataKeys, Slot};
use lucarne_archive::encryption::{Cipher, Decrypted, decrypt};
use lucarne_archive::erase::{self, erase};
use lucarne_archive::hold::{Hold, Holds};
use lucarne_archive::name::SealName;
use lucarne_archive::segment::{SegmentReader, SegmentWriter};
use lucarne_archive::withhold::{Order, Outcome, withhold_locked};
use lucarne_archive::{Archive as _, Name, Put, S3};
use lucarne_ledger::batch;
use lucarne_ledger::encryption::Erasure;
use lucarne_ledger::key::{Ed25519Key, Signer as _};

use crate::s3::{read, store, writer};
use crate::withhold::{Place, SECRET, TIME_MS, place};

const RULE: &str = "order of the data protection officer: request 17";

/// The one batch of a file in the bucket.
fn batch_of(s3: &S3, seal: &SealName) -> Vec<u8> {
    let file = read(s3, &Name::Seal(seal.clone()));
    let mut reader = SegmentReader::open(&file[..]).unwrap();
    reader.next_frame().unwrap().unwrap().content.to_vec()
}

/// Puts the file of a place into the bucket.
fn put(place: &Place, s3: &S3, batch: &[u8]) {
    let mut writer = SegmentWriter::new().unwrap();
    writer.push(batch).unwrap();
    let put = s3.put(&Name::Seal(place.seal.clone()), &writer.finish());
    assert_eq!(put.unwrap(), Put::Created);
}

fn plain(place: &Place) -> Vec<u8> {
    let archive = place.archive();
    let file = archive.open(&Name::Seal(place.seal.clone())).unwrap();
    let mut reader = SegmentReader::open(file).unwrap();
    reader.next_frame().unwrap().unwrap().content.to_vec()
}

fn holds(place: &Place) -> Holds {
    Holds::at(Arc::new(place.disk.clone()), Path::new("/a/holds"))
}

fn held() -> Hold {
    let (authority, reason) = ("court".to_owned(), "3 O 12/26".to_owned());
    Hold { authority, reason, set_ms: 1, instance: Some("a".to_owned()), from: None, to: None }
}

fn tells(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

#[test]
fn a_locked_payload_goes_with_its_key_and_the_order_is_locked_beside_it() {
    let ceph = store();
    let (s3, place) = (writer(&ceph, ""), place());
    let disk = Arc::new(place.disk.clone());
    let keys = Arc::new(DataKeys::open(disk, Path::new("/a/keys"), || Some([7; 32])).unwrap());
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let (slot, whole) = (Slot::of(&place.seal), plain(&place));
    let hidden = Cipher::new(Arc::clone(&keys), signer).encrypt(&slot, &whole).unwrap().unwrap();
    put(&place, &s3, &hidden.bytes);
    assert_eq!(decrypt(&batch_of(&s3, &place.seal), &keys), Ok(Decrypted::Opened(whole)));

    let order = erase::Order { rule: RULE, time_ms: TIME_MS, signer: &place.signer };
    let id = "case-1".parse().unwrap();
    holds(&place).set(&id, &held()).unwrap();
    let refused = erase(&s3, &holds(&place), &keys, &slot, &order).unwrap_err();
    assert_eq!(refused.to_string(), "hold case-1 covers it: 3 O 12/26");
    let (authority, reason) = ("court".to_owned(), "over".to_owned());
    let lift = lucarne_archive::hold::Lift { authority, reason, lifted_ms: 2 };
    holds(&place).lift(&id, &lift).unwrap();
    let name = erase(&s3, &holds(&place), &keys, &slot, &order).unwrap().unwrap();

    let message = read(&s3, &Name::Erasure(name.clone()));
    let said = Erasure::verify(&message, place.signer.public_key()).unwrap();
    assert!(erase::is_of(&said, &name), "{said:?}");
    let version = s3.versions(&name.to_string()).next().unwrap().unwrap();
    assert!(s3.locked_until(&version).unwrap().is_some(), "the order itself cannot be taken away");
    let left = batch_of(&s3, &place.seal);
    assert_eq!(decrypt(&left, &keys), Ok(Decrypted::Closed(name.key)));
    let verified = batch::verify(&left, &place.epoch).unwrap();
    assert_eq!(verified.statement().root, place.seal.root, "and the seal is valid");
    assert_eq!(erase(&s3, &holds(&place), &keys, &slot, &order).unwrap(), None);
}

#[test]
fn a_record_is_withheld_by_the_next_revision_and_the_locked_one_is_named() {
    let ceph = store();
    let (s3, place) = (writer(&ceph, ""), place());
    put(&place, &s3, &plain(&place));
    let records = BTreeSet::from([3]);
    let run = || {
        let names = s3.list("").unwrap().map(|name| match name.unwrap() {
            Name::Seal(seal) => seal,
            other => panic!("{other}"),
        });
        let mut revisions: Vec<SealName> = names.collect();
        revisions.sort_by_key(|name| name.revision);
        let (signer, epoch) = (&place.signer, &place.epoch);
        let order = Order { records: &records, rule: RULE, time_ms: TIME_MS, signer, epoch };
        withhold_locked(&s3, &holds(&place), &revisions, &order)
    };
    let kept = SealName { revision: 1, ..place.seal.clone() };
    let locked = vec![place.seal.clone()];
    let done = Outcome { kept: kept.clone(), withheld: 1, removed: vec![], locked };
    assert_eq!(run().unwrap(), Some(done));
    assert_eq!([&place.seal, &kept].map(|name| tells(&batch_of(&s3, name))), [true, false]);
    assert_eq!(run().unwrap(), None, "a second time there is nothing to do");
    for name in [&place.seal, &kept] {
        let version = s3.versions(&Name::Seal(name.clone()).to_string()).next().unwrap().unwrap();
        assert!(s3.locked_until(&version).unwrap().is_some(), "{name}");
    }
}
