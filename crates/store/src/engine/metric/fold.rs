//! What a window computes out of its samples: one fold for each family of range aggregations.
//!
//! A fold adds samples to cells and merges neighbouring cells, earlier first; so one pass over the
//! entries serves every step. Only the earliest, the latest and counters need samples in order of
//! time, and say so.

use std::cmp::Ordering;

use lucarne_logql::ast::RangeOp;

/// A way to compute a number from samples.
pub(super) trait Fold {
    /// What is kept of the samples of one cell; the default is "none".
    type Cell: Clone + Default;

    /// Adds a sample, and says how many bytes beyond the cell that took.
    fn add(&self, cell: &mut Self::Cell, time_ns: i64, value: f64) -> usize;

    /// Adds the samples of a later cell.
    fn merge(&self, earlier: &mut Self::Cell, later: &Self::Cell);

    /// The number, or none without samples.
    fn finish(&self, cell: &Self::Cell) -> Option<f64>;
}

/// Whether a fold needs its samples in order of time.
pub(super) fn needs_order(op: RangeOp) -> bool {
    matches!(op, RangeOp::First | RangeOp::Last | RangeOp::RateCounter)
}

/// The sum of values, all at once or a second; a count is a sum of ones.
pub(super) struct Total {
    /// Seconds to divide by.
    pub(super) seconds: Option<f64>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    count: u64,
    sum: f64,
}

impl Fold for Total {
    type Cell = Sum;

    fn add(&self, cell: &mut Sum, _: i64, value: f64) -> usize {
        cell.count = cell.count.saturating_add(1);
        cell.sum += value;
        0
    }

    fn merge(&self, earlier: &mut Sum, later: &Sum) {
        earlier.count = earlier.count.saturating_add(later.count);
        earlier.sum += later.sum;
    }

    fn finish(&self, cell: &Sum) -> Option<f64> {
        (cell.count > 0).then(|| self.seconds.map_or(cell.sum, |seconds| cell.sum / seconds))
    }
}

/// The mean.
pub(super) struct Mean;

impl Fold for Mean {
    type Cell = Sum;

    fn add(&self, cell: &mut Sum, time_ns: i64, value: f64) -> usize {
        Total { seconds: None }.add(cell, time_ns, value)
    }

    fn merge(&self, earlier: &mut Sum, later: &Sum) {
        Total { seconds: None }.merge(earlier, later);
    }

    fn finish(&self, cell: &Sum) -> Option<f64> {
        (cell.count > 0).then(|| cell.sum / count_f64(cell.count))
    }
}

/// The least or the greatest; what is no number loses against every number.
pub(super) struct Extreme {
    pub(super) greatest: bool,
}

impl Fold for Extreme {
    type Cell = Option<f64>;

    fn add(&self, cell: &mut Option<f64>, _: i64, value: f64) -> usize {
        let better = match *cell {
            None => true,
            Some(have) if have.is_nan() => true,
            Some(have) if self.greatest => value > have,
            Some(have) => value < have,
        };
        if better {
            *cell = Some(value);
        }
        0
    }

    fn merge(&self, earlier: &mut Option<f64>, later: &Option<f64>) {
        if let Some(value) = *later {
            self.add(earlier, 0, value);
        }
    }

    fn finish(&self, cell: &Option<f64>) -> Option<f64> {
        *cell
    }
}

/// The population variance or its root, by Welford's recurrence; cells merge by Chan's.
pub(super) struct Variance {
    pub(super) root: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let delta = value - self.mean;
        self.mean += delta / count_f64(self.count);
        self.squares += delta * (value - self.mean);
    }

    pub(super) fn variance(&self) -> f64 {
        self.squares / count_f64(self.count)
    }
}

impl Fold for Variance {
    type Cell = Moments;

    fn add(&self, cell: &mut Moments, _: i64, value: f64) -> usize {
        cell.add(value);
        0
    }

