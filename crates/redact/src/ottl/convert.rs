//! Converters: values made of values. One table that says which function does what.

mod digest;
mod format;
mod list;
mod number;
mod parse;
mod text;
pub(super) mod time;

use alloc::borrow::Cow;
use alloc::string::String;

use super::error::Fault;
use super::evaluate::{Given, Scene};
use super::functions::Converter;
use super::program::Argument;
use super::value::{DEPTH_MAX, Val};

/// The value of a converter.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn call<'s>(converter: Converter, given: Given<'s>) -> Result<Val<'s>, Fault> {
    use Converter as C;
    Ok(match converter {
        C::Base64Decode => Val::Text(Cow::Owned(text::decoded(&given.value(0)?, "base64")?)),
        C::Base64Encode => text::base64_encode(given)?,
        C::Decode => Val::Text(Cow::Owned(text::decoded(&given.value(0)?, &given.text(1)?)?)),
        C::Concat => text::concat(given)?,
        C::ConvertCase => match &*given.text(1)? {
            "upper" => text::upper(given)?,
            "snake" => text::snake(given)?,
            "camel" => text::camel(given)?,
            _ => text::lower(given)?,
        },
        C::ToUpperCase => text::upper(given)?,
        C::ToSnakeCase => text::snake(given)?,
        C::ToCamelCase => text::camel(given)?,
        C::ToLowerCase => text::lower(given)?,
        C::ExtractPatterns => text::extract_patterns(given)?,
        C::Format => format::format(given)?,
        C::HasPrefix => Val::Bool(given.text(0)?.starts_with(&*given.text(1)?)),
        C::HasSuffix => Val::Bool(given.text(0)?.ends_with(&*given.text(1)?)),
        C::IsMatch => text::is_match(given)?,
        C::Split => text::split(given)?,
        C::String => text::string(given.value(0)?)?,
        C::Substring => text::substring(given)?,
        C::Trim => text::trim(given)?,
        C::TrimPrefix => text::trim_prefix(given)?,
        C::TrimSuffix => text::trim_suffix(given)?,

        C::Fnv => Val::Int(digest::fnv(&given.text(0)?)),
        C::Murmur3Hash => Val::Text(Cow::Owned(digest::murmur3(&given.text(0)?))),
        C::Sha1 => Val::Text(Cow::Owned(digest::sha1(&given.text(0)?))),
        C::Sha256 => Val::Text(Cow::Owned(digest::sha256(&given.text(0)?))),
        C::Sha512 => Val::Text(Cow::Owned(digest::sha512(&given.text(0)?))),

        C::Bool => number::bool(given.value(0)?),
        C::Double => number::double(given.value(0)?),
        C::Int => number::int(given.value(0)?),
        C::Hex => number::hex(given.value(0)?),
        C::Log => number::log(given.value(0)?)?,
        C::ParseInt => number::parse_int(&given.text(0)?, given.int(1)?)?,
        C::IsValidLuhn => number::is_valid_luhn(&given.value(0)?)?,
        C::IsInCidr => parse::is_in_cidr(given)?,
        C::SpanId => number::id(given.value(0)?, 8)?,
        C::TraceId => number::id(given.value(0)?, 16)?,

        C::IsBool => Val::Bool(matches!(given.value(0)?, Val::Bool(_))),
        C::IsDouble => Val::Bool(matches!(given.value(0)?, Val::Double(_))),
        C::IsInt => Val::Bool(matches!(given.value(0)?, Val::Int(_))),
        C::IsList => Val::Bool(matches!(given.value(0)?, Val::List(_))),
        C::IsMap => Val::Bool(matches!(given.value(0)?, Val::Map(_))),
        C::IsString => Val::Bool(matches!(given.value(0)?, Val::Text(_))),
        C::IsEmpty => Val::Bool(list::is_empty(&given.value(0)?)),
        C::IsRootSpan => Val::Bool(list::is_root_span(given)?),
        C::HasAttrKeyOnDatapoint => Val::Bool(list::has_attribute(given, false)?),
        C::HasAttrOnDatapoint => Val::Bool(list::has_attribute(given, true)?),

        C::Coalesce => list::coalesce(given)?,
        C::ContainsValue => Val::Bool(list::position(given)?.is_some()),
        C::Index => list::index(given)?,
        C::Keys => list::keys(given)?,
        C::Values => Val::List(given.map(0)?.into_iter().map(|(_, value)| value).collect()),
        C::Len => list::len(&given.value(0)?)?,
        C::SliceToMap => list::slice_to_map(given)?,
        C::Sort => list::sort(given)?,
        C::ToKeyValueString => list::to_key_value_string(given)?,

        C::ParseCsv => parse::csv(given)?,
        C::ParseJson => parse::json(&given.text(0)?)?,
        C::ParseKeyValue => parse::key_value(given)?,
        C::ParseSeverity => parse::severity(given)?,
        C::Url => parse::url(&given.text(0)?)?,

        C::Day
        | C::Duration
        | C::FormatTime
        | C::Hour
        | C::Hours
        | C::Microseconds
        | C::Milliseconds
        | C::Minute
        | C::Minutes
        | C::Month
        | C::Nanosecond
        | C::Nanoseconds
        | C::Now
        | C::Second
        | C::Seconds
        | C::Time
        | C::TruncateTime
        | C::Unix
        | C::UnixMicro
        | C::UnixMilli
        | C::UnixNano
        | C::UnixSeconds
        | C::Weekday
        | C::Year => time::call(converter, given)?,
    })
}

/// A converter of one text, as editors of patterns take it.
pub(super) fn of_text(
    converter: Converter,
    text: String,
    scene: Scene<'_>,
) -> Result<String, Fault> {
    let arguments = [Argument::Text(text.into_boxed_str())];
    // The text lives as long as this call, and so must the scene.
    let given = Given { scene, arguments: &arguments };
    Ok(call(converter, given)?.into_text()?.into_owned())
}

/// Whether two values are equal.
fn same(left: &Val<'_>, right: &Val<'_>) -> Result<bool, Fault> {
    left.equals(right, DEPTH_MAX)
}
