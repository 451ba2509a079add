//! The contract of an archive.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::name::Name;
use crate::s3::S3Error;

/// A store in which an object, once there, stays as it is.
///
/// * `put` is durable on return: no crash of this machine loses what it reported as there.
/// * It never replaces anything. The same bytes again are no error, other bytes are not written.
/// * After an error the object may be there or not; `put` again says which.
/// * Objects appear whole or not at all, to readers in other processes too.
pub trait Archive: Send + Sync {
    /// Stores `bytes` under `name` unless an object has that name.
    ///
    /// # Errors When the store fails; [`ArchiveError::is_retryable`] says whether the same call may
    /// succeed later.
    fn put(&self, name: &Name, bytes: &[u8]) -> Result<Put, ArchiveError>;

    /// The object of that name, as a stream.
    ///
    /// # Errors
    /// `NotFound`, or a failing store.
    fn open(&self, name: &Name) -> Result<Box<dyn Read + Send>, ArchiveError>;

    /// The names that begin with `prefix`, in the order of their bytes.
    ///
    /// What has no valid name comes as [`ArchiveError::Stray`] in its place; the listing goes on
    /// after it.
    ///
    /// # Errors
    /// When the prefix can begin no name.
    fn list(&self, prefix: &str) -> Result<Listing, ArchiveError>;
}

/// Whether there is an object of that name.
///
/// # Errors
/// A failing store.
pub fn is_there(archive: &dyn Archive, name: &Name) -> Result<bool, ArchiveError> {
    match archive.open(name) {
        Ok(_) => Ok(true),
        Err(ArchiveError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The first `bytes_max` bytes of an object: of what has to be shorter, all of it.
///
/// # Errors
/// `NotFound`, or a failing store.
pub fn read_up_to(
    archive: &dyn Archive,
    name: &Name,
    bytes_max: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    let mut object = archive.open(name)?.take(bytes_max);
    object.read_to_end(&mut bytes).map_err(|source| ArchiveError::Disk {
        step: Step::Read,
        path: name.to_string().into(),
        source,
    })?;
    Ok(bytes)
}

/// Names one after the other.
pub type Listing = Box<dyn Iterator<Item = Result<Name, ArchiveError>> + Send>;

/// What `put` found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Put {
    /// There was none; it is there now.
    Created,
    /// There was one with these very bytes.
    AlreadyIdentical,
    /// There is one with other bytes, and it stays. A finding: the caller takes the next revision.
    Different,
}

/// What a step on the disk was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Making or entering the directory itself.
    Open,
    /// Writing the bytes beside their place.
    Stage,
    /// Making the directories above an object.
    Parents,
    /// Giving the staged bytes their name.
    Link,
    /// Making the name durable.
    Settle,
    /// Taking an object away, by order.
    Remove,
    /// Reading an object.
    Read,
    /// Reading a directory.
    List,
}

/// Why the archive did not do what it was asked.
#[derive(Debug)]
pub enum ArchiveError {
    /// No space is left, or the quota is used up. Nothing was stored; it may be later.
    Full {
        /// While doing what.
        step: Step,
    },
    /// A step failed.
    Disk {
        /// While doing what.
        step: Step,
        /// With which file or directory.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// Whether a name is durable could not be found out. Nothing more is stored until the archive
    /// is opened again, because a second sync that succeeds would prove nothing about the first.
    Unsettled,
    /// Another process writes this archive.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// It was opened for reading.
    ReadOnly,
    /// No object has that name.
    NotFound {
        /// The name.
        name: Box<Name>,
    },
    /// The object is larger than any that Lucarne makes.
    TooLarge {
        /// Its bytes.
        got: u64,
    },
    /// Something in the archive has no valid name.
    Stray {
        /// Its path below the root.
        path: PathBuf,
    },
    /// No name begins like this.
    Prefix,
    /// A call to a store across the network.
    S3(Box<S3Error>),
}

impl From<S3Error> for ArchiveError {
    fn from(error: S3Error) -> Self {
        Self::S3(Box::new(error))
    }
}

/// Refuses prefixes that begin no name, so that a typing error is not an empty archive.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), ArchiveError> {
    let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'/');
    // `//` anywhere, or a slash or dot in front of a part, begins no name.
    let bad_part = |part: &str| part.starts_with('.');
    let empty_part = prefix.starts_with('/') || prefix.contains("//");
    if !prefix.bytes().all(allowed) || prefix.split('/').any(bad_part) || empty_part {
        return Err(ArchiveError::Prefix);
    }
    Ok(())
}

/// Twice the largest segment: 8 MiB uncompressed, or one batch beyond that.
pub(crate) const OBJECT_BYTES_MAX: usize = 64 << 20;

impl ArchiveError {
    /// Whether the same call may succeed later without anybody's help to this process.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Disk { .. } => true,
            Self::S3(error) => error.is_retryable(),
            Self::Unsettled
            | Self::Locked { .. }
            | Self::ReadOnly
            | Self::NotFound { .. }
            | Self::TooLarge { .. }
            | Self::Stray { .. }
            | Self::Prefix => false,
        }
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { step } => write!(f, "archive is full ({step})"),
            Self::Disk { step, path, .. } => write!(f, "archive: {step} {}", path.display()),
            Self::Unsettled => write!(f, "archive cannot tell what is durable, open it again"),
            Self::Locked { path } => {
                write!(f, "archive is written by another process, see {}", path.display())
            }
            Self::ReadOnly => write!(f, "archive is open for reading only"),
            Self::NotFound { name } => write!(f, "archive has no {name}"),
            Self::TooLarge { got } => write!(f, "object of {got} bytes is too large"),
            Self::Stray { path } => write!(f, "not an archive name: {}", path.display()),
            Self::Prefix => write!(f, "no archive name begins with this prefix"),
            Self::S3(error) => write!(f, "archive: {error}"),
        }
    }
}

impl std::error::Error for ArchiveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk { source, .. } => Some(source),
            Self::S3(error) => error.source(),
            Self::Full { .. }
            | Self::Unsettled
            | Self::Locked { .. }
            | Self::ReadOnly
            | Self::NotFound { .. }
            | Self::TooLarge { .. }
            | Self::Stray { .. }
            | Self::Prefix => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Stage => "stage",
            Self::Parents => "make directories of",
            Self::Link => "link",
            Self::Settle => "sync",
            Self::Remove => "remove",
            Self::Read => "read",
            Self::List => "list",
        })
    }
}
