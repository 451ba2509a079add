//! The shipped runbooks that are not Caracal's, from their first step to their last, against a
//! world that answers as the pages of the seeds say.

use lucarne_desk::approval::ActionSpec;
use lucarne_desk::decision::Notice;
use lucarne_desk::event::{Change, Fact, Input};
use lucarne_desk::incident::{IncidentId, Phase, Severity};
use lucarne_desk::person::Actor;
use lucarne_desk::refusal::Refusal;
use lucarne_desk::signal::{Draft, Kind};

use crate::clock::{T0, scope, spec, text, trip};
use crate::world::{Site, shipped};

const ERRORS: &str = "
probes:
  workflow_error_rate: {by: {metric: {at: AT/prom/rate, query: bizfirst_workflow_error_rate}}}
  canary_workflow: {shows: [completed], by: {ready: {url: AT/canary}}}
actions:
  throttle_tenant: {idempotent: true, by: {http: {url: 'AT/{instance}/throttle', method: POST}}}
collectors:
  error-counts: {from: {logql: {at: AT/prom/counts}}}
  executions: {from: {logql: {at: AT/prom/executions}}}
  inside-log: {from: {http: {url: 'AT/log/{execution}'}}}
  inside-trace: {from: {http: {url: 'AT/trace/{trace}'}}}
";

#[tokio::test]
async fn an_error_rate_is_looked_into_and_throttling_is_offered() {
    let labels = [("instance", "nitro-001")];
    let site = Site::new(Kind::WorkflowErrorRate, &labels, ERRORS).await;
    let world = &site.world;
    world.measures("rate", Some("0.062"));
    world.measures("counts", Some("47"));
    world.measures("executions", Some("47"));
    world.says("/log/exec-abc-123", 200, "[\"E_CALCULATION_OVERFLOW\"]");
    world.says("/trace/4bf92f35", 200, "[\"span\"]");
    world.says("/canary", 200, "");
    world.says("/nitro-001/throttle", 200, "");
    let low = "{\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"0.004\"]}}";
    world.turns("/nitro-001/throttle", "/prom/rate/api/v1/query", 200, low);
    let inputs = [("instance", "nitro-001"), ("execution", "exec-abc-123"), ("trace", "4bf92f35")];
    site.start("responder-a", &shipped("error-rate-spike"), &inputs);
    site.until(5).await;
    assert_eq!(site.stands(), ("running".to_owned(), "ask-throttle".to_owned()));
    assert_eq!(site.world.changed(), [""; 0], "nothing is contained by itself");
    for item in ["error-counts", "executions", "inside-log", "inside-trace"] {
        assert!(site.dir.path().join("INC-1-RUN-1.bag/data").join(item).exists(), "{item}");
    }
    site.core.0.lock().unwrap().approve("security-approver", 1);
    site.until(590).await;
    assert_eq!(site.world.changed(), ["/nitro-001/throttle"]);
    assert_eq!(site.stands().1, "rate-low", "ten minutes below one percent");
    site.until(620).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    site.check();
}

const CHAIN: &str = "
probes:
  audit_sweep: {shows: ['clean or listed'], by: {ready: {url: AT/sweep}}}
  tamper_counters: {shows: [flat], by: {metric: {at: AT/prom/tamper, query: t, is: '== 0'}}}
  canary_record: {shows: ['sealed within 60 s'], by: {ready: {url: AT/canary}}}
  ready: {by: {ready: {url: AT/ready}}}
actions:
  redeploy_known_good: {by: {http: {url: 'AT/{instance}/redeploy', method: POST}}}
collectors:
  audit-records: {from: {http: {url: AT/records}}}
  verify-report: {from: {http: {url: AT/report}}}
  inside-copy: {from: {http: {url: AT/inside}}}
  access-log: {from: {http: {url: AT/access}}}
";

