//! Claims: what evidence says, once it is verified.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::hash::Hash;

use crate::policy::Kind;
use crate::register::{Fingerprint, Register};
use crate::time::Time;

/// What evidence says about the machine that made it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// What sort of machine it is, as the policy has it for the root.
    pub kind: Kind,
    /// The root it was verified under.
    pub root: Fingerprint,
    /// Whether nothing protects this machine: a software TEE, or debug mode. Show it in every
    /// verdict.
    pub insecure: bool,
    /// Whether the machine runs in debug mode.
    pub debug: bool,
    /// Name of the machine, given by its host.
    pub module_id: String,
    /// When the evidence was made, by the clock of the evidence device.
    pub time: Time,
    /// When it was judged: the verifier's now, or `time` for a replay.
    pub judged_at: Time,
    /// Measurement registers by number.
    pub pcrs: BTreeMap<u8, Register>,
    /// Key that the machine asked to have vouched for.
    pub public_key: Option<Vec<u8>>,
    /// Data that the machine asked to have vouched for.
    pub user_data: Option<Vec<u8>>,
    /// Nonce that the machine was asked with.
    pub nonce: Option<Vec<u8>>,
    /// SHA-256 of what is signed (COSE `Sig_structure`): the identity of the evidence.
    ///
    /// The bytes around it are malleable; their hash names a file, not evidence.
    pub identity: Hash,
    /// Start of the validity of the certificate that signed.
    pub leaf_not_before: Time,
    /// End of the validity of the certificate that signed.
    pub leaf_not_after: Time,
    /// Until when the verdict holds: the first end of a certificate of its chain.
    pub valid_until: Time,
}

impl Claims {
    /// PCR0, which stands for the whole image; zero if the evidence has none.
    pub fn measurement(&self) -> Register {
        self.pcrs.get(&0).copied().unwrap_or(Register::ZERO)
    }
}
