//! A slow evaluator: every step from scratch, over all entries, by the textbook.
//!
//! It shares with the engine what runs one line (the pipeline) and the natural order of values,
//! which have their own tests, and nothing else: no windows, tables, interning or heaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lucarne_logql::ast::{
    Binary, BinaryOp, GroupSide, Grouping, LogQuery, MatchOp, Matcher, Metric, Pipe,
    RangeAggregation, RangeOp, VectorAggregation, VectorMatching, VectorOp,
};
use lucarne_logql::labels::LabelSet;
use lucarne_logql::stage::{
    Class, Input, LabelMatcher, Outcome, Pipeline, Row as Kept, SamplePipeline, Scratch,
};

use super::vec_source::Stored;
use crate::engine::answer::Row;
use crate::engine::natural;
use crate::engine::source::Direction;

/// A failure of the model has no reason: the engine must fail too.
#[derive(Debug)]
pub(super) struct Fails;

#[derive(Clone, Debug)]
pub(super) enum Value {
    Scalar(f64),
    Vector(Vec<(LabelSet, f64)>),
}

pub(super) fn evaluate(metric: &Metric, at_ns: i64, entries: &[Stored]) -> Result<Value, Fails> {
    let value = match metric {
        Metric::Number(value) => Value::Scalar(*value),
        Metric::VectorLiteral(value) => Value::Vector(vec![(LabelSet::new(), *value)]),
        Metric::Range(of) => Value::Vector(range(of, at_ns, entries)?),
        Metric::Vector(of) => Value::Vector(vector(of, at_ns, entries)?),
        Metric::Binary(of) => binary(of, at_ns, entries)?,
        Metric::Sort(of) => evaluate(&of.of, at_ns, entries)?,
        Metric::LabelReplace(_) => unreachable!("not generated"),
    };
    Ok(value)
}

fn samples(metric: &Metric, at_ns: i64, entries: &[Stored]) -> Result<Vec<(LabelSet, f64)>, Fails> {
    Ok(match evaluate(metric, at_ns, entries)? {
        Value::Scalar(value) => vec![(LabelSet::new(), value)],
        Value::Vector(samples) => samples,
    })
}

fn matching<'e>(entries: &'e [Stored], matchers: &[Matcher]) -> Vec<&'e Stored> {
    let holds = |stored: &Stored, matcher: &Matcher| {
        let value = stored.stream.get(&matcher.name).unwrap_or("");
        LabelMatcher::compile(matcher).unwrap().holds(value)
    };
    let mut found: Vec<&Stored> = entries
        .iter()
        .filter(|stored| matchers.iter().all(|matcher| holds(stored, matcher)))
        .collect();
    found.sort_by_key(|stored| stored.time_ns);
    found
}

