//! Strict DER, place by place: what stands behind a last field, and entries that do not belong.

use alloc::vec;
use alloc::vec::Vec;

use super::certificate::Certificate;
use super::forge::*;
use super::*;
use crate::der::spoil::{Path, edited, with_one_more};

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

/// Names are compared as they stand, the signature is for the library, and nobody here reads the
/// other extensions; everything else ends where its last field does.
#[test]
fn nothing_stands_behind_the_last_field_of_a_certificate() {
    let root = include_bytes!("../../../testdata/tdx/intel_sgx_root_ca.der");
    let found = loose(root, |der| Certificate::parse(der).is_ok());
    let (issuer, subject, signature) = (&[0, 0, 3][..], &[0, 0, 5][..], &[0, 2][..]);
    only_below(&found, &[issuer, subject, signature, &[0, 0, 7, 0, 0, 1], &[0, 0, 7, 0, 1, 1]]);
    assert!(with_one_more(root).len() > found.len() + 15);
    let behind = [&root[..], &[0]].concat();
    assert_eq!(Certificate::parse(&behind).map(|_| ()), Err(CertificateFault::Der));
}

#[test]
fn nothing_stands_behind_the_last_field_of_a_revocation_list() {
    let list = Forge::new().make().collateral.root_crl;
    let found = loose(&list, |der| RevocationList::parse(der).is_ok());
    only_below(&found, &[&[0, 0, 2], &[0, 2]]);
    assert!(with_one_more(&list).len() > found.len() + 8);
}

#[test]
fn what_a_revocation_list_says_has_one_meaning() {
    let list = Forge::new().make().collateral.root_crl;
    let read = |der: &[u8]| RevocationList::parse(der).map(|_| ());
    let spoiled = |path: &[usize], edit: &dyn Fn(&mut Vec<u8>)| read(&edited(&list, path, edit));
    let entry = [0, 0, 5, 0];
    let reason = |critical| der(0x30, &extension(&[0x55, 0x1d, 21], critical, &[10, 1, 1]));
    let with = |extensions: Vec<u8>| spoiled(&entry, &|entry| entry.extend(&extensions));
    assert_eq!(with(reason(false)), Ok(()));
    // Critical in an entry is whose number it is.
    assert_eq!(with(reason(true)), Err(CertificateFault::CriticalExtension));
    assert_eq!(with(der(0x30, &[])), Err(CertificateFault::Der));
    assert_eq!(with(der(0x30, &[5, 0])), Err(CertificateFault::Der));
    let text = |entry: &mut Vec<u8>| {
        let date = entry.len() - 15;
        entry[date] = 0x16;
    };
    assert_eq!(spoiled(&entry, &text), Err(CertificateFault::Time));
    let sha512 = |oid: &mut Vec<u8>| *oid.last_mut().unwrap() = 4;
    for algorithm in [[0, 0, 1, 0].as_slice(), &[0, 1, 0]] {
        assert_eq!(spoiled(algorithm, &sha512), Err(CertificateFault::SignatureAlgorithm));
    }
}

/// Inside of what Intel calls the SGX extension nothing is passed over.
#[test]
fn a_platform_is_described_without_a_byte_too_many() {
    let described = der(0x30, &entries_of([5; 16], 10, Some([false; 3])).concat());
    let read = |der: &[u8]| Platform::parse(der).map(|_| ());
    assert_eq!(read(&described), Ok(()));
    assert_eq!(read(&[&described[..], &[0]].concat()), Err(PlatformFault::Der));
    assert_eq!(loose(&described, |der| read(der).is_ok()), Vec::<Path>::new());

    let spoiled =
        |path: &[usize], edit: &dyn Fn(&mut Vec<u8>)| read(&edited(&described, path, edit));
    let entry = |number: &[u8], value: Vec<u8>| {
        der(0x30, &[der(6, &[SGX, number].concat()), value].concat())
    };
    let more = |number: &'static [u8], value: Vec<u8>| {
        move |content: &mut Vec<u8>| content.extend(entry(number, value.clone()))
    };
    let unknown = Err(PlatformFault::UnknownEntry);
    let whole: &[usize] = &[0];
    let (tcb, flags): (&[usize], &[usize]) = (&[0, 1, 1], &[0, 5, 1]);
    assert_eq!(spoiled(whole, &more(&[8], der(4, &[1]))), unknown);
    assert_eq!(spoiled(tcb, &more(&[2, 19], der(2, &[1]))), unknown);
    assert_eq!(spoiled(flags, &more(&[7, 4], der(1, &[0]))), unknown);
    // The instance, where there is one, has 16 bytes.
    assert_eq!(spoiled(whole, &more(&[6], der(4, &[1; 16]))), Ok(()));
    assert_eq!(spoiled(whole, &more(&[6], der(4, &[1; 15]))), Err(PlatformFault::Der));
    // The SVNs once more in one text: of 16 bytes, and there.
    let svns = [0, 1, 1, 17, 1];
    assert_eq!(spoiled(&svns, &|svns| svns.truncate(15)), Err(PlatformFault::Der));
    let missing = |tcb: &mut Vec<u8>| tcb.truncate(tcb.len() - 33);
    assert_eq!(spoiled(tcb, &missing), Err(PlatformFault::MissingEntry { entry: 18 }));
    // FMSPC as text, and the type of the platform as a number.
    for index in [3, 4] {
        let other = |entry: &mut Vec<u8>| {
            let value = if index == 3 { entry.len() - 8 } else { entry.len() - 3 };
            entry[value] = 0x0c;
        };
        assert_eq!(spoiled(&[0, index], &other), Err(PlatformFault::Der), "{index}");
    }
}

