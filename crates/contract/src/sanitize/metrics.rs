//! Metrics: named ones only, with listed labels, aggregated again.
//!
//! A label that is removed makes series equal that were different. So the points of a request are
//! first collected under what is left of them (resource, metric, kind, labels), then sorted, and
//! points that share all of it are merged before anything is written. Only points of one request
//! are merged: an SDK sends all series of a metric together.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use lucarne_ledger::record::Stream;
use lucarne_otlp::view;
use lucarne_otlp::view::{MetricData, MetricsRequest, Temporality};
use lucarne_otlp::wire::{WireError, Writer};

use super::points::{self, Point};
use super::{Pass, accept};
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
}

impl Pass<'_, '_> {
    pub(super) fn metrics(&mut self, request: &[u8]) -> Result<(), WireError> {
        let mut collected = Collected::default();
        for resource in MetricsRequest::new(request).resources() {
            let resource = resource?;
            self.encode_resource(&resource.resource)?;
            let position = collected.resource(self.resource);
            for scope in resource.scopes() {
                for metric in scope?.metrics() {
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
            one.group.cmp(&other.group).then_with(|| labels_of(one).cmp(labels_of(other)))
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
        let found = names.position(view.name);
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
        let Collected { labels, passed, entries, .. } = collected;
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
        entries.push(Entry { group, labels: start..labels.len(), point });
        Ok(())
    }

    /// Writes the series of one group, as one metric record or, when they are many, several.
    fn write_group(
        &mut self,
        entries: &[Entry<'_>],
        resources: &[Vec<u8>],
        labels: &[u8],
    ) -> Result<(), WireError> {
        let Self { contract, run, tally, .. } = self;
        let Some(Entry { group, .. }) = entries.first() else { return Ok(()) };
        let Some(metric) = contract.metrics.1.get(group.metric) else { return Ok(()) };
        run.set_resource(resources.get(group.resource).map_or(&[], Vec::as_slice));
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
                        let points = equal.iter().map(|entry| &entry.point);
                        let mut count = |reason| tally.add(metric.key, reason);
                        let limit = contract.metric_value;
                        any |=
                            points::write(group.kind, points, labels, limit, &mut count, writer)?;
                    }
                    Ok::<_, WireError>(any)
                })
            })?;
        }
        Ok(())
    }
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
        let (number, temporality, is_monotonic) = match self {
            Self::Gauge => (5, Temporality::Unspecified, false),
            Self::Sum { temporality, is_monotonic } => (7, temporality, is_monotonic),
            Self::Histogram { temporality } => (9, temporality, false),
            Self::ExponentialHistogram { temporality } => (10, temporality, false),
            Self::Summary => (11, Temporality::Unspecified, false),
        };
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
