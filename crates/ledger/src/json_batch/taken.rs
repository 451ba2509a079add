//! The gateway's word that it has taken a signed log batch in JSON: what lets the enclave forget
//! it.
//!
//! Taken is not always archived. No rewriting would leave the signature standing, so a batch in
//! which the outer layer finds something is kept nowhere; nor is one whose place in the archive
//! somebody else took. Neither is to be sent again, and the acknowledgement says which it is.

use alloc::vec::Vec;

use crate::cbor::{CborError, Reader, Writer};
use crate::cose::{self, ContentType, SignatureError};
use crate::hash::Hash;
use crate::identity::{EpochId, Instance};
use crate::key::{PublicKey, Signer, SigningFailed};

/// What became of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// The archive holds it.
    Archived,
    /// The outer layer found something in it; nothing of it is kept.
    Withheld,
    /// The archive holds another batch of this number; nothing of this one is kept.
    Displaced,
}

/// "I have taken this batch."
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Whose.
    pub instance: Instance,
    /// Its boot.
    pub epoch: EpochId,
    /// Number of the batch.
    pub sequence: u64,
    /// SHA-256 of its payload.
    pub digest: Hash,
    /// What became of it.
    pub fate: Fate,
}

const VERSION: u64 = 1;

impl Taken {
    /// The signed acknowledgement.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SigningFailed> {
        cose::sign(signer, ContentType::JsonBatchTaken, &self.to_cbor())
    }

    /// Checks and reads an acknowledgement.
    ///
    /// # Errors
    /// When it is not `key`'s, or not of this form.
    pub fn verify(message: &[u8], key: &PublicKey) -> Result<Self, SignatureError> {
        Ok(Self::from_cbor(cose::verify(message, key, ContentType::JsonBatchTaken)?)?)
    }

    pub(crate) fn to_cbor(&self) -> Vec<u8> {
        let fate = match self.fate {
            Fate::Archived => 0,
            Fate::Withheld => 1,
            Fate::Displaced => 2,
        };
        let mut out = Writer::new();
        out.map(6).uint(1).uint(VERSION).uint(2).text(self.instance.as_str());
        out.uint(3).bytes(&self.epoch.0).uint(4).uint(self.sequence);
        out.uint(5).bytes(&self.digest.0).uint(6).uint(fate);
        out.finish()
    }

    pub(crate) fn from_cbor(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        if reader.map()? != 6 {
            return Err(CborError::Value);
        }
        reader.exactly(1)?;
        reader.exactly(VERSION)?;
        reader.exactly(2)?;
        let instance = reader.text()?.parse().map_err(|_| CborError::Value)?;
        reader.exactly(3)?;
        let epoch = EpochId(reader.array_of()?);
        reader.exactly(4)?;
        let sequence = reader.uint()?;
        reader.exactly(5)?;
        let digest = Hash(reader.array_of()?);
        reader.exactly(6)?;
        let fate = match reader.uint()? {
            0 => Fate::Archived,
            1 => Fate::Withheld,
            2 => Fate::Displaced,
            _ => return Err(CborError::Value),
        };
        reader.end()?;
        Ok(Self { instance, epoch, sequence, digest, fate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::P256;

    fn taken(fate: Fate) -> Taken {
        Taken {
            instance: "nitro-001".parse().unwrap(),
            epoch: EpochId([3; 16]),
            sequence: 42,
            digest: Hash([7; 32]),
            fate,
        }
    }

    #[test]
    fn an_acknowledgement_has_one_spelling_and_one_signer() {
        let (key, other) = (P256::fresh(), P256::fresh());
        for fate in [Fate::Archived, Fate::Withheld, Fate::Displaced] {
            let message = taken(fate).sign(&key).unwrap();
            assert_eq!(Taken::verify(&message, key.public_key()), Ok(taken(fate)));
            let header = Err(SignatureError::Header);
            assert_eq!(Taken::verify(&message, other.public_key()), header);
            let bytes = taken(fate).to_cbor();
            for end in 0..bytes.len() {
                assert!(Taken::from_cbor(&bytes[..end]).is_err(), "cut at {end}");
            }
            for at in 0..bytes.len() {
                let mut bent = bytes.clone();
                bent[at] ^= 1;
                assert_ne!(Taken::from_cbor(&bent), Ok(taken(fate)), "bent at {at}");
            }
        }
    }

    #[test]
    fn no_other_signed_message_is_one() {
        let key = P256::fresh();
        let bytes = taken(Fate::Archived).to_cbor();
        let message = cose::sign(&key, ContentType::Archived, &bytes).unwrap();
        assert_eq!(Taken::verify(&message, key.public_key()), Err(SignatureError::Header));
    }
}
