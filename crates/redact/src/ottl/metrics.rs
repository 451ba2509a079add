//! Editors of whole metrics: their kind, copies of them, and what is extracted from them.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use lucarne_otlp::wire::{Reader, Value as Wire, Writer};

use super::editors::Change;
use super::error::Fault;
use super::evaluate::Given;
use super::fields::metric_data;
use super::functions::Editor;
use super::message::{copy, last, nested, replace};
use super::paths::Level;
use super::value::{Entries, Val, as_double, entries, utf8};

/// Runs one of them on the metric of the scene.
pub(super) fn run(editor: Editor, given: Given<'_>, out: &mut Vec<u8>) -> Result<Change, Fault> {
    let metric: &[u8] = &given.scene.stack.record.bytes;
    let Some((kind, data)) = metric_data(metric)? else {
        return Ok(Change::Nothing);
    };
    let mut out = Writer::new(out);
    let here = Change::Replace(Level::Record);
    match (editor, kind) {
        (Editor::ConvertSumToGauge, SUM) => {
            replace(metric, &[SUM], &mut out, |out| out.message(GAUGE, |out| points(data, out)))?;
            Ok(here)
        }
        (Editor::ConvertGaugeToSum, GAUGE) => {
            let (temporality, monotonic) = (temporality(given)?, given.truth_or(1, false)?);
            replace(metric, &[GAUGE], &mut out, |out| {
                out.message(SUM, |out| {
                    points(data, out)?;
                    out.varint(2, temporality);
                    out.varint(3, u64::from(monotonic));
                    Ok(())
                })
            })?;
            Ok(here)
        }
        (Editor::CopyMetric, _) => {
            copy_metric(given, metric, &mut out)?;
            Ok(Change::Append)
        }
        (Editor::ScaleMetric, GAUGE | SUM | HISTOGRAM | SUMMARY) => {
            scale(given, metric, kind, data, &mut out)?;
            Ok(here)
        }
        (Editor::AggregateOnAttributes, GAUGE | SUM) => {
            let function = given.text(0)?;
            let keys = if given.is_absent(1) { None } else { Some(given.texts(1)?) };
            replace(metric, &[kind], &mut out, |out| {
                out.message(kind, |out| aggregate(data, &function, keys.as_deref(), out))
            })?;
            Ok(here)
        }
        (Editor::ExtractCount | Editor::ExtractSum, HISTOGRAM | EXPONENTIAL | SUMMARY)
        | (Editor::SummaryCountToSum | Editor::SummarySumToSum, SUMMARY) => {
            extract(editor, given, metric, kind, data, &mut out)
        }
        _ => Ok(Change::Nothing),
    }
}

fn temporality(given: Given<'_>) -> Result<u64, Fault> {
    Ok(if given.text(0)? == "delta" { 1 } else { 2 })
}

/// Copies the points and nothing else.
fn points(data: &[u8], out: &mut Writer<'_>) -> Result<(), Fault> {
    let mut reader = Reader::new(data);
    while let Some(field) = reader.next_field()? {
        if field.number == 1 {
            copy(field, out);
        }
    }
    Ok(())
}

fn copy_metric(given: Given<'_>, metric: &[u8], out: &mut Writer<'_>) -> Result<(), Fault> {
    let mut reader = Reader::new(metric);
    while let Some(field) = reader.next_field()? {
        let given_anew = matches!(field.number, 1..=3)
            && !given.is_absent(usize::try_from(field.number.saturating_sub(1)).unwrap_or(0));
        if !given_anew {
            copy(field, out);
        }
    }
    for (index, number) in [(0, 1), (1, 2), (2, 3)] {
        if !given.is_absent(index) {
            out.bytes(number, given.text(index)?.as_bytes());
        }
    }
    Ok(())
}

fn scale(
    given: Given<'_>,
    metric: &[u8],
    kind: u32,
    data: &[u8],
    out: &mut Writer<'_>,
) -> Result<(), Fault> {
    let factor = match given.value(0)? {
        Val::Double(factor) => factor,
        Val::Int(factor) => as_double(factor),
        other => return Err(other.fault("a number")),
    };
    let mut reader = Reader::new(metric);
    while let Some(field) = reader.next_field()? {
        match field.number {
            number if number == kind => out.message(kind, |out| {
                each_point(data, out, |point, out| scale_point(kind, point, factor, out))
            })?,
            3 if !given.is_absent(1) => {}
            _ => copy(field, out),
        }
    }
    if !given.is_absent(1) {
        out.bytes(3, given.text(1)?.as_bytes());
    }
    Ok(())
}

