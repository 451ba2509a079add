//! Each step × each failure × each crash: what was acknowledged is there once and in
//! order, what was reported as not done is not there, and only the group in flight may be either.

use std::io::ErrorKind;

use lucarne_testkit::{Fault, Loss, SimDisk};

use super::*;

const DIRECTORY: &str = "/disk/wal";

const FAULTS: [Fault; 6] = [
    Fault::NotDone(ErrorKind::StorageFull),
    Fault::NotDone(ErrorKind::Other),
    Fault::DoneButError(ErrorKind::Other),
    Fault::Torn(ErrorKind::StorageFull),
    Fault::Torn(ErrorKind::Other),
    Fault::Killed,
];

fn open(disk: &SimDisk) -> Result<(Wal, Recovered), WalError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Wal::open_on(disk, Path::new(DIRECTORY), LIMITS)
}

/// What a session was told.
#[derive(Debug, Default)]
struct Model {
    /// Groups that were acknowledged, in order.
    acknowledged: Vec<u64>,
    /// A group of which nobody knows.
    in_flight: Option<u64>,
    next: u64,
    /// Rolls whose record was acknowledged.
    recorded: u64,
    /// The first group that has to be there: those before were removed, or perhaps.
    removed_surely: u64,
    removed_perhaps: u64,
    /// First group of each roll.
    rolls: Vec<u64>,
}

impl Model {
    fn append(&mut self, wal: &mut Wal) -> bool {
        let number = self.next;
        self.next += 1;
        let outcome = retried(|| wal.append(&group(number)));
        match outcome {
            Ok(_) => self.acknowledged.push(number),
            Err(_) => self.in_flight = Some(number),
        }
        outcome.is_ok()
    }

