//! Metric expressions: operators by precedence, functions, aggregations over series.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use super::Parser;
use crate::ast::{
    BinaryOp, Group, GroupSide, Grouping, LabelReplace, LogQuery, Metric, Query, RangeOp, Sort,
    VectorAggregation, VectorMatching, VectorOp,
};
use crate::check;
use crate::error::{ParseError, Span};
use crate::lexer::TokenKind;
use crate::suggestion::nearest;

/// Functions of PromQL that LogQL lacks, and what comes near.
const FOREIGN: [(&str, &str); 6] = [
    ("increase", "did you mean count_over_time"),
    ("irate", "did you mean rate"),
    ("quantile", "did you mean quantile_over_time"),
    ("count_values", "did you mean count by (label)"),
    ("label_join", "did you mean label_replace"),
    ("histogram_quantile", "did you mean quantile_over_time"),
];

impl Parser<'_> {
    /// An expression whose operators bind at least as tightly as `least`, and its span.
    pub(super) fn expression(&mut self, least: u8) -> Result<(Query, Span), ParseError> {
        let start = self.peek().span;
        let mut left = (self.operand()?, start.to(self.behind()));
        while let Some(op) = self.binary_op().filter(|op| op.precedence() >= least) {
            let sign = self.take().span;
            check::operand(self, op, "left", &left)?;
            self.count_operator()?;
            let (return_bool, matching) = self.modifiers(op)?;
            let above = u8::from(!op.is_right_associative());
            let next = op.precedence().saturating_add(above);
            let right = self.nested(|parser| parser.expression(next))?;
            let metric = check::binary(self, (op, sign), left, right, return_bool, matching)?;
            left = (Query::Metric(metric), start.to(self.behind()));
        }
        Ok(left)
    }

    fn binary_op(&self) -> Option<BinaryOp> {
        let spelled = match self.peek().kind {
            TokenKind::Sign(sign) => sign,
            TokenKind::Word => self.word_at(0)?,
            _ => return None,
        };
        BinaryOp::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(spelled)).map(|(_, op)| *op)
    }

    /// `bool`, then `on (…)` or `ignoring (…)`, then `group_left (…)` or `group_right (…)`.
    fn modifiers(&mut self, op: BinaryOp) -> Result<(bool, Option<VectorMatching>), ParseError> {
        let return_bool = self.eat_word("bool");
        if return_bool && !op.is_comparison() {
            let message = format!("bool goes with comparisons, not with {}", op.as_str());
            return Err(self.error(self.behind(), message));
        }
        let ignoring = self.is_word_at(0, "ignoring");
        if !(ignoring || self.is_word_at(0, "on")) {
            if self.group_side().is_some() {
                return Err(self.unexpected("on (...) or ignoring (...) before it"));
            }
            return Ok((return_bool, None));
        }
        self.take();
        let labels = self.names(true)?;
        let mut group = None;
        if let Some(side) = self.group_side() {
            let span = self.take().span;
            if op.is_set() {
                let message = format!("no grouping allowed for set operation {}", op.as_str());
                return Err(self.error(span, message));
            }
            let include = if self.is_sign("(") { self.names(true)? } else { alloc::vec![] };
            group = Some(Group { side, include });
        }
        Ok((return_bool, Some(VectorMatching { ignoring, labels, group })))
    }

    fn group_side(&self) -> Option<GroupSide> {
        if self.is_word_at(0, "group_left") {
            Some(GroupSide::Left)
        } else if self.is_word_at(0, "group_right") {
            Some(GroupSide::Right)
        } else {
            None
        }
    }

    fn operand(&mut self) -> Result<Query, ParseError> {
        match self.peek().kind {
            TokenKind::Number(_) | TokenKind::Sign("+" | "-") => {
                self.number().map(|number| Query::Metric(Metric::Number(number)))
            }
            TokenKind::Sign("{") => self.log_query(),
            TokenKind::Sign("(") => {
                self.take();
                let (inner, _) = self.nested(|parser| parser.expression(0))?;
                self.expect_sign(")")?;
                Ok(inner)
            }
            TokenKind::Word => self.function().map(Query::Metric),
            _ => Err(self.unexpected("a selector, a function or a number")),
        }
    }

    /// A selector, its pipeline and its pipes; a metric if the last pipe aggregates.
    fn log_query(&mut self) -> Result<Query, ParseError> {
        let start = self.peek().span;
        let selector = self.selector()?;
        let mut query = LogQuery { selector, stages: alloc::vec![], pipes: alloc::vec![] };
        while self.extension_ahead().is_none() {
            match self.stage(query.stages.len())? {
                Some(stage) => query.stages.push(stage),
                None if self.is_sign("[") => {
                    let message = "a range needs an aggregation around it";
                    let hint = format!("did you mean count_over_time({query} [...])");
                    let span = start.to(self.peek().span);
                    return Err(self.error(span, String::from(message)).suggest(Some(hint)));
                }
                None => return Ok(Query::Log(query)),
            }
        }
        self.extensions(query, start)
    }

    /// A number with an optional sign.
    pub(super) fn number(&mut self) -> Result<f64, ParseError> {
        let negative = self.is_sign("-");
        if negative || self.is_sign("+") {
            self.take();
        }
        let TokenKind::Number(number) = self.peek().kind else {
            return Err(self.unexpected("a number"));
        };
        self.take();
        Ok(if negative { -number } else { number })
    }

    fn function(&mut self) -> Result<Metric, ParseError> {
        let name = self.word_at(0).map(str::to_ascii_lowercase).unwrap_or_default();
        let span = self.peek().span;
        if let Some(op) = find(RangeOp::ALL, &name) {
            self.take();
            return self.range_aggregation(op, span);
        }
        if let Some(op) = find(VectorOp::ALL, &name) {
            self.take();
            return self.vector_aggregation(op, span);
        }
        match name.as_str() {
            "sort" | "sort_desc" => {
                self.take();
                self.expect_sign("(")?;
                let of = self.vector_operand(&name)?;
                self.expect_sign(")")?;
                self.no_grouping(&name)?;
                Ok(Metric::Sort(Sort { descending: name == "sort_desc", of: Box::new(of) }))
            }
            "label_replace" => self.label_replace(),
            "vector" => {
                self.take();
                self.expect_sign("(")?;
                let number = self.number()?;
                self.expect_sign(")")?;
                Ok(Metric::VectorLiteral(number))
            }
            _ => Err(self.unknown_function(&name)),
        }
    }

    fn unknown_function(&self, name: &str) -> ParseError {
        if !self.is_sign_at(1, "(") && !self.is_word_at(1, "by") && !self.is_word_at(1, "without") {
            let error = self.unexpected("a selector, a function or a number");
            let selector = matches!(self.peek_at(1).kind, TokenKind::Sign("=" | "=~" | "!="));
            return error.suggest(selector.then(|| String::from("selectors stand in braces")));
        }
        let names = RangeOp::ALL.iter().map(|(known, _)| *known);
        let names = names.chain(VectorOp::ALL.iter().map(|(known, _)| *known));
        let names = names.chain(["sort", "sort_desc", "label_replace", "vector"]);
        let foreign = FOREIGN.iter().find(|(known, _)| *known == name);
        let hint = match foreign {
            Some((_, hint)) => Some(String::from(*hint)),
            None => nearest(name, names).map(|near| format!("did you mean {near}")),
        };
        let span = self.peek().span;
        let spelled = super::shortened(self.spelled(span));
        self.error(span, format!("unknown function \"{spelled}\"")).suggest(hint)
    }

    fn vector_aggregation(&mut self, op: VectorOp, name: Span) -> Result<Metric, ParseError> {
        let before = self.grouping()?;
        self.expect_sign("(")?;
        let param = self.vector_param(op)?;
        let of = Box::new(self.vector_operand(op.as_str())?);
        self.expect_sign(")")?;
        let after_start = self.peek().span;
        let after = self.grouping()?;
        if before.is_some() && after.is_some() {
            let span = after_start.to(self.behind());
            return Err(self.error(span, String::from("grouping is given twice")));
        }
        let grouping = before.or(after);
        if op == VectorOp::ApproxTopk && grouping.is_some() {
            let message = "grouping not allowed for approx_topk aggregation";
            return Err(self.error(name, String::from(message)));
        }
        Ok(Metric::Vector(VectorAggregation { op, param, grouping, of }))
    }

    /// The k of `topk` and its kind, which nothing else has.
    fn vector_param(&mut self, op: VectorOp) -> Result<Option<u64>, ParseError> {
        let start = self.peek().span;
        let signed = usize::from(self.is_sign("-") || self.is_sign("+"));
        let numeric = matches!(self.peek_at(signed).kind, TokenKind::Number(_));
        let given = numeric && self.is_sign_at(signed.saturating_add(1), ",");
        match (op.takes_param(), given) {
            (false, false) => Ok(None),
            (false, true) => {
                let message = format!("{} takes no parameter", op.as_str());
                Err(self.error(self.peek_at(signed).span, message))
            }
            (true, false) => {
                let hint = format!("its form is {}(k, ...)", op.as_str());
                let message = format!("{} needs a number first", op.as_str());
                Err(self.error(start, message).suggest(Some(hint)))
            }
            (true, true) => {
                let number = self.number()?;
                let span = start.to(self.behind());
                self.take();
                match check::count(number) {
                    Some(count) => Ok(Some(count)),
                    None => Err(self.error(
                        span,
                        format!(
                            "invalid parameter {number} of {}, must be a whole number from 1",
                            op.as_str()
                        ),
                    )),
                }
            }
        }
    }

    /// A metric in brackets that is not a scalar.
    fn vector_operand(&mut self, of: &str) -> Result<Metric, ParseError> {
        let (query, span) = self.nested(|parser| parser.expression(0))?;
        match query {
            Query::Metric(metric) if check::is_scalar(&metric) => {
                Err(self.error(span, format!("{of} needs series, this is a number")))
            }
            Query::Metric(metric) => Ok(metric),
            Query::Log(query) => {
                let hint = format!("did you mean {of}(count_over_time({query} [5m]))");
                let message = format!("{of} needs a metric, this is a log query");
                Err(self.error(span, message).suggest(Some(hint)))
            }
        }
    }

    /// `by (…)` or `without (…)`, if one follows.
    pub(crate) fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let without = self.is_word_at(0, "without");
        if !(without || self.is_word_at(0, "by")) {
            return Ok(None);
        }
        self.take();
        Ok(Some(Grouping { without, labels: self.names(true)? }))
    }

    fn no_grouping(&mut self, of: &str) -> Result<(), ParseError> {
        let start = self.peek().span;
        match self.grouping()? {
            None => Ok(()),
            Some(_) => Err(self.error(
                start.to(self.behind()),
                format!("grouping not allowed for {of} aggregation"),
            )),
        }
    }

    fn label_replace(&mut self) -> Result<Metric, ParseError> {
        self.take();
        self.expect_sign("(")?;
        let of = self.vector_operand("label_replace")?;
        self.expect_sign(",")?;
        let (dst, dst_span) = self.text("a string")?;
        if !check::is_label_name(&dst) {
            let message = format!("invalid destination label name {dst:?} in label_replace");
            return Err(self.error(dst_span, message));
        }
        self.expect_sign(",")?;
        let (replacement, _) = self.text("a string")?;
        self.expect_sign(",")?;
        let (src, _) = self.text("a string")?;
        self.expect_sign(",")?;
        let (regex, span) = self.text("a string")?;
        check::regex(self, &regex, span)?;
        self.expect_sign(")")?;
        Ok(Metric::LabelReplace(Box::new(LabelReplace { of, dst, replacement, src, regex })))
    }
}

pub(crate) fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, op)| *op)
}
