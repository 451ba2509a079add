//! A forger: reports, chains and revocation lists of any shape under roots of its own.
//!
//! Untouched, what it makes verifies under its root. Tests then break one rule at a time.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PSS_SHA384,
};

use crate::register::Register;
use crate::snp::product::Roots;
use crate::snp::pss::{WITH_TRAILER, WITHOUT_TRAILER};
use crate::snp::{
    Claims, Collateral, Expect, Need, Policy, Product, Protection, Rejected, Tcb, verify_under,
};
use crate::time::Time;
use crate::verified::Verified;

/// An RSA key. Those of 4,096 bits take seconds to make, so that they are kept.
pub(super) struct Rsa(rsa::KeyPair);

impl Rsa {
    pub(super) fn root() -> Self {
        Self(
            rsa::KeyPair::from_der(include_bytes!("../../../testdata/snp/forged/ark.key.der"))
                .unwrap(),
        )
    }

    pub(super) fn issuer() -> Self {
        Self(
            rsa::KeyPair::from_der(include_bytes!("../../../testdata/snp/forged/ask.key.der"))
                .unwrap(),
        )
    }

    pub(super) fn of_3072_bits() -> Self {
        Self(
            rsa::KeyPair::from_der(include_bytes!("../../../testdata/snp/forged/rsa3072.key.der"))
                .unwrap(),
        )
    }

    pub(super) fn spki(&self) -> Vec<u8> {
        spki(RSA, self.0.public_key().as_ref())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PSS_SHA384, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

/// One element of DER.
pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der(0x30, &[der(0x30, algorithm), der(3, &[&[0], key].concat())].concat())
}

/// An extension.
pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der(0x01, &[0xff]) } else { vec![] };
    der(0x30, &[der(0x06, oid), critical, der(0x04, value)].concat())
}

/// An extension of AMD, by the end of its identifier.
pub(super) fn amd(end: &[u8], value: &[u8]) -> Vec<u8> {
    extension(&[&[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1], end].concat(), false, value)
}

/// A version in an extension.
pub(super) fn spl(number: u8, version: u8) -> Vec<u8> {
    let value: &[u8] = if version < 0x80 { &[version] } else { &[0, version] };
    amd(&[3, number], &der(2, value))
}

pub(super) fn name(text: &str) -> Vec<u8> {
    let part = [der(0x06, &[0x55, 4, 3]), der(0x0c, text.as_bytes())].concat();
    der(0x30, &der(0x31, &der(0x30, &part)))
}

