//! Payloads under the keys of their tenants: one tenant goes and its neighbours stay, whatever
//! fails at whatever step.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lucarne_archive::data_keys::{DataKeys, KeyError, Slot};
use lucarne_archive::disk::Disk as _;
use lucarne_archive::encryption::{Cipher, Decrypted, TENANTS_MAX, decrypt};
use lucarne_archive::erase::{EraseError, erase};
use lucarne_archive::hold::Hold;
use lucarne_archive::tenant::{TenantId, Tenants};
use lucarne_archive::withhold::WithholdError;
use lucarne_archive::{Archive as _, Directory};
use lucarne_ledger::batch::{self, Content, VerifiedBatch};
use lucarne_ledger::encryption::{Encryption, KeyId};
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_testkit::{Loss, SimDisk};

use super::erase::{FAULTS, KEYS, RULE, batch_of, encrypted_seal, order, ordered, put_encrypted};
use super::withhold::{Place, SECRET, TIME_MS, place};

/// Record 3, which tells the secret, is of `acme`; record 4 is of `globex`; 1 and 2 are nobody's.
#[derive(Debug)]
struct ByPlace;

impl Tenants for ByPlace {
    fn of(&self, batch: &VerifiedBatch<'_>) -> Vec<Option<TenantId>> {
        let tenant = |index| match index {
            3 => Some(TenantId::of("acme")),
            4 => Some(TenantId::of("globex")),
            _ => None,
        };
        (0..batch.records().len()).map(tenant).collect()
    }
}

static DRAWN: AtomicU64 = AtomicU64::new(0);

fn open_keys(disk: &SimDisk) -> Result<DataKeys, KeyError> {
    // Every key is another one; which, no test asks.
    let draw = || {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Some(bytes)
    };
    DataKeys::open(Arc::new(disk.clone()), Path::new(KEYS), draw)
}

fn cipher(keys: &Arc<DataKeys>) -> Cipher {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    Cipher::new(Arc::clone(keys), signer).by_tenant(Box::new(ByPlace))
}

/// Archives the batch of a place a second time, encrypted.
fn archive_encrypted(place: &Place, archive: &Directory) -> Result<(), String> {
    let plain = batch_of(archive, &place.seal).unwrap();
    let keys = Arc::new(open_keys(&place.disk).map_err(|error| error.to_string())?);
    let encrypted = cipher(&keys).encrypt(&Slot::of(&place.seal), &plain);
    let encrypted = encrypted.map_err(|error| error.to_string())?.unwrap();
    assert_eq!(encrypted.crowded, 0);
    put_encrypted(place, archive, &encrypted.bytes)
}

fn slot_of(place: &Place, tenant: &str) -> Slot {
    Slot::of(&place.seal).of_tenant(Some(TenantId::of(tenant)))
}

fn key_of(place: &Place, slot: &Slot) -> Option<KeyId> {
    open_keys(&place.disk).unwrap().of(slot).map(|key| key.id())
}

fn run(place: &Place, archive: &Directory, time_ms: u64) -> Result<bool, String> {
    let keys = open_keys(&place.disk).map_err(|error| error.to_string())?;
    let (slot, order) = (slot_of(place, "acme"), order(place, time_ms));
    let erased = erase(archive, &archive.holds(), &keys, &slot, &order);
    erased.map(|name| name.is_some()).map_err(|error| error.to_string())
}

/// Which records can be read with the keys that are there; the batch verifies, whatever they are.
fn readable(place: &Place, archive: &Directory) -> Option<Vec<bool>> {
    let hidden = batch_of(archive, &encrypted_seal(place))?;
    let plain = batch_of(archive, &place.seal).unwrap();
    let sealed = batch::verify(&plain, &place.epoch).unwrap();
    let keys = open_keys(&place.disk).unwrap();
    let shown = match decrypt(&hidden, &keys).unwrap() {
        Decrypted::Opened(shown) => shown,
        Decrypted::Closed(_) => hidden,
        Decrypted::Plain => panic!("it is encrypted"),
    };
    let batch = batch::verify(&shown, &place.epoch).unwrap();
    Encryption::verify(batch.encryption().unwrap(), place.signer.public_key()).unwrap();
    let one = |(sealed, shown): (&batch::Record<'_>, &batch::Record<'_>)| {
        assert_eq!((sealed.leaf, sealed.commitment), (shown.leaf, shown.commitment));
        assert!(shown.content == sealed.content || shown.content == Content::Encrypted);
        shown.content == sealed.content
    };
    Some(sealed.records().iter().zip(batch.records()).map(one).collect())
}

/// Whether the secret can be read anywhere but in the file that was archived plain.
fn tells(place: &Place, archive: &Directory) -> bool {
    let Some(hidden) = batch_of(archive, &encrypted_seal(place)) else { return false };
    let keys = open_keys(&place.disk).unwrap();
    let shown = match decrypt(&hidden, &keys).unwrap() {
        Decrypted::Opened(shown) => [hidden, shown].concat(),
        Decrypted::Plain | Decrypted::Closed(_) => hidden,
    };
    shown.windows(SECRET.len()).any(|window| window == SECRET)
}

