//! The seam between the enclave and whatever signs for it: NSM, TSM, or the INSECURE software TEE.
//!
//! Quoting needs no verifier: nothing here reads evidence back. The workload cannot reach a source;
//! only the enclave's own code asks, and always with the digest of a typed binding as user data.

use std::fmt;

/// Something that makes evidence of this machine.
///
/// A source may be asked at any time and from several threads; each answer is new.
pub trait Quote {
    /// What kind of machine it speaks for; with INSECURE in it where nothing protects the machine.
    fn kind(&self) -> &'static str;

    /// The register that names the measured code, SHA-384.
    fn measurement(&self) -> [u8; 48];

    /// Evidence that vouches for `user_data` (the digest of a binding) and `public_key` (DER
    /// `SubjectPublicKeyInfo`), and answers `nonce`.
    ///
    /// # Errors
    /// When the source cannot make any.
    fn evidence(
        &self,
        user_data: &[u8; 64],
        public_key: &[u8],
        nonce: &[u8; 32],
    ) -> Result<Vec<u8>, QuoteError>;
}

/// Why there is no evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QuoteError {
    /// No key could be drawn.
    KeyGeneration,
    /// The key could not sign.
    Signing,
    /// The public key does not fit into evidence.
    PublicKeyLength {
        /// Length given, in bytes.
        got: usize,
    },
    /// The clock is beyond what certificates can say.
    Clock {
        /// Milliseconds since 1970.
        now_ms: u64,
    },
}

impl fmt::Display for QuoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyGeneration => write!(f, "no key could be drawn for the evidence"),
            Self::Signing => write!(f, "the evidence could not be signed"),
            Self::PublicKeyLength { got } => {
                write!(f, "a public key of {got} bytes does not fit into evidence")
            }
            Self::Clock { now_ms } => {
                write!(f, "the clock says {now_ms} ms since 1970, which no certificate can")
            }
        }
    }
}

impl std::error::Error for QuoteError {}