/// Runs one line through the stages and shows it with its sample.
fn run_line<T>(
    of: &RangeAggregation,
    stored: &Stored,
    show: impl FnOnce(f64, &Kept<'_>) -> T,
) -> Option<T> {
    let metadata: Vec<(&str, &str)> =
        stored.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
    let input = Input {
        time_ns: stored.time_ns,
        line: &stored.line,
        stream: &stored.stream,
        metadata: &metadata,
        shredded: None,
    };
    let mut scratch = Scratch::default();
    if let Some(unwrap) = &of.unwrap {
        let pipeline = SamplePipeline::compile(&of.query.stages, unwrap).unwrap();
        return pipeline.run(&input, &mut scratch).map(|sample| show(sample.value, &sample.row));
    }
    match Pipeline::compile(&of.query.stages).unwrap().run(&input, &mut scratch) {
        Outcome::Dropped => None,
        Outcome::Kept(row) => {
            let bytes = matches!(of.op, RangeOp::Bytes | RangeOp::BytesRate);
            let value = if bytes { row.line.len() as f64 } else { 1.0 };
            Some(show(value, &row))
        }
    }
}

fn range(
    of: &RangeAggregation,
    at_ns: i64,
    entries: &[Stored],
) -> Result<Vec<(LabelSet, f64)>, Fails> {
    let end = at_ns - of.offset_ns;
    let mut series: BTreeMap<LabelSet, Vec<(i64, f64)>> = BTreeMap::new();
    for stored in matching(entries, &of.query.selector.matchers) {
        if stored.time_ns <= end - of.range_ns || stored.time_ns > end {
            continue;
        }
        let sample = run_line(of, stored, |value, row| {
            let mut set = row.label_set();
            if let Some(grouping) = &of.grouping {
                set = group(&set, grouping);
            }
            let by_name = of.grouping.as_ref().is_some_and(|grouping| !grouping.without);
            if let (Some(unwrap), false) = (&of.unwrap, by_name) {
                set.remove(&unwrap.label);
            }
            (without_empty(&set), value, row.error().is_some())
        });
        let Some((set, value, failed)) = sample else { continue };
        if failed {
            return Err(Fails);
        }
        series.entry(set).or_default().push((stored.time_ns, value));
    }
    if of.op == RangeOp::Absent {
        if !series.is_empty() {
            return Ok(Vec::new());
        }
        let mut labels = LabelSet::new();
        for matcher in &of.query.selector.matchers {
            labels.set(&matcher.name, if matcher.op == MatchOp::Eq { &matcher.value } else { "" });
        }
        for matcher in &of.query.selector.matchers {
            let same = |other: &&Matcher| other.name == matcher.name;
            if of.query.selector.matchers.iter().filter(same).count() > 1 {
                labels.remove(&matcher.name);
            }
        }
        return Ok(vec![(without_empty(&labels), 1.0)]);
    }
    let seconds = of.range_ns as f64 / 1e9;
    let number = |samples: &[(i64, f64)]| over_time(of, samples, seconds);
    Ok(series.into_iter().map(|(set, samples)| (set, number(&samples))).collect())
}

fn over_time(of: &RangeAggregation, samples: &[(i64, f64)], seconds: f64) -> f64 {
    let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
    let sum: f64 = values.iter().fold(0.0, |sum, value| sum + value);
    let mean = sum / values.len() as f64;
    let squares = values.iter().fold(0.0, |sum, value| sum + (value - mean) * (value - mean));
    let variance = squares / values.len() as f64;
    match of.op {
        RangeOp::Rate | RangeOp::BytesRate => sum / seconds,
        RangeOp::Count | RangeOp::Bytes | RangeOp::Sum => sum,
        RangeOp::Avg => mean,
        RangeOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
        RangeOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
        RangeOp::Stdvar => variance,
        RangeOp::Stddev => variance.sqrt(),
        RangeOp::Quantile => quantile(of.param.unwrap(), values),
        RangeOp::First => values[0],
        RangeOp::Last => values[values.len() - 1],
        RangeOp::RateCounter => {
            let mut increase = 0.0;
            for pair in values.windows(2) {
                increase += if pair[1] < pair[0] { pair[1] } else { pair[1] - pair[0] };
            }
            // The stretch of a few millionths, in its own words: as many microseconds as the window
            // has seconds, at most back to where the counter was zero, or half a gap.
            let micros = (samples[samples.len() - 1].0 - samples[0].0) as f64 / 1e3;
            let gap = micros / (values.len() - 1).max(1) as f64;
            let back = if increase > 0.0 && values[0] >= 0.0 {
                seconds.min(micros * values[0] / increase)
            } else {
                seconds
            };
            let back = if back < 1.1 * gap { back } else { gap / 2.0 };
            if micros > 0.0 {
                increase * (micros + back) / micros / seconds
            } else {
                increase / seconds
            }
        }
        RangeOp::Absent => unreachable!("answered before"),
    }
}

fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let rank = q * (values.len() - 1) as f64;
    // The values on both sides of the rank, found by counting.
    let at = |rank: f64| *values.iter().zip(0u32..).find(|(_, n)| f64::from(*n) == rank).unwrap().0;
    let (low, high) = (at(rank.floor()), at(rank.ceil()));
    if rank.fract() == 0.0 { low } else { low * (1.0 - rank.fract()) + high * rank.fract() }
}

fn without_empty(set: &LabelSet) -> LabelSet {
    LabelSet::from_pairs(set.iter().filter(|(_, value)| !value.is_empty()))
}

fn group(set: &LabelSet, grouping: &Grouping) -> LabelSet {
    let named = |name: &str| grouping.labels.contains(&name.to_owned());
    LabelSet::from_pairs(set.iter().filter(|(name, _)| named(name) != grouping.without))
}

