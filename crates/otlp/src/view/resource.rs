//! `Resource` and `InstrumentationScope`: what the records of a request share.

use super::value::KeyValue;
use super::{Repeated, View};
use crate::wire::{Reader, WireError};

/// Who sent the telemetry.
pub struct Resource<'a> {
    message: &'a [u8],
    /// Attributes that the sender dropped.
    pub dropped_attributes_count: u32,
}

/// Which instrumentation library made it.
pub struct Scope<'a> {
    message: &'a [u8],
    /// Name; empty when unknown.
    pub name: &'a str,
    /// Version; empty when unknown.
    pub version: &'a str,
    /// Attributes that the sender dropped.
    pub dropped_attributes_count: u32,
}

impl<'a> Resource<'a> {
    /// A resource without attributes: what a request without the field means.
    pub(crate) const EMPTY: Self = Self { message: &[], dropped_attributes_count: 0 };

    /// Its attributes.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 1)
    }
}

impl<'a> View<'a> for Resource<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut resource = Self { message, ..Self::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 2 {
                resource.dropped_attributes_count = field.low32()?;
            }
        }
        Ok(resource)
    }
}

impl<'a> Scope<'a> {
    pub(crate) const EMPTY: Self =
        Self { message: &[], name: "", version: "", dropped_attributes_count: 0 };

    /// Its attributes.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 3)
    }
}

impl<'a> View<'a> for Scope<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut scope = Self { message, ..Self::EMPTY };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => scope.name = field.text()?,
                2 => scope.version = field.text()?,
                4 => scope.dropped_attributes_count = field.low32()?,
                _ => {}
            }
        }
        Ok(scope)
    }
}
