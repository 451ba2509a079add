//! The inside view: full log records and spans in bounded memory, never outside.
//!
//! A thread of its own puts raw requests into the store, behind a queue that is bounded in number
//! and bytes. A queue that is full drops the request and counts it: what is kept for people never
//! slows or refuses what the ledger takes. Only the attested channel reads, by leave of the
//! measured configuration and with a record of who did.

pub(crate) mod host;
#[cfg(test)]
mod memory;
pub(crate) mod testimony;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use lucarne_ledger::identity::EpochId;
use lucarne_otlp::Signal;
use lucarne_store::crypt::{BlockCipher, Epoch};
use lucarne_store::retention::Retention;
use lucarne_store::stream::Mapping;
use lucarne_store::vault::{Fault, Vault};
use lucarne_store::{Config, Store};
use zeroize::Zeroizing;

use crate::budget::{Budget, Reservation};
use crate::clock::{Clock, SystemClock};
use crate::entropy;
use crate::intake::Raw;
use host::{PUT_BYTES_MAX, Window};

/// What is kept inside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Bytes of memory for everything: the queue, log records and spans. 0 keeps nothing.
    pub bytes: usize,
    /// Bytes of encrypted blocks that the host keeps; 0: all blocks are in memory.
    pub host_bytes: u64,
    /// Age at which log records and spans are dropped.
    pub retention: Duration,
    /// The label `job` of every stream.
    pub job: String,
}

/// Requests that wait for the store's thread; their bytes are bounded by a share of the whole.
const QUEUE_REQUESTS: usize = 1024;
/// Bytes of requests that wait: room for one of the usual 4 MiB even under a small bound, and half
/// a second of a high rate under a large one.
const QUEUE_BYTES: std::ops::RangeInclusive<usize> = 4 << 20..=16 << 20;
/// Rows and spans in no block yet: less makes blocks that compress badly, more is slower to search.
const HEAD_BYTES: std::ops::RangeInclusive<usize> = 256 << 10..=16 << 20;
/// How long the store rests before what is too old is looked for.
const IDLE: Duration = Duration::from_secs(600);

/// The way into the store, and what reads it.
pub struct InsideStore {
    kept: Option<Arc<Kept>>,
    queue: Option<SyncSender<Item>>,
    window: Option<Arc<Window>>,
    room: Budget,
    offered: AtomicU64,
    missed: AtomicU64,
}

struct Item {
    signal: Signal,
    request: Raw<Bytes>,
    _room: Reservation,
}

/// What the thread writes and questions read.
pub(crate) struct Kept {
    pub(crate) store: Store,
    done: Mutex<u64>,
    progress: Condvar,
    /// Records that the store would not take.
    left_out: AtomicU64,
}

impl InsideStore {
    /// One that keeps nothing.
    pub fn nothing() -> Self {
        let (offered, missed) = (AtomicU64::new(0), AtomicU64::new(0));
        let room = Budget::new(0);
        Self { kept: None, queue: None, window: None, room, offered, missed }
    }

    /// An empty store and its thread, which ends when this is dropped. What the host keeps of it
    /// ends with the epoch, whose key is drawn here and is nowhere else.
    ///
    /// # Errors
    /// When there is no memory, no thread or no randomness.
    pub fn start(bounds: &Bounds, epoch: EpochId) -> io::Result<Self> {
        if bounds.bytes == 0 {
            return Ok(Self::nothing());
        }
        let config = Config {
            mapping: Mapping::with_job(&bounds.job),
            retention: Retention {
                // What is in memory beside blocks at the host is bounded by their vault.
                bytes: match bounds.host_bytes {
                    0 => bounds.bytes as u64,
                    host => host,
                },
                age_ns: i64::try_from(bounds.retention.as_nanos()).unwrap_or(i64::MAX),
            },
            head_bytes: within(bounds.bytes / 8, &HEAD_BYTES),
        };
        let (vault, window) = match bounds.host_bytes {
            0 => (Vault::memory(), None),
            _ => at_host(bounds, epoch).map(|(vault, window)| (vault, Some(window)))?,
        };
        let kept = Arc::new(Kept {
            store: Store::new(config, vault)?,
            done: Mutex::new(0),
            progress: Condvar::new(),
            left_out: AtomicU64::new(0),
        });
        let (queue, items) = sync_channel(QUEUE_REQUESTS);
        let own = Arc::clone(&kept);
        thread::Builder::new().name("inside".to_owned()).spawn(move || own.keep(&items))?;
        let room = Budget::new(within(bounds.bytes / 8, &QUEUE_BYTES));
        Ok(Self { kept: Some(kept), queue: Some(queue), window, room, ..Self::nothing() })
    }

    /// Hands a request to the store, or counts that there was no room. Never waits.
    pub fn offer(&self, signal: Signal, request: Raw<Bytes>) {
        let Some(queue) = self.queue.as_ref().filter(|_| signal != Signal::Metrics) else { return };
        let room = self.room.reserve(request.inner().len());
        let taken = room.map(|room| queue.try_send(Item { signal, request, _room: room }));
        let count = if matches!(taken, Some(Ok(()))) { &self.offered } else { &self.missed };
        count.fetch_add(1, Ordering::AcqRel);
    }

    /// Records and spans that were dropped to stay within the bounds; a request for which the
    /// queue had no room counts as one.
    pub fn evicted(&self) -> u64 {
        let missed = self.missed.load(Ordering::Acquire);
        let dropped = |kept: &Arc<Kept>| {
            let left_out = kept.left_out.load(Ordering::Acquire);
            kept.store.report().evicted.records.saturating_add(left_out)
        };
        self.kept.as_ref().map_or(0, dropped).saturating_add(missed)
    }

