//! The body of `add-epoch`: what makes a witness know the keys of an epoch.
//!
//! Keys are born with each boot, so nobody can configure them beforehand. A witness that believes
//! the evidence learns them from it: `[binding, evidence]` in deterministic CBOR, two byte strings,
//! and a third with collateral where evidence is judged with some.
//! This is an extension of ours; a witness of another make answers it with 404.

use alloc::vec::Vec;

use super::Refusal;
use crate::binding::EpochBinding;
use crate::cbor::{CborError, Reader, Writer};

/// Longest body. Evidence of any kind with its chain is below 64 KiB, a binding below 4 KiB, the
/// documents and lists that a quote is judged with below 512 KiB.
pub const ENROLMENT_BYTES_MAX: usize = 640 << 10;

/// What vouches for an epoch, read but not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Enrolment {
    /// The keys that the evidence should vouch for.
    pub binding: EpochBinding,
    /// What the hardware signed.
    pub evidence: Vec<u8>,
    /// What it is verified with; none where there is nothing.
    pub collateral: Option<Vec<u8>>,
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
        Self::from_kept(bytes)
    }

    /// Reads one from a state of one's own, where its collateral may be longer than in a body.
    ///
    /// # Errors
    /// `Malformed`, for every spelling but one.
    pub fn from_kept(bytes: &[u8]) -> Result<Self, Refusal> {
        let (binding, evidence, collateral) = read(bytes).map_err(|_| Refusal::Malformed)?;
        let binding = EpochBinding::from_cbor(binding).map_err(|_| Refusal::Malformed)?;
        let collateral = collateral.map(<[u8]>::to_vec);
        Ok(Self { binding, evidence: evidence.to_vec(), collateral })
    }

    /// The body for a binding and its evidence, and collateral if there is some, as bytes of their
    /// own formats.
    pub fn write(binding: &[u8], evidence: &[u8], collateral: Option<&[u8]>) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(if collateral.is_some() { 3 } else { 2 }).bytes(binding).bytes(evidence);
        if let Some(collateral) = collateral {
            out.bytes(collateral);
        }
        out.finish()
    }
}

/// Binding, evidence and collateral, as bytes of their own formats.
type Parts<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

fn read(bytes: &[u8]) -> Result<Parts<'_>, CborError> {
    let mut reader = Reader::new(bytes);
    let has_collateral = match reader.array()? {
        2 => false,
        3 => true,
        _ => return Err(CborError::Value),
    };
    let (binding, evidence) = (reader.bytes()?, reader.bytes()?);
    let collateral = if has_collateral { Some(reader.bytes()?) } else { None };
    reader.end()?;
    Ok((binding, evidence, collateral))
}
