//! Text to queries: recursive descent over the tokens, precedence climbing between metrics.
//!
//! Names that are keywords somewhere else are decided by their place and by what follows, so that
//! an extension pipe never changes what standard LogQL means. Nesting and operators are bounded:
//! the tree of a query that parsed can be walked recursively.

mod expression;
mod label_filter;
mod range;
mod selector;
mod stages;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ast::{Query, Selector, Stage};
use crate::error::{ParseError, Span};
use crate::extension::Extension;
use crate::lexer::{self, Bad, Token, TokenKind};

pub(crate) use stages::STAGES_ALONE;

/// A longer query is refused unread, as Loki does.
pub const MAX_QUERY_BYTES: usize = 131_072;
/// Brackets in brackets: ten times what a person reads, and far from the end of a small stack.
const MAX_DEPTH: u32 = 100;
/// Operators that make the tree deeper: with the depth, what a recursive walk must bear.
const MAX_OPERATORS: u32 = 500;
/// Stages of one pipeline, as many as it can be compiled of.
const MAX_STAGES: usize = 256;
/// Characters of a token that a message repeats.
const QUOTED_CHARS_MAX: usize = 40;

/// Which language is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// LogQL and the extensions.
    Extended,
    /// LogQL alone: an extension is refused with the rewrite that is LogQL.
    Strict,
}

/// A query and what became of its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The query.
    pub query: Query,
    /// Its one spelling, which parses to the same query.
    pub canonical: String,
    /// Whether an extension was replaced by what it stands for.
    pub rewritten: bool,
}

/// Reads a query.
///
/// # Errors
/// The first mistake, by place.
pub fn parse(source: &str, mode: Mode) -> Result<Parsed, ParseError> {
    let mut parser = Parser::new(source)?;
    let (query, _) = parser.expression(0)?;
    parser.end("an operator or the end of the query")?;
    let canonical = query.to_string();
    match parser.extension {
        Some(extension) if mode == Mode::Strict => {
            Err(extension.refuse(source, &query, parser.rewritten))
        }
        _ => Ok(Parsed { query, canonical, rewritten: parser.rewritten }),
    }
}

/// Reads the conditions of a filter without a selector: a label filter (`a="b" and c > 5`), or a
/// pipeline (`|= "x" | json | a="b"`), or one after the other.
///
/// # Errors
/// The first mistake, by place.
pub fn parse_filter(source: &str) -> Result<Vec<Stage>, ParseError> {
    let mut parser = Parser::new(source)?;
    let mut stages = Vec::new();
    if !parser.at_stage() {
        stages.push(Stage::LabelFilter(parser.label_filter()?));
    }
    while let Some(stage) = parser.stage(stages.len())? {
        stages.push(stage);
    }
    parser.end("a stage or the end of the filter")?;
    Ok(stages)
}

/// Reads a selector alone, as requests about labels and series carry it. `{}` selects every
/// stream, which a query may not.
///
/// # Errors
/// The first mistake, by place.
pub fn parse_selector(source: &str) -> Result<Selector, ParseError> {
    let mut parser = Parser::new(source)?;
    let selector = parser.matchers()?;
    parser.end("the end of the selector")?;
    Ok(selector)
}

