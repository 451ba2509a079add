//! One rule broken at a time, each refused with its own reason. Taking a check away fails its test.

use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use super::forge::{
    CONSTRAINTS, Forge, GENOA_SPLS, ISSUER, List, Rsa, USAGE, amd, der, extension, leaf_extensions,
    name, words,
};
use crate::register::{Fingerprint, Register};
use crate::rejected::Class;
use crate::snp::{
    Accepted, Allowance, Caveat, CertificateFault, Collateral, Component, Expect, Extension, Field,
    KeyClass, Level, Measurements, Need, Place, Product, Protection, Rejected, Shortfall, Tcb,
};
use crate::time::Time;

#[track_caller]
fn check(change: impl FnOnce(&mut Forge), refused: Rejected) {
    let mut forge = Forge::new();
    change(&mut forge);
    let found = forge.judge();
    assert!(!words(&refused).is_empty());
    assert_eq!(found, Err(refused));
}

#[test]
fn untouched_it_verifies() {
    let mut forge = Forge::new();
    let claims = forge.judge().unwrap();
    assert_eq!(claims.caveats, [Caveat::InstanceNotBound]);
    assert_eq!((claims.product, claims.version), (Product::Genoa, 3));
    assert_eq!(
        claims.reported_tcb,
        Tcb { fmc: 0, bootloader: 10, tee: 0, snp: 23, microcode: 217 }
    );
    assert_eq!(claims.valid_until.to_string(), "2026-02-01T00:00:00.000Z");
    assert!(!claims.insecure);
    // With every field pinned.
    forge.policy.host_data = Accepted::OneOf(vec![[3; 32]]);
    forge.policy.chip_id = Accepted::OneOf(vec![[7; 64]]);
    forge.policy.id_key_digest = Accepted::OneOf(vec![Register([5; 48])]);
    forge.policy.author_key_digest = Accepted::OneOf(vec![Register([6; 48])]);
    forge.policy.family_id = Accepted::OneOf(vec![[0x10; 16]]);
    forge.policy.image_id = Accepted::OneOf(vec![[0x20; 16]]);
    forge.policy.guest_svn_min = 4;
    forge.policy.abi_min = (0, 31);
    assert_eq!(forge.judge().unwrap().caveats, []);
}

/// S1: length, version, algorithm, reserved bytes.
#[test]
fn the_form_of_a_report() {
    let forge = Forge::new();
    let (report, collateral) = (forge.sign(), forge.collateral());
    for got in [0, 1, 1_183] {
        let found = forge.judge_report(&report[..got], &collateral);
        assert_eq!(found, Err(Rejected::Length { got }));
    }
    let longer = [&report[..], &[0]].concat();
    let found = forge.judge_report(&longer, &collateral);
    assert_eq!(found, Err(Rejected::Length { got: 1_185 }));
    for got in [0, 1, 6, 0x0100_0003] {
        check(|forge| forge.put(0, &got.to_le_bytes()), Rejected::Version { got });
    }
    for got in [0, 2] {
        check(|forge| forge.put(0x34, &[got]), Rejected::SignatureAlgorithm { got: got.into() });
    }
    let reserved = (0x18b..0x1a0).chain([0x4c, 0x4f, 0x1eb, 0x1ef]).chain(0x1f8..0x2a0);
    for offset in reserved {
        let found = {
            let mut report = report.clone();
            report[offset] = 1;
            forge.judge_report(&report, &collateral)
        };
        assert_eq!(found, Err(Rejected::Reserved { offset }));
    }
    check(|forge| forge.put(0x48, &[0x20]), Rejected::Reserved { offset: 0x48 });
    check(|forge| forge.put(0x40, &[0x25, 1]), Rejected::PlatformReserved { got: 0x100 });
    check(|forge| forge.put(0x08, &[0, 0, 1]), Rejected::PolicyBit17);
    check(|forge| forge.put(0x08, &[0, 0, 3, 4]), Rejected::PolicyReserved { got: 1 << 26 });
}

