//! DER as certificates and revocation lists are written in it (X.690, RFC 5280).

use super::time::utc_time;

/// One element.
#[must_use]
pub fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, content].concat()
}

/// An extension.
#[must_use]
pub fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der(1, &[0xff]) } else { Vec::new() };
    der(0x30, &[der(6, oid), critical, der(4, value)].concat())
}

/// A name that is one common name.
#[must_use]
pub fn name(text: &str) -> Vec<u8> {
    let part = [der(6, &[0x55, 4, 3]), der(0x0c, text.as_bytes())].concat();
    der(0x30, &der(0x31, &der(0x30, &part)))
}

/// The extensions of an issuer, or of a leaf.
pub(super) fn extensions(issues: bool) -> Vec<u8> {
    let (constraints, usage): (&[u8], &[u8]) = if issues {
        (&[0x30, 3, 1, 1, 0xff], &[3, 2, 1, 6])
    } else {
        (&[0x30, 0], &[3, 2, 7, 0x80])
    };
    [extension(&[0x55, 0x1d, 19], true, constraints), extension(&[0x55, 0x1d, 15], true, usage)]
        .concat()
}

/// A certificate as it will be written.
pub(super) struct Draft<'a> {
    pub(super) serial: u8,
    pub(super) subject: &'a str,
    pub(super) issuer: &'a str,
    /// SubjectPublicKeyInfo.
    pub(super) spki: &'a [u8],
    /// All of them.
    pub(super) extensions: Vec<u8>,
}

impl Draft<'_> {
    /// The certificate; valid from 2020 to the end of 2049.
    pub(super) fn sign(&self, algorithm: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let algorithm = der(0x30, algorithm);
        let validity = [der(0x17, b"200101000000Z"), der(0x17, b"491231235959Z")].concat();
        let tbs = [
            der(0xa0, &[2, 1, 2]),
            der(2, &[self.serial]),
            algorithm.clone(),
            name(self.issuer),
            der(0x30, &validity),
            name(self.subject),
            self.spki.to_vec(),
            der(0xa3, &der(0x30, &self.extensions)),
        ];
        signed(&tbs.concat(), &algorithm, sign)
    }
}

/// A revocation list of this issuer that names these serial numbers, from yesterday on.
pub(super) fn list(
    issuer: &str,
    serials: &[u8],
    algorithm: &[u8],
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let algorithm = der(0x30, algorithm);
    let [this, next] = [-1, 30].map(|days| der(0x17, utc_time(days).as_bytes()));
    let entry = |serial: &u8| der(0x30, &[der(2, &[*serial]), this.clone()].concat());
    let entries: Vec<u8> = serials.iter().flat_map(entry).collect();
    let number = extension(&[0x55, 0x1d, 20], false, &[2, 1, 1]);
    let tbs = [
        der(2, &[1]),
        algorithm.clone(),
        name(issuer),
        this.clone(),
        next,
        if entries.is_empty() { Vec::new() } else { der(0x30, &entries) },
        der(0xa0, &der(0x30, &number)),
    ];
    signed(&tbs.concat(), &algorithm, sign)
}

fn signed(tbs: &[u8], algorithm: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let tbs = der(0x30, tbs);
    let signature = der(3, &[&[0][..], &sign(&tbs)].concat());
    der(0x30, &[tbs, algorithm.to_vec(), signature].concat())
}
