//! The signed part of a `SignedLogBatch`: which code, when, and the records it wrote.
//!
//! Read strictly: an unknown key or a key that occurs twice, also in attributes, is refused, since
//! two readers could see two different records. Times stay text: they are the TEE's word.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use super::{JSON_RECORDS_MAX, JsonBatchError};

/// What the TEE signed.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Number of the batch, from 1; absent in batches of signers that do not repeat it.
    #[serde(default, deserialize_with = "present")]
    pub sequence: Option<u64>,
    /// When it was signed, by the clock of the TEE: `2026-05-25T10:00:00.0000000+00:00`.
    pub timestamp_utc: String,
    /// Measurement of the code that signed, as the signer writes it.
    pub tee_measurement: String,
    /// Number of records.
    pub record_count: u64,
    /// The records.
    pub records: Vec<LogLine>,
}

/// One record.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// When it was logged, by the clock of the TEE.
    pub timestamp: String,
    /// Its level, such as `Information`.
    pub level: String,
    /// Its text, if it has one.
    pub message: Option<String>,
    /// Its attributes, if it has any.
    #[serde(deserialize_with = "attributes")]
    pub attributes: Option<Map<String, Value>>,
}

impl Payload {
    pub(super) fn parse(json: &[u8]) -> Result<Self, JsonBatchError> {
        let payload: Self = serde_json::from_slice(json)
            .map_err(|error| JsonBatchError::Payload { detail: error.to_string() })?;
        let found = payload.records.len();
        if found > JSON_RECORDS_MAX {
            let detail = alloc::format!("{found} records are more than {JSON_RECORDS_MAX}");
            return Err(JsonBatchError::Payload { detail });
        }
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        if payload.record_count == found {
            Ok(payload)
        } else {
            Err(JsonBatchError::RecordCount { stated: payload.record_count, found })
        }
    }
}

/// A number or nothing at all: `null` would be a third thing.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(from).map(Some)
}

fn attributes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Map<String, Value>>, D::Error> {
    match Strict.deserialize(from)? {
        Value::Object(map) => Ok(Some(map)),
        Value::Null => Ok(None),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(D::Error::custom("attributes are not an object"))
        }
    }
}

/// Any JSON value in which no key occurs twice. `serde_json` bounds the depth.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if let Some(_first) = map.insert(key, value) {
                return Err(A::Error::custom("a key occurs twice"));
            }
        }
        Ok(Value::Object(map))
    }
}
