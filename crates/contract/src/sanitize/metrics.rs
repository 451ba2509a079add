//! Metrics: named ones only, with listed labels, aggregated again.
//!
//! A label that is removed makes series equal that were different. So the points of a request are
//! first collected under what is left of them (resource, metric, kind, labels), then sorted, and
//! points that share all of it are merged before anything is written. Counters that only grow are
//! added up over requests as well ([`Memory`](super::Memory)), so that they never go down because a
//! part of them began anew.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use lucarne_ledger::hash::Hash;
use lucarne_ledger::record::Stream;
use lucarne_otlp::display::{string_to_json, value_to_json};
use lucarne_otlp::view;
use lucarne_otlp::view::{KeyValue, MetricData, MetricsRequest, Repeated, Temporality};
use lucarne_otlp::wire::{WireError, Writer};

use super::memory::Full;
use super::points::{self, Merged, Merging, Point};
use super::{Memory, Pass, accept};
use crate::contract::Metric;
use crate::limits::{LABEL_BYTES_MAX, METRIC_RECORD_BYTES, POINTS_MAX, RESOURCES_MAX};
use crate::slot::Passed;
use crate::tally::{Key, Reason};

/// The kind of a metric with all that belongs to it; points of different kinds never merge.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Gauge,
    Sum { temporality: Temporality, is_monotonic: bool },
    Histogram { temporality: Temporality },
    ExponentialHistogram { temporality: Temporality },
    Summary,
}

/// What the points of one metric record share.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Group {
    resource: usize,
    metric: usize,
    kind: Kind,
}

/// A point with what is left of its identity.
struct Entry<'a> {
    group: Group,
    // Where its encoded labels stand among those of the request.
    labels: Range<usize>,
    // The series of the workload that it belongs to, where that matters.
    identity: Hash,
    point: Point<'a>,
}

/// The points of a request.
#[derive(Default)]
struct Collected<'a> {
    // Encoded resources with their numbers.
    resources: BTreeMap<Vec<u8>, usize>,
    labels: Vec<u8>,
    entries: Vec<Entry<'a>>,
    // The labels of the point being read.
    passed: Vec<(usize, Passed<'a>)>,
    // What tells the series of this resource and scope from others, before anything is removed.
    source: Vec<u8>,
}

impl Pass<'_, '_> {
    pub(super) fn metrics(&mut self, request: &[u8]) -> Result<(), WireError> {
        let mut collected = Collected::default();
        for resource in MetricsRequest::new(request).resources() {
            let resource = resource?;
            self.encode_resource(&resource.resource)?;
            let position = collected.resource(self.resource);
            let mut source = Vec::new();
            identify(resource.resource.attributes(), &mut source)?;
            for scope in resource.scopes() {
                let scope = scope?;
                collected.source.clone_from(&source);
                string_to_json(scope.scope.name, &mut collected.source);
                for metric in scope.metrics() {
                    self.metric(position, metric?, &mut collected)?;
                }
            }
        }
        let Collected { resources, labels, mut entries, .. } = collected;
        let mut numbered: Vec<(usize, Vec<u8>)> =
            resources.into_iter().map(|(encoded, number)| (number, encoded)).collect();
        numbered.sort_unstable_by_key(|(number, _)| *number);
        let resources: Vec<Vec<u8>> = numbered.into_iter().map(|(_, encoded)| encoded).collect();
        let labels_of = |entry: &Entry<'_>| labels.get(entry.labels.clone()).unwrap_or(&[]);
        // Stable: of equal points the first of the request stays the first.
        entries.sort_by(|one, other| {
            let by_group = one.group.cmp(&other.group);
            let by_labels = by_group.then_with(|| labels_of(one).cmp(labels_of(other)));
            by_labels.then_with(|| one.identity.0.cmp(&other.identity.0))
        });
        for group in entries.chunk_by(|one, other| one.group == other.group) {
            self.write_group(group, &resources, &labels)?;
        }
        Ok(())
    }

