//! Exponential histograms: merged at the coarser scale of two, and made coarser until they fit.
//!
//! Going down by one scale joins bucket pairs (index / 2, rounded down), which is exact: no
//! observation changes its count, only its resolution. Histograms whose zero buckets differ in
//! width are not merged.

use alloc::vec;
use alloc::vec::Vec;

use lucarne_otlp::view::{Buckets, ExponentialHistogramDataPoint};
use lucarne_otlp::wire::{WireError, Writer};

use super::points::{Totals, bounded};
use crate::limits::BUCKETS_MAX;
use crate::tally::Reason;

/// Offset and counts of consecutive buckets, if there are any.
type Side = Option<(i32, Vec<u64>)>;

#[derive(Clone)]
pub(super) struct Exponential {
    pub(super) totals: Totals,
    scale: i32,
    zero_count: u64,
    pub(super) zero_threshold: f64,
    positive: Side,
    negative: Side,
}

impl Exponential {
    pub(super) fn read(
        point: &ExponentialHistogramDataPoint<'_>,
    ) -> Result<Result<Self, Reason>, WireError> {
        let (Some(positive), Some(negative)) = (side(&point.positive)?, side(&point.negative)?)
        else {
            return Ok(Err(Reason::Limit));
        };
        Ok(Ok(Self {
            totals: Totals { count: point.count, sum: point.sum, min: point.min, max: point.max },
            scale: point.scale,
            zero_count: point.zero_count,
            zero_threshold: point.zero_threshold,
            positive,
            negative,
        }))
    }

    pub(super) fn fits(&self, other: &Self) -> bool {
        self.zero_threshold.to_bits() == other.zero_threshold.to_bits()
    }

    pub(super) fn bucket_count(&self) -> usize {
        let sides = [&self.positive, &self.negative];
        sides.into_iter().flatten().map(|(_, counts)| counts.len()).sum()
    }

    pub(super) fn all_counts(&self) -> impl Iterator<Item = u64> {
        let sides = [&self.positive, &self.negative].into_iter().flatten();
        core::iter::once(self.zero_count)
            .chain(sides.flat_map(|(_, counts)| counts.iter().copied()))
    }

    /// Adds another, which [`fits`](Self::fits).
    pub(super) fn add(&mut self, mut other: Self) {
        let scale = self.scale.min(other.scale);
        self.coarsen(scale);
        other.coarsen(scale);
        self.totals.add(&other.totals);
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        // At most 32 steps: then every index is 0 or -1.
        while self.width_with(&other) > BUCKETS_MAX && self.scale > i32::MIN {
            let scale = self.scale.saturating_sub(1);
            self.coarsen(scale);
            other.coarsen(scale);
        }
        self.positive = joined(self.positive.take(), other.positive);
        self.negative = joined(self.negative.take(), other.negative);
    }

    /// What came since; `None` when it is less somewhere.
    pub(super) fn less(&self, before: &Self) -> Option<Self> {
        if !self.fits(before) {
            return None;
        }
        let (mut now, mut before) = (self.clone(), before.clone());
        let scale = now.scale.min(before.scale);
        now.coarsen(scale);
        before.coarsen(scale);
        now.totals = now.totals.less(&before.totals)?;
        now.zero_count = now.zero_count.checked_sub(before.zero_count)?;
        now.positive = difference(now.positive, before.positive)?;
        now.negative = difference(now.negative, before.negative)?;
        Some(now)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        self.totals.write([12, 13], writer);
        writer.zigzag(6, i64::from(self.scale));
        writer.fixed64(7, self.zero_count);
        for (number, buckets) in [(8, &self.positive), (9, &self.negative)] {
            if let Some((offset, counts)) = buckets {
                writer.message(number, |writer| {
                    writer.zigzag(1, i64::from(*offset));
                    writer.message(2, |writer| {
                        for count in counts {
                            writer.packed_varint(*count);
                        }
                    });
                });
            }
        }
        if self.zero_threshold != 0.0 {
            writer.double(14, self.zero_threshold);
        }
    }

    fn coarsen(&mut self, scale: i32) {
        let steps = self.scale.saturating_sub(scale).clamp(0, 31);
        if steps > 0 {
            for side in [&mut self.positive, &mut self.negative] {
                *side = side.take().map(|side| halved(&side, steps));
            }
        }
        self.scale = scale.min(self.scale);
    }

    fn width_with(&self, other: &Self) -> usize {
        let widths = [(&self.positive, &other.positive), (&self.negative, &other.negative)];
        widths
            .into_iter()
            .map(|(one, other)| span(one, other).map_or(0, |(_, n)| n))
            .max()
            .unwrap_or(0)
    }
}

/// The same counts at a scale that is lower by `steps`.
fn halved((offset, counts): &(i32, Vec<u64>), steps: i32) -> (i32, Vec<u64>) {
    let index = |position: usize| {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        i64::from(*offset).saturating_add(position) >> steps
    };
    let first = index(0);
    let mut out: Vec<u64> = Vec::with_capacity(counts.len());
    for (position, count) in counts.iter().enumerate() {
        let place = usize::try_from(index(position).saturating_sub(first)).unwrap_or(0);
        if place >= out.len() {
            out.resize(place.saturating_add(1), 0);
        }
        if let Some(sum) = out.get_mut(place) {
            *sum = sum.saturating_add(*count);
        }
    }
    (i32::try_from(first).unwrap_or(0), out)
}

/// First index of both, and how many buckets it takes to hold them.
fn span(one: &Side, other: &Side) -> Option<(i32, usize)> {
    let ends = [one, other].into_iter().flatten().filter(|(_, counts)| !counts.is_empty());
    let ends = ends.map(|(offset, counts)| {
        let length = i64::try_from(counts.len()).unwrap_or(i64::MAX);
        (*offset, i64::from(*offset).saturating_add(length))
    });
    let (first, end) =
        ends.reduce(|(first, end), (offset, last)| (first.min(offset), end.max(last)))?;
    Some((first, usize::try_from(end.saturating_sub(i64::from(first))).unwrap_or(usize::MAX)))
}

fn joined(one: Side, other: Side) -> Side {
    let (Some(_), Some(_)) = (&one, &other) else { return one.or(other) };
    let Some((first, width)) = span(&one, &other) else { return one };
    let mut counts = vec![0_u64; width.min(BUCKETS_MAX)];
    for (offset, more) in [one, other].into_iter().flatten() {
        let skipped = usize::try_from(i64::from(offset).saturating_sub(i64::from(first)));
        let places = counts.iter_mut().skip(skipped.unwrap_or(usize::MAX));
        for (sum, count) in places.zip(more) {
            *sum = sum.saturating_add(count);
        }
    }
    Some((first, counts))
}

fn difference(now: Side, before: Side) -> Option<Side> {
    let Some((first, counts)) = before else { return Some(now) };
    let mut now = now.unwrap_or((first, Vec::new()));
    for (index, count) in (i64::from(first)..).zip(counts) {
        if count == 0 {
            continue;
        }
        let place = usize::try_from(index.checked_sub(i64::from(now.0))?).ok()?;
        let there = now.1.get_mut(place)?;
        *there = there.checked_sub(count)?;
    }
    Some(Some(now))
}

/// Reads the buckets of one side; the outer `None` is too many of them.
fn side(buckets: &Option<Buckets<'_>>) -> Result<Option<Side>, WireError> {
    let Some(buckets) = buckets else { return Ok(Some(None)) };
    let counts = bounded(buckets.bucket_counts(), BUCKETS_MAX)?;
    Ok(counts.map(|counts| Some((buckets.offset, counts))))
}
