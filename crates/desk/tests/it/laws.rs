//! Laws that hold for every run: replay gives the same bytes, a severity falls by humans only,
//! nothing that was approved happens twice, no secret is stored.

use std::collections::{BTreeMap, BTreeSet};

use lucarne_desk::approval::RequestId;
use lucarne_desk::decide::{Desk, PolicyUnsafe, decide};
use lucarne_desk::decision::What;
use lucarne_desk::digest::Digest;
use lucarne_desk::event::{Event, Fact, Input};
use lucarne_desk::incident::{IncidentId, Phase, Severity};
use lucarne_desk::policy::{Policy, Profile};
use lucarne_desk::refusal::Refusal;
use lucarne_desk::signal::{Draft, Fault, Kind, Pasted, Status};
use proptest::prelude::*;

use crate::clock::{SECOND, Scene, draft, integrity, normal, spec, text, trip};

#[derive(Clone, Debug)]
enum Step {
    Trip(u8, u8, u8, bool),
    Integrity(u8),
    Beat(u8),
    Pass(u16),
    Jump(i32),
    Move(u8, usize),
    Lower(u8, u8, bool),
    Seal(u8),
    Ask(usize, u8, usize),
    Approve(usize, u8),
    Execute(u8),
    Edit(u8, u8),
    Result(u8, bool),
    Ack(u8),
}

const PEOPLE: [&str; 6] =
    ["responder-a", "responder-b", "security-approver", "compliance-approver", "ciso", "commander"];
const ACTIONS: [&str; 4] =
    ["throttle_tenant", "redeploy_known_good", "terminate_instance", "rotate_key"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8, 0..=12_u8, 0..8_u8, any::<bool>())
            .prop_map(|(c, r, m, f)| Step::Trip(c, r, m, f)),
        1 => (0..2_u8).prop_map(Step::Integrity),
        2 => (0..5_u8).prop_map(Step::Beat),
        3 => (0..2000_u16).prop_map(Step::Pass),
        1 => any::<i32>().prop_map(Step::Jump),
        2 => (1..4_u8, 0..Phase::ALL.len()).prop_map(|(i, p)| Step::Move(i, p)),
        1 => (1..4_u8, 0..4_u8, any::<bool>()).prop_map(|(i, s, h)| Step::Lower(i, s, h)),
        1 => (1..4_u8).prop_map(Step::Seal),
        2 => (0..6_usize, 1..4_u8, 0..4_usize).prop_map(|(w, i, a)| Step::Ask(w, i, a)),
        4 => (0..6_usize, 1..4_u8).prop_map(|(w, r)| Step::Approve(w, r)),
        2 => (1..4_u8).prop_map(Step::Execute),
        1 => (1..4_u8, 0..3_u8).prop_map(|(r, i)| Step::Edit(r, i)),
        2 => (0..20_u8, any::<bool>()).prop_map(|(a, f)| Step::Result(a, f)),
        1 => (1..4_u8).prop_map(Step::Ack),
    ]
}

