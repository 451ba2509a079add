//! Collateral: the certificates and the revocation list that a report is verified with.
//!
//! It comes from wherever the caller has it: beside the evidence, from a cache, from a folder.
//! Nothing in it is believed for being there, and nothing is fetched.

use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::certificate::Certificate;
use super::revocation::Revocations;

/// What a report is verified with, besides the roots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Collateral {
    /// Certificates in DER and in any order, at most [`CERTIFICATES_MAX`]: the one of the key that
    /// signed (VCEK or VLEK) and its issuer's (ASK or ASVK). Others do no harm, but a root must be
    /// one of AMD's.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation list of the root in DER, if there is one.
    pub revocation: Option<Vec<u8>>,
}

impl Collateral {
    /// Takes in a file: certificates and lists in PEM, one of them in DER, or the table of
    /// certificates that a guest gets from its host with a report (`auxblob`).
    ///
    /// # Errors
    /// When it is none of these. Nothing is taken in then.
    pub fn add(&mut self, file: &[u8]) -> Result<(), NotCollateral> {
        if file.len() > FILE_BYTES_MAX {
            return Err(NotCollateral);
        }
        if Certificate::parse(file).is_ok() {
            self.certificates.push(file.into());
            return Ok(());
        }
        if Revocations::parse(file).is_ok() {
            return self.set_revocation(file.into());
        }
        match table(file) {
            Some(certificates) if !certificates.is_empty() => {
                self.certificates.extend(certificates);
                Ok(())
            }
            Some(_) | None => self.add_pem(file),
        }
    }

    fn add_pem(&mut self, file: &[u8]) -> Result<(), NotCollateral> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file).collect();
        let certificates = found.map_err(|_| NotCollateral)?;
        let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(file).collect();
        let mut lists = found.map_err(|_| NotCollateral)?.into_iter();
        let list = lists.next();
        if lists.next().is_some() || (certificates.is_empty() && list.is_none()) {
            return Err(NotCollateral);
        }
        if let Some(list) = list {
            self.set_revocation(list.to_vec())?;
        }
        self.certificates.extend(certificates.iter().map(|der| der.to_vec()));
        Ok(())
    }

    /// There is one list for each root; which of two is meant, nobody could tell.
    fn set_revocation(&mut self, list: Vec<u8>) -> Result<(), NotCollateral> {
        if self.revocation.is_some() {
            return Err(NotCollateral);
        }
        self.revocation = Some(list);
        Ok(())
    }
}

/// A file that is no collateral, or a second revocation list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotCollateral;

impl fmt::Display for NotCollateral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "neither certificates nor a first revocation list in PEM, DER or a table")
    }
}

impl core::error::Error for NotCollateral {}

/// The table of certificates (AMD 56421, table 5): entries of identifier, offset and length, ended
/// by one of zeros; then what they point at. Entries for other things than certificates are passed.
fn table(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    for _ in 0..=TABLE_ENTRIES_MAX {
        let (identifier, after) = rest.split_first_chunk::<16>()?;
        let (offset, after) = after.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        rest = after;
        let (offset, length) = (u32::from_le_bytes(*offset), u32::from_le_bytes(*length));
        if *identifier == [0; 16] {
            return (offset == 0 && length == 0).then_some(found);
        }
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        let content = bytes.get(start..end)?;
        if [*identifier, swapped(*identifier)].iter().any(|one| IDENTIFIERS.contains(one)) {
            found.push(content.into());
        }
    }
    None
}

/// The other way to write a GUID: its first three parts are little-endian numbers.
const fn swapped(guid: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = guid;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// A leaf, two issuers and a root of each of three products, and some to spare.
pub const CERTIFICATES_MAX: usize = 16;
/// Four certificates of 1.7 KB in PEM have 7 KB; a table is given in pages.
const FILE_BYTES_MAX: usize = 64 * 1_024;
/// ARK, ASK, VCEK, VLEK, and what a host may add.
const TABLE_ENTRIES_MAX: usize = 16;
/// ASK, VCEK, VLEK and ARK, with their bytes in the order of the text. Hosts write both orders.
const IDENTIFIERS: [[u8; 16]; 4] = [
    0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782_u128.to_be_bytes(),
    0x63da_758d_e664_4564_adc5_f4b9_3be8_accd_u128.to_be_bytes(),
    0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1_u128.to_be_bytes(),
    0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae_u128.to_be_bytes(),
];
