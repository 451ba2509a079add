//! What an archive holds when its writer dies between two objects.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use lucarne_archive::Directory;
use lucarne_archive::disk::RealDisk;
use lucarne_archive::store::Listing;
use lucarne_ledger::control::{Control, Open};
use lucarne_ledger::key::Ed25519Key;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Ledger};

use super::*;
use crate::clock::SystemClock;
use crate::wal::Limits;

/// An archive whose process dies after so many objects.
struct Dying {
    inner: Directory,
    left: AtomicU32,
}

impl Archive for Dying {
    fn put(&self, name: &Name, bytes: &[u8]) -> Result<Put, ArchiveError> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.checked_sub(1).ok_or(ArchiveError::Unsettled)?, Ordering::Relaxed);
        self.inner.put(name, bytes)
    }

    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError> {
        self.inner.open(name)
    }

    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError> {
        self.inner.list(prefix)
    }
}

/// A log with one batch that is not archived yet.
fn write_log(folder: &Path) {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let (instance, epoch) = ("a".parse().unwrap(), EpochId([1; 16]));
    let ledger = LedgerId { instance, epoch, kind: LedgerKind::Audit };
    let mut sealer = Ledger::<Audit>::new(ledger.instance.clone(), epoch, Seed::new([1; 32]));
    let open = Open {
        time_ms: 1_779_703_200_000,
        instance: "a".to_owned(),
        epoch: epoch.to_string(),
        ledger: "audit".to_owned(),
        tee: "test".to_owned(),
        measurement: String::new(),
        binding: String::new(),
        evidence_sha256: String::new(),
        previous: None,
    };
    sealer.append_control(&Control::Open(open)).unwrap();
    let sealed = sealer.seal(&signer, 1_779_703_200_000, Seed::new([2; 32])).unwrap().unwrap();
    let note = "a note\n".to_owned();
    let batch = Batch { bytes: sealed.bytes().to_vec().into(), note, copies: Vec::new() };
    let mut wal = open_log(folder);
    wal.append(&[Job::batch(ledger, batch, false).entry()]).unwrap();
    wal.seal_roll().unwrap();
}

fn open_log(folder: &Path) -> Wal {
    Wal::open(&folder.join("wal"), Limits { total_bytes_max: 1 << 20 }).unwrap().0
}

fn recover(folder: &Path, objects: u32) -> Result<(), ArchiverError> {
    let inner = Directory::open(&folder.join("archive")).unwrap();
    let clock = Arc::new(SystemClock::start());
    let parts = Parts {
        wal: open_log(folder),
        archive: Arc::new(Dying { inner, left: AtomicU32::new(objects) }),
        holds: Holds::at(Arc::new(RealDisk), &folder.join("holds")),
        cipher: None,
        register: None,
        epochs: Arc::new(Epochs::new("lucarne.local")),
        limits: RollLimits { bytes: 1, age: Duration::ZERO, kept_bytes: 1 << 20 },
        counters: Arc::new(Counters::default()),
        journal: Journal::new(clock, Box::new(std::io::sink()), None),
    };
    Worker::recover(parts).map(|_| ())
}

#[test]
fn a_kill_leaves_records_without_their_head_and_never_a_head_without_its_records() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path());
    let kinds = || {
        let archive = Directory::open_read_only(&folder.path().join("archive")).unwrap();
        let names = archive.list("").unwrap().map(|name| match name.unwrap() {
            Name::Seal(_) => "seal",
            Name::Checkpoint(_) => "checkpoint",
            other => panic!("{other}"),
        });
        names.collect::<Vec<_>>()
    };
    let killed = |objects| recover(folder.path(), objects).unwrap_err().to_string();
    let died = ArchiveError::Unsettled.to_string();
    assert_eq!((killed(0), kinds()), (died.clone(), vec![]));
    assert_eq!((killed(1), kinds()), (died, vec!["seal"]));
    recover(folder.path(), 2).unwrap();
    assert_eq!(kinds(), ["seal", "checkpoint"], "and the next start ends it");
}
