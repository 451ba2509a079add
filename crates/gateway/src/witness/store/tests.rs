//! Each step × each failure × each crash: what was cosigned is one history, and what was answered
//! is remembered.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lucarne_ledger::cosignature::Cosigner;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::note;
use lucarne_ledger::proof::ConsistencyProver;
use lucarne_ledger::tree::Frontier;
use lucarne_ledger::witness::{self, Refusal};
use lucarne_testkit::{Fault, Loss, SimDisk};

use super::super::Witness;
use super::super::logs::Logs;
use super::*;

const ORIGIN: &str = "log.example";
const ROOT: &str = "/disk/witness";
const FAULTS: [Fault; 6] = [
    Fault::NotDone(ErrorKind::StorageFull),
    Fault::NotDone(ErrorKind::Other),
    Fault::DoneButError(ErrorKind::Other),
    Fault::Torn(ErrorKind::StorageFull),
    Fault::Torn(ErrorKind::Other),
    Fault::Killed,
];

/// Two histories of one log, which never agree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum History {
    One,
    Other,
}

fn log_key() -> Ed25519Key {
    Ed25519Key::from_seed(&[9; 32]).unwrap()
}

fn leaf(history: History, index: u64) -> Hash {
    Hash::of(format!("\0{history:?} {index}").as_bytes())
}

fn root(history: History, size: u64) -> Hash {
    let mut frontier = Frontier::empty();
    (0..size).for_each(|index| frontier.append(leaf(history, index)));
    frontier.root()
}

fn body(history: History, old: u64, size: u64) -> String {
    let mut path = Vec::new();
    if 0 < old && old < size {
        let mut prover = ConsistencyProver::new(old, size, &Frontier::empty()).unwrap();
        while let Some(index) = prover.next() {
            prover.push(leaf(history, index));
        }
        path = prover.finish().unwrap().path;
    }
    let head = Checkpoint { origin: ORIGIN.into(), size, root: root(history, size) };
    let key = NoteKey::new(ORIGIN, log_key().public_key().clone());
    let line = key.line(&log_key().sign(head.to_string().as_bytes()).unwrap());
    witness::write(old, &path, &note::assemble(&head.to_string(), &[line]))
}

fn open(disk: &SimDisk) -> Result<Witness, StoreError> {
    let store = Store::open_on(Arc::new(disk.clone()), Path::new(ROOT))?;
    let logs = Logs::new(vec![NoteKey::new(ORIGIN, log_key().public_key().clone())], None);
    Ok(Witness::new(vec![Cosigner::ed25519("w.example", &[5; 32]).unwrap()], logs, store))
}

/// What a session was told: the root cosigned at each size.
type Answered = BTreeMap<u64, Hash>;

