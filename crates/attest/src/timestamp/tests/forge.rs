//! A forger of time stamps: an authority, its root, and answers of any shape.
//!
//! Untouched, what it makes verifies under its root. Tests then break one rule at a time.

use alloc::vec;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use crate::timestamp::algorithm::{Digest, sha1};

/// What the forger stamps.
pub(super) const DATA: &[u8] = b"a checkpoint\n";

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

/// A constructed element.
pub(super) fn list(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    der(tag, &parts.concat())
}

/// The `Name` with this common name.
pub(super) fn name(text: &str) -> Vec<u8> {
    let pair = list(0x30, &[&der(6, &[0x55, 4, 3]), &der(0x0c, text.as_bytes())]);
    der(0x30, &der(0x31, &pair))
}

pub(super) fn extension(last: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    list(0x30, &[&der(6, &[0x55, 0x1d, last]), critical, &der(4, value)])
}

/// A signed attribute with one value; the last arc of 1.2.840.113549.1.9 and more.
pub(super) fn attribute(arcs: &[u8], value: &[u8]) -> Vec<u8> {
    let oid = [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9], arcs].concat();
    list(0x30, &[&der(6, &oid), &der(0x31, value)])
}

/// Extended key usage: time stamping alone.
pub(super) const PURPOSE: &[u8] = &[0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8];
pub(super) const TST_INFO: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 16, 1, 4];
pub(super) const SHA256: &[u8] = &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
pub(super) const SHA384: &[u8] = &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
const ECDSA_SHA256: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_P256: &[u8] = &[
    0x30, 19, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];

pub(super) struct Key(EcdsaKeyPair);

impl Key {
    pub(super) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// A certificate for this key.
    fn certificate(&self, draft: &Draft, issuer: &Self) -> Vec<u8> {
        let bits = |bytes: &[u8]| list(3, &[&[0], bytes]);
        let [from, to] = draft.validity.map(|time| der(0x17, time.as_bytes()));
        let key = list(0x30, &[EC_P256, &bits(self.0.public_key().as_ref())]);
        let tbs = list(
            0x30,
            &[
                &[0xa0, 3, 2, 1, 2],
                &der(2, &[draft.serial]),
                ECDSA_SHA256,
                &name(draft.issuer),
                &list(0x30, &[&from, &to]),
                &name(draft.subject),
                &key,
                &der(0xa3, &der(0x30, &draft.extensions.concat())),
            ],
        );
        list(0x30, &[&tbs, ECDSA_SHA256, &bits(&issuer.sign(&tbs))])
    }
}

/// A certificate as it will be written.
pub(super) struct Draft {
    pub(super) serial: u8,
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) validity: [&'static str; 2],
    pub(super) extensions: Vec<Vec<u8>>,
}

/// A change of the signed attributes before they are put in order.
pub(super) type Change = fn(&mut Vec<Vec<u8>>);

/// Everything that goes into an answer. A test changes some of it before it is made.
pub(super) struct Forge {
    pub(super) root_key: Key,
    pub(super) key: Key,
    pub(super) root: Draft,
    pub(super) tsa: Draft,
    // TSTInfo, in the order of its fields; empty where there is none
    pub(super) info: [Vec<u8>; 10],
    // SignedData
    pub(super) signed_data: Vec<u8>,
    pub(super) version: u8,
    pub(super) announced: Vec<u8>,
    pub(super) content_type: Vec<u8>,
    pub(super) certificates: usize,
    pub(super) revocation: Vec<u8>,
    pub(super) signers: usize,
    // SignerInfo
    pub(super) signer_version: u8,
    pub(super) signer: Option<Vec<u8>>,
    pub(super) digest: Vec<u8>,
    pub(super) attributes: Change,
    pub(super) sorted: bool,
    pub(super) algorithm: Vec<u8>,
    pub(super) signed_by: Option<Key>,
    pub(super) unsigned: Vec<u8>,
    // TimeStampResp
    pub(super) status: Vec<u8>,
    pub(super) token: bool,
}

/// Positions in `Forge::info`.
pub(super) const VERSION: usize = 0;
pub(super) const POLICY: usize = 1;
pub(super) const IMPRINT: usize = 2;
pub(super) const SERIAL: usize = 3;
pub(super) const TIME: usize = 4;
pub(super) const ACCURACY: usize = 5;
pub(super) const ORDERING: usize = 6;
pub(super) const NONCE: usize = 7;
pub(super) const TSA: usize = 8;
pub(super) const EXTENSIONS: usize = 9;

