//! The tree of a template, and the parser that makes it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::TEMPLATE_BYTES_MAX;
use super::action::{Kind, Piece, Token, pieces};
use super::error::TemplateError;
use super::function::Function;
use crate::go_regex::{Anchor, Regex};

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// `{{.name}}`, which nearly all actions are.
    Label(String),
    Print(Pipe),
    Branch(Branch),
    Break,
    Continue,
}

/// `if`, `with` and `range`.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) kind: BranchKind,
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BranchKind {
    If,
    With,
    Range,
}

#[derive(Clone, Debug)]
pub(super) struct Pipe {
    /// Variables that get the result, two for a range.
    pub(super) variables: Vec<String>,
    /// Whether they are new.
    pub(super) declares: bool,
    pub(super) commands: Vec<Vec<Term>>,
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A constant that a function reads as a regular expression.
    Regex(Box<Regex>),
    Fields(Vec<String>),
    Variable(String, Vec<String>),
    Function(Function),
    Nested(Box<Pipe>, Vec<String>),
}

pub(super) fn parse(source: &str) -> Result<Vec<Node>, TemplateError> {
    if source.len() > TEMPLATE_BYTES_MAX {
        return Err(TemplateError::TooLong { got: source.len() });
    }
    let pieces = pieces(source)?;
    let mut parser = Parser { pieces: pieces.iter(), variables: Vec::new(), ranges: 0, depth: 0 };
    let (nodes, end) = parser.list()?;
    match end {
        End::Text => Ok(nodes),
        End::Closed => Err(unexpected("end", "template")),
        End::Else(_) => Err(unexpected("else", "template")),
    }
}

fn unexpected(found: &str, context: &'static str) -> TemplateError {
    TemplateError::Unexpected { found: found.into(), context }
}

struct Parser<'p> {
    pieces: core::slice::Iter<'p, Piece>,
    variables: Vec<String>,
    ranges: usize,
    depth: usize,
}

/// What ended a list of nodes.
enum End<'p> {
    Text,
    Closed,
    /// With the tokens behind `else`.
    Else(&'p [Token]),
}