/// Asks as a client does: after a conflict with the size that it was told, after a failure again.
fn ask(witness: &Witness, history: History, size: u64, answered: &mut Answered) {
    let mut old = answered.last_key_value().map_or(0, |(size, _)| *size);
    for _ in 0..3 {
        match witness.add_checkpoint(body(history, old, size).as_bytes(), 1_779_703_200) {
            Ok(lines) => {
                assert_eq!(lines.len(), 1);
                let root = root(history, size);
                assert_eq!(*answered.entry(size).or_insert(root), root, "two roots of {size}");
                return;
            }
            Err(AddError::Refused(Refusal::Held { size })) => old = size,
            Err(AddError::Refused(_)) => return,
            Err(AddError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Both histories press on; the witness may follow one of them.
fn session(witness: &Witness, answered: &mut Answered) {
    for size in [1, 2, 5] {
        ask(witness, History::One, size, answered);
        ask(witness, History::Other, size, answered);
    }
}

/// The strong checker: one history, remembered as far as it was answered, and it goes on.
#[track_caller]
fn check(witness: &Witness, answered: &mut Answered) {
    let histories: Vec<History> = [History::One, History::Other]
        .into_iter()
        .filter(|history| answered.iter().any(|(size, known)| root(*history, *size) == *known))
        .collect();
    assert!(histories.len() <= 1, "cosigned two histories: {answered:?}");
    let name = Hash::of(ORIGIN.as_bytes()).to_string();
    let held = witness.checkpoint(&name).unwrap();
    let own = [witness.cosigners[0].verifier().clone()];
    let held = held.map(|note| Checkpoint::open(str::from_utf8(&note).unwrap(), &own).unwrap());
    let size = held.as_ref().map_or(0, |head| head.size);
    assert!(answered.keys().all(|answered| *answered <= size), "went back to {size}: {answered:?}");
    if let Some((largest, known)) = answered.last_key_value() {
        let history = histories[0];
        assert_eq!(held.unwrap().root, root(history, size));
        assert_eq!(*known, root(history, *largest));
    }
    let before = answered.len();
    ask(witness, History::One, 8, answered);
    ask(witness, History::Other, 8, answered);
    assert!(answered.len() > before && answered.contains_key(&8), "it goes on: {answered:?}");
    let follows = |history| answered.iter().all(|(size, known)| root(history, *size) == *known);
    assert!(follows(History::One) || follows(History::Other), "{answered:?}");
}

/// One cell of the table. False when the session ends before the step.
fn cell(step: u64, fault: Fault, loss: Loss) -> bool {
    let disk = SimDisk::new(Path::new("/disk"));
    let mut answered = Answered::new();
    disk.plan(step, fault);
    if let Ok(witness) = open(&disk) {
        session(&witness, &mut answered);
    }
    let reached = disk.take_plan();
    disk.crash(loss);
    check(&open(&disk).unwrap(), &mut answered);
    reached
}

#[test]
fn no_failure_and_no_crash_makes_it_fork_or_go_back() {
    let mut steps = 0;
    for fault in FAULTS {
        for loss in [Loss::Process, Loss::Power(1), Loss::Power(2), Loss::Power(3)] {
            let mut step = 0;
            while cell(step, fault, loss) {
                step += 1;
            }
            steps = steps.max(step);
        }
    }
    // Opening, then create, write, sync, rename and sync for each of three checkpoints.
    assert!(steps >= 20, "the table has only {steps} steps");
}

#[test]
fn after_a_doubtful_step_nothing_is_cosigned_until_the_next_start() {
    let disk = SimDisk::new(Path::new("/disk"));
    let witness = open(&disk).unwrap();
    let mut answered = Answered::new();
    ask(&witness, History::One, 1, &mut answered);
    // create, write, sync, rename, then the directory.
    disk.plan(4, Fault::DoneButError(ErrorKind::Other));
    let body = body(History::One, 1, 2);
    let failed = witness.add_checkpoint(body.as_bytes(), 7).unwrap_err();
    assert!(matches!(failed, AddError::Store(StoreError::Disk { .. })), "{failed}");
    assert!(!witness.is_settled());
    let refused = witness.add_checkpoint(body.as_bytes(), 7).unwrap_err();
    assert!(matches!(refused, AddError::Store(StoreError::Unsettled)), "{refused}");
    let name = Hash::of(ORIGIN.as_bytes()).to_string();
    assert!(matches!(witness.checkpoint(&name), Err(StoreError::Unsettled)));
    disk.crash(Loss::Process);
    let witness = open(&disk).unwrap();
    assert!(witness.is_settled());
    ask(&witness, History::One, 2, &mut answered);
    assert_eq!(answered.into_keys().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn asked_twice_it_answers_twice_and_writes_once() {
    let disk = SimDisk::new(Path::new("/disk"));
    let witness = open(&disk).unwrap();
    disk.plan(u64::MAX, Fault::Killed);
    let first = witness.add_checkpoint(body(History::One, 0, 3).as_bytes(), 7).unwrap();
    let steps = disk.steps();
    assert_eq!(steps, 5);
    let again = witness.add_checkpoint(body(History::One, 3, 3).as_bytes(), 8).unwrap();
    assert_ne!(first, again, "each has its time");
    assert_eq!(disk.steps(), steps);
}

#[test]
fn a_state_that_the_disk_has_changed_is_not_gone_on_from() {
    let disk = SimDisk::new(Path::new("/disk"));
    let witness = open(&disk).unwrap();
    witness.add_checkpoint(body(History::One, 0, 3).as_bytes(), 7).unwrap();
    let name = Hash::of(ORIGIN.as_bytes()).to_string();
    let path = Path::new(ROOT).join("checkpoints").join(&name);
    // The digit of the size.
    disk.flip(&path, ORIGIN.len() + 1).unwrap();
    for old in [0, 3] {
        let error = witness.add_checkpoint(body(History::One, old, 3).as_bytes(), 7).unwrap_err();
        let AddError::Store(StoreError::Damaged { name: damaged }) = error else {
            panic!("{error}")
        };
        assert_eq!(damaged, name);
    }
}

#[test]
fn one_process_at_a_time() {
    let disk = SimDisk::new(Path::new("/disk"));
    let first = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(StoreError::Locked { .. })));
    drop(first);
    assert!(open(&disk).unwrap().is_settled());
}

#[test]
fn an_epoch_is_kept_once() {
    let disk = SimDisk::new(Path::new("/disk"));
    let store = Store::open_on(Arc::new(disk), Path::new(ROOT)).unwrap();
    assert_eq!(store.epoch("e1").unwrap(), None);
    store.keep_epoch("e1", b"one").unwrap();
    store.keep_epoch("e1", b"two").unwrap();
    assert_eq!(store.epoch("e1").unwrap(), Some(b"one".to_vec()));
    assert!(store.is_new().unwrap());
}
