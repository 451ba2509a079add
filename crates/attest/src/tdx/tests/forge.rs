//! A forger: quotes, chains and collateral of any shape under keys of its own.
//!
//! Untouched, what it makes verifies under its root. Tests then break one rule at a time.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use lucarne_ledger::hash::to_hex;
use serde_json::{Value, json};

use super::*;
use crate::tdx::collateral::Signed;

/// A P-256 key.
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new() -> Self {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let drawn = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self(drawn.as_ref().to_vec())
    }

    fn point(&self) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.0).unwrap();
        key.public_key().as_ref().to_vec()
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.0).unwrap();
        key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.0).unwrap();
        key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
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

/// An extension.
pub(super) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der(0x01, &[0xff]) } else { vec![] };
    der(0x30, &[der(0x06, oid), critical, der(0x04, value)].concat())
}

pub(super) const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub(super) const USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
pub(super) const SGX: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];
pub(super) const ISSUER: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
pub(super) const NO_ISSUER: &[u8] = &[0x30, 0x00];
pub(super) const SIGNS_CERTIFICATES: &[u8] = &[0x03, 0x02, 0x01, 0x06];
pub(super) const SIGNS_STATEMENTS: &[u8] = &[0x03, 0x02, 0x06, 0xc0];

fn name(text: &str) -> Vec<u8> {
    let part = [der(0x06, &[0x55, 4, 3]), der(0x0c, text.as_bytes())].concat();
    der(0x30, &der(0x31, &der(0x30, &part)))
}

fn span(validity: [&str; 2]) -> Vec<u8> {
    validity.map(|time| der(0x17, time.as_bytes())).concat()
}

