//! A forger: documents and chains of any shape under keys of its own.
//!
//! Untouched, what it makes verifies under its root. Tests then break one rule at a time.

use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use lucarne_ledger::cbor::Writer;

/// A P-384 key.
pub(super) struct Key(Vec<u8>);

impl Key {
    fn new() -> Self {
        let algorithm = &ECDSA_P384_SHA384_ASN1_SIGNING;
        let drawn = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self(drawn.as_ref().to_vec())
    }

    fn point(&self) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &self.0).unwrap();
        key.public_key().as_ref().to_vec()
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &self.0).unwrap();
        key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    pub(super) fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.0).unwrap();
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
pub(super) const ISSUER: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
pub(super) const ISSUER_OF_LEAVES: &[u8] = &[0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00];
pub(super) const NO_ISSUER: &[u8] = &[0x30, 0x00];
pub(super) const CERT_SIGN: &[u8] = &[0x03, 0x02, 0x02, 0x04];
pub(super) const DIGITAL_SIGNATURE: &[u8] = &[0x03, 0x02, 0x07, 0x80];

/// A certificate as it will be written.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) version: u8,
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) serial: Vec<u8>,
    pub(super) validity: [&'static str; 2],
    /// UTCTime, unless a test says otherwise.
    pub(super) time_tag: u8,
    pub(super) algorithm: Vec<u8>,
    pub(super) curve: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Draft {
    fn new(subject: &'static str, issuer: &'static str, constraints: &[u8], usage: &[u8]) -> Self {
        Self {
            version: 2,
            subject,
            issuer,
            serial: vec![1],
            validity: ["200101000000Z", "491231235959Z"],
            time_tag: 0x17,
            algorithm: vec![0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
            curve: vec![6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22],
            extensions: vec![
                extension(CONSTRAINTS, true, constraints),
                extension(USAGE, true, usage),
            ],
        }
    }

    fn sign(&self, key: &Key, issuer: &Key) -> Vec<u8> {
        let name = |text: &str| {
            let part = [der(0x06, &[0x55, 4, 3]), der(0x0c, text.as_bytes())].concat();
            der(0x30, &der(0x31, &der(0x30, &part)))
        };
        let [from, to] = self.validity.map(|time| der(self.time_tag, time.as_bytes()));
        let key = [der(0x30, &self.curve), der(3, &[&[0][..], &key.point()].concat())].concat();
        let algorithm = der(0x30, &self.algorithm);
        let tbs = der(
            0x30,
            &[
                der(0xa0, &der(2, &[self.version])),
                der(2, &self.serial),
                algorithm.clone(),
                name(self.issuer),
                der(0x30, &[from, to].concat()),
                name(self.subject),
                der(0x30, &key),
                der(0xa3, &der(0x30, &self.extensions.concat())),
            ]
            .concat(),
        );
        let signature = der(3, &[&[0][..], &issuer.sign_der(&tbs)].concat());
        der(0x30, &[tbs, algorithm, signature].concat())
    }
}

/// Everything that goes into a piece of evidence. A test changes some of it before it is made.
pub(super) struct Forge {
    /// Keys and drafts from the root to the leaf.
    pub(super) chain: Vec<(Key, Draft)>,
    /// Which key of the chain signs each certificate; the one above, unless a test says otherwise.
    pub(super) signer_of: Vec<usize>,
    /// Fields of the payload by name, in CBOR, without the certificates.
    pub(super) fields: Vec<(&'static str, Vec<u8>)>,
    /// Whether the payload is written with a definite length.
    pub(super) definite: bool,
    /// Whether the leaf's certificate comes along.
    pub(super) certificate: bool,
    /// The certificate after which a byte follows.
    pub(super) trailing_of: Option<usize>,
}

/// CBOR of what a closure writes.
pub(super) fn cbor(write: impl FnOnce(&mut Writer) -> &mut Writer) -> Vec<u8> {
    let mut out = Writer::new();
    write(&mut out);
    out.finish()
}

/// A map of registers.
pub(super) fn pcrs(registers: &[(u64, &[u8])]) -> Vec<u8> {
    cbor(|out| {
        out.map(registers.len() as u64);
        for (index, value) in registers {
            out.uint(*index).bytes(value);
        }
        out
    })
}

impl Forge {
    /// Evidence in good form: root, intermediate, leaf, and a document of 2026-01-01.
    pub(super) fn new() -> Self {
        let drafts = [
            Draft::new("root", "root", ISSUER, CERT_SIGN),
            Draft::new("middle", "root", ISSUER_OF_LEAVES, CERT_SIGN),
            Draft::new("leaf", "middle", NO_ISSUER, DIGITAL_SIGNATURE),
        ];
        let fields = vec![
            ("module_id", cbor(|out| out.text("forged"))),
            ("digest", cbor(|out| out.text("SHA384"))),
            ("timestamp", cbor(|out| out.uint(TIME_MS))),
            ("pcrs", pcrs(&[(0, &[1; 48]), (1, &[2; 48]), (2, &[3; 48])])),
            ("public_key", cbor(|out| out.null())),
            ("user_data", cbor(|out| out.bytes(&[4; 64]))),
            ("nonce", cbor(|out| out.bytes(&[5; 32]))),
        ];
        let chain = drafts.map(|draft| (Key::new(), draft)).into();
        Self {
            chain,
            signer_of: vec![0, 0, 1],
            fields,
            definite: true,
            certificate: true,
            trailing_of: None,
        }
    }

    /// Puts another value into a field, or takes it away.
    pub(super) fn set(&mut self, name: &'static str, value: Option<Vec<u8>>) {
        self.fields.retain(|(field, _)| *field != name);
        self.fields.extend(value.map(|value| (name, value)));
    }

    /// Certificates from the root to the leaf.
    pub(super) fn certificates(&self) -> Vec<Vec<u8>> {
        let signed = |((key, draft), &signer): (&(Key, Draft), &usize)| {
            draft.sign(key, &self.chain[signer].0)
        };
        let mut made: Vec<Vec<u8>> = self.chain.iter().zip(&self.signer_of).map(signed).collect();
        if let Some(index) = self.trailing_of {
            made[index].push(0);
        }
        made
    }

    /// The evidence, and the root that it is under.
    pub(super) fn make(&self) -> (Vec<u8>, Vec<u8>) {
        let certificates = self.certificates();
        let (leaf, bundle) = certificates.split_last().unwrap();
        let mut out = Writer::new();
        if self.definite {
            out.map(self.fields.len() as u64 + 1 + u64::from(self.certificate));
        } else {
            out.raw(&[0xbf]);
        }
        for (name, value) in &self.fields {
            out.text(name).raw(value);
        }
        if self.certificate {
            out.text("certificate").bytes(leaf);
        }
        out.text("cabundle").array(bundle.len() as u64);
        for certificate in bundle {
            out.bytes(certificate);
        }
        if !self.definite {
            out.raw(&[0xff]);
        }
        (self.envelope(&out.finish()), bundle[0].clone())
    }

    /// An envelope around a payload, signed by the leaf.
    pub(super) fn envelope(&self, payload: &[u8]) -> Vec<u8> {
        let header = [0xa1, 0x01, 0x38, 0x22];
        let signed =
            cbor(|out| out.array(4).text("Signature1").bytes(&header).bytes(&[]).bytes(payload));
        let signature = self.chain.last().unwrap().0.sign_fixed(&signed);
        cbor(|out| out.array(4).bytes(&header).map(0).bytes(payload).bytes(&signature))
    }
}

/// 2026-01-01T00:00:00Z.
pub(super) const TIME_MS: u64 = 1_767_225_600_000;
