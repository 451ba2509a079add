//! `SignedLogBatch`: log batches as JSON, signed by a P-256 key of a TEE (an import, no root of
//! trust).
//!
//! Only the bytes in `PayloadBase64` are signed; `Sequence` and the thumbprint beside them are not.
//! So the sequence is believed as far as the payload repeats it, and a batch whose two numbers
//! differ is refused. What follows from a run of batches is in [`run`].

pub mod payload;
pub mod run;
pub mod taken;
pub mod writer;

#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use self::payload::Payload;
use crate::hash::{Hash, from_hex};
use crate::key::{Algorithm, PublicKey};

/// Longest batch: a payload as long as a batch of the ledger may be, in base64, and some room.
pub const JSON_BATCH_BYTES_MAX: usize = 24 << 20;
/// Most records of one batch, as in a batch of the ledger.
pub const JSON_RECORDS_MAX: usize = 65_536;

/// The certificate that the key came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// The SHA-256 of its DER, which `AttestationCertThumbprint` must name.
    Sha256(Hash),
    /// The key came without one: the thumbprint is not compared.
    KeyAlone,
}

/// A batch whose signature holds and whose payload says what the wrapping says.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedJsonBatch {
    sequence: u64,
    digest: Hash,
    payload: Payload,
}

impl VerifiedJsonBatch {
    /// Its sequence number: the signed one, or where the payload has none, the one beside it.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether the sequence number is signed.
    pub const fn sequence_is_signed(&self) -> bool {
        self.payload.sequence.is_some()
    }

    /// SHA-256 of the payload: what was signed.
    pub const fn digest(&self) -> Hash {
        self.digest
    }

    /// What was signed.
    pub const fn payload(&self) -> &Payload {
        &self.payload
    }
}

/// Why a batch is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum JsonBatchError {
    /// It is longer than `JSON_BATCH_BYTES_MAX`.
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// It is not an object of exactly the four fields.
    Wrapping {
        /// What the reader of JSON says of it, and where.
        detail: String,
    },
    /// A field is not canonical base64.
    Base64 {
        /// Its name.
        field: &'static str,
    },
    /// The thumbprint is not a SHA-256 in hex.
    ThumbprintForm,
    /// The thumbprint is of another certificate than the one given.
    ThumbprintDiffers {
        /// SHA-256 that the batch names.
        named: Hash,
    },
    /// The key is not one on P-256.
    Key,
    /// The signature is not this key's over the payload.
    Signature,
    /// The signature holds, and the payload is not of the form that is read here.
    Payload {
        /// What the reader of JSON says of it, and where.
        detail: String,
    },
    /// The signature holds, and the payload states another number of records than it has.
    RecordCount {
        /// Number stated.
        stated: u64,
        /// Number found.
        found: u64,
    },
    /// The sequence beside the payload is another than the signed one.
    SequenceDiffers {
        /// The one beside, which anybody can write.
        outside: u64,
        /// The one in the payload, which is signed.
        inside: u64,
    },
}

impl fmt::Display for JsonBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => write!(f, "batch of {got} bytes is longer than any can be"),
            Self::Wrapping { detail } => write!(f, "not a signed log batch: {detail}"),
            Self::Base64 { field } => write!(f, "{field} is not canonical base64"),
            Self::ThumbprintForm => {
                write!(f, "AttestationCertThumbprint is not a SHA-256 in hex")
            }
            Self::ThumbprintDiffers { named } => {
                write!(f, "AttestationCertThumbprint names the certificate {named}, not this one")
            }
            Self::Key => write!(f, "the public key is not one on P-256"),
            Self::Signature => {
                write!(f, "the signature is not this key's over SHA-256 of the payload")
            }
            Self::Payload { detail } => {
                write!(f, "the signature holds over a payload of another form: {detail}")
            }
            Self::RecordCount { stated, found } => write!(
                f,
                "the signature holds over a payload with record_count {stated} and {found} records"
            ),
            Self::SequenceDiffers { outside, inside } => write!(
                f,
                "Sequence {outside} is not signed, and the signed payload says {inside}: it was \
                 altered outside the payload"
            ),
        }
    }
}

