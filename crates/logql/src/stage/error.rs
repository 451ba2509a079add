//! Why stages cannot be compiled.

use alloc::string::String;
use core::fmt;

use crate::go_regex::RegexError;
use crate::ip::IpError;
use crate::pattern_filter::PatternError;
use crate::template::TemplateError;

/// Why a stage cannot be compiled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CompileError {
    /// A regular expression.
    Regex(RegexError),
    /// `| regexp` without a named group.
    NoNamedGroup {
        /// The expression.
        pattern: String,
    },
    /// `| regexp` with a group whose name is no label name.
    GroupName {
        /// The name.
        name: String,
    },
    /// A pattern of `|>` or `| pattern`.
    Pattern(PatternError),
    /// The text of `ip("…")`.
    Ip(IpError),
    /// A template.
    Template(TemplateError),
    /// A path of `| json a="…"`.
    JsonPath {
        /// The path.
        path: String,
        /// Byte at which it goes wrong.
        at: usize,
    },
    /// A key of `| logfmt a="…"`.
    LogfmtKey {
        /// The key.
        key: String,
    },
    /// `label_format` of a label that reports errors.
    Unformattable {
        /// The label.
        name: String,
    },
    /// More stages than a query may have.
    TooManyStages {
        /// How many there are.
        got: usize,
    },
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Regex(error) => error.fmt(f),
            Self::NoNamedGroup { pattern } => {
                write!(f, "at least one named capture must be supplied: {pattern:?}")
            }
            Self::GroupName { name } => write!(f, "invalid extracted label name {name:?}"),
            Self::Pattern(error) => error.fmt(f),
            Self::Ip(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::JsonPath { path, at } => {
                write!(f, "cannot parse expression [{path}]: unexpected input at byte {at}")
            }
            Self::LogfmtKey { key } => write!(f, "cannot parse expression [{key}]: not a key"),
            Self::Unformattable { name } => write!(f, "{name} cannot be formatted"),
            Self::TooManyStages { got } => write!(f, "{got} stages are too many"),
        }
    }
}

impl core::error::Error for CompileError {}

impl From<RegexError> for CompileError {
    fn from(error: RegexError) -> Self {
        Self::Regex(error)
    }
}

impl From<PatternError> for CompileError {
    fn from(error: PatternError) -> Self {
        Self::Pattern(error)
    }
}

impl From<IpError> for CompileError {
    fn from(error: IpError) -> Self {
        Self::Ip(error)
    }
}

impl From<TemplateError> for CompileError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

/// A line that a `json` or `unpack` stage could not read.
pub(crate) const JSON_PARSER: &str = "JSONParserErr";
/// A line that `logfmt --strict` could not read.
pub(crate) const LOGFMT_PARSER: &str = "LogfmtParserErr";
/// A parser whose labels do not fit.
pub(crate) const PARSER: &str = "ParserErr";
/// A label that a typed filter could not read.
pub(crate) const LABEL_FILTER: &str = "LabelFilterErr";
/// A template that failed on a line.
pub(crate) const TEMPLATE_FORMAT: &str = "TemplateFormatErr";
/// A label that `unwrap` could not read.
pub(crate) const SAMPLE_EXTRACTION: &str = "SampleExtractionErr";
/// Said when the labels of a line do not fit.
pub(crate) const FULL: &str = "the labels of the line are larger than 4 MiB or too many";
