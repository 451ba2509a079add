//! AT-03: the sealed ledger does not verify. Nothing planned explains it, and nothing restarts.

use std::collections::BTreeMap;

use lucarne_desk::digest::Digest;
use lucarne_desk::event::{Fact, Input, Mute, Outcome, Window};
use lucarne_desk::incident::{FollowUp, IncidentId, Phase, Review, Severity};
use lucarne_desk::person::PersonId;
use lucarne_desk::policy::{Response, Verdict};
use lucarne_desk::refusal::Refusal;
use lucarne_desk::signal::{Draft, Fault, Kind, Status};

use crate::clock::{MINUTE, SECOND, Scene, T0, draft, integrity, normal, scope, text};

const INSTANCE: &str = "nitro-001-us-east";

fn broken() -> Scene {
    let mut scene = Scene::new();
    let window = Window {
        id: "W-all".to_owned(),
        scope: scope("instance", INSTANCE),
        from_ms: T0.wall_ms - MINUTE,
        to_ms: T0.wall_ms + 600 * MINUTE,
    };
    scene.input(Input::Window(window));
    let mute =
        Mute { id: "M".to_owned(), scope: scope("instance", INSTANCE), for_ms: 600 * MINUTE };
    scene.input(Input::Mute(mute));
    scene.input(Input::Signal(integrity(Kind::AuditIntegrity, Fault::ChainMismatch, INSTANCE)));
    scene
}

#[test]
fn a_broken_chain_is_held_gated_and_told_at_once() {
    let scene = broken();
    let decision = scene.last();
    assert_eq!(decision.rule.as_ref().map(|rule| rule.as_str()), Some("D0"));
    assert_eq!((decision.verdict, decision.latency_ms), (Verdict::Legitimate, 0));
    let ignored = "maintenance window W-all is ignored: integrity is never planned work";
    assert!(decision.explanation.contains(&ignored.to_owned()), "{:?}", decision.explanation);
    let incident = scene.incident(1);
    assert_eq!((incident.severity, incident.phase), (Severity::Sev0, Phase::Containing));
    let state = scene.desk().state();
    assert!(state.is_held(incident.id) && state.is_frozen());
    assert_eq!(state.gate("executions"), Some(incident.id));
    let told: Vec<(u64, &str)> = scene.ladder();
    assert_eq!(told, [(0, "on-call"), (0, "security"), (0, "ciso"), (0, "compliance")]);
    scene.check();
}

#[test]
fn later_reports_of_the_same_gap_are_the_same_incident() {
    let mut scene = broken();
    let issued = scene.actions.len();
    for fault in [Fault::SequenceFork, Fault::Truncation, Fault::ChainMismatch] {
        scene.input(Input::Signal(integrity(Kind::AuditIntegrity, fault, INSTANCE)));
    }
    assert_eq!((scene.incidents(), scene.incident(1).signals), (1, 4));
    assert_eq!(scene.actions.len(), issued, "nothing is done twice");
    scene.check();
}

#[test]
fn a_worse_finding_of_the_same_cause_is_no_duplicate() {
    let mut scene = Scene::new();
    let found = |scene: &mut Scene, fault| {
        scene.input(Input::Signal(integrity(Kind::Attestation, fault, INSTANCE)));
        let verdict = scene.last().verdict;
        (verdict, scene.incidents(), scene.incident(1).severity)
    };
    let (first, again) = (Verdict::Legitimate, Verdict::Duplicate);
    assert_eq!(found(&mut scene, Fault::Unavailable), (first, 1, Severity::Sev2));
    assert_eq!(found(&mut scene, Fault::Unavailable), (again, 1, Severity::Sev2));
    let told = scene.ladder().len();
    assert_eq!(found(&mut scene, Fault::RoleChanged), (first, 1, Severity::Sev1));
    assert!(scene.ladder().len() > told, "who is told of it at once is told");
    assert_eq!(found(&mut scene, Fault::RoleChanged), (again, 1, Severity::Sev1));
    assert_eq!(found(&mut scene, Fault::Unavailable), (again, 1, Severity::Sev1));
    // What a person has looked at and lowered is not raised again by the same.
    let (incident, reason) = (IncidentId(1), text("looked at it"));
    scene.says("responder-a", Input::Lower { incident, to: Severity::Sev2, reason });
    assert_eq!(found(&mut scene, Fault::RoleChanged), (again, 1, Severity::Sev2));
    scene.check();
}

