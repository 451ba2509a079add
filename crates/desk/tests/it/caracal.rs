//! What Caracal's own metrics and endpoints say, by rules of ours: AT-06, AT-09, and the triggers
//! of an open circuit and of a tampered audit that is found at start-up.

use std::collections::BTreeMap;

use lucarne_desk::event::{Event, Fact, Input};
use lucarne_desk::incident::{Phase, Severity};
use lucarne_desk::intake::webhook;
use lucarne_desk::runbook::run::Resume;
use lucarne_desk::signal::Kind;
use serde_json::json;

use crate::clock::{SECOND, normal};
use crate::world::{Site, shipped};

const READY: &str = "
rules:
  - {name: gateway-ready, kind: revocation_stale, labels: {gateway: gw-1},
     ready: {call: {url: AT/ready}, says: revocation snapshot stale}}
";

#[tokio::test]
async fn at_06_the_probe_of_readiness_comes_before_the_alert() {
    let site = Site::after(None, READY).await;
    let mut watchers = site.watchers();
    site.world.says("/ready", 200, "ready");
    site.watch(&mut watchers, 0..70).await;
    // Another reason is another incident's.
    site.world.says("/ready", 503, "sts unreachable");
    site.watch(&mut watchers, 60..61).await;
    assert_eq!(site.core.0.lock().unwrap().incidents(), 0);
    // The consumer died at 0, and the snapshot is stale after 70 s.
    site.world.says("/ready", 503, "revocation snapshot stale");
    site.watch(&mut watchers, 75..91).await;
    let decided = {
        let scene = site.core.0.lock().unwrap();
        let incident = scene.incident(1);
        assert_eq!((incident.kind, incident.severity), (Kind::RevocationStale, Severity::Sev0));
        incident.decided.mono_ms
    };
    assert!(decided <= 90 * SECOND, "{decided}");
    site.watch(&mut watchers, 105..235).await;
    let alert = json!({
        "status": "firing", "startsAt": "2026-05-25T10:03:10Z",
        "labels": { "alertname": "CaracalGatewayRevocationSnapshotStale", "gateway": "gw-1",
                    "lucarne_kind": "revocation_stale", "severity": "critical" },
    });
    let body = json!({ "version": "4", "status": "firing", "alerts": [alert] }).to_string();
    let drafts = webhook(body.as_bytes()).unwrap();
    let mut scene = site.core.0.lock().unwrap();
    let told = scene.actions.len();
    scene.until(235 * SECOND);
    scene.input(Input::Signal(normal(&drafts[0])));
    assert_eq!((scene.incidents(), scene.incident(1).signals), (1, 2), "it is the same");
    assert_eq!(scene.actions.len(), told, "nobody is told twice");
    scene.check();
}

const LOST: &str = "
rules:
  - {name: evidence-lost, kind: evidence_lost, labels: {pipeline: p1},
     metric: {at: AT/prom/dropped, query: caracal_gateway_audit_dropped_total}}
probes:
  dead_letters: {shows: ['0 or understood by the lead'], by: {metric: {at: AT/prom/dlq,
    query: dlq, is: '== 0'}}}
  replay_oldest: {shows: ['below 60 s'], by: {metric: {at: AT/prom/age, query: a, is: '< 60'}}}
  canary_record: {shows: ['sealed within 60 s'], by: {ready: {url: AT/canary}}}
actions:
  replace_process: {by: {http: {url: 'AT/{pipeline}/replace', method: POST}}}
  replay_dead_letters: {idempotent: true, by: {http: {url: 'AT/{pipeline}/replay', method: POST}}}
collectors:
  depths: {from: {promql: {at: AT/prom/dlq}}}
  dead-letters: {from: {http: {url: AT/dlq}}}
  dropped: {found: lost, empty: none, from: {promql: {at: AT/prom/dropped}}}
  audit-log: {from: {logql: {at: AT/prom/log}}}
  loss-scope: {from: {file: DIR/loss-scope.json}}
";

async fn lost() -> Site {
    let site = Site::after(None, LOST).await;
    for (name, value) in [("dropped", "1"), ("dlq", "0"), ("age", "3"), ("log", "1")] {
        site.world.measures(name, Some(value));
    }
    for path in ["/dlq", "/canary", "/p1/replace", "/p1/replay"] {
        site.world.says(path, 200, "[]");
    }
    let mut watchers = site.watchers();
    site.watch(&mut watchers, 0..1).await;
    // The process was restarted by itself: its counter is 0, and what is lost stays lost.
    site.world.measures("dropped", Some("0"));
    site.watch(&mut watchers, 15..31).await;
    site.world.measures("dropped", Some("1"));
    site
}

