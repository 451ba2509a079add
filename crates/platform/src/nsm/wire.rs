//! Requests and answers of the Nitro Secure Module as CBOR (the types of AWS's `nsm-api`, which
//! names a variant by a text and its fields by a map).
//!
//! Reading is strict: lengths in their shortest form, no chunked strings, no key twice, nothing
//! behind the end. Maps and arrays may be of indefinite length, as newer modules write them. Fields
//! that nobody knows are passed over in a description, which may grow, and refused elsewhere.

use std::fmt;

use super::NsmDescription;

/// Deepest nesting of an answer that anybody writes: a list in a map in a map.
const DEPTH_MAX: usize = 4;

/// What can be asked.
#[derive(Debug)]
pub(super) enum Request<'a> {
    Attestation { user_data: &'a [u8], nonce: &'a [u8], public_key: &'a [u8] },
    DescribeNsm,
    DescribePcr { index: u16 },
    LockPcr { index: u16 },
    GetRandom,
}

impl Request<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Attestation { user_data, nonce, public_key } => {
                variant(&mut out, "Attestation", 3);
                for (field, value) in
                    [("user_data", user_data), ("nonce", nonce), ("public_key", public_key)]
                {
                    text(&mut out, field);
                    head(&mut out, BYTES, value.len() as u64);
                    out.extend_from_slice(value);
                }
            }
            Self::DescribeNsm => text(&mut out, "DescribeNSM"),
            Self::DescribePcr { index } => register(&mut out, "DescribePCR", *index),
            Self::LockPcr { index } => register(&mut out, "LockPCR", *index),
            Self::GetRandom => text(&mut out, "GetRandom"),
        }
        out
    }
}

fn variant(out: &mut Vec<u8>, name: &str, fields: u64) {
    head(out, MAP, 1);
    text(out, name);
    head(out, MAP, fields);
}

fn register(out: &mut Vec<u8>, name: &str, index: u16) {
    variant(out, name, 1);
    text(out, "index");
    head(out, UINT, index.into());
}

fn text(out: &mut Vec<u8>, value: &str) {
    head(out, TEXT, value.len() as u64);
    out.extend_from_slice(value.as_bytes());
}

fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let [.., b6, b7] = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major << 5 | b7),
        24..=0xff => out.extend([major << 5 | 24, b7]),
        // Nothing that is sent is longer than its two-byte lengths can say.
        _ => out.extend([major << 5 | 25, b6, b7]),
    }
}

/// What can be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Attestation(Vec<u8>),
    DescribeNsm(NsmDescription),
    DescribePcr { lock: bool, data: Vec<u8> },
    LockPcr,
    GetRandom(Vec<u8>),
    Error(NsmRefusal),
}

/// Why a module refuses, in its own words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NsmRefusal {
    /// Something that was sent is not allowed.
    InvalidArgument,
    /// There is no register of this number.
    InvalidIndex,
    /// It lost its way between requests.
    InvalidResponse,
    /// The register is read-only.
    ReadOnlyIndex,
    /// It cannot do this.
    InvalidOperation,
    /// The answer does not fit.
    BufferTooSmall,
    /// What was sent is too large.
    InputTooLarge,
    /// It is broken.
    InternalError,
}

impl NsmRefusal {
    const ALL: [Self; 8] = [
        Self::InvalidArgument,
        Self::InvalidIndex,
        Self::InvalidResponse,
        Self::ReadOnlyIndex,
        Self::InvalidOperation,
        Self::BufferTooSmall,
        Self::InputTooLarge,
        Self::InternalError,
    ];
}

impl fmt::Display for NsmRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names are those of the module.
        write!(f, "{self:?}")
    }
}

/// Why bytes are not an answer of a module.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAnAnswer {
    /// They are not the CBOR that answers are written in.
    Cbor,
    /// They have another shape than any answer.
    Shape,
    /// They are an answer to another question.
    Mistaken,
    /// They may have been cut, or a register has another length than SHA-384.
    Length,
}

impl fmt::Display for NotAnAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cbor => "it is not well-formed",
            Self::Shape => "no answer has its shape",
            Self::Mistaken => "it answers another question",
            Self::Length => "something in it has another length than can be",
        })
    }
}

/// Reads an answer.
pub(super) fn decode(bytes: &[u8]) -> Result<Answer, NotAnAnswer> {
    let mut input = Input { rest: bytes };
    let value = input.value(DEPTH_MAX).ok_or(NotAnAnswer::Cbor)?;
    if !input.rest.is_empty() {
        return Err(NotAnAnswer::Cbor);
    }
    answer(value).ok_or(NotAnAnswer::Shape)
}

