//! Revocations: certificates that a relying party no longer believes.
//!
//! AWS asks verifiers of Nitro documents not to fetch its lists, so nothing is fetched here: who
//! learns that a certificate is bad names it, for any kind of evidence and on top of the lists in
//! collateral. It is named by issuer and serial number, since the
//! bytes of a certificate can change while its signature still verifies.

use alloc::vec::Vec;

use crate::der::{BadDer, Der, EXPLICIT_0, GENERALIZED_TIME, INTEGER, SEQUENCE, UTC_TIME};

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
        self.issuer == issuer && unsigned(&self.serial) == unsigned(serial)
    }

    /// What a revocation list (RFC 5280 §5) names, from whoever and whenever.
    ///
    /// Its signature and its dates are not looked at: a relying party that writes a list into its
    /// own configuration means it, and a certificate stays revoked when the list grows old.
    ///
    /// # Errors
    /// When it is not a list in DER.
    pub fn of_list(der: &[u8]) -> Result<Vec<Self>, NotAList> {
        read(der).map_err(|_| NotAList)
    }
}

/// Not a revocation list in DER.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAList;

impl core::fmt::Display for NotAList {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a revocation list in DER")
    }
}

impl core::error::Error for NotAList {}

fn read(der: &[u8]) -> Result<Vec<Revoked>, BadDer> {
    let mut file = Der::new(der);
    let mut list = file.inside(SEQUENCE)?;
    file.end()?;
    let mut fields = list.inside(SEQUENCE)?;
    // Algorithm and signature, which are not looked at.
    list.any()?;
    list.any()?;
    list.end()?;
    fields.optional(INTEGER)?;
    fields.element(SEQUENCE)?;
    let issuer = fields.element(SEQUENCE)?.raw;
    let this_update = fields.any()?;
    if !matches!(this_update.tag, UTC_TIME | GENERALIZED_TIME) {
        return Err(BadDer);
    }
    for tag in [UTC_TIME, GENERALIZED_TIME] {
        fields.optional(tag)?;
    }
    let mut revoked = Vec::new();
    if let Some(entries) = fields.optional(SEQUENCE)? {
        let mut entries = Der::new(entries.content);
        while !entries.is_empty() {
            let serial = entries.inside(SEQUENCE)?.content(INTEGER)?;
            revoked.push(Revoked { issuer: issuer.into(), serial: serial.into() });
        }
    }
    fields.optional(EXPLICIT_0)?;
    fields.end()?;
    Ok(revoked)
}

/// A number without the zeros before it: readers of certificates differ in whether they keep one.
fn unsigned(mut serial: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = serial {
        serial = rest;
    }
    serial
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = include_bytes!("../testdata/snp/forged/ark.crl.der");

    fn sequence(content: &[u8]) -> Vec<u8> {
        [&[0x30, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// Two entries, written by hand.
    #[test]
    fn a_list_names_issuer_and_serials() {
        let time = b"\x17\x0d250101000000Z";
        let entry = |number: &[u8]| sequence(&[number, time].concat());
        let entries = sequence(&[entry(&[2, 2, 0, 0x80]), entry(&[2, 1, 7])].concat());
        let tbs = [&[2, 1, 1, 0x30, 0, 0x30, 2, 5, 0][..], time, time, &entries].concat();
        let list = sequence(&[&sequence(&tbs)[..], &[0x30, 0, 3, 1, 0]].concat());
        let named = Revoked::of_list(&list).unwrap();
        let revoked =
            |serial: &[u8]| Revoked { issuer: [0x30, 2, 5, 0].into(), serial: serial.into() };
        assert_eq!(named, [revoked(&[0, 0x80]), revoked(&[7])]);
        // Readers differ in whether they keep the zero.
        assert!(
            named[0].names(&[0x30, 2, 5, 0], &[0x80])
                && named[0].names(&[0x30, 2, 5, 0], &[0, 0x80])
        );
        assert!(
            !named[0].names(&[0x30, 2, 5, 1], &[0x80]) && !named[1].names(&[0x30, 2, 5, 0], &[8])
        );
        for cut in 0..list.len() {
            assert_eq!(Revoked::of_list(&list[..cut]), Err(NotAList), "{cut}");
        }
        assert_eq!(Revoked::of_list(&[&list[..], &[0]].concat()), Err(NotAList));
    }

    #[test]
    fn a_real_list_is_read_and_a_certificate_is_none() {
        let named = Revoked::of_list(LIST).unwrap();
        let found: Vec<_> = named.iter().map(|one| (one.issuer.len(), &one.serial[..])).collect();
        assert_eq!(found, [(22, &[5][..])]);
        let certificate = include_bytes!("../testdata/snp/trustee/test-vcek.der");
        assert_eq!(Revoked::of_list(certificate), Err(NotAList));
    }
}
