//! Batches whose payloads are encrypted before they are archived, and the way back.
//!
//! What is secret in a batch is compressed, then encrypted with AES-256-GCM under the data key of
//! its day, or in shares under those of its tenants; statement and key are authenticated with it.
//! The nonce is computed from key, statement and content (as in a synthetic IV), so that archiving
//! the same batch again after a crash gives the same bytes, and another content another nonce. A
//! plain batch costs one look at a byte.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::hmac;
use lucarne_ledger::batch::BatchError;
use lucarne_ledger::batch::encrypted::{Apart, claimed, encryption, put_together, take_apart};
use lucarne_ledger::encryption::KeyId;
use lucarne_ledger::key::{Ed25519Key, SigningFailed};
use lucarne_ledger::statement::Statement;

use crate::data_keys::{DataKey, DataKeys, KeyError, Slot};
use crate::tenant::{TenantId, Tenants};

/// Most tenants with a key of their own, for each day of a ledger: who can invent tenants must not
/// fill the disk with keys. The records of further ones fall under the key of the day.
pub const TENANTS_MAX: usize = 4_096;

/// Encrypts what a gateway archives.
#[derive(Debug)]
pub struct Cipher {
    keys: Arc<DataKeys>,
    signer: Ed25519Key,
    tenants: Option<Box<dyn Tenants>>,
}

/// A batch as it is to be archived.
#[derive(Debug, Eq, PartialEq)]
pub struct Encrypted {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Tenants that have no key of their own because [`TENANTS_MAX`] others have.
    pub crowded: usize,
}

/// Why a batch was not encrypted. It must not be archived then.
#[derive(Debug)]
pub enum EncryptError {
    /// There is no key for it.
    Key(KeyError),
    /// It is not a batch.
    Batch(BatchError),
    /// The word about it could not be signed.
    Signing(SigningFailed),
    /// The compressor or the cipher failed.
    Cipher,
}

impl fmt::Display for EncryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(error) => write!(f, "{error}"),
            Self::Batch(_) => write!(f, "batch to be encrypted does not verify"),
            Self::Signing(error) => write!(f, "{error}"),
            Self::Cipher => write!(f, "payloads cannot be encrypted"),
        }
    }
}

impl std::error::Error for EncryptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Key(error) => error.source(),
            Self::Batch(error) => Some(error),
            Self::Signing(_) | Self::Cipher => None,
        }
    }
}

impl From<BatchError> for EncryptError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

impl Cipher {
    /// One with a key for each day; `signer` is the key whose authority also withholds.
    pub const fn new(keys: Arc<DataKeys>, signer: Ed25519Key) -> Self {
        Self { keys, signer, tenants: None }
    }

    /// One with a key for each tenant of a day as well.
    #[must_use]
    pub fn by_tenant(self, tenants: Box<dyn Tenants>) -> Self {
        Self { tenants: Some(tenants), ..self }
    }

    /// The batch as it is to be archived; `None` when there is nothing in it to encrypt. Its keys
    /// are durable on return.
    ///
    /// # Errors
    /// When it cannot be encrypted.
    pub fn encrypt(&self, slot: &Slot, batch: &[u8]) -> Result<Option<Encrypted>, EncryptError> {
        let Some(apart) = take_apart(batch).map_err(EncryptError::Batch)? else {
            return Ok(None);
        };
        if let Some(tenants) = &self.tenants {
            return self.divide(slot, &apart, &tenants.of(apart.batch())).map(Some);
        }
        let key = self.keys.of_or_new(slot).map_err(EncryptError::Key)?;
        let content = seal(&key, apart.statement(), &apart.secret())?;
        let word = encryption(apart.statement(), key.id(), &content).sign(&self.signer);
        let bytes = apart.with(key.id(), &content, &word.map_err(EncryptError::Signing)?);
        Ok(Some(Encrypted { bytes, crowded: 0 }))
    }

    fn divide(
        &self,
        slot: &Slot,
        apart: &Apart<'_>,
        tenants: &[Option<TenantId>],
    ) -> Result<Encrypted, EncryptError> {
        let mut of_tenant = BTreeMap::new();
        let mut of_id = BTreeMap::new();
        let mut crowded = 0;
        let divided = apart.divide(|index| {
            let tenant = tenants.get(index).copied().flatten();
            if let Some(id) = of_tenant.get(&tenant) {
                return Ok(*id);
            }
            let own = self.own_slot(slot, tenant).map_err(EncryptError::Key)?;
            crowded += usize::from(own.tenant != tenant);
            let key = self.keys.of_or_new(&own).map_err(EncryptError::Key)?;
            let id = key.id();
            of_tenant.insert(tenant, id);
            of_id.insert(id, key);
            Ok::<_, EncryptError>(id)
        })?;
        let contents = divided.secrets().iter().map(|(id, secret)| {
            let key = of_id.get(id).ok_or(EncryptError::Cipher)?;
            seal(key, apart.statement(), secret)
        });
        let contents = contents.collect::<Result<Vec<_>, _>>()?;
        let word = divided.encryption(&contents).sign(&self.signer);
        let bytes = divided.with(&contents, &word.map_err(EncryptError::Signing)?);
        Ok(Encrypted { bytes, crowded })
    }

