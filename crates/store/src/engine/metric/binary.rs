//! Binary operators between series: which meet, what comes out, and under which labels.
//!
//! As in Prometheus: without `on` or `ignoring` series meet that have equal labels; the side that
//! must be unique is checked also where nothing meets it, so that a query fails by its data and
//! not by luck.

use std::collections::{HashMap, HashSet};

use lucarne_logql::ast::{BinaryOp, Group, GroupSide, VectorMatching};
use lucarne_logql::labels::LabelSet;

use super::arithmetic::{compute, holds};
use super::series::{Interner, LabelId, Mapped, Sample};
use crate::engine::error::QueryError;

/// A binary operator with what it has computed about labels.
#[derive(Debug)]
pub(super) struct Operator {
    op: BinaryOp,
    return_bool: bool,
    matching: Option<VectorMatching>,
    signatures: Mapped,
    results: HashMap<(LabelId, LabelId), LabelId>,
}

impl Operator {
    pub(super) fn new(op: BinaryOp, return_bool: bool, matching: Option<VectorMatching>) -> Self {
        let (signatures, results) = (Mapped::default(), HashMap::new());
        Self { op, return_bool, matching, signatures, results }
    }

    /// Two numbers; comparisons yield 0 or 1.
    pub(super) fn scalars(&self, left: f64, right: f64) -> Result<f64, QueryError> {
        if self.op.is_set() {
            return Err(QueryError::SetWithScalar);
        }
        Ok(compute(self.op, left, right))
    }

    /// A number against every sample. A comparison that drops keeps the value of the sample,
    /// whichever side it is on.
    pub(super) fn with_scalar(
        &self,
        samples: Vec<Sample>,
        scalar: f64,
        scalar_is_left: bool,
    ) -> Result<Vec<Sample>, QueryError> {
        if self.op.is_set() {
            return Err(QueryError::SetWithScalar);
        }
        let apply = |sample: Sample| {
            let (left, right) =
                if scalar_is_left { (scalar, sample.value) } else { (sample.value, scalar) };
            let value = self.pair(left, right, sample.value)?;
            Some(Sample { value, ..sample })
        };
        Ok(samples.into_iter().filter_map(apply).collect())
    }

    /// Series against series.
    pub(super) fn vectors(
        &mut self,
        left: &[Sample],
        right: &[Sample],
        interner: &mut Interner,
    ) -> Result<Vec<Sample>, QueryError> {
        match self.op {
            BinaryOp::And => Ok(self.members(left, right, interner, true)),
            BinaryOp::Unless => Ok(self.members(left, right, interner, false)),
            BinaryOp::Or => {
                let mut all = left.to_vec();
                all.extend(self.members(right, left, interner, false));
                Ok(all)
            }
            BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::Mod
            | BinaryOp::Pow
            | BinaryOp::Eq
            | BinaryOp::Ne
            | BinaryOp::Gt
            | BinaryOp::Ge
            | BinaryOp::Lt
            | BinaryOp::Le => self.joined(left, right, interner),
        }
    }

    /// The value of two numbers that meet, or none where a comparison drops them.
    fn pair(&self, left: f64, right: f64, kept: f64) -> Option<f64> {
        if self.op.is_comparison() && !self.return_bool {
            return holds(self.op, left, right).then_some(kept);
        }
        Some(compute(self.op, left, right))
    }

    fn signature(&mut self, sample: &Sample, interner: &mut Interner) -> LabelId {
        let matching = self.matching.as_ref();
        let Some(matching) = matching else { return sample.labels };
        self.signatures.of(sample.labels, interner, |set| {
            let mut left = set.clone();
            left.retain(|name| is_named(&matching.labels, name) != matching.ignoring);
            left
        })
    }

    /// The samples that do, or do not, have a partner.
    fn members(
        &mut self,
        of: &[Sample],
        others: &[Sample],
        interner: &mut Interner,
        with_partner: bool,
    ) -> Vec<Sample> {
        let partners: HashSet<LabelId> =
            others.iter().map(|sample| self.signature(sample, interner)).collect();
        let keeps =
            |sample: &&Sample| partners.contains(&self.signature(sample, interner)) == with_partner;
        of.iter().filter(keeps).copied().collect()
    }

    fn joined(
        &mut self,
        left: &[Sample],
        right: &[Sample],
        interner: &mut Interner,
    ) -> Result<Vec<Sample>, QueryError> {
        let group = self.matching.as_ref().and_then(|matching| matching.group.clone());
        let many_is_right = group.as_ref().is_some_and(|group| group.side == GroupSide::Right);
        let (many, one) = if many_is_right { (right, left) } else { (left, right) };
        let side = if many_is_right { "left" } else { "right" };
        let by_signature = self.unique(one, side, interner)?;
        let mut met = HashSet::new();
        let mut out = Vec::new();
        for sample in many {
            let signature = self.signature(sample, interner);
            let Some(partner) = by_signature.get(&signature) else { continue };
            let (a, b) = if many_is_right { (partner, sample) } else { (sample, partner) };
            let Some(value) = self.pair(a.value, b.value, a.value) else { continue };
            let labels = self.result(sample.labels, partner.labels, group.as_ref(), interner);
            if group.is_none() && !met.insert(signature) {
                let group = interner.set(signature).clone();
                return Err(QueryError::ManyToOne { group });
            }
            if group.is_some() && !met.insert(labels) {
                return Err(QueryError::SameLabels { series: interner.set(labels).clone() });
            }
            out.push(Sample { labels, value });
        }
        Ok(out)
    }

    /// The samples of the side of which each group has one.
    fn unique(
        &mut self,
        one: &[Sample],
        side: &'static str,
        interner: &mut Interner,
    ) -> Result<HashMap<LabelId, Sample>, QueryError> {
        let mut by_signature = HashMap::with_capacity(one.len());
        for sample in one {
            let signature = self.signature(sample, interner);
            if by_signature.insert(signature, *sample).is_some() {
                return Err(QueryError::DuplicateSeries {
                    side,
                    series: interner.set(sample.labels).clone(),
                    group: interner.set(signature).clone(),
                });
            }
        }
        Ok(by_signature)
    }

    fn result(
        &mut self,
        many: LabelId,
        one: LabelId,
        group: Option<&Group>,
        interner: &mut Interner,
    ) -> LabelId {
        if let Some(id) = self.results.get(&(many, one)) {
            return *id;
        }
        let set = match (group, self.matching.as_ref()) {
            (Some(group), _) => included(interner.set(many), interner.set(one), group),
            (None, Some(matching)) => {
                let mut set = interner.set(many).clone();
                set.retain(|name| is_named(&matching.labels, name) != matching.ignoring);
                set
            }
            (None, None) => interner.set(many).clone(),
        };
        let id = interner.id(set);
        self.results.insert((many, one), id);
        id
    }
}

/// The labels of the many side with those that are taken over from the other.
fn included(many: &LabelSet, one: &LabelSet, group: &Group) -> LabelSet {
    let mut set = many.clone();
    for name in &group.include {
        match one.get(name) {
            Some(value) => set.set(name, value),
            None => set.remove(name),
        }
    }
    set
}

fn is_named(names: &[String], name: &str) -> bool {
    names.iter().any(|label| label == name)
}