#[tokio::test]
async fn a_chain_that_does_not_hold_is_kept_before_anything_is_redeployed() {
    let site = Site::new(Kind::AuditIntegrity, &[("instance", "i1")], CHAIN).await;
    let world = &site.world;
    world.measures("tamper", Some("0"));
    world.says("/records", 200, "[{\"seq\":1043,\"delete_marker\":true}]");
    for path in ["/report", "/inside", "/access", "/sweep", "/canary", "/ready", "/i1/redeploy"] {
        world.says(path, 200, "[1]");
    }
    let (incident, reason) = (IncidentId(1), text("it hangs"));
    let action = spec("restart_instance", "i1");
    let restart = Input::Request { incident, action, reason };
    assert_eq!(site.says("responder-b", restart), Some(Refusal::ForensicHold));
    site.start("responder-a", &shipped("audit-chain-failure"), &[("instance", "i1")]);
    site.until(2).await;
    assert_eq!(site.stands().1, "ask-redeploy");
    assert!(site.gate("executions") && site.world.changed().is_empty());
    let told = |role: &str| {
        let scene = site.core.0.lock().unwrap();
        let said = scene.notices().into_iter();
        said.filter(|it| matches!(it, Notice::Said { role: to, .. } if to == role)).count()
    };
    assert_eq!(["security", "compliance", "on-call"].map(told), [1, 1, 1]);
    // One of each group, and no one twice.
    site.core.0.lock().unwrap().approve("security-approver", 1);
    site.core.0.lock().unwrap().approve("security-approver", 1);
    assert_eq!(site.core.0.lock().unwrap().refused(), Some(&Refusal::SamePerson));
    site.until(3).await;
    assert_eq!(site.world.changed(), [""; 0]);
    site.core.0.lock().unwrap().approve("compliance-approver", 1);
    site.until(5).await;
    assert_eq!(site.world.changed(), ["/i1/redeploy"]);
    site.until(3590).await;
    assert_eq!(site.stands().1, "counters");
    site.until(3920).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    let kept = site.dir.path().join("INC-1-RUN-1.bag/data/audit-records");
    assert!(std::fs::read_to_string(kept).unwrap().contains("delete_marker"));
    site.check();
}

const ATTESTATION: &str = "
probes:
  in_flight: {shows: [reconciled], by: {ready: {url: AT/in-flight}}}
  measurement: {shows: [baseline], by: {measurement: {call: {url: 'AT/attest?nonce={nonce}'},
    nonce: /nonce, measured: /pcrs, baseline: DIR/baseline.json}}}
  canary_matrix: {shows: ['all as expected'], by: {canaries: {cases: [
    {name: allow, call: {url: AT/allow}, expect: allow},
    {name: deny, call: {url: AT/deny}, expect: deny}]}}}
actions:
  replace_instance: {by: {http: {url: 'AT/{instance}/replace', method: POST}}}
collectors:
  attestation-current: {answer: /is, failed: unavailable, from: {http: {url: AT/current}}}
  attestation-expected: {from: {http: {url: AT/expected}}}
  executions: {from: {http: {url: AT/executions}}}
";

async fn attested(current: &str) -> Site {
    let site = Site::new(Kind::Attestation, &[("instance", "i1")], ATTESTATION).await;
    let world = &site.world;
    std::fs::write(site.dir.path().join("baseline.json"), "{\"0\":\"a1\"}").unwrap();
    if !current.is_empty() {
        world.says("/current", 200, &format!("{{\"is\":\"{current}\"}}"));
    }
    for path in ["/expected", "/executions", "/in-flight", "/allow", "/i1/replace"] {
        world.says(path, 200, "[1]");
    }
    world.says("/deny", 403, "");
    world.says("/attest", 200, "{\"nonce\":\"NONCE\",\"pcrs\":{\"0\":\"b2\"}}");
    let good = "{\"nonce\":\"NONCE\",\"pcrs\":{\"0\":\"a1\"}}";
    world.turns("/i1/replace", "/attest", 200, good);
    site.start("responder-a", &shipped("attestation-failure"), &[("instance", "i1")]);
    site
}

#[tokio::test]
async fn an_instance_that_runs_other_code_is_kept_and_another_takes_its_place() {
    let site = attested("changed").await;
    site.until(2).await;
    assert_eq!(site.answer("compare").as_deref(), Some("UNEXPECTED_CODE"));
    assert!(site.gate("executions"), "no new executions");
    assert!(site.core.0.lock().unwrap().desk().state().is_held(IncidentId(1)));
    assert_eq!((site.stands().1.as_str(), site.world.changed().len()), ("ask-replace", 0));
    for who in ["security-approver", "compliance-approver"] {
        site.core.0.lock().unwrap().approve(who, 1);
    }
    site.until(4).await;
    assert_eq!(site.world.changed(), [""; 0], "the CISO has not spoken");
    site.core.0.lock().unwrap().approve("ciso", 1);
    site.until(6).await;
    assert_eq!(site.world.changed(), ["/i1/replace"]);
    assert_eq!(site.answer("measured").as_deref(), Some("BASELINE"), "under a nonce of its own");
    site.until(330).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    assert!(site.gate("executions"), "a person opens it");
    site.check();
}