    fn metric<'a>(
        &mut self,
        resource: Option<usize>,
        view: view::Metric<'a>,
        collected: &mut Collected<'a>,
    ) -> Result<(), WireError> {
        let contract = self.contract;
        let (names, metrics) = &contract.metrics;
        let found = names.position(view.name.as_bytes());
        let Some((position, metric)) = found.and_then(|at| Some((at, metrics.get(at)?))) else {
            self.tally.add(Key::METRIC, Reason::Unlisted);
            return Ok(());
        };
        let Some(resource) = resource else {
            self.tally.add(metric.key, Reason::Limit);
            self.rejected = self.rejected.saturating_add(1);
            return Ok(());
        };
        let Some(data) = &view.data else {
            self.tally.add(metric.key, Reason::Type);
            return Ok(());
        };
        let group = Group { resource, metric: position, kind: Kind::of(data) };
        let mut each = |point: Point<'a>| self.point(group, metric, point, collected);
        match view.data {
            None => Ok(()),
            Some(MetricData::Gauge { mut points } | MetricData::Sum { mut points, .. }) => {
                points.try_for_each(|point| each(Point::Number(point?)))
            }
            Some(MetricData::Histogram { mut points, .. }) => {
                points.try_for_each(|point| each(Point::Histogram(point?)))
            }
            Some(MetricData::ExponentialHistogram { mut points, .. }) => {
                points.try_for_each(|point| each(Point::Exponential(Box::new(point?))))
            }
            Some(MetricData::Summary { mut points }) => {
                points.try_for_each(|point| each(Point::Summary(point?)))
            }
        }
    }

    fn point<'a>(
        &mut self,
        group: Group,
        metric: &Metric,
        point: Point<'a>,
        collected: &mut Collected<'a>,
    ) -> Result<(), WireError> {
        let contract = self.contract;
        let full =
            collected.entries.len() >= POINTS_MAX || collected.labels.len() > LABEL_BYTES_MAX;
        if full {
            self.tally.add(metric.key, Reason::Limit);
            self.rejected = self.rejected.saturating_add(1);
            return Ok(());
        }
        let exemplars = point.exemplar_count()?;
        self.tally.add_many(Key::EXEMPLAR, Reason::Unlisted, exemplars);
        let Collected { labels, passed, entries, source, .. } = collected;
        let mut identity = Hash([0; 32]);
        if group.kind.is_cumulative() {
            let mut named = source.clone();
            named.extend_from_slice(metric.name.as_bytes());
            named.extend_from_slice(&group.kind.tag());
            identify(point.attributes(), &mut named)?;
            identity = Hash::of(&named);
        }
        let rules = &contract.labels;
        let attributes = point.attributes();
        accept(contract, rules, Some(&metric.labels), attributes, &mut self.tally, passed)?;
        let start = labels.len();
        let mut writer = Writer::new(labels);
        for (position, value) in passed.drain(..) {
            if let Some(named) = rules.named.get(position) {
                named.write(group.kind.labels_field(), value, &mut writer);
            }
        }
        entries.push(Entry { group, labels: start..labels.len(), identity, point });
        Ok(())
    }

    /// Writes the series of one group, as one metric record or, when they are many, several.
    fn write_group(
        &mut self,
        entries: &[Entry<'_>],
        resources: &[Vec<u8>],
        labels: &[u8],
    ) -> Result<(), WireError> {
        let Self { contract, run, tally, memory, .. } = self;
        let Some(Entry { group, .. }) = entries.first() else { return Ok(()) };
        let Some(metric) = contract.metrics.1.get(group.metric) else { return Ok(()) };
        let resource = resources.get(group.resource).map_or(&[][..], Vec::as_slice);
        run.set_resource(resource);
        let merging =
            Merging { kind: group.kind, gauge: metric.gauge, limit: contract.metric_value };
        let labels_of = |entry: &Entry<'_>| labels.get(entry.labels.clone()).unwrap_or(&[]);
        let mut series =
            entries.chunk_by(|one, other| labels_of(one) == labels_of(other)).peekable();
        while series.peek().is_some() {
            run.record(Stream::Metrics, |writer| {
                let end = writer.position().saturating_add(METRIC_RECORD_BYTES);
                writer.bytes(1, metric.name.as_bytes());
                if !metric.unit.is_empty() {
                    writer.bytes(3, metric.unit.as_bytes());
                }
                group.kind.write(writer, |writer| {
                    let mut any = false;
                    while writer.position() < end
                        && let Some(equal) = series.next()
                    {
                        let labels = equal.first().map_or(&[][..], labels_of);
                        let mut count = |reason| tally.add(metric.key, reason);
                        let mut output = Output { metric, resource, labels, merging, memory };
                        if let Some(merged) = output.of(equal, &mut count)? {
                            any |= points::write(&merged, merging, labels, &mut count, writer);
                        }
                    }
                    Ok::<_, WireError>(any)
                })
            })?;
        }
        Ok(())
    }
}