    fn merge(&self, earlier: &mut Moments, later: &Moments) {
        if earlier.count == 0 {
            *earlier = *later;
            return;
        }
        if later.count == 0 {
            return;
        }
        let (a, b) = (count_f64(earlier.count), count_f64(later.count));
        let delta = later.mean - earlier.mean;
        earlier.count = earlier.count.saturating_add(later.count);
        earlier.mean += delta * b / (a + b);
        earlier.squares += later.squares + delta * delta * a * b / (a + b);
    }

    fn finish(&self, cell: &Moments) -> Option<f64> {
        let root = |variance: f64| if self.root { variance.sqrt() } else { variance };
        (cell.count > 0).then(|| root(cell.variance()))
    }
}

/// The value of the earliest or the latest sample; of several at one instant, the first or last.
pub(super) struct Edge {
    pub(super) latest: bool,
}

impl Fold for Edge {
    type Cell = Option<f64>;

    fn add(&self, cell: &mut Option<f64>, _: i64, value: f64) -> usize {
        if self.latest || cell.is_none() {
            *cell = Some(value);
        }
        0
    }

    fn merge(&self, earlier: &mut Option<f64>, later: &Option<f64>) {
        if self.latest || earlier.is_none() {
            *earlier = later.or(*earlier);
        }
    }

    fn finish(&self, cell: &Option<f64>) -> Option<f64> {
        *cell
    }
}

/// The quantile, interpolated between neighbours as Prometheus does.
pub(super) struct Quantile {
    pub(super) q: f64,
}

impl Fold for Quantile {
    type Cell = Vec<f64>;

    fn add(&self, cell: &mut Vec<f64>, _: i64, value: f64) -> usize {
        let before = cell.capacity();
        cell.push(value);
        cell.capacity().saturating_sub(before).saturating_mul(size_of::<f64>())
    }

    fn merge(&self, earlier: &mut Vec<f64>, later: &Vec<f64>) {
        earlier.extend_from_slice(later);
    }

    fn finish(&self, cell: &Vec<f64>) -> Option<f64> {
        (!cell.is_empty()).then(|| quantile(self.q, &mut cell.clone()))
    }
}

/// The quantile of at least one value: −Inf below 0 and +Inf above 1.
fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // What is no number sorts first.
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.total_cmp(b),
    });
    let last = values.len().saturating_sub(1);
    let rank = q * count_f64(last as u64);
    let weight = rank - rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between zero and the number of values"
    )]
    let lower = rank.floor() as usize;
    let at = |index: usize| values.get(index.min(last)).copied().unwrap_or(f64::NAN);
    at(lower) * (1.0 - weight) + at(lower.saturating_add(1)) * weight
}

/// The increase of a counter a second. A value below the one before it is a reset to zero.
pub(super) struct Counter {
    /// Length of the window.
    pub(super) seconds: f64,
}

#[derive(Clone, Copy)]
pub(super) struct Climb {
    first_ns: i64,
    last_ns: i64,
    first: f64,
    last: f64,
    increase: f64,
    samples: u64,
}

impl Fold for Counter {
    type Cell = Option<Climb>;

    fn add(&self, cell: &mut Option<Climb>, time_ns: i64, value: f64) -> usize {
        let sample = Climb {
            first_ns: time_ns,
            last_ns: time_ns,
            first: value,
            last: value,
            increase: 0.0,
            samples: 1,
        };
        self.merge(cell, &Some(sample));
        0
    }

    fn merge(&self, earlier: &mut Option<Climb>, later: &Option<Climb>) {
        let Some(later) = later else { return };
        let Some(climb) = earlier else {
            *earlier = Some(*later);
            return;
        };
        let between = if later.first < climb.last { later.first } else { later.first - climb.last };
        climb.increase += between + later.increase;
        climb.last = later.last;
        climb.last_ns = later.last_ns;
        climb.samples = climb.samples.saturating_add(later.samples);
    }

    fn finish(&self, cell: &Option<Climb>) -> Option<f64> {
        let climb = cell.as_ref()?;
        if climb.samples < 2 {
            return Some(0.0);
        }
        Some(climb.increase * (1.0 + self.stretch(climb)) / self.seconds)
    }
}

