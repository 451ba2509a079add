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
use crate::journal::tests::Written;
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

/// An archive that is full so many times.
struct Full {
    inner: Directory,
    times: AtomicU32,
    counters: Arc<Counters>,
}

impl Archive for Full {
    fn put(&self, name: &Name, bytes: &[u8]) -> Result<Put, ArchiveError> {
        let times = self.times.load(Ordering::Relaxed);
        let Some(left) = times.checked_sub(1) else { return self.inner.put(name, bytes) };
        assert_eq!(self.counters.stall.lasts() >= RETRY / 2, left == 0, "since the first");
        self.times.store(left, Ordering::Relaxed);
        Err(ArchiveError::Full { step: lucarne_archive::store::Step::Stage })
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
    let dying = Dying { inner, left: AtomicU32::new(objects) };
    let clock = Arc::new(SystemClock::start());
    let journal = Journal::new(clock, Box::new(std::io::sink()), None);
    recover_into(folder, Arc::new(dying), journal, Arc::default())
}

fn recover_into(
    folder: &Path,
    archive: Arc<dyn Archive>,
    journal: Journal,
    counters: Arc<Counters>,
) -> Result<(), ArchiverError> {
    let parts = Parts {
        wal: open_log(folder),
        archive,
        holds: Holds::at(Arc::new(RealDisk), &folder.join("holds")),
        cipher: None,
        register: None,
        epochs: Arc::new(Epochs::new("lucarne.local")),
        limits: RollLimits { bytes: 1, age: Duration::ZERO, kept_bytes: 1 << 20 },
        counters,
        journal,
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

#[test]
fn an_archive_that_refuses_is_said_once_and_shown_until_it_takes_again() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path());
    let counters = Arc::<Counters>::default();
    let inner = Directory::open(&folder.path().join("archive")).unwrap();
    let (times, written) = (AtomicU32::new(2), Written::default());
    let archive = Arc::new(Full { inner, times, counters: Arc::clone(&counters) });
    let journal = Journal::new(Arc::new(SystemClock::start()), Box::new(written.clone()), None);
    recover_into(folder.path(), archive, journal, Arc::clone(&counters)).unwrap();
    let said =
        ["Error: archive cannot be written ", "Information: log and archive are written again "];
    assert_eq!(written.messages(), said);
    assert_eq!(counters.write_failures.value(), 2);
    assert_eq!(counters.stall.lasts(), Duration::ZERO);
}
