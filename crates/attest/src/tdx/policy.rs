//! Policies for TDX: what a relying party accepts of a TD and of the machine under it.
//!
//! The strict one accepts nothing but a machine that is up to date; every leniency is a named
//! field. Nothing means "any" by being empty.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::tcb::TcbStatus;
use crate::baseline::Authority;
use crate::register::{Fingerprint, Register};

/// What a relying party trusts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Roots, by the SHA-256 of their certificates; without one, everything is refused. What is
    /// verified under another than [`INTEL_SGX_ROOT`] is marked insecure.
    pub roots: Vec<Fingerprint>,
    /// Measurements; an empty list refuses everything.
    pub measurements: Measurements,
    /// Statuses accepted besides [`TcbStatus::UpToDate`]. That [`TcbStatus::Revoked`] stands here
    /// changes nothing.
    pub statuses: BTreeSet<TcbStatus>,
    /// Advisories that no machine may be concerned by, such as `INTEL-SA-00837`.
    pub advisories_denied: BTreeSet<String>,
    /// Least `tcbEvaluationDataNumber`: older collateral would call an old machine up to date.
    pub evaluation_number_min: u32,
    /// TDs whose performance the host may monitor, which is a side channel.
    pub perfmon: Permit,
    /// TDs with service TDs bound to them, which can migrate them.
    pub service_td: Permit,
    /// Machines to which packages can be added while they run.
    pub dynamic_platform: Permit,
    /// Machines whose keys Intel's registration service keeps.
    pub cached_keys: Permit,
    /// Machines with simultaneous multithreading, which is a side channel.
    pub smt: Permit,
}

/// Whether something that is refused by default is accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permit {
    /// It is refused.
    Refuse,
    /// It is accepted.
    Allow,
}

/// Which measurements a relying party accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Measurements {
    /// Whatever runs in the TD. The claims must be compared with something afterwards.
    DangerAny,
    /// One of these. An empty list accepts nothing.
    OneOf(Vec<Measurement>),
    /// What a baseline authorises at the time that the quote is judged at.
    Baseline(Box<Authority>),
}

/// Register values that belong together. Always names MRTD, never as zero.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Measurement {
    registers: BTreeMap<RegisterName, Register>,
}

/// A register of a TD.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RegisterName {
    /// What the TD was built from: its virtual firmware.
    MrTd,
    /// Firmware configuration.
    Rtmr0,
    /// Boot loader and kernel.
    Rtmr1,
    /// Kernel command line and initial RAM disk.
    Rtmr2,
    /// Whatever the guest extends it with: says nothing that the guest does not say itself.
    Rtmr3,
    /// What the host said it configured.
    MrConfigId,
    /// The owner that the host named.
    MrOwner,
    /// The owner's configuration that the host named.
    MrOwnerConfig,
    /// The TDX module.
    MrSeam,
}

/// Why register values are not a measurement that anything could be compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MeasurementError {
    /// MRTD is not named; every other register can be set by whatever was built.
    NoMrTd,
    /// MRTD is zero, which no TD that was built has.
    ZeroMrTd,
}

impl fmt::Display for MeasurementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMrTd => write!(f, "a measurement of a TD names MRTD"),
            Self::ZeroMrTd => write!(f, "MRTD is all zero, which no TD that was built has"),
        }
    }
}

impl core::error::Error for MeasurementError {}

impl Policy {
    /// The policy that accepts machines which are up to date, and nothing that has to be permitted.
    ///
    /// Every quote of a large cloud needs `dynamic_platform`, `cached_keys` and `smt`.
    pub const fn strict(roots: Vec<Fingerprint>, measurements: Measurements) -> Self {
        Self {
            roots,
            measurements,
            statuses: BTreeSet::new(),
            advisories_denied: BTreeSet::new(),
            evaluation_number_min: 0,
            perfmon: Permit::Refuse,
            service_td: Permit::Refuse,
            dynamic_platform: Permit::Refuse,
            cached_keys: Permit::Refuse,
            smt: Permit::Refuse,
        }
    }
}

impl Measurement {
    /// A measurement from registers and their values.
    ///
    /// # Errors
    /// When MRTD is missing or zero.
    pub fn new(registers: BTreeMap<RegisterName, Register>) -> Result<Self, MeasurementError> {
        match registers.get(&RegisterName::MrTd) {
            None => Err(MeasurementError::NoMrTd),
            Some(&Register::ZERO) => Err(MeasurementError::ZeroMrTd),
            Some(_) => Ok(Self { registers }),
        }
    }

    /// Its registers and their values.
    pub fn registers(&self) -> impl Iterator<Item = (RegisterName, Register)> {
        self.registers.iter().map(|(name, value)| (*name, *value))
    }
}

/// The Intel SGX Root CA, valid to 2049: SHA-256 of the certificate that Intel publishes.
pub const INTEL_SGX_ROOT: Fingerprint = Fingerprint([
    0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35,
    0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3,
]);
