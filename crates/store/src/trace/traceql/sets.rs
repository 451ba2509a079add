//! Sets of spans: filters, relations in the tree, grouping, and numbers of a whole set.

use lucarne_logql::traceql::ast::{
    Aggregate, Expr, Keep, Pipeline, Relation, Scalar, Spanset, SpansetOp, Stage,
};

use super::value::{Value, computed};
use super::view::TraceView;
use super::{Found, Program};

/// Groups of one set; more are one group that has no value.
const GROUPS_MAX: usize = 1_000;

/// What the stages of a pipeline leave of a set.
pub(super) fn pipeline<'a>(
    program: &Program,
    trace: &'a TraceView<'a>,
    pipeline: &Pipeline,
    first: Found<'a>,
) -> Vec<Found<'a>> {
    let mut sets = vec![first];
    for stage in &pipeline.stages {
        sets = match stage {
            Stage::Spans(spans) => {
                let keep = |set: Found<'a>| Found {
                    spans: places(&filtered(program, trace, spans, &set.spans)),
                    by: set.by,
                };
                sets.into_iter().map(keep).filter(|set| !set.spans.is_empty()).collect()
            }
            Stage::Filter(filter) => {
                let number =
                    |scalar, set: &Found<'_>| scalar_of(program, trace, scalar, &set.spans);
                sets.retain(|set| {
                    let (left, right) = (number(&filter.left, set), number(&filter.right, set));
                    left.zip(right).is_some_and(|(left, right)| {
                        Value::Float(left).compares(filter.op, &Value::Float(right))
                    })
                });
                sets
            }
            Stage::By(expr) => {
                sets.into_iter().flat_map(|set| grouped(program, trace, expr, set)).collect()
            }
            Stage::Coalesce => coalesced(sets),
            Stage::Select(_) => sets,
        };
    }
    sets
}

fn coalesced(sets: Vec<Found<'_>>) -> Vec<Found<'_>> {
    let mut spans: Vec<usize> = sets.into_iter().flat_map(|set| set.spans).collect();
    spans.sort_unstable();
    spans.dedup();
    if spans.is_empty() { Vec::new() } else { vec![Found { spans, by: Vec::new() }] }
}

fn grouped<'a>(
    program: &Program,
    trace: &'a TraceView<'a>,
    expr: &Expr,
    set: Found<'a>,
) -> Vec<Found<'a>> {
    let mut groups: Vec<(Option<Value<'static>>, Vec<usize>)> = Vec::new();
    for at in set.spans {
        let value = program.values(trace, at, expr).into_iter().next().map(owned);
        let room = groups.len() < GROUPS_MAX;
        let value = value
            .filter(|value| room || groups.iter().any(|(have, _)| have.as_ref() == Some(value)));
        match groups.iter_mut().find(|(have, _)| *have == value) {
            Some((_, spans)) => spans.push(at),
            None => groups.push((value, vec![at])),
        }
    }
    let with = |(value, spans)| {
        let mut by = set.by.clone();
        by.push((format!("by({expr})"), value));
        Found { spans, by }
    };
    groups.into_iter().map(with).collect()
}

fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Bool(truth) => Value::Bool(truth),
        Value::Int(whole) => Value::Int(whole),
        Value::Float(float) => Value::Float(float),
        Value::Duration(nanoseconds) => Value::Duration(nanoseconds),
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Status(status) => Value::Status(status),
        Value::Kind(kind) => Value::Kind(kind),
        Value::Other => Value::Other,
    }
}

/// Which spans of a trace are meant, by place.
type Marks = Vec<bool>;

fn places(marks: &Marks) -> Vec<usize> {
    marks.iter().enumerate().filter(|(_, marked)| **marked).map(|(at, _)| at).collect()
}

fn marked(marks: &Marks, at: usize) -> bool {
    marks.get(at).copied().unwrap_or(false)
}

fn mark(marks: &mut Marks, at: usize) {
    if let Some(marked) = marks.get_mut(at) {
        *marked = true;
    }
}

/// The spans of `among` that a set of a query means.
fn filtered(program: &Program, trace: &TraceView<'_>, spans: &Spanset, among: &[usize]) -> Marks {
    let mut marks = vec![false; trace.spans.len()];
    match spans {
        Spanset::Filter(None) => among.iter().for_each(|&at| mark(&mut marks, at)),
        Spanset::Filter(Some(condition)) => {
            let hold = among.iter().filter(|&&at| program.holds(trace, at, condition));
            hold.for_each(|&at| mark(&mut marks, at));
        }
        Spanset::Pipeline(inner) => {
            let first = Found { spans: among.to_vec(), by: Vec::new() };
            for set in pipeline(program, trace, inner, first) {
                set.spans.iter().for_each(|&at| mark(&mut marks, at));
            }
        }
        Spanset::Binary { op, left, right } => {
            let left = filtered(program, trace, left, among);
            let right = filtered(program, trace, right, among);
            return combined(trace, *op, &left, &right);
        }
    }
    marks
}

