//! The store: rows come in, blocks go to a vault, and what is too much is dropped and counted.
//!
//! One lock guards everything that changes. A query takes what it needs under it (references, no
//! copies) and reads outside of it. Nothing here starts a thread: whoever writes also cuts blocks,
//! and [`Store::maintain`] is called from time to time.

mod keyed;
mod open;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::keyed::{KeyedError, open_keyed};
pub use self::open::{DirectoryError, open_directory};
pub(crate) use self::state::{BlockMeta, State};
use crate::block::BlockId;
use crate::ingest::{self, IngestError, Ingested, Row};
use crate::manifest;
use crate::retention::{Evicted, Retention};
use crate::stream::Mapping;
use crate::vault::{Fault, Vault, VaultError};
use crate::wal::{Content, Frame, WAL_BYTES_MAX};

/// What a store is made with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Which labels a record has.
    pub mapping: Mapping,
    /// What is kept.
    pub retention: Retention,
    /// Bytes of rows that are in no block yet, over all streams; at least a few blocks' worth.
    pub head_bytes: usize,
}

/// Full logs in bounded space.
#[derive(Debug)]
pub struct Store {
    pub(crate) state: Mutex<State>,
    pub(crate) vault: Vault,
    config: Config,
}

/// What a store holds, and what happened to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Streams that have rows.
    pub streams: u64,
    /// Blocks of rows and of spans.
    pub blocks: u64,
    /// Rows in blocks and heads.
    pub records: u64,
    /// Spans, in blocks or not.
    pub spans: u64,
    /// Stored bytes of blocks.
    pub stored_bytes: u64,
    /// Bytes of heads, filters and labels: memory, whatever the backend.
    pub memory_bytes: u64,
    /// What was dropped for room or age.
    pub evicted: Evicted,
    /// Blocks that could not be stored when they were cut, so far.
    pub failed_puts: u64,
    /// Blocks that came back wrong, the first of them by name.
    pub faults: Vec<(BlockId, Fault)>,
}

impl Store {
    /// An empty store over a vault.
    ///
    /// # Errors
    /// When there is no memory for the tables of the compressor.
    pub fn new(config: Config, vault: Vault) -> std::io::Result<Self> {
        Ok(Self { state: Mutex::new(State::new()?), vault, config })
    }

    /// Keeps the records of an `ExportLogsServiceRequest`; `now_ns` is for records without a time.
    ///
    /// # Errors
    /// When nothing of it was kept.
    pub fn ingest_logs(&self, request: &[u8], now_ns: i64) -> Result<Ingested, IngestError> {
        ingest::check_logs(request).map_err(IngestError::Wire)?;
        let mut state = self.state();
        log(&mut state, Content::Logs, now_ns, || request.to_vec())?;
        let result = ingest::apply_logs(&mut state, &self.config.mapping, request, now_ns);
        let result = result.map_err(IngestError::Wire)?;
        self.settle(&mut state, now_ns);
        Ok(result)
    }

    /// Keeps rows with labels of their own.
    ///
    /// # Errors
    /// When nothing of it was kept.
    pub fn append(&self, rows: &[Row], now_ns: i64) -> Result<Ingested, IngestError> {
        ingest::check_rows(rows)?;
        let mut state = self.state();
        log(&mut state, Content::Rows, now_ns, || ingest::write_rows(rows))?;
        let result = ingest::apply_rows(&mut state, rows);
        self.settle(&mut state, now_ns);
        Ok(result)
    }

    /// Cuts blocks of all rows, stores what could not be stored before, and drops what is too old.
    pub fn maintain(&self, now_ns: i64) {
        let mut state = self.state();
        state.cut_all();
        self.settle(&mut state, now_ns);
        // Age counts also where nothing comes any more.
        state.retain(&self.vault, self.config.retention, self.config.head_bytes, now_ns);
    }

    /// Keeps every block that has a row from `from_ns` to before `to_ns`, until it is released.
    pub fn hold(&self, name: &str, from_ns: i64, to_ns: i64) {
        self.state().hold(name, from_ns, to_ns);
    }

    /// Ends a hold; whether there was one of this name.
    pub fn release(&self, name: &str) -> bool {
        self.state().release(name)
    }

    /// What the store holds.
    #[must_use]
    pub fn report(&self) -> Report {
        self.state().report()
    }

    /// Blocks that came back wrong so far, in the order in which it was noticed; of many, the
    /// first.
    #[must_use]
    pub fn faults(&self) -> Vec<(BlockId, Fault)> {
        self.state().faults().to_vec()
    }

    /// Asks the backend which blocks it has; those that it does not name are withheld, and are
    /// faults from now on.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn look_for_missing(&self) -> Result<(), VaultError> {
        for id in self.vault.missing()? {
            self.state().note_fault(id, Fault::Withheld);
        }
        Ok(())
    }

    /// What the host must be able to give back, for a ledger record.
    #[must_use]
    pub fn manifest_head(&self) -> Option<manifest::Head> {
        self.vault.head()
    }

    /// Brings the store back within its bounds after rows came in.
    pub(crate) fn settle(&self, state: &mut State, now_ns: i64) {
        while state.head_bytes() > self.config.head_bytes && state.cut_largest() {}
        if state.log_bytes() > WAL_BYTES_MAX {
            state.cut_all();
        }
        if state.store_cut(&self.vault) {
            state.retain(&self.vault, self.config.retention, self.config.head_bytes, now_ns);
        }
        state.trim_log();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is held is a mistake of this program; what is kept is still readable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn log(
    state: &mut State,
    content: Content,
    now_ns: i64,
    request: impl FnOnce() -> Vec<u8>,
) -> Result<(), IngestError> {
    let sequence = state.sequence;
    let Some(wal) = &mut state.wal else { return Ok(()) };
    let frame = Frame { sequence, now_ns, content, request: request() };
    wal.append(&frame).map_err(IngestError::NotDurable)
}
