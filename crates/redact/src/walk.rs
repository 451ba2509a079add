//! Walking an OTLP message: every name, text, number and truth value in it goes to a visitor.
//!
//! Nothing is skipped: an unknown field, a wrong wire type, an identifier of a wrong length or too
//! deep a nesting ends the walk as unreadable, because what cannot be read cannot be cleared.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use lucarne_otlp::wire::{Field, Reader, Value};

use crate::glob::fold;
use crate::identifier::is_plausible_time;
use crate::number::Number;
use crate::rules::RuleId;
use crate::schema::{self, Kind, Message};

/// Why a walk ended early.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// A rule was hit.
    Found(Found),
    /// The payload is not what it should be.
    Unreadable,
}

/// A hit, before it is told to anyone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) rule: RuleId,
    /// The name at or under which it was found.
    pub(crate) key: Vec<u8>,
}

pub(crate) type Flow = ControlFlow<Stop>;

pub(crate) const UNREADABLE: Flow = ControlFlow::Break(Stop::Unreadable);

/// Receives what a payload holds. `slot` is the name that a value stands under, empty when it has
/// none.
pub(crate) trait Visit {
    /// A name. `path` is the folded names of the maps around it, `verbatim` as for a text.
    fn key(&mut self, path: &[u8], key: &[u8], verbatim: bool) -> Flow;
    /// A text, or bytes. `verbatim` says that it lies in the payload as it is.
    fn text(&mut self, slot: &[u8], text: &[u8], verbatim: bool) -> Flow;
    /// A number.
    fn number(&mut self, slot: &[u8], number: Number<'_>) -> Flow;
    /// A truth value.
    fn truth(&mut self, slot: &[u8], truth: bool) -> Flow;
}

/// Walks a whole message.
pub(crate) fn walk<V: Visit>(message: Message, bytes: &[u8], visit: &mut V) -> Flow {
    Walker { visit, path: Vec::new() }.message(message, bytes, &[], 0)
}

/// Walks one field of a message.
pub(crate) fn walk_field<V: Visit>(message: Message, field: Field<'_>, visit: &mut V) -> Flow {
    Walker { visit, path: Vec::new() }.field(message, field, &[], 0)
}

struct Walker<'v, V> {
    visit: &'v mut V,
    path: Vec<u8>,
}

