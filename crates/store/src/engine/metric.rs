//! Metric queries: numbers at every step.
//!
//! First every range aggregation is computed over the whole range, one scan each and equal ones
//! once; then the operators above run step by step over samples of interned label sets. A sum
//! right above counts, rates and sums groups them while they are scanned.

mod aggregate;
mod arithmetic;
mod binary;
mod fold;
mod range;
mod replace;
pub(super) mod series;
pub(super) mod steps;
mod table;

use std::rc::Rc;

use lucarne_logql::ast::{
    Binary, Grouping, Metric, RangeAggregation, RangeOp, VectorAggregation, VectorOp, WHOLE_RANGE,
};
use lucarne_logql::labels::LabelSet;

use self::aggregate::Aggregate;
use self::binary::Operator;
use self::range::{Ranged, Reading};
use self::replace::Replace;
use self::series::{Interner, Sample};
use self::steps::{Steps, Window};
use super::error::QueryError;
use super::limits::Meter;
use super::source::{ScanStats, Source};

/// What an expression is at one step.
pub(super) enum Value {
    /// A number without labels.
    Scalar(f64),
    /// Samples with labels, none twice.
    Vector(Vec<Sample>),
}

/// An expression whose scans are done.
pub(super) struct Plan {
    root: Node,
    pub(super) interner: Interner,
    pub(super) stats: ScanStats,
}

/// The instants of an answer, and what `[$range]` stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub(super) steps: Steps,
    /// The whole range of the query, where it has one.
    pub(super) range_ns: Option<i64>,
    /// An answer for one instant.
    pub(super) instant: bool,
}

enum Node {
    Range { series: Rc<Ranged>, next: Vec<usize> },
    Aggregate(Aggregate, Box<Self>),
    Sort { descending: bool, of: Box<Self> },
    Replace(Box<Replace>, Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    Vector(f64),
    Number(f64),
}

impl Plan {
    /// Runs all scans.
    pub(super) fn scan(
        metric: &Metric,
        when: When,
        source: &dyn Source,
        meter: &Meter<'_>,
        now_ns: i64,
    ) -> Result<Self, QueryError> {
        let (mut interner, mut stats) = (Interner::default(), ScanStats::default());
        let reading = Reading { source, meter, now_ns, stats: &mut stats, interner: &mut interner };
        let mut planning = Planning { when, reading, done: Vec::new() };
        let root = planning.node(metric)?;
        Ok(Self { root, interner, stats })
    }

    /// The value at a step; steps are asked for in order, each once.
    pub(super) fn step(&mut self, step: u32) -> Result<Value, QueryError> {
        let value = self.root.step(step, &mut self.interner)?;
        if let Value::Vector(samples) = &value {
            self.check_unique(samples)?;
        }
        Ok(value)
    }

    fn check_unique(&self, samples: &[Sample]) -> Result<(), QueryError> {
        let mut ids: Vec<_> = samples.iter().map(|sample| sample.labels).collect();
        ids.sort_unstable();
        let twice = ids.iter().zip(ids.iter().skip(1)).find(|(one, next)| one == next);
        match twice {
            Some((id, _)) => Err(QueryError::SameLabels { series: self.interner.set(*id).clone() }),
            None => Ok(()),
        }
    }
}

/// Whether an answer for one instant is ordered by value instead of labels.
pub(super) fn is_ordered(metric: &Metric) -> bool {
    match metric {
        Metric::Sort(_) => true,
        Metric::Vector(vector) => vector.op.takes_param(),
        Metric::Range(_)
        | Metric::Binary(_)
        | Metric::LabelReplace(_)
        | Metric::VectorLiteral(_)
        | Metric::Number(_) => false,
    }
}

/// Whether a window spans the whole range of the query: such an answer has one instant.
pub(super) fn spans_range(metric: &Metric) -> bool {
    match metric {
        Metric::Range(range) => range.range_ns == WHOLE_RANGE,
        Metric::Vector(vector) => spans_range(&vector.of),
        Metric::Binary(binary) => spans_range(&binary.left) || spans_range(&binary.right),
        Metric::LabelReplace(replace) => spans_range(&replace.of),
        Metric::Sort(sort) => spans_range(&sort.of),
        Metric::VectorLiteral(_) | Metric::Number(_) => false,
    }
}

struct Planning<'a> {
    when: When,
    reading: Reading<'a>,
    /// What was scanned already: `a / a` reads once.
    done: Vec<(RangeAggregation, Option<Grouping>, Rc<Ranged>)>,
}

