//! A runbook with every kind of step, and what its steps change: a double that counts each call
//! under its key. It answers late, so that a kill falls between what was done and the word of it.
//!
//! What is in doubt a person settles who looks at what was changed, as the page says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_desk::bundle::verify::verify;
use lucarne_desk::event::{Entry, Event, Fact, Input};
use lucarne_desk::runbook::run::RunEvent;
use lucarne_ledger::key::PublicKey;
use serde_json::{Value, json};

use crate::process::{Client, Home, rest};

/// What a home says about runs.
pub(crate) const RUNS: &str = "runs: {runbooks: runbooks, catalogue: catalogue.yaml, \
                               evidence: evidence, sealing_key: key.pem}\n";

const RUNBOOK: &str = "
runbook: campaign
title: every kind of step
kinds: [guard_trip]
inputs: [capsule]
steps:
  - {id: look, phase: diagnosing, timeout_seconds: 10,
     do: {query: {source: http, text: 'what it says', evidence: seen}}}
  - {id: shut, phase: containing, timeout_seconds: 10,
     do: {act: {action: close_gate, effect: reversible, args: {gate: '{capsule}'},
     undo: open_gate}}}
  - {id: isolate, phase: containing, timeout_seconds: 10,
     do: {act: {action: isolate, effect: reversible, undo: release}}}
  - {id: restart, phase: containing, timeout_seconds: 10,
     do: {act: {action: restart, effect: reversible, undo: restart}}}
  - {id: tell, phase: containing, timeout_seconds: 10,
     do: {notify: {to: [on-call], text: 'it was restarted'}}}
  - {id: keep, phase: preserving, timeout_seconds: 10,
     do: {preserve: {items: [seen], seal: true}}}
  - {id: replace, phase: recovering, timeout_seconds: 10,
     do: {act: {action: replace, effect: reversible, undo: replace}}}
  - {id: ready, phase: validating, timeout_seconds: 60,
     do: {check: {probe: ready, expect: '200'}}}
";
const STEPS: usize = 8;
/// The longest that a step takes, the 15 s that a desk waits longer, and a little.
const STEP: Duration = Duration::from_secs(26);
/// Steps that are asked once, whatever happens.
const ONCE: [&str; 2] = ["restart", "replace"];

const CATALOGUE: &str = "
collectors: {seen: {from: {http: {url: AT/seen}}}}
probes: {ready: {by: {ready: {url: AT/ready}}}}
actions:
  isolate: {idempotent: true, by: {http: {url: 'AT/isolate/{run}', method: POST}}}
  restart: {by: {http: {url: 'AT/restart/{run}', method: POST}}}
  replace: {by: {http: {url: 'AT/replace/{run}', method: POST}}}
";

/// Keys in the order in which they came, by path.
type Calls = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// What the steps change.
pub(crate) struct Counter {
    at: String,
    calls: Calls,
}

/// What came of runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stepped {
    /// Runs, all done.
    pub(crate) runs: usize,
    /// Steps that were begun more than once, since a kill came between.
    pub(crate) again: usize,
    /// Steps of which a person said what became of them.
    pub(crate) settled: usize,
    /// Calls beyond the first under a key that was seen already.
    pub(crate) repeated: usize,
}

