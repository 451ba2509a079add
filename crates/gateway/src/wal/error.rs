//! What can go wrong with the write-ahead log, and what may be done about it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What a step on the disk was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Opening the log.
    Open,
    /// Reading a file.
    Read,
    /// Appending to a file.
    Append,
    /// Beginning a roll.
    Roll,
    /// Removing a roll.
    Remove,
    /// Rewriting the manifest.
    Compact,
}

/// Why the log did not do what it was asked.
#[derive(Debug)]
pub enum WalError {
    /// The log holds as much as it may. It passes when rolls are archived and removed.
    Full {
        /// What it would hold.
        bytes: u64,
        /// What it may.
        bytes_max: u64,
    },
    /// No space is left on the disk, or the quota is used up. Nothing was written.
    NoSpace {
        /// While doing what.
        step: Step,
        /// With which file.
        path: PathBuf,
    },
    /// A step failed and was undone.
    Disk {
        /// While doing what.
        step: Step,
        /// With which file.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// A step failed and nobody knows what of it is durable. The log has stopped.
    Broken {
        /// With which file.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// The log stopped after an earlier error; opening it again finds out what is there.
    Stopped,
    /// Another process has it.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Something that was durable is not as it was written.
    Corrupt {
        /// In which file.
        path: PathBuf,
        /// Where it begins.
        offset: u64,
    },
    /// A file that a build with another format of the log wrote.
    OtherFormat {
        /// Which file.
        path: PathBuf,
    },
    /// A roll that is not archived is not there.
    Missing {
        /// The first such roll.
        roll: u64,
    },
    /// The directory holds something that is not the log's.
    Stray {
        /// What.
        path: PathBuf,
    },
    /// A group is larger than 32 MiB.
    TooLarge {
        /// Its bytes.
        got: u64,
    },
    /// A group without entries.
    NoEntries,
    /// The current roll has to be sealed first.
    RollFull {
        /// The roll.
        roll: u64,
    },
    /// Only sealed rolls can be recorded.
    NotSealed {
        /// The roll.
        roll: u64,
    },
    /// Rolls are recorded in the order of their numbers.
    OutOfOrder {
        /// The one asked for.
        roll: u64,
        /// The one whose turn it is.
        expected: u64,
    },
    /// The roll is recorded with other names.
    Conflict {
        /// The roll.
        roll: u64,
    },
    /// Only the oldest roll can be removed, and never the current one.
    NotOldest {
        /// The one asked for.
        roll: u64,
        /// The oldest.
        oldest: u64,
    },
    /// The manifest does not say that the roll is archived.
    NotArchived {
        /// The roll.
        roll: u64,
    },
    /// The roll is not in the log any more; the manifest says where its content is.
    Removed {
        /// The roll.
        roll: u64,
    },
    /// No group begins there.
    NoGroup {
        /// The roll.
        roll: u64,
        /// The offset asked for.
        offset: u64,
    },
}

impl WalError {
    /// Whether the same call may succeed later on this open log.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoSpace { .. } | Self::Disk { .. })
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { bytes, bytes_max } => {
                write!(f, "write-ahead log is full: {bytes} of {bytes_max} bytes")
            }
            Self::NoSpace { step, path } => {
                write!(f, "no space to {step} {}", path.display())
            }
            Self::Disk { step, path, .. } => write!(f, "{step} {}", path.display()),
            Self::Broken { path, .. } => {
                write!(f, "cannot tell what of {} is durable", path.display())
            }
            Self::Stopped => write!(f, "write-ahead log has stopped, open it again"),
            Self::Locked { path } => {
                write!(f, "write-ahead log is in use, see {}", path.display())
            }
            Self::Corrupt { path, offset } => {
                write!(f, "write-ahead log is damaged: {} at byte {offset}", path.display())
            }
            Self::OtherFormat { path } => {
                let path = path.display();
                write!(f, "{path} is of another format: only the build that wrote it can read it")
            }
            Self::Missing { roll } => write!(f, "roll {roll} is neither there nor archived"),
            Self::Stray { path } => write!(f, "not part of the log: {}", path.display()),
            Self::TooLarge { got } => write!(f, "group of {got} bytes is too large"),
            Self::NoEntries => write!(f, "group has no entries"),
            Self::RollFull { roll } => write!(f, "roll {roll} is full and has to be sealed"),
            Self::NotSealed { roll } => write!(f, "roll {roll} is not sealed"),
            Self::OutOfOrder { roll, expected } => {
                write!(f, "roll {roll} recorded before roll {expected}")
            }
            Self::Conflict { roll } => write!(f, "roll {roll} is recorded with other names"),
            Self::NotOldest { roll, oldest } => {
                write!(f, "roll {roll} cannot be removed before roll {oldest}")
            }
            Self::NotArchived { roll } => write!(f, "roll {roll} is not archived"),
            Self::Removed { roll } => write!(f, "roll {roll} is not in the log any more"),
            Self::NoGroup { roll, offset } => {
                write!(f, "no group begins at byte {offset} of roll {roll}")
            }
        }
    }
}

impl std::error::Error for WalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Disk { source, .. } | Self::Broken { source, .. } = self {
            Some(source)
        } else {
            None
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Append => "append to",
            Self::Roll => "begin",
            Self::Remove => "remove",
            Self::Compact => "rewrite",
        })
    }
}

/// The error of a step that left nothing behind.
pub(super) fn failed(step: Step, path: &Path) -> impl Fn(io::Error) -> WalError {
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            WalError::NoSpace { step, path: path.to_owned() }
        }
        _ => WalError::Disk { step, path: path.to_owned(), source },
    }
}
