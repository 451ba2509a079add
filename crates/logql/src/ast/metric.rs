//! Metric expressions: numbers out of lines, and numbers out of numbers.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{LabelFilter, LogQuery};

/// [`RangeAggregation::range_ns`] of a window that spans the whole time range of the query: the
/// desugared `| count by (x)`. Written `[$range]`; no LogQL window is zero.
pub const WHOLE_RANGE: i64 = 0;

/// An expression that yields numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// `rate({…} [5m])`
    Range(Box<RangeAggregation>),
    /// `sum by (a) (…)`
    Vector(VectorAggregation),
    /// `… + …`
    Binary(Box<Binary>),
    /// `label_replace(…)`
    LabelReplace(Box<LabelReplace>),
    /// `sort(…)` and `sort_desc(…)`
    Sort(Sort),
    /// `vector(1)`: one series without labels.
    VectorLiteral(f64),
    /// A finite scalar.
    Number(f64),
}

impl Metric {
    /// See [`Query::is_standard`](super::Query::is_standard).
    pub(super) fn is_standard(&self) -> bool {
        match self {
            Self::Range(range) => range.range_ns != WHOLE_RANGE,
            Self::Vector(vector) => vector.of.is_standard(),
            Self::Binary(binary) => binary.left.is_standard() && binary.right.is_standard(),
            Self::LabelReplace(replace) => replace.of.is_standard(),
            Self::Sort(sort) => sort.of.is_standard(),
            Self::VectorLiteral(_) | Self::Number(_) => true,
        }
    }
}

/// An aggregation over the lines of a window that ends at each step.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// What is computed.
    pub op: RangeOp,
    /// The quantile of `quantile_over_time`, and of nothing else.
    pub param: Option<f64>,
    /// The lines; without extension pipes.
    pub query: LogQuery,
    /// Which label holds the sample; else lines or bytes are counted.
    pub unwrap: Option<Unwrap>,
    /// Length of the window in nanoseconds, more than zero, or [`WHOLE_RANGE`].
    pub range_ns: i64,
    /// How far back the window is moved in nanoseconds; negative moves it forward.
    pub offset_ns: i64,
    /// Only where [`RangeOp::takes_grouping`].
    pub grouping: Option<Grouping>,
}

/// `| unwrap duration(latency) | __error__=""`
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    /// Name of the label.
    pub label: String,
    /// How its text becomes a number.
    pub conversion: Conversion,
    /// Conditions after it, one for each pipe.
    pub filters: Vec<LabelFilter>,
}

/// How the text of a label becomes a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// As a number.
    Number,
    /// `bytes(x)`: as a size with a unit.
    Bytes,
    /// `duration(x)`: as a duration, in seconds.
    Duration,
    /// `duration_seconds(x)`: the same.
    DurationSeconds,
}

macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// All of them with their names.
            pub(crate) const ALL: &'static [(&'static str, Self)] =
                &[$(($name, Self::$variant)),+];

            /// The name as it is written.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

/// Aggregations over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeOp {
    /// Lines, or the unwrapped sum, a second.
    Rate,
    /// Increase of an unwrapped counter a second.
    RateCounter,
    /// Lines.
    Count,
    /// Bytes of lines a second.
    BytesRate,
    /// Bytes of lines.
    Bytes,
    /// Mean.
    Avg,
    /// Sum.
    Sum,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Population variance.
    Stdvar,
    /// Population standard deviation.
    Stddev,
    /// Quantile.
    Quantile,
    /// Earliest.
    First,
    /// Latest.
    Last,
    /// 1 where there is nothing.
    Absent,
}

names!(RangeOp {
    Rate = "rate",
    RateCounter = "rate_counter",
    Count = "count_over_time",
    BytesRate = "bytes_rate",
    Bytes = "bytes_over_time",
    Avg = "avg_over_time",
    Sum = "sum_over_time",
    Min = "min_over_time",
    Max = "max_over_time",
    Stdvar = "stdvar_over_time",
    Stddev = "stddev_over_time",
    Quantile = "quantile_over_time",
    First = "first_over_time",
    Last = "last_over_time",
    Absent = "absent_over_time",
});

impl RangeOp {
    /// Whether `by` and `without` may follow.
    #[must_use]
    pub fn takes_grouping(self) -> bool {
        matches!(
            self,
            Self::Avg
                | Self::Min
                | Self::Max
                | Self::Stddev
                | Self::Stdvar
                | Self::Quantile
                | Self::First
                | Self::Last
        )
    }