impl Counter {
    /// Serves until the program ends.
    pub(crate) fn start() -> Self {
        let calls = Calls::default();
        let (say, said) = std::sync::mpsc::channel();
        let router = Router::new().fallback(count).with_state(Arc::clone(&calls));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the machine has threads").block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("there is a port");
                say.send(listener.local_addr().expect("it is bound")).expect("somebody waits");
                axum::serve(listener, router).await.expect("it serves");
            });
        });
        let at = format!("http://{}", said.recv().expect("it is bound"));
        Self { at, calls }
    }

    /// Writes runbook, catalogue and key where a home names them; the key that bags verify under.
    pub(crate) fn outfit(&self, home: &Home) -> PublicKey {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("random");
        let text = STANDARD.encode(key.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let write = |name: &str, text: &str| {
            std::fs::write(home.path(name), text).expect("the folder is ours");
        };
        std::fs::create_dir(home.path("runbooks")).expect("the folder is ours");
        write("runbooks/campaign.yaml", RUNBOOK);
        write("catalogue.yaml", &CATALOGUE.replace("AT", &self.at));
        write("key.pem", &pem);
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref()).expect("it was made");
        PublicKey::from_p256_point(pair.public_key().as_ref()).expect("it is a key")
    }

    fn keys(&self, step: &str, run: &str) -> Vec<String> {
        let calls = self.calls.lock().expect("nobody panicked");
        calls.get(&format!("/{step}/{run}")).cloned().unwrap_or_default()
    }

    /// Waits until every run is done, and says of what is in doubt what this double has seen.
    pub(crate) async fn settle(&self, address: SocketAddr) {
        let mut ann = Client::wait(address, "ann").await;
        let (began, mut doubted) = (Instant::now(), BTreeMap::new());
        loop {
            let runs = runs(&mut ann).await;
            if runs.iter().all(|run| run["standing"] == "done") {
                return;
            }
            if let Some(run) = runs.iter().find(|run| run["standing"] == "failed") {
                let name = run["name"].as_str().expect("a name");
                let answer = ann.get(&format!("/v1/runs/{name}")).await;
                panic!("{answer:?}");
            }
            for run in runs.iter().filter(|run| run["standing"] == "in_doubt") {
                let name = run["name"].as_str().expect("a name").to_owned();
                let step = run["step"].as_str().expect("a step").to_owned();
                let since = *doubted.entry((name.clone(), step.clone())).or_insert(Instant::now());
                if since.elapsed() > STEP {
                    // Nobody is doing it any more: it is done, or it is not.
                    let how = if self.keys(&step, &name).is_empty() { "again" } else { "done" };
                    let body = json!({ "how": how, "reason": "looked at it" }).to_string();
                    let path = format!("/v1/runs/{name}/resume");
                    let answer = ann.post(&path, body.into()).await.expect("a desk that runs");
                    assert_eq!(answer.0, 200, "{answer:?}");
                    doubted.remove(&(name, step));
                }
            }
            assert!(began.elapsed() < Duration::from_secs(240), "not done: {runs:?}");
            rest(Duration::from_millis(200)).await;
        }
    }

    /// What the log and the double say of runs: each step once.
    pub(crate) fn check(&self, home: &Home, entries: &[Entry], key: &PublicKey) -> Stepped {
        let (mut ended, mut begun) = (BTreeMap::new(), BTreeMap::<_, usize>::new());
        let (mut stepped, mut gates) = (Stepped::default(), BTreeSet::new());
        for entry in entries {
            match &entry.event {
                Event::Fact(Fact::RunBegan { .. }) => stepped.runs += 1,
                Event::Fact(Fact::GateShut { gate, .. }) if gate.starts_with("capsule-") => {
                    assert!(gates.insert(gate.clone()), "{gate} is shut twice");
                }
                Event::Input(Input::Resume { .. }) => stepped.settled += 1,
                Event::Fact(Fact::Stepped { run, incident, event }) => match event {
                    RunEvent::Begun { step, .. } => *begun.entry((*run, *step)).or_default() += 1,
                    RunEvent::Ended { step, answer, why, .. } => {
                        assert!(answer.is_some(), "step {step} of {run} failed: {why:?}");
                        let before = ended.insert((*run, *step), *incident);
                        assert_eq!(before, None, "step {step} of {run} ended twice");
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        stepped.again = begun.values().filter(|times| **times > 1).count();
        let runs: BTreeMap<String, String> = ended
            .iter()
            .map(|((run, _), incident)| (run.to_string(), incident.to_string()))
            .collect();
        assert_eq!((runs.len(), gates.len()), (stepped.runs, stepped.runs));
        // A step that a person settled as done has no end of its own.
        assert!(ended.len() <= stepped.runs * STEPS, "{stepped:?}");
        assert!(ended.len() + stepped.settled >= stepped.runs * STEPS, "{stepped:?}");
        for (run, incident) in &runs {
            for step in ONCE {
                assert_eq!(self.keys(step, run).len(), 1, "{step} of {run}");
            }
            let keys = self.keys("isolate", run);
            let distinct: BTreeSet<&String> = keys.iter().collect();
            assert_eq!(distinct.len(), 1, "isolate of {run} has one key: {keys:?}");
            stepped.repeated += keys.len() - 1;
            let bag = home.path(&format!("evidence/{incident}-{run}.bag"));
            let report = verify(&bag, std::slice::from_ref(key)).expect("a bag");
            assert_eq!(report.worst(), None, "{run}: {report:?}");
        }
        stepped
    }
}

async fn count(State(calls): State<Calls>, request: Request) -> String {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let late = match key {
        None => 0,
        Some(key) => {
            let mut calls = calls.lock().expect("nobody panicked");
            let keys = calls.entry(request.uri().path().to_owned()).or_default();
            keys.push(key.to_owned());
            // As good as random.
            u64::from(key.bytes().next().unwrap_or(0)) % 30
        }
    };
    rest(Duration::from_millis(late)).await;
    "[1]".to_owned()
}

/// All runs.
pub(crate) async fn runs(client: &mut Client) -> Vec<Value> {
    let body = client.get("/v1/runs?limit=1000").await.expect("a desk that runs").1;
    serde_json::from_slice(&body).expect("a list")
}

/// Starts a run for an incident; its name, when the answer comes.
pub(crate) async fn start(address: SocketAddr, incident: &str, capsule: &str) -> Option<String> {
    let mut ann = Client::connect(address, "ann").await?;
    let inputs = json!({ "capsule": capsule });
    let body = json!({ "incident": incident, "runbook": "campaign", "inputs": inputs });
    let (status, made) = ann.post("/v1/runs", body.to_string().into()).await?;
    assert!(status == 200 || status == 503, "{status} {made}");
    made["run"].as_str().map(str::to_owned)
}
