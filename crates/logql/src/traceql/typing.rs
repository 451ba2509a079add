//! What a query says about types, before it is asked: which values can meet.
//!
//! Attributes may be anything; constants and intrinsics are what they are. Whole numbers, floats
//! and durations are all numbers.

use super::ast::{Expr, Field, Intrinsic, Op, Static};

/// What is known of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    Any,
    Nil,
    Bool,
    Number,
    Text,
    Status,
    Kind,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Nil => "nil",
            Self::Bool => "a truth",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Status => "a status",
            Self::Kind => "a kind",
        }
    }

    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }
}

impl Static {
    pub(super) const fn kind_of(&self) -> Type {
        match self {
            Self::Nil => Type::Nil,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) | Self::Float(_) | Self::Duration(_) => Type::Number,
            Self::Text(_) => Type::Text,
            Self::Status(_) => Type::Status,
            Self::Kind(_) => Type::Kind,
        }
    }
}

impl Field {
    pub(super) const fn kind_of(&self) -> Type {
        let Self::Intrinsic(intrinsic) = self else { return Type::Any };
        match intrinsic {
            Intrinsic::Status => Type::Status,
            Intrinsic::Kind => Type::Kind,
            Intrinsic::Duration
            | Intrinsic::ChildCount
            | Intrinsic::TraceDuration
            | Intrinsic::NestedSetLeft
            | Intrinsic::NestedSetRight
            | Intrinsic::NestedSetParent
            | Intrinsic::EventTimeSinceStart => Type::Number,
            Intrinsic::Name
            | Intrinsic::StatusMessage
            | Intrinsic::SpanId
            | Intrinsic::ParentId
            | Intrinsic::RootName
            | Intrinsic::RootService
            | Intrinsic::TraceId
            | Intrinsic::EventName
            | Intrinsic::LinkTraceId
            | Intrinsic::LinkSpanId
            | Intrinsic::InstrumentationName
            | Intrinsic::InstrumentationVersion => Type::Text,
        }
    }
}

impl Expr {
    pub(super) const fn kind_of(&self) -> Type {
        match self {
            Self::Static(constant) => constant.kind_of(),
            Self::Field(field) => field.kind_of(),
            Self::Negative(_) => Type::Number,
            Self::Not(_) => Type::Bool,
            Self::Binary { op, .. } if op.computes() => Type::Number,
            Self::Binary { .. } => Type::Bool,
        }
    }

    /// Whether it says anything about a span.
    pub(super) fn asks(&self) -> bool {
        match self {
            Self::Static(_) => false,
            Self::Field(_) => true,
            Self::Negative(inner) | Self::Not(inner) => inner.asks(),
            Self::Binary { left, right, .. } => left.asks() || right.asks(),
        }
    }
}

/// Why two values cannot meet; `None` when they can.
pub(super) fn clash(op: Op, left: Type, right: Type) -> Option<Clash> {
    let both = |wanted: Type| left.may_be(wanted) && right.may_be(wanted);
    match op {
        Op::And | Op::Or if !both(Type::Bool) => Some(Clash::Needs(Type::Bool)),
        Op::Re | Op::Nre if !left.may_be(Type::Text) || right != Type::Text => Some(Clash::Pattern),
        Op::Eq | Op::Ne if left == Type::Nil || right == Type::Nil => None,
        Op::Eq | Op::Ne if !left.may_be(right) => Some(Clash::Different),
        Op::Lt | Op::Le | Op::Gt | Op::Ge if !left.may_be(right) => Some(Clash::Different),
        Op::Lt | Op::Le | Op::Gt | Op::Ge if !(both(Type::Number) || both(Type::Text)) => {
            Some(Clash::NoOrder)
        }
        op if op.computes() && !both(Type::Number) => Some(Clash::Needs(Type::Number)),
        _ => None,
    }
}

/// Why two values cannot meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Clash {
    /// Both have to be this.
    Needs(Type),
    /// A text before it and a pattern behind it.
    Pattern,
    /// They are never equal.
    Different,
    /// Neither is the larger.
    NoOrder,
}
