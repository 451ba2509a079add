//! Causes: every reason for a finding, with its data, and the one table that classifies them.
//!
//! A cause is a fact; its kind, its likely class and what would settle it follow from it here and
//! nowhere else.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::audit::finding::{FindingKind, Likely, SeqRange};
use crate::audit::register::RegisterFault;
use crate::batch::BatchError;
use crate::checkpoint::CheckpointError;
use crate::encryption::KeyId;
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
    /// A signed log batch in JSON does not verify, or is another one than its name says.
    JsonRefused {
        /// What its verifier said.
        detail: String,
    },
    /// A time stamp over a checkpoint does not verify.
    StampRefused {
        /// What its verifier said.
        detail: String,
    },
    /// A time stamp is that of an authority under no root of the policy.
    StampUntrusted,
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
    /// Payloads are encrypted, and nobody with the authority to do so says that these bytes are
    /// they.
    EncryptionUnauthorised {
        /// The data key that is named.
        key: KeyId,
    },
    /// Payloads are encrypted, the data keys of the site were given, theirs is not among them, and
    /// nobody ordered its end.
    DataKeyAbsent {
        /// The key.
        key: KeyId,
        /// How many records.
        count: u64,
    },
    /// An order to destroy a data key is not signed by a key of the policy, or not of its name.
    ErasureRefused {
        /// What its reader said.
        detail: String,
    },
    /// The register names an epoch of which nothing is there.
    EpochAbsent,
    /// An epoch is there that the register does not name.
    EpochUnlisted,
    /// The register names an epoch more than once.
    EpochListedTwice,
    /// Something is wrong with the register itself.
    Register(RegisterFault),
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
    /// Two signed leaves for one record.
    TwoLeaves {
        /// Its sequence number, the first of those where the two part.
        seq: u64,
    },
    /// Two epochs of one instance name the same predecessor, though the second began long after
    /// the first.
    TwoSuccessors {
        /// The predecessor.
        epoch: EpochId,
    },
    /// A later epoch was told of an older head than the archive had for long.
    HeadForgotten {
        /// The later epoch.
        successor: EpochId,
        /// Size that it was told.
        size: u64,
    },
    /// An epoch under an insecure root names a predecessor that was protected.
    ProtectionLost {
        /// The predecessor.
        epoch: EpochId,
    },
    /// A statement is older than the evidence for the key that signed it.
    BeforeEvidence {
        /// Time of the statement, milliseconds since the Unix epoch.
        time_ms: u64,
        /// Time of the evidence.
        attested_ms: u64,
    },
    /// A statement is younger than the word of a witness, or of a time-stamping authority, that
    /// had seen its records.
    AfterWitnesses {
        /// Time of the statement, milliseconds since the Unix epoch.
        time_ms: u64,
        /// Time of the first cosignature or time stamp.
        seen_ms: u64,
    },
    /// Records at the end are under no checkpoint that a quorum of witnesses cosigned.
    BeyondWitnesses {
        /// Up to where witnesses cover the records.
        witnessed: u64,
    },
    /// The clock of the epoch went back.
    ClockStepped {
        /// Time of the statement before, milliseconds since the Unix epoch.
        before_ms: u64,
        /// Time of this one.
        time_ms: u64,
    },
    /// Nothing was sealed for longer than heartbeats may be apart.
    Silence {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The newest statement of a ledger that goes on is old.
    HeadOld {
        /// How old it was when somebody looked, in milliseconds.
        age_ms: u64,
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
    /// Evidence for the epoch's key is genuine, and not the one that the epoch itself, or the
    /// register, names.
    EvidenceDiffers {
        /// The digest that was sealed.
        stated: Hash,
        /// That of what is there.
        found: Hash,
    },
    /// There is no evidence for the epoch's key.
    EvidenceAbsent {
        /// What is not there.
        detail: String,
    },
    /// There is evidence that carries no time, and nobody else says when it existed.
    EvidenceUndated {
        /// What is missing.
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
    /// An epoch that a later one names as its predecessor is not there, or one of its ledgers.
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
    /// Payloads are encrypted under a key that an accepted order destroys.
    Erased {
        /// The order.
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
            | Self::StampRefused { .. }
            | Self::ErasureRefused { .. }
            | Self::JsonRefused { .. }
            | Self::EvidenceDiffers { .. }
            | Self::NameDiffers { .. } => FindingKind::Modified,
            Self::FilesAbsent { .. }
            | Self::BatchesAbsent
            | Self::RecordAbsent { .. }
            | Self::HoleUnauthorised { .. }
            | Self::EncryptionUnauthorised { .. }
            | Self::PredecessorAbsent { .. }
            | Self::LedgerAbsent => FindingKind::Missing,
            Self::ExtraBytes { .. } | Self::AfterClose => FindingKind::Inserted,
            Self::SecondCopy { .. } => FindingKind::Duplicate,
            Self::Misnamed { .. } | Self::BatchesReordered | Self::WrongDay => {
                FindingKind::Reordered
            }
            Self::TwoRoots { .. }
            | Self::TwoLeaves { .. }
            | Self::TwoSuccessors { .. }
            | Self::ChainBroken { .. } => FindingKind::Forked,
            Self::EpochAbsent => FindingKind::Missing,
            Self::EpochUnlisted => FindingKind::Inserted,
            Self::EpochListedTwice => FindingKind::Duplicate,
            Self::Register(fault) => fault.kind(),
            Self::HeadForgotten { .. } => FindingKind::RolledBack,
            Self::ProtectionLost { .. } => FindingKind::Downgraded,
            Self::BeforeEvidence { .. } | Self::AfterWitnesses { .. } => {
                FindingKind::TimeInconsistent
            }
            Self::Silence { .. } | Self::HeadOld { .. } => FindingKind::Stale,
            Self::AnchorBeyond { .. } => FindingKind::Truncated,
            Self::Foreign { .. } => FindingKind::Replayed,
            Self::EvidenceRefused { .. } => FindingKind::KeyNotAttested,
            Self::MeasurementRefused { .. } => FindingKind::MeasurementUnexpected,
            Self::NoClose { .. } => FindingKind::UncleanEnd,
            Self::BeyondAnchor { .. } | Self::BeyondWitnesses { .. } => FindingKind::UnanchoredTail,
            Self::EvidenceAbsent { .. }
            | Self::EvidenceUndated { .. }
            | Self::RangeBeyondEnd { .. }
            | Self::NothingToVerify
            | Self::NameMalformed
            | Self::RevisionAbsent { .. }
            | Self::ControlUnreadable
            | Self::OverlapUncompared
            | Self::AnchorsUncompared
            | Self::ClockStepped { .. }
            | Self::StampUntrusted
            | Self::DataKeyAbsent { .. }
            | Self::TooMany => FindingKind::Incomplete,
            Self::Withheld { .. } => FindingKind::Withheld,
            Self::Erased { .. } => FindingKind::Erased,
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
            | Self::EpochAbsent
            | Self::DataKeyAbsent { .. }
            | Self::PredecessorAbsent { .. } => Some(Likely::StorageDeletion),
            Self::BatchRefused(_)
            | Self::CheckpointRefused(_)
            | Self::StampRefused { .. }
            | Self::JsonRefused { .. }
            | Self::NameDiffers { .. }
            | Self::ExtraBytes { .. }
            | Self::HoleUnauthorised { .. }
            | Self::EncryptionUnauthorised { .. }
            | Self::ErasureRefused { .. }
            | Self::TwoRoots { .. }
            | Self::TwoLeaves { .. }
            | Self::TwoSuccessors { .. }
            | Self::EpochUnlisted
            | Self::EpochListedTwice
            | Self::HeadForgotten { .. }
            | Self::ProtectionLost { .. }
            | Self::BeforeEvidence { .. }
            | Self::AfterWitnesses { .. }
            | Self::ChainBroken { .. }
            | Self::Foreign { .. }
            | Self::Misnamed { .. }
            | Self::BatchesReordered
            | Self::SecondCopy { .. }
            | Self::WrongDay
            | Self::AfterClose
            | Self::EvidenceRefused { .. }
            | Self::EvidenceDiffers { .. }
            | Self::MeasurementRefused { .. } => Some(Likely::Forgery),
            Self::NoClose { .. } => Some(Likely::Crash),
            Self::BeyondAnchor { .. }
            | Self::BeyondWitnesses { .. }
            | Self::Silence { .. }
            | Self::HeadOld { .. }
            | Self::GapDeclared { .. } => Some(Likely::PipelineLoss),
            Self::Register(fault) => fault.likely(),
            Self::RangeBeyondEnd { .. }
            | Self::NothingToVerify
            | Self::NameMalformed
            | Self::ControlUnreadable
            | Self::OverlapUncompared
            | Self::AnchorsUncompared
            | Self::ClockStepped { .. }
            | Self::EvidenceUndated { .. }
            | Self::StampUntrusted
            | Self::TooMany
            | Self::Erased { .. }
            | Self::Withheld { .. } => None,
        }
    }

    /// What would settle the matter.
    #[expect(clippy::too_many_lines, reason = "a table, one entry for each cause")]
    pub const fn settle(&self) -> &'static str {
        match self {
            Self::FileUnreadable { .. }
            | Self::BatchRefused(_)
            | Self::CheckpointRefused(_)
            | Self::ErasureRefused { .. }
            | Self::StampRefused { .. }
            | Self::JsonRefused { .. } => {
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
            Self::DataKeyAbsent { .. } => {
                "a copy of the data key, or the order to destroy it, from the gateway's host"
            }
            Self::HoleUnauthorised { .. } => "the authorisation, or another copy of the file",
            Self::EncryptionUnauthorised { .. } => "the data key, or another copy of the file",
            Self::TwoSuccessors { .. } | Self::HeadForgotten { .. } => {
                "the host's log of both boots, and the gateway's state and log of that time"
            }
            Self::ProtectionLost { .. } => {
                "the deployment record of that boot, and who allowed an insecure root"
            }
            Self::BeforeEvidence { .. }
            | Self::AfterWitnesses { .. }
            | Self::ClockStepped { .. } => "the host's log of its clock",
            Self::HeadOld { .. } => {
                "the gateway's log and the host's: whether enclave, channel or archive stands still"
            }
            Self::Silence { .. } => "the host's log of that time: what stopped the enclave",
            Self::TwoRoots { .. } | Self::TwoLeaves { .. } | Self::ChainBroken { .. } => {
                "nothing: both sides are signed; the epoch's key or code cannot be trusted"
            }
            Self::StampUntrusted => "the authority's root, as `time_stamps` in the policy",
            Self::Foreign { .. } => "the ledger it belongs to, and the storage's access log",
            Self::AfterClose => "the enclave's log: why it sealed after its end",
            Self::EvidenceRefused { .. } | Self::MeasurementRefused { .. } => {
                "the deployment record of that boot, and the policy's roots and measurements"
            }
            Self::EvidenceUndated { .. } => {
                "a cosigned checkpoint or a time stamp of the epoch, and `witnesses` or \
                 `time_stamps` in the policy to believe it by"
            }
            Self::EvidenceAbsent { .. } | Self::EvidenceDiffers { .. } => {
                "the evidence of the epoch, from the gateway or a backup"
            }
            Self::NoClose { .. } => {
                "the host's log of that time; then accept_unclean_end in the policy"
            }
            Self::BeyondAnchor { .. } => {
                "a later checkpoint of the epoch, from the gateway or a witness"
            }
            Self::BeyondWitnesses { .. } => "a later cosigned checkpoint, from a witness",
            Self::RangeBeyondEnd { .. } => "a smaller range, or a later copy of the archive",
            Self::EpochAbsent | Self::EpochListedTwice => {
                "the storage's access log and versions, and what witnesses hold of the register"
            }
            Self::EpochUnlisted => "the gateway's log of that time: which archive it wrote",
            Self::Register(_) => "what witnesses hold of the register, and the storage's versions",
            Self::NothingToVerify => "the right directory",
            Self::NameMalformed => "removing the file, or giving it its name back",
            Self::RevisionAbsent { .. } => "the earlier revision, or the order that removed it",
            Self::ControlUnreadable => "a verifier of the version that wrote the record",
            Self::OverlapUncompared | Self::AnchorsUncompared | Self::TooMany => {
                "an audit of a smaller range"
            }
            Self::PredecessorAbsent { .. } => {
                "the storage's access log and versions, or an audit that names the part"
            }
            Self::Withheld { .. } | Self::Erased { .. } => "nothing is open",
            Self::GapDeclared { .. } => "the enclave's own store, if it kept them",
        }
    }

    /// The hash that should have been there.
    pub const fn expected(&self) -> Option<Hash> {
        match self {
            Self::BatchRefused(
                BatchError::PrevRoot { stated, .. } | BatchError::Root { stated, .. },
            )
            | Self::NameDiffers { stated, .. }
            | Self::EvidenceDiffers { stated, .. } => Some(*stated),
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
            | Self::NameDiffers { found, .. }
            | Self::EvidenceDiffers { found, .. } => Some(*found),
            Self::HoleUnauthorised { commitment } => Some(*commitment),
            Self::TwoRoots { other, .. } => Some(*other),
            Self::ChainBroken { named, .. } => Some(*named),
            _ => None,
        }
    }

    /// Whether a run of it in neighbouring records is one cause.
    pub(crate) const fn runs(&self) -> bool {
        matches!(
            self,
            Self::HoleUnauthorised { .. }
                | Self::EncryptionUnauthorised { .. }
                | Self::AfterClose
                | Self::BeforeEvidence { .. }
                | Self::AfterWitnesses { .. }
        )
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
    #[expect(clippy::too_many_lines, reason = "a table, one entry for each cause")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileUnreadable { detail } => write!(f, "file is not as it was written: {detail}"),
            Self::BatchRefused(error) => write!(f, "batch does not verify: {error}"),
            Self::CheckpointRefused(error) => write!(f, "checkpoint does not verify: {error}"),
            Self::JsonRefused { detail } => write!(f, "signed log batch in JSON: {detail}"),
            Self::StampRefused { detail } => write!(f, "time stamp does not verify: {detail}"),
            Self::StampUntrusted => {
                write!(f, "time stamp is of an authority that the policy does not know")
            }
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
            Self::EncryptionUnauthorised { key } => {
                write!(f, "encrypted under {key} without an accepted word that these are they")
            }
            Self::ErasureRefused { detail } => {
                write!(f, "order to destroy a data key is not accepted: {detail}")
            }
            Self::DataKeyAbsent { key, count } => {
                write!(f, "{count} encrypted under {key}, which is gone without an order")
            }
            Self::LedgerAbsent => write!(f, "ledger is not in the archive, though its epoch ended"),
            Self::AnchorBeyond { size, .. } => {
                write!(f, "a signed head speaks of {size} records, the archive has fewer")
            }
            Self::TwoRoots { size, .. } => write!(f, "two signed roots for size {size}"),
            Self::TwoLeaves { seq } => write!(f, "two signed leaves for record {seq}"),
            Self::TwoSuccessors { epoch } => {
                write!(f, "another epoch had already followed on {epoch}")
            }
            Self::EpochAbsent => {
                write!(f, "the register names this epoch, the archive has nothing of it")
            }
            Self::EpochUnlisted => write!(f, "the register does not name this epoch"),
            Self::EpochListedTwice => write!(f, "the register names this epoch more than once"),
            Self::Register(fault) => write!(f, "{fault}"),
            Self::HeadForgotten { successor, size } => {
                write!(f, "epoch {successor} was told of {size} records only")
            }
            Self::ProtectionLost { epoch } => {
                write!(f, "root is insecure, though that of its predecessor {epoch} was not")
            }
            Self::BeforeEvidence { time_ms, attested_ms } => {
                let before = attested_ms.saturating_sub(*time_ms) / 1_000;
                write!(f, "sealed {before} s before the evidence for its key was made")
            }
            Self::AfterWitnesses { time_ms, seen_ms } => {
                let after = time_ms.saturating_sub(*seen_ms) / 1_000;
                write!(f, "sealed {after} s after a witness or time-stamping authority had seen it")
            }
            Self::BeyondWitnesses { witnessed } => {
                write!(f, "not covered by a quorum of witnesses, whose word ends at {witnessed}")
            }
            Self::ClockStepped { before_ms, time_ms } => {
                let back = before_ms.saturating_sub(*time_ms) / 1_000;
                write!(f, "clock of the epoch went back by {back} s")
            }
            Self::Silence { ms } => {
                write!(f, "nothing was sealed for {} s, not even a heartbeat", ms / 1_000)
            }
            Self::HeadOld { age_ms } => {
                write!(f, "newest statement is {} s old, and there is no end", age_ms / 1_000)
            }
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
            Self::EvidenceDiffers { .. } => {
                write!(f, "evidence is genuine, and not the one that was sealed with the epoch")
            }
            Self::EvidenceUndated { detail } => {
                write!(f, "the time of the evidence cannot be told: {detail}")
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
            Self::Erased { rule, count } => write!(f, "{count} erased by the order `{rule}`"),
            Self::GapDeclared { count, reason } => {
                write!(f, "{count} lost before they reached the ledger: {reason}")
            }
        }
    }
}