impl Planning<'_> {
    /// The depth of the recursion is bounded by the parser's nesting limit.
    fn node(&mut self, metric: &Metric) -> Result<Node, QueryError> {
        Ok(match metric {
            Metric::Range(range) => self.range(range, None)?,
            Metric::Vector(vector) => self.vector(vector)?,
            Metric::Binary(binary) => self.binary(binary)?,
            Metric::LabelReplace(replace) => {
                let compiled = Box::new(Replace::compile(replace)?);
                Node::Replace(compiled, Box::new(self.node(&replace.of)?))
            }
            Metric::Sort(sort) => {
                Node::Sort { descending: sort.descending, of: Box::new(self.node(&sort.of)?) }
            }
            Metric::VectorLiteral(value) => Node::Vector(*value),
            Metric::Number(value) => Node::Number(*value),
        })
    }

    fn vector(&mut self, vector: &VectorAggregation) -> Result<Node, QueryError> {
        if vector.op == VectorOp::ApproxTopk && !self.when.instant {
            return Err(QueryError::ApproxTopkOverRange);
        }
        let of = match (vector.op, vector.of.as_ref()) {
            (VectorOp::Sum, Metric::Range(range)) if adds_up(range, vector.grouping.as_ref()) => {
                let all = Grouping { without: false, labels: Vec::new() };
                self.range(range, Some(vector.grouping.clone().unwrap_or(all)))?
            }
            (_, of) => self.node(of)?,
        };
        let aggregate = Aggregate::new(vector.op, vector.param, vector.grouping.clone());
        Ok(Node::Aggregate(aggregate, Box::new(of)))
    }

    fn binary(&mut self, binary: &Binary) -> Result<Node, QueryError> {
        let operator = Operator::new(binary.op, binary.return_bool, binary.matching.clone());
        let left = Box::new(self.node(&binary.left)?);
        Ok(Node::Binary(operator, left, Box::new(self.node(&binary.right)?)))
    }

    fn range(
        &mut self,
        of: &RangeAggregation,
        group: Option<Grouping>,
    ) -> Result<Node, QueryError> {
        let series = match self.done.iter().find(|(o, g, _)| o == of && *g == group) {
            Some((_, _, ranged)) => Rc::clone(ranged),
            None => self.scan(of, group)?,
        };
        Ok(Node::Range { next: vec![0; series.len()], series })
    }

    fn scan(
        &mut self,
        of: &RangeAggregation,
        group: Option<Grouping>,
    ) -> Result<Rc<Ranged>, QueryError> {
        let whole = of.range_ns == WHOLE_RANGE;
        let range_ns = if whole {
            self.when.range_ns.ok_or(QueryError::WholeRangeAtInstant)?
        } else {
            of.range_ns
        };
        // A range of lines holds its start and not its end, a window the other way round: one
        // nanosecond earlier it holds what the range holds.
        let offset_ns = if whole { of.offset_ns.saturating_add(1) } else { of.offset_ns };
        let window = Window::new(self.when.steps, range_ns, offset_ns);
        #[expect(clippy::cast_precision_loss, reason = "windows are far shorter than 2⁵³ ns")]
        let seconds = range_ns as f64 / 1e9;
        let ranged = range::evaluate(of, group.as_ref(), window, seconds, &mut self.reading)?;
        let ranged = Rc::new(ranged);
        self.done.push((of.clone(), group, Rc::clone(&ranged)));
        Ok(ranged)
    }
}

/// Whether the sum over series can be taken while they are scanned.
fn adds_up(range: &RangeAggregation, grouping: Option<&Grouping>) -> bool {
    let op = matches!(
        range.op,
        RangeOp::Rate | RangeOp::Count | RangeOp::BytesRate | RangeOp::Bytes | RangeOp::Sum
    );
    // The label of the value names no series; grouping by it must not find it again.
    let by_value = range.unwrap.as_ref().is_some_and(|unwrap| {
        grouping.is_some_and(|by| !by.without && by.labels.contains(&unwrap.label))
    });
    op && range.grouping.is_none() && !by_value
}

impl Node {
    fn step(&mut self, step: u32, interner: &mut Interner) -> Result<Value, QueryError> {
        Ok(match self {
            Self::Number(value) => Value::Scalar(*value),
            Self::Vector(value) => {
                let labels = interner.id(LabelSet::new());
                Value::Vector(vec![Sample { labels, value: *value }])
            }
            Self::Range { series, next } => Value::Vector(at_step(series, next, step)),
            Self::Aggregate(aggregate, of) => {
                let samples = of.samples(step, interner)?;
                Value::Vector(aggregate.step(&samples, interner))
            }
            Self::Sort { descending, of } => {
                let mut samples = of.samples(step, interner)?;
                aggregate::sort(&mut samples, *descending, interner);
                Value::Vector(samples)
            }
            Self::Replace(replace, of) => {
                let samples = of.samples(step, interner)?;
                Value::Vector(replace.step(samples, interner))
            }
            Self::Binary(operator, left, right) => {
                let left = left.step(step, interner)?;
                let right = right.step(step, interner)?;
                match (left, right) {
                    (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(operator.scalars(a, b)?),
                    (Value::Vector(a), Value::Scalar(b)) => {
                        Value::Vector(operator.with_scalar(a, b, false)?)
                    }
                    (Value::Scalar(a), Value::Vector(b)) => {
                        Value::Vector(operator.with_scalar(b, a, true)?)
                    }
                    (Value::Vector(a), Value::Vector(b)) => {
                        Value::Vector(operator.vectors(&a, &b, interner)?)
                    }
                }
            }
        })
    }

    /// The samples of an operand that must have labels; a number stands for one without.
    fn samples(&mut self, step: u32, interner: &mut Interner) -> Result<Vec<Sample>, QueryError> {
        Ok(match self.step(step, interner)? {
            Value::Vector(samples) => samples,
            Value::Scalar(value) => {
                let labels = interner.id(LabelSet::new());
                vec![Sample { labels, value }]
            }
        })
    }
}

/// The points of one step; each series remembers how far it was read.
fn at_step(series: &Ranged, next: &mut [usize], step: u32) -> Vec<Sample> {
    let mut samples = Vec::new();
    for ((labels, points), next) in series.iter().zip(next) {
        if let Some((_, value)) = points.get(*next).copied().filter(|(at, _)| *at == step) {
            *next = next.saturating_add(1);
            samples.push(Sample { labels: *labels, value });
        }
    }
    samples
}