#[test]
fn a_certificate_has_one_algorithm_one_key_and_each_extension_once() {
    let root = include_bytes!("../../../testdata/tdx/intel_sgx_root_ca.der");
    let read = |der: &[u8]| Certificate::parse(der).map(|_| ());
    let spoiled = |path: &[usize], edit: &dyn Fn(&mut Vec<u8>)| read(&edited(root, path, edit));
    let sha512 = |oid: &mut Vec<u8>| *oid.last_mut().unwrap() = 4;
    for algorithm in [[0, 0, 2, 0].as_slice(), &[0, 1, 0]] {
        assert_eq!(spoiled(algorithm, &sha512), Err(CertificateFault::SignatureAlgorithm));
    }
    let point = [0, 0, 6, 1];
    assert_eq!(spoiled(&point, &|bits| bits[1] = 2), Err(CertificateFault::Key));
    assert_eq!(spoiled(&point, &|bits| bits.push(0)), Err(CertificateFault::Key));
    let list = [0, 0, 7, 0];
    let twice = |list: &mut Vec<u8>| list.extend(extension(CONSTRAINTS, true, ISSUER));
    assert_eq!(spoiled(&list, &twice), Err(CertificateFault::DuplicateExtension));
    // A list of nothing is not written at all.
    assert_eq!(spoiled(&list, &Vec::clear), Err(CertificateFault::Der));
}

/// Readers differ in whether they keep the zero before a number whose first bit is set.
#[test]
fn a_serial_number_is_the_same_with_a_zero_before_it() {
    let list = Forge::new().make().collateral.root_crl;
    let root = include_bytes!("../../../testdata/tdx/intel_sgx_root_ca.der");
    let number = |serial: &'static [u8]| {
        move |content: &mut Vec<u8>| {
            content.clear();
            content.extend(serial);
        }
    };
    let (entry, serial): (&[usize], &[usize]) = (&[0, 0, 5, 0, 0], &[0, 0, 1]);
    let listed = edited(&list, entry, number(&[0, 0x99]));
    let listed = RevocationList::parse(&listed).unwrap();
    for (written, named) in [(&[0, 0x99][..], true), (&[0x99], true), (&[0x98], false)] {
        let certificate = edited(root, serial, |content| *content = written.to_vec());
        let certificate = Certificate::parse(&certificate).unwrap();
        assert_eq!(listed.names(&certificate), named, "{written:?}");
    }
}

/// Nothing longer than collateral ever was is read at all, nor nothing.
#[test]
fn files_of_collateral_have_a_length() {
    let (long, got) = (vec![b' '; 512 * 1024 + 1], 512 * 1024 + 1);
    let too_long = CollateralError::TooLong { got };
    assert_eq!(Collateral::from_bundle(&long), Err(too_long));
    let pem = include_bytes!("../../../testdata/tdx/intel-qvl/tcbSignChain.pem");
    let info = include_bytes!("../../../testdata/tdx/intel-qvl/tcbInfo.json");
    let qe = include_bytes!("../../../testdata/tdx/intel-qvl/qeIdentity.json");
    let good = PcsFiles {
        tcb_info: info,
        tcb_info_chain: pem,
        qe_identity: qe,
        qe_identity_chain: pem,
        root_crl: &[0x30],
        pck_crl: &[0x30],
    };
    assert!(Collateral::from_pcs(&good).is_ok());
    let refused = |files: &PcsFiles<'_>| Collateral::from_pcs(files).unwrap_err();
    for files in [
        PcsFiles { tcb_info: &long, ..good },
        PcsFiles { tcb_info_chain: &long, ..good },
        PcsFiles { qe_identity: &long, ..good },
        PcsFiles { qe_identity_chain: &long, ..good },
        PcsFiles { root_crl: &long, ..good },
        PcsFiles { pck_crl: &long, ..good },
    ] {
        assert_eq!(refused(&files), too_long);
    }
    let missing = |source| CollateralError::Missing { source };
    assert_eq!(refused(&PcsFiles { tcb_info: &[], ..good }), missing(Source::TcbInfo));
    assert_eq!(refused(&PcsFiles { qe_identity: &[], ..good }), missing(Source::QeIdentity));
    assert_eq!(refused(&PcsFiles { root_crl: &[], ..good }), missing(Source::RootCrl));
    assert_eq!(refused(&PcsFiles { pck_crl: &[], ..good }), missing(Source::PckCrl));
}
