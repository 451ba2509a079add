//! Views of OTLP messages: what a message says, borrowed from its bytes.
//!
//! Parsing a view reads the scalars of one message and checks its fields; what is nested and
//! repeated is walked when it is asked for. A scalar that occurs twice counts with its last value,
//! as protobuf says. A known field with a wrong wire type is an error, an unknown field is skipped.
//! Views show telemetry before the contract, so none of them has `Debug` or `Display`.

pub mod logs;
pub mod metrics;
pub mod resource;
pub mod traces;
pub mod value;

use core::marker::PhantomData;

use crate::wire::{Field, Reader, Value, WireError};

pub use self::logs::{LogRecord, LogsRequest, ResourceLogs, ScopeLogs};
pub use self::metrics::{
    Buckets, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData, MetricsRequest,
    NumberDataPoint, NumberValue, Numbers, QuantileValue, ResourceMetrics, ScopeMetrics,
    SummaryDataPoint, Temporality,
};
pub use self::resource::{Resource, Scope};
pub use self::traces::{Event, Link, ResourceSpans, ScopeSpans, Span, Status, TracesRequest};
pub use self::value::{AnyValue, Array, EncodedKeyValue, EncodedValue, KeyValue, KvList};

/// A message that can be viewed in place.
pub trait View<'a>: Sized {
    /// Reads the scalars of the message.
    ///
    /// # Errors
    /// When a field is cut off, a known one has a wrong wire type, or text is not UTF-8.
    fn parse(message: &'a [u8]) -> Result<Self, WireError>;
}

/// The repeated messages in one field of a message. After an error it ends.
pub struct Repeated<'a, T> {
    reader: Reader<'a>,
    number: u32,
    item: PhantomData<fn() -> T>,
}

impl<'a, T: View<'a>> Repeated<'a, T> {
    pub(crate) const fn new(message: &'a [u8], number: u32) -> Self {
        Self { reader: Reader::new(message), number, item: PhantomData }
    }

    #[inline]
    fn step(&mut self) -> Result<Option<T>, WireError> {
        while let Some(field) = self.reader.next_field()? {
            if field.number == self.number {
                return T::parse(field.bytes()?).map(Some);
            }
        }
        Ok(None)
    }
}

impl<'a, T: View<'a>> Iterator for Repeated<'a, T> {
    type Item = Result<T, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.reader = Reader::new(&[]);
        }
        step.transpose()
    }
}

impl<'a> Field<'a> {
    const fn wrong_type(self) -> WireError {
        WireError::Type { number: self.number }
    }

    pub(crate) const fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => Err(self.wrong_type()),
        }
    }

    #[inline]
    pub(crate) fn text(self) -> Result<&'a str, WireError> {
        core::str::from_utf8(self.bytes()?).map_err(|_| WireError::Utf8)
    }

    pub(crate) const fn varint(self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            Value::Bytes(_) | Value::Fixed64(_) | Value::Fixed32(_) => Err(self.wrong_type()),
        }
    }

    /// `uint32`, `int32` and enumerations: protobuf cuts a longer varint to its low 32 bits.
    #[expect(clippy::cast_possible_truncation, reason = "protobuf says so")]
    pub(crate) const fn low32(self) -> Result<u32, WireError> {
        match self.varint() {
            Ok(value) => Ok(value as u32),
            Err(error) => Err(error),
        }
    }

    /// `sint32`.
    pub(crate) const fn zigzag32(self) -> Result<i32, WireError> {
        match self.low32() {
            Ok(value) => {
                let sign = if value & 1 == 1 { u32::MAX } else { 0 };
                Ok((value >> 1 ^ sign).cast_signed())
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) const fn fixed64(self) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(value) => Ok(value),
            Value::Bytes(_) | Value::Varint(_) | Value::Fixed32(_) => Err(self.wrong_type()),
        }
    }

    pub(crate) const fn double(self) -> Result<f64, WireError> {
        match self.fixed64() {
            Ok(bits) => Ok(f64::from_bits(bits)),
            Err(error) => Err(error),
        }
    }

    pub(crate) const fn fixed32(self) -> Result<u32, WireError> {
        match self.value {
            Value::Fixed32(value) => Ok(value),
            Value::Bytes(_) | Value::Varint(_) | Value::Fixed64(_) => Err(self.wrong_type()),
        }
    }
}

#[cfg(test)]
mod tests;
