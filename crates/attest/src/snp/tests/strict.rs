//! Strict DER, place by place: what stands behind a last field, and what nobody may pass over.

use alloc::vec::Vec;

use super::super::*;
use super::genuine::file;
use crate::der::spoil::{Path, edited, with_one_more};
use crate::snp::certificate::Certificate;
use crate::snp::rejected::CertificateFault;

/// The places behind whose last field something may stand.
fn loose(der: &[u8], reads: impl Fn(&[u8]) -> bool) -> Vec<Path> {
    let spoiled = with_one_more(der).into_iter();
    spoiled.filter(|(_, der)| reads(der)).map(|(path, _)| path).collect()
}

#[track_caller]
fn only_below(found: &[Path], places: &[&[usize]]) {
    let other = found.iter().find(|path| !places.iter().any(|place| path.starts_with(place)));
    assert_eq!(other, None);
}

/// As it is asked for when it signs.
fn reads(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::parse(der) else { return false };
    certificate.issuing_key().is_ok() || certificate.report_key().is_ok()
}

/// Names of issuers are compared as they stand, and of extensions those are read that say what a
/// key may do; everything else ends where its last field does. The subject is read.
#[test]
fn nothing_stands_behind_the_last_field_of_a_certificate() {
    for root in [AMD.milan, AMD.genoa, AMD.turin] {
        // The last extension says where the list of revocations is.
        let found = loose(root, reads);
        only_below(&found, &[&[0, 0, 3], &[0, 0, 7, 0, 3, 1]]);
        assert!(with_one_more(root).len() > found.len() + 30);
    }
    let leaf = file("virtee-sev/vcek_milan.der");
    only_below(&loose(&leaf, reads), &[&[0, 0, 3]]);
}

#[test]
fn nothing_stands_behind_the_last_field_of_a_revocation_list() {
    let list = file("forged/ark.crl.der");
    let found = loose(&list, |der| Revocations::parse(der).is_ok());
    only_below(&found, &[&[0, 0, 2]]);
    assert_eq!(with_one_more(&list).len(), found.len() + 23);
}

#[test]
fn the_algorithm_is_the_same_inside_and_outside() {
    let fault = Err(CertificateFault::SignatureAlgorithm);
    let other = |oid: &mut Vec<u8>| *oid.last_mut().unwrap() = 9;
    for path in [[0, 0, 2, 0].as_slice(), &[0, 1, 0]] {
        let spoiled = edited(AMD.genoa, path, other);
        assert_eq!(Certificate::parse(&spoiled).map(|_| ()), fault, "{path:?}");
    }
    let list = file("forged/ark.crl.der");
    for path in [[0, 0, 1, 0].as_slice(), &[0, 1, 0]] {
        let spoiled = edited(&list, path, other);
        assert_eq!(Revocations::parse(&spoiled).map(|_| ()), fault, "{path:?}");
    }
}

/// Which certificate a name is of decides its place, so it is text of the two forms that AMD uses.
#[test]
fn a_common_name_is_text() {
    let named = b"\x0c\x09ARK-Genoa";
    let mut spoiled = AMD.genoa.to_vec();
    let places = spoiled.windows(named.len()).enumerate();
    let places: Vec<usize> =
        places.filter(|(_, bytes)| *bytes == named).map(|(place, _)| place).collect();
    assert_eq!(places.len(), 2, "issuer and subject");
    spoiled[places[1]] = 0x13;
    assert_eq!(Certificate::parse(&spoiled).map(|read| read.name), Ok("ARK-Genoa"));
    for tag in [0x16, 0x04, 0x1e] {
        spoiled[places[1]] = tag;
        assert_eq!(Certificate::parse(&spoiled).map(|_| ()), Err(CertificateFault::Name));
    }
}
