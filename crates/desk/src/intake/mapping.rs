//! Generic bodies: a mapping in the configuration says where in a JSON body each part of a signal
//! is, as JSON Pointers (RFC 6901).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{IntakeError, empty, read, written};
use crate::signal::{Draft, Kind, Source, Status};

/// Where everything is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What bodies of this path are about.
    pub kind: Kind,
    /// Labels and where they are.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Where the risk is.
    pub risk: Option<String>,
    /// Where the missed beats are.
    pub misses: Option<String>,
    /// Where the status is, and the text that means it is over.
    pub resolved: Option<Resolved>,
}

/// How a body says that it is over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// Where the status is.
    pub at: String,
    /// What it is then.
    pub is: String,
}

impl Mapping {
    /// The signal of a body. A label that is not there is left out.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn draft(&self, body: &[u8], now_ms: u64) -> Result<Draft, IntakeError> {
        let json: Value = read(body)?;
        let at = |pointer: &String| json.pointer(pointer).and_then(written);
        let label = |(name, pointer)| at(pointer).map(|text| (String::clone(name), text));
        let over = self.resolved.as_ref();
        let over = over.is_some_and(|it| at(&it.at).as_deref() == Some(it.is.as_str()));
        Ok(Draft {
            labels: self.labels.iter().filter_map(label).collect(),
            risk: self.risk.as_ref().and_then(at),
            misses: self.misses.as_ref().and_then(at),
            starts_ms: now_ms,
            status: if over { Status::Resolved } else { Status::Firing },
            ..empty(Source::Person, self.kind, body.to_vec())
        })
    }
}
