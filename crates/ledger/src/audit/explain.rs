//! Explanations: what each kind of finding and each cause means, for people and for reports.
//!
//! A cause has a code that never changes once it was published: scripts and rules of other tools
//! name it. Kind, likely class and what would settle it come from the one table of causes.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use crate::audit::cause::Cause;
use crate::audit::finding::{FindingKind, SeqRange};
use crate::audit::register::RegisterFault;
use crate::batch::BatchError;
use crate::checkpoint::CheckpointError;
use crate::encryption::KeyId;
use crate::hash::Hash;
use crate::identity::EpochId;

impl Cause {
    /// Its name in machine-readable output.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::FileUnreadable { .. } => "file-unreadable",
            Self::BatchRefused(_) => "batch-refused",
            Self::CheckpointRefused(_) => "checkpoint-refused",
            Self::StampRefused { .. } => "stamp-refused",
            Self::JsonRefused { .. } => "json-refused",
            Self::StampUntrusted => "stamp-untrusted",
            Self::NameDiffers { .. } => "name-differs",
            Self::ExtraBytes { .. } => "extra-bytes",
            Self::FilesAbsent { .. } => "files-absent",
            Self::BatchesAbsent => "batches-absent",
            Self::RecordAbsent { .. } => "record-absent",
            Self::HoleUnauthorised { .. } => "hole-unauthorised",
            Self::EncryptionUnauthorised { .. } => "encryption-unauthorised",
            Self::ErasureRefused { .. } => "erasure-refused",
            Self::DataKeyAbsent { .. } => "data-key-absent",
            Self::LedgerAbsent => "ledger-absent",
            Self::AnchorBeyond { .. } => "anchor-beyond",
            Self::TwoRoots { .. } => "two-roots",
            Self::TwoLeaves { .. } => "two-leaves",
            Self::TwoSuccessors { .. } => "two-successors",
            Self::EpochAbsent => "epoch-absent",
            Self::EpochUnlisted => "epoch-unlisted",
            Self::EpochListedTwice => "epoch-listed-twice",
            Self::Register(_) => "register",
            Self::HeadForgotten { .. } => "head-forgotten",
            Self::ProtectionLost { .. } => "protection-lost",
            Self::BeforeEvidence { .. } => "before-evidence",
            Self::AfterWitnesses { .. } => "after-witnesses",
            Self::BeyondWitnesses { .. } => "beyond-witnesses",
            Self::ClockStepped { .. } => "clock-stepped",
            Self::Silence { .. } => "silence",
            Self::HeadOld { .. } => "head-old",
            Self::ChainBroken { .. } => "chain-broken",
            Self::Foreign { .. } => "foreign",
            Self::Misnamed { .. } => "misnamed",
            Self::BatchesReordered => "batches-reordered",
            Self::SecondCopy { .. } => "second-copy",
            Self::WrongDay => "wrong-day",
            Self::AfterClose => "after-close",
            Self::EvidenceRefused { .. } => "evidence-refused",
            Self::MeasurementRefused { .. } => "measurement-refused",
            Self::EvidenceAbsent { .. } => "evidence-absent",
            Self::EvidenceUndated { .. } => "evidence-undated",
            Self::EvidenceDiffers { .. } => "evidence-differs",
            Self::NoClose { .. } => "no-close",
            Self::BeyondAnchor { .. } => "beyond-anchor",
            Self::RangeBeyondEnd { .. } => "range-beyond-end",
            Self::NothingToVerify => "nothing-to-verify",
            Self::NameMalformed => "name-malformed",
            Self::RevisionAbsent { .. } => "revision-absent",
            Self::ControlUnreadable => "control-unreadable",
            Self::OverlapUncompared => "overlap-uncompared",
            Self::AnchorsUncompared => "anchors-uncompared",
            Self::TooMany => "too-many",
            Self::PredecessorAbsent { .. } => "predecessor-absent",
            Self::Withheld { .. } => "withheld",
            Self::Erased { .. } => "erased",
            Self::GapDeclared { .. } => "gap-declared",
        }
    }

    /// One of each, with made-up data: for explaining them. Who adds a variant adds it here.
    pub fn examples() -> Vec<Self> {
        let (hash, detail) = (Hash::ZERO, || "…".to_string());
        let stated = SeqRange { first: 1_000, last: 1_999 };
        let mut all = vec![
            Self::FileUnreadable { detail: detail() },
            Self::BatchRefused(BatchError::Root { stated: hash, found: hash }),
            Self::CheckpointRefused(CheckpointError::NotCanonical),
            Self::StampRefused { detail: detail() },
            Self::JsonRefused { detail: detail() },
            Self::StampUntrusted,
            Self::NameDiffers { stated: hash, found: hash },
            Self::ExtraBytes { detail: detail() },
            Self::FilesAbsent { root: None },
            Self::BatchesAbsent,
            Self::RecordAbsent { leaf: hash, confirmed: true },
            Self::HoleUnauthorised { commitment: hash },
            Self::LedgerAbsent,
            Self::AnchorBeyond { size: 1_044, root: hash },
            Self::TwoRoots { size: 1_044, one: hash, other: hash, proof: None },
            Self::ChainBroken { leaf: hash, named: hash },
            Self::Foreign { stated: None },
            Self::Misnamed { stated },
            Self::BatchesReordered,
            Self::SecondCopy { stated },
            Self::WrongDay,
            Self::AfterClose,
        ];
        all.extend([
            Self::EvidenceRefused { detail: detail() },
            Self::MeasurementRefused { detail: detail() },
            Self::EvidenceAbsent { detail: detail() },
            Self::EvidenceUndated { detail: detail() },
            Self::EvidenceDiffers { stated: hash, found: hash },
            Self::NoClose { anchored: 1_043 },
            Self::BeyondAnchor { anchored: 1_043 },
            Self::RangeBeyondEnd { size: 1_043 },
            Self::NothingToVerify,
            Self::NameMalformed,
            Self::RevisionAbsent { revision: 2 },
            Self::ControlUnreadable,
            Self::OverlapUncompared,
            Self::AnchorsUncompared,
            Self::TooMany,
            Self::PredecessorAbsent { epoch: EpochId([0; 16]) },
            Self::Withheld { rule: detail(), count: 1 },
            Self::GapDeclared { count: 1, reason: detail() },
            Self::TwoLeaves { seq: 1_043 },
            Self::TwoSuccessors { epoch: EpochId([0; 16]) },
            Self::HeadForgotten { successor: EpochId([0; 16]), size: 1_043 },
            Self::ProtectionLost { epoch: EpochId([0; 16]) },
            Self::BeforeEvidence { time_ms: 0, attested_ms: 3_600_000 },
            Self::AfterWitnesses { time_ms: 3_600_000, seen_ms: 0 },
            Self::BeyondWitnesses { witnessed: 1_043 },
            Self::ClockStepped { before_ms: 3_600_000, time_ms: 0 },
            Self::Silence { ms: 60_000 },
            Self::HeadOld { age_ms: 90_000 },
            Self::EncryptionUnauthorised { key: KeyId([0; 16]) },
            Self::ErasureRefused { detail: detail() },
            Self::DataKeyAbsent { key: KeyId([0; 16]), count: 1 },
            Self::Erased { rule: detail(), count: 1 },
            Self::EpochAbsent,
            Self::EpochUnlisted,
            Self::EpochListedTwice,
            Self::Register(RegisterFault::Short { size: 12, found: 11 }),
        ]);
        all
    }
}

