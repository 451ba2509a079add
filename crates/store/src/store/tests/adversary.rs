//! A host that withholds, replays, swaps and flips: each is named, and the store goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use super::*;
use crate::backend::{Backend, BackendError};
use crate::crypt::{BlockCipher, Epoch};
use crate::engine::source::{Lost, Unreadable};

const EPOCH: Epoch = Epoch([4; 16]);

type Held = BTreeMap<BlockId, Arc<[u8]>>;

/// What the host holds, and may give back as it likes.
#[derive(Default)]
struct Host(Mutex<Held>);

impl Backend for Host {
    fn put(&self, id: BlockId, bytes: &Arc<[u8]>) -> Result<(), BackendError> {
        self.0.lock().unwrap().insert(id, Arc::clone(bytes));
        Ok(())
    }

    fn get(&self, id: BlockId) -> Result<Option<Arc<[u8]>>, BackendError> {
        Ok(self.0.lock().unwrap().get(&id).cloned())
    }

    fn list(&self) -> Result<Vec<BlockId>, BackendError> {
        Ok(self.0.lock().unwrap().keys().copied().collect())
    }

    fn remove(&self, id: BlockId) -> Result<(), BackendError> {
        self.0.lock().unwrap().remove(&id);
        Ok(())
    }
}

fn cipher(epoch: Epoch) -> BlockCipher {
    BlockCipher::new(&Zeroizing::new([9; 32]), epoch).unwrap()
}

const SECRET: &str = "plaintext-that-must-not-be-outside";

/// Three blocks of one row each, at a host.
fn filled() -> (Arc<Host>, Store, [BlockId; 3]) {
    let host = Arc::new(Host::default());
    let backend: Arc<dyn Backend> = Arc::<Host>::clone(&host);
    let store = Store::new(config(), Vault::outside(backend, Arc::new(cipher(EPOCH)))).unwrap();
    for n in 0..3 {
        let mut row = row(SECRET, n, &format!("{SECRET} {n}"));
        row.metadata.push((format!("name-{SECRET}"), SECRET.to_owned()));
        store.append(&[row], n).unwrap();
        store.maintain(n);
    }
    let ids: Vec<BlockId> = host.list().unwrap();
    (host, store, ids.try_into().unwrap())
}

#[track_caller]
fn check(change: impl FnOnce(&mut Held, [BlockId; 3]), faults: &[(usize, Fault)]) {
    let (host, store, ids) = filled();
    assert_eq!(rows_of(&store, &EVERYTHING).0.len(), 3);
    change(&mut host.0.lock().unwrap(), ids);
    let (rows, stats) = rows_of(&store, &EVERYTHING);
    assert_eq!(rows.len(), 3 - faults.len());
    let lost = faults.iter().map(|&(at, fault)| Lost { id: ids[at], fault: Some(fault) });
    let lost = lost.map(Unreadable::one).fold(Unreadable::default(), Unreadable::and);
    assert_eq!(stats.blocks_unreadable, lost);
    let named: Vec<_> = faults.iter().map(|&(at, fault)| (ids[at], fault)).collect();
    assert_eq!(store.report().faults, named);
    // It goes on.
    store.append(&[row("after", 9, "after")], 9).unwrap();
    store.maintain(9);
    assert_eq!(rows_of(&store, &EVERYTHING).0.len(), 4 - faults.len());
}

fn set(host: &mut Held, id: BlockId, bytes: impl Into<Arc<[u8]>>) {
    host.insert(id, bytes.into());
}

const fn block(block: u32) -> BlockId {
    BlockId { segment: 0, block }
}

#[test]
fn an_honest_host_is_accused_of_nothing() {
    check(|_, _| (), &[]);
}

#[test]
fn a_block_that_is_withheld() {
    check(|host, ids| host.retain(|id, _| *id != ids[1]), &[(1, Fault::Withheld)]);
}

#[test]
fn what_is_withheld_is_missed_before_anybody_asks_for_it() {
    let (host, store, ids) = filled();
    store.look_for_missing().unwrap();
    assert_eq!(store.faults(), []);
    host.0.lock().unwrap().remove(&ids[1]);
    store.look_for_missing().unwrap();
    store.look_for_missing().unwrap();
    assert_eq!(store.faults(), [(ids[1], Fault::Withheld)]);
    // What the store itself has dropped is not missed.
    store.vault.remove(ids[0]).unwrap();
    store.look_for_missing().unwrap();
    assert_eq!(store.faults().len(), 1);
}

