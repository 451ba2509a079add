//! Revocation lists (RFC 5280 §5): whole lists of one issuer, with an end.
//!
//! A list that could mean something other than it seems is refused: deltas, indirect lists and
//! every other critical extension.

use alloc::vec::Vec;

use super::certificate::{self, Certificate, ECDSA_SHA256, Extension, unsigned};
use super::rejected::CertificateFault;
use crate::der::{BadDer, Der, EXPLICIT_0, GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME};
use crate::time::Time;

/// A list in good form.
pub(super) struct RevocationList<'a> {
    tbs: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    /// When it was issued.
    pub(super) this_update: Time,
    /// When the next one is due.
    pub(super) next_update: Time,
    serials: Vec<&'a [u8]>,
}

impl<'a> RevocationList<'a> {
    /// Reads a list.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, CertificateFault> {
        let (tbs, signature) = certificate::signed(bytes)?;
        let mut fields = Der::new(tbs).inside(SEQUENCE)?;
        if fields.content(INTEGER)? != VERSION_2 {
            return Err(CertificateFault::Version);
        }
        if fields.element(SEQUENCE)?.raw != ECDSA_SHA256 {
            return Err(CertificateFault::SignatureAlgorithm);
        }
        let issuer = fields.element(SEQUENCE)?.raw;
        let this_update = certificate::time(&mut fields)?;
        let next_update = certificate::time(&mut fields)?;
        let mut serials = Vec::new();
        if let Some(entries) = fields.optional(SEQUENCE)? {
            let mut entries = Der::new(entries.content);
            while !entries.is_empty() {
                serials.push(entry(entries.inside(SEQUENCE)?)?);
            }
        }
        if let Some(outer) = fields.optional(EXPLICIT_0)? {
            let mut outer = Der::new(outer.content);
            check_extensions(outer.inside(SEQUENCE)?)?;
            outer.end()?;
        }
        fields.end()?;
        Ok(Self { tbs, signature, issuer, this_update, next_update, serials })
    }

    /// Whether it speaks for this issuer.
    pub(super) fn is_of(&self, issuer: &Certificate<'_>) -> bool {
        self.issuer == issuer.subject
    }

    /// Whether this issuer signed it.
    pub(super) fn is_signed_by(&self, issuer: &Certificate<'_>) -> bool {
        issuer.has_signed(self.tbs, self.signature)
    }

    /// Whether it names this certificate.
    pub(super) fn names(&self, certificate: &Certificate<'_>) -> bool {
        self.serials.contains(&certificate.serial)
    }
}

/// The serial number of an entry.
fn entry(mut fields: Der<'_>) -> Result<&[u8], CertificateFault> {
    let serial = unsigned(fields.content(INTEGER)?);
    let date = fields.any()?;
    if !matches!(date.tag, UTC_TIME | GENERALIZED_TIME) {
        return Err(CertificateFault::Time);
    }
    if let Some(extensions) = fields.optional(SEQUENCE)? {
        check_extensions(Der::new(extensions.content))?;
    }
    fields.end()?;
    Ok(serial)
}

fn check_extensions(mut list: Der<'_>) -> Result<(), CertificateFault> {
    if list.is_empty() {
        // A list of nothing is not written at all (RFC 5280 §5.1).
        return Err(CertificateFault::Der);
    }
    while !list.is_empty() {
        match Extension::read(&mut list) {
            Ok(Extension { critical: false, .. }) => {}
            Ok(Extension { critical: true, .. }) => {
                return Err(CertificateFault::CriticalExtension);
            }
            Err(BadDer) => return Err(CertificateFault::Der),
        }
    }
    Ok(())
}

const VERSION_2: &[u8] = &[1];