impl Counter {
    /// Loki stretches the increase towards the start of the window by as many microseconds as the
    /// window has seconds: a few millionths, kept so that the last digits agree.
    fn stretch(&self, climb: &Climb) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a factor, not a time")]
        let sampled = climb.last_ns.saturating_sub(climb.first_ns) as f64 / 1000.0;
        if sampled <= 0.0 {
            return 0.0;
        }
        let to_zero = if climb.increase > 0.0 && climb.first >= 0.0 {
            sampled * (climb.first / climb.increase)
        } else {
            self.seconds
        };
        let gap = sampled / count_f64(climb.samples.saturating_sub(1));
        let to_start = self.seconds.min(to_zero);
        (if to_start < gap * 1.1 { to_start } else { gap / 2.0 }) / sampled
    }
}

/// A count as a number; beyond 2⁵³ the last digits go.
#[expect(clippy::cast_precision_loss, reason = "counts of samples stay far below 2⁵³")]
pub(super) fn count_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Fold>(fold: &F, samples: &[f64], cut: usize) -> Option<f64> {
        let (mut early, mut late) = (F::Cell::default(), F::Cell::default());
        for (at, value) in samples.iter().enumerate() {
            let cell = if at < cut { &mut early } else { &mut late };
            fold.add(cell, i64::try_from(at).unwrap() * 1_000_000_000, *value);
        }
        fold.merge(&mut early, &late);
        fold.finish(&early)
    }

    /// However the samples are cut into cells, the number is the same.
    #[track_caller]
    fn check<F: Fold>(fold: &F, samples: &[f64], expected: Option<f64>) {
        for cut in 0..=samples.len() {
            let got = run(fold, samples, cut);
            let same = match (got, expected) {
                (Some(a), Some(b)) => (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() < 1e-12,
                (None, None) => true,
                _ => false,
            };
            assert!(same, "cut at {cut}: {got:?}, expected {expected:?}");
        }
    }

    #[test]
    fn totals_means_and_extremes() {
        check(&Total { seconds: None }, &[1.0, 2.0, 4.0], Some(7.0));
        check(&Total { seconds: Some(2.0) }, &[1.0, 2.0, 4.0], Some(3.5));
        check(&Total { seconds: None }, &[], None);
        check(&Mean, &[1.0, 2.0, 6.0], Some(3.0));
        check(&Extreme { greatest: true }, &[1.0, f64::NAN, 6.0, 2.0], Some(6.0));
        check(&Extreme { greatest: false }, &[f64::NAN, 3.0, 6.0], Some(3.0));
        check(&Extreme { greatest: false }, &[f64::NAN], Some(f64::NAN));
    }

    #[test]
    fn spread_edges_and_quantiles() {
        let samples = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        check(&Variance { root: false }, &samples, Some(4.0));
        check(&Variance { root: true }, &samples, Some(2.0));
        check(&Variance { root: true }, &[], None);
        check(&Edge { latest: false }, &samples, Some(2.0));
        check(&Edge { latest: true }, &samples, Some(9.0));
        for (q, expected) in [
            (0.5, 4.5),
            (0.0, 2.0),
            (1.0, 9.0),
            (0.9, 7.6),
            (-0.1, f64::NEG_INFINITY),
            (1.1, f64::INFINITY),
        ] {
            check(&Quantile { q }, &samples, Some(expected));
        }
        check(&Quantile { q: f64::NAN }, &samples, Some(f64::NAN));
    }

    #[test]
    fn counters_climb_over_resets() {
        let counter = Counter { seconds: 30.0 };
        check(&counter, &[], None);
        check(&counter, &[7.0], Some(0.0));
        // 0→10, reset, 4 more: no stretch, since the counter began at zero.
        check(&counter, &[0.0, 10.0, 4.0], Some(14.0 / 30.0));
        // From 1 to 15 in 14 samples a second apart: the figure that Loki gives.
        let ones: Vec<f64> = (1..=15).map(f64::from).collect();
        check(&counter, &ones, Some(0.466_667_666_666_666_65));
    }
}
