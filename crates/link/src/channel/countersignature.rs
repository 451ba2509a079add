//! The word of a second person for one query of the first.
//!
//! It names the instance, the asker's certificate, the query and a time until which it may be used,
//! so it serves no other question, nobody else, and no other enclave. A number chosen at random
//! lets an enclave see that it is used once.

use alloc::vec::Vec;

use lucarne_ledger::cbor::{CborError, Reader, Writer};
use lucarne_ledger::identity::Instance;

use super::message::{Query, array_of};
use crate::access::{CERTIFICATE_BYTES_MAX, Serial};

/// What the second person signs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval<'a> {
    /// The workload that will be asked.
    pub instance: &'a Instance,
    /// The certificate of the person who asks.
    pub asker: Serial,
    /// What they ask.
    pub query: &'a Query,
}

/// The second person's signature with what it takes to check it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Countersignature {
    /// Their certificate of access.
    pub certificate: Vec<u8>,
    /// Chosen at random.
    pub number: [u8; 16],
    /// Last second since 1970 in which it may be used.
    pub until: u64,
    /// ECDSA on P-256 with SHA-256, `r || s`, over [`Approval::message`].
    pub signature: [u8; 64],
}

impl Approval<'_> {
    /// The bytes that are signed.
    pub fn message(&self, number: &[u8; 16], until: u64) -> Vec<u8> {
        let mut out = Writer::after(PURPOSE.to_vec());
        out.array(5).text(self.instance.as_str()).bytes(&self.asker.bytes());
        self.query.write(&mut out);
        out.bytes(number).uint(until);
        out.finish()
    }
}

impl Countersignature {
    /// As a file, from one person to the other.
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Reads what [`to_cbor`](Self::to_cbor) writes.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        let read = Self::read(&mut reader)?;
        reader.end()?;
        Ok(read)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.array(4).bytes(&self.certificate).bytes(&self.number);
        out.uint(self.until).bytes(&self.signature);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        array_of(reader, 4)?;
        let certificate = reader.bytes()?;
        if certificate.len() > CERTIFICATE_BYTES_MAX {
            return Err(CborError::Value);
        }
        Ok(Self {
            certificate: certificate.to_vec(),
            number: reader.array_of()?,
            until: reader.uint()?,
            signature: reader.array_of()?,
        })
    }
}

/// Keeps this signature apart from every other that the key may make.
const PURPOSE: &[u8] = b"lucarne/v1/countersignature";
