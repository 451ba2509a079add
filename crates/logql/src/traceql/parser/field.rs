//! What stands between braces: values of a span, constants, and what is done with them.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Parser;
use crate::error::{ParseError, Span};
use crate::go_regex::{Anchor, Regex};
use crate::suggestion::nearest;
use crate::traceql::ast::{Expr, Field, Intrinsic, Kind as SpanKind, Op, Static, Status};
use crate::traceql::lexer::Kind;
use crate::traceql::typing::{Clash, Type, clash};

const OPS: [Op; 16] = [
    Op::Or,
    Op::And,
    Op::Eq,
    Op::Ne,
    Op::Re,
    Op::Nre,
    Op::Lt,
    Op::Le,
    Op::Gt,
    Op::Ge,
    Op::Add,
    Op::Sub,
    Op::Mul,
    Op::Div,
    Op::Mod,
    Op::Pow,
];

/// The intrinsic that is spelled almost so.
pub(super) fn nearest_field(word: &str) -> Option<&'static str> {
    let spellings = Intrinsic::SPELLINGS.iter().flat_map(|(_, one, other)| [*one, *other]);
    nearest(word, spellings.filter(|spelling| !spelling.is_empty()))
}

impl Parser<'_> {
    /// `{ … }`: a condition, or none.
    pub(super) fn braces(&mut self) -> Result<Option<Expr>, ParseError> {
        self.expect("{")?;
        if self.eat("}") {
            return Ok(None);
        }
        let start = self.peek().span;
        let expr = self.nested(Self::expr)?;
        let span = start.to(self.behind());
        if !self.is_sign("}") {
            return Err(self.unexpected("an operator or \"}\""));
        }
        self.take();
        if !expr.kind_of().may_be(Type::Bool) {
            let message = format!("a filter is a condition, and this is {}", expr.kind_of().name());
            return Err(self.error(span, message));
        }
        Ok(Some(expr))
    }

    /// One value without an operator behind it.
    pub(super) fn expr_of_one(&mut self) -> Result<Expr, ParseError> {
        self.operand()
    }

    pub(super) fn expr(&mut self) -> Result<Expr, ParseError> {
        self.climb(1)
    }

    /// Operators that bind at least so strongly.
    fn climb(&mut self, least: u8) -> Result<Expr, ParseError> {
        let mut left = self.operand()?;
        while let Some(op) = self.op().filter(|op| op.strength() >= least) {
            let sign = self.take().span;
            self.count_operator()?;
            let own = op.strength();
            let right_start = self.peek().span;
            let next = if op == Op::Pow { own } else { own.saturating_add(1) };
            let right = self.nested(|parser| parser.climb(next))?;
            let right_span = right_start.to(self.behind());
            self.check_types((op, sign), &left, (&right, right_span))?;
            left = Expr::Binary { op, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    pub(super) fn op(&self) -> Option<Op> {
        let Kind::Sign(sign) = self.peek().kind else { return None };
        OPS.into_iter().find(|op| op.as_str() == sign)
    }

    fn check_types(
        &self,
        (op, sign): (Op, Span),
        left: &Expr,
        (right, right_span): (&Expr, Span),
    ) -> Result<(), ParseError> {
        let (one, other) = (left.kind_of(), right.kind_of());
        let name = op.as_str();
        let message = match clash(op, one, other) {
            None if matches!(op, Op::Re | Op::Nre) => return self.pattern(right, right_span),
            None => return Ok(()),
            Some(Clash::Needs(wanted)) => {
                let got = if one.may_be(wanted) { other } else { one };
                format!("{name} needs {} on both sides, not {}", wanted.name(), got.name())
            }
            Some(Clash::Pattern) => {
                format!("{name} needs a string and, behind it, a pattern in quotes")
            }
            Some(Clash::Different) => {
                format!("{} is never compared with {}", one.name(), other.name())
            }
            Some(Clash::NoOrder) => format!("{name} needs numbers or strings"),
        };
        Err(self.error(sign, message))
    }

    /// A pattern is a constant that compiles.
    fn pattern(&self, expr: &Expr, span: Span) -> Result<(), ParseError> {
        let Expr::Static(Static::Text(pattern)) = expr else {
            return Err(self.error(span, String::from("a pattern is a string in quotes")));
        };
        match Regex::new(pattern, Anchor::Whole) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(span, format!("{error}"))),
        }
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        if self.eat("(") {
            let inner = self.nested(Self::expr)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.is_sign("!") {
            return self.not();
        }
        if self.is_sign("-") {
            return self.negative();
        }
        if let Some(constant) = self.constant()? {
            return Ok(Expr::Static(constant));
        }
        Ok(Expr::Field(self.field()?))
    }

    fn not(&mut self) -> Result<Expr, ParseError> {
        let sign = self.take().span;
        self.count_operator()?;
        let inner = self.nested(Self::operand)?;
        if !inner.kind_of().may_be(Type::Bool) {
            let message = format!("! needs a truth, not {}", inner.kind_of().name());
            return Err(self.error(sign, message));
        }
        Ok(Expr::Not(Box::new(inner)))
    }

    /// A sign and a number are one constant.
    fn negative(&mut self) -> Result<Expr, ParseError> {
        let sign = self.take().span;
        self.count_operator()?;
        let folded = match self.peek().kind {
            Kind::Int(whole) => Some(Static::Int(whole.saturating_neg())),
            Kind::Float(float) => Some(Static::Float(-float)),
            Kind::Duration(length) => Some(Static::Duration(length.saturating_neg())),
            _ => None,
        };
        if let Some(constant) = folded {
            self.take();
            return Ok(Expr::Static(constant));
        }
        let inner = self.nested(Self::operand)?;
        if !inner.kind_of().may_be(Type::Number) {
            let message = format!("- needs a number, not {}", inner.kind_of().name());
            return Err(self.error(sign, message));
        }
        Ok(Expr::Negative(Box::new(inner)))
    }

    /// A constant, if one is in front.
    pub(super) fn constant(&mut self) -> Result<Option<Static>, ParseError> {
        let constant = match self.peek().kind {
            Kind::Int(whole) => Static::Int(whole),
            Kind::Float(float) => Static::Float(float),
            Kind::Duration(length) => Static::Duration(length),
            Kind::Text => return self.text().map(|text| Some(Static::Text(text))),
            Kind::Word => match self.word().and_then(named_constant) {
                Some(constant) => constant,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(constant))
    }

    /// A value of a span.
    pub(super) fn field(&mut self) -> Result<Field, ParseError> {
        let token = self.peek();
        match token.kind {
            Kind::Field(field) => {
                self.take();
                Ok(field)
            }
            Kind::Word => {
                let word = self.spelled(token.span);
                let Some(intrinsic) = Intrinsic::named(word) else {
                    return Err(self.no_field(word, token.span));
                };
                self.take();
                Ok(Field::Intrinsic(intrinsic))
            }
            _ => Err(self.unexpected("an attribute, an intrinsic or a constant")),
        }
    }

    fn no_field(&self, word: &str, span: Span) -> ParseError {
        if word == "parent" {
            let message = "the intrinsic parent is not supported";
            let hint = "use parent.x, span:parentID or the operators > and <";
            return self.error(span, String::from(message)).suggest(Some(String::from(hint)));
        }
        let near = nearest_field(word).map(String::from).unwrap_or_else(|| format!(".{word}"));
        self.error(span, format!("there is no intrinsic \"{}\"", super::shortened(word)))
            .suggest(Some(format!("did you mean {near}")))
    }

    /// `(a, b, …)`.
    pub(super) fn fields(&mut self) -> Result<Vec<Field>, ParseError> {
        self.expect("(")?;
        let mut out = alloc::vec![self.field()?];
        while self.eat(",") {
            out.push(self.field()?);
        }
        self.expect(")")?;
        Ok(out)
    }
}

fn named_constant(word: &str) -> Option<Static> {
    match word {
        "nil" => return Some(Static::Nil),
        "true" => return Some(Static::Bool(true)),
        "false" => return Some(Static::Bool(false)),
        _ => {}
    }
    let status = Status::ALL.into_iter().find(|status| status.as_str() == word);
    let kind = || SpanKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    status.map(Static::Status).or_else(|| kind().map(Static::Kind))
}
