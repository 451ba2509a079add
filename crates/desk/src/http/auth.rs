//! Callers of an identity provider: a bearer token of OpenID Connect becomes a caller, by a
//! mapping of claims that the configuration has.
//!
//! Keys of the issuer come from a file or an address and are asked for again when a token names one
//! that is not known. What was fetched once stays good for a day, so that a provider that is down
//! locks nobody out whose token has not run out. A token says who somebody is; roles that the
//! configuration does not map give nothing.

mod jwks;
mod jwt;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

pub(crate) use self::jwks::Jwks;
pub(crate) use self::jwt::{Claims, Token};
use super::access::{Caller, Role};
use crate::exchange::{Call, Names};
use crate::person::{Person, PersonId};

/// An identity provider, as the configuration has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderAt {
    /// Its name, as its tokens have it in `iss`.
    pub issuer: String,
    /// The name of this desk, as tokens for it have it in `aud`.
    pub audience: String,
    /// Where its keys are.
    pub keys: KeysAt,
    /// The claim with what a person is; absent: `roles`.
    #[serde(default = "roles_claim")]
    pub claim: String,
    /// The claim that names the human; absent: each account is a human of its own.
    pub employee_claim: Option<String>,
    /// What a value of the claim may do here.
    pub roles: BTreeMap<Role, BTreeSet<String>>,
    /// For which groups a value of the claim speaks here.
    #[serde(default)]
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

fn roles_claim() -> String {
    "roles".to_owned()
}

/// Where a key set (RFC 7517) is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeysAt {
    /// A file; read again as an address is asked again.
    File(PathBuf),
    /// An address.
    Url(String),
    /// An address over TLS.
    Https(HttpsAt),
}

/// An address over TLS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpsAt {
    /// Where.
    pub url: String,
    /// PEM file of the roots.
    pub ca: PathBuf,
}

/// Why a token makes nobody a caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthRefusal {
    /// It is no signed token, or longer than 16 KiB.
    Malformed,
    /// It is signed by anything but RS256 or ES256, or not at all.
    Algorithm,
    /// It names no key, or one that its issuer does not have.
    Key,
    /// Its signature does not verify.
    Signature,
    /// It is of another issuer.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It has run out.
    Expired,
    /// It does not hold yet.
    NotYet,
    /// It does not say who is asking, or not which human that is.
    Subject,
}

impl fmt::Display for AuthRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "no signed token",
            Self::Algorithm => "token is signed by neither RS256 nor ES256",
            Self::Key => "token names no key of its issuer",
            Self::Signature => "signature of the token does not verify",
            Self::Issuer => "token is of another issuer",
            Self::Audience => "token is for somebody else",
            Self::Expired => "token has run out",
            Self::NotYet => "token does not hold yet",
            Self::Subject => "token does not say who is asking",
        })
    }
}

impl std::error::Error for AuthRefusal {}

/// An identity provider with the keys that it has shown.
#[derive(Debug)]
pub struct Provider {
    at: ProviderAt,
    keys: RwLock<Shown>,
    // when it was asked last; held while it is asked
    asked: tokio::sync::Mutex<Option<Instant>>,
    // who the desk knows already
    known: Mutex<BTreeMap<PersonId, Person>>,
}

#[derive(Debug, Default)]
struct Shown {
    set: Jwks,
    at: Option<Instant>,
}

impl Provider {
    /// One that was asked nothing; nothing for a mapping that lets nobody in, or an address that
    /// cannot be one.
    pub fn new(at: ProviderAt) -> Option<Self> {
        let named = !at.issuer.is_empty() && !at.audience.is_empty() && !at.claim.is_empty();
        let reachable = match &at.keys {
            KeysAt::File(_) => true,
            KeysAt::Url(url) => url.starts_with("http://"),
            KeysAt::Https(https) => https.url.starts_with("https://"),
        };
        let lets_in = at.roles.values().any(|values| !values.is_empty());
        (named && reachable && lets_in).then(|| Self {
            at,
            keys: RwLock::default(),
            asked: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        })
    }

    /// Who a token stands for.
    ///
    /// # Errors
    /// When it stands for nobody.
    pub async fn caller(&self, token: &str, now_s: u64) -> Result<(Caller, Person), AuthRefusal> {
        let token = Token::parse(token)?;
        // With keys that are good yet, one caller asks and the others do not wait for it.
        let must_ask = || self.is_old(KEYS_GOOD) || self.asked.try_lock().is_ok();
        if self.is_old(KEYS_FRESH) && must_ask() {
            self.ask().await;
        }
        let claims = match self.verified(&token) {
            // A provider may have turned its keys over since it was asked.
            Err(AuthRefusal::Key) if self.ask().await => self.verified(&token)?,
            other => other?,
        };
        claims.hold(&self.at.issuer, &self.at.audience, now_s)?;
        self.person(&claims)
    }

