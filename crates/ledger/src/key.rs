//! Keys as the ledger sees them: something that signs, and something that checks.
//!
//! Private keys stand behind [`Signer`]: the ledger never holds the epoch's key, and no function
//! returns it.

use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hash::Hash;

pub mod ml_dsa;

/// The two algorithms of statements; both have signatures of 64 bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, COSE `ESP256` (RFC 9864): the epoch's attested key.
    EcdsaP256,
    /// COSE `Ed25519` (RFC 9864): keys of the gateway and of people.
    Ed25519,
}

/// A key could not sign. Nothing can be done but stop: what is not signed does not leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SigningFailed;

impl fmt::Display for SigningFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the signing key refused to sign")
    }
}

impl core::error::Error for SigningFailed {}

/// Signs with a key that stays where it is.
pub trait Signer {
    /// What its signatures are checked with.
    fn public_key(&self) -> &PublicKey;

    /// Fixed-width signature: `r || s` for ECDSA, RFC 8032 for Ed25519.
    ///
    /// # Errors
    /// When the key cannot sign.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed>;
}

/// A public key of one of the two algorithms.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    algorithm: Algorithm,
    // DER SubjectPublicKeyInfo, RFC 5280 §4.1.2.7; the last bytes are the key itself
    spki: Vec<u8>,
    id: Hash,
}

/// Bytes that are not a key of the algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the public key of a P-256 or Ed25519 pair")
    }
}

impl core::error::Error for NotAKey {}

// Everything before the 65 bytes of an uncompressed point (RFC 5480 §2.1.1).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
// Everything before the 32 bytes of the key (RFC 8410 §4).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl PublicKey {
    /// A key from its DER `SubjectPublicKeyInfo`, which has one spelling for each of the two
    /// algorithms.
    ///
    /// # Errors
    /// For any other algorithm, curve, point form or length.
    pub fn from_spki(spki: &[u8]) -> Result<Self, NotAKey> {
        let algorithm =
            match (spki.strip_prefix(&P256_SPKI_PREFIX), spki.strip_prefix(&ED25519_SPKI_PREFIX)) {
                (Some(point), _) if point.len() == 65 && point.first() == Some(&4) => {
                    Algorithm::EcdsaP256
                }
                (_, Some(key)) if key.len() == 32 => Algorithm::Ed25519,
                _ => return Err(NotAKey),
            };
        Ok(Self { algorithm, spki: spki.to_vec(), id: Hash::of(spki) })
    }

    /// An Ed25519 key from its 32 bytes.
    pub fn from_ed25519(key: &[u8; 32]) -> Self {
        let spki = [&ED25519_SPKI_PREFIX[..], key].concat();
        Self { algorithm: Algorithm::Ed25519, id: Hash::of(&spki), spki }
    }

    /// A P-256 key from its uncompressed point.
    ///
    /// # Errors
    /// When the bytes are not 65 that begin with 4.
    pub fn from_p256_point(point: &[u8]) -> Result<Self, NotAKey> {
        Self::from_spki(&[&P256_SPKI_PREFIX[..], point].concat())
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// DER `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The key identifier of statements: SHA-256 of the SPKI.
    pub const fn id(&self) -> Hash {
        self.id
    }

    /// The point or the 32 bytes, without the SPKI around it.
    pub fn raw(&self) -> &[u8] {
        let prefix = match self.algorithm {
            Algorithm::EcdsaP256 => P256_SPKI_PREFIX.len(),
            Algorithm::Ed25519 => ED25519_SPKI_PREFIX.len(),
        };
        self.spki.get(prefix..).unwrap_or_default()
    }

    /// Whether `signature` (64 bytes) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let scheme: &dyn signature::VerificationAlgorithm = match self.algorithm {
            Algorithm::EcdsaP256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::Ed25519 => &signature::ED25519,
        };
        UnparsedPublicKey::new(scheme, self.raw()).verify(message, signature).is_ok()
    }

    /// Whether `signature` in ASN.1 DER is this P-256 key's over `message`, as signed notes carry
    /// it.
    pub fn verifies_der(&self, message: &[u8], signature: &[u8]) -> bool {
        self.algorithm == Algorithm::EcdsaP256
            && UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, self.raw())
                .verify(message, signature)
                .is_ok()
    }
}

/// An Ed25519 pair made from a seed that the caller drew: the keys of gateways, witnesses and
/// people.
pub struct Ed25519Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Ed25519Key {
    /// The pair of this seed.
    ///
    /// # Errors
    /// When the library refuses the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SigningFailed> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SigningFailed)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| SigningFailed)?;
        Ok(Self { pair, public: PublicKey::from_ed25519(&key) })
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Key({})", self.public.id())
    }
}

impl Signer for Ed25519Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        self.pair.sign(message).as_ref().try_into().map_err(|_| SigningFailed)
    }
}
