//! Aggregations over the series of one instant, and the order of an instant answer.

use std::cmp::Ordering;
use std::collections::HashMap;

use lucarne_logql::ast::{Grouping, VectorOp};
use lucarne_logql::labels::LabelSet;

use super::fold::{Extreme, Fold, Moments, count_f64};
use super::series::{Interner, LabelId, Mapped, Sample, grouped};

/// An aggregation with the groups that it has seen.
#[derive(Debug)]
pub(super) struct Aggregate {
    op: VectorOp,
    k: usize,
    grouping: Option<Grouping>,
    groups: Mapped,
}

impl Aggregate {
    pub(super) fn new(op: VectorOp, param: Option<u64>, grouping: Option<Grouping>) -> Self {
        let k = usize::try_from(param.unwrap_or(0)).unwrap_or(usize::MAX);
        Self { op, k, grouping, groups: Mapped::default() }
    }

    /// The aggregated samples, groups in the order in which they are first seen.
    pub(super) fn step(&mut self, samples: &[Sample], interner: &mut Interner) -> Vec<Sample> {
        let mut order: Vec<LabelId> = Vec::new();
        let mut members: HashMap<LabelId, Vec<Sample>> = HashMap::new();
        for sample in samples {
            let grouping = self.grouping.as_ref();
            let group = self.groups.of(sample.labels, interner, |set| {
                grouping.map_or_else(LabelSet::new, |grouping| grouped(set, grouping))
            });
            members
                .entry(group)
                .or_insert_with(|| {
                    order.push(group);
                    Vec::new()
                })
                .push(*sample);
        }
        let mut out = Vec::with_capacity(order.len());
        for group in order {
            let Some(members) = members.remove(&group) else { continue };
            match self.op {
                VectorOp::Topk | VectorOp::ApproxTopk => {
                    out.extend(self.best(members, true, interner));
                }
                VectorOp::Bottomk => out.extend(self.best(members, false, interner)),
                VectorOp::Sum
                | VectorOp::Avg
                | VectorOp::Count
                | VectorOp::Min
                | VectorOp::Max
                | VectorOp::Stddev
                | VectorOp::Stdvar => {
                    out.push(Sample { labels: group, value: reduce(self.op, &members) });
                }
            }
        }
        out
    }

    /// The k greatest or least, best first.
    fn best(&self, mut members: Vec<Sample>, descending: bool, interner: &Interner) -> Vec<Sample> {
        sort(&mut members, descending, interner);
        members.truncate(self.k);
        members
    }
}

/// One number out of the values of a group.
fn reduce(op: VectorOp, members: &[Sample]) -> f64 {
    let values = || members.iter().map(|sample| sample.value);
    let count = count_f64(members.len() as u64);
    let moments = || {
        let mut moments = Moments::default();
        values().for_each(|value| moments.add(value));
        moments.variance()
    };
    let extreme = |greatest| {
        let (fold, mut cell) = (Extreme { greatest }, None);
        for value in values() {
            fold.add(&mut cell, 0, value);
        }
        cell.unwrap_or(f64::NAN)
    };
    match op {
        VectorOp::Sum => values().fold(0.0, |sum, value| sum + value),
        VectorOp::Avg => values().fold(0.0, |sum, value| sum + value) / count,
        VectorOp::Min => extreme(false),
        VectorOp::Max => extreme(true),
        VectorOp::Stdvar => moments(),
        VectorOp::Stddev => moments().sqrt(),
        VectorOp::Count | VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk => count,
    }
}

/// Sorts by value, equals by labels, so that the best of equals are the same however the series
/// came; what is no number comes last either way.
pub(super) fn sort(samples: &mut [Sample], descending: bool, interner: &Interner) {
    samples.sort_by(|one, other| {
        let by_labels = || interner.set(one.labels).cmp(interner.set(other.labels));
        let (one, other) = (one.value, other.value);
        let by_value = match (one.is_nan(), other.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            }
        };
        by_value.then_with(by_labels)
    });
}
