//! Forms that LogQL rejects and operators write: pipes over rows, and aggregations at the end of
//! a pipe.
//!
//! A pipe is taken only where what follows its name cannot be LogQL (`| sort by (`, `| head 10`),
//! so that `| sort="x"` stays a label filter. `SEL | AGG([R]) by (L)` stands for
//! `sum by (L) (AGG(SEL [R]))`, or `AGG(SEL [R]) by (L)` where the aggregation groups by itself;
//! `SEL | count by (L)` counts over the whole range.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::ast::{
    LogQuery, Metric, Pipe, Query, RangeAggregation, RangeOp, SortKey, Unwrap, WHOLE_RANGE,
};
use crate::check;
use crate::error::{ParseError, Span};
use crate::lexer::TokenKind;
use crate::parser::Parser;

/// The first extension of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension {
    span: Span,
}

/// Which extension follows a `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    Sort,
    Head,
    Tail,
    Distinct,
    Top,
    Fields,
    Count,
    Aggregate(RangeOp),
    Unwrap,
}

impl Extension {
    /// Why strict mode does not take it, with what LogQL has instead.
    pub(crate) fn refuse(self, source: &str, query: &Query, rewritten: bool) -> ParseError {
        let word = source.get(self.span.start..self.span.end).unwrap_or("");
        let hint = match query {
            Query::Log(log) => {
                let plain = LogQuery { pipes: Vec::new(), ..log.clone() };
                format!("in LogQL ask {plain} and order or cut the answer")
            }
            Query::Metric(_) if rewritten && query.is_standard() => format!("did you mean {query}"),
            Query::Metric(_) => String::from("put a duration in place of the whole range"),
        };
        ParseError::new(source, self.span, format!("{word} is an extension of LogQL"))
            .suggest(Some(hint))
    }
}