#[test]
fn what_was_called_false_and_is_found_worse_is_open_again() {
    let mut scene = Scene::new();
    let found = |scene: &mut Scene, fault| {
        scene.input(Input::Signal(integrity(Kind::Attestation, fault, INSTANCE)));
        (scene.last().verdict, scene.incident(1).phase.is_open(), scene.incident(1).severity)
    };
    found(&mut scene, Fault::Unavailable);
    let (incident, reason) = (IncidentId(1), text("a test of ours"));
    let called = Input::Move { incident, to: Phase::FalsePositive, reason };
    scene.says("responder-a", called);
    let again = (Verdict::Duplicate, false, Severity::Sev2);
    assert_eq!(found(&mut scene, Fault::Unavailable), again);
    let worse = (Verdict::Legitimate, true, Severity::Sev1);
    assert_eq!(found(&mut scene, Fault::RoleChanged), worse);
    assert!(scene.ladder().iter().any(|(_, role)| *role == "security"), "{:?}", scene.ladder());
    scene.check();
}

#[test]
fn what_was_lowered_stays_so_in_what_it_is_merged_into() {
    let mut scene = Scene::new();
    let other = "nitro-002-us-east";
    let found = |scene: &mut Scene, fault, instance| {
        scene.input(Input::Signal(integrity(Kind::Attestation, fault, instance)));
        scene.last().verdict
    };
    found(&mut scene, Fault::RoleChanged, INSTANCE);
    found(&mut scene, Fault::Unavailable, other);
    let (incident, reason) = (IncidentId(1), || text("looked at it"));
    scene.says("responder-a", Input::Lower { incident, to: Severity::Sev2, reason: reason() });
    let into = IncidentId(2);
    scene.says("responder-a", Input::Merge { incident, into });
    assert_eq!(scene.incident(1).merged_into, Some(into));
    assert_eq!(found(&mut scene, Fault::RoleChanged, INSTANCE), Verdict::Duplicate);
    assert_eq!(scene.incident(2).severity, Severity::Sev2);
    scene.check();
}

#[test]
fn a_resolved_alert_neither_opens_nor_ends_it() {
    let mut scene = broken();
    let lost = Draft {
        fault: Some(Fault::EvidenceLost),
        ..draft(Kind::EvidenceLost, &[("pipeline", "a")])
    };
    scene.input(Input::Signal(normal(&lost)));
    scene.input(Input::Signal(normal(&Draft { status: Status::Resolved, ..lost })));
    assert_eq!(scene.last().verdict, Verdict::Resolved);
    scene.until(MINUTE);
    let incident = scene.incident(2);
    assert_eq!((incident.severity, incident.phase), (Severity::Sev0, Phase::Containing));
    scene.check();
}

#[test]
fn a_hold_comes_before_every_approval() {
    let mut scene = broken();
    scene.until(2 * MINUTE);
    scene.ask("responder-b", 1, "restart_instance", INSTANCE);
    assert_eq!(scene.refused(), Some(&Refusal::ForensicHold));
    assert_eq!(scene.facts(|fact| matches!(fact, Fact::Requested(_))), 0);
    // Nor does a commander get past it.
    let action = crate::clock::spec("terminate_instance", INSTANCE);
    let break_glass = Input::BreakGlass { incident: IncidentId(1), action, reason: text("now") };
    scene.says("commander", break_glass);
    assert_eq!(scene.refused(), Some(&Refusal::ForensicHold));
    // Another instance is not held; what can be undone is allowed.
    scene.ask("responder-b", 1, "restart_collector", INSTANCE);
    assert_eq!(scene.refused(), None);
    // Once the bundle is sealed, two people may redeploy; erasing stays refused.
    scene.seal_bundle(1);
    scene.ask("responder-b", 1, "terminate_instance", INSTANCE);
    assert_eq!(scene.refused(), Some(&Refusal::ForensicHold));
    scene.ask("responder-b", 1, "redeploy_known_good", INSTANCE);
    assert_eq!(scene.refused(), None);
    scene.check();
}

#[test]
fn a_hold_ends_by_two_humans_after_the_seal() {
    let mut scene = broken();
    let release = || Input::Release { incident: IncidentId(1), reason: text("investigated") };
    scene.says("security-approver", release());
    assert_eq!(scene.refused(), Some(&Refusal::EvidenceNotSealed));
    scene.seal_bundle(1);
    scene.says("security-approver", release());
    scene.says("security-approver", release());
    assert_eq!(scene.refused(), Some(&Refusal::SamePerson));
    assert!(scene.desk().state().is_held(IncidentId(1)));
    scene.says("ciso", release());
    assert!(!scene.desk().state().is_held(IncidentId(1)));
    scene.ask("responder-b", 1, "terminate_instance", INSTANCE);
    assert_eq!(scene.refused(), None);
    scene.check();
}

