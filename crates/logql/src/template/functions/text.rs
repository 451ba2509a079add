//! Text. Counts are bytes where Go's are, and a cut never splits a character.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::super::error::RenderError;
use super::super::function::Env;
use super::super::value::Value;
use super::{text, whole};
use crate::go_regex::{Anchor, Regex, slot_text};

type Answer<'a> = Result<Value<'a>, RenderError>;

fn made<'a>(env: &mut Env<'a>, made: impl Into<String>) -> Answer<'a> {
    let made = made.into();
    env.charge(made.len())?;
    Ok(Value::owned(made))
}

/// The nearest place before an offset that is between two characters.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn offset(at: i64) -> usize {
    usize::try_from(at).unwrap_or(0)
}

pub(crate) fn lower<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    made(env, text("lower", arguments, 0)?.to_lowercase())
}

pub(crate) fn upper<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    made(env, text("upper", arguments, 0)?.to_uppercase())
}

/// The first letter of each word.
pub(crate) fn title<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::new();
    let mut within = false;
    for c in text("title", arguments, 0)?.chars() {
        if within {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        within = c.is_alphanumeric() || matches!(c, '_' | '\'');
    }
    made(env, out)
}

/// From the beginning, or for a negative count from the end.
pub(crate) fn trunc<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (count, text) = (whole("trunc", arguments, 0)?, text("trunc", arguments, 1)?);
    let length = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let cut = if count < 0 {
        text.get(boundary(text, text.len().saturating_sub(length))..)
    } else {
        text.get(..boundary(text, length))
    };
    made(env, cut.unwrap_or(""))
}

pub(crate) fn substr<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (start, end) = (whole("substr", arguments, 0)?, whole("substr", arguments, 1)?);
    let text = text("substr", arguments, 2)?;
    let from = if start < 0 { 0 } else { boundary(text, offset(start)) };
    let to = if start >= 0 && end < 0 { text.len() } else { boundary(text, offset(end)) };
    made(env, text.get(from..to).unwrap_or(""))
}

pub(crate) fn contains<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (part, whole) = (text("contains", arguments, 0)?, text("contains", arguments, 1)?);
    Ok(Value::Bool(whole.contains(part)))
}

pub(crate) fn has_prefix<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (part, whole) = (text("hasPrefix", arguments, 0)?, text("hasPrefix", arguments, 1)?);
    Ok(Value::Bool(whole.starts_with(part)))
}

pub(crate) fn has_suffix<'a>(_: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (part, whole) = (text("hasSuffix", arguments, 0)?, text("hasSuffix", arguments, 1)?);
    Ok(Value::Bool(whole.ends_with(part)))
}

fn indented(env: &mut Env<'_>, arguments: &[Value<'_>]) -> Result<String, RenderError> {
    let (spaces, text) = (whole("indent", arguments, 0)?, text("indent", arguments, 1)?);
    let spaces = offset(spaces);
    let lines = text.matches('\n').count().saturating_add(1);
    env.charge(spaces.saturating_mul(lines).saturating_add(text.len()))?;
    let pad = " ".repeat(spaces);
    let mut out = String::new();
    for (at, line) in text.split('\n').enumerate() {
        out.push_str(if at == 0 { "" } else { "\n" });
        out.push_str(&pad);
        out.push_str(line);
    }
    Ok(out)
}

pub(crate) fn indent<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::owned(indented(env, arguments)?))
}

pub(crate) fn nindent<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = indented(env, arguments)?;
    out.insert(0, '\n');
    Ok(Value::owned(out))
}

/// The length is known, and paid for, before the text is made.
fn replaced<'a>(env: &mut Env<'a>, text: &str, old: &str, new: &str, most: usize) -> Answer<'a> {
    let count = text.matches(old).take(most).count();
    env.charge(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Value::owned(text.replacen(old, new, most)))
}

pub(crate) fn replace<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let of = |at| text("replace", arguments, at);
    replaced(env, of(2)?, of(0)?, of(1)?, usize::MAX)
}

/// `Replace s old new n`; a negative count is all.
pub(crate) fn replace_first<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let of = |at| text("Replace", arguments, at);
    let most = usize::try_from(whole("Replace", arguments, 3)?).unwrap_or(usize::MAX);
    replaced(env, of(0)?, of(1)?, of(2)?, most)
}

pub(crate) fn repeat<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (count, text) = (offset(whole("repeat", arguments, 0)?), text("repeat", arguments, 1)?);
    env.charge(text.len().saturating_mul(count))?;
    Ok(Value::owned(if text.is_empty() { String::new() } else { text.repeat(count) }))
}

pub(crate) fn trim_space<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    made(env, text("trim", arguments, 0)?.trim())
}

