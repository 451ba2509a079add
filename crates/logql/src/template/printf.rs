//! Go's `Sprintf`, for the values that a template has.

use alloc::format;
use alloc::string::{String, ToString as _};

use super::value::Value;
use crate::go_number::{format_float_short, go_exponent, quote, special};

/// One verb with its flags.
#[derive(Clone, Copy, Debug, Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    zero: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats as Go does, its mistakes in the text (`%!d(string=x)`) included.
pub(super) fn sprintf(format: &str, arguments: &[Value<'_>]) -> String {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (verb, after) = flags(after, &mut arguments);
        let mut chars = after.chars();
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(letter) => match arguments.next() {
                Some(value) => verb.push(letter, value, &mut out),
                None => out.push_str(&format!("%!{letter}(MISSING)")),
            },
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    let mut separator = "%!(EXTRA ";
    let extra = !arguments.as_slice().is_empty();
    for value in arguments {
        out.push_str(separator);
        out.push_str(value.type_name());
        out.push('=');
        value.print(&mut out);
        separator = ", ";
    }
    if extra {
        out.push(')');
    }
    out
}

/// Flags, width and precision; `*` takes a number from the arguments.
fn flags<'f>(text: &'f str, arguments: &mut core::slice::Iter<'_, Value<'_>>) -> (Verb, &'f str) {
    let mut verb = Verb::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next() {
        match flag {
            '-' => verb.minus = true,
            '+' => verb.plus = true,
            '#' => verb.sharp = true,
            '0' => verb.zero = true,
            ' ' => verb.space = true,
            _ => break,
        }
        rest = rest.get(1..).unwrap_or("");
    }
    let mut count = |rest: &mut &'f str| {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            return match arguments.next() {
                Some(Value::Int(value)) => Some(*value),
                _ => None,
            };
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value = rest.get(..digits).and_then(|digits| digits.parse().ok());
        *rest = rest.get(digits..).unwrap_or("");
        value
    };
    if let Some(width) = count(&mut rest) {
        verb.minus |= width < 0;
        verb.width = usize::try_from(width.unsigned_abs()).ok().map(|width| width.min(WIDTH_MAX));
    }
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        let precision = usize::try_from(count(&mut rest).unwrap_or(0)).unwrap_or(0);
        verb.precision = Some(precision.min(WIDTH_MAX));
    }
    (verb, rest)
}

impl Verb {
    fn push(self, letter: char, value: &Value<'_>, out: &mut String) {
        let text = match (letter, value) {
            ('v', Value::Int(_)) => self.int('d', value),
            ('v', Value::Float(_)) => self.float('g', value),
            ('v', _) => Some((printed(value), false)),
            ('T', _) => Some((value.type_name().into(), false)),
            ('t', Value::Bool(_)) => Some((printed(value), false)),
            ('s' | 'q' | 'x' | 'X', Value::Text(text)) => Some((self.text(letter, text), false)),
            ('s', Value::List(_) | Value::Map(_) | Value::Time(_) | Value::Labels(_)) => {
                Some((printed(value), false))
            }
            (_, Value::Int(_)) => self.int(letter, value),
            (_, Value::Float(_)) => self.float(letter, value),
            _ => None,
        };
        match text {
            Some((text, numeric)) => self.pad(&text, numeric, out),
            None => {
                let shown = if let Value::Nil = value {
                    format!("%!{letter}(<nil>)")
                } else {
                    format!("%!{letter}({}={})", value.type_name(), printed(value))
                };
                out.push_str(&shown);
            }
        }
    }

