//! Runs that only people can let go on: each says why, and they are told once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_desk::approval::ActionSpec;
use lucarne_desk::decision::{Notice, What};
use lucarne_desk::engine::{Notification, notices};
use lucarne_desk::event::{Event, Fact, Input, Outcome};
use lucarne_desk::incident::{IncidentId, Phase};
use lucarne_desk::refusal::Refusal;
use lucarne_desk::runbook::run::{Resume, RunEvent, RunId};
use lucarne_desk::signal::Kind;

use crate::clock::{SECOND, text};
use crate::world::Site;

const STEPS: &str = "
runbook: steps
title: looks, isolates and restarts
kinds: [other]
inputs: [instance]
steps:
  - {id: look, phase: diagnosing, timeout_seconds: 10,
     do: {query: {source: http, text: status, evidence: status}}}
  - {id: isolate, phase: containing, timeout_seconds: 10, retries: 1,
     do: {act: {action: isolate, effect: reversible, undo: release}}}
  - {id: tell, phase: containing, timeout_seconds: 10,
     do: {notify: {to: [on-call], text: 'it is isolated'}}}
  - {id: keep, phase: preserving, timeout_seconds: 10,
     do: {preserve: {items: [status], seal: true}}}
  - {id: ready, phase: validating, timeout_seconds: 20,
     do: {check: {probe: ready, expect: '200'}}}
";

const CATALOGUE: &str = "
collectors: {status: {answer: /status, from: {http: {url: AT/status}}}}
actions:
  isolate: {idempotent: true, by: {http: {url: AT/isolate, method: POST}}}
  release: {idempotent: true, by: {http: {url: AT/release, method: POST}}}
probes: {ready: {by: {ready: {url: AT/ready}}}}
";

async fn site() -> Site {
    let site = Site::new(Kind::Other, &[("instance", "i1")], CATALOGUE).await;
    for path in ["/isolate", "/release", "/ready"] {
        site.world.says(path, 200, "");
    }
    site.world.says("/status", 200, "{\"status\":\"up\"}");
    site
}

// Why steps failed, as the run says it.
fn failures(site: &Site) -> Vec<(String, String)> {
    let scene = site.core.0.lock().unwrap();
    let view = scene.desk().state().run(RunId(1)).unwrap().view();
    view.failures.iter().map(|(step, why)| (step.clone(), why.to_string())).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(step, why)| ((*step).to_owned(), (*why).to_owned())).collect()
}

// What was changed and stands.
fn measures(site: &Site) -> Vec<String> {
    let scene = site.core.0.lock().unwrap();
    let view = scene.desk().state().run(RunId(1)).unwrap().view();
    view.measures.keys().map(|step| (*step).to_owned()).collect()
}

// What a process says of the run.
fn step(site: &Site, event: RunEvent) -> Option<Refusal> {
    let mut scene = site.core.0.lock().unwrap();
    scene.input(Input::Step { run: RunId(1), event });
    scene.refused().cloned()
}

fn waits(site: &Site) -> usize {
    let scene = site.core.0.lock().unwrap();
    scene.notices().into_iter().filter(|it| matches!(it, Notice::RunWaits { .. })).count()
}

// What a channel is told of the last notice of this kind, as things stand.
#[track_caller]
fn summary(site: &Site, is: impl Fn(&Notice) -> bool) -> String {
    let scene = site.core.0.lock().unwrap();
    let issued = scene.log.iter().rev().find_map(|entry| match &entry.event {
        Event::Fact(Fact::Issued(action)) => match &action.what {
            What::Tell(notice) if is(notice) => Some(action.clone()),
            _ => None,
        },
        _ => None,
    });
    let state = scene.desk().state();
    let work = notices(state, &issued.unwrap(), scene.now(), &["ops".to_owned()]);
    serde_json::from_str::<Notification>(&work[0].body).unwrap().summary
}