fn vector(
    of: &VectorAggregation,
    at_ns: i64,
    entries: &[Stored],
) -> Result<Vec<(LabelSet, f64)>, Fails> {
    let mut groups: BTreeMap<LabelSet, Vec<(LabelSet, f64)>> = BTreeMap::new();
    let all = Grouping { without: false, labels: Vec::new() };
    let grouping = of.grouping.as_ref().unwrap_or(&all);
    for (set, value) in samples(&of.of, at_ns, entries)? {
        groups.entry(group(&set, grouping)).or_default().push((set, value));
    }
    let mut out = Vec::new();
    for (set, mut members) in groups {
        let n = members.len() as f64;
        let sum: f64 = members.iter().fold(0.0, |sum, (_, value)| sum + value);
        let off = |value: f64| (value - sum / n) * (value - sum / n);
        let variance = members.iter().fold(0.0, |sum, (_, value)| sum + off(*value)) / n;
        let values = members.iter().map(|(_, value)| *value);
        let number = match of.op {
            VectorOp::Sum => sum,
            VectorOp::Avg => sum / n,
            VectorOp::Count => n,
            VectorOp::Min => values.fold(f64::NAN, f64::min),
            VectorOp::Max => values.fold(f64::NAN, f64::max),
            VectorOp::Stddev => variance.sqrt(),
            VectorOp::Stdvar => variance,
            VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk => {
                let sign = if of.op == VectorOp::Bottomk { 1.0 } else { -1.0 };
                // One after the other: the best of what is left, by labels where equal.
                members.sort_by(|one, other| one.0.cmp(&other.0));
                for _ in 0..of.param.unwrap() {
                    let key = |(_, value): &(LabelSet, f64)| {
                        if value.is_nan() { (true, 0.0) } else { (false, sign * value) }
                    };
                    let mut best: Option<usize> = None;
                    for at in 0..members.len() {
                        let (new, old) = (key(&members[at]), best.map(|b| key(&members[b])));
                        if old.is_none_or(|old| {
                            (!new.0 && old.0) || (new.0 == old.0 && new.1 < old.1)
                        }) {
                            best = Some(at);
                        }
                    }
                    out.extend(best.map(|best| members.remove(best)));
                }
                continue;
            }
        };
        out.push((set, number));
    }
    Ok(out)
}

fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div if b == 0.0 => f64::NAN,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Eq => f64::from(a == b),
        BinaryOp::Ne => f64::from(a != b),
        BinaryOp::Gt => f64::from(a > b),
        BinaryOp::Ge => f64::from(a >= b),
        BinaryOp::Lt => f64::from(a < b),
        BinaryOp::Le => f64::from(a <= b),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => unreachable!("no arithmetic"),
    }
}

/// The value where it is kept, `kept` where a comparison only filters.
fn combined(of: &Binary, a: f64, b: f64, kept: f64) -> Option<f64> {
    let number = arithmetic(of.op, a, b);
    if !of.op.is_comparison() || of.return_bool {
        return Some(number);
    }
    (number == 1.0).then_some(kept)
}

fn binary(of: &Binary, at_ns: i64, entries: &[Stored]) -> Result<Value, Fails> {
    let left = evaluate(&of.left, at_ns, entries)?;
    let right = evaluate(&of.right, at_ns, entries)?;
    let each = |samples: Vec<(LabelSet, f64)>, f: &dyn Fn(f64) -> Option<f64>| {
        samples.into_iter().filter_map(|(set, value)| Some((set, f(value)?))).collect()
    };
    let vectors_only = matches!((&left, &right), (Value::Vector(_), Value::Vector(_)));
    if of.op.is_set() && !vectors_only {
        return Err(Fails);
    }
    Ok(match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(arithmetic(of.op, a, b)),
        (Value::Vector(a), Value::Scalar(b)) => {
            Value::Vector(each(a, &|value| combined(of, value, b, value)))
        }
        (Value::Scalar(a), Value::Vector(b)) => {
            Value::Vector(each(b, &|value| combined(of, a, value, value)))
        }
        (Value::Vector(a), Value::Vector(b)) => Value::Vector(vectors(of, &a, &b)?),
    })
}

fn signature(set: &LabelSet, matching: Option<&VectorMatching>) -> LabelSet {
    let Some(matching) = matching else { return set.clone() };
    let grouping = Grouping { without: matching.ignoring, labels: matching.labels.clone() };
    group(set, &grouping)
}

