//! The whole desk over HTTP: every route by every role, hostile bodies, and what the document says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use axum::http::Request;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::access::{KEY, Role, SIGNATURE, TIMESTAMP, signature};
use super::openapi;
use super::routes::{Access, ROUTES, Route};
use crate::config::File;
use crate::service::{self, ServiceError};

struct Site {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), ServiceError>>,
    _dir: tempfile::TempDir,
}

const CONFIG: &str = "
listen: 127.0.0.1:0
name: desk-1
identity: identity
store: {sqlite: desk.db}
keys:
  - {name: alertmanager, roles: [source], token_file: source}
  - {name: looker, roles: [reader], token_file: reader}
  - {name: ann, roles: [responder], token_file: responder,
     person: {employee: '1', groups: [security]}}
  - {name: ben, roles: [responder], token_file: ben, person: {employee: '2', groups: [compliance]}}
  - {name: boss, roles: [admin], token_file: admin}
  - {name: signer, roles: [source], hmac_file: signer}
mappings:
  shop: {kind: other, labels: {alertname: /name}, risk: /risk}
";

fn token(name: &str) -> String {
    format!("{name}-token-0123456789")
}

impl Site {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["source", "reader", "responder", "ben", "admin", "signer"] {
            std::fs::write(dir.path().join(name), token(name)).unwrap();
        }
        std::fs::write(dir.path().join("desk.yaml"), CONFIG).unwrap();
        let file = File::read(&dir.path().join("desk.yaml")).unwrap();
        let listener = TcpListener::bind(file.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let running =
            tokio::spawn(async move { service::serve(&file, listener, stopped, || ()).await });
        let site = Self { address, stop, running, _dir: dir };
        // A connection waits until it is accepted.
        assert_eq!(site.call("GET", "/ready", None, b"").await.0, 200);
        site
    }

    async fn call(&self, verb: &str, path: &str, token: Option<&str>, body: &[u8]) -> (u16, Value) {
        let bearer = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
        self.send(verb, path, &bearer.into_iter().collect::<Vec<_>>(), body).await
    }

