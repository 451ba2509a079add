//! Claims: what a quote says once it is verified, and until when that verdict holds.

use alloc::collections::BTreeMap;

use lucarne_ledger::hash::Hash;

use super::platform::Platform;
use super::policy::{INTEL_SGX_ROOT, RegisterName};
use super::rejected::Source;
use super::tcb::Tcb;
use crate::register::{Fingerprint, Register};
use crate::time::Time;

/// What the hardware says of a TD, and what Intel says of the hardware.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// The root that vouches for it.
    pub root: Fingerprint,
    /// Version of the quote, 4 or 5.
    pub version: u16,
    /// SHA-256 of the signed part, header and body: the name of this statement.
    ///
    /// Padding, certificates and the form of signatures can be changed by anyone and are not in it.
    pub identity: Hash,
    /// Time it was judged at.
    pub judged_at: Time,
    /// When the first piece of the collateral ends, or the first certificate.
    pub holds_until: Time,
    /// Which piece that is.
    pub holds_until_by: Source,
    /// Build-time measurement of the TD.
    pub mr_td: Register,
    /// Run-time measurements.
    pub rtmr: [Register; 4],
    /// Configuration that the host named.
    pub mr_config_id: Register,
    /// Owner that the host named.
    pub mr_owner: Register,
    /// Owner's configuration that the host named.
    pub mr_owner_config: Register,
    /// Measurement of the TDX module.
    pub mr_seam: Register,
    /// Signer of the TDX module; zero for Intel.
    pub mr_signer_seam: Register,
    /// Measurement of bound service TDs; quotes of version 4 do not have it.
    pub mr_service_td: Option<Register>,
    /// Attributes of the TD; bit 0 is the lowest of the first byte.
    pub td_attributes: u64,
    /// Extended features that the TD may use.
    pub xfam: u64,
    /// The 64 bytes that the TD asked to be bound.
    pub report_data: [u8; 64],
    /// State of the machine that the TD was launched on.
    pub tcb: Tcb,
    /// State of the machine now, where the quote tells it. If it is better, a new launch would be.
    pub tcb_now: Option<Tcb>,
    /// The machine.
    pub platform: Platform,
    /// The older of the two documents' `tcbEvaluationDataNumber`.
    pub evaluation_number: u32,
}

impl Claims {
    /// Whether nothing vouches for the machine: a root that is not Intel's. Show it in every
    /// verdict. A TD that can be debugged is refused by every policy.
    pub fn insecure(&self) -> bool {
        self.root != INTEL_SGX_ROOT
    }

    /// The registers by number, as baselines have them: MRTD, then RTMR0 to RTMR3.
    pub fn registers(&self) -> BTreeMap<u8, Register> {
        let [rtmr0, rtmr1, rtmr2, rtmr3] = self.rtmr;
        (0..).zip([self.mr_td, rtmr0, rtmr1, rtmr2, rtmr3]).collect()
    }

    /// The value of a register.
    pub const fn register(&self, name: RegisterName) -> Register {
        let [rtmr0, rtmr1, rtmr2, rtmr3] = self.rtmr;
        match name {
            RegisterName::MrTd => self.mr_td,
            RegisterName::Rtmr0 => rtmr0,
            RegisterName::Rtmr1 => rtmr1,
            RegisterName::Rtmr2 => rtmr2,
            RegisterName::Rtmr3 => rtmr3,
            RegisterName::MrConfigId => self.mr_config_id,
            RegisterName::MrOwner => self.mr_owner,
            RegisterName::MrOwnerConfig => self.mr_owner_config,
            RegisterName::MrSeam => self.mr_seam,
        }
    }
}