/// Version 2 has no processor, version 5 has mitigations: what one reserves, the other means.
#[test]
fn what_a_version_means() {
    let mut forge = Forge::new();
    forge.put(0, &[5]);
    forge.put(0x200, &[0x3f]);
    forge.policy.mitigations = 0x21;
    assert_eq!(forge.judge().unwrap().mitigations, 0x3f);
    forge.put(0, &[4]);
    assert_eq!(forge.judge(), Err(Rejected::Reserved { offset: 0x200 }));
    check(|forge| forge.put(0, &[2]), Rejected::Reserved { offset: 0x188 });
    let two = |forge: &mut Forge| {
        forge.put(0, &[2]);
        forge.put(0x188, &[0; 3]);
    };
    check(two, Rejected::VersionOld { got: 2, min: 3 });
    let mut forge = Forge::new();
    two(&mut forge);
    forge.policy.version_min = 2;
    assert_eq!(forge.judge().unwrap().product, Product::Genoa);
}

/// S2: the padding of the signature, and the signature.
#[test]
fn the_signature() {
    let forge = Forge::new();
    let (report, collateral) = (forge.sign(), forge.collateral());
    for offset in 0x2a0..0x4a0 {
        let mut report = report.clone();
        report[offset] ^= 1;
        let padding = !(0x2a0..0x2d0).contains(&offset) && !(0x2e8..0x318).contains(&offset);
        let refused = if padding { Rejected::Reserved { offset } } else { Rejected::Signature };
        assert_eq!(forge.judge_report(&report, &collateral), Err(refused), "{offset:#x}");
    }
    for (from, to) in [(0x2a0, 0x2d0), (0x2e8, 0x318)] {
        let mut report = report.clone();
        report[from..to].fill(0);
        assert_eq!(forge.judge_report(&report, &collateral), Err(Rejected::Signature));
    }
}

/// S3: the product, by the processor and by the certificate.
#[test]
fn the_product() {
    let (family, model, stepping) = (0x1b, 2, 1);
    check(
        |forge| forge.put(0x188, &[family, model, stepping]),
        Rejected::Processor { family, model, stepping },
    );
    check(
        |forge| forge.put(0x188, &[0x1a, 2, 1]),
        Rejected::ProductDiffers { report: Product::Turin, certificate: Product::Genoa },
    );
    check(|forge| forge.set(&[2], Some(&der(0x16, b"Venice"))), Rejected::ProductUnknown);
    let extension = Extension::ProductName;
    check(|forge| forge.set(&[2], None), Rejected::ExtensionMissing { extension });
    for form in [der(0x0c, b"Genoa"), [der(0x16, b"Genoa"), vec![0]].concat(), der(0x16, &[0xff])] {
        check(|forge| forge.set(&[2], Some(&form)), Rejected::ExtensionForm { extension });
    }
}

/// S4: the class of the key.
#[test]
fn the_class_of_the_key() {
    check(|forge| forge.put(0x48, &[7 << 2]), Rejected::NotSigned);
    check(|forge| forge.put(0x48, &[2 << 2]), Rejected::KeyUnknown { got: 2 });
    check(|forge| forge.put(0x48, &[2]), Rejected::ChipKeyMasked);
    check(
        |forge| forge.put(0x48, &[1 << 2]),
        Rejected::KeyClassDiffers { report: KeyClass::Vlek, certificate: KeyClass::Vcek },
    );
    check(
        |forge| forge.leaf.subject = name("SEV-VLEK"),
        Rejected::KeyClassDiffers { report: KeyClass::Vcek, certificate: KeyClass::Vlek },
    );
    check(
        |forge| forge.leaf.subject = name("SEV-VCEK2"),
        Rejected::LeafMissing { class: KeyClass::Vcek },
    );
    let name = "SEV-Genoa";
    check(
        |forge| forge.issuer.subject = super::forge::name("SEV"),
        Rejected::IssuerMissing { name },
    );
}

fn vlek(forge: &mut Forge) {
    forge.put(0x48, &[1 << 2]);
    forge.leaf.subject = name("SEV-VLEK");
    forge.leaf.issuer = name("SEV-VLEK-Genoa");
    forge.issuer.subject = name("SEV-VLEK-Genoa");
    forge.set(&[4], None);
}

#[test]
fn a_vlek_only_where_the_policy_allows_it() {
    check(vlek, Rejected::Vlek);
    let mut forge = Forge::new();
    vlek(&mut forge);
    forge.policy.vlek = Allowance::Allow;
    assert_eq!(forge.judge().unwrap().caveats, [Caveat::Vlek, Caveat::InstanceNotBound]);
    forge.issuer.subject = name("SEV-Genoa");
    let missing = Rejected::IssuerMissing { name: "SEV-VLEK-Genoa" };
    assert_eq!(forge.judge(), Err(missing));
    check(
        |forge| {
            vlek(forge);
            forge.set(&[4], Some(&[7; 64]));
        },
        Rejected::ChipIdUnexpected,
    );
}