/// A certificate as it will be written.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) version: u8,
    pub(super) serial: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) validity: [&'static str; 2],
    pub(super) algorithm: &'static [u8],
    pub(super) spki: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Draft {
    fn new(serial: u8, subject: &str, issuer: &str, spki: Vec<u8>) -> Self {
        Self {
            version: 2,
            serial: vec![serial],
            subject: name(subject),
            issuer: name(issuer),
            validity: ["200101000000Z", "491231235959Z"],
            algorithm: WITH_TRAILER,
            spki,
            extensions: Vec::new(),
        }
    }

    fn issuing(mut self, constraints: &[u8]) -> Self {
        self.extensions = vec![
            extension(CONSTRAINTS, true, constraints),
            extension(USAGE, true, &[0x03, 0x02, 0x02, 0x04]),
        ];
        self
    }

    /// Signs it.
    pub(super) fn sign(&self, signer: &Rsa) -> Vec<u8> {
        let [from, to] = self.validity.map(|time| der(0x17, time.as_bytes()));
        let algorithm = der(0x30, self.algorithm);
        let tbs = der(
            0x30,
            &[
                der(0xa0, &der(2, &[self.version])),
                der(2, &self.serial),
                algorithm.clone(),
                self.issuer.clone(),
                der(0x30, &[from, to].concat()),
                self.subject.clone(),
                self.spki.clone(),
                der(0xa3, &der(0x30, &self.extensions.concat())),
            ]
            .concat(),
        );
        signed(&tbs, &algorithm, signer)
    }
}

fn signed(tbs: &[u8], algorithm: &[u8], signer: &Rsa) -> Vec<u8> {
    let signature = der(3, &[&[0][..], &signer.sign(tbs)].concat());
    der(0x30, &[tbs, algorithm, &signature].concat())
}

/// A revocation list as it will be written.
pub(super) struct List {
    pub(super) version: u8,
    pub(super) issuer: Vec<u8>,
    pub(super) updates: [&'static str; 2],
    pub(super) revoked: Vec<Vec<u8>>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl List {
    pub(super) fn new() -> Self {
        Self {
            version: 1,
            issuer: name("ARK-Genoa"),
            updates: ["251201000000Z", "260201000000Z"],
            revoked: Vec::new(),
            // The number of the list.
            extensions: vec![extension(&[0x55, 0x1d, 0x14], false, &[2, 1, 1])],
        }
    }

    /// An entry, with or without extensions.
    pub(super) fn revoke(&mut self, serial: &[u8], extensions: &[u8]) {
        let time = der(0x17, b"251101000000Z");
        let extensions = if extensions.is_empty() { vec![] } else { der(0x30, extensions) };
        self.revoked.push(der(0x30, &[der(2, serial), time, extensions].concat()));
    }

    pub(super) fn sign(&self, signer: &Rsa) -> Vec<u8> {
        let algorithm = der(0x30, WITH_TRAILER);
        let [this, next] = self.updates.map(|time| der(0x17, time.as_bytes()));
        let entries =
            if self.revoked.is_empty() { vec![] } else { der(0x30, &self.revoked.concat()) };
        let extensions = der(0xa0, &der(0x30, &self.extensions.concat()));
        let tbs = [
            der(2, &[self.version]),
            algorithm.clone(),
            self.issuer.clone(),
            this,
            next,
            entries,
            extensions,
        ];
        signed(&der(0x30, &tbs.concat()), &algorithm, signer)
    }
}

/// Everything that goes into a verdict. A test changes some of it before it is judged.
pub(super) struct Forge {
    /// The report; its signature is put in at the end.
    pub(super) report: Vec<u8>,
    pub(super) root: Draft,
    pub(super) issuer: Draft,
    pub(super) leaf: Draft,
    /// Who signs the issuer and the leaf.
    pub(super) signers: [Rsa; 2],
    pub(super) list: Option<List>,
    /// Who signs the list.
    pub(super) list_signer: Rsa,
    /// Certificates besides issuer and leaf.
    pub(super) others: Vec<Vec<u8>>,
    pub(super) policy: Policy,
    pub(super) now: Time,
    pub(super) expect: Expect,
    key: EcdsaKeyPair,
}

impl Forge {
    /// A report in good form: Genoa, version 3, signed by a VCEK and judged on 2026-01-01.
    pub(super) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let (root, issuer) = (Rsa::root(), Rsa::issuer());
        let mut leaf =
            Draft::new(0, "SEV-VCEK", "SEV-Genoa", spki(EC_P384, key.public_key().as_ref()));
        leaf.algorithm = WITHOUT_TRAILER;
        leaf.extensions = leaf_extensions("Genoa-B1", GENOA_SPLS, Some(&[7; 64]));
        let mut policy = Policy::strict(vec![Register([1; 48])]);
        let floor = Tcb { fmc: 0, bootloader: 10, tee: 0, snp: 23, microcode: 84 };
        policy.products = [(Product::Genoa, floor)].into();
        policy.revocation = Need::Required;
        policy.protections = vec![Protection::AliasCheck];
        Self {
            report: report(),
            root: Draft::new(9, "ARK-Genoa", "ARK-Genoa", root.spki()).issuing(ISSUER),
            issuer: Draft::new(5, "SEV-Genoa", "ARK-Genoa", issuer.spki())
                .issuing(&[0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00]),
            leaf,
            signers: [root, issuer],
            list: Some(List::new()),
            list_signer: Rsa::root(),
            others: Vec::new(),
            policy,
            now: Time::from_unix_ms(NOW_MS),
            expect: Expect::ReportData([2; 64]),
            key,
        }
    }

    /// Writes over some bytes of the report.
    pub(super) fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.report[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Puts another extension in the place of one of the leaf, or takes it away.
    pub(super) fn set(&mut self, end: &[u8], value: Option<&[u8]>) {
        let wanted = [&[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1], end].concat();
        let header = der(0x06, &wanted);
        let has = |found: &Vec<u8>| found.windows(header.len()).any(|part| part == header);
        self.leaf.extensions.retain(|found| !has(found));
        self.leaf.extensions.extend(value.map(|value| amd(end, value)));
    }

    /// The report as it is signed.
    pub(super) fn sign(&self) -> Vec<u8> {
        let mut report = self.report.clone();
        let signature = self.key.sign(&SystemRandom::new(), &report[..0x2a0]).unwrap();
        for (number, offset) in signature.as_ref().chunks(48).zip([0x2a0, 0x2e8]) {
            let little: Vec<u8> = number.iter().rev().copied().collect();
            report[offset..offset + 48].copy_from_slice(&little);
        }
        report
    }

    pub(super) fn collateral(&self) -> Collateral {
        let [root, issuer] = &self.signers;
        let mut certificates = vec![self.leaf.sign(issuer), self.issuer.sign(root)];
        certificates.extend(self.others.iter().cloned());
        let revocation = self.list.as_ref().map(|list| list.sign(&self.list_signer));
        Collateral { certificates, revocation }
    }

    pub(super) fn judge(&self) -> Result<Claims, Rejected> {
        self.judge_report(&self.sign(), &self.collateral())
    }

    /// Judges another report with other collateral under the root of this forge.
    pub(super) fn judge_report(
        &self,
        report: &[u8],
        collateral: &Collateral,
    ) -> Result<Claims, Rejected> {
        let root = self.root.sign(&Rsa::root());
        let roots = Roots { milan: &root, genoa: &root, turin: &root };
        let (policy, now, expect) = (&self.policy, self.now, self.expect);
        verify_under(&roots, report, collateral, policy, now, expect, &[]).map(Verified::into_inner)
    }
}

/// Extensions of a leaf: versions by the number of their extension.
pub(super) fn leaf_extensions(
    product: &str,
    spls: [(u8, u8); 8],
    chip: Option<&[u8]>,
) -> Vec<Vec<u8>> {
    let mut found = vec![amd(&[1], &[2, 1, 0]), amd(&[2], &der(0x16, product.as_bytes()))];
    found.extend(spls.map(|(number, version)| spl(number, version)));
    found.extend(chip.map(|chip| amd(&[4], chip)));
    found
}

fn report() -> Vec<u8> {
    let mut report = vec![0; 1_184];
    let mut put = |at: usize, bytes: &[u8]| report[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x000, &[3]);
    put(0x004, &[4]);
    put(0x008, &[0x1f, 0, 3]);
    put(0x010, &[0x10; 16]);
    put(0x020, &[0x20; 16]);
    put(0x034, &[1]);
    put(0x038, &[10, 0, 0, 0, 0, 0, 24, 0xd9]);
    put(0x040, &[0x25]);
    put(0x050, &[2; 64]);
    put(0x090, &[1; 48]);
    put(0x0c0, &[3; 32]);
    put(0x0e0, &[5; 48]);
    put(0x110, &[6; 48]);
    put(0x140, &[8; 32]);
    put(0x180, &[10, 0, 0, 0, 0, 0, 23, 0xd9]);
    put(0x188, &[0x19, 0x11, 1]);
    put(0x1a0, &[7; 64]);
    put(0x1e0, &[10, 0, 0, 0, 0, 0, 24, 0xd9]);
    put(0x1f0, &[10, 0, 0, 0, 0, 0, 24, 0xd9]);
    report
}

/// The words of an error, for tests that read them.
pub(super) fn words(refused: &Rejected) -> String {
    alloc::format!("{refused}").trim().to_owned()
}

/// Versions of the report above in the order of Milan and Genoa.
pub(super) const GENOA_SPLS: [(u8, u8); 8] =
    [(1, 10), (2, 0), (4, 0), (5, 0), (6, 0), (7, 0), (3, 23), (8, 0xd9)];
pub(super) const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub(super) const USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
pub(super) const ISSUER: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const EC_P384: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0, 0x22];
/// 2026-01-01T00:00:00Z.
pub(super) const NOW_MS: u64 = 1_767_225_600_000;
