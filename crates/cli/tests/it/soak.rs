//! A site under one rate: memory stays flat, and nothing that was acknowledged is lost.
//!
//! `cargo xtask soak` gives the length of the acceptance test. The first third is the warm-up:
//! queues, rings and caches fill. What a process holds in the last third may exceed the second by
//! noise alone.

use std::path::Path;
use std::time::{Duration, Instant};

use lucarne_archive::segment::SegmentReader;
use lucarne_archive::{Archive as _, Directory, Name};
use lucarne_ledger::batch;
use lucarne_ledger::record::Stream;

use super::main_job::key;
use super::process::until;
use super::site::{Changes, Site};

const SECONDS: u64 = 20;
/// What a debug build of everything carries on a busy machine.
const RATE: u64 = 1_000;
/// Memory that comes and goes: a roll that is compressed, a batch that is screened.
const NOISE_KIB: u64 = 16 << 10;

fn asked(name: &str, usual: u64) -> u64 {
    // The campaign is a person's choice, like the names of tests given to the runner.
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Resident KiB of enclave, proxy and gateway.
fn memory(site: &Site) -> [u64; 3] {
    let parts = [&site.enclave, &site.proxy, &site.gateway];
    parts.map(|part| part.as_ref().unwrap().status_kib("VmRSS"))
}

#[test]
#[expect(clippy::print_stdout, reason = "the measured memory is a result")]
fn memory_is_flat_under_load_and_nothing_is_lost() {
    let (seconds, rate) =
        (asked("LUCARNE_SOAK_SECONDS", SECONDS), asked("LUCARNE_SOAK_RATE", RATE));
    // A full ring is part of the warm-up, however short that is.
    let enclave = "inside: { bytes: 4194304 }\n";
    let files = ("- jsonl: { ", "- jsonl: { rotate_bytes: 67108864, rotate_keep: 2, ");
    let changes = Changes { enclave, gateway: vec![files], ..Changes::default() };
    let mut site = Site::start(&changes);
    let (text, batch) = (rate.to_string(), (rate / 20).clamp(1, 1_000).to_string());
    let duration = seconds.to_string();
    let wants = ["--rate", &text, "--batch", &batch, "--duration", &duration];
    let mut load = site.send(&[&wants[..], &["--patience", "120"]].concat());
    let (start, mut samples) = (Instant::now(), Vec::new());
    let length = Duration::from_secs(seconds);
    until("the soak is over", length * 2, || {
        samples.push((start.elapsed(), memory(&site)));
        (start.elapsed() >= length).then_some(())
    });
    assert_eq!(load.end(), Some(0), "{}", load.said());
    let report: serde_json::Value = serde_json::from_str(&load.rest().concat()).unwrap();

    let most = |from: u32, to: u32, part: usize| {
        let within =
            samples.iter().filter(|(at, _)| (length * from / 3..length * to / 3).contains(at));
        within.map(|(_, kib)| kib[part]).max().unwrap()
    };
    for (part, name) in ["enclave", "proxy", "gateway"].into_iter().enumerate() {
        let (middle, last) = (most(1, 2, part), most(2, 3, part));
        println!("{name}: at most {middle} KiB in the second third, {last} in the last");
        assert!(last <= middle + middle / 20 + NOISE_KIB, "{name}: {middle} KiB, then {last}");
    }
    println!("{report}");
    let count = |key: &str| report[key].as_u64().unwrap();
    let sent = count("sent");
    assert_eq!((count("accepted"), count("failed"), count("unknown")), (sent, 0, 0), "{report}");
    assert!(sent >= seconds * rate * 9 / 10, "{sent} of {}", seconds * rate);
    assert_eq!(site.stop(), [Some(0); 3]);
    check_archive(&site, sent);
}

/// The archive verifies, and has every record that was acknowledged, once.
fn check_archive(site: &Site, sent: u64) {
    let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let (archive, policy) = (path("archive"), path("audit-policy.yaml"));
    let args = ["audit", "verify", "--records-dir", &archive, "--policy", &policy];
    let output = super::process::run(
        super::site::lucarne_program(),
        &[&args[..], &["--output", "json"]].concat(),
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(5), "{report:#}");
    assert_eq!(report["findings"], serde_json::json!([]), "{report:#}");
    assert_eq!(archived_logs(&site.path("archive")), sent);
}

/// Log records in the archive, each batch verified under the key of its epoch.
fn archived_logs(root: &Path) -> u64 {
    let archive = Directory::open_read_only(root).unwrap();
    let mut logs = 0;
    for name in archive.list("").unwrap() {
        let Ok(Name::Seal(seal)) = name else { continue };
        let key = key(root, &seal.ledger);
        let mut reader = SegmentReader::open(archive.open(&Name::Seal(seal)).unwrap()).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            let verified = batch::verify(frame.content, &key).unwrap();
            let is_log = |record: &&batch::Record<'_>| record.stream == Stream::Logs;
            logs += verified.records().iter().filter(is_log).count() as u64;
        }
    }
    logs
}
