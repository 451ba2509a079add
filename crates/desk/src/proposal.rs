//! Proposals: another policy, for a while or for good, until enough people agree to exactly it.
//!
//! A proposal is a request like any other: bound to the digest of the text, refused to whoever made
//! it, and over after its time. Whoever may approve is said by the action `change_policy` of the
//! policy that holds, not of the one that is proposed.

use serde::{Deserialize, Serialize};

use crate::approval::Request;
use crate::digest::Digest;

/// A policy that waits for people.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// SHA-256 of its text: what people agree to.
    pub policy: Digest,
    /// Its text.
    pub source: String,
    /// For how many milliseconds it is to hold; absent: for good.
    pub for_ms: Option<u64>,
    /// Who asks, why, who must agree, and who has.
    pub request: Request,
}

/// What held before the policy that holds now.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    /// Its text.
    pub source: String,
    /// When it holds again by itself, by the count of the desk.
    pub back_at_ms: Option<u64>,
}

/// The action of a policy that says who may change it.
pub const CHANGE_POLICY: &str = "change_policy";
/// Proposals at one time: what people can keep apart.
pub const PROPOSALS_MAX: usize = 16;
