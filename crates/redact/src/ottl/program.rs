//! What a statement becomes when it is compiled.

use alloc::boxed::Box;

use super::functions::{Converter, Editor};
use super::paths::{Field, Level};
use super::pattern::Pattern;

/// One statement.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) editor: Editor,
    pub(super) arguments: Box<[Argument]>,
    pub(super) condition: Option<Boolean>,
}

/// What decides whether a statement runs.
#[derive(Clone, Debug)]
pub(super) enum Boolean {
    Value(Expression),
    Not(Box<Self>),
    All(Box<[Self]>),
    Any(Box<[Self]>),
    Compare(Comparison, Expression, Expression),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// What has a value.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
    List(Box<[Self]>),
    Map(Box<[(Box<str>, Self)]>),
    Path(Box<Path>),
    Call(Box<Call>),
    Arithmetic(Arithmetic, Box<(Self, Self)>),
}

/// A converter with what it is given, and what is picked from its value.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) converter: Converter,
    pub(super) arguments: Box<[Argument]>,
    pub(super) keys: Box<[Key]>,
}

/// A field of telemetry, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) level: Level,
    pub(super) field: Field,
    pub(super) keys: Box<[Key]>,
}

/// What stands in square brackets.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Text(Box<str>),
    Int(i64),
    Computed(Expression),
}

/// What a function is given.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Absent,
    Value(Expression),
    Path(Path),
    Pattern(Box<Pattern>),
    Text(Box<str>),
    Function(Converter),
}
