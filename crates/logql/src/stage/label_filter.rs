//! Label filters: what is kept or dropped by the labels of the line.
//!
//! A label that is absent is the empty string to a text comparison and fails every other. A label
//! that cannot be read as the type of the comparison keeps the line and marks it; on a marked line
//! only text comparisons decide, so that `| __error__=""` can drop it.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::convert;
use super::error::{CompileError, LABEL_FILTER};
use super::working::Labels;
use crate::ast::{self, CompareOp, MatchOp};
use crate::go_regex::{Anchor, Regex};
use crate::ip::IpRange;

/// A compiled label filter.
#[derive(Debug)]
pub(super) enum LabelFilter {
    Text(String, TextTest),
    Number(String, CompareOp, f64),
    Duration(String, CompareOp, i64),
    Bytes(String, CompareOp, u64),
    Ip { name: String, range: IpRange, negated: bool },
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A comparison of text.
#[derive(Debug)]
pub(super) enum TextTest {
    Is(String),
    IsNot(String),
    Matches(Regex),
    MatchesNot(Regex),
}

impl LabelFilter {
    pub(super) fn compile(filter: &ast::LabelFilter) -> Result<Self, CompileError> {
        let each = |filters: &[ast::LabelFilter]| {
            filters.iter().map(Self::compile).collect::<Result<Vec<_>, _>>()
        };
        Ok(match filter {
            ast::LabelFilter::All(filters) => Self::All(each(filters)?),
            ast::LabelFilter::Any(filters) => Self::Any(each(filters)?),
            ast::LabelFilter::Test(test) => Self::test(test)?,
        })
    }

    fn test(test: &ast::LabelTest) -> Result<Self, CompileError> {
        let name = test.name.clone();
        Ok(match &test.value {
            ast::LabelValue::Text(op, value) => Self::Text(name, TextTest::compile(*op, value)?),
            ast::LabelValue::Number(op, value) => Self::Number(name, *op, *value),
            ast::LabelValue::Duration(op, value) => Self::Duration(name, *op, *value),
            ast::LabelValue::Bytes(op, value) => Self::Bytes(name, *op, *value),
            ast::LabelValue::Ip { negated, range } => {
                Self::Ip { name, range: IpRange::parse(range)?, negated: *negated }
            }
        })
    }

    /// The parser refuses filters nested beyond a few hundred levels.
    pub(super) fn keeps(&self, labels: &mut Labels<'_>) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.keeps(labels)),
            Self::Any(filters) => filters.iter().any(|filter| filter.keeps(labels)),
            Self::Text(name, test) => test.holds(labels.get(name).unwrap_or("")),
            Self::Number(name, op, want) => {
                typed(labels, name, convert::number, |have| number(*op, have, *want))
            }
            Self::Duration(name, op, want) => {
                typed(labels, name, convert::nanoseconds, |have| ordered(*op, have.cmp(want)))
            }
            Self::Bytes(name, op, want) => {
                typed(labels, name, convert::bytes, |have| ordered(*op, have.cmp(want)))
            }
            Self::Ip { name, range, negated } => {
                labels.error().is_some()
                    || labels.get(name).is_some_and(|text| range.is_in(text) != *negated)
            }
        }
    }
}

/// Reads a label and compares it, by the rule of the head of this page.
fn typed<T>(
    labels: &mut Labels<'_>,
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
    holds: impl Fn(T) -> bool,
) -> bool {
    if labels.error().is_some() {
        return true;
    }
    let Some(text) = labels.get(name) else {
        return false;
    };
    match read(text) {
        Ok(have) => holds(have),
        Err(details) => {
            labels.fail(LABEL_FILTER, &details);
            true
        }
    }
}

fn ordered(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
    }
}

/// No number is neither equal to, above nor below another, but it differs from every one.
pub(super) fn number(op: CompareOp, have: f64, want: f64) -> bool {
    have.partial_cmp(&want).map_or(op == CompareOp::Ne, |order| ordered(op, order))
}

impl TextTest {
    pub(super) fn compile(op: MatchOp, value: &str) -> Result<Self, CompileError> {
        Ok(match op {
            MatchOp::Eq => Self::Is(value.into()),
            MatchOp::Ne => Self::IsNot(value.into()),
            MatchOp::Re => Self::Matches(Regex::new(value, Anchor::Whole)?),
            MatchOp::Nre => Self::MatchesNot(Regex::new(value, Anchor::Whole)?),
        })
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        match self {
            Self::Is(want) => text == want,
            Self::IsNot(want) => text != want,
            Self::Matches(regex) => regex.is_match(text),
            Self::MatchesNot(regex) => !regex.is_match(text),
        }
    }
}

/// A compiled matcher of streams: the condition on one label.
#[derive(Debug)]
pub struct LabelMatcher {
    name: String,
    test: TextTest,
}

impl LabelMatcher {
    /// Compiles one condition of a selector.
    ///
    /// # Errors
    /// A regular expression that Go refuses.
    pub fn compile(matcher: &ast::Matcher) -> Result<Self, CompileError> {
        let test = TextTest::compile(matcher.op, &matcher.value)?;
        Ok(Self { name: matcher.name.clone(), test })
    }

    /// The label it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a value passes; an absent label is the empty string.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        self.test.holds(value)
    }
}