    async fn send(
        &self,
        verb: &str,
        path: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> (u16, Value) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(verb).uri(path).header("host", "desk");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        driver.abort();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn post(&self, name: &str, path: &str, body: Value) -> (u16, Value) {
        self.call("POST", path, Some(&token(name)), body.to_string().as_bytes()).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, Some(&token("reader")), b"").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

fn alert(capsule: &str, risk: &str) -> Value {
    json!({
        "status": "firing",
        "labels": { "alertname": "GuardTrip", "capsuleHash": capsule, "risk_score": risk,
                    "heartbeat_misses": "5" },
        "startsAt": "2026-05-25T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
    })
}

fn webhook(alerts: &[Value]) -> Value {
    json!({ "version": "4", "status": "firing", "alerts": alerts })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_becomes_an_incident_that_people_work_on() {
    let site = Site::start().await;
    let path = "/v1/ingest/alertmanager";
    let (status, body) = site.post("source", path, webhook(&[alert("c1", "0.95")])).await;
    assert_eq!((status, &body["answers"][0]["rule"]), (200, &json!("D5")), "{body}");
    assert_eq!(body["answers"][0]["incident"], "INC-1");
    let again = site.post("source", path, webhook(&[alert("c1", "0.95")])).await;
    assert_eq!(again.1["answers"][0]["verdict"], "duplicate");
    let note = json!({ "text": "token is ghp_0123456789abcdefghijklmnopqrstuvwxyzAB" });
    assert_eq!(site.post("responder", "/v1/incidents/INC-1/notes", note).await.0, 200);
    assert_eq!(site.post("responder", "/v1/incidents/INC-1/ack", json!({})).await.0, 200);
    let shown = site.get("/v1/incidents/INC-1").await;
    assert_eq!(shown["incident"]["acked"][0], "ann");
    assert_eq!(site.get("/v1/incidents").await.as_array().unwrap().len(), 1);
    let timeline = site.get("/v1/incidents/INC-1/timeline").await.to_string();
    assert!(timeline.contains("note") && !timeline.contains("ghp_0123"), "{timeline}");
    let decisions = site.get("/v1/incidents/INC-1/decisions").await;
    assert_eq!(decisions.as_array().unwrap().len(), 2);
    assert_eq!(site.post("responder", "/v1/incidents/INC-9/ack", json!({})).await.0, 404);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_approve_and_a_hold_comes_first() {
    let site = Site::start().await;
    let path = "/v1/ingest/alertmanager";
    site.post("source", path, webhook(&[alert("c1", "0.95")])).await;
    let ask = json!({ "action": "throttle_tenant", "args": { "tenant": "t1" }, "reason": "load" });
    let (status, made) = site.post("responder", "/v1/incidents/INC-1/approvals", ask.clone()).await;
    assert_eq!((status, &made["request"]), (200, &json!("REQ-1")), "{made}");
    let digest = site.get("/v1/approvals/REQ-1").await["digest"].clone();
    let approve = json!({ "digest": digest });
    let own = site.post("responder", "/v1/approvals/REQ-1/approve", approve.clone()).await;
    assert_eq!((own.0, &own.1["error"]["code"]), (403, &json!("own_request")));
    let other = json!({ "digest": "0".repeat(64) });
    assert_eq!(site.post("ben", "/v1/approvals/REQ-1/approve", other).await.0, 409);
    assert_eq!(site.post("ben", "/v1/approvals/REQ-1/approve", approve).await.0, 200);
    assert_eq!(site.post("responder", "/v1/approvals/REQ-1/execute", json!({})).await.0, 200);
    assert_eq!(site.post("responder", "/v1/approvals/REQ-1/execute", json!({})).await.0, 409);
    let signal = json!({ "kind": "audit_integrity", "fault": "chain_mismatch",
                         "labels": { "instance": "i1" } });
    assert_eq!(site.post("source", "/v1/signals", signal).await.0, 200);
    assert_eq!(site.call("GET", "/v1/gates/executions", None, b"").await.0, 503);
    let restart =
        json!({ "action": "restart_instance", "args": { "instance": "i1" }, "reason": "r" });
    let held = site.post("responder", "/v1/incidents/INC-2/approvals", restart).await;
    assert_eq!((held.0, &held.1["error"]["code"]), (403, &json!("forensic_hold")));
    let why = json!({ "reason": "checked" });
    assert_eq!(site.post("responder", "/v1/gates/executions/open", why).await.0, 200);
    assert_eq!(site.call("GET", "/v1/gates/executions", None, b"").await.0, 200);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_bounded_and_hold_no_secret() {
    let site = Site::start().await;
    let window = |id: &str, text: &str, to: u64| {
        let scope = json!({ "instance": text });
        json!({ "id": id, "scope": scope, "from_ms": 1, "to_ms": to })
    };
    let path = "/v1/maintenance-windows";
    let far = crate::engine::wall_ms() + 60_000;
    let ok =
        json!({ "id": "w1", "scope": { "instance": "i1" }, "from_ms": far - 90_000, "to_ms": far });
    assert_eq!(site.post("admin", path, ok.clone()).await.0, 200);
    assert_eq!(site.get(path).await, json!([ok]));
    for (body, code) in [
        (window("", "i1", 9), "name"),
        (window("a b", "i1", 9), "name"),
        (window(&"x".repeat(65), "i1", 9), "name"),
        (window("w2", &"x".repeat(257), 9), "scope"),
        (window("w2", "4111111111111111", 9), "secret"),
        (window("w2", "i1", 1), "period"),
        (window("w2", "i1", far), "period"),
        (json!({ "id": "w2", "scope": {}, "from_ms": 1, "to_ms": 2 }), "scope"),
        (json!({ "id": "w2" }), "body"),
    ] {
        let (status, answer) = site.post("admin", path, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{body}");
    }
    let ended = site.call("DELETE", "/v1/maintenance-windows/w1", Some(&token("admin")), b"").await;
    assert_eq!(ended.0, 200);
    assert_eq!(site.get(path).await, json!([]));
    let mute = json!({ "id": "m1", "scope": { "instance": "i1" }, "for_ms": 60_000 });
    assert_eq!(site.post("responder", "/v1/mutes", mute.clone()).await.0, 200);
    assert_eq!(site.get("/v1/mutes").await, json!([mute]));
    let change = json!({ "id": "CHG-1", "scope": { "instance": "i1" }, "at_ms": 5 });
    assert_eq!(site.post("source", "/v1/changes", change.clone()).await.0, 200);
    assert_eq!(site.get("/v1/changes").await, json!([change]));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_over_the_bytes_that_came() {
    let site = Site::start().await;
    let body = webhook(&[alert("c1", "0.2")]).to_string();
    let now = crate::engine::wall_ms() / 1000;
    let headers = |at: u64, signed: &str| {
        let made = signature(token("signer").as_bytes(), at, signed.as_bytes());
        let header = |name: &str, value: String| (name.to_owned(), value);
        vec![
            header(KEY, "signer".to_owned()),
            header(TIMESTAMP, at.to_string()),
            header(SIGNATURE, made),
        ]
    };
    let path = "/v1/ingest/alertmanager";
    let good = site.send("POST", path, &headers(now, &body), body.as_bytes()).await;
    assert_eq!(good.0, 200, "{}", good.1);
    let spaced = body.replace("\":", "\": ");
    assert_eq!(site.send("POST", path, &headers(now, &body), spaced.as_bytes()).await.0, 401);
    assert_eq!(site.send("POST", path, &headers(now - 301, &body), body.as_bytes()).await.0, 401);
    assert_eq!(site.send("POST", path, &headers(now, &body)[..2], body.as_bytes()).await.0, 401);
    // Announced alone: who sends on may find the connection closed before the answer is read.
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: desk\r\nauthorization: Bearer {}\r\ncontent-length: \
         {}\r\n\r\n",
        token("source"),
        (1 << 20) + 1
    );
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(stream);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_counted_and_metrics_are_there() {
    let site = Site::start().await;
    let beat = json!({ "capsuleHash": "c1", "ts": 1 });
    assert_eq!(site.post("source", "/heartbeat", beat).await.0, 200);
    let alive = site.get("/v1/liveness/c1").await;
    assert_eq!(alive, json!({ "capsule": "c1", "misses": 0 }));
    let stranger = site.call("GET", "/v1/liveness/c2", Some(&token("reader")), b"").await;
    assert_eq!(stranger.0, 404);
    let mapped = site.post("source", "/v1/ingest/generic/shop", json!({ "name": "X" })).await;
    assert_eq!(mapped.0, 200);
    assert_eq!(site.post("source", "/v1/ingest/generic/none", json!({})).await.0, 404);
    let event = json!({ "specversion": "1.0", "type": "dev.x.guard_trip.v1", "id": "1",
                        "source": "s",
                        "data": { "capsuleHash": "c9", "riskScore": 0.9, "heartbeatMisses": 0 } });
    let (status, body) = site.post("source", "/v1/ingest/cloudevents", event).await;
    assert_eq!((status, &body["answers"][0]["rule"]), (200, &json!("D5")), "{body}");
    site.stop().await;
}

fn concrete(route: &Route) -> String {
    let name = match route.path {
        path if path.contains("/incidents/") => "INC-1",
        path if path.contains("/approvals/") => "REQ-1",
        path if path.contains("/generic/") => "shop",
        path if path.contains("/outbox/") => "1",
        _ => "c1",
    };
    let part = |part: &str| if part.starts_with('{') { name.to_owned() } else { part.to_owned() };
    route.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_admits_exactly_its_roles() {
    let site = Site::start().await;
    for route in ROUTES {
        let path = concrete(route);
        let verb = route.verb.as_str();
        let name = |role: Role| format!("{role:?}").to_lowercase();
        for role in Role::ALL {
            let (status, body) = site.call(verb, &path, Some(&token(&name(role))), b"{}").await;
            let may = match route.access {
                Access::Open => true,
                Access::Roles(roles) => roles.contains(&role),
            };
            let refused = body["error"]["code"] == "forbidden";
            assert_eq!(refused, !may, "{verb} {path} as {role:?}: {status} {body}");
            assert!(route.statuses.contains(&status), "{verb} {path}: {status} {body}");
        }
        for wrong in [None, Some("no-token-of-anybody")] {
            let (status, _) = site.call(verb, &path, wrong, b"{}").await;
            assert_eq!(status == 401, route.access != Access::Open, "{verb} {path}: {status}");
        }
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_the_routes() {
    let site = Site::start().await;
    let (status, served) = site.call("GET", "/openapi.json", None, b"").await;
    assert_eq!((status, &served), (200, &openapi::document()));
    assert_eq!(served["openapi"], "3.1.0");
    let metrics = &served["paths"]["/metrics"]["get"]["responses"]["200"]["content"];
    assert_eq!(metrics, &json!({ "text/plain": { "schema": { "type": "string" } } }));
    let mut described = BTreeMap::new();
    for (path, operations) in served["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert_eq!(described.insert(id.to_owned(), (verb, path)), None, "{id} is twice");
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            if let Some(name) = schema.as_str() {
                let found = served.pointer(name.strip_prefix('#').unwrap());
                assert!(found.is_some(), "{name}");
            }
            // It is there: whoever has no key is told so, and not that there is nothing.
            let concrete =
                path.replace("{id}", "INC-1").replace("{name}", "g").replace("{capsule}", "c");
            let (status, body) = site.call(&verb.to_uppercase(), &concrete, None, b"").await;
            assert!(
                status != 405 && body["error"]["code"] != "not_found",
                "{verb} {path}: {status}"
            );
            assert!(operation["responses"].get(status.to_string()).is_some(), "{path} {status}");
        }
    }
    assert_eq!(described.len(), ROUTES.len());
    assert_eq!(site.call("GET", "/v1/nothing", None, b"").await.0, 404);
    site.stop().await;
}

/// splitmix64: repeatable, and nothing that anybody guesses.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.next() % all.len() as u64).unwrap()]
    }

    // A value that fits a schema, or nearly.
    fn value(&mut self, schema: &Value, all: &Value, depth: u32) -> Value {
        if depth == 0 || self.next().is_multiple_of(8) {
            let odd = [
                json!(null),
                json!(-1),
                json!(1e308),
                json!(""),
                json!([]),
                json!({}),
                json!("é\u{0}"),
                json!(u64::MAX),
                json!("x".repeat(300)),
                json!(true),
            ];
            return self.pick(&odd).clone();
        }
        if let Some(name) = schema["$ref"].as_str() {
            let found = all.pointer(name.strip_prefix('#').unwrap()).unwrap().clone();
            return self.value(&found, all, depth - 1);
        }
        if let Some(choices) = schema["enum"].as_array() {
            return self.pick(choices).clone();
        }
        match schema["type"].as_str() {
            Some("object") => {
                let mut out = serde_json::Map::new();
                for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                    if !self.next().is_multiple_of(5) {
                        out.insert(name.clone(), self.value(of, all, depth - 1));
                    }
                }
                if let Some(of) = schema["additionalProperties"].as_object() {
                    let of = Value::Object(of.clone());
                    let name = (*self.pick(&["instance", "a-b", "capsule_hash", ""])).to_owned();
                    out.insert(name, self.value(&of, all, depth - 1));
                }
                Value::Object(out)
            }
            Some("array") => {
                let some = self.next() % 3;
                (0..some).map(|_| self.value(&schema["items"], all, depth - 1)).collect()
            }
            Some("integer" | "number") => json!(self.next() % 1_000_000),
            _ => json!(*self.pick(&["i1", "2026-05-25T10:00:00Z", "0.95", "4111111111111111"])),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_leads_to_a_fault_or_an_answer_that_is_not_described() {
    let site = Site::start().await;
    let document = openapi::document();
    let mut random = Random(7);
    let mut seen: BTreeMap<u16, u64> = BTreeMap::new();
    for round in 0..40 {
        for route in ROUTES {
            let schema =
                route.body.map(|name| json!({ "$ref": format!("#/components/schemas/{name}") }));
            let schema = schema.unwrap_or_default();
            let mut body = random.value(&schema, &document, 8).to_string().into_bytes();
            if round % 4 == 3 {
                let at = usize::try_from(random.next()).unwrap_or(0) % body.len();
                body[at] ^= 1 << (random.next() % 8);
            }
            let mut path = concrete(route);
            if round % 5 == 4 {
                let odd = *random.pick(&["-0", "-18446744073709551616", "-01", "%00"]);
                path = path.replace("-1", odd);
            }
            let query = *random.pick(&["", "", "?limit=0", "?limit=5&below=3", "?x=1", "?from=-1"]);
            let role = *random.pick(&["source", "reader", "responder", "admin"]);
            let to = format!("{path}{query}");
            let (status, answer) =
                site.call(route.verb.as_str(), &to, Some(&token(role)), &body).await;
            *seen.entry(status).or_default() += 1;
            let text = String::from_utf8_lossy(&body).into_owned();
            assert!(route.statuses.contains(&status), "{to} {text}: {status} {answer}");
            // A gate that is shut says so with 503; that is its answer.
            let shut = answer["error"]["code"] == "shut";
            assert!(status < 500 || shut, "{to} {text}: {status} {answer}");
        }
    }
    assert!(seen.contains_key(&200) && seen.contains_key(&400), "{seen:?}");
    assert_eq!(site.call("GET", "/ready", None, b"").await.0, 200);
    site.stop().await;
}

#[test]
fn the_configuration_says_what_is_wrong() {
    let shown = |text: &str| File::parse(text).map(|_| ()).unwrap_err().to_string();
    assert_eq!(shown("listen: nowhere"), "configuration is not of the grammar");
    assert!(File::parse(CONFIG).is_ok_and(|file| file.name == "desk-1"));
    let missing = service::check(Path::new("/nonexistent/desk.yaml")).unwrap_err();
    assert!(missing.is_configuration());
}
