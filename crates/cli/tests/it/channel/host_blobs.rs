//! Blocks of the inside view with the host: noise there, and what the host does to them is named
//! while the enclave goes on.

use std::path::Path;

use lucarne_cli::demo::workflow::FORBIDDEN;

use super::*;
use crate::site::replace;

/// Little memory, so that blocks are cut soon; plenty of room with the host.
fn start() -> Inside {
    Inside::start_with(|site| {
        replace(
            &site.path("tee/enclave.yaml"),
            "inside: { retention_hours: 8784 }",
            "inside: { retention_hours: 8784, bytes: 4194304, host_bytes: 1073741824 }",
        );
        append(&site.path("gateway.yaml"), "blobs: { directory: blobs }\n");
    })
}

/// Whole blocks of rows, in the order of their names. Only one epoch has any.
fn blocks(inside: &Inside) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![inside.path("blobs")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true => dirs.push(path),
                // Those of spans have an odd segment.
                false if name.starts_with("00000000") && name.ends_with(".blob") => {
                    found.push(path);
                }
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// Sends until there are so many blocks with the host, and none of an epoch before.
fn fill(inside: &Inside, count: usize, before: &[PathBuf]) -> Vec<PathBuf> {
    until("blocks are with the host", PATIENCE, || {
        let mut load = inside.site.send(&["--count", "600", "--batch", "200"]);
        assert_eq!(load.end(), Some(0));
        let is_over = before.iter().all(|file| !file.exists());
        Some(blocks(inside)).filter(|blocks| is_over && blocks.len() >= count)
    })
}

fn id(block: &Path) -> String {
    let name = block.file_stem().unwrap().to_str().unwrap();
    format!("{}-{}", &name[..8], &name[8..])
}

const COUNT: &str = "sum(count_over_time({job=\"tee-processengine\"}[1h]))";

#[test]
fn what_the_host_does_to_blocks_is_named_and_the_enclave_goes_on() {
    let mut inside = start();
    // A host that keeps what it was told to forget, to show it again in another epoch.
    let earlier = fill(&inside, 5, &[]);
    let kept: Vec<(String, Vec<u8>)> =
        earlier.iter().map(|file| (id(file), std::fs::read(file).unwrap())).collect();
    assert_eq!(inside.site.enclave.take().unwrap().stop("-TERM"), Some(0));
    // The gateway keeps an epoch that was there a moment ago; this one it takes for abandoned.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    let folder = std::fs::File::open(earlier[0].parent().unwrap()).unwrap();
    folder.set_modified(long_ago).unwrap();
    inside.site.start_enclave();
    let now = fill(&inside, 5, &earlier);

    let plain = [&FORBIDDEN[..], &["tee-processengine", "exec-", "LSB1"]].concat();
    for file in &now {
        let bytes = std::fs::read(file).unwrap();
        let has = |text: &&str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
        assert_eq!(plain.iter().copied().find(has), None, "in {}", file.display());
    }
    let whole = inside.ask("alice", inside.channel, &["logql", COUNT]);
    assert_eq!(whole.status.code(), Some(5), "{}", text(&whole.stderr));

    let old = kept.iter().find(|(name, _)| *name == id(&now[0])).unwrap();
    std::fs::write(&now[0], &old.1).unwrap();
    std::fs::remove_file(&now[1]).unwrap();
    std::fs::copy(&now[3], &now[2]).unwrap();
    let mut altered = std::fs::read(&now[4]).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    std::fs::write(&now[4], altered).unwrap();

    let lacking = inside.ask("alice", inside.channel, &["logql", COUNT]);
    let said = text(&lacking.stderr);
    assert_eq!(lacking.status.code(), Some(2), "{said}");
    assert!(said.contains("PARTIAL: partial answer: 4 blocks could not be read: "), "{said}");
    let named = [
        format!("{} was replayed from an earlier state of epoch ", id(&now[0])),
        format!("{} was withheld", id(&now[1])),
        format!("{} was swapped with block {}", id(&now[2]), id(&now[3])),
        format!("{} was altered", id(&now[4])),
    ];
    for name in &named {
        assert!(said.contains(name), "{name} in {said}");
    }
    let document = |output: &Output| -> u64 {
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let values = document["data"]["result"][0]["values"].as_array().unwrap();
        values.last().unwrap()[1].as_str().unwrap().parse().unwrap()
    };
    assert!(document(&lacking) < document(&whole));

    // It goes on: what comes now is taken, kept and found.
    let mark = lucarne_gateway::export::timestamp::rfc3339(now_ns());
    let mut load = inside.site.send(&["--count", "20", "--batch", "20"]);
    assert_eq!(load.end(), Some(0));
    let found = inside.ask("alice", inside.channel, &["logs", "--time-from", &mark]);
    assert_eq!(found.status.code(), Some(5), "{}", text(&found.stderr));
    assert!(text(&found.stdout).lines().count() >= 20);
    in_the_ledger(&inside, &now);
    assert_eq!(inside.site.stop(), [Some(0); 3]);
}

/// Each of them is a sealed record, which an auditor reads without the enclave.
fn in_the_ledger(inside: &Inside, now: &[PathBuf]) {
    let epoch = now[0].parent().unwrap().file_name().unwrap().to_str().unwrap();
    let [archive, policy] =
        ["archive", "audit-policy.yaml"].map(|name| inside.path(name).display().to_string());
    let place = ["--records-dir", &archive, "--policy", &policy, "--epoch", epoch];
    let mut told: Vec<(u64, u64, String)> = Vec::new();
    let mut seq = 1_u64;
    while told.len() < 4 {
        let number = seq.to_string();
        let words = ["audit", "show", &number, "--ledger", "audit"];
        let args = [&words[..], &["--instance", "nitro-001-us-east"], &place].concat();
        let shown = until("the record is archived", PATIENCE, || {
            let output = run(lucarne_program(), &args);
            (output.status.code() == Some(5)).then_some(output.stdout)
        });
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        let record = &shown["payload"];
        if record["event_type"] == "inside.lost" {
            let number = |key: &str| record[key].as_u64().unwrap();
            let fault = record["fault"].as_str().unwrap().to_owned();
            told.push((number("segment"), number("block"), fault));
            assert_eq!(record["manifest_digest"].as_str().unwrap().len(), 64, "{record}");
        }
        seq += 1;
    }
    told.sort();
    let faults = ["replayed", "withheld", "swapped", "altered"];
    let expected: Vec<(u64, u64, String)> = [0, 1, 2, 4]
        .map(|at| id(&now[at]))
        .iter()
        .zip(faults)
        .map(|(id, fault)| {
            let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
            (number(&id[..8]), number(&id[9..]), fault.to_owned())
        })
        .collect();
    assert_eq!(told, expected);
}

/// A host without room, or without the key `blobs`: the enclave keeps what its memory holds.
#[test]
fn a_host_that_keeps_nothing_costs_history_and_nothing_else() {
    let mut inside = Inside::start_with(|site| {
        replace(
            &site.path("tee/enclave.yaml"),
            "inside: { retention_hours: 8784 }",
            "inside: { retention_hours: 8784, bytes: 4194304, host_bytes: 1073741824 }",
        );
    });
    for _ in 0..3 {
        let mut load = inside.site.send(&["--count", "600", "--batch", "200"]);
        assert_eq!(load.end(), Some(0));
    }
    let found = inside.ask("alice", inside.channel, &["logql", COUNT]);
    assert_eq!(found.status.code(), Some(5), "{}", text(&found.stderr));
    assert!(!inside.path("blobs").exists());
    assert_eq!(inside.site.stop(), [Some(0); 3]);
}
