//! Reading a path out of encoded messages, and writing one.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use lucarne_otlp::display::hex;
use lucarne_otlp::wire::{Reader, Value as Wire, Writer};

use super::error::Fault;
use super::lexer::unhex;
use super::message::{self, Slot, Stack};
use super::paths::{self, Form, Place};
use super::program::Path;
use super::value::{DEPTH_MAX, Entries, Val, entries, entry, pair, utf8};

/// A key after its expression was computed.
#[derive(Clone, Debug)]
pub(super) enum Step<'a> {
    Text(Cow<'a, str>),
    Int(i64),
}

/// The value at a path; nil where the record has no such field.
pub(super) fn read<'s>(
    stack: &'s Stack<'_>,
    path: &Path,
    steps: &[Step<'_>],
) -> Result<Val<'s>, Fault> {
    let slot = stack.slot(path.level);
    let Some(place) = paths::place(slot.shape, path.field) else {
        return Ok(Val::Nil);
    };
    // The common case, one key of a map, decodes one value only.
    if let (Form::Map, Some((Step::Text(key), rest))) = (place.form, steps.split_first()) {
        return descend(entry(&slot.bytes, place.number, key)?, rest);
    }
    if let (Form::TraceState, [Step::Text(key)]) = (place.form, steps) {
        let state = utf8(message::nested(&slot.bytes, place.number)?)?;
        let found = state.split(',').find_map(|item| item.trim().split_once('='));
        let listed = state.split(',').filter_map(|item| item.trim().split_once('='));
        return Ok(match listed.into_iter().find(|(name, _)| name == key) {
            Some((_, value)) if found.is_some() => Val::text(value),
            _ => Val::Nil,
        });
    }
    descend(whole(slot, place, stack.index)?, steps)
}

fn descend<'s>(value: Val<'s>, steps: &[Step<'_>]) -> Result<Val<'s>, Fault> {
    let mut value = value.open()?;
    for step in steps {
        value = match step {
            Step::Text(key) => value.member(key)?,
            Step::Int(index) => value.element(*index)?,
        };
    }
    Ok(value)
}

fn whole<'s>(slot: &'s Slot<'_>, place: Place, index: i64) -> Result<Val<'s>, Fault> {
    let bytes: &'s [u8] = match place.inside {
        Some(number) => message::nested(&slot.bytes, number)?,
        None => &slot.bytes,
    };
    let number = place.number;
    let scalar = |form: Form| match form {
        Form::Map => entries(bytes, number).map(Val::Map),
        Form::Counts | Form::Bounds | Form::Varints => numbers(bytes, number, form),
        Form::MetricType => Ok(Val::Int(metric_data(bytes)?.map_or(0, |(kind, _)| type_of(kind)))),
        Form::Temporality | Form::Monotonic => aggregation(bytes, number, form),
        Form::EventIndex => Ok(Val::Int(index)),
        _ => Ok(shown(message::last(bytes, number)?, form)?),
    };
    scalar(place.form)
}

