//! The ledger of a bag: every item that was planned, and what became of it.
//!
//! What is not there is as much evidence as what is: nothing may be left out without saying why.

use serde::{Deserialize, Serialize};

use super::path::BagPath;
use crate::digest::Digest;
use crate::incident::Severity;
use crate::scrub::Scrubbed;

/// What the bag is about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The incident.
    pub incident: Scrubbed,
    /// How bad it is.
    pub severity: Severity,
    /// Whom to ask.
    pub contact: Scrubbed,
    /// The bag that this one completes: the digest of its tag manifest.
    pub completes: Option<Digest>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is in the bag.
    Collected,
    /// It was asked for and there is nothing.
    Empty,
    /// It was asked for and could not be had.
    Failed,
    /// Nothing can give it, and that is intended.
    UnavailableByDesign,
    /// Somebody or something refused it.
    Denied,
}

/// One item.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name, once in a bag.
    pub id: BagPath,
    /// What became of it.
    pub status: Status,
    /// Where it is, if it was collected.
    pub file: Option<BagPath>,
    /// Whether it is encrypted to the forensic team.
    pub encrypted: bool,
    /// Whether secrets were taken out; its digest is then another one than at its source.
    pub scrubbed: bool,
    /// What collected it.
    pub tool: Scrubbed,
    /// Milliseconds since 1970 UTC.
    pub started_ms: u64,
    /// Milliseconds since 1970 UTC.
    pub ended_ms: u64,
    /// Why it is not there, or what should be known about it.
    pub reason: Option<Scrubbed>,
}

/// The whole ledger.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Items {
    /// What the bag is about.
    pub about: About,
    /// In the order of collecting.
    pub items: Vec<Item>,
}

impl Items {
    /// Reads a ledger in its one spelling.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let items: Self = serde_json::from_slice(bytes).ok()?;
        (items.to_bytes() == bytes).then_some(items)
    }

    /// Its one spelling.
    #[expect(clippy::expect_used, reason = "texts, enums and integers")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a ledger is JSON");
        bytes.push(b'\n');
        bytes
    }
}

/// What a TEE gives to nobody, in the words of the first seed, and what stands in for it.
pub const UNAVAILABLE_BY_DESIGN: [(&str, &str); 4] = [
    ("ssh-session", "the TEE admits no shell; nothing stands in for it"),
    ("debugger", "no debugger attaches to the TEE; spans of traces stand in for it"),
    ("memory-dump", "memory of the TEE cannot be read; nothing stands in for it"),
    ("heap", "the heap is memory of the TEE and cannot be read; nothing stands in for it"),
];
