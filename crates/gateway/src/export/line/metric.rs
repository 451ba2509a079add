//! Lines of metrics: one flat JSON object a data point.

use lucarne_otlp::display::{double_to_json, integer_to_json};
use lucarne_otlp::view::{Metric, NumberValue, Temporality, View as _};

use super::{Malformed, mark_unsealed};
use crate::export::flat::Flat;
use crate::export::points::{Point, Sample, points};
use crate::export::{Telemetry, Whence};

/// The lines of a metric record, provenance inside.
///
/// # Errors
/// When the record is not a `Metric`.
pub(crate) fn lines(
    record: Whence<'_>,
    metric: &Telemetry,
    flat: &mut Flat,
) -> Result<Vec<Vec<u8>>, Malformed> {
    let message = Metric::parse(&metric.message)?;
    let about = (message.name, message.unit);
    points(message)?.into_iter().map(|point| line(record, about, point, flat)).collect()
}

fn line(
    record: Whence<'_>,
    (name, unit): (&str, &str),
    point: Point<'_>,
    flat: &mut Flat,
) -> Result<Vec<u8>, Malformed> {
    flat.clear();
    let time_ns = if point.time_ns == 0 { record.time_ns() } else { point.time_ns };
    flat.time("timestamp", time_ns);
    flat.text("metric", name);
    flat.text("kind", point.kind);
    match point.temporality {
        Temporality::Unspecified => {}
        Temporality::Delta => flat.text("temporality", "delta"),
        Temporality::Cumulative => flat.text("temporality", "cumulative"),
    }
    if !unit.is_empty() {
        flat.text("unit", unit);
    }
    if point.start_ns != 0 {
        flat.time("startTimestamp", point.start_ns);
    }
    sample(flat, &point.sample);
    mark_unsealed(record, flat);
    point.attributes.into_iter().try_for_each(|entry| flat.attribute("", entry))?;
    if let Some(provenance) = record.provenance() {
        provenance.write(flat);
    }
    Ok(flat.finish().to_vec())
}

fn sample(flat: &mut Flat, sample: &Sample) {
    match sample {
        Sample::Number(NumberValue::Int(value)) => {
            flat.field("value", |out| integer_to_json(*value, out));
        }
        Sample::Number(NumberValue::Double(value)) => {
            flat.field("value", |out| double_to_json(*value, out));
        }
        // Lines are for people; buckets of a fine scale are not.
        Sample::Native(native) => {
            flat.number("count", native.count);
            if let Some(sum) = native.sum {
                flat.field("sum", |out| double_to_json(sum, out));
            }
        }
        Sample::Distribution { count, sum, bounds, counts } => {
            flat.number("count", *count);
            if let Some(sum) = sum {
                flat.field("sum", |out| double_to_json(*sum, out));
            }
            if !counts.is_empty() {
                flat.field("bounds", |out| {
                    array(bounds, out, |bound, out| double_to_json(*bound, out));
                });
                flat.field("buckets", |out| {
                    array(counts, out, |count, out| {
                        out.extend_from_slice(count.to_string().as_bytes());
                    });
                });
            }
        }
    }
}

fn array<T>(values: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(value, out);
    }
    out.push(b']');
}
