//! Maps and lists out of texts: JSON, CSV, key-value pairs, URLs; severities and networks.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::super::error::Fault;
use super::super::evaluate::Given;
use super::super::value::{Entries, Val};
use super::same;

fn owned(text: &str) -> Val<'static> {
    Val::Text(Cow::Owned(text.to_string()))
}

/// Numbers become doubles, as in the collector.
pub(super) fn json(text: &str) -> Result<Val<'static>, Fault> {
    let Json(value) = serde_json::from_str(text).map_err(|_| Fault::Form { wants: "JSON" })?;
    match value {
        Val::Map(_) | Val::List(_) => Ok(value),
        _ => Err(Fault::Form { wants: "a JSON object or array" }),
    }
}

struct Json(Val<'static>);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json(Val::Bool(truth)))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json(Val::Double(number as f64)))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json(Val::Double(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json(Val::Double(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json(owned(text)))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json(Val::Nil))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Json(Val::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut map: Entries<'static> = Vec::new();
        while let Some((key, Json(value))) = items.next_entry::<String, Json>()? {
            // The last of two equal names counts.
            let room = map.len() < MEMBERS_MAX;
            match map.iter_mut().find(|(name, _)| *name == key) {
                Some((_, slot)) => *slot = value,
                None if !room => return Err(A::Error::custom("members")),
                None => map.push((Cow::Owned(key), value)),
            }
        }
        Ok(Json(Val::Map(map)))
    }
}

pub(super) fn csv(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let delimiter = single(&given.text_or(2, ",")?)?;
    let header_delimiter = if given.is_absent(3) { delimiter } else { single(&given.text(3)?)? };
    let mode = given.text_or(4, "strict")?;
    let (row, headers) = (given.text(0)?, given.text(1)?);
    let names: Vec<&str> = headers.split(header_delimiter).collect();
    let row = row.trim_matches(['\r', '\n']);
    let fields = match &*mode {
        "ignoreQuotes" => row.split(delimiter).map(String::from).collect(),
        mode => csv_fields(row, delimiter, mode == "lazyQuotes")?,
    };
    if names.len() != fields.len() {
        return Err(Fault::Form { wants: "a row with as many fields as the header" });
    }
    let pair = |(name, field): (&str, String)| {
        (Cow::Owned(name.to_string()), Val::Text(Cow::Owned(field)))
    };
    Ok(Val::Map(names.into_iter().zip(fields).map(pair).collect()))
}

fn single(text: &str) -> Result<char, Fault> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(Fault::Form { wants: "a delimiter of one character" }),
    }
}

fn csv_fields(row: &str, delimiter: char, lazy: bool) -> Result<Vec<String>, Fault> {
    let wrong = Fault::Form { wants: "a row of CSV" };
    let mut fields = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = row.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted => match characters.peek() {
                Some('"') => {
                    characters.next();
                    field.push('"');
                }
                Some(next) if *next != delimiter && !lazy => return Err(wrong),
                Some(next) if *next != delimiter => field.push('"'),
                _ => quoted = false,
            },
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' if !lazy => return Err(wrong),
            _ if c == delimiter && !quoted => {
                fields.push(core::mem::take(&mut field));
                was_quoted = false;
            }
            _ => field.push(c),
        }
    }
    if quoted && !lazy {
        return Err(wrong);
    }
    fields.push(field);
    Ok(fields)
}

pub(super) fn key_value(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let text = given.text(0)?;
    let (equals, between) = (given.text_or(1, "=")?, given.text_or(2, " ")?);
    let wrong = Fault::Form { wants: "pairs of key and value" };
    if text.is_empty() || equals == between || equals.is_empty() || between.is_empty() {
        return Err(wrong);
    }
    let mut map: Entries<'_> = Vec::new();
    for part in quoted_parts(&text, &between).ok_or(wrong)? {
        if part.trim().is_empty() {
            continue;
        }
        let (key, value) = part.split_once(&*equals).ok_or(wrong)?;
        let plain = |text: &str| {
            let text = text.trim();
            let inner = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
            inner('"').or_else(|| inner('\'')).unwrap_or(text).to_string()
        };
        let (key, value) = (plain(key), Val::Text(Cow::Owned(plain(value))));
        let room = map.len() < MEMBERS_MAX;
        match map.iter_mut().find(|(name, _)| *name == key) {
            Some((_, slot)) => *slot = value,
            None if !room => return Err(Fault::TooLarge),
            None => map.push((Cow::Owned(key), value)),
        }
    }
    Ok(Val::Map(map))
}

