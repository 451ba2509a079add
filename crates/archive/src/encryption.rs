//! Batches whose payloads are encrypted before they are archived, and the way back.
//!
//! What is secret in a batch is compressed, then encrypted with AES-256-GCM under the data key of
//! its day; statement and key are authenticated with it. The nonce is computed from key, statement
//! and content (as in a synthetic IV), so that archiving the same batch again after a crash gives
//! the same bytes, and another content another nonce. A plain batch costs one look at a byte.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::hmac;
use lucarne_ledger::batch::BatchError;
use lucarne_ledger::batch::encrypted::{claimed, encryption, put_together, take_apart};
use lucarne_ledger::encryption::KeyId;
use lucarne_ledger::key::{Ed25519Key, SigningFailed};
use lucarne_ledger::statement::Statement;

use crate::data_keys::{DataKey, DataKeys, KeyError, Slot};

/// Encrypts what a gateway archives.
#[derive(Debug)]
pub struct Cipher {
    keys: Arc<DataKeys>,
    signer: Ed25519Key,
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

impl Cipher {
    /// One with these keys; `signer` is the key whose authority also withholds.
    pub const fn new(keys: Arc<DataKeys>, signer: Ed25519Key) -> Self {
        Self { keys, signer }
    }

    /// The batch as it is to be archived; `None` when there is nothing in it to encrypt. The key is
    /// durable on return.
    ///
    /// # Errors
    /// When it cannot be encrypted.
    pub fn encrypt(&self, slot: &Slot, batch: &[u8]) -> Result<Option<Vec<u8>>, EncryptError> {
        let Some(apart) = take_apart(batch).map_err(EncryptError::Batch)? else {
            return Ok(None);
        };
        let key = self.keys.of_or_new(slot).map_err(EncryptError::Key)?;
        let content = seal(&key, apart.statement(), apart.secret())?;
        let word = encryption(apart.statement(), key.id(), &content).sign(&self.signer);
        Ok(Some(apart.with(key.id(), &content, &word.map_err(EncryptError::Signing)?)))
    }
}

/// What became of a batch that was to be decrypted.
#[derive(Debug, Eq, PartialEq)]
pub enum Decrypted {
    /// Nothing in it is encrypted.
    Plain,
    /// As it was before; it is to be verified like any other.
    Opened(Vec<u8>),
    /// Its key is not here.
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

/// Decrypts a batch, if its key is here.
///
/// # Errors
/// When it does not decrypt under its own key.
pub fn decrypt(batch: &[u8], keys: &DataKeys) -> Result<Decrypted, NotDecrypted> {
    let Some(found) = claimed(batch) else { return Ok(Decrypted::Plain) };
    let Some(key) = keys.by_id(found.key) else { return Ok(Decrypted::Closed(found.key)) };
    let opened = open(&key, &found.statement, found.content)
        .and_then(|secret| put_together(batch, &secret).ok());
    opened.map(Decrypted::Opened).ok_or(NotDecrypted { key: found.key })
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
