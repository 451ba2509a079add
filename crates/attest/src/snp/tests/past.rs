//! Failures that others had, one test each, named after where they were found.

use alloc::vec;

use super::forge::{Forge, Rsa, der, extension, leaf_extensions, name};
use super::genuine::{MILAN, TURIN, VLEK, collateral, judge, trusting};
use crate::snp::{
    Allowance, Caveat, CertificateFault, Extension, KeyClass, Place, Policy, Product, Rejected,
    Shortfall, Tcb,
};
use crate::time::Time;

/// The check of the chip never ran, because a name was compared with part of another.
#[test]
fn snpguest_159_the_chip_is_compared() {
    let mut forge = Forge::new();
    forge.set(&[4], Some(&[6; 64]));
    assert_eq!(forge.judge(), Err(Rejected::ChipIdDiffers));
}

/// A certificate without a version passed, as if it had been the right one.
#[test]
fn snpguest_159_a_missing_version_is_a_failure() {
    let mut forge = Forge::new();
    forge.leaf.extensions.truncate(2);
    forge.set(&[4], Some(&[7; 64]));
    let extension = Extension::Bootloader;
    assert_eq!(forge.judge(), Err(Rejected::ExtensionMissing { extension }));
}

/// A chip whose name begins like the header of an integer stopped the program.
#[test]
fn snpguest_38_a_chip_named_02() {
    for first in [0x02, 0x04] {
        let mut forge = Forge::new();
        let mut chip = [0x40; 64];
        chip[0] = first;
        forge.put(0x1a0, &chip);
        forge.set(&[4], Some(&chip));
        assert_eq!(forge.judge().unwrap().chip_id, Some(chip));
    }
}

/// All keys of chips have the serial number 0, which some readers refuse.
#[test]
fn serial_number_zero_is_read() {
    assert_eq!(Forge::new().leaf.serial, [0]);
    let claims = judge(&MILAN.report(), &MILAN.collateral(), &trusting(), MILAN.at()).unwrap();
    assert_eq!(claims.key, KeyClass::Vcek);
}

/// A key without a chip was taken for one with, and the check of the chip left out.
#[test]
fn ms_tee_av_142_vlek_as_vcek() {
    let (report, certificate) = (KeyClass::Vcek, KeyClass::Vlek);
    // A certificate of the one class for a report of the other.
    let mut forge = Forge::new();
    forge.leaf.subject = name("SEV-VLEK");
    forge.set(&[4], None);
    assert_eq!(forge.judge(), Err(Rejected::KeyClassDiffers { report, certificate }));
    // A certificate named as the one class under the issuer of the other.
    let mut forge = Forge::new();
    forge.issuer.subject = name("SEV-VLEK-Genoa");
    forge.leaf.issuer = name("SEV-VLEK-Genoa");
    let missing = Rejected::IssuerMissing { name: "SEV-Genoa" };
    assert_eq!(forge.judge(), Err(missing));
    // And both issuers given, the leaf is held to the right one.
    forge.issuer.subject = name("SEV-Genoa");
    let mut other = forge.issuer.clone();
    other.subject = name("SEV-VLEK-Genoa");
    forge.others.push(other.sign(&Rsa::root()));
    let place = Place::Leaf;
    assert_eq!(forge.judge(), Err(Rejected::ChainOrder { place }));
}

/// Three verifiers looked at no validity at all.
#[test]
fn agent_manifest_354_expired_certificates() {
    let at = Time::from_civil([2026, 11, 21], [0, 0, 0]).unwrap();
    let place = Place::Leaf;
    let not_after = Time::from_civil([2025, 12, 10], [22, 14, 21]).unwrap();
    let found = judge(&VLEK.report(), &VLEK.collateral(), &trusting(), at);
    assert_eq!(found, Err(Rejected::Expired { place, not_after, at }));
}

/// The root was taken from where the rest of the chain came from.
#[test]
fn ms_tee_av_152_a_downloaded_root_is_not_one() {
    let mut forge = Forge::new();
    // Everything of a forger's own, under AMD's names, judged under AMD's roots.
    let root = forge.root.sign(&Rsa::root());
    forge.others.push(root);
    let found = judge(&forge.sign(), &forge.collateral(), &trusting(), forge.now);
    assert!(matches!(found, Err(Rejected::RootDiffers { .. })), "{found:?}");
    // The same issuer name as AMD's, byte for byte, and still not AMD's signature.
    let mut forge = Forge::new();
    let genuine = collateral(&["virtee-sev/genoa_ark.pem"]);
    let ark = &genuine.certificates[0];
    let ark = crate::snp::certificate::Certificate::parse(ark).unwrap();
    forge.issuer.issuer = ark.subject.to_vec();
    let found = judge(&forge.sign(), &forge.collateral(), &trusting(), forge.now);
    assert_eq!(found, Err(Rejected::CertificateSignature { place: Place::Issuer }));
}