#[test]
fn blocks_that_are_swapped() {
    check(
        |host, ids| set(host, ids[2], Arc::clone(&host[&ids[0]])),
        &[(2, Fault::Swapped { got: block(0) })],
    );
    check(
        |host, ids| {
            let (one, other) = (Arc::clone(&host[&ids[0]]), Arc::clone(&host[&ids[1]]));
            set(host, ids[0], other);
            set(host, ids[1], one);
        },
        &[(0, Fault::Swapped { got: block(1) }), (1, Fault::Swapped { got: block(0) })],
    );
}

#[test]
fn a_block_that_is_altered() {
    for at in [0, 5, 21, 25, 30, 60] {
        let alter = |host: &mut Held, ids: [BlockId; 3]| {
            let mut bytes = host[&ids[0]].to_vec();
            bytes[at] ^= 1;
            set(host, ids[0], bytes);
        };
        // A changed epoch in the plain header claims to be of that epoch.
        let mut epoch = EPOCH;
        epoch.0[1] ^= 1;
        let fault = if at == 5 { Fault::Replayed { epoch } } else { Fault::Altered };
        check(alter, &[(0, fault)]);
    }
    check(|host, ids| set(host, ids[0], []), &[(0, Fault::Altered)]);
}

#[test]
fn a_block_that_is_replayed() {
    // The very same place and key, as it was at another time.
    check(
        |host, ids| {
            let plain = cipher(EPOCH).open(ids[0], &host[&ids[0]]).unwrap();
            set(host, ids[0], cipher(EPOCH).seal(ids[0], &plain).unwrap());
        },
        &[(0, Fault::Replayed { epoch: EPOCH })],
    );
    let earlier = Epoch([3; 16]);
    check(
        |host, ids| set(host, ids[0], cipher(earlier).seal(ids[0], b"old").unwrap()),
        &[(0, Fault::Replayed { epoch: earlier })],
    );
}

#[test]
fn nothing_readable_is_outside() {
    let (host, store, _) = filled();
    for block in host.0.lock().unwrap().values() {
        for window in [SECRET.as_bytes(), b"name-", b"LSB1", b"stream"] {
            assert_eq!(memchr::memmem::find(block, window), None);
        }
    }
    // The same search finds it where it is readable.
    let id = *store.state().blocks.keys().next().unwrap();
    let plain = store.vault.get(id).unwrap();
    assert!(memchr::memmem::find(&plain, SECRET.as_bytes()).is_some());
}

#[test]
fn the_manifest_stands_for_what_is_outside() {
    let (host, store, ids) = filled();
    let head = store.manifest_head().unwrap();
    let bytes: u64 = host.0.lock().unwrap().values().map(|block| block.len() as u64).sum();
    assert_eq!((head.epoch, head.version, head.blocks, head.bytes), (EPOCH, 3, 3, bytes));
    store.vault.remove(ids[0]).unwrap();
    let later = store.manifest_head().unwrap();
    assert_eq!((later.version, later.blocks), (4, 2));
    assert_ne!(later.root, head.root);
    assert_eq!(Store::new(config(), Vault::memory()).unwrap().manifest_head(), None);
}

/// A host that takes nothing for a while.
#[derive(Default)]
struct Shut(std::sync::atomic::AtomicBool, Host);

impl Backend for Shut {
    fn put(&self, id: BlockId, bytes: &Arc<[u8]>) -> Result<(), BackendError> {
        match self.0.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(BackendError::Host),
            false => self.1.put(id, bytes),
        }
    }

    fn get(&self, id: BlockId) -> Result<Option<Arc<[u8]>>, BackendError> {
        self.1.get(id)
    }

    fn list(&self) -> Result<Vec<BlockId>, BackendError> {
        self.1.list()
    }

    fn remove(&self, id: BlockId) -> Result<(), BackendError> {
        self.1.remove(id)
    }
}

/// Many streams of a few rows each are no reason to drop any: it is memory that is scarce.
#[test]
fn many_small_blocks_wait_for_a_host_that_is_slow() {
    let host = Arc::new(Shut(true.into(), Host::default()));
    let backend: Arc<dyn Backend> = Arc::<Shut>::clone(&host);
    let store = Store::new(config(), Vault::outside(backend, Arc::new(cipher(EPOCH)))).unwrap();
    for n in 0..40 {
        store.append(&[row(&format!("s{n}"), n, "x")], n).unwrap();
    }
    store.maintain(40);
    let report = store.report();
    assert_eq!((report.evicted.records, report.failed_puts), (0, 1));
    assert_eq!(rows_of(&store, &EVERYTHING).0.len(), 40);
    host.0.store(false, std::sync::atomic::Ordering::Relaxed);
    store.maintain(41);
    assert_eq!(host.list().unwrap().len(), 40);
    assert_eq!(rows_of(&store, &EVERYTHING).0.len(), 40);
}
