//! Blocks in the memory of this process: compressed, not encrypted, gone when it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Backend, BackendError};
use crate::block::BlockId;

/// Blocks in memory. Its bytes are bounded by the store's retention, not here.
#[derive(Debug, Default)]
pub struct Memory {
    blocks: Mutex<BTreeMap<BlockId, Arc<[u8]>>>,
}

impl Memory {
    fn blocks(&self) -> MutexGuard<'_, BTreeMap<BlockId, Arc<[u8]>>> {
        // One insertion or removal: a panic cannot leave it half done.
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn put(&self, id: BlockId, bytes: &Arc<[u8]>) -> Result<(), BackendError> {
        self.blocks().insert(id, Arc::clone(bytes));
        Ok(())
    }

    fn get(&self, id: BlockId) -> Result<Option<Arc<[u8]>>, BackendError> {
        Ok(self.blocks().get(&id).cloned())
    }

    fn list(&self) -> Result<Vec<BlockId>, BackendError> {
        Ok(self.blocks().keys().copied().collect())
    }

    fn remove(&self, id: BlockId) -> Result<(), BackendError> {
        self.blocks().remove(&id);
        Ok(())
    }
}