#[tokio::test]
async fn an_approved_change_and_a_verifier_that_is_away_hold_nothing() {
    let site = attested("changed_approved").await;
    site.until(2).await;
    assert_eq!(site.answer("compare").as_deref(), Some("AUTHORIZED_CHANGE"));
    // The old instance still answers: it is not what is approved.
    assert_eq!(site.stands().1, "measured");
    let state = |site: &Site| {
        let held = site.core.0.lock().unwrap().desk().state().is_held(IncidentId(1));
        (held, site.gate("executions"))
    };
    assert_eq!(state(&site), (false, false));
    let away = attested("").await;
    away.until(2).await;
    assert_eq!(away.answer("compare").as_deref(), Some("ATTESTATION_UNAVAILABLE"));
    assert_eq!((away.stands().1.as_str(), state(&away)), ("ask-replace", (false, false)));
    assert_eq!(away.world.changed(), [""; 0], "nothing is replaced that nobody has measured");
}

const GUARD: &str = "
probes:
  heartbeats: {shows: ['none missed'], by: {metric: {at: AT/prom/misses, query: m, is: '== 0'}}}
  rollback_status: {shows: ['completed or none'], by: {ready: {url: AT/rollback}}}
actions:
  isolate_capsule: {idempotent: true, by: {http: {url: 'AT/{capsule}/isolate', method: POST}}}
  rollback: {idempotent: true, by: {http: {url: 'AT/{tenant}/rollback', method: POST}}}
collectors:
  reach: {from: {http: {url: AT/reach}}}
  attestor-log: {from: {logql: {at: AT/prom/log}}}
  sidecar-log: {from: {logql: {at: AT/prom/log}}}
  usage-events: {from: {http: {url: AT/usage}}}
";

async fn tripped(risk: Option<&str>) -> Site {
    let draft: Draft = trip("c1", risk, Some("0"));
    let site = Site::after(Some(draft), GUARD).await;
    let world = &site.world;
    world.measures("misses", Some("0"));
    world.measures("log", Some("1"));
    for path in ["/reach", "/usage", "/rollback", "/c1/isolate", "/t-1/rollback"] {
        world.says(path, 200, "[1]");
    }
    let inputs = [("capsule", "c1"), ("tenant", "t-1")];
    site.start("responder-a", &shipped("guard-trip"), &inputs);
    site
}

#[tokio::test]
async fn a_guard_trip_is_isolated_at_once_and_rolled_back_by_two() {
    let site = tripped(Some("0.95")).await;
    site.until(2).await;
    assert_eq!(site.answer("details").as_deref(), Some("LEGITIMATE"));
    assert_eq!(site.world.changed(), ["/c1/isolate"]);
    assert_eq!(site.stands().1, "ask-rollback");
    site.approve(1);
    site.until(4).await;
    assert_eq!(site.world.changed(), ["/c1/isolate", "/t-1/rollback"]);
    site.until(1795).await;
    assert_eq!(site.stands().1, "monitor", "half an hour");
    site.until(2150).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    site.check();
}

#[tokio::test]
async fn a_guard_trip_that_nobody_can_judge_changes_nothing() {
    let site = tripped(None).await;
    site.until(3).await;
    assert_eq!(site.answer("details").as_deref(), Some("INVESTIGATE"));
    assert_eq!((site.stands().1.as_str(), site.world.changed().len()), ("monitor", 0));
}

const PLANNED: &str = "
probes:
  load: {shows: ['lowest tenth'], by: {metric: {at: AT/prom/load, query: l, is: '<= 0.1'}}}
  in_flight: {shows: [none], by: {metric: {at: AT/prom/flying, query: f, is: '== 0'}}}
  measurement: {shows: [baseline], by: {measurement: {call: {url: 'AT/attest?nonce={nonce}'},
    nonce: /nonce, measured: /pcrs, baseline: DIR/baseline.json}}}
  canary_record: {shows: ['sealed within 60 s'], by: {ready: {url: AT/canary}}}
  ready: {by: {ready: {url: AT/ready}}}
actions:
  close_epoch: {by: {http: {url: 'AT/{instance}/close-epoch', method: POST}}}
  restart_instance: {by: {http: {url: 'AT/{instance}/restart', method: POST}}}
collectors:
  load: {from: {promql: {at: AT/prom/load}}}
  in-flight: {from: {http: {url: AT/in-flight}}}
";

fn planned(change: &str) -> Input {
    let inputs = [("instance".to_owned(), text("i1"))].into();
    let (change, source) = (change.to_owned(), shipped("planned-restart"));
    Input::RunPlanned { change, source, inputs, approved: [].into() }
}

