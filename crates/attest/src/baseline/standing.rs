//! Standing: what a baseline says about registers at a time.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::classify::Change;
use crate::rejected::Difference;
use crate::time::Time;

/// What a baseline says about registers at a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Approved by two people and inside its window.
    Authorised {
        /// The version.
        version: String,
        /// Tag of its deployment.
        deployment: Option<String>,
    },
    /// Approved, and its window has not begun.
    NotYetValid {
        /// The version.
        version: String,
        /// Start of its window.
        from: Time,
    },
    /// Approved, and its window is over.
    Expired {
        /// The version.
        version: String,
        /// End of its window.
        until: Time,
    },
    /// Taken back.
    Retired {
        /// The version.
        version: String,
        /// From when on.
        since: Time,
        /// Why.
        reason: String,
    },
    /// Proposed, and not approved by two people that count.
    NotApproved {
        /// The version.
        version: String,
        /// Approvals that count.
        approvals: usize,
    },
    /// Registers that no version ever had.
    Unknown {
        /// The version that comes closest, if there is any.
        closest: Option<String>,
        /// What differs from it.
        differences: Vec<Difference>,
    },
}

impl Standing {
    /// The version that has these registers, whether it may run or not.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Authorised { version, .. }
            | Self::NotYetValid { version, .. }
            | Self::Expired { version, .. }
            | Self::Retired { version, .. }
            | Self::NotApproved { version, .. } => Some(version),
            Self::Unknown { .. } => None,
        }
    }

    /// What it is when nothing is known of what ran before.
    pub const fn change(&self) -> Change {
        match self {
            Self::Authorised { .. } => Change::Match,
            Self::NotYetValid { .. }
            | Self::Expired { .. }
            | Self::Retired { .. }
            | Self::NotApproved { .. } => Change::UnauthorisedDeployment,
            Self::Unknown { .. } => Change::ModifiedCode,
        }
    }

    /// One word for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Authorised { .. } => "authorised",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::Expired { .. } => "expired",
            Self::Retired { .. } => "retired",
            Self::NotApproved { .. } => "not-approved",
            Self::Unknown { .. } => "unknown",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorised { version, .. } => write!(f, "{version}, authorised"),
            Self::NotYetValid { version, from } => {
                write!(f, "{version} may not run before {from}")
            }
            Self::Expired { version, until } => write!(f, "{version} may not run since {until}"),
            Self::Retired { version, since, reason } => {
                write!(f, "{version} is retired since {since}: {reason}")
            }
            Self::NotApproved { version, approvals } => {
                write!(f, "{version} has {approvals} of the 2 approvals that it needs")
            }
            Self::Unknown { closest: None, .. } => write!(f, "the baseline has no version"),
            Self::Unknown { closest: Some(version), differences } => {
                write!(f, "no version has these registers; {version} differs in")?;
                differences.iter().try_for_each(|one| write!(f, " {}", one.index))
            }
        }
    }
}
