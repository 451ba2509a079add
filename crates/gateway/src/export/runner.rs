//! The runner: read, deliver, keep the cursor, for one exporter, for ever.
//!
//! It waits out failures with a backoff and never gives up on its own: what it has not delivered
//! stays in the log and the archive. One bad receiver holds up nobody else, since each has a
//! runner.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::collector::Route;
use crate::export::backoff::Backoff;
use crate::export::cursor::{Cursor, CursorError, CursorFile};
use crate::export::sink::{Sink, Stuck};
use crate::export::view::OpenError;
use crate::export::{Item, Position, Source, SourceError};
use crate::journal::{Journal, Level, Value};
use crate::metrics::ExporterMetrics;

/// One exporter with everything it needs.
#[derive(Debug)]
pub struct Runner<S> {
    name: String,
    sink: Sink,
    source: S,
    file: CursorFile,
    cursor: Cursor,
    /// Where to go on when the batch that the sink works on is done.
    loaded: Option<Position>,
    surroundings: Surroundings,
    backoff: Backoff,
    /// Why it cannot deliver, as last told.
    told: Option<String>,
    /// The pipelines of a collector file that lead here; without one, everything is exported.
    route: Option<Route>,
    items_max: usize,
}

/// What a runner shares with the rest of the gateway.
#[derive(Clone)]
pub struct Surroundings {
    /// Counters of this exporter.
    pub metrics: Arc<ExporterMetrics>,
    /// Where failures are told, once each.
    pub journal: Journal,
    /// For the age of what is not yet delivered.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// Why an exporter cannot begin.
#[derive(Debug)]
pub enum StartError {
    /// Its cursor.
    Cursor(CursorError),
    /// A file of its sink.
    Sink(std::io::Error),
    /// The view that it is.
    View(OpenError),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cursor(error) => error.fmt(f),
            Self::Sink(error) => write!(f, "cut export files back to the cursor: {error}"),
            Self::View(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl From<CursorError> for StartError {
    fn from(error: CursorError) -> Self {
        Self::Cursor(error)
    }
}

/// What a step has done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    /// A batch is delivered and the cursor kept.
    Delivered,
    /// There is nothing new.
    Idle,
}

/// Why a step has to be taken again.
#[derive(Debug)]
enum Failure {
    Source(SourceError),
    Sink(Stuck),
    Cursor(CursorError),
    Rotation(std::io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Sink(stuck) => stuck.reason.fmt(f),
            Self::Cursor(error) => error.fmt(f),
            Self::Rotation(error) => write!(f, "put a full file aside: {error}"),
        }
    }
}

impl<S: Source> Runner<S> {
    /// Loads the cursor and brings the sink to where it says.
    ///
    /// # Errors
    /// When the cursor is unreadable or the sink cannot follow it.
    pub fn build(
        name: String,
        mut sink: Sink,
        source: S,
        file: CursorFile,
        surroundings: Surroundings,
    ) -> Result<Self, StartError> {
        let mut cursor = file.load()?;
        sink.open().map_err(StartError::View)?;
        sink.resume(&cursor.lengths).map_err(StartError::Sink)?;
        // Before the first write, so that what a crash leaves behind can be told from what was
        // there.
        cursor.lengths = sink.lengths();
        file.save(&cursor)?;
        let spread = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        let backoff = Backoff::new(surroundings.clock.unix_ns() ^ spread);
        let (route, items_max) = (None, ITEMS_MAX);
        let (loaded, told) = (None, None);
        Ok(Self {
            name,
            sink,
            source,
            file,
            cursor,
            loaded,
            surroundings,
            backoff,
            told,
            route,
            items_max,
        })
    }

    /// Exports what pipelines let through, at most so many items at a time.
    pub fn routed(mut self, route: Route, items_max: Option<usize>) -> Self {
        self.route = Some(route);
        self.items_max = items_max.map_or(ITEMS_MAX, |most| most.clamp(1, ITEMS_MAX));
        self
    }

