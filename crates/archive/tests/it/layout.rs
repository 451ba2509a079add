//! What a put does to the disk, and in which order: the paths and steps are pinned.

use std::path::Path;

use lucarne_archive::disk::Disk as _;
use lucarne_archive::{Archive as _, Directory, Put};
use lucarne_testkit::{Fault, SimDisk};

use crate::faults::{ROOT, name, open};

/// Steps that change the disk: a performance test that does not depend on the machine.
#[test]
fn a_put_costs_six_steps_once_its_directories_are_known() {
    let disk = SimDisk::new(Path::new("/disk"));
    let archive = open(&disk);
    assert_eq!(steps(&disk, &archive, 0), 6 + 2 * 4, "four directories, each made and synced");
    assert_eq!(steps(&disk, &archive, 1), 6, "create, write, sync, link, unlink, sync");
}

fn steps(disk: &SimDisk, archive: &Directory, number: u64) -> u64 {
    disk.plan(u64::MAX, Fault::Killed);
    assert_eq!(archive.put(&name(number), b"content").unwrap(), Put::Created);
    disk.steps()
}

#[test]
fn only_the_object_and_our_own_files_are_there_afterwards() {
    let disk = SimDisk::new(Path::new("/disk"));
    let archive = open(&disk);
    archive.put(&name(0), b"content").unwrap();
    let names = |path: &str| -> Vec<String> {
        let entries = disk.list(Path::new(path)).unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(ROOT), [".lock", ".staging", "checkpoints"]);
    assert_eq!(names("/disk/archive/.staging"), Vec::<String>::new());
    drop(archive);
}
