//! Runs of the shipped runbooks against the world: AT-06 to AT-09 of the design, the telemetry gap,
//! the hold, crashes, rules and rows.

use lucarne_desk::approval::{ActionSpec, RequestId};
use lucarne_desk::catalogue::Catalogue;
use lucarne_desk::collect::{Collector as _, Sql};
use lucarne_desk::event::{Entry, Event, Fact, Input};
use lucarne_desk::exchange::Names;
use lucarne_desk::incident::{IncidentId, Phase, Severity};
use lucarne_desk::refusal::Refusal;
use lucarne_desk::runbook::run::{Resume, RunEvent, RunId};
use lucarne_desk::signal::{Fault, Kind};
use lucarne_desk::watchers::Watcher;

use crate::clock::{SECOND, integrity, scrubber, text};
use crate::world::{Site, runner, shipped};

const REVOCATION: &str = "
probes:
  revoked_canary: {shows: [denied, 'denied 10 of 10'], by: {canaries: {times: 10, cases: [
    {name: revoked, call: {url: AT/canary/revoked, statuses: [401]}, expect: deny,
     reason: session revoked}]}}}
  valid_canary: {shows: ['allowed 10 of 10'], by: {canaries: {times: 10, cases: [
    {name: valid, call: {url: AT/canary/valid}, expect: allow}]}}}
  snapshot_fresh: {shows: ['1 and propagation below 30 s'], by: {metric: {at: AT/prom/fresh,
    query: 'min(snapshot_fresh * (propagation_seconds < bool 30))', is: '== 1'}}}
  ready: {by: {ready: {url: AT/ready}}}
actions:
  restart_consumer: {by: {http: {url: 'AT/consumers/{gateway}/restart', method: POST}}}
  block_at_resource_servers: {by: {http: {url: AT/block, method: POST}}, idempotent: true}
  unblock_at_resource_servers: {by: {http: {url: AT/unblock, method: POST}}}
collectors:
  streams: {from: {http: {url: AT/streams}}}
  snapshot-age: {from: {promql: {at: AT/prom/age}}}
  sessions: {from: {http: {url: AT/sessions}}}
";

async fn stale() -> Site {
    let site = Site::new(Kind::RevocationStale, &[("gateway", "gw-1")], REVOCATION).await;
    let world = &site.world;
    world.says("/canary/revoked", 401, "session revoked");
    world.says("/canary/valid", 200, "ok");
    world.says("/ready", 503, "revocation snapshot stale");
    world.says("/streams", 200, "{\"pending\":7}");
    world.says("/sessions", 200, "[{\"session\":\"s1\"}]");
    world.measures("fresh", Some("0"));
    world.measures("age", Some("95"));
    world.says("/consumers/gw-1/restart", 200, "");
    world.says("/block", 200, "");
    world.says("/unblock", 200, "");
    site
}

#[tokio::test]
async fn at_06_stale_revocations_are_contained_and_end_by_canaries() {
    let site = stale().await;
    site.start("responder-a", &shipped("revocation-stale"), &[("gateway", "gw-1")]);
    site.until(1).await;
    assert!(site.gate("gw-1"), "out of traffic within a second");
    assert_eq!(site.world.changed(), ["/consumers/gw-1/restart"]);
    assert_eq!(site.stands(), ("running".to_owned(), "fresh".to_owned()));
    // The snapshot is fresh again after 20 s, and must stay so for 300 s.
    site.until(20).await;
    site.world.measures("fresh", Some("1"));
    site.world.says("/ready", 200, "ready");
    site.until(318).await;
    assert_eq!(site.stands().1, "fresh", "not for long enough");
    site.until(330).await;
    assert_eq!(site.answer("revoked").as_deref(), Some("EXPECTED"));
    assert_eq!((site.stands().1.as_str(), site.phase()), ("ready", Phase::Validating));
    site.until(650).await;
    assert_eq!(site.stands().0, "done");
    assert_eq!(site.phase(), Phase::Resolved);
    assert!(site.gate("gw-1"), "a person lets traffic back");
    let bag = site.dir.path().join("INC-1-RUN-1.bag");
    let ledger = std::fs::read_to_string(bag.join("ledger.json")).unwrap();
    for item in ["streams", "snapshot-age", "sessions", "memory-dump"] {
        assert!(ledger.contains(item), "{ledger}");
    }
    assert!(bag.join("statement.dsse.json").exists());
    site.check();
}