    fn verified(&self, token: &Token) -> Result<Claims, AuthRefusal> {
        if self.is_old(KEYS_GOOD) {
            return Err(AuthRefusal::Key);
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        token.verify(&keys.set)
    }

    fn is_old(&self, limit: Duration) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.at.is_none_or(|at| at.elapsed() > limit)
    }

    // Asks for the keys, unless that was just done; whether there may be others now.
    async fn ask(&self) -> bool {
        let came = Instant::now();
        let mut asked = self.asked.lock().await;
        // Who has waited for the answer to another looks at what came, and asks no more.
        if let Some(at) = asked.filter(|at| *at >= came || at.elapsed() < ASK_PAUSE) {
            return at >= came;
        }
        let set = self.fetched().await.and_then(|bytes| Jwks::parse(&bytes));
        *asked = Some(Instant::now());
        let Some(set) = set else { return false };
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Shown { set, at: Some(Instant::now()) };
        true
    }

    async fn fetched(&self) -> Option<Vec<u8>> {
        let call = match &self.at.keys {
            KeysAt::File(path) => {
                let small = std::fs::metadata(path).ok()?.len() <= KEYS_BYTES_MAX;
                return if small { std::fs::read(path).ok() } else { None };
            }
            KeysAt::Url(url) => Call::get(url.clone()),
            KeysAt::Https(at) => Call { ca: Some(at.ca.clone()), ..Call::get(at.url.clone()) },
        };
        let call = Call { method: "GET".to_owned(), ..call };
        let answered = call.send(&Names::new(), &[], ASK_TIME).await.ok()?;
        (answered.status == 200).then(|| answered.body.to_vec())
    }

    fn person(&self, claims: &Claims) -> Result<(Caller, Person), AuthRefusal> {
        let named = |text: &str| {
            (1..=SUBJECT_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !named(&claims.sub) {
            return Err(AuthRefusal::Subject);
        }
        // No subject can be the name of a local key.
        let id = format!("{PREFIX}{}", claims.sub);
        let employee = match &self.at.employee_claim {
            Some(claim) => claims.text(claim).filter(|text| named(text)),
            None => Some(id.clone()),
        };
        let employee = employee.ok_or(AuthRefusal::Subject)?;
        let values = claims.texts(&self.at.claim);
        let has = |wanted: &BTreeSet<String>| !wanted.is_disjoint(&values);
        let roles: BTreeSet<Role> =
            self.at.roles.iter().filter(|(_, wanted)| has(wanted)).map(|(role, _)| *role).collect();
        // Whoever holds no role any more is in no group that may approve either.
        let is_in = |wanted: &BTreeSet<String>| !roles.is_empty() && has(wanted);
        let groups = self.at.groups.iter().filter(|(_, wanted)| is_in(wanted));
        let groups = groups.map(|(group, _)| group.clone()).collect();
        let person = Person { id: PersonId(id.clone()), employee, groups };
        Ok((Caller::new(&id, roles, true), person))
    }

    /// Whether the desk was told of somebody as they are now.
    pub(super) fn knows(&self, person: &Person) -> bool {
        self.known().get(&person.id) == Some(person)
    }

    /// The desk was told of somebody.
    pub(super) fn told(&self, person: Person) {
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(person.id.clone(), person);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<PersonId, Person>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands before the subject of a token in the log.
const PREFIX: &str = "oidc:";
/// Providers name subjects by a hundred characters or so; the standard allows 255.
const SUBJECT_BYTES_MAX: usize = 200;
/// Keys are asked for again after so long, so that one that was taken back is no longer believed.
const KEYS_FRESH: Duration = Duration::from_secs(600);
/// For so long a provider may be away.
const KEYS_GOOD: Duration = Duration::from_secs(86_400);
/// A token with an invented key asks the provider no more often than this.
const ASK_PAUSE: Duration = Duration::from_secs(5);
/// A provider that takes longer is away.
const ASK_TIME: Duration = Duration::from_secs(5);
/// A hundred keys of 8192 bits.
pub(crate) const KEYS_BYTES_MAX: u64 = 256 << 10;
/// People that are remembered; more are told again.
const KNOWN_MAX: usize = 10_000;
