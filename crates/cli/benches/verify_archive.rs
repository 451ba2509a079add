//! `lucarne audit verify` as a process over an archive of 300-byte records: rate on one core and on
//! two, and peak memory.
//!
//! The rate is compared with the hashing that cannot be avoided, `1 / (t(316) + t(35) + t(65))`,
//! measured in the same run; reading and decompressing is measured alone and told apart.
//! CPU time is told beside the time that passed, for a machine that others use too; the ratio of
//! two cores to one means something only where nobody else works. `LUCARNE_BENCH_RECORDS` is the
//! number of records, 4 million unless it says otherwise; `LUCARNE_BENCH_DIR` keeps the archive.

#[path = "../tests/it/sealed_archive.rs"]
mod sealed_archive;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lucarne_archive::segment::SegmentReader;
use lucarne_ledger::hash::Hash;

use self::sealed_archive::{PAYLOAD_BYTES, SealedArchive, seal_archive};

const RECORDS: u64 = 4_000_000;
const HASHES: u32 = 200_000;
const ROUNDS: u32 = 3;
/// How often the memory of the process is looked at.
const LOOK: Duration = Duration::from_millis(20);

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn main() {
    // `cargo test --benches` runs this with `--test`: a word that it still works, no figures.
    let quick = std::env::args().any(|arg| arg == "--test");
    let asked = std::env::var("LUCARNE_BENCH_RECORDS").ok().and_then(|text| text.parse().ok());
    let records = if quick { 10_000 } else { asked.unwrap_or(RECORDS) };
    let dir = tempfile::tempdir().expect("a directory for the archive");
    let kept = std::env::var_os("LUCARNE_BENCH_DIR").map(PathBuf::from);
    let archive = archive(kept.as_deref().unwrap_or(dir.path()), records);
    let count = archive.size as f64;
    let files = segments(&archive.records_dir);
    let bytes: u64 = files.iter().map(|file| file.metadata().map_or(0, |data| data.len())).sum();
    println!(
        "{} records in {} files, {:.1} bytes each",
        archive.size,
        files.len(),
        bytes as f64 / count
    );
    // Long runs are their own average; of short ones the best counts, since others only disturb.
    let rounds = if records > 20_000_000 { 1 } else { ROUNDS };
    let bound = bound();
    println!("bound            {bound:>11.0} records/s");
    let unpack = best(rounds, || unpack(&files));
    println!("read, unpack     {:>11.0} records/s", count / unpack.as_secs_f64());
    let [one, two] = ["1", "2"].map(|jobs| {
        let runs: Vec<Run> = (0..rounds).map(|_| verify(&archive, jobs)).collect();
        let best = |of: fn(&Run) -> Duration| runs.iter().map(of).min().unwrap_or(Duration::MAX);
        let (wall, cpu) = (best(|run| run.wall), best(|run| run.cpu));
        let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or_default();
        println!(
            "verify --jobs {jobs}  {:>11.0} records/s, {:.0} records a CPU second, {:.1} MiB",
            count / wall.as_secs_f64(),
            count / cpu.as_secs_f64(),
            f64::from(peak) / 1024.0
        );
        (wall, cpu)
    });
    let after = count / one.1.saturating_sub(unpack).as_secs_f64();
    println!("one core, after decompression: {:.2} of the bound (goal 0.65)", after / bound);
    println!(
        "two cores: {:.2} times one (goal 1.8), for {:.2} times its CPU time",
        one.0.as_secs_f64() / two.0.as_secs_f64(),
        two.1.as_secs_f64() / one.1.as_secs_f64()
    );
}

/// The archive in a directory, made there unless an earlier run has left it.
fn archive(dir: &Path, records: u64) -> SealedArchive {
    let note = dir.join("size");
    if let Some(size) = std::fs::read_to_string(&note).ok().and_then(|text| text.parse().ok()) {
        return SealedArchive { records_dir: dir.join("archive"), key: dir.join("tee.pem"), size };
    }
    let archive = seal_archive(dir, records);
    std::fs::write(note, archive.size.to_string()).expect("room for a number");
    archive
}

/// Records a second that hashing alone would allow.
fn bound() -> f64 {
    let seconds = |length: usize| {
        let input = vec![0x5a; length];
        let time = best(7, || {
            for _ in 0..HASHES {
                black_box(Hash::of(black_box(&input)));
            }
        });
        time.as_secs_f64() / f64::from(HASHES)
    };
    1.0 / (seconds(16 + PAYLOAD_BYTES) + seconds(35) + seconds(65))
}

fn best(rounds: u32, mut round: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        round();
        start.elapsed()
    };
    (0..rounds).map(time).min().unwrap_or(Duration::MAX)
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "seal") {
                files.push(path);
            }
        }
    }
    files
}

fn unpack(files: &[PathBuf]) {
    for file in files {
        let file = std::io::BufReader::with_capacity(
            256 << 10,
            std::fs::File::open(file).expect("a file"),
        );
        let mut reader = SegmentReader::open(file).expect("a segment");
        while let Some(frame) = reader.next_frame().expect("a frame") {
            black_box(frame.content);
        }
    }
}

/// What one run took.
struct Run {
    wall: Duration,
    cpu: Duration,
    peak_kib: u32,
}

fn verify(archive: &SealedArchive, jobs: &str) -> Run {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lucarne"))
        .args(["audit", "verify", "--output", "json", "--jobs", jobs, "--records-dir"])
        .arg(&archive.records_dir)
        .arg("--tee-public-key")
        .arg(&archive.key)
        .stdout(Stdio::null())
        .spawn()
        .expect("lucarne runs");
    let (mut cpu, mut peak_kib) = (Duration::ZERO, 0);
    let status = loop {
        let proc = format!("/proc/{}", child.id());
        cpu = cpu_time(&proc).unwrap_or_default().max(cpu);
        peak_kib = peak(&proc).unwrap_or_default().max(peak_kib);
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break status;
        }
        std::thread::park_timeout(LOOK);
    };
    assert_eq!(status.code(), Some(5), "verified, under a key that says it protects nothing");
    Run { wall: start.elapsed(), cpu, peak_kib }
}

/// proc(5): user and system time are the 14th and 15th field, in hundredths of a second.
fn cpu_time(proc: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("{proc}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}

fn peak(proc: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("{proc}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
