//! DSSE envelopes (secure-systems-lab v1.0.2): a payload, its type, and one P-256 signature.
//!
//! Signatures are ASN.1 DER, as in-toto's and Sigstore's tools write and read them. What is
//! verified are the bytes that came; an envelope has one spelling and one signature.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::key::PublicKey;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Longest envelope: a statement is a few kilobytes.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;

/// A P-256 pair that signs for bundles and runbooks.
pub struct SealingKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

/// Why a payload is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DsseError {
    /// Not an envelope in its one spelling.
    Spelling,
    /// The payload is of another type.
    Type,
    /// The key is none of those that are trusted.
    Untrusted {
        /// The key identifier that the envelope names: SHA-256 of the SPKI.
        key: Digest,
    },
    /// The signature is not that key's.
    Signature,
    /// Not the PKCS#8 of a P-256 pair.
    NotAKey,
    /// The key refused to sign.
    SigningFailed,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: [Signature; 1],
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: Digest,
    sig: String,
}

impl SealingKey {
    /// The pair of a PKCS#8 document (RFC 5958).
    ///
    /// # Errors
    /// For any other key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, DsseError> {
        // Documents without the public key, as some tools write them, are accepted as well.
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| DsseError::NotAKey)?;
        let public = PublicKey::from_p256_point(pair.public_key().as_ref())
            .map_err(|_| DsseError::NotAKey)?;
        Ok(Self { pair, public })
    }

    /// What its signatures are checked with.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// An envelope around `payload`.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn envelope(&self, payload_type: &str, payload: &[u8]) -> Result<Vec<u8>, DsseError> {
        let message = pre_authentication(payload_type, payload);
        let signature =
            self.pair.sign(&SystemRandom::new(), &message).map_err(|_| DsseError::SigningFailed)?;
        let envelope = Envelope {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: [Signature {
                keyid: Digest(self.public.id()),
                sig: STANDARD.encode(signature.as_ref()),
            }],
        };
        Ok(encode(&envelope))
    }
}

/// The payload of an envelope of this type that one of `keys` signed.
///
/// # Errors
/// When it is not exactly that.
pub fn open(envelope: &[u8], payload_type: &str, keys: &[PublicKey]) -> Result<Vec<u8>, DsseError> {
    let (parsed, payload) = read(envelope)?;
    if parsed.payload_type != payload_type {
        return Err(DsseError::Type);
    }
    let [signature] = &parsed.signatures;
    let key = keys.iter().find(|key| key.id() == signature.keyid.0);
    let key = key.ok_or(DsseError::Untrusted { key: signature.keyid })?;
    let bytes = STANDARD.decode(&signature.sig).map_err(|_| DsseError::Spelling)?;
    let message = pre_authentication(payload_type, &payload);
    if key.verifies_der(&message, &bytes) { Ok(payload) } else { Err(DsseError::Signature) }
}

/// The payload of an envelope without a look at its signature: for messages, not for trust.
///
/// # Errors
/// When it is no envelope.
pub fn danger_unverified(envelope: &[u8]) -> Result<Vec<u8>, DsseError> {
    read(envelope).map(|(_, payload)| payload)
}

fn read(bytes: &[u8]) -> Result<(Envelope, Vec<u8>), DsseError> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(DsseError::Spelling);
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|_| DsseError::Spelling)?;
    if encode(&envelope) != bytes {
        return Err(DsseError::Spelling);
    }
    let payload = STANDARD.decode(&envelope.payload).map_err(|_| DsseError::Spelling)?;
    Ok((envelope, payload))
}

/// What is signed: `PAE` of the protocol.
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[expect(clippy::expect_used, reason = "an envelope is texts")]
fn encode(envelope: &Envelope) -> Vec<u8> {
    serde_json::to_vec(envelope).expect("an envelope is JSON")
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.public.id())
    }
}

impl fmt::Display for DsseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spelling => f.write_str("not an envelope in its one spelling"),
            Self::Type => f.write_str("the payload is of another type"),
            Self::Untrusted { key } => write!(f, "key {key} is not among those that are trusted"),
            Self::Signature => f.write_str("the signature is not that of its key"),
            Self::NotAKey => f.write_str("expected the PKCS#8 of a P-256 pair"),
            Self::SigningFailed => f.write_str("the signing key refused to sign"),
        }
    }
}

impl std::error::Error for DsseError {}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the protocol's own document; its signature is the fixed-width form.
    const TYPE: &str = "http://example.com/HelloWorld";
    const SIGNED: &str = concat!(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJ",
        "PcIAriEGAHTVeCUjW2JIZA=="
    );
    const POINT: &str = concat!(
        "04",
        "67cd390f77aa359cb08c2235f652270493a9ed832b0abcc01f70954c0390d238",
        "0c782bd54e269125a44f4433aff1432ce94e12bca73aa67ac80cea12608ddf74"
    );

    #[test]
    fn the_message_is_that_of_the_protocol() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(pre_authentication(TYPE, b"hello world"), expected);
        let point = lucarne_ledger::hash::from_hex::<65>(POINT).unwrap();
        let key = PublicKey::from_p256_point(&point).unwrap();
        assert!(key.verifies(expected, &STANDARD.decode(SIGNED).unwrap()));
    }

    fn key() -> SealingKey {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        SealingKey::from_pkcs8(pair.to_pkcs8v1().unwrap().as_ref()).unwrap()
    }

    #[test]
    fn only_its_key_type_and_spelling_open_an_envelope() {
        let (key, other) = (key(), key());
        let trusted = [other.public_key().clone(), key.public_key().clone()];
        let sealed = key.envelope(TYPE, b"hello world").unwrap();
        assert_eq!(open(&sealed, TYPE, &trusted), Ok(b"hello world".to_vec()));
        assert_eq!(open(&sealed, "text/plain", &trusted), Err(DsseError::Type));
        let untrusted = DsseError::Untrusted { key: Digest(key.public_key().id()) };
        assert_eq!(open(&sealed, TYPE, &trusted[..1]), Err(untrusted));
        let text = String::from_utf8(sealed).unwrap();
        let bent = text.replace(&STANDARD.encode("hello world"), &STANDARD.encode("Hello world"));
        assert_eq!(open(bent.as_bytes(), TYPE, &trusted), Err(DsseError::Signature));
        assert_eq!(open(format!("{text} ").as_bytes(), TYPE, &trusted), Err(DsseError::Spelling));
    }
}
