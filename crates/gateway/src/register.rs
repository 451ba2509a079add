//! The site's register, kept in the archive: one object an entry, one for each signed head.
//!
//! An entry is there before its head is signed, and an epoch is in it before a batch of that epoch
//! is taken. A call that failed may have stored its entry all the same, so the very same bytes are
//! offered again before anything else; a kill leaves at most a head to be signed at the next start.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lucarne_archive::name::{EpochFile, EpochName, RegisterName};
use lucarne_archive::{Archive, ArchiveError, Name, Put};
use lucarne_ledger::cbor::CborError;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, Instance, LedgerId};
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer as _, SigningFailed};
use lucarne_ledger::register::{ENTRY_BYTES_MAX, Entry, Predecessor, Register};

use crate::clock::Clock;

/// The register and the key of its heads.
pub struct SiteRegister {
    archive: Arc<dyn Archive>,
    key: Ed25519Key,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    register: Register,
    epochs: HashSet<(Instance, EpochId)>,
    // the newest epoch of each instance
    last: HashMap<Instance, EpochId>,
    ended: HashSet<LedgerId>,
    // heads that `close` announced and that are not archived yet
    closing: HashMap<LedgerId, (u64, Hash)>,
    // an entry that may or may not be stored
    pending: Option<Vec<u8>>,
    // size of the newest head that is stored
    signed: Option<u64>,
}

/// Why the register cannot be read or go on.
#[derive(Debug)]
pub enum RegisterError {
    /// The archive fails.
    Archive(ArchiveError),
    /// An entry cannot be read.
    Read(std::io::Error),
    /// An object is not an entry.
    Entry {
        /// Its place.
        index: u64,
        /// Why.
        source: CborError,
    },
    /// An entry is missing before this one.
    Gap {
        /// The place of the one that is there.
        index: u64,
    },
    /// Somebody else has written an entry at this place: two gateways keep one register.
    Taken {
        /// The place.
        index: u64,
    },
    /// The head cannot be signed.
    Signing(SigningFailed),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(f, "register: {error}"),
            Self::Read(_) => write!(f, "register: an entry cannot be read"),
            Self::Entry { index, .. } => write!(f, "register: entry {index} is not one"),
            Self::Gap { index } => write!(f, "register: entries before {index} are missing"),
            Self::Taken { index } => {
                write!(f, "register: another writer has made entry {index}, one gateway keeps it")
            }
            Self::Signing(_) => write!(f, "register: its head cannot be signed"),
        }
    }
}

impl std::error::Error for RegisterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Archive(error) => error.source(),
            Self::Read(error) => Some(error),
            Self::Entry { source, .. } => Some(source),
            Self::Signing(error) => Some(error),
            Self::Gap { .. } | Self::Taken { .. } => None,
        }
    }
}

