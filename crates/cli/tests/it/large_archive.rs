//! A million records: verified in bounded memory, stopped by a signal on the way, and gone on.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::sealed_archive::{SealedArchive, seal_archive};
use super::site::lucarne_program;

const RECORDS: u64 = 1_000_000;
/// What the auditor promises, whatever the size of the archive.
const MEMORY_KIB_MAX: u64 = 64 << 10;

fn verify(archive: &SealedArchive, more: &[&str]) -> Child {
    Command::new(lucarne_program())
        .args(["audit", "verify", "--output", "json", "--jobs", "2", "--records-dir"])
        .arg(&archive.records_dir)
        .arg("--tee-public-key")
        .arg(&archive.key)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The memory that a process has made its own; `None` when it has ended. The pages of the program
/// itself, which is large before it is optimised, are the bench's to count.
fn held_kib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let held = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    held.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Bytes that a process has read so far (proc(5), `io`).
fn bytes_read(child: &Child) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{}/io", child.id())).ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { bytes_below(&path) } else { size_of(&path) }).sum()
}

fn size_of(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

/// Waits for the end, looking at the memory all the while.
fn watched(mut child: Child) -> (Output, u64) {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = held_kib(&child).unwrap_or_default().max(peak);
        std::thread::yield_now();
    }
    (child.wait_with_output().unwrap(), peak)
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {output:?}"))
}

#[test]
fn a_million_records_verify_in_bounded_memory_and_an_audit_can_be_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let archive = seal_archive(dir.path(), RECORDS);
    let (output, peak) = watched(verify(&archive, &[]));
    let whole = report(&output);
    assert_eq!(output.status.code(), Some(5), "{whole:#}");
    assert_eq!(whole["ledgers"][0]["verified"], archive.size);
    assert_eq!(whole["ledgers"][0]["anchored"], archive.size);
    assert!((1..=MEMORY_KIB_MAX).contains(&peak), "{peak} KiB");

    let child = verify(&archive, &[]);
    // Half of the archive was read: some of it is verified, and some is not.
    let half = bytes_below(&archive.records_dir) / 2;
    while bytes_read(&child).is_some_and(|read| read < half) {
        std::thread::yield_now();
    }
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let heads = output.stdout;
    let path = dir.path().join("heads");
    std::fs::write(&path, &heads).unwrap();
    let (output, _) = watched(verify(&archive, &["--since", path.to_str().unwrap()]));
    let rest = report(&output);
    assert_eq!(output.status.code(), Some(5), "{rest:#}");
    let ledger = &rest["ledgers"][0];
    let (from, verified) = (ledger["from"].as_u64().unwrap(), ledger["verified"].as_u64().unwrap());
    assert!(from > 0 && from < archive.size, "{from}");
    assert_eq!(from + verified, archive.size);
    assert_eq!(ledger["root"], whole["ledgers"][0]["root"]);
}