fn each_point(
    data: &[u8],
    out: &mut Writer<'_>,
    mut write: impl FnMut(&[u8], &mut Writer<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut reader = Reader::new(data);
    while let Some(field) = reader.next_field()? {
        match (field.number, field.value) {
            (1, Wire::Bytes(point)) => out.message(1, |out| write(point, out))?,
            _ => copy(field, out),
        }
    }
    Ok(())
}

fn scale_point(kind: u32, point: &[u8], factor: f64, out: &mut Writer<'_>) -> Result<(), Fault> {
    let mut reader = Reader::new(point);
    while let Some(field) = reader.next_field()? {
        match (kind, field.number, field.value) {
            (GAUGE | SUM, 4, Wire::Fixed64(bits))
            | (HISTOGRAM, 5 | 11 | 12, Wire::Fixed64(bits))
            | (SUMMARY, 5, Wire::Fixed64(bits)) => {
                out.double(field.number, f64::from_bits(bits) * factor);
            }
            (GAUGE | SUM, 6, Wire::Fixed64(bits)) => {
                let scaled = as_double(bits.cast_signed()) * factor;
                out.fixed64(6, whole(scaled).cast_unsigned());
            }
            (HISTOGRAM, 7, Wire::Bytes(packed)) => out.message(7, |out| {
                let mut bounds = Reader::new(packed);
                while let Some(bits) = bounds.next_fixed64()? {
                    out.packed_fixed64((f64::from_bits(bits) * factor).to_bits());
                }
                Ok::<(), Fault>(())
            })?,
            (SUMMARY, 6, Wire::Bytes(quantile)) => out.message(6, |out| {
                replace(quantile, &[2], out, |out| {
                    if let Some(Wire::Fixed64(bits)) = last(quantile, 2)? {
                        out.double(2, f64::from_bits(bits) * factor);
                    }
                    Ok(())
                })
            })?,
            _ => copy(field, out),
        }
    }
    Ok(())
}

/// Towards zero; what is too large becomes the largest.
#[expect(clippy::cast_possible_truncation, reason = "it saturates, which is what is wanted")]
const fn whole(number: f64) -> i64 {
    number as i64
}

/// One sum metric out of the counts or sums of another.
fn extract(
    editor: Editor,
    given: Given<'_>,
    metric: &[u8],
    kind: u32,
    data: &[u8],
    out: &mut Writer<'_>,
) -> Result<Change, Fault> {
    let named = matches!(editor, Editor::SummaryCountToSum | Editor::SummarySumToSum);
    let at = usize::from(named);
    let counts = matches!(editor, Editor::ExtractCount | Editor::SummaryCountToSum);
    let monotonic = given.truth_or(at, false)?;
    let suffix = given.text_or(at.saturating_add(1), if counts { "_count" } else { "_sum" })?;
    let temporality = match (named, kind, last(data, 2)?) {
        (true, _, _) => temporality(given)?,
        (_, SUMMARY, _) => 2,
        (_, _, Some(Wire::Varint(number))) => number,
        _ => 0,
    };
    let mut list = Vec::new();
    let mut reader = Reader::new(data);
    while let Some(field) = reader.next_field()? {
        if let (1, Wire::Bytes(point)) = (field.number, field.value)
            && (counts || kind == SUMMARY || last(point, 5)?.is_some())
        {
            list.push(point);
        }
    }
    if list.is_empty() {
        return Ok(Change::Nothing);
    }
    let name = utf8(nested(metric, 1)?)?;
    out.bytes(1, [name, &suffix].concat().as_bytes());
    for number in [2, 3] {
        // The unit of a count is not that of what was counted.
        if let (Some(Wire::Bytes(text)), false) = (last(metric, number)?, counts && number == 3) {
            out.bytes(number, text);
        }
    }
    out.message(SUM, |out| {
        for point in list {
            out.message(1, |out| number_point(kind, point, counts, out))?;
        }
        out.varint(2, temporality);
        out.varint(3, u64::from(monotonic));
        Ok::<(), Fault>(())
    })?;
    Ok(Change::Append)
}

/// Times, attributes and one number.
fn number_point(kind: u32, point: &[u8], counts: bool, out: &mut Writer<'_>) -> Result<(), Fault> {
    let attributes = attributes_of(kind);
    let mut reader = Reader::new(point);
    while let Some(field) = reader.next_field()? {
        match (field.number, field.value) {
            (2 | 3, _) => copy(field, out),
            (4, Wire::Fixed64(count)) if counts => out.fixed64(6, count),
            (5, Wire::Fixed64(bits)) if !counts => out.fixed64(4, bits),
            (number, Wire::Bytes(pair)) if number == attributes => out.bytes(7, pair),
            _ => {}
        }
    }
    Ok(())
}

const fn attributes_of(kind: u32) -> u32 {
    match kind {
        HISTOGRAM => 9,
        EXPONENTIAL => 1,
        _ => 7,
    }
}

/// Points that differ only in attributes that are not among `keys` become one.
fn aggregate(
    data: &[u8],
    function: &str,
    keys: Option<&[Cow<'_, str>]>,
    out: &mut Writer<'_>,
) -> Result<(), Fault> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut reader = Reader::new(data);
    while let Some(field) = reader.next_field()? {
        let (1, Wire::Bytes(point)) = (field.number, field.value) else {
            copy(field, out);
            continue;
        };
        let mut attributes = entries(point, 7)?;
        attributes.retain(|(name, _)| keys.is_none_or(|keys| keys.contains(name)));
        let time = last(point, 3)?;
        let mut place = None;
        for (index, group) in groups.iter().enumerate() {
            let same = Val::Map(attributes.clone());
            if last(group.first, 3)? == time
                && same.equals(&Val::Map(group.attributes.clone()), super::value::DEPTH_MAX)?
            {
                place = Some(index);
            }
        }
        match place.and_then(|index| groups.get_mut(index)) {
            Some(group) => group.values.push(value_of(point)?),
            None => {
                let values = Vec::from([value_of(point)?]);
                groups.push(Group { first: point, attributes, values });
            }
        }
    }
    for group in &groups {
        out.message(1, |out| group.write(function, out))?;
    }
    Ok(())
}

struct Group<'a> {
    first: &'a [u8],
    attributes: Entries<'a>,
    values: Vec<Val<'a>>,
}

