//! Following a log query: a cursor that asks again and shows each row once.
//!
//! The cursor stands between two nanoseconds, or inside one when more rows share an instant than a
//! frame takes. Rows that arrive with a time before the cursor are not seen: whoever follows waits
//! a moment behind the present, as Loki's `delay_for` does.

use lucarne_logql::ast::LogQuery;
use lucarne_logql::labels::LabelSet;

use super::answer::Row;
use super::error::QueryError;
use super::limits::Meter;
use super::logs::{Asked, run};
use super::source::{Direction, Source, TimeRange};

/// Rows a frame may be behind before the rest of its window is dropped: a follower that cannot
/// keep up sees the present with a gap that is named, not an ever older past.
const WINDOWS_BEHIND_MAX: u32 = 10;

/// What a cursor has seen.
#[derive(Clone, Debug)]
pub struct Tail {
    query: LogQuery,
    next_ns: i64,
    /// Rows of the instant `next_ns` that were shown already.
    shown: u64,
    limit: u64,
    /// How many frames in a row were full.
    behind: u32,
}

/// What is new.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Rows, oldest first.
    pub rows: Vec<Row>,
    /// Rows that were passed over, by time and labels.
    pub dropped: Vec<(i64, LabelSet)>,
    /// Whether there is more to ask for at once.
    pub more: bool,
}

impl Tail {
    /// A cursor that begins at an instant and shows at most so many rows a frame.
    #[must_use]
    pub fn new(query: LogQuery, from_ns: i64, limit: u64) -> Self {
        Self { query, next_ns: from_ns, shown: 0, limit: limit.max(1), behind: 0 }
    }

    /// The most rows of one frame.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The first instant of which not all is shown.
    pub(crate) const fn next_ns(&self) -> i64 {
        self.next_ns
    }

    /// The rows before `until_ns` that were not shown yet.
    ///
    /// # Errors
    /// As [`Engine::query_range`](super::Engine::query_range); the cursor stays where it was.
    pub fn poll(
        &mut self,
        source: &dyn Source,
        meter: &Meter<'_>,
        until_ns: i64,
    ) -> Result<Frame, QueryError> {
        if !self.query.pipes.is_empty() {
            return Err(QueryError::PipesInTail);
        }
        let range = TimeRange { from_ns: self.next_ns, to_ns: until_ns };
        if range.is_empty() {
            return Ok(Frame::default());
        }
        let limit = self.shown.saturating_add(self.limit);
        if self.shown > 0 && limit > meter.limits().rows {
            // More rows share this instant than the role may be shown: the rest of it is dropped.
            let dropped = vec![(self.next_ns, LabelSet::new())];
            (self.next_ns, self.shown) = (self.next_ns.saturating_add(1), 0);
            return Ok(Frame { rows: Vec::new(), dropped, more: true });
        }
        let asked = Asked { range, direction: Direction::Forward, limit, now_ns: until_ns };
        let (found, stopped, _) = run(&self.query, asked, source, meter)?;
        if let Some(exceeded) = stopped {
            return Err(QueryError::Exceeded(exceeded));
        }
        let full = found.rows.len() as u64 >= limit;
        let skip = usize::try_from(self.shown).unwrap_or(usize::MAX);
        let rows: Vec<Row> = found.rows.into_iter().skip(skip).collect();
        let mut frame = Frame { rows, dropped: Vec::new(), more: full };
        self.advance(&mut frame, until_ns);
        Ok(frame)
    }

    fn advance(&mut self, frame: &mut Frame, until_ns: i64) {
        self.behind = if frame.more { self.behind.saturating_add(1) } else { 0 };
        let Some(last) = frame.rows.last().filter(|_| frame.more) else {
            (self.next_ns, self.shown) = (until_ns, 0);
            return;
        };
        if self.behind >= WINDOWS_BEHIND_MAX {
            frame.dropped.push((last.time_ns, last.labels()));
            frame.more = false;
            (self.next_ns, self.shown, self.behind) = (until_ns, 0, 0);
            return;
        }
        let at_last = frame.rows.iter().filter(|row| row.time_ns == last.time_ns).count() as u64;
        // The instant may have begun in the frame before.
        let before = if last.time_ns == self.next_ns { self.shown } else { 0 };
        (self.next_ns, self.shown) = (last.time_ns, before.saturating_add(at_last));
    }
}
