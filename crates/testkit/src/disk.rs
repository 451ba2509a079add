//! A simulated disk that fails, tears, dies and forgets at any step.
//!
//! It keeps two states, what running processes see and what is durable. Every call that changes
//! something is a numbered step at which one [`Fault`] can be planned. [`SimDisk::crash`] ends the
//! process and, when power is lost too, decides by a seed for every unsynced name and byte whether
//! it survives: names in any order, files as a prefix whose end may be garbage.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lucarne_archive::disk::{DirEntry, Disk, DiskFile, EntryKind, Lock, Readable};

mod state;

use state::{Inode, Node, State};

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    shared: Arc<Mutex<State>>,
}

/// What goes wrong at the planned step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The call fails and has done nothing.
    NotDone(ErrorKind),
    /// The call fails and has done everything.
    DoneButError(ErrorKind),
    /// A write fails and has done half; any other call has done nothing.
    Torn(ErrorKind),
    /// The process dies before the call: this and all later calls fail until [`SimDisk::crash`].
    Killed,
}

/// What a crash takes with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// The process only: kill -9.
    Process,
    /// The machine: of what was not synced, the seed decides.
    Power(u64),
}

impl SimDisk {
    /// An empty disk with one durable directory.
    pub fn new(root: &Path) -> Self {
        Self { shared: Arc::new(Mutex::new(State::new(root))) }
    }

    /// Plans one fault at the step with this number, from 0, counted from now.
    pub fn plan(&self, step: u64, fault: Fault) {
        let mut state = self.state();
        state.steps = 0;
        state.plan = Some((step, fault));
    }

    /// Whether the planned fault has happened; forgets the plan.
    pub fn take_plan(&self) -> bool {
        let mut state = self.state();
        let steps = state.steps;
        state.plan.take().is_some_and(|(step, _)| step < steps)
    }

    /// Steps since the last plan.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Ends every process that used the disk and loses what the loss takes.
    pub fn crash(&self, loss: Loss) {
        self.state().crash(loss);
    }

    /// Changes one byte of a file, durably: rot.
    ///
    /// # Errors
    /// When there is no such byte.
    pub fn flip(&self, path: &Path, offset: usize) -> io::Result<()> {
        self.state().flip(path, offset)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        match state.next_fault()? {
            None => work(&mut state),
            Some(Fault::DoneButError(kind)) => {
                work(&mut state)?;
                Err(kind.into())
            }
            Some(Fault::NotDone(kind) | Fault::Torn(kind)) => Err(kind.into()),
            Some(Fault::Killed) => Err(state.kill()),
        }
    }
}

impl Disk for SimDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.step(|state| state.make_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(|state| state.sync_dir(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.step(|state| {
            let inode = state.new_inode();
            state.insert(path, Node::File(inode)).map(|()| inode)
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), inode, life: self.state().life }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.check_alive()?;
        let inode = state.file(path)?;
        let life = state.life;
        drop(state);
        Ok(Box::new(SimFile { disk: self.clone(), inode, life }))
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Readable + Send>> {
        let mut state = self.state();
        state.check_alive()?;
        let inode = state.file(path)?;
        Ok(Box::new(Cursor::new(state.inode(inode)?.live.clone())))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|state| {
            let inode = state.file(from)?;
            state.insert(to, Node::File(inode))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|state| {
            let inode = state.file(from)?;
            state.names(to)?.insert(state::name_of(to)?, Node::File(inode));
            state.names(from)?.remove(&state::name_of(from)?);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|state| {
            state.file(path)?;
            state.names(path)?.remove(&state::name_of(path)?);
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.state();
        state.check_alive()?;
        let names: BTreeMap<String, Node> = state.names_in(path)?.clone();
        let entry = |(name, node)| {
            let (kind, length) = match node {
                Node::File(inode) => (EntryKind::File, state.inode(inode)?.live.len() as u64),
                Node::Directory => (EntryKind::Directory, 0),
            };
            Ok(DirEntry { name, kind, length })
        };
        names.into_iter().map(entry).collect()
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.step(|state| {
            if state.file(path).is_err() {
                let inode = state.new_inode();
                state.insert(path, Node::File(inode))?;
            }
            if state.locks.insert(path.to_owned()) {
                Ok(())
            } else {
                Err(ErrorKind::WouldBlock.into())
            }
        })?;
        let life = self.state().life;
        Ok(Lock::held_by(SimLock { disk: self.clone(), path: path.to_owned(), life }))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    life: u64,
}

impl SimFile {
    /// A file outlives its process in no way.
    fn step(&self, work: impl FnOnce(&mut Inode)) -> io::Result<()> {
        self.disk.step(|state| {
            state.check_life(self.life)?;
            work(state.inode(self.inode)?);
            Ok(())
        })
    }
}

impl DiskFile for SimFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let torn = self.disk.state().is_torn_next();
        self.step(|inode| inode.live.extend_from_slice(bytes)).inspect_err(|_| {
            if torn {
                let mut state = self.disk.state();
                if let Ok(inode) = state.inode(self.inode) {
                    inode.live.extend_from_slice(&bytes[..bytes.len() / 2]);
                }
            }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step(|inode| {
            inode.durable.clone_from(&inode.live);
            inode.uncut = None;
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.step(|inode| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length < inode.live.len() {
                inode.uncut.get_or_insert_with(|| inode.live.clone());
                inode.live.truncate(length);
            }
        })
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}
