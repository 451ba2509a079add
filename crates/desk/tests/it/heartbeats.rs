//! Heartbeats counted by who receives them, and the ladder of who is told.

use lucarne_desk::event::Input;
use lucarne_desk::incident::{IncidentId, Severity};
use lucarne_desk::policy::Verdict;
use lucarne_desk::refusal::Refusal;
use lucarne_desk::signal::{Draft, Kind};

use crate::clock::{MINUTE, SECOND, Scene, draft, normal, text, trip};

fn beat(scene: &mut Scene, stated_ms: Option<u64>) {
    scene.input(Input::Beat { capsule: text("c1"), stated_ms });
}

fn misses(scene: &Scene) -> Option<u64> {
    scene.desk().state().misses("c1", scene.now())
}

/// The rules that decided, with the second in which each did.
fn rules(scene: &Scene) -> Vec<(u64, String)> {
    let said = scene.log.iter().filter_map(|entry| match &entry.event {
        lucarne_desk::event::Event::Fact(lucarne_desk::event::Fact::Decided(decision)) => {
            Some((entry.at.mono_ms / SECOND, decision.rule.as_ref()?.to_string()))
        }
        _ => None,
    });
    said.collect()
}

#[test]
fn three_misses_after_fifteen_seconds_and_five_after_twenty_five() {
    let mut scene = Scene::new();
    beat(&mut scene, None);
    for (second, count) in [(4, 0), (5, 1), (14, 2), (15, 3), (24, 4), (25, 5)] {
        scene.until(second * SECOND);
        assert_eq!(misses(&scene), Some(count), "at {second} s");
    }
    scene.until(40 * SECOND);
    // Suspicious at 15 s and silent at 25 s, each after the wait for the fleet.
    assert_eq!(rules(&scene), [(25, "D9".to_owned()), (35, "D8".to_owned())]);
    scene.check();
}

#[test]
fn one_late_beat_resets_and_a_clock_that_is_off_changes_nothing() {
    let mut scene = Scene::new();
    beat(&mut scene, Some(3));
    scene.until(14 * SECOND);
    beat(&mut scene, Some(u64::MAX));
    scene.until(18 * SECOND);
    assert_eq!(misses(&scene), Some(0));
    assert_eq!(scene.decisions().len(), 0);
    scene.check();
}

#[test]
fn a_desk_that_was_away_does_not_count_what_it_did_not_hear() {
    let mut scene = Scene::new();
    beat(&mut scene, None);
    scene.until(4 * SECOND);
    scene.away(20 * SECOND);
    scene.input(Input::Tick);
    assert_eq!(misses(&scene), Some(0));
    assert_eq!(scene.decisions().len(), 0);
    // What comes after that counts again.
    scene.until(24 * SECOND + 11 * SECOND);
    assert_eq!(misses(&scene), Some(3));
    scene.check();
}

#[test]
fn the_last_known_risk_decides_with_the_silence() {
    let mut scene = Scene::new();
    beat(&mut scene, None);
    scene.input(Input::Signal(normal(&trip("c1", Some("0.6"), Some("0")))));
    scene.until(16 * SECOND);
    // D6 needs no wait: the network explains no capsule at risk.
    assert_eq!(rules(&scene), [(0, "D7".to_owned()), (15, "D6".to_owned())]);
    assert_eq!(scene.incidents(), 1);
    scene.check();
}

fn sev1() -> Scene {
    let mut scene = Scene::new();
    let backlog = draft(Kind::TelemetryGap, &[("instance", "i")]);
    scene.input(Input::Signal(normal(&Draft { ..backlog })));
    scene
}

#[test]
fn the_ladder_of_the_playbook() {
    let mut scene = sev1();
    assert_eq!(scene.incident(1).severity, Severity::Sev2);
    scene.until(61 * MINUTE);
    let expected =
        [(0, "on-call"), (900, "sre-lead"), (1800, "security"), (3600, "engineering-manager")];
    assert_eq!(scene.ladder(), expected);
    scene.check();
}

#[test]
fn who_has_it_in_hand_stops_the_ladder_until_silent() {
    let mut scene = sev1();
    scene.until(10 * MINUTE);
    scene.says("responder-a", Input::Ack(IncidentId(1)));
    scene.until(39 * MINUTE);
    assert_eq!(scene.ladder(), [(0, "on-call")]);
    scene.until(40 * MINUTE);
    assert_eq!(scene.ladder()[1..], [(2400, "sre-lead"), (2400, "security")]);
    scene.check();
}

#[test]
fn a_severity_falls_by_a_human_with_a_reason() {
    let mut scene = sev1();
    let lower =
        |to, reason: &str| Input::Lower { incident: IncidentId(1), to, reason: text(reason) };
    scene.input(lower(Severity::Sev3, "noise"));
    assert_eq!(scene.refused(), Some(&Refusal::NotAPerson));
    scene.says("responder-a", lower(Severity::Sev3, ""));
    assert_eq!(scene.refused(), Some(&Refusal::NoReason));
    scene.says("responder-a", lower(Severity::Sev1, "worse"));
    assert_eq!(scene.refused(), Some(&Refusal::NotLower));
    scene.says("responder-a", lower(Severity::Sev3, "noise"));
    assert_eq!(scene.incident(1).severity, Severity::Sev3);
    scene.check();
}

#[test]
fn parts_become_one_and_the_worst_severity_stays() {
    let mut scene = sev1();
    let other = draft(Kind::Other, &[("alertname", "x")]);
    scene.input(Input::Signal(normal(&other)));
    scene.input(Input::Signal(normal(&trip("c1", Some("0.95"), Some("5")))));
    let merge =
        |incident, into| Input::Merge { incident: IncidentId(incident), into: IncidentId(into) };
    scene.says("responder-a", merge(1, 1));
    assert_eq!(scene.refused(), Some(&Refusal::SameIncident));
    scene.says("responder-a", merge(3, 2));
    assert_eq!(scene.incident(2).severity, Severity::Sev1);
    assert_eq!(scene.incident(2).signals, 2);
    // What comes of the part belongs to the whole.
    scene.input(Input::Signal(normal(&trip("c1", Some("0.95"), Some("5")))));
    assert_eq!((scene.last().verdict, scene.incident(2).signals), (Verdict::Duplicate, 3));
    scene.check();
}
