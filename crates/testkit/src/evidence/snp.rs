//! A machine with SEV-SNP: a Genoa whose chip key, and AMD's word on it, are of the test's making.
//!
//! The RSA keys of 4,096 bits take seconds to draw, so two are kept; nothing trusts them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PSS_SHA384,
};

use super::der::{Draft, der, extension, extensions, list};

/// A machine whose firmware is in order, and the guest in it.
#[derive(Debug)]
pub struct SnpMachine {
    root: rsa::KeyPair,
    chip: EcdsaKeyPair,
    // Of the root, the issuer and the chip: no two signatures are alike, so each is made once.
    certificates: [Vec<u8>; 3],
    /// Launch measurement of the guest.
    pub measurement: [u8; 48],
    /// Policy of the guest; bit 19 is debug mode.
    pub policy: u64,
}

impl SnpMachine {
    /// A machine with a chip key of its own.
    #[must_use]
    pub fn new() -> Self {
        let ark = include_bytes!("../../../attest/testdata/snp/forged/ark.key.der");
        let ask = include_bytes!("../../../attest/testdata/snp/forged/ask.key.der");
        let [root, issuer] = [&ark[..], ask].map(|key| rsa::KeyPair::from_der(key).expect("a key"));
        let chip = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        let spkis = [&root, &issuer].map(|key| spki(RSA, key.public_key().as_ref()));
        let chip_spki = spki(P384, chip.public_key().as_ref());
        let draft = |serial, subject, issuer, spki, extensions| Draft {
            serial,
            subject,
            issuer,
            spki,
            extensions,
        };
        let certificates = [
            draft(9, "ARK-Genoa", "ARK-Genoa", &spkis[0], extensions(true))
                .sign(PSS, |it| sign(&root, it)),
            draft(5, "SEV-Genoa", "ARK-Genoa", &spkis[1], extensions(true))
                .sign(PSS, |it| sign(&root, it)),
            draft(0, "SEV-VCEK", "SEV-Genoa", &chip_spki, described())
                .sign(PSS, |it| sign(&issuer, it)),
        ];
        Self { root, chip, certificates, measurement: [0xa1; 48], policy: 0x3_001f }
    }

    /// SHA-256 of its root, in hex.
    #[must_use]
    pub fn root_sha256(&self) -> String {
        let sha256 = digest(&SHA256, &self.certificates[0]);
        sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A report of version 3 over this report data.
    #[must_use]
    pub fn report(&self, report_data: &[u8; 64]) -> Vec<u8> {
        let mut report = vec![0; 1_184];
        let mut put = |at: usize, bytes: &[u8]| report[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x000, &[3]);
        put(0x008, &self.policy.to_le_bytes());
        put(0x034, &[1]);
        put(0x038, &TCB);
        put(0x040, &[0x25]);
        put(0x050, report_data);
        put(0x090, &self.measurement);
        put(0x140, &[8; 32]);
        put(0x180, &TCB);
        put(0x188, &[0x19, 0x11, 1]);
        put(0x1a0, &[7; 64]);
        put(0x1e0, &TCB);
        put(0x1f0, &TCB);
        let signature = self.chip.sign(&SystemRandom::new(), &report[..0x2a0]).expect("signed");
        for (number, at) in signature.as_ref().chunks(48).zip([0x2a0, 0x2e8]) {
            let little: Vec<u8> = number.iter().rev().copied().collect();
            report[at..at + 48].copy_from_slice(&little);
        }
        report
    }

    /// The certificates as hosts hand them out (AMD 56421, table 5).
    #[must_use]
    pub fn certificate_table(&self) -> Vec<u8> {
        let [root, issuer, chip] = &self.certificates;
        let certificates = [(VCEK, chip), (ASK, issuer), (ARK, root)];
        let (mut head, mut body) = (Vec::new(), Vec::new());
        for (guid, certificate) in certificates {
            let at = 24 * 4 + body.len();
            for number in [at, certificate.len()] {
                let number = u32::try_from(number).expect("short").to_le_bytes();
                if head.len() % 24 == 0 {
                    head.extend(guid.to_be_bytes());
                }
                head.extend(number);
            }
            body.extend(certificate);
        }
        head.extend([0; 24]);
        [head, body].concat()
    }

    /// AMD's list of what is revoked, in DER: nothing.
    #[must_use]
    pub fn revocation_list(&self) -> Vec<u8> {
        list("ARK-Genoa", &[], PSS, |it| sign(&self.root, it))
    }

    /// A revocation list, in DER, that names the issuer of its chip key.
    #[must_use]
    pub fn revocation_of_issuer(&self) -> Vec<u8> {
        list("ARK-Genoa", &[5], PSS, |it| sign(&self.root, it))
    }
}

impl Default for SnpMachine {
    fn default() -> Self {
        Self::new()
    }
}

/// What AMD's certificate says of the chip.
fn described() -> Vec<u8> {
    let mut found = [amd(&[1], &[2, 1, 0]), amd(&[2], &der(0x16, b"Genoa-B1"))].concat();
    for (number, version) in SPLS {
        let value: &[u8] = if version < 0x80 { &[version] } else { &[0, version] };
        found.extend(amd(&[3, number], &der(2, value)));
    }
    found.extend(amd(&[4], &[7; 64]));
    found
}

fn amd(end: &[u8], value: &[u8]) -> Vec<u8> {
    extension(&[&[0x2b, 6, 1, 4, 1, 0x9c, 0x78, 1], end].concat(), false, value)
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der(0x30, &[der(0x30, algorithm), der(3, &[&[0], key].concat())].concat())
}

fn sign(key: &rsa::KeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PSS_SHA384, &SystemRandom::new(), message, &mut signature).expect("signed");
    signature
}

/// Versions of the firmware, in the order of Milan and Genoa.
const TCB: [u8; 8] = [10, 0, 0, 0, 0, 0, 23, 0xd9];
/// The same by the number of their extension.
const SPLS: [(u8, u8); 8] = [(1, 10), (2, 0), (4, 0), (5, 0), (6, 0), (7, 0), (3, 23), (8, 0xd9)];
const VCEK: u128 = 0x63da_758d_e664_4564_adc5_f4b9_3be8_accd;
const ASK: u128 = 0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782;
const ARK: u128 = 0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae;
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const P384: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22];
/// RSASSA-PSS with SHA-384, as AMD writes it.
const PSS: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39, 0xa0, 0x0f, 0x30,
    0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa1, 0x1c,
    0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06,
    0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01,
    0x30, 0xa3, 0x03, 0x02, 0x01, 0x01,
];
