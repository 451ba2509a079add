//! Blocks that the host keeps: what waits to be asked of it, and the one request that is open.
//!
//! Threads of the store put, read and forget blocks; the uplink takes one request after another
//! and brings the answers. Writing never waits for the host: what it has not taken yet lies here,
//! within bounds, and is read from here. A host that falls silent costs one wait, and then nothing
//! until it speaks again. Nothing that it gives is believed here: the store's vault checks every
//! block.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lucarne_link::blob::{Answer, BlobName, NAMES_MAX, PIECE_BYTES_MAX, Request};
use lucarne_link::message::Up;
use lucarne_store::backend::{Backend, BackendError};
use lucarne_store::block::BlockId;
use tokio::sync::Notify;

/// Blocks that the host has not taken; beyond them the store keeps a few of its own, and then drops
/// its oldest.
const PUTS_MAX: usize = 16;
/// Their bytes, whatever their number; one block always has room.
pub(crate) const PUT_BYTES_MAX: usize = 4 << 20;
/// Threads that wait for a block at a time: as many as there are questions at a time, and more.
const READS_MAX: usize = 64;
/// Blocks to be forgotten; what is beyond stays with the host, which can do nothing with it.
const REMOVALS_MAX: usize = 4_096;
/// How long a thread waits for a block: a question has half a minute in all.
const READ_WAIT: Duration = Duration::from_secs(5);
/// A host that has no room is asked again after this time.
const FULL_PAUSE: Duration = Duration::from_secs(5);
/// Answers to one list, of 4,096 names each: more blocks than an index in an enclave has room for.
const LISTS_MAX: usize = 64;
/// How long a host may take for them all.
const LIST_WAIT: Duration = Duration::from_secs(20);

/// Between the store's threads and the uplink.
#[derive(Default)]
pub(crate) struct Window {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    connected: bool,
    // a thread has waited in vain, and nothing was answered since
    silent: bool,
    puts: BTreeMap<BlockId, Arc<[u8]>>,
    put_bytes: usize,
    // how much of which block the host has
    putting: Option<(BlockId, usize)>,
    full_until: Option<Instant>,
    removals: BTreeSet<BlockId>,
    reads: VecDeque<Read>,
    open: Option<Open>,
}

/// A thread that waits.
enum Read {
    Block { id: BlockId, got: Vec<u8>, told: SyncSender<Given> },
    Names { after: Option<BlobName>, told: SyncSender<Given> },
}

/// What a thread is told.
enum Given {
    Block(Option<Arc<[u8]>>),
    Names(Vec<BlobName>),
    Failed,
}

/// The request that the host has not answered.
enum Open {
    Put { id: BlockId, end: usize },
    Remove(BlockId),
    Read(Read),
}

impl Read {
    const fn told(&self) -> &SyncSender<Given> {
        match self {
            Self::Block { told, .. } | Self::Names { told, .. } => told,
        }
    }

    fn fail(&self) {
        // Whoever has gone away no longer wants to know.
        drop(self.told().try_send(Given::Failed));
    }
}

impl Window {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session with the host has begun.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        (state.connected, state.silent, state.full_until) = (true, false, None);
    }

    /// The session has ended: whoever waits is told, and what was half done begins anew.
    pub(crate) fn shut(&self) {
        let mut state = self.state();
        (state.connected, state.putting) = (false, None);
        match state.open.take() {
            Some(Open::Read(read)) => read.fail(),
            Some(Open::Remove(id)) => drop(state.removals.insert(id)),
            Some(Open::Put { .. }) | None => {}
        }
        state.reads.drain(..).for_each(|read| read.fail());
    }

    /// Waits until there may be something to ask.
    pub(crate) async fn asking(&self) {
        self.news.notified().await;
    }

    /// The body of the next message, unless one is still to be answered.
    pub(crate) fn next_request(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        if state.open.is_some() || !state.connected {
            return None;
        }
        // People wait for reads; removals make room for puts.
        state.next_read().or_else(|| state.next_removal()).or_else(|| state.next_put())
    }

    /// Takes the host's answer; `false` when it answers nothing that was asked.
    pub(crate) fn take(&self, answer: Answer) -> bool {
        let mut state = self.state();
        let Some(open) = state.open.take() else { return false };
        state.silent = false;
        match (open, answer) {
            (Open::Put { id, end }, Answer::Done) => state.was_put(id, end),
            (Open::Put { .. }, Answer::Refused) => {
                (state.putting, state.full_until) = (None, Some(Instant::now() + FULL_PAUSE));
            }
            // What the host does not forget is noise that it keeps.
            (Open::Remove(_), Answer::Done | Answer::Refused) => {}
            (Open::Read(read), answer) => return state.was_read(read, answer),
            (Open::Put { .. } | Open::Remove(_), _) => return false,
        }
        true
    }

    /// Has a thread wait for the host.
    fn wait(&self, read: impl FnOnce(SyncSender<Given>) -> Read) -> Result<Given, BackendError> {
        let (told, given) = sync_channel(1);
        {
            let mut state = self.state();
            if !state.connected || state.silent || state.reads.len() >= READS_MAX {
                return Err(BackendError::Host);
            }
            state.reads.push_back(read(told));
        }
        self.news.notify_one();
        match given.recv_timeout(READ_WAIT) {
            Ok(Given::Failed) => Err(BackendError::Host),
            Ok(given) => Ok(given),
            Err(_) => {
                self.state().silent = true;
                Err(BackendError::Host)
            }
        }
    }
}

