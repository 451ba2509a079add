//! Blocks in a backend: encrypted on the way out, checked on the way in.
//!
//! Outside of this process every block is ciphertext, and the [`Manifest`] knows the digest of
//! each. What comes back and is not the block that was asked for is named: withheld, swapped with
//! another one, replayed from before, or altered.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::{Backend, BackendError, Memory};
use crate::block::BlockId;
use crate::crypt::{self, BlockCipher, CipherFailed, Epoch, OVERHEAD_BYTES};
use crate::manifest::{Head, Manifest};

/// A backend with what is needed to use it.
pub struct Vault {
    backend: Arc<dyn Backend>,
    /// `None` only for memory: see [`Vault::memory`].
    cipher: Option<Arc<BlockCipher>>,
    manifest: Mutex<Manifest>,
    /// What may be in memory beside the blocks.
    memory_bytes_max: u64,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} blocks)", self.manifest().len())
    }
}

/// What is wrong with a block that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It was stored, and is not given back.
    Withheld,
    /// Another block of this epoch came in its place.
    Swapped {
        /// Which.
        got: BlockId,
    },
    /// It, or another one, came as it was at another time.
    Replayed {
        /// The epoch that it was sealed in.
        epoch: Epoch,
    },
    /// What came was never sealed here.
    Altered,
    /// It is what was sealed, and no block: a mistake of this program.
    Malformed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withheld => write!(f, "withheld"),
            Self::Swapped { got } => write!(f, "swapped with block {got}"),
            Self::Replayed { epoch } => {
                write!(f, "replayed from an earlier state of epoch {epoch}")
            }
            Self::Altered => write!(f, "altered"),
            Self::Malformed => write!(f, "malformed"),
        }
    }
}

/// Why a block cannot be had or kept.
#[derive(Debug)]
pub enum VaultError {
    /// The backend failed; it may not the next time.
    Backend(BackendError),
    /// The backend gave what it was not given.
    Fault {
        /// The block that was asked for.
        id: BlockId,
        /// What came instead.
        fault: Fault,
    },
    /// The block could not be encrypted.
    Cipher(CipherFailed),
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(_) => write!(f, "the backend failed"),
            Self::Fault { id, fault } => write!(f, "block {id} was {fault}"),
            Self::Cipher(_) => write!(f, "a block cannot be encrypted"),
        }
    }
}

impl std::error::Error for VaultError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Backend(source) => Some(source),
            Self::Cipher(source) => Some(source),
            Self::Fault { .. } => None,
        }
    }
}