impl<'p> Parser<'p> {
    fn list(&mut self) -> Result<(Vec<Node>, End<'p>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.clone()));
                    continue;
                }
                Piece::Action(tokens) => tokens.as_slice(),
            };
            let (word, rest) = match tokens.split_first() {
                Some((Token { kind: Kind::Name(word), .. }, rest)) => (word.as_str(), rest),
                _ => ("", tokens),
            };
            match (word, rest) {
                ("end", []) => return Ok((nodes, End::Closed)),
                ("else", rest) => return Ok((nodes, End::Else(rest))),
                ("if", rest) => nodes.push(self.branch(BranchKind::If, rest)?),
                ("with", rest) => nodes.push(self.branch(BranchKind::With, rest)?),
                ("range", rest) => nodes.push(self.branch(BranchKind::Range, rest)?),
                ("break" | "continue", []) if self.ranges > 0 => {
                    nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                ("end" | "break" | "continue", _) => return Err(unexpected(word, "action")),
                ("define" | "template" | "block", _) => {
                    return Err(TemplateError::Unsupported { what: word.into() });
                }
                _ => nodes.push(self.print(tokens)?),
            }
        }
        Ok((nodes, End::Text))
    }

    fn print(&mut self, tokens: &[Token]) -> Result<Node, TemplateError> {
        if let [Token { kind: Kind::Field(name), .. }] = tokens {
            return Ok(Node::Label(name.clone()));
        }
        Ok(Node::Print(self.whole_pipe(tokens, "action", 1)?))
    }

    fn branch(&mut self, kind: BranchKind, tokens: &[Token]) -> Result<Node, TemplateError> {
        self.deeper()?;
        let scope = self.variables.len();
        let range = kind == BranchKind::Range;
        let pipe = self.whole_pipe(tokens, "branch", if range { 2 } else { 1 })?;
        self.ranges = self.ranges.saturating_add(usize::from(range));
        let (body, end) = self.list()?;
        self.ranges = self.ranges.saturating_sub(usize::from(range));
        let otherwise = match end {
            End::Text => return Err(TemplateError::Unclosed { what: "block" }),
            End::Closed => Vec::new(),
            End::Else(tokens) => self.otherwise(kind, tokens)?,
        };
        self.variables.truncate(scope);
        self.depth = self.depth.saturating_sub(1);
        Ok(Node::Branch(Branch { kind, pipe, body, otherwise }))
    }

    /// What is behind an `else`: nothing, or a chained `if` or `with`, which shares its `end`.
    fn otherwise(
        &mut self,
        kind: BranchKind,
        tokens: &[Token],
    ) -> Result<Vec<Node>, TemplateError> {
        let chained = match tokens {
            [] => None,
            [Token { kind: Kind::Name(word), .. }, rest @ ..] => match (word.as_str(), kind) {
                ("if", BranchKind::If) => Some((BranchKind::If, rest)),
                ("with", BranchKind::With) => Some((BranchKind::With, rest)),
                _ => return Err(unexpected(word, "else")),
            },
            _ => return Err(unexpected("tokens", "else")),
        };
        if let Some((kind, rest)) = chained {
            return Ok(alloc::vec![self.branch(kind, rest)?]);
        }
        match self.list()? {
            (nodes, End::Closed) => Ok(nodes),
            (_, End::Text) => Err(TemplateError::Unclosed { what: "block" }),
            (_, End::Else(_)) => Err(unexpected("else", "else")),
        }
    }

    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX { Err(TemplateError::TooDeep) } else { Ok(()) }
    }

    fn whole_pipe(
        &mut self,
        tokens: &[Token],
        context: &'static str,
        variables_max: usize,
    ) -> Result<Pipe, TemplateError> {
        let (variables, declares, rest) = declaration(tokens, variables_max);
        let known = |name: &String| name.is_empty() || self.variables.contains(name);
        if let Some(name) = variables.iter().find(|name| !declares && !known(name)) {
            return Err(TemplateError::UnknownVariable { name: alloc::format!("${name}") });
        }
        let mut cursor = Cursor { tokens: rest, at: 0 };
        let mut pipe = self.pipe(&mut cursor, context)?;
        if let Some(kind) = cursor.next() {
            return Err(unexpected(&spelled(kind), context));
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        (pipe.variables, pipe.declares) = (variables, declares);
        Ok(pipe)
    }

    /// Commands up to the end or a closing parenthesis, which stays.
    fn pipe(
        &mut self,
        cursor: &mut Cursor<'_>,
        context: &'static str,
    ) -> Result<Pipe, TemplateError> {
        self.deeper()?;
        let mut commands: Vec<Vec<Term>> = Vec::new();
        loop {
            let mut terms = Vec::new();
            while let Some(term) = self.term(cursor, !terms.is_empty())? {
                terms.push(term);
            }
            check_command(&mut terms, !commands.is_empty(), context)?;
            commands.push(terms);
            if !cursor.take(&Kind::Pipe) {
                break;
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(Pipe { variables: Vec::new(), declares: false, commands })
    }

    /// The next term of a command with the fields behind it.
    fn term(
        &mut self,
        cursor: &mut Cursor<'_>,
        spaced: bool,
    ) -> Result<Option<Term>, TemplateError> {
        let Some(token) = cursor.peek() else {
            return Ok(None);
        };
        if matches!(token.kind, Kind::Pipe | Kind::Close) {
            return Ok(None);
        }
        // Go asks for a space between arguments; a parenthesis brings its own.
        if spaced && !token.spaced && token.kind != Kind::Open {
            return Err(unexpected(&spelled(&token.kind), "operand"));
        }
        cursor.at = cursor.at.saturating_add(1);
        let term = match &token.kind {
            Kind::Dot => Term::Dot,
            Kind::Field(name) => {
                let mut fields = alloc::vec![name.clone()];
                fields.extend(cursor.fields());
                Term::Fields(fields)
            }
            Kind::Variable(name) => {
                if !name.is_empty() && !self.variables.contains(name) {
                    return Err(TemplateError::UnknownVariable { name: alloc::format!("${name}") });
                }
                Term::Variable(name.clone(), cursor.fields())
            }
            Kind::Text(text) => Term::Text(text.clone()),
            Kind::Int(value) => Term::Int(*value),
            Kind::Float(value) => Term::Float(*value),
            Kind::Name(name) => named(name)?,
            Kind::Open => {
                let pipe = self.pipe(cursor, "parenthesized pipeline")?;
                if !cursor.take(&Kind::Close) {
                    return Err(TemplateError::Unclosed { what: "left paren" });
                }
                Term::Nested(Box::new(pipe), cursor.fields())
            }
            kind @ (Kind::Pipe | Kind::Close | Kind::Comma | Kind::Declare | Kind::Assign) => {
                return Err(unexpected(&spelled(kind), "operand"));
            }
        };
        Ok(Some(term))
    }
}

struct Cursor<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl<'t> Cursor<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'t Kind> {
        let token = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(&token.kind)
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let there = self.peek().is_some_and(|token| token.kind == *kind);
        self.at = self.at.saturating_add(usize::from(there));
        there
    }

    /// Fields that follow without a space.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Token { kind: Kind::Field(name), spaced: false }) = self.peek() {
            fields.push(name.clone());
            self.at = self.at.saturating_add(1);
        }
        fields
    }
}