/// The place in the tokens, and what was met on the way.
pub(crate) struct Parser<'a> {
    pub(crate) source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    operators: u32,
    /// The first extension.
    pub(crate) extension: Option<Extension>,
    /// Whether an extension was replaced.
    pub(crate) rewritten: bool,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str) -> Result<Self, ParseError> {
        if source.len() > MAX_QUERY_BYTES {
            let span = Span { start: MAX_QUERY_BYTES, end: source.len() };
            let got = source.len();
            let message = format!("query has {got} bytes, more than {MAX_QUERY_BYTES}");
            return Err(ParseError { line: 1, column: 1, span, message, suggestion: None });
        }
        let tokens = lexer::tokens(source);
        Ok(Self {
            source,
            tokens,
            at: 0,
            depth: 0,
            operators: 0,
            extension: None,
            rewritten: false,
        })
    }

    /// The token `ahead` of the next one; beyond the last it is the last again.
    pub(crate) fn peek_at(&self, ahead: usize) -> Token {
        let token = self.tokens.get(self.at.saturating_add(ahead)).or(self.tokens.last());
        let end = Span { start: self.source.len(), end: self.source.len() };
        token.copied().unwrap_or(Token { kind: TokenKind::End, span: end })
    }

    pub(crate) fn peek(&self) -> Token {
        self.peek_at(0)
    }

    pub(crate) fn take(&mut self) -> Token {
        let token = self.peek();
        self.at = self.at.saturating_add(1);
        token
    }

    /// The end of the token before the next one.
    pub(crate) fn behind(&self) -> Span {
        let token = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        token.map_or(Span { start: 0, end: 0 }, |token| token.span)
    }

    pub(crate) fn spelled(&self, span: Span) -> &'a str {
        self.source.get(span.start..span.end).unwrap_or("")
    }

    pub(crate) fn is_sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.peek_at(ahead).kind, TokenKind::Sign(found) if found == sign)
    }

    pub(crate) fn is_sign(&self, sign: &str) -> bool {
        self.is_sign_at(0, sign)
    }

    pub(crate) fn eat_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.take();
        }
        found
    }

    pub(crate) fn expect_sign(&mut self, sign: &'static str) -> Result<Span, ParseError> {
        if self.is_sign(sign) {
            Ok(self.take().span)
        } else {
            Err(self.unexpected(&format!("\"{sign}\"")))
        }
    }

    /// The word `ahead`, if it is one.
    pub(crate) fn word_at(&self, ahead: usize) -> Option<&'a str> {
        let token = self.peek_at(ahead);
        (token.kind == TokenKind::Word).then(|| self.spelled(token.span))
    }

    /// Keywords have no case.
    pub(crate) fn is_word_at(&self, ahead: usize, keyword: &str) -> bool {
        self.word_at(ahead).is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    pub(crate) fn eat_word(&mut self, keyword: &str) -> bool {
        let found = self.is_word_at(0, keyword);
        if found {
            self.take();
        }
        found
    }

    pub(crate) fn name(&mut self, expecting: &str) -> Result<String, ParseError> {
        let Some(word) = self.word_at(0) else { return Err(self.unexpected(expecting)) };
        self.take();
        Ok(String::from(word))
    }

    /// The value of a string.
    pub(crate) fn text(&mut self, expecting: &str) -> Result<(String, Span), ParseError> {
        let token = self.peek();
        if token.kind != TokenKind::Text {
            return Err(self.unexpected(expecting));
        }
        self.take();
        match lexer::text::value(self.spelled(token.span)) {
            Ok(value) => Ok((value, token.span)),
            Err((error, within)) => {
                let start = token.span.start.saturating_add(within.start);
                let end = token.span.start.saturating_add(within.end);
                let hint = (error == lexer::text::TextError::Escape)
                    .then(|| String::from("write \\\\ for a backslash, or quote with `"));
                Err(self.error(Span { start, end }, error.to_string()).suggest(hint))
            }
        }
    }

    /// `one` between commas, at least once.
    pub(crate) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut out = alloc::vec![one(self)?];
        while self.eat_sign(",") {
            out.push(one(self)?);
        }
        Ok(out)
    }

    /// `(a, b)`, or `()` where `empty` allows it.
    pub(crate) fn names(&mut self, empty: bool) -> Result<Vec<String>, ParseError> {
        self.expect_sign("(")?;
        if empty && self.eat_sign(")") {
            return Ok(Vec::new());
        }
        let names = self.list(|parser| parser.name("a label name"))?;
        self.expect_sign(")")?;
        Ok(names)
    }

    /// What `inner` reads, one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth >= MAX_DEPTH {
            let message = format!("query is nested deeper than {MAX_DEPTH} levels");
            return Err(self.error(self.behind(), message));
        }
        self.depth = self.depth.saturating_add(1);
        let read = inner(self);
        self.depth = self.depth.saturating_sub(1);
        read
    }

    /// Counts an operator that makes the tree deeper.
    pub(crate) fn count_operator(&mut self) -> Result<(), ParseError> {
        self.operators = self.operators.saturating_add(1);
        if self.operators > MAX_OPERATORS {
            let message = format!("query has more than {MAX_OPERATORS} operators");
            return Err(self.error(self.behind(), message));
        }
        Ok(())
    }

    pub(crate) fn end(&self, expecting: &str) -> Result<(), ParseError> {
        match self.peek().kind {
            TokenKind::End => Ok(()),
            _ => Err(self.unexpected(expecting)),
        }
    }

    pub(crate) fn error(&self, span: Span, message: String) -> ParseError {
        ParseError::new(self.source, span, message)
    }

    /// The next token is not what belongs here.
    pub(crate) fn unexpected(&self, expecting: &str) -> ParseError {
        let token = self.peek();
        let what = match token.kind {
            TokenKind::Bad(bad) => return self.bad(bad, token.span),
            TokenKind::End => String::from("end of query"),
            TokenKind::Text => format!("string {}", shortened(self.spelled(token.span))),
            _ => format!("\"{}\"", shortened(self.spelled(token.span))),
        };
        self.error(token.span, format!("syntax error: unexpected {what}, expecting {expecting}"))
    }

    fn bad(&self, bad: Bad, span: Span) -> ParseError {
        let spelled = self.spelled(span);
        let (message, hint) = match bad {
            Bad::Character => {
                (format!("unexpected character {spelled:?}"), character_hint(spelled))
            }
            Bad::Number => {
                let spelled = shortened(spelled);
                (format!("\"{spelled}\" is no number, duration or size"), None)
            }
            Bad::Unterminated => (String::from("string is not terminated"), None),
            Bad::SingleQuoted => {
                (String::from("strings are quoted with \" or `, not with '"), None)
            }
        };
        self.error(span, message).suggest(hint.map(String::from))
    }
}

fn character_hint(character: &str) -> Option<&'static str> {
    match character {
        "@" => Some("LogQL has no @ modifier, the time is that of the request"),
        "." => Some("label names have no dots, did you mean _"),
        "&" => Some("did you mean and"),
        "!" => Some("did you mean !="),
        "~" => Some("did you mean =~"),
        "\u{201c}" | "\u{201d}" => Some("did you mean \""),
        _ => None,
    }
}

/// The beginning of a token that may be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => String::from(text),
    }
}

#[cfg(test)]
mod tests;
