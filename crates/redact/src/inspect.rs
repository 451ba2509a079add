//! Looking at one payload: raw bytes first, then everything in it.
//!
//! Texts lie verbatim in the raw bytes, so after a clean raw pass only patterns with anchors need
//! to see each text again, and not even they where the bytes lack what every match needs; numbers
//! and decoded escapes are always checked. After a raw hit every value is searched to name the key,
//! and identifiers are masked before the raw bytes are believed.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use lucarne_otlp::wire::Field;

use crate::glob::shown;
use crate::identifier::{is_identifier, is_time};
use crate::json;
use crate::number::Number;
use crate::pattern::Raw;
use crate::rules::{RuleId, Rules};
use crate::schema::Message;
use crate::walk::{self, Flow, Found, Stop, Visit};

/// What a payload is, context index in front not included.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Shape {
    /// OTLP `LogRecord`.
    LogRecord,
    /// OTLP `Metric`.
    Metric,
    /// OTLP `Span`.
    Span,
    /// OTLP `Resource`.
    Resource,
    /// OTLP `InstrumentationScope`.
    Scope,
    /// An audit or control record: one JSON text.
    Json,
}

/// The outcome for one payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// No rule was hit.
    Clean,
    /// It must not be written or exported.
    Hit(Hit),
}

/// The first rule that was hit. It never holds the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hit {
    /// The rule.
    pub rule: RuleId,
    /// The name at or under which it was found, cut to 64 bytes; `None` when it has none or is
    /// itself a blocked value.
    pub key: Option<String>,
}

impl Shape {
    /// The OTLP message, or `None` for JSON.
    pub(crate) const fn message(self) -> Option<Message> {
        match self {
            Self::LogRecord => Some(Message::LogRecord),
            Self::Metric => Some(Message::Metric),
            Self::Span => Some(Message::Span),
            Self::Resource => Some(Message::Resource),
            Self::Scope => Some(Message::Scope),
            Self::Json => None,
        }
    }
}

impl Rules {
    /// Looks for everything that the rules forbid. Total: bytes that are not a `shape` are a hit.
    pub fn inspect(&self, shape: Shape, payload: &[u8]) -> Verdict {
        let raw = self.patterns.search_raw(payload);
        match (walk_shape(shape, payload, &mut Look { rules: self, raw }), raw) {
            (ControlFlow::Break(stop), _) => Verdict::Hit(self.hit(stop)),
            (ControlFlow::Continue(()), Raw::Impossible | Raw::Clean) => Verdict::Clean,
            (ControlFlow::Continue(()), Raw::Hit) => self.inspect_masked(shape, payload),
        }
    }

    /// What a field of a message says on its own: for leaving it out of a copy.
    pub(crate) fn field_flow(&self, message: Message, field: Field<'_>) -> Flow {
        walk::walk_field(message, field, &mut Look { rules: self, raw: Raw::Hit })
    }

    /// The values are clean and the raw bytes are not: identifiers aside, the bytes are believed.
    fn inspect_masked(&self, shape: Shape, payload: &[u8]) -> Verdict {
        let start = payload.as_ptr().addr();
        let mut mask = Mask {
            rules: self,
            payload: start..start.saturating_add(payload.len()),
            spans: Vec::new(),
        };
        if let ControlFlow::Break(stop) = walk_shape(shape, payload, &mut mask) {
            return Verdict::Hit(self.hit(stop));
        }
        let mut masked = payload.to_vec();
        for span in mask.spans {
            if let Some(bytes) = masked.get_mut(span) {
                bytes.fill(0);
            }
        }
        match self.patterns.find(&masked) {
            Some(index) => Verdict::Hit(Hit { rule: self.value_rule(index), key: None }),
            None => Verdict::Clean,
        }
    }

    /// Index of the first pattern found in a number as a person would read it.
    fn find_number(&self, number: Number<'_>) -> Option<usize> {
        if !self.patterns.is_long_enough(number.rendered_bytes_max()) {
            return None;
        }
        self.patterns.find(number.render().as_bytes())
    }

    fn hit(&self, stop: Stop) -> Hit {
        match stop {
            Stop::Unreadable => Hit { rule: RuleId::unreadable(), key: None },
            Stop::Found(Found { rule, key }) => {
                let tellable = !key.is_empty() && self.patterns.find(&key).is_none();
                Hit { rule, key: tellable.then(|| shown(&key)) }
            }
        }
    }
}

