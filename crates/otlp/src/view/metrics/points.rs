//! Data points of metrics.
//!
//! Bucket counts and bounds are repeated scalars. Senders pack them; the unpacked form is read as
//! well, because protobuf demands it of every reader.

use crate::view::value::KeyValue;
use crate::view::{Repeated, View};
use crate::wire::{Reader, Value, WireError};

/// A point of a gauge or a sum.
pub struct NumberDataPoint<'a> {
    message: &'a [u8],
    /// Nanoseconds since 1970; 0 is unknown.
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// The value; `None` when the point has none.
    pub value: Option<NumberValue>,
    /// Bit 0: no value was recorded.
    pub flags: u32,
}

/// The value of a number point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberValue {
    /// `as_int`.
    Int(i64),
    /// `as_double`.
    Double(f64),
}

/// A point of a histogram.
pub struct HistogramDataPoint<'a> {
    message: &'a [u8],
    /// Nanoseconds since 1970; 0 is unknown.
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// Number of observations.
    pub count: u64,
    /// Sum of the observations.
    pub sum: Option<f64>,
    /// Smallest observation.
    pub min: Option<f64>,
    /// Largest observation.
    pub max: Option<f64>,
    /// Bit 0: no value was recorded.
    pub flags: u32,
}

/// A point of an exponential histogram.
pub struct ExponentialHistogramDataPoint<'a> {
    message: &'a [u8],
    /// Nanoseconds since 1970; 0 is unknown.
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// Number of observations.
    pub count: u64,
    /// Sum of the observations.
    pub sum: Option<f64>,
    /// Smallest observation.
    pub min: Option<f64>,
    /// Largest observation.
    pub max: Option<f64>,
    /// Resolution: bounds are powers of 2^(2^-scale).
    pub scale: i32,
    /// Observations that count as zero.
    pub zero_count: u64,
    /// Width of zero.
    pub zero_threshold: f64,
    /// Buckets of positive observations.
    pub positive: Option<Buckets<'a>>,
    /// Buckets of negative observations.
    pub negative: Option<Buckets<'a>>,
    /// Bit 0: no value was recorded.
    pub flags: u32,
}

/// Consecutive buckets of an exponential histogram.
pub struct Buckets<'a> {
    message: &'a [u8],
    /// Index of the first bucket.
    pub offset: i32,
}

/// A point of a summary.
pub struct SummaryDataPoint<'a> {
    message: &'a [u8],
    /// Nanoseconds since 1970; 0 is unknown.
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    pub time_unix_nano: u64,
    /// Number of observations.
    pub count: u64,
    /// Sum of the observations.
    pub sum: f64,
    /// Bit 0: no value was recorded.
    pub flags: u32,
}

/// One quantile of a summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileValue {
    /// 0 to 1.
    pub quantile: f64,
    /// The value at it.
    pub value: f64,
}

impl<'a> NumberDataPoint<'a> {
    /// Number of its exemplars, which are not looked into.
    ///
    /// # Errors
    /// When the point is not valid.
    pub fn exemplar_count(&self) -> Result<u64, WireError> {
        count(self.message, 5)
    }

    /// Its labels.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 7)
    }
}

impl<'a> View<'a> for NumberDataPoint<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut point =
            Self { message, start_time_unix_nano: 0, time_unix_nano: 0, value: None, flags: 0 };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.value = Some(NumberValue::Double(field.double()?)),
                6 => point.value = Some(NumberValue::Int(field.fixed64()?.cast_signed())),
                8 => point.flags = field.low32()?,
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> HistogramDataPoint<'a> {
    /// Number of its exemplars, which are not looked into.
    ///
    /// # Errors
    /// When the point is not valid.
    pub fn exemplar_count(&self) -> Result<u64, WireError> {
        count(self.message, 8)
    }

    /// Its labels.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 9)
    }

    /// Observations a bucket; one more than bounds, or none at all.
    pub const fn bucket_counts(&self) -> Numbers<'a> {
        Numbers::new(self.message, 6, Encoding::Fixed64)
    }

    /// Upper bounds of the buckets but the last.
    pub fn explicit_bounds(&self) -> impl Iterator<Item = Result<f64, WireError>> + 'a {
        Numbers::new(self.message, 7, Encoding::Fixed64).map(|bits| bits.map(f64::from_bits))
    }
}

