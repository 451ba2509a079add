//! Where blocks are kept: memory, a directory, or an untrusted host.
//!
//! A backend stores bytes under a name and knows nothing of them. What it gives back is believed
//! only as far as the [`Vault`](crate::vault::Vault) can check it.

pub mod directory;
pub mod disk;
pub mod memory;

use std::fmt;
use std::sync::Arc;

use crate::block::BlockId;

pub use self::directory::Directory;
pub use self::memory::Memory;

/// Stores blocks by name. A name is written once.
pub trait Backend: Send + Sync {
    /// Keeps a block; when this returns, a crash of this process does not lose it.
    ///
    /// # Errors
    /// When it is not kept, or may not be.
    fn put(&self, id: BlockId, bytes: &Arc<[u8]>) -> Result<(), BackendError>;

    /// Gives a block back; `None` when it says that it has none of this name.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, id: BlockId) -> Result<Option<Arc<[u8]>>, BackendError>;

    /// The names of everything that is kept, in any order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn list(&self) -> Result<Vec<BlockId>, BackendError>;

    /// Forgets a block; one that is not there is forgotten already.
    ///
    /// # Errors
    /// When it may still be there.
    fn remove(&self, id: BlockId) -> Result<(), BackendError>;
}

/// Why a backend could not do its part.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackendError {
    /// The file system refused.
    Io {
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The host did not answer, or said no.
    Host,
    /// A stored file is longer than any block.
    TooLong {
        /// Its length.
        bytes: u64,
    },
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, .. } => write!(f, "cannot {action}"),
            Self::Host => f.write_str("the host did not do it"),
            Self::TooLong { bytes } => write!(f, "a stored file has {bytes} bytes"),
        }
    }
}

impl std::error::Error for BackendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Host | Self::TooLong { .. } => None,
        }
    }
}
