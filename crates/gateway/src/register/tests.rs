//! The register on a disk that fails at every step: no epoch twice, none lost, one head for each.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use lucarne_archive::Directory;
use lucarne_archive::name::CheckpointName;
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::key::Signer as _;
use lucarne_ledger::register::{Head, Predecessor, note_key};
use lucarne_testkit::{Fault, Loss, SimDisk};

use super::*;

const PREFIX: &str = "lucarne.local";

/// A clock that never shows a time twice: an entry that is made again would differ.
struct Ticking(std::sync::atomic::AtomicU64);

impl Clock for Ticking {
    fn unix_ns(&self) -> u64 {
        self.0.fetch_add(1_000_000, std::sync::atomic::Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn key() -> Ed25519Key {
    Ed25519Key::from_seed(&[6; 32]).unwrap()
}

fn open(archive: &Arc<dyn Archive>) -> Result<SiteRegister, RegisterError> {
    let clock = Arc::new(Ticking(std::sync::atomic::AtomicU64::new(0)));
    SiteRegister::open(Arc::clone(archive), key(), PREFIX, clock)
}

fn archive(disk: &SimDisk) -> Result<Arc<dyn Archive>, ArchiveError> {
    Ok(Arc::new(Directory::open_on(Arc::new(disk.clone()), Path::new("/a/b"))?))
}

fn epoch(number: u8, heads: Vec<Head>) -> Entry {
    Entry::Epoch {
        instance: "a".parse().unwrap(),
        epoch: EpochId([number; 16]),
        binding_sha256: Hash([2; 32]),
        evidence_sha256: Hash([3; 32]),
        predecessor: number
            .checked_sub(1)
            .map(|before| Predecessor { epoch: EpochId([before; 16]), heads }),
        time_ms: 0,
    }
}

fn head(kind: LedgerKind, size: u64) -> Head {
    Head { kind, size, root: Hash([9; 32]) }
}

/// What the archive tells of the register: its entries in short, after checking that the head of
/// every size that is signed is the one of its entries.
fn told(archive: &dyn Archive) -> Vec<String> {
    let read = |name: &Name| {
        let mut bytes = Vec::new();
        archive.open(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let names: Vec<Name> = archive.list(FOLDER).unwrap().map(Result::unwrap).collect();
    let mut register = Register::new(PREFIX);
    let mut told = Vec::new();
    let key = note_key(PREFIX, key().public_key().clone());
    let mut sizes = vec![register.clone()];
    for name in &names {
        let Name::Register(RegisterName::Entry { index }) = name else { continue };
        assert_eq!(*index, register.size());
        told.push(match register.append(&read(name)).unwrap() {
            Entry::Epoch { epoch, .. } => format!("epoch {}", epoch.0[0]),
            Entry::End { ledger, size, .. } => {
                format!("end {} {} {size}", ledger.epoch.0[0], ledger.kind)
            }
        });
        sizes.push(register.clone());
    }
    for name in &names {
        let Name::Register(RegisterName::Checkpoint { size, .. }) = name else { continue };
        let note = String::from_utf8(read(name)).unwrap();
        let at = usize::try_from(*size).unwrap();
        assert_eq!(sizes[at].check(&note, &key), Ok(()), "{name}");
    }
    told
}

#[test]
fn epochs_and_their_ends_are_noted_once_and_in_order() {
    let disk = SimDisk::new(Path::new("/a"));
    let archive = archive(&disk).unwrap();
    let register = open(&archive).unwrap();
    assert_eq!(told(&*archive), [] as [String; 0], "an empty register has no head either");
    register.epoch(epoch(1, vec![])).unwrap();
    register.epoch(epoch(1, vec![])).unwrap();
    let ledger = LedgerId {
        instance: "a".parse().unwrap(),
        epoch: EpochId([1; 16]),
        kind: LedgerKind::Audit,
    };
    register.archived(&ledger, 7).unwrap();
    register.closing(&ledger, 9, Hash([9; 32]));
    register.archived(&ledger, 8).unwrap();
    assert_eq!(told(&*archive), ["epoch 1"], "an end that is not archived is not noted");
    register.archived(&ledger, 9).unwrap();
    register.archived(&ledger, 9).unwrap();
    // The telemetry ledger never told its end: the next epoch notes where it was.
    let heads = vec![head(LedgerKind::Audit, 9), head(LedgerKind::Telemetry, 5)];
    let again = open(&archive).unwrap();
    again.epoch(epoch(2, heads)).unwrap();
    let expected = ["epoch 1", "end 1 audit 9", "end 1 telemetry 5", "epoch 2"];
    assert_eq!(told(&*archive), expected);
    assert_eq!(again.size(), 4);
    let stale = register.epoch(epoch(3, vec![])).unwrap_err();
    let text = "register: another writer has made entry 2, one gateway keeps it";
    assert_eq!(stale.to_string(), text);
    assert_eq!(told(&*archive), expected);
}

#[test]
fn every_fault_leaves_a_register_that_goes_on() {
    let faults = [
        Fault::NotDone(ErrorKind::Other),
        Fault::DoneButError(ErrorKind::Other),
        Fault::Torn(ErrorKind::Other),
        Fault::Killed,
    ];
    let heads = || vec![head(LedgerKind::Audit, 9), head(LedgerKind::Telemetry, 5)];
    for fault in faults {
        for step in 0.. {
            let disk = SimDisk::new(Path::new("/a"));
            let first = archive(&disk).unwrap();
            let register = open(&first).unwrap();
            register.epoch(epoch(1, vec![])).unwrap();
            disk.plan(step, fault);
            let outcome = register.epoch(epoch(2, heads()));
            if !disk.take_plan() {
                outcome.unwrap();
                break;
            }
            // A failing disk that works again: the same process goes on, unless it has to start
            // again.
            if outcome.is_err() && fault != Fault::Killed {
                drop(register.epoch(epoch(2, heads())));
            }
            drop((register, first));
            disk.crash(Loss::Power(step));
            let archive = archive(&disk).unwrap();
            if outcome.is_ok() {
                assert_eq!(told(&*archive).last().unwrap(), "epoch 2", "{fault:?} at {step}");
            }
            let register = open(&archive).unwrap();
            register.epoch(epoch(2, heads())).unwrap();
            let expected = ["epoch 1", "end 1 audit 9", "end 1 telemetry 5", "epoch 2"];
            assert_eq!(told(&*archive), expected, "{fault:?} at {step}");
            let last = archive.list(FOLDER).unwrap().filter_map(Result::ok).last();
            let signed =
                matches!(last, Some(Name::Register(RegisterName::Checkpoint { size: 4, .. })));
            assert!(signed, "{fault:?} at {step}: {last:?}");
        }
    }
}

#[test]
fn a_register_that_begins_on_an_archive_with_a_past_names_it_once() {
    let disk = SimDisk::new(Path::new("/a"));
    let archive = archive(&disk).unwrap();
    for number in [1, 2] {
        for file in [EpochFile::Binding, EpochFile::Evidence] {
            let epoch = EpochId([number; 16]);
            let name = EpochName { instance: "a".parse().unwrap(), epoch, file };
            archive.put(&name.into(), file.as_str().as_bytes()).unwrap();
        }
    }
    // A kill in the middle of it: one entry, and no head.
    let begun = Entry::Epoch {
        instance: "a".parse().unwrap(),
        epoch: EpochId([1; 16]),
        binding_sha256: Hash([0; 32]),
        evidence_sha256: Hash([0; 32]),
        predecessor: None,
        time_ms: 0,
    };
    archive.put(&RegisterName::Entry { index: 0 }.into(), &begun.to_cbor()).unwrap();
    drop(open(&archive).unwrap());
    assert_eq!(told(&*archive), ["epoch 1", "epoch 2"]);
    // Later only an epoch without a ledger is added: a kill left its evidence. One that has heads
    // and that nobody noted is for the auditor to find.
    for (number, has_head) in [(7, true), (8, false)] {
        let epoch = EpochId([number; 16]);
        for file in [EpochFile::Binding, EpochFile::Evidence] {
            let name = EpochName { instance: "a".parse().unwrap(), epoch, file };
            archive.put(&name.into(), file.as_str().as_bytes()).unwrap();
        }
        let ledger = LedgerId { instance: "a".parse().unwrap(), epoch, kind: LedgerKind::Audit };
        let head = CheckpointName { ledger, size: 1, root: Hash([9; 32]), cosigned: false };
        if has_head {
            archive.put(&head.into(), b"a note").unwrap();
        }
    }
    let half = EpochName {
        instance: "a".parse().unwrap(),
        epoch: EpochId([9; 16]),
        file: EpochFile::Binding,
    };
    archive.put(&half.into(), b"without its evidence").unwrap();
    drop(open(&archive).unwrap());
    assert_eq!(told(&*archive), ["epoch 1", "epoch 2", "epoch 8"]);
    let register = open(&archive).unwrap();
    register.epoch(epoch(2, vec![])).unwrap();
    register.epoch(epoch(3, vec![])).unwrap();
    assert_eq!(told(&*archive), ["epoch 1", "epoch 2", "epoch 8", "epoch 3"]);
}

#[test]
fn a_register_that_is_not_whole_is_not_gone_on_with() {
    let disk = SimDisk::new(Path::new("/a"));
    let archive = archive(&disk).unwrap();
    archive.put(&RegisterName::Entry { index: 1 }.into(), &epoch(1, vec![]).to_cbor()).unwrap();
    let refused = |archive: &Arc<dyn Archive>| open(archive).map(|_| ()).unwrap_err().to_string();
    assert_eq!(refused(&archive), "register: entries before 1 are missing");
    archive.put(&RegisterName::Entry { index: 0 }.into(), &[0x80]).unwrap();
    assert_eq!(refused(&archive), "register: entry 0 is not one");
}
