//! The served OpenAPI document, walked: every route by every role, with a body that fits its schema
//! and with bodies that break it in one place each. No answer is a fault, none is of a status or a
//! media type that the document does not name, and a body that breaks its schema is never taken.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::process::{Client, Home, Process};
use crate::steps::{Counter, RUNS};

/// The roles of each key.
const ROLES: [(&str, &[&str]); 5] = [
    ("source", &["source", "reader"]),
    ("signer", &["source"]),
    ("looker", &["reader"]),
    ("ann", &["responder"]),
    ("boss", &["admin"]),
];

/// One way in which a body is sent.
struct Case {
    what: String,
    body: Bytes,
    fits: bool,
}

/// A walk over one document.
struct Walk<'a> {
    document: &'a Value,
}

impl Walk<'_> {
    fn resolve(&self, schema: &Value) -> Value {
        match schema["$ref"].as_str() {
            Some(name) => self.document.pointer(name.trim_start_matches('#')).unwrap().clone(),
            None => schema.clone(),
        }
    }

    // The smallest number of fields, or all of them.
    fn fit(&self, schema: &Value, all: bool) -> Value {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["enum"].as_array() {
            return choices[0].clone();
        }
        match schema["type"].as_str() {
            Some("object") => self.object(&schema, all),
            Some("array") => json!([self.fit(&schema["items"], all)]),
            Some("integer") => json!(schema["minimum"].as_u64().unwrap_or(0).max(1)),
            Some("number") => json!(0.9),
            Some("string") => match schema["pattern"].as_str() {
                Some(pattern) if pattern.starts_with("^INC-") => json!("INC-1"),
                Some(_) => json!("0".repeat(64)),
                None if schema["format"] == "date-time" => json!("2026-05-25T10:00:00Z"),
                None => json!("i1"),
            },
            _ => json!("0.5"),
        }
    }

    fn object(&self, schema: &Value, all: bool) -> Value {
        let required = required(schema);
        // One of several is asked for, or none of them.
        let choice = schema["oneOf"].as_array();
        let chosen = choice.map(|all| required_of(&all[0])).unwrap_or_default();
        let other = |name: &String| {
            let of = choice.into_iter().flatten().flat_map(required_of);
            of.collect::<Vec<_>>().contains(name) && !chosen.contains(name)
        };
        let mut out = Map::new();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = all || required.contains(name) || chosen.contains(name);
            if wanted && !other(name) {
                out.insert(name.clone(), self.fit(of, all));
            }
        }
        if out.is_empty() && schema["additionalProperties"].is_object() {
            out.insert("instance".to_owned(), self.fit(&schema["additionalProperties"], all));
        }
        Value::Object(out)
    }

    // Bodies of a schema: what fits, and what breaks one thing each.
    fn cases(&self, schema: &Value) -> Vec<Case> {
        let case = |what: String, body: &Value, fits: bool| Case {
            what,
            body: Bytes::from(body.to_string()),
            fits,
        };
        let whole = self.fit(schema, true);
        let mut cases = vec![
            case("all".to_owned(), &whole, true),
            case("least".to_owned(), &self.fit(schema, false), true),
        ];
        let schema = self.resolve(schema);
        if schema.get("type").is_none() {
            return cases;
        }
        for other in [json!(null), json!("text"), json!(7), json!([[]]), json!({ "a": "b" })] {
            let loose = schema["additionalProperties"] != false && required(&schema).is_empty();
            let same = other.is_object() && schema["type"] == "object" && loose;
            if !same {
                cases.push(case(format!("instead: {other}"), &other, false));
            }
        }
        let text = whole.to_string();
        let cut = Bytes::copy_from_slice(&text.as_bytes()[..text.len() - 1]);
        cases.push(Case { what: "cut".to_owned(), body: cut, fits: false });
        cases.push(Case { what: "none".to_owned(), body: Bytes::new(), fits: false });
        for name in required(&schema) {
            let mut body = whole.clone();
            body.as_object_mut().unwrap().remove(&name);
            cases.push(case(format!("without {name}"), &body, false));
        }
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let of = self.resolve(of);
            for (what, wrong) in breaks(&of) {
                if whole.get(name).is_some() {
                    let mut body = whole.clone();
                    body[name] = wrong;
                    cases.push(case(format!("{name}: {what}"), &body, false));
                }
            }
        }
        if schema["additionalProperties"] == false {
            let mut body = whole;
            body["nobody-knows-it"] = json!(1);
            cases.push(case("more".to_owned(), &body, false));
        }
        cases
    }
}

fn required(schema: &Value) -> Vec<String> {
    required_of(schema)
}