impl Parser<'_> {
    /// Notes the use of `$range`.
    pub(crate) fn note_range_variable(&mut self, span: Span) {
        self.extension.get_or_insert(Extension { span });
    }

    /// The extension that follows, if one does.
    pub(crate) fn extension_ahead(&self) -> Option<Ahead> {
        if !self.is_sign("|") {
            return None;
        }
        let number = |ahead| matches!(self.peek_at(ahead).kind, TokenKind::Number(_));
        let counted = number(2) || (self.is_sign_at(2, "(") && number(3));
        let by = self.is_word_at(2, "by");
        let word = self.word_at(1)?.to_ascii_lowercase();
        match word.as_str() {
            "sort" => (by || self.is_sign_at(2, "(")).then_some(Ahead::Sort),
            "head" | "limit" => counted.then_some(Ahead::Head),
            "tail" => counted.then_some(Ahead::Tail),
            "distinct" | "uniq" => by.then_some(Ahead::Distinct),
            "top" => number(2).then_some(Ahead::Top),
            "fields" => self.word_at(2).map(|_| Ahead::Fields),
            "count" => (by || self.is_word_at(2, "without")).then_some(Ahead::Count),
            "unwrap" => self.is_unwrap().then_some(Ahead::Unwrap),
            name if self.is_sign_at(2, "(") => {
                let found = RangeOp::ALL.iter().find(|(known, _)| *known == name);
                found.map(|(_, op)| Ahead::Aggregate(*op))
            }
            _ => None,
        }
    }

    /// What follows a pipeline: pipes, or one aggregation.
    pub(crate) fn extensions(
        &mut self,
        mut query: LogQuery,
        start: Span,
    ) -> Result<Query, ParseError> {
        while let Some(ahead) = self.extension_ahead() {
            let name = self.peek_at(1).span;
            if ahead == Ahead::Unwrap {
                return self.unwrapped(query, start);
            }
            self.take();
            self.take();
            self.extension.get_or_insert(Extension { span: name });
            match self.pipe(ahead)? {
                Some(pipe) => query.pipes.push(pipe),
                None if query.pipes.is_empty() => return self.aggregated(query, None, ahead, name),
                None => {
                    let message = "an aggregation cannot follow a pipe over rows";
                    return Err(self.error(name, String::from(message)));
                }
            }
        }
        if self.is_sign("|") || self.is_line_filter() {
            let message = "only sort, head, limit, tail, distinct, top and fields may follow here";
            return Err(self.error(self.peek().span, String::from(message)));
        }
        Ok(Query::Log(query))
    }

    fn is_line_filter(&self) -> bool {
        matches!(self.peek().kind, TokenKind::Sign("|=" | "|~" | "|>" | "!~" | "!>"))
            || (self.is_sign("!=") && self.peek_at(1).kind == TokenKind::Text)
    }

    /// `unwrap` in a log query: only before an aggregation.
    fn unwrapped(&mut self, query: LogQuery, start: Span) -> Result<Query, ParseError> {
        let span = self.peek_at(1).span;
        let unwrap = self.unwrap_stage()?;
        let name = self.peek_at(1).span;
        match self.extension_ahead() {
            Some(ahead @ Ahead::Aggregate(_)) if query.pipes.is_empty() => {
                self.take();
                self.take();
                self.extension.get_or_insert(Extension { span: name });
                self.aggregated(query, Some(unwrap), ahead, name)
            }
            _ => {
                let message = "unwrap is only allowed inside of a range aggregation";
                let text = self.spelled(start.to(self.behind()));
                let hint =
                    (text.len() < 200).then(|| format!("did you mean sum_over_time({text} [5m])"));
                Err(self.error(span, String::from(message)).suggest(hint))
            }
        }
    }

    /// The rest of a pipe over rows; none for an aggregation.
    fn pipe(&mut self, ahead: Ahead) -> Result<Option<Pipe>, ParseError> {
        Ok(Some(match ahead {
            Ahead::Sort => self.sort()?,
            Ahead::Head => Pipe::Head(self.row_count()?),
            Ahead::Tail => Pipe::Tail(self.row_count()?),
            Ahead::Distinct => Pipe::Distinct(self.by()?),
            Ahead::Top => Pipe::Top { count: self.row_count()?, by: self.by()? },
            Ahead::Fields => Pipe::Fields(self.list(|parser| parser.name("a field name"))?),
            Ahead::Count | Ahead::Aggregate(_) | Ahead::Unwrap => return Ok(None),
        }))
    }

    /// `by (a, b)`
    fn by(&mut self) -> Result<Vec<String>, ParseError> {
        if !self.eat_word("by") {
            return Err(self.unexpected("by"));
        }
        self.names(false)
    }

    /// `n` or `(n)`, a whole number from 1.
    fn row_count(&mut self) -> Result<u64, ParseError> {
        let bracket = self.eat_sign("(");
        let token = self.peek();
        let TokenKind::Number(number) = token.kind else { return Err(self.unexpected("a number")) };
        self.take();
        let Some(count) = check::count(number) else {
            let message = format!("invalid count {number}, must be a whole number from 1");
            return Err(self.error(token.span, message));
        };
        if bracket {
            self.expect_sign(")")?;
        }
        Ok(count)
    }

    fn sort(&mut self) -> Result<Pipe, ParseError> {
        self.eat_word("by");
        self.expect_sign("(")?;
        let keys = self.list(|parser| {
            let field = parser.name("a field name")?;
            let descending = parser.eat_word("desc");
            if !descending {
                parser.eat_word("asc");
            }
            Ok(SortKey { field, descending })
        })?;
        self.expect_sign(")")?;
        let limit = if self.eat_word("limit") { Some(self.row_count()?) } else { None };
        Ok(Pipe::Sort { keys, limit })
    }

    /// The metric that an aggregation at the end of a pipe stands for.
    fn aggregated(
        &mut self,
        query: LogQuery,
        unwrap: Option<Unwrap>,
        ahead: Ahead,
        name: Span,
    ) -> Result<Query, ParseError> {
        let mut range = RangeAggregation {
            op: RangeOp::Count,
            param: None,
            query,
            unwrap,
            range_ns: WHOLE_RANGE,
            offset_ns: 0,
            grouping: None,
        };
        if let Ahead::Aggregate(op) = ahead {
            range.op = op;
            self.expect_sign("(")?;
            range.param = self.quantile(op)?;
            (range.range_ns, range.offset_ns) = self.window()?;
            self.expect_sign(")")?;
        }
        let grouping_start = self.peek().span;
        let grouping = self.grouping()?;
        let span = grouping_start.to(self.behind());
        self.rewritten = true;
        if range.op.takes_grouping() || range.op == RangeOp::Absent {
            range.grouping = grouping;
            check::range(self, &range, name, span)?;
            return Ok(Query::Metric(Metric::Range(Box::new(range))));
        }
        check::range(self, &range, name, span)?;
        Ok(Query::Metric(match grouping {
            Some(grouping) => Metric::Vector(check::summed(&range, &grouping)),
            None => Metric::Range(Box::new(range)),
        }))
    }
}

#[cfg(test)]
mod tests;
