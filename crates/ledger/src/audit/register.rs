//! The register in an audit: what the one log of a site says of epochs and their ends, compared
//! with what the archive has of them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use crate::audit::cause::Cause;
use crate::audit::finding::{Finding, FindingKind, Likely, Subject};
use crate::audit::succession::excluded;
use crate::audit::{Audit, Scope, subject_finding};
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerId};
use crate::register::Entry;

/// What is wrong with the register itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegisterFault {
    /// The policy names its key, and the archive has none.
    Absent,
    /// An object in the place of an entry is none.
    Entry {
        /// Its place.
        index: u64,
    },
    /// An entry is not there, though later ones are.
    Gap {
        /// Its place.
        index: u64,
    },
    /// A head is not signed by the register's key.
    Note {
        /// The size in its name.
        size: u64,
    },
    /// A signed head excludes the entries: there are two registers under one key.
    Head {
        /// Its size.
        size: u64,
        /// The root that it signs.
        stated: Hash,
        /// The root of the entries.
        found: Hash,
    },
    /// A signed head speaks of more entries than there are.
    Short {
        /// Its size.
        size: u64,
        /// Entries that are there.
        found: u64,
    },
    /// The last entries are under no signed head.
    Unsigned {
        /// Size of the newest head.
        signed: u64,
    },
    /// The last entries are under no head that a quorum of the policy's witnesses cosigned.
    Unwitnessed {
        /// Size of the newest head that is.
        witnessed: u64,
    },
}

impl RegisterFault {
    /// The kind of finding that it is.
    pub const fn kind(self) -> FindingKind {
        match self {
            Self::Absent | Self::Unsigned { .. } => FindingKind::Incomplete,
            Self::Unwitnessed { .. } => FindingKind::UnanchoredTail,
            Self::Entry { .. } | Self::Note { .. } => FindingKind::Modified,
            Self::Gap { .. } => FindingKind::Missing,
            Self::Head { .. } => FindingKind::Forked,
            Self::Short { .. } => FindingKind::Truncated,
        }
    }
}

impl RegisterFault {
    pub(crate) const fn likely(self) -> Option<Likely> {
        match self {
            Self::Absent | Self::Gap { .. } | Self::Short { .. } => Some(Likely::StorageDeletion),
            Self::Entry { .. } | Self::Note { .. } | Self::Head { .. } => Some(Likely::Forgery),
            Self::Unsigned { .. } => Some(Likely::Crash),
            Self::Unwitnessed { .. } => Some(Likely::PipelineLoss),
        }
    }
}

impl fmt::Display for RegisterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "the policy names a register, the archive has none"),
            Self::Entry { index } => write!(f, "entry {index} of the register is not one"),
            Self::Gap { index } => write!(f, "entry {index} of the register is not there"),
            Self::Note { size } => {
                write!(f, "head {size} of the register is not signed by its key")
            }
            Self::Head { size, .. } => {
                write!(f, "head {size} of the register excludes its entries")
            }
            Self::Short { size, found } => {
                write!(f, "a signed head of the register has {size} entries, {found} are there")
            }
            Self::Unsigned { signed } => {
                write!(f, "the register goes on after its newest signed head, which has {signed}")
            }
            Self::Unwitnessed { witnessed } => {
                write!(f, "a quorum of witnesses saw {witnessed} entries of the register only")
            }
        }
    }
}

/// The register as it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RegisterLog {
    /// Its entries, from the first, as far as they are without a gap.
    pub entries: Vec<Entry>,
    /// What is wrong with it.
    pub faults: Vec<RegisterFault>,
}

/// What the register says of one epoch.
#[derive(Debug, Default)]
struct Listed {
    times: u64,
    ends: Vec<(LedgerId, u64, Hash)>,
}

