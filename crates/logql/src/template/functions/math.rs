//! Numbers. What is no number counts as zero, as the documented functions do it.

use super::super::decimal::{Operation, apply};
use super::super::error::RenderError;
use super::super::function::Env;
use super::super::value::Value;
use super::{text, whole};
use crate::go_number::{parse_float, parse_int};
use crate::stage::{bytes as parse_bytes, int_to_float, seconds};

type Answer<'a> = Result<Value<'a>, RenderError>;

/// To a whole number: text as Go's literals, floats without their fraction.
fn to_int(value: &Value<'_>) -> i64 {
    match value {
        Value::Int(value) => *value,
        Value::Float(value) => truncated(*value),
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => {
            let zeros = text.rsplit_once('.').filter(|(_, f)| f.bytes().all(|b| b == b'0'));
            parse_int(zeros.map_or(text.as_ref(), |(whole, _)| whole)).unwrap_or(0)
        }
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Time(_) | Value::Labels(_) => 0,
        Value::Regex(_) => 0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is wanted")]
fn truncated(value: f64) -> i64 {
    value as i64
}

fn to_float(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(value) => int_to_float(*value),
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Text(text) => parse_float(text).unwrap_or(0.0),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Time(_) | Value::Labels(_) => 0.0,
        Value::Regex(_) => 0.0,
    }
}

fn ints<'a>(arguments: &[Value<'a>], join: impl Fn(i64, i64) -> i64) -> Answer<'a> {
    let joined = arguments.iter().map(to_int).reduce(join);
    Ok(Value::Int(joined.unwrap_or(0)))
}

fn floats<'a>(arguments: &[Value<'a>], join: impl Fn(f64, f64) -> f64) -> Answer<'a> {
    let joined = arguments.iter().map(to_float).reduce(join);
    Ok(Value::Float(joined.unwrap_or(0.0)))
}

pub(crate) fn int<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    ints(arguments, |one, _| one)
}

pub(crate) fn float<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, |one, _| one)
}

pub(crate) fn add<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    ints(arguments, i64::wrapping_add)
}

pub(crate) fn sub<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    ints(arguments, i64::wrapping_sub)
}

pub(crate) fn mul<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    ints(arguments, i64::wrapping_mul)
}

fn divisor(arguments: &[Value<'_>]) -> Result<i64, RenderError> {
    match arguments.get(1).map_or(0, to_int) {
        0 => Err(RenderError::Division),
        divisor => Ok(divisor),
    }
}

pub(crate) fn div<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let divisor = divisor(arguments)?;
    ints(arguments, |one, _| one.checked_div(divisor).unwrap_or(i64::MIN))
}

pub(crate) fn modulo<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let divisor = divisor(arguments)?;
    ints(arguments, |one, _| one.checked_rem(divisor).unwrap_or(0))
}

pub(crate) fn addf<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, |one, other| apply(Operation::Add, one, other))
}

pub(crate) fn subf<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, |one, other| apply(Operation::Sub, one, other))
}

pub(crate) fn mulf<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, |one, other| apply(Operation::Mul, one, other))
}

pub(crate) fn divf<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    if arguments.iter().skip(1).any(|value| to_float(value) == 0.0) {
        return Err(RenderError::Division);
    }
    floats(arguments, |one, other| apply(Operation::Div, one, other))
}

pub(crate) fn max<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    ints(arguments, i64::max)
}

pub(crate) fn min<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    ints(arguments, i64::min)
}

pub(crate) fn maxf<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, f64::max)
}

pub(crate) fn minf<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, f64::min)
}

/// Without its fraction, towards zero; from 2^52 on a float has none.
fn integral(value: f64) -> f64 {
    if value.abs() < 4_503_599_627_370_496.0 { int_to_float(truncated(value)) } else { value }
}

fn floored(value: f64) -> f64 {
    let whole = integral(value);
    if whole > value { whole - 1.0 } else { whole }
}

pub(crate) fn floor<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, |one, _| one).map(|value| Value::Float(floored(to_float(&value))))
}

pub(crate) fn ceil<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    floats(arguments, |one, _| one).map(|value| Value::Float(-floored(-to_float(&value))))
}

/// `round value places [on]`: up from `on`, which is a half if it is not given.
pub(crate) fn round<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let value = arguments.first().map_or(0.0, to_float);
    let places = whole("round", arguments, 1)?;
    let on = arguments.get(2).map_or(0.5, to_float);
    let mut power = 1.0;
    for _ in 0..places.unsigned_abs().min(PLACES_MAX) {
        power *= if places < 0 { 0.1 } else { 10.0 };
    }
    let digits = power * value;
    let fraction = digits - integral(digits);
    let up = if digits < 0.0 { fraction.abs() > on } else { fraction >= on };
    let rounded = match (up, digits < 0.0) {
        (true, false) => -floored(-digits),
        (true, true) => floored(digits),
        (false, _) => integral(digits),
    };
    Ok(Value::Float(rounded / power))
}

pub(crate) fn duration<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let text = text("duration_seconds", arguments, 0)?;
    let unreadable = |reason| RenderError::Unreadable { function: "duration_seconds", reason };
    seconds(text).map(Value::Float).map_err(unreadable)
}

pub(crate) fn bytes<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let text = text("bytes", arguments, 0)?;
    let unreadable = |reason| RenderError::Unreadable { function: "bytes", reason };
    let bytes = parse_bytes(text).map_err(unreadable)?;
    Ok(Value::Float(crate::stage::count_to_float(bytes)))
}

/// More digits than a float has.
const PLACES_MAX: u64 = 32;
