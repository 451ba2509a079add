//! Reports that AMD processors signed, against what an independent implementation read in them.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::path::PathBuf;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::{Hash, to_hex};
use serde_json::Value;

use super::forge::Forge;
use crate::register::{Fingerprint, Register};
use crate::rejected::Class;
use crate::revocation::Revoked;
use crate::snp::certificate::Certificate;
use crate::snp::{
    Allowance, Caveat, Claims, Collateral, Expect, KeyClass, Measurements, Need, NotCollateral,
    Place, Policy, Product, Rejected, Tcb, verify, verify_unless_revoked,
};
use crate::time::Time;
use crate::verified::Verified;
use crate::{Acceptance, At, CollateralFiles, Exhibit, Kind};

/// A report with the files that it is verified with, at a time when they were all good.
pub(super) struct Case {
    pub(super) report: &'static str,
    pub(super) files: &'static [&'static str],
    pub(super) at: [u64; 3],
}

pub(super) const MILAN: Case = Case {
    report: "virtee-sev/report_milan.hex",
    files: &["virtee-sev/vcek_milan.der", "virtee-sev/cert_chain_milan"],
    at: [2023, 6, 1],
};
const TRUSTEE: Case = Case {
    report: "trustee/test-report.bin",
    files: &["trustee/test-vcek.der", "trustee/milan_ask_ark_asvk.pem"],
    at: [2023, 6, 1],
};
pub(super) const VLEK: Case = Case {
    report: "trustee/test-vlek-report.bin",
    files: &["trustee/test-vlek.der", "trustee/milan_ask_ark_asvk.pem"],
    at: [2025, 6, 1],
};
pub(super) const TURIN: Case = Case {
    report: "ms-tav/turin_attestation_report.bin",
    files: &["ms-tav/turin_vcek.pem", "ms-tav/turin_ask.pem"],
    at: [2026, 6, 1],
};
pub(super) const GENUINE: [Case; 4] = [MILAN, TRUSTEE, VLEK, TURIN];

impl Case {
    pub(super) fn report(&self) -> Vec<u8> {
        let bytes = file(self.report);
        if self.report.ends_with(".hex") { from_hex(&bytes) } else { bytes }
    }

    pub(super) fn collateral(&self) -> Collateral {
        collateral(self.files)
    }

    pub(super) fn at(&self) -> Time {
        Time::from_civil(self.at, [0, 0, 0]).unwrap()
    }

    fn judge(&self, policy: &Policy) -> Result<Claims, Rejected> {
        judge(&self.report(), &self.collateral(), policy, self.at())
    }
}

pub(super) fn file(name: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/snp");
    std::fs::read(directory.join(name)).unwrap()
}