fn shown(value: Option<Wire<'_>>, form: Form) -> Result<Val<'_>, Fault> {
    Ok(match (form, value) {
        (Form::Text | Form::TraceState, Some(Wire::Bytes(text))) => Val::text(utf8(text)?),
        (Form::Text | Form::TraceState, _) => Val::text(""),
        (Form::Any, Some(Wire::Bytes(any))) => Val::Raw(any).open()?,
        (Form::AnyText, Some(Wire::Bytes(any))) => Val::Text(Val::Raw(any).shown()?),
        (Form::AnyText, _) => Val::text(""),
        (Form::Varint, Some(Wire::Varint(number))) => Val::Int(low32(number)),
        (Form::Zigzag, Some(Wire::Varint(number))) => Val::Int(zigzag(number)),
        (Form::Fixed32, Some(Wire::Fixed32(number))) => Val::Int(i64::from(number)),
        (Form::Nanos | Form::Count | Form::Signed, Some(Wire::Fixed64(number))) => {
            Val::Int(number.cast_signed())
        }
        (Form::Time, Some(Wire::Fixed64(nanos))) => Val::Time(nanos.cast_signed()),
        (Form::Double, Some(Wire::Fixed64(bits))) => Val::Double(f64::from_bits(bits)),
        (Form::Varint | Form::Zigzag | Form::Fixed32 | Form::Nanos | Form::Count, _) => Val::Int(0),
        (Form::Time, _) => Val::Time(0),
        (Form::Id(_), Some(Wire::Bytes(id))) if !id.is_empty() => Val::Id(Cow::Borrowed(id)),
        (Form::Id(length), _) => Val::Id(Cow::Borrowed(NO_ID.get(..length).unwrap_or_default())),
        (Form::IdText(_), Some(Wire::Bytes(id))) => Val::Text(Cow::Owned(hexed(id))),
        (Form::IdText(_), _) => Val::text(""),
        (Form::SpanKindText, Some(Wire::Varint(kind))) => Val::text(span_kind(kind)),
        (Form::SpanKindText, _) => Val::text("Unspecified"),
        _ => Val::Nil,
    })
}

/// `uint32` and `int32` as protobuf reads them: the low half, with its sign.
fn low32(number: u64) -> i64 {
    let low = u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
    if number > u64::from(u32::MAX) { i64::from(low.cast_signed()) } else { i64::from(low) }
}

const fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg()
}

pub(super) fn hexed(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    hex(bytes, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

const fn span_kind(kind: u64) -> &'static str {
    match kind {
        1 => "Internal",
        2 => "Server",
        3 => "Client",
        4 => "Producer",
        5 => "Consumer",
        _ => "Unspecified",
    }
}

fn numbers(bytes: &[u8], number: u32, form: Form) -> Result<Val<'_>, Fault> {
    let mut list = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match (field.number == number, field.value) {
            (true, Wire::Bytes(packed)) if form == Form::Varints => {
                let mut packed = Reader::new(packed);
                while let Some(value) = packed.next_varint()? {
                    list.push(Val::Int(value.cast_signed()));
                }
            }
            (true, Wire::Bytes(packed)) => {
                let mut packed = Reader::new(packed);
                while let Some(value) = packed.next_fixed64()? {
                    list.push(number_of(value, form));
                }
            }
            (true, Wire::Fixed64(value) | Wire::Varint(value)) => list.push(number_of(value, form)),
            _ => {}
        }
    }
    Ok(Val::List(list))
}

const fn number_of(bits: u64, form: Form) -> Val<'static> {
    match form {
        Form::Bounds => Val::Double(f64::from_bits(bits)),
        _ => Val::Int(bits.cast_signed()),
    }
}

/// The data of a metric: the number of its field and its message.
pub(super) fn metric_data(metric: &[u8]) -> Result<Option<(u32, &[u8])>, Fault> {
    let mut found = None;
    let mut reader = Reader::new(metric);
    while let Some(field) = reader.next_field()? {
        if let (5 | 7 | 9..=11, Wire::Bytes(data)) = (field.number, field.value) {
            found = Some((field.number, data));
        }
    }
    Ok(found)
}

/// The collector's number of a kind of metric.
const fn type_of(field: u32) -> i64 {
    match field {
        5 => 1,
        7 => 2,
        9 => 3,
        10 => 4,
        11 => 5,
        _ => 0,
    }
}

fn aggregation(metric: &[u8], number: u32, form: Form) -> Result<Val<'_>, Fault> {
    let Some((kind, data)) = metric_data(metric)? else {
        return Ok(Val::Nil);
    };
    let value = match message::last(data, number)? {
        Some(Wire::Varint(value)) => value,
        _ => 0,
    };
    Ok(match (form, kind) {
        (Form::Temporality, 7 | 9 | 10) => Val::Int(low32(value)),
        (Form::Monotonic, 7) => Val::Bool(value != 0),
        _ => Val::Nil,
    })
}

