//! The auditor: an archive in, findings out. Pure and streaming; it holds a batch, an edge and a
//! bounded past.
//!
//! The caller reads files and hands over what is in them, in the order of their names; the auditor
//! says what that means. One root cause is one finding: a batch carries the edge of the tree before
//! it, so after a break the next batch that verifies is a new start. It never concludes from
//! absence that all is well.

mod anchors;
pub mod cause;
mod content;
mod ends;
mod explain;
pub mod finding;
mod findings;
pub mod ledger;
mod past;
pub mod register;
pub mod report;
mod succession;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

pub use crate::audit::content::withholding_rule;

use crate::audit::cause::Cause;
use crate::audit::finding::{Finding, SeqRange, Subject};
use crate::audit::findings::Findings;
use crate::audit::ledger::LedgerAudit;
use crate::audit::report::{LedgerSummary, Report};
use crate::batch::EpochKey;
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerKind};
use crate::key::PublicKey;
use crate::trust_policy::TrustPolicy;

/// Most findings of one severity that a report lists. Who has more has one cause that we did not
/// recognise.
pub const FINDINGS_MAX: usize = 10_000;

/// What an auditor's policy says about ledgers. Roots and measurements are the business of
/// `attest`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// What the origins of checkpoints begin with.
    pub log_prefix: String,
    /// The ledgers that every epoch must have.
    pub required: Vec<LedgerKind>,
    /// Whose word leaves a record out.
    pub withholding_keys: Vec<PublicKey>,
    /// Epochs without an end that a person has explained.
    pub accepted_ends: Vec<AcceptedEnd>,
    /// Whose cosignatures count, and how many make a quorum; `None` asks for none.
    pub witnesses: Option<TrustPolicy>,
    /// Fewest witnesses that must have cosigned, beside the quorum.
    pub witnesses_min: usize,
    /// Whether the archive is all there is, or a part of one.
    pub scope: Scope,
    /// The sequence numbers that matter; findings outside are left out. `None` is all of them.
    pub range: Option<SeqRange>,
}

/// How much of a site's archive is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// All of it: what its epochs name must be there too.
    Whole,
    /// A part that the auditor chose: what lies outside is not missed.
    Part,
}

/// The explanation of an epoch that ended without `close`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AcceptedEnd {
    /// The workload.
    pub instance: Instance,
    /// Its boot.
    pub epoch: EpochId,
    /// What a person says happened. It becomes part of the report.
    pub explanation: String,
}

/// The keys of an epoch, once evidence has vouched for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttestedKeys {
    /// The key that signs statements and checkpoints.
    pub statement: EpochKey,
    /// The Ed25519 key that signs checkpoints beside it.
    pub checkpoint: PublicKey,
    /// Whether what vouches for them protects nothing: a software TEE, or debug mode.
    pub insecure: bool,
}

/// An audit in progress.
#[derive(Debug)]
pub struct Audit<'p> {
    policy: &'p Policy,
    findings: Findings,
    ledgers: Vec<LedgerSummary>,
    epochs: BTreeSet<(Instance, EpochId)>,
    // digest of what vouches for an epoch's keys
    evidence: BTreeMap<(Instance, EpochId), Hash>,
    // those that are there and whose keys are not believed
    unjudged: BTreeSet<(Instance, EpochId)>,
    // those that something speaks of and that are not there
    traces: BTreeSet<(Instance, EpochId)>,
}

impl<'p> Audit<'p> {
    /// An audit that has seen nothing yet.
    pub const fn new(policy: &'p Policy) -> Self {
        Self {
            policy,
            findings: Findings::new(policy.range),
            ledgers: Vec::new(),
            epochs: BTreeSet::new(),
            evidence: BTreeMap::new(),
            unjudged: BTreeSet::new(),
            traces: BTreeSet::new(),
        }
    }

    /// Notes that an epoch's keys are attested. Its required ledgers must follow.
    pub fn epoch(&mut self, instance: &Instance, epoch: EpochId) {
        self.epochs.insert((instance.clone(), epoch));
    }

