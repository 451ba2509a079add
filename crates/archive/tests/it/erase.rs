//! Payloads under a data key: what the archive tells without it, and every fault at every step of
//! making and destroying one.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use lucarne_archive::data_keys::{DataKeys, KeyError, Slot};
use lucarne_archive::encryption::{Cipher, Decrypted, NotDecrypted, decrypt};
use lucarne_archive::erase::{EraseError, Order, erase, is_of};
use lucarne_archive::hold::{Hold, Lift};
use lucarne_archive::name::{ErasureName, SealName};
use lucarne_archive::segment::{SegmentReader, SegmentWriter};
use lucarne_archive::{Archive, Directory, Name, Put};
use lucarne_ledger::batch::{self, BatchError, Content};
use lucarne_ledger::encryption::Erasure;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::record::Stream;
use lucarne_testkit::{Fault, Loss, SimDisk};

use super::withhold::{Place, SECRET, TIME_MS, place};

pub(super) const KEYS: &str = "/a/keys";
pub(super) const RULE: &str = "order of the data protection officer: request 17";
pub(super) const FAULTS: [Fault; 4] = [
    Fault::NotDone(ErrorKind::Other),
    Fault::DoneButError(ErrorKind::Other),
    Fault::Torn(ErrorKind::Other),
    Fault::Killed,
];

fn open_keys(disk: &SimDisk) -> Result<DataKeys, KeyError> {
    DataKeys::open(Arc::new(disk.clone()), Path::new(KEYS), || Some([7; 32]))
}

fn cipher(keys: &Arc<DataKeys>) -> Cipher {
    Cipher::new(Arc::clone(keys), Ed25519Key::from_seed(&[3; 32]).unwrap())
}

/// The one batch of a file.
pub(super) fn batch_of(archive: &Directory, seal: &SealName) -> Option<Vec<u8>> {
    let file = archive.open(&Name::Seal(seal.clone())).ok()?;
    let mut reader = SegmentReader::open(file).unwrap();
    Some(reader.next_frame().unwrap().unwrap().content.to_vec())
}

pub(super) fn encrypted_seal(place: &Place) -> SealName {
    SealName { revision: 9, ..place.seal.clone() }
}

/// Archives the batch of a place a second time, encrypted.
fn archive_encrypted(place: &Place, archive: &Directory) -> Result<(), String> {
    let plain = batch_of(archive, &place.seal).unwrap();
    let keys = Arc::new(open_keys(&place.disk).map_err(|error| error.to_string())?);
    let encrypted = cipher(&keys).encrypt(&Slot::of(&place.seal), &plain);
    let encrypted = encrypted.map_err(|error| error.to_string())?.unwrap().bytes;
    put_encrypted(place, archive, &encrypted)
}

/// Puts an encrypted batch into the archive as a later revision.
pub(super) fn put_encrypted(
    place: &Place,
    archive: &Directory,
    encrypted: &[u8],
) -> Result<(), String> {
    let mut writer = SegmentWriter::new().unwrap();
    writer.push(encrypted).unwrap();
    let put = archive.put(&Name::Seal(encrypted_seal(place)), &writer.finish());
    match put.map_err(|error| error.to_string())? {
        Put::Created | Put::AlreadyIdentical => Ok(()),
        Put::Different => panic!("the same batch under the same key is the same bytes"),
    }
}

pub(super) fn order(place: &Place, time_ms: u64) -> Order<'_> {
    Order { rule: RULE, time_ms, signer: &place.signer }
}

fn run(place: &Place, archive: &Directory, time_ms: u64) -> Result<Option<ErasureName>, String> {
    let keys = open_keys(&place.disk).map_err(|error| error.to_string())?;
    let slot = Slot::of(&place.seal);
    erase(archive, &archive.holds(), &keys, &slot, &order(place, time_ms))
        .map_err(|error| error.to_string())
}

pub(super) fn ordered(archive: &Directory) -> Vec<Erasure> {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let names = archive.list("erasures/").unwrap().map(|name| {
        let name = name.unwrap();
        let mut message = Vec::new();
        std::io::Read::read_to_end(&mut archive.open(&name).unwrap(), &mut message).unwrap();
        let erasure = Erasure::verify(&message, signer.public_key()).unwrap();
        let Name::Erasure(name) = name else { panic!("{name}") };
        assert!(is_of(&erasure, &name), "{name}");
        erasure
    });
    names.collect()
}

/// Files of the folder of keys, under whatever name, that hold the key.
fn copies(disk: &SimDisk) -> usize {
    use lucarne_archive::disk::Disk as _;
    let Ok(entries) = disk.list(Path::new(KEYS)) else { return 0 };
    let holds = |name: &str| {
        let mut text = Vec::new();
        let mut file = disk.read(&Path::new(KEYS).join(name)).unwrap();
        std::io::Read::read_to_end(&mut file, &mut text).unwrap();
        text.starts_with(to_hex(&[7; 32]).as_bytes())
    };
    entries.iter().filter(|entry| holds(&entry.name)).count()
}

