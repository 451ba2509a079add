//! The two states of the simulated disk, and what a crash makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Fault, Loss};

/// Everything on the disk and everything that is going on.
#[derive(Debug)]
pub(super) struct State {
    directories: BTreeMap<PathBuf, Directory>,
    inodes: BTreeMap<u64, Inode>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) plan: Option<(u64, Fault)>,
    pub(super) steps: u64,
    /// Number of crashes so far: files and locks of an earlier life are dead.
    pub(super) life: u64,
    killed: bool,
}

#[derive(Debug, Default)]
struct Directory {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
}

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// What a cut since the last sync took off: it may have reached the disk, and the cut not.
    pub(super) uncut: Option<Vec<u8>>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Node {
    File(u64),
    Directory,
}

impl State {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            directories: BTreeMap::from([(root.to_owned(), Directory::default())]),
            inodes: BTreeMap::new(),
            locks: BTreeSet::new(),
            plan: None,
            steps: 0,
            life: 0,
            killed: false,
        }
    }

    /// Counts one step and says what is planned for it.
    pub(super) fn next_fault(&mut self) -> io::Result<Option<Fault>> {
        self.check_alive()?;
        let step = self.steps;
        self.steps += 1;
        Ok(self.plan.filter(|(planned, _)| *planned == step).map(|(_, fault)| fault))
    }

    pub(super) fn is_torn_next(&self) -> bool {
        matches!(self.plan, Some((step, Fault::Torn(_))) if step == self.steps)
    }

    pub(super) fn kill(&mut self) -> io::Error {
        self.killed = true;
        dead()
    }

    pub(super) fn check_alive(&self) -> io::Result<()> {
        if self.killed { Err(dead()) } else { Ok(()) }
    }

    pub(super) fn check_life(&self, life: u64) -> io::Result<()> {
        if self.life == life { Ok(()) } else { Err(dead()) }
    }

    pub(super) fn new_inode(&mut self) -> u64 {
        let number = self.inodes.keys().next_back().map_or(0, |last| last + 1);
        self.inodes.insert(number, Inode::default());
        number
    }

    pub(super) fn inode(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn file(&mut self, path: &Path) -> io::Result<u64> {
        match self.names(path)?.get(&name_of(path)?) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// The names beside `path`.
    pub(super) fn names(&mut self, path: &Path) -> io::Result<&mut BTreeMap<String, Node>> {
        self.names_in(path.parent().ok_or(ErrorKind::InvalidInput)?)
    }

    /// The names in `path`.
    pub(super) fn names_in(&mut self, path: &Path) -> io::Result<&mut BTreeMap<String, Node>> {
        let directory = self.directories.get_mut(path).ok_or(ErrorKind::NotFound)?;
        Ok(&mut directory.live)
    }

    pub(super) fn insert(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let name = name_of(path)?;
        let names = self.names(path)?;
        if names.contains_key(&name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        names.insert(name, node);
        Ok(())
    }

    pub(super) fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.directories.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.insert(path, Node::Directory)?;
        self.directories.insert(path.to_owned(), Directory::default());
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.directories.get_mut(path).ok_or(ErrorKind::NotFound)?;
        directory.durable.clone_from(&directory.live);
        Ok(())
    }

    pub(super) fn flip(&mut self, path: &Path, offset: usize) -> io::Result<()> {
        let inode = self.file(path)?;
        let inode = self.inode(inode)?;
        for content in [&mut inode.live, &mut inode.durable] {
            *content.get_mut(offset).ok_or(ErrorKind::UnexpectedEof)? ^= 1;
        }
        Ok(())
    }

    pub(super) fn crash(&mut self, loss: Loss) {
        self.life += 1;
        self.killed = false;
        self.plan = None;
        self.locks.clear();
        if let Loss::Power(seed) = loss {
            let mut dice = Dice(seed);
            self.lose_names(&mut dice);
            for inode in self.inodes.values_mut() {
                inode.lose(&mut dice);
            }
        }
    }

    /// Each name whose two states differ goes one way or the other on its own.
    fn lose_names(&mut self, dice: &mut Dice) {
        for directory in self.directories.values_mut() {
            let live = std::mem::take(&mut directory.live);
            let mut all: BTreeSet<String> = live.keys().cloned().collect();
            all.extend(directory.durable.keys().cloned());
            for name in all {
                let kept = if dice.below(2) == 0 { &live } else { &directory.durable };
                if let Some(node) = kept.get(&name) {
                    directory.live.insert(name, *node);
                }
            }
            directory.durable.clone_from(&directory.live);
        }
        let mut reachable = BTreeSet::new();
        for (path, directory) in &self.directories {
            for (name, node) in &directory.live {
                if *node == Node::Directory {
                    reachable.insert(path.join(name));
                }
            }
        }
        // Parents come before children in path order, so one pass takes whole subtrees.
        let mut gone: Vec<PathBuf> = Vec::new();
        let root = self.directories.keys().next().cloned();
        for path in self.directories.keys() {
            let lost_above = path.parent().is_some_and(|above| gone.iter().any(|g| g == above));
            if Some(path) != root.as_ref() && (lost_above || !reachable.contains(path)) {
                gone.push(path.clone());
            }
        }
        self.directories.retain(|path, _| !gone.contains(path));
    }
}

impl Inode {
    /// Of appended bytes some prefix survives, and behind it perhaps garbage of what was to come; a
    /// cut survives or does not.
    fn lose(&mut self, dice: &mut Dice) {
        if let Some(uncut) = self.uncut.take().filter(|_| dice.below(2) == 0) {
            self.live = uncut;
        }
        if let Some(appended) = self.live.strip_prefix(self.durable.as_slice()) {
            let kept = dice.below(appended.len() + 1);
            let length = kept + dice.below(appended.len() - kept + 1);
            let mut survived = self.durable.clone();
            survived.extend_from_slice(&appended[..kept]);
            // The file system has grown the file before it wrote the block.
            survived.resize(self.durable.len() + length, 0);
            self.live = survived;
        } else if dice.below(2) == 0 {
            self.live.clone_from(&self.durable);
        }
        self.durable.clone_from(&self.live);
    }
}

/// The name in its directory.
pub(super) fn name_of(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(ErrorKind::InvalidInput)?;
    Ok(name.to_owned())
}

/// A small generator (splitmix64): the same seed, the same losses.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % (bound as u64)).unwrap_or(0)
    }
}

fn dead() -> io::Error {
    io::Error::other("the simulated process is dead")
}
