//! Sets of spans, the stages behind them, and numbers over time at the end.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::Parser;
use crate::error::ParseError;
use crate::suggestion::nearest;
use crate::traceql::ast::{
    Aggregate, Expr, Keep, Metric, MetricFunction, Op, Pipeline, Query, Relation, Scalar,
    ScalarFilter, Spanset, SpansetOp, Stage,
};
use crate::traceql::lexer::Kind;
use crate::traceql::typing::Type;

/// Stages of one pipeline.
const MAX_STAGES: usize = 64;
/// Values of each attribute that `compare` shows when the query does not say.
const COMPARE_TOP: u64 = 10;
/// More of them are no picture any more.
const COMPARE_TOP_MAX: i64 = 1_000;

const AGGREGATES: [Aggregate; 4] = [Aggregate::Avg, Aggregate::Min, Aggregate::Max, Aggregate::Sum];

/// What Tempo documents and nothing here evaluates.
const UNSUPPORTED: [&str; 7] = [
    "quantile_over_time",
    "histogram_over_time",
    "topk",
    "bottomk",
    "with",
    "most_recent",
    "span_count",
];

/// Words that begin a stage.
const STAGES: [&str; 14] = [
    "by",
    "coalesce",
    "select",
    "count",
    "avg",
    "min",
    "max",
    "sum",
    "rate",
    "count_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
];