#[test]
fn an_encrypted_batch_verifies_without_its_key_and_tells_nothing_but_the_life_of_its_ledger() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    archive_encrypted(&place, &archive).unwrap();
    let plain = batch_of(&archive, &place.seal).unwrap();
    let hidden = batch_of(&archive, &encrypted_seal(&place)).unwrap();
    let finds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET);
    assert_eq!((finds(&plain), finds(&hidden)), (true, false));
    let one = batch::verify(&plain, &place.epoch).unwrap();
    let other = batch::verify(&hidden, &place.epoch).unwrap();
    assert_eq!(one.statement(), other.statement());
    for (one, other) in one.records().iter().zip(other.records()) {
        assert_eq!((one.leaf, one.stream), (other.leaf, other.stream));
        match other.content {
            Content::Encrypted => assert_ne!(other.stream, Stream::Control),
            content => assert_eq!((other.stream, content), (Stream::Control, one.content)),
        }
    }
    let keys = open_keys(&place.disk).unwrap();
    assert_eq!(decrypt(&plain, &keys), Ok(Decrypted::Plain));
    assert_eq!(decrypt(&hidden, &keys), Ok(Decrypted::Opened(plain.clone())));
    let elsewhere = SimDisk::new(Path::new("/a"));
    let none = open_keys(&elsewhere).unwrap();
    let id = other.data_key(1).unwrap();
    assert_eq!(decrypt(&hidden, &none), Ok(Decrypted::Closed(id)));
    assert!(batch::encrypted::take_apart(&hidden).unwrap().is_none());
}

#[test]
fn no_bit_of_an_encrypted_batch_can_change_unnoticed_with_or_without_the_key() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    let hidden = batch_of(&archive, &encrypted_seal(&place)).unwrap();
    let plain = batch_of(&archive, &place.seal).unwrap();
    let keys = open_keys(&place.disk).unwrap();
    let word = batch::verify(&hidden, &place.epoch).unwrap().encryption().unwrap().to_vec();
    let signed = hidden.windows(word.len()).position(|window| window == word).unwrap();
    for bit in 0..hidden.len() * 8 {
        let mut flipped = hidden.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // The signature of the word is the auditor's to check, everything else is the batch's.
        let in_word = (signed..signed + word.len()).contains(&(bit / 8));
        let verified = batch::verify(&flipped, &place.epoch);
        let noticed = in_word || verified.is_err();
        if let Ok(batch) = verified {
            assert!(in_word, "bit {bit}");
            let word = batch.encryption().unwrap();
            let key = place.signer.public_key();
            lucarne_ledger::encryption::Encryption::verify(word, key).unwrap_err();
        }
        match decrypt(&flipped, &keys) {
            Ok(Decrypted::Opened(opened)) => {
                if opened == plain {
                    assert!(noticed, "bit {bit}");
                } else {
                    batch::verify(&opened, &place.epoch).unwrap_err();
                }
            }
            Ok(Decrypted::Plain | Decrypted::Closed(_)) | Err(NotDecrypted { .. }) => {}
        }
    }
    let found = batch::encrypted::claimed(&hidden).unwrap();
    let [(key, Some(content))] = found.shares[..] else { panic!("one key") };
    let at = hidden.windows(content.len()).position(|window| window == content);
    let mut flipped = hidden.clone();
    flipped[at.unwrap() + 20] ^= 1;
    assert_eq!(decrypt(&flipped, &keys), Err(NotDecrypted { key }));
    let verdict = batch::verify(&flipped, &place.epoch).map(drop);
    assert_eq!(verdict, Err(BatchError::Encryption));
}

#[test]
fn every_fault_leaves_no_archived_batch_without_its_key() {
    for fault in FAULTS {
        for step in 0.. {
            let place = place();
            let archive = place.archive();
            place.disk.plan(step, fault);
            let outcome = archive_encrypted(&place, &archive);
            let happened = place.disk.take_plan();
            if !happened {
                outcome.clone().unwrap();
            }
            drop(archive);
            place.disk.crash(Loss::Power(step));
            let archive = place.archive();
            let keys = open_keys(&place.disk).unwrap();
            if let Some(hidden) = batch_of(&archive, &encrypted_seal(&place)) {
                let plain = batch_of(&archive, &place.seal).unwrap();
                let opened = decrypt(&hidden, &keys);
                assert_eq!(opened, Ok(Decrypted::Opened(plain)), "{fault:?} at {step}");
            } else {
                assert!(outcome.is_err(), "{fault:?} at {step}: what was archived is gone");
            }
            // The archiver tries again after its restart, and ends the same way.
            drop(keys);
            archive_encrypted(&place, &archive).unwrap();
            assert_eq!(copies(&place.disk), 1, "{fault:?} at {step}");
            if !happened {
                break;
            }
        }
    }
}