fn answer(value: Value<'_>) -> Option<Answer> {
    let fields = match value {
        Value::Text("LockPCR") => return Some(Answer::LockPcr),
        Value::Map(fields) => fields,
        _ => return None,
    };
    let [(name, content)] = <[_; 1]>::try_from(fields).ok()?;
    match (name, content) {
        ("Attestation", Value::Map(fields)) => Some(Answer::Attestation(only(fields, "document")?)),
        ("GetRandom", Value::Map(fields)) => Some(Answer::GetRandom(only(fields, "random")?)),
        ("DescribePCR", Value::Map(fields)) => register_of(fields),
        ("DescribeNSM", Value::Map(fields)) => description(&fields),
        ("Error", Value::Text(code)) => {
            let refusal = NsmRefusal::ALL.into_iter().find(|known| known.to_string() == code)?;
            Some(Answer::Error(refusal))
        }
        _ => None,
    }
}

/// The bytes of a variant that has one field.
fn only(fields: Vec<(&str, Value<'_>)>, field: &str) -> Option<Vec<u8>> {
    match <[_; 1]>::try_from(fields).ok()? {
        [(name, Value::Bytes(bytes))] if name == field => Some(bytes.to_vec()),
        _ => None,
    }
}

fn register_of(fields: Vec<(&str, Value<'_>)>) -> Option<Answer> {
    let mut fields = <[_; 2]>::try_from(fields).ok()?;
    fields.sort_by_key(|(name, _)| *name);
    match fields {
        [("data", Value::Bytes(data)), ("lock", Value::Bool(lock))] => {
            Some(Answer::DescribePcr { lock, data: data.to_vec() })
        }
        _ => None,
    }
}

fn description(fields: &[(&str, Value<'_>)]) -> Option<Answer> {
    let find = |wanted| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let number = |wanted| find(wanted)?.number();
    let Value::Text(module_id) = find("module_id")? else { return None };
    let Value::Text("SHA384") = find("digest")? else { return None };
    let Value::Array(locked) = find("locked_pcrs")? else { return None };
    let locked_pcrs: Vec<u16> = locked.iter().map(Value::number).collect::<Option<_>>()?;
    if !locked_pcrs.is_sorted_by(|one, next| one < next) {
        return None;
    }
    Some(Answer::DescribeNsm(NsmDescription {
        module_id: (*module_id).to_owned(),
        version: [number("version_major")?, number("version_minor")?, number("version_patch")?],
        max_pcrs: number("max_pcrs")?,
        locked_pcrs,
    }))
}

/// One item of CBOR, of the kinds that answers are made of.
enum Value<'a> {
    Uint(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Self>),
    Map(Vec<(&'a str, Self)>),
    Bool(bool),
    Null,
}

impl Value<'_> {
    fn number(&self) -> Option<u16> {
        if let Self::Uint(number) = self { u16::try_from(*number).ok() } else { None }
    }
}

struct Input<'a> {
    rest: &'a [u8],
}

/// The argument of a head: a number, or none for an indefinite length.
type Argument = Option<u64>;

impl<'a> Input<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        let deeper = depth.checked_sub(1)?;
        let (major, argument) = self.head()?;
        Some(match (major, argument) {
            (UINT, Some(number)) => Value::Uint(number),
            (BYTES, Some(length)) => Value::Bytes(self.take(length)?),
            (TEXT, Some(length)) => Value::Text(str::from_utf8(self.take(length)?).ok()?),
            (ARRAY, count) => Value::Array(self.items(count, |input| input.value(deeper))?),
            (MAP, count) => Value::Map(self.map(count, deeper)?),
            (SIMPLE, Some(20)) => Value::Bool(false),
            (SIMPLE, Some(21)) => Value::Bool(true),
            (SIMPLE, Some(22)) => Value::Null,
            _ => return None,
        })
    }

    fn map(&mut self, count: Argument, deeper: usize) -> Option<Vec<(&'a str, Value<'a>)>> {
        let fields = self.items(count, |input| {
            let Value::Text(name) = input.value(1)? else { return None };
            Some((name, input.value(deeper)?))
        })?;
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.is_sorted_by(|one, next| one < next).then_some(fields)
    }

    /// Nothing is allocated for a count: an item that is not there ends the reading.
    fn items<T>(
        &mut self,
        count: Argument,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut items = Vec::new();
        loop {
            match count {
                Some(count) if items.len() as u64 == count => return Some(items),
                None if self.rest.first() == Some(&BREAK) => {
                    self.take(1)?;
                    return Some(items);
                }
                Some(_) | None => items.push(item(self)?),
            }
        }
    }

    fn head(&mut self) -> Option<(u8, Argument)> {
        let &[first] = self.take(1)?.first_chunk()?;
        let (major, short) = (first >> 5, first & 0x1f);
        let width = match short {
            0..=23 => return Some((major, Some(short.into()))),
            31 if matches!(major, ARRAY | MAP) => return Some((major, None)),
            // Other simple values are nothing that an answer holds.
            24..=27 if major != SIMPLE => 1 << (short - 24),
            _ => return None,
        };
        let number =
            self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let least = match width {
            1 => 24,
            2 => 1 << 8,
            4 => 1 << 16,
            _ => 1 << 32,
        };
        (number >= least).then_some((major, Some(number)))
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }
}

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;
const BREAK: u8 = 0xff;
