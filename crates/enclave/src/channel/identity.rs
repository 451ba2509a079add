//! The key of the channel: born with the epoch, bound into its evidence, gone with the process.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::key::{PublicKey, SigningFailed};
use lucarne_link::access::{CertificateError, self_signed};
use zeroize::Zeroizing;

/// A P-256 pair with a certificate that it signed itself: evidence vouches for it, nobody else.
pub struct ChannelKey {
    pkcs8: Zeroizing<Vec<u8>>,
    certificate: Vec<u8>,
    public: PublicKey,
}

impl ChannelKey {
    /// Draws a fresh pair.
    ///
    /// # Errors
    /// When the library has no randomness to give.
    pub fn generate() -> Result<Self, SigningFailed> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| SigningFailed)?;
        let point = pair.public_key().as_ref();
        let certificate = self_signed(point, |message| {
            let signature = pair.sign(&SystemRandom::new(), message);
            signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| NotMade)
        });
        let document = pair.to_pkcs8v1().map_err(|_| SigningFailed)?;
        Ok(Self {
            pkcs8: Zeroizing::new(document.as_ref().to_vec()),
            certificate: certificate.map_err(|NotMade| SigningFailed)?,
            public: PublicKey::from_p256_point(point).map_err(|_| SigningFailed)?,
        })
    }

    /// DER `SubjectPublicKeyInfo`, for the epoch binding.
    pub fn spki(&self) -> &[u8] {
        self.public.spki()
    }

    /// SHA-256 of it, for the evidence of a connection.
    pub fn spki_sha256(&self) -> [u8; 32] {
        Hash::of(self.spki()).0
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    // For the TLS library alone; it keeps a copy of its own.
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelKey({})", self.public.id())
    }
}

struct NotMade;

impl From<CertificateError> for NotMade {
    fn from(_: CertificateError) -> Self {
        Self
    }
}