/// `$x :=`, `$x =` or `$i, $x :=` at the beginning.
fn declaration(tokens: &[Token], variables_max: usize) -> (Vec<String>, bool, &[Token]) {
    let kind = |at: usize| tokens.get(at).map(|token| &token.kind);
    let variable = |at: usize| match kind(at) {
        Some(Kind::Variable(name)) => Some(name.clone()),
        _ => None,
    };
    let (variables, operator) = match (variable(0), kind(1), variable(2)) {
        (Some(first), Some(Kind::Comma), Some(second)) if variables_max > 1 => {
            (alloc::vec![first, second], 3)
        }
        (Some(first), _, _) => (alloc::vec![first], 1),
        _ => return (Vec::new(), false, tokens),
    };
    let rest = tokens.get(usize::saturating_add(operator, 1)..).unwrap_or(&[]);
    match kind(operator) {
        Some(Kind::Declare) => (variables, true, rest),
        Some(Kind::Assign) => (variables, false, rest),
        _ => (Vec::new(), false, tokens),
    }
}

fn named(name: &str) -> Result<Term, TemplateError> {
    Ok(match name {
        "true" => Term::Bool(true),
        "false" => Term::Bool(false),
        "nil" => Term::Nil,
        _ => Term::Function(
            Function::named(name)
                .ok_or_else(|| TemplateError::UnknownFunction { name: name.into() })?,
        ),
    })
}

/// A command is a function with as many arguments as it takes, or one value.
fn check_command(
    terms: &mut [Term],
    piped: bool,
    context: &'static str,
) -> Result<(), TemplateError> {
    let count = terms.len().saturating_sub(1).saturating_add(usize::from(piped));
    match terms {
        [] => return Err(TemplateError::Unexpected { found: "empty command".into(), context }),
        [Term::Function(function), arguments @ ..] => {
            if !function.takes(count) {
                let function = function.name();
                return Err(TemplateError::ArgumentCount { function, got: count });
            }
            if let (true, Some(first)) = (function.reads_regex(), arguments.first_mut())
                && let Term::Text(text) = first
            {
                let regex = Regex::new(text, Anchor::Unanchored).map_err(TemplateError::Regex)?;
                *first = Term::Regex(Box::new(regex));
            }
        }
        [_] if !piped => {}
        [Term::Nil, ..] => return Err(unexpected("nil", context)),
        [_, ..] => return Err(unexpected("argument of what is no function", context)),
    }
    // A function among the arguments is called without arguments.
    for term in terms.iter().skip(1) {
        if let Term::Function(function) = term
            && !function.takes(0)
        {
            let function = function.name();
            return Err(TemplateError::ArgumentCount { function, got: 0 });
        }
    }
    if let [Term::Nil] = terms { Err(unexpected("nil", context)) } else { Ok(()) }
}

fn spelled(kind: &Kind) -> String {
    match kind {
        Kind::Dot => ".".into(),
        Kind::Field(name) => alloc::format!(".{name}"),
        Kind::Variable(name) => alloc::format!("${name}"),
        Kind::Name(text) | Kind::Text(text) => text.clone(),
        Kind::Int(value) => alloc::format!("{value}"),
        Kind::Float(value) => alloc::format!("{value}"),
        Kind::Pipe => "|".into(),
        Kind::Open => "(".into(),
        Kind::Close => ")".into(),
        Kind::Comma => ",".into(),
        Kind::Declare => ":=".into(),
        Kind::Assign => "=".into(),
    }
}

/// Blocks and parentheses within others; each costs frames of our stack, here and when it runs.
const DEPTH_MAX: usize = 48;
