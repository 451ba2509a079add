//! Who speaks: instance, epoch, ledger.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::hash::{NotHex, from_hex};

/// A TEE workload as operators know it: `[a-z0-9-]{1,63}`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instance(String);

/// A name that is not `[a-z0-9-]{1,63}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAnInstance;

impl fmt::Display for NotAnInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an instance is 1 to 63 of a-z, 0-9 and -")
    }
}

impl core::error::Error for NotAnInstance {}

impl FromStr for Instance {
    type Err = NotAnInstance;

    fn from_str(text: &str) -> Result<Self, NotAnInstance> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (1..=63).contains(&text.len()) && text.bytes().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(NotAnInstance) }
    }
}

impl Instance {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One boot of an instance: the first 16 bytes of its epoch binding.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EpochId(pub [u8; 16]);

impl fmt::Display for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EpochId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EpochId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        from_hex(text).map(Self)
    }
}

/// Which of the two ledgers of an epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LedgerKind {
    /// Audit events; every record names the leaf of the one before it.
    Audit,
    /// Logs, metrics and span references.
    Telemetry,
}

impl LedgerKind {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Audit, Self::Telemetry];

    /// Its number in the formats.
    pub const fn code(self) -> u64 {
        match self {
            Self::Audit => 0,
            Self::Telemetry => 1,
        }
    }

    /// The ledger with this number.
    pub const fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Audit),
            1 => Some(Self::Telemetry),
            _ => None,
        }
    }

    /// Its name in paths and origins.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Telemetry => "telemetry",
        }
    }
}

impl fmt::Display for LedgerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is neither `audit` nor `telemetry`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotALedger;

impl fmt::Display for NotALedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a ledger is audit or telemetry")
    }
}

impl core::error::Error for NotALedger {}

impl FromStr for LedgerKind {
    type Err = NotALedger;

    fn from_str(text: &str) -> Result<Self, NotALedger> {
        match text {
            "audit" => Ok(Self::Audit),
            "telemetry" => Ok(Self::Telemetry),
            _ => Err(NotALedger),
        }
    }
}

/// One ledger among all of a site.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LedgerId {
    /// The workload.
    pub instance: Instance,
    /// Its boot.
    pub epoch: EpochId,
    /// Which of the two.
    pub kind: LedgerKind,
}

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.instance, self.epoch, self.kind)
    }
}