    fn text(self, letter: char, text: &str) -> String {
        let cut: String = match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.into(),
        };
        match letter {
            'q' if self.sharp && !cut.contains(['`', '\n']) => format!("`{cut}`"),
            'q' => quote(&cut),
            'x' => cut.bytes().map(|byte| format!("{byte:02x}")).collect(),
            'X' => cut.bytes().map(|byte| format!("{byte:02X}")).collect(),
            _ => cut,
        }
    }

    fn int(self, letter: char, value: &Value<'_>) -> Option<(String, bool)> {
        let Value::Int(value) = value else {
            return None;
        };
        let magnitude = value.unsigned_abs();
        let prefix = |prefix| if self.sharp { prefix } else { "" };
        let digits = match letter {
            'd' => magnitude.to_string(),
            'x' => format!("{}{magnitude:x}", prefix("0x")),
            'X' => format!("{}{magnitude:X}", prefix("0X")),
            'o' => format!("{}{magnitude:o}", prefix("0")),
            'O' => format!("0o{magnitude:o}"),
            'b' => format!("{}{magnitude:b}", prefix("0b")),
            'c' | 'q' => {
                let c = u32::try_from(*value).ok().and_then(char::from_u32);
                let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
                return Some((if letter == 'c' { c.into() } else { format!("'{c}'") }, false));
            }
            'U' => return Some((format!("U+{magnitude:04X}"), false)),
            _ => return None,
        };
        let digits = match self.precision {
            Some(precision) => format!("{digits:0>precision$}"),
            None => digits,
        };
        Some((self.signed(*value < 0, &digits), self.precision.is_none()))
    }

    fn float(self, letter: char, value: &Value<'_>) -> Option<(String, bool)> {
        let Value::Float(value) = value else {
            return None;
        };
        if let Some(word) = special(*value) {
            let word = if self.plus { word } else { word.trim_start_matches('+') };
            // Go shows the sign of an infinity in any case.
            let shown = if value.is_infinite() && *value > 0.0 { "+Inf" } else { word };
            return matches!(letter, 'e' | 'E' | 'f' | 'F' | 'g' | 'G')
                .then(|| (shown.into(), false));
        }
        let magnitude = value.abs();
        let digits = match (letter, self.precision) {
            ('f' | 'F', precision) => format!("{magnitude:.0$}", precision.unwrap_or(6)),
            ('e' | 'E', precision) => {
                go_exponent(&format!("{magnitude:.0$e}", precision.unwrap_or(6)))
            }
            ('g' | 'G', None) => format_float_short(magnitude),
            ('g' | 'G', Some(precision)) => general(magnitude, precision.max(1)),
            _ => return None,
        };
        let digits = if letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        Some((self.signed(value.is_sign_negative(), &digits), true))
    }

    fn signed(self, negative: bool, digits: &str) -> String {
        let sign = match (negative, self.plus, self.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        format!("{sign}{digits}")
    }

    /// Zeros go between the sign and the digits.
    fn pad(self, text: &str, numeric: bool, out: &mut String) {
        let lacks = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            out.push_str(text);
            out.push_str(&" ".repeat(lacks));
        } else if self.zero && numeric {
            let digits = text.trim_start_matches(['+', '-', ' ']);
            out.push_str(text.strip_suffix(digits).unwrap_or(""));
            out.push_str(&"0".repeat(lacks));
            out.push_str(digits);
        } else {
            out.push_str(&(if self.zero { "0" } else { " " }).repeat(lacks));
            out.push_str(text);
        }
    }
}

/// `%.3g`: so many significant digits, without zeros at the end.
fn general(value: f64, precision: usize) -> String {
    let text = format!("{value:.0$e}", precision.saturating_sub(1));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let bare = |text: &str| -> String {
        let text = if text.contains('.') { text.trim_end_matches('0') } else { text };
        text.trim_end_matches('.').into()
    };
    let places = i64::try_from(precision).unwrap_or(0).saturating_sub(1).saturating_sub(exponent);
    if exponent < -4 || places < 0 {
        return go_exponent(&format!("{}e{exponent}", bare(mantissa)));
    }
    bare(&format!("{value:.0$}", usize::try_from(places).unwrap_or(0)))
}

fn printed(value: &Value<'_>) -> String {
    let mut out = String::new();
    value.print(&mut out);
    out
}

/// Wider than any line; Go stops at a million.
const WIDTH_MAX: usize = 10_000;
