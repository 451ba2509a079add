//! What the gateway signs about payloads that it stores encrypted: which key, and the end of it.
//!
//! A batch with encrypted payloads carries an [`Encryption`], so that nobody without the
//! withholding key can put other bytes, or another key, in the place of payloads. Destroying a key
//! is announced by an [`Erasure`]. Neither holds a key.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::cbor::{CborError, Reader, Writer};
use crate::cose::{self, ContentType, SignatureError};
use crate::hash::{Hash, NotHex, from_hex, to_hex};
use crate::identity::{Instance, LedgerId, LedgerKind};
use crate::key::{PublicKey, Signer, SigningFailed};
use crate::statement::{RULE_BYTES_MAX, field, map_of, read_ledger, write_ledger};

/// Names a data key; it is computed from the key, so a key that was swapped has another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl FromStr for KeyId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        from_hex(text).map(Self)
    }
}

/// "The payloads of this batch are these bytes, under this key", or under these keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Encryption {
    /// Whose batch.
    pub ledger: LedgerId,
    /// Its first sequence number.
    pub first: u64,
    /// Root after it.
    pub root: Hash,
    /// The data key; `None` when each record has its own, which `content` covers too.
    pub key: Option<KeyId>,
    /// SHA-256 of the encrypted bytes, or of what covers the shares of a batch.
    pub content: Hash,
}

const VERSION: u64 = 1;
/// Version of a word about several keys.
const VERSION_SHARED: u64 = 2;

impl Encryption {
    /// The signed word. It has no time: the same batch under the same key is the same bytes, so
    /// that archiving it again after a crash changes nothing.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SigningFailed> {
        cose::sign(signer, ContentType::Encryption, &self.to_cbor())
    }

    /// Checks and reads a word.
    ///
    /// # Errors
    /// When it is not `key`'s, or not of this form.
    pub fn verify(message: &[u8], key: &PublicKey) -> Result<Self, SignatureError> {
        let payload = cose::verify(message, key, ContentType::Encryption)?;
        Ok(Self::from_cbor(payload)?)
    }

    /// What a word says *before anybody checked its signature*.
    ///
    /// # Errors
    /// When it is not of this form.
    pub(crate) fn claimed(message: &[u8]) -> Result<Self, CborError> {
        Self::from_cbor(cose::unverified_payload(message)?)
    }

    fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self.key {
            Some(_) => out.map(8).uint(1).uint(VERSION),
            None => out.map(7).uint(1).uint(VERSION_SHARED),
        };
        write_ledger(&mut out, &self.ledger);
        out.uint(5).uint(self.first).uint(6).bytes(&self.root.0);
        match self.key {
            Some(key) => out.uint(7).bytes(&key.0).uint(8).bytes(&self.content.0),
            None => out.uint(7).bytes(&self.content.0),
        };
        out.finish()
    }

    fn from_cbor(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let version = match reader.map()? {
            8 => VERSION,
            7 => VERSION_SHARED,
            _ => return Err(CborError::Value),
        };
        field(&mut reader, 1, |reader| reader.exactly(version))?;
        let ledger = read_ledger(&mut reader)?;
        let first = field(&mut reader, 5, Reader::uint)?;
        let root = field(&mut reader, 6, Reader::array_of).map(Hash)?;
        let (key, last) = match version {
            VERSION => (Some(field(&mut reader, 7, Reader::array_of).map(KeyId)?), 8),
            _ => (None, 7),
        };
        let content = field(&mut reader, last, Reader::array_of).map(Hash)?;
        reader.end()?;
        Ok(Self { ledger, first, root, key, content })
    }
}

/// "This data key is to be destroyed": with it go the payloads that it encrypts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Erasure {
    /// The workload whose payloads they are.
    pub instance: Instance,
    /// Which of its ledgers, of every epoch.
    pub kind: LedgerKind,
    /// The day of the files, `yyyy/mm/dd`.
    pub day: String,
    /// The data key.
    pub key: KeyId,
    /// Name of the order: authority and reason.
    pub rule: String,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl Erasure {
    /// The signed order.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SigningFailed> {
        let mut out = Writer::new();
        out.map(7).uint(1).uint(VERSION).uint(2).text(self.instance.as_str());
        out.uint(3).uint(self.kind.code()).uint(4).text(&self.day).uint(5).bytes(&self.key.0);
        out.uint(6).text(&self.rule).uint(7).uint(self.time_ms);
        cose::sign(signer, ContentType::Erasure, &out.finish())
    }

    /// Checks and reads an order.
    ///
    /// # Errors
    /// When it is not `key`'s, or not of this form.
    pub fn verify(message: &[u8], key: &PublicKey) -> Result<Self, SignatureError> {
        let payload = cose::verify(message, key, ContentType::Erasure)?;
        let mut reader = Reader::new(payload);
        map_of(&mut reader, 7)?;
        let instance = field(&mut reader, 2, Reader::text)?;
        let instance = instance.parse().map_err(|_| CborError::Value)?;
        let kind = field(&mut reader, 3, Reader::uint)?;
        let kind = LedgerKind::from_code(kind).ok_or(CborError::Value)?;
        let day = field(&mut reader, 4, Reader::text)?;
        let key = field(&mut reader, 5, Reader::array_of).map(KeyId)?;
        let rule = field(&mut reader, 6, Reader::text)?;
        let time_ms = field(&mut reader, 7, Reader::uint)?;
        reader.end()?;
        if rule.len() > RULE_BYTES_MAX || day.len() != DAY_BYTES {
            return Err(CborError::Value.into());
        }
        Ok(Self { instance, kind, day: day.to_owned(), key, rule: rule.to_owned(), time_ms })
    }
}

/// `yyyy/mm/dd`
const DAY_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::EpochId;
    use crate::key::Ed25519Key;

    #[test]
    fn a_word_is_read_as_it_was_signed_and_by_its_own_key_and_type_only() {
        let [signer, other] = [3, 4].map(|seed| Ed25519Key::from_seed(&[seed; 32]).unwrap());
        let instance: Instance = "a".parse().unwrap();
        let kind = LedgerKind::Audit;
        let word = Encryption {
            ledger: LedgerId { instance: instance.clone(), epoch: EpochId([1; 16]), kind },
            first: 7,
            root: Hash([2; 32]),
            key: Some(KeyId([3; 16])),
            content: Hash([4; 32]),
        };
        let shared = Encryption { key: None, ..word.clone() };
        let message = shared.sign(&signer).unwrap();
        assert_eq!(Encryption::verify(&message, signer.public_key()), Ok(shared));
        let rule = "order".to_owned();
        let (key, day) = (KeyId([3; 16]), "2026/11/21".to_owned());
        let order = Erasure { instance, kind, day, key, rule, time_ms: 5 };
        let (signed, ordered) = (word.sign(&signer).unwrap(), order.sign(&signer).unwrap());
        assert_eq!(Encryption::verify(&signed, signer.public_key()), Ok(word.clone()));
        assert_eq!(Encryption::claimed(&signed), Ok(word));
        assert_eq!(Erasure::verify(&ordered, signer.public_key()), Ok(order));
        let header = Err(SignatureError::Header);
        assert_eq!(Encryption::verify(&signed, other.public_key()).map(drop), header);
        assert_eq!(Encryption::verify(&ordered, signer.public_key()).map(drop), header);
        assert_eq!(Erasure::verify(&signed, signer.public_key()).map(drop), header);
        assert_eq!("03".repeat(16).parse(), Ok(KeyId([3; 16])));
    }
}
