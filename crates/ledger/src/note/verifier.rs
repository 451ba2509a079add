//! Verifier keys: a name, a signature type and a public key, as one line of text (`vkey`).
//!
//! `<name>+<key id, 8 hex digits>+<base64 of type || key>` (c2sp.org/signed-note). The key id is
//! computed, never believed, so a line has one spelling. Refused: types that we cannot check.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P384_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature;
use crate::hash::{Hash, to_hex};
use crate::key::ml_dsa::MlDsa44PublicKey;
use crate::key::{Algorithm, PublicKey};

/// A key that signs notes under a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteKey {
    name: String,
    key: Key,
    id: [u8; 4],
}

/// The signature types of C2SP that we check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureType {
    /// Ed25519 over the text.
    Ed25519 = 1,
    /// ECDSA over SHA-256 of the text, in DER; P-256, and P-384 to be read only.
    Ecdsa = 2,
    /// Ed25519 cosignature with a time.
    Cosignature = 4,
    /// ML-DSA-44 over a tree or subtree, with a time.
    Subtree = 6,
}

/// What a signature says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vouched {
    /// The key signed this text.
    Signed,
    /// The key saw this tree and none that contradicts it.
    Cosigned {
        /// When it was the largest it had seen, POSIX seconds; 0 claims no time.
        time_s: u64,
    },
}

/// Why a text is no verifier key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VerifierKeyError {
    /// It is not `name+id+base64` in its one spelling.
    Malformed,
    /// The signature type is none that we check.
    Type {
        /// The type byte.
        found: u8,
    },
    /// The bytes are not a public key of the type.
    Key,
    /// The key id is that of another name or key.
    Id,
}

impl fmt::Display for VerifierKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "not a verifier key of the form name+id+base64"),
            Self::Type { found } => write!(f, "verifier key of the unknown type {found:#04x}"),
            Self::Key => write!(f, "verifier key holds no public key of its type"),
            Self::Id => write!(f, "verifier key has the key id of another name or key"),
        }
    }
}

impl core::error::Error for VerifierKeyError {}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Key {
    Ed25519(PublicKey),
    P256(PublicKey),
    // DER SubjectPublicKeyInfo
    P384(Vec<u8>),
    Cosignature(PublicKey),
    Subtree(MlDsa44PublicKey),
}

// Everything before the 97 bytes of an uncompressed point on P-384 (RFC 5480 §2.1.1).
const P384_SPKI_PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
/// Longest verifier key: a name of 1 KiB and an ML-DSA-44 key.
const VKEY_BYTES_MAX: usize = 4096;

impl NoteKey {
    /// The key `key` of a log under the name `name`, which is the origin for a ledger's own keys.
    pub fn new(name: &str, key: PublicKey) -> Self {
        match key.algorithm() {
            Algorithm::EcdsaP256 => Self::of(name, Key::P256(key)),
            Algorithm::Ed25519 => Self::of(name, Key::Ed25519(key)),
        }
    }

    /// The Ed25519 key of a cosigner.
    pub fn cosigner(name: &str, key: &[u8; 32]) -> Self {
        Self::of(name, Key::Cosignature(PublicKey::from_ed25519(key)))
    }

    /// The ML-DSA-44 key of a cosigner, or of a log that signs in this way.
    pub fn ml_dsa_44(name: &str, key: MlDsa44PublicKey) -> Self {
        Self::of(name, Key::Subtree(key))
    }

    fn of(name: &str, key: Key) -> Self {
        let mut out = Self { name: name.to_owned(), key, id: [0; 4] };
        let digest = match out.key {
            // As the reference implementation and public logs have it: of the SPKI alone.
            Key::P256(_) | Key::P384(_) => Hash::of(out.material()),
            Key::Ed25519(_) | Key::Cosignature(_) | Key::Subtree(_) => {
                let kind = [out.signature_type() as u8];
                Hash::of(&[name.as_bytes(), b"\n", &kind, out.material()].concat())
            }
        };
        let [a, b, c, d, ..] = digest.0;
        out.id = [a, b, c, d];
        out
    }

