//! What is wrong with a baseline or with those who approve it.

use alloc::string::String;
use core::fmt;

/// Why a baseline, or a list of approvers, is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BaselineError {
    /// More versions than a baseline may have.
    TooMany {
        /// Number found.
        got: usize,
    },
    /// Two versions have one name.
    Twice {
        /// The name.
        version: String,
    },
    /// A text is empty, too long, or more than one line.
    Text {
        /// Its key.
        key: &'static str,
    },
    /// A commit that is not 40 or 64 lower-case hex digits.
    Commit {
        /// What was given.
        got: String,
    },
    /// The window ends before it begins.
    Window {
        /// The version.
        version: String,
    },
    /// No set of registers, or too many.
    Sets {
        /// The version.
        version: String,
        /// Number found.
        got: usize,
    },
    /// There is no register of this number.
    Index {
        /// The version.
        version: String,
        /// Number found.
        got: u8,
    },
    /// Register 0 is missing, or one of 0 to 2 is zero: any machine in debug mode would match.
    Unmeasured {
        /// The version.
        version: String,
    },
    /// A signature is not that of its key over the entry beside it.
    Altered {
        /// The version.
        version: String,
        /// Who is said to have signed.
        by: String,
    },
    /// One key or one name has approved twice.
    SamePerson {
        /// The version.
        version: String,
        /// The second time.
        by: String,
    },
    /// Two approvers have one name or one key.
    SameApprover {
        /// The second of them.
        name: String,
    },
    /// Fewer approvers than a version needs.
    TooFewApprovers {
        /// Number found.
        got: usize,
    },
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { got } => write!(f, "{got} versions, expected at most 10000"),
            Self::Twice { version } => write!(f, "there are two versions {version}"),
            Self::Text { key } => {
                write!(f, "{key}: expected one line of 1 to 256 bytes without blanks around it")
            }
            Self::Commit { got } => {
                write!(f, "git_commit: expected 40 or 64 lower-case hex digits, found {got}")
            }
            Self::Window { version } => write!(f, "the window of {version} ends before it begins"),
            Self::Sets { version, got } => {
                write!(f, "{version} has {got} sets of registers, expected 1 to 32")
            }
            Self::Index { version, got } => write!(f, "{version}: there is no register {got}"),
            Self::Unmeasured { version } => write!(
                f,
                "{version}: register 0 is missing, or one of 0 to 2 is all zero, which any \
                 debug-mode machine would match"
            ),
            Self::Altered { version, by } => {
                write!(f, "the signature of {by} is not over {version} as it stands here")
            }
            Self::SamePerson { version, by } => {
                write!(f, "{by} has approved {version} already, under this name or this key")
            }
            Self::SameApprover { name } => {
                write!(f, "approver {name} shares a name or a key with another")
            }
            Self::TooFewApprovers { got } => {
                write!(f, "expected at least two approvers, found {got}")
            }
        }
    }
}

impl core::error::Error for BaselineError {}
