//! How much there is: entries and bytes of lines, in all and by labels.
//!
//! Counted by reading, within the asker's limits: an index would have to be believed.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use lucarne_logql::ast::Matcher;
use lucarne_logql::labels::LabelSet;

use super::error::Refusal;
use super::names::matchers;
use super::parameters::QUERY_SINCE_NS;
use super::{Call, Response};
use crate::engine::RangeAsk;
use crate::engine::answer::{Answer, Data, Point, Series, Stats, json};
use crate::engine::error::QueryError;
use crate::engine::limits::{Exceeded, Limit, STEPS_MAX};
use crate::engine::source::{Columns, Entry, ScanStats, Selection, TimeRange};

/// Loki's default for series of a volume.
const SERIES_DEFAULT: u64 = 100;
/// About what one counted series costs beside its labels.
const CELL_BYTES: usize = 128;

impl Call<'_> {
    /// Shows every entry of the parameters' selector and range.
    fn each(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        visit: &mut dyn FnMut(&Entry<'_>) -> usize,
    ) -> Result<ScanStats, Refusal> {
        let meter = self.engine.meter();
        let selection = Selection {
            matchers,
            range,
            direction: None,
            literals: &[],
            conditions: None,
            columns: Columns::None,
            meter: &meter,
        };
        let stats = self.source.scan(&selection, &mut |entry| {
            meter.entry()?;
            match visit(entry) {
                0 => ControlFlow::Continue(()),
                bytes => meter.hold(bytes),
            }
        })?;
        match meter.stopped() {
            Some(stop) => Err(stop.into()),
            None => Ok(stats),
        }
    }
}

pub(super) fn stats(call: &Call<'_>) -> Result<Response, Refusal> {
    let range = call.parameters.range(QUERY_SINCE_NS, call.asker.now_ns)?;
    let matchers = matchers(call.parameters.needed("query")?)?;
    let (mut streams, mut entries, mut bytes) = (HashSet::new(), 0_u64, 0_u64);
    let scanned = call.each(&matchers, range, &mut |entry| {
        entries += 1;
        bytes += entry.line.len() as u64;
        if streams.insert(entry.stream_id) { CELL_BYTES } else { 0 }
    })?;
    Ok(Response::json(format!(
        r#"{{"streams":{},"chunks":{},"bytes":{bytes},"entries":{entries}}}"#,
        streams.len(),
        scanned.blocks_read
    )))
}

/// What names a series of a volume.
enum Names<'a> {
    /// These labels of the stream, where it has them.
    Series(Vec<&'a str>),
    /// All labels of the stream.
    All,
    /// Each label by itself; its name is the series.
    Labels,
}

impl<'a> Names<'a> {
    fn of(call: &'a Call<'_>, matchers: &'a [Matcher]) -> Result<Self, Refusal> {
        match call.parameters.get("aggregateBy") {
            Some("labels") => return Ok(Self::Labels),
            None | Some("series") => {}
            Some(_) => {
                let expected = "series or labels";
                return Err(Refusal::Parameter { name: "aggregateBy", expected });
            }
        }
        let target = call.parameters.get("targetLabels").map(|names| names.split(',').collect());
        let named: Vec<&str> =
            target.unwrap_or_else(|| matchers.iter().map(|m| m.name.as_str()).collect());
        Ok(if named.is_empty() { Self::All } else { Self::Series(named) })
    }

    fn each(&self, stream: &LabelSet, take: &mut dyn FnMut(LabelSet)) {
        match self {
            Self::All => take(stream.clone()),
            Self::Series(names) => {
                let named = names.iter().copied();
                let pairs = named.filter_map(|name| stream.get(name).map(|value| (name, value)));
                let set = LabelSet::from_pairs(pairs);
                if !set.is_empty() {
                    take(set);
                }
            }
            Self::Labels => {
                stream.iter().for_each(|(name, _)| take(LabelSet::from_pairs([(name, "")])));
            }
        }
    }
}

/// Bytes by series and by the end of their step.
type Volumes = BTreeMap<LabelSet, BTreeMap<i64, u64>>;

fn count(call: &Call<'_>, range: TimeRange, step_ns: i64) -> Result<Volumes, Refusal> {
    let matchers = matchers(call.parameters.needed("query")?)?;
    let names = Names::of(call, &matchers)?;
    let mut volumes = Volumes::new();
    call.each(&matchers, range, &mut |entry| {
        let since = entry.time_ns.saturating_sub(range.from_ns);
        let end = since.div_euclid(step_ns).saturating_add(1).saturating_mul(step_ns);
        let end_ns = range.from_ns.saturating_add(end).min(range.to_ns);
        let mut held = 0;
        names.each(entry.stream, &mut |set| {
            let bytes = volumes.entry(set).or_default().entry(end_ns).or_insert_with(|| {
                held += CELL_BYTES;
                0
            });
            *bytes += entry.line.len() as u64;
        });
        held
    })?;
    Ok(volumes)
}

/// The largest series first; so many as `limit` says.
fn largest(call: &Call<'_>, volumes: Volumes) -> Result<Vec<Series>, Refusal> {
    let limit = call.parameters.count("limit", SERIES_DEFAULT)?;
    let total = |steps: &BTreeMap<i64, u64>| steps.values().sum::<u64>();
    let mut volumes: Vec<_> = volumes.into_iter().collect();
    volumes.sort_by(|one, other| total(&other.1).cmp(&total(&one.1)).then(one.0.cmp(&other.0)));
    volumes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    #[expect(clippy::cast_precision_loss, reason = "bytes beyond 2^53 are rounded")]
    let point = |(end_ns, bytes): (i64, u64)| (end_ns, bytes as f64);
    let series = |(labels, steps): (LabelSet, BTreeMap<i64, u64>)| Series {
        labels,
        points: steps.into_iter().map(point).collect(),
    };
    Ok(volumes.into_iter().map(series).collect())
}

pub(super) fn instant(call: &Call<'_>) -> Result<Response, Refusal> {
    let range = call.parameters.range(QUERY_SINCE_NS, call.asker.now_ns)?;
    let width = range.to_ns.saturating_sub(range.from_ns).max(1);
    let points = largest(call, count(call, range, width)?)?.into_iter().map(|series| {
        let value = series.points.iter().map(|(_, value)| value).sum();
        Point { labels: series.labels, time_ns: range.to_ns, value }
    });
    Ok(respond(call, Data::Vector(points.collect())))
}

pub(super) fn range(call: &Call<'_>) -> Result<Response, Refusal> {
    let range = call.parameters.range(QUERY_SINCE_NS, call.asker.now_ns)?;
    let default = RangeAsk::default_step_ns(range.from_ns, range.to_ns);
    let step_ns = call.parameters.length("step")?.unwrap_or(default);
    if step_ns <= 0 {
        return Err(Refusal::Parameter { name: "step", expected: "greater than zero" });
    }
    let steps = range.to_ns.saturating_sub(range.from_ns) / step_ns;
    if steps.unsigned_abs() > STEPS_MAX {
        let exceeded = Exceeded { limit: Limit::Steps, allowed: STEPS_MAX };
        return Err(Refusal::Query(QueryError::Exceeded(exceeded)));
    }
    let series = largest(call, count(call, range, step_ns)?)?;
    Ok(respond(call, Data::Matrix(series)))
}

fn respond(call: &Call<'_>, data: Data) -> Response {
    let answer = Answer { data, partial: Vec::new(), stats: Stats::default() };
    Response::json(json::query(&answer, call.labels, &[], (call.asker.elapsed)()))
}
