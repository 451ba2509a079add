//! Findings: the closed set of what an audit may say, and how bad each is.
//!
//! A finding has one cause, which fixes its kind, its likely class and what would settle it, so two
//! auditors who see the same archive say the same words. The set of kinds is closed: scripts and
//! policies rely on it.

use alloc::string::String;
use core::fmt;

use crate::audit::cause::Cause;
use crate::hash::Hash;
use crate::identity::{EpochId, Instance, LedgerId, LedgerKind};

/// What kind of thing was found.
///
/// `Stale`, `TimeInconsistent`, `RolledBack`, `Downgraded` and `Pruned` belong to the
/// closed set and are found by checks that need witnesses, a baseline or retention orders; no cause
/// here leads to them yet.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FindingKind {
    /// Bytes of the archive are not those that were sealed.
    Modified,
    /// Sealed records are not in the archive, and nobody with the authority to left them out.
    Missing,
    /// Something lies in the archive that was not sealed there.
    Inserted,
    /// A copy of sealed records lies under a name that is not theirs.
    Duplicate,
    /// Everything is there, in another order or under another name than sealed.
    Reordered,
    /// Two signed histories exclude each other.
    Forked,
    /// An anchor speaks of more records than the archive has.
    Truncated,
    /// A later signed head is older than an anchor.
    RolledBack,
    /// Something genuine of another ledger stands where it does not belong.
    Replayed,
    /// No accepted evidence vouches for the key of an epoch.
    KeyNotAttested,
    /// The code that sealed is not one that the policy expects.
    MeasurementUnexpected,
    /// A protection that was there is not there any more.
    Downgraded,
    /// Times contradict what anchors prove.
    TimeInconsistent,
    /// The ledger has gone silent.
    Stale,
    /// The last records are not covered by any anchor.
    UnanchoredTail,
    /// The ledger has no end.
    UncleanEnd,
    /// Something that the verdict needs is not there.
    Incomplete,
    /// Left out with authority.
    Withheld,
    /// Erased by order.
    Erased,
    /// Removed at the end of its retention.
    Pruned,
    /// The ledger itself says that records were lost before they reached it.
    GapDeclared,
}

/// How bad a finding is. The worst one of a report decides its exit code.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// As it should be; said for completeness.
    Ok,
    /// It cannot be said that all is well.
    Incomplete,
    /// Evidence of tampering.
    Tamper,
}

impl FindingKind {
    /// All of them, tampering first.
    pub const ALL: [Self; 21] = [
        Self::Modified,
        Self::Missing,
        Self::Inserted,
        Self::Duplicate,
        Self::Reordered,
        Self::Forked,
        Self::Truncated,
        Self::RolledBack,
        Self::Replayed,
        Self::KeyNotAttested,
        Self::MeasurementUnexpected,
        Self::Downgraded,
        Self::TimeInconsistent,
        Self::Stale,
        Self::UnanchoredTail,
        Self::UncleanEnd,
        Self::Incomplete,
        Self::Withheld,
        Self::Erased,
        Self::Pruned,
        Self::GapDeclared,
    ];

    /// Its name in every output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modified => "MODIFIED",
            Self::Missing => "MISSING",
            Self::Inserted => "INSERTED",
            Self::Duplicate => "DUPLICATE",
            Self::Reordered => "REORDERED",
            Self::Forked => "FORKED",
            Self::Truncated => "TRUNCATED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Replayed => "REPLAYED",
            Self::KeyNotAttested => "KEY_NOT_ATTESTED",
            Self::MeasurementUnexpected => "MEASUREMENT_UNEXPECTED",
            Self::Downgraded => "DOWNGRADED",
            Self::TimeInconsistent => "TIME_INCONSISTENT",
            Self::Stale => "STALE",
            Self::UnanchoredTail => "UNANCHORED_TAIL",
            Self::UncleanEnd => "UNCLEAN_END",
            Self::Incomplete => "INCOMPLETE",
            Self::Withheld => "WITHHELD",
            Self::Erased => "ERASED",
            Self::Pruned => "PRUNED",
            Self::GapDeclared => "GAP_DECLARED",
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Modified
            | Self::Missing
            | Self::Inserted
            | Self::Duplicate
            | Self::Reordered
            | Self::Forked
            | Self::Truncated
            | Self::RolledBack
            | Self::Replayed
            | Self::KeyNotAttested
            | Self::MeasurementUnexpected
            | Self::Downgraded
            | Self::TimeInconsistent => Severity::Tamper,
            Self::Stale | Self::UnanchoredTail | Self::UncleanEnd | Self::Incomplete => {
                Severity::Incomplete
            }
            Self::Withheld | Self::Erased | Self::Pruned | Self::GapDeclared => Severity::Ok,
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What most likely happened. An opinion, and marked as one wherever it is shown.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Likely {
    /// The enclave or its machine stopped without warning.
    Crash,
    /// Something between enclave and archive lost or has not yet delivered it.
    PipelineLoss,
    /// Somebody or something removed or damaged stored files.
    StorageDeletion,
    /// Somebody made or changed bytes in order to deceive.
    Forgery,
}

impl Likely {
    /// Its words in every output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::PipelineLoss => "pipeline loss",
            Self::StorageDeletion => "storage deletion or damage",
            Self::Forgery => "forgery",
        }
    }
}

