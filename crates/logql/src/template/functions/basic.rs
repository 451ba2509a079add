//! Go's own functions: comparison, indexing, printing; and JSON.

use alloc::string::String;
use core::cmp::Ordering;

use super::super::error::RenderError;
use super::super::function::Env;
use super::super::printf::sprintf;
use super::super::value::Value;
use super::{json, text, whole, wrong};

type Answer<'a> = Result<Value<'a>, RenderError>;

/// What `and` and `or` answer once their arguments are known.
pub(crate) fn last<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(arguments.last().cloned().unwrap_or(Value::Nil))
}

pub(crate) fn not<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(!arguments.first().is_some_and(Value::is_true)))
}

fn compare(arguments: &[Value<'_>]) -> Result<Option<Ordering>, RenderError> {
    match (arguments.first(), arguments.get(1)) {
        (Some(Value::Int(one)), Some(Value::Int(other))) => Ok(Some(one.cmp(other))),
        (Some(Value::Float(one)), Some(Value::Float(other))) => Ok(one.partial_cmp(other)),
        (Some(Value::Text(one)), Some(Value::Text(other))) => Ok(Some(one.cmp(other))),
        _ => Err(RenderError::Incomparable),
    }
}

fn same(one: &Value<'_>, other: &Value<'_>) -> Result<bool, RenderError> {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => Ok(one == other),
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Time(one), Value::Time(other)) => Ok(one == other),
        _ => Ok(compare(&[one.clone(), other.clone()])? == Some(Ordering::Equal)),
    }
}

/// Whether the first is equal to any of the others.
pub(crate) fn eq<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (first, others) = arguments.split_first().ok_or(RenderError::Incomparable)?;
    for other in others {
        if same(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(crate) fn ne<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(!eq(env, arguments)?.is_true()))
}

pub(crate) fn lt<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(compare(arguments)?.is_some_and(Ordering::is_lt)))
}

pub(crate) fn le<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(compare(arguments)?.is_some_and(Ordering::is_le)))
}

pub(crate) fn gt<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(compare(arguments)?.is_some_and(Ordering::is_gt)))
}

pub(crate) fn ge<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(compare(arguments)?.is_some_and(Ordering::is_ge)))
}

pub(crate) fn len<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let length = match arguments.first() {
        Some(Value::Text(text)) => text.len(),
        Some(Value::List(list)) => list.len(),
        Some(Value::Map(map)) => map.len(),
        Some(Value::Labels(dot)) => {
            let mut count = 0usize;
            dot.each(&mut |_, _| count = count.saturating_add(1));
            count
        }
        other => return Err(wrong("len", "string, list or map", other)),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `index x 1 "a"` is `x[1]["a"]`.
pub(crate) fn index<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (first, keys) = arguments.split_first().ok_or(RenderError::Incomparable)?;
    let mut value = first.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::List(list), Value::Int(index)) => {
                let at = usize::try_from(*index).ok().and_then(|at| list.get(at));
                at.cloned().ok_or(RenderError::IndexOutOfRange { index: *index })?
            }
            (Value::Text(text), Value::Int(index)) => {
                let at = usize::try_from(*index).ok().and_then(|at| text.as_bytes().get(at));
                let byte = at.ok_or(RenderError::IndexOutOfRange { index: *index })?;
                Value::Int(i64::from(*byte))
            }
            (Value::Map(map), Value::Text(name)) => {
                let found = map.iter().find(|(have, _)| have == name);
                found.map_or(Value::Nil, |(_, value)| value.clone())
            }
            (Value::Labels(dot), Value::Text(name)) => Value::owned(dot.field(name).unwrap_or("")),
            (_, key) => return Err(wrong("index", "list, map or string", Some(key))),
        };
    }
    Ok(value)
}

/// `slice x 1 2` is `x[1:2]`.
pub(crate) fn slice<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let bound = |at: usize, default: usize| {
        if arguments.len() <= at {
            return Ok(default);
        }
        let index = whole("slice", arguments, at)?;
        usize::try_from(index).map_err(|_| RenderError::IndexOutOfRange { index })
    };
    let beyond =
        |end: usize| RenderError::IndexOutOfRange { index: i64::try_from(end).unwrap_or(i64::MAX) };
    match arguments.first() {
        Some(Value::List(list)) => {
            let (start, end) = (bound(1, 0)?, bound(2, list.len())?);
            let part = list.get(start..end).ok_or_else(|| beyond(end))?;
            Ok(Value::List(part.to_vec().into()))
        }
        _ => {
            let text = text("slice", arguments, 0)?;
            let (start, end) = (bound(1, 0)?, bound(2, text.len())?);
            text.get(start..end).map(Value::owned).ok_or_else(|| beyond(end))
        }
    }
}

/// A space between operands of which neither is text.
pub(crate) fn print<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::new();
    let is_text = |value: &Value<'_>| matches!(value, Value::Text(_));
    let mut before: Option<&Value<'_>> = None;
    for value in arguments {
        if before.is_some_and(|before| !is_text(before) && !is_text(value)) {
            out.push(' ');
        }
        value.print(&mut out);
        before = Some(value);
    }
    env.charge(out.len())?;
    Ok(Value::owned(out))
}

pub(crate) fn println<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::new();
    for (at, value) in arguments.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { " " });
        value.print(&mut out);
    }
    out.push('\n');
    env.charge(out.len())?;
    Ok(Value::owned(out))
}

pub(crate) fn printf<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let out = sprintf(text("printf", arguments, 0)?, arguments.get(1..).unwrap_or(&[]));
    env.charge(out.len())?;
    Ok(Value::owned(out))
}

pub(crate) fn default<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let given = arguments.get(1).filter(|given| given.is_true());
    Ok(given.or(arguments.first()).cloned().unwrap_or(Value::Nil))
}

/// What is no JSON is the empty string, as documented.
pub(crate) fn from_json<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let document = text("fromJson", arguments, 0)?;
    // The tree is larger than its text; charging for it bounds its memory.
    env.charge(document.len().saturating_mul(4))?;
    Ok(json::parse(document).unwrap_or(Value::Text("".into())))
}

pub(crate) fn line<'a>(env: &mut Env<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::text(env.facts.line))
}
