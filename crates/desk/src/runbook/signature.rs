//! What a role has signed of a runbook: a DSSE envelope beside its file.
//!
//! It is over the digest of the text, so an edit makes it stale, and it is believed with the key of
//! that role and no other. Whoever asks knows from elsewhere which key that is.

use std::path::{Path, PathBuf};

use lucarne_ledger::key::PublicKey;
use serde::Deserialize;

use crate::bundle::dsse;
use crate::digest::Digest;

/// Says what the payload of an envelope is.
pub const PAYLOAD_TYPE: &str = "application/vnd.lucarne.runbook-approval.v1+json";

/// What was signed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The version of the payload: 1.
    pub version: u64,
    /// The name of the runbook.
    pub runbook: String,
    /// SHA-256 of its text.
    pub sha256: Digest,
    /// Whom the signer speaks for.
    pub role: String,
    /// The signer's name, for people.
    pub by: String,
    /// When, milliseconds since 1970 by the signer's clock.
    pub at_ms: u64,
}

impl Signature {
    /// Reads an envelope; nothing unless the key of the role has signed it as that role.
    pub fn open(envelope: &[u8], key: PublicKey, role: &str) -> Option<Self> {
        let payload = dsse::open(envelope, PAYLOAD_TYPE, &[key]).ok()?;
        let found: Self = serde_json::from_slice(&payload).ok()?;
        (found.version == 1 && found.role == role).then_some(found)
    }
}

/// Where the signature of a role is.
pub fn beside(file: &Path, role: &str) -> PathBuf {
    file.with_added_extension(format!("{role}.dsse.json"))
}