#[test]
fn every_fault_leaves_the_key_until_its_order_is_durable_and_the_same_order_ends_it() {
    for fault in FAULTS {
        for step in 0.. {
            let place = place();
            let archive = place.archive();
            archive_encrypted(&place, &archive).unwrap();
            place.disk.plan(step, fault);
            let outcome = run(&place, &archive, TIME_MS);
            let happened = place.disk.take_plan();
            drop(archive);
            place.disk.crash(Loss::Power(step));
            let archive = place.archive();
            let orders = ordered(&archive);
            if copies(&place.disk) == 0 {
                assert_eq!(orders.len(), 1, "{fault:?} at {step}: a key is gone without a word");
            }
            if let Ok(Some(_)) = outcome {
                let left = (orders.len(), copies(&place.disk));
                assert_eq!(left, (1, 0), "{fault:?} at {step}");
            }
            run(&place, &archive, TIME_MS + 1).unwrap();
            assert_eq!(copies(&place.disk), 0, "{fault:?} at {step}");
            let orders = ordered(&archive);
            assert_eq!(orders.len(), 1);
            assert_eq!((&*orders[0].rule, &*orders[0].day), (RULE, "2026/05/25"));
            let keys = open_keys(&place.disk).unwrap();
            let hidden = batch_of(&archive, &encrypted_seal(&place)).unwrap();
            let id = orders[0].key;
            assert_eq!(decrypt(&hidden, &keys), Ok(Decrypted::Closed(id)));
            drop(keys);
            assert_eq!(run(&place, &archive, TIME_MS), Ok(None), "nothing is left to do");
            if !happened {
                break;
            }
        }
    }
}

#[test]
fn a_hold_pauses_erasure_and_a_strange_order_stops_it() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    let hold = Hold {
        authority: "court".to_owned(),
        reason: "3 O 12/26".to_owned(),
        set_ms: 1,
        instance: Some("a".to_owned()),
        from: Some("2026/05/25".to_owned()),
        to: Some("2026/05/25".to_owned()),
    };
    archive.holds().set(&"case-1".parse().unwrap(), &hold).unwrap();
    let held = Err("hold case-1 covers it: 3 O 12/26".to_owned());
    assert_eq!(run(&place, &archive, TIME_MS), held);
    assert_eq!((ordered(&archive).len(), copies(&place.disk)), (0, 1));
    let lift = Lift { authority: "court".to_owned(), reason: "over".to_owned(), lifted_ms: 2 };
    archive.holds().lift(&"case-1".parse().unwrap(), &lift).unwrap();
    let keys = open_keys(&place.disk).unwrap();
    let slot = Slot::of(&place.seal);
    let key = keys.of(&slot).unwrap().id();
    let (date, kind) = (slot.date, slot.kind);
    let name = ErasureName { date, instance: slot.instance.clone(), kind, key };
    archive.put(&Name::Erasure(name.clone()), b"somebody's").unwrap();
    let order = order(&place, TIME_MS);
    let refused = erase(&archive, &archive.holds(), &keys, &slot, &order).unwrap_err();
    let EraseError::Order { name: found } = refused else { panic!("{refused}") };
    assert_eq!((*found, copies(&place.disk)), (name, 1));
}

#[test]
fn a_folder_of_keys_has_one_writer_and_nothing_else_in_it() {
    let disk = SimDisk::new(Path::new("/a"));
    let keys = open_keys(&disk).unwrap();
    let KeyError::Locked { .. } = open_keys(&disk).unwrap_err() else { panic!() };
    let slot = Slot::of(&place().seal);
    let made = keys.of_or_new(&slot).unwrap().id();
    drop(keys);
    let read = DataKeys::open_read_only(Arc::new(disk.clone()), Path::new(KEYS)).unwrap();
    assert_eq!(read.of(&slot).map(|key| key.id()), Some(made));
    assert_eq!(read.by_id(made).map(|key| key.id()), Some(made));
    let other = Slot { instance: "b".parse().unwrap(), ..slot };
    let KeyError::ReadOnly = read.of_or_new(&other).unwrap_err() else { panic!() };
    disk.flip(&Path::new(KEYS).join("2026-05-25.a.audit.default.key"), 64).unwrap();
    let KeyError::Malformed { path } = open_keys(&disk).unwrap_err() else { panic!() };
    assert_eq!(path, Path::new(KEYS).join("2026-05-25.a.audit.default.key"));
}

#[test]
fn a_key_on_a_real_disk_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(lucarne_archive::disk::RealDisk);
    let keys = DataKeys::open(disk, &folder.path().join("keys"), || Some([7; 32])).unwrap();
    keys.of_or_new(&Slot::of(&place().seal)).unwrap();
    let file = folder.path().join("keys/2026-05-25.a.audit.default.key");
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