#[test]
fn the_guards_from_recovery_to_the_end() {
    let mut scene = broken();
    let id = IncidentId(1);
    scene.moves(1, Phase::Preserving).moves(1, Phase::Diagnosing).moves(1, Phase::Recovering);
    assert_eq!(scene.refused(), Some(&Refusal::EvidenceNotSealed));
    let waive = || Input::Waive { incident: id, item: "bundle".to_owned(), reason: text("gone") };
    scene.says("ciso", waive()).moves(1, Phase::Recovering);
    assert_eq!(scene.refused(), Some(&Refusal::EvidenceNotSealed), "one is not two");
    scene.says("ciso", waive());
    assert_eq!(scene.refused(), Some(&Refusal::SamePerson));
    scene.says("security-approver", waive());
    scene.moves(1, Phase::Recovering).moves(1, Phase::Validating).moves(1, Phase::Resolved);
    assert_eq!(scene.refused(), Some(&Refusal::NoChecks));
    let checks = BTreeMap::from([("sweep".to_owned(), 60 * MINUTE), ("canary".to_owned(), 0)]);
    scene.input(Input::Checks { incident: id, checks });
    let checked =
        |check: &str, outcome| Input::Checked { incident: id, check: check.to_owned(), outcome };
    scene.input(checked("sweep", Outcome::Pass)).input(checked("canary", Outcome::Skipped));
    scene.until(59 * MINUTE);
    scene.moves(1, Phase::Resolved);
    assert_eq!(scene.refused(), Some(&Refusal::CheckNotGreen { check: "sweep".to_owned() }));
    scene.until(60 * MINUTE + SECOND);
    assert_eq!(scene.incident(1).phase, Phase::Resolved);
    scene.moves(1, Phase::InReview);
    let close = || Input::Move { incident: id, to: Phase::Closed, reason: text("done") };
    scene.says("security-approver", close());
    assert_eq!(scene.refused(), Some(&Refusal::CheckSkipped { check: "canary".to_owned() }));
    scene.input(checked("canary", Outcome::Pass)).says("security-approver", close());
    assert_eq!(scene.refused(), Some(&Refusal::NoReview));
    let review = Review { root_cause: text("a disk"), lessons: text("two disks") };
    let owner = Some(PersonId("responder-a".to_owned()));
    let task = FollowUp { task: text("buy one"), owner, due_ms: None };
    let reviewed =
        |task| Input::Reviewed { incident: id, review: review.clone(), follow_ups: vec![task] };
    scene.input(reviewed(task.clone())).says("security-approver", close());
    assert_eq!(scene.refused(), Some(&Refusal::FollowUpOpen));
    scene.input(reviewed(FollowUp { due_ms: Some(1), ..task })).says("security-approver", close());
    assert_eq!(scene.refused(), Some(&Refusal::NotDrained));
    scene.input(Input::Drained(id)).says("security-approver", close());
    assert_eq!(scene.refused(), Some(&Refusal::NoReport));
    scene.input(Input::Reported { incident: id, report: Digest::of(b"report") });
    scene.says("security-approver", close());
    let group = "compliance".to_owned();
    assert_eq!(scene.refused(), Some(&Refusal::NotInGroup { group }));
    scene.says("compliance-approver", close());
    assert_eq!(scene.incident(1).phase, Phase::Closed);
    // The same cause within a day brings it back.
    scene.input(Input::Signal(integrity(Kind::AuditIntegrity, Fault::ChainMismatch, INSTANCE)));
    assert_eq!((scene.incidents(), scene.incident(1).reopened), (1, 1));
    scene.check();
}

#[test]
fn nothing_rolls_back_by_itself_what_is_held() {
    for (instance, rollbacks) in [(INSTANCE, 0), ("nitro-002-us-east", 1)] {
        let mut scene = broken();
        let mut trip = crate::clock::trip("c1", Some("0.95"), Some("5"));
        trip.labels.insert("instance".to_owned(), instance.to_owned());
        scene.input(Input::WindowEnd("W-all".to_owned())).input(Input::MuteEnd("M".to_owned()));
        scene.input(Input::Signal(normal(&trip)));
        assert_eq!(scene.count(Response::Rollback), rollbacks, "{instance}");
        assert_eq!(scene.count(Response::ProposeRollback), 1 - rollbacks, "{instance}");
        scene.check();
    }
}