/// Writes the message of `path` anew with `value` at it.
pub(super) fn write(
    stack: &Stack<'_>,
    path: &Path,
    steps: &[Step<'_>],
    value: Val<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Fault> {
    let slot = stack.slot(path.level);
    let Some(place) = paths::place(slot.shape, path.field) else {
        return Ok(false);
    };
    let mut out = Writer::new(out);
    let value = match steps {
        [] => value,
        _ if place.form == Form::TraceState => trace_state(slot, place, steps, value)?,
        _ => put(whole(slot, place, stack.index)?, steps, value, DEPTH_MAX)?,
    };
    match place.form {
        Form::Temporality | Form::Monotonic => return aggregate(slot, place, &value, &mut out),
        Form::Double | Form::Signed if matches!(place.number, 4 | 6) => {
            // A number point holds one of two; another kind of point has other fields there.
            let both: &[u32] =
                if slot.shape == paths::Shape::NumberPoint { &[4, 6] } else { &[place.number] };
            message::replace(&slot.bytes, both, &mut out, |out| field(place, &value, out))?;
        }
        _ => match place.inside {
            None => {
                let number = [place.number];
                message::replace(&slot.bytes, &number, &mut out, |out| field(place, &value, out))?;
            }
            Some(inside) => {
                let around = message::nested(&slot.bytes, inside)?;
                message::replace(&slot.bytes, &[inside], &mut out, |out| {
                    out.message(inside, |out| {
                        let number = [place.number];
                        message::replace(around, &number, out, |out| field(place, &value, out))
                    })
                })?;
            }
        },
    }
    Ok(true)
}

/// `value` put at `steps` below `around`; maps that are missing on the way are made.
fn put<'a>(
    around: Val<'a>,
    steps: &[Step<'_>],
    value: Val<'a>,
    depth: u8,
) -> Result<Val<'a>, Fault> {
    let depth = depth.checked_sub(1).ok_or(Fault::TooLarge)?;
    let Some((step, rest)) = steps.split_first() else {
        return Ok(value);
    };
    match (around.open()?, step) {
        (Val::Nil, Step::Text(_)) => put(Val::Map(Vec::new()), steps, value, depth),
        (Val::Map(mut map), Step::Text(key)) => {
            match map.iter_mut().find(|(name, _)| name == key) {
                Some((_, slot)) => {
                    let old = core::mem::replace(slot, Val::Nil);
                    *slot = put(old, rest, value, depth)?;
                }
                None => {
                    let new = put(Val::Nil, rest, value, depth)?;
                    map.push((Cow::Owned(String::from(&**key)), new));
                }
            }
            Ok(Val::Map(map))
        }
        (Val::List(mut list), Step::Int(index)) => {
            let index = usize::try_from(*index).map_err(|_| Fault::Range)?;
            let slot = list.get_mut(index).ok_or(Fault::Range)?;
            let old = core::mem::replace(slot, Val::Nil);
            *slot = put(old, rest, value, depth)?;
            Ok(Val::List(list))
        }
        (other, Step::Text(_)) => Err(other.fault("a map")),
        (other, Step::Int(_)) => Err(other.fault("a list")),
    }
}

fn trace_state<'a>(
    slot: &Slot<'_>,
    place: Place,
    steps: &[Step<'_>],
    value: Val<'_>,
) -> Result<Val<'a>, Fault> {
    let [Step::Text(key)] = steps else {
        return Err(Fault::Range);
    };
    let value = value.into_text()?;
    let state = utf8(message::nested(&slot.bytes, place.number)?)?;
    // W3C: what was changed last stands first.
    let mut text = String::from(&**key);
    text.push('=');
    text.push_str(&value);
    for item in state.split(',').map(str::trim) {
        let name = item.split_once('=').map_or(item, |(name, _)| name);
        if !item.is_empty() && name != key {
            text.push(',');
            text.push_str(item);
        }
    }
    Ok(Val::Text(Cow::Owned(text)))
}

