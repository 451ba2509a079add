//! Revocations: certificates that a relying party no longer believes.
//!
//! AWS asks verifiers of Nitro documents not to fetch its lists, so nothing is fetched here: who
//! learns that a certificate is bad names it. It is named by issuer and serial number, since the
//! bytes of a certificate can change while its signature still verifies.

use alloc::vec::Vec;

/// A certificate that is not believed any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// Its issuer: the Name in DER, with its header.
    pub issuer: Vec<u8>,
    /// Its serial number: the content of the INTEGER in DER.
    pub serial: Vec<u8>,
}

impl Revoked {
    /// Whether a certificate of this issuer and serial number is meant.
    pub(crate) fn names(&self, issuer: &[u8], serial: &[u8]) -> bool {
        self.issuer == issuer && self.serial == serial
    }
}
