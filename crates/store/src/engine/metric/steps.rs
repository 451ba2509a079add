//! The instants of a metric answer, and which samples each of them sees.
//!
//! A step at time T sees the samples of (T − offset − range, T − offset]. Where the range is a
//! whole number of steps, samples are counted into one bucket between two steps, and a window is
//! a run of buckets; else a sample is counted into every step that sees it.

use std::ops::Range;

use crate::engine::error::QueryError;
use crate::engine::limits::{Exceeded, Limit};
use crate::engine::source::TimeRange;

/// Evenly spaced instants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) struct Steps {
    pub(in crate::engine) start_ns: i64,
    /// Of no meaning for a single instant.
    pub(in crate::engine) step_ns: i64,
    /// At least one.
    pub(in crate::engine) count: u32,
}

impl Steps {
    /// One instant.
    pub(in crate::engine) fn instant(time_ns: i64) -> Self {
        Self { start_ns: time_ns, step_ns: 1, count: 1 }
    }

    /// From the start to the end, both included.
    pub(in crate::engine) fn range(
        start_ns: i64,
        end_ns: i64,
        step_ns: i64,
        allowed: u64,
    ) -> Result<Self, QueryError> {
        if end_ns < start_ns {
            return Err(QueryError::EndBeforeStart);
        }
        if step_ns <= 0 {
            return Err(QueryError::StepNotPositive);
        }
        let over = QueryError::Exceeded(Exceeded { limit: Limit::Steps, allowed });
        let span = end_ns.checked_sub(start_ns).ok_or(over.clone())?;
        let last = span.checked_div(step_ns).unwrap_or(0);
        let count = u32::try_from(last.saturating_add(1)).map_err(|_| over.clone())?;
        if u64::from(count) > allowed {
            return Err(over);
        }
        Ok(Self { start_ns, step_ns, count })
    }

    /// The instant with this number.
    pub(in crate::engine) fn at(&self, step: u32) -> i64 {
        self.start_ns.saturating_add(self.step_ns.saturating_mul(i64::from(step)))
    }
}

/// How samples are kept between a scan and the steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Window {
    steps: Steps,
    range_ns: i64,
    offset_ns: i64,
    /// Cells that make up the window of a step; 1 where samples go to every step that sees them.
    pub(super) per_step: u32,
    /// Cells of a series.
    pub(super) cells: u32,
    bucketed: bool,
}

impl Window {
    pub(super) fn new(steps: Steps, range_ns: i64, offset_ns: i64) -> Self {
        let single = steps.count == 1;
        let per_step = range_ns.checked_div(steps.step_ns).unwrap_or(0);
        let even = range_ns.checked_rem(steps.step_ns) == Some(0);
        // A window of many more steps than the answer has would need mostly unused buckets.
        let few = per_step <= i64::from(steps.count).saturating_mul(4);
        let per_step = u32::try_from(per_step).unwrap_or(u32::MAX);
        if !single && even && few && per_step >= 1 {
            let cells = steps.count.saturating_add(per_step).saturating_sub(1);
            return Self { steps, range_ns, offset_ns, per_step, cells, bucketed: true };
        }
        Self { steps, range_ns, offset_ns, per_step: 1, cells: steps.count, bucketed: false }
    }

    /// The times of all samples that any step sees.
    pub(super) fn reach(&self) -> TimeRange {
        let first = self.steps.start_ns.saturating_sub(self.range_ns);
        let last = self.steps.at(self.steps.count.saturating_sub(1));
        TimeRange {
            from_ns: first.saturating_sub(self.offset_ns).saturating_add(1),
            to_ns: last.saturating_sub(self.offset_ns).saturating_add(1),
        }
    }

    /// The cells that a sample of this time is counted into; none when no step sees it.
    pub(super) fn cells_of(&self, time_ns: i64) -> Range<u32> {
        let time = time_ns.saturating_add(self.offset_ns);
        let step = self.steps.step_ns;
        if self.bucketed {
            let base = self.steps.start_ns.saturating_sub(self.range_ns).saturating_add(1);
            let bucket = time.saturating_sub(base).checked_div_euclid(step).unwrap_or(-1);
            return match u32::try_from(bucket) {
                Ok(bucket) if bucket < self.cells => bucket..bucket.saturating_add(1),
                _ => 0..0,
            };
        }
        let since = time.saturating_sub(self.steps.start_ns);
        // The first step at or after the sample, and the last whose window still reaches back.
        let first = ceil_div(since, step).max(0);
        let reach = since.saturating_add(self.range_ns).saturating_sub(1);
        let last = reach.checked_div_euclid(step).unwrap_or(-1);
        let last = last.min(i64::from(self.cells).saturating_sub(1));
        match (u32::try_from(first), u32::try_from(last)) {
            (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1),
            _ => 0..0,
        }
    }

    /// How many steps there are.
    pub(super) fn steps(&self) -> u32 {
        self.steps.count
    }
}

fn ceil_div(value: i64, by: i64) -> i64 {
    value.saturating_neg().checked_div_euclid(by).unwrap_or(0).saturating_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_seen_by_the_steps_whose_window_holds_it() {
        let cases: [(i64, i64, i64, i64, i64); 8] = [
            (0, 100, 10, 10, 0),
            (0, 100, 10, 30, 0),
            (7, 99, 10, 25, 0),
            (0, 100, 30, 10, 0),
            (0, 100, 10, 30, 17),
            (0, 100, 10, 30, -17),
            (50, 50, 1, 40, 0),
            (-20, 40, 7, 21, 3),
        ];
        for (start, end, step, range, offset) in cases {
            let steps = Steps::range(start, end, step, 11_000).unwrap();
            let window = Window::new(steps, range, offset);
            let reach = window.reach();
            for time in -200..300 {
                let cells = window.cells_of(time);
                for k in 0..steps.count {
                    let seen = cells.clone().any(|cell| k <= cell && cell < k + window.per_step);
                    let at = steps.at(k) - offset;
                    assert_eq!(seen, at - range < time && time <= at, "{time} at step {k}");
                }
                assert!(cells.is_empty() || reach.contains(time), "{time} is outside the reach");
            }
        }
    }

    #[test]
    fn steps_are_refused_by_name() {
        assert_eq!(Steps::range(5, 4, 1, 10), Err(QueryError::EndBeforeStart));
        assert_eq!(Steps::range(4, 5, 0, 10), Err(QueryError::StepNotPositive));
        let over = QueryError::Exceeded(Exceeded { limit: Limit::Steps, allowed: 10 });
        assert_eq!(Steps::range(0, 10, 1, 10), Err(over.clone()));
        assert_eq!(Steps::range(i64::MIN, i64::MAX, 1, 10), Err(over));
        let nine = Steps::range(0, 9, 1, 10).unwrap();
        assert_eq!((nine.count, nine.at(9)), (10, 9));
    }
}
