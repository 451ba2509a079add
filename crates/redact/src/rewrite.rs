//! The exported copy of a record that was hit: the same record without what was found, and saying
//! so.
//!
//! What is left out is the smallest piece that has a meaning of its own: an attribute, the body, a
//! span event, a member of a JSON object; of a metric the whole data point, since a series that
//! lost a label would fall together with another. The copy is inspected like any payload; if
//! anything is still found, there is no copy.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::ControlFlow;

use lucarne_otlp::wire::{Field, Reader, Value, Writer};

use crate::inspect::{Hit, Look, Shape, Verdict};
use crate::json;
use crate::pattern::Raw;
use crate::rules::{RuleKind, Rules};
use crate::schema::{self, Kind, Message};

impl Rules {
    /// A copy of `payload` for export, without what the rules forbid and with the attribute
    /// `lucarne.redacted` naming the rule of `hit`; `None` when there is nothing that may be shown.
    ///
    /// The copy is not sealed: its bytes are not those that the ledger commits to.
    pub fn rewrite(&self, shape: Shape, payload: &[u8], hit: &Hit) -> Option<Vec<u8>> {
        if matches!(hit.rule.kind, RuleKind::Tag | RuleKind::Unreadable) {
            return None;
        }
        let rule = hit.rule.to_string();
        let copy = match shape.message() {
            Some(message) => self.rewrite_message(message, payload, &rule)?,
            None => self.rewrite_json(core::str::from_utf8(payload).ok()?, &rule)?,
        };
        match self.inspect(shape, &copy) {
            Verdict::Clean => Some(copy),
            Verdict::Hit(_) => None,
        }
    }

    fn rewrite_message(&self, message: Message, bytes: &[u8], rule: &str) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len().saturating_add(MARK_BYTES));
        let mut writer = Writer::new(&mut out);
        if !self.copy_fields(message, bytes, &mut writer) {
            return None;
        }
        mark(message, rule, &mut writer)?;
        Some(out)
    }

    /// Copies the fields that are clean. False when the rest has no meaning.
    fn copy_fields(&self, message: Message, bytes: &[u8], out: &mut Writer<'_>) -> bool {
        let mut reader = Reader::new(bytes);
        while let Ok(Some(field)) = reader.next_field() {
            let kept = match (message, schema::field(message, field.number), field.value) {
                (Message::Metric, Some(Kind::Message(data)), Value::Bytes(bytes))
                    if data != Message::KeyValue =>
                {
                    // A metric without points says nothing.
                    out.message(field.number, |out| self.copy_points(data, bytes, out))
                }
                // Metrics are known by their name.
                (Message::Metric, _, _) if field.number == 1 => {
                    self.copy_if_clean(message, field, out)
                }
                _ => {
                    self.copy_if_clean(message, field, out);
                    true
                }
            };
            if !kept {
                return false;
            }
        }
        true
    }

    /// Copies the data points that are clean; false when none is left.
    fn copy_points(&self, data: Message, bytes: &[u8], out: &mut Writer<'_>) -> bool {
        let mut left = false;
        let mut reader = Reader::new(bytes);
        while let Ok(Some(field)) = reader.next_field() {
            let kept = self.copy_if_clean(data, field, out);
            left |= kept && field.number == 1;
        }
        left
    }

    fn copy_if_clean(&self, message: Message, field: Field<'_>, out: &mut Writer<'_>) -> bool {
        let clean = self.field_flow(message, field) == ControlFlow::Continue(());
        if clean {
            match field.value {
                Value::Varint(value) => out.varint(field.number, value),
                Value::Fixed64(value) => out.fixed64(field.number, value),
                Value::Bytes(value) => out.bytes(field.number, value),
                Value::Fixed32(value) => out.fixed32(field.number, value),
            }
        }
        clean
    }

    fn rewrite_json(&self, text: &str, rule: &str) -> Option<Vec<u8>> {
        let mut out = String::with_capacity(text.len().saturating_add(MARK_BYTES));
        out.push('{');
        for span in json::members(text)? {
            let member = text.get(span)?;
            let mut object = String::with_capacity(member.len().saturating_add(2));
            object.extend(["{", member, "}"]);
            let look = &mut Look { rules: self, raw: Raw::Hit };
            if json::walk(&object, look) == ControlFlow::Continue(()) {
                out.extend([member, ","]);
            }
        }
        out.extend(["\"", MARK_KEY, "\":\""]);
        for c in rule.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(if c.is_control() { ' ' } else { c });
        }
        out.push_str("\"}");
        Some(out.into_bytes())
    }
}

/// Adds the attribute that says which rule was hit.
fn mark(message: Message, rule: &str, out: &mut Writer<'_>) -> Option<()> {
    let attributes = match message {
        Message::LogRecord => 6,
        Message::Span => 9,
        Message::Metric => 12,
        Message::Resource => 1,
        Message::Scope => 3,
        _ => return None,
    };
    out.message(attributes, |pair| {
        pair.bytes(1, MARK_KEY.as_bytes());
        pair.message(2, |value| value.bytes(1, rule.as_bytes()));
    });
    Some(())
}

/// The attribute of a rewritten copy.
const MARK_KEY: &str = "lucarne.redacted";
const MARK_BYTES: usize = 64; // saves a reallocation for ordinary rule names
