//! Aggregations over a window: `quantile_over_time(0.9, {…} | unwrap x [5m] offset 1h) by (a)`.
//!
//! The window may stand before or after the pipeline, and both may be in brackets.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Parser;
use crate::ast::{
    Conversion, LogQuery, Metric, RangeAggregation, RangeOp, Selector, Stage, Unwrap, WHOLE_RANGE,
};
use crate::check;
use crate::error::{ParseError, Span};
use crate::lexer::TokenKind;
use crate::suggestion::nearest;

/// What has been read of the lines of a window.
struct Lines {
    selector: Selector,
    stages: Vec<Stage>,
    unwrap: Option<Unwrap>,
    /// Length and offset.
    window: Option<(i64, i64)>,
}

impl Parser<'_> {
    pub(super) fn range_aggregation(
        &mut self,
        op: RangeOp,
        name: Span,
    ) -> Result<Metric, ParseError> {
        self.expect_sign("(")?;
        let param = self.quantile(op)?;
        let lines = self.nested(Self::lines)?;
        let Some((range_ns, offset_ns)) = lines.window else {
            return Err(self.unexpected("a range such as [5m]"));
        };
        self.expect_sign(")")?;
        let grouping_start = self.peek().span;
        let grouping = self.grouping()?;
        let query = LogQuery { selector: lines.selector, stages: lines.stages, pipes: Vec::new() };
        let unwrap = lines.unwrap;
        let range = RangeAggregation { op, param, query, unwrap, range_ns, offset_ns, grouping };
        check::range(self, &range, name, grouping_start.to(self.behind()))?;
        Ok(Metric::Range(Box::new(range)))
    }

    /// The number before the lines, which `quantile_over_time` has and nothing else.
    pub(crate) fn quantile(&mut self, op: RangeOp) -> Result<Option<f64>, ParseError> {
        let wanted = op == RangeOp::Quantile;
        let given = matches!(self.peek().kind, TokenKind::Number(_) | TokenKind::Sign("+" | "-"));
        if given && !wanted {
            let message = format!("{} takes no parameter", op.as_str());
            return Err(self.error(self.peek().span, message));
        }
        if wanted && !given {
            let error =
                self.error(self.peek().span, format!("{} needs a number first", op.as_str()));
            return Err(error.suggest(Some(format!("its form is {}(0.99, ...)", op.as_str()))));
        }
        if !wanted {
            return Ok(None);
        }
        let number = self.number()?;
        self.expect_sign(",")?;
        Ok(Some(number))
    }

    fn lines(&mut self) -> Result<Lines, ParseError> {
        let mut lines = if self.eat_sign("(") {
            let inner = self.nested(Self::lines)?;
            self.expect_sign(")")?;
            inner
        } else {
            let selector = self.selector()?;
            Lines { selector, stages: Vec::new(), unwrap: None, window: None }
        };
        loop {
            if self.is_sign("[") {
                self.refuse_second_window(lines.window)?;
                lines.window = Some(self.window()?);
            } else if self.is_unwrap() {
                if lines.unwrap.is_some() {
                    return Err(
                        self.error(self.peek_at(1).span, String::from("unwrap is given twice"))
                    );
                }
                lines.unwrap = Some(self.unwrap_stage()?);
            } else if self.at_stage() {
                self.refuse_pipes()?;
                if lines.unwrap.is_some() {
                    let message = "only label filters may follow unwrap";
                    return Err(self.error(self.peek().span, String::from(message)));
                }
                lines.stages.extend(self.stage(lines.stages.len())?);
            } else {
                return Ok(lines);
            }
        }
    }

    fn refuse_second_window(&self, window: Option<(i64, i64)>) -> Result<(), ParseError> {
        match window {
            None => Ok(()),
            Some(_) => Err(self.error(self.peek().span, String::from("range is given twice"))),
        }
    }

    fn refuse_pipes(&self) -> Result<(), ParseError> {
        match self.extension_ahead() {
            None => Ok(()),
            Some(_) => {
                let span = self.peek_at(1).span;
                let word = super::shortened(self.spelled(span));
                Err(self
                    .error(span, format!("{word} is not allowed inside of a range aggregation")))
            }
        }
    }

    /// `[5m]` and an offset if there is one: both in nanoseconds.
    pub(crate) fn window(&mut self) -> Result<(i64, i64), ParseError> {
        self.expect_sign("[")?;
        let token = self.peek();
        let range = match token.kind {
            TokenKind::Duration(0) => {
                return Err(self.error(token.span, String::from("range must be more than zero")));
            }
            TokenKind::Duration(range) => range,
            TokenKind::Variable => self.variable(token.span)?,
            _ => {
                let hint = matches!(token.kind, TokenKind::Number(_))
                    .then(|| format!("did you mean [{}s]", self.spelled(token.span)));
                return Err(self.unexpected("a duration").suggest(hint));
            }
        };
        self.take();
        if self.is_sign("]") {
            self.take();
            return Ok((range, self.offset()?));
        }
        Err(self.unexpected("\"]\""))
    }

    fn variable(&mut self, span: Span) -> Result<i64, ParseError> {
        let spelled = self.spelled(span);
        if spelled != "$range" {
            let message = format!("variable {} has no value here", super::shortened(spelled));
            let hint = String::from("put a duration in its place, or $range for the whole range");
            return Err(self.error(span, message).suggest(Some(hint)));
        }
        self.note_range_variable(span);
        Ok(WHOLE_RANGE)
    }

    fn offset(&mut self) -> Result<i64, ParseError> {
        if !self.eat_word("offset") {
            return Ok(0);
        }
        let negative = self.is_sign("-");
        if negative || self.is_sign("+") {
            self.take();
        }
        let TokenKind::Duration(offset) = self.peek().kind else {
            return Err(self.unexpected("a duration"));
        };
        self.take();
        Ok(if negative { offset.saturating_neg() } else { offset })
    }

    pub(crate) fn is_unwrap(&self) -> bool {
        self.is_sign("|") && self.is_word_at(1, "unwrap") && !self.is_comparison_at(1)
    }

    /// `| unwrap duration(x)` and the label filters behind it.
    pub(crate) fn unwrap_stage(&mut self) -> Result<Unwrap, ParseError> {
        self.take();
        self.take();
        let span = self.peek().span;
        let mut label = self.name("a label name")?;
        let mut conversion = Conversion::Number;
        if self.eat_sign("(") {
            conversion = self.conversion(&label, span)?;
            label = self.name("a label name")?;
            self.expect_sign(")")?;
        }
        let mut filters = Vec::new();
        while self.is_sign("|") && (self.is_comparison_at(1) || self.is_sign_at(1, "(")) {
            self.take();
            filters.push(self.label_filter()?);
        }
        Ok(Unwrap { label, conversion, filters })
    }

    fn conversion(&self, name: &str, span: Span) -> Result<Conversion, ParseError> {
        const CONVERSIONS: [(&str, Conversion); 3] = [
            ("bytes", Conversion::Bytes),
            ("duration", Conversion::Duration),
            ("duration_seconds", Conversion::DurationSeconds),
        ];
        super::expression::find(&CONVERSIONS, name).ok_or_else(|| {
            let near = nearest(name, CONVERSIONS.map(|(known, _)| known));
            self.error(span, format!("unwrap has no conversion \"{}\"", super::shortened(name)))
                .suggest(near.map(|near| format!("did you mean {near}")))
        })
    }
}