impl<V: Visit> Walker<'_, V> {
    fn message(&mut self, message: Message, bytes: &[u8], slot: &[u8], depth: usize) -> Flow {
        if depth > DEPTH_MAX {
            return UNREADABLE;
        }
        match message {
            Message::KeyValue => self.key_value(bytes, depth),
            Message::KeyValueList => {
                let outer = self.path.len();
                fold(slot, &mut self.path);
                if self.path.len() > PATH_BYTES_MAX {
                    return UNREADABLE;
                }
                self.fields(message, bytes, slot, depth)?;
                self.path.truncate(outer);
                ControlFlow::Continue(())
            }
            _ => self.fields(message, bytes, slot, depth),
        }
    }

    fn fields(&mut self, message: Message, bytes: &[u8], slot: &[u8], depth: usize) -> Flow {
        let mut reader = Reader::new(bytes);
        loop {
            match reader.next_field() {
                Ok(Some(field)) => self.field(message, field, slot, depth)?,
                Ok(None) => return ControlFlow::Continue(()),
                Err(_) => return UNREADABLE,
            }
        }
    }

    /// The name may come after its value, so it is sought first. A repeated one has two meanings:
    /// refused.
    fn key_value(&mut self, bytes: &[u8], depth: usize) -> Flow {
        let (mut key, mut value): (Option<&[u8]>, Option<&[u8]>) = (None, None);
        let mut reader = Reader::new(bytes);
        loop {
            let place = match reader.next_field() {
                Ok(Some(Field { number: 1, value: Value::Bytes(bytes) })) => (&mut key, bytes),
                Ok(Some(Field { number: 2, value: Value::Bytes(bytes) })) => (&mut value, bytes),
                Ok(None) => break,
                _ => return UNREADABLE,
            };
            if place.0.replace(place.1).is_some() {
                return UNREADABLE;
            }
        }
        let key = key.unwrap_or_default();
        self.visit.key(&self.path, key, true)?;
        match value {
            Some(value) => self.message(Message::AnyValue, value, key, depth.saturating_add(1)),
            None => ControlFlow::Continue(()),
        }
    }

    fn field(&mut self, message: Message, field: Field<'_>, slot: &[u8], depth: usize) -> Flow {
        let Some(kind) = schema::field(message, field.number) else {
            return UNREADABLE;
        };
        match (kind, field.value) {
            (Kind::Message(inner), Value::Bytes(bytes)) => {
                self.message(inner, bytes, slot, depth.saturating_add(1))
            }
            (Kind::Text, Value::Bytes(text)) => self.visit.text(slot, text, true),
            // An id is random bytes; one that is a text from end to end may be a value in disguise.
            (Kind::Id, Value::Bytes(id)) if matches!(id.len(), 8 | 16) && id.is_ascii() => {
                self.visit.text(slot, id, true)
            }
            (Kind::Id, Value::Bytes(id)) if matches!(id.len(), 0 | 8 | 16) => {
                ControlFlow::Continue(())
            }
            (Kind::Truth, Value::Varint(value)) => self.visit.truth(slot, value != 0),
            (Kind::Int, Value::Varint(value)) => self.signed(slot, value),
            (Kind::SignedFixed, Value::Fixed64(value)) => self.signed(slot, value),
            // A time that is none of this age is a number in disguise.
            (Kind::Time, Value::Fixed64(value)) if value == 0 || is_plausible_time(value) => {
                ControlFlow::Continue(())
            }
            (Kind::Time | Kind::Count | Kind::Counts, Value::Fixed64(value)) => {
                self.visit.number(slot, Number::Unsigned(value))
            }
            (Kind::Double | Kind::Doubles, Value::Fixed64(bits)) => {
                self.visit.number(slot, Number::Double(f64::from_bits(bits)))
            }
            (Kind::Counts | Kind::Doubles, Value::Bytes(packed)) => {
                self.packed_fixed(kind, packed, slot)
            }
            (Kind::Varints, Value::Varint(value)) => {
                self.visit.number(slot, Number::Unsigned(value))
            }
            (Kind::Varints, Value::Bytes(packed)) => self.packed_varints(packed, slot),
            (Kind::Structure, Value::Fixed32(_)) => ControlFlow::Continue(()),
            // Enums, flags and counters of the format have 32 bits; whatever has more is checked.
            (Kind::Structure, Value::Varint(value)) if value <= u64::from(u32::MAX) => {
                ControlFlow::Continue(())
            }
            (Kind::Structure, Value::Varint(value)) => self.signed(slot, value),
            _ => UNREADABLE,
        }
    }

    fn signed(&mut self, slot: &[u8], value: u64) -> Flow {
        self.visit.number(slot, Number::Signed(value.cast_signed()))
    }

    fn packed_fixed(&mut self, kind: Kind, packed: &[u8], slot: &[u8]) -> Flow {
        let (values, []) = packed.as_chunks::<8>() else {
            return UNREADABLE;
        };
        for &value in values {
            let bits = u64::from_le_bytes(value);
            let number = match kind {
                Kind::Doubles => Number::Double(f64::from_bits(bits)),
                _ => Number::Unsigned(bits),
            };
            self.visit.number(slot, number)?;
        }
        ControlFlow::Continue(())
    }

    fn packed_varints(&mut self, packed: &[u8], slot: &[u8]) -> Flow {
        let (mut value, mut shift) = (0_u64, 0_u32);
        for &byte in packed {
            let Some(bits) = u64::from(byte & 0x7f).checked_shl(shift) else {
                return UNREADABLE;
            };
            value |= bits;
            if byte & 0x80 == 0 {
                self.visit.number(slot, Number::Unsigned(value))?;
                (value, shift) = (0, 0);
            } else {
                shift = shift.saturating_add(7);
            }
        }
        if shift == 0 { ControlFlow::Continue(()) } else { UNREADABLE }
    }
}

/// The contract lets at most 16 levels of values through; each costs three messages (value, list,
/// pair).
const DEPTH_MAX: usize = 64;
const PATH_BYTES_MAX: usize = 1024; // longer names of nested maps are an attack on the matcher
