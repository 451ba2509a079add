//! A store over a local directory: what was acknowledged is there again after any crash.
//!
//! Blocks are read first, then the log. A block knows the newest record that it covers of its
//! stream, so a record that is in both is taken once.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{BlockMeta, Config, State, Store};
use crate::backend::disk::Disk;
use crate::backend::{BackendError, Directory};
use crate::block::{Block, BlockId, Kind};
use crate::crypt::BlockCipher;
use crate::cursor::Malformed;
use crate::ingest;
use crate::trace::{self, TraceBlock};
use crate::vault::{Fault, Vault, VaultError};
use crate::wal::{Content, Frame, Wal};

/// Why a directory cannot be opened as a store.
#[derive(Debug)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The directory cannot be used.
    Backend(BackendError),
    /// Its blocks cannot be listed or read now.
    Vault(VaultError),
    /// Its log cannot be read.
    Log(std::io::Error),
    /// There is no memory for the tables of the compressor.
    Memory(std::io::Error),
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(_) => f.write_str("the directory of the store cannot be used"),
            Self::Vault(_) => f.write_str("the blocks of the store cannot be read"),
            Self::Log(_) => f.write_str("the log of the store cannot be read"),
            Self::Memory(_) => f.write_str("no memory for the store"),
        }
    }
}

impl std::error::Error for DirectoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Backend(source) => Some(source),
            Self::Vault(source) => Some(source),
            Self::Log(source) | Self::Memory(source) => Some(source),
        }
    }
}

/// Opens the store in an existing directory, which nobody else may use meanwhile. Blocks that are
/// no longer what was written are left where they are and named in the report.
///
/// # Errors
/// When the directory cannot be read, or a block not for now.
pub fn open_directory(
    config: Config,
    disk: Arc<dyn Disk>,
    path: &Path,
    cipher: BlockCipher,
    now_ns: i64,
) -> Result<Store, DirectoryError> {
    let cipher = Arc::new(cipher);
    let backend = Directory::open(Arc::clone(&disk), path).map_err(DirectoryError::Backend)?;
    let vault = Vault::outside(Arc::new(backend), Arc::clone(&cipher));
    let mut state = State::new().map_err(DirectoryError::Memory)?;
    adopt_blocks(&mut state, &vault).map_err(DirectoryError::Vault)?;
    let (wal, frames) = Wal::open(disk, path, cipher).map_err(DirectoryError::Log)?;
    for frame in &frames {
        replay(&mut state, &config, frame);
    }
    state.known = HashMap::new();
    state.wal = Some(wal);
    state.cut_all();
    let store = Store { state: Mutex::new(state), vault, config };
    store.settle(&mut store.state(), now_ns);
    Ok(store)
}

fn adopt_blocks(state: &mut State, vault: &Vault) -> Result<(), VaultError> {
    let mut life = 0;
    for id in vault.left_behind()? {
        life = life.max(id.life() + 1);
        match vault.adopt(id) {
            Ok(plain) => {
                let adopted = match id.kind() {
                    Kind::Logs => adopt(state, id, &plain),
                    Kind::Traces => adopt_spans(state, id, &plain),
                };
                if adopted.is_err() {
                    state.note_fault(id, Fault::Malformed);
                }
            }
            Err(VaultError::Fault { id, fault }) => state.note_fault(id, fault),
            Err(error) => return Err(error),
        }
    }
    state.begin_life(life);
    Ok(())
}

fn adopt_spans(state: &mut State, id: BlockId, plain: &[u8]) -> Result<(), Malformed> {
    let head = TraceBlock::open(plain)?;
    state.traces.adopt(id, plain.len() as u64, head);
    state.sequence = state.traces.through().max(state.sequence);
    Ok(())
}

fn adopt(state: &mut State, id: BlockId, plain: &[u8]) -> Result<(), Malformed> {
    let block = Block::open(plain)?;
    let bloom = block.bloom()?;
    let content = block.content_bytes();
    let lines = block.line_bytes();
    let footer = block.footer;
    let Some(stream) = state.stream(footer.labels) else {
        return Err(Malformed::NotCanonical { what: "streams" });
    };
    let through = state.known.entry(stream.id).or_default();
    *through = footer.through.max(*through);
    state.sequence = footer.through.max(state.sequence);
    state.add_block(BlockMeta {
        id,
        stream,
        first_ns: footer.first_ns,
        last_ns: footer.last_ns,
        rows: footer.rows as u64,
        stored: plain.len() as u64,
        content,
        lines,
        bloom,
    });
    Ok(())
}

/// Takes a request again as it was taken first. It was checked then.
fn replay(state: &mut State, config: &Config, frame: &Frame) {
    let newest = state.sequence;
    state.sequence = frame.sequence;
    match frame.content {
        Content::Logs => {
            let _ = ingest::apply_logs(state, &config.mapping, &frame.request, frame.now_ns);
        }
        Content::Rows => {
            if let Ok(rows) = ingest::read_rows(&frame.request) {
                let _ = ingest::apply_rows(state, &rows);
            }
        }
        Content::Spans => trace::replay(state, &frame.request),
    }
    state.sequence = state.sequence.max(newest);
}
