//! Cosignatures (c2sp.org/tlog-cosignature): a witness's word, with a time, that it saw a tree and
//! none that contradicts it.
//!
//! Ed25519 signs the whole text of the checkpoint (`cosignature/v1`). ML-DSA-44 signs origin, range
//! and hash (`subtree/v1`), so it can also speak of a part of a tree. Refused: a time of 2^63 or
//! later, and a time beside a subtree that does not begin at 0.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::key::ml_dsa::{self, MlDsa44Key, MlDsa44PublicKey};
use crate::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use crate::note::{NoteKey, Vouched};

/// The first time that no cosignature may carry.
const TIME_END: u64 = 1 << 63;
/// Names and origins have one byte for their length.
const NAME_BYTES_MAX: usize = 255;

/// A run of leaves as a cosigner signs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subtree<'a> {
    /// The log.
    pub origin: &'a str,
    /// Its first leaf.
    pub start: u64,
    /// The leaf after its last one.
    pub end: u64,
    /// The root over them.
    pub hash: Hash,
}

/// Why a checkpoint cannot be cosigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CosignError {
    /// The cosigner's name is none, or it or the origin has more than 255 bytes.
    Name,
    /// The time is beyond what a cosignature can carry.
    Time,
    /// The key could not sign.
    Signing,
}

impl fmt::Display for CosignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "name of the cosigner or origin does not fit a cosignature"),
            Self::Time => write!(f, "time does not fit a cosignature"),
            Self::Signing => write!(f, "the cosigner's key refused to sign"),
        }
    }
}

impl core::error::Error for CosignError {}

impl From<SigningFailed> for CosignError {
    fn from(_: SigningFailed) -> Self {
        Self::Signing
    }
}

/// A cosigner's key with its name.
#[derive(Debug)]
pub struct Cosigner {
    key: Secret,
    verifier: NoteKey,
}

#[derive(Debug)]
enum Secret {
    Ed25519(Ed25519Key),
    MlDsa44(MlDsa44Key),
}

impl Cosigner {
    /// A cosigner with the Ed25519 key of this seed.
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn ed25519(name: &str, seed: &[u8; 32]) -> Result<Self, SigningFailed> {
        let key = Ed25519Key::from_seed(seed)?;
        let raw = key.public_key().raw().try_into().map_err(|_| SigningFailed)?;
        Ok(Self { verifier: NoteKey::cosigner(name, raw), key: Secret::Ed25519(key) })
    }

    /// A cosigner with the ML-DSA-44 key of this seed.
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn ml_dsa_44(name: &str, seed: &[u8; 32]) -> Result<Self, SigningFailed> {
        let key = MlDsa44Key::from_seed(seed)?;
        let verifier = NoteKey::ml_dsa_44(name, key.public_key().clone());
        Ok(Self { verifier, key: Secret::MlDsa44(key) })
    }

    /// What its cosignatures are checked with.
    pub const fn verifier(&self) -> &NoteKey {
        &self.verifier
    }

    /// The signature line that says: at `time_s` (POSIX seconds) this is the largest tree I have
    /// seen of this log, and it is consistent with all others.
    ///
    /// # Errors
    /// When name, origin or time do not fit, or the key cannot sign.
    pub fn cosign(&self, head: &Checkpoint, time_s: u64) -> Result<String, CosignError> {
        if time_s >= TIME_END {
            return Err(CosignError::Time);
        }
        let signature = match &self.key {
            Secret::Ed25519(key) => key.sign(&ed25519_message(time_s, &head.to_string()))?.to_vec(),
            Secret::MlDsa44(key) => {
                let name = self.verifier.name();
                let message =
                    subtree_message(name, time_s, &tree(head)).ok_or(CosignError::Name)?;
                key.sign(&message)?
            }
        };
        Ok(self.verifier.line(&[&time_s.to_be_bytes(), &signature[..]].concat()))
    }
}

/// What an Ed25519 cosignature over the text of a checkpoint says, if it holds.
pub(crate) fn verify_ed25519(key: &PublicKey, text: &str, signature: &[u8]) -> Option<Vouched> {
    let (time_s, signature) = timed(signature, 64)?;
    key.verifies(&ed25519_message(time_s, text), signature).then_some(Vouched::Cosigned { time_s })
}

/// What an ML-DSA-44 cosignature over a checkpoint says, if it holds.
pub(crate) fn verify_tree(
    name: &str,
    key: &MlDsa44PublicKey,
    text: &str,
    signature: &[u8],
) -> Option<Vouched> {
    verify_subtree(name, key, &tree(&Checkpoint::parse_head(text).ok()?), signature)
}

/// What an ML-DSA-44 cosignature over a subtree says, if it holds.
pub(crate) fn verify_subtree(
    name: &str,
    key: &MlDsa44PublicKey,
    subtree: &Subtree<'_>,
    signature: &[u8],
) -> Option<Vouched> {
    let (time_s, signature) = timed(signature, ml_dsa::SIGNATURE_BYTES)?;
    let message = subtree_message(name, time_s, subtree)?;
    key.verifies(&message, signature).then_some(Vouched::Cosigned { time_s })
}

fn tree(head: &Checkpoint) -> Subtree<'_> {
    Subtree { origin: &head.origin, start: 0, end: head.size, hash: head.root }
}

/// The time of a `timestamped_signature` and the signature itself.
fn timed(signature: &[u8], length: usize) -> Option<(u64, &[u8])> {
    let (time, signature) = signature.split_first_chunk::<8>()?;
    let time_s = u64::from_be_bytes(*time);
    (time_s < TIME_END && signature.len() == length).then_some((time_s, signature))
}

fn ed25519_message(time_s: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

fn subtree_message(cosigner: &str, time_s: u64, subtree: &Subtree<'_>) -> Option<Vec<u8>> {
    let Subtree { origin, start, end, hash } = subtree;
    if *start != 0 && time_s != 0 {
        return None;
    }
    let mut message = b"subtree/v1\n\0".to_vec();
    put_name(&mut message, cosigner)?;
    message.extend_from_slice(&time_s.to_be_bytes());
    put_name(&mut message, origin)?;
    message.extend_from_slice(&start.to_be_bytes());
    message.extend_from_slice(&end.to_be_bytes());
    message.extend_from_slice(&hash.0);
    Some(message)
}

fn put_name(message: &mut Vec<u8>, name: &str) -> Option<()> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return None;
    }
    message.push(u8::try_from(name.len()).ok()?);
    message.extend_from_slice(name.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests;
