//! Counters of the gateway; one name each, no labels that could grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A number that only goes up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Since when something is tried that has not worked yet, and what was said of it.
#[derive(Debug, Default)]
pub struct Stall(Mutex<Option<(Instant, Option<String>)>>);

impl Stall {
    /// It is tried from this time on, unless it was being tried before.
    pub fn begin(&self, at: Instant) {
        self.lock().get_or_insert((at, None));
    }

    /// It did not work, for this reason; true when that was not known.
    pub fn failed(&self, reason: &str) -> bool {
        let mut stall = self.lock();
        let (_, said) = stall.get_or_insert_with(|| (Instant::now(), None));
        said.replace(reason.to_owned()).is_none_or(|before| before != reason)
    }

    /// It works; for how long it had not, if it had failed.
    pub fn end(&self) -> Option<Duration> {
        let (since, said) = self.lock().take()?;
        said.map(|_| since.elapsed())
    }

    /// For how long it has been tried; nothing when it is done.
    pub fn lasts(&self) -> Duration {
        self.lock().as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Option<String>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that the receiving side counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Batches that verified.
    pub batches: Counter,
    /// Records in them.
    pub records: Counter,
    /// Batches that did not verify.
    pub refused: Counter,
    /// Batches that were there already.
    pub repeated: Counter,
    /// Batches before which records are missing.
    pub holes: Counter,
    /// Verified batches that contradict what is there.
    pub forks: Counter,
    /// Records that the outer layer withheld.
    pub withheld: Counter,
    /// Hits of the outer layer by rule; rules are configured, so the names are a closed set.
    pub hits: Hits,
    /// Requests of host telemetry that were taken.
    pub host_requests: Counter,
    /// Records of host telemetry that were taken.
    pub host_records: Counter,
    /// Records of host telemetry that the outer layer dropped or rewrote.
    pub host_withheld: Counter,
    /// Records that a pipeline dropped.
    pub pipeline_dropped: Counter,
    /// Exported copies that a pipeline changed.
    pub pipeline_changed: Counter,
    /// Faults of statements and conditions.
    pub pipeline_faults: Counter,
    /// Signed log batches in JSON that the archive holds.
    pub json_archived: Counter,
    /// Signed log batches in JSON that the outer layer withheld.
    pub json_withheld: Counter,
    /// Signed log batches in JSON that were not of their epoch.
    pub json_refused: Counter,
    /// Lines of proxies that were taken.
    pub proxy_lines: Counter,
    /// Lines of proxies that the outer layer withheld or rewrote.
    pub proxy_lines_withheld: Counter,
    /// Lines that were none of a proxy.
    pub proxy_lines_refused: Counter,
    /// Objects whose name was taken by other bytes.
    pub conflicts: Counter,
    /// Failed attempts to write log or archive.
    pub write_failures: Counter,
    /// Log or archive that cannot be written: nothing more is acknowledged.
    pub stall: Stall,
    /// `.seal` files written.
    pub archive_puts: Counter,
    /// Rolls archived.
    pub rolls: Counter,
    /// Bytes written to the log.
    pub wal_bytes: Counter,
}

/// Counts by rule.
#[derive(Debug, Default)]
pub struct Hits(Mutex<BTreeMap<String, u64>>);

impl Hits {
    /// Counts one hit of a rule.
    pub fn add(&self, rule: &str) {
        let mut hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match hits.get_mut(rule) {
            Some(count) => *count += 1,
            None => {
                hits.insert(rule.to_owned(), 1);
            }
        }
    }

    /// The counts, by rule.
    pub fn values(&self) -> Vec<(String, u64)> {
        let hits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hits.iter().map(|(rule, count)| (rule.clone(), *count)).collect()
    }
}
