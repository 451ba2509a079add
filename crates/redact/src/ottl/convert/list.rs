//! Lists and maps.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;

use lucarne_otlp::wire::{Reader, Value as Wire};

use super::super::error::Fault;
use super::super::evaluate::Given;
use super::super::fields::metric_data;
use super::super::message::nested;
use super::super::value::{Val, as_double, entry};
use super::same;

pub(super) fn is_empty(value: &Val<'_>) -> bool {
    match value {
        Val::Nil => true,
        Val::Bool(truth) => !truth,
        Val::Int(number) | Val::Time(number) | Val::Duration(number) => *number == 0,
        Val::Double(number) => *number == 0.0,
        Val::Text(text) => text.is_empty(),
        Val::Bytes(bytes) => bytes.is_empty(),
        Val::Raw(bytes) => bytes.is_empty(),
        Val::Id(bytes) => bytes.iter().all(|byte| *byte == 0),
        Val::List(list) => list.is_empty(),
        Val::Map(map) => map.is_empty(),
    }
}

pub(super) fn is_root_span(given: Given<'_>) -> Result<bool, Fault> {
    let parent = nested(&given.scene.stack.record.bytes, 4)?;
    Ok(parent.iter().all(|byte| *byte == 0))
}

/// Whether a data point of the metric has the attribute, and with this text if one is given.
pub(super) fn has_attribute(given: Given<'_>, with_value: bool) -> Result<bool, Fault> {
    let key = given.text(0)?;
    let Some((kind, data)) = metric_data(&given.scene.stack.record.bytes)? else {
        return Ok(false);
    };
    let attributes = match kind {
        9 => 9,
        10 => 1,
        _ => 7,
    };
    let mut reader = Reader::new(data);
    while let Some(field) = reader.next_field()? {
        let (1, Wire::Bytes(point)) = (field.number, field.value) else { continue };
        let found = match entry(point, attributes, &key)? {
            Val::Nil => false,
            value => !with_value || value.shown()? == given.text(1)?,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn coalesce(given: Given<'_>) -> Result<Val<'_>, Fault> {
    for value in given.list(0)? {
        match value.open()? {
            Val::Nil => {}
            value => return Ok(value),
        }
    }
    Ok(Val::Nil)
}

/// Where the second argument is in the list of the first.
pub(super) fn position(given: Given<'_>) -> Result<Option<usize>, Fault> {
    let wanted = given.value(1)?;
    for (index, value) in given.list(0)?.iter().enumerate() {
        if same(value, &wanted)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

pub(super) fn index(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let found = match given.value(0)? {
        Val::Text(text) => text.find(&*given.text(1)?),
        Val::List(_) => position(given)?,
        other => return Err(other.fault("a text or a list")),
    };
    Ok(Val::Int(found.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)))
}

pub(super) fn keys(given: Given<'_>) -> Result<Val<'_>, Fault> {
    Ok(Val::List(given.map(0)?.into_iter().map(|(key, _)| Val::Text(key)).collect()))
}

pub(super) fn len(value: &Val<'_>) -> Result<Val<'static>, Fault> {
    let length = match value {
        Val::Text(text) => text.len(),
        Val::Bytes(bytes) => bytes.len(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        other => return Err(other.fault("a text, a list or a map")),
    };
    i64::try_from(length).map(Val::Int).map_err(|_| Fault::Range)
}

pub(super) fn slice_to_map(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let key_path = if given.is_absent(1) { None } else { Some(given.texts(1)?) };
    let value_path = if given.is_absent(2) { Vec::new() } else { given.texts(2)? };
    let mut map = Vec::new();
    for (index, item) in given.list(0)?.into_iter().enumerate() {
        let key = match &key_path {
            Some(path) => follow(item.clone(), path)?.into_text()?,
            None => Cow::Owned(index.to_string()),
        };
        map.push((key, follow(item, &value_path)?));
    }
    Ok(Val::Map(map))
}

fn follow<'a>(value: Val<'a>, path: &[Cow<'_, str>]) -> Result<Val<'a>, Fault> {
    path.iter().try_fold(value, |value, key| value.member(key))
}

pub(super) fn sort(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let list: Vec<Val<'_>> = given.list(0)?.into_iter().map(Val::open).collect::<Result<_, _>>()?;
    let descending = given.text_or(1, "asc")? == "desc";
    let every = |is: fn(&Val<'_>) -> bool| list.iter().all(is);
    let numbers = every(|value| matches!(value, Val::Int(_) | Val::Double(_)));
    let scalars =
        every(|value| matches!(value, Val::Int(_) | Val::Double(_) | Val::Bool(_) | Val::Text(_)));
    if !scalars {
        return Err(Fault::Type { wants: "numbers, texts and bools", got: "a list of others" });
    }
    let mut keyed: Vec<(Cow<'_, str>, Val<'_>)> = Vec::with_capacity(list.len());
    for value in list {
        keyed.push((if numbers { Cow::Borrowed("") } else { value.shown()? }, value));
    }
    keyed.sort_by(|(a_text, a), (b_text, b)| {
        let order =
            if numbers { double_of(a).total_cmp(&double_of(b)) } else { a_text.cmp(b_text) };
        // Integers beyond 2^53 are equal as doubles and still have an order.
        let order = order.then_with(|| a.order(b).unwrap_or(Ordering::Equal));
        if descending { order.reverse() } else { order }
    });
    Ok(Val::List(keyed.into_iter().map(|(_, value)| value).collect()))
}

fn double_of(value: &Val<'_>) -> f64 {
    match value {
        Val::Int(number) => as_double(*number),
        Val::Double(number) => *number,
        _ => 0.0,
    }
}

pub(super) fn to_key_value_string(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let (equals, between) = (given.text_or(1, "=")?, given.text_or(2, " ")?);
    if equals == between {
        return Err(Fault::Form { wants: "two different delimiters" });
    }
    let mut map = given.map(0)?;
    if given.truth_or(3, false)? {
        map.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let mut out = String::new();
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push_str(&between);
        }
        quote(key, &equals, &between, &mut out);
        out.push_str(&equals);
        quote(&value.shown()?, &equals, &between, &mut out);
    }
    Ok(Val::Text(Cow::Owned(out)))
}

fn quote(text: &str, equals: &str, between: &str, out: &mut String) {
    if !text.contains(equals) && !text.contains(between) {
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(&text.replace('"', "\\\""));
    out.push('"');
}