/// The parts between delimiters that are not in quotes; `None` when a quote stays open.
fn quoted_parts<'t>(text: &'t str, delimiter: &str) -> Option<Vec<&'t str>> {
    let mut parts = Vec::new();
    let (mut start, mut skip_until) = (0_usize, 0_usize);
    let mut quote: Option<char> = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if at >= skip_until && text.get(at..)?.starts_with(delimiter) => {
                parts.push(text.get(start..at)?);
                start = at.checked_add(delimiter.len())?;
                skip_until = start;
            }
            None => {}
        }
    }
    parts.push(text.get(start..)?);
    if quote.is_none() { Some(parts) } else { None }
}

/// The first level one of whose conditions holds.
pub(super) fn severity(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let target = given.value(0)?;
    for (level, criteria) in given.map(1)? {
        for criterion in criteria.into_list()? {
            let criterion = criterion.open()?;
            for value in list_of(criterion.clone().member("equals")?)? {
                if same(&value, &target)? {
                    return Ok(Val::Text(level));
                }
            }
            if in_range(&target, criterion.member("range")?)? {
                return Ok(Val::Text(level));
            }
        }
    }
    Err(Fault::Form { wants: "a severity of the mapping" })
}

fn list_of(value: Val<'_>) -> Result<Vec<Val<'_>>, Fault> {
    match value {
        Val::Nil => Ok(Vec::new()),
        value => value.into_list(),
    }
}

fn in_range(target: &Val<'_>, range: Val<'_>) -> Result<bool, Fault> {
    let (least, most) = match &range {
        Val::Nil => return Ok(false),
        Val::Text(text) => match &**text {
            "2xx" => (200, 299),
            "3xx" => (300, 399),
            "4xx" => (400, 499),
            "5xx" => (500, 599),
            _ => return Err(Fault::Form { wants: "a range like `4xx`" }),
        },
        _ => (range.clone().member("min")?.into_int()?, range.member("max")?.into_int()?),
    };
    Ok(matches!(target, Val::Int(number) if (least..=most).contains(number)))
}

pub(super) fn url(text: &str) -> Result<Val<'static>, Fault> {
    let wrong = Fault::Form { wants: "a URL" };
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong);
    }
    let (scheme, rest) = text.split_once("://").ok_or(wrong)?;
    let (rest, fragment) = rest.split_once('#').map_or((rest, ""), |(rest, part)| (rest, part));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, part)| (rest, part));
    let path_at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(path_at).ok_or(wrong)?;
    let (user, host) =
        authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, port),
        _ => (host, ""),
    };
    let mut map: Entries<'static> = Vec::new();
    let mut put = |name: &'static str, value: Val<'static>| map.push((Cow::Borrowed(name), value));
    put("url.original", owned(text));
    put("url.domain", owned(host.trim_matches(['[', ']'])));
    put("url.scheme", owned(scheme));
    put("url.path", owned(path));
    let file = path.rsplit('/').next().unwrap_or_default();
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let optional = [
        ("url.extension", file.rsplit_once('.').map_or("", |(_, extension)| extension)),
        ("url.fragment", fragment),
        ("url.query", query),
        ("url.user_info", user),
        ("url.username", name),
        ("url.password", password),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        put(name, owned(value));
    }
    if !port.is_empty() {
        put("url.port", Val::Int(i64::from(port.parse::<u16>().map_err(|_| wrong)?)));
    }
    Ok(Val::Map(map))
}

pub(super) fn is_in_cidr(given: Given<'_>) -> Result<Val<'_>, Fault> {
    let wrong = Fault::Form { wants: "an address, or a network like `10.0.0.0/8`" };
    let address: IpAddr = given.text(0)?.parse().map_err(|_| wrong)?;
    for network in given.texts(1)? {
        let (base, bits) = network.split_once('/').ok_or(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong)?;
        let bits: u32 = bits.parse().map_err(|_| wrong)?;
        let (left, right, width) = match (address, base) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128_u32),
            _ => continue,
        };
        let shift = width.checked_sub(bits).ok_or(wrong)?;
        if left.checked_shr(shift).unwrap_or(0) == right.checked_shr(shift).unwrap_or(0) {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

const MEMBERS_MAX: usize = 4096; // names are compared one by one, and no record has more
