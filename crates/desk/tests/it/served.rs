//! A desk with runbooks behind its HTTP interface: a run is started, keeps evidence, shuts a gate,
//! asks people, and goes on where it was after a restart.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_desk::bundle::verify::verify;
use lucarne_desk::config::File;
use lucarne_desk::exchange::{Call, Names};
use lucarne_desk::service;
use lucarne_ledger::key::PublicKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::process::rest;
use crate::world::World;

const CONFIG: &str = "
listen: 127.0.0.1:0
name: desk-1
identity: identity
store: {sqlite: desk.db}
keys:
  - {name: prom, roles: [source], token_file: source}
  - {name: ann, roles: [responder], token_file: ann, person: {employee: '1', groups: [security]}}
  - {name: ben, roles: [responder], token_file: ben, person: {employee: '2', groups: [security]}}
  - {name: eve, roles: [responder], token_file: eve, person: {employee: '3', groups: [ciso]}}
runs: {runbooks: runbooks, catalogue: catalogue.yaml, evidence: evidence, sealing_key: key.pem}
";

const RUNBOOK: &str = "
runbook: short
title: keeps, shuts, asks, acts and looks
kinds: [other]
inputs: [instance]
steps:
  - {id: look, phase: diagnosing, timeout_seconds: 30,
     do: {query: {source: http, text: 'what it says', evidence: said}}}
  - {id: shut, phase: containing, timeout_seconds: 30,
     do: {act: {action: close_gate, effect: reversible, args: {gate: '{instance}'},
     undo: open_gate}}}
  - {id: keep, phase: preserving, timeout_seconds: 60,
     do: {preserve: {items: [said], seal: true}}}
  - {id: ask, phase: recovering, timeout_seconds: 900,
     do: {approve: {action: replace, n: 2, groups: [security, ciso]}}}
  - {id: replace, phase: recovering, timeout_seconds: 30,
     do: {act: {action: replace_it, effect: destructive, args: {instance: '{instance}'},
     requires_evidence: [said]}}}
  - {id: ready, phase: validating, timeout_seconds: 60,
     do: {check: {probe: ready, expect: '200'}}}
";

const CATALOGUE: &str = "
collectors: {said: {from: {http: {url: AT/said}}}}
actions: {replace_it: {by: {http: {url: 'AT/replace/{instance}', method: POST}}}}
probes: {ready: {by: {ready: {url: AT/ready}}}}
";