#[tokio::test]
async fn at_09_lost_evidence_is_latched() {
    let site = lost().await;
    let mut scene = site.core.0.lock().unwrap();
    let incident = scene.incident(1);
    assert_eq!((incident.kind, incident.severity), (Kind::EvidenceLost, Severity::Sev0));
    assert!(!incident.firing, "the counter is back at 0");
    assert_eq!(incident.rule.as_ref().map(|rule| rule.as_str()), Some("D0"));
    assert!(incident.phase.is_open() && scene.desk().state().is_held(incident.id));
    scene.until(86_400 * SECOND);
    assert!(scene.incident(1).phase.is_open(), "no time ends it");
    assert_eq!(scene.incidents(), 1);
}

#[tokio::test]
async fn at_09_a_process_is_replaced_when_what_it_lost_is_written_down() {
    let site = lost().await;
    site.start("responder-a", &shipped("audit-backlog"), &[("pipeline", "p1")]);
    site.until(33).await;
    assert_eq!(site.stands(), ("failed".to_owned(), "loss-scope".to_owned()));
    // Nobody gets past it: whoever skips the step is stopped at the replacement.
    assert_eq!(site.resume(Some(Resume::Skip)), None);
    site.until(35).await;
    assert_eq!(site.stands().1, "ask-replace");
    site.core.0.lock().unwrap().approve("security-approver", 1);
    site.until(37).await;
    assert_eq!(site.stands(), ("waiting".to_owned(), "replace-process".to_owned()));
    assert_eq!(site.world.changed(), [""; 0]);
    let again = lost().await;
    let scope = "{\"from\":\"10:00\",\"to\":\"10:01\",\"process\":\"gw-1/0\",\"events\":7}";
    std::fs::write(again.dir.path().join("loss-scope.json"), scope).unwrap();
    again.start("responder-a", &shipped("audit-backlog"), &[("pipeline", "p1")]);
    again.until(33).await;
    assert_eq!(again.stands().1, "ask-replace", "one must agree");
    again.core.0.lock().unwrap().approve("security-approver", 1);
    again.until(35).await;
    assert_eq!(again.world.changed(), ["/p1/replace", "/p1/replay"]);
    again.until(360).await;
    assert_eq!((again.stands().0.as_str(), again.phase()), ("done", Phase::Resolved));
    let kept = again.dir.path().join("INC-1-RUN-1.bag/data/loss-scope");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), scope);
    again.check();
}

