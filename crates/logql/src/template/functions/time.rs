//! Points in time. The local zone is UTC: a line must not read differently on another machine.

use alloc::string::String;

use super::super::error::RenderError;
use super::super::function::Env;
use super::super::layout::{Moment, Zone};
use super::super::value::Value;
use super::{text, wrong};

type Answer<'a> = Result<Value<'a>, RenderError>;

pub(crate) fn timestamp<'a>(env: &mut Env<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Time(Moment::from_nanos(env.facts.time_ns)))
}

pub(crate) fn now<'a>(env: &mut Env<'a>, _: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Time(Moment::from_nanos(env.facts.now_ns)))
}

fn moment(
    function: &'static str,
    arguments: &[Value<'_>],
    at: usize,
) -> Result<Moment, RenderError> {
    match arguments.get(at) {
        Some(Value::Time(moment)) => Ok(*moment),
        other => Err(wrong(function, "time.Time", other)),
    }
}

/// Whole numbers are seconds since 1970.
pub(crate) fn date<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let layout = text("date", arguments, 0)?;
    let moment = match arguments.get(1) {
        Some(Value::Int(seconds)) => Moment::from_seconds(*seconds),
        _ => moment("date", arguments, 1)?,
    };
    let mut out = String::new();
    moment.format(layout, &mut out);
    env.charge(out.len())?;
    Ok(Value::owned(out))
}

/// A text that is not as the layout says is the first second of year one.
pub(crate) fn to_date<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (layout, text) = (text("toDate", arguments, 0)?, text("toDate", arguments, 1)?);
    Ok(Value::Time(Moment::parse(layout, text, Zone::UTC).unwrap_or(Moment::ZERO)))
}

pub(crate) fn to_date_in_zone<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let of = |at| text("toDateInZone", arguments, at);
    let (layout, zone, text) = (of(0)?, of(1)?, of(2)?);
    let zone = match zone {
        "" | "UTC" | "Local" => Zone::UTC,
        name => return Err(RenderError::UnknownZone { name: name.into() }),
    };
    Ok(Value::Time(Moment::parse(layout, text, zone).unwrap_or(Moment::ZERO)))
}

pub(crate) fn unix_epoch<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let moment = moment("unixEpoch", arguments, 0)?;
    Ok(Value::owned(alloc::format!("{}", moment.nanos_since_epoch().div_euclid(NANOS))))
}

pub(crate) fn unix_epoch_millis<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let moment = moment("unixEpochMillis", arguments, 0)?;
    Ok(Value::owned(alloc::format!("{}", moment.nanos_since_epoch().div_euclid(1_000_000))))
}

pub(crate) fn unix_epoch_nanos<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let moment = moment("unixEpochNanos", arguments, 0)?;
    Ok(Value::owned(alloc::format!("{}", moment.nanos_since_epoch())))
}

/// By the number of digits: days, seconds, milliseconds, microseconds or nanoseconds.
pub(crate) fn unix_to_time<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let epoch = text("unixToTime", arguments, 0)?;
    let unreadable = || RenderError::Unreadable {
        function: "unixToTime",
        reason: alloc::format!("unable to parse time '{epoch}'"),
    };
    let value: i64 = epoch.parse().map_err(|_| unreadable())?;
    let nanos = match epoch.len() {
        5 => return Ok(Value::Time(Moment::from_seconds(value.saturating_mul(86_400)))),
        10 => return Ok(Value::Time(Moment::from_seconds(value))),
        13 => value.checked_mul(1_000_000),
        16 => value.checked_mul(1000),
        19 => Some(value),
        _ => None,
    };
    nanos.map(|nanos| Value::Time(Moment::from_nanos(nanos))).ok_or_else(unreadable)
}

const NANOS: i128 = 1_000_000_000;
