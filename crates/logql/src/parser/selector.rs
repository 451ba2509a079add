//! Selectors: `{a="b", c!~"d.*"}`.

use alloc::string::String;
use alloc::vec::Vec;

use super::Parser;
use crate::ast::{MatchOp, Matcher, Selector};
use crate::check;
use crate::error::ParseError;
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// A selector that does not select every stream.
    pub(super) fn selector(&mut self) -> Result<Selector, ParseError> {
        let start = self.peek().span;
        let selector = self.matchers()?;
        if !check::narrows(&selector) {
            let message = "queries require at least one regexp or equality matcher that does not \
                           have an empty-compatible value";
            return Err(self.error(start.to(self.behind()), String::from(message)).suggest(Some(
                String::from(
                    "for instance app=~\".+\" meets this requirement, app=~\".*\" does not",
                ),
            )));
        }
        Ok(selector)
    }

    /// Any selector, also `{}`.
    pub(super) fn matchers(&mut self) -> Result<Selector, ParseError> {
        if !self.is_sign("{") {
            return Err(self.unexpected("a selector"));
        }
        self.take();
        if self.eat_sign("}") {
            return Ok(Selector { matchers: Vec::new() });
        }
        let matchers = self.list(Self::matcher)?;
        if !self.is_sign("}") {
            return Err(self.unexpected("\",\" or \"}\""));
        }
        self.take();
        Ok(Selector { matchers })
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        let name = self.name("a label name")?;
        let Some(op) = self.match_op() else {
            let hint = self.is_sign("==").then(|| String::from("did you mean ="));
            return Err(self.unexpected("=, !=, =~ or !~").suggest(hint));
        };
        let (value, span) = self.text("a string")?;
        if op.is_regex() {
            check::regex(self, &value, span)?;
        }
        Ok(Matcher { name, op, value })
    }

    /// Takes an operator between strings.
    pub(super) fn match_op(&mut self) -> Option<MatchOp> {
        let TokenKind::Sign(sign) = self.peek().kind else { return None };
        let op = match sign {
            "=" => MatchOp::Eq,
            "!=" => MatchOp::Ne,
            "=~" => MatchOp::Re,
            "!~" => MatchOp::Nre,
            _ => return None,
        };
        self.take();
        Some(op)
    }
}