/// Which of its arguments is the text, and which ends lose the characters of the other.
fn trimmed<'a>(
    env: &mut Env<'a>,
    arguments: &[Value<'a>],
    order: (usize, usize),
    ends: (bool, bool),
) -> Answer<'a> {
    let (whole, set) = (text("trimAll", arguments, order.0)?, text("trimAll", arguments, order.1)?);
    let whole = if ends.0 { whole.trim_start_matches(|c| set.contains(c)) } else { whole };
    let whole = if ends.1 { whole.trim_end_matches(|c| set.contains(c)) } else { whole };
    made(env, whole)
}

pub(crate) fn trim_all<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    trimmed(env, arguments, (1, 0), (true, true))
}

pub(crate) fn trim_of<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    trimmed(env, arguments, (0, 1), (true, true))
}

pub(crate) fn trim_left<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    trimmed(env, arguments, (0, 1), (true, false))
}

pub(crate) fn trim_right<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    trimmed(env, arguments, (0, 1), (false, true))
}

pub(crate) fn trim_prefix<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (part, whole) = (text("trimPrefix", arguments, 0)?, text("trimPrefix", arguments, 1)?);
    made(env, whole.strip_prefix(part).unwrap_or(whole))
}

pub(crate) fn trim_prefix_of<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, part) = (text("TrimPrefix", arguments, 0)?, text("TrimPrefix", arguments, 1)?);
    made(env, whole.strip_prefix(part).unwrap_or(whole))
}

pub(crate) fn trim_suffix<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (part, whole) = (text("trimSuffix", arguments, 0)?, text("trimSuffix", arguments, 1)?);
    made(env, whole.strip_suffix(part).unwrap_or(whole))
}

pub(crate) fn trim_suffix_of<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (whole, part) = (text("TrimSuffix", arguments, 0)?, text("TrimSuffix", arguments, 1)?);
    made(env, whole.strip_suffix(part).unwrap_or(whole))
}

/// The text, and how many characters it lacks or has too many.
fn aligned<'v>(
    env: &mut Env<'_>,
    function: &'static str,
    arguments: &'v [Value<'_>],
) -> Result<(&'v str, usize, usize), RenderError> {
    let (width, text) = (whole(function, arguments, 0)?, text(function, arguments, 1)?);
    let count = text.chars().count();
    let width = usize::try_from(width).unwrap_or(count);
    env.charge(width.saturating_add(text.len()))?;
    Ok((text, width.saturating_sub(count), count.saturating_sub(width)))
}

pub(crate) fn align_left<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (text, lacks, over) = aligned(env, "alignLeft", arguments)?;
    let keep = text.chars().count().saturating_sub(over);
    let mut out: String = text.chars().take(keep).collect();
    out.push_str(&" ".repeat(lacks));
    Ok(Value::owned(out))
}

pub(crate) fn align_right<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let (text, lacks, over) = aligned(env, "alignRight", arguments)?;
    let mut out = " ".repeat(lacks);
    out.extend(text.chars().skip(over));
    Ok(Value::owned(out))
}

pub(crate) fn base64_encode<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::new();
    for chunk in text("b64enc", arguments, 0)?.as_bytes().chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4u32 {
            let shift = 18u32.saturating_sub(digit.saturating_mul(6));
            let at = usize::try_from(bits >> shift & 63).unwrap_or(0);
            let absent = usize::try_from(digit).unwrap_or(0) > chunk.len();
            let c = BASE64.as_bytes().get(at).copied().map_or('=', char::from);
            out.push(if absent { '=' } else { c });
        }
    }
    made(env, out)
}

/// What is no base64, or no text inside, cannot be read.
pub(crate) fn base64_decode<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let encoded = text("b64dec", arguments, 0)?;
    let unreadable =
        || RenderError::Unreadable { function: "b64dec", reason: "illegal base64 data".into() };
    let bare = encoded.strip_suffix("==").or_else(|| encoded.strip_suffix('=')).unwrap_or(encoded);
    if encoded.len() % 4 != 0 || bare.len() % 4 == 1 {
        return Err(unreadable());
    }
    let (mut bytes, mut bits, mut have) = (Vec::new(), 0u32, 0u32);
    for byte in bare.bytes() {
        let digit = BASE64.bytes().position(|b| b == byte).ok_or_else(unreadable)?;
        bits = (bits << 6 | u32::try_from(digit).unwrap_or(0)) & 0xff_ffff;
        have = have.saturating_add(6);
        if have >= 8 {
            have = have.saturating_sub(8);
            bytes.push(u8::try_from(bits >> have & 0xff).unwrap_or(0));
        }
    }
    made(env, String::from_utf8(bytes).map_err(|_| unreadable())?)
}

fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

pub(crate) fn url_encode<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    made(env, percent_encode(text("urlencode", arguments, 0)?))
}