/// S5: the pinned root.
#[test]
fn the_root() {
    let forge = Forge::new();
    // PSS is salted: the same root signed again is another certificate, and only bytes count.
    let other = forge.root.sign(&Rsa::issuer());
    let got = Fingerprint::of(&other);
    check(|forge| forge.others.push(other), Rejected::RootDiffers { got });
    let place = Place::Issuer;
    let unsigned = Rejected::CertificateSignature { place };
    check(|forge| forge.signers[0] = Rsa::issuer(), unsigned);
    check(
        |forge| forge.signers[1] = Rsa::root(),
        Rejected::CertificateSignature { place: Place::Leaf },
    );
    check(|forge| forge.issuer.issuer = name("ARK"), Rejected::ChainOrder { place });
    check(
        |forge| forge.leaf.issuer = name("SEV-Milan"),
        Rejected::ChainOrder { place: Place::Leaf },
    );
}

#[track_caller]
fn check_certificate(change: impl FnOnce(&mut Forge), place: Place, fault: CertificateFault) {
    check(change, Rejected::Certificate { place, fault });
}

/// S5: what each certificate must be.
#[test]
fn the_form_of_certificates() {
    use CertificateFault as Fault;
    let (leaf, issuer) = (Place::Leaf, Place::Issuer);
    let supplied = Place::Supplied;
    let usage = |usage: u8| extension(USAGE, true, &[0x03, 0x02, 0x02, usage]);
    let constraints = |critical, value: &[u8]| extension(CONSTRAINTS, critical, value);
    check_certificate(|forge| forge.others.push(vec![0x30]), supplied(2), Fault::Der);
    check_certificate(|forge| forge.leaf.version = 1, supplied(0), Fault::Version);
    check_certificate(|forge| forge.issuer.version = 1, supplied(1), Fault::Version);
    check_certificate(|forge| forge.leaf.validity[0] = "200230000000Z", supplied(0), Fault::Time);
    check_certificate(
        |forge| forge.leaf.algorithm = &[6, 1, 0],
        supplied(0),
        Fault::SignatureAlgorithm,
    );
    check_certificate(|forge| forge.leaf.subject = der(0x30, &[]), supplied(0), Fault::Name);
    check_certificate(|forge| forge.leaf.spki = forge.signers[1].spki(), leaf, Fault::Key);
    check_certificate(|forge| forge.issuer.spki = forge.leaf.spki.clone(), issuer, Fault::Key);
    check_certificate(
        |forge| forge.issuer.spki = Rsa::of_3072_bits().spki(),
        supplied(1),
        Fault::Key,
    );
    let twice = |forge: &mut Forge| forge.leaf.extensions.push(amd(&[1], &[2, 1, 0]));
    check_certificate(twice, supplied(0), Fault::DuplicateExtension);
    let many = |forge: &mut Forge| {
        forge.leaf.extensions = (0..33).map(|end| amd(&[9, end], &[0])).collect();
    };
    check_certificate(many, supplied(0), Fault::Der);
    let set = |found: Vec<Vec<u8>>| move |forge: &mut Forge| forge.issuer.extensions = found;
    check_certificate(set(vec![usage(4)]), issuer, Fault::Constraints);
    let loose = vec![constraints(false, ISSUER), usage(4)];
    check_certificate(set(loose), issuer, Fault::Constraints);
    let not_ca = vec![constraints(true, &[0x30, 0]), usage(4)];
    check_certificate(set(not_ca), issuer, Fault::NotAnIssuer);
    check_certificate(set(vec![constraints(true, ISSUER)]), issuer, Fault::KeyUsage);
    let wrong = vec![constraints(true, ISSUER), usage(0x80)];
    check_certificate(set(wrong), issuer, Fault::KeyUsage);
    let issuing = constraints(true, ISSUER);
    check_certificate(|forge| forge.leaf.extensions.push(issuing), leaf, Fault::IssuerAsLeaf);
    // What only the path shows.
    let unknown = extension(&[0x2a, 3], true, &[5, 0]);
    check(|forge| forge.leaf.extensions.push(unknown), Rejected::Path);
}