#[tokio::test]
async fn a_run_that_failed_says_why_and_people_are_told_once() {
    let site = site().await;
    site.world.says("/isolate", 503, "");
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    site.until(3).await;
    assert_eq!(site.stands(), ("failed".to_owned(), "isolate".to_owned()));
    assert_eq!(site.world.changed().len(), 2, "it was tried again");
    assert_eq!(failures(&site), pairs(&[("isolate", "answered 503")]));
    site.until(9).await;
    assert_eq!(waits(&site), 1);
    let told = summary(&site, |it| matches!(it, Notice::RunWaits { .. }));
    assert!(told.starts_with("SEV2 INC-1 other i1: run_waits"), "{told}");
    assert!(told.ends_with(": RUN-1 is failed at isolate: answered 503"), "{told}");
    // It fails again, and they are told again.
    assert_eq!(site.resume(Some(Resume::Again)), None);
    site.until(12).await;
    assert_eq!(waits(&site), 2);
    // What a person says was done has failed no longer.
    assert_eq!(site.resume(Some(Resume::Done)), None);
    assert_eq!(failures(&site), []);
    site.until(15).await;
    assert_eq!((site.stands().0.as_str(), waits(&site)), ("done", 2));
    let told = summary(&site, |it| matches!(it, Notice::Said { .. }));
    assert!(told.ends_with(": it is isolated"), "{told}");
    site.check();
}

#[tokio::test]
async fn every_kind_of_step_says_why_it_failed() {
    let site = site().await;
    site.world.says("/status", 200, "{\"other\":1}");
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    site.until(1).await;
    let missing = ("look", "`answer` of the catalogue points at nothing");
    assert_eq!(failures(&site), pairs(&[missing]));
    site.world.says("/status", 500, "");
    assert_eq!(site.resume(Some(Resume::Again)), None);
    site.until(2).await;
    let refused = ("look", "answered 500");
    assert_eq!(failures(&site), pairs(&[refused]));
    // A file is where the bag has to be.
    std::fs::write(site.dir.path().join("INC-1-RUN-1.bag"), "").unwrap();
    assert_eq!(site.resume(Some(Resume::Skip)), None);
    site.until(3).await;
    assert_eq!(site.stands(), ("failed".to_owned(), "keep".to_owned()));
    let bag = ("keep", "folder of evidence cannot be used: Not a directory (os error 20)");
    assert_eq!(failures(&site), pairs(&[bag, refused]));
    std::fs::remove_file(site.dir.path().join("INC-1-RUN-1.bag")).unwrap();
    site.world.says("/ready", 503, "");
    assert_eq!(site.resume(Some(Resume::Again)), None);
    site.until(40).await;
    let check = ("ready", "expected 200, saw 503");
    assert_eq!(failures(&site), pairs(&[refused, check]), "the bag is sealed");
    // What cannot be undone says so too.
    site.world.says("/release", 502, "");
    assert_eq!(site.abort(), None);
    site.until(42).await;
    assert_eq!(site.stands(), ("in_doubt".to_owned(), "isolate".to_owned()));
    let undo = ("isolate", "answered 502");
    assert_eq!(failures(&site), pairs(&[undo, refused, check]));
    site.world.says("/release", 200, "");
    assert_eq!(site.resume(Some(Resume::Again)), None);
    site.until(43).await;
    assert_eq!(site.stands().0, "aborted");
    assert_eq!(failures(&site), pairs(&[refused, check]));
    site.check();
}