impl Audit<'_> {
    /// Compares the register with what has been seen; call it after the last ledger.
    ///
    /// An epoch that the register names and the archive has not is missing, one that it does not
    /// name was inserted; of a part of an archive neither can be said.
    pub fn register(&mut self, log: &RegisterLog) {
        for fault in &log.faults {
            self.note(subject_finding(Subject::Archive, None, Cause::Register(*fault)));
        }
        let listed = self.listed(&log.entries);
        // Of a register that lost entries it cannot be said what it does not name.
        let unwitnessed =
            |fault: &RegisterFault| matches!(fault, RegisterFault::Unwitnessed { .. });
        let whole = log.faults.iter().all(unwitnessed) && self.policy.scope == Scope::Whole;
        let seen = self.seen_epochs();
        for ((instance, epoch), of) in &listed {
            let subject = || Subject::Epoch { instance: instance.clone(), epoch: *epoch };
            if of.times > 1 {
                self.note_quietly(subject(), Cause::EpochListedTwice);
            }
            if whole && of.times > 0 && !seen.contains(&(instance.clone(), *epoch)) {
                // That nothing vouches for what is left of it is the same cause.
                self.findings.retain(|found| {
                    let is_trace = matches!(found.cause, Cause::EvidenceAbsent { .. });
                    !(is_trace && found.subject == subject())
                });
                self.note_quietly(subject(), Cause::EpochAbsent);
            }
            for (ledger, size, root) in &of.ends {
                self.compare_end(ledger, *size, *root);
            }
        }
        for (instance, epoch) in seen.union(&self.traces.clone()).filter(|_| whole) {
            if listed.get(&(instance.clone(), *epoch)).is_none_or(|of| of.times == 0) {
                let subject = Subject::Epoch { instance: instance.clone(), epoch: *epoch };
                self.note_quietly(subject, Cause::EpochUnlisted);
            }
        }
    }

    fn listed(&mut self, entries: &[Entry]) -> BTreeMap<(Instance, EpochId), Listed> {
        let mut listed: BTreeMap<(Instance, EpochId), Listed> = BTreeMap::new();
        let mut followed: BTreeMap<(Instance, EpochId), EpochId> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Epoch { instance, epoch, predecessor, evidence_sha256, .. } => {
                    listed.entry((instance.clone(), *epoch)).or_default().times += 1;
                    self.compare_evidence(instance, *epoch, *evidence_sha256);
                    let Some(before) = predecessor else { continue };
                    let place = (instance.clone(), before.epoch);
                    let of = listed.entry(place.clone()).or_default();
                    for head in &before.heads {
                        let (instance, kind) = (instance.clone(), head.kind);
                        let ledger = LedgerId { instance, epoch: before.epoch, kind };
                        of.ends.push((ledger, head.size, head.root));
                    }
                    let other = followed.insert(place, *epoch);
                    if other.is_some_and(|other| other != *epoch) {
                        let subject = Subject::Epoch { instance: instance.clone(), epoch: *epoch };
                        self.note_quietly(subject, Cause::TwoSuccessors { epoch: before.epoch });
                    }
                }
                Entry::End { ledger, size, root, .. } => {
                    let place = (ledger.instance.clone(), ledger.epoch);
                    listed.entry(place).or_default().ends.push((ledger.clone(), *size, *root));
                }
            }
        }
        listed
    }

    // An end is an anchor that lies outside of the ledger.
    fn compare_end(&mut self, ledger: &LedgerId, size: u64, root: Hash) {
        let Some(end) = self.ledgers.iter().find(|end| end.id == *ledger) else { return };
        let found = excluded(end, size, root);
        let known = |known: &Finding| known.subject == Subject::Ledger(ledger.clone());
        if let Some((range, cause)) = found {
            // One cause is one finding: a checkpoint or a successor may have told it already.
            let told = (self.findings.iter().filter(|other| known(other)))
                .any(|other| other.kind() == cause.kind());
            if !told {
                self.explain_end(ledger, &cause);
                self.note(subject_finding(Subject::Ledger(ledger.clone()), range, cause));
            }
        }
    }

    fn seen_epochs(&self) -> BTreeSet<(Instance, EpochId)> {
        let ledgers = self.ledgers.iter().map(|end| (end.id.instance.clone(), end.id.epoch));
        ledgers.chain(self.epochs.iter().cloned()).chain(self.unjudged.iter().cloned()).collect()
    }

    // Findings of the register say nothing about whether the epoch's ledgers were judged.
    pub(super) fn note_quietly(&mut self, subject: Subject, cause: Cause) {
        let same = |other: &Finding| other.subject == subject && other.cause == cause;
        if !self.findings.iter().any(same) {
            self.findings.push(subject_finding(subject, None, cause));
        }
    }
}
