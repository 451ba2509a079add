//! COSE_Sign1 (RFC 9052 §4.2) in the one form that Lucarne writes and accepts.
//!
//! Tag 18; protected {1: alg, 3: content type, 4: kid}; nothing unprotected; payload attached. The
//! reader knows what it expects, so it compares the protected header with its own spelling: there
//! is no room for another algorithm, another type or another key.

use alloc::vec::Vec;
use core::fmt;

use crate::cbor::{CborError, Reader, Writer};
use crate::key::{Algorithm, PublicKey, Signer, SigningFailed};

/// What a signed payload says it is. A signature over one cannot be used as another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContentType {
    /// A batch statement.
    Statement,
    /// The gateway's word that a range is archived.
    Archived,
    /// The authority to withhold one record.
    Withholding,
    /// The gateway's word that it has taken a signed log batch in JSON.
    JsonBatchTaken,
    /// The gateway's word under which key it has encrypted the payloads of a batch.
    Encryption,
    /// The order to destroy a data key.
    Erasure,
}

impl ContentType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "application/vnd.lucarne.statement+cbor",
            Self::Archived => "application/vnd.lucarne.archived+cbor",
            Self::Withholding => "application/vnd.lucarne.withholding+cbor",
            Self::JsonBatchTaken => "application/vnd.lucarne.json-batch-taken+cbor",
            Self::Encryption => "application/vnd.lucarne.encryption+cbor",
            Self::Erasure => "application/vnd.lucarne.erasure+cbor",
        }
    }
}

/// Why a signed message is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureError {
    /// It is not a COSE_Sign1 in deterministic CBOR.
    Cbor(CborError),
    /// Its header names another algorithm, content type or key than the one expected.
    Header,
    /// The signature is not that of the expected key over the received bytes.
    Signature,
}

impl From<CborError> for SignatureError {
    fn from(error: CborError) -> Self {
        Self::Cbor(error)
    }
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cbor(_) => write!(f, "signed message is not deterministic COSE_Sign1"),
            Self::Header => write!(f, "signed message names another key, algorithm or type"),
            Self::Signature => write!(f, "signature does not verify"),
        }
    }
}

impl core::error::Error for SignatureError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Cbor(error) => Some(error),
            Self::Header | Self::Signature => None,
        }
    }
}

/// Signs `payload` as `content`.
///
/// # Errors
/// When the key cannot sign.
pub fn sign(
    signer: &dyn Signer,
    content: ContentType,
    payload: &[u8],
) -> Result<Vec<u8>, SigningFailed> {
    let header = protected(signer.public_key(), content);
    let signature = signer.sign(&to_be_signed(&header, payload))?;
    let mut out = Writer::new();
    out.tag(18).array(4).bytes(&header).map(0).bytes(payload).bytes(&signature);
    Ok(out.finish())
}

/// The payload of `message`, once `key` is known to have signed it as `content`.
///
/// # Errors
/// Each check its own: form, header, signature.
pub fn verify<'a>(
    message: &'a [u8],
    key: &PublicKey,
    content: ContentType,
) -> Result<&'a [u8], SignatureError> {
    let Parts { header, payload, signature } = split(message)?;
    if header != protected(key, content) {
        return Err(SignatureError::Header);
    }
    if !key.verifies(&to_be_signed(header, payload), signature) {
        return Err(SignatureError::Signature);
    }
    Ok(payload)
}

/// The payload of `message` *before anybody checked it*: for telling whose key to check it with.
///
/// # Errors
/// When it is not a COSE_Sign1 of our form.
pub fn unverified_payload(message: &[u8]) -> Result<&[u8], CborError> {
    split(message).map(|parts| parts.payload)
}

struct Parts<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
}

fn split(message: &[u8]) -> Result<Parts<'_>, CborError> {
    let mut reader = Reader::new(message);
    reader.tag(18)?;
    if reader.array()? != 4 {
        return Err(CborError::Value);
    }
    let header = reader.bytes()?;
    if reader.map()? != 0 {
        return Err(CborError::Value);
    }
    let parts = Parts { header, payload: reader.bytes()?, signature: reader.bytes()? };
    reader.end()?;
    Ok(parts)
}

fn protected(key: &PublicKey, content: ContentType) -> Vec<u8> {
    let mut header = Writer::new();
    header.map(3).uint(1);
    match key.algorithm() {
        Algorithm::EcdsaP256 => header.negative(8), // ESP256 = -9
        Algorithm::Ed25519 => header.negative(18),  // Ed25519 = -19
    };
    header.uint(3).text(content.as_str()).uint(4).bytes(&key.id().0);
    header.finish()
}

// RFC 9052 §4.4
pub(crate) fn to_be_signed(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(4).text("Signature1").bytes(header).bytes(&[]).bytes(payload);
    out.finish()
}

#[cfg(test)]
mod tests;
