//! Data keys: what payloads of an archive are encrypted under, one for each day of a ledger, and
//! where so configured one for each tenant of it.
//!
//! A key is a small private file in a folder that is no part of the archive,
//! `<yyyy>-<mm>-<dd>.<instance>.<ledger>.<class>.key` with 64 hex digits; the class is `default` or
//! `tenant-<digest>`. It is durable before the first batch under it is archived, and it is never
//! overwritten: a day whose key was destroyed gets another one. That a day once had too many
//! tenants says an empty file `<yyyy>-<mm>-<dd>.<instance>.<ledger>.crowded`. One process writes
//! the folder at a time. A file that is not a key stops whoever opens it; none is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hmac;
use lucarne_ledger::encryption::KeyId;
use lucarne_ledger::hash::{from_hex, to_hex};
use lucarne_ledger::identity::{Instance, LedgerKind};
use zeroize::Zeroizing;

use crate::disk::{Disk, EntryKind, Lock};
use crate::hold::DayClearance;
use crate::name::{Date, SealName};
use crate::tenant::TenantId;

/// What one key is for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot {
    /// UTC date of the files.
    pub date: Date,
    /// The workload.
    pub instance: Instance,
    /// Which of its ledgers, of every epoch.
    pub kind: LedgerKind,
    /// Whose records; `None`: those that are no tenant's.
    pub tenant: Option<TenantId>,
}

impl Slot {
    /// That of the records of a file that are no tenant's.
    pub fn of(seal: &SealName) -> Self {
        let instance = seal.ledger.instance.clone();
        Self { date: seal.date, instance, kind: seal.ledger.kind, tenant: None }
    }

    /// That of a tenant's records of the same day.
    #[must_use]
    pub fn of_tenant(&self, tenant: Option<TenantId>) -> Self {
        Self { tenant, ..self.clone() }
    }

    fn parse(file: &str) -> Option<Self> {
        let parts: Vec<&str> = file.split('.').collect();
        let &[date, instance, kind, class, "key"] = &parts[..] else { return None };
        let tenant = match class.strip_prefix(TENANT) {
            Some(tenant) => Some(tenant.parse().ok()?),
            None => None,
        };
        let slot = Self {
            date: date.replace('-', "/").parse().ok()?,
            instance: instance.parse().ok()?,
            kind: kind.parse().ok()?,
            tenant,
        };
        (slot.file() == file).then_some(slot)
    }

    fn parse_crowded(file: &str) -> Option<Self> {
        let day = file.strip_suffix(CROWDED)?;
        Self::parse(&format!("{day}.{CLASS}.key"))
    }

    fn file(&self) -> String {
        let class = self.tenant.map_or(CLASS.to_owned(), |tenant| format!("{TENANT}{tenant}"));
        format!("{}.{class}.key", self.day())
    }

    fn crowded_file(&self) -> String {
        format!("{}{CROWDED}", self.day())
    }

    fn day(&self) -> String {
        let date = self.date.to_string().replace('/', "-");
        format!("{date}.{}.{}", self.instance, self.kind)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.date, self.instance, self.kind)?;
        self.tenant.map_or(Ok(()), |tenant| write!(f, "/{TENANT}{tenant}"))
    }
}

/// A data key, ready for use. It cannot be copied out.
pub struct DataKey {
    id: KeyId,
    pub(crate) cipher: LessSafeKey,
    pub(crate) nonces: hmac::Key,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id)
    }
}

impl DataKey {
    /// The key of these 32 random bytes: of them come the key that encrypts, the one that gives
    /// nonces, and its name.
    ///
    /// # Errors
    /// `Cipher` when the library refuses it.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let cipher = hmac::sign(&root, b"lucarne/v1/data-key/encrypt");
        let nonces = hmac::sign(&root, b"lucarne/v1/data-key/nonce");
        let name = hmac::sign(&root, b"lucarne/v1/data-key/id");
        let id = name.as_ref().first_chunk().copied().ok_or(KeyError::Cipher)?;
        let cipher =
            UnboundKey::new(&AES_256_GCM, cipher.as_ref()).map_err(|_| KeyError::Cipher)?;
        Ok(Self {
            id: KeyId(id),
            cipher: LessSafeKey::new(cipher),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces.as_ref()),
        })
    }

    /// Its name.
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

/// Draws 32 random bytes; `None` when there are none.
pub type Draw = fn() -> Option<[u8; 32]>;

/// The folder of keys.
pub struct DataKeys {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    writer: Option<(Lock, Draw)>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: BTreeMap<Slot, Arc<DataKey>>,
    ids: BTreeMap<KeyId, Arc<DataKey>>,
    crowded: BTreeSet<Slot>,
}

impl Known {
    fn insert(&mut self, slot: Slot, key: Arc<DataKey>) {
        self.ids.insert(key.id, Arc::clone(&key));
        self.slots.insert(slot, key);
    }

