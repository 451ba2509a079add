//! What the grammar allows and evaluation could not answer: refused while the place is known.
//!
//! Regular expressions, patterns, addresses and templates are compiled here once and thrown away,
//! so that a query that parsed has no part that fails later for its form.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::slice;

use crate::ast::{
    Binary, BinaryOp, Conversion, Grouping, LineOp, MatchOp, Metric, Query, RangeAggregation,
    RangeOp, Selector, Stage, VectorAggregation, VectorMatching, VectorOp,
};
use crate::error::{ParseError, Span};
use crate::go_regex::{Anchor, Regex};
use crate::ip::IpRange;
use crate::parser::Parser;
use crate::pattern_filter::LinePattern;
use crate::stage::Pipeline;

/// Whether some matcher fails for a stream without that label.
pub(crate) fn narrows(selector: &Selector) -> bool {
    selector.matchers.iter().any(|matcher| {
        let matches_empty =
            |text: &str| Regex::new(text, Anchor::Whole).is_ok_and(|regex| regex.is_match(""));
        let holds = match matcher.op {
            MatchOp::Eq => matcher.value.is_empty(),
            MatchOp::Ne => !matcher.value.is_empty(),
            MatchOp::Re => matches_empty(&matcher.value),
            MatchOp::Nre => !matches_empty(&matcher.value),
        };
        !holds
    })
}

/// A regular expression over whole values.
pub(crate) fn regex(parser: &Parser<'_>, text: &str, span: Span) -> Result<(), ParseError> {
    match Regex::new(text, Anchor::Whole) {
        Ok(_) => Ok(()),
        Err(error) => Err(parser.error(span, error.to_string())),
    }
}

/// The text of a line filter, by its operator.
pub(crate) fn line_match(
    parser: &Parser<'_>,
    op: LineOp,
    text: &str,
    span: Span,
) -> Result<(), ParseError> {
    let error = match op {
        LineOp::Contains | LineOp::NotContains => None,
        LineOp::Regex | LineOp::NotRegex => {
            Regex::new(text, Anchor::Unanchored).err().map(|error| error.to_string())
        }
        LineOp::Pattern | LineOp::NotPattern => {
            LinePattern::parse(text).err().map(|error| error.to_string())
        }
    };
    error.map_or(Ok(()), |message| Err(parser.error(span, message)))
}

/// What is between the quotes of `ip("…")`.
pub(crate) fn ip_range(parser: &Parser<'_>, text: &str, span: Span) -> Result<(), ParseError> {
    match IpRange::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(parser.error(span, error.to_string())),
    }
}

/// A stage whose text has a form of its own; what [`line_match`] and [`regex`] have seen is not
/// compiled again.
pub(crate) fn stage(parser: &Parser<'_>, stage: &Stage, span: Span) -> Result<(), ParseError> {
    match stage {
        Stage::LineFilter(_)
        | Stage::LabelFilter(_)
        | Stage::Unpack
        | Stage::Decolorize
        | Stage::Drop(_)
        | Stage::Keep(_) => Ok(()),
        Stage::Json(_)
        | Stage::Logfmt { .. }
        | Stage::Regexp(_)
        | Stage::Pattern(_)
        | Stage::LineFormat(_)
        | Stage::LabelFormat(_) => match Pipeline::compile(slice::from_ref(stage)) {
            Ok(_) => Ok(()),
            Err(error) => Err(parser.error(span, error.to_string())),
        },
    }
}

/// A count of series or rows: a whole number from 1.
pub(crate) fn count(number: f64) -> Option<u64> {
    // Beyond this a float skips whole numbers.
    const MAX: f64 = 9_007_199_254_740_992.0;
    if !(1.0..=MAX).contains(&number) || number % 1.0 != 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and in range, as was checked"
    )]
    Some(number as u64)
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether it is a number and not series.
pub(crate) fn is_scalar(metric: &Metric) -> bool {
    match metric {
        Metric::Number(_) => true,
        Metric::Binary(binary) => is_scalar(&binary.left) && is_scalar(&binary.right),
        Metric::Range(_)
        | Metric::Vector(_)
        | Metric::LabelReplace(_)
        | Metric::Sort(_)
        | Metric::VectorLiteral(_) => false,
    }
}