fn from_hex(text: &[u8]) -> Vec<u8> {
    let text = core::str::from_utf8(text).unwrap().trim();
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(super) fn collateral(files: &[&str]) -> Collateral {
    let mut collateral = Collateral::default();
    for name in files {
        collateral.add(&file(name)).unwrap();
    }
    collateral
}

pub(super) fn judge(
    report: &[u8],
    collateral: &Collateral,
    policy: &Policy,
    at: Time,
) -> Result<Claims, Rejected> {
    verify(report, collateral, policy, at, Expect::DangerAny).map(Verified::into_inner)
}

/// A policy that accepts whatever is genuine, so that a test can look at everything else.
pub(super) fn trusting() -> Policy {
    let products = [Product::Milan, Product::Genoa, Product::Turin];
    Policy {
        measurements: Measurements::DangerAny,
        products: products.map(|product| (product, Tcb::ZERO)).into(),
        version_min: 2,
        vlek: Allowance::Allow,
        masked_chip_id: Allowance::Allow,
        vmpl_max: 1,
        protections: vec![],
        revocation: Need::Optional,
        ..Policy::strict(vec![])
    }
}

fn truths() -> Vec<Value> {
    serde_json::from_slice::<Value>(&file("ground_truth.json")).unwrap().as_array().unwrap().clone()
}

/// Each pair of report and certificate in the list of what others found.
#[test]
fn every_file_has_the_verdict_that_others_gave_it() {
    let mut verdicts = Vec::new();
    for truth in truths() {
        let (report, vek) = (truth["report"].as_str().unwrap(), truth["vek"].as_str().unwrap());
        let case = GENUINE.iter().find(|case| case.report == report).unwrap();
        let files = [&[vek], &case.files[1..]].concat();
        let found = judge(&case.report(), &collateral(&files), &trusting(), case.at());
        if truth["report_sig"] == "INVALID" {
            let place = Place::Leaf;
            assert_eq!(found, Err(Rejected::CertificateSignature { place }), "{vek}");
            verdicts.push(false);
            continue;
        }
        check_claims(&found.unwrap(), &truth);
        let file = Hash::of(&case.report());
        assert_eq!(file.to_string(), truth["sha256"].as_str().unwrap());
        verdicts.push(true);
    }
    assert_eq!(verdicts, [true, true, false, false, true, true]);
}

#[track_caller]
fn check_claims(claims: &Claims, truth: &Value) {
    let fields = &truth["fields"];
    let text = |name: &str| String::from(fields[name].as_str().unwrap());
    let number = |name: &str| fields[name].as_u64().unwrap();
    let bit = |name: &str| fields[name] == 1;
    let chain = truth["vek_chain"].as_str().unwrap().split_once('/').unwrap();
    assert_eq!(claims.product.as_str().to_ascii_lowercase(), chain.0);
    assert_eq!(claims.key == KeyClass::Vlek, chain.1 == "ASVK");
    assert_eq!(alloc::format!("{}", claims.key), text("signing_key"));
    assert_eq!(u64::from(claims.version), number("version"));
    assert_eq!(u64::from(claims.guest_svn), number("guest_svn"));
    assert_eq!(u64::from(claims.vmpl), number("vmpl"));
    assert_eq!(alloc::format!("{:#x}", claims.policy.bits()), text("policy"));
    assert_eq!(alloc::format!("{:#x}", claims.platform.bits()), text("platform_info"));
    assert_eq!(to_hex(&claims.report_data), text("report_data"));
    assert_eq!(claims.measurement.to_string(), text("measurement"));
    assert_eq!(to_hex(&claims.host_data), text("host_data"));
    assert_eq!(claims.id_key_digest.to_string(), text("id_key_digest"));
    assert_eq!(claims.author_key_digest.to_string(), text("author_key_digest"));
    assert_eq!(to_hex(&claims.report_id), text("report_id"));
    assert_eq!(to_hex(&claims.chip_id.unwrap_or([0; 64])), text("chip_id"));
    let tcb = |tcb: &Tcb| {
        let Tcb { fmc, bootloader, tee, snp, microcode } = *tcb;
        to_hex(&match claims.product {
            Product::Turin => [fmc, bootloader, tee, snp, 0, 0, 0, microcode],
            Product::Milan | Product::Genoa => [bootloader, tee, 0, 0, 0, 0, snp, microcode],
        })
    };
    assert_eq!(tcb(&claims.reported_tcb), text("reported_tcb"));
    assert_eq!(tcb(&claims.committed_tcb), text("committed_tcb"));
    assert_eq!(tcb(&claims.current_tcb), text("current_tcb"));
    assert_eq!(tcb(&claims.launch_tcb), text("launch_tcb"));
    let mitigations = claims.mitigations.to_le_bytes();
    assert_eq!(to_hex(&mitigations), truth["current_mit_vector"].as_str().unwrap());
    assert_eq!(claims.policy.debug(), bit("policy_debug"));
    assert_eq!(claims.policy.migration_agent(), bit("policy_migrate_ma"));
    assert_eq!(claims.policy.smt(), bit("policy_smt"));
    assert_eq!(claims.policy.single_socket(), bit("policy_single_socket"));
    let platform = claims.platform;
    let plat = &fields["plat"];
    assert_eq!(platform.smt(), plat["smt_en"] == 1);
    assert_eq!(platform.tsme(), plat["tsme_en"] == 1);
    assert_eq!(platform.ecc(), plat["ecc_en"] == 1);
    assert_eq!(platform.ciphertext_hiding(), plat["ciphertext_hiding"] == 1);
    assert_eq!(platform.alias_check(), plat["alias_check_complete"] == 1);
    let date = |time: Time| alloc::format!("{time}").replace(".000Z", "+00:00");
    assert_eq!(date(claims.leaf_not_before), truth["vek_not_before"].as_str().unwrap());
    assert_eq!(date(claims.leaf_not_after), truth["vek_not_after"].as_str().unwrap());
    assert_eq!(claims.valid_until, claims.leaf_not_after);
}

/// The same with nothing loosened by hand: each is refused by default, by its first reason.
#[test]
fn what_is_refused_by_default() {
    let strict = |case: &Case| {
        let measurement = case.judge(&trusting()).unwrap().measurement;
        Policy::strict(vec![measurement])
    };
    for case in [MILAN, TRUSTEE, VLEK] {
        assert_eq!(case.judge(&strict(&case)), Err(Rejected::Milan));
    }
    let milan =
        |case: &Case| Policy { products: [(Product::Milan, Tcb::ZERO)].into(), ..strict(case) };
    let old = Rejected::VersionOld { got: 2, min: 3 };
    assert_eq!(MILAN.judge(&milan(&MILAN)), Err(old));
    assert_eq!(VLEK.judge(&milan(&VLEK)), Err(Rejected::Vlek));
    let vlek = Policy { vlek: Allowance::Allow, ..milan(&VLEK) };
    assert_eq!(VLEK.judge(&vlek), Err(Rejected::ChipIdMasked));
    let vlek = Policy { masked_chip_id: Allowance::Allow, ..vlek };
    assert_eq!(VLEK.judge(&vlek), Err(Rejected::RevocationMissing));
    let vlek = Policy { revocation: Need::Optional, ..vlek };
    assert_eq!(VLEK.judge(&vlek), Err(Rejected::Vmpl { got: 1, max: 0 }));
    let vlek = Policy { vmpl_max: 1, ..vlek };
    assert_eq!(
        VLEK.judge(&vlek).unwrap().caveats,
        [
            Caveat::Milan,
            Caveat::Vlek,
            Caveat::ChipIdMasked,
            Caveat::NoRevocationList,
            Caveat::NoTcbFloor,
            Caveat::ReportDataUnchecked,
            Caveat::InstanceNotBound,
        ]
    );
    assert_eq!(TURIN.judge(&strict(&TURIN)), Err(Rejected::RevocationMissing));
    let turin = Policy { revocation: Need::Optional, ..strict(&TURIN) };
    assert_eq!(TURIN.judge(&turin).unwrap().product, Product::Turin);
}

#[test]
fn wrong_time_is_refused_by_name() {
    let judge_at = |case: &Case, date: [u64; 3], clock: [u64; 3]| {
        let at = Time::from_civil(date, clock).unwrap();
        (at, judge(&case.report(), &case.collateral(), &trusting(), at))
    };
    let place = Place::Leaf;
    let not_before = Time::from_civil([2023, 4, 3], [19, 23, 43]).unwrap();
    let (at, found) = judge_at(&MILAN, [2023, 4, 3], [19, 23, 42]);
    assert_eq!(found, Err(Rejected::NotYetValid { place, not_before, at }));
    judge_at(&MILAN, [2023, 4, 3], [19, 23, 43]).1.unwrap();
    let not_after = Time::from_civil([2025, 12, 10], [22, 14, 21]).unwrap();
    judge_at(&VLEK, [2025, 12, 10], [22, 14, 21]).1.unwrap();
    let (at, found) = judge_at(&VLEK, [2025, 12, 10], [22, 14, 22]);
    assert_eq!(found, Err(Rejected::Expired { place, not_after, at }));
    let not_before = Time::from_civil([2020, 10, 22], [17, 23, 5]).unwrap();
    let (at, found) = judge_at(&MILAN, [1970, 1, 1], [0, 0, 0]);
    assert_eq!(found, Err(Rejected::NotYetValid { place: Place::Root, not_before, at }));
}

#[test]
fn wrong_root_and_wrong_collateral_are_refused_by_name() {
    let at = MILAN.at();
    let with = |files: &[&str]| judge(&MILAN.report(), &collateral(files), &trusting(), at);
    let vcek = "virtee-sev/vcek_milan.der";
    let class = KeyClass::Vcek;
    assert_eq!(with(&[]), Err(Rejected::LeafMissing { class }));
    let name = "SEV-Milan";
    assert_eq!(with(&[vcek]), Err(Rejected::IssuerMissing { name }));
    let genoa = with(&[vcek, "trustee/genoa_ask_ark_asvk.pem"]);
    assert_eq!(genoa, Err(Rejected::IssuerMissing { name }));
    // Of another chip, of another product, of another class.
    let chain = "virtee-sev/cert_chain_milan";
    assert_eq!(with(&["trustee/test-vcek.der", chain]), Err(Rejected::Signature));
    let turin = with(&["virtee-sev/vcek_turin.der", "virtee-sev/cert_chain_turin"]);
    assert_eq!(turin, Err(Rejected::Signature));
    let certificate = KeyClass::Vlek;
    assert_eq!(
        with(&["trustee/test-vlek.der", chain]),
        Err(Rejected::KeyClassDiffers { report: class, certificate })
    );
    let turin = ["virtee-sev/vcek_turin.der", "virtee-sev/cert_chain_turin"];
    let found = judge(&TURIN.report(), &collateral(&turin), &trusting(), TURIN.at());
    assert_eq!(found, Err(Rejected::Signature));
    let milan = judge(&TURIN.report(), &MILAN.collateral(), &trusting(), TURIN.at());
    let (report, certificate) = (Product::Turin, Product::Milan);
    assert_eq!(milan, Err(Rejected::ProductDiffers { report, certificate }));
    // Under a root of somebody else, who calls it AMD's.
    let forge = Forge::new();
    let root = forge.root.sign(&super::forge::Rsa::root());
    let mut fooled = MILAN.collateral();
    let got = Fingerprint::of(&root);
    fooled.certificates.push(root);
    let found = judge(&MILAN.report(), &fooled, &trusting(), at);
    assert_eq!(found, Err(Rejected::RootDiffers { got }));
    let found = judge(&forge.sign(), &forge.collateral(), &trusting(), forge.now);
    let place = Place::Issuer;
    // Its names are AMD's in part only.
    assert_eq!(found, Err(Rejected::ChainOrder { place }));
}

#[test]
fn wrong_report_data_is_refused_by_name() {
    let mut wanted = MILAN.judge(&trusting()).unwrap().report_data;
    let expecting = |wanted| {
        let expect = Expect::ReportData(wanted);
        verify(&MILAN.report(), &MILAN.collateral(), &trusting(), MILAN.at(), expect)
            .map(Verified::into_inner)
    };
    assert_eq!(expecting(wanted).unwrap().report_data, wanted);
    for at in 0..64 {
        wanted[at] ^= 1;
        assert_eq!(expecting(wanted), Err(Rejected::ReportData));
        wanted[at] ^= 1;
    }
}

/// Every byte that is signed, in two ways: never accepted, and never for a reason of the policy.
#[test]
fn every_byte_of_every_genuine_report_counts() {
    for case in GENUINE {
        let (report, collateral, policy) = (case.report(), case.collateral(), trusting());
        for at in 0..report.len() {
            for mask in [0x01, 0x80] {
                let mut changed = report.clone();
                changed[at] ^= mask;
                let refused = judge(&changed, &collateral, &policy, case.at()).unwrap_err();
                let class = refused.class();
                let good = matches!(class, Class::Malformed | Class::Untrusted);
                assert!(good, "{} byte {at:#x}: {refused}", case.report);
            }
        }
    }
}

/// Every byte of both certificates, of each spelling of the algorithm.
#[test]
fn every_byte_of_the_certificates_counts() {
    let mut used = 0;
    for case in [VLEK, TURIN] {
        let (report, collateral, policy) = (case.report(), case.collateral(), trusting());
        let first = judge(&report, &collateral, &policy, case.at()).unwrap();
        for number in 0..collateral.certificates.len() {
            let der = collateral.certificates[number].clone();
            let mut without = collateral.clone();
            without.certificates.remove(number);
            if judge(&report, &without, &policy, case.at()).as_ref() == Ok(&first) {
                // Not one of this chain.
                continue;
            }
            used += 1;
            for at in 0..der.len() {
                let mut changed = collateral.clone();
                changed.certificates[number][at] ^= 1;
                let found = judge(&report, &changed, &policy, case.at());
                let class = found.map_err(|refused| refused.class());
                assert_eq!(class, Err(Class::Untrusted), "byte {at} of {number}");
            }
        }
    }
    assert_eq!(used, 4);
}

/// `n - s` is as good as `s`: anyone can make the other signature, and it is the same evidence.
#[test]
fn the_other_form_of_the_signature_has_the_same_identity() {
    for case in GENUINE {
        let (mut report, collateral) = (case.report(), case.collateral());
        let first = judge(&report, &collateral, &trusting(), case.at()).unwrap();
        let mut borrow = 0;
        for (byte, order) in report[0x2e8..0x318].iter_mut().zip(P384_ORDER.iter().rev()) {
            let difference = i16::from(*order) - i16::from(*byte) - borrow;
            borrow = i16::from(difference < 0);
            *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        assert_ne!(report, case.report());
        let second = judge(&report, &collateral, &trusting(), case.at()).unwrap();
        assert_eq!(first, second);
        assert_eq!(first.identity, Hash::of(&report[..0x2a0]));
    }
}

#[test]
fn the_same_input_gives_the_same_verdict() {
    for case in GENUINE {
        let verdict = || alloc::format!("{}", case.judge(&trusting()).unwrap());
        assert_eq!(verdict(), verdict());
    }
    let text = alloc::format!("{}", TURIN.judge(&trusting()).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "evidence       AMD SEV-SNP Turin, report version 5, by VCEK");
    let tcb = "reported tcb   fmc 1, boot loader 1, tee 1, snp 4, microcode 81";
    assert!(lines.contains(&tcb), "{text}");
    assert!(lines.contains(&"caveat         no revocation list was given"), "{text}");
}

/// A table as a guest gets it from its host, with both ways to write its identifiers.
#[test]
fn collateral_is_taken_from_a_table_and_from_files() {
    let from_files = MILAN.collateral();
    let text_order = [
        0x63da_758d_e664_4564_adc5_f4b9_3be8_accd_u128,
        0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782,
        0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae,
    ]
    .map(u128::to_be_bytes);
    let swapped = text_order.map(|mut guid| {
        guid[..4].reverse();
        guid[4..6].reverse();
        guid[6..8].reverse();
        guid
    });
    for identifiers in [text_order, swapped] {
        let table = table(&identifiers, &from_files.certificates);
        let mut collateral = Collateral::default();
        collateral.add(&table).unwrap();
        assert_eq!(collateral, from_files);
        for cut in 0..table.len() {
            let mut collateral = Collateral::default();
            assert_eq!(collateral.add(&table[..cut]), Err(NotCollateral), "cut at {cut}");
            assert_eq!(collateral, Collateral::default());
        }
    }
    let mut with_list = Forge::new().collateral();
    let list = with_list.revocation.take().unwrap();
    with_list.add(&list).unwrap();
    assert_eq!(with_list.add(&list), Err(NotCollateral));
    for nothing in [&b""[..], b"hello", &[0; 24], &[0; 64 * 1_024 + 1]] {
        assert_eq!(Collateral::default().add(nothing), Err(NotCollateral));
    }
}

fn table(identifiers: &[[u8; 16]], certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut content = Vec::new();
    let start = 24 * (identifiers.len() + 1);
    for (identifier, der) in identifiers.iter().zip(certificates) {
        let offset = u32::try_from(start + content.len()).unwrap().to_le_bytes();
        let length = u32::try_from(der.len()).unwrap().to_le_bytes();
        entries.extend([&identifier[..], &offset, &length].concat());
        content.extend_from_slice(der);
    }
    [entries, vec![0; 24], content].concat()
}

/// The vendor chains of all three products hold together, with the issuers of both classes.
#[test]
fn the_chains_that_amd_publishes_are_read() {
    for name in ["milan", "genoa", "turin"] {
        let found = collateral(&[&alloc::format!("trustee/{name}_ask_ark_asvk.pem")]);
        assert_eq!(found.certificates.len(), 3);
        let product = Product::of_name(&(name[..1].to_ascii_uppercase() + &name[1..])).unwrap();
        let [ask, ark, asvk] =
            [0, 1, 2].map(|number| Certificate::parse(&found.certificates[number]).unwrap());
        assert_eq!(ark.der, crate::snp::product::AMD.of(product));
        let key = ark.issuing_key().unwrap();
        for issued in [&ask, &ark, &asvk] {
            assert!(issued.names_issuer(&ark) && issued.is_signed_by(key));
            assert_eq!(issued.issuing_key().unwrap().len(), 526);
        }
        assert_eq!(ask.name, product.issuer_name(KeyClass::Vcek));
        assert_eq!(asvk.name, product.issuer_name(KeyClass::Vlek));
    }
}

#[test]
fn measurements_are_compared_whole() {
    let mut wanted = TURIN.judge(&trusting()).unwrap().measurement;
    let with = |wanted: Register| {
        TURIN.judge(&Policy { measurements: Measurements::OneOf(vec![wanted]), ..trusting() })
    };
    assert_eq!(with(wanted).unwrap().measurement, wanted);
    let got = wanted;
    wanted.0[47] ^= 1;
    assert_eq!(with(wanted), Err(Rejected::Measurement { got }));
}

/// Order of the group of P-384 (SP 800-186 §3.2.1.4).
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// A genuine report vouches for its own report data and for no epoch, and everything before that
/// was found good.
#[test]
fn by_way_of_what_is_accepted_of_any_kind() {
    let case = TURIN;
    let (report, at) = (case.report(), At::Replay { shown: Some(case.at()) });
    let collateral = CollateralFiles::new(case.files.iter().map(|name| file(name)));
    let binding = EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: None,
        instance: "guest-001".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    };
    let mut accepts = Acceptance { snp: Some(trusting()), ..Acceptance::default() };
    let verdict = |accepts: &Acceptance, collateral: &CollateralFiles| {
        let exhibit = Exhibit { evidence: &report, collateral, binding: &binding };
        accepts.verify_epoch(&exhibit, at, crate::Expect::AnyNonce).map(|_| ()).unwrap_err()
    };
    let other = crate::Rejected::Snp(Rejected::ReportData);
    assert_eq!(verdict(&accepts, &collateral), other);
    let (none, missing) =
        (CollateralFiles::default(), crate::Rejected::CollateralMissing { kind: Kind::Snp });
    assert_eq!(verdict(&accepts, &none), missing);
    accepts.snp.as_mut().unwrap().revocation = Need::Required;
    let refused = verdict(&accepts, &collateral);
    assert_eq!(refused, crate::Rejected::Snp(Rejected::RevocationMissing));
    assert!(refused.is_outage());
    let nobody = crate::Rejected::KindNotAccepted { kind: Kind::Snp };
    assert_eq!(verdict(&Acceptance::default(), &collateral), nobody);
}

#[test]
fn a_certificate_that_the_relying_party_revoked_is_refused_by_its_place() {
    let case = TURIN;
    let (report, collateral) = (case.report(), case.collateral());
    let judge = |revoked: &[Revoked]| {
        let (policy, at) = (trusting(), case.at());
        verify_unless_revoked(&report, &collateral, &policy, at, Expect::DangerAny, revoked)
            .map(|_| ())
    };
    for der in &collateral.certificates {
        let read = Certificate::parse(der).unwrap();
        let (issuer, serial) = (read.issuer.to_vec(), read.serial.to_vec());
        let place = if read.name == "SEV-VCEK" { Place::Leaf } else { Place::Issuer };
        assert_eq!(
            judge(&[Revoked { issuer: issuer.clone(), serial }]),
            Err(Rejected::Revoked { place })
        );
        assert_eq!(judge(&[Revoked { issuer, serial: vec![9; 9] }]), Ok(()));
    }
}