#[tokio::test]
async fn what_could_not_be_kept_is_not_called_found() {
    let site = site().await;
    // A file is where the folder of the run has to be.
    std::fs::write(site.dir.path().join("RUN-1"), "").unwrap();
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    site.until(1).await;
    assert_eq!(site.stands(), ("failed".to_owned(), "look".to_owned()));
    let why = failures(&site).remove(0).1;
    assert!(why.starts_with("folder of evidence cannot be used: "), "{why}");
    std::fs::remove_file(site.dir.path().join("RUN-1")).unwrap();
    assert_eq!(site.resume(Some(Resume::Again)), None);
    site.until(2).await;
    assert_eq!(site.stands().0, "done");
    let bag = site.dir.path().join("INC-1-RUN-1.bag");
    let statement = std::fs::read_to_string(bag.join("statement.dsse.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_str(&statement).unwrap();
    let payload = STANDARD.decode(statement["payload"].as_str().unwrap()).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let scene = site.core.0.lock().unwrap();
    let policy = scene.desk().state().policy().digest().to_string();
    assert_eq!(payload["predicate"]["policy_sha256"], policy, "the policy, and not the runbook");
}

#[tokio::test]
async fn notices_say_what_who_and_why() {
    let site = site().await;
    let told = |event: &str| summary(&site, |it| format!("{it:?}").starts_with(event));
    let action = |name: &str| ActionSpec { name: name.to_owned(), args: [].into() };
    let (incident, reason) = (IncidentId(1), text("customers wait"));
    let action_of = action("restart_instance");
    let ask = Input::Request { incident, action: action_of.clone(), reason: reason.clone() };
    assert_eq!(site.says("responder-a", ask), None);
    let asked = told("Asked");
    assert!(asked.contains("REQ-1 by responder-a needs 2 people of"), "{asked}");
    assert!(asked.ends_with(" for restart_instance"), "{asked}");
    let glass = Input::BreakGlass { incident, action: action_of, reason };
    assert_eq!(site.says("commander", glass), None);
    let alone = told("BrokenGlass");
    assert!(alone.ends_with(": commander did restart_instance alone: customers wait"), "{alone}");
    let awaited = || {
        let scene = site.core.0.lock().unwrap();
        scene.desk().state().awaited().next().map(|action| action.id)
    };
    site.core.0.lock().unwrap().until(3600 * SECOND);
    let overdue = told("Overdue");
    assert!(overdue.ends_with(": nothing was heard of restart_instance"), "{overdue}");
    let failed = Some(text("rbac refuses"));
    let result = Input::Result { action: awaited().unwrap(), failed };
    site.core.0.lock().unwrap().input(result);
    let failed = told("ActionFailed");
    assert!(failed.ends_with(": restart_instance: rbac refuses"), "{failed}");
    // Who was told that it began is told that it was nothing.
    let (to, reason) = (Phase::FalsePositive, text("a test of ours"));
    assert_eq!(site.says("responder-a", Input::Move { incident, to, reason }), None);
    assert!(told("Ended").contains("INC-1 other i1: ended"));
}

#[tokio::test]
async fn whoever_calls_a_real_incident_a_drill_does_not_make_it_one() {
    let long = "x".repeat(400);
    let labels = [("drill", "true"), ("alertname", long.as_str()), ("instance", "i1")];
    let site = Site::new(Kind::Other, &labels, "").await;
    let told = summary(&site, |it| *it == Notice::Opened);
    let name = "x".repeat(40);
    assert!(told.starts_with(&format!("SEV2 INC-1 other {name} i1: opened")), "{told}");
    // A run that failed and has changed nothing is not worth a word when all is over.
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    let (incident, to, reason) = (IncidentId(1), Phase::FalsePositive, text("nothing"));
    assert_eq!(site.says("responder-a", Input::Move { incident, to, reason }), None);
    site.until(9).await;
    assert_eq!((site.stands().0.as_str(), waits(&site)), ("failed", 0));
}

#[tokio::test]
async fn what_is_resolved_says_what_was_not_shown_and_a_drill_is_one() {
    let labels = [("drill", "true"), ("alertname", "Spike"), ("instance", "drill")];
    let site = Site::new(Kind::Other, &labels, "").await;
    site.start(
        "responder-a",
        &STEPS.replace("source: http", "source: desk"),
        &[("instance", "i1")],
    );
    let unseen = [(0, "up"), (1, "done"), (2, "done"), (3, "kept"), (4, "SKIPPED")];
    for (place, answer) in unseen {
        let (by, again) = ("desk-1/1".to_owned(), true);
        let begun = RunEvent::Begun { step: place, attempt: 0, again, by, over: None };
        assert_eq!(step(&site, begun), None);
        if place == 4 {
            let (check, outcome) = ("ready".to_owned(), Outcome::Skipped);
            let seen = Input::Checked { incident: IncidentId(1), check, outcome };
            site.core.0.lock().unwrap().input(seen);
        }
        if place == 3 {
            site.core.0.lock().unwrap().seal_bundle(1);
        }
        assert_eq!(step(&site, RunEvent::ended(place, Ok(text(answer)), "desk-1/1")), None);
    }
    site.core.0.lock().unwrap().until(60 * SECOND);
    let told = summary(&site, |it| *it == Notice::Resolved);
    assert!(told.starts_with("DRILL SEV2 INC-1 other Spike drill: resolved"), "{told}");
    assert!(told.ends_with(": not shown by ready"), "{told}");
}

#[tokio::test]
async fn a_run_in_doubt_is_told_of_when_nobody_can_be_at_it_any_longer() {
    let site = site().await;
    let source = STEPS.replace(", retries: 1", "");
    site.start("responder-a", &source, &[("instance", "i1")]);
    let by = "desk-2/1".to_owned();
    step(&site, RunEvent::Begun { step: 0, attempt: 0, again: false, by, over: None });
    let until = |second: u64| {
        site.core.0.lock().unwrap().until(second * SECOND);
        waits(&site)
    };
    assert_eq!([until(24), until(26), until(60)], [0, 1, 1], "its 10 s and 15 more");
    site.check();
}

#[tokio::test]
async fn what_is_said_of_a_run_in_doubt_is_not_said_of_an_attempt_before() {
    let site = site().await;
    site.world.says("/isolate", 503, "");
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    site.until(1).await;
    assert_eq!(failures(&site), pairs(&[("isolate", "answered 503")]));
    assert_eq!(site.resume(Some(Resume::Again)), None);
    let by = "desk-2/1".to_owned();
    step(&site, RunEvent::Begun { step: 1, attempt: 0, again: false, by, over: None });
    assert_eq!(failures(&site), []);
    site.until(30).await;
    let told = summary(&site, |it| matches!(it, Notice::RunWaits { .. }));
    assert!(told.ends_with(": RUN-1 is in_doubt at isolate"), "{told}");
    // It was done, as somebody has seen, and stands until it is undone.
    assert_eq!(site.resume(Some(Resume::Done)), None);
    assert_eq!(measures(&site), ["isolate"]);
}

#[tokio::test]
async fn what_a_person_undid_is_undone() {
    let site = site().await;
    site.world.says("/ready", 503, "");
    site.world.says("/release", 502, "");
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    site.until(1).await;
    assert_eq!(measures(&site), ["isolate"]);
    // What is resolved may have left something standing.
    site.core.0.lock().unwrap().moves(1, Phase::Resolved);
    assert_eq!(site.abort(), None);
    site.until(3).await;
    assert_eq!(failures(&site), pairs(&[("isolate", "answered 502")]));
    assert_eq!((measures(&site), waits(&site)), (vec!["isolate".to_owned()], 1));
    assert_eq!(site.resume(Some(Resume::Done)), None);
    assert_eq!((failures(&site), measures(&site)), (Vec::new(), Vec::new()));
    assert_eq!(site.stands().0, "aborted");
}

#[tokio::test]
async fn who_was_taken_over_has_no_say_in_how_it_ended() {
    let site = site().await;
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    let begun = |attempt: u8, by: &str, over: Option<&str>| {
        let (by, over) = (by.to_owned(), over.map(str::to_owned));
        step(&site, RunEvent::Begun { step: 0, attempt, again: true, by, over })
    };
    assert_eq!(begun(0, "desk-2/1", None), None);
    assert_eq!(begun(0, "desk-3/1", Some("desk-2/1")), None);
    let failed = |by| step(&site, RunEvent::ended(0, Err(text("timed out")), by));
    let done = |by| step(&site, RunEvent::ended(0, Ok(text("up")), by));
    assert_eq!(failed("desk-2/1"), Some(Refusal::NotNext));
    assert_eq!(done("desk-3/1"), None);
    let begun = |by: &str| RunEvent::Begun {
        step: 1,
        attempt: 0,
        again: true,
        by: by.to_owned(),
        over: None,
    };
    assert_eq!(step(&site, begun("desk-3/1")), None);
    assert_eq!(site.abort(), None);
    let undoing = |by: &str, over: &str| {
        let (by, over) = (by.to_owned(), Some(over.to_owned()));
        step(&site, RunEvent::Undoing { step: 1, again: true, by, over })
    };
    assert_eq!(undoing("desk-2/1", "desk-3/1"), None);
    assert_eq!(undoing("desk-3/1", "desk-2/1"), None);
    let undone = |came, by| step(&site, RunEvent::undone(1, came, by));
    assert_eq!(undone(Err(text("timed out")), "desk-2/1"), Some(Refusal::NotNext));
    assert_eq!(undone(Ok(()), "desk-3/1"), None);
    assert_eq!(site.stands().0, "aborted");
    site.check();
}

#[tokio::test]
async fn what_a_desk_was_cut_off_from_has_its_own_time() {
    let mut site = site().await;
    site.runner.alone = false;
    site.world.says("/ready", 503, "");
    let slow = STEPS.replace("timeout_seconds: 20,", "timeout_seconds: 600,");
    site.start("responder-a", &slow, &[("instance", "i1")]);
    site.until(1).await;
    site.runner.owner = "desk-2/1".to_owned();
    assert_eq!(site.stands().1, "ready", "the first desk is at it");
    assert_eq!(site.abort(), None);
    site.until(610).await;
    assert_eq!(site.world.changed(), ["/isolate"]);
    site.until(620).await;
    assert_eq!(site.world.changed(), ["/isolate", "/release"]);
}

#[tokio::test]
async fn a_runbook_that_says_what_looks_like_a_secret_is_not_begun() {
    let site = site().await;
    let source = STEPS.replace("it is isolated", "new token: hunter2hunter2");
    site.start("responder-a", &source, &[("instance", "i1")]);
    let refused = site.core.0.lock().unwrap().refused().cloned();
    assert_eq!(refused, Some(Refusal::BadRunbook));
    site.check();
}

#[tokio::test]
async fn a_summary_is_one_line_and_has_an_end() {
    let site = site().await;
    let text = format!("it is{}isolated", "\\n".repeat(400));
    let source = STEPS.replace("'it is isolated'", &format!("\"{text}\""));
    site.start("responder-a", &source, &[("instance", "i1")]);
    site.until(1).await;
    let told = summary(&site, |it| matches!(it, Notice::Said { .. }));
    assert_eq!((told.chars().count(), told.contains('\n')), (301, false), "{told}");
    assert!(told.ends_with('…'), "{told}");
}

#[tokio::test]
async fn of_several_desks_one_undoes_a_step() {
    let mut site = site().await;
    site.runner.alone = false;
    site.world.says("/ready", 503, "");
    site.start("responder-a", STEPS, &[("instance", "i1")]);
    site.until(1).await;
    assert_eq!(site.abort(), None);
    let undo = |by: &str, over: Option<&str>| {
        let (by, over) = (by.to_owned(), over.map(str::to_owned));
        step(&site, RunEvent::Undoing { step: 1, again: true, by, over })
    };
    // The check was being looked at by the first desk when the run was aborted.
    assert_eq!(undo("desk-2/1", None), Some(Refusal::NotNext));
    assert_eq!(undo("desk-2/1", Some("desk-1/1")), None);
    assert_eq!(undo("desk-3/1", Some("desk-1/1")), Some(Refusal::NotNext));
    let before = site.world.changed();
    site.until(25).await;
    assert_eq!(site.world.changed(), before, "the second desk may be undoing it yet");
    site.until(28).await;
    assert_eq!(site.world.changed().last().map(String::as_str), Some("/release"));
    assert_eq!(site.stands().0, "aborted");
    site.check();
}
