//! A little issuer with real keys, over HTTP on this machine: what is believed, and each refusal.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_779_703_200;

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Modulus and exponent of `SEQUENCE { INTEGER n, INTEGER e }` (RFC 8017 A.1.1), 2048 bits.
fn rsa_parts(der: &[u8]) -> (String, String) {
    // 30 82 len len 02 82 01 01 00 n… 02 03 e…
    assert_eq!((der[0], der[4], der[8]), (0x30, 0x02, 0x00));
    (b64(&der[9..265]), b64(&der[267..]))
}

struct Signer {
    kid: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
}

impl Signer {
    fn rsa(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    fn p256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, pair: Pair::P256(pair) }
    }

    fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = rsa_parts(pair.public_key().as_ref());
                json!({ "kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256", "n": n,
                        "e": e })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": b64(&point[1..33]),
                        "y": b64(&point[33..]) })
            }
        }
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut out).unwrap();
                out
            }
            Pair::P256(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
        }
    }

    fn token(&self, claims: &Value) -> String {
        let alg = if matches!(self.pair, Pair::Rsa(_)) { "RS256" } else { "ES256" };
        self.with_header(&json!({ "alg": alg, "typ": "JWT", "kid": self.kid }), claims)
    }

    fn with_header(&self, header: &Value, claims: &Value) -> String {
        let head = format!("{}.{}", b64(header.to_string().as_bytes()), body(claims));
        let signature = self.sign(head.as_bytes());
        format!("{head}.{}", b64(&signature))
    }
}

fn body(claims: &Value) -> String {
    b64(claims.to_string().as_bytes())
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "sub": "ann", "aud": "desk", "exp": NOW + 600,
            "nbf": NOW - 10, "roles": ["oncall", "sec"], "employee": 7 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// What an issuer shows, and how often it was asked.
struct Issuer {
    url: String,
    shows: Arc<Mutex<String>>,
    asked: Arc<AtomicU64>,
}

impl Issuer {
    fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let issuer = Self { url, shows: Arc::default(), asked: Arc::default() };
        issuer.show(signers);
        let (shows, asked) = (Arc::clone(&issuer.shows), Arc::clone(&issuer.asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut seen = [0; 4096];
                assert!(stream.read(&mut seen).unwrap() > 0);
                asked.fetch_add(1, Ordering::SeqCst);
                let body = shows.lock().unwrap().clone();
                let status = if body.is_empty() { "503 Down" } else { "200 OK" };
                let length = body.len();
                let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).unwrap();
            }
        });
        issuer
    }

    fn show(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        *self.shows.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    fn provider(&self) -> Provider {
        provider(KeysAt::Url(self.url.clone()))
    }
}

fn provider(keys: KeysAt) -> Provider {
    let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    Provider::new(ProviderAt {
        issuer: "https://id.example".to_owned(),
        audience: "desk".to_owned(),
        keys,
        claim: "roles".to_owned(),
        employee_claim: Some("employee".to_owned()),
        roles: BTreeMap::from([
            (Role::Responder, set(&["oncall"])),
            (Role::Admin, set(&["boss", "root"])),
        ]),
        groups: BTreeMap::from([("security".to_owned(), set(&["sec"]))]),
    })
    .unwrap()
}

/// As if the pause between two questions were over.
async fn later(provider: &Provider) {
    *provider.asked.lock().await = None;
}

async fn refused(provider: &Provider, token: &str) -> AuthRefusal {
    provider.caller(token, NOW).await.unwrap_err()
}