struct Desk {
    at: String,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl Desk {
    async fn start(dir: &Path) -> Self {
        let file = File::read(&dir.join("desk.yaml")).unwrap();
        let listener = TcpListener::bind(file.listen).await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(async move {
            service::serve(&file, listener, stopped, || ()).await.unwrap();
        });
        Self { at, stop, running }
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
    }

    async fn call(
        &self,
        dir: &Path,
        who: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let call = Call {
            method: method.to_owned(),
            body: body.map(|body| body.to_string()),
            token_file: Some(dir.join(who)),
            ..Call::get(format!("{}{path}", self.at))
        };
        let answered = call.send(&Names::new(), &[], Duration::from_secs(20)).await.unwrap();
        (answered.status, serde_json::from_slice(&answered.body).unwrap_or_default())
    }

    async fn at_step(&self, dir: &Path, standing: &str, step: &Value) -> Value {
        for _ in 0..200 {
            let (_, run) = self.call(dir, "ann", "GET", "/v1/runs/RUN-1", None).await;
            let asked = step != "ask" || run["asked"] != json!({});
            if run["standing"] == standing && run["step"] == *step && asked {
                return run;
            }
            rest(Duration::from_millis(100)).await;
        }
        let (_, run) = self.call(dir, "ann", "GET", "/v1/runs/RUN-1", None).await;
        panic!("{run}");
    }
}

fn start(runbook: &str) -> Value {
    let inputs = json!({ "instance": "i1" });
    json!({ "incident": "INC-1", "runbook": runbook, "inputs": inputs })
}

fn write(dir: &Path, world: &World) -> PublicKey {
    for name in ["source", "ann", "ben", "eve"] {
        std::fs::write(dir.join(name), format!("{name}-token-0123456789")).unwrap();
    }
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let text = STANDARD.encode(key.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    std::fs::write(dir.join("key.pem"), pem).unwrap();
    std::fs::create_dir(dir.join("runbooks")).unwrap();
    std::fs::write(dir.join("runbooks/short.yaml"), RUNBOOK).unwrap();
    std::fs::write(dir.join("catalogue.yaml"), CATALOGUE.replace("AT", &world.at)).unwrap();
    std::fs::write(dir.join("desk.yaml"), CONFIG).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref()).unwrap();
    PublicKey::from_p256_point(pair.public_key().as_ref()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_a_restart_and_its_bag_verifies() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let dir = dir.path();
    let key = write(dir, &world);
    service::check(&dir.join("desk.yaml")).unwrap();
    world.says("/said", 200, "it burns");
    world.says("/replace/i1", 200, "");
    world.says("/ready", 200, "");
    let desk = Desk::start(dir).await;
    let signal = json!({ "kind": "other", "labels": { "instance": "i1", "alertname": "x" } });
    let (status, _) = desk.call(dir, "source", "POST", "/v1/signals", Some(signal)).await;
    assert_eq!(status, 200);
    let unknown = desk.call(dir, "ann", "POST", "/v1/runs", Some(start("long"))).await;
    assert_eq!(unknown.0, 404, "a text of the caller is never run");
    let (status, begun) = desk.call(dir, "ann", "POST", "/v1/runs", Some(start("short"))).await;
    assert_eq!((status, &begun["run"]), (200, &json!("RUN-1")), "{begun}");
    let run = desk.at_step(dir, "running", &json!("ask")).await;
    assert_eq!(run["asked"]["replace"], "REQ-1");
    assert_eq!(desk.call(dir, "ann", "GET", "/v1/gates/i1", None).await.0, 503);
    desk.stop().await;
    let desk = Desk::start(dir).await;
    let (_, request) = desk.call(dir, "ann", "GET", "/v1/approvals/REQ-1", None).await;
    let approve = json!({ "digest": request["digest"] });
    for (who, expected) in [("ann", 403), ("ben", 200), ("eve", 200)] {
        let path = "/v1/approvals/REQ-1/approve";
        let (status, said) = desk.call(dir, who, "POST", path, Some(approve.clone())).await;
        assert_eq!(status, expected, "{who}: {said}");
    }
    let run = desk.at_step(dir, "done", &Value::Null).await;
    assert_eq!(run["answers"]["ready"], "200");
    assert_eq!(world.changed(), ["/replace/i1"], "once");
    let report = verify(&dir.join("evidence/INC-1-RUN-1.bag"), &[key]).unwrap();
    assert_eq!(report.worst(), None, "{report:?}");
    let (_, runs) = desk.call(dir, "ann", "GET", "/v1/runs", None).await;
    assert_eq!(runs.as_array().unwrap().len(), 1);
    let (_, books) = desk.call(dir, "ann", "GET", "/v1/runbooks", None).await;
    assert_eq!(books[0]["runbook"], "short");
    let stop = json!({ "reason": "late" });
    let late = desk.call(dir, "ann", "POST", "/v1/runs/RUN-1/abort", Some(stop)).await;
    assert_eq!((late.0, &late.1["error"]["code"]), (409, &json!("not_next")));
    desk.stop().await;
}

const RULE: &str = "
rules:
  - {name: NAME, kind: telemetry_gap, above: 0.5, ready: {call: {url: AT/down}},
     labels: {instance: i1}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_running_desk_asks_the_rules_that_its_file_names_now() {
    let (world, dir) = (World::start().await, tempfile::tempdir().unwrap());
    let dir = dir.path();
    write(dir, &world);
    world.says("/down", 503, "no");
    let desk = Desk::start(dir).await;
    let catalogue = CATALOGUE.replace("AT", &world.at);
    let rule = |name: &str| RULE.replace("AT", &world.at).replace("NAME", name);
    let write = |rules: &str| {
        std::fs::write(dir.join("catalogue.yaml"), format!("{catalogue}{rules}")).unwrap();
    };
    let reload = || desk.call(dir, "ann", "POST", "/v1/rules/reload", None);
    let said = |rules: u64, new: &[&str], gone: &[&str]| {
        (200, json!({ "rules": rules, "new": new, "gone": gone }))
    };
    assert_eq!(reload().await, said(0, &[], &[]));
    write(&rule("one"));
    assert_eq!(reload().await, said(1, &["one"], &[]));
    assert_eq!(reload().await, said(1, &[], &[]));
    // A person has to name it before it is asked: no caller can.
    let by_source = desk.call(dir, "source", "POST", "/v1/rules/reload", None).await;
    assert_eq!(by_source.0, 403);
    for (text, why) in [("rules: [", "line "), ("rules: [{name: x, kind: other}]", "rule x: ")] {
        write(text);
        let (status, refused) = reload().await;
        let message = refused["error"]["message"].as_str().unwrap();
        let stay = format!("the rules stay as they are: {why}");
        assert!(status == 409 && message.starts_with(&stay), "{status} {refused}");
    }
    write(&rule("other"));
    assert_eq!(reload().await, said(1, &["other"], &["one"]));
    for _ in 0..200 {
        let (_, incidents) = desk.call(dir, "ann", "GET", "/v1/incidents", None).await;
        if incidents[0]["incident"]["labels"]["alertname"] == "other" {
            desk.stop().await;
            return;
        }
        rest(Duration::from_millis(100)).await;
    }
    let (_, incidents) = desk.call(dir, "ann", "GET", "/v1/incidents", None).await;
    panic!("{incidents}");
}