fn go(scene: &mut Scene, step: &Step) {
    let incident = |n: u8| IncidentId(u64::from(n));
    match *step {
        Step::Trip(capsule, risk, misses, firing) => {
            let status = if firing { Status::Firing } else { Status::Resolved };
            // Above ten tenths is absurd, and must be unknown.
            let risk = format!("{}", f64::from(risk) / 10.0);
            let draft = trip(&format!("c{capsule}"), Some(&risk), Some(&misses.to_string()));
            scene.input(Input::Signal(normal(&Draft { status, ..draft })));
        }
        Step::Integrity(n) => {
            let name = format!("i{n}");
            let signal = integrity(Kind::AuditIntegrity, Fault::ChainMismatch, &name);
            scene.input(Input::Signal(signal));
        }
        Step::Beat(n) => {
            scene.input(Input::Beat { capsule: text(&format!("c{n}")), stated_ms: None });
        }
        Step::Pass(seconds) => {
            scene.away(u64::from(seconds) * SECOND);
            scene.input(Input::Tick);
        }
        Step::Jump(ms) => scene.jump_wall(i64::from(ms) / 100),
        Step::Move(n, phase) => {
            let to = Phase::ALL[phase];
            scene.says("responder-a", Input::Move { incident: incident(n), to, reason: text("r") });
        }
        Step::Lower(n, severity, human) => {
            let all = [Severity::Sev0, Severity::Sev1, Severity::Sev2, Severity::Sev3];
            let to = all[usize::from(severity)];
            let lower = Input::Lower { incident: incident(n), to, reason: text("r") };
            if human {
                scene.says("responder-a", lower)
            } else {
                scene.input(lower)
            };
        }
        Step::Seal(n) => scene.seal_bundle(u64::from(n)),
        Step::Ask(who, n, action) => {
            scene.ask(PEOPLE[who], u64::from(n), ACTIONS[action], "i0");
        }
        Step::Approve(who, n) => {
            let request = RequestId(u64::from(n));
            let known = scene.desk().state().request(request).map(|request| request.digest);
            let digest = known.unwrap_or_else(|| Digest::of(b""));
            scene.says(PEOPLE[who], Input::Approve { request, digest });
        }
        Step::Execute(n) => {
            scene.says("responder-a", Input::Execute(RequestId(u64::from(n))));
        }
        Step::Edit(n, instance) => {
            let args = spec("", &format!("i{instance}")).args;
            let request = RequestId(u64::from(n));
            scene.says("responder-a", Input::Edit { request, args });
        }
        Step::Result(n, failed) => {
            let action = lucarne_desk::decision::ActionId(u64::from(n));
            scene.input(Input::Result { action, failed: failed.then(|| text("no")) });
        }
        Step::Ack(n) => {
            scene.says("responder-a", Input::Ack(incident(n)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_run_keeps_the_laws(steps in proptest::collection::vec(step(), 1..60)) {
        let mut scene = Scene::new();
        for step in &steps {
            let before: BTreeMap<IncidentId, Severity> =
                scene.desk().state().incidents().map(|i| (i.id, i.severity)).collect();
            let from = scene.log.len();
            go(&mut scene, step);
            for incident in scene.desk().state().incidents() {
                let fell = before.get(&incident.id).is_some_and(|was| incident.severity > *was);
                let by_human = scene.log[from..].iter().any(|entry| matches!(
                    &entry.event,
                    Event::Fact(Fact::Fell { incident: id, reason, .. })
                        if *id == incident.id && !reason.as_str().is_empty()
                ));
                prop_assert!(!fell || by_human, "{} fell by itself", incident.id);
            }
        }
        let mut done = BTreeSet::new();
        for action in &scene.actions {
            if let What::Execute { request, .. } = &action.what {
                prop_assert!(done.insert(*request), "{request} happens twice");
            }
        }
        let numbers: BTreeSet<_> = scene.actions.iter().map(|action| action.id).collect();
        prop_assert_eq!(numbers.len(), scene.actions.len());
        scene.check();
    }
}

#[test]
fn deciding_is_pure() {
    let mut scene = Scene::new();
    let before = scene.desk().state().clone();
    let from = scene.log.len();
    scene.input(Input::Signal(normal(&trip("c1", Some("0.95"), Some("5")))));
    let (facts, actions) = decide(&before, &scene.log[from]);
    assert_eq!(facts, scene.log[from + 1..]);
    assert_eq!(actions, scene.actions);
    assert_eq!(decide(&before, &scene.log[from]), (facts.clone(), actions));
    // A fact is a conclusion; nothing follows from it again.
    assert_eq!(decide(scene.desk().state(), &facts[0]), (Vec::new(), Vec::new()));
}

#[test]
fn no_secret_is_stored() {
    let mut scene = Scene::new();
    let pasted = Pasted {
        kid: Some("sts-2026-05".to_owned()),
        secret: "kZ3-not-any-known-shape".to_owned(),
        location: "https://git.example/r commit 1f, kZ3-not-any-known-shape".to_owned(),
    };
    let labels = [("kid", "sts-2026-05"), ("note", "4111111111111111 and 078-05-1120")];
    let raw = b"{\"secret\":\"kZ3-not-any-known-shape\"}".to_vec();
    let exposed = Draft { secret: Some(pasted), raw, ..draft(Kind::SecretExposure, &labels) };
    scene.input(Input::Signal(normal(&exposed)));
    assert_eq!(scene.incident(1).severity, Severity::Sev0);
    let stored = scene.check() + &String::from_utf8(scene.desk().state().to_bytes()).unwrap();
    for secret in ["kZ3", "4111111111111111", "078-05-1120"] {
        assert!(!stored.contains(secret), "{secret} is stored");
    }
    assert!(stored.contains("sts-2026-05") && stored.contains("https://git.example/r commit 1f"));
}

#[test]
fn a_policy_that_lets_integrity_past_never_holds() {
    let bot = Policy::shipped(Profile::ProvabilityBot);
    assert_eq!(Desk::new(bot.clone()).map(|_| ()), Err(PolicyUnsafe));
    let mut scene = Scene::new();
    scene.input(Input::Policy(bot.source().to_owned()));
    assert_eq!(scene.refused(), Some(&Refusal::PolicyUnsafe));
    assert_eq!(scene.desk().state().policy().name(), "responder-default-v1");
    let changed = Policy::shipped(Profile::ResponderDefault);
    let changed = changed.with_high(lucarne_desk::number::Number::new(0.9).unwrap()).unwrap();
    scene.input(Input::Policy(changed.source().to_owned()));
    assert_eq!(scene.desk().state().policy().digest(), changed.digest());
}