#[tokio::test]
async fn a_token_becomes_a_caller_with_the_roles_and_groups_of_its_claims() {
    for signer in [Signer::rsa("k1"), Signer::p256("k1")] {
        let issuer = Issuer::start(&[&signer]);
        let provider = issuer.provider();
        let (caller, person) = provider.caller(&signer.token(&claims()), NOW).await.unwrap();
        assert_eq!(caller, Caller::new("oidc:ann", BTreeSet::from([Role::Responder]), true));
        let groups = BTreeSet::from(["security".to_owned()]);
        let id = PersonId("oidc:ann".to_owned());
        assert_eq!(person, Person { id, employee: "7".to_owned(), groups });
        let many = with("aud", json!(["other", "desk"]));
        assert!(provider.caller(&signer.token(&many), NOW).await.is_ok());
        // Who has no role that is mapped is known, and may nothing.
        let stranger = with("roles", json!("visitor"));
        let (caller, _) = provider.caller(&signer.token(&stranger), NOW).await.unwrap();
        assert_eq!(caller.roles, BTreeSet::new());
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn each_claim_that_does_not_hold_is_a_refusal_of_its_own() {
    let signer = Signer::p256("k1");
    let issuer = Issuer::start(&[&signer]);
    let provider = issuer.provider();
    for (claims, why) in [
        (with("iss", json!("https://id.example.evil")), AuthRefusal::Issuer),
        (with("aud", json!("another")), AuthRefusal::Audience),
        (with("aud", json!([])), AuthRefusal::Audience),
        (with("exp", json!(NOW - 30)), AuthRefusal::Expired),
        (with("nbf", json!(NOW + 31)), AuthRefusal::NotYet),
        (with("sub", json!("")), AuthRefusal::Subject),
        (with("sub", json!("a b")), AuthRefusal::Subject),
        (with("employee", json!(null)), AuthRefusal::Subject),
        (with("exp", json!("tomorrow")), AuthRefusal::Malformed),
        (
            json!({ "iss": "https://id.example", "aud": "desk", "exp": NOW + 9 }),
            AuthRefusal::Malformed,
        ),
    ] {
        assert_eq!(refused(&provider, &signer.token(&claims)).await, why, "{claims}");
    }
    // Within what clocks differ by.
    for claims in [with("exp", json!(NOW - 29)), with("nbf", json!(NOW + 30))] {
        assert!(provider.caller(&signer.token(&claims), NOW).await.is_ok(), "{claims}");
    }
}

#[tokio::test]
async fn no_signature_a_foreign_one_and_a_borrowed_algorithm_are_refused() {
    let (rsa, p256, thief) = (Signer::rsa("r"), Signer::p256("p"), Signer::p256("p"));
    let issuer = Issuer::start(&[&rsa, &p256]);
    let provider = issuer.provider();
    let good = p256.token(&claims());
    assert!(provider.caller(&good, NOW).await.is_ok());
    for alg in ["none", "None", "HS256", "RS512", ""] {
        let header = json!({ "alg": alg, "kid": "r" });
        let token = rsa.with_header(&header, &claims());
        assert_eq!(refused(&provider, &token).await, AuthRefusal::Algorithm, "{alg}");
    }
    // The key decides what it is for, not the token.
    let mixed = p256.with_header(&json!({ "alg": "RS256", "kid": "p" }), &claims());
    assert_eq!(refused(&provider, &mixed).await, AuthRefusal::Algorithm);
    let critical = json!({ "alg": "ES256", "kid": "p", "crit": ["b64"] });
    let critical = p256.with_header(&critical, &claims());
    assert_eq!(refused(&provider, &critical).await, AuthRefusal::Malformed);
    assert_eq!(refused(&provider, &thief.token(&claims())).await, AuthRefusal::Signature);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = head.split_once('.').unwrap();
    let raised = body(&with("roles", json!(["root"])));
    let edited = format!("{header}.{raised}.{signature}");
    assert_eq!(refused(&provider, &edited).await, AuthRefusal::Signature);
    assert_eq!(refused(&provider, &format!("{head}.")).await, AuthRefusal::Signature);
    let nameless = p256.with_header(&json!({ "alg": "ES256" }), &claims());
    assert_eq!(refused(&provider, &nameless).await, AuthRefusal::Key);
    for broken in ["", "a.b", "a.b.c.d", &format!("{good}="), &format!("{good}.x")] {
        assert_eq!(refused(&provider, broken).await, AuthRefusal::Malformed, "{broken}");
    }
    let long = with("more", json!("x".repeat(16 << 10)));
    assert_eq!(refused(&provider, &p256.token(&long)).await, AuthRefusal::Malformed);
}

#[tokio::test]
async fn keys_turn_over_and_a_provider_that_is_down_locks_nobody_out() {
    let (old, new) = (Signer::p256("2026-05"), Signer::p256("2026-06"));
    let issuer = Issuer::start(&[&old]);
    let provider = issuer.provider();
    assert!(provider.caller(&old.token(&claims()), NOW).await.is_ok());
    issuer.show(&[&old, &new]);
    // An unknown name makes the desk ask, and not again and again.
    assert_eq!(refused(&provider, &new.token(&claims())).await, AuthRefusal::Key);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    later(&provider).await;
    assert!(provider.caller(&new.token(&claims()), NOW).await.is_ok());
    assert!(provider.caller(&old.token(&claims()), NOW).await.is_ok());
    // It takes the old one back.
    issuer.show(&[&new]);
    later(&provider).await;
    assert_eq!(refused(&provider, &Signer::p256("x").token(&claims())).await, AuthRefusal::Key);
    assert_eq!(refused(&provider, &old.token(&claims())).await, AuthRefusal::Key);
    // It is away, or says nonsense: what it said last holds.
    for said in ["", "no", "{\"keys\":7}"] {
        said.clone_into(&mut issuer.shows.lock().unwrap());
        later(&provider).await;
        assert_eq!(refused(&provider, &old.token(&claims())).await, AuthRefusal::Key);
        assert!(provider.caller(&new.token(&claims()), NOW).await.is_ok(), "{said}");
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn keys_of_a_file_are_as_good_and_none_are_none() {
    let signer = Signer::rsa("k1");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let provider = provider(KeysAt::File(path.clone()));
    assert_eq!(refused(&provider, &signer.token(&claims())).await, AuthRefusal::Key);
    std::fs::write(&path, json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
    later(&provider).await;
    assert!(provider.caller(&signer.token(&claims()), NOW).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_are_asked_for_again_and_are_good_for_a_day_and_no_longer() {
    let (old, new) = (Signer::p256("2026-05"), Signer::p256("2026-06"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let show = |signer: &Signer| {
        std::fs::write(&path, json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
    };
    show(&old);
    let provider = provider(KeysAt::File(path.clone()));
    let (taken_back, other) = (old.token(&claims()), new.token(&claims()));
    assert!(provider.caller(&taken_back, NOW).await.is_ok());
    show(&new);
    tokio::time::advance(KEYS_FRESH).await;
    assert!(provider.caller(&taken_back, NOW).await.is_ok(), "fresh yet");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(refused(&provider, &taken_back).await, AuthRefusal::Key, "it was taken back");
    assert!(provider.caller(&other, NOW).await.is_ok());
    std::fs::remove_file(&path).unwrap();
    tokio::time::advance(KEYS_GOOD).await;
    assert!(provider.caller(&other, NOW).await.is_ok(), "the provider may be away for a day");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(refused(&provider, &other).await, AuthRefusal::Key, "and no longer");
    show(&new);
    tokio::time::advance(ASK_PAUSE).await;
    assert!(provider.caller(&other, NOW).await.is_ok(), "it is back");
}

#[test]
fn a_set_passes_over_what_does_not_sign_and_has_each_name_once() {
    let signer = Signer::p256("a");
    let jwk = |name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        jwk
    };
    let held = |keys: Vec<Value>| {
        let set = Jwks::parse(json!({ "keys": keys }).to_string().as_bytes())?;
        Some(set.get("a").is_some())
    };
    assert_eq!(held(vec![signer.jwk()]), Some(true));
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("ES384")),
        ("crv", json!("P-384")),
        ("kty", json!("oct")),
        ("kid", json!("")),
        ("x", json!("AAAA")),
        ("y", json!("not base64")),
    ] {
        assert_eq!(held(vec![jwk(name, value.clone())]), Some(false), "{name} {value}");
    }
    assert_eq!(held(vec![signer.jwk(), signer.jwk()]), None);
    assert_eq!(held(vec![signer.jwk(); 101]), None);
    assert_eq!(Jwks::parse(b"{}"), None);
}

#[test]
fn a_provider_that_lets_nobody_in_is_none() {
    let at = |url: &str, issuer: &str, role: &str| {
        let values: BTreeSet<String> =
            if role.is_empty() { BTreeSet::new() } else { BTreeSet::from([role.to_owned()]) };
        Provider::new(ProviderAt {
            issuer: issuer.to_owned(),
            audience: "desk".to_owned(),
            keys: KeysAt::Url(url.to_owned()),
            claim: roles_claim(),
            employee_claim: None,
            roles: BTreeMap::from([(Role::Reader, values)]),
            groups: BTreeMap::new(),
        })
        .is_some()
    };
    assert!(at("http://id/keys", "i", "x"));
    assert!(!at("https://id/keys", "i", "x"), "TLS without roots");
    assert!(!at("http://id/keys", "", "x") && !at("http://id/keys", "i", ""));
}