impl Forge {
    pub(super) fn new() -> Self {
        let constraints = extension(0x13, true, &[0x30, 3, 1, 1, 0xff]);
        let validity = ["200101000000Z", "491231235959Z"];
        Self {
            root_key: Key::new(),
            key: Key::new(),
            root: Draft {
                serial: 1,
                subject: "root",
                issuer: "root",
                validity,
                extensions: vec![constraints],
            },
            tsa: Draft {
                serial: 9,
                subject: "tsa",
                issuer: "root",
                validity,
                extensions: vec![
                    extension(0x0f, true, &[3, 2, 6, 0xc0]),
                    extension(0x25, true, PURPOSE),
                    extension(0x0e, false, &der(4, &[0x1d; 20])),
                ],
            },
            info: [
                vec![2, 1, 1],
                vec![6, 2, 0x2a, 3],
                list(0x30, &[SHA256, &der(4, &Digest::Sha256.of(DATA))]),
                vec![2, 1, 5],
                der(0x18, b"20260525100000.25Z"),
                vec![0x30, 9, 2, 1, 1, 0x80, 1, 2, 0x81, 1, 3],
                vec![1, 1, 0xff],
                vec![2, 2, 0x12, 0x34],
                der(0xa0, &der(0xa4, &name("tsa"))),
                vec![],
            ],
            signed_data: vec![6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2],
            version: 3,
            announced: SHA256.to_vec(),
            content_type: TST_INFO.to_vec(),
            certificates: 1,
            revocation: vec![],
            signers: 1,
            signer_version: 1,
            signer: None,
            digest: SHA256.to_vec(),
            attributes: |_| {},
            sorted: true,
            algorithm: ECDSA_SHA256.to_vec(),
            signed_by: None,
            unsigned: vec![],
            status: vec![0x30, 3, 2, 1, 0],
            token: true,
        }
    }

    /// The answer, and its root.
    pub(super) fn make(&self) -> (Vec<u8>, Vec<u8>) {
        let root = self.root_key.certificate(&self.root, &self.root_key);
        let token = if self.token { self.make_token() } else { vec![] };
        (list(0x30, &[&self.status, &token]), root)
    }

    fn make_token(&self) -> Vec<u8> {
        let certificate = self.key.certificate(&self.tsa, &self.root_key);
        let info = der(0x30, &self.info.concat());
        let content = list(0x30, &[&self.content_type, &der(0xa0, &der(4, &info))]);
        let certificates = match self.certificates {
            0 => vec![],
            count => der(0xa0, &certificate.repeat(count)),
        };
        let signer = self.make_signer(&info, &certificate);
        let data = list(
            0x30,
            &[
                &der(2, &[self.version]),
                &der(0x31, &self.announced),
                &content,
                &certificates,
                &self.revocation,
                &der(0x31, &signer.repeat(self.signers)),
            ],
        );
        list(0x30, &[&self.signed_data, &der(0xa0, &data)])
    }

    fn make_signer(&self, info: &[u8], certificate: &[u8]) -> Vec<u8> {
        let by_sha256 = der(0x30, &der(0x30, &der(0x30, &der(4, &Digest::Sha256.of(certificate)))));
        let serial = der(2, &[self.tsa.serial]);
        let issuer = list(0x30, &[&der(0x30, &der(0xa4, &name(self.tsa.issuer))), &serial]);
        let entry = list(0x30, &[&der(4, &sha1(certificate)), &issuer]);
        let mut attributes = vec![
            attribute(&[3], TST_INFO),
            attribute(&[4], &der(4, &Digest::Sha256.of(info))),
            attribute(&[16, 2, 12], &der(0x30, &der(0x30, &entry))),
            attribute(&[16, 2, 47], &by_sha256),
        ];
        (self.attributes)(&mut attributes);
        attributes.sort();
        if !self.sorted {
            attributes.reverse();
        }
        let attributes = attributes.concat();
        let key = self.signed_by.as_ref().unwrap_or(&self.key);
        let signature = der(4, &key.sign(&der(0x31, &attributes)));
        let named = list(0x30, &[&name(self.tsa.issuer), &serial]);
        list(
            0x30,
            &[
                &der(2, &[self.signer_version]),
                self.signer.as_ref().unwrap_or(&named),
                &self.digest,
                &der(0xa0, &attributes),
                &self.algorithm,
                &signature,
                &self.unsigned,
            ],
        )
    }
}