const SPANSET_OPS: [(&str, SpansetOp); 17] = {
    const fn of(relation: Relation, keep: Keep) -> SpansetOp {
        SpansetOp::Structural { relation, keep }
    }
    use Keep::{Both, Right, Unrelated};
    use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
    [
        ("&&", SpansetOp::And),
        ("||", SpansetOp::Or),
        (">", of(Child, Right)),
        (">>", of(Descendant, Right)),
        ("<", of(Parent, Right)),
        ("<<", of(Ancestor, Right)),
        ("~", of(Sibling, Right)),
        ("!>", of(Child, Unrelated)),
        ("!>>", of(Descendant, Unrelated)),
        ("!<", of(Parent, Unrelated)),
        ("!<<", of(Ancestor, Unrelated)),
        ("!~", of(Sibling, Unrelated)),
        ("&>", of(Child, Both)),
        ("&>>", of(Descendant, Both)),
        ("&<", of(Parent, Both)),
        ("&<<", of(Ancestor, Both)),
        ("&~", of(Sibling, Both)),
    ]
};

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query, ParseError> {
        let (pipeline, metric) = self.pipeline(true)?;
        Ok(Query { pipeline, metric })
    }

    /// Stages between bars; numbers over time end a whole query only.
    fn pipeline(&mut self, whole: bool) -> Result<(Pipeline, Option<Metric>), ParseError> {
        if !self.is_sign("{") && !self.is_sign("(") {
            return Err(self.unexpected("\"{\" or \"(\""));
        }
        let mut stages = vec![Stage::Spans(self.spanset(1)?)];
        while self.eat("|") {
            if stages.len() >= MAX_STAGES {
                let message = format!("pipeline has more than {MAX_STAGES} stages");
                return Err(self.error(self.behind(), message));
            }
            if let Some(metric) = self.metric()? {
                if !whole {
                    let message = "numbers over time end a whole query, not a part in brackets";
                    return Err(self.error(self.behind(), String::from(message)));
                }
                return Ok((Pipeline { stages }, Some(metric)));
            }
            stages.push(self.stage()?);
        }
        Ok((Pipeline { stages }, None))
    }

    /// Sets of spans with operators that bind at least so strongly.
    fn spanset(&mut self, least: u8) -> Result<Spanset, ParseError> {
        let mut left = self.one_spanset()?;
        while let Some(op) = self.spanset_op().filter(|op| op.strength() >= least) {
            self.take();
            self.count_operator()?;
            let right = self.nested(|parser| parser.spanset(op.strength().saturating_add(1)))?;
            left = Spanset::Binary { op, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    fn spanset_op(&self) -> Option<SpansetOp> {
        let Kind::Sign(sign) = self.peek().kind else { return None };
        SPANSET_OPS.iter().find(|(spelling, _)| *spelling == sign).map(|(_, op)| *op)
    }

    fn one_spanset(&mut self) -> Result<Spanset, ParseError> {
        if self.is_sign("{") {
            return self.braces().map(Spanset::Filter);
        }
        if !self.eat("(") {
            return Err(self.unexpected("\"{\" or \"(\""));
        }
        let (Pipeline { mut stages }, _) = self.nested(|parser| parser.pipeline(false))?;
        self.expect(")")?;
        match stages.pop() {
            // Brackets around one set are for precedence alone.
            Some(Stage::Spans(only)) if stages.is_empty() => Ok(only),
            last => {
                stages.extend(last);
                Ok(Spanset::Pipeline(Box::new(Pipeline { stages })))
            }
        }
    }

    fn stage(&mut self) -> Result<Stage, ParseError> {
        match self.word() {
            Some("by") => {
                self.take();
                let expr = self.argument()?;
                Ok(Stage::By(expr))
            }
            Some("coalesce") => {
                self.take();
                self.expect("(")?;
                self.expect(")")?;
                Ok(Stage::Coalesce)
            }
            Some("select") => {
                self.take();
                self.fields().map(Stage::Select)
            }
            Some(word) if UNSUPPORTED.contains(&word) => {
                Err(self.error(self.peek().span, format!("{word} is not supported")))
            }
            Some(word) if !STAGES.contains(&word) => {
                let near = nearest(word, STAGES).map(|near| format!("did you mean {near}"));
                Err(self.unexpected("a filter or an operation like count()").suggest(near))
            }
            _ if self.at_spanset() => self.spanset(1).map(Stage::Spans),
            _ => self.scalar_filter().map(Stage::Filter),
        }
    }

    /// Whether the brackets in front hold spans and not numbers.
    fn at_spanset(&self) -> bool {
        let brackets = self.tokens.get(self.at..).unwrap_or_default();
        let inner = brackets.iter().find(|token| token.kind != Kind::Sign("("));
        inner.is_some_and(|token| token.kind == Kind::Sign("{"))
    }

    fn scalar_filter(&mut self) -> Result<ScalarFilter, ParseError> {
        let start = self.peek().span;
        let left = self.scalar(3)?;
        let Some(op) = self.op().filter(|op| op.compares() && !matches!(op, Op::Re | Op::Nre))
        else {
            return Err(self.unexpected("=, !=, <, <=, > or >="));
        };
        self.take();
        let right = self.scalar(3)?;
        if !left.asks() && !right.asks() {
            let message = "a comparison of constants says nothing about the spans";
            return Err(self.error(start.to(self.behind()), String::from(message)));
        }
        Ok(ScalarFilter { op, left, right })
    }

    fn scalar(&mut self, least: u8) -> Result<Scalar, ParseError> {
        let mut left = self.one_scalar()?;
        while let Some(op) = self.op().filter(|op| op.computes() && op.strength() >= least) {
            self.take();
            self.count_operator()?;
            let own = op.strength();
            let next = if op == Op::Pow { own } else { own.saturating_add(1) };
            let right = self.nested(|parser| parser.scalar(next))?;
            left = Scalar::Binary { op, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    fn one_scalar(&mut self) -> Result<Scalar, ParseError> {
        if self.eat("(") {
            let inner = self.nested(|parser| parser.scalar(3))?;
            self.expect(")")?;
            return Ok(inner);
        }
        let aggregate = AGGREGATES.into_iter().find(|one| Some(one.as_str()) == self.word());
        match (aggregate, self.word()) {
            (Some(aggregate), _) => {
                self.take();
                Ok(Scalar::Aggregate(aggregate, self.numeric_argument(aggregate.as_str())?))
            }
            (None, Some("count")) => {
                self.take();
                self.expect("(")?;
                self.expect(")")?;
                Ok(Scalar::Count)
            }
            _ => self.scalar_constant(),
        }
    }

    fn scalar_constant(&mut self) -> Result<Scalar, ParseError> {
        let span = self.peek().span;
        let read = if self.is_sign("-") {
            Some(self.expr_of_one()?)
        } else {
            self.constant()?.map(Expr::Static)
        };
        match read {
            Some(Expr::Static(constant)) if constant.kind_of() == Type::Number => {
                Ok(Scalar::Static(constant))
            }
            Some(_) => {
                let message = "expected a number, a duration or an aggregate like count()";
                Err(self.error(span, String::from(message)))
            }
            None => Err(self.unexpected("count(), avg(), min(), max(), sum() or a number")),
        }
    }

    /// `(x)`.
    fn argument(&mut self) -> Result<Expr, ParseError> {
        self.expect("(")?;
        let start = self.peek().span;
        let expr = self.nested(Self::expr)?;
        let span = start.to(self.behind());
        self.expect(")")?;
        if !expr.asks() {
            return Err(self.error(span, String::from("a constant says nothing about the spans")));
        }
        Ok(expr)
    }

    fn numeric_argument(&mut self, name: &str) -> Result<Expr, ParseError> {
        let start = self.peek_at(1).span;
        let expr = self.argument()?;
        if expr.kind_of().may_be(Type::Number) {
            return Ok(expr);
        }
        let message = format!("{name}() needs a number, not {}", expr.kind_of().name());
        Err(self.error(start.to(self.behind()), message))
    }

    /// A number over time, if one is in front.
    fn metric(&mut self) -> Result<Option<Metric>, ParseError> {
        let Some(word) = self.word() else { return Ok(None) };
        let over = word.strip_suffix("_over_time");
        let aggregate = AGGREGATES.into_iter().find(|one| Some(one.as_str()) == over);
        let function = match (word, aggregate) {
            ("rate", _) => self.without_argument(MetricFunction::Rate)?,
            ("count_over_time", _) => self.without_argument(MetricFunction::Count)?,
            ("compare", _) => self.compare()?,
            (_, Some(aggregate)) => {
                self.take();
                MetricFunction::Over(aggregate, self.numeric_argument(word)?)
            }
            _ => return Ok(None),
        };
        let by = match self.word() {
            Some("by") if matches!(function, MetricFunction::Compare { .. }) => {
                return Err(self.unexpected("the end of the query"));
            }
            Some("by") => {
                self.take();
                self.fields()?
            }
            _ => Vec::new(),
        };
        if self.is_sign("|") {
            let at = self.peek_at(1).span;
            let message = "stages behind a number over time are not supported";
            return Err(self.error(at, String::from(message)));
        }
        Ok(Some(Metric { function, by }))
    }

    fn without_argument(&mut self, function: MetricFunction) -> Result<MetricFunction, ParseError> {
        self.take();
        self.expect("(")?;
        self.expect(")")?;
        Ok(function)
    }

    fn compare(&mut self) -> Result<MetricFunction, ParseError> {
        self.take();
        self.expect("(")?;
        let selection = self.braces()?;
        let mut top = COMPARE_TOP;
        if self.eat(",") {
            let token = self.peek();
            top = match token.kind {
                Kind::Int(count @ 1..=COMPARE_TOP_MAX) => count.unsigned_abs(),
                _ => return Err(self.unexpected("a number from 1 to 1000")),
            };
            self.take();
        }
        if self.is_sign(",") {
            let message = "times in compare() are not supported";
            return Err(self.error(self.peek().span, String::from(message)));
        }
        self.expect(")")?;
        Ok(MetricFunction::Compare { selection, top })
    }
}

impl Scalar {
    /// Whether it says anything about the spans.
    fn asks(&self) -> bool {
        match self {
            Self::Static(_) => false,
            Self::Count | Self::Aggregate(..) => true,
            Self::Binary { left, right, .. } => left.asks() || right.asks(),
        }
    }
}
