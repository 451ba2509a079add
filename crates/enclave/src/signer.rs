//! The keys of one epoch. They are born here, sign here and are wiped with the process: no function
//! returns one.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::note::{self, NoteKey};
use zeroize::Zeroizing;

use crate::entropy;

/// The P-256 key that evidence vouches for, and the Ed25519 key that witnesses know.
pub struct EpochKeys {
    p256: EcdsaKeyPair,
    public: PublicKey,
    ed25519: Ed25519Key,
    random: SystemRandom,
}

impl EpochKeys {
    /// Draws fresh keys.
    ///
    /// # Errors
    /// When the library has no randomness to give.
    pub fn generate() -> Result<Self, SigningFailed> {
        let p256 =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| SigningFailed)?;
        let public =
            PublicKey::from_p256_point(p256.public_key().as_ref()).map_err(|_| SigningFailed)?;
        let seed = Zeroizing::new(entropy::bytes::<32>()?);
        Ok(Self {
            p256,
            public,
            ed25519: Ed25519Key::from_seed(&seed)?,
            random: SystemRandom::new(),
        })
    }

    /// The Ed25519 key of checkpoints.
    pub fn ed25519(&self) -> &PublicKey {
        self.ed25519.public_key()
    }

    /// A checkpoint as a signed note with both keys' lines.
    ///
    /// # Errors
    /// When a key cannot sign.
    pub fn note(&self, checkpoint: &Checkpoint) -> Result<String, SigningFailed> {
        let text = checkpoint.to_string();
        let ecdsa = der_signature(&self.sign(text.as_bytes())?);
        let ed25519 = self.ed25519.sign(text.as_bytes())?;
        let origin = &checkpoint.origin;
        let lines = [
            NoteKey::new(origin, self.public.clone()).line(&ecdsa),
            NoteKey::new(origin, self.ed25519().clone()).line(&ed25519),
        ];
        Ok(note::assemble(&text, &lines))
    }
}

impl fmt::Debug for EpochKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochKeys({})", self.public.id())
    }
}

impl Signer for EpochKeys {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.p256.sign(&self.random, message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

// Notes carry ECDSA as ASN.1 (RFC 3279 §2.2.3), statements as r || s; one signature gives both.
fn der_signature(fixed: &[u8; 64]) -> Vec<u8> {
    let (r, s) = fixed.split_at(32);
    let body = [der_integer(r), der_integer(s)].concat();
    // Two integers of at most 33 bytes: the length always fits one byte.
    [&[0x30, u8::try_from(body.len()).unwrap_or(u8::MAX)], &body[..]].concat()
}

fn der_integer(big_endian: &[u8]) -> Vec<u8> {
    let leading = big_endian.iter().take_while(|byte| **byte == 0).count();
    let digits = big_endian.get(leading..).filter(|d| !d.is_empty()).unwrap_or(&[0]);
    let pad: &[u8] = if digits.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    let length = u8::try_from(pad.len() + digits.len()).unwrap_or(u8::MAX);
    [&[0x02, length], pad, digits].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_opens_with_either_key_and_not_with_another() {
        let keys = EpochKeys::generate().unwrap();
        let head = Checkpoint {
            origin: "site/nitro-001-us-east/00/audit".into(),
            size: 7,
            root: lucarne_ledger::hash::Hash::of(b"root"),
        };
        // ECDSA signatures differ in length from time to time; all of them must come out as valid
        // DER.
        for _ in 0..200 {
            let note = keys.note(&head).unwrap();
            for key in [keys.public_key(), keys.ed25519()] {
                let known = [NoteKey::new(&head.origin, key.clone())];
                assert_eq!(Checkpoint::open(&note, &known).unwrap(), head);
            }
            let other = EpochKeys::generate().unwrap();
            let stranger = [NoteKey::new(&head.origin, other.public_key().clone())];
            assert_eq!(
                Checkpoint::open(&note, &stranger).unwrap_err().to_string(),
                "checkpoint note is not accepted"
            );
        }
    }

    #[test]
    fn integers_have_their_shortest_form() {
        assert_eq!(der_integer(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(der_integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(der_integer(&[0x7f, 1]), [2, 2, 0x7f, 1]);
    }
}
