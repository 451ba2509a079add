//! The seam between the channel and what is kept inside: a permitted query in, rows out.
//!
//! Rows go through [`Rows`], which counts them and stops at the limits of the role, whoever
//! answers. It waits for the asker: an answer never holds more than a few pieces in memory.

use std::fmt;
use std::time::{Duration, Instant};

use lucarne_link::channel::message::CHUNK_BYTES_MAX;
use lucarne_store::engine::answer::Partial;
use lucarne_store::engine::limits::Exceeded;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::permit::Permit;
use super::recorder::Outcome;

/// What answers queries.
///
/// It is called on a thread that may block, one call at a time for each connection, and must write
/// everything that it has to say to `rows`, in the form of the verb.
pub trait Answers: Send + Sync + 'static {
    /// Answers a query.
    ///
    /// # Errors
    /// When it cannot be answered, or `rows` says to stop.
    fn answer(&self, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError>;
}

/// Why an answer ends before its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnswerError {
    /// [`Rows`] takes no more. To be handed on as it is.
    Stop(Stop),
    /// Nothing here answers this verb.
    Unavailable,
    /// The query is not one; what is wrong with it, for the person who wrote it.
    Malformed(String),
    /// It would take more than the role allows, and a part of the answer would be wrong.
    TooMuch(Exceeded),
    /// What should answer has failed.
    Failed(&'static str),
}

/// Why no more rows are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// The asker has gone.
    Gone,
    /// As many rows as are allowed.
    Rows {
        /// How many that is.
        max: u64,
    },
    /// As many bytes as are allowed.
    Bytes {
        /// How many that is.
        max: u64,
    },
    /// As much time as is allowed.
    Time,
    /// What is kept gave no more than this.
    Incomplete(Partial),
}