    /// Where the uplink finds what is asked of the host; `None` where the host keeps nothing.
    pub(crate) fn window(&self) -> Option<Arc<Window>> {
        self.window.clone()
    }

    /// How many blocks were noticed to be wrong, by what was wrong with them.
    pub fn lost(&self) -> [(&'static str, u64); 5] {
        let faults = self.kept.as_ref().map(|kept| kept.store.faults()).unwrap_or_default();
        ["withheld", "swapped", "replayed", "altered", "malformed"].map(|name| {
            let of_name = faults.iter().filter(|(_, fault)| name_of(*fault) == name);
            (name, of_name.count() as u64)
        })
    }

    /// What is kept, once everything that was offered before is in it, or `within` is over;
    /// `None` when nothing is kept.
    pub(crate) fn caught_up(&self, within: Duration) -> Option<&Kept> {
        let kept = self.kept.as_deref()?;
        let offered = self.offered.load(Ordering::Acquire);
        let done = kept.done.lock().unwrap_or_else(PoisonError::into_inner);
        drop(kept.progress.wait_timeout_while(done, within, |done| *done < offered));
        Some(kept)
    }
}

impl Kept {
    fn keep(&self, items: &Receiver<Item>) {
        loop {
            match items.recv_timeout(IDLE) {
                Ok(item) => {
                    self.left_out.fetch_add(self.take(&item), Ordering::AcqRel);
                    *self.done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    self.progress.notify_all();
                }
                Err(RecvTimeoutError::Timeout) => self.store.maintain(now_ns()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    // The contract has walked the request already; what the store cannot read in spite of that is
    // in the ledger and not here.
    // How many of its records are left out.
    fn take(&self, item: &Item) -> u64 {
        let request = item.request.inner();
        match item.signal {
            Signal::Logs => {
                self.store.ingest_logs(request, now_ns()).map_or(1, |taken| taken.left_out())
            }
            Signal::Traces => {
                self.store.ingest_spans(request, now_ns()).map_or(1, |taken| taken.refused)
            }
            Signal::Metrics => 0,
        }
    }
}

/// Blocks that the host keeps, and the way there. The heads, the index and what the host has not
/// taken yet are what has to fit into memory.
fn at_host(bounds: &Bounds, epoch: EpochId) -> io::Result<(Vault, Arc<Window>)> {
    let key = Zeroizing::new(entropy::bytes().map_err(io::Error::other)?);
    let cipher = BlockCipher::new(&key, Epoch(epoch.0)).map_err(io::Error::other)?;
    let window = Arc::new(Window::default());
    let backend: Arc<Window> = Arc::clone(&window);
    let memory = bounds.bytes.saturating_sub(PUT_BYTES_MAX.min(bounds.bytes / 4)) as u64;
    Ok((Vault::sparing(backend, Arc::new(cipher), memory), window))
}

/// What was wrong with a block, as a label.
const fn name_of(fault: Fault) -> &'static str {
    match fault {
        Fault::Withheld => "withheld",
        Fault::Swapped { .. } => "swapped",
        Fault::Replayed { .. } => "replayed",
        Fault::Altered => "altered",
        Fault::Malformed => "malformed",
    }
}

fn within(bytes: usize, range: &std::ops::RangeInclusive<usize>) -> usize {
    bytes.clamp(*range.start(), *range.end())
}

fn now_ns() -> i64 {
    i64::try_from(SystemClock.now_ms()).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use lucarne_otlp::wire::Writer;

    use super::*;

    fn bounds(bytes: usize) -> Bounds {
        let retention = Duration::from_secs(3600);
        Bounds { bytes, host_bytes: 0, retention, job: "tee-processengine".into() }
    }

    const EPOCH: EpochId = EpochId([5; 16]);

    /// A request with one record of this body.
    fn request(body: &str) -> Raw<Bytes> {
        let mut out = Vec::new();
        Writer::new(&mut out).message(1, |resource| {
            resource.message(2, |scope| {
                scope.message(2, |record| {
                    record.fixed64(1, SystemClock.now_ms() * 1_000_000);
                    record.message(5, |value| value.bytes(1, body.as_bytes()));
                });
            });
        });
        Raw::new(out.into())
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_offered_before_a_question_is_there() {
        let store = InsideStore::start(&bounds(8 << 20), EPOCH).unwrap();
        for number in 0..500 {
            store.offer(Signal::Logs, request(&format!("record {number}")));
        }
        store.offer(Signal::Metrics, Raw::new(Bytes::from_static(b"kept nowhere")));
        let kept = store.caught_up(PATIENCE).unwrap();
        assert_eq!((kept.store.report().records, store.evicted()), (500, 0));
    }

    #[test]
    fn what_has_no_room_is_counted_and_nobody_waits() {
        let store = InsideStore::start(&bounds(1 << 20), EPOCH).unwrap();
        store.offer(Signal::Logs, Raw::new(Bytes::from(vec![0; 5 << 20])));
        assert_eq!(store.evicted(), 1);
        let kept = store.caught_up(PATIENCE).unwrap();
        assert_eq!(kept.store.report().records, 0);
    }

    #[test]
    fn one_without_room_keeps_nothing_and_starts_nothing() {
        let store = InsideStore::start(&bounds(0), EPOCH).unwrap();
        store.offer(Signal::Logs, request("x"));
        assert!(store.caught_up(PATIENCE).is_none());
        assert_eq!(store.evicted(), 0);
    }
}
