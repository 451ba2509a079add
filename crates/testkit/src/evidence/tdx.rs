//! A machine with TDX: its quoting enclave, and Intel's word on it, all of the test's own making.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use serde_json::{Value, json};

use super::der::{Draft, der, extension, extensions, list};
use super::time::rfc3339;

/// A machine that is up to date, and the trust domain in it.
#[derive(Debug)]
pub struct TdxMachine {
    root: Key,
    issuer: Key,
    pck: Key,
    signer: Key,
    attestation: Key,
    // Of the root, of the PCK's issuer, of the PCK, of the signer of documents: no two signatures
    // are alike, so each is made once.
    certificates: [Vec<u8>; 4],
    /// MRTD of the TD.
    pub mrtd: [u8; 48],
    /// RTMR0 to RTMR3.
    pub rtmr: [[u8; 48]; 4],
    /// Attributes of the TD; bit 0 of the first byte is debug mode.
    pub attributes: [u8; 8],
}

impl TdxMachine {
    /// A machine with keys of its own.
    #[must_use]
    pub fn new() -> Self {
        let [root, issuer, pck, signer, attestation] = [(); 5].map(|()| Key::new());
        let certificates = [
            certificate((1, ROOT, ROOT), &root, &root, extensions(true)),
            certificate((2, PLATFORM, ROOT), &issuer, &root, extensions(true)),
            certificate(
                (3, PCK, PLATFORM),
                &pck,
                &issuer,
                [extensions(false), platform()].concat(),
            ),
            certificate((4, SIGNER, ROOT), &signer, &root, extensions(false)),
        ];
        Self {
            certificates,
            root,
            issuer,
            pck,
            signer,
            attestation,
            mrtd: [0xa1; 48],
            rtmr: [[5; 48], [6; 48], [7; 48], [8; 48]],
            attributes: [0, 0, 0, 0x10, 0, 0, 0, 0],
        }
    }

    /// SHA-256 of its root, in hex.
    #[must_use]
    pub fn root_sha256(&self) -> String {
        hex(digest(&SHA256, &self.certificates[0]).as_ref())
    }

