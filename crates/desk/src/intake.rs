//! Bodies that sources send, brought to drafts of signals: limits first, one shape each.
//!
//! What a body says about time, risk and misses is handed on as it is written: the core decides
//! what is unknown. A body that is not of its shape is refused whole; an unknown version of a known
//! shape is taken, with figures that count as unknown.

mod alertmanager;
mod cloud_events;
mod instant;
mod mapping;
mod plain;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

pub use self::alertmanager::{alerts_v2, webhook};
pub use self::cloud_events::{Binary, batch, event};
pub use self::instant::instant_ms;
pub use self::mapping::{Mapping, Resolved};
pub use self::plain::{Exposed, GuardTrip, Plain, plain};
use crate::signal::{Draft, Kind, Source, Status};

/// Why a body holds no signals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IntakeError {
    /// It is not JSON, or not of the shape.
    Shape,
    /// More signals than one body may have.
    TooMany,
    /// A time that is none.
    Time,
}

impl fmt::Display for IntakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "body has not the shape that this path takes",
            Self::TooMany => "body has more than 1000 signals",
            Self::Time => "body has a time that is none of RFC 3339",
        })
    }
}

impl std::error::Error for IntakeError {}

/// A draft about which nothing is known but where it came in.
pub(crate) fn empty(source: Source, kind: Kind, raw: Vec<u8>) -> Draft {
    Draft {
        source,
        kind,
        fault: None,
        labels: BTreeMap::new(),
        value: None,
        risk: None,
        misses: None,
        stated_ms: None,
        starts_ms: 0,
        ends_ms: None,
        status: Status::Firing,
        schema_known: true,
        secret: None,
        raw,
    }
}

/// A kind by its name in files.
pub fn kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, IntakeError> {
    serde_json::from_slice(body).map_err(|_| IntakeError::Shape)
}

fn bounded<T>(many: Vec<T>) -> Result<Vec<T>, IntakeError> {
    if many.len() > SIGNALS_MAX { Err(IntakeError::TooMany) } else { Ok(many) }
}

// Senders write figures as numbers and as texts.
fn written(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Alertmanager groups by default into hundreds.
const SIGNALS_MAX: usize = 1000;
