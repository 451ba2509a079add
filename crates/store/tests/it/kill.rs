//! A writer that is killed: every row and span that it was told is durable is there.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lucarne_logql::labels::LabelSet;
use lucarne_otlp::wire::Writer;
use lucarne_store::backend::disk::RealDisk;
use lucarne_store::crypt::{BlockCipher, Epoch};
use lucarne_store::ingest::Row;
use lucarne_store::retention::Retention;
use lucarne_store::store::open_directory;
use lucarne_store::stream::Mapping;
use lucarne_store::trace::{TraceId, TraceSource as _};
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

/// Spans of one request, each of another trace; all requests add to the same traces.
const SPANS_A_REQUEST: u64 = 5;

fn spans(request: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |w| {
        w.message(2, |w| {
            for trace in 1_u8..=5 {
                w.message(2, |w| {
                    w.bytes(1, &[trace; 16]);
                    w.bytes(2, &(request + 1).to_be_bytes());
                    w.bytes(5, &[b'x'; 200]);
                    w.fixed64(7, request);
                    w.fixed64(8, request + 1);
                });
            }
        });
    });
    out
}

/// Does nothing unless the test below starts it as a process: then it writes until it is killed.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder));
    let first = store.report().records;
    let mut out = std::io::stdout();
    // Killed between rows and spans, the last request was not acknowledged: its spans come again.
    if let Some(last) = (first / ROWS_A_REQUEST).checked_sub(1) {
        store.ingest_spans(&spans(last), 1).unwrap();
    }
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
        let number = first / ROWS_A_REQUEST + request;
        store.ingest_spans(&spans(number), 1).unwrap();
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
        let requests = usize::try_from(kept / ROWS_A_REQUEST).unwrap();
        let store = open(folder.path());
        for trace in 1..=5 {
            let trace = store.trace(TraceId([trace; 16]));
            let ids: BTreeSet<&[u8]> = trace.spans.iter().map(|span| &span.span[20..28]).collect();
            assert!(ids.len() >= requests, "{} of {requests} in round {round}", ids.len());
            assert_eq!(ids.len(), trace.spans.len(), "each span once");
        }
        assert!(store.report().spans >= kept / ROWS_A_REQUEST * SPANS_A_REQUEST);
    }
    assert!(kept > 1_000, "{kept} rows were written");
}