impl Vault {
    /// Blocks in the memory of this process, which need no encryption.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            backend: Arc::new(Memory::default()),
            cipher: None,
            manifest: Mutex::default(),
            memory_bytes_max: u64::MAX,
        }
    }

    /// Blocks anywhere else.
    #[must_use]
    pub fn outside(backend: Arc<dyn Backend>, cipher: Arc<BlockCipher>) -> Self {
        Self::sparing(backend, cipher, u64::MAX)
    }

    /// The same where memory is scarcer than room for blocks: what the store keeps in memory about
    /// them, heads included, stays within so many bytes.
    #[must_use]
    pub fn sparing(
        backend: Arc<dyn Backend>,
        cipher: Arc<BlockCipher>,
        memory_bytes_max: u64,
    ) -> Self {
        Self { backend, cipher: Some(cipher), manifest: Mutex::default(), memory_bytes_max }
    }

    pub(crate) const fn memory_bytes_max(&self) -> u64 {
        self.memory_bytes_max
    }

    /// Blocks that the backend, asked for all of its names, does not name.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn missing(&self) -> Result<Vec<BlockId>, VaultError> {
        // In this order: what is stored or dropped meanwhile is not missed.
        let before = self.manifest().ids();
        let mut named = self.backend.list().map_err(VaultError::Backend)?;
        named.sort_unstable();
        let manifest = self.manifest();
        let gone = |id: &BlockId| named.binary_search(id).is_err() && manifest.has(*id);
        Ok(before.into_iter().filter(gone).collect())
    }

    /// Keeps a block, and says how many bytes that takes.
    ///
    /// # Errors
    /// When it is not kept.
    pub fn put(&self, id: BlockId, plain: &Arc<[u8]>) -> Result<u64, VaultError> {
        let Some(cipher) = &self.cipher else {
            self.backend.put(id, plain).map_err(VaultError::Backend)?;
            return Ok(plain.len() as u64);
        };
        let sealed: Arc<[u8]> = cipher.seal(id, plain).map_err(VaultError::Cipher)?.into();
        self.backend.put(id, &sealed).map_err(VaultError::Backend)?;
        self.manifest().insert(id, &sealed);
        Ok(sealed.len() as u64)
    }

    /// Gives a block back.
    ///
    /// # Errors
    /// When it cannot be had, or is not the one that was stored.
    pub fn get(&self, id: BlockId) -> Result<Arc<[u8]>, VaultError> {
        let stored = self.backend.get(id).map_err(VaultError::Backend)?;
        let stored = stored.ok_or(VaultError::Fault { id, fault: Fault::Withheld })?;
        let Some(cipher) = &self.cipher else { return Ok(stored) };
        let vouched = self.manifest().vouches_for(id, &stored);
        match cipher.open(id, &stored) {
            Some(plain) if vouched => Ok(plain.into()),
            opened => Err(VaultError::Fault {
                id,
                fault: name_fault(cipher, id, &stored, opened.is_some()),
            }),
        }
    }

    /// Forgets a block.
    ///
    /// # Errors
    /// When the backend may still have it. It is not asked for again in any case.
    pub fn remove(&self, id: BlockId) -> Result<(), VaultError> {
        self.manifest().remove(id);
        self.backend.remove(id).map_err(VaultError::Backend)
    }

    /// What the blocks outside add up to, for a ledger record; `None` when none are outside.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        let epoch = self.cipher.as_ref()?.epoch();
        Some(self.manifest().head(epoch))
    }

    /// Bytes that are stored outside.
    #[must_use]
    pub fn bytes_outside(&self) -> u64 {
        self.manifest().bytes()
    }

    /// The names of what an earlier life left behind.
    pub(crate) fn left_behind(&self) -> Result<Vec<BlockId>, VaultError> {
        let mut ids = self.backend.list().map_err(VaultError::Backend)?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Takes over a block of an earlier life of the same key, believing the backend that it is the
    /// newest state: only a ledger can tell otherwise.
    pub(crate) fn adopt(&self, id: BlockId) -> Result<Vec<u8>, VaultError> {
        let stored = self.backend.get(id).map_err(VaultError::Backend)?;
        let stored = stored.ok_or(VaultError::Fault { id, fault: Fault::Withheld })?;
        let Some(cipher) = &self.cipher else { return Ok(stored.to_vec()) };
        let Some(plain) = cipher.open(id, &stored) else {
            let fault = name_fault(cipher, id, &stored, false);
            return Err(VaultError::Fault { id, fault });
        };
        self.manifest().insert(id, &stored);
        Ok(plain)
    }

    /// What a stored block of so many bytes takes.
    pub(crate) fn stored_bytes(&self, plain: usize) -> u64 {
        (plain + if self.cipher.is_some() { OVERHEAD_BYTES } else { 0 }) as u64
    }

    fn manifest(&self) -> MutexGuard<'_, Manifest> {
        // Each change is one call that does not panic half way.
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came, given that it is not what was asked for.
fn name_fault(cipher: &BlockCipher, id: BlockId, stored: &[u8], opened: bool) -> Fault {
    let epoch = cipher.epoch();
    if opened {
        return Fault::Replayed { epoch };
    }
    match crypt::claim(stored) {
        Some(claim) if claim.epoch != epoch => Fault::Replayed { epoch: claim.epoch },
        Some(claim) if claim.id != id && cipher.open(claim.id, stored).is_some() => {
            Fault::Swapped { got: claim.id }
        }
        Some(_) | None => Fault::Altered,
    }
}
