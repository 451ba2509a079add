//! AT-01: a spike of failed workflows, from the measured value to the resolved incident.

use std::collections::BTreeMap;

use lucarne_desk::approval::RequestId;
use lucarne_desk::decision::Notice;
use lucarne_desk::diagnosis::dominant;
use lucarne_desk::event::{Change as Deployment, Fact, Input, Outcome};
use lucarne_desk::incident::{IncidentId, Phase, Severity};
use lucarne_desk::number::Number;
use lucarne_desk::policy::{Cause, Response, Verdict};
use lucarne_desk::rule::{Change, Rule, Standing, Watch};
use lucarne_desk::signal::{Draft, Kind, Signal, Source, Status};

use crate::clock::{MINUTE, SECOND, Scene, T0, draft, normal, scope};

fn rule() -> Rule {
    Rule {
        above: Number::new(0.05).unwrap(),
        for_ms: 5 * MINUTE,
        keep_firing_for_ms: 2 * MINUTE,
        blind_after_ms: 45 * SECOND,
    }
}

fn signal(source: Source, status: Status) -> Signal {
    let labels = [("alertname", "WorkflowErrorRate"), ("instance", "nitro-001-us-east")];
    normal(&Draft { source, status, value: Some(0.062), ..draft(Kind::WorkflowErrorRate, &labels) })
}

/// Evaluates every 15 s up to a time, and hands in what the rule signals.
fn evaluate(scene: &mut Scene, watch: &mut Watch, until: u64, value: impl Fn(u64) -> Option<f64>) {
    let mut at = scene.now().mono_ms.next_multiple_of(15 * SECOND);
    while at <= until {
        scene.until(at);
        let answer = value(at).and_then(Number::new);
        for change in watch.see(&rule(), answer, scene.now()) {
            match change {
                Change::Fires => scene.input(Input::Signal(signal(Source::Rule, Status::Firing))),
                Change::Resolves => {
                    scene.input(Input::Signal(signal(Source::Rule, Status::Resolved)))
                }
                Change::Blind => {
                    let labels = [("alertname", "RuleUnknown")];
                    let fault = draft(Kind::DeskFault, &labels);
                    scene.input(Input::Signal(normal(&Draft { source: Source::Desk, ..fault })))
                }
                Change::Sees => scene,
            };
        }
        at += 15 * SECOND;
    }
}

#[test]
fn a_spike_is_one_operational_incident_that_ends_by_proof() {
    let mut scene = Scene::new();
    let mut watch = Watch::default();
    let at_ms = T0.wall_ms - 180 * MINUTE;
    let deployment = scope("instance", "nitro-001-us-east");
    scene.input(Input::Change(Deployment { id: "deploy-7".to_owned(), scope: deployment, at_ms }));
    let value = |at| Some(if at < 22 * MINUTE { 0.062 } else { 0.004 });
    evaluate(&mut scene, &mut watch, 5 * MINUTE + 15 * SECOND, value);
    assert_eq!(scene.incidents(), 1);
    let incident = scene.incident(1);
    assert_eq!((incident.kind, incident.severity), (Kind::WorkflowErrorRate, Severity::Sev2));
    assert_eq!(incident.opened, T0.plus_ms(5 * MINUTE));
    let decision = scene.last();
    assert_eq!((decision.verdict, decision.cause), (Verdict::Legitimate, Some(Cause::Operations)));
    let why = &decision.explanation;
    assert!(why.contains(&"no change in scope in the last 60 min".to_owned()), "{why:?}");
    for at in [5 * MINUTE + 30 * SECOND, 10 * MINUTE + 30 * SECOND] {
        evaluate(&mut scene, &mut watch, at, value);
        scene.input(Input::Signal(signal(Source::Alertmanager, Status::Firing)));
        assert_eq!(scene.last().verdict, Verdict::Duplicate);
    }
    assert_eq!((scene.incidents(), scene.incident(1).signals), (1, 3));
    assert_eq!(scene.notices(), [&Notice::Opened]);
    // Nothing is contained by itself; a throttle is offered and needs one other person.
    assert_eq!(scene.count(Response::Contain) + scene.count(Response::Gate), 0);
    scene.ask("responder-a", 1, "throttle_tenant", "nitro-001-us-east");
    scene.approve("responder-b", 1);
    assert_eq!(scene.facts(|fact| matches!(fact, Fact::Approved(_))), 1);

    scene.moves(1, Phase::Preserving);
    scene.seal_bundle(1);
    scene.moves(1, Phase::Diagnosing).moves(1, Phase::Recovering);
    let checks = BTreeMap::from([("error_rate".to_owned(), 10 * MINUTE), ("canary".to_owned(), 0)]);
    scene.input(Input::Checks { incident: IncidentId(1), checks });
    scene.moves(1, Phase::Validating);
    let ends = validate(&mut scene, &mut watch, value);
    assert_eq!(ends, 32 * MINUTE);
    assert_eq!(
        scene.notices(),
        [&Notice::Opened, &Notice::Asked { request: RequestId(1) }, &Notice::Resolved]
    );
    // Monday 2026-05-25 and five working days.
    let due_ms = T0.wall_ms + 32 * MINUTE + 7 * 24 * 60 * MINUTE;
    let due = Fact::ReviewDue { incident: IncidentId(1), due_ms };
    assert_eq!(scene.facts(|fact| *fact == due), 1);
    scene.check();
}

