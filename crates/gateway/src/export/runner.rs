//! The runner: read, deliver, keep the cursor, for one exporter, for ever.
//!
//! It waits out failures with a backoff and never gives up on its own: what it has not delivered stays
//! in the log and the archive. One bad receiver holds up nobody else, since each has a runner.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::export::backoff::Backoff;
use crate::export::cursor::{Cursor, CursorError, CursorFile};
use crate::export::sink::{Sink, Stuck, Tally};
use crate::export::{Item, Position, Source};
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
    surroundings: Surroundings,
    backoff: Backoff,
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
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cursor(error) => error.fmt(f),
            Self::Sink(error) => write!(f, "cut export files back to the cursor: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<CursorError> for StartError {
    fn from(error: CursorError) -> Self {
        Self::Cursor(error)
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
        sink.resume(&cursor.lengths).map_err(StartError::Sink)?;
        // Before the first write, so that what a crash leaves behind it can be told from what was there.
        cursor.lengths = sink.lengths();
        file.save(&cursor)?;
        let seed = surroundings.clock.unix_ns() ^ name.bytes().fold(0, |h, b| h * 31 + u64::from(b));
        let backoff = Backoff::new(seed);
        Ok(Self { name, sink, source, file, cursor, surroundings, backoff })
    }

    /// Exports until `drain` becomes true and everything is delivered, or cannot be delivered now.
    ///
    /// Dropping the future at any point is safe: what was not recorded is delivered again.
    pub async fn run(mut self, mut drain: watch::Receiver<bool>) {
        loop {
            match self.round().await {
                Ok(Progress::Delivered) => self.recovered(),
                Ok(Progress::Idle) if *drain.borrow_and_update() => return,
                Ok(Progress::Idle) => {
                    self.recovered();
                    tokio::select! {
                        () = self.source.changed(&self.cursor.position) => {}
                        _ = drain.wait_for(|drain| *drain) => {}
                    }
                }
                Err(failure) => {
                    let wait = self.failed(&failure);
                    let draining = drain.wait_for(|drain| *drain);
                    if tokio::time::timeout(wait, draining).await.is_ok() {
                        return;
                    }
                }
            }
        }
    }

    /// One batch, from reading to the kept cursor; retried from the top it delivers nothing twice that
    /// was recorded.
    async fn round(&mut self) -> Result<Progress, Failure> {
        let reading = self.source.read(&self.cursor.position, ITEMS_MAX).await;
        let (items, next) =
            reading.map_err(|error| Failure { reason: error.to_string(), retry_after: None })?;
        if items.is_empty() && next == self.cursor.position {
            self.surroundings.metrics.caught_up();
            return Ok(Progress::Idle);
        }
        self.sink.load(&items);
        while let Err(stuck) = self.sink.advance().await {
            self.wait_out(&items, stuck).await;
        }
        self.count();
        self.keep(next)?;
        Ok(Progress::Delivered)
    }

    fn keep(&mut self, next: Position) -> Result<(), Failure> {
        let failure = |reason: String| Failure { reason, retry_after: None };
        self.cursor = Cursor { position: next, lengths: self.sink.lengths() };
        self.file.save(&self.cursor).map_err(|error| failure(error.to_string()))?;
        if self.sink.rotate().map_err(|error| failure(error.to_string()))? {
            self.cursor.lengths = self.sink.lengths();
            self.file.save(&self.cursor).map_err(|error| failure(error.to_string()))?;
        }
        Ok(())
    }
}