fn combined(trace: &TraceView<'_>, op: SpansetOp, left: &Marks, right: &Marks) -> Marks {
    let both = |one: &Marks, other: &Marks| -> Marks {
        one.iter().zip(other).map(|(one, other)| *one || *other).collect()
    };
    let none = || vec![false; left.len()];
    match op {
        SpansetOp::And if !left.contains(&true) || !right.contains(&true) => none(),
        SpansetOp::And | SpansetOp::Or => both(left, right),
        SpansetOp::Structural { relation, keep } => {
            let related = related(trace, relation, left, right);
            match keep {
                Keep::Right => related,
                Keep::Unrelated => {
                    right.iter().zip(&related).map(|(right, related)| *right && !related).collect()
                }
                Keep::Both => both(&related, &self::related(trace, turned(relation), right, left)),
            }
        }
    }
}

/// The spans of `right` that have the relation to one of `left`.
fn related(trace: &TraceView<'_>, relation: Relation, left: &Marks, right: &Marks) -> Marks {
    let near = match relation {
        Relation::Child => {
            let of = |parent: Option<usize>| parent.is_some_and(|parent| marked(left, parent));
            trace.spans.iter().map(|span| of(span.parent)).collect()
        }
        Relation::Descendant => below(trace, left),
        Relation::Parent => {
            let mut near = vec![false; left.len()];
            for (at, span) in trace.spans.iter().enumerate() {
                if let Some(parent) = span.parent.filter(|_| marked(left, at)) {
                    mark(&mut near, parent);
                }
            }
            near
        }
        Relation::Ancestor => above(trace, left),
        Relation::Sibling => beside(trace, left),
    };
    right.iter().zip(near).map(|(right, near)| *right && near).collect()
}

fn below(trace: &TraceView<'_>, left: &Marks) -> Marks {
    let mut below = vec![false; left.len()];
    for &at in &trace.order {
        let parent = trace.spans.get(at).and_then(|span| span.parent);
        if parent.is_some_and(|parent| marked(left, parent) || marked(&below, parent)) {
            mark(&mut below, at);
        }
    }
    below
}

fn above(trace: &TraceView<'_>, left: &Marks) -> Marks {
    let mut above = vec![false; left.len()];
    for &at in trace.order.iter().rev() {
        let parent = trace.spans.get(at).and_then(|span| span.parent);
        if let Some(parent) = parent.filter(|_| marked(left, at) || marked(&above, at)) {
            mark(&mut above, parent);
        }
    }
    above
}

/// Those that have the parent of another span of the set.
fn beside(trace: &TraceView<'_>, left: &Marks) -> Marks {
    let mut counts = vec![0_u32; left.len()];
    let parent_of = |at: usize| trace.spans.get(at).and_then(|span| span.parent);
    for at in places(left) {
        if let Some(count) = parent_of(at).and_then(|parent| counts.get_mut(parent)) {
            *count += 1;
        }
    }
    let others = |at: usize| {
        let count = parent_of(at).and_then(|parent| counts.get(parent)).copied().unwrap_or(0);
        count > u32::from(marked(left, at))
    };
    (0..left.len()).map(others).collect()
}

/// The relation as it is seen from the other side.
const fn turned(relation: Relation) -> Relation {
    match relation {
        Relation::Child => Relation::Parent,
        Relation::Parent => Relation::Child,
        Relation::Descendant => Relation::Ancestor,
        Relation::Ancestor => Relation::Descendant,
        Relation::Sibling => Relation::Sibling,
    }
}

/// A number of a set; `None` when no span has one.
#[expect(clippy::cast_precision_loss, reason = "a trace has few spans")]
fn scalar_of(
    program: &Program,
    trace: &TraceView<'_>,
    scalar: &Scalar,
    spans: &[usize],
) -> Option<f64> {
    match scalar {
        Scalar::Static(constant) => Value::of_static(constant)?.number(),
        Scalar::Count => Some(spans.len() as f64),
        Scalar::Aggregate(aggregate, expr) => {
            let number = |&at: &usize| number_of(program, trace, at, expr);
            aggregated(*aggregate, spans.iter().filter_map(number))
        }
        Scalar::Binary { op, left, right } => computed(
            *op,
            scalar_of(program, trace, left, spans)?,
            scalar_of(program, trace, right, spans)?,
        ),
    }
}

/// The number that an expression is for a span.
pub(super) fn number_of(
    program: &Program,
    trace: &TraceView<'_>,
    at: usize,
    expr: &Expr,
) -> Option<f64> {
    program.values(trace, at, expr).first().and_then(Value::number)
}

fn aggregated(aggregate: Aggregate, numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut count = 0.0;
    let mut total: Option<f64> = None;
    for number in numbers {
        count += 1.0;
        total = Some(match (total, aggregate) {
            (None, _) => number,
            (Some(total), Aggregate::Avg | Aggregate::Sum) => total + number,
            (Some(total), Aggregate::Min) => total.min(number),
            (Some(total), Aggregate::Max) => total.max(number),
        });
    }
    if aggregate == Aggregate::Avg { total.map(|total| total / count) } else { total }
}
