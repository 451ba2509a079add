//! `Format`: the verbs of Go's `fmt.Sprintf` for values that telemetry has.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::super::error::Fault;
use super::super::evaluate::Given;
use super::super::fields::hexed;
use super::super::value::{TEXT_BYTES_MAX, Val};

/// Flags, width and precision of one verb.
#[derive(Clone, Copy, Default)]
struct Verb {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn format(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let layout = given.text(0)?;
    let mut values = given.list(1)?.into_iter();
    let mut out = String::new();
    let mut rest = &*layout;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (verb, tail) = verb(after)?;
        let mut characters = tail.chars();
        match characters.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(letter) => match values.next() {
                Some(value) => out.push_str(&shown(verb, letter, &value.open()?)?),
                None => out.push_str(&format!("%!{letter}(MISSING)")),
            },
        }
        rest = characters.as_str();
        if out.len() > TEXT_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
    }
    out.push_str(rest);
    for (index, value) in values.enumerate() {
        let value = value.open()?;
        out.push_str(if index == 0 { "%!(EXTRA " } else { ", " });
        out.push_str(&format!("{}={}", type_name(&value), value.shown()?));
    }
    if out.contains("%!(EXTRA ") {
        out.push(')');
    }
    Ok(Val::Text(Cow::Owned(out)))
}

fn verb(text: &str) -> Result<(Verb, &str), Fault> {
    let mut verb = Verb::default();
    let flags = text.find(|c| !"-+# 0".contains(c)).unwrap_or(text.len());
    let (flags, text) = text.split_at_checked(flags).unwrap_or((text, ""));
    verb.left = flags.contains('-');
    verb.plus = flags.contains('+');
    verb.space = flags.contains(' ');
    verb.alternate = flags.contains('#');
    verb.zero = flags.contains('0') && !verb.left;
    let (width, text) = digits(text)?;
    verb.width = width.unwrap_or(0);
    let Some(text) = text.strip_prefix('.') else {
        return Ok((verb, text));
    };
    let (precision, text) = digits(text)?;
    verb.precision = Some(precision.unwrap_or(0));
    Ok((verb, text))
}

fn digits(text: &str) -> Result<(Option<usize>, &str), Fault> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    match digits.parse::<usize>() {
        Ok(number) if number <= WIDTH_MAX => Ok((Some(number), rest)),
        Ok(_) => Err(Fault::TooLarge),
        Err(_) => Ok((None, rest)),
    }
}

fn shown(verb: Verb, letter: char, value: &Val<'_>) -> Result<String, Fault> {
    let places = verb.precision;
    let body = match (letter, value) {
        ('d', Val::Int(number)) => signed(verb, *number, |size| format!("{size}")),
        ('x', Val::Int(number)) => {
            let prefix = if verb.alternate { "0x" } else { "" };
            signed(verb, *number, |size| format!("{prefix}{size:x}"))
        }
        ('X', Val::Int(number)) => signed(verb, *number, |size| format!("{size:X}")),
        ('o', Val::Int(number)) => signed(verb, *number, |size| format!("{size:o}")),
        ('b', Val::Int(number)) => signed(verb, *number, |size| format!("{size:b}")),
        ('c', Val::Int(number)) => {
            let c = u32::try_from(*number).ok().and_then(char::from_u32);
            String::from(c.unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        ('f' | 'F', Val::Double(number)) => {
            let sign = if verb.plus && *number >= 0.0 { "+" } else { "" };
            format!("{sign}{number:.*}", places.unwrap_or(6))
        }
        ('e', Val::Double(number)) => exponent(&format!("{number:.*e}", places.unwrap_or(6))),
        ('g' | 'v', Val::Double(number)) => general(*number),
        ('t', Val::Bool(truth)) => format!("{truth}"),
        ('s', Val::Text(text)) => match places {
            Some(places) => text.chars().take(places).collect(),
            None => String::from(&**text),
        },
        ('q', Val::Text(text)) => format!("{text:?}"),
        ('x', Val::Text(text)) => hexed(text.as_bytes()),
        ('x', Val::Bytes(bytes) | Val::Id(bytes)) => hexed(bytes),
        ('v', Val::Nil) => String::from("<nil>"),
        ('v', value) => String::from(&*value.shown()?),
        (_, Val::Nil) => format!("%!{letter}(<nil>)"),
        (_, value) => format!("%!{letter}({}={})", type_name(value), value.shown()?),
    };
    Ok(padded(verb, &body, matches!(value, Val::Int(_) | Val::Double(_))))
}

fn signed(verb: Verb, number: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = match (number < 0, verb.plus, verb.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    };
    let digits = digits(number.unsigned_abs());
    let zeros = verb.precision.unwrap_or(0).saturating_sub(digits.len());
    format!("{sign}{}{digits}", "0".repeat(zeros))
}

fn padded(verb: Verb, body: &str, number: bool) -> String {
    let missing = verb.width.saturating_sub(body.chars().count());
    if verb.left {
        return format!("{body}{}", " ".repeat(missing));
    }
    if verb.zero && number {
        let unsigned = body.trim_start_matches(['-', '+']);
        let sign = body.strip_suffix(unsigned).unwrap_or_default();
        return format!("{sign}{}{unsigned}", "0".repeat(missing));
    }
    format!("{}{body}", " ".repeat(missing))
}

/// Go's exponents have a sign and two digits.
fn exponent(text: &str) -> String {
    let Some((mantissa, power)) = text.split_once('e') else {
        return String::from(text);
    };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{mantissa}e{sign}{power:0>2}")
}

/// `%g` in its shortest form.
fn general(number: f64) -> String {
    let size = number.abs();
    match number.is_finite() && size != 0.0 && !(1e-4..1e21).contains(&size) {
        true => exponent(&format!("{number:e}")),
        false => format!("{number}"),
    }
}

const fn type_name(value: &Val<'_>) -> &'static str {
    match value {
        Val::Nil => "nil",
        Val::Bool(_) => "bool",
        Val::Int(_) => "int64",
        Val::Double(_) => "float64",
        Val::Text(_) => "string",
        Val::Bytes(_) => "[]uint8",
        Val::Id(_) => "id",
        Val::Time(_) => "time.Time",
        Val::Duration(_) => "time.Duration",
        Val::List(_) => "[]interface {}",
        Val::Map(_) => "map[string]interface {}",
        Val::Raw(_) => "value",
    }
}

const WIDTH_MAX: usize = 1024; // a wider column is an attack on memory
