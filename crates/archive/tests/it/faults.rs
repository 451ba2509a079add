//! Each step × each failure × each crash: what was acknowledged is there, and nothing
//! else is half.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use lucarne_archive::{Archive as _, ArchiveError, Directory, Name, Put};
use lucarne_testkit::{Fault, Loss, SimDisk};

pub(crate) const ROOT: &str = "/disk/archive";

const FAULTS: [Fault; 6] = [
    Fault::NotDone(ErrorKind::StorageFull),
    Fault::NotDone(ErrorKind::Other),
    Fault::DoneButError(ErrorKind::Other),
    Fault::Torn(ErrorKind::StorageFull),
    Fault::Torn(ErrorKind::Other),
    Fault::Killed,
];

/// A checkpoint's name; odd numbers share their directory with the even one before.
pub(crate) fn name(number: u64) -> Name {
    let epoch = "ab".repeat(16);
    let root = "cd".repeat(32);
    let text = format!("checkpoints/i{}/{epoch}/audit/{number:020}-{root}.note", number / 2);
    text.parse().unwrap()
}

pub(crate) fn open(disk: &SimDisk) -> Directory {
    Directory::open_on(Arc::new(disk.clone()), Path::new(ROOT)).unwrap()
}

fn content(number: u64) -> Vec<u8> {
    vec![u8::try_from(number).unwrap(); 100]
}

/// What a session was told, by name: everything in it has to be there from then on.
type Acknowledged = BTreeMap<u64, Vec<u8>>;

/// Stores four objects, one of them twice, and goes on after errors as a gateway does: once more.
fn session(archive: &Directory, acknowledged: &mut Acknowledged) {
    for number in [0, 1, 2, 0, 3] {
        let attempt = || archive.put(&name(number), &content(number));
        let put = match attempt() {
            Err(error) if error.is_retryable() => attempt(),
            other => other,
        };
        match put {
            Ok(Put::Created | Put::AlreadyIdentical) => {
                acknowledged.insert(number, content(number));
            }
            Ok(Put::Different) => panic!("object {number} has other bytes"),
            Err(_) => {}
        }
    }
}

/// The strong checker: all acknowledged objects, no stray, no torn object, none replaced.
#[track_caller]
fn check_archive(archive: &Directory, acknowledged: &Acknowledged) {
    let mut found = Acknowledged::new();
    for item in archive.list("").unwrap() {
        let listed = item.unwrap();
        let number = (0..4).find(|&number| name(number) == listed).unwrap();
        let mut bytes = Vec::new();
        archive.open(&listed).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, content(number), "object {number} is not whole");
        found.insert(number, bytes);
    }
    for number in acknowledged.keys() {
        assert!(found.contains_key(number), "acknowledged object {number} is lost");
    }
}

/// One cell of the table. False when the session ends before the step.
fn cell(step: u64, fault: Fault, loss: Loss) -> bool {
    let disk = SimDisk::new(Path::new("/disk"));
    let mut acknowledged = Acknowledged::new();
    disk.plan(step, fault);
    let opened = Directory::open_on(Arc::new(disk.clone()), Path::new(ROOT));
    if let Ok(archive) = opened {
        session(&archive, &mut acknowledged);
    }
    let reached = disk.take_plan();
    disk.crash(loss);
    let archive = open(&disk);
    check_archive(&archive, &acknowledged);
    session(&archive, &mut acknowledged);
    assert_eq!(acknowledged.len(), 4, "the second session stores everything");
    check_archive(&archive, &acknowledged);
    drop(archive);
    disk.crash(Loss::Power(step));
    check_archive(&open(&disk), &acknowledged);
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
fn a_full_disk_is_retryable_and_says_so() {
    let disk = SimDisk::new(Path::new("/disk"));
    let archive = open(&disk);
    disk.plan(1, Fault::Torn(ErrorKind::StorageFull));
    let error = archive.put(&name(0), &content(0)).unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.to_string(), "archive is full (stage)");
    assert_eq!(archive.put(&name(0), &content(0)).unwrap(), Put::Created);
}

#[test]
fn after_a_name_that_may_not_be_durable_nothing_more_is_stored() {
    let disk = SimDisk::new(Path::new("/disk"));
    let archive = open(&disk);
    archive.put(&name(0), &content(0)).unwrap();
    // create, write, sync, link, unlink, then the directory's sync
    disk.plan(5, Fault::NotDone(ErrorKind::Other));
    let error = archive.put(&name(1), &content(1)).unwrap_err();
    assert_eq!(error.to_string(), format!("archive: sync {}", parent_of(1)));
    let stopped = archive.put(&name(1), &content(1)).unwrap_err();
    assert!(matches!(stopped, ArchiveError::Unsettled), "{stopped}");
    drop(archive);
    assert_eq!(open(&disk).put(&name(1), &content(1)).unwrap(), Put::AlreadyIdentical);
}

fn parent_of(number: u64) -> String {
    let whole = format!("{ROOT}/{}", name(number));
    whole.rsplit_once('/').unwrap().0.to_owned()
}

#[test]
fn a_second_writer_is_kept_out_until_the_first_is_gone() {
    let disk = SimDisk::new(Path::new("/disk"));
    let first = open(&disk);
    let second = Directory::open_on(Arc::new(disk.clone()), Path::new(ROOT)).unwrap_err();
    assert_eq!(
        second.to_string(),
        "archive is written by another process, see /disk/archive/.lock"
    );
    drop(first);
    open(&disk);
}
