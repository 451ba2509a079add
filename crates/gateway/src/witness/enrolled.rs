//! What a witness keeps of an epoch that it believed: what was shown, what it was judged with,
//! and when.
//!
//! Documents of the Nitro format say themselves when they were made, and are kept as they came.
//! Quotes and reports do not: with them is kept the collateral that was used, the witness's own
//! files among it, and the time of the judgement, so that a later look gives the same verdict.

use lucarne_attest::{CollateralFiles, Format, Time};
use lucarne_ledger::cbor::{CborError, Reader, Writer};
use lucarne_ledger::witness::{Enrolment, Refusal};

/// An epoch in the state of a witness.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Enrolled {
    pub(super) enrolment: Enrolment,
    /// When it was judged; none for what says its own time.
    pub(super) at: Option<Time>,
}

impl Enrolled {
    /// What was believed now, with this collateral.
    pub(super) fn new(enrolment: &Enrolment, used: &CollateralFiles, now: Time) -> Self {
        if Format::of(&enrolment.evidence).has_time() {
            let enrolment = Enrolment { collateral: None, ..enrolment.clone() };
            return Self { enrolment, at: None };
        }
        let collateral = Some(used.to_cbor());
        Self { enrolment: Enrolment { collateral, ..enrolment.clone() }, at: Some(now) }
    }

    /// The collateral that it was judged with.
    pub(super) fn collateral(&self) -> Option<CollateralFiles> {
        match &self.enrolment.collateral {
            None => Some(CollateralFiles::default()),
            Some(bytes) => CollateralFiles::from_cbor(bytes).ok(),
        }
    }

    /// The bytes that are kept: an enrolment, or `[enrolment, milliseconds since 1970]`.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Enrolment { binding, evidence, collateral } = &self.enrolment;
        let body = Enrolment::write(&binding.to_cbor(), evidence, collateral.as_deref());
        let Some(at) = self.at else { return body };
        let mut out = Writer::new();
        out.array(2).bytes(&body).uint(at.unix_ms());
        out.finish()
    }

    /// Reads what was kept.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        match dated(bytes) {
            Ok((body, at)) => Ok(Self { enrolment: Enrolment::from_kept(body)?, at: Some(at) }),
            Err(_) => Ok(Self { enrolment: Enrolment::from_kept(bytes)?, at: None }),
        }
    }
}

fn dated(bytes: &[u8]) -> Result<(&[u8], Time), CborError> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != 2 {
        return Err(CborError::Value);
    }
    let body = reader.bytes()?;
    let at = Time::from_unix_ms(reader.uint()?);
    reader.end()?;
    Ok((body, at))
}
