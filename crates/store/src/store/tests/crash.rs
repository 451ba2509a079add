//! A directory that fails at every step: what was acknowledged is there once, whatever happened.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use super::*;
use crate::backend::disk::{Disk, DiskFile, RealDisk};
use crate::crypt::{BlockCipher, Epoch};

/// How one step of the disk goes wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    NotDone,
    DoneAndReported,
    Torn,
}

/// Fails once, at one of its changing steps, and from then on if it is `dead`.
struct Faulty {
    steps: AtomicU64,
    at: u64,
    wrong: Wrong,
    dead: bool,
}

impl Faulty {
    fn step(&self, torn: impl FnOnce(), done: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        if self.dead && step > self.at {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if step != self.at {
            return done();
        }
        match self.wrong {
            Wrong::NotDone => {}
            Wrong::DoneAndReported => done()?,
            Wrong::Torn => torn(),
        }
        Err(io::ErrorKind::StorageFull.into())
    }
}

struct FaultyDisk(Arc<Faulty>);

struct FaultyFile(Arc<Faulty>, Box<dyn DiskFile>);

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut file = None;
        self.0.step(|| (), || RealDisk.create(path).map(|made| file = Some(made)))?;
        Ok(Box::new(FaultyFile(Arc::clone(&self.0), file.unwrap())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.step(|| (), || RealDisk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.step(|| (), || RealDisk.remove(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.step(|| (), || RealDisk.sync_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<Vec<u8>> {
        RealDisk.read(path, max)
    }
}

impl DiskFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self(faulty, file) = self;
        // Only one of the two is called.
        let file = RefCell::new(file);
        faulty.step(
            || file.borrow_mut().write_all(&bytes[..bytes.len() / 2]).unwrap(),
            || file.borrow_mut().write_all(bytes),
        )
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self(faulty, file) = self;
        faulty.step(|| (), || file.sync())
    }
}

fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Store, DirectoryError> {
    let cipher = BlockCipher::new(&Zeroizing::new([5; 32]), Epoch([6; 16])).unwrap();
    // Heads this small are cut between requests, so blocks and log overlap.
    open_directory(Config { head_bytes: 700, ..config() }, disk, path, cipher, 0)
}

/// Writes until the disk dies, and gives the lines that were acknowledged; what was not is given
/// up. `None` when the fault did not happen any more.
fn run(path: &Path, at: u64, wrong: Wrong, dead: bool) -> Option<Vec<String>> {
    let faulty = Arc::new(Faulty { steps: AtomicU64::new(0), at, wrong, dead });
    let mut acknowledged = Vec::new();
    for life in 0..2 {
        let Ok(store) = open(Arc::new(FaultyDisk(Arc::clone(&faulty))), path) else { continue };
        for n in 0..6_i64 {
            let lines: Vec<String> = (0..2).map(|m| format!("life {life} row {n} {m}")).collect();
            let rows = [row("a", n, &lines[0]), row("b", n, &lines[1])];
            if store.append(&rows, n).is_ok() {
                acknowledged.extend(lines);
            }
            if n == 3 {
                store.maintain(0);
            }
        }
    }
    (faulty.steps.load(Ordering::Relaxed) > at).then_some(acknowledged)
}

fn table(wrong: Wrong, dead: bool) {
    for at in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let Some(acknowledged) = run(folder.path(), at, wrong, dead) else {
            assert!(at > 30, "only {at} steps");
            return;
        };
        let store = open(Arc::new(RealDisk), folder.path()).unwrap();
        let (rows, stats) = rows_of(&store, &EVERYTHING);
        assert_eq!(stats.blocks_unreadable.blocks(), 0);
        assert_eq!(store.report().faults, []);
        let mut lines: Vec<String> = rows.into_iter().map(|row| row.line).collect();
        lines.sort();
        let all = lines.len();
        lines.dedup();
        assert_eq!(lines.len(), all, "twice: {wrong:?} at step {at}");
        for line in acknowledged {
            assert!(lines.binary_search(&line).is_ok(), "{line}: {wrong:?} at step {at}");
        }
    }
}

#[test]
fn a_step_that_is_not_done() {
    table(Wrong::NotDone, false);
    table(Wrong::NotDone, true);
}

#[test]
fn a_step_that_is_done_and_reported_as_failed() {
    table(Wrong::DoneAndReported, false);
    table(Wrong::DoneAndReported, true);
}

#[test]
fn a_step_that_is_half_done() {
    table(Wrong::Torn, false);
    table(Wrong::Torn, true);
}

#[test]
fn a_block_that_was_damaged_is_named_and_the_rest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(Arc::new(RealDisk), folder.path()).unwrap();
    for n in 0..3 {
        store.append(&[row("a", n, "x")], n).unwrap();
        store.maintain(n);
    }
    drop(store);
    let file = folder.path().join("00000000-00000001.lsb");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let store = open(Arc::new(RealDisk), folder.path()).unwrap();
    let id = BlockId { segment: 0, block: 1 };
    assert_eq!(store.report().faults, [(id, Fault::Altered)]);
    assert_eq!(rows_of(&store, &EVERYTHING).0.len(), 2);
}
