//! TraceQL over traces: one whole trace in, the sets of its spans for which a query holds out.
//!
//! A trace is decoded once, in place. A comparison with a value that a span does not have, or that
//! has another type, does not hold, whatever the operator; a value that occurs more than once (of
//! events, of an array) holds when one of them does. Patterns meet the whole text.

mod eval;
mod field;
pub mod metric;
mod sets;
pub mod value;
pub mod view;

#[cfg(test)]
pub(in crate::trace) mod tests;

use std::collections::HashMap;

use lucarne_logql::go_regex::{Anchor, Regex};
use lucarne_logql::traceql::ast::{
    Expr, Field, Intrinsic, MetricFunction, Op, Pipeline, Query, Scalar, Spanset, Stage, Static,
};

use self::value::Value;
use self::view::TraceView;
use crate::engine::error::QueryError;

/// A query that is ready to run.
pub struct Program {
    query: Query,
    patterns: HashMap<String, Regex>,
    /// What the query mentions, in its order: the answer shows it.
    shown: Vec<Field>,
}

/// A set of spans that a query leaves of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// Places of the spans in the trace, by start.
    pub spans: Vec<usize>,
    /// What it was split by: the text of the stage, and the value; `None` when there is none.
    pub by: Vec<(String, Option<Value<'a>>)>,
}

impl Program {
    /// Makes a program of a query.
    ///
    /// # Errors
    /// When a pattern does not compile, which no parsed query has.
    pub fn new(query: Query) -> Result<Self, QueryError> {
        let mut notes = Notes::default();
        notes.pipeline(&query.pipeline);
        match query.metric.as_ref().map(|metric| &metric.function) {
            Some(MetricFunction::Over(_, expr)) => notes.expr(expr),
            Some(MetricFunction::Compare { selection: Some(expr), .. }) => notes.expr(expr),
            Some(_) | None => {}
        }
        let mut patterns = HashMap::new();
        for pattern in notes.patterns {
            let regex = Regex::new(&pattern, Anchor::Whole);
            let failed = |error| QueryError::Compile { message: format!("{error}") };
            patterns.insert(pattern, regex.map_err(failed)?);
        }
        Ok(Self { query, patterns, shown: notes.fields })
    }

    /// The query.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// The sets of spans that the pipeline leaves; none when the trace is not found.
    #[must_use]
    pub fn run<'a>(&self, trace: &'a TraceView<'a>) -> Vec<Found<'a>> {
        let all = Found { spans: (0..trace.spans.len()).collect(), by: Vec::new() };
        sets::pipeline(self, trace, &self.query.pipeline, all)
    }

    /// What a field is for a span: none, one, or more values.
    #[must_use]
    pub fn field<'a>(trace: &'a TraceView<'a>, at: usize, field: &Field) -> Vec<Value<'a>> {
        field::values(trace, at, field)
    }

    /// What the answer shows of a span beside its name and times: names and values.
    #[must_use]
    pub fn shown<'a>(&self, trace: &'a TraceView<'a>, at: usize) -> Vec<(String, Value<'a>)> {
        let mut out: Vec<(String, Value<'a>)> = Vec::new();
        for field in &self.shown {
            let name = match field {
                Field::Intrinsic(intrinsic) => intrinsic.as_str().to_owned(),
                Field::Attribute { name, .. } => name.clone(),
            };
            let value = field::values(trace, at, field).into_iter().next();
            if let Some(value) = value.filter(|_| out.iter().all(|(have, _)| *have != name)) {
                out.push((name, value));
            }
        }
        out
    }
}

/// What a query mentions.
#[derive(Default)]
struct Notes {
    patterns: Vec<String>,
    fields: Vec<Field>,
}

impl Notes {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        for stage in &pipeline.stages {
            match stage {
                Stage::Spans(spans) => self.spanset(spans),
                Stage::Filter(filter) => {
                    self.scalar(&filter.left);
                    self.scalar(&filter.right);
                }
                Stage::By(expr) => self.expr(expr),
                Stage::Coalesce => {}
                Stage::Select(fields) => fields.iter().for_each(|field| self.field(field)),
            }
        }
    }

    fn spanset(&mut self, spans: &Spanset) {
        match spans {
            Spanset::Filter(expr) => expr.iter().for_each(|expr| self.expr(expr)),
            Spanset::Pipeline(pipeline) => self.pipeline(pipeline),
            Spanset::Binary { left, right, .. } => {
                self.spanset(left);
                self.spanset(right);
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar) {
        match scalar {
            Scalar::Static(_) | Scalar::Count => {}
            Scalar::Aggregate(_, expr) => self.expr(expr),
            Scalar::Binary { left, right, .. } => {
                self.scalar(left);
                self.scalar(right);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Static(_) => {}
            Expr::Field(field) => self.field(field),
            Expr::Negative(inner) | Expr::Not(inner) => self.expr(inner),
            Expr::Binary { op, left, right } => {
                if let (Op::Re | Op::Nre, Expr::Static(Static::Text(pattern))) = (op, &**right) {
                    self.patterns.push(pattern.clone());
                }
                self.expr(left);
                self.expr(right);
            }
        }
    }

    /// The name and the length of a span are in every answer, and those of the trace as well.
    fn field(&mut self, field: &Field) {
        use Intrinsic::{Duration, Name, RootName, RootService, SpanId, TraceDuration, TraceId};
        let everywhere = [Duration, Name, RootName, RootService, SpanId, TraceDuration, TraceId];
        let is_shown = !matches!(field, Field::Intrinsic(of) if everywhere.contains(of));
        if is_shown && !self.fields.contains(field) {
            self.fields.push(field.clone());
        }
    }
}
