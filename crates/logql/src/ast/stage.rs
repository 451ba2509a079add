//! Stages: what a pipeline does with one line after the other.

use alloc::string::String;
use alloc::vec::Vec;

use super::MatchOp;

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// `|= "x"`: keeps or drops by the text of the line.
    LineFilter(LineFilter),
    /// `| json` (empty: every field) or `| json a="x.y[0]", b`.
    Json(Vec<Extraction>),
    /// `| logfmt [--strict] [--keep-empty] [a="x", b]`.
    Logfmt {
        /// Stops with an error at the first pair that is malformed.
        strict: bool,
        /// Keeps keys that have no value.
        keep_empty: bool,
        /// Empty: every field.
        fields: Vec<Extraction>,
    },
    /// `| regexp "(?P<name>…)"`: named groups become labels.
    Regexp(String),
    /// `| pattern "<ip> - <_>"`: named captures become labels.
    Pattern(String),
    /// `| unpack`: undoes the packing of an agent.
    Unpack,
    /// `| status >= 500 and method="GET"`.
    LabelFilter(LabelFilter),
    /// `| line_format "{{.a}}"`: the text of a template.
    LineFormat(String),
    /// `| label_format a=b, c="{{.x}}"`: no name appears twice.
    LabelFormat(Vec<LabelFormat>),
    /// `| decolorize`: removes ANSI colour sequences.
    Decolorize,
    /// `| drop a, b="v"`.
    Drop(Vec<LabelSelector>),
    /// `| keep a, b="v"`.
    Keep(Vec<LabelSelector>),
}

/// `|= "a" or "b"`. A negated operator drops the lines that any alternative matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LineFilter {
    /// How the line is compared.
    pub op: LineOp,
    /// At least one.
    pub alternatives: Vec<LineMatch>,
}

/// How a line is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`, unanchored
    Regex,
    /// `!~`, unanchored
    NotRegex,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

impl LineOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Regex => "|~",
            Self::NotRegex => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        }
    }

    /// Whether a match drops the line.
    #[must_use]
    pub fn is_negated(self) -> bool {
        matches!(self, Self::NotContains | Self::NotRegex | Self::NotPattern)
    }
}

/// What a line filter looks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LineMatch {
    /// A needle, the text of a Go regular expression, or a pattern, by the operator.
    Text(String),
    /// `ip("10.0.0.0/8")`, with `|=` and `!=` only.
    Ip(String),
}

/// A label and where a parser finds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extraction {
    /// Name of the label.
    pub name: String,
    /// Path or key in the line. `json b` and `json b="b"` are the same.
    pub expression: String,
}

/// A condition on labels. `and` and `or` have the same precedence and group from the left.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// One comparison.
    Test(LabelTest),
    /// All hold: at least two, none of them an [`All`](Self::All).
    All(Vec<Self>),
    /// Any holds: at least two, none of them an [`Any`](Self::Any).
    Any(Vec<Self>),
}

/// One comparison of one label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelTest {
    /// Name of the label.
    pub name: String,
    /// What it is compared with, which decides how it is read.
    pub value: LabelValue,
}

/// The right side of a comparison, by type.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelValue {
    /// As text; regular expressions are anchored at both ends.
    Text(MatchOp, String),
    /// As a finite number.
    Number(CompareOp, f64),
    /// As a duration in nanoseconds.
    Duration(CompareOp, i64),
    /// As a count of bytes.
    Bytes(CompareOp, u64),
    /// As an address in a range: an address, `from-to` or CIDR.
    Ip {
        /// `!=` instead of `=`.
        negated: bool,
        /// What is between the quotes.
        range: String,
    },
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`, also written `=`
    Eq,
    /// `!=`
    Ne,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `<=`
    Le,
}

impl CompareOp {
    /// The operator as the canonical form writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
        }
    }
}

/// `dst=src` or `dst="{{.x}}"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelFormat {
    /// The label that is set.
    pub name: String,
    /// From what.
    pub value: LabelFormatValue,
}

/// Where a formatted label comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LabelFormatValue {
    /// Another label, which goes away.
    Rename(String),
    /// The text of a template.
    Template(String),
}

/// A label of `drop` or `keep`, and the values of it that are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    /// Name of the label.
    pub name: String,
    /// Without a condition every value is meant.
    pub condition: Option<(MatchOp, String)>,
}