    /// Exports until `drain` is true and everything is delivered or cannot be delivered now. It
    /// also ends when the sender of `drain` is gone.
    ///
    /// Dropping the future at any point is safe: what was not recorded is delivered again.
    pub async fn run(mut self, mut drain: watch::Receiver<bool>) {
        loop {
            match self.step().await {
                Ok(Progress::Delivered) => self.succeeded(),
                Ok(Progress::Idle) => {
                    if *drain.borrow() {
                        return;
                    }
                    self.succeeded();
                    tokio::select! {
                        () = self.source.changed(&self.cursor.position) => {}
                        // One more step finds what was archived before the drain began.
                        draining = drain.wait_for(|drain| *drain) => {
                            if draining.is_err() {
                                return;
                            }
                        }
                    }
                }
                Err(failure) => {
                    let wait = self.failed(&failure);
                    if tokio::time::timeout(wait, drain.wait_for(|drain| *drain)).await.is_ok() {
                        return;
                    }
                }
            }
        }
    }

    /// One batch, from reading to the kept cursor. After a failure the next call goes on where this
    /// one stopped.
    async fn step(&mut self) -> Result<Progress, Failure> {
        if self.loaded.is_none() {
            let reading = self.source.read(&self.cursor.position, self.items_max).await;
            let (items, next) = reading.map_err(Failure::Source)?;
            if items.is_empty() && next == self.cursor.position {
                self.surroundings.metrics.caught_up();
                return Ok(Progress::Idle);
            }
            let now_ns = self.surroundings.clock.unix_ns();
            let oldest_ns = items.iter().find_map(Item::time_ns).unwrap_or(now_ns);
            self.surroundings.metrics.behind(oldest_ns);
            in_place(|| match &self.route {
                Some(route) => self.sink.load(&route.apply(&items, now_ns)),
                None => self.sink.load(&items),
            });
            self.loaded = Some(next);
        }
        self.sink.advance().await.map_err(Failure::Sink)?;
        in_place(|| self.keep())?;
        Ok(Progress::Delivered)
    }

    fn keep(&mut self) -> Result<(), Failure> {
        if let Some(next) = self.loaded.clone() {
            let cursor = Cursor { position: next, lengths: self.sink.lengths() };
            self.file.save(&cursor).map_err(Failure::Cursor)?;
            self.cursor = cursor;
            self.loaded = None;
            self.count();
        }
        if self.sink.rotate().map_err(Failure::Rotation)? {
            self.cursor.lengths = self.sink.lengths();
            self.file.save(&self.cursor).map_err(Failure::Cursor)?;
        }
        Ok(())
    }

    fn count(&self) {
        let (tally, reason) = self.sink.outcome();
        self.surroundings.metrics.count(tally);
        if let (Sink::Debug(_), 1..) = (&self.sink, tally.sent) {
            let fields =
                [("exporter", Value::Text(&self.name)), ("records", Value::Number(tally.sent))];
            self.surroundings.journal.note(Level::Information, "debug exporter", &fields);
        }
        if let Some(reason) = reason.filter(|_| tally.refused > 0) {
            let fields = [
                ("exporter", Value::Text(&self.name)),
                ("reason", Value::Shown(&reason)),
                ("records", Value::Number(tally.refused)),
            ];
            self.surroundings.journal.note(Level::Warning, "receiver refuses records", &fields);
        }
    }

    /// Tells the first failure of a series, and each that has another reason, and says how long to
    /// wait.
    fn failed(&mut self, failure: &Failure) -> Duration {
        let reason = failure.to_string();
        if self.told.as_ref() != Some(&reason) {
            let fields = [("exporter", Value::Text(&self.name)), ("reason", Value::Text(&reason))];
            self.surroundings.journal.note(Level::Warning, "exporter cannot deliver", &fields);
            self.told = Some(reason);
        }
        self.surroundings.metrics.retried(self.surroundings.clock.unix_ns());
        match failure {
            Failure::Sink(stuck) => self.backoff.failed(stuck.retry_after),
            Failure::Source(_) | Failure::Cursor(_) | Failure::Rotation(_) => {
                self.backoff.failed(None)
            }
        }
    }

    fn succeeded(&mut self) {
        let failures = self.backoff.failures();
        if failures > 0 {
            let fields = [
                ("exporter", Value::Text(&self.name)),
                ("attempts", Value::Number(u64::from(failures))),
            ];
            self.surroundings.journal.note(Level::Information, "exporter delivers again", &fields);
        }
        self.backoff.succeeded();
        self.told = None;
    }
}

/// Runs what computes or waits for a disk, and lets the worker's other tasks move on where they
/// can.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}

/// One reading: a second of traffic at the rate of a busy instance, a few megabytes in memory.
const ITEMS_MAX: usize = 4096;

#[cfg(test)]
mod tests;