impl<'a> View<'a> for HistogramDataPoint<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self {
            message,
            start_time_unix_nano: 0,
            time_unix_nano: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            flags: 0,
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = Some(field.double()?),
                10 => point.flags = field.low32()?,
                11 => point.min = Some(field.double()?),
                12 => point.max = Some(field.double()?),
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> ExponentialHistogramDataPoint<'a> {
    /// Number of its exemplars, which are not looked into.
    ///
    /// # Errors
    /// When the point is not valid.
    pub fn exemplar_count(&self) -> Result<u64, WireError> {
        count(self.message, 11)
    }

    /// Its labels.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 1)
    }
}

impl<'a> View<'a> for ExponentialHistogramDataPoint<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self {
            message,
            start_time_unix_nano: 0,
            time_unix_nano: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            scale: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: None,
            negative: None,
            flags: 0,
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = Some(field.double()?),
                6 => point.scale = field.zigzag32()?,
                7 => point.zero_count = field.fixed64()?,
                8 => point.positive = Some(Buckets::parse(field.bytes()?)?),
                9 => point.negative = Some(Buckets::parse(field.bytes()?)?),
                10 => point.flags = field.low32()?,
                12 => point.min = Some(field.double()?),
                13 => point.max = Some(field.double()?),
                14 => point.zero_threshold = field.double()?,
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> Buckets<'a> {
    /// Observations a bucket.
    pub const fn bucket_counts(&self) -> Numbers<'a> {
        Numbers::new(self.message, 2, Encoding::Varint)
    }
}

impl<'a> View<'a> for Buckets<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut buckets = Self { message, offset: 0 };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 1 {
                buckets.offset = field.zigzag32()?;
            }
        }
        Ok(buckets)
    }
}

impl<'a> SummaryDataPoint<'a> {
    /// Its labels.
    pub const fn attributes(&self) -> Repeated<'a, KeyValue<'a>> {
        Repeated::new(self.message, 7)
    }

    /// Its quantiles.
    pub const fn quantile_values(&self) -> Repeated<'a, QuantileValue> {
        Repeated::new(self.message, 6)
    }
}

impl<'a> View<'a> for SummaryDataPoint<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut point = Self {
            message,
            start_time_unix_nano: 0,
            time_unix_nano: 0,
            count: 0,
            sum: 0.0,
            flags: 0,
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = field.double()?,
                8 => point.flags = field.low32()?,
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> View<'a> for QuantileValue {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let mut quantile = Self { quantile: 0.0, value: 0.0 };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => quantile.quantile = field.double()?,
                2 => quantile.value = field.double()?,
                _ => {}
            }
        }
        Ok(quantile)
    }
}

fn count(message: &[u8], number: u32) -> Result<u64, WireError> {
    let mut reader = Reader::new(message);
    let mut count = 0_u64;
    while let Some(field) = reader.next_field()? {
        count = count.saturating_add(u64::from(field.number == number));
    }
    Ok(count)
}

/// The numbers of a repeated scalar field, packed or not, as their bits. After an error it ends.
pub struct Numbers<'a> {
    reader: Reader<'a>,
    number: u32,
    encoding: Encoding,
    packed: Reader<'a>,
}

/// How one number of a repeated field is written.
#[derive(Clone, Copy)]
enum Encoding {
    Varint,
    Fixed64,
}

impl<'a> Numbers<'a> {
    const fn new(message: &'a [u8], number: u32, encoding: Encoding) -> Self {
        Self { reader: Reader::new(message), number, encoding, packed: Reader::new(&[]) }
    }

    fn step(&mut self) -> Result<Option<u64>, WireError> {
        loop {
            if let Some(number) = self.encoding.next(&mut self.packed)? {
                return Ok(Some(number));
            }
            let Some(field) = self.reader.next_field()? else {
                return Ok(None);
            };
            if field.number != self.number {
                continue;
            }
            match (field.value, self.encoding) {
                (Value::Bytes(packed), _) => self.packed = Reader::new(packed),
                (Value::Varint(value), Encoding::Varint)
                | (Value::Fixed64(value), Encoding::Fixed64) => return Ok(Some(value)),
                (Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_), _) => {
                    return Err(WireError::Type { number: self.number });
                }
            }
        }
    }
}

impl Encoding {
    fn next(self, packed: &mut Reader<'_>) -> Result<Option<u64>, WireError> {
        match self {
            Self::Varint => packed.next_varint(),
            Self::Fixed64 => packed.next_fixed64(),
        }
    }
}

impl Iterator for Numbers<'_> {
    type Item = Result<u64, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.reader = Reader::new(&[]);
            self.packed = Reader::new(&[]);
        }
        step.transpose()
    }
}