    /// Notes the digest of the evidence that vouched for an epoch's keys: what the epoch sealed,
    /// and what the register has, must name no other.
    pub fn evidence(&mut self, instance: &Instance, epoch: EpochId, sha256: Hash) {
        self.evidence.insert((instance.clone(), epoch), sha256);
    }

    /// Starts on one ledger of an attested epoch; hand the result back to [`add`](Self::add).
    pub fn ledger(&self, kind: LedgerKind, keys: &AttestedKeys) -> LedgerAudit<'p> {
        LedgerAudit::new(self.policy, kind, keys)
    }

    /// Ends one ledger.
    pub fn add(&mut self, ledger: LedgerAudit<'p>) {
        self.epoch(&ledger.id().instance.clone(), ledger.id().epoch);
        let (summary, findings) = ledger.finish();
        self.ledgers.push(summary);
        for finding in findings {
            self.note(finding);
        }
    }

    /// Adds what the caller itself found: evidence that is refused or absent, names that are
    /// malformed.
    pub fn note(&mut self, finding: Finding) {
        if let Subject::Epoch { instance, epoch } = &finding.subject {
            self.unjudged.insert((instance.clone(), *epoch));
        }
        self.findings.push(finding);
    }

    /// Notes that something speaks of an epoch of which no sealed record is there, and that nothing
    /// vouches for it. Unlike an epoch whose evidence is refused it is still absent, for whoever
    /// takes one away may leave a file behind.
    pub fn trace(&mut self, instance: &Instance, epoch: EpochId, cause: Cause) {
        self.traces.insert((instance.clone(), epoch));
        let subject = Subject::Epoch { instance: instance.clone(), epoch };
        self.note_quietly(subject, cause);
    }

    /// What has been found so far, ledgers in progress not included.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The conclusion.
    pub fn finish(mut self) -> Report {
        self.require_ledgers();
        self.compare_openings();
        self.follow_predecessors();
        if self.findings.is_empty()
            && self.ledgers.iter().all(|ledger| ledger.verified == 0 && ledger.from == 0)
        {
            self.note(subject_finding(Subject::Archive, None, Cause::NothingToVerify));
        }
        self.accept_ends();
        Report { ledgers: self.ledgers, findings: self.findings.into_vec() }
    }

    // Evidence can be genuine and still have been put in the place of another: `open` tells.
    fn compare_openings(&mut self) {
        let named = self.ledgers.iter().filter_map(|ledger| {
            Some((ledger.id.clone(), ledger.evidence.as_ref()?.parse::<Hash>()))
        });
        for (id, stated) in named.collect::<Vec<_>>() {
            match stated {
                Ok(stated) => self.compare_evidence(&id.instance, id.epoch, stated),
                Err(_) if self.evidence.contains_key(&(id.instance.clone(), id.epoch)) => {
                    self.note(subject_finding(Subject::Ledger(id), None, Cause::ControlUnreadable));
                }
                Err(_) => {}
            }
        }
    }

    // Both ledgers and the register name it: a difference is one finding.
    fn compare_evidence(&mut self, instance: &Instance, epoch: EpochId, stated: Hash) {
        let Some(found) = self.evidence.get(&(instance.clone(), epoch)).copied() else { return };
        if found != stated {
            let subject = Subject::Epoch { instance: instance.clone(), epoch };
            self.note_quietly(subject, Cause::EvidenceDiffers { stated, found });
        }
    }

    fn accept_ends(&mut self) {
        for finding in self.findings.iter_mut() {
            if !matches!(finding.cause, Cause::NoClose { .. }) {
                continue;
            }
            let (instance, epoch) = (finding.subject.instance(), finding.subject.epoch());
            let accepted = (self.policy.accepted_ends.iter())
                .find(|end| Some(&end.instance) == instance && Some(end.epoch) == epoch);
            finding.accepted = accepted.map(|end| end.explanation.clone());
        }
    }
}

// A ledger without an end has no accepted anchor, whatever the range.
fn concerns(finding: &Finding, range: &SeqRange) -> bool {
    matches!(finding.cause, Cause::NoClose { .. })
        || finding.range.is_none_or(|found| found.meets(range))
}

fn subject_finding(subject: Subject, range: Option<SeqRange>, cause: Cause) -> Finding {
    Finding { subject, range, file: None, cause, accepted: None }
}