impl FindingKind {
    /// What it means, in a sentence or two.
    #[expect(clippy::too_many_lines, reason = "a table, one entry for each kind")]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Modified => {
                "Bytes of the archive are not those that were sealed, so what they said is lost \
                 here. The range is what they stood for."
            }
            Self::Missing => {
                "Records were sealed inside the TEE and are not in this archive, and nobody with \
                 the authority to leave them out did so. That they were sealed is proven; what \
                 they said, who removed them and when is not."
            }
            Self::Inserted => {
                "Something lies in the archive that was not sealed there. The records themselves \
                 are intact."
            }
            Self::Duplicate => {
                "A copy of sealed records lies under a name that is not theirs. Nothing is lost."
            }
            Self::Reordered => {
                "Everything is there, in another order or under another name than it was sealed \
                 and stored."
            }
            Self::Forked => {
                "Two signed histories exclude each other. The key of the epoch signed both, so \
                 neither can be believed from there on without an anchor."
            }
            Self::Truncated => {
                "A signed head speaks of more records than the archive has: its end was removed, \
                 or never arrived."
            }
            Self::RolledBack => {
                "A later signed head is older than one that was already anchored: a snapshot was \
                 restored, or a clone went on from it."
            }
            Self::Replayed => {
                "Something genuine of another ledger, epoch or instance stands where it does not \
                 belong."
            }
            Self::KeyNotAttested => {
                "No accepted evidence vouches for the key, so nothing sealed with it proves \
                 anything."
            }
            Self::MeasurementUnexpected => {
                "The evidence is genuine, and the code that sealed is not the code that was \
                 expected."
            }
            Self::Downgraded => "A protection that was there is not there any more.",
            Self::TimeInconsistent => {
                "Times that were sealed contradict what anchors prove. Clocks come from the host."
            }
            Self::Stale => "The ledger has gone silent. Why cannot be seen from here.",
            Self::UnanchoredTail => {
                "The last records verify and no anchor covers them: what followed, if anything \
                 did, would not be missed."
            }
            Self::UncleanEnd => {
                "The ledger has no end: the enclave or its machine stopped without warning, or \
                 the end was removed together with every anchor of it. The two cannot be told \
                 apart from here."
            }
            Self::Incomplete => {
                "Something that the verdict needs is not there. It is neither evidence of \
                 tampering nor of its absence."
            }
            Self::Withheld => "Records were left out with authority; their commitments stand.",
            Self::Erased => {
                "Payloads are encrypted under a key that was to be destroyed by signed order; \
                 their commitments stand. That the key is gone everywhere cannot be seen from here."
            }
            Self::Pruned => "Records were removed at the end of their retention, by signed order.",
            Self::GapDeclared => {
                "The ledger itself says that records were lost before they reached it."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_spelt_once_and_in_one_way() {
        let examples = Cause::examples();
        let codes: BTreeSet<&str> = examples.iter().map(Cause::code).collect();
        assert_eq!(codes.len(), examples.len());
        for code in codes {
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
        }
    }

    #[test]
    fn meanings_are_sentences_and_no_two_are_the_same() {
        let meanings: BTreeSet<&str> = FindingKind::ALL.iter().map(|kind| kind.meaning()).collect();
        assert_eq!(meanings.len(), FindingKind::ALL.len());
        assert!(meanings.iter().all(|text| text.ends_with('.') && !text.contains("  ")));
    }
}