impl core::error::Error for JsonBatchError {}

/// A batch as it came, decoded and not yet believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedLogBatch {
    /// `Sequence`, which is not signed.
    pub sequence: u64,
    payload: alloc::vec::Vec<u8>,
    signature: alloc::vec::Vec<u8>,
    thumbprint: Hash,
}

/// The four fields, spelled as `System.Text.Json` writes a class by default.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wrapping {
    sequence: u64,
    // Owned: `System.Text.Json` writes `+` as an escape, which cannot be borrowed.
    payload_base64: String,
    signature_base64: String,
    attestation_cert_thumbprint: String,
}

impl SignedLogBatch {
    /// Reads a batch: a JSON object, around which there may be white space and nothing else.
    ///
    /// # Errors
    /// When it is too long, or not an object of exactly the four fields in their form.
    pub fn parse(json: &[u8]) -> Result<Self, JsonBatchError> {
        if json.len() > JSON_BATCH_BYTES_MAX {
            return Err(JsonBatchError::TooLong { got: json.len() });
        }
        let wrapping: Wrapping = serde_json::from_slice(json)
            .map_err(|error| JsonBatchError::Wrapping { detail: error.to_string() })?;
        let decode =
            |field, text: &str| STANDARD.decode(text).map_err(|_| JsonBatchError::Base64 { field });
        Ok(Self {
            sequence: wrapping.sequence,
            payload: decode("PayloadBase64", &wrapping.payload_base64)?,
            signature: decode("SignatureBase64", &wrapping.signature_base64)?,
            thumbprint: thumbprint(&wrapping.attestation_cert_thumbprint)
                .ok_or(JsonBatchError::ThumbprintForm)?,
        })
    }

    /// The payload, whoever signed it.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Believes the batch if the key signed its payload and the payload agrees with what is beside
    /// it.
    ///
    /// # Errors
    /// The first reason not to, in the order key, signature, payload, sequence, thumbprint.
    pub fn verify(
        &self,
        key: &PublicKey,
        certificate: Certificate,
    ) -> Result<VerifiedJsonBatch, JsonBatchError> {
        if key.algorithm() != Algorithm::EcdsaP256 {
            return Err(JsonBatchError::Key);
        }
        // `ECDsa.SignHash` of .NET writes r || s; other libraries write DER.
        let signed = key.verifies(&self.payload, &self.signature)
            || key.verifies_der(&self.payload, &self.signature);
        if !signed {
            return Err(JsonBatchError::Signature);
        }
        let payload = Payload::parse(&self.payload)?;
        if let Some(inside) = payload.sequence.filter(|inside| *inside != self.sequence) {
            return Err(JsonBatchError::SequenceDiffers { outside: self.sequence, inside });
        }
        match certificate {
            Certificate::Sha256(known) if known != self.thumbprint => {
                Err(JsonBatchError::ThumbprintDiffers { named: self.thumbprint })
            }
            Certificate::Sha256(_) | Certificate::KeyAlone => Ok(VerifiedJsonBatch {
                sequence: self.sequence,
                digest: Hash::of(&self.payload),
                payload,
            }),
        }
    }
}

/// Reads the payload of a batch as if its signature held.
pub(crate) fn fuzz_payload(bytes: &[u8]) {
    drop(Payload::parse(bytes));
}

/// `sha256:` may stand in front; .NET prints the digits in capitals. A SHA-1, which is what
/// `X509Certificate2.Thumbprint` gives, is refused: certificates with one SHA-1 can be made.
fn thumbprint(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let lower = if digits.bytes().any(|byte| byte.is_ascii_lowercase()) {
        digits.to_owned()
    } else {
        digits.to_ascii_lowercase()
    };
    from_hex(&lower).ok().map(Hash)
}
