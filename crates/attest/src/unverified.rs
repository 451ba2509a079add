//! Evidence as it is written, before anyone has judged it: for showing, and for nothing else.
//!
//! It is a type of its own, so that what was merely read is not taken for what was verified.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::hash::Hash;

use crate::nitro::document::Document;
use crate::nitro::envelope::Envelope;
use crate::register::{Fingerprint, Register};
use crate::rejected::Rejected;
use crate::time::Time;
use crate::x509::Certificate;

/// What a document of the Nitro format says. Anyone can write one that says this.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unverified {
    /// Name of the machine.
    pub module_id: String,
    /// When it says that it was made.
    pub time: Time,
    /// Measurement registers by number.
    pub pcrs: BTreeMap<u8, Register>,
    /// Certificate of the key that signed, DER.
    pub certificate: Vec<u8>,
    /// Certificates from the root to the issuer of `certificate`, DER.
    pub cabundle: Vec<Vec<u8>>,
    /// Key to have vouched for.
    pub public_key: Option<Vec<u8>>,
    /// Data to have vouched for.
    pub user_data: Option<Vec<u8>>,
    /// Nonce that was answered.
    pub nonce: Option<Vec<u8>>,
    /// SHA-256 of what is signed: the identity of the evidence.
    pub identity: Hash,
    /// SHA-256 of the root that came along.
    pub root: Fingerprint,
}

/// Reads a document of the Nitro format without judging it.
///
/// # Errors
/// When its form is wrong.
pub fn read_unverified(evidence: &[u8]) -> Result<Unverified, Rejected> {
    let envelope = Envelope::parse(evidence)?;
    let document = Document::parse(envelope.payload)?;
    Ok(Unverified {
        module_id: document.module_id.into(),
        time: document.time,
        pcrs: document.pcrs,
        certificate: document.certificate.into(),
        root: Fingerprint::of(document.cabundle.first().copied().unwrap_or_default()),
        cabundle: document.cabundle.iter().map(|der| der.to_vec()).collect(),
        public_key: document.public_key.map(Into::into),
        user_data: document.user_data.map(Into::into),
        nonce: document.nonce.map(Into::into),
        identity: Hash::of(&envelope.signed_part()),
    })
}

impl Unverified {
    /// First and last moment at which every certificate that came along is valid; nothing if one
    /// cannot be read.
    pub fn chain_validity(&self) -> Option<(Time, Time)> {
        let chain = self.cabundle.iter().chain([&self.certificate]);
        let times = chain.map(|der| {
            let certificate = Certificate::parse(der).ok()?;
            Some((certificate.not_before, certificate.not_after))
        });
        let times: Vec<(Time, Time)> = times.collect::<Option<_>>()?;
        Some((times.iter().map(|span| span.0).max()?, times.iter().map(|span| span.1).min()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_a_verdict_would_say() {
        let bytes = include_bytes!("../testdata/nitro/veracruz_doc.cbor");
        let read = read_unverified(bytes).unwrap();
        assert_eq!(read.module_id, "i-04fd167167daacf3b-enc01845e97d0b3eb4e");
        assert_eq!(read.time.unix_ms(), 1_668_034_320_696);
        assert_eq!((read.pcrs.len(), read.cabundle.len()), (16, 4));
        let (from, to) = read.chain_validity().unwrap();
        // The leaf is the last to begin and the first to end.
        assert_eq!(from.unix_seconds(), 1_668_034_317);
        assert_eq!(to.unix_seconds(), 1_668_045_120);
        assert_eq!(read_unverified(&[]), Err(Rejected::Empty));
    }
}
