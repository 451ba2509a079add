//! Native histograms of Prometheus, from exponential ones of OTLP.
//!
//! Both have buckets by powers of one base; Prometheus counts them by their upper end, so every
//! index is one more, and knows scales from -4 to 8. A finer scale is made coarser, which is exact;
//! a coarser one cannot be said and is left out.

use bytes::Bytes;
use lucarne_otlp::wire::Writer;

use super::{About, second};
use crate::export::points::Native;
use crate::export::request::Part;

/// `TimeSeries` with histograms as element of `WriteRequest.timeseries`.
pub(super) fn part(labels: &[u8], about: Option<&About>, samples: &[(i64, Native)]) -> Part {
    let mut out = Vec::new();
    let mut items = 0;
    Writer::new(&mut out).message(1, |series| {
        series.encoded(labels);
        second::write_about(about, series);
        for (time_ms, native) in samples.iter().filter(|(_, it)| it.scale >= SCALE_MIN) {
            write(native, *time_ms, series);
            items += 1;
        }
    });
    Part { bytes: Bytes::from(out), items }
}

fn write(native: &Native, time_ms: i64, series: &mut Writer<'_>) {
    let steps = (native.scale - SCALE_MAX).clamp(0, 31);
    series.message(4, |out| {
        out.varint(1, native.count);
        if let Some(sum) = native.sum {
            out.double(3, sum);
        }
        out.zigzag(4, i64::from(native.scale.min(SCALE_MAX)));
        out.double(5, native.zero_threshold);
        out.varint(6, native.zero_count);
        buckets(&native.negative, steps, [8, 9], out);
        buckets(&native.positive, steps, [11, 12], out);
        out.varint(15, time_ms.cast_unsigned());
    });
}

/// Spans of consecutive buckets that are not empty, and what each has more than the one before.
fn buckets((offset, counts): &(i32, Vec<u64>), steps: i32, fields: [u32; 2], out: &mut Writer<'_>) {
    let mut held: Vec<(i64, u64)> = Vec::new();
    for (index, count) in (i64::from(*offset)..).zip(counts).filter(|(_, count)| **count > 0) {
        let index = (index >> steps) + 1;
        match held.last_mut().filter(|(last, _)| *last == index) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => held.push((index, *count)),
        }
    }
    let mut end = 0;
    for span in held.chunk_by(|(one, _), (next, _)| *next == one + 1) {
        let Some((first, _)) = span.first() else { continue };
        out.message(fields[0], |out| {
            out.zigzag(1, first - end);
            out.varint(2, span.len() as u64);
        });
        end = span.last().map_or(end, |(last, _)| last + 1);
    }
    let mut before = 0_i64;
    for (_, count) in held {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        out.zigzag(fields[1], count - before);
        before = count;
    }
}

/// The scales that Prometheus knows (`schema`).
const SCALE_MIN: i32 = -4;
const SCALE_MAX: i32 = 8;
