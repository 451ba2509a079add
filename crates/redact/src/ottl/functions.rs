//! The functions by name, and the arguments that each takes.
//!
//! Tables and the search for the nearest name. What the collector has and is not here is listed
//! with the reason, so that a file that names it gets an answer and not "unknown".

use alloc::vec::Vec;

/// What an argument must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wants {
    Value,
    Text,
    Int,
    Double,
    Bool,
    List,
    /// A path that can be written.
    Target,
    /// A path to a map that can be written.
    MapTarget,
    /// A regular expression, written out.
    Regex,
    /// A regular expression with at least one named group, written out.
    NamedRegex,
    /// A glob, written out.
    Glob,
    /// One of these texts, written out.
    OneOf(&'static [&'static str]),
    /// The name of a converter of one text.
    Function,
    /// A text written out with one `%s`.
    Layout,
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) wants: Wants,
    pub(super) optional: bool,
}

/// A function and its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature<F: 'static> {
    pub(super) name: &'static str,
    pub(super) function: F,
    pub(super) parameters: &'static [Parameter],
}

/// What changes telemetry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Editor {
    Append,
    DeleteIndex,
    DeleteKey,
    DeleteMatchingKeys,
    Flatten,
    KeepKeys,
    KeepMatchingKeys,
    Limit,
    MergeMaps,
    ReplaceAllMatches,
    ReplaceAllPatterns,
    ReplaceMatch,
    ReplacePattern,
    Set,
    StringifyAll,
    TruncateAll,
    ConvertSumToGauge,
    ConvertGaugeToSum,
    ExtractCount,
    ExtractSum,
    CopyMetric,
    ScaleMetric,
    AggregateOnAttributes,
    SummaryCountToSum,
    SummarySumToSum,
}

/// What makes a value of values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Converter {
    Base64Decode,
    Base64Encode,
    Bool,
    Coalesce,
    Concat,
    ContainsValue,
    ConvertCase,
    Day,
    Decode,
    Double,
    Duration,
    ExtractPatterns,
    Fnv,
    Format,
    FormatTime,
    HasAttrKeyOnDatapoint,
    HasAttrOnDatapoint,
    HasPrefix,
    HasSuffix,
    Hex,
    Hour,
    Hours,
    Index,
    Int,
    IsBool,
    IsDouble,
    IsEmpty,
    IsInCidr,
    IsInt,
    IsList,
    IsMap,
    IsMatch,
    IsRootSpan,
    IsString,
    IsValidLuhn,
    Keys,
    Len,
    Log,
    Microseconds,
    Milliseconds,
    Minute,
    Minutes,
    Month,
    Murmur3Hash,
    Nanosecond,
    Nanoseconds,
    Now,
    ParseCsv,
    ParseInt,
    ParseJson,
    ParseKeyValue,
    ParseSeverity,
    Second,
    Seconds,
    Sha1,
    Sha256,
    Sha512,
    SliceToMap,
    Sort,
    SpanId,
    Split,
    String,
    Substring,
    Time,
    ToCamelCase,
    ToKeyValueString,
    ToLowerCase,
    ToSnakeCase,
    ToUpperCase,
    TraceId,
    Trim,
    TrimPrefix,
    TrimSuffix,
    TruncateTime,
    Unix,
    UnixMicro,
    UnixMilli,
    UnixNano,
    UnixSeconds,
    Url,
    Values,
    Weekday,
    Year,
}

impl Editor {
    /// Whether it works on a metric as a whole.
    pub(super) const fn is_for_metrics(self) -> bool {
        matches!(
            self,
            Self::ConvertSumToGauge
                | Self::ConvertGaugeToSum
                | Self::ExtractCount
                | Self::ExtractSum
                | Self::CopyMetric
                | Self::ScaleMetric
                | Self::AggregateOnAttributes
                | Self::SummaryCountToSum
                | Self::SummarySumToSum
        )
    }
}