/// An aggregation over a window: samples where they are needed, grouping where it is allowed.
pub(crate) fn range(
    parser: &Parser<'_>,
    range: &RangeAggregation,
    name: Span,
    grouping: Span,
) -> Result<(), ParseError> {
    let op = range.op.as_str();
    if range.unwrap.is_none() && !range.op.takes_lines() {
        let message = format!("invalid aggregation {op} without unwrap");
        let hint = match range.op {
            RangeOp::Sum => "did you mean count_over_time, or add | unwrap label",
            _ => "add | unwrap label",
        };
        return Err(parser.error(name, message).suggest(Some(String::from(hint))));
    }
    if range.unwrap.is_some() && !range.op.takes_unwrap() {
        let message = format!("invalid aggregation {op} with unwrap");
        let hint = match range.op {
            RangeOp::Count => "leave unwrap out",
            RangeOp::BytesRate => "did you mean rate",
            _ => "did you mean sum_over_time",
        };
        return Err(parser.error(name, message).suggest(Some(String::from(hint))));
    }
    match &range.grouping {
        Some(group) if !range.op.takes_grouping() => {
            let message = format!("grouping not allowed for {op} aggregation");
            let hint = (range.op != RangeOp::Absent)
                .then(|| format!("did you mean {}", Metric::Vector(summed(range, group))));
            Err(parser.error(grouping, message).suggest(hint))
        }
        _ => Ok(()),
    }
}

/// `sum by (…) (op(…))` for `op(…) by (…)`.
pub(crate) fn summed(range: &RangeAggregation, grouping: &Grouping) -> VectorAggregation {
    let of = RangeAggregation { grouping: None, ..range.clone() };
    VectorAggregation {
        op: VectorOp::Sum,
        param: None,
        grouping: Some(grouping.clone()),
        of: Box::new(Metric::Range(Box::new(of))),
    }
}

/// Two operands: metrics both, and series both where sets are made or labels compared.
pub(crate) fn binary(
    parser: &Parser<'_>,
    (op, sign): (BinaryOp, Span),
    left: (Query, Span),
    right: (Query, Span),
    return_bool: bool,
    matching: Option<VectorMatching>,
) -> Result<Metric, ParseError> {
    operand(parser, op, "left", &left)?;
    operand(parser, op, "right", &right)?;
    let (Query::Metric(left), Query::Metric(right)) = (left.0, right.0) else {
        return Err(parser.error(sign, String::from("operands must be metrics")));
    };
    if matching.is_some() && (is_scalar(&left) || is_scalar(&right)) {
        let message = "vector matching only allowed between series";
        return Err(parser.error(sign, String::from(message)));
    }
    Ok(Metric::Binary(Box::new(Binary { op, left, right, return_bool, matching })))
}

/// One operand: a metric, and series where sets are made.
pub(crate) fn operand(
    parser: &Parser<'_>,
    op: BinaryOp,
    side: &str,
    (query, span): &(Query, Span),
) -> Result<(), ParseError> {
    let spelled = op.as_str();
    let (what, hint) = match query {
        Query::Metric(metric) if op.is_set() && is_scalar(metric) => {
            (format!("number on the {side} of set operation"), "did you mean vector(...)")
        }
        Query::Metric(_) => return Ok(()),
        Query::Log(_) => (
            format!("log query on the {side} of binary operation"),
            "put an aggregation such as count_over_time around it",
        ),
    };
    let error = parser.error(*span, format!("unexpected {what} ({spelled})"));
    Err(error.suggest(Some(String::from(hint))))
}

/// The spelling of a conversion; none for a plain number.
pub(crate) fn conversion_name(conversion: Conversion) -> Option<&'static str> {
    match conversion {
        Conversion::Number => None,
        Conversion::Bytes => Some("bytes"),
        Conversion::Duration => Some("duration"),
        Conversion::DurationSeconds => Some("duration_seconds"),
    }
}
