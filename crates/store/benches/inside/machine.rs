//! What the machine can do in this run: the primitives that bound the figures, and its counters.

use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use memchr::memmem;

use crate::records;
use crate::say;

/// Bytes that the primitives work on: more than a cache holds.
const SAMPLE_BYTES: usize = 16 << 20;
/// As a block is compressed at once.
const PIECE_BYTES: usize = 2 << 20;

/// Prints bytes a second of each primitive on the lines that are stored.
pub(crate) fn primitives() {
    let mut sample = Vec::with_capacity(SAMPLE_BYTES + 400);
    for n in 0.. {
        if sample.len() >= SAMPLE_BYTES {
            break;
        }
        sample.extend_from_slice(records::json_line(n).as_bytes());
    }
    let pieces: Vec<&[u8]> = sample.chunks(PIECE_BYTES).collect();
    let packed: Vec<Vec<u8>> =
        pieces.iter().filter_map(|piece| zstd::bulk::compress(piece, 1).ok()).collect();
    let found = best(|| memmem::find(&sample, b"nothing of this kind").map_or(0, |at| at as u64));
    let (packing, _) = best(|| {
        let pack = |piece: &&[u8]| zstd::bulk::compress(piece, 1).map_or(0, |it| it.len() as u64);
        pieces.iter().map(pack).sum()
    });
    let (unpacking, _) = best(|| {
        let unpack = |piece: &Vec<u8>| {
            zstd::bulk::decompress(piece, PIECE_BYTES).map_or(0, |it| it.len() as u64)
        };
        packed.iter().map(unpack).sum()
    });
    let (sealing, _) = best(|| seal(&sample));
    let rate = |spent: Duration| per_second(sample.len() as u64, spent);
    say(&format!(
        "primitives, GB/s: memmem {:.2}, zstd-1 {:.2}, zstd back {:.2}, AES-256-GCM {:.2}",
        rate(found.0),
        rate(packing),
        rate(unpacking),
        rate(sealing)
    ));
}

fn seal(sample: &[u8]) -> u64 {
    let Ok(key) = UnboundKey::new(&AES_256_GCM, &[7; 32]) else { return 0 };
    let mut bytes = sample.to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let tag = LessSafeKey::new(key).seal_in_place_separate_tag(nonce, Aad::empty(), &mut bytes);
    u64::from(tag.is_ok())
}

/// The shortest of some runs, and what the run gave.
pub(crate) fn best(mut once: impl FnMut() -> u64) -> (Duration, u64) {
    let mut best = (Duration::MAX, 0);
    for _ in 0..5 {
        let start = Instant::now();
        let given = std::hint::black_box(once());
        best = best.min((start.elapsed(), given));
    }
    best
}

/// The least processor time of a run, all threads together, over runs of at least half a second:
/// the machine may be shared, and time on the wall says little then.
pub(crate) fn processor(mut once: impl FnMut()) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let (before, start, mut runs) = (spent(), Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(500) {
            once();
            runs += 1;
        }
        least = least.min((spent() - before) / runs);
    }
    least
}

/// Processor time of this process, in its clock ticks of 10 ms.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 =
        behind.split(' ').skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Processor time of this thread, to the nanosecond.
pub(crate) fn thread_spent() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|it| it.parse().ok());
    Duration::from_nanos(first.unwrap_or(0))
}

/// GB a second.
pub(crate) fn per_second(bytes: u64, spent: Duration) -> f64 {
    bytes as f64 / spent.as_secs_f64() / 1e9
}

/// A line of `/proc/self/status` in MiB.
pub(crate) fn memory_mib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kib: u64 =
        line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    kib / 1024
}