/// One series of the output.
struct Output<'c> {
    metric: &'c Metric,
    resource: &'c [u8],
    labels: &'c [u8],
    merging: Merging,
    memory: &'c mut Memory,
}

impl Output<'_> {
    /// What leaves of it for these points of the input.
    fn of(
        &mut self,
        entries: &[Entry<'_>],
        count: points::Count<'_>,
    ) -> Result<Option<Merged>, WireError> {
        let mut all: Option<Merged> = None;
        for input in entries.chunk_by(|one, next| one.identity == next.identity) {
            let points = input.iter().map(|entry| &entry.point);
            let Some(mut merged) = points::merge(self.merging, points, count)? else { continue };
            if let Some(Entry { identity, .. }) = input.first()
                && self.merging.kind.is_cumulative()
            {
                match self.memory.increment(identity, &merged) {
                    Ok(more) => merged = more,
                    Err(Full) => {
                        count(Reason::Limit);
                        continue;
                    }
                }
            }
            all = Some(Merged::join(all, merged, self.merging, count));
        }
        let Some(all) = all else { return Ok(None) };
        Ok(self.settle(all, count))
    }

    /// Adds what is remembered, and holds back what stands for too few observations.
    fn settle(&mut self, all: Merged, count: points::Count<'_>) -> Option<Merged> {
        let kind = self.merging.kind;
        let (adds_up, holds) =
            (kind.is_cumulative(), kind.is_delta() && self.metric.min_cohort > 0);
        if !adds_up && !holds {
            let few = all.observations(kind) < self.metric.min_cohort && !all.is_none();
            if few {
                count(Reason::Cohort);
            }
            return (!few).then_some(all);
        }
        let key = self.key();
        let known = self.memory.get(&key);
        let left = known.map_or(0, |series| series.left);
        let before = known.and_then(|series| series.value.clone());
        let joined = Merged::join(before, all, self.merging, count);
        let observed = joined.observations(kind);
        // A counter that says less than when it last left has begun anew.
        let fresh = observed.checked_sub(left).unwrap_or(observed);
        let leaves = fresh >= self.metric.min_cohort || joined.is_none();
        let (value, left) = match (adds_up, leaves) {
            (true, true) => (Some(joined.clone()), observed),
            (true, false) => (Some(joined.clone()), left),
            (false, true) => (None, 0),
            (false, false) => (Some(joined.clone()), 0),
        };
        if self.memory.set(&key, value, left, joined.time).is_err() {
            count(Reason::Limit);
            return None;
        }
        if !leaves {
            count(Reason::Cohort);
        }
        leaves.then_some(joined)
    }

    fn key(&self) -> Hash {
        let mut named = Vec::from(b"output\0");
        for part in [self.resource, self.metric.name.as_bytes(), &self.merging.kind.tag()] {
            named.extend_from_slice(&(part.len() as u64).to_be_bytes());
            named.extend_from_slice(part);
        }
        named.extend_from_slice(self.labels);
        Hash::of(&named)
    }
}

