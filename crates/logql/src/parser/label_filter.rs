//! Label filters: `status >= 500 and (method="GET" or size < 20KB)`.
//!
//! `and`, a comma and a blank are the same; they and `or` have one precedence and group from the
//! left, as the documentation has it.

use alloc::string::String;
use alloc::vec;

use super::Parser;
use crate::ast::{CompareOp, LabelFilter, LabelTest, LabelValue, MatchOp};
use crate::check;
use crate::error::ParseError;
use crate::lexer::TokenKind;

/// Operators of a comparison.
const COMPARISONS: [&str; 9] = ["=", "==", "!=", "=~", "!~", ">", ">=", "<", "<="];

impl Parser<'_> {
    pub(crate) fn label_filter(&mut self) -> Result<LabelFilter, ParseError> {
        let mut left = self.label_term()?;
        loop {
            let any = if self.eat_word("or") {
                true
            } else if self.eat_word("and") || self.eat_sign(",") || self.at_label_term() {
                false
            } else {
                return Ok(left);
            };
            let right = self.label_term()?;
            left = self.join(any, left, right)?;
        }
    }

    /// Whether a comparison follows: a word and an operator, or a bracket.
    pub(super) fn at_label_term(&self) -> bool {
        self.is_sign("(") || self.is_comparison_at(0)
    }

    pub(crate) fn is_comparison_at(&self, ahead: usize) -> bool {
        self.word_at(ahead).is_some()
            && COMPARISONS.iter().any(|sign| self.is_sign_at(ahead.saturating_add(1), sign))
    }

    /// Chains of one kind stay flat; a change of kind makes the tree deeper.
    fn join(
        &mut self,
        any: bool,
        left: LabelFilter,
        right: LabelFilter,
    ) -> Result<LabelFilter, ParseError> {
        let mut parts = match left {
            LabelFilter::Any(parts) if any => parts,
            LabelFilter::All(parts) if !any => parts,
            left => {
                self.count_operator()?;
                vec![left]
            }
        };
        match right {
            LabelFilter::Any(more) if any => parts.extend(more),
            LabelFilter::All(more) if !any => parts.extend(more),
            right => parts.push(right),
        }
        Ok(if any { LabelFilter::Any(parts) } else { LabelFilter::All(parts) })
    }

    fn label_term(&mut self) -> Result<LabelFilter, ParseError> {
        if self.eat_sign("(") {
            let inner = self.nested(Self::label_filter)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let name = self.name("a label name or \"(\"")?;
        let value = self.label_value()?;
        Ok(LabelFilter::Test(LabelTest { name, value }))
    }

    /// An operator and what stands to the right of it.
    fn label_value(&mut self) -> Result<LabelValue, ParseError> {
        let sign = match self.peek().kind {
            TokenKind::Sign(sign) if COMPARISONS.contains(&sign) => sign,
            _ => return Err(self.unexpected("=, ==, !=, =~, !~, >, >=, < or <=")),
        };
        let sign_span = self.take().span;
        match (sign, self.peek().kind) {
            ("=~" | "!~", _) => {
                let op = if sign == "=~" { MatchOp::Re } else { MatchOp::Nre };
                let (value, span) = self.text("a string")?;
                check::regex(self, &value, span)?;
                Ok(LabelValue::Text(op, value))
            }
            ("=" | "!=", TokenKind::Text) => {
                let op = if sign == "=" { MatchOp::Eq } else { MatchOp::Ne };
                Ok(LabelValue::Text(op, self.text("a string")?.0))
            }
            ("=" | "!=", TokenKind::Word) if self.at_ip() => {
                Ok(LabelValue::Ip { negated: sign == "!=", range: self.ip()? })
            }
            (_, TokenKind::Text) => {
                let hint = (sign == "==").then(|| String::from("did you mean ="));
                let error = self.unexpected("a number, a duration or a size");
                Err(if hint.is_some() {
                    self.error(sign_span, String::from("strings are compared with = and not =="))
                        .suggest(hint)
                } else {
                    error
                })
            }
            _ => self.quantity(compare_op(sign)),
        }
    }

    /// A number, a duration or a size; the first two may have a sign.
    fn quantity(&mut self, op: CompareOp) -> Result<LabelValue, ParseError> {
        let expecting = match op {
            CompareOp::Eq | CompareOp::Ne => "a string, a number, a duration, a size or ip(...)",
            _ => "a number, a duration or a size",
        };
        let negative = self.is_sign("-");
        if negative || self.is_sign("+") {
            self.take();
        }
        let signed = negative || self.behind_is_plus();
        let value = match self.peek().kind {
            TokenKind::Number(number) => {
                LabelValue::Number(op, if negative { -number } else { number })
            }
            TokenKind::Duration(length) => {
                LabelValue::Duration(op, if negative { length.saturating_neg() } else { length })
            }
            TokenKind::Bytes(bytes) if !signed => LabelValue::Bytes(op, bytes),
            _ if signed => return Err(self.unexpected("a number or a duration")),
            _ => return Err(self.unexpected(expecting)),
        };
        self.take();
        Ok(value)
    }

    fn behind_is_plus(&self) -> bool {
        self.spelled(self.behind()) == "+"
    }
}

fn compare_op(sign: &str) -> CompareOp {
    match sign {
        "!=" => CompareOp::Ne,
        ">" => CompareOp::Gt,
        ">=" => CompareOp::Ge,
        "<" => CompareOp::Lt,
        "<=" => CompareOp::Le,
        _ => CompareOp::Eq,
    }
}