pub(crate) fn url_decode<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let encoded = text("urldecode", arguments, 0)?;
    let unreadable = |escape: &str| RenderError::Unreadable {
        function: "urldecode",
        reason: alloc::format!("invalid URL escape {}", crate::go_number::quote(escape)),
    };
    let mut bytes = Vec::new();
    let mut rest = encoded;
    while let Some(at) = rest.find(['%', '+']) {
        bytes.extend_from_slice(rest.get(..at).unwrap_or("").as_bytes());
        let escape = rest.get(at..).unwrap_or("");
        if escape.starts_with('+') {
            bytes.push(b' ');
            rest = escape.get(1..).unwrap_or("");
            continue;
        }
        let digits = escape.get(1..3).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| unreadable(escape.get(..3).unwrap_or(escape)))?);
        rest = escape.get(3..).unwrap_or("");
    }
    bytes.extend_from_slice(rest.as_bytes());
    made(env, String::from_utf8(bytes).map_err(|_| unreadable(encoded))?)
}

fn printed(env: &mut Env<'_>, arguments: &[Value<'_>]) -> Result<String, RenderError> {
    let mut out = String::new();
    arguments.iter().for_each(|value| value.print(&mut out));
    env.charge(out.len())?;
    Ok(out)
}

pub(crate) fn urlquery<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let text = printed(env, arguments)?;
    made(env, percent_encode(&text))
}

pub(crate) fn html<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::new();
    for c in printed(env, arguments)?.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    made(env, out)
}

pub(crate) fn js<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let mut out = String::new();
    for c in printed(env, arguments)?.chars() {
        match c {
            '\\' | '\'' | '"' => out.extend(['\\', c]),
            '<' | '>' | '&' | '=' => _ = write!(out, "\\u{:04X}", u32::from(c)),
            c if c.is_ascii_control() => _ = write!(out, "\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    made(env, out)
}

/// The expression of the first argument: a constant was compiled with the template.
fn with_regex<T>(
    env: &mut Env<'_>,
    function: &'static str,
    arguments: &[Value<'_>],
    then: impl FnOnce(&mut Env<'_>, &Regex) -> Result<T, RenderError>,
) -> Result<T, RenderError> {
    if let Some(Value::Regex(regex)) = arguments.first() {
        return then(env, regex);
    }
    let source = text(function, arguments, 0)?;
    env.charge(REGEX_COST)?;
    let regex = Regex::new(source, Anchor::Unanchored).map_err(RenderError::Regex)?;
    then(env, &regex)
}

pub(crate) fn count<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let text = text("count", arguments, 1)?;
    let found = with_regex(env, "count", arguments, |env, regex| {
        env.charge(text.len())?;
        Ok(regex.find_all(text).count())
    })?;
    Ok(Value::Int(i64::try_from(found).unwrap_or(i64::MAX)))
}

/// `regexReplaceAll regex s new`, with `$1` and `${name}` in the replacement.
pub(crate) fn regex_replace<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let of = |at| text("regexReplaceAll", arguments, at);
    let (text, new) = (of(1)?, of(2)?);
    let out = with_regex(env, "regexReplaceAll", arguments, |env, regex| {
        let mut slots = alloc::vec![None; regex.slot_count()];
        let (mut out, mut from) = (String::new(), 0);
        for (start, end) in regex.find_all(text) {
            out.push_str(text.get(from..start).unwrap_or(""));
            regex.captures_at(text, start, &mut slots);
            expand(new, text, regex, &slots, &mut out);
            env.charge(out.len().saturating_sub(from))?;
            from = end;
        }
        out.push_str(text.get(from..).unwrap_or(""));
        Ok(out)
    })?;
    made(env, out)
}

pub(crate) fn regex_replace_literal<'a>(env: &mut Env<'a>, arguments: &[Value<'a>]) -> Answer<'a> {
    let of = |at| text("regexReplaceAllLiteral", arguments, at);
    let (text, new) = (of(1)?, of(2)?);
    let out = with_regex(env, "regexReplaceAllLiteral", arguments, |env, regex| {
        let (mut out, mut from) = (String::new(), 0);
        for (start, end) in regex.find_all(text) {
            env.charge(new.len())?;
            out.push_str(text.get(from..start).unwrap_or(""));
            out.push_str(new);
            from = end;
        }
        out.push_str(text.get(from..).unwrap_or(""));
        Ok(out)
    })?;
    made(env, out)
}

/// Go's `Expand`: `$name` takes as many letters as it can, `$$` is a dollar.
fn expand(
    new: &str,
    text: &str,
    regex: &Regex,
    slots: &[Option<regex_automata::util::primitives::NonMaxUsize>],
    out: &mut String,
) {
    let mut rest = new;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let word = |c: char| !c.is_alphanumeric() && c != '_';
        let (name, behind) = braced.unwrap_or_else(|| {
            after.split_at_checked(after.find(word).unwrap_or(after.len())).unwrap_or(("", ""))
        });
        if name.is_empty() || name.contains(word) {
            out.push('$');
            rest = after;
            continue;
        }
        let named = || regex.names().iter().find(|(_, have)| have == name).map(|(at, _)| *at);
        if let Some(group) = name.parse().ok().or_else(named) {
            out.push_str(slot_text(text, slots, group));
        }
        rest = behind;
    }
    out.push_str(rest);
}

const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// What compiling an expression on a line counts for.
const REGEX_COST: usize = 64 << 10;
