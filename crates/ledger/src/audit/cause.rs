//! Causes: every reason for a finding, with its data, and the one table that classifies them.
//!
//! A cause is a fact; its kind, its likely class and what would settle it follow from it here and
//! nowhere else.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::audit::finding::{FindingKind, Likely, SeqRange};
use crate::batch::BatchError;
use crate::checkpoint::CheckpointError;
use crate::hash::Hash;
use crate::identity::{EpochId, LedgerId};

/// Why there is a finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A segment file cannot be read to its end.
    FileUnreadable {
        /// What its reader said.
        detail: String,
    },
    /// A batch does not verify.
    BatchRefused(BatchError),
    /// A checkpoint does not verify.
    CheckpointRefused(CheckpointError),
    /// A file's name does not say what is in it, though what is in it verifies.
    NameDiffers {
        /// Root in the name.
        stated: Hash,
        /// Root of what is in it.
        found: Hash,
    },
    /// A file whose records are all here in intact form holds bytes that do not verify.
    ExtraBytes {
        /// What its reader said.
        detail: String,
    },
    /// No file holds these records.
    FilesAbsent {
        /// The root after them, which a later batch or statement signs.
        root: Option<Hash>,
    },
    /// A file named for these records does not hold them.
    BatchesAbsent,
    /// One record of the audit ledger is absent; the next one names it.
    RecordAbsent {
        /// Its leaf.
        leaf: Hash,
        /// Whether that leaf leads to the root that the next batch signs.
        confirmed: bool,
    },
    /// A record was left out and nobody with the authority to did so.
    HoleUnauthorised {
        /// What stands in its place.
        commitment: Hash,
    },
    /// A ledger that the policy requires is not there, though the other one of its epoch ended.
    LedgerAbsent,
    /// An anchor speaks of more records than there are.
    AnchorBeyond {
        /// Size in the anchor.
        size: u64,
        /// Root in the anchor.
        root: Hash,
    },
    /// Two signed roots for one size.
    TwoRoots {
        /// The size.
        size: u64,
        /// The root seen first.
        one: Hash,
        /// The other.
        other: Hash,
        /// Both signed messages, when both are at hand: a proof that needs nothing else.
        proof: Option<ForkProof>,
    },
    /// A record names another leaf before it than there is.
    ChainBroken {
        /// The leaf there is.
        leaf: Hash,
        /// The leaf it names.
        named: Hash,
    },
    /// The batch or checkpoint is of another ledger.
    Foreign {
        /// The ledger it says it is of, when it can be told.
        stated: Option<LedgerId>,
    },
    /// A file holds another range than its name says.
    Misnamed {
        /// The range in the name.
        stated: SeqRange,
    },
    /// Batches of a file are not in the order of their numbers.
    BatchesReordered,
    /// A file holds, under a name of its own, records that are also where they belong.
    SecondCopy {
        /// The range in the name.
        stated: SeqRange,
    },
    /// A file lies under a day that is not that of its first statement.
    WrongDay,
    /// Records follow the ledger's `close`.
    AfterClose,
    /// Evidence is there and is not accepted.
    EvidenceRefused {
        /// Why.
        detail: String,
    },
    /// Evidence is genuine, of code that the policy does not expect.
    MeasurementRefused {
        /// Why.
        detail: String,
    },
    /// There is no evidence for the epoch's key.
    EvidenceAbsent {
        /// What is not there.
        detail: String,
    },
    /// The ledger has no `close`.
    NoClose {
        /// Records covered by a checkpoint.
        anchored: u64,
    },
    /// No checkpoint is as large as the range.
    BeyondAnchor {
        /// Size of the largest checkpoint.
        anchored: u64,
    },
    /// The range that was asked for ends after the ledger.
    RangeBeyondEnd {
        /// Size of the ledger.
        size: u64,
    },
    /// There is nothing to verify.
    NothingToVerify,
    /// A file in the archive's own folders has a name that is none of the archive's.
    NameMalformed,
    /// A later revision of a file is there and an earlier one is not.
    RevisionAbsent {
        /// The first revision that is there.
        revision: u32,
    },
    /// Record 0 is not the `open` of this ledger, or a control record is not of a known form.
    ControlUnreadable,
    /// Overlapping batches could not be compared.
    OverlapUncompared,
    /// More checkpoints lie ahead of the records than an auditor keeps in mind.
    AnchorsUncompared,
    /// More was found than a report lists.
    TooMany,
    /// An epoch that a later one names as its predecessor is not there.
    PredecessorAbsent {
        /// The epoch.
        epoch: EpochId,
    },
    /// Records were left out by a rule, with authority.
    Withheld {
        /// The rule or order.
        rule: String,
        /// How many.
        count: u64,
    },
    /// The ledger says that records were lost before they reached it.
    GapDeclared {
        /// How many.
        count: u64,
        /// What it says about them.
        reason: String,
    },
}