fn required_of(schema: &Value) -> Vec<String> {
    let names = schema["required"].as_array().into_iter().flatten();
    names.filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

// Values that a schema of a field does not allow.
fn breaks(schema: &Value) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    let mut add = |what: &str, value: Value| out.push((what.to_owned(), value));
    let kind = schema["type"].as_str();
    if kind.is_some() && kind != Some("array") {
        add("a list", json!([[1]]));
    }
    if kind.is_some_and(|kind| kind != "object") {
        add("an object", json!({ "a": { "b": 1 } }));
    }
    if schema.get("enum").is_some() {
        add("another word", json!("neither"));
    }
    match kind {
        Some("string") => {
            add("a number", json!(7));
            if let Some(most) = schema["maxLength"].as_u64() {
                let long = usize::try_from(most).unwrap() + 1;
                add("too long", json!("x".repeat(long)));
            }
            if schema.get("pattern").is_some() {
                add("another spelling", json!("-"));
            }
        }
        Some("integer") => {
            add("a text", json!("7"));
            add("below", json!(-1));
            add("a fraction", json!(1.5));
            if schema["minimum"] == 1 {
                add("none", json!(0));
            }
        }
        Some("number") => {
            add("a text", json!("0.5"));
            if schema.get("maximum").is_some() {
                add("above", json!(1.5));
                add("below", json!(-0.5));
            }
        }
        _ => {}
    }
    out
}

// What a path's names stand for.
fn concrete(path: &str) -> String {
    let id = match path {
        path if path.contains("/incidents/") => "INC-1",
        path if path.contains("/approvals/") => "REQ-1",
        path if path.contains("/runs/") => "RUN-1",
        path if path.contains("/policies/") => &"0".repeat(64),
        _ => "1",
    };
    path.replace("{id}", id).replace("{name}", "g").replace("{capsule}", "c1")
}

async fn something(address: std::net::SocketAddr) {
    let mut source = Client::wait(address, "source").await;
    let signal = json!({ "kind": "other", "labels": { "instance": "i1", "alertname": "a" } });
    let (status, taken) = source.post("/v1/signals", signal.to_string().into()).await.unwrap();
    assert_eq!((status, &taken["answers"][0]["incident"]), (200, &json!("INC-1")));
    let mut ann = Client::wait(address, "ann").await;
    let ask = json!({ "action": "throttle_tenant", "args": { "tenant": "t" }, "reason": "load" });
    let path = "/v1/incidents/INC-1/approvals";
    assert_eq!(ann.post(path, ask.to_string().into()).await.unwrap().0, 200);
}

/// What was seen, by status.
type Seen = BTreeMap<u16, usize>;

async fn walk(address: std::net::SocketAddr) -> Seen {
    something(address).await;
    let mut clients = Vec::new();
    for (name, roles) in ROLES {
        clients.push((roles, Client::wait(address, name).await));
    }
    let document = clients[0].1.get("/openapi.json").await.unwrap().1;
    let document: Value = serde_json::from_slice(&document).unwrap();
    let walk = Walk { document: &document };
    let mut seen = Seen::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let none = || Case { what: "nothing".to_owned(), body: Bytes::new(), fits: true };
            let cases = if schema.is_null() { vec![none()] } else { walk.cases(schema) };
            let roles = operation["x-roles"].as_array();
            for (own, client) in &mut clients {
                let admits = |roles: &Vec<Value>| own.iter().any(|it| roles.contains(&json!(it)));
                let may = roles.is_none_or(admits);
                for case in &cases {
                    let to = concrete(path);
                    let asked = client.ask(&verb.to_uppercase(), &to, case.body.clone()).await;
                    let (status, kind, body) = asked.expect("an answer");
                    let what = format!("{verb} {to} as {own:?}, {}", case.what);
                    check(operation, &what, status, &kind, &body);
                    assert_eq!(status == 403 && code(&body) == "forbidden", !may, "{what}");
                    assert!(status != 200 || case.fits, "{what} was taken: {:?}", case.body);
                    *seen.entry(status).or_default() += 1;
                }
            }
        }
    }
    seen
}

fn code(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

// The document names the answer, and it is of the shape that it names.
#[track_caller]
fn check(operation: &Value, what: &str, status: u16, kind: &str, body: &[u8]) {
    let said = String::from_utf8_lossy(body);
    let described = &operation["responses"][status.to_string()]["content"];
    let kinds: Vec<&String> = described.as_object().into_iter().flat_map(Map::keys).collect();
    let plain = kind.split(';').next().unwrap_or_default();
    assert!(kinds.iter().any(|one| *one == plain), "{what}: {status} {kind} {said}");
    // A gate that is shut says so with 503.
    assert!(status < 500 || code(body) == "shut", "{what}: {status} {said}");
    if status >= 400 {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &answer["error"];
        assert!(error["code"].is_string() && error["message"].is_string(), "{what}: {said}");
    }
}

#[test]
fn every_route_by_every_role_answers_as_the_document_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = Home::new("{sqlite: desk.db}", RUNS);
    Counter::start().outfit(&home);
    let desk = Process::start(&home.config());
    let seen = runtime.block_on(walk(desk.address));
    for status in [200, 400, 403, 404, 409] {
        assert!(seen.contains_key(&status), "{seen:?}");
    }
    assert!(seen.values().sum::<usize>() > 1000, "{seen:?}");
    desk.stop();
}