async fn quiet() -> Site {
    let site = Site::after(None, PLANNED).await;
    let world = &site.world;
    std::fs::write(site.dir.path().join("baseline.json"), "{\"0\":\"a1\"}").unwrap();
    world.measures("load", Some("0.04"));
    world.measures("flying", Some("2"));
    for path in ["/in-flight", "/canary", "/ready", "/i1/close-epoch", "/i1/restart"] {
        world.says(path, 200, "[1]");
    }
    let good = "{\"nonce\":\"NONCE\",\"pcrs\":{\"0\":\"a1\"}}";
    world.turns("/i1/restart", "/attest", 200, good);
    let change =
        Change { id: "CHG-7".to_owned(), scope: scope("instance", "i1"), at_ms: T0.wall_ms };
    site.core.0.lock().unwrap().input(Input::Change(change));
    site
}

#[tokio::test]
async fn a_planned_restart_has_a_change_as_its_reason_and_no_incident_before() {
    let site = quiet().await;
    assert_eq!(site.core.0.lock().unwrap().incidents(), 0);
    assert_eq!(site.says("responder-a", planned("CHG-7")), None);
    site.until(20).await;
    assert_eq!(site.stands().1, "empty", "two executions are running");
    assert!(site.gate("executions"), "and no new ones begin");
    site.world.measures("flying", Some("0"));
    site.until(90).await;
    assert_eq!(site.stands().1, "ask-close-epoch");
    site.approve(1);
    site.until(92).await;
    assert_eq!((site.stands().1.as_str(), site.world.changed().len()), ("ask-restart", 0));
    site.approve(2);
    site.until(94).await;
    assert_eq!(site.world.changed(), ["/i1/close-epoch", "/i1/restart"]);
    assert!(site.gate("executions"), "until it is shown to be what it should be");
    site.until(420).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    assert!(!site.gate("executions"), "the person who started the run is the one who opens it");
    let scene = site.core.0.lock().unwrap();
    let incident = scene.incident(1);
    assert_eq!((incident.kind, incident.severity), (Kind::Other, Severity::Sev3));
    assert_eq!(incident.labels["change"].as_str(), "CHG-7");
    assert_eq!(scene.ladder(), [], "nobody is woken");
    scene.check();
}

#[tokio::test]
async fn a_run_without_an_incident_needs_a_person_and_a_change_that_is_known() {
    let site = quiet().await;
    assert_eq!(site.says("responder-a", planned("CHG-8")), Some(Refusal::Unknown));
    assert_eq!(site.says("nobody", planned("CHG-7")), Some(Refusal::Stranger));
    let mut scene = site.core.0.lock().unwrap();
    let by_ci = scene.take(Actor::Adapter("ci".to_owned()), planned("CHG-7"));
    assert_eq!(by_ci.refused(), Some(&Refusal::NotAPerson));
    assert_eq!((scene.incidents(), scene.desk().state().runs().count()), (0, 0));
    scene.check();
}

#[tokio::test]
async fn a_runbook_is_run_when_every_role_has_signed_this_text() {
    let site = Site::new(Kind::AuditIntegrity, &[("instance", "i1")], CHAIN).await;
    let start = |roles: &[&str]| Input::RunStart {
        incident: IncidentId(1),
        source: shipped("audit-chain-failure"),
        inputs: [("instance".to_owned(), text("i1"))].into(),
        approved: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    for (roles, missing) in
        [(&[][..], "security"), (&["compliance"], "security"), (&["security"], "compliance")]
    {
        let refused = Some(Refusal::NotApproved { role: missing.to_owned() });
        assert_eq!(site.says("responder-a", start(roles)), refused, "{roles:?}");
    }
    assert_eq!(site.says("responder-a", start(&["compliance", "security"])), None);
    let scene = site.core.0.lock().unwrap();
    assert_eq!(scene.facts(|fact| matches!(fact, Fact::RunBegan { .. })), 1);
    drop(scene);
    site.check();
}

// What a person asks for beside a runbook is asked of the policy.
#[tokio::test]
async fn what_no_policy_names_nobody_may_ask_for() {
    let site = Site::new(Kind::EvidenceLost, &[("pipeline", "p1")], "").await;
    let args = [("pipeline".to_owned(), text("p1"))].into();
    let action = ActionSpec { name: "replace_process".to_owned(), args };
    let (incident, reason) = (IncidentId(1), text("it lost evidence"));
    let ask = Input::Request { incident, action, reason };
    assert_eq!(site.says("responder-a", ask), Some(Refusal::Unknown));
}