impl State {
    fn next_read(&mut self) -> Option<Vec<u8>> {
        let read = self.reads.pop_front()?;
        let request = match &read {
            Read::Block { id, got, .. } => {
                Request::Get { name: name(*id), offset: got.len() as u64 }
            }
            Read::Names { after, .. } => Request::List { after: *after },
        };
        let body = Up::Blob(request).encode();
        self.open = Some(Open::Read(read));
        Some(body)
    }

    fn next_removal(&mut self) -> Option<Vec<u8>> {
        let id = self.removals.pop_first()?;
        self.open = Some(Open::Remove(id));
        Some(Up::Blob(Request::Remove { name: name(id) }).encode())
    }

    fn next_put(&mut self) -> Option<Vec<u8>> {
        if self.full_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let (id, from) = match self.putting {
            Some(putting) => putting,
            None => (*self.puts.first_key_value()?.0, 0),
        };
        let whole = self.puts.get(&id)?;
        let end = whole.len().min(from.saturating_add(PIECE_BYTES_MAX));
        let (total, offset) = (whole.len() as u64, from as u64);
        let bytes = whole.get(from..end)?;
        let body = Up::Blob(Request::Put { name: name(id), total, offset, bytes }).encode();
        self.open = Some(Open::Put { id, end });
        Some(body)
    }

    fn was_put(&mut self, id: BlockId, end: usize) {
        self.putting = None;
        // One that was dropped meanwhile is forgotten by the host after this.
        let Some(whole) = self.puts.get(&id) else { return };
        if end < whole.len() {
            self.putting = Some((id, end));
        } else {
            self.no_longer_waits(id);
        }
    }

    fn was_read(&mut self, read: Read, answer: Answer) -> bool {
        match (read, answer) {
            (Read::Block { id, mut got, told }, Answer::Piece { total, bytes }) => {
                got.extend_from_slice(&bytes);
                if (got.len() as u64) < total {
                    self.reads.push_front(Read::Block { id, got, told });
                } else {
                    drop(told.try_send(Given::Block(Some(got.into()))));
                }
                true
            }
            (Read::Block { told, .. }, Answer::Nothing) => {
                drop(told.try_send(Given::Block(None)));
                true
            }
            (Read::Names { told, .. }, Answer::Names(names)) => {
                drop(told.try_send(Given::Names(names)));
                true
            }
            (read, answer) => {
                read.fail();
                answer == Answer::Refused
            }
        }
    }

    fn no_longer_waits(&mut self, id: BlockId) {
        if let Some(bytes) = self.puts.remove(&id) {
            self.put_bytes = self.put_bytes.saturating_sub(bytes.len());
        }
    }
}

impl Backend for Window {
    /// Keeps it here until the host has it. With the process its key goes too, so nothing that it
    /// could lose in a crash could ever be read again.
    fn put(&self, id: BlockId, bytes: &Arc<[u8]>) -> Result<(), BackendError> {
        let mut state = self.state();
        let beyond = state.put_bytes.saturating_add(bytes.len()) > PUT_BYTES_MAX;
        if state.puts.len() >= PUTS_MAX || (beyond && !state.puts.is_empty()) {
            drop(state);
            // The pause after a refusal may be over.
            self.news.notify_one();
            return Err(BackendError::Host);
        }
        state.put_bytes = state.put_bytes.saturating_add(bytes.len());
        state.puts.insert(id, Arc::clone(bytes));
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    fn get(&self, id: BlockId) -> Result<Option<Arc<[u8]>>, BackendError> {
        if let Some(waiting) = self.state().puts.get(&id) {
            return Ok(Some(Arc::clone(waiting)));
        }
        match self.wait(|told| Read::Block { id, got: Vec::new(), told })? {
            Given::Block(block) => Ok(block),
            Given::Names(_) | Given::Failed => Err(BackendError::Host),
        }
    }

    fn list(&self) -> Result<Vec<BlockId>, BackendError> {
        let mut ids: BTreeSet<BlockId> = self.state().puts.keys().copied().collect();
        let (mut after, began) = (None, Instant::now());
        for _ in 0..LISTS_MAX {
            if began.elapsed() > LIST_WAIT {
                return Err(BackendError::Host);
            }
            let Given::Names(names) = self.wait(|told| Read::Names { after, told })? else {
                return Err(BackendError::Host);
            };
            // A host that goes round in circles is not followed.
            if names.first().is_some_and(|first| after.is_some_and(|after| *first <= after)) {
                return Err(BackendError::Host);
            }
            ids.extend(names.iter().map(|name| block(*name)));
            if names.len() < NAMES_MAX {
                return Ok(ids.into_iter().collect());
            }
            after = names.last().copied();
        }
        Err(BackendError::Host)
    }

    fn remove(&self, id: BlockId) -> Result<(), BackendError> {
        let mut state = self.state();
        state.no_longer_waits(id);
        if state.putting.is_some_and(|(putting, _)| putting == id) {
            state.putting = None;
        }
        if state.removals.len() >= REMOVALS_MAX {
            return Err(BackendError::Host);
        }
        state.removals.insert(id);
        drop(state);
        self.news.notify_one();
        Ok(())
    }
}

const fn name(id: BlockId) -> BlobName {
    let joined = (id.segment as u64) << 32 | id.block as u64;
    BlobName(joined.to_be_bytes())
}

const fn block(name: BlobName) -> BlockId {
    let [a, b, c, d, e, f, g, h] = name.0;
    BlockId { segment: u32::from_be_bytes([a, b, c, d]), block: u32::from_be_bytes([e, f, g, h]) }
}

#[cfg(test)]
mod tests;
