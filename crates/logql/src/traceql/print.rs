//! The canonical spelling: `parse(print(q)) == q`, brackets only where the tree needs them.

use core::fmt::{self, Display, Formatter, Write as _};

use super::ast::{
    Aggregate, Expr, Field, Keep, Metric, MetricFunction, Op, Pipeline, Query, Relation, Scalar,
    ScalarFilter, Spanset, SpansetOp, Stage, Static,
};
use super::lexer::is_bare;
use crate::duration;
use crate::go_number::quote;

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.pipeline.fmt(f)?;
        self.metric.as_ref().map_or(Ok(()), |metric| write!(f, " | {metric}"))
    }
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        listed(f, " | ", &self.stages)
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spans(spans) => spans.fmt(f),
            Self::Filter(filter) => filter.fmt(f),
            Self::By(expr) => write!(f, "by({expr})"),
            Self::Coalesce => f.write_str("coalesce()"),
            Self::Select(fields) => {
                f.write_str("select(")?;
                listed(f, ", ", fields)?;
                f.write_char(')')
            }
        }
    }
}

impl Spanset {
    const fn strength(&self) -> u8 {
        match self {
            Self::Filter(_) | Self::Pipeline(_) => u8::MAX,
            Self::Binary { op, .. } => op.strength(),
        }
    }
}

impl SpansetOp {
    /// `&&` and `||` alike and least, as in Tempo.
    pub(super) const fn strength(self) -> u8 {
        match self {
            Self::And | Self::Or => 1,
            Self::Structural { .. } => 2,
        }
    }
}

impl Display for Spanset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(None) => f.write_str("{ }"),
            Self::Filter(Some(expr)) => write!(f, "{{ {expr} }}"),
            Self::Pipeline(pipeline) => write!(f, "({pipeline})"),
            Self::Binary { op, left, right } => {
                bracketed(f, left, left.strength() < op.strength())?;
                write!(f, " {op} ")?;
                bracketed(f, right, right.strength() <= op.strength())
            }
        }
    }
}

impl Display for SpansetOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self::Structural { relation, keep } = self else {
            return f.write_str(if *self == Self::And { "&&" } else { "||" });
        };
        f.write_str(match keep {
            Keep::Right => "",
            Keep::Unrelated => "!",
            Keep::Both => "&",
        })?;
        f.write_str(match relation {
            Relation::Child => ">",
            Relation::Descendant => ">>",
            Relation::Parent => "<",
            Relation::Ancestor => "<<",
            Relation::Sibling => "~",
        })
    }
}

impl Display for ScalarFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.op.as_str(), self.right)
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(constant) => constant.fmt(f),
            Self::Count => f.write_str("count()"),
            Self::Aggregate(aggregate, expr) => write!(f, "{}({expr})", aggregate.as_str()),
            Self::Binary { op, left, right } => {
                let strength = |scalar: &Self| match scalar {
                    Self::Binary { op, .. } => op.strength(),
                    Self::Static(_) | Self::Count | Self::Aggregate(..) => u8::MAX,
                };
                binary(f, *op, (left, strength(left)), (right, strength(right)))
            }
        }
    }
}

impl Aggregate {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
        }
    }
}

impl Expr {
    const fn strength(&self) -> u8 {
        match self {
            Self::Binary { op, .. } => op.strength(),
            Self::Static(_) | Self::Field(_) | Self::Negative(_) | Self::Not(_) => u8::MAX,
        }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(constant) => constant.fmt(f),
            Self::Field(field) => field.fmt(f),
            // A number behind the sign would be a negative number.
            Self::Negative(inner) => {
                f.write_char('-')?;
                bracketed(f, inner, !matches!(**inner, Self::Field(_)))
            }
            Self::Not(inner) => {
                f.write_char('!')?;
                let plain = matches!(**inner, Self::Field(_) | Self::Static(_) | Self::Not(_));
                bracketed(f, inner, !plain)
            }
            Self::Binary { op, left, right } => {
                binary(f, *op, (left, left.strength()), (right, right.strength()))
            }
        }
    }
}

/// Operators go from left to right, but for `^`.
fn binary<T: Display + ?Sized>(
    f: &mut Formatter<'_>,
    op: Op,
    (left, left_strength): (&T, u8),
    (right, right_strength): (&T, u8),
) -> fmt::Result {
    let own = op.strength();
    let from_right = op == Op::Pow;
    bracketed(f, left, left_strength < own || from_right && left_strength == own)?;
    write!(f, " {} ", op.as_str())?;
    bracketed(f, right, right_strength < own || !from_right && right_strength == own)
}

fn bracketed<T: Display + ?Sized>(f: &mut Formatter<'_>, inner: &T, brackets: bool) -> fmt::Result {
    if brackets { write!(f, "({inner})") } else { write!(f, "{inner}") }
}

impl Display for Static {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(truth) => truth.fmt(f),
            Self::Int(whole) => whole.fmt(f),
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Duration(nanoseconds) => duration::Spelled(*nanoseconds).fmt(f),
            Self::Text(text) => f.write_str(&quote(text)),
            Self::Status(status) => f.write_str(status.as_str()),
            Self::Kind(kind) => f.write_str(kind.as_str()),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intrinsic(intrinsic) => f.write_str(intrinsic.as_str()),
            Self::Attribute { parent, scope, name } => {
                if *parent {
                    f.write_str("parent.")?;
                }
                f.write_str(scope.as_str())?;
                // `parent.` is the point of what has no scope.
                if !*parent || !scope.as_str().is_empty() {
                    f.write_char('.')?;
                }
                attribute_name(f, name, *parent && scope.as_str().is_empty())
            }
        }
    }
}

/// Quoted where it must be. Behind `parent.` a name may look like a scope, and in front a digit
/// like a number.
fn attribute_name(f: &mut Formatter<'_>, name: &str, after_parent: bool) -> fmt::Result {
    let scoped = after_parent && (name.starts_with("span.") || name.starts_with("resource."));
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    if name.chars().all(is_bare) && !scoped && !digit {
        return f.write_str(name);
    }
    f.write_char('"')?;
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.function {
            MetricFunction::Rate => f.write_str("rate()")?,
            MetricFunction::Count => f.write_str("count_over_time()")?,
            MetricFunction::Over(aggregate, expr) => {
                write!(f, "{}_over_time({expr})", aggregate.as_str())?;
            }
            MetricFunction::Compare { selection, top } => {
                let selection = Spanset::Filter(selection.clone());
                write!(f, "compare({selection}, {top})")?;
            }
        }
        if self.by.is_empty() {
            return Ok(());
        }
        f.write_str(" by(")?;
        listed(f, ", ", &self.by)?;
        f.write_char(')')
    }
}

fn listed<T: Display>(f: &mut Formatter<'_>, between: &str, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        let between = if at == 0 { "" } else { between };
        write!(f, "{between}{item}")?;
    }
    Ok(())
}