fn vectors(
    of: &Binary,
    left: &[(LabelSet, f64)],
    right: &[(LabelSet, f64)],
) -> Result<Vec<(LabelSet, f64)>, Fails> {
    let matching = of.matching.as_ref();
    let of_side = |side: &[(LabelSet, f64)]| -> BTreeSet<LabelSet> {
        side.iter().map(|(set, _)| signature(set, matching)).collect()
    };
    let (in_left, in_right) = (of_side(left), of_side(right));
    let kept = |side: &[(LabelSet, f64)], other: &BTreeSet<LabelSet>, with: bool| {
        let keep = |(set, _): &&(LabelSet, f64)| other.contains(&signature(set, matching)) == with;
        side.iter().filter(keep).cloned().collect::<Vec<_>>()
    };
    match of.op {
        BinaryOp::And => return Ok(kept(left, &in_right, true)),
        BinaryOp::Unless => return Ok(kept(left, &in_right, false)),
        BinaryOp::Or => {
            return unique([left.to_vec(), kept(right, &in_left, false)].concat());
        }
        _ => {}
    }
    let group = matching.and_then(|matching| matching.group.as_ref());
    let swapped = group.is_some_and(|group| group.side == GroupSide::Right);
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    if one.len() > if swapped { in_left.len() } else { in_right.len() } {
        return Err(Fails);
    }
    let mut out = Vec::new();
    let mut met = BTreeSet::new();
    for (set, value) in many {
        let own = signature(set, matching);
        let Some((partner, other)) = one.iter().find(|(set, _)| signature(set, matching) == own)
        else {
            continue;
        };
        let (a, b) = if swapped { (*other, *value) } else { (*value, *other) };
        let Some(number) = combined(of, a, b, a) else { continue };
        let labels = match (group, matching) {
            (None, None) => set.clone(),
            (None, Some(_)) => own.clone(),
            (Some(group), _) => {
                let mut labels = set.clone();
                for name in &group.include {
                    labels.set(name, partner.get(name).unwrap_or(""));
                }
                without_empty(&labels)
            }
        };
        if group.is_none() && !met.insert(own) {
            return Err(Fails);
        }
        out.push((labels, number));
    }
    unique(out)
}

/// Every operator's result has each label set once.
fn unique(samples: Vec<(LabelSet, f64)>) -> Result<Vec<(LabelSet, f64)>, Fails> {
    let sets: BTreeSet<&LabelSet> = samples.iter().map(|(set, _)| set).collect();
    if sets.len() < samples.len() { Err(Fails) } else { Ok(samples) }
}

/// The rows of a log query: all of them first, then pipe by pipe.
pub(super) fn rows(
    query: &LogQuery,
    from_ns: i64,
    to_ns: i64,
    direction: Direction,
    limit: usize,
    entries: &[Stored],
) -> Vec<Row> {
    let pipeline = Pipeline::compile(&query.stages).unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for stored in matching(entries, &query.selector.matchers) {
        if stored.time_ns < from_ns || stored.time_ns >= to_ns {
            continue;
        }
        let metadata: Vec<(&str, &str)> =
            stored.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
        let input = Input {
            time_ns: stored.time_ns,
            line: &stored.line,
            stream: &stored.stream,
            metadata: &metadata,
            shredded: None,
        };
        let mut scratch = Scratch::default();
        if let Outcome::Kept(row) = pipeline.run(&input, &mut scratch) {
            let of = |class| -> Vec<(String, String)> {
                let set = row.labels_of(class);
                set.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
            };
            rows.push(Row {
                time_ns: stored.time_ns,
                line: row.line.to_owned(),
                stream: Arc::new(row.labels_of(Class::Stream)),
                metadata: of(Class::Metadata),
                parsed: of(Class::Parsed),
            });
        }
    }
    if direction == Direction::Backward {
        rows.reverse();
    }
    for pipe in &query.pipes {
        rows = piped(pipe, rows);
    }
    rows.truncate(limit);
    rows
}

fn piped(pipe: &Pipe, mut rows: Vec<Row>) -> Vec<Row> {
    let count = |n: u64| usize::try_from(n).unwrap();
    match pipe {
        Pipe::Head(n) => rows.truncate(count(*n)),
        Pipe::Tail(n) => rows = rows.split_off(rows.len().saturating_sub(count(*n))),
        Pipe::Sort { keys, limit } => {
            // The last key first, each sort stable.
            for key in keys.iter().rev() {
                rows.sort_by(|one, other| {
                    let order = natural::compare(&one.field(&key.field), &other.field(&key.field));
                    if key.descending { order.reverse() } else { order }
                });
            }
            rows.truncate(count(limit.unwrap_or(u64::MAX)));
        }
        Pipe::Distinct(by) => {
            let mut seen: Vec<Vec<String>> = Vec::new();
            rows.retain(|row| {
                let key: Vec<String> = by.iter().map(|name| row.field(name).into_owned()).collect();
                let new = !seen.contains(&key);
                seen.push(key);
                new
            });
        }
        Pipe::Top { .. } | Pipe::Fields(_) => unreachable!("not generated"),
    }
    rows
}
