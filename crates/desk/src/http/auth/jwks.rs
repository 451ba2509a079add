//! The keys of an issuer (RFC 7517), of the two kinds that sign tokens: RSA from 2048 bits and
//! P-256.
//!
//! Keys of other kinds, for other uses or without a name are passed over, since providers publish
//! them beside those that sign. Two keys of one name are no set at all.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// By what a token is signed (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

impl Algorithm {
    /// By its name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A set of keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Jwks {
    keys: BTreeMap<String, Key>,
}

/// A key that signs tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    /// Modulus and exponent, big-endian.
    Rsa(Vec<u8>, Vec<u8>),
    /// The point, uncompressed.
    P256(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    /// Reads a set; nothing when it is none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let set: Set = serde_json::from_slice(bytes).ok()?;
        if set.keys.len() > KEYS_MAX {
            return None;
        }
        let mut keys = BTreeMap::new();
        for written in set.keys {
            let Some((kid, key)) = written.key() else { continue };
            if keys.insert(kid, key).is_some() {
                return None;
            }
        }
        Some(Self { keys })
    }

    pub(super) fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid)
    }
}

impl Written {
    fn key(self) -> Option<(String, Key)> {
        let kid = self.kid.filter(|kid| !kid.is_empty())?;
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let part = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let key = match self.kty.as_str() {
            "RSA" => Key::Rsa(part(self.n)?, part(self.e)?),
            "EC" if self.crv.as_deref() == Some("P-256") => {
                let (x, y) = (part(self.x)?, part(self.y)?);
                if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
                    return None;
                }
                Key::P256([&[4][..], &x, &y].concat())
            }
            _ => return None,
        };
        let fits = self.alg.is_none_or(|alg| Algorithm::of(&alg) == Some(key.algorithm()));
        fits.then_some((kid, key))
    }
}

impl Key {
    /// What it is for, and nothing else.
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(..) => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether it has signed this; a key that is none has signed nothing.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
        }
    }
}

/// Providers show two or three, and many tenants' worth of them at most.
const KEYS_MAX: usize = 100;
const COORDINATE_BYTES: usize = 32;