    fn remove(&mut self, slot: &Slot) {
        if let Some(key) = self.slots.remove(slot) {
            self.ids.remove(&key.id);
        }
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKeys").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Why there is no key, or it is still there.
#[derive(Debug)]
pub enum KeyError {
    /// Another process writes the folder.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The folder was opened for reading.
    ReadOnly,
    /// A file of the folder is not a key under the name of one.
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// There is no randomness.
    Random,
    /// The cipher refuses.
    Cipher,
    /// The folder could not be read or written.
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl KeyError {
    /// Whether the same call may succeed later without anybody's help to this process.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::Random)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => {
                write!(f, "data keys are in use by another process, see {}", path.display())
            }
            Self::ReadOnly => write!(f, "data keys are open for reading only"),
            Self::Malformed { path } => write!(f, "not a data key: {}", path.display()),
            Self::Random => write!(f, "no random bytes for a data key"),
            Self::Cipher => write!(f, "cipher refused a data key"),
            Self::Disk { path, .. } => write!(f, "data keys: {}", path.display()),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk { source, .. } => Some(source),
            Self::Locked { .. }
            | Self::ReadOnly
            | Self::Malformed { .. }
            | Self::Random
            | Self::Cipher => None,
        }
    }
}

impl DataKeys {
    /// Opens the folder for making and destroying keys, and makes it if only it is missing.
    ///
    /// # Errors
    /// `Locked` when another process has it, `Malformed`, or a failing disk.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, draw: Draw) -> Result<Self, KeyError> {
        match disk.make_dir(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(failed(folder, error));
            }
            _ => {}
        }
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent).map_err(|error| failed(parent, error))?;
        }
        let path = folder.join(LOCK);
        let lock = disk.lock(&path).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => KeyError::Locked { path: path.clone() },
            _ => failed(&path, error),
        })?;
        let (folder, known) = (folder.to_owned(), Mutex::default());
        let keys = Self { disk, folder, writer: Some((lock, draw)), known };
        keys.clear_staged()?;
        keys.load()?;
        Ok(keys)
    }

    /// Opens the folder, or a copy of one, for reading.
    ///
    /// # Errors
    /// `Malformed`, or a failing disk.
    pub fn open_read_only(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, KeyError> {
        let (folder, known) = (folder.to_owned(), Mutex::default());
        let keys = Self { disk, folder, writer: None, known };
        keys.load()?;
        Ok(keys)
    }

    /// The key with this name.
    pub fn by_id(&self, id: KeyId) -> Option<Arc<DataKey>> {
        self.lock().ids.get(&id).cloned()
    }

    /// What there are keys for, by day.
    pub fn slots(&self) -> Vec<Slot> {
        self.lock().slots.keys().cloned().collect()
    }

    /// How many tenants have a key for the day of a slot.
    pub fn tenants(&self, slot: &Slot) -> usize {
        let none = slot.of_tenant(None);
        let known = self.lock();
        let behind = known.slots.range((Bound::Excluded(&none), Bound::Unbounded));
        let same = |other: &Slot| {
            (other.date, &other.instance, other.kind) == (none.date, &none.instance, none.kind)
        };
        behind.take_while(|(other, _)| same(other)).count()
    }

    /// Days with records of tenants under the key that is no tenant's, because too many others had
    /// one.
    pub fn crowded(&self) -> Vec<Slot> {
        self.lock().crowded.iter().cloned().collect()
    }

    /// Whether the day of a slot is one of [`Self::crowded`].
    pub fn is_crowded(&self, slot: &Slot) -> bool {
        self.lock().crowded.contains(&slot.of_tenant(None))
    }

    /// Says that the day of a slot is one of [`Self::crowded`]; on return that is durable.
    ///
    /// # Errors
    /// When it cannot be written; the same call may be made again.
    pub fn note_crowded(&self, slot: &Slot) -> Result<(), KeyError> {
        if self.writer.is_none() {
            return Err(KeyError::ReadOnly);
        }
        let day = slot.of_tenant(None);
        let path = self.folder.join(day.crowded_file());
        match self.disk.create_private(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(failed(&path, error));
            }
            _ => {}
        }
        self.disk.sync_dir(&self.folder).map_err(|error| failed(&self.folder, error))?;
        self.lock().crowded.insert(day);
        Ok(())
    }

    /// The key of a slot, if there is one.
    pub fn of(&self, slot: &Slot) -> Option<Arc<DataKey>> {
        self.lock().slots.get(slot).cloned()
    }

    /// The key of a slot, made if there is none; on return it is durable.
    ///
    /// # Errors
    /// When it cannot be made; the same call may be made again.
    pub fn of_or_new(&self, slot: &Slot) -> Result<Arc<DataKey>, KeyError> {
        if let Some(key) = self.of(slot) {
            return Ok(key);
        }
        let (_, draw) = self.writer.as_ref().ok_or(KeyError::ReadOnly)?;
        let path = self.folder.join(slot.file());
        // After an error the file may be there, and then it is the key.
        if !self.is_there(&path)? {
            self.write(&path, &Zeroizing::new(draw().ok_or(KeyError::Random)?))?;
        }
        // Its maker may have died, or failed, before the name was durable.
        self.disk.sync_dir(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let key = Arc::new(self.read(&path)?);
        self.lock().insert(slot.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// Removes the key of a slot that no hold covers; on return that is durable.
    ///
    /// What the storage below keeps of a removed file, and copies made by others, are out of reach.
    ///
    /// # Errors
    /// When the disk fails: the key may be there or not, and the same call may be made again.
    pub fn destroy(
        &self,
        clearance: &DayClearance,
        kind: LedgerKind,
        tenant: Option<TenantId>,
    ) -> Result<(), KeyError> {
        if self.writer.is_none() {
            return Err(KeyError::ReadOnly);
        }
        let (instance, date) = clearance.of();
        let slot = Slot { date, instance: instance.clone(), kind, tenant };
        self.remove(&self.folder.join(slot.file()))?;
        self.disk.sync_dir(&self.folder).map_err(|error| failed(&self.folder, error))?;
        // Nobody's records are under the key of the day when that is gone, and not before.
        if tenant.is_none() {
            self.remove(&self.folder.join(slot.crowded_file()))?;
        }
        let mut known = self.lock();
        known.remove(&slot);
        known.crowded.remove(&slot);
        Ok(())
    }

    // Staged and synced first, then named by a link, which fails where there is a key already.
    fn write(&self, path: &Path, bytes: &[u8; 32]) -> Result<(), KeyError> {
        let staged = path.with_added_extension(STAGED);
        self.remove(&staged)?;
        let text = Zeroizing::new(format!("{}\n", to_hex(bytes)));
        let written = self.disk.create_private(&staged).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync()
        });
        let linked = written.and_then(|()| self.disk.link(&staged, path));
        let cleared = self.remove(&staged);
        linked.map_err(|error| failed(path, error))?;
        cleared
    }

    fn is_there(&self, path: &Path) -> Result<bool, KeyError> {
        match self.disk.read(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(path, error)),
        }
    }

    fn remove(&self, path: &Path) -> Result<(), KeyError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, error)),
            _ => Ok(()),
        }
    }

    // A kill between link and removal leaves a key under a second name, which no erasure would
    // find.
    fn clear_staged(&self) -> Result<(), KeyError> {
        for entry in self.list()?.iter().filter(|name| name.ends_with(STAGED_SUFFIX)) {
            self.remove(&self.folder.join(entry))?;
        }
        self.disk.sync_dir(&self.folder).map_err(|error| failed(&self.folder, error))
    }

    fn list(&self) -> Result<Vec<String>, KeyError> {
        let entries = self.disk.list(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let files = entries.into_iter().filter(|entry| entry.kind != EntryKind::Directory);
        Ok(files.map(|entry| entry.name).collect())
    }

    fn load(&self) -> Result<(), KeyError> {
        let files = self.list()?;
        for file in files.iter().filter(|name| name.ends_with(".key")) {
            let path = self.folder.join(file);
            let slot =
                Slot::parse(file).ok_or_else(|| KeyError::Malformed { path: path.clone() })?;
            let key = Arc::new(self.read(&path)?);
            self.lock().insert(slot, key);
        }
        for file in files.iter().filter(|name| name.ends_with(CROWDED)) {
            let malformed = || KeyError::Malformed { path: self.folder.join(file) };
            let day = Slot::parse_crowded(file).ok_or_else(malformed)?;
            self.lock().crowded.insert(day);
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<DataKey, KeyError> {
        let file = self.disk.read(path).map_err(|error| failed(path, error))?;
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES));
        file.take(KEY_FILE_BYTES as u64 + 1)
            .read_to_string(&mut text)
            .map_err(|error| failed(path, error))?;
        let digits = text.strip_suffix('\n').and_then(|digits| from_hex::<32>(digits).ok());
        let malformed = || KeyError::Malformed { path: path.to_owned() };
        DataKey::new(&Zeroizing::new(digits.ok_or_else(malformed)?))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(path: &Path, source: io::Error) -> KeyError {
    KeyError::Disk { path: path.to_owned(), source }
}

/// The class of records that are no tenant's.
const CLASS: &str = "default";
/// What the class of a tenant's records begins with.
const TENANT: &str = "tenant-";
/// What the name of a file ends with that says that a day is crowded.
const CROWDED: &str = ".crowded";
const LOCK: &str = ".lock";
const STAGED: &str = "staged";
const STAGED_SUFFIX: &str = ".key.staged";
const KEY_FILE_BYTES: usize = 65; // 64 digits and the end of their line