const TAMPER: &str = "
rules:
  - {name: tampered, kind: audit_integrity, labels: {instance: audit-1},
     metric: {at: AT/prom/tamper, query: 'caracal_audit_tamper_mismatch_total
       + caracal_audit_tamper_chain_breaks_total + caracal_audit_tamper_hmac_failures_total'}}
probes:
  audit_sweep: {shows: ['clean or listed'], by: {ready: {url: AT/sweep}}}
  tamper_counters: {shows: [flat], by: {metric: {at: AT/prom/increase, query: i, is: '== 0'}}}
  canary_record: {shows: ['sealed within 60 s'], by: {ready: {url: AT/canary}}}
  ready: {by: {ready: {url: AT/ready}}}
actions:
  redeploy_known_good: {by: {http: {url: 'AT/{instance}/redeploy', method: POST}}}
collectors:
  audit-records: {from: {http: {url: AT/records}}}
  verify-report: {from: {http: {url: AT/report}}}
  inside-copy: {from: {http: {url: AT/inside}}}
  access-log: {from: {http: {url: AT/access}}}
  audit-tables: {from: {http: {url: AT/tables}}}
  dead-letters: {from: {http: {url: AT/dlq}}}
";

#[tokio::test]
async fn a_tampered_audit_that_is_found_at_start_up_is_an_incident_at_once() {
    let site = Site::after(None, TAMPER).await;
    let world = &site.world;
    // The sweep of the start found it: the counter is 1 from the first scrape on, and `increase()`
    // never fires.
    world.measures("tamper", Some("1"));
    world.measures("increase", Some("0"));
    for path in ["/records", "/report", "/inside", "/access", "/tables", "/dlq"] {
        world.says(path, 200, "[1]");
    }
    for path in ["/sweep", "/canary", "/ready", "/audit-1/redeploy"] {
        world.says(path, 200, "");
    }
    site.watch(&mut site.watchers(), 0..1).await;
    {
        let scene = site.core.0.lock().unwrap();
        let incident = scene.incident(1);
        assert_eq!((incident.kind, incident.severity), (Kind::AuditIntegrity, Severity::Sev0));
        assert!(scene.desk().state().is_held(incident.id));
    }
    assert!(site.gate("executions"));
    site.start("responder-a", &shipped("audit-tamper"), &[("instance", "audit-1")]);
    site.until(2).await;
    assert_eq!((site.stands().1.as_str(), site.world.changed().len()), ("ask-redeploy", 0));
    site.approve(1);
    site.until(4).await;
    assert_eq!(site.world.changed(), ["/audit-1/redeploy"]);
    site.until(3590).await;
    assert_eq!(site.stands().1, "counters", "flat for an hour");
    site.until(3940).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    let ledger = site.dir.path().join("INC-1-RUN-1.bag/ledger.json");
    let ledger = std::fs::read_to_string(ledger).unwrap();
    assert!(ledger.contains("audit-tables") && ledger.contains("dead-letters"), "{ledger}");
    assert!(site.gate("executions"), "a person opens it");
    site.check();
}

const CIRCUIT: &str = "
rules:
  - {name: circuit, kind: circuit_open, labels: {gateway: gw-1},
     metric: {at: AT/prom/circuit, query: caracal_gateway_sts_circuit_open}}
probes:
  unauthenticated_canary: {shows: [denied], by: {canaries: {cases: [
    {name: nobody, call: {url: AT/protected, statuses: [401, 503]}, expect: deny}]}}}
  canary_exchange: {shows: ['allowed 10 of 10'], by: {canaries: {times: 10, cases: [
    {name: exchange, call: {url: AT/exchange}, expect: allow}]}}}
  denied_canary: {shows: ['denied for the right reason'], by: {canaries: {cases: [
    {name: denied, call: {url: AT/denied}, expect: deny, reason: policy}]}}}
  ready: {by: {ready: {url: AT/ready}}}
actions:
  restart_sts: {by: {http: {url: AT/sts/restart, method: POST}}}
collectors:
  circuit: {from: {promql: {at: AT/prom/circuit}}}
  sts-log: {from: {logql: {at: AT/prom/log}}}
  gateway-log: {from: {logql: {at: AT/prom/log}}}
";

async fn circuit(protected: u16) -> Site {
    let site = Site::after(None, CIRCUIT).await;
    let world = &site.world;
    world.measures("circuit", Some("1"));
    world.measures("log", Some("1"));
    world.says("/protected", protected, "circuit open");
    world.says("/exchange", 503, "circuit open");
    world.says("/denied", 403, "denied by policy v42");
    world.says("/ready", 200, "");
    world.says("/sts/restart", 200, "");
    world.turns("/sts/restart", "/exchange", 200, "token");
    site.watch(&mut site.watchers(), 0..1).await;
    site.start("responder-a", &shipped("circuit-open"), &[("gateway", "gw-1")]);
    site
}

#[tokio::test]
async fn an_open_circuit_stays_closed_for_everybody_and_ends_by_canary_exchange() {
    let site = circuit(503).await;
    assert_eq!(site.core.0.lock().unwrap().incident(1).severity, Severity::Sev0);
    site.until(2).await;
    assert_eq!(site.world.changed(), ["/sts/restart"], "and nothing is let through meanwhile");
    assert_eq!(site.stands().1, "exchange");
    site.until(380).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    assert_eq!(site.answer("exchange").as_deref(), Some("EXPECTED"));
    let scene = site.core.0.lock().unwrap();
    let opened = |fact: &Fact| matches!(fact, Fact::GateOpened(_));
    assert_eq!(scene.facts(opened), 0, "nothing here opens anything");
    let checks: BTreeMap<&str, bool> = scene
        .incident(1)
        .checks
        .iter()
        .map(|(name, check)| (name.as_str(), check.green_since.is_some()))
        .collect();
    assert_eq!(checks, [("exchange", true), ("ready", true), ("refused", true)].into());
    scene.check();
}

#[tokio::test]
async fn a_gateway_that_lets_everybody_through_while_the_circuit_is_open_is_not_recovered() {
    let site = circuit(200).await;
    site.until(2).await;
    assert_eq!(site.stands(), ("failed".to_owned(), "still-closed".to_owned()));
    assert_eq!(site.world.changed(), [""; 0]);
    let scene = site.core.0.lock().unwrap();
    let frozen =
        |entry: &&lucarne_desk::event::Entry| matches!(&entry.event, Event::Fact(Fact::Frozen(_)));
    assert_eq!(scene.log.iter().filter(frozen).count(), 0, "it ended before");
}
