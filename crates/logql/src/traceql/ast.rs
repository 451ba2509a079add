//! Queries as types. Every node owns its strings and compares by value; numbers are finite.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which spans, and what is done with them.
    pub pipeline: Pipeline,
    /// What is counted over time; `None` answers with spans.
    pub metric: Option<Metric>,
}

/// Stages in their order; a parsed one begins with spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// At least one.
    pub stages: Vec<Stage>,
}

/// What happens to the sets of spans of a trace.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Keeps spans; a set without any is gone.
    Spans(Spanset),
    /// `count() > 2`: keeps whole sets.
    Filter(ScalarFilter),
    /// `by(…)`: splits each set by a value.
    By(Expr),
    /// `coalesce()`: one set of all.
    Coalesce,
    /// `select(…)`: fields that the answer shows.
    Select(Vec<Field>),
}

/// Spans of one trace.
#[derive(Clone, Debug, PartialEq)]
pub enum Spanset {
    /// `{ … }`; without a condition every span.
    Filter(Option<Expr>),
    /// `( … | … )`: the spans that a pipeline leaves.
    Pipeline(Box<Pipeline>),
    /// Two sets and how they are put together.
    Binary {
        /// How.
        op: SpansetOp,
        /// The set before it.
        left: Box<Self>,
        /// The set behind it.
        right: Box<Self>,
    },
}

/// How two sets of spans become one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpansetOp {
    /// `&&`: all spans of both, if both have some.
    And,
    /// `||`: all spans of both.
    Or,
    /// A relation in the tree of the trace.
    Structural {
        /// Which one a span of the right set has to one of the left set.
        relation: Relation,
        /// Which spans are kept.
        keep: Keep,
    },
}

/// Where a span of the right set stands, seen from one of the left set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Relation {
    /// `>`
    Child,
    /// `>>`
    Descendant,
    /// `<`
    Parent,
    /// `<<`
    Ancestor,
    /// `~`
    Sibling,
}

/// Which spans a structural operator keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// Those of the right set that have the relation.
    Right,
    /// `!>`: those of the right set that do not have it.
    Unrelated,
    /// `&>`: those of both sets that have it.
    Both,
}

/// Two numbers of a set of spans that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalarFilter {
    /// How.
    pub op: Op,
    /// Before it.
    pub left: Scalar,
    /// Behind it.
    pub right: Scalar,
}

/// A number of a set of spans.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A constant.
    Static(Static),
    /// `count()`
    Count,
    /// `avg(…)` and its like.
    Aggregate(Aggregate, Expr),
    /// Arithmetic.
    Binary {
        /// `+ - * / % ^`
        op: Op,
        /// Before it.
        left: Box<Self>,
        /// Behind it.
        right: Box<Self>,
    },
}

/// What becomes of many numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aggregate {
    /// The mean.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// All together.
    Sum,
}

/// What a query asks about a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Static(Static),
    /// A value of the span.
    Field(Field),
    /// `-x`
    Negative(Box<Self>),
    /// `!x`
    Not(Box<Self>),
    /// Two values.
    Binary {
        /// What is done with them.
        op: Op,
        /// Before it.
        left: Box<Self>,
        /// Behind it.
        right: Box<Self>,
    },
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Static {
    /// No value.
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// A text; with `=~` and `!~` a pattern of Go's regular expressions.
    Text(String),
    /// How a span ended.
    Status(Status),
    /// What a span does.
    Kind(Kind),
}

/// How a span ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "they are what OTLP calls them")]
pub enum Status {
    Unset,
    Ok,
    Error,
}

impl Status {
    /// All, in the order of their numbers in OTLP.
    pub const ALL: [Self; 3] = [Self::Unset, Self::Ok, Self::Error];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// What a span does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "they are what OTLP calls them")]
pub enum Kind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl Kind {
    /// All, in the order of their numbers in OTLP.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::Internal,
        Self::Server,
        Self::Client,
        Self::Producer,
        Self::Consumer,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// A value of a span.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// What every span or trace has.
    Intrinsic(Intrinsic),
    /// An attribute.
    Attribute {
        /// Of the parent and not of the span itself.
        parent: bool,
        /// Where it is looked for.
        scope: Scope,
        /// Its key.
        name: String,
    },
}

/// Where an attribute is looked for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// `.x`: the span, then its resource.
    Any,
    /// `span.x`
    Span,
    /// `resource.x`
    Resource,
    /// `event.x`
    Event,
    /// `link.x`
    Link,
    /// `instrumentation.x`
    Instrumentation,
}

