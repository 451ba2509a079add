//! The envelope of a Nitro document: COSE_Sign1 (RFC 9052 §4.2), with or without its tag.
//!
//! Only one spelling is read. The protected header is ES384 and nothing else, the unprotected one
//! is empty: nothing vouches for it. The signature is checked over the payload bytes as they came.

use alloc::vec::Vec;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use lucarne_ledger::cbor::{CborError, Reader, Writer};

use super::input::Input;
use crate::rejected::{Part, Rejected};

/// An envelope whose form is right. Whether its signature is, [`Envelope::check_signature`] says.
pub(crate) struct Envelope<'a> {
    /// The payload as it came.
    pub(crate) payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads an envelope.
    pub(crate) fn parse(evidence: &'a [u8]) -> Result<Self, Rejected> {
        match evidence.len() {
            0 => return Err(Rejected::Empty),
            1..=EVIDENCE_BYTES_MAX => {}
            got => return Err(Rejected::TooLong { got }),
        }
        let mut input = Input::new(Part::Envelope, evidence);
        if input.at_tag() {
            let at = input.at();
            input.read(|reader| reader.tag(COSE_SIGN1)).map_err(|refused| match refused {
                Rejected::Cbor { cause: CborError::Value, .. } => Rejected::Tag { at },
                other => other,
            })?;
        }
        match input.read(Reader::array)? {
            ITEMS => {}
            got => return Err(Rejected::EnvelopeItems { got }),
        }
        if input.read(Reader::bytes)? != PROTECTED {
            return Err(Rejected::ProtectedHeader);
        }
        if input.read(Reader::map)? != 0 {
            return Err(Rejected::UnprotectedHeader);
        }
        let payload = input.read(Reader::bytes)?;
        let signature = input.read(Reader::bytes)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(Rejected::SignatureLength { got: signature.len() });
        }
        input.end()?;
        Ok(Self { payload, signature })
    }

    /// What is signed: the `Sig_structure` of RFC 9052 §4.4 with no external data.
    pub(crate) fn signed_part(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(ITEMS).text("Signature1").bytes(PROTECTED).bytes(&[]).bytes(self.payload);
        out.finish()
    }

    /// That the key at this point of P-384 signed `signed_part`. Either of the two forms of `s`
    /// will do.
    pub(crate) fn check_signature(&self, signed_part: &[u8], point: &[u8]) -> Result<(), Rejected> {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
            .verify(signed_part, self.signature)
            .map_err(|_| Rejected::Signature)
    }
}

const COSE_SIGN1: u64 = 18;
/// Both COSE_Sign1 and its Sig_structure are arrays of four.
const ITEMS: u64 = 4;
/// `{1: -35}`: the algorithm is ES384.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
/// `r` and `s` of P-384.
const SIGNATURE_BYTES: usize = 96;
/// AWS caps the payload at 16 KiB; genuine documents have 4 to 5.
pub(crate) const EVIDENCE_BYTES_MAX: usize = 24 * 1_024;