/// A quote was checked only against the key that came with it.
#[test]
fn confidential_ml_transport_14_own_key() {
    let mut forge = Forge::new();
    forge.signers[1] = Rsa::root();
    let place = Place::Leaf;
    assert_eq!(forge.judge(), Err(Rejected::CertificateSignature { place }));
}

/// The patch level was what the machine said it ran.
#[test]
fn whatsapp_wapi_8_self_reported_patch_level() {
    let mut forge = Forge::new();
    forge.put(0x38, &[255, 0, 0, 0, 0, 0, 255, 255]);
    let floor = Tcb { fmc: 0, bootloader: 10, tee: 0, snp: 24, microcode: 0 };
    forge.policy.products = [(Product::Genoa, floor)].into();
    let (component, got, want) = (crate::snp::Component::Snp, 23, 24);
    let shortfalls = vec![Shortfall { component, got, want }];
    let product = Product::Genoa;
    assert_eq!(forge.judge(), Err(Rejected::TcbShort { product, shortfalls }));
}

/// Test builds that anyone can look into were trusted.
#[test]
fn cantina_3_2_1_and_taiko_debug_is_its_own_reason() {
    let mut forge = Forge::new();
    forge.put(0x0a, &[0x0b]);
    assert_eq!(forge.judge(), Err(Rejected::Debug));
    forge.policy.debug = Allowance::Allow;
    let claims = forge.judge().unwrap();
    assert!(claims.insecure);
    assert_eq!(claims.caveats[0], Caveat::Debug);
}

/// Bytes behind the end made two names for one piece of evidence.
#[test]
fn base_34_36_38_trailing_bytes_and_duplicates() {
    let report = [&TURIN.report()[..], &[0]].concat();
    let found = judge(&report, &TURIN.collateral(), &trusting(), TURIN.at());
    assert_eq!(found, Err(Rejected::Length { got: 1_185 }));
    let mut longer = TURIN.collateral();
    longer.certificates[0].push(0);
    let found = judge(&TURIN.report(), &longer, &trusting(), TURIN.at());
    let (place, fault) = (Place::Supplied(0), CertificateFault::Der);
    assert_eq!(found, Err(Rejected::Certificate { place, fault }));
    let mut forge = Forge::new();
    forge.leaf.extensions.extend(leaf_extensions("Genoa", [(1, 10); 8], None));
    let fault = CertificateFault::DuplicateExtension;
    assert_eq!(forge.judge(), Err(Rejected::Certificate { place, fault }));
}

/// Days that do not exist were moved to days that do.
#[test]
fn cantina_3_2_2_february_30() {
    let mut forge = Forge::new();
    forge.issuer.validity[1] = "490230000000Z";
    let (place, fault) = (Place::Supplied(1), CertificateFault::Time);
    assert_eq!(forge.judge(), Err(Rejected::Certificate { place, fault }));
}

/// Versions of unequal number were compared as far as the shorter went.
#[test]
fn dcap_qvl_zip_every_version_is_compared() {
    for (number, version) in super::forge::GENOA_SPLS {
        let mut forge = Forge::new();
        forge.set(&[3, number], None);
        let found = forge.judge();
        assert!(matches!(found, Err(Rejected::ExtensionMissing { .. })), "{number} {version}");
    }
}

/// Revoked keys were reported as good before anything else was looked at.
#[test]
fn automata_144_revoked_is_never_good() {
    let mut forge = Forge::new();
    forge.list.as_mut().unwrap().revoke(&[5], &[]);
    assert_eq!(forge.judge(), Err(Rejected::Revoked { place: Place::Issuer }));
    // And a list that nobody signed revokes nothing and vouches for nothing.
    forge.list_signer = Rsa::issuer();
    assert_eq!(forge.judge(), Err(Rejected::RevocationSignature));
}

/// A name of another form in a list was read as a string.
#[test]
fn intel_dcap_287_cve_2023_0286_names_in_a_list() {
    let mut forge = Forge::new();
    let x400 = der(0x30, &der(0xa0, &der(0xa0, &der(0xa3, &[0x41; 8]))));
    let point = extension(&[0x55, 0x1d, 0x1c], true, &x400);
    forge.list.as_mut().unwrap().extensions.push(point);
    let fault = CertificateFault::CriticalExtension;
    assert_eq!(forge.judge(), Err(Rejected::RevocationForm { fault }));
}

/// No values to compare with was as good as the right ones.
#[test]
fn trustee_860_no_reference_values_is_a_failure() {
    let policy = Policy::strict(vec![]);
    let found = judge(&TURIN.report(), &TURIN.collateral(), &policy, TURIN.at());
    assert_eq!(found, Err(Rejected::NoMeasurements));
}