fn walk_shape<V: Visit>(shape: Shape, payload: &[u8], visit: &mut V) -> Flow {
    match (shape.message(), core::str::from_utf8(payload)) {
        (Some(message), _) => walk::walk(message, payload, visit),
        (None, Ok(text)) => json::walk(text, visit),
        (None, Err(_)) => walk::UNREADABLE,
    }
}

fn found(rule: RuleId, key: &[u8]) -> Flow {
    ControlFlow::Break(Stop::Found(Found { rule, key: key.to_vec() }))
}

/// Compares every name and value with the rules.
pub(crate) struct Look<'r> {
    pub(crate) rules: &'r Rules,
    /// What the raw bytes said of the texts that lie in them verbatim.
    pub(crate) raw: Raw,
}

impl Visit for Look<'_> {
    fn key(&mut self, path: &[u8], key: &[u8], verbatim: bool) -> Flow {
        if let Some(rule) = self.rules.key_rule(path, key) {
            return found(rule, key);
        }
        self.text(&[], key, verbatim)
    }

    fn text(&mut self, slot: &[u8], text: &[u8], verbatim: bool) -> Flow {
        if !slot.is_empty() {
            let switched_on = !matches!(text, b"" | b"false" | b"no" | b"0");
            let named = if switched_on { self.rules.tag_named(slot) } else { None };
            if let Some(rule) = named.or_else(|| self.rules.tag_listed(slot, text)) {
                return found(rule, slot);
            }
        }
        let found_at = match self.raw {
            Raw::Impossible if verbatim => None,
            Raw::Clean if verbatim => self.rules.patterns.find_in_clean(text),
            Raw::Impossible | Raw::Clean | Raw::Hit => self.rules.patterns.find(text),
        };
        match found_at {
            Some(index) if !is_identifier(slot, text) => found(self.rules.value_rule(index), slot),
            _ => ControlFlow::Continue(()),
        }
    }

    fn number(&mut self, slot: &[u8], number: Number<'_>) -> Flow {
        if let Some(index) = self.rules.find_number(number) {
            let exempt = number.whole().is_some_and(|value| is_time(slot, value));
            if !exempt {
                return found(self.rules.value_rule(index), slot);
            }
        }
        match self.rules.tag_named(slot) {
            Some(rule) if !number.is_zero() => found(rule, slot),
            _ => ControlFlow::Continue(()),
        }
    }

    fn truth(&mut self, slot: &[u8], truth: bool) -> Flow {
        match self.rules.tag_named(slot) {
            Some(rule) if truth => found(rule, slot),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Gathers where identifiers and cleared numbers lie in the payload.
struct Mask<'r> {
    rules: &'r Rules,
    /// Addresses, only compared and subtracted.
    payload: Range<usize>,
    spans: Vec<Range<usize>>,
}

impl Mask<'_> {
    fn keep(&mut self, text: &[u8]) {
        let start = text.as_ptr().addr();
        // A decoded escape lies elsewhere, and masking some other bytes for it could hide a hit.
        if self.payload.contains(&start) {
            let start = start.saturating_sub(self.payload.start);
            self.spans.push(start..start.saturating_add(text.len()));
        }
    }
}

impl Visit for Mask<'_> {
    fn key(&mut self, _: &[u8], _: &[u8], _: bool) -> Flow {
        ControlFlow::Continue(())
    }

    fn text(&mut self, slot: &[u8], text: &[u8], verbatim: bool) -> Flow {
        if verbatim && is_identifier(slot, text) {
            self.keep(text);
        }
        ControlFlow::Continue(())
    }

    fn number(&mut self, slot: &[u8], number: Number<'_>) -> Flow {
        // Reached only when every number was cleared; its literal may still show a long fraction.
        if let Number::Literal(text) = number {
            let is_time = number.whole().is_some_and(|value| is_time(slot, value));
            if is_time || self.rules.find_number(number).is_none() {
                self.keep(text.as_bytes());
            }
        }
        ControlFlow::Continue(())
    }

    fn truth(&mut self, _: &[u8], _: bool) -> Flow {
        ControlFlow::Continue(())
    }
}
