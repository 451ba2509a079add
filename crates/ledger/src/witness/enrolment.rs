//! The body of `add-epoch`: what makes a witness know the keys of an epoch.
//!
//! Keys are born with each boot, so nobody can configure them beforehand. A witness that believes
//! the evidence learns them from it: `[binding, evidence]`, two byte strings in deterministic CBOR.
//! This is an extension of ours; a witness of another make answers it with 404.

use alloc::vec::Vec;

use super::Refusal;
use crate::binding::EpochBinding;
use crate::cbor::{CborError, Reader, Writer};

/// Longest body. Evidence of any kind with its chain is below 64 KiB, a binding below 4 KiB.
pub const ENROLMENT_BYTES_MAX: usize = 128 << 10;

/// What vouches for an epoch, read but not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Enrolment {
    /// The keys that the evidence should vouch for.
    pub binding: EpochBinding,
    /// What the hardware signed.
    pub evidence: Vec<u8>,
}

impl Enrolment {
    /// Reads a body.
    ///
    /// # Errors
    /// `Malformed`, for every spelling but one.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > ENROLMENT_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let (binding, evidence) = read(bytes).map_err(|_| Refusal::Malformed)?;
        let binding = EpochBinding::from_cbor(binding).map_err(|_| Refusal::Malformed)?;
        Ok(Self { binding, evidence: evidence.to_vec() })
    }

    /// The body for a binding and its evidence, as bytes of their own formats.
    pub fn write(binding: &[u8], evidence: &[u8]) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(2).bytes(binding).bytes(evidence);
        out.finish()
    }
}

fn read(bytes: &[u8]) -> Result<(&[u8], &[u8]), CborError> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != 2 {
        return Err(CborError::Value);
    }
    let parts = (reader.bytes()?, reader.bytes()?);
    reader.end()?;
    Ok(parts)
}