impl fmt::Display for Likely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sequence numbers from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SeqRange {
    /// The first.
    pub first: u64,
    /// The last; never smaller than `first`.
    pub last: u64,
}

impl SeqRange {
    /// The numbers from `first` to before `end`; `None` when there are none.
    pub fn before(first: u64, end: u64) -> Option<Self> {
        let last = end.checked_sub(1)?;
        (first <= last).then_some(Self { first, last })
    }

    /// Whether the two have a number in common.
    pub const fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many numbers it has, at most `u64::MAX`.
    pub const fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl fmt::Display for SeqRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// What a finding is about: the whole archive, an epoch, or one ledger of it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// Everything that was looked at.
    Archive,
    /// Both ledgers of an epoch.
    Epoch {
        /// The workload.
        instance: Instance,
        /// Its boot.
        epoch: EpochId,
    },
    /// One ledger.
    Ledger(LedgerId),
}

impl Subject {
    /// The workload, if it is about one.
    pub const fn instance(&self) -> Option<&Instance> {
        match self {
            Self::Archive => None,
            Self::Epoch { instance, .. } => Some(instance),
            Self::Ledger(id) => Some(&id.instance),
        }
    }

    /// The boot, if it is about one.
    pub const fn epoch(&self) -> Option<EpochId> {
        match self {
            Self::Archive => None,
            Self::Epoch { epoch, .. } => Some(*epoch),
            Self::Ledger(id) => Some(id.epoch),
        }
    }

    /// The ledger, if it is about one.
    pub const fn kind(&self) -> Option<LedgerKind> {
        match self {
            Self::Archive | Self::Epoch { .. } => None,
            Self::Ledger(id) => Some(id.kind),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive => write!(f, "archive"),
            Self::Epoch { instance, epoch } => write!(f, "{instance}/{epoch}"),
            Self::Ledger(id) => write!(f, "{id}"),
        }
    }
}

/// One classified result of an audit. Its text is the cause, as a sentence without a full stop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// The sequence numbers it concerns, where it concerns any.
    pub range: Option<SeqRange>,
    /// The file it was found in, where there is one.
    pub file: Option<String>,
    /// Why.
    pub cause: Cause,
    /// What a person said about it in the policy; it then counts as `Ok`.
    pub accepted: Option<String>,
}

impl Finding {
    /// What kind of finding it is.
    pub const fn kind(&self) -> FindingKind {
        self.cause.kind()
    }

    /// How bad it is: its kind's, unless a person has explained it.
    pub const fn severity(&self) -> Severity {
        if self.accepted.is_some() { Severity::Ok } else { self.kind().severity() }
    }

    /// What most likely happened; `None` when nothing did.
    pub const fn likely(&self) -> Option<Likely> {
        self.cause.likely()
    }

    /// What would settle the matter.
    pub const fn settle(&self) -> &'static str {
        self.cause.settle()
    }

    /// The hash that should have been there.
    pub const fn expected(&self) -> Option<Hash> {
        self.cause.expected()
    }

    /// The hash that was there instead.
    pub const fn found(&self) -> Option<Hash> {
        self.cause.found()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}
