//! Requests for a time stamp (`TimeStampReq`, RFC 3161 §2.4.1): one form, read back as written.

use alloc::vec::Vec;
use core::fmt;

use lucarne_ledger::hash::Hash;

use crate::der::{BOOLEAN, BadDer, Der, INTEGER, OCTET_STRING, SEQUENCE};

/// A request to stamp the SHA-256 of something, with a nonce, certificates asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    imprint: Hash,
    // bytes of a positive DER integer
    nonce: Vec<u8>,
}

/// Bytes that are not a request of this form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotARequest;

impl fmt::Display for NotARequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a request for a time stamp over SHA-256 with a nonce")
    }
}

impl core::error::Error for NotARequest {}

impl From<BadDer> for NotARequest {
    fn from(_: BadDer) -> Self {
        Self
    }
}

/// Longest nonce that is read back: others draw 8 to 20 bytes.
const NONCE_BYTES_MAX: usize = 33;

impl Request {
    /// A request for a stamp over `data`. The caller draws the nonce and uses it once.
    pub fn new(data: &[u8], nonce: [u8; 16]) -> Self {
        // One byte in front that is neither zero nor negative makes 17 bytes the one spelling.
        let nonce = [&[1], &nonce[..]].concat();
        Self { imprint: Hash::of(data), nonce }
    }

    /// SHA-256 of what is to be stamped.
    pub const fn imprint(&self) -> Hash {
        self.imprint
    }

    /// The nonce: bytes of a DER integer.
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    /// The request as it is sent, `application/timestamp-query`.
    pub fn to_der(&self) -> Vec<u8> {
        let imprint = [IMPRINT_HEADER, &self.imprint.0].concat();
        let body = [VERSION_1, &imprint, &[INTEGER, byte(&self.nonce)], &self.nonce, CERT_REQ];
        let body = body.concat();
        [&[SEQUENCE, byte(&body)], &body[..]].concat()
    }

    /// Reads a request that was written before, by this or by another program.
    ///
    /// # Errors
    /// When it has another digest than SHA-256, no nonce, a policy, extensions, or asks for no
    /// certificates.
    pub fn from_der(bytes: &[u8]) -> Result<Self, NotARequest> {
        let mut outer = Der::new(bytes);
        let mut fields = outer.inside(SEQUENCE)?;
        outer.end()?;
        fields.content(INTEGER)?;
        let mut imprint = fields.inside(SEQUENCE)?;
        imprint.element(SEQUENCE)?;
        let digest = imprint.content(OCTET_STRING)?;
        let imprint = Hash(digest.try_into().map_err(|_| NotARequest)?);
        let nonce = fields.content(INTEGER)?.to_vec();
        fields.element(BOOLEAN)?;
        let request = Self { imprint, nonce };
        let positive = match request.nonce.as_slice() {
            [0, next @ 0x80..=0xff, ..] => *next != 0,
            [1..=0x7f, ..] => true,
            _ => false,
        };
        let good = positive && request.nonce.len() <= NONCE_BYTES_MAX;
        // Our own spelling fixes the version, the algorithm and everything that is left out.
        if good && request.to_der() == bytes { Ok(request) } else { Err(NotARequest) }
    }
}

/// A length below 128, which everything here has.
fn byte(content: &[u8]) -> u8 {
    u8::try_from(content.len()).unwrap_or(u8::MAX)
}

const VERSION_1: &[u8] = &[INTEGER, 1, 1];
/// `MessageImprint` of SHA-256 with NULL, as authorities expect it, up to the digest.
const IMPRINT_HEADER: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
const CERT_REQ: &[u8] = &[BOOLEAN, 1, 0xff];