/// Writes one field from a value of the right type.
fn field(place: Place, value: &Val<'_>, out: &mut Writer<'_>) -> Result<(), Fault> {
    let number = place.number;
    match (place.form, value) {
        (Form::Text | Form::TraceState, Val::Text(text)) => out.bytes(number, text.as_bytes()),
        (Form::Any, value) => {
            out.message(number, |out| value.write(out, DEPTH_MAX))?;
        }
        (Form::AnyText, Val::Text(text)) => {
            out.message(number, |out| out.bytes(1, text.as_bytes()));
        }
        (Form::Map, Val::Map(map)) => return map_fields(number, map, out),
        (Form::Varint, Val::Int(value)) => out.varint(number, value.cast_unsigned()),
        (Form::Zigzag, Val::Int(value)) => out.zigzag(number, *value),
        (Form::Fixed32, Val::Int(value)) => {
            out.fixed32(number, u32::try_from(*value).map_err(|_| Fault::Range)?);
        }
        (Form::Nanos | Form::Count | Form::Signed, Val::Int(value))
        | (Form::Time, Val::Time(value)) => {
            out.fixed64(number, value.cast_unsigned());
        }
        (Form::Double, Val::Double(value)) => out.double(number, *value),
        (Form::Id(length), Val::Id(id) | Val::Bytes(id)) if id.len() == length => {
            out.bytes(number, id);
        }
        (Form::IdText(length), Val::Text(text)) => {
            let id = unhex(text).filter(|id| id.len() == length);
            out.bytes(number, &id.ok_or(Fault::Form { wants: "an id in hex" })?);
        }
        (Form::SpanKindText, Val::Text(text)) => {
            let kind = (0..6).find(|kind| span_kind(*kind) == text);
            out.varint(number, kind.ok_or(Fault::Form { wants: "a kind of span" })?);
        }
        (Form::Counts | Form::Bounds | Form::Varints, Val::List(list)) => {
            return out.message(number, |out| {
                list.iter().try_for_each(|item| packed(place.form, item, out))
            });
        }
        (form, value) => return Err(value.fault(wanted(form))),
    }
    Ok(())
}

fn packed(form: Form, item: &Val<'_>, out: &mut Writer<'_>) -> Result<(), Fault> {
    match (form, item.clone().open()?) {
        (Form::Varints, Val::Int(number)) => out.packed_varint(number.cast_unsigned()),
        (Form::Counts, Val::Int(number)) => out.packed_fixed64(number.cast_unsigned()),
        (Form::Bounds, Val::Double(number)) => out.packed_fixed64(number.to_bits()),
        (_, other) => return Err(other.fault(wanted(form))),
    }
    Ok(())
}

/// Writes a map as the repeated pairs of a message.
pub(super) fn map_fields(
    number: u32,
    map: &Entries<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Fault> {
    map.iter().try_for_each(|(key, value)| pair(key, value, number, out, DEPTH_MAX))
}

fn aggregate(
    slot: &Slot<'_>,
    place: Place,
    value: &Val<'_>,
    out: &mut Writer<'_>,
) -> Result<bool, Fault> {
    let number = match (place.form, value) {
        (Form::Monotonic, Val::Bool(truth)) => u64::from(*truth),
        (Form::Temporality, Val::Int(number)) => number.cast_unsigned(),
        _ => return Err(value.fault(wanted(place.form))),
    };
    let Some((kind, data)) = metric_data(&slot.bytes)? else {
        return Ok(false);
    };
    if !matches!((place.form, kind), (_, 7) | (Form::Temporality, 9 | 10)) {
        return Ok(false);
    }
    message::replace(&slot.bytes, &[kind], out, |out| {
        out.message(kind, |out| {
            message::replace(data, &[place.number], out, |out| {
                out.varint(place.number, number);
                Ok(())
            })
        })
    })?;
    Ok(true)
}

const fn wanted(form: Form) -> &'static str {
    match form {
        Form::Text | Form::TraceState | Form::AnyText | Form::SpanKindText => "a text",
        Form::Map => "a map",
        Form::Any => "a value",
        Form::Time => "a time",
        Form::Double => "a double",
        Form::Id(_) => "an id of the right length",
        Form::IdText(_) => "an id in hex",
        Form::Counts | Form::Varints => "a list of ints",
        Form::Bounds => "a list of doubles",
        Form::Monotonic => "a bool",
        _ => "an int",
    }
}

const NO_ID: [u8; 16] = [0; 16];