    /// Who signs: the origin of a log, the name of a cosigner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The four bytes that signature lines begin with.
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// How it signs.
    pub const fn signature_type(&self) -> SignatureType {
        match self.key {
            Key::Ed25519(_) => SignatureType::Ed25519,
            Key::P256(_) | Key::P384(_) => SignatureType::Ecdsa,
            Key::Cosignature(_) => SignatureType::Cosignature,
            Key::Subtree(_) => SignatureType::Subtree,
        }
    }

    /// The public key: SPKI for ECDSA, its bytes for the others.
    pub fn material(&self) -> &[u8] {
        match &self.key {
            Key::Ed25519(key) | Key::Cosignature(key) => key.raw(),
            Key::P256(key) => key.spki(),
            Key::P384(spki) => spki,
            Key::Subtree(key) => key.raw(),
        }
    }

    /// The signature line for `signature`: 64 bytes for Ed25519, DER for ECDSA, a time and a
    /// signature for cosigners.
    pub fn line(&self, signature: &[u8]) -> String {
        let blob = [&self.id[..], signature].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(blob))
    }

    /// What the signature says of a note's text, if it is this key's.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Option<Vouched> {
        match &self.key {
            Key::Ed25519(key) => {
                key.verifies(text.as_bytes(), signature).then_some(Vouched::Signed)
            }
            Key::P256(key) => {
                key.verifies_der(text.as_bytes(), signature).then_some(Vouched::Signed)
            }
            Key::P384(spki) => {
                let point = spki.get(P384_SPKI_PREFIX.len()..)?;
                let key = UnparsedPublicKey::new(&ECDSA_P384_SHA256_ASN1, point);
                key.verify(text.as_bytes(), signature).is_ok().then_some(Vouched::Signed)
            }
            Key::Cosignature(key) => cosignature::verify_ed25519(key, text, signature),
            Key::Subtree(key) => cosignature::verify_tree(&self.name, key, text, signature),
        }
    }

    /// Whether the signature is this key's over a subtree that has no checkpoint of its own.
    pub fn verifies_subtree(&self, subtree: &cosignature::Subtree<'_>, signature: &[u8]) -> bool {
        match &self.key {
            Key::Subtree(key) => {
                cosignature::verify_subtree(&self.name, key, subtree, signature).is_some()
            }
            Key::Ed25519(_) | Key::P256(_) | Key::P384(_) | Key::Cosignature(_) => false,
        }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = [self.signature_type() as u8];
        let key = STANDARD.encode([&kind, self.material()].concat());
        write!(f, "{}+{}+{key}", self.name, to_hex(&self.id))
    }
}

impl FromStr for NoteKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let malformed = VerifierKeyError::Malformed;
        if text.len() > VKEY_BYTES_MAX {
            return Err(malformed);
        }
        let (name, rest) = text.split_once('+').ok_or(malformed)?;
        let (id, key) = rest.split_once('+').ok_or(malformed)?;
        let id: [u8; 4] = crate::hash::from_hex(id).map_err(|_| malformed)?;
        let key = STANDARD.decode(key).map_err(|_| malformed)?;
        let (kind, key) = key.split_first().ok_or(malformed)?;
        if !super::is_name(name) {
            return Err(malformed);
        }
        let key = Self::of(name, read_key(*kind, key)?);
        if key.id == id { Ok(key) } else { Err(VerifierKeyError::Id) }
    }
}

fn read_key(kind: u8, key: &[u8]) -> Result<Key, VerifierKeyError> {
    let ed25519 = || key.try_into().map(PublicKey::from_ed25519).map_err(|_| VerifierKeyError::Key);
    match kind {
        1 => ed25519().map(Key::Ed25519),
        2 => match key.strip_prefix(&P384_SPKI_PREFIX) {
            Some(point) if point.len() == 97 && point.first() == Some(&4) => {
                Ok(Key::P384(key.to_vec()))
            }
            _ => match PublicKey::from_spki(key) {
                Ok(key) if key.algorithm() == Algorithm::EcdsaP256 => Ok(Key::P256(key)),
                Ok(_) | Err(_) => Err(VerifierKeyError::Key),
            },
        },
        4 => ed25519().map(Key::Cosignature),
        6 => {
            let key = MlDsa44PublicKey::from_bytes(key).map_err(|_| VerifierKeyError::Key)?;
            Ok(Key::Subtree(key))
        }
        found => Err(VerifierKeyError::Type { found }),
    }
}