/// Two messages, both signed by the same epoch, that exclude each other.
#[derive(Clone, Eq, PartialEq)]
pub struct ForkProof {
    /// A COSE_Sign1 statement or a signed note.
    pub one: Vec<u8>,
    /// Another.
    pub other: Vec<u8>,
}

impl fmt::Debug for ForkProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForkProof({} and {} bytes)", self.one.len(), self.other.len())
    }
}

impl Cause {
    /// The kind of finding it leads to.
    pub const fn kind(&self) -> FindingKind {
        match self {
            Self::FileUnreadable { .. }
            | Self::BatchRefused(_)
            | Self::CheckpointRefused(_)
            | Self::NameDiffers { .. } => FindingKind::Modified,
            Self::FilesAbsent { .. }
            | Self::BatchesAbsent
            | Self::RecordAbsent { .. }
            | Self::HoleUnauthorised { .. }
            | Self::LedgerAbsent => FindingKind::Missing,
            Self::ExtraBytes { .. } | Self::AfterClose => FindingKind::Inserted,
            Self::SecondCopy { .. } => FindingKind::Duplicate,
            Self::Misnamed { .. } | Self::BatchesReordered | Self::WrongDay => {
                FindingKind::Reordered
            }
            Self::TwoRoots { .. } | Self::ChainBroken { .. } => FindingKind::Forked,
            Self::AnchorBeyond { .. } => FindingKind::Truncated,
            Self::Foreign { .. } => FindingKind::Replayed,
            Self::EvidenceRefused { .. } => FindingKind::KeyNotAttested,
            Self::MeasurementRefused { .. } => FindingKind::MeasurementUnexpected,
            Self::NoClose { .. } => FindingKind::UncleanEnd,
            Self::BeyondAnchor { .. } => FindingKind::UnanchoredTail,
            Self::EvidenceAbsent { .. }
            | Self::RangeBeyondEnd { .. }
            | Self::NothingToVerify
            | Self::NameMalformed
            | Self::RevisionAbsent { .. }
            | Self::ControlUnreadable
            | Self::OverlapUncompared
            | Self::AnchorsUncompared
            | Self::TooMany
            | Self::PredecessorAbsent { .. } => FindingKind::Incomplete,
            Self::Withheld { .. } => FindingKind::Withheld,
            Self::GapDeclared { .. } => FindingKind::GapDeclared,
        }
    }

    /// What most likely happened.
    pub const fn likely(&self) -> Option<Likely> {
        match self {
            Self::FileUnreadable { .. }
            | Self::FilesAbsent { .. }
            | Self::BatchesAbsent
            | Self::RecordAbsent { .. }
            | Self::LedgerAbsent
            | Self::AnchorBeyond { .. }
            | Self::EvidenceAbsent { .. }
            | Self::RevisionAbsent { .. }
            | Self::PredecessorAbsent { .. } => Some(Likely::StorageDeletion),
            Self::BatchRefused(_)
            | Self::CheckpointRefused(_)
            | Self::NameDiffers { .. }
            | Self::ExtraBytes { .. }
            | Self::HoleUnauthorised { .. }
            | Self::TwoRoots { .. }
            | Self::ChainBroken { .. }
            | Self::Foreign { .. }
            | Self::Misnamed { .. }
            | Self::BatchesReordered
            | Self::SecondCopy { .. }
            | Self::WrongDay
            | Self::AfterClose
            | Self::EvidenceRefused { .. }
            | Self::MeasurementRefused { .. } => Some(Likely::Forgery),
            Self::NoClose { .. } => Some(Likely::Crash),
            Self::BeyondAnchor { .. } | Self::GapDeclared { .. } => Some(Likely::PipelineLoss),
            Self::RangeBeyondEnd { .. }
            | Self::NothingToVerify
            | Self::NameMalformed
            | Self::ControlUnreadable
            | Self::OverlapUncompared
            | Self::AnchorsUncompared
            | Self::TooMany
            | Self::Withheld { .. } => None,
        }
    }

