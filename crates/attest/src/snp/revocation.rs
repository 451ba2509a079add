//! The revocation list of a root of AMD (RFC 5280 §5): which issuers are not to be believed.
//!
//! All keys of chips have the serial number 0, so a list by number can name none of them; if it
//! lists that number, none is believed. A list that is stale still revokes.

use alloc::vec::Vec;

use super::certificate::{Signed, time};
use super::chain::Chain;
use super::pss;
use super::rejected::{CertificateFault, Place, Rejected};
use crate::der::{Der, EXPLICIT_0, INTEGER, OCTET_STRING, OID, SEQUENCE};
use crate::time::Time;
use crate::x509;

/// A revocation list.
pub(super) struct Revocations<'a> {
    tbs: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    this_update: Time,
    pub(super) next_update: Time,
    /// Serial numbers.
    revoked: Vec<&'a [u8]>,
}

impl<'a> Revocations<'a> {
    /// Reads a list.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, CertificateFault> {
        let signed = Signed::parse(der)?;
        let mut fields = Der::new(signed.tbs.content);
        if fields.content(INTEGER)? != VERSION_2 {
            return Err(CertificateFault::Version);
        }
        signed.check_algorithm(fields.content(SEQUENCE)?)?;
        let issuer = fields.element(SEQUENCE)?.raw;
        let (this_update, next_update) = (time(&mut fields)?, time(&mut fields)?);
        let revoked = match fields.optional(SEQUENCE)? {
            Some(list) => revoked(Der::new(list.content))?,
            None => Vec::new(),
        };
        if let Some(extensions) = fields.optional(EXPLICIT_0)? {
            let mut outer = Der::new(extensions.content);
            refuse_critical(outer.inside(SEQUENCE)?)?;
            outer.end()?;
        }
        fields.end()?;
        let (tbs, signature) = (signed.tbs.raw, signed.signature);
        Ok(Self { tbs, signature, issuer, this_update, next_update, revoked })
    }

    /// That the root of the chain made it, and that it revokes no certificate of the chain.
    pub(super) fn check_chain(&self, chain: &Chain<'_>) -> Result<(), Rejected> {
        if self.issuer != chain.root.subject {
            return Err(Rejected::RevocationIssuer);
        }
        pss::verify(chain.root_key, self.tbs, self.signature)
            .map_err(|_| Rejected::RevocationSignature)?;
        for (place, certificate) in [(Place::Issuer, &chain.issuer), (Place::Leaf, &chain.leaf)] {
            if self.revoked.contains(&certificate.serial) {
                return Err(Rejected::Revoked { place });
            }
        }
        Ok(())
    }

    /// That it is the current one.
    pub(super) fn check_at(&self, at: Time) -> Result<(), Rejected> {
        let (this_update, next_update) = (self.this_update, self.next_update);
        let seconds = at.unix_seconds();
        if seconds < this_update.unix_seconds() {
            return Err(Rejected::RevocationEarly { this_update, at });
        }
        if seconds > next_update.unix_seconds() {
            return Err(Rejected::RevocationStale { next_update, at });
        }
        Ok(())
    }
}

/// The serial numbers of a list. When they were revoked makes no difference.
fn revoked(mut list: Der<'_>) -> Result<Vec<&[u8]>, CertificateFault> {
    let mut serials = Vec::new();
    while !list.is_empty() {
        let mut entry = list.inside(SEQUENCE)?;
        serials.push(entry.content(INTEGER)?);
        time(&mut entry)?;
        if let Some(extensions) = entry.optional(SEQUENCE)? {
            refuse_critical(Der::new(extensions.content))?;
        }
        entry.end()?;
    }
    Ok(serials)
}

/// Critical extensions change what a list or an entry means, for example whose number it is.
fn refuse_critical(mut list: Der<'_>) -> Result<(), CertificateFault> {
    while !list.is_empty() {
        let mut extension = list.inside(SEQUENCE)?;
        extension.content(OID)?;
        let critical = x509::boolean(&mut extension)?;
        extension.content(OCTET_STRING)?;
        extension.end()?;
        if critical {
            return Err(CertificateFault::CriticalExtension);
        }
    }
    Ok(())
}

/// `INTEGER 1`, without its header.
const VERSION_2: &[u8] = &[1];