impl Scope {
    /// All, as queries and the tag endpoints order them.
    pub const ALL: [Self; 6] =
        [Self::Any, Self::Span, Self::Resource, Self::Event, Self::Link, Self::Instrumentation];

    /// The word before the point.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Span => "span",
            Self::Resource => "resource",
            Self::Event => "event",
            Self::Link => "link",
            Self::Instrumentation => "instrumentation",
        }
    }
}

/// What every span or trace has.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the table of spellings says it")]
pub enum Intrinsic {
    Name,
    Status,
    StatusMessage,
    Kind,
    Duration,
    ChildCount,
    SpanId,
    ParentId,
    TraceDuration,
    RootName,
    RootService,
    TraceId,
    NestedSetLeft,
    NestedSetRight,
    NestedSetParent,
    EventName,
    EventTimeSinceStart,
    LinkTraceId,
    LinkSpanId,
    InstrumentationName,
    InstrumentationVersion,
}

impl Intrinsic {
    /// Each with its canonical spelling and the other one, where there is one.
    pub const SPELLINGS: [(Self, &'static str, &'static str); 21] = [
        (Self::Name, "name", "span:name"),
        (Self::Status, "status", "span:status"),
        (Self::StatusMessage, "statusMessage", "span:statusMessage"),
        (Self::Kind, "kind", "span:kind"),
        (Self::Duration, "duration", "span:duration"),
        (Self::ChildCount, "childCount", "span:childCount"),
        (Self::SpanId, "span:id", ""),
        (Self::ParentId, "span:parentID", ""),
        (Self::TraceDuration, "traceDuration", "trace:duration"),
        (Self::RootName, "rootName", "trace:rootName"),
        (Self::RootService, "rootServiceName", "trace:rootService"),
        (Self::TraceId, "trace:id", ""),
        (Self::NestedSetLeft, "nestedSetLeft", ""),
        (Self::NestedSetRight, "nestedSetRight", ""),
        (Self::NestedSetParent, "nestedSetParent", ""),
        (Self::EventName, "event:name", ""),
        (Self::EventTimeSinceStart, "event:timeSinceStart", ""),
        (Self::LinkTraceId, "link:traceID", ""),
        (Self::LinkSpanId, "link:spanID", ""),
        (Self::InstrumentationName, "instrumentation:name", ""),
        (Self::InstrumentationVersion, "instrumentation:version", ""),
    ];

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::SPELLINGS.iter().find(|(one, ..)| *one == self);
        found.map_or("", |(_, spelling, _)| spelling)
    }

    /// What has this spelling.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let found = Self::SPELLINGS.iter().find(|(_, one, other)| *one == word || *other == word);
        found.filter(|_| !word.is_empty()).map(|(intrinsic, ..)| *intrinsic)
    }
}

/// What is done with two values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is what its sign says")]
pub enum Op {
    Or,
    And,
    Eq,
    Ne,
    Re,
    Nre,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl Op {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Re => "=~",
            Self::Nre => "!~",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }

    /// How strongly it binds: `&&` and `||` alike and least, as in Tempo.
    pub(super) const fn strength(self) -> u8 {
        match self {
            Self::Or | Self::And => 1,
            Self::Eq | Self::Ne | Self::Re | Self::Nre => 2,
            Self::Lt | Self::Le | Self::Gt | Self::Ge => 2,
            Self::Add | Self::Sub => 3,
            Self::Mul | Self::Div | Self::Mod => 4,
            Self::Pow => 5,
        }
    }

    /// Whether it makes a truth of two values.
    #[must_use]
    pub const fn compares(self) -> bool {
        self.strength() == 2
    }

    /// Whether it makes a number of two numbers.
    #[must_use]
    pub const fn computes(self) -> bool {
        self.strength() > 2
    }
}

/// Numbers over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Which number.
    pub function: MetricFunction,
    /// One series for each combination of these.
    pub by: Vec<Field>,
}

/// A number of the spans of an interval.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricFunction {
    /// `rate()`: spans a second.
    Rate,
    /// `count_over_time()`
    Count,
    /// `avg_over_time(…)` and its like.
    Over(Aggregate, Expr),
    /// `compare({…}, n)`: counts of the most frequent values, of what is selected and of the rest.
    Compare {
        /// What is selected; without a condition everything.
        selection: Option<Expr>,
        /// Values that are shown of each attribute.
        top: u64,
    },
}