/// Appends attributes in an order of their own, so that equal sets are equal bytes.
fn identify<'a>(
    attributes: Repeated<'a, KeyValue<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    let mut named = Vec::new();
    for attribute in attributes {
        let KeyValue { key, value } = attribute?;
        let mut text = Vec::new();
        string_to_json(key, &mut text);
        value_to_json(value, &mut text)?;
        named.push(text);
    }
    named.sort_unstable();
    named.iter().for_each(|text| out.extend_from_slice(text));
    out.push(b';');
    Ok(())
}

impl Kind {
    const fn of(data: &MetricData<'_>) -> Self {
        match data {
            MetricData::Gauge { .. } => Self::Gauge,
            MetricData::Sum { temporality, is_monotonic, .. } => {
                Self::Sum { temporality: *temporality, is_monotonic: *is_monotonic }
            }
            MetricData::Histogram { temporality, .. } => {
                Self::Histogram { temporality: *temporality }
            }
            MetricData::ExponentialHistogram { temporality, .. } => {
                Self::ExponentialHistogram { temporality: *temporality }
            }
            MetricData::Summary { .. } => Self::Summary,
        }
    }

    /// Whether its values only grow, since a fixed start.
    const fn is_cumulative(self) -> bool {
        match self {
            Self::Sum { temporality, is_monotonic } => {
                is_monotonic && matches!(temporality, Temporality::Cumulative)
            }
            Self::Histogram { temporality } | Self::ExponentialHistogram { temporality } => {
                matches!(temporality, Temporality::Cumulative)
            }
            Self::Gauge | Self::Summary => false,
        }
    }

    /// Whether its values count since the report before.
    const fn is_delta(self) -> bool {
        match self {
            Self::Sum { temporality, .. }
            | Self::Histogram { temporality }
            | Self::ExponentialHistogram { temporality } => {
                matches!(temporality, Temporality::Delta)
            }
            Self::Gauge | Self::Summary => false,
        }
    }

    pub(super) const fn is_monotonic(self) -> bool {
        matches!(self, Self::Sum { is_monotonic: true, .. })
    }

    /// The kind as bytes, for the names of series.
    fn tag(self) -> [u8; 3] {
        let (kind, temporality, is_monotonic) = self.parts();
        let byte = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        [byte(u64::from(kind)), byte(temporality.number()), u8::from(is_monotonic)]
    }

    const fn parts(self) -> (u32, Temporality, bool) {
        match self {
            Self::Gauge => (5, Temporality::Unspecified, false),
            Self::Sum { temporality, is_monotonic } => (7, temporality, is_monotonic),
            Self::Histogram { temporality } => (9, temporality, false),
            Self::ExponentialHistogram { temporality } => (10, temporality, false),
            Self::Summary => (11, Temporality::Unspecified, false),
        }
    }

    /// The field of a point of this kind that holds its labels.
    const fn labels_field(self) -> u32 {
        match self {
            Self::Gauge | Self::Sum { .. } | Self::Summary => 7,
            Self::Histogram { .. } => 9,
            Self::ExponentialHistogram { .. } => 1,
        }
    }

    /// The field of a point of this kind that holds its flags.
    pub(super) const fn flags_field(self) -> u32 {
        match self {
            Self::Gauge | Self::Sum { .. } | Self::Summary => 8,
            Self::Histogram { .. } | Self::ExponentialHistogram { .. } => 10,
        }
    }

    /// Writes the data of a metric around its points.
    fn write<E>(
        self,
        writer: &mut Writer<'_>,
        points: impl FnOnce(&mut Writer<'_>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let (number, temporality, is_monotonic) = self.parts();
        writer.message(number, |writer| {
            let any = points(writer)?;
            if temporality != Temporality::Unspecified {
                writer.varint(2, temporality.number());
            }
            if is_monotonic {
                writer.varint(3, 1);
            }
            Ok(any)
        })
    }
}

impl Collected<'_> {
    /// The number of a resource, or `None` when there are too many.
    fn resource(&mut self, encoded: &[u8]) -> Option<usize> {
        if let Some(known) = self.resources.get(encoded) {
            return Some(*known);
        }
        let number = self.resources.len();
        (number < RESOURCES_MAX).then(|| {
            self.resources.insert(encoded.to_vec(), number);
            number
        })
    }
}