    /// What would settle the matter.
    pub const fn settle(&self) -> &'static str {
        match self {
            Self::FileUnreadable { .. } | Self::BatchRefused(_) | Self::CheckpointRefused(_) => {
                "another copy of the file, such as an earlier version of the object"
            }
            Self::NameDiffers { .. }
            | Self::Misnamed { .. }
            | Self::WrongDay
            | Self::SecondCopy { .. } => "the storage's access log: who wrote or renamed the file",
            Self::ExtraBytes { .. } | Self::BatchesReordered => {
                "the storage's access log: who wrote the file"
            }
            Self::FilesAbsent { .. } | Self::BatchesAbsent | Self::RecordAbsent { .. } => {
                "the storage's access log and versions, and the enclave's own store of the epoch"
            }
            Self::LedgerAbsent | Self::AnchorBeyond { .. } => {
                "the storage's access log and versions, and the gateway's write-ahead log"
            }
            Self::HoleUnauthorised { .. } => "the authorisation, or another copy of the file",
            Self::TwoRoots { .. } | Self::ChainBroken { .. } => {
                "nothing: both sides are signed; the epoch's key or code cannot be trusted"
            }
            Self::Foreign { .. } => "the ledger it belongs to, and the storage's access log",
            Self::AfterClose => "the enclave's log: why it sealed after its end",
            Self::EvidenceRefused { .. } | Self::MeasurementRefused { .. } => {
                "the deployment record of that boot, and the policy's roots and measurements"
            }
            Self::EvidenceAbsent { .. } => {
                "the evidence of the epoch, from the gateway or a backup"
            }
            Self::NoClose { .. } => {
                "the host's log of that time; then accept_unclean_end in the policy"
            }
            Self::BeyondAnchor { .. } => {
                "a later checkpoint of the epoch, from the gateway or a witness"
            }
            Self::RangeBeyondEnd { .. } => "a smaller range, or a later copy of the archive",
            Self::NothingToVerify => "the right directory",
            Self::NameMalformed => "removing the file, or giving it its name back",
            Self::RevisionAbsent { .. } => "the earlier revision, or the order that removed it",
            Self::ControlUnreadable => "a verifier of the version that wrote the record",
            Self::OverlapUncompared | Self::AnchorsUncompared | Self::TooMany => {
                "an audit of a smaller range"
            }
            Self::PredecessorAbsent { .. } => "the whole archive, not a part of it",
            Self::Withheld { .. } => "nothing is open",
            Self::GapDeclared { .. } => "the enclave's own store, if it kept them",
        }
    }

    /// The hash that should have been there.
    pub const fn expected(&self) -> Option<Hash> {
        match self {
            Self::BatchRefused(
                BatchError::PrevRoot { stated, .. } | BatchError::Root { stated, .. },
            )
            | Self::NameDiffers { stated, .. } => Some(*stated),
            Self::FilesAbsent { root } => *root,
            Self::RecordAbsent { leaf, .. } | Self::ChainBroken { leaf, .. } => Some(*leaf),
            Self::AnchorBeyond { root, .. } => Some(*root),
            Self::TwoRoots { one, .. } => Some(*one),
            _ => None,
        }
    }

    /// The hash that was there instead.
    pub const fn found(&self) -> Option<Hash> {
        match self {
            Self::BatchRefused(
                BatchError::PrevRoot { found, .. } | BatchError::Root { found, .. },
            )
            | Self::NameDiffers { found, .. } => Some(*found),
            Self::HoleUnauthorised { commitment } => Some(*commitment),
            Self::TwoRoots { other, .. } => Some(*other),
            Self::ChainBroken { named, .. } => Some(*named),
            _ => None,
        }
    }

    /// The signed messages that prove it to anybody, where there are two.
    pub const fn proof(&self) -> Option<&ForkProof> {
        match self {
            Self::TwoRoots { proof, .. } => proof.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileUnreadable { detail } => write!(f, "file is not as it was written: {detail}"),
            Self::BatchRefused(error) => write!(f, "batch does not verify: {error}"),
            Self::CheckpointRefused(error) => write!(f, "checkpoint does not verify: {error}"),
            Self::NameDiffers { .. } => {
                write!(f, "file name does not fit the content, which verifies")
            }
            Self::ExtraBytes { detail } => {
                write!(f, "bytes that nobody sealed lie beside intact records: {detail}")
            }
            Self::FilesAbsent { .. } => write!(f, "not present in the archive"),
            Self::BatchesAbsent => write!(f, "not present in the file that is named for them"),
            Self::RecordAbsent { leaf, confirmed: true } => {
                write!(f, "not present in the archive; a record with leaf {leaf} was sealed")
            }
            Self::RecordAbsent { leaf, confirmed: false } => {
                write!(f, "not present in the archive; the next record names a leaf {leaf} in vain")
            }
            Self::HoleUnauthorised { .. } => {
                write!(f, "left out without an accepted authorisation")
            }
            Self::LedgerAbsent => write!(f, "ledger is not in the archive, though its epoch ended"),
            Self::AnchorBeyond { size, .. } => {
                write!(f, "a signed head speaks of {size} records, the archive has fewer")
            }
            Self::TwoRoots { size, .. } => write!(f, "two signed roots for size {size}"),
            Self::ChainBroken { .. } => {
                write!(f, "record names another leaf before it than there is")
            }
            Self::Foreign { stated: Some(id) } => write!(f, "belongs to the ledger {id}"),
            Self::Foreign { stated: None } => write!(f, "belongs to another ledger"),
            Self::Misnamed { stated } => write!(f, "lies in a file that is named for {stated}"),
            Self::BatchesReordered => write!(f, "batches of the file are not in their order"),
            Self::SecondCopy { stated } => {
                write!(f, "also lies in a file that is named for {stated}")
            }
            Self::WrongDay => write!(f, "lies under another day than that of its first statement"),
            Self::AfterClose => write!(f, "follows the record that closed the ledger"),
            Self::EvidenceRefused { detail } => write!(f, "key is not attested: {detail}"),
            Self::MeasurementRefused { detail } => {
                write!(f, "code is not the expected one: {detail}")
            }
            Self::EvidenceAbsent { detail } => write!(f, "key cannot be attested: {detail}"),
            Self::NoClose { anchored } => {
                write!(f, "ledger has no close; {anchored} records are covered by a checkpoint")
            }
            Self::BeyondAnchor { anchored } => {
                write!(f, "no checkpoint covers these; the largest is of {anchored} records")
            }
            Self::RangeBeyondEnd { size } => write!(f, "ledger has only {size} records"),
            Self::NothingToVerify => write!(f, "there is nothing to verify"),
            Self::NameMalformed => write!(f, "file has a name that the archive does not give"),
            Self::RevisionAbsent { revision } => {
                write!(f, "revision {revision} is there without the ones before it")
            }
            Self::ControlUnreadable => write!(f, "control record is not one that belongs here"),
            Self::OverlapUncompared => write!(f, "overlapping batches could not be compared"),
            Self::AnchorsUncompared => {
                write!(f, "too many checkpoints to compare with the records")
            }
            Self::TooMany => write!(f, "more was found than a report lists"),
            Self::PredecessorAbsent { epoch } => {
                write!(f, "predecessor {epoch} is not in the archive")
            }
            Self::Withheld { rule, count } => write!(f, "{count} left out by the rule `{rule}`"),
            Self::GapDeclared { count, reason } => {
                write!(f, "{count} lost before they reached the ledger: {reason}")
            }
        }
    }
}