    fn seal(&mut self, wal: &mut Wal) -> bool {
        match retried(|| wal.seal_roll()) {
            Ok(Some(_)) => {
                self.rolls.push(self.next);
                true
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    fn record(&mut self, wal: &mut Wal) -> bool {
        let roll = self.recorded;
        let done = retried(|| wal.record(roll, &[name(roll)])).is_ok();
        self.recorded += u64::from(done);
        done
    }

    fn remove(&mut self, wal: &mut Wal) -> bool {
        let oldest = wal.reader().oldest().roll;
        let Some(&first) = self.rolls.get(usize::try_from(oldest).unwrap()) else { return false };
        self.removed_perhaps = first;
        let done = retried(|| wal.remove_roll(oldest)).is_ok();
        if done {
            self.removed_surely = first;
        }
        done
    }

    /// Goes on after errors that may pass, stops at others: a gateway would open the log again.
    fn session(&mut self, wal: &mut Wal) -> bool {
        self.append(wal)
            && self.append(wal)
            && self.seal(wal)
            && self.append(wal)
            && self.record(wal)
            && self.remove(wal)
            && self.append(wal)
            && self.seal(wal)
            && self.record(wal)
            && retried(|| wal.forget_before(1)).is_ok()
            && self.append(wal)
            && self.seal(wal)
            && self.record(wal)
            && self.append(wal)
    }

    #[track_caller]
    fn check(&self, wal: &Wal) {
        let found = check_wal(wal);
        let from = |first: u64| -> Vec<u64> {
            self.acknowledged.iter().copied().filter(|&number| number >= first).collect()
        };
        let mut possible = Vec::new();
        for first in [self.removed_surely, self.removed_perhaps] {
            let groups = from(first);
            possible.extend(self.in_flight.map(|last| [groups.as_slice(), &[last]].concat()));
            possible.push(groups);
        }
        assert!(possible.contains(&found), "found {found:?}, expected one of {possible:?}");
        let archived = wal.manifest().archived_through().map_or(0, |through| through + 1);
        assert!((self.recorded..=self.recorded + 1).contains(&archived), "{archived} recorded");
        if let Some(last) = self.recorded.checked_sub(1) {
            assert_eq!(wal.manifest().names(last), Some(&[name(last)][..]));
        }
    }
}

/// Once more when the error says that it may help.
fn retried<T>(mut attempt: impl FnMut() -> Result<T, WalError>) -> Result<T, WalError> {
    match attempt() {
        Err(error) if error.is_retryable() => attempt(),
        other => other,
    }
}

/// One cell of the table. False when the session ends before the step.
fn cell(step: u64, fault: Fault, loss: Loss) -> bool {
    let disk = SimDisk::new(Path::new("/disk"));
    let mut model = Model::default();
    disk.plan(step, fault);
    if let Ok((mut wal, _)) = open(&disk) {
        let whole = model.session(&mut wal);
        if whole {
            // An error that passed was undone and tried again: nothing is there twice.
            model.check(&wal);
        }
    }
    let reached = disk.take_plan();
    disk.crash(loss);
    let (mut wal, recovered) = open(&disk).unwrap();
    model.check(&wal);
    // What was found once stays: opening made it durable.
    let found = check_wal(&wal);
    let after = model.next;
    wal.append(&group(after)).unwrap();
    let expected = [found.as_slice(), &[after]].concat();
    assert_eq!(check_wal(&wal), expected, "after {recovered:?}");
    drop(wal);
    disk.crash(Loss::Power(step));
    let (wal, recovered) = open(&disk).unwrap();
    assert_eq!((check_wal(&wal), recovered.torn_bytes), (expected, 0));
    reached
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails_and_whatever_crashes() {
    let losses = [Loss::Process].into_iter().chain((0..12).map(Loss::Power));
    for loss in losses {
        for fault in FAULTS {
            let steps = (0..200).take_while(|&step| cell(step, fault, loss)).count();
            assert!((40..200).contains(&steps), "{steps} steps under {fault:?} and {loss:?}");
        }
    }
}

#[test]
fn what_only_looked_durable_is_made_so_before_it_is_shown() {
    // The write is done and its sync is not when the process dies; the machine dies after the
    // restart.
    for seed in 0..20 {
        let disk = SimDisk::new(Path::new("/disk"));
        let (mut wal, _) = open(&disk).unwrap();
        disk.plan(SYNC, Fault::Killed);
        assert!(!wal.append(&group(0)).unwrap_err().is_retryable());
        drop(wal);
        disk.crash(Loss::Process);
        let (wal, _) = open(&disk).unwrap();
        assert_eq!(check_wal(&wal), [0]);
        disk.crash(Loss::Power(seed));
        assert_eq!(check_wal(&open(&disk).unwrap().0), [0]);
    }
}

#[test]
fn after_a_failed_sync_the_log_stops() {
    let disk = SimDisk::new(Path::new("/disk"));
    let (mut wal, _) = open(&disk).unwrap();
    disk.plan(SYNC, Fault::NotDone(ErrorKind::Other));
    let error = wal.append(&group(0)).unwrap_err();
    assert!(matches!(error, WalError::Broken { .. }), "{error}");
    for error in [wal.append(&group(1)).unwrap_err(), wal.seal_roll().unwrap_err()] {
        assert!(matches!(error, WalError::Stopped), "{error}");
    }
    assert_eq!(wal.reader().read(wal.reader().oldest()).unwrap(), None, "nobody reads it");
}

#[test]
fn what_was_cut_off_does_not_come_back_under_a_later_roll() {
    for seed in 0..40 {
        let disk = SimDisk::new(Path::new("/disk"));
        let (mut wal, _) = open(&disk).unwrap();
        wal.append(&group(0)).unwrap();
        // A frame's head, or its body.
        disk.plan(seed % SYNC, Fault::Torn(ErrorKind::StorageFull));
        assert!(wal.append(&group(1)).unwrap_err().is_retryable());
        wal.seal_roll().unwrap();
        wal.append(&group(2)).unwrap();
        disk.crash(Loss::Power(seed));
        assert_eq!(check_wal(&open(&disk).unwrap().0), [0, 2]);
    }
}

#[test]
fn records_after_a_rewritten_manifest_do_not_go_with_the_old_one() {
    for seed in 0..20 {
        let disk = SimDisk::new(Path::new("/disk"));
        let (mut wal, _) = open(&disk).unwrap();
        for roll in 0..3 {
            wal.append(&group(roll)).unwrap();
            wal.seal_roll().unwrap();
        }
        wal.record(0, &[name(0)]).unwrap();
        wal.record(1, &[name(1)]).unwrap();
        wal.forget_before(1).unwrap();
        wal.record(2, &[name(2)]).unwrap();
        disk.crash(Loss::Power(seed));
        let (wal, _) = open(&disk).unwrap();
        assert_eq!(wal.manifest().archived_through(), Some(2));
        assert_eq!(wal.manifest().names(0), None);
    }
}

#[test]
fn a_full_disk_leaves_nothing_behind_and_passes() {
    let disk = SimDisk::new(Path::new("/disk"));
    let (mut wal, _) = open(&disk).unwrap();
    disk.plan(0, Fault::Torn(ErrorKind::StorageFull));
    let error = wal.append(&group(0)).unwrap_err();
    let path = roll_path(Path::new(DIRECTORY), 0);
    assert_eq!(error.to_string(), format!("no space to append to {}", path.display()));
    assert!(error.is_retryable());
    assert_eq!(wal.append(&group(1)).unwrap(), Position { roll: 0, offset: 28 });
    assert_eq!(check_wal(&wal), [1]);
}

/// What an append does before its sync: it writes the head of a frame, and its body.
const SYNC: u64 = 2;