fn key_files(disk: &SimDisk) -> usize {
    let entries = disk.list(Path::new(KEYS)).unwrap_or_default();
    entries.iter().filter(|entry| entry.name.contains(".key")).count()
}

#[test]
fn one_tenant_is_erased_and_its_neighbours_are_read() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    archive_encrypted(&place, &archive).unwrap();
    assert_eq!(key_files(&place.disk), 3, "the day, and two tenants");
    assert_eq!(readable(&place, &archive), Some(vec![true; 5]));
    let hidden = batch_of(&archive, &encrypted_seal(&place)).unwrap();
    assert!(!hidden.windows(SECRET.len()).any(|window| window == SECRET));
    let key = key_of(&place, &slot_of(&place, "acme")).unwrap();
    let batch = batch::verify(&hidden, &place.epoch).unwrap();
    assert_eq!(batch.data_key(3), Some(key));
    assert!([0, 1, 2, 4].iter().all(|index| batch.data_key(*index) != Some(key)));
    assert_eq!((batch.data_key(0), batch.data_key(1)), (None, batch.data_key(2)));

    assert_eq!(run(&place, &archive, TIME_MS), Ok(true));
    assert_eq!(readable(&place, &archive), Some(vec![true, true, true, false, true]));
    assert!(!tells(&place, &archive));
    let orders = ordered(&archive);
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].key, &*orders[0].rule, &*orders[0].day), (key, RULE, "2026/05/25"));
    assert_eq!(key_of(&place, &slot_of(&place, "acme")), None);

    // The day's key is the day's: what is nobody's goes with it, and the other tenant stays.
    let keys = open_keys(&place.disk).unwrap();
    let (day, order) = (Slot::of(&place.seal), order(&place, TIME_MS));
    erase(&archive, &archive.holds(), &keys, &day, &order).unwrap().unwrap();
    drop(keys);
    assert_eq!(readable(&place, &archive), Some(vec![true, false, false, false, true]));
    let elsewhere = SimDisk::new(Path::new("/a"));
    let first = batch.data_key(1).unwrap();
    let none = open_keys(&elsewhere).unwrap();
    assert_eq!(decrypt(&hidden, &none), Ok(Decrypted::Closed(first)));
}

#[test]
fn every_fault_leaves_no_archived_batch_without_one_of_its_keys() {
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
            match readable(&place, &archive) {
                Some(all) => assert_eq!(all, [true; 5], "{fault:?} at {step}"),
                None => assert!(outcome.is_err(), "{fault:?} at {step}: what was archived is gone"),
            }
            // The archiver tries again after its restart, and ends the same way.
            archive_encrypted(&place, &archive).unwrap();
            assert_eq!(key_files(&place.disk), 3, "{fault:?} at {step}");
            assert_eq!(readable(&place, &archive), Some(vec![true; 5]));
            if !happened {
                break;
            }
        }
    }
}

#[test]
fn every_fault_leaves_the_tenant_until_its_order_is_durable_and_never_touches_another() {
    for fault in FAULTS {
        for step in 0.. {
            let place = place();
            let archive = place.archive();
            archive_encrypted(&place, &archive).unwrap();
            let key = key_of(&place, &slot_of(&place, "acme")).unwrap();
            place.disk.plan(step, fault);
            let outcome = run(&place, &archive, TIME_MS);
            let happened = place.disk.take_plan();
            drop(archive);
            place.disk.crash(Loss::Power(step));
            let archive = place.archive();
            let gone = key_of(&place, &slot_of(&place, "acme")).is_none();
            let orders = ordered(&archive);
            if gone {
                assert_eq!(orders.len(), 1, "{fault:?} at {step}: a key is gone without a word");
            }
            if outcome == Ok(true) {
                assert!(gone && orders.len() == 1, "{fault:?} at {step}");
            }
            let expected = vec![true, true, true, !gone, true];
            assert_eq!(readable(&place, &archive), Some(expected), "{fault:?} at {step}");
            run(&place, &archive, TIME_MS + 1).unwrap();
            assert_eq!(
                readable(&place, &archive),
                Some(vec![true, true, true, false, true]),
                "{fault:?} at {step}"
            );
            assert!(!tells(&place, &archive));
            let orders = ordered(&archive);
            assert_eq!((orders.len(), orders[0].key), (1, key));
            assert_eq!(run(&place, &archive, TIME_MS), Ok(false), "nothing is left to do");
            if !happened {
                break;
            }
        }
    }
}

