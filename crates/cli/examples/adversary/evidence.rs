//! Evidence in the form of Nitro documents under roots of the adversary's own: one that the policy
//! takes for hardware, one that it names insecure, one that it does not know.

use lucarne_cli::random::Random;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::cbor::Writer;
use lucarne_ledger::hash::Hash;

use super::keys::P384;

/// A root and the one leaf below it.
pub(crate) struct Root {
    root: Vec<u8>,
    leaf: Vec<u8>,
    leaf_key: P384,
}

impl Root {
    /// A root with this common name; `INSECURE` in it marks a software TEE.
    pub(crate) fn new(random: &mut Random, name: &str) -> Self {
        let (key, leaf_key) = (P384::new(random), P384::new(random));
        let root = certificate(&key, &key.point, [name, name], [ISSUER, CERT_SIGN]);
        let leaf =
            certificate(&key, &leaf_key.point, [name, "leaf"], [NO_ISSUER, DIGITAL_SIGNATURE]);
        Self { root, leaf, leaf_key }
    }

    /// What a policy pins: SHA-256 of the root certificate, in hex.
    pub(crate) fn fingerprint(&self) -> Hash {
        Hash::of(&self.root)
    }

    /// Evidence that vouches for a binding.
    pub(crate) fn evidence(
        &self,
        binding: &EpochBinding,
        measurement: &[u8; 48],
        time_ms: u64,
    ) -> Vec<u8> {
        let mut out = Writer::new();
        out.map(9).text("module_id").text("adversary").text("digest").text("SHA384");
        out.text("timestamp").uint(time_ms).text("pcrs").map(2);
        out.uint(0).bytes(measurement).uint(1).bytes(&[2; 48]);
        out.text("certificate").bytes(&self.leaf).text("cabundle").array(1).bytes(&self.root);
        out.text("public_key").bytes(&binding.p256_spki);
        out.text("user_data").bytes(&binding.digest()).text("nonce").bytes(&binding.nonce);
        let payload = out.finish();
        let mut signed = Writer::new();
        signed.array(4).text("Signature1").bytes(PROTECTED).bytes(&[]).bytes(&payload);
        let signature = self.leaf_key.sign_fixed(&signed.finish());
        let mut out = Writer::new();
        out.array(4).bytes(PROTECTED).map(0).bytes(&payload).bytes(&signature);
        out.finish()
    }
}

/// `{1: -35}`: ES384.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
/// The content of `id-ce-basicConstraints` and `id-ce-keyUsage`, RFC 5280 §4.2.1.
const ISSUER: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
const NO_ISSUER: &[u8] = &[0x30, 0x00];
const CERT_SIGN: &[u8] = &[0x03, 0x02, 0x02, 0x04];
const DIGITAL_SIGNATURE: &[u8] = &[0x03, 0x02, 0x07, 0x80];

/// A certificate of the P-384 key at `point`: issuer and subject, constraints and usage.
fn certificate(issuer: &P384, point: &[u8], names: [&str; 2], extensions: [&[u8]; 2]) -> Vec<u8> {
    let name = |text: &str| {
        let part = [der(0x06, &[0x55, 4, 3]), der(0x0c, text.as_bytes())].concat();
        der(0x30, &der(0x31, &der(0x30, &part)))
    };
    let extension = |oid: u8, value: &[u8]| {
        let parts = [der(0x06, &[0x55, 0x1d, oid]), der(0x01, &[0xff]), der(0x04, value)];
        der(0x30, &parts.concat())
    };
    let algorithm = der(0x30, &der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]));
    let curve = [
        der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]),
        der(0x06, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
    ];
    let validity = [der(0x17, b"200101000000Z"), der(0x17, b"491231235959Z")];
    let key = [der(0x30, &curve.concat()), der(3, &[&[0], point].concat())];
    let marks = [extension(0x13, extensions[0]), extension(0x0f, extensions[1])];
    let tbs = [
        der(0xa0, &der(2, &[2])),
        der(2, &[1]),
        algorithm.clone(),
        name(names[0]),
        der(0x30, &validity.concat()),
        name(names[1]),
        der(0x30, &key.concat()),
        der(0xa3, &der(0x30, &marks.concat())),
    ];
    let tbs = der(0x30, &tbs.concat());
    let signature = der(3, &[&[0][..], &issuer.sign_der(&tbs)].concat());
    der(0x30, &[tbs, algorithm, signature].concat())
}

/// One element of DER; nothing here reaches 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}