    /// Whether it computes over unwrapped samples.
    #[must_use]
    pub fn takes_unwrap(self) -> bool {
        !matches!(self, Self::Count | Self::BytesRate | Self::Bytes)
    }

    /// Whether it computes over lines as they are.
    #[must_use]
    pub fn takes_lines(self) -> bool {
        matches!(self, Self::Rate | Self::Count | Self::BytesRate | Self::Bytes | Self::Absent)
    }
}

/// `by (a, b)` or `without (a, b)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grouping {
    /// All labels but these, instead of only these.
    pub without: bool,
    /// May be empty.
    pub labels: Vec<String>,
}

/// An aggregation over the series of one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    /// What is computed.
    pub op: VectorOp,
    /// The k of `topk`, `bottomk` and `approx_topk`, at least 1; of nothing else.
    pub param: Option<u64>,
    /// Which series go together; none: all.
    pub grouping: Option<Grouping>,
    /// Of what.
    pub of: Box<Metric>,
}

/// Aggregations over series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VectorOp {
    /// Sum.
    Sum,
    /// Mean.
    Avg,
    /// Number of series.
    Count,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Population standard deviation.
    Stddev,
    /// Population variance.
    Stdvar,
    /// The k greatest, with their labels.
    Topk,
    /// The k least, with their labels.
    Bottomk,
    /// About the k greatest; takes no grouping.
    ApproxTopk,
}

names!(VectorOp {
    Sum = "sum",
    Avg = "avg",
    Count = "count",
    Min = "min",
    Max = "max",
    Stddev = "stddev",
    Stdvar = "stdvar",
    Topk = "topk",
    Bottomk = "bottomk",
    ApproxTopk = "approx_topk",
});

impl VectorOp {
    /// Whether a number k comes first.
    #[must_use]
    pub fn takes_param(self) -> bool {
        matches!(self, Self::Topk | Self::Bottomk | Self::ApproxTopk)
    }
}

/// `sort(…)` or `sort_desc(…)`: order of an instant answer by value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// From the greatest to the least.
    pub descending: bool,
    /// Of what.
    pub of: Box<Metric>,
}

/// `label_replace(of, "dst", "replacement", "src", "regex")`
#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    /// Of what.
    pub of: Metric,
    /// The label that is set.
    pub dst: String,
    /// With `$1` for groups.
    pub replacement: String,
    /// The label that is read.
    pub src: String,
    /// A Go regular expression, anchored at both ends.
    pub regex: String,
}

/// Two operands and how their series meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// What is computed.
    pub op: BinaryOp,
    /// Left operand.
    pub left: Metric,
    /// Right operand.
    pub right: Metric,
    /// `bool`: a comparison yields 0 or 1 instead of dropping series; never with other operators.
    pub return_bool: bool,
    /// Which series meet; none: those with equal labels.
    pub matching: Option<VectorMatching>,
}

/// Operators between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `unless`
    Unless,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`, from the right
    Pow,
    /// `==`
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

names!(BinaryOp {
    Or = "or",
    And = "and",
    Unless = "unless",
    Add = "+",
    Sub = "-",
    Mul = "*",
    Div = "/",
    Mod = "%",
    Pow = "^",
    Eq = "==",
    Ne = "!=",
    Gt = ">",
    Ge = ">=",
    Lt = "<",
    Le = "<=",
});

impl BinaryOp {
    /// How tightly it binds; the greater the tighter.
    #[must_use]
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Eq | Self::Ne | Self::Gt | Self::Ge | Self::Lt | Self::Le => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod => 5,
            Self::Pow => 6,
        }
    }

    /// `==` and its kind.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    /// `and`, `or`, `unless`: between vectors only.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.precedence() <= 2
    }

    /// Whether `a op b op c` is `a op (b op c)`.
    #[must_use]
    pub fn is_right_associative(self) -> bool {
        matches!(self, Self::Pow)
    }
}

/// `on (a)` or `ignoring (a)`, with `group_left (b)` or `group_right (b)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VectorMatching {
    /// All labels but these, instead of only these.
    pub ignoring: bool,
    /// May be empty.
    pub labels: Vec<String>,
    /// None: one to one.
    pub group: Option<Group>,
}

/// Many series of one side meet one of the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Which side has many.
    pub side: GroupSide,
    /// Labels taken over from the side that has one; may be empty.
    pub include: Vec<String>,
}

/// The side that has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupSide {
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}
