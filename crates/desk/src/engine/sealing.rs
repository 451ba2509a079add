//! The seal behind the log: entries that are kept become batches of a Lucarne ledger.
//!
//! Every start of a desk is an epoch. What a desk left unsealed, whoever seals next seals; the
//! place after the last batch is found under the lock of the log.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer as _};
use lucarne_ledger::salt::Seed;

use super::EngineError;
use crate::log::SealedLog;
use crate::scrub::Scrubber;
use crate::store::{SealedBatch, Store, StoreError};

/// Who a desk is: its name, its signing key and the salt of its fingerprints. Desks that share a
/// store share it.
pub struct Identity {
    /// Its name.
    pub instance: Instance,
    key: Arc<Ed25519Key>,
    salt: [u8; 32],
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Why there is no identity.
#[derive(Debug)]
pub enum IdentityError {
    /// The file cannot be read or made.
    File(std::io::Error),
    /// It is not 64 bytes.
    Length,
    /// The machine gives no random bytes, or no key comes of them.
    Key,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("identity file cannot be used"),
            Self::Length => f.write_str("identity file has not 64 bytes"),
            Self::Key => f.write_str("no key could be made"),
        }
    }
}

impl std::error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(cause) => Some(cause),
            Self::Length | Self::Key => None,
        }
    }
}

impl Identity {
    /// Reads an identity: 32 bytes of key, 32 of salt.
    ///
    /// # Errors
    /// When the file cannot be read or is no identity.
    pub fn read(path: &Path, instance: Instance) -> Result<Self, IdentityError> {
        let file = std::fs::File::open(path).map_err(IdentityError::File)?;
        let mut bytes = Vec::new();
        file.take(65).read_to_end(&mut bytes).map_err(IdentityError::File)?;
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| IdentityError::Length)?;
        let (seed, salt) = bytes.split_at(32);
        let seed: [u8; 32] = seed.try_into().map_err(|_| IdentityError::Length)?;
        let salt = salt.try_into().map_err(|_| IdentityError::Length)?;
        let key = Ed25519Key::from_seed(&seed).map_err(|_| IdentityError::Key)?;
        Ok(Self { instance, key: Arc::new(key), salt })
    }

    /// Makes one, readable to its owner alone; a file that is there is left alone.
    ///
    /// # Errors
    /// When the file is there or cannot be made.
    pub fn create(path: &Path, instance: Instance) -> Result<Self, IdentityError> {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IdentityError::Key)?;
        let mut open = std::fs::OpenOptions::new();
        let mut file = open
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(IdentityError::File)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(IdentityError::File)?;
        Self::read(path, instance)
    }

    /// What the seals are checked with.
    pub fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// What takes secrets out.
    pub const fn scrubber(&self) -> Scrubber {
        Scrubber::new(self.salt)
    }

    fn again(&self) -> Self {
        Self { instance: self.instance.clone(), key: Arc::clone(&self.key), salt: self.salt }
    }
}

/// The ledger that is open.
pub(super) struct Sealing {
    identity: Identity,
    epoch: [u8; 16],
    ledger: SealedLog,
    sealed: u64,
    at: Instant,
    recent: Recent,
}

/// Entries that this desk has just written: what is not sealed yet need not be read again.
#[derive(Default)]
struct Recent {
    first: u64,
    bodies: VecDeque<Vec<u8>>,
}

impl Recent {
    fn next(&self) -> u64 {
        self.first.saturating_add(self.bodies.len() as u64)
    }

    fn remember(&mut self, first: u64, bodies: Vec<Vec<u8>>) {
        // Another desk wrote in between, or nothing was sealed for long: the store has them.
        if first != self.next() || self.bodies.len() > RECENT_MAX {
            self.bodies.clear();
            self.first = first;
        }
        self.bodies.extend(bodies);
    }

    fn get(&self, seq: u64) -> Option<&[u8]> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.bodies.get(place).map(Vec::as_slice)
    }

    fn forget(&mut self, before: u64) {
        while self.first < before && self.bodies.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing")
    }
}