/// A certificate as it will be written.
pub(super) struct Draft {
    pub(super) version: u8,
    pub(super) serial: u8,
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) validity: [&'static str; 2],
    pub(super) algorithm: Vec<u8>,
    pub(super) curve: Vec<u8>,
    pub(super) constraints: Vec<u8>,
    pub(super) usage: Vec<u8>,
    /// Extensions besides constraints and usage.
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Draft {
    fn new(serial: u8, subject: &'static str, issuer: &'static str, is_issuer: bool) -> Self {
        let (constraints, usage) = match is_issuer {
            true => (ISSUER, SIGNS_CERTIFICATES),
            false => (NO_ISSUER, SIGNS_STATEMENTS),
        };
        Self {
            version: 2,
            serial,
            subject,
            issuer,
            validity: ["200101000000Z", "491231235959Z"],
            algorithm: vec![0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
            curve: vec![
                6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1,
                7,
            ],
            constraints: extension(CONSTRAINTS, true, constraints),
            usage: extension(USAGE, true, usage),
            extensions: vec![],
        }
    }

    fn sign(&self, key: &Key, issuer: &Key) -> Vec<u8> {
        let key = [der(0x30, &self.curve), der(3, &[&[0][..], &key.point()].concat())].concat();
        let algorithm = der(0x30, &self.algorithm);
        let extensions =
            [&[self.constraints.clone(), self.usage.clone()], &self.extensions[..]].concat();
        let tbs = [
            der(0xa0, &der(2, &[self.version])),
            der(2, &[self.serial]),
            algorithm.clone(),
            name(self.issuer),
            der(0x30, &span(self.validity)),
            name(self.subject),
            der(0x30, &key),
            der(0xa3, &der(0x30, &extensions.concat())),
        ];
        signed(&tbs.concat(), &algorithm, issuer)
    }
}

/// A revocation list as it will be written.
pub(super) struct List {
    pub(super) version: u8,
    pub(super) issuer: &'static str,
    pub(super) validity: [&'static str; 2],
    pub(super) serials: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl List {
    fn new(issuer: &'static str) -> Self {
        let validity = ["260101000000Z", "270101000000Z"];
        let number = extension(&[0x55, 0x1d, 20], false, &[2, 1, 1]);
        Self { version: 1, issuer, validity, serials: vec![99], extensions: vec![number] }
    }

    fn sign(&self, issuer: &Key) -> Vec<u8> {
        let algorithm = der(0x30, &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        let entry =
            |serial: &u8| der(0x30, &[der(2, &[*serial]), der(0x17, b"260101000000Z")].concat());
        let tbs = [
            der(2, &[self.version]),
            algorithm.clone(),
            name(self.issuer),
            span(self.validity),
            der(0x30, &self.serials.iter().map(entry).collect::<Vec<_>>().concat()),
            der(0xa0, &der(0x30, &self.extensions.concat())),
        ];
        signed(&tbs.concat(), &algorithm, issuer)
    }
}

fn signed(tbs: &[u8], algorithm: &[u8], issuer: &Key) -> Vec<u8> {
    let tbs = der(0x30, tbs);
    let signature = der(3, &[&[0][..], &issuer.sign_der(&tbs)].concat());
    der(0x30, &[tbs, algorithm.to_vec(), signature].concat())
}

/// The description of a platform, by the entries of its TCB and the others.
pub(super) fn entries_of(svns: [u8; 16], pce: u8, flags: Option<[bool; 3]>) -> Vec<Vec<u8>> {
    let entry = |number: &[u8], value: Vec<u8>| {
        der(0x30, &[der(6, &[SGX, number].concat()), value].concat())
    };
    let mut tcb: Vec<_> =
        svns.iter().zip(1..).map(|(svn, number)| entry(&[2, number], der(2, &[*svn]))).collect();
    tcb.push(entry(&[2, 17], der(2, &[pce])));
    tcb.push(entry(&[2, 18], der(4, &svns)));
    let mut entries = vec![
        entry(&[1], der(4, &[7; 16])),
        entry(&[2], der(0x30, &tcb.concat())),
        entry(&[3], der(4, &[0, 0])),
        entry(&[4], der(4, &FMSPC)),
        entry(&[5], der(0x0a, &[1])),
    ];
    if let Some(flags) = flags {
        let flag = |(flag, number): (bool, u8)| {
            entry(&[7, number], der(1, &[if flag { 0xff } else { 0 }]))
        };
        let flags: Vec<_> = flags.into_iter().zip(1..).map(flag).collect();
        entries.push(entry(&[7], der(0x30, &flags.concat())));
    }
    entries
}

/// The extension that holds a description.
pub(super) fn described(entries: &[Vec<u8>]) -> Vec<u8> {
    extension(SGX, false, &der(0x30, &entries.concat()))
}

pub(super) fn pem(certificates: &[Vec<u8>]) -> String {
    let text = |der: &Vec<u8>| {
        let body = base64(der);
        let lines: Vec<_> =
            body.as_bytes().chunks(64).map(|line| core::str::from_utf8(line).unwrap()).collect();
        alloc::format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        )
    };
    certificates.iter().map(text).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * place) & 63];
            out.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// Everything that goes into a quote and its collateral. A test changes some of it.
pub(super) struct Forge {
    pub(super) keys: BTreeMap<&'static str, Key>,
    /// Which key signs what; a test changes it to have something signed by another.
    pub(super) signed_by: BTreeMap<&'static str, &'static str>,
    pub(super) certificates: BTreeMap<&'static str, Draft>,
    pub(super) root_crl: List,
    pub(super) pck_crl: List,
    pub(super) header: Vec<u8>,
    /// What stands between header and body: the descriptor of version 5.
    pub(super) descriptor: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) qe_report: Vec<u8>,
    pub(super) qe_auth: Vec<u8>,
    /// Outer and inner type of certification data.
    pub(super) certification: [u16; 2],
    /// Which certificates the quote brings.
    pub(super) chain: Vec<&'static str>,
    pub(super) info: Value,
    pub(super) qe: Value,
}

/// A quote, its collateral, and the root it is under.
pub(super) struct Made {
    pub(super) quote: Vec<u8>,
    pub(super) collateral: Collateral,
    pub(super) root: Fingerprint,
}

pub(super) const FMSPC: [u8; 6] = [0xb0, 0xc0, 0x6f, 0, 0, 0];
/// 2026-06-01T00:00:00Z.
pub(super) const NOW: Time = Time::from_unix_ms(1_780_272_000_000);

impl Forge {
    /// A quote of version 4 of a machine that is up to date.
    pub(super) fn new() -> Self {
        let names = ["root", "issuer", "pck", "signer", "attestation"];
        let mut pck =
            Draft::new(3, "Intel SGX PCK Certificate", "Intel SGX PCK Platform CA", false);
        pck.extensions = vec![described(&entries_of([5; 16], 10, Some([false; 3])))];
        let root = Draft::new(1, "Intel SGX Root CA", "Intel SGX Root CA", true);
        let issuer = Draft::new(2, "Intel SGX PCK Platform CA", "Intel SGX Root CA", true);
        let signer = Draft::new(4, "Intel SGX TCB Signing", "Intel SGX Root CA", false);
        let certificates = [("root", root), ("issuer", issuer), ("pck", pck), ("signer", signer)];
        let signed_by = [
            ("root", "root"),
            ("issuer", "root"),
            ("pck", "issuer"),
            ("signer", "root"),
            ("root_crl", "root"),
            ("pck_crl", "issuer"),
            ("info", "signer"),
            ("qe", "signer"),
            ("qe_report", "pck"),
            ("quote", "attestation"),
        ];
        let mut forge = Self {
            keys: names.map(|name| (name, Key::new())).into(),
            signed_by: signed_by.into(),
            certificates: certificates.into(),
            root_crl: List::new("Intel SGX Root CA"),
            pck_crl: List::new("Intel SGX PCK Platform CA"),
            header: vec![0; 48],
            descriptor: vec![],
            body: vec![0; 584],
            qe_report: vec![0; 384],
            qe_auth: vec![8; 32],
            certification: [6, 5],
            chain: vec!["pck", "issuer", "root"],
            info: info(),
            qe: qe(),
        };
        set(&mut forge.header, 0, &[4, 0, 2, 0, 0x81]);
        set(&mut forge.header, 12, &VENDOR);
        set(&mut forge.body, TEE_TCB_SVN, &[5, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
        set(&mut forge.body, TD_ATTRIBUTES, &[0, 0, 0, 0x10]);
        set(&mut forge.body, XFAM, &[0xe7, 2, 6]);
        for (at, fill) in (MR_TD..REPORT_DATA).step_by(48).zip(1_u8..) {
            set(&mut forge.body, at, &[fill; 48]);
        }
        set(&mut forge.body, REPORT_DATA, &[0x64; 64]);
        set(&mut forge.qe_report, QE_ATTRIBUTES, &[0x15]);
        set(&mut forge.qe_report, QE_MR_SIGNER, &[0xdc; 32]);
        set(&mut forge.qe_report, QE_PROD_ID, &[2, 0, 5, 0]);
        forge
    }

    /// The same machine in a quote of version 5 with a report of version 1.5.
    pub(super) fn of_version_5() -> Self {
        let mut forge = Self::new();
        forge.header[0] = 5;
        forge.descriptor = vec![3, 0, 0x88, 2, 0, 0];
        let svn2 = forge.body[..16].to_vec();
        forge.body.extend(svn2);
        forge.body.extend([0; 48]);
        forge
    }

    fn signer_of(&self, what: &str) -> &Key {
        &self.keys[self.signed_by[what]]
    }

    fn certificate(&self, name: &'static str) -> Vec<u8> {
        self.certificates[name].sign(&self.keys[name], self.signer_of(name))
    }

    fn certification(&self, place: usize, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [&self.certification[place].to_le_bytes(), &length[..], data].concat()
    }

    /// The quote, its collateral, and the root.
    pub(super) fn make(&mut self) -> Made {
        let names = ["root", "issuer", "pck", "signer"];
        let certificates: BTreeMap<_, _> = names.map(|name| (name, self.certificate(name))).into();
        let key = self.keys["attestation"].point()[1..].to_vec();
        if self.qe_report[QE_REPORT_DATA..] == [0; 64] {
            let bound = Hash::of(&[&key[..], &self.qe_auth].concat());
            set(&mut self.qe_report, QE_REPORT_DATA, &bound.0);
        }
        let chain: Vec<_> = self.chain.iter().map(|name| certificates[name].clone()).collect();
        let auth_bytes = u16::try_from(self.qe_auth.len()).unwrap().to_le_bytes();
        let qe = [
            self.qe_report.clone(),
            self.signer_of("qe_report").sign_fixed(&self.qe_report),
            auth_bytes.to_vec(),
            self.qe_auth.clone(),
            self.certification(1, pem(&chain).as_bytes()),
        ];
        let signed = [&self.header[..], &self.descriptor, &self.body].concat();
        let data =
            [self.signer_of("quote").sign_fixed(&signed), key, self.certification(0, &qe.concat())]
                .concat();
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let quote = [&signed[..], &length, &data].concat();

        let signer = vec![certificates["signer"].clone(), certificates["root"].clone()];
        let document = |name, value: &Value| {
            let body = value.to_string().into_bytes();
            let signature = self.signer_of(name).sign_fixed(&body).try_into().unwrap();
            Signed { body, signature, chain: signer.clone() }
        };
        let collateral = Collateral {
            tcb_info: document("info", &self.info),
            qe_identity: document("qe", &self.qe),
            root_crl: self.root_crl.sign(self.signer_of("root_crl")),
            pck_crl: self.pck_crl.sign(self.signer_of("pck_crl")),
        };
        Made { quote, collateral, root: Fingerprint::of(&certificates["root"]) }
    }
}

/// The same collateral as the one file that caching services write.
pub(super) fn bundle(collateral: &Collateral) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (info, qe) = (&collateral.tcb_info, &collateral.qe_identity);
    let bundle = json!({
        "root_ca_crl": to_hex(&collateral.root_crl),
        "pck_crl": to_hex(&collateral.pck_crl),
        "tcb_info_issuer_chain": pem(&info.chain),
        "tcb_info": text(&info.body),
        "tcb_info_signature": to_hex(&info.signature),
        "qe_identity_issuer_chain": pem(&qe.chain),
        "qe_identity": text(&qe.body),
        "qe_identity_signature": to_hex(&qe.signature),
    });
    bundle.to_string().into_bytes()
}

/// Puts bytes into a place.
pub(super) fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn level(svn: u8, status: &str) -> Value {
    let components = vec![json!({ "svn": svn }); 16];
    json!({
        "tcb": {
            "sgxtcbcomponents": components, "pcesvn": 2 * svn, "tdxtcbcomponents": components,
        },
        "tcbDate": "2026-01-01T00:00:00Z",
        "tcbStatus": status,
        "advisoryIDs": [alloc::format!("INTEL-SA-0000{svn}")],
    })
}

/// A level that one number names.
pub(super) fn svn_level(svn: u8, status: &str) -> Value {
    json!({
        "tcb": { "isvsvn": svn }, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": status,
        "advisoryIDs": [alloc::format!("INTEL-SA-1000{svn}")],
    })
}

fn svn_levels() -> Value {
    json!([svn_level(5, "UpToDate"), svn_level(3, "OutOfDate"), svn_level(1, "Revoked")])
}

fn info() -> Value {
    let (zero, none, mask) = ("0".repeat(96), "0".repeat(16), "F".repeat(16));
    json!({
        "id": "TDX", "version": 3, "tcbType": 0, "tcbEvaluationDataNumber": 17,
        "issueDate": "2026-05-20T00:00:00Z", "nextUpdate": "2026-06-19T00:00:00Z",
        "fmspc": to_hex(&FMSPC).to_uppercase(), "pceId": "0000",
        "tdxModule": { "mrsigner": zero, "attributes": none, "attributesMask": mask },
        "tdxModuleIdentities": [{
            "id": "TDX_01", "mrsigner": zero, "attributes": none, "attributesMask": mask,
            "tcbLevels": svn_levels(),
        }],
        "tcbLevels": [
            level(5, "UpToDate"), level(4, "ConfigurationNeeded"), level(3, "OutOfDate"),
            level(1, "Revoked"),
        ],
    })
}

fn qe() -> Value {
    json!({
        "id": "TD_QE", "version": 2, "tcbEvaluationDataNumber": 18,
        "issueDate": "2026-05-21T00:00:00Z", "nextUpdate": "2026-06-20T00:00:00Z",
        "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": "DC".repeat(32), "isvprodid": 2, "tcbLevels": svn_levels(),
    })
}

const VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
pub(super) const TEE_TCB_SVN: usize = 0;
pub(super) const MR_SIGNER_SEAM: usize = 64;
pub(super) const SEAM_ATTRIBUTES: usize = 112;
pub(super) const TD_ATTRIBUTES: usize = 120;
pub(super) const XFAM: usize = 128;
pub(super) const MR_TD: usize = 136;
pub(super) const REPORT_DATA: usize = 520;
pub(super) const TEE_TCB_SVN2: usize = 584;
pub(super) const MR_SERVICE_TD: usize = 600;
pub(super) const QE_MISC_SELECT: usize = 16;
pub(super) const QE_ATTRIBUTES: usize = 48;
pub(super) const QE_MR_SIGNER: usize = 128;
pub(super) const QE_PROD_ID: usize = 256;
pub(super) const QE_SVN: usize = 258;
pub(super) const QE_REPORT_DATA: usize = 320;
