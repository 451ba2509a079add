//! The desk in a storm: 100,000 alerts of 500 causes over 50 connections, to a process of its own
//! on a disk, spread over a minute and then as fast as they are taken.
//!
//! Sender and desk share the machine. Every alert that counts was answered with 2xx, which is after
//! the commit that holds it.

use std::io::Write;
use std::time::Duration;

#[path = "../tests/it/process.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod process;
#[path = "../tests/it/storm.rs"]
mod storm;

use storm::{Seen, Storm};

/// What the design asks for.
const RATE: f64 = 5000.0;
const RESIDENT_MIB: u64 = 512;
const GROUPS: usize = 500;

fn main() {
    process::serve_if_asked();
    // `cargo test --benches` runs this with `--test`: a word that it still works, no figures.
    let quick = std::env::args().any(|arg| arg == "--test");
    let alerts = if quick { 2000 } else { 100_000 };
    let minute = Duration::from_secs(if quick { 1 } else { 60 });
    let storm = |of_webhook, over| {
        let groups = if quick { 50 } else { GROUPS };
        Storm { alerts, groups, connections: 50, of_webhook, over }
    };
    let cases = [
        ("over a minute, 1 a webhook", storm(1, minute)),
        ("over a minute, 10 a webhook", storm(10, minute)),
        ("unbounded, 1 a webhook", storm(1, Duration::ZERO)),
        ("unbounded, 10 a webhook", storm(10, Duration::ZERO)),
    ];
    // A word of the command line chooses among them.
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    for (name, storm) in cases.into_iter().filter(|(name, _)| chosen(name)) {
        report(name, &storm.run("{sqlite: desk.db}"));
    }
}

fn report(name: &str, seen: &Seen) {
    let rate = seen.taken as f64 / seen.took.as_secs_f64();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{name}\n  taken {} in {:.1} s: {rate:.0}/s (goal of the unbounded: {RATE})\n  \
         refused {:?}\n  webhook to 2xx: p50 {:.1} ms, p99 {:.1} ms\n  \
         decided within 1 s: {:.3} % (goal 99)\n  integrity in {:.1} ms (goal 1000)\n  \
         incidents {} (goal at most {GROUPS})\n  resident {} MiB (goal {RESIDENT_MIB})\n  \
         log {} entries, next start {:.2} s",
        seen.taken,
        seen.took.as_secs_f64(),
        seen.refused,
        seen.answered[0].as_secs_f64() * 1e3,
        seen.answered[1].as_secs_f64() * 1e3,
        seen.decided_within_1s * 100.0,
        seen.integrity.as_secs_f64() * 1e3,
        seen.incidents,
        seen.resident_mib,
        seen.entries,
        seen.restart.as_secs_f64(),
    )
    .expect("standard output is open");
}