#[test]
fn a_hold_on_the_day_pauses_the_erasure_of_a_tenant() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    let hold = Hold {
        authority: "court".to_owned(),
        reason: "3 O 12/26".to_owned(),
        set_ms: 1,
        instance: None,
        from: Some("2026/05/25".to_owned()),
        to: None,
    };
    archive.holds().set(&"case-1".parse().unwrap(), &hold).unwrap();
    assert_eq!(run(&place, &archive, TIME_MS), Err("hold case-1 covers it: 3 O 12/26".to_owned()));
    assert_eq!((ordered(&archive).len(), key_files(&place.disk)), (0, 3));
    assert!(tells(&place, &archive));
}

#[test]
fn tenants_that_somebody_invents_fill_no_disk_and_are_counted() {
    let place = place();
    let archive = place.archive();
    let plain = batch_of(&archive, &place.seal).unwrap();
    let keys = Arc::new(open_keys(&place.disk).unwrap());
    let day = Slot::of(&place.seal);
    for n in 0..TENANTS_MAX - 1 {
        keys.of_or_new(&day.of_tenant(Some(TenantId::of(&n.to_string())))).unwrap();
    }
    let other = Slot { instance: "b".parse().unwrap(), ..day };
    assert_eq!((keys.tenants(&day), keys.tenants(&other)), (TENANTS_MAX - 1, 0));
    let encrypted = cipher(&keys).encrypt(&day, &plain).unwrap().unwrap();
    assert_eq!((encrypted.crowded, keys.tenants(&day)), (1, TENANTS_MAX));
    let batch = batch::verify(&encrypted.bytes, &place.epoch).unwrap();
    let own = keys.of(&day.of_tenant(Some(TenantId::of("acme")))).unwrap().id();
    let common = keys.of(&day).unwrap().id();
    let expected = [None, Some(common), Some(common), Some(own), Some(common)];
    assert_eq!((0..5).map(|index| batch.data_key(index)).collect::<Vec<_>>(), expected);
    let again = cipher(&keys).encrypt(&day, &plain).unwrap().unwrap();
    assert_eq!(again, encrypted, "archived again after a crash, it is the same bytes");
    // An erasure makes room for keys, but does not take back what went under the key of the day.
    let gone = archive.holds().clear_day(&day.instance, day.date).unwrap();
    keys.destroy(&gone, day.kind, Some(TenantId::of("7"))).unwrap();
    assert_eq!((keys.tenants(&day), keys.crowded()), (TENANTS_MAX - 1, vec![day.clone()]));
    let again = cipher(&keys).encrypt(&day, &plain).unwrap().unwrap();
    assert_eq!(again, encrypted);
    drop(keys);
    let keys = open_keys(&place.disk).unwrap();
    assert!(keys.is_crowded(&day) && !keys.is_crowded(&other));
    keys.destroy(&gone, day.kind, None).unwrap();
    assert!(!keys.is_crowded(&day));
    drop(keys);
    assert_eq!(open_keys(&place.disk).unwrap().crowded(), []);
}

/// Somebody has archived a batch as it was opened with some of its keys. The word over it says that
/// these records are encrypted, and leaving one out would leave the others under a word that lies.
#[test]
fn of_a_batch_that_was_opened_in_part_no_record_is_left_out() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    let keys = open_keys(&place.disk).unwrap();
    let day = archive.holds().clear_day(&place.seal.ledger.instance, place.seal.date).unwrap();
    keys.destroy(&day, place.seal.ledger.kind, Some(TenantId::of("globex"))).unwrap();
    let hidden = batch_of(&archive, &encrypted_seal(&place)).unwrap();
    let Decrypted::Opened(opened) = decrypt(&hidden, &keys).unwrap() else { panic!("no key") };
    let other = super::withhold::place();
    let archive = other.archive();
    put_encrypted(&other, &archive, &opened).unwrap();
    let refused = other.run(&archive, &[3]).unwrap_err();
    assert!(matches!(refused, WithholdError::Encrypted { seq: 3 }), "{refused}");
}

#[test]
fn a_strange_order_for_the_key_of_a_tenant_stops_its_erasure() {
    let place = place();
    let archive = place.archive();
    archive_encrypted(&place, &archive).unwrap();
    let slot = slot_of(&place, "acme");
    let keys = open_keys(&place.disk).unwrap();
    let (date, instance, kind) = (slot.date, slot.instance.clone(), slot.kind);
    let key = keys.of(&slot).unwrap().id();
    let name = lucarne_archive::name::ErasureName { date, instance, kind, key };
    archive.put(&lucarne_archive::Name::Erasure(name.clone()), b"somebody's").unwrap();
    let refused =
        erase(&archive, &archive.holds(), &keys, &slot, &order(&place, TIME_MS)).unwrap_err();
    let EraseError::Order { name: found } = refused else { panic!("{refused}") };
    assert_eq!((*found, keys.of(&slot).map(|key| key.id())), (name.clone(), Some(key)));
    let mut there = Vec::new();
    let mut file = archive.open(&lucarne_archive::Name::Erasure(name)).unwrap();
    file.read_to_end(&mut there).unwrap();
    assert_eq!(there, b"somebody's");
}