/// The signature of this name.
pub(super) fn find<F>(table: &'static [Signature<F>], name: &str) -> Option<&'static Signature<F>> {
    table.iter().find(|signature| signature.name == name)
}

/// The name that comes nearest, by edits and without regard to case.
pub(super) fn nearest(name: &str, names: impl Iterator<Item = &'static str>) -> &'static str {
    names.min_by_key(|known| distance(name, known)).unwrap_or_default()
}

/// Edits between two names.
fn distance(left: &str, right: &str) -> usize {
    let lower = |text: &str| text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<u8>>();
    let (left, right) = (lower(left), lower(right));
    let left = left.get(..left.len().min(NAME_BYTES_MAX)).unwrap_or_default();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.iter().enumerate() {
        let mut diagonal = index;
        let mut before = index.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (b, cell) in right.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            let edited = (*cell).min(before).saturating_add(1);
            diagonal = *cell;
            before = replaced.min(edited);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

const NAME_BYTES_MAX: usize = 64; // no name of a function or path is longer

const fn need(name: &'static str, wants: Wants) -> Parameter {
    Parameter { name, wants, optional: false }
}

const fn may(name: &'static str, wants: Wants) -> Parameter {
    Parameter { name, wants, optional: true }
}

const fn of<F>(name: &'static str, function: F, parameters: &'static [Parameter]) -> Signature<F> {
    Signature { name, function, parameters }
}

const ONE: &[Parameter] = &[need("value", Wants::Value)];
const TARGET_TEXT: &[Parameter] = &[need("target", Wants::Text)];
const VALUE_TEXT: &[Parameter] = &[need("value", Wants::Text)];
const TARGET: &[Parameter] = &[need("target", Wants::Value)];
const MONOTONIC: &[Parameter] = &[need("is_monotonic", Wants::Bool), may("suffix", Wants::Text)];
const TEMPORALITY: Wants = Wants::OneOf(&["cumulative", "delta"]);
const TO_SUM: &[Parameter] = &[
    need("aggregation_temporality", TEMPORALITY),
    need("is_monotonic", Wants::Bool),
    may("suffix", Wants::Text),
];

/// All editors.
pub(super) const EDITORS: &[Signature<Editor>] = &[
    of(
        "append",
        Editor::Append,
        &[need("target", Wants::Target), may("value", Wants::Value), may("values", Wants::List)],
    ),
    of(
        "delete_index",
        Editor::DeleteIndex,
        &[
            need("target", Wants::Target),
            need("start_index", Wants::Int),
            may("end_index", Wants::Int),
        ],
    ),
    of(
        "delete_key",
        Editor::DeleteKey,
        &[need("target", Wants::MapTarget), need("key", Wants::Text)],
    ),
    of(
        "delete_matching_keys",
        Editor::DeleteMatchingKeys,
        &[need("target", Wants::MapTarget), need("pattern", Wants::Regex)],
    ),
    of(
        "flatten",
        Editor::Flatten,
        &[
            need("target", Wants::MapTarget),
            may("prefix", Wants::Text),
            may("depth", Wants::Int),
            may("resolve_conflicts", Wants::Bool),
        ],
    ),
    of(
        "keep_keys",
        Editor::KeepKeys,
        &[need("target", Wants::MapTarget), need("keys", Wants::List)],
    ),
    of(
        "keep_matching_keys",
        Editor::KeepMatchingKeys,
        &[need("target", Wants::MapTarget), need("pattern", Wants::Regex)],
    ),
    of(
        "limit",
        Editor::Limit,
        &[
            need("target", Wants::MapTarget),
            need("limit", Wants::Int),
            need("priority_keys", Wants::List),
        ],
    ),
    of(
        "merge_maps",
        Editor::MergeMaps,
        &[
            need("target", Wants::MapTarget),
            need("source", Wants::Value),
            need("strategy", Wants::OneOf(&["insert", "update", "upsert"])),
        ],
    ),
    of(
        "replace_all_matches",
        Editor::ReplaceAllMatches,
        &[
            need("target", Wants::MapTarget),
            need("pattern", Wants::Glob),
            need("replacement", Wants::Text),
            may("function", Wants::Function),
            may("replacement_format", Wants::Layout),
        ],
    ),
    of(
        "replace_all_patterns",
        Editor::ReplaceAllPatterns,
        &[
            need("target", Wants::MapTarget),
            need("mode", Wants::OneOf(&["key", "value"])),
            need("regex", Wants::Regex),
            need("replacement", Wants::Text),
            may("function", Wants::Function),
            may("replacement_format", Wants::Layout),
        ],
    ),
    of(
        "replace_match",
        Editor::ReplaceMatch,
        &[
            need("target", Wants::Target),
            need("pattern", Wants::Glob),
            need("replacement", Wants::Text),
            may("function", Wants::Function),
            may("replacement_format", Wants::Layout),
        ],
    ),
    of(
        "replace_pattern",
        Editor::ReplacePattern,
        &[
            need("target", Wants::Target),
            need("regex", Wants::Regex),
            need("replacement", Wants::Text),
            may("function", Wants::Function),
            may("replacement_format", Wants::Layout),
        ],
    ),
    of("set", Editor::Set, &[need("target", Wants::Target), need("value", Wants::Value)]),
    of("stringify_all", Editor::StringifyAll, &[need("target", Wants::MapTarget)]),
    of(
        "truncate_all",
        Editor::TruncateAll,
        &[
            need("target", Wants::MapTarget),
            need("limit", Wants::Int),
            may("utf8_safe", Wants::Bool),
            may("truncation_marker", Wants::Text),
        ],
    ),
    of("convert_sum_to_gauge", Editor::ConvertSumToGauge, &[]),
    of(
        "convert_gauge_to_sum",
        Editor::ConvertGaugeToSum,
        &[need("aggregation_temporality", TEMPORALITY), need("is_monotonic", Wants::Bool)],
    ),
    of("extract_count_metric", Editor::ExtractCount, MONOTONIC),
    of("extract_sum_metric", Editor::ExtractSum, MONOTONIC),
    of(
        "copy_metric",
        Editor::CopyMetric,
        &[may("name", Wants::Text), may("description", Wants::Text), may("unit", Wants::Text)],
    ),
    of(
        "scale_metric",
        Editor::ScaleMetric,
        &[need("factor", Wants::Double), may("unit", Wants::Text)],
    ),
    of(
        "aggregate_on_attributes",
        Editor::AggregateOnAttributes,
        &[
            need("aggregation_function", Wants::OneOf(&["sum", "max", "min", "mean", "count"])),
            may("attributes", Wants::List),
        ],
    ),
    of("convert_summary_count_val_to_sum", Editor::SummaryCountToSum, TO_SUM),
    of("convert_summary_sum_val_to_sum", Editor::SummarySumToSum, TO_SUM),
];

/// All converters.
pub(super) const CONVERTERS: &[Signature<Converter>] = &[
    of("Base64Decode", Converter::Base64Decode, VALUE_TEXT),
    of(
        "Base64Encode",
        Converter::Base64Encode,
        &[need("value", Wants::Text), may("variant", Wants::OneOf(&BASE64))],
    ),
    of("Bool", Converter::Bool, ONE),
    of("Coalesce", Converter::Coalesce, &[need("values", Wants::List)]),
    of("Concat", Converter::Concat, &[need("values", Wants::List), need("delimiter", Wants::Text)]),
    of(
        "ContainsValue",
        Converter::ContainsValue,
        &[need("target", Wants::Value), need("item", Wants::Value)],
    ),
    of(
        "ConvertCase",
        Converter::ConvertCase,
        &[
            need("target", Wants::Text),
            need("to_case", Wants::OneOf(&["lower", "upper", "snake", "camel"])),
        ],
    ),
    of("Day", Converter::Day, ONE),
    of(
        "Decode",
        Converter::Decode,
        &[
            need("value", Wants::Value),
            need(
                "encoding",
                Wants::OneOf(&[
                    "base64",
                    "base64-raw",
                    "base64-url",
                    "base64-raw-url",
                    "utf-8",
                    "us-ascii",
                    "iso-8859-1",
                ]),
            ),
        ],
    ),
    of("Double", Converter::Double, ONE),
    of("Duration", Converter::Duration, &[need("duration", Wants::Text)]),
    of(
        "ExtractPatterns",
        Converter::ExtractPatterns,
        &[need("target", Wants::Text), need("pattern", Wants::NamedRegex)],
    ),
    of("FNV", Converter::Fnv, VALUE_TEXT),
    of(
        "Format",
        Converter::Format,
        &[need("format_string", Wants::Text), need("format_arguments", Wants::List)],
    ),
    of(
        "FormatTime",
        Converter::FormatTime,
        &[need("time", Wants::Value), need("format", Wants::Text)],
    ),
    of("HasAttrKeyOnDatapoint", Converter::HasAttrKeyOnDatapoint, &[need("key", Wants::Text)]),
    of(
        "HasAttrOnDatapoint",
        Converter::HasAttrOnDatapoint,
        &[need("key", Wants::Text), need("expected_val", Wants::Text)],
    ),
    of(
        "HasPrefix",
        Converter::HasPrefix,
        &[need("value", Wants::Text), need("prefix", Wants::Text)],
    ),
    of(
        "HasSuffix",
        Converter::HasSuffix,
        &[need("value", Wants::Text), need("suffix", Wants::Text)],
    ),
    of("Hex", Converter::Hex, ONE),
    of("Hour", Converter::Hour, ONE),
    of("Hours", Converter::Hours, ONE),
    of("Index", Converter::Index, &[need("target", Wants::Value), need("value", Wants::Value)]),
    of("Int", Converter::Int, ONE),
    of("IsBool", Converter::IsBool, ONE),
    of("IsDouble", Converter::IsDouble, ONE),
    of("IsEmpty", Converter::IsEmpty, ONE),
    of(
        "IsInCIDR",
        Converter::IsInCidr,
        &[need("target", Wants::Text), need("networks", Wants::List)],
    ),
    of("IsInt", Converter::IsInt, ONE),
    of("IsList", Converter::IsList, ONE),
    of("IsMap", Converter::IsMap, ONE),
    of(
        "IsMatch",
        Converter::IsMatch,
        &[need("target", Wants::Value), need("pattern", Wants::Regex)],
    ),
    of("IsRootSpan", Converter::IsRootSpan, &[]),
    of("IsString", Converter::IsString, ONE),
    of("IsValidLuhn", Converter::IsValidLuhn, ONE),
    of("Keys", Converter::Keys, TARGET),
    of("Len", Converter::Len, TARGET),
    of("Log", Converter::Log, ONE),
    of("Microseconds", Converter::Microseconds, ONE),
    of("Milliseconds", Converter::Milliseconds, ONE),
    of("Minute", Converter::Minute, ONE),
    of("Minutes", Converter::Minutes, ONE),
    of("Month", Converter::Month, ONE),
    of("Murmur3Hash", Converter::Murmur3Hash, TARGET_TEXT),
    of("Nanosecond", Converter::Nanosecond, ONE),
    of("Nanoseconds", Converter::Nanoseconds, ONE),
    of("Now", Converter::Now, &[]),
    of(
        "ParseCSV",
        Converter::ParseCsv,
        &[
            need("target", Wants::Text),
            need("headers", Wants::Text),
            may("delimiter", Wants::Text),
            may("header_delimiter", Wants::Text),
            may("mode", Wants::OneOf(&["strict", "lazyQuotes", "ignoreQuotes"])),
        ],
    ),
    of("ParseInt", Converter::ParseInt, &[need("target", Wants::Text), need("base", Wants::Int)]),
    of("ParseJSON", Converter::ParseJson, TARGET_TEXT),
    of(
        "ParseKeyValue",
        Converter::ParseKeyValue,
        &[
            need("target", Wants::Text),
            may("delimiter", Wants::Text),
            may("pair_delimiter", Wants::Text),
        ],
    ),
    of(
        "ParseSeverity",
        Converter::ParseSeverity,
        &[need("target", Wants::Value), need("severity_mapping", Wants::Value)],
    ),
    of("Second", Converter::Second, ONE),
    of("Seconds", Converter::Seconds, ONE),
    of("SHA1", Converter::Sha1, VALUE_TEXT),
    of("SHA256", Converter::Sha256, VALUE_TEXT),
    of("SHA512", Converter::Sha512, VALUE_TEXT),
    of(
        "SliceToMap",
        Converter::SliceToMap,
        &[
            need("target", Wants::Value),
            may("key_path", Wants::List),
            may("value_path", Wants::List),
        ],
    ),
    of(
        "Sort",
        Converter::Sort,
        &[need("target", Wants::Value), may("order", Wants::OneOf(&["asc", "desc"]))],
    ),
    of("SpanID", Converter::SpanId, ONE),
    of("Split", Converter::Split, &[need("target", Wants::Text), need("delimiter", Wants::Text)]),
    of("String", Converter::String, ONE),
    of(
        "Substring",
        Converter::Substring,
        &[
            need("target", Wants::Text),
            need("start", Wants::Int),
            need("length", Wants::Int),
            may("utf8_safe", Wants::Bool),
        ],
    ),
    of(
        "Time",
        Converter::Time,
        &[
            need("target", Wants::Text),
            need("format", Wants::Text),
            may("location", Wants::OneOf(&["", "UTC"])),
            may("locale", Wants::OneOf(&["", "en", "en-US"])),
        ],
    ),
    of("ToCamelCase", Converter::ToCamelCase, TARGET_TEXT),
    of(
        "ToKeyValueString",
        Converter::ToKeyValueString,
        &[
            need("target", Wants::Value),
            may("delimiter", Wants::Text),
            may("pair_delimiter", Wants::Text),
            may("sort_output", Wants::Bool),
        ],
    ),
    of("ToLowerCase", Converter::ToLowerCase, TARGET_TEXT),
    of("ToSnakeCase", Converter::ToSnakeCase, TARGET_TEXT),
    of("ToUpperCase", Converter::ToUpperCase, TARGET_TEXT),
    of("TraceID", Converter::TraceId, ONE),
    of("Trim", Converter::Trim, &[need("target", Wants::Text), may("replacement", Wants::Text)]),
    of(
        "TrimPrefix",
        Converter::TrimPrefix,
        &[need("value", Wants::Text), need("prefix", Wants::Text)],
    ),
    of(
        "TrimSuffix",
        Converter::TrimSuffix,
        &[need("value", Wants::Text), need("suffix", Wants::Text)],
    ),
    of(
        "TruncateTime",
        Converter::TruncateTime,
        &[need("time", Wants::Value), need("duration", Wants::Value)],
    ),
    of("Unix", Converter::Unix, &[need("seconds", Wants::Int), may("nanoseconds", Wants::Int)]),
    of("UnixMicro", Converter::UnixMicro, ONE),
    of("UnixMilli", Converter::UnixMilli, ONE),
    of("UnixNano", Converter::UnixNano, ONE),
    of("UnixSeconds", Converter::UnixSeconds, ONE),
    of("URL", Converter::Url, &[need("url_string", Wants::Text)]),
    of("Values", Converter::Values, TARGET),
    of("Weekday", Converter::Weekday, ONE),
    of("Year", Converter::Year, ONE),
];

const BASE64: [&str; 4] = ["base64", "base64-raw", "base64-url", "base64-raw-url"];

/// What the collector has and Lucarne does not: name, why, and what comes nearest.
pub(super) const REFUSED: &[(&str, &str, &str)] = &[
    ("All", LAMBDA, "ContainsValue"),
    ("Any", LAMBDA, "ContainsValue"),
    ("Filter", LAMBDA, "keep_matching_keys"),
    ("Find", LAMBDA, "Index"),
    ("MapEach", LAMBDA, "stringify_all"),
    ("MapKeys", LAMBDA, "replace_all_patterns"),
    ("Reduce", LAMBDA, "Concat"),
    ("When", LAMBDA, "Coalesce"),
    ("CommunityID", "a flow is known by an unkeyed digest, which can be searched", "SHA256"),
    ("ConvertAttributesToElementsXML", XML, "ParseJSON"),
    ("ConvertTextToElementsXML", XML, "ParseJSON"),
    ("GetXML", XML, "ExtractPatterns"),
    ("InsertXML", XML, "Concat"),
    ("ParseSimplifiedXML", XML, "ParseJSON"),
    ("ParseXML", XML, "ParseJSON"),
    ("RemoveXML", XML, "ExtractPatterns"),
    ("ExtractGrokPatterns", "its pattern library is a dependency of its own", "ExtractPatterns"),
    ("MD5", "it is broken and the cryptographic library does not have it", "SHA256"),
    ("Murmur3Hash128", "only the 32-bit form is here", "Murmur3Hash"),
    ("XXH3", "it is no cryptographic digest and hides nothing", "SHA256"),
    ("XXH128", "it is no cryptographic digest and hides nothing", "SHA256"),
    ("ProfileID", "profiles are not carried", "TraceID"),
    ("UserAgent", "its table of browsers is a dependency that ages", "ExtractPatterns"),
    ("UUID", RANDOM, "SHA256"),
    ("UUIDv7", RANDOM, "SHA256"),
    ("ParseCEF", "formats of single products are not read", "ParseKeyValue"),
    ("ParseCLF", "formats of single products are not read", "ExtractPatterns"),
    ("ParseELF", "formats of single products are not read", "ParseCSV"),
    ("ParseLEEF", "formats of single products are not read", "ParseKeyValue"),
    ("set_semconv_span_name", "names of spans come from the contract", "set"),
    ("extract_percentile_metric", "an estimate is no measurement", "extract_count_metric"),
    ("convert_exponential_histogram_to_histogram", "the result is not specified", "copy_metric"),
    ("convert_summary_quantile_val_to_gauge", "quantiles cannot be added up", "extract_sum_metric"),
    (
        "aggregate_on_attribute_value",
        "only whole attributes are aggregated",
        "aggregate_on_attributes",
    ),
    ("merge_histogram_buckets", "buckets are not merged", "aggregate_on_attributes"),
];

const LAMBDA: &str = "lambda expressions are alpha in the collector and behind a gate";
const XML: &str = "no XML is parsed at the boundary";
const RANDOM: &str = "the outer layer has no randomness, so the same payload gives the same copy";