fn value_of(point: &[u8]) -> Result<Val<'_>, Fault> {
    Ok(match (last(point, 6)?, last(point, 4)?) {
        (Some(Wire::Fixed64(bits)), _) => Val::Int(bits.cast_signed()),
        (_, Some(Wire::Fixed64(bits))) => Val::Double(f64::from_bits(bits)),
        _ => Val::Int(0),
    })
}

impl Group<'_> {
    fn write(&self, function: &str, out: &mut Writer<'_>) -> Result<(), Fault> {
        for number in [2, 3] {
            if let Some(Wire::Fixed64(time)) = last(self.first, number)? {
                out.fixed64(number, time);
            }
        }
        match self.folded(function)? {
            Val::Int(number) => out.fixed64(6, number.cast_unsigned()),
            Val::Double(number) => out.double(4, number),
            other => return Err(other.fault("a number")),
        }
        super::fields::map_fields(7, &self.attributes, out)
    }

    fn folded(&self, function: &str) -> Result<Val<'_>, Fault> {
        let count = i64::try_from(self.values.len()).map_err(|_| Fault::Arithmetic)?;
        let better = |new: &Val<'_>, old: &Val<'_>| {
            new.order(old)
                .is_some_and(|order| if function == "max" { order.is_gt() } else { order.is_lt() })
        };
        let mut folded = self.values.first().cloned().unwrap_or(Val::Int(0));
        if function == "count" {
            return Ok(Val::Int(count));
        }
        for value in self.values.iter().skip(1) {
            folded = match (function, folded, value) {
                ("max" | "min", old, new) => {
                    if better(new, &old) {
                        new.clone()
                    } else {
                        old
                    }
                }
                (_, Val::Int(a), Val::Int(b)) => {
                    Val::Int(a.checked_add(*b).ok_or(Fault::Arithmetic)?)
                }
                (_, Val::Double(a), Val::Double(b)) => Val::Double(a + b),
                (_, Val::Int(a), Val::Double(b)) => Val::Double(as_double(a) + b),
                (_, Val::Double(a), Val::Int(b)) => Val::Double(a + as_double(*b)),
                (_, other, _) => return Err(other.fault("a number")),
            };
        }
        Ok(match (function, folded) {
            ("mean", Val::Int(sum)) => Val::Int(sum.checked_div(count).unwrap_or(sum)),
            ("mean", Val::Double(sum)) => Val::Double(sum / as_double(count)),
            (_, folded) => folded,
        })
    }
}

const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL: u32 = 10;
const SUMMARY: u32 = 11;