impl Sealing {
    /// A new epoch.
    pub(super) fn new(identity: &Identity) -> Result<Self, EngineError> {
        let epoch: [u8; 16] = random()?;
        let seed = Seed::new(random()?);
        let time_ms = super::wall_ms();
        let ledger = SealedLog::new(&identity.instance, EpochId(epoch), seed, time_ms)
            .map_err(|_| EngineError::Seal)?;
        let identity = identity.again();
        let recent = Recent::default();
        Ok(Self { identity, epoch, ledger, sealed: 0, at: Instant::now(), recent })
    }

    /// Takes in entries that were committed, from a number on.
    pub(super) fn remember(&mut self, first: u64, bodies: Vec<Vec<u8>>) {
        self.recent.remember(first, bodies);
    }

    /// Whether there are so many entries that are not sealed, or some for a while.
    pub(super) fn is_due(&self, next: u64, at_least: u64) -> bool {
        let waiting = next.saturating_sub(self.sealed);
        waiting > at_least || (waiting > 0 && self.at.elapsed() >= SEAL_AFTER)
    }

    /// Seals everything that is in the log.
    pub(super) fn seal(&mut self, store: &mut Store, time_ms: u64) -> Result<(), EngineError> {
        self.sealed = store.locked(|store, next| {
            let (mut position, mut first) = store.sealed_end()?;
            while first < next {
                let until = next.min(first + BATCH_ENTRIES);
                let batch = self.batch(store, position, first, until, time_ms)?;
                store.keep_sealed(&batch)?;
                (position, first) = (position + 1, batch.next);
            }
            Ok::<_, EngineError>(next)
        })?;
        self.recent.forget(self.sealed);
        self.at = Instant::now();
        Ok(())
    }

    fn batch(
        &mut self,
        store: &mut Store,
        position: u64,
        first: u64,
        next: u64,
        time_ms: u64,
    ) -> Result<SealedBatch, EngineError> {
        let mut end = first;
        while let Some(body) = self.recent.get(end).filter(|_| end < next) {
            // A batch that is full is sealed with what it has.
            if self.ledger.append_encoded(body).is_err() {
                return self.signed(position, first, end, time_ms);
            }
            end += 1;
        }
        for entry in store.entries(end, next - end)? {
            if self.ledger.append(&entry).is_err() {
                break;
            }
            end = entry.seq + 1;
        }
        self.signed(position, first, end, time_ms)
    }

    fn signed(
        &mut self,
        position: u64,
        first: u64,
        end: u64,
        time_ms: u64,
    ) -> Result<SealedBatch, EngineError> {
        if end == first {
            return Err(EngineError::Seal);
        }
        let seed = Seed::new(random()?);
        let sealed = self.ledger.seal(self.identity.key.as_ref(), time_ms, seed);
        let sealed = sealed.map_err(|_| EngineError::Seal)?.ok_or(EngineError::Seal)?;
        let spki = self.identity.public_key().spki().to_vec();
        let (epoch, body) = (self.epoch, sealed.into_bytes());
        Ok(SealedBatch { position, epoch, spki, first, next: end, body })
    }
}

fn random<const N: usize>() -> Result<[u8; N], EngineError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| EngineError::Seal)?;
    Ok(bytes)
}

impl From<EngineError> for StoreError {
    fn from(cause: EngineError) -> Self {
        match cause {
            EngineError::Store(cause) => cause,
            EngineError::Policy(_) | EngineError::Seal => Self::Shape,
        }
    }
}

/// Entries are sealed after so long at the latest.
const SEAL_AFTER: Duration = Duration::from_secs(10);
/// Entries of one batch: far below what a batch may hold.
const BATCH_ENTRIES: u64 = 4096;
/// Entries that are kept for the next seal: twice what makes one due, some MiB.
const RECENT_MAX: usize = 8192;