#[tokio::test]
async fn at_06_a_revoked_session_that_is_let_through_is_blocked_at_once() {
    let site = stale().await;
    site.world.says("/canary/revoked", 200, "welcome");
    site.start("responder-a", &shipped("revocation-stale"), &[("gateway", "gw-1")]);
    site.until(0).await;
    assert_eq!(site.world.changed(), ["/block"]);
    assert_eq!(site.stands().0, "done");
    site.check();
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_no_refusal() {
    let site = stale().await;
    site.world.says("/canary/revoked", 401, "clock skew");
    site.start("responder-a", &shipped("revocation-stale"), &[("gateway", "gw-1")]);
    site.until(59).await;
    assert_eq!(site.stands().1, "still-closed");
    site.until(62).await;
    assert_eq!(site.world.changed(), ["/block"], "nobody has shown that it is closed");
}

const POLICY: &str = "
probes:
  canary_matrix: {shows: ['24 of 24'], by: {canaries: &matrix {cases: [
    {name: allow-1, call: {url: AT/canary/allow}, expect: allow},
    {name: deny-3, call: {url: AT/canary/deny}, expect: deny, reason: policy}]}}}
  explain: {shows: [last-known-good], by: {ready: {url: AT/explain}}}
actions:
  activate_policy: {idempotent: true, by: {http: {url: 'AT/zones/{zone}/policy', method: PUT,
    body: '{\"version\":\"{version}\"}'}}}
  revoke_sessions: {by: {http: {url: 'AT/zones/{zone}/revoke', method: POST}}}
collectors:
  canaries: {answer: /answer, from: {canaries: *matrix}}
  policy-versions: {from: {http: {url: AT/versions}}}
  allowed: {from: {http: {url: AT/allowed}}}
";

async fn opened(deny: u16) -> Site {
    let site = Site::new(Kind::PolicyAllow, &[("zone", "z1")], POLICY).await;
    let world = &site.world;
    world.says("/canary/allow", 200, "");
    world.says("/canary/deny", deny, "welcome");
    world.says("/versions", 200, "{\"v42\":{},\"v43\":{}}");
    world.says("/allowed", 200, "[{\"request\":\"r1\"}]");
    world.says("/explain", 200, "v42");
    world.says("/zones/z1/policy", 200, "");
    world.says("/zones/z1/revoke", 200, "");
    world.turns("/zones/z1/policy", "/canary/deny", 403, "denied by policy v42");
    site.start("responder-a", &shipped("policy-broad-allow"), &[("zone", "z1")]);
    site
}

#[tokio::test]
async fn at_07_the_last_known_good_policy_is_activated_and_two_revoke_sessions() {
    let site = opened(200).await;
    site.until(1).await;
    let good = "{\"version\":\"last-known-good\"}".to_owned();
    assert_eq!(site.world.changes(), [("/zones/z1/policy".to_owned(), good)]);
    assert_eq!(site.answer("canaries").as_deref(), Some("FAIL_OPEN"));
    assert_eq!(site.stands().1, "ask-revoke-sessions");
    site.core.0.lock().unwrap().approve("security-approver", 1);
    site.until(5).await;
    assert_eq!(site.world.changed().len(), 1, "one is not two");
    site.core.0.lock().unwrap().approve("responder-a", 1);
    assert_eq!(site.core.0.lock().unwrap().refused(), Some(&Refusal::OwnRequest));
    site.approve(1);
    site.until(6).await;
    assert_eq!(site.world.changed(), ["/zones/z1/policy", "/zones/z1/revoke"]);
    site.until(320).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    site.check();
}

#[tokio::test]
async fn at_07_canaries_that_cannot_be_asked_change_nothing() {
    let site = opened(503).await;
    site.until(1).await;
    assert_eq!(site.answer("canaries").as_deref(), Some("UNAVAILABLE"));
    assert_eq!(site.world.changed(), [""; 0]);
    assert_eq!(site.stands().1, "ask-revoke-sessions");
}

const SECRET: &str = "
probes:
  dependents_ready: {shows: [all], by: {ready: {url: AT/dependents/ready}}}
  old_secret: {shows: ['refused by every dependent'], by: {canaries: {times: 5, cases: [
    {name: api, call: {url: AT/old, statuses: [401]}, expect: deny}]}}}
  new_secret: {shows: ['accepted by every dependent'], by: {canaries: {times: 5, cases: [
    {name: api, call: {url: AT/new}, expect: allow}]}}}
  audit_sweep: {shows: [clean], by: {command: {program: /bin/true}}}
actions:
  rotate_key: {by: {http: {url: AT/rotate, method: POST, body: '{\"kid\":\"{kid}\"}'}}}
  roll_dependents: {idempotent: true, by: {http: {url: AT/roll, method: POST}}}
  revoke_key: {by: {http: {url: AT/revoke, method: POST}}}
  end_sessions: {by: {http: {url: AT/end-sessions, method: POST}}}
collectors:
  key-usage: {from: {http: {url: AT/usage}}}
  dependents: {from: {http: {url: AT/dependents}}}
";

async fn exposed() -> Site {
    let site = Site::new(Kind::SecretExposure, &[("kid", "sts-2026-05")], SECRET).await;
    let world = &site.world;
    world.says("/usage", 200, "{\"uses\":3,\"password\":\"tr0ub4dor-and-3\"}");
    for path in ["/dependents", "/dependents/ready", "/old", "/new"] {
        world.says(path, 200, "[1]");
    }
    for path in ["/rotate", "/roll", "/revoke", "/end-sessions"] {
        world.says(path, 200, "");
    }
    world.turns("/revoke", "/old", 401, "unknown key");
    site.start("responder-a", &shipped("secret-exposure"), &[("kid", "sts-2026-05")]);
    site
}

#[tokio::test]
async fn at_08_the_new_key_works_before_the_old_one_is_revoked() {
    let site = exposed().await;
    site.until(1).await;
    assert_eq!(site.world.changed(), [""; 0], "nothing is rotated before two agree");
    for (request, so_far) in [(1, 2), (2, 3), (3, 4)] {
        site.approve(request);
        site.until(request + 2).await;
        assert_eq!(site.world.changed().len(), so_far, "{:?}", site.stands());
    }
    assert_eq!(site.world.changed(), ["/rotate", "/roll", "/revoke", "/end-sessions"]);
    site.until(10).await;
    assert_eq!((site.stands().0.as_str(), site.phase()), ("done", Phase::Resolved));
    let log = site.check();
    assert!(!log.contains("tr0ub4dor"), "the log holds no secret");
    let item = site.dir.path().join("INC-1-RUN-1.bag/data/key-usage");
    let item = std::fs::read_to_string(item).unwrap();
    assert!(item.contains("removed credential") && !item.contains("tr0ub4dor"), "{item}");
}

#[tokio::test]
async fn at_08_stopped_half_way_it_leaves_a_working_set() {
    let site = exposed().await;
    site.until(1).await;
    site.approve(1);
    site.until(3).await;
    assert_eq!(site.stands().1, "ask-revoke");
    assert_eq!(site.abort(), None);
    site.until(4).await;
    assert_eq!(site.stands().0, "aborted");
    assert_eq!(site.world.changed(), ["/rotate", "/roll", "/roll"], "undone backwards");
    assert_eq!(site.abort(), Some(Refusal::NotNext));
    site.approve(2);
    site.until(6).await;
    assert_eq!(site.world.changed().len(), 3, "an approval does not wake what was stopped");
    assert!(!site.core.0.lock().unwrap().desk().state().is_frozen(), "the freeze is undone too");
    site.check();
}

#[tokio::test]
async fn an_approval_that_ran_out_is_asked_for_again() {
    let site = exposed().await;
    site.until(950).await;
    assert_eq!(site.stands(), ("failed".to_owned(), "ask-rotate".to_owned()));
    assert_eq!(site.resume(Some(Resume::Again)), None);
    site.until(952).await;
    site.approve(2);
    site.until(954).await;
    assert_eq!(site.world.changed(), ["/rotate", "/roll"]);
    site.check();
}

const BACKLOG: &str = "
probes:
  dead_letters: {shows: ['0 or understood by the lead'], by: {metric: {at: AT/prom/dlq,
    query: dlq_depth, is: '== 0'}}}
  replay_oldest: {shows: ['below 60 s'], by: {metric: {at: AT/prom/age, query: a, is: '< 60'}}}
actions:
  replay_dead_letters: {idempotent: true, by: {http: {url: 'AT/{pipeline}/replay',
    method: POST}}}
collectors:
  depths: {from: {promql: {at: AT/prom/dlq}}}
  dead-letters: {from: {http: {url: AT/dlq}}}
  dropped: {from: {promql: {at: AT/prom/dropped}}}
  audit-log: {from: {logql: {at: AT/prom/log}}}
";

#[tokio::test]
async fn at_09_a_backlog_is_drained_and_what_was_not_shown_keeps_it_open() {
    let site = Site::new(Kind::AuditBacklog, &[("pipeline", "p1")], BACKLOG).await;
    let world = &site.world;
    world.measures("dlq", Some("40"));
    world.measures("age", Some("310"));
    world.measures("dropped", Some("0"));
    world.measures("log", None);
    world.says("/dlq", 200, "[]");
    world.says("/p1/replay", 200, "");
    world.turns(
        "/p1/replay",
        "/prom/dlq/api/v1/query",
        200,
        "{\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"0\"]}}",
    );
    site.start("responder-a", &shipped("audit-backlog"), &[("pipeline", "p1")]);
    site.until(2).await;
    assert!(site.core.0.lock().unwrap().desk().state().is_frozen(), "rollouts are frozen");
    assert_eq!(site.world.changed(), ["/p1/replay"]);
    assert_eq!(site.stands().1, "age");
    site.world.measures("age", Some("3"));
    site.until(320).await;
    // No probe of this site shows a canary record.
    assert_eq!(site.answer("canary").as_deref(), Some("SKIPPED"));
    assert_eq!(site.phase(), Phase::Resolved);
    let scene = site.core.0.lock().unwrap();
    assert_eq!(scene.incident(1).severity, Severity::Sev1);
    assert!(scene.incident(1).checks["canary"].skipped, "which keeps it from being closed");
}

const RASH: &str = "
runbook: rash
title: destroys before anything is kept
kinds: [audit_integrity]
inputs: [instance]
steps:
  - {id: ask, phase: containing, timeout_seconds: 900,
     do: {approve: {action: restart, n: 2, groups: [security, compliance]}}}
  - {id: restart, phase: containing, timeout_seconds: 30,
     do: {act: {action: restart_instance, effect: destructive, args: {instance: '{instance}'}}}}
";
const RESTART: &str = "
actions:
  restart_instance: {by: {http: {url: AT/restart, method: POST}}}
";

#[tokio::test]
async fn a_hold_comes_before_two_approvals_and_a_sealed_bag_before_the_hold() {
    let site = Site::new(Kind::Other, &[("instance", "i1")], RESTART).await;
    site.world.says("/restart", 200, "");
    site.start("responder-a", RASH, &[("instance", "i1")]);
    site.until(1).await;
    site.approve(1);
    // Two have agreed; then the hold comes, before the step has begun.
    let broken = integrity(Kind::AuditIntegrity, Fault::ChainMismatch, "i1");
    site.core.0.lock().unwrap().input(Input::Signal(broken));
    site.until(3).await;
    assert_eq!(site.stands(), ("waiting".to_owned(), "restart".to_owned()));
    assert_eq!(site.world.changed(), [""; 0]);
    site.core.0.lock().unwrap().seal_bundle(2);
    assert_eq!(site.resume(None), None);
    site.until(4).await;
    assert_eq!(site.world.changed(), ["/restart"]);
    assert_eq!(site.stands().0, "done");
    assert_eq!(site.resume(None), Some(Refusal::NotOpen));
    site.check();
}

#[tokio::test]
async fn what_was_begun_and_is_not_known_is_not_done_again() {
    let site = Site::new(Kind::Other, &[("instance", "i1")], RESTART).await;
    site.world.says("/restart", 200, "");
    site.start("responder-a", RASH, &[("instance", "i1")]);
    site.until(1).await;
    site.approve(1);
    site.until(2).await;
    assert_eq!(site.world.changed(), ["/restart"]);
    // The same run in a desk that was killed between the act and the word of it.
    let other = Site::new(Kind::Other, &[("instance", "i1")], RESTART).await;
    other.world.says("/restart", 200, "");
    let log = site.core.0.lock().unwrap().log.clone();
    let until = log.iter().position(|entry| {
        matches!(
            &entry.event,
            Event::Fact(Fact::Stepped { event: RunEvent::Ended { step: 1, .. }, .. })
        )
    });
    let inputs = log[..until.unwrap()].iter().filter_map(|entry| match &entry.event {
        Event::Input(Input::Step { event: RunEvent::Ended { step: 1, .. }, .. }) => None,
        Event::Input(Input::Person(_)) => None,
        Event::Input(input) => Some((entry.actor.clone(), input.clone())),
        Event::Fact(_) => None,
    });
    for (actor, input) in inputs.skip(1) {
        other.core.0.lock().unwrap().take(actor, input);
    }
    let catalogue = RESTART.replace("AT", &other.world.at);
    let next = runner(&other.core, &catalogue, other.dir.path(), "desk-1/2");
    while next.turn().await.unwrap() {}
    assert_eq!(other.stands(), ("in_doubt".to_owned(), "restart".to_owned()));
    assert_eq!(other.world.changed(), [""; 0], "it is not asked again");
    // Whoever began it may be at it yet, for its 30 s and the 15 after which it is gone.
    assert_eq!(other.resume(Some(Resume::Done)), Some(Refusal::AtWork));
    assert_eq!(other.resume(Some(Resume::Again)), Some(Refusal::AtWork));
    let began = other.core.0.lock().unwrap().now().mono_ms / SECOND;
    other.core.0.lock().unwrap().until((began + 44) * SECOND);
    assert_eq!(other.resume(Some(Resume::Again)), Some(Refusal::AtWork));
    other.core.0.lock().unwrap().until((began + 45) * SECOND);
    assert_eq!(other.resume(Some(Resume::Done)), None);
    assert_eq!(other.stands().0, "done");
}

const THROTTLED: &str = "
runbook: throttled
title: slows one tenant down
kinds: [other]
inputs: [tenant]
steps:
  - {id: throttle, phase: containing, timeout_seconds: 30, do: {act: {action: throttle_tenant,
     effect: reversible, args: {tenant: '{tenant}'}, undo: unthrottle_tenant}}}
";

#[tokio::test]
async fn what_another_desk_may_be_doing_is_not_undone_beneath_its_hands() {
    let catalogue = "
actions:
  throttle_tenant: {idempotent: true, by: {http: {url: 'AT/{tenant}/slow', method: POST}}}
  unthrottle_tenant: {idempotent: true, by: {http: {url: 'AT/{tenant}/free', method: POST}}}
";
    let mut site = Site::new(Kind::Other, &[("tenant", "t1")], catalogue).await;
    site.runner.alone = false;
    site.world.says("/t1/free", 200, "");
    site.start("responder-a", THROTTLED, &[("tenant", "t1")]);
    let by = "desk-2/1".to_owned();
    let event = RunEvent::Begun { step: 0, attempt: 0, again: true, by, over: None };
    let begun = Input::Step { run: RunId(1), event };
    site.core.0.lock().unwrap().input(begun);
    assert_eq!(site.abort(), None);
    site.until(44).await;
    assert_eq!((site.stands().0.as_str(), site.world.changed().len()), ("undoing", 0));
    site.until(46).await;
    assert_eq!(
        (site.stands().0.as_str(), site.world.changed()),
        ("aborted", vec!["/t1/free".to_owned()])
    );
    site.check();
}

#[tokio::test]
async fn of_several_desks_that_have_seen_one_gone_one_takes_its_step_over() {
    let site = Site::new(Kind::Other, &[("tenant", "t1")], "{}").await;
    site.start("responder-a", THROTTLED, &[("tenant", "t1")]);
    let begin = |by: &str, over: Option<&str>| {
        let (by, over) = (by.to_owned(), over.map(str::to_owned));
        let event = RunEvent::Begun { step: 0, attempt: 0, again: true, by, over };
        let mut core = site.core.0.lock().unwrap();
        core.input(Input::Step { run: RunId(1), event });
        core.refused().cloned()
    };
    assert_eq!(begin("desk-1/1", None), None);
    assert_eq!(begin("desk-2/1", None), Some(Refusal::NotNext), "it has not seen the first");
    assert_eq!(begin("desk-2/1", Some("desk-1/1")), None);
    assert_eq!(begin("desk-3/1", Some("desk-1/1")), Some(Refusal::NotNext), "the second was first");
    assert_eq!(begin("desk-3/1", Some("desk-2/1")), None);
}

#[tokio::test]
async fn a_run_is_given_what_its_runbook_names() {
    let site = Site::new(Kind::Other, &[("instance", "i1")], RESTART).await;
    let scene = || site.core.0.lock().unwrap();
    site.start("responder-a", RASH, &[("tenant", "t")]);
    assert_eq!(scene().refused(), Some(&Refusal::Inputs));
    site.start("responder-a", "runbook: x", &[]);
    assert_eq!(scene().refused(), Some(&Refusal::BadRunbook));
    site.start("nobody", RASH, &[("instance", "i1")]);
    assert_eq!(scene().refused(), Some(&Refusal::Stranger));
    assert_eq!(scene().desk().state().runs().count(), 0);
}

const THROTTLE: &str = "
actions:
  throttle_tenant: {idempotent: true, by: {http: {url: 'AT/tenants/{tenant}/throttle',
    method: POST}}}
";

#[tokio::test]
async fn what_people_asked_for_and_were_allowed_is_done_once_and_reported() {
    let site = Site::new(Kind::Other, &[("instance", "i1")], THROTTLE).await;
    site.world.says("/tenants/t1/throttle", 200, "");
    let args = [("tenant".to_owned(), text("t1"))].into();
    let action = ActionSpec { name: "throttle_tenant".to_owned(), args };
    let (incident, reason) = (IncidentId(1), text("load"));
    assert_eq!(site.says("responder-a", Input::Request { incident, action, reason }), None);
    site.core.0.lock().unwrap().approve("security-approver", 1);
    site.runner.answer().await.unwrap();
    assert_eq!(site.world.changed(), [""; 0], "approved is not executed");
    assert_eq!(site.says("responder-a", Input::Execute(RequestId(1))), None);
    for _ in 0..2 {
        site.runner.answer().await.unwrap();
    }
    assert_eq!(site.world.changed(), ["/tenants/t1/throttle"]);
    let done = |entry: &Entry| matches!(entry.event, Event::Fact(Fact::Done(_)));
    assert_eq!(site.core.0.lock().unwrap().log.iter().filter(|entry| done(entry)).count(), 1);
    site.check();
}

const GAP: &str = "
actions:
  restart_collector: {by: {http: {url: AT/restart-collector, method: POST}}}
  restart_proxy: {by: {http: {url: AT/restart-proxy, method: POST}}}
collectors:
  collector-log: {empty: ok, found: errors, failed: timeout, from: {logql: {at: AT/prom/collector}}}
  vsock-log: {empty: ok, found: error, failed: timeout, from: {logql: {at: AT/prom/vsock}}}
  health: {answer: /status, failed: timeout, from: {http: {url: AT/health}}}
  chain-head: {answer: /head, failed: unknown, from: {http: {url: AT/head}}}
  attestation: {answer: /is, failed: unknown, from: {http: {url: AT/attestation}}}
";

#[track_caller]
fn told(site: &Site, diagnosis: &str, done: &[&str], gate: bool) {
    assert_eq!(site.answer("diagnose").as_deref(), Some(diagnosis));
    assert_eq!(site.world.changed(), done);
    assert_eq!(site.gate("executions"), gate);
}

#[tokio::test]
async fn a_telemetry_gap_is_diagnosed_by_five_probes_and_unknown_closes_the_gate() {
    for (collector, head, attestation, diagnosis, done, gate) in [
        (Some("3"), "advances", "same", "COLLECTOR_FAILURE", &["/restart-collector"][..], false),
        (None, "new_epoch", "changed", "UNAUTHORIZED_CODE", &[], true),
        (None, "broken", "same", "AUDIT_CHAIN_BREAK", &[], true),
        (None, "?", "?", "UNKNOWN", &[], true),
    ] {
        let site = Site::new(Kind::TelemetryGap, &[("instance", "i1")], GAP).await;
        site.world.measures("collector", collector);
        site.world.measures("vsock", None);
        site.world.says("/health", 200, "{\"status\":\"healthy\"}");
        site.world.says("/head", 200, &format!("{{\"head\":\"{head}\"}}"));
        site.world.says("/attestation", 200, &format!("{{\"is\":\"{attestation}\"}}"));
        site.world.says("/restart-collector", 200, "");
        site.start("responder-a", &shipped("telemetry-gap"), &[("instance", "i1")]);
        site.until(2).await;
        told(&site, diagnosis, done, gate);
    }
}

#[tokio::test]
async fn a_rule_that_is_blind_says_so_and_resolves_nothing() {
    let site = Site::new(Kind::Other, &[("instance", "i1")], "").await;
    let rule = "
rules:
  - {name: errors, kind: workflow_error_rate, above: 0.05, for_seconds: 300,
     metric: {at: AT/prom/rate, query: r}, labels: {instance: nitro-001}}
  - {name: heartbeat, kind: telemetry_gap, absent: true, metric: {at: AT/prom/beats, query: b},
     labels: {instance: nitro-001}}
";
    let rules = Catalogue::parse(&rule.replace("AT", &site.world.at));
    let mut watchers: Vec<Watcher> = rules.unwrap().rules.into_iter().map(Watcher::new).collect();
    let kinds = || {
        let scene = site.core.0.lock().unwrap();
        let kinds: Vec<Kind> = scene.desk().state().incidents().map(|it| it.kind).collect();
        kinds
    };
    site.world.measures("rate", Some("0.062"));
    site.world.measures("beats", Some("1"));
    let mut turn = async |seconds: u64| {
        site.core.0.lock().unwrap().until(seconds * SECOND);
        for watcher in &mut watchers {
            watcher.turn(&site.core, &scrubber()).await.unwrap();
        }
    };
    for seconds in (0..300).step_by(15) {
        turn(seconds).await;
    }
    assert_eq!(kinds(), [Kind::Other]);
    turn(300).await;
    assert_eq!(kinds(), [Kind::Other, Kind::WorkflowErrorRate]);
    site.world.measures("beats", None);
    turn(315).await;
    assert_eq!(kinds()[2..], [Kind::TelemetryGap], "silence is what it waits for");
    site.world.says("/prom/rate/api/v1/query", 503, "");
    for seconds in (330..=360).step_by(15) {
        turn(seconds).await;
    }
    assert_eq!(kinds()[3..], [Kind::DeskFault], "within a minute");
    // Of several values nobody said which is meant: that is no value, and not none either.
    let two = "{\"metric\":{},\"value\":[1,\"9\"]},{\"metric\":{},\"value\":[1,\"9\"]}";
    let two = format!("{{\"data\":{{\"resultType\":\"vector\",\"result\":[{two}]}}}}");
    site.world.says("/prom/beats/api/v1/query", 200, &two);
    for seconds in (375..=450).step_by(15) {
        turn(seconds).await;
    }
    assert_eq!(kinds()[4..], [Kind::DeskFault], "both rules are blind");
    let scene = site.core.0.lock().unwrap();
    assert!(scene.incident(2).firing, "not seen is not resolved");
    assert_eq!(scene.incident(2).id, IncidentId(2));
}

#[test]
fn a_rule_whose_signal_could_not_be_made_is_refused() {
    let rule = |labels: &str| {
        let rule = format!(
            "rules:\n  - {{name: r, kind: other, metric: {{at: 'http://p', query: q}}, \
             labels: {{{labels}}}}}\n"
        );
        Catalogue::parse(&rule).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(rule("instance: x"), Ok(()));
    let refused = rule("tee-instance: x").unwrap_err();
    assert!(refused.contains("rule r: expected names of labels"), "{refused}");
    let many: Vec<String> = (0..64).map(|at| format!("l{at}: x")).collect();
    assert!(rule(&many.join(", ")).is_err(), "one more is the name of the alert");
    assert_eq!(rule(&many[1..].join(", ")), Ok(()));
}

#[tokio::test]
async fn rows_are_read_with_values_and_never_written() {
    let server = tokio::task::spawn_blocking(lucarne_testkit::postgres::Postgres::start);
    let server = server.await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    std::fs::write(&file, server.url()).unwrap();
    let (client, connection) =
        tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    drop(tokio::spawn(connection));
    let table = "CREATE TABLE usage_events (tenant_id TEXT, ts BIGINT, bytes BIGINT);
                 INSERT INTO usage_events VALUES ('t1', 1, 10), ('t2', 2, 20), ('t1', 3, 30)";
    client.batch_execute(table).await.unwrap();
    let sql = |query: &str, values: &[&str]| Sql {
        postgres_file: file.clone(),
        query: query.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let names = Names::from([("tenant".to_owned(), "t1' OR '1'='1".to_owned())]);
    let patience = std::time::Duration::from_secs(10);
    let shipped = lucarne_desk::catalogue::USAGE_EVENTS;
    assert_eq!(sql(shipped, &["{tenant}"]).collect(&names, patience).await, Ok(Vec::new()));
    let names = Names::from([("tenant".to_owned(), "t1".to_owned())]);
    let rows = sql(shipped, &["{tenant}"]).collect(&names, patience).await.unwrap();
    assert_eq!(
        String::from_utf8(rows).unwrap(),
        "[{\"tenant_id\":\"t1\",\"ts\":3,\"bytes\":30},\n\
         {\"tenant_id\":\"t1\",\"ts\":1,\"bytes\":10}]"
    );
    let write = "WITH gone AS (DELETE FROM usage_events RETURNING *) SELECT * FROM gone";
    let refused = sql(write, &[]).collect(&names, patience).await.unwrap_err();
    assert!(!refused.is_empty());
    let two = sql("SELECT 1; DROP TABLE usage_events", &[]).collect(&names, patience).await;
    assert_eq!(two, Err("one statement is asked for".to_owned()));
    let left = client.query("SELECT 1 FROM usage_events", &[]).await.unwrap();
    assert_eq!(left.len(), 3);
}

#[test]
fn the_catalogue_of_the_page_can_be_used() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/desk.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```yaml\nsources:").unwrap();
    let (body, _) = rest.split_once("```").unwrap();
    let catalogue = Catalogue::parse(&format!("sources:{body}")).unwrap();
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(catalogue.actions.keys().collect()), ["activate_policy", "restart_collector"]);
    assert_eq!(
        names(catalogue.probes.keys().collect()),
        ["measurement", "reach", "ready", "revoked_canary", "workflow_error_rate"]
    );
    assert_eq!(names(catalogue.collectors.keys().collect()), ["config", "health", "key-usage"]);
    assert_eq!(catalogue.rules.len(), 3);
    let rule = "rules:\n- {name: x, kind: other}\n";
    let neither = Catalogue::parse(rule).unwrap_err().to_string();
    assert_eq!(neither, "rule x: expected either metric or ready");
    let wrong = Catalogue::parse("probes:\n  x: {by: {redy: {url: a}}}\n").unwrap_err();
    assert_eq!(wrong.line, 2, "{wrong}");
}
