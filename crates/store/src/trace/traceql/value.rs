//! Values of spans: what they are, how they compare and how they compute.

use std::borrow::Cow;
use std::cmp::Ordering;

use lucarne_logql::duration::Spelled;
use lucarne_logql::go_number::format_float;
use lucarne_logql::traceql::ast::{Kind, Op, Static, Status};
use lucarne_otlp::view::AnyValue;

/// One value; what is absent is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Nanoseconds.
    Duration(i64),
    /// A text.
    Text(Cow<'a, str>),
    /// How a span ended.
    Status(Status),
    /// What a span does.
    Kind(Kind),
    /// Bytes or a map: it is there, and equal to nothing.
    Other,
}

/// Values of an array that are looked at.
const ELEMENTS_MAX: usize = 256;

impl<'a> Value<'a> {
    pub(super) fn of_static(constant: &'a Static) -> Option<Self> {
        Some(match constant {
            Static::Nil => return None,
            Static::Bool(truth) => Self::Bool(*truth),
            Static::Int(whole) => Self::Int(*whole),
            Static::Float(float) => Self::Float(*float),
            Static::Duration(nanoseconds) => Self::Duration(*nanoseconds),
            Static::Text(text) => Self::Text(Cow::Borrowed(text)),
            Static::Status(status) => Self::Status(*status),
            Static::Kind(kind) => Self::Kind(*kind),
        })
    }

    /// Appends the value of an attribute; an array is all of its elements.
    pub(super) fn of_attribute(value: AnyValue<'a>, out: &mut Vec<Self>) {
        match value {
            AnyValue::String(text) => out.push(Self::Text(Cow::Borrowed(text))),
            AnyValue::Bool(truth) => out.push(Self::Bool(truth)),
            AnyValue::Int(whole) => out.push(Self::Int(whole)),
            AnyValue::Double(float) => out.push(Self::Float(float)),
            AnyValue::Array(array) => {
                for element in array.take(ELEMENTS_MAX).flatten() {
                    match element {
                        AnyValue::Array(_) => out.push(Self::Other),
                        element => Self::of_attribute(element, out),
                    }
                }
            }
            _ => out.push(Self::Other),
        }
    }

    /// As a number, if it is one.
    #[expect(clippy::cast_precision_loss, reason = "numbers of different kinds meet as floats")]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(whole) | Self::Duration(whole) => Some(*whole as f64),
            Self::Float(float) => Some(*float),
            Self::Bool(_) | Self::Text(_) | Self::Status(_) | Self::Kind(_) | Self::Other => None,
        }
    }

    const fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(whole) | Self::Duration(whole) => Some(*whole),
            _ => None,
        }
    }

    fn order(&self, other: &Self) -> Option<Ordering> {
        if let (Some(one), Some(other)) = (self.whole(), other.whole()) {
            return Some(one.cmp(&other));
        }
        if let (Some(one), Some(other)) = (self.number(), other.number()) {
            return one.partial_cmp(&other);
        }
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }

    /// Whether a comparison holds; values of different types compare in no way.
    pub(super) fn compares(&self, op: Op, other: &Self) -> bool {
        let equal = match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Some(one == other),
            (Self::Status(one), Self::Status(other)) => Some(one == other),
            (Self::Kind(one), Self::Kind(other)) => Some(one == other),
            _ => None,
        };
        let order = self.order(other);
        match op {
            Op::Eq => equal.or(order.map(Ordering::is_eq)) == Some(true),
            Op::Ne => equal.or(order.map(Ordering::is_eq)) == Some(false),
            Op::Lt => order.is_some_and(Ordering::is_lt),
            Op::Le => order.is_some_and(Ordering::is_le),
            Op::Gt => order.is_some_and(Ordering::is_gt),
            Op::Ge => order.is_some_and(Ordering::is_ge),
            _ => false,
        }
    }

    /// Whole numbers stay whole where that is exact.
    pub(super) fn computed(&self, op: Op, other: &Self) -> Option<Self> {
        if let (Some(one), Some(other)) = (self.whole(), other.whole()) {
            let exact = match op {
                Op::Add => one.checked_add(other),
                Op::Sub => one.checked_sub(other),
                Op::Mul => one.checked_mul(other),
                Op::Mod => one.checked_rem(other),
                _ => None,
            };
            if let Some(exact) = exact {
                return Some(Self::Int(exact));
            }
        }
        computed(op, self.number()?, other.number()?).map(Self::Float)
    }

    pub(super) fn negative(&self) -> Option<Self> {
        match self {
            Self::Int(whole) => whole.checked_neg().map(Self::Int),
            Self::Duration(nanoseconds) => nanoseconds.checked_neg().map(Self::Duration),
            value => value.number().map(|number| Self::Float(-number)),
        }
    }

    /// The type by the name that the tag endpoints give it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Duration(_) => "duration",
            Self::Text(_) | Self::Other => "string",
            Self::Status(_) | Self::Kind(_) => "keyword",
        }
    }

    /// The value as a text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Bool(truth) => truth.to_string().into(),
            Self::Int(whole) => whole.to_string().into(),
            Self::Float(float) => format_float(*float).into(),
            Self::Duration(nanoseconds) => Spelled(*nanoseconds).to_string().into(),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Status(status) => status.as_str().into(),
            Self::Kind(kind) => kind.as_str().into(),
            Self::Other => "".into(),
        }
    }
}

/// Arithmetic on numbers.
pub(super) fn computed(op: Op, one: f64, other: f64) -> Option<f64> {
    Some(match op {
        Op::Add => one + other,
        Op::Sub => one - other,
        Op::Mul => one * other,
        Op::Div => one / other,
        Op::Mod => one % other,
        Op::Pow => one.powf(other),
        _ => return None,
    })
}