#[test]
fn a_pool_of_certificates_is_bounded_and_clear() {
    let mut forge = Forge::new();
    forge.others = vec![forge.issuer.sign(&Rsa::root()); 15];
    assert_eq!(forge.judge(), Err(Rejected::TooManyCertificates { got: 17 }));
    // Two certificates of one name with different bytes: which one is meant?
    let twin = forge.leaf.sign(&Rsa::issuer());
    forge.others = vec![twin];
    assert_eq!(forge.judge(), Err(Rejected::Ambiguous { name: "SEV-VCEK" }));
    // The same one twice is one.
    let mut collateral = Forge::new().collateral();
    let forge = Forge::new();
    collateral.certificates = forge.collateral().certificates;
    let again = collateral.certificates.clone();
    collateral.certificates.extend(again);
    collateral.revocation = forge.collateral().revocation;
    assert_eq!(forge.judge_report(&forge.sign(), &collateral).unwrap().version, 3);
}

/// S5: validity of every certificate, at its exact ends.
#[test]
fn validity() {
    check_validity(Place::Root, |forge| &mut forge.root.validity);
    check_validity(Place::Issuer, |forge| &mut forge.issuer.validity);
    check_validity(Place::Leaf, |forge| &mut forge.leaf.validity);
}

#[track_caller]
fn check_validity(place: Place, validity: fn(&mut Forge) -> &mut [&'static str; 2]) {
    let at = Forge::new().now;
    let not_before = Time::from_civil([2026, 1, 1], [0, 0, 1]).unwrap();
    check(
        |forge| *validity(forge) = ["260101000001Z", "491231235959Z"],
        Rejected::NotYetValid { place, not_before, at },
    );
    let not_after = Time::from_civil([2025, 12, 31], [23, 59, 59]).unwrap();
    check(
        |forge| *validity(forge) = ["200101000000Z", "251231235959Z"],
        Rejected::Expired { place, not_after, at },
    );
    let mut forge = Forge::new();
    *validity(&mut forge) = ["260101000000Z", "260101000000Z"];
    assert_eq!(forge.judge().unwrap().judged_at, at);
}

/// S6: the certificate is for this firmware.
#[test]
fn the_versions_in_the_certificate() {
    for (end, extension) in [
        (1, Extension::Bootloader),
        (2, Extension::Tee),
        (3, Extension::Snp),
        (4, Extension::Spl4),
        (5, Extension::Spl5),
        (6, Extension::Spl6),
        (7, Extension::Spl7),
        (8, Extension::Microcode),
    ] {
        check(|forge| forge.set(&[3, end], None), Rejected::ExtensionMissing { extension });
        for form in [&[2, 1, 0x80][..], &[2, 2, 0, 1], &[2, 1, 0, 0], &[4, 1, 0], &[]] {
            let refused = Rejected::ExtensionForm { extension };
            check(|forge| forge.set(&[3, end], Some(form)), refused);
        }
        let report = GENOA_SPLS.iter().find(|(number, _)| *number == end).unwrap().1;
        check(
            |forge| forge.set(&[3, end], Some(&[2, 1, 1])),
            Rejected::TcbDiffers { extension, certificate: 1, report },
        );
    }
}

/// S7: the certificate is for this chip.
#[test]
fn the_chip_in_the_certificate() {
    let extension = Extension::HardwareId;
    check(|forge| forge.set(&[4], Some(&[8; 64])), Rejected::ChipIdDiffers);
    check(|forge| forge.put(0x1df, &[8]), Rejected::ChipIdDiffers);
    check(|forge| forge.set(&[4], None), Rejected::ExtensionMissing { extension });
    for form in [&[7; 63][..], &[7; 8], &[]] {
        check(|forge| forge.set(&[4], Some(form)), Rejected::ExtensionForm { extension });
    }
    let mut forge = Forge::new();
    forge.set(&[4], Some(&der(4, &[7; 64])));
    assert_eq!(forge.judge().unwrap().chip_id, Some([7; 64]));
    check(|forge| forge.put(0x1a0, &[0; 64]), Rejected::ChipIdMasked);
    forge.put(0x1a0, &[0; 64]);
    forge.policy.masked_chip_id = Allowance::Allow;
    let claims = forge.judge().unwrap();
    assert_eq!(claims.chip_id, None);
    assert_eq!(claims.caveats, [Caveat::ChipIdMasked, Caveat::InstanceNotBound]);
}

/// Turin orders its versions otherwise and names its chips with eight bytes.
#[test]
fn turin_is_read_in_its_own_layout() {
    let turin = |forge: &mut Forge| {
        forge.put(0x188, &[0x1a, 2, 1]);
        let (tcb, chip) = ([1, 2, 3, 4, 0, 0, 0, 0x51], [9; 8]);
        for at in [0x38, 0x180, 0x1e0, 0x1f0] {
            forge.put(at, &tcb);
        }
        forge.put(0x1a0, &[&chip[..], &[0; 56]].concat());
        let spls = [(9, 1), (1, 2), (2, 3), (3, 4), (5, 0), (6, 0), (7, 0), (8, 0x51)];
        forge.leaf.extensions = leaf_extensions("Turin", spls, Some(&chip));
        forge.leaf.issuer = name("SEV-Turin");
        forge.issuer.subject = name("SEV-Turin");
        forge.policy.products = [(Product::Turin, Tcb::ZERO)].into();
    };
    let mut forge = Forge::new();
    turin(&mut forge);
    let claims = forge.judge().unwrap();
    let tcb = Tcb { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 0x51 };
    assert_eq!((claims.product, claims.reported_tcb), (Product::Turin, tcb));
    assert_eq!(claims.caveats, [Caveat::NoTcbFloor, Caveat::InstanceNotBound]);
    forge.set(&[3, 9], None);
    let extension = Extension::Fmc;
    assert_eq!(forge.judge(), Err(Rejected::ExtensionMissing { extension }));
    let mut forge = Forge::new();
    turin(&mut forge);
    forge.put(0x1a8, &[1]);
    assert_eq!(forge.judge(), Err(Rejected::ChipIdDiffers));
    let mut forge = Forge::new();
    turin(&mut forge);
    forge.set(&[4], Some(&[9; 64]));
    let extension = Extension::HardwareId;
    assert_eq!(forge.judge(), Err(Rejected::ExtensionForm { extension }));
}

/// S8: order of the report's versions, and the floor.
#[test]
fn versions_in_order_and_above_the_floor() {
    check(
        |forge| forge.put(0x1e6, &[22]),
        Rejected::TcbOrder {
            component: Component::Snp,
            lower: (Level::Reported, 23),
            upper: (Level::Committed, 22),
        },
    );
    check(
        |forge| forge.put(0x38, &[9]),
        Rejected::TcbOrder {
            component: Component::Bootloader,
            lower: (Level::Committed, 10),
            upper: (Level::Current, 9),
        },
    );
    for (at, level) in [(0x3a, Level::Current), (0x1e2, Level::Committed), (0x1f2, Level::Launch)] {
        check(|forge| forge.put(at, &[1]), Rejected::TcbReserved { level });
    }
    check(
        |forge| {
            forge.put(0x182, &[1]);
            forge.set(&[3, 4], Some(&[2, 1, 1]));
        },
        Rejected::TcbReserved { level: Level::Reported },
    );
    // Current is newer than the floor, which does not help: the certificate is not.
    let floor = Tcb { fmc: 0, bootloader: 11, tee: 0, snp: 24, microcode: 84 };
    let shortfalls = vec![
        Shortfall { component: Component::Bootloader, got: 10, want: 11 },
        Shortfall { component: Component::Snp, got: 23, want: 24 },
    ];
    let short = Rejected::TcbShort { product: Product::Genoa, shortfalls };
    let text = "firmware is older than the policy asks of Genoa: boot loader is 10, short of 11 by \
                1, snp is 23, short of 24 by 1";
    assert_eq!(words(&short), text);
    check(|forge| forge.policy.products = [(Product::Genoa, floor)].into(), short);
}

/// S9, S10, S11: guest policy, platform, code.
#[test]
fn what_a_policy_asks_for() {
    check(|forge| forge.put(0x0a, &[0x0b]), Rejected::Debug);
    check(|forge| forge.put(0x0a, &[0x07]), Rejected::MigrationAgent);
    check(|forge| forge.policy.smt = Allowance::Refuse, Rejected::Smt);
    check(|forge| forge.policy.several_sockets = Allowance::Refuse, Rejected::SeveralSockets);
    check(|forge| forge.policy.abi_min = (0, 32), Rejected::Abi { got: (0, 31), min: (0, 32) });
    check(|forge| forge.policy.abi_min = (1, 0), Rejected::Abi { got: (0, 31), min: (1, 0) });
    check(|forge| forge.put(0x30, &[1]), Rejected::Vmpl { got: 1, max: 0 });
    check(
        |forge| forge.put(0x40, &[0x05]),
        Rejected::Protection { lacking: Protection::AliasCheck },
    );
    check(
        |forge| forge.policy.protections = vec![Protection::Ecc, Protection::Tsme],
        Rejected::Protection { lacking: Protection::Tsme },
    );
    check(
        |forge| {
            forge.put(0x40, &[0x23]);
            forge.policy.protections = vec![Protection::Tsme, Protection::Ecc];
        },
        Rejected::Protection { lacking: Protection::Ecc },
    );
    check(
        |forge| forge.policy.protections = vec![Protection::CiphertextHiding],
        Rejected::Protection { lacking: Protection::CiphertextHiding },
    );
    check(|forge| forge.policy.mitigations = 5, Rejected::Mitigations { missing: 5 });
    check(|forge| forge.policy.guest_svn_min = 5, Rejected::GuestSvn { got: 4, min: 5 });
    check(|forge| forge.put(0x90, &[0; 48]), Rejected::MeasurementZero);
    check(
        |forge| forge.policy.measurements = Measurements::OneOf(vec![Register([9; 48])]),
        Rejected::Measurement { got: Register([1; 48]) },
    );
    check(
        |forge| forge.policy.measurements = Measurements::OneOf(vec![]),
        Rejected::NoMeasurements,
    );
    check(|forge| forge.policy.products.clear(), Rejected::NoProducts);
    check(
        |forge| forge.policy.products = [(Product::Turin, Tcb::ZERO)].into(),
        Rejected::Product { got: Product::Genoa },
    );
    check(|forge| forge.expect = Expect::ReportData([0; 64]), Rejected::ReportData);
    // Zero is no measurement even for whoever compares none.
    check(
        |forge| {
            forge.put(0x90, &[0; 48]);
            forge.policy.measurements = Measurements::DangerAny;
        },
        Rejected::MeasurementZero,
    );
}

#[test]
fn each_field_can_be_pinned() {
    check(
        |forge| forge.policy.host_data = Accepted::OneOf(vec![[0; 32]]),
        Rejected::Field { field: Field::HostData },
    );
    check(
        |forge| forge.policy.chip_id = Accepted::OneOf(vec![[0; 64]]),
        Rejected::Field { field: Field::ChipId },
    );
    check(
        |forge| forge.policy.id_key_digest = Accepted::OneOf(vec![]),
        Rejected::Field { field: Field::IdKeyDigest },
    );
    check(
        |forge| forge.policy.author_key_digest = Accepted::OneOf(vec![]),
        Rejected::Field { field: Field::AuthorKeyDigest },
    );
    check(
        |forge| forge.policy.family_id = Accepted::OneOf(vec![[0; 16]]),
        Rejected::Field { field: Field::FamilyId },
    );
    check(
        |forge| forge.policy.image_id = Accepted::OneOf(vec![[0; 16]]),
        Rejected::Field { field: Field::ImageId },
    );
}

#[test]
fn what_is_allowed_is_said() {
    let mut forge = Forge::new();
    // Debug and a migration agent; no aliases looked for.
    forge.put(0x0a, &[0x0f]);
    forge.put(0x40, &[0x05]);
    forge.list = None;
    forge.policy.debug = Allowance::Allow;
    forge.policy.migration_agent = Allowance::Allow;
    forge.policy.protections.clear();
    forge.policy.revocation = Need::Optional;
    forge.policy.measurements = Measurements::DangerAny;
    forge.policy.products = [(Product::Genoa, Tcb::ZERO)].into();
    forge.expect = Expect::DangerAny;
    let claims = forge.judge().unwrap();
    assert!(claims.insecure);
    assert_eq!(
        claims.caveats,
        [
            Caveat::Debug,
            Caveat::MigrationAgent,
            Caveat::NoAliasCheck,
            Caveat::NoRevocationList,
            Caveat::NoTcbFloor,
            Caveat::MeasurementUnchecked,
            Caveat::ReportDataUnchecked,
            Caveat::InstanceNotBound,
        ]
    );
    let text = alloc::format!("{claims}");
    assert!(text.contains("\nINSECURE "), "{text}");
    assert_eq!(text.matches("\ncaveat ").count(), 8, "{text}");
}

/// S12: the revocation list.
#[test]
fn the_revocation_list() {
    check(|forge| forge.list = None, Rejected::RevocationMissing);
    let with =
        |change: fn(&mut List)| move |forge: &mut Forge| change(forge.list.as_mut().unwrap());
    check(|forge| forge.list_signer = Rsa::issuer(), Rejected::RevocationSignature);
    check(with(|list| list.issuer = name("ARK-Milan")), Rejected::RevocationIssuer);
    check(with(|list| list.revoke(&[5], &[])), Rejected::Revoked { place: Place::Issuer });
    check(with(|list| list.revoke(&[0], &[])), Rejected::Revoked { place: Place::Leaf });
    // A list that is stale still revokes.
    check(
        with(|list| {
            list.updates = ["200101000000Z", "200201000000Z"];
            list.revoke(&[5], &[]);
        }),
        Rejected::Revoked { place: Place::Issuer },
    );
    let at = Forge::new().now;
    let this_update = Time::from_civil([2026, 1, 1], [0, 0, 1]).unwrap();
    check(
        with(|list| list.updates[0] = "260101000001Z"),
        Rejected::RevocationEarly { this_update, at },
    );
    let next_update = Time::from_civil([2025, 12, 31], [23, 59, 59]).unwrap();
    check(
        with(|list| list.updates[1] = "251231235959Z"),
        Rejected::RevocationStale { next_update, at },
    );
    let critical = |forge: &mut Forge| {
        let list = forge.list.as_mut().unwrap();
        list.extensions.push(extension(&[0x55, 0x1d, 0x1c], true, &[0x30, 0]));
    };
    let fault = CertificateFault::CriticalExtension;
    check(critical, Rejected::RevocationForm { fault });
    let entry = |forge: &mut Forge| {
        let whose = extension(&[0x55, 0x1d, 0x1d], true, &[0x30, 0]);
        forge.list.as_mut().unwrap().revoke(&[1], &whose);
    };
    check(entry, Rejected::RevocationForm { fault });
    let fault = CertificateFault::Version;
    check(with(|list| list.version = 0), Rejected::RevocationForm { fault });
    let fault = CertificateFault::Time;
    check(with(|list| list.updates[0] = "251301000000Z"), Rejected::RevocationForm { fault });
    // Others' numbers revoke nothing here.
    let mut forge = Forge::new();
    forge.list.as_mut().unwrap().revoke(&[6], &extension(&[0x55, 0x1d, 0x15], false, &[10, 1, 1]));
    assert_eq!(forge.judge().unwrap().version, 3);
}

/// A list that `openssl ca -gencrl` made with the key of the forger's root, and revokes 05.
#[test]
fn a_list_that_others_wrote_is_read() {
    let mut forge = Forge::new();
    let list = super::genuine::file("forged/ark.crl.der");
    let collateral = Collateral { revocation: Some(list), ..forge.collateral() };
    let found = forge.judge_report(&forge.sign(), &collateral);
    assert_eq!(found, Err(Rejected::Revoked { place: Place::Issuer }));
    forge.issuer.serial = vec![6];
    let Collateral { revocation, .. } = collateral;
    let collateral = Collateral { revocation, ..forge.collateral() };
    let claims = forge.judge_report(&forge.sign(), &collateral).unwrap();
    assert_eq!(claims.valid_until.to_string(), "2045-12-31T00:00:00.000Z");
}

#[test]
fn every_byte_of_a_revocation_list_counts() {
    let forge = Forge::new();
    let (report, collateral) = (forge.sign(), forge.collateral());
    let list = collateral.revocation.clone().unwrap();
    for at in 0..list.len() {
        let mut changed = list.clone();
        changed[at] ^= 1;
        let collateral = Collateral { revocation: Some(changed), ..collateral.clone() };
        let class = forge.judge_report(&report, &collateral).map_err(|refused| refused.class());
        assert_eq!(class, Err(Class::Untrusted), "byte {at}");
    }
    let longer = [&list[..], &[0]].concat();
    let collateral = Collateral { revocation: Some(longer), ..collateral };
    let fault = CertificateFault::Der;
    let refused = Rejected::RevocationForm { fault };
    assert_eq!(forge.judge_report(&report, &collateral), Err(refused));
}
