//! The readiness list of the operations page: fifteen lines, each with what shows that it is so.
//!
//! A line without evidence fails, and one whose evidence is old, or of another text than there is
//! now, is stale. There is no way to tick a line.

use serde::Serialize;

/// A line of the list.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each says itself in `text`")]
pub enum Item {
    QueryTool,
    VerifyTool,
    Baseline,
    ForensicBucket,
    ErrorRunbook,
    GapRunbook,
    ChainRunbook,
    AttestationRunbook,
    ErrorAlert,
    GapAlert,
    ChainAlert,
    AttestationAlert,
    ChannelCredentials,
    ReadOnlyAccess,
    Contacts,
}

impl Item {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 15] = [
        Self::QueryTool,
        Self::VerifyTool,
        Self::Baseline,
        Self::ForensicBucket,
        Self::ErrorRunbook,
        Self::GapRunbook,
        Self::ChainRunbook,
        Self::AttestationRunbook,
        Self::ErrorAlert,
        Self::GapAlert,
        Self::ChainAlert,
        Self::AttestationAlert,
        Self::ChannelCredentials,
        Self::ReadOnlyAccess,
        Self::Contacts,
    ];

    /// Its name in configurations and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueryTool => "query-tool",
            Self::VerifyTool => "verify-tool",
            Self::Baseline => "baseline",
            Self::ForensicBucket => "forensic-bucket",
            Self::ErrorRunbook => "error-runbook",
            Self::GapRunbook => "gap-runbook",
            Self::ChainRunbook => "chain-runbook",
            Self::AttestationRunbook => "attestation-runbook",
            Self::ErrorAlert => "error-alert",
            Self::GapAlert => "gap-alert",
            Self::ChainAlert => "chain-alert",
            Self::AttestationAlert => "attestation-alert",
            Self::ChannelCredentials => "channel-credentials",
            Self::ReadOnlyAccess => "read-only-access",
            Self::Contacts => "contacts",
        }
    }

    /// The line of the page.
    pub const fn text(self) -> &'static str {
        match self {
            Self::QueryTool => "the query tool reaches the attested channel",
            Self::VerifyTool => "the audit verifier has the TEE's key and works",
            Self::Baseline => "the expected attestation baseline is in the registry",
            Self::ForensicBucket => "the forensic team's access to the audit archive is set up",
            Self::ErrorRunbook => "the error rate runbook is written and drilled",
            Self::GapRunbook => "the telemetry gap runbook is written and drilled",
            Self::ChainRunbook => "the chain procedure is approved by security and compliance",
            Self::AttestationRunbook => "the attestation procedure is approved by the CISO",
            Self::ErrorAlert => "the alert on the error rate fires",
            Self::GapAlert => "the alert on missing logs fires",
            Self::ChainAlert => "the alert on the audit chain fires",
            Self::AttestationAlert => "the alert on attestation fires",
            Self::ChannelCredentials => "forensic members have channel credentials",
            Self::ReadOnlyAccess => "read-only access to the archive is confirmed",
            Self::Contacts => "escalation contacts are known and were paged in a test",
        }
    }
}

/// How a line stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Standing {
    /// It is so, and recently shown.
    Pass,
    /// It was so; the evidence is old, or of another text.
    Stale,
    /// Nothing shows it.
    Fail,
}

impl Standing {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Stale => "STALE",
            Self::Fail => "FAIL",
        }
    }
}

/// A line with its evidence.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Line {
    /// Its name.
    pub item: &'static str,
    /// What it says.
    pub text: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// What shows it, or what is missing.
    pub evidence: String,
}

impl Line {
    /// A line.
    pub fn new(item: Item, standing: Standing, evidence: impl Into<String>) -> Self {
        Self { item: item.as_str(), text: item.text(), standing, evidence: evidence.into() }
    }
}

/// By its age: what was shown at `at_ms` is stale after `max_age_ms`.
pub const fn by_age(at_ms: u64, now_ms: u64, max_age_ms: u64) -> Standing {
    if now_ms.saturating_sub(at_ms) <= max_age_ms { Standing::Pass } else { Standing::Stale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_has_fifteen_lines_with_names_of_their_own() {
        let names: BTreeSet<&str> = Item::ALL.iter().map(|item| item.as_str()).collect();
        let texts: BTreeSet<&str> = Item::ALL.iter().map(|item| item.text()).collect();
        assert_eq!((names.len(), texts.len()), (15, 15));
    }

    #[test]
    fn evidence_ages() {
        assert_eq!(by_age(1_000, 2_000, 1_000), Standing::Pass);
        assert_eq!(by_age(1_000, 2_001, 1_000), Standing::Stale);
    }
}
