//! A desk that takes tokens of an identity provider beside its keys: who comes with one is a person
//! of the log, and the same human with a key and with a token is one human.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lucarne_desk::config::File;
use lucarne_desk::exchange::{Call, Names};
use lucarne_desk::service;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

const CONFIG: &str = "
listen: 127.0.0.1:0
name: desk-1
identity: identity
store: {sqlite: desk.db}
keys:
  - {name: prom, roles: [source], token_file: prom}
  - {name: ben, roles: [responder], token_file: ben, person: {employee: '2', groups: [compliance]}}
  - {name: ann, roles: [responder], token_file: ann, person: {employee: '1', groups: [security]}}
provider:
  issuer: https://id.example
  audience: desk
  keys: {file: jwks.json}
  employee_claim: employee
  roles: {responder: [oncall], reader: [auditors]}
  groups: {security: [sec]}
";

struct Issuer {
    pair: EcdsaKeyPair,
}

impl Issuer {
    fn new(dir: &Path) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "1", "x": part(x), "y": part(y) });
        std::fs::write(dir.join("jwks.json"), json!({ "keys": [key] }).to_string()).unwrap();
        Self { pair }
    }

    /// Writes the token of somebody into a file of their name.
    fn admit(&self, dir: &Path, name: &str, employee: u64, roles: &[&str]) {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let claims = json!({ "iss": "https://id.example", "aud": ["desk"], "sub": name,
                             "exp": now.as_secs() + 600, "employee": employee, "roles": roles });
        let head = format!("{}.{}", part(json!({ "alg": "ES256", "kid": "1" })), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), head.as_bytes()).unwrap();
        let token = format!("{head}.{}\n", URL_SAFE_NO_PAD.encode(signature));
        std::fs::write(dir.join(name), token).unwrap();
    }
}

async fn call(at: &str, dir: &Path, who: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let method = if body.is_some() { "POST" } else { "GET" };
    let call = Call {
        method: method.to_owned(),
        body: body.map(|body| body.to_string()),
        token_file: Some(dir.join(who)),
        ..Call::get(format!("{at}{path}"))
    };
    let answered = call.send(&Names::new(), &[], Duration::from_secs(20)).await.unwrap();
    (answered.status, serde_json::from_slice(&answered.body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_human_is_one_with_a_key_and_with_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for name in ["prom", "ben", "ann"] {
        std::fs::write(dir.join(name), format!("{name}-token-0123456789\n")).unwrap();
    }
    std::fs::write(dir.join("desk.yaml"), CONFIG).unwrap();
    let issuer = Issuer::new(dir);
    issuer.admit(dir, "eve", 3, &["oncall", "sec"]);
    issuer.admit(dir, "ann-at-id", 1, &["oncall"]);
    issuer.admit(dir, "auditor", 4, &["auditors"]);
    issuer.admit(dir, "visitor", 5, &["visitors"]);
    service::check(&dir.join("desk.yaml")).unwrap();
    let file = File::read(&dir.join("desk.yaml")).unwrap();
    let listener = TcpListener::bind(file.listen).await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = watch::channel(false);
    let running =
        tokio::spawn(async move { service::serve(&file, listener, stopped, || ()).await });
    let at = at.as_str();
    let trip = json!({ "kind": "guard_trip", "risk": 0.95, "misses": 5,
                       "labels": { "capsule_hash": "c1" } });
    assert_eq!(call(at, dir, "prom", "/v1/signals", Some(trip)).await.0, 200);
    assert_eq!(call(at, dir, "auditor", "/v1/incidents/INC-1", None).await.0, 200);
    assert_eq!(call(at, dir, "visitor", "/v1/incidents/INC-1", None).await.0, 403);
    let ack = "/v1/incidents/INC-1/ack";
    assert_eq!(call(at, dir, "auditor", ack, Some(json!({}))).await.0, 403);
    assert_eq!(call(at, dir, "eve", ack, Some(json!({}))).await.0, 200);
    let shown = call(at, dir, "auditor", "/v1/incidents/INC-1", None).await.1;
    assert_eq!(shown["incident"]["acked"][0], "oidc:eve");

    let ask = json!({ "action": "rollback", "args": { "to": "v1" }, "reason": "r" });
    let path = "/v1/incidents/INC-1/approvals";
    let made = call(at, dir, "ann-at-id", path, Some(ask)).await;
    assert_eq!((made.0, &made.1["request"]), (200, &json!("REQ-1")), "{}", made.1);
    let digest = call(at, dir, "eve", "/v1/approvals/REQ-1", None).await.1["digest"].clone();
    let approve = || Some(json!({ "digest": digest.clone() }));
    let path = "/v1/approvals/REQ-1/approve";
    // Her key is another account of the human who asks.
    let own = call(at, dir, "ann", path, approve()).await;
    assert_eq!((own.0, &own.1["error"]["code"]), (403, &json!("own_request")));
    assert_eq!(call(at, dir, "ben", path, approve()).await.0, 200);
    assert_eq!(call(at, dir, "eve", path, approve()).await.0, 200);
    let done = call(at, dir, "ben", "/v1/approvals/REQ-1/execute", Some(json!({}))).await;
    assert_eq!(done.0, 200, "{}", done.1);
    stop.send(true).unwrap();
    running.await.unwrap().unwrap();
}
