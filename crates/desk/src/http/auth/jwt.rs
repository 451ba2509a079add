//! A signed token (RFC 7519 as a compact JWS, RFC 7515 §3.1): read strictly, verified, and only
//! then looked into.
//!
//! Two algorithms are known and both have a public key: what a token says of its algorithm must be
//! what its key is for, so that none and no shared secret can be asked for. Extensions that must be
//! understood (`crit`) are not.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::AuthRefusal;
use super::jwks::{Algorithm, Jwks};

/// A token that nobody has believed yet.
pub(crate) struct Token {
    algorithm: Algorithm,
    kid: String,
    signed: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// What a token says, once it is verified.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: Audience,
    exp: u64,
    nbf: Option<u64>,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

impl Token {
    /// Reads a token without believing it.
    ///
    /// # Errors
    /// When it is none, or is signed by nothing that could be believed.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthRefusal> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(AuthRefusal::Malformed);
        };
        if text.len() > TOKEN_BYTES_MAX {
            return Err(AuthRefusal::Malformed);
        }
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthRefusal::Malformed);
        let read: Header =
            serde_json::from_slice(&decoded(header)?).map_err(|_| AuthRefusal::Malformed)?;
        let algorithm = Algorithm::of(&read.alg).ok_or(AuthRefusal::Algorithm)?;
        if read.crit.is_some() {
            return Err(AuthRefusal::Malformed);
        }
        Ok(Self {
            algorithm,
            kid: read.kid.ok_or(AuthRefusal::Key)?,
            signed: format!("{header}.{claims}").into_bytes(),
            claims: decoded(claims)?,
            signature: decoded(signature)?,
        })
    }

    /// What it says, if a key of the set has signed it.
    ///
    /// # Errors
    /// When none has.
    pub(crate) fn verify(&self, keys: &Jwks) -> Result<Claims, AuthRefusal> {
        let key = keys.get(&self.kid).ok_or(AuthRefusal::Key)?;
        if key.algorithm() != self.algorithm {
            return Err(AuthRefusal::Algorithm);
        }
        if !key.verifies(&self.signed, &self.signature) {
            return Err(AuthRefusal::Signature);
        }
        serde_json::from_slice(&self.claims).map_err(|_| AuthRefusal::Malformed)
    }
}

impl Claims {
    /// Whether they are of this issuer, for this audience and of now; clocks may differ a little.
    ///
    /// # Errors
    /// At the first that does not hold.
    pub(super) fn hold(&self, issuer: &str, audience: &str, now_s: u64) -> Result<(), AuthRefusal> {
        if self.iss != issuer {
            return Err(AuthRefusal::Issuer);
        }
        let for_us = match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Some(some) => some.iter().any(|one| one == audience),
        };
        if !for_us {
            return Err(AuthRefusal::Audience);
        }
        if self.exp.saturating_add(LEEWAY_S) <= now_s {
            return Err(AuthRefusal::Expired);
        }
        match self.nbf {
            Some(from) if from > now_s.saturating_add(LEEWAY_S) => Err(AuthRefusal::NotYet),
            _ => Ok(()),
        }
    }

    /// A claim that is a text or a number.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.more.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A claim that is a text or a list of texts.
    pub(super) fn texts(&self, name: &str) -> BTreeSet<String> {
        match self.more.get(name) {
            Some(Value::String(text)) => BTreeSet::from([text.clone()]),
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => BTreeSet::new(),
        }
    }
}

/// Tokens with hundreds of groups have ten kilobytes.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// What clocks differ by.
const LEEWAY_S: u64 = 30;
