//! The messages that statements read and change: encoded bytes, exchanged as a whole.
//!
//! A message is not decoded. Reading a field walks the bytes; changing one writes the message anew
//! into a buffer that is then exchanged for the old one. At 300 bytes a copy costs less than a tree
//! would, unknown fields survive, and a record that no statement changes costs nothing.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use lucarne_otlp::wire::{Field, Reader, Value, Writer};

use super::error::Fault;
use super::paths::{Level, Shape};

/// One message of a stack.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    pub(super) shape: Shape,
    pub(super) bytes: Cow<'a, [u8]>,
}

/// The messages around and at one record.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    pub(super) resource: Slot<'a>,
    pub(super) scope: Slot<'a>,
    pub(super) parent: Slot<'a>,
    pub(super) record: Slot<'a>,
    /// Pairs in field 1, as in a resource.
    pub(super) cache: Slot<'a>,
    /// Position of a span event in its span.
    pub(super) index: i64,
    /// Metrics that statements have made of this one.
    pub(super) appended: Vec<Vec<u8>>,
    /// Nanoseconds since 1970, from the caller.
    pub(super) now: u64,
}

impl<'a> Slot<'a> {
    pub(super) const fn new(shape: Shape, bytes: &'a [u8]) -> Self {
        Self { shape, bytes: Cow::Borrowed(bytes) }
    }

    pub(super) const fn changed(&self) -> bool {
        matches!(self.bytes, Cow::Owned(_))
    }

    /// Exchanges the content for `buffer`, which becomes the old one if that was owned.
    pub(super) fn exchange(&mut self, buffer: &mut Vec<u8>) {
        let new = core::mem::take(buffer);
        if let Cow::Owned(old) = core::mem::replace(&mut self.bytes, Cow::Owned(new)) {
            *buffer = old;
        }
    }
}

impl<'a> Stack<'a> {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            resource: Slot::new(Shape::Resource, &[]),
            scope: Slot::new(Shape::Scope, &[]),
            parent: Slot::new(Shape::Span, &[]),
            record: Slot::new(Shape::Log, &[]),
            cache: Slot::new(Shape::Resource, &[]),
            index: 0,
            appended: Vec::new(),
            now,
        }
    }

    pub(super) const fn slot(&self, level: Level) -> &Slot<'a> {
        match level {
            Level::Resource => &self.resource,
            Level::Scope => &self.scope,
            Level::Parent => &self.parent,
            Level::Record => &self.record,
            Level::Cache => &self.cache,
        }
    }

    pub(super) const fn slot_mut(&mut self, level: Level) -> &mut Slot<'a> {
        match level {
            Level::Resource => &mut self.resource,
            Level::Scope => &mut self.scope,
            Level::Parent => &mut self.parent,
            Level::Record => &mut self.record,
            Level::Cache => &mut self.cache,
        }
    }

    /// Begins a record: the cache is empty for each.
    pub(super) fn begin(&mut self, shape: Shape, bytes: &'a [u8]) {
        self.record = Slot::new(shape, bytes);
        self.cache.bytes = Cow::Borrowed(&[]);
    }
}

/// The last field `number` of a message, as protobuf reads scalars.
pub(super) fn last(message: &[u8], number: u32) -> Result<Option<Value<'_>>, Fault> {
    let mut found = None;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        if field.number == number {
            found = Some(field.value);
        }
    }
    Ok(found)
}

/// The message in field `number`; empty when there is none.
pub(super) fn nested(message: &[u8], number: u32) -> Result<&[u8], Fault> {
    Ok(match last(message, number)? {
        Some(Value::Bytes(bytes)) => bytes,
        _ => &[],
    })
}

/// Copies one field.
pub(super) fn copy(field: Field<'_>, out: &mut Writer<'_>) {
    match field.value {
        Value::Varint(value) => out.varint(field.number, value),
        Value::Fixed64(value) => out.fixed64(field.number, value),
        Value::Bytes(value) => out.bytes(field.number, value),
        Value::Fixed32(value) => out.fixed32(field.number, value),
    }
}

/// Copies a message; the fields of these numbers are left out and `write` puts others where the
/// first of them was, or at the end.
pub(super) fn replace(
    message: &[u8],
    numbers: &[u32],
    out: &mut Writer<'_>,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut write = Some(write);
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        if !numbers.contains(&field.number) {
            copy(field, out);
        } else if let Some(write) = write.take() {
            write(out)?;
        }
    }
    write.map_or(Ok(()), |write| write(out))
}