// Checks every 15 s until the incident is resolved, and says when.
fn validate(scene: &mut Scene, watch: &mut Watch, value: impl Fn(u64) -> Option<f64>) -> u64 {
    let incident = IncidentId(1);
    for at in (11 * MINUTE..60 * MINUTE).step_by(15_000) {
        evaluate(scene, watch, at, &value);
        if scene.incident(1).phase == Phase::Resolved {
            return scene.incident(1).entered.mono_ms;
        }
        let good = value(at).is_some_and(|rate| rate < 0.01);
        let outcome = if good { Outcome::Pass } else { Outcome::Fail };
        scene.input(Input::Checked { incident, check: "error_rate".to_owned(), outcome });
        let outcome = Outcome::Pass;
        scene.input(Input::Checked { incident, check: "canary".to_owned(), outcome });
        scene.input(Input::Tick);
    }
    panic!("it is never resolved");
}

#[test]
fn most_errors_have_one_code() {
    let counts =
        BTreeMap::from([("E_CALCULATION_OVERFLOW".to_owned(), 47), ("E_TIMEOUT".to_owned(), 3)]);
    assert_eq!(dominant(&counts), Some(("E_CALCULATION_OVERFLOW", 0.94)));
    assert_eq!(dominant(&BTreeMap::new()), None);
    assert_eq!(dominant(&BTreeMap::from([("E".to_owned(), 0)])), None);
}

#[test]
fn a_short_spike_is_none() {
    let mut scene = Scene::new();
    let value = |at| Some(if at < 4 * MINUTE + 45 * SECOND { 0.062 } else { 0.021 });
    evaluate(&mut scene, &mut Watch::default(), 20 * MINUTE, value);
    assert_eq!(scene.incidents(), 0);
    // A quarter of a minute longer, and it is one.
    let value = |at| Some(if at <= 5 * MINUTE { 0.062 } else { 0.021 });
    let mut scene = Scene::new();
    evaluate(&mut scene, &mut Watch::default(), 20 * MINUTE, value);
    assert_eq!(scene.incidents(), 1);
    scene.check();
}

#[test]
fn coming_and_going_is_one_incident_and_two_notices() {
    let mut scene = Scene::new();
    for n in 0..8 {
        let status = if n % 2 == 0 { Status::Firing } else { Status::Resolved };
        scene.until(n * 4 * MINUTE);
        scene.input(Input::Signal(signal(Source::Alertmanager, status)));
        assert_eq!(scene.incident(1).flapping, n >= 6, "after {n} changes");
    }
    assert_eq!(scene.incidents(), 1);
    assert_eq!(scene.notices(), [&Notice::Opened, &Notice::Flapping]);
    scene.until(28 * MINUTE + 31 * MINUTE);
    assert!(!scene.incident(1).flapping, "half an hour of quiet");
    scene.check();
}

#[test]
fn a_source_that_does_not_answer_is_unknown_and_never_good() {
    let mut scene = Scene::new();
    let mut watch = Watch::default();
    let value = |at| (at < 6 * MINUTE).then_some(0.062);
    evaluate(&mut scene, &mut watch, 7 * MINUTE, value);
    assert_eq!(watch.standing(), Standing::Unknown);
    let blind = scene.incident(2);
    assert_eq!((blind.kind, blind.opened.mono_ms), (Kind::DeskFault, 6 * MINUTE + 45 * SECOND));
    evaluate(&mut scene, &mut watch, 40 * MINUTE, value);
    let said: Vec<Verdict> = scene.decisions().iter().map(|d| d.verdict).collect();
    assert_eq!(said, [Verdict::Legitimate, Verdict::Legitimate]);
    assert!(scene.incident(1).phase.is_open() && scene.incident(1).firing);
    scene.check();
}