impl From<Stop> for AnswerError {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => write!(f, "the asker has gone"),
            Self::Rows { max } => write!(f, "more than {max} rows; narrow the query"),
            Self::Bytes { max } => write!(f, "more than {max} bytes; narrow the query"),
            Self::Time => write!(f, "it took too long; narrow the query"),
            Self::Incomplete(why) => write!(f, "{why}"),
        }
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop(stop) => write!(f, "{stop}"),
            Self::Unavailable => write!(f, "nothing here answers this"),
            Self::Malformed(problem) => write!(f, "{problem}"),
            Self::TooMuch(limit) => write!(f, "{limit}"),
            Self::Failed(what) => write!(f, "{what}"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Where an answer goes.
pub struct Rows {
    out: mpsc::Sender<Vec<u8>>,
    buffer: Vec<u8>,
    rows: u64,
    bytes: u64,
    rows_max: u64,
    bytes_max: u64,
    deadline: Instant,
    ended: Outcome,
}

impl Rows {
    pub(super) fn new(out: mpsc::Sender<Vec<u8>>, permit: &Permit, deadline: Instant) -> Self {
        let (rows_max, bytes_max) = (permit.rows_max(), permit.bytes_max());
        let ended = Outcome::Complete;
        Self { out, buffer: Vec::new(), rows: 0, bytes: 0, rows_max, bytes_max, deadline, ended }
    }

    /// Takes one row as it will be sent, its end included.
    ///
    /// # Errors
    /// When no more may be said; the row is not part of the answer then.
    pub fn row(&mut self, row: &[u8]) -> Result<(), Stop> {
        if self.rows >= self.rows_max {
            return Err(Stop::Rows { max: self.rows_max });
        }
        self.write(row)?;
        self.rows += 1;
        Ok(())
    }

    /// Whether so many bytes more may be said.
    ///
    /// # Errors
    /// When they may not.
    pub const fn fits(&self, bytes: usize) -> Result<(), Stop> {
        match self.bytes.saturating_add(bytes as u64) <= self.bytes_max {
            true => Ok(()),
            false => Err(Stop::Bytes { max: self.bytes_max }),
        }
    }

    /// Takes bytes that are no rows: heads and documents.
    ///
    /// # Errors
    /// As [`row`](Self::row).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.fits(bytes.len())?;
        self.check()?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= CHUNK_BYTES_MAX {
            let rest = self.buffer.split_off(CHUNK_BYTES_MAX);
            let full = std::mem::replace(&mut self.buffer, rest);
            self.out.blocking_send(full).map_err(|_| Stop::Gone)?;
        }
        Ok(())
    }

    /// Sends what waits: for answers whose pieces are read as they come.
    ///
    /// # Errors
    /// When the asker has gone.
    pub fn flush(&mut self) -> Result<(), Stop> {
        let waiting = std::mem::take(&mut self.buffer);
        if waiting.is_empty() {
            Ok(())
        } else {
            self.out.blocking_send(waiting).map_err(|_| Stop::Gone)
        }
    }

    /// Waits, no longer than this, for the asker to go away. Only for a thread of a runtime that
    /// may block, as [`Answers::answer`] is called on.
    ///
    /// # Errors
    /// When the asker has gone, or the time of the answer is over.
    pub fn rest(&self, within: Duration) -> Result<(), Stop> {
        let gone = async { timeout(within, self.out.closed()).await.is_ok() };
        if Handle::current().block_on(gone) { Err(Stop::Gone) } else { self.check() }
    }

    /// Whether to go on: to be asked now and then by what searches long without finding.
    ///
    /// # Errors
    /// When the time is over, or nobody waits any longer.
    pub fn check(&self) -> Result<(), Stop> {
        if self.out.is_closed() {
            Err(Stop::Gone)
        } else if Instant::now() > self.deadline {
            Err(Stop::Time)
        } else {
            Ok(())
        }
    }

    /// Counts rows of a document that was written in one piece.
    pub fn counted(&mut self, rows: u64) {
        self.rows = self.rows.saturating_add(rows);
    }

    /// Notes how a document ended that says so itself, for the record of the answer.
    pub(in crate::channel) const fn ended(&mut self, outcome: Outcome) {
        self.ended = outcome;
    }

    /// Sends what is left; rows and bytes of the whole, and how it ended if nothing stopped it.
    pub(super) fn finish(mut self) -> (u64, u64, Outcome) {
        let rest = std::mem::take(&mut self.buffer);
        if !rest.is_empty() {
            // Whoever does not wait for the end does not want it.
            drop(self.out.blocking_send(rest));
        }
        (self.rows, self.bytes, self.ended)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn rows(
        rows_max: u64,
        bytes_max: u64,
        deadline: Instant,
    ) -> (Rows, mpsc::Receiver<Vec<u8>>) {
        let (out, taken) = mpsc::channel(64);
        let (buffer, rows, bytes, ended) = (Vec::new(), 0, 0, Outcome::Complete);
        (Rows { out, buffer, rows, bytes, rows_max, bytes_max, deadline, ended }, taken)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn limits_stop_at_the_row_that_passes_them() {
        let (mut out, mut taken) = rows(2, 100, soon());
        assert_eq!(out.row(b"one\n"), Ok(()));
        assert_eq!(out.row(b"two\n"), Ok(()));
        assert_eq!(out.row(b"three\n"), Err(Stop::Rows { max: 2 }));
        assert_eq!(out.finish(), (2, 8, Outcome::Complete));
        assert_eq!(taken.blocking_recv().unwrap(), b"one\ntwo\n");
        assert_eq!(taken.blocking_recv(), None);

        let (mut out, _taken) = rows(9, 7, soon());
        assert_eq!(out.row(b"1234567"), Ok(()));
        assert_eq!(out.row(b"8"), Err(Stop::Bytes { max: 7 }));
        assert_eq!(out.finish(), (1, 7, Outcome::Complete));
    }

    #[test]
    fn time_and_an_asker_that_is_gone_stop_it() {
        let (mut out, taken) = rows(9, 99, Instant::now() - Duration::from_secs(1));
        assert_eq!(out.row(b"x"), Err(Stop::Time));
        drop(taken);
        assert_eq!(out.row(b"x"), Err(Stop::Gone));
    }

    #[test]
    fn a_long_answer_comes_in_pieces_that_the_format_allows() {
        let (mut out, mut taken) = rows(1, u64::MAX, soon());
        let long: Vec<u8> = (0..251).cycle().take(3 * CHUNK_BYTES_MAX + 5).collect();
        assert_eq!(out.row(&long), Ok(()));
        assert_eq!(out.finish(), (1, long.len() as u64, Outcome::Complete));
        let mut joined = Vec::new();
        while let Some(piece) = taken.blocking_recv() {
            assert!((1..=CHUNK_BYTES_MAX).contains(&piece.len()));
            joined.extend(piece);
        }
        assert!(joined == long);
    }
}
