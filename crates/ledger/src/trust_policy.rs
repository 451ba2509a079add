//! Trust policies (c2sp.org/tlog-policy): which logs and witnesses are known, and how many
//! witnesses of whom must have cosigned a checkpoint.
//!
//! The text is read strictly and says where it is wrong. A policy judges one note at a time: who
//! cosigned, when, and how many are short of the quorum. It has no default: `quorum none` must be
//! written out, and a name stands for nothing before its own line.

use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{self, NoteError, NoteKey, Vouched};

mod reading;

pub use reading::{Fault, PolicyError};

/// Longest text: 32 witnesses with ML-DSA-44 keys are 58 KiB.
pub const POLICY_BYTES_MAX: usize = 1 << 18;
/// Most logs, most witnesses and most groups; the specification asks for 32.
pub const LINES_MAX: usize = 64;

/// A policy, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustPolicy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<Member>,
}

/// A log whose checkpoints are accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Its key; the name is its origin.
    pub key: NoteKey,
    /// Where it is.
    pub url: Option<String>,
}

/// A party whose cosignatures count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Witness {
    /// What the policy calls it.
    pub name: String,
    /// Its key.
    pub key: NoteKey,
    /// Where checkpoints are submitted to it.
    pub url: Option<String>,
}

/// So many of these.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<Member>,
}

/// A witness or a group, by its position. A group's members stand before it, so there is no circle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// What a policy says of one checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Witnessed {
    /// The checkpoint, signed by its log.
    pub checkpoint: Checkpoint,
    /// Who cosigned it, in the order of the policy.
    pub cosigned: Vec<Cosigned>,
    /// Fewest witnesses that would have to cosign besides; 0 when the quorum is reached.
    pub missing: usize,
}

/// The word of one witness.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cosigned {
    /// A position in [`TrustPolicy::witnesses`].
    pub witness: usize,
    /// When it had seen nothing larger, POSIX seconds; `None` when it claims no time.
    pub time_s: Option<u64>,
}

impl Witnessed {
    /// Whether enough witnesses cosigned.
    pub const fn is_quorum(&self) -> bool {
        self.missing == 0
    }

    /// The first time at which a witness had seen the checkpoint: it is no younger.
    pub fn oldest_s(&self) -> Option<u64> {
        self.cosigned.iter().filter_map(|cosigned| cosigned.time_s).min()
    }

    /// The last time at which a witness knew of no larger tree.
    pub fn newest_s(&self) -> Option<u64> {
        self.cosigned.iter().filter_map(|cosigned| cosigned.time_s).max()
    }
}

impl TrustPolicy {
    /// The logs, in the order of their lines.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The witnesses, in the order of their lines.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether the policy was written out as `quorum none`.
    pub const fn asks_for_none(&self) -> bool {
        self.quorum.is_none()
    }

    /// Judges a note that one of the policy's own logs has signed.
    ///
    /// # Errors
    /// As for [`judge`](Self::judge).
    pub fn judge_listed(&self, note: &str) -> Result<Witnessed, CheckpointError> {
        let logs: Vec<NoteKey> = self.logs.iter().map(|log| log.key.clone()).collect();
        self.judge(note, &logs)
    }

    /// Judges a note that one of `logs` has signed: keys that evidence has vouched for, where the
    /// policy lists none.
    ///
    /// # Errors
    /// When no key of `logs` with the checkpoint's origin as its name signed it, a signature of a
    /// log or a witness is bad, or it is no checkpoint.
    pub fn judge(&self, note: &str, logs: &[NoteKey]) -> Result<Witnessed, CheckpointError> {
        let witnesses = self.witnesses.iter().map(|witness| witness.key.clone());
        let keys: Vec<NoteKey> = logs.iter().cloned().chain(witnesses).collect();
        let opened = note::opened(note, &keys).map_err(CheckpointError::Note)?;
        let checkpoint = Checkpoint::parse(opened.text)?;
        let of_log = |at: usize| logs.get(at).is_some_and(|log| log.name() == checkpoint.origin);
        if !opened.signatures.iter().any(|signature| of_log(signature.key)) {
            return Err(CheckpointError::Note(NoteError::Unsigned));
        }
        let mut cosigned: Vec<Cosigned> = Vec::new();
        for signature in &opened.signatures {
            let Some(witness) = signature.key.checked_sub(logs.len()) else { continue };
            let time_s = match signature.vouched {
                Vouched::Cosigned { time_s: 0 } | Vouched::Signed => None,
                Vouched::Cosigned { time_s } => Some(time_s),
            };
            match cosigned.iter_mut().find(|known| known.witness == witness) {
                // Of two lines of one witness the later word counts.
                Some(known) => known.time_s = known.time_s.max(time_s),
                None => cosigned.push(Cosigned { witness, time_s }),
            }
        }
        cosigned.sort_by_key(|cosigned| cosigned.witness);
        let missing = self.quorum.map_or(0, |quorum| self.missing(quorum, &cosigned));
        Ok(Witnessed { checkpoint, cosigned, missing })
    }

    /// Whether the word of these witnesses, by their positions, makes up the quorum.
    pub fn is_quorum_of(&self, witnesses: &[usize]) -> bool {
        let said = |witness: &usize| Cosigned { witness: *witness, time_s: None };
        let cosigned: Vec<Cosigned> = witnesses.iter().map(said).collect();
        self.quorum.is_none_or(|quorum| self.missing(quorum, &cosigned) == 0)
    }

    /// Fewest further witnesses that would make up `member`. Recursion ends: members stand before
    /// their groups, and there are at most `LINES_MAX` groups.
    fn missing(&self, member: Member, cosigned: &[Cosigned]) -> usize {
        match member {
            Member::Witness(at) => {
                usize::from(!cosigned.iter().any(|cosigned| cosigned.witness == at))
            }
            Member::Group(at) => {
                let Some(group) = self.groups.get(at) else { return usize::MAX };
                let needs = group.members.iter().map(|member| self.missing(*member, cosigned));
                let mut needs: Vec<usize> = needs.collect();
                // A name is in one group at most, so members share no witness and needs add up.
                needs.sort_unstable();
                needs.into_iter().take(group.threshold).fold(0, usize::saturating_add)
            }
        }
    }
}

#[cfg(test)]
mod tests;