impl SiteRegister {
    /// Reads the register of an archive, and signs its head if a kill left it unsigned.
    ///
    /// # Errors
    /// When it is not whole, or the archive fails.
    pub fn open(
        archive: Arc<dyn Archive>,
        key: Ed25519Key,
        log_prefix: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RegisterError> {
        let mut inner = Inner {
            register: Register::new(log_prefix),
            epochs: HashSet::new(),
            last: HashMap::new(),
            ended: HashSet::new(),
            closing: HashMap::new(),
            pending: None,
            signed: None,
        };
        for name in archive.list(FOLDER).map_err(RegisterError::Archive)? {
            match name {
                Ok(Name::Register(RegisterName::Entry { index })) => {
                    inner.load(&*archive, index)?;
                }
                Ok(Name::Register(RegisterName::Checkpoint { size, .. })) => {
                    inner.signed = Some(size).max(inner.signed);
                }
                // Strays are the auditor's business.
                Ok(_) | Err(ArchiveError::Stray { .. }) => {}
                Err(error) => return Err(RegisterError::Archive(error)),
            }
        }
        let register = Self { archive, key, clock, inner: Mutex::new(inner) };
        let mut inner = register.lock();
        register.note_the_past(&mut inner)?;
        register.settle(&mut inner)?;
        drop(inner);
        Ok(register)
    }

    // A register that begins on an archive with a past names that first, before its first head is
    // signed: else every epoch before it would look as if somebody had slipped it in. Later a kill
    // between the evidence of an epoch and its entry leaves an epoch without a ledger.
    fn note_the_past(&self, inner: &mut Inner) -> Result<(), RegisterError> {
        for name in self.archive.list(EPOCHS).map_err(RegisterError::Archive)? {
            let Ok(Name::Epoch(EpochName { instance, epoch, file: EpochFile::Binding })) = name
            else {
                continue;
            };
            if inner.epochs.contains(&(instance.clone(), epoch))
                || (inner.signed.is_some() && self.has_ledger(&instance, epoch)?)
            {
                continue;
            }
            let of = |file| {
                let name = EpochName { instance: instance.clone(), epoch, file };
                read(&*self.archive, &name.into(), EVIDENCE_BYTES_MAX)
            };
            let evidence = match of(EpochFile::Evidence) {
                Ok(evidence) => evidence,
                // A kill before the evidence was stored: it comes with the epoch's next connection.
                Err(RegisterError::Archive(ArchiveError::NotFound { .. })) => continue,
                Err(error) => return Err(error),
            };
            let entry = Entry::Epoch {
                binding_sha256: Hash::of(&of(EpochFile::Binding)?),
                evidence_sha256: Hash::of(&evidence),
                predecessor: None,
                time_ms: self.now_ms(),
                instance,
                epoch,
            };
            inner.pending = Some(entry.to_cbor());
            self.store(inner)?;
        }
        Ok(())
    }

    fn has_ledger(&self, instance: &Instance, epoch: EpochId) -> Result<bool, RegisterError> {
        let folder = format!("checkpoints/{instance}/{epoch}/");
        let mut heads = self.archive.list(&folder).map_err(RegisterError::Archive)?;
        Ok(heads.any(|head| head.is_ok()))
    }

    /// Notes an epoch whose evidence is archived, unless it is noted already.
    ///
    /// The ends of the epoch before are noted first, if `close` never told them. Predecessor and
    /// time of the entry are completed here.
    ///
    /// # Errors
    /// When the archive fails or another writer is there: the epoch must not be served then.
    pub fn epoch(&self, mut entry: Entry) -> Result<(), RegisterError> {
        let Entry::Epoch { instance, epoch, predecessor, time_ms, .. } = &mut entry else {
            return Ok(());
        };
        let mut inner = self.lock();
        self.settle(&mut inner)?;
        let place = (instance.clone(), *epoch);
        if inner.epochs.contains(&place) {
            return Ok(());
        }
        let told = predecessor.take();
        for (before, head) in
            told.iter().flat_map(|of| of.heads.iter().map(|head| (of.epoch, head)))
        {
            let ledger = LedgerId { instance: instance.clone(), epoch: before, kind: head.kind };
            self.note_end(&mut inner, ledger, head.size, head.root)?;
        }
        // The epoch before is the one that is noted before, also when nothing of it was archived:
        // so an honest register never gives one epoch two successors.
        *predecessor = inner.last.get(instance).map(|before| Predecessor {
            epoch: *before,
            heads: told.filter(|told| told.epoch == *before).map_or_else(Vec::new, |of| of.heads),
        });
        *time_ms = self.now_ms();
        self.append(&mut inner, &entry)
    }

    /// Remembers that a ledger ends here; the end is noted once it is archived.
    pub fn closing(&self, ledger: &LedgerId, size: u64, root: Hash) {
        self.lock().closing.insert(ledger.clone(), (size, root));
    }

    /// Notes the end of a ledger that the archive now holds up to `size`, if it has one.
    ///
    /// # Errors
    /// When the archive fails; the end is noted with the next epoch of the instance.
    pub fn archived(&self, ledger: &LedgerId, size: u64) -> Result<(), RegisterError> {
        let mut inner = self.lock();
        match inner.closing.get(ledger) {
            Some((end, root)) if *end <= size => {
                let (end, root) = (*end, *root);
                inner.closing.remove(ledger);
                self.settle(&mut inner)?;
                self.note_end(&mut inner, ledger.clone(), end, root)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.lock().register.size()
    }

    fn note_end(
        &self,
        inner: &mut Inner,
        ledger: LedgerId,
        size: u64,
        root: Hash,
    ) -> Result<(), RegisterError> {
        if inner.ended.contains(&ledger) {
            return Ok(());
        }
        let end = Entry::End { ledger, size, root, time_ms: self.now_ms() };
        self.append(inner, &end)
    }

    fn append(&self, inner: &mut Inner, entry: &Entry) -> Result<(), RegisterError> {
        inner.pending = Some(entry.to_cbor());
        self.settle(inner)
    }

    /// Stores what is pending and signs the head that is not signed.
    fn settle(&self, inner: &mut Inner) -> Result<(), RegisterError> {
        self.store(inner)?;
        self.sign(inner)
    }

    fn store(&self, inner: &mut Inner) -> Result<(), RegisterError> {
        if let Some(bytes) = inner.pending.clone() {
            let index = inner.register.size();
            let name = Name::Register(RegisterName::Entry { index });
            if self.archive.put(&name, &bytes).map_err(RegisterError::Archive)? == Put::Different {
                return Err(RegisterError::Taken { index });
            }
            inner.take(index, &bytes)?;
            inner.pending = None;
        }
        Ok(())
    }

    fn sign(&self, inner: &mut Inner) -> Result<(), RegisterError> {
        let (size, root) = (inner.register.size(), inner.register.root());
        if size == 0 || inner.signed == Some(size) {
            return Ok(());
        }
        let note = inner.register.sign(&self.key).map_err(RegisterError::Signing)?;
        let name = RegisterName::Checkpoint { size, root, cosigned: false };
        // An Ed25519 signature is the same each time, so a second attempt writes the same bytes.
        self.archive.put(&name.into(), note.as_bytes()).map_err(RegisterError::Archive)?;
        inner.signed = Some(size);
        Ok(())
    }

    /// Size and root of its newest head that is signed and stored.
    pub fn head(&self) -> Option<(u64, Hash)> {
        let inner = self.lock();
        let (size, root) = (inner.register.size(), inner.register.root());
        (inner.signed == Some(size)).then_some((size, root))
    }

    /// The key of its heads.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn now_ms(&self) -> u64 {
        self.clock.unix_ns() / 1_000_000
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn load(&mut self, archive: &dyn Archive, index: u64) -> Result<(), RegisterError> {
        if index != self.register.size() {
            return Err(RegisterError::Gap { index });
        }
        let name = Name::Register(RegisterName::Entry { index });
        let bytes = read(archive, &name, ENTRY_BYTES_MAX as u64 + 1)?;
        self.take(index, &bytes)
    }

    fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), RegisterError> {
        let entry = self.register.append(bytes);
        match entry.map_err(|source| RegisterError::Entry { index, source })? {
            Entry::Epoch { instance, epoch, .. } => {
                self.last.insert(instance.clone(), epoch);
                self.epochs.insert((instance, epoch));
            }
            Entry::End { ledger, .. } => {
                self.ended.insert(ledger);
            }
        }
        Ok(())
    }
}

fn read(archive: &dyn Archive, name: &Name, max: u64) -> Result<Vec<u8>, RegisterError> {
    let object = archive.open(name).map_err(RegisterError::Archive)?;
    let mut bytes = Vec::new();
    object.take(max).read_to_end(&mut bytes).map_err(RegisterError::Read)?;
    Ok(bytes)
}

/// The folder of its objects.
const FOLDER: &str = "register/";
const EPOCHS: &str = "epochs/";
/// As an auditor reads them.
const EVIDENCE_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;
