//! What expressions and conditions amount to for one record.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::convert;
use super::error::Fault;
use super::fields::{self, Step};
use super::message::Stack;
use super::pattern::Pattern;
use super::program::{
    Argument, Arithmetic, Boolean, Call, Comparison, Expression, Key, Path, Statement,
};
use super::value::{DEPTH_MAX, Entries, Val};

/// A record with what is around it, for reading.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    pub(super) stack: &'s Stack<'s>,
}

/// What a function is given, for reading.
#[derive(Clone, Copy)]
pub(super) struct Given<'s> {
    pub(super) scene: Scene<'s>,
    pub(super) arguments: &'s [Argument],
}

impl<'s> Scene<'s> {
    /// Whether the statement runs on this record.
    pub(super) fn applies(self, statement: &'s Statement) -> Result<bool, Fault> {
        statement.condition.as_ref().map_or(Ok(true), |condition| self.truth(condition))
    }

    pub(super) fn truth(self, condition: &'s Boolean) -> Result<bool, Fault> {
        match condition {
            Boolean::Value(value) => match self.value(value)?.open()? {
                Val::Bool(truth) => Ok(truth),
                other => Err(other.fault("a bool")),
            },
            Boolean::Not(inner) => Ok(!self.truth(inner)?),
            Boolean::All(list) => {
                for inner in list {
                    if !self.truth(inner)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Boolean::Any(list) => {
                for inner in list {
                    if self.truth(inner)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Boolean::Compare(operator, left, right) => {
                compare(*operator, &self.value(left)?, &self.value(right)?)
            }
        }
    }

    pub(super) fn value(self, expression: &'s Expression) -> Result<Val<'s>, Fault> {
        Ok(match expression {
            Expression::Nil => Val::Nil,
            Expression::Bool(truth) => Val::Bool(*truth),
            Expression::Int(number) => Val::Int(*number),
            Expression::Double(number) => Val::Double(*number),
            Expression::Text(text) => Val::text(&**text),
            Expression::Bytes(bytes) => Val::Bytes(Cow::Borrowed(bytes)),
            Expression::List(list) => {
                Val::List(list.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Expression::Map(map) => {
                let mut entries = Vec::with_capacity(map.len());
                for (key, value) in map {
                    entries.push((Cow::Borrowed(&**key), self.value(value)?));
                }
                Val::Map(entries)
            }
            Expression::Path(path) => self.path(path)?,
            Expression::Call(call) => self.call(call)?,
            Expression::Arithmetic(operator, pair) => {
                arithmetic(*operator, self.value(&pair.0)?.open()?, self.value(&pair.1)?.open()?)?
            }
        })
    }

    pub(super) fn path(self, path: &'s Path) -> Result<Val<'s>, Fault> {
        // A key that is written out needs no list of steps.
        match &*path.keys {
            [] => fields::read(self.stack, path, &[]),
            [Key::Text(key)] => fields::read(self.stack, path, &[Step::Text(Cow::Borrowed(key))]),
            _ => fields::read(self.stack, path, &self.steps(&path.keys)?),
        }
    }

    pub(super) fn steps(self, keys: &'s [Key]) -> Result<Vec<Step<'s>>, Fault> {
        let step = |key: &'s Key| match key {
            Key::Text(text) => Ok(Step::Text(Cow::Borrowed(&**text))),
            Key::Int(index) => Ok(Step::Int(*index)),
            Key::Computed(value) => match self.value(value)?.open()? {
                Val::Text(text) => Ok(Step::Text(text)),
                Val::Int(index) => Ok(Step::Int(index)),
                other => Err(other.fault("a key or an index")),
            },
        };
        keys.iter().map(step).collect()
    }

    fn call(self, call: &'s Call) -> Result<Val<'s>, Fault> {
        let given = Given { scene: self, arguments: &call.arguments };
        let mut value = convert::call(call.converter, given)?;
        for step in self.steps(&call.keys)? {
            value = match (step, value) {
                (_, Val::Nil) => return Err(Val::Nil.fault("a map or a list")),
                (Step::Text(key), value) => value.member(&key)?,
                (Step::Int(index), value) => value.element(index)?,
            };
        }
        Ok(value)
    }
}

impl<'s> Given<'s> {
    pub(super) fn is_absent(self, index: usize) -> bool {
        matches!(self.arguments.get(index), None | Some(Argument::Absent))
    }

    /// The value of an argument; nil when it is absent.
    pub(super) fn value(self, index: usize) -> Result<Val<'s>, Fault> {
        match self.arguments.get(index) {
            Some(Argument::Value(value)) => self.scene.value(value)?.open(),
            Some(Argument::Path(path)) => self.scene.path(path),
            Some(Argument::Text(text)) => Ok(Val::text(&**text)),
            Some(Argument::Absent | Argument::Pattern(_) | Argument::Function(_)) | None => {
                Ok(Val::Nil)
            }
        }
    }

    pub(super) fn text(self, index: usize) -> Result<Cow<'s, str>, Fault> {
        self.value(index)?.into_text()
    }

    pub(super) fn text_or(self, index: usize, default: &'s str) -> Result<Cow<'s, str>, Fault> {
        if self.is_absent(index) { Ok(Cow::Borrowed(default)) } else { self.text(index) }
    }

    pub(super) fn int(self, index: usize) -> Result<i64, Fault> {
        self.value(index)?.into_int()
    }

    /// A length or a position.
    pub(super) fn size(self, index: usize) -> Result<usize, Fault> {
        usize::try_from(self.int(index)?).map_err(|_| Fault::Range)
    }

    pub(super) fn truth_or(self, index: usize, default: bool) -> Result<bool, Fault> {
        match self.value(index)? {
            Val::Nil => Ok(default),
            Val::Bool(truth) => Ok(truth),
            other => Err(other.fault("a bool")),
        }
    }

    pub(super) fn list(self, index: usize) -> Result<Vec<Val<'s>>, Fault> {
        self.value(index)?.into_list()
    }

    pub(super) fn texts(self, index: usize) -> Result<Vec<Cow<'s, str>>, Fault> {
        self.list(index)?.into_iter().map(Val::into_text).collect()
    }

    pub(super) fn map(self, index: usize) -> Result<Entries<'s>, Fault> {
        self.value(index)?.into_map()
    }

    pub(super) fn pattern(self, index: usize) -> Result<&'s Pattern, Fault> {
        match self.arguments.get(index) {
            Some(Argument::Pattern(pattern)) => Ok(pattern),
            _ => Err(Val::Nil.fault("a pattern")),
        }
    }

    pub(super) fn path(self, index: usize) -> Result<&'s Path, Fault> {
        match self.arguments.get(index) {
            Some(Argument::Path(path)) => Ok(path),
            _ => Err(Val::Nil.fault("a path")),
        }
    }
}

pub(super) fn compare(
    operator: Comparison,
    left: &Val<'_>,
    right: &Val<'_>,
) -> Result<bool, Fault> {
    let order = || left.order(right);
    Ok(match operator {
        Comparison::Equal => left.equals(right, DEPTH_MAX)?,
        Comparison::Unequal => !left.equals(right, DEPTH_MAX)?,
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
    })
}

fn arithmetic<'a>(operator: Arithmetic, left: Val<'a>, right: Val<'a>) -> Result<Val<'a>, Fault> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    let number = match (left, right) {
        (Val::Int(a), Val::Int(b)) => match operator {
            Add => a.checked_add(b),
            Subtract => a.checked_sub(b),
            Multiply => a.checked_mul(b),
            Divide => a.checked_div(b),
        }
        .map(Val::Int),
        (Val::Double(a), Val::Double(b)) => match operator {
            Add => Some(a + b),
            Subtract => Some(a - b),
            Multiply => Some(a * b),
            Divide if b == 0.0 => None,
            Divide => Some(a / b),
        }
        .map(Val::Double),
        (Val::Time(a), Val::Time(b)) if operator == Subtract => a.checked_sub(b).map(Val::Duration),
        (Val::Time(a), Val::Duration(b)) if operator == Add => a.checked_add(b).map(Val::Time),
        (Val::Time(a), Val::Duration(b)) if operator == Subtract => a.checked_sub(b).map(Val::Time),
        (Val::Duration(a), Val::Time(b)) if operator == Add => a.checked_add(b).map(Val::Time),
        (Val::Duration(a), Val::Duration(b)) if operator == Add => {
            a.checked_add(b).map(Val::Duration)
        }
        (Val::Duration(a), Val::Duration(b)) if operator == Subtract => {
            a.checked_sub(b).map(Val::Duration)
        }
        (Val::Int(_) | Val::Double(_) | Val::Time(_) | Val::Duration(_), other) => {
            return Err(other.fault("a number of the same type"));
        }
        (other, _) => return Err(other.fault("a number")),
    };
    number.ok_or(Fault::Arithmetic)
}
