//! Conditions and values of one span.

use lucarne_logql::traceql::ast::{Expr, Op, Static};

use super::value::Value;
use super::view::TraceView;
use super::{Program, field};

impl Program {
    /// Whether a condition holds for the span at a place.
    pub(super) fn holds<'a>(
        &'a self,
        trace: &'a TraceView<'a>,
        at: usize,
        condition: &'a Expr,
    ) -> bool {
        self.values(trace, at, condition).contains(&Value::Bool(true))
    }

    /// What an expression is for the span at a place.
    pub(super) fn values<'a>(
        &'a self,
        trace: &'a TraceView<'a>,
        at: usize,
        expr: &'a Expr,
    ) -> Vec<Value<'a>> {
        match expr {
            Expr::Static(constant) => Value::of_static(constant).into_iter().collect(),
            Expr::Field(field) => field::values(trace, at, field),
            Expr::Negative(inner) => {
                self.values(trace, at, inner).iter().filter_map(Value::negative).collect()
            }
            Expr::Not(inner) => match self.values(trace, at, inner).first() {
                Some(Value::Bool(truth)) => vec![Value::Bool(!truth)],
                Some(_) | None => Vec::new(),
            },
            Expr::Binary { op: Op::And, left, right } => {
                vec![Value::Bool(self.holds(trace, at, left) && self.holds(trace, at, right))]
            }
            Expr::Binary { op: Op::Or, left, right } => {
                vec![Value::Bool(self.holds(trace, at, left) || self.holds(trace, at, right))]
            }
            Expr::Binary { op, left, right } if op.compares() => {
                vec![Value::Bool(self.compares(trace, at, *op, left, right))]
            }
            Expr::Binary { op, left, right } => {
                let left = self.values(trace, at, left).into_iter().next();
                let right = self.values(trace, at, right).into_iter().next();
                let both = left.zip(right);
                both.and_then(|(left, right)| left.computed(*op, &right)).into_iter().collect()
            }
        }
    }

    fn compares<'a>(
        &'a self,
        trace: &'a TraceView<'a>,
        at: usize,
        op: Op,
        left: &'a Expr,
        right: &'a Expr,
    ) -> bool {
        let nil = |expr: &Expr| matches!(expr, Expr::Static(Static::Nil));
        let (one, other) = (self.values(trace, at, left), self.values(trace, at, right));
        if nil(left) || nil(right) {
            return (one.is_empty() && other.is_empty()) == (op == Op::Eq);
        }
        if let (Op::Re | Op::Nre, Expr::Static(Static::Text(pattern))) = (op, right) {
            let Some(regex) = self.patterns.get(pattern) else { return false };
            return one.iter().any(|value| match value {
                Value::Text(text) => regex.is_match(text) == (op == Op::Re),
                _ => false,
            });
        }
        one.iter().any(|one| other.iter().any(|other| one.compares(op, other)))
    }
}
