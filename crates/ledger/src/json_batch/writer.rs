//! Writing signed log batches in JSON: what an enclave does when it is configured to.
//!
//! It takes nothing but what the contract made of sanitised records. One writer is one epoch: its
//! numbers begin at 1, rise by one and are never given twice, since only sealing takes one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::JSON_RECORDS_MAX;
use crate::hash::Hash;
use crate::key::{Signer, SigningFailed};
use crate::payload::JsonLine;

/// Longest record: a batch of it and what is below `OPEN_BYTES_MAX` beside it fits a frame of the
/// uplink, also in base64.
pub const LINE_BYTES_MAX: usize = 4 << 20;
/// A batch that has this much takes no further record.
pub const OPEN_BYTES_MAX: usize = 4 << 20;

/// The record does not go into the open batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineError {
    /// It is longer than `LINE_BYTES_MAX` and goes into none.
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// The batch has to be sealed first.
    BatchFull,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { got } => write!(f, "record of {got} bytes of JSON fits no batch"),
            Self::BatchFull => write!(f, "the open batch is full"),
        }
    }
}

impl core::error::Error for LineError {}

/// The batches of one epoch: the open one, and the number of the next.
#[derive(Debug)]
pub struct JsonBatches {
    measurement: String,
    sealed: u64,
    open: Vec<u8>,
    count: u64,
}

/// A signed batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedJsonBatch {
    /// Its number.
    pub sequence: u64,
    /// SHA-256 of its payload: what was signed.
    pub digest: Hash,
    /// The JSON object of the four fields.
    pub bytes: Vec<u8>,
}

impl JsonBatches {
    /// No batch; the code that signs has this measurement.
    pub fn new(measurement: &str) -> Self {
        Self { measurement: measurement.to_string(), sealed: 0, open: Vec::new(), count: 0 }
    }

    /// Takes a record into the open batch.
    ///
    /// # Errors
    /// When it goes into no batch, or not into this one; then nothing changes.
    pub fn append(&mut self, line: JsonLine<'_>) -> Result<(), LineError> {
        let JsonLine(text) = line;
        if text.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong { got: text.len() });
        }
        if self.open.len() >= OPEN_BYTES_MAX || self.count >= JSON_RECORDS_MAX as u64 {
            return Err(LineError::BatchFull);
        }
        if self.count > 0 {
            self.open.push(b',');
        }
        self.open.extend_from_slice(text);
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Records in the open batch.
    pub const fn open_count(&self) -> u64 {
        self.count
    }

    /// Bytes of JSON in the open batch.
    pub const fn open_bytes(&self) -> usize {
        self.open.len()
    }

    /// Signs the open batch at a time by the TEE's clock; `None` when it is empty.
    ///
    /// The thumbprint names the key, since an epoch's key comes with evidence and without a
    /// certificate: it is the SHA-256 of the `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// When the key cannot sign, or every number has been given.
    pub fn seal(
        &mut self,
        signer: &dyn Signer,
        timestamp_utc: &str,
    ) -> Result<Option<SealedJsonBatch>, SigningFailed> {
        if self.count == 0 {
            return Ok(None);
        }
        let sequence = self.sealed.checked_add(1).ok_or(SigningFailed)?;
        let payload = self.payload(sequence, timestamp_utc);
        let signature = signer.sign(&payload)?;
        let bytes = format!(
            "{{\"Sequence\":{sequence},\"PayloadBase64\":\"{}\",\"SignatureBase64\":\"{}\",\
             \"AttestationCertThumbprint\":\"sha256:{}\"}}",
            STANDARD.encode(&payload),
            STANDARD.encode(signature),
            signer.public_key().id(),
        );
        self.sealed = sequence;
        self.count = 0;
        self.open.clear();
        // What a burst needed is not kept for quiet times.
        self.open.shrink_to(OPEN_BYTES_KEPT);
        Ok(Some(SealedJsonBatch {
            sequence,
            digest: Hash::of(&payload),
            bytes: bytes.into_bytes(),
        }))
    }

    fn payload(&self, sequence: u64, timestamp_utc: &str) -> Vec<u8> {
        let text = |text: &str| Value::from(text).to_string();
        let (time, measurement) = (text(timestamp_utc), text(&self.measurement));
        let count = self.count;
        let head = format!(
            "{{\"sequence\":{sequence},\"timestamp_utc\":{time},\"tee_measurement\":{measurement},\
             \"record_count\":{count},\"records\":["
        );
        [head.as_bytes(), &self.open, b"]}"].concat()
    }
}

const OPEN_BYTES_KEPT: usize = 64 << 10;

#[cfg(test)]
mod tests;
