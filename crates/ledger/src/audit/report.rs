//! The report of an audit: what was verified, what was found, and the exit code that follows.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::audit::ends::Ends;
use crate::audit::finding::{Finding, Severity};
use crate::control::Previous;
use crate::hash::Hash;
use crate::identity::LedgerId;

/// Verified, and covered by an accepted anchor.
pub const EXIT_VERIFIED: u8 = 0;
/// Evidence of tampering.
pub const EXIT_TAMPERED: u8 = 1;
/// Nothing speaks of tampering, and it cannot be said that all is well.
pub const EXIT_INCOMPLETE: u8 = 2;
/// Verified, but only under a root that the policy names insecure.
pub const EXIT_INSECURE: u8 = 5;

/// What an audit says at its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Each ledger that could be verified against an attested key.
    pub ledgers: Vec<LedgerSummary>,
    /// Everything found, in the order of the archive.
    pub findings: Vec<Finding>,
}

/// What is known of one ledger at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LedgerSummary {
    /// Whose ledger.
    pub id: LedgerId,
    /// The first record that was looked at; 0 unless only a part was.
    pub from: u64,
    /// Size up to which verified batches reach.
    pub size: u64,
    /// Root at that size.
    pub root: Hash,
    /// Number of records that verified; smaller than `size` when some are not there.
    pub verified: u64,
    /// Size of the largest checkpoint that fits the records.
    pub anchored: u64,
    /// Whether it ended with `close`.
    pub closed: bool,
    /// Whether its key is attested only by something that protects nothing.
    pub insecure: bool,
    /// Records left out with authority, by rule.
    pub withheld: BTreeMap<String, u64>,
    /// Records whose payloads are encrypted under a key whose end was ordered, by order.
    pub erased: BTreeMap<String, u64>,
    /// Records whose payloads are encrypted, and were not read.
    pub encrypted: u64,
    /// The epoch before, as the `open` of this one names it.
    pub previous: Option<Previous>,
    // whether records or files at its end are missing or broken, so that its size says little
    pub(crate) tail_damaged: bool,
    // the evidence that its `open` names
    pub(crate) evidence: Option<String>,
    // when it opened, and its size with its last record, by its own word
    pub(crate) opened_ms: Option<u64>,
    pub(crate) ended: Option<u64>,
    pub(crate) ends: Ends,
}

/// The exit code of an audit: tampering beats incompleteness beats an insecure root.
pub fn exit_code(report: &Report) -> u8 {
    match report.findings.iter().map(Finding::severity).max() {
        Some(Severity::Tamper) => EXIT_TAMPERED,
        Some(Severity::Incomplete) => EXIT_INCOMPLETE,
        // No convention where nothing means all is well.
        Some(Severity::Ok) | None if report.ledgers.is_empty() => EXIT_INCOMPLETE,
        Some(Severity::Ok) | None if report.ledgers.iter().any(|ledger| ledger.insecure) => {
            EXIT_INSECURE
        }
        Some(Severity::Ok) | None => EXIT_VERIFIED,
    }
}
