//! ML-DSA-44 (FIPS 204): the post-quantum keys of cosigners and logs.
//!
//! Kept apart from the two algorithms of statements: its signatures are 2,420 bytes, and nothing
//! but checkpoints is signed with it. Signatures are hedged, so two over one message differ.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::signature::{
    KeyPair, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair, UnparsedPublicKey,
};

use crate::key::{NotAKey, SigningFailed};

/// Length of a public key.
pub const PUBLIC_KEY_BYTES: usize = 1312;
/// Length of a signature.
pub const SIGNATURE_BYTES: usize = 2420;

/// A public key: what its signatures are checked with.
#[derive(Clone, Eq, PartialEq)]
pub struct MlDsa44PublicKey(Vec<u8>);

impl MlDsa44PublicKey {
    /// A key from its 1,312 bytes.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAKey> {
        if bytes.len() == PUBLIC_KEY_BYTES { Ok(Self(bytes.to_vec())) } else { Err(NotAKey) }
    }

    /// Its bytes.
    pub fn raw(&self) -> &[u8] {
        &self.0
    }

    /// Whether `signature` is this key's over `message`, with an empty context.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ML_DSA_44, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for MlDsa44PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 2,624 digits would hide everything else.
        write!(f, "MlDsa44PublicKey({})", crate::hash::Hash::of(&self.0))
    }
}

/// A pair made from a seed that the caller drew.
pub struct MlDsa44Key {
    pair: PqdsaKeyPair,
    public: MlDsa44PublicKey,
}

impl MlDsa44Key {
    /// The pair of this seed (FIPS 204 §5.1, the ξ of key generation).
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SigningFailed> {
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed).map_err(|_| SigningFailed)?;
        let public = MlDsa44PublicKey::from_bytes(pair.public_key().as_ref());
        Ok(Self { pair, public: public.map_err(|_| SigningFailed)? })
    }

    /// What its signatures are checked with.
    pub const fn public_key(&self) -> &MlDsa44PublicKey {
        &self.public
    }

    /// Signs with an empty context.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let mut signature = vec![0; SIGNATURE_BYTES];
        self.pair.sign(message, &mut signature).map_err(|_| SigningFailed)?;
        Ok(signature)
    }
}

impl fmt::Debug for MlDsa44Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlDsa44Key({:?})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_and_key_alone() {
        let key = MlDsa44Key::from_seed(&[7; 32]).unwrap();
        let mut signature = key.sign(b"message").unwrap();
        assert_eq!(signature.len(), SIGNATURE_BYTES);
        assert!(key.public_key().verifies(b"message", &signature));
        assert!(!key.public_key().verifies(b"massage", &signature));
        let other = MlDsa44Key::from_seed(&[8; 32]).unwrap();
        assert!(!other.public_key().verifies(b"message", &signature));
        signature[100] ^= 1;
        assert!(!key.public_key().verifies(b"message", &signature));
        assert_eq!(MlDsa44PublicKey::from_bytes(&[0; PUBLIC_KEY_BYTES - 1]), Err(NotAKey));
    }
}
