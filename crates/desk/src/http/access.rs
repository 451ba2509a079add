//! Who asks: local keys, as bearer tokens or as HMAC over the bytes that came.
//!
//! A token is compared by its digest, which takes no longer for a better guess. A signature is over
//! a time and the raw body; a body that was read and written again has another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::hmac;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use serde::Deserialize;

use crate::digest::Digest;
use crate::person::{Actor, PersonId};

/// What a key is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sends signals, beats and changes.
    Source,
    /// Looks.
    Reader,
    /// Works on incidents; what it may approve is a matter of its groups.
    Responder,
    /// Plans work.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Source, Self::Reader, Self::Responder, Self::Admin];
}

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// In whose name entries are written.
    pub actor: Actor,
    /// What they may.
    pub roles: BTreeSet<Role>,
}

impl Caller {
    pub(super) fn nobody() -> Self {
        Self { actor: Actor::Adapter("anybody".to_owned()), roles: BTreeSet::new() }
    }

    /// The caller that a key stands for.
    pub fn new(name: &str, roles: BTreeSet<Role>, is_person: bool) -> Self {
        let actor = if is_person {
            Actor::Person(PersonId(name.to_owned()))
        } else {
            Actor::Adapter(name.to_owned())
        };
        Self { actor, roles }
    }
}

/// All keys.
#[derive(Default)]
pub struct Keys {
    by_token: BTreeMap<Digest, Caller>,
    by_name: BTreeMap<String, (hmac::Key, Caller)>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// The name of the key that signed.
pub const KEY: &str = "lucarne-key";
/// When, seconds since 1970.
pub const TIMESTAMP: &str = "lucarne-timestamp";
/// `sha256=` and the HMAC over the timestamp, a point and the body, in hex.
pub const SIGNATURE: &str = "lucarne-signature";
/// A signature is good for so long, before and after.
const SIGNED_MS: u64 = 300_000;

impl Keys {
    /// Adds a bearer token.
    pub fn add_token(&mut self, token: &str, caller: Caller) {
        self.by_token.insert(Digest::of(token.as_bytes()), caller);
    }

    /// Adds a secret that bodies are signed with.
    pub fn add_secret(&mut self, name: &str, secret: &[u8], caller: Caller) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        self.by_name.insert(name.to_owned(), (key, caller));
    }

    pub(super) fn by_token(&self, headers: &HeaderMap) -> Option<Caller> {
        let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let token = text.strip_prefix("Bearer ")?;
        self.by_token.get(&Digest::of(token.as_bytes())).cloned()
    }

    pub(super) fn is_signed(&self, headers: &HeaderMap) -> bool {
        let name = headers.get(KEY).and_then(|name| name.to_str().ok());
        name.is_some_and(|name| self.by_name.contains_key(name)) && headers.contains_key(SIGNATURE)
    }

    pub(super) fn by_signature(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now_ms: u64,
    ) -> Option<Caller> {
        let text = |name| headers.get(name)?.to_str().ok();
        let (key, caller) = self.by_name.get(text(KEY)?)?;
        let stated = text(TIMESTAMP)?;
        let stated_ms = stated.parse::<u64>().ok()?.checked_mul(1000)?;
        if stated_ms.abs_diff(now_ms) > SIGNED_MS {
            return None;
        }
        let tag = unhex(text(SIGNATURE)?.strip_prefix("sha256=")?)?;
        let signed = [stated.as_bytes(), b".", body].concat();
        hmac::verify(key, &signed, &tag).ok().map(|()| caller.clone())
    }
}

/// The signature of a body, for whoever sends one.
pub fn signature(secret: &[u8], timestamp: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signed = [timestamp.to_string().as_bytes(), b".", body].concat();
    let tag = hmac::sign(&key, &signed);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}
