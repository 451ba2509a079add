//! Slots: the rule that a value must pass to be written out.

use alloc::boxed::Box;
use alloc::vec::Vec;

use lucarne_otlp::view::AnyValue;
use lucarne_otlp::wire::Writer;

use crate::pattern::{Anywhere, Whole};
use crate::tally::Reason;

/// The rule of one slot.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Text that matches a pattern as a whole.
    Text(Box<Whole>),
    /// One of these texts.
    OneOf(Vec<Box<str>>),
    /// A whole number in bounds.
    Int { min: i64, max: i64 },
    /// A finite number in bounds; a whole number counts as one.
    Double { min: f64, max: f64 },
    /// A truth value.
    Bool,
}

/// What every slot checks beside its own rule.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) reject: Anywhere,
    pub(crate) value_bytes: usize,
}

/// A value that passed its slot: the only thing that is written as one.
#[derive(Clone, Copy)]
pub(crate) enum Passed<'a> {
    Text(&'a str),
    Int(i64),
    Double(f64),
    Bool(bool),
}

impl Slot {
    /// Decides about a value.
    #[inline]
    pub(crate) fn pass<'a>(
        &self,
        guard: &Guard,
        value: AnyValue<'a>,
    ) -> Result<Passed<'a>, Reason> {
        match (self, value) {
            (Self::Text(pattern), AnyValue::String(text)) => {
                guard.text(text, |text| pattern.matches(text.as_bytes())).map(Passed::Text)
            }
            (Self::OneOf(texts), AnyValue::String(text)) => {
                // The guard has seen each of them when the contract was read.
                let listed = texts.iter().any(|one| **one == *text);
                if listed { Ok(Passed::Text(text)) } else { Err(Reason::Value) }
            }
            (Self::Int { min, max }, AnyValue::Int(number)) => {
                if (*min..=*max).contains(&number) {
                    Ok(Passed::Int(number))
                } else {
                    Err(Reason::Value)
                }
            }
            (Self::Double { min, max }, AnyValue::Double(number)) => {
                bounded(number, *min, *max).map(Passed::Double)
            }
            (Self::Double { min, max }, AnyValue::Int(number)) => {
                // JavaScript sends 2.0 as an integer.
                #[expect(clippy::cast_precision_loss, reason = "bounds are checked on the result")]
                bounded(number as f64, *min, *max).map(Passed::Double)
            }
            (Self::Bool, AnyValue::Bool(truth)) => Ok(Passed::Bool(truth)),
            (
                Self::Text(_)
                | Self::OneOf(_)
                | Self::Int { .. }
                | Self::Double { .. }
                | Self::Bool,
                _,
            ) => Err(Reason::Type),
        }
    }

    /// Whether a text passes that was not checked to be UTF-8; never more than [`pass`](Self::pass)
    /// lets pass, and then it is UTF-8.
    #[inline]
    pub(crate) fn passes_text(&self, guard: &Guard, text: &[u8]) -> bool {
        match self {
            Self::Text(pattern) => {
                text.len() <= guard.value_bytes && pattern.matches_without(&guard.reject, text)
            }
            Self::OneOf(texts) => texts.iter().any(|one| one.as_bytes() == text),
            Self::Int { .. } | Self::Double { .. } | Self::Bool => false,
        }
    }
}

impl Guard {
    /// Decides about a text by its own rule, its length and the reject list.
    #[inline]
    pub(crate) fn text<'a>(
        &self,
        text: &'a str,
        rule: impl FnOnce(&str) -> bool,
    ) -> Result<&'a str, Reason> {
        if text.len() > self.value_bytes || !rule(text) {
            return Err(Reason::Value);
        }
        if self.reject.occurs_in(text.as_bytes()) {
            return Err(Reason::Rejected);
        }
        Ok(text)
    }
}

impl Passed<'_> {
    /// Writes the value as an `AnyValue`.
    #[inline]
    pub(crate) fn write(self, writer: &mut Writer<'_>) {
        match self {
            Self::Text(text) => writer.bytes(1, text.as_bytes()),
            Self::Int(number) => writer.varint(3, number.cast_unsigned()),
            Self::Double(number) => writer.double(4, number),
            Self::Bool(truth) => writer.varint(2, u64::from(truth)),
        }
    }

    /// The value as one that can be shown.
    pub(crate) const fn value(&self) -> AnyValue<'_> {
        match self {
            Self::Text(text) => AnyValue::String(text),
            Self::Int(number) => AnyValue::Int(*number),
            Self::Double(number) => AnyValue::Double(*number),
            Self::Bool(truth) => AnyValue::Bool(*truth),
        }
    }
}

fn bounded(number: f64, min: f64, max: f64) -> Result<f64, Reason> {
    // NaN is in no range.
    if (min..=max).contains(&number) { Ok(number) } else { Err(Reason::Value) }
}
