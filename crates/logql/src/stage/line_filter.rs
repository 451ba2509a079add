//! Line filters: what is kept or dropped by the text of the line alone.
//!
//! Several alternatives of a negated operator are negated together: a line that any of them matches
//! is dropped.

use alloc::string::String;
use alloc::vec::Vec;

use memchr::memmem::Finder;

use super::error::CompileError;
use crate::ast;
use crate::go_regex::{Anchor, Regex};
use crate::ip::IpRange;
use crate::pattern_filter::LinePattern;

/// A compiled line filter.
#[derive(Debug)]
pub(super) struct LineFilter {
    negated: bool,
    any: Vec<Test>,
}

#[derive(Debug)]
enum Test {
    Contains(Finder<'static>),
    Regex(Regex, Option<Finder<'static>>),
    Pattern(LinePattern),
    Ip(IpRange),
}

impl LineFilter {
    pub(super) fn compile(filter: &ast::LineFilter) -> Result<Self, CompileError> {
        let any = filter.alternatives.iter().map(|one| Test::compile(filter.op, one));
        Ok(Self { negated: filter.op.is_negated(), any: any.collect::<Result<_, _>>()? })
    }

    pub(super) fn keeps(&self, line: &str) -> bool {
        self.any.iter().any(|test| test.matches(line)) != self.negated
    }

    /// Texts that every kept line contains.
    pub(super) fn needles(&self, out: &mut Vec<String>) {
        let [only] = self.any.as_slice() else {
            return;
        };
        if self.negated {
            return;
        }
        match only {
            Test::Contains(finder) => {
                out.extend(core::str::from_utf8(finder.needle()).ok().map(String::from));
            }
            Test::Regex(regex, _) => out.extend(regex.needle().map(String::from)),
            Test::Pattern(pattern) => out.extend(pattern.literals().map(String::from)),
            Test::Ip(_) => {}
        }
    }
}

impl Test {
    fn compile(op: ast::LineOp, one: &ast::LineMatch) -> Result<Self, CompileError> {
        let text = match one {
            ast::LineMatch::Ip(range) => return Ok(Self::Ip(IpRange::parse(range)?)),
            ast::LineMatch::Text(text) => text,
        };
        Ok(match op {
            ast::LineOp::Contains | ast::LineOp::NotContains => {
                Self::Contains(Finder::new(text).into_owned())
            }
            ast::LineOp::Regex | ast::LineOp::NotRegex => {
                let regex = Regex::new(text, Anchor::Unanchored)?;
                let needle = regex.needle().map(|needle| Finder::new(needle).into_owned());
                Self::Regex(regex, needle)
            }
            ast::LineOp::Pattern | ast::LineOp::NotPattern => {
                Self::Pattern(LinePattern::parse(text)?)
            }
        })
    }

    fn matches(&self, line: &str) -> bool {
        match self {
            Self::Contains(needle) => needle.find(line.as_bytes()).is_some(),
            Self::Regex(regex, needle) => {
                let possible = |needle: &Finder<'_>| needle.find(line.as_bytes()).is_some();
                needle.as_ref().is_none_or(possible) && regex.is_match(line)
            }
            Self::Pattern(pattern) => pattern.matches(line),
            Self::Ip(range) => range.is_in(line),
        }
    }
}
