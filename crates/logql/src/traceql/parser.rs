//! Text to queries: recursive descent over the tokens, precedence climbing between values and
//! between sets of spans. Nesting and operators are bounded, so the tree can be walked recursively.

mod field;
mod pipeline;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::ast::{Field, Query};
use super::lexer::{self, Bad, Kind, Token};
use crate::error::{ParseError, Span};
use crate::lexer::text;
use crate::parser::MAX_QUERY_BYTES;

/// Brackets in brackets.
const MAX_DEPTH: u32 = 100;
/// Operators that make the tree deeper.
const MAX_OPERATORS: u32 = 500;
/// Characters of a token that a message repeats.
const QUOTED_CHARS_MAX: usize = 40;

/// Reads a query. Its canonical spelling is its `Display`.
///
/// # Errors
/// The first mistake, by place.
pub fn parse(source: &str) -> Result<Query, ParseError> {
    if source.len() > MAX_QUERY_BYTES {
        let span = Span { start: MAX_QUERY_BYTES, end: source.len() };
        let message = format!("query has {} bytes, more than {MAX_QUERY_BYTES}", source.len());
        return Err(ParseError { line: 1, column: 1, span, message, suggestion: None });
    }
    let tokens = lexer::tokens(source);
    let mut parser = Parser { source, tokens, at: 0, depth: 0, operators: 0 };
    let query = parser.query()?;
    match parser.peek().kind {
        Kind::End => Ok(query),
        _ => Err(parser.unexpected("an operator, \"|\" or the end of the query")),
    }
}

/// Reads the name of one value of a span, as requests for tags carry it.
///
/// # Errors
/// When it is none.
pub fn parse_field(source: &str) -> Result<Field, ParseError> {
    let tokens = lexer::tokens(source);
    let mut parser = Parser { source, tokens, at: 0, depth: 0, operators: 0 };
    let field = parser.field()?;
    match parser.peek().kind {
        Kind::End => Ok(field),
        _ => Err(parser.unexpected("the end of the name")),
    }
}

/// The place in the tokens.
struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    operators: u32,
}

impl<'a> Parser<'a> {
    /// The next token; beyond the last it is the last again.
    fn peek(&self) -> Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Token {
        let token = self.tokens.get(self.at.saturating_add(ahead)).or(self.tokens.last());
        let end = Span { start: self.source.len(), end: self.source.len() };
        token.cloned().unwrap_or(Token { kind: Kind::End, span: end })
    }

    fn take(&mut self) -> Token {
        let token = self.peek();
        self.at = self.at.saturating_add(1);
        token
    }

    /// The span of the token before the next one.
    fn behind(&self) -> Span {
        let token = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        token.map_or(Span { start: 0, end: 0 }, |token| token.span)
    }

    fn spelled(&self, span: Span) -> &'a str {
        self.source.get(span.start..span.end).unwrap_or("")
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek().kind, Kind::Sign(found) if found == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), ParseError> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("\"{sign}\""))) }
    }

    /// The next token as a word.
    fn word(&self) -> Option<&'a str> {
        let token = self.peek();
        (token.kind == Kind::Word).then(|| self.spelled(token.span))
    }

    /// The value of the string in front.
    fn text(&mut self) -> Result<String, ParseError> {
        let span = self.take().span;
        text::value(self.spelled(span)).map_err(|(error, within)| {
            let start = span.start.saturating_add(within.start);
            let end = span.start.saturating_add(within.end);
            self.error(Span { start, end }, error.to_string())
        })
    }

    /// What `inner` reads, one level deeper.
    fn nested<T>(
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

    fn count_operator(&mut self) -> Result<(), ParseError> {
        self.operators = self.operators.saturating_add(1);
        if self.operators > MAX_OPERATORS {
            let message = format!("query has more than {MAX_OPERATORS} operators");
            return Err(self.error(self.behind(), message));
        }
        Ok(())
    }

    fn error(&self, span: Span, message: String) -> ParseError {
        ParseError::new(self.source, span, message)
    }

    /// The next token is not what belongs here.
    fn unexpected(&self, expecting: &str) -> ParseError {
        let token = self.peek();
        let spelled = shortened(self.spelled(token.span));
        let what = match token.kind {
            Kind::Bad(bad) => return self.bad(bad, token.span),
            Kind::End => String::from("end of query"),
            Kind::Text => format!("string {spelled}"),
            _ => format!("\"{spelled}\""),
        };
        self.error(token.span, format!("syntax error: unexpected {what}, expecting {expecting}"))
    }

    fn bad(&self, bad: Bad, span: Span) -> ParseError {
        let spelled = shortened(self.spelled(span));
        let (message, hint) = match bad {
            Bad::Character if spelled == "'" => {
                (String::from("strings are quoted with \" or `, not with '"), None)
            }
            Bad::Character => (format!("unexpected character {spelled:?}"), None),
            Bad::Number => (format!("\"{spelled}\" is no number and no duration"), None),
            Bad::Unterminated => (String::from("string is not terminated"), None),
            Bad::Intrinsic => (
                format!("there is no intrinsic \"{spelled}\""),
                field::nearest_field(&spelled).map(|near| format!("did you mean {near}")),
            ),
            Bad::NoName => (
                String::from("an attribute has a name behind the point"),
                Some(String::from("quote a name with other characters: .\"a b\"")),
            ),
            Bad::Escape => (String::from("a quoted name has no escapes but \\\" and \\\\"), None),
        };
        self.error(span, message).suggest(hint)
    }
}

/// The beginning of a token that may be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => String::from(text),
    }
}
