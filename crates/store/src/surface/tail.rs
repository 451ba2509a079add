//! Loki's `tail` without the WebSocket that carries it: a question that is polled.
//!
//! A follower stays some seconds behind the present, because records come later than they say; what
//! comes later still is not shown. The first poll begins at `start`, an hour ago by default.

use lucarne_logql::ast::Query;

use super::error::Refusal;
use super::loki::ROWS_DEFAULT;
use super::parameters::{Parameters, QUERY_SINCE_NS};
use super::{Asker, Request, Response, labels_of};
use crate::engine::Engine;
use crate::engine::answer::json::{self, Labels};
use crate::engine::error::QueryError;
use crate::engine::source::Source;
use crate::engine::tail::Tail;

/// Loki's bound for `delay_for`, in seconds.
const DELAY_S_MAX: u64 = 5;
/// Whoever names no delay: SDKs hand records over every second.
const DELAY_NS_MIN: i64 = 2_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// A follower.
#[derive(Clone, Debug)]
pub struct Tailing {
    tail: Tail,
    labels: Labels,
    delay_ns: i64,
    next_ns: i64,
}

/// What is new for a follower.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Polled {
    /// The text of a message, if there is anything to say.
    pub message: Option<String>,
    /// Whether to poll again at once.
    pub more: bool,
    /// Rows in the message.
    pub rows: u64,
}

impl Tailing {
    /// Begins to follow what a request for `tail` asks about.
    ///
    /// # Errors
    /// The answer to a request that is none.
    pub fn open(request: &Request<'_>, asker: &Asker<'_>) -> Result<Self, Response> {
        Self::read(request, asker).map_err(|refusal| refusal.response())
    }

    fn read(request: &Request<'_>, asker: &Asker<'_>) -> Result<Self, Refusal> {
        let parameters = Parameters::of(request)?;
        let parsed = lucarne_logql::parse(parameters.needed("query")?, asker.mode)?;
        let Query::Log(query) = parsed.query else {
            return Err(Refusal::Kind { expected: "one for log lines" });
        };
        if !query.pipes.is_empty() {
            return Err(QueryError::PipesInTail.into());
        }
        let expected = "0 to 5 seconds";
        let delay_s = match parameters.get("delay_for") {
            None => 0,
            Some(text) => text
                .parse()
                .ok()
                .filter(|&seconds| seconds <= DELAY_S_MAX)
                .ok_or(Refusal::Parameter { name: "delay_for", expected })?,
        };
        let allowed = asker.limits.rows;
        let limit = parameters.count("limit", ROWS_DEFAULT.min(allowed))?;
        if limit > allowed {
            return Err(Refusal::TooManyRows { asked: limit, allowed });
        }
        let start = parameters.instant("start")?;
        let start_ns = start.unwrap_or_else(|| asker.now_ns.saturating_sub(QUERY_SINCE_NS));
        let delay_ns = i64::try_from(delay_s).unwrap_or(0).saturating_mul(SECOND_NS);
        Ok(Self {
            tail: Tail::new(query, start_ns, limit),
            labels: labels_of(request),
            delay_ns: delay_ns.max(DELAY_NS_MIN),
            next_ns: start_ns,
        })
    }

    /// What is new at the asker's present.
    ///
    /// # Errors
    /// When the query cannot be followed any longer: a limit of the role, or a store that fails.
    pub fn poll(&mut self, source: &dyn Source, asker: &Asker<'_>) -> Result<Polled, QueryError> {
        let over = || (asker.elapsed)().as_millis() >= u128::from(asker.limits.time_ms);
        let engine = Engine::new(source, asker.limits, asker.cancel, &over, asker.now_ns);
        let until_ns = asker.now_ns.saturating_sub(self.delay_ns).max(self.next_ns);
        let frame = self.tail.poll(source, &engine.meter(), until_ns)?;
        self.next_ns = if frame.more { self.tail.next_ns() } else { until_ns };
        let something = !frame.rows.is_empty() || !frame.dropped.is_empty();
        let message = something.then(|| json::tail(&frame, self.labels));
        Ok(Polled { message, more: frame.more, rows: frame.rows.len() as u64 })
    }

    /// The most rows of one poll.
    pub fn rows_a_frame(&self) -> u64 {
        self.tail.limit()
    }

    /// Where somebody else may go on: a time in nanoseconds, for `start`. After a poll that has
    /// said that there is more, rows of that very instant may come twice rather than not at all.
    #[must_use]
    pub const fn next_ns(&self) -> i64 {
        self.next_ns
    }
}
