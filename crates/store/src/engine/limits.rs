//! What a query may use, and the meter that counts it while it runs.
//!
//! Every limit comes from the asker's role. Reaching one stops the query with an error that names
//! the limit and what to narrow; it never takes the process down and never cuts an answer silently.
//! The engine has no clock: the caller hands in a question ("is the time over?") and a token.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The largest number of points a series may have, as in Prometheus: more is no picture any more.
pub const STEPS_MAX: u64 = 11_000;

/// Entries between two looks at the clock and the token; a look costs more than an entry.
const ENTRIES_PER_LOOK: u64 = 512;

/// What one query may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of working memory: rows kept, series and their cells.
    pub memory_bytes: u64,
    /// Rows of a log answer.
    pub rows: u64,
    /// Bytes that sources may decode.
    pub scanned_bytes: u64,
    /// Series of a metric answer.
    pub series: u64,
    /// Points of a series; never above [`STEPS_MAX`].
    pub steps: u64,
    /// Milliseconds, for the message only: the caller's deadline is what stops a query.
    pub time_ms: u64,
}

impl Limits {
    /// What a role gets that names nothing: Loki's defaults for rows and series, and memory that
    /// leaves an enclave of 256 MiB room for two queries beside its store.
    pub const STANDARD: Self = Self {
        memory_bytes: 32 << 20,
        rows: 5_000,
        scanned_bytes: 64 << 30,
        series: 500,
        steps: STEPS_MAX,
        time_ms: 60_000,
    };
}

/// The limits by name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a new limit must be handled wherever they are shown")]
pub enum Limit {
    /// [`Limits::memory_bytes`].
    Memory,
    /// [`Limits::rows`].
    Rows,
    /// [`Limits::scanned_bytes`].
    ScannedBytes,
    /// [`Limits::series`].
    Series,
    /// [`Limits::steps`].
    Steps,
    /// [`Limits::time_ms`].
    Time,
}

impl Limit {
    /// The name as configuration and answers spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Rows => "rows",
            Self::ScannedBytes => "scanned_bytes",
            Self::Series => "series",
            Self::Steps => "steps",
            Self::Time => "time",
        }
    }

    /// What the asker can do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Memory => {
                "group by fewer labels, lengthen the step, or narrow the time range or selector"
            }
            Self::Rows => "ask for fewer rows, page by time, or filter more",
            Self::ScannedBytes => "narrow the time range or add label matchers",
            Self::Series => "group by fewer labels, or keep only the largest with topk",
            Self::Steps => "lengthen the step or shorten the time range",
            Self::Time => "narrow the time range, or add label matchers or a line filter",
        }
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exceeded {
    /// Which one.
    pub limit: Limit,
    /// What the role allows, in the limit's unit.
    pub allowed: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.allowed;
        match self.limit {
            Limit::Memory => write!(f, "the query needs more than {n} bytes of memory")?,
            Limit::Rows => write!(f, "the query asks for more than {n} rows")?,
            Limit::ScannedBytes => write!(f, "the query reads more than {n} bytes")?,
            Limit::Series => write!(f, "the answer has more than {n} series")?,
            Limit::Steps => write!(f, "the answer has more than {n} points per series")?,
            Limit::Time => write!(f, "the query takes more than {n} ms")?,
        }
        write!(f, " (limit {}): {}", self.limit.name(), self.limit.advice())
    }
}

impl std::error::Error for Exceeded {}

/// Why a query was stopped from outside its own logic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two ways to be stopped")]
pub enum Stop {
    /// The asker went away or said so.
    Cancelled,
    /// A limit.
    Exceeded(Exceeded),
}

/// Set once by whoever wants a query to end; looked at by the scan.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// Asks the query to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what a query uses and holds the first reason to stop.
pub struct Meter<'a> {
    limits: Limits,
    cancel: &'a Cancel,
    /// Answers whether the query's time is over.
    deadline: &'a (dyn Fn() -> bool + Sync),
    entries: AtomicU64,
    scanned_bytes: AtomicU64,
    memory_bytes: AtomicU64,
    memory_peak: AtomicU64,
    stop: Mutex<Option<Stop>>,
}

impl<'a> Meter<'a> {
    /// A meter at zero.
    #[must_use]
    pub fn new(
        limits: Limits,
        cancel: &'a Cancel,
        deadline: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            limits,
            cancel,
            deadline,
            entries: AtomicU64::new(0),
            scanned_bytes: AtomicU64::new(0),
            memory_bytes: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
            stop: Mutex::new(None),
        }
    }

    /// The limits it watches.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A source decoded so many bytes: called before it does, for each block. Breaks when the
    /// query is to stop.
    pub fn read(&self, bytes: u64) -> ControlFlow<()> {
        let before = self.scanned_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limits.scanned_bytes {
            return self.exceed(Limit::ScannedBytes, self.limits.scanned_bytes);
        }
        self.look()
    }

    /// The engine saw one more entry.
    pub fn entry(&self) -> ControlFlow<()> {
        let seen = self.entries.fetch_add(1, Ordering::Relaxed);
        if seen.is_multiple_of(ENTRIES_PER_LOOK) { self.look() } else { ControlFlow::Continue(()) }
    }

    /// The engine needs so many bytes more.
    pub fn hold(&self, bytes: usize) -> ControlFlow<()> {
        let bytes = bytes as u64;
        let now = self.memory_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.memory_peak.fetch_max(now, Ordering::Relaxed);
        if now > self.limits.memory_bytes {
            return self.exceed(Limit::Memory, self.limits.memory_bytes);
        }
        ControlFlow::Continue(())
    }

    /// The engine gave so many bytes back.
    pub fn release(&self, bytes: usize) {
        self.memory_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Asks the clock and the token.
    pub fn look(&self) -> ControlFlow<()> {
        if self.cancel.is_cancelled() {
            return self.halt(Stop::Cancelled);
        }
        if (self.deadline)() {
            return self.exceed(Limit::Time, self.limits.time_ms);
        }
        ControlFlow::Continue(())
    }

    /// Records that a limit was reached; the first reason stays.
    pub fn exceed(&self, limit: Limit, allowed: u64) -> ControlFlow<()> {
        self.halt(Stop::Exceeded(Exceeded { limit, allowed }))
    }

    /// The first reason to stop, if there was one.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries that were seen.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Bytes that were decoded.
    #[must_use]
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes.load(Ordering::Relaxed)
    }

    /// The most memory that was held at once.
    #[must_use]
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Ordering::Relaxed)
    }

    fn halt(&self, why: Stop) -> ControlFlow<()> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        ControlFlow::Break(())
    }
}