    /// Where the key of a tenant is: that of the day when too many others have had one, be they
    /// erased since or not.
    fn own_slot(&self, slot: &Slot, tenant: Option<TenantId>) -> Result<Slot, KeyError> {
        let own = slot.of_tenant(tenant);
        if tenant.is_none() || self.keys.of(&own).is_some() {
            return Ok(own);
        }
        if !self.keys.is_crowded(slot) {
            if self.keys.tenants(slot) < TENANTS_MAX {
                return Ok(own);
            }
            self.keys.note_crowded(slot)?;
        }
        Ok(slot.of_tenant(None))
    }
}

/// What became of a batch that was to be decrypted.
#[derive(Debug, Eq, PartialEq)]
pub enum Decrypted {
    /// Nothing in it is encrypted.
    Plain,
    /// As it was before, or as much of it as there are keys for; it is to be verified like any
    /// other.
    Opened(Vec<u8>),
    /// No key of it is here: the first one.
    Closed(KeyId),
}

/// A batch whose key is here and which does not decrypt: its bytes are not those that were written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotDecrypted {
    /// The key.
    pub key: KeyId,
}

impl fmt::Display for NotDecrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payloads do not decrypt under their key {}", self.key)
    }
}

impl std::error::Error for NotDecrypted {}

/// Decrypts what there is a key for: of a batch with records of several tenants perhaps a part,
/// and what stays closed is encrypted in the result as well.
///
/// # Errors
/// When something does not decrypt under its own key.
pub fn decrypt(batch: &[u8], keys: &DataKeys) -> Result<Decrypted, NotDecrypted> {
    let Some(found) = claimed(batch) else { return Ok(Decrypted::Plain) };
    let mut secrets = Vec::with_capacity(found.shares.len());
    let mut last = None;
    for (id, content) in &found.shares {
        let here = keys.by_id(*id).zip(*content);
        last = here.as_ref().map(|_| *id).or(last);
        let opened = here.map(|(key, content)| open(&key, &found.statement, content));
        secrets.push(opened.map(|opened| opened.ok_or(NotDecrypted { key: *id })).transpose()?);
    }
    match (last, found.shares.first()) {
        (Some(key), _) => {
            let opened = put_together(batch, &secrets).map(Decrypted::Opened);
            opened.map_err(|_| NotDecrypted { key })
        }
        (None, Some((first, _))) => Ok(Decrypted::Closed(*first)),
        (None, None) => Ok(Decrypted::Plain),
    }
}

fn seal(key: &DataKey, statement: &Statement, secret: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let failed = |_| EncryptError::Cipher;
    let bound = bound(key, statement);
    let mut text = zstd::bulk::compress(secret, LEVEL).map_err(|_| EncryptError::Cipher)?;
    let mut nonces = hmac::Context::with_key(&key.nonces);
    nonces.update(&bound);
    nonces.update(&text);
    let tag = nonces.sign();
    let nonce: [u8; NONCE_LEN] = tag.as_ref().first_chunk().copied().ok_or(EncryptError::Cipher)?;
    let (aad, unique) = (Aad::from(&bound), Nonce::assume_unique_for_key(nonce));
    key.cipher.seal_in_place_append_tag(unique, aad, &mut text).map_err(failed)?;
    Ok([&nonce[..], &text].concat())
}

fn open(key: &DataKey, statement: &Statement, content: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = content.split_first_chunk::<NONCE_LEN>()?;
    let (bound, mut text) = (bound(key, statement), text.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = key.cipher.open_in_place(nonce, Aad::from(&bound), &mut text).ok()?;
    zstd::bulk::decompress(text, SECRET_BYTES_MAX).ok()
}

/// What the cipher authenticates beside the content: which batch it is of, and which key it is
/// under.
fn bound(key: &DataKey, statement: &Statement) -> Vec<u8> {
    [b"lucarne/v1/encrypted", &key.id().0[..], &statement.to_cbor()].concat()
}

/// zstd's own default, as everywhere in the archive.
const LEVEL: i32 = 3;
/// The longest batch that there may be.
const SECRET_BYTES_MAX: usize = lucarne_ledger::batch::WITHHELD_BYTES_MAX;
