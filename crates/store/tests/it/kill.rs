//! A writer that is killed: everything that it was told is durable is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lucarne_logql::labels::LabelSet;
use lucarne_store::backend::disk::RealDisk;
use lucarne_store::crypt::{BlockCipher, Epoch};
use lucarne_store::ingest::Row;
use lucarne_store::retention::Retention;
use lucarne_store::store::open_directory;
use lucarne_store::stream::Mapping;
use lucarne_store::{Config, Store};
use zeroize::Zeroizing;

/// Where the child writes; set by the parent alone.
const FOLDER: &str = "LUCARNE_STORE_CHILD";
const ROWS_A_REQUEST: u64 = 7;

fn open(path: &Path) -> Store {
    let cipher = BlockCipher::new(&Zeroizing::new([5; 32]), Epoch([6; 16])).unwrap();
    let config = Config {
        mapping: Mapping::with_job("tee"),
        retention: Retention { bytes: 1 << 30, age_ns: i64::MAX },
        head_bytes: 30_000,
    };
    open_directory(config, Arc::new(RealDisk), path, cipher, 0).unwrap()
}

/// Does nothing unless the test below starts it as a process: then it writes until it is killed.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder));
    let first = store.report().records;
    let mut out = std::io::stdout();
    for request in 0_u64.. {
        let rows: Vec<Row> = (0..ROWS_A_REQUEST)
            .map(|n| Row {
                labels: LabelSet::from_pairs([("n", (n % 3).to_string())]),
                time_ns: 1,
                line: format!("row {}", first + request * ROWS_A_REQUEST + n),
                metadata: vec![],
            })
            .collect();
        store.append(&rows, 1).unwrap();
        writeln!(out, "kept {}", first + (request + 1) * ROWS_A_REQUEST).unwrap();
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_at_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = 0_u64;
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writer", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed at another moment each round, with requests under way.
        let mut left = 20 + round * 31;
        for line in lines {
            let line = line.unwrap();
            let Some(count) = line.rsplit_once("kept ").and_then(|(_, n)| n.parse::<u64>().ok())
            else {
                continue;
            };
            kept = kept.max(count);
            left = left.saturating_sub(1);
            if left == 0 {
                child.kill().unwrap(); // SIGKILL
            }
        }
        child.wait().unwrap();
        let report = open(folder.path()).report();
        assert!(report.records >= kept, "{} of {kept} in round {round}", report.records);
        assert_eq!(report.records % ROWS_A_REQUEST, 0, "a request is there whole or not at all");
        assert_eq!(report.faults, []);
    }
    assert!(kept > 1_000, "{kept} rows were written");
}
