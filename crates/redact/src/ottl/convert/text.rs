//! Texts out of texts.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::super::error::Fault;
use super::super::evaluate::Given;
use super::super::fields::hexed;
use super::super::value::{TEXT_BYTES_MAX, Val};

fn owned(text: String) -> Val<'static> {
    Val::Text(Cow::Owned(text))
}

/// The text behind an encoding.
pub(super) fn decoded(value: &Val<'_>, encoding: &str) -> Result<String, Fault> {
    let bytes = match value {
        Val::Text(text) => text.as_bytes(),
        Val::Bytes(bytes) => bytes,
        other => return Err(other.fault("a text or bytes")),
    };
    let wrong = Fault::Form { wants: "of this encoding" };
    let plain = match encoding {
        "base64" => STANDARD.decode(bytes).map_err(|_| wrong)?,
        "base64-raw" => STANDARD_NO_PAD.decode(bytes).map_err(|_| wrong)?,
        "base64-url" => URL_SAFE.decode(bytes).map_err(|_| wrong)?,
        "base64-raw-url" => URL_SAFE_NO_PAD.decode(bytes).map_err(|_| wrong)?,
        "iso-8859-1" => return Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        "us-ascii" if !bytes.is_ascii() => return Err(wrong),
        _ => bytes.to_vec(),
    };
    String::from_utf8(plain).map_err(|_| wrong)
}

pub(super) fn base64_encode(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let text = given.text(0)?;
    Ok(owned(match &*given.text_or(1, "base64")? {
        "base64-raw" => STANDARD_NO_PAD.encode(&*text),
        "base64-url" => URL_SAFE.encode(&*text),
        "base64-raw-url" => URL_SAFE_NO_PAD.encode(&*text),
        _ => STANDARD.encode(&*text),
    }))
}

/// Lists and maps are left out, since they could grow a record without bound.
pub(super) fn concat(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let delimiter = given.text(1)?;
    let mut out = String::new();
    for (index, value) in given.list(0)?.into_iter().enumerate() {
        if index > 0 {
            out.push_str(&delimiter);
        }
        match value.open()? {
            Val::Text(text) => out.push_str(&text),
            Val::Nil => out.push_str("<nil>"),
            Val::Bytes(bytes) | Val::Id(bytes) => out.push_str(&hexed(&bytes)),
            Val::List(_) | Val::Map(_) => {}
            other => out.push_str(&other.json()?),
        }
        if out.len() > TEXT_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
    }
    Ok(owned(out))
}

pub(super) fn lower(given: Given<'_>) -> Result<Val<'_>, Fault> {
    Ok(owned(given.text(0)?.to_lowercase()))
}

pub(super) fn upper(given: Given<'_>) -> Result<Val<'_>, Fault> {
    Ok(owned(given.text(0)?.to_uppercase()))
}

/// The words of a name: they end at separators, before a capital, and between letters and digits.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut characters = text.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(c) = characters.next() {
        if !c.is_alphanumeric() {
            open = false;
            before = None;
            continue;
        }
        let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = match before {
            Some(last) => {
                (c.is_uppercase() && (!last.is_uppercase() || next_is_lower))
                    || c.is_numeric() != last.is_numeric()
            }
            None => true,
        };
        if begins || !open {
            words.push(String::new());
            open = true;
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
        before = Some(c);
    }
    words
}

pub(super) fn snake(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let words: Vec<String> =
        words(&given.text(0)?).iter().map(|word| word.to_lowercase()).collect();
    Ok(owned(words.join("_")))
}

pub(super) fn camel(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let mut out = String::new();
    for word in words(&given.text(0)?) {
        let mut characters = word.chars();
        out.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        out.push_str(&characters.as_str().to_lowercase());
    }
    Ok(owned(out))
}

pub(super) fn extract_patterns(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let text = given.text(0)?;
    let mut map = Vec::new();
    given.pattern(1)?.named(&text, |name, range| {
        let found = text.get(range).unwrap_or_default();
        map.push((Cow::Owned(name.to_string()), owned(found.to_string())));
    });
    Ok(Val::Map(map))
}

pub(super) fn is_match(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let pattern = given.pattern(1)?;
    Ok(Val::Bool(match given.value(0)? {
        Val::Nil => false,
        Val::Text(text) => pattern.is_match(&text),
        other => pattern.is_match(&other.shown()?),
    }))
}

pub(super) fn split(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let (text, delimiter) = (given.text(0)?, given.text(1)?);
    let part = |part: &str| owned(part.to_string());
    Ok(Val::List(match &*delimiter {
        "" => text.chars().map(|c| owned(c.to_string())).collect(),
        delimiter => text.split(delimiter).map(part).collect(),
    }))
}

pub(super) fn string(value: Val<'_>) -> Result<Val<'_>, Fault> {
    Ok(match value {
        Val::Nil => Val::Nil,
        Val::Text(text) => Val::Text(text),
        Val::Bytes(bytes) | Val::Id(bytes) => owned(hexed(&bytes)),
        Val::Time(nanos) => owned(super::time::rfc3339(nanos)),
        Val::Duration(nanos) => owned(super::time::duration_text(nanos)),
        other => owned(other.json()?),
    })
}

pub(super) fn substring(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let text = given.text(0)?;
    let (start, length) = (given.size(1)?, given.size(2)?);
    let end = start.checked_add(length).filter(|end| *end <= text.len()).ok_or(Fault::Range)?;
    let (from, to) = match given.truth_or(3, false)? {
        true => (text.ceil_char_boundary(start), text.floor_char_boundary(end)),
        false => (start, end),
    };
    // A cut inside a character would not be text; the collector makes bad UTF-8 of it.
    let part = if from > to { Some("") } else { text.get(from..to) };
    Ok(owned(part.ok_or(Fault::Range)?.to_string()))
}

pub(super) fn trim(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let (text, set) = (given.text(0)?, given.text_or(1, " ")?);
    Ok(owned(text.trim_matches(|c| set.contains(c)).to_string()))
}

pub(super) fn trim_prefix(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let (text, prefix) = (given.text(0)?, given.text(1)?);
    Ok(owned(text.strip_prefix(&*prefix).unwrap_or(&text).to_string()))
}

pub(super) fn trim_suffix(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let (text, suffix) = (given.text(0)?, given.text(1)?);
    Ok(owned(text.strip_suffix(&*suffix).unwrap_or(&text).to_string()))
}