    /// A quote of version 4 over this report data.
    #[must_use]
    pub fn quote(&self, report_data: &[u8; 64]) -> Vec<u8> {
        let mut signed = vec![0; 48 + 584];
        set(&mut signed, 0, &[4, 0, 2, 0, 0x81]);
        set(&mut signed, 12, &VENDOR);
        let body = &mut signed[48..];
        set(body, 0, &[5, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
        set(body, 120, &self.attributes);
        set(body, 128, &[0xe7, 2, 6]);
        set(body, 136, &self.mrtd);
        for (at, rtmr) in (328..).step_by(48).zip(&self.rtmr) {
            set(body, at, rtmr);
        }
        set(body, 520, report_data);

        let (key, auth) = (self.attestation.point()[1..].to_vec(), [8; 32]);
        let mut qe = vec![0; 384];
        set(&mut qe, 48, &[0x15]);
        set(&mut qe, 128, &[0xdc; 32]);
        set(&mut qe, 256, &[2, 0, 5, 0]);
        set(&mut qe, 320, digest(&SHA256, &[&key[..], &auth].concat()).as_ref());
        let [root, issuer, pck, _] = &self.certificates;
        let chain = pem(&[pck, issuer, root]);
        let certified = [
            &qe[..],
            &self.pck.fixed(&qe),
            &32_u16.to_le_bytes(),
            &auth,
            &certification(5, chain.as_bytes()),
        ];
        let data =
            [&self.attestation.fixed(&signed)[..], &key, &certification(6, &certified.concat())]
                .concat();
        [&signed[..], &length(&data), &data].concat()
    }

    /// Intel's documents in one file, good from yesterday on.
    #[must_use]
    pub fn bundle(&self) -> Vec<u8> {
        let [root, .., signer] = &self.certificates;
        let chain = pem(&[signer, root]);
        let (info, qe) = (info().to_string(), qe_identity().to_string());
        let root_crl = list(ROOT, &[99], ECDSA, |it| self.root.der(it));
        let pck_crl = list(PLATFORM, &[99], ECDSA, |it| self.issuer.der(it));
        let bundle = json!({
            "root_ca_crl": hex(&root_crl),
            "pck_crl": hex(&pck_crl),
            "tcb_info_issuer_chain": chain,
            "tcb_info_signature": hex(&self.signer.fixed(info.as_bytes())),
            "tcb_info": info,
            "qe_identity_issuer_chain": chain,
            "qe_identity_signature": hex(&self.signer.fixed(qe.as_bytes())),
            "qe_identity": qe,
        });
        bundle.to_string().into_bytes()
    }

    /// A revocation list, in DER, that names the issuer of its PCK.
    #[must_use]
    pub fn revocation_of_issuer(&self) -> Vec<u8> {
        list(ROOT, &[2], ECDSA, |it| self.root.der(it))
    }
}

impl Default for TdxMachine {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Key(EcdsaKeyPair, EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        let drawn = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let der = drawn.to_pkcs8v1().expect("its bytes");
        let fixed = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref());
        Self(drawn, fixed.expect("the same key"))
    }

    fn point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn spki(&self) -> Vec<u8> {
        let key = der(3, &[&[0][..], self.point()].concat());
        der(0x30, &[der(0x30, P256), key].concat())
    }

    fn der(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    fn fixed(&self, message: &[u8]) -> Vec<u8> {
        self.1.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }
}

/// A certificate by serial number, subject and issuer.
fn certificate(
    (serial, subject, issuer): (u8, &str, &str),
    key: &Key,
    signer: &Key,
    extensions: Vec<u8>,
) -> Vec<u8> {
    let draft = Draft { serial, subject, issuer, spki: &key.spki(), extensions };
    draft.sign(ECDSA, |message| signer.der(message))
}

/// The description of the machine in the certificate of its key.
fn platform() -> Vec<u8> {
    let entry = |number: &[u8], value: Vec<u8>| {
        der(0x30, &[der(6, &[SGX, number].concat()), value].concat())
    };
    let mut tcb: Vec<_> = (1..17).map(|number| entry(&[2, number], der(2, &[5]))).collect();
    tcb.push(entry(&[2, 17], der(2, &[10])));
    tcb.push(entry(&[2, 18], der(4, &[5; 16])));
    let flags = (1..4).map(|number| entry(&[7, number], der(1, &[0])));
    let entries = [
        entry(&[1], der(4, &[7; 16])),
        entry(&[2], der(0x30, &tcb.concat())),
        entry(&[3], der(4, &[0, 0])),
        entry(&[4], der(4, &FMSPC)),
        entry(&[5], der(0x0a, &[1])),
        entry(&[7], der(0x30, &flags.collect::<Vec<_>>().concat())),
    ];
    extension(SGX, false, &der(0x30, &entries.concat()))
}

fn levels() -> Value {
    json!([{ "tcb": { "isvsvn": 5 }, "tcbDate": "2020-01-01T00:00:00Z", "tcbStatus": "UpToDate" }])
}

fn info() -> Value {
    let (zero, none, mask) = ("0".repeat(96), "0".repeat(16), "F".repeat(16));
    let components = vec![json!({ "svn": 5 }); 16];
    json!({
        "id": "TDX", "version": 3, "tcbType": 0, "tcbEvaluationDataNumber": 17,
        "issueDate": rfc3339(-1), "nextUpdate": rfc3339(29),
        "fmspc": hex(&FMSPC).to_uppercase(), "pceId": "0000",
        "tdxModule": { "mrsigner": zero, "attributes": none, "attributesMask": mask },
        "tdxModuleIdentities": [{
            "id": "TDX_01", "mrsigner": zero, "attributes": none, "attributesMask": mask,
            "tcbLevels": levels(),
        }],
        "tcbLevels": [{
            "tcb": {
                "sgxtcbcomponents": components, "pcesvn": 10, "tdxtcbcomponents": components,
            },
            "tcbDate": "2020-01-01T00:00:00Z", "tcbStatus": "UpToDate",
        }],
    })
}

fn qe_identity() -> Value {
    json!({
        "id": "TD_QE", "version": 2, "tcbEvaluationDataNumber": 17,
        "issueDate": rfc3339(-1), "nextUpdate": rfc3339(29),
        "miscselect": "00000000", "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": "DC".repeat(32), "isvprodid": 2, "tcbLevels": levels(),
    })
}

fn certification(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &length(data), data].concat()
}

fn length(data: &[u8]) -> [u8; 4] {
    u32::try_from(data.len()).expect("short").to_le_bytes()
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pem(certificates: &[&Vec<u8>]) -> String {
    let text = |der: &&Vec<u8>| {
        let body = base64(der);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("ASCII")).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
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

const ROOT: &str = "Intel SGX Root CA";
const PLATFORM: &str = "Intel SGX PCK Platform CA";
const PCK: &str = "Intel SGX PCK Certificate";
const SIGNER: &str = "Intel SGX TCB Signing";
const FMSPC: [u8; 6] = [0xb0, 0xc0, 0x6f, 0, 0, 0];
/// `ecdsa-with-SHA256` (RFC 5758 §3.2).
const ECDSA: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// `id-ecPublicKey` with `secp256r1` (RFC 5480 §2.1.1).
const P256: &[u8] =
    &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// 1.2.840.113741.1.13.1.
const SGX: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 13, 1];
const VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
