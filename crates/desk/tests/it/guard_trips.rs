//! AT-05: guard trips, row by row, under all three profiles.

use lucarne_desk::event::{Fact, Input, Window};
use lucarne_desk::incident::{IncidentId, Phase};
use lucarne_desk::log;
use lucarne_desk::number::Number;
use lucarne_desk::policy::{Policy, Profile, Response, Verdict};
use lucarne_desk::signal::{Draft, Source, Status};

use crate::clock::{SECOND, Scene, T0, normal, scope, text, trip};

/// One signal under one profile: `verdict rule action…`, after the wait for the fleet.
fn said(profile: Profile, draft: &Draft, maintenance: bool) -> String {
    let mut scene = Scene::by(Policy::shipped(profile));
    if maintenance {
        window(&mut scene);
    }
    scene.input(Input::Signal(normal(draft)));
    scene.until(12 * SECOND);
    scene.check();
    let decisions = scene.decisions();
    let [decision] = decisions.as_slice() else { panic!("one decision: {decisions:?}") };
    let rule = decision.rule.as_ref().map_or("-", |rule| rule.as_str());
    let actions: Vec<&str> = decision.actions.iter().map(|action| action.as_str()).collect();
    assert!(decision.latency_ms <= 12 * SECOND, "{decision:?}");
    format!("{} {rule} {}", decision.verdict, actions.join(" ")).trim_end().to_owned()
}

fn window(scene: &mut Scene) {
    let (from_ms, to_ms) = (T0.wall_ms - 60 * SECOND, T0.wall_ms + 600 * SECOND);
    let window =
        Window { id: "W-1".to_owned(), scope: scope("capsule_hash", "c1"), from_ms, to_ms };
    scene.input(Input::Window(window));
}

const NONE: &str = "ignored B4";
const BY_RISK: &str = "legitimate B2 rollback";
const BY_MISSES: &str = "legitimate B3 rollback";
const P1: &str = "false_positive P1 threshold_task rules_task";
const P2: &str = "false_positive P2 rules_task";
const D8: &str = "legitimate D8 contain propose_rollback page";
const D7: &str = "false_positive D7 monitor rules_task";
const D6: &str = "legitimate D6 rollback page";
const D5: &str = "legitimate D5 rollback page";
const D5_ASKS: &str = "legitimate D5 propose_rollback page";

/// risk, misses, maintenance in scope; responder-default, provability-bot, provability-playbook.
type MatrixRow = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    bool,
    &'static str,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const MATRIX: [MatrixRow; 16] = [
    ("1",   Some("0.10"), Some("0"), false, "false_positive D11 threshold_task", NONE, P1),
    ("2",   Some("0.45"), Some("2"), false, "false_positive D10 monitor", NONE, P1),
    ("3",   Some("0.30"), Some("4"), false, "investigate D9 monitor ticket", BY_MISSES, P1),
    ("4",   Some("0.30"), Some("5"), false, D8, BY_MISSES, P1),
    ("5",   Some("0.50"), Some("0"), false, D7, NONE, P2),
    ("6",   Some("0.70"), Some("2"), false, D7, NONE, P2),
    ("7",   Some("0.79"), Some("3"), false, D6, BY_MISSES, "legitimate P3 rollback"),
    ("8",   Some("0.80"), Some("0"), false, D5, BY_RISK, P2),
    ("9",   Some("0.95"), Some("5"), false, D5, BY_RISK, "legitimate P4 rollback"),
    ("10",  Some("0.85"), Some("4"), true,  D5_ASKS, "ignored B1", "legitimate P4 rollback"),
    ("11",  Some("0.20"), Some("1"), true,  "suppressed D11", "ignored B1", P1),
    ("13",  None,         Some("4"), false, "investigate D1 page", BY_MISSES, "undecided -"),
    ("14a", Some("abc"),  Some("0"), false, "investigate D1 page", NONE, "undecided -"),
    ("14b", Some("1.7"),  Some("0"), false, "investigate D1 page", BY_RISK, "undecided -"),
    ("14c", Some("-0.1"), Some("0"), false, "investigate D1 page", NONE, "undecided -"),
    ("14d", Some("0.1"),  Some("x"), false, "investigate D1 page", NONE, P1),
];

#[test]
fn rows_1_to_14() {
    for (row, risk, misses, maintenance, default, bot, playbook) in MATRIX {
        let draft = trip("c1", risk, misses);
        assert_eq!(said(Profile::ResponderDefault, &draft, maintenance), default, "row {row}");
        assert_eq!(said(Profile::ProvabilityBot, &draft, maintenance), bot, "row {row}, bot");
        if row == "14d" {
            continue;
        }
        let tree = said(Profile::ProvabilityPlaybook, &draft, maintenance);
        assert_eq!(tree, playbook, "row {row}, playbook");
    }
}

#[test]
fn both_intakes_agree() {
    for (row, risk, misses, maintenance, default, ..) in MATRIX {
        let draft = Draft { source: Source::Alertmanager, ..trip("c1", risk, misses) };
        assert_eq!(said(Profile::ResponderDefault, &draft, maintenance), default, "row {row}");
    }
}

#[test]
fn row_12_a_fleet_that_falls_silent_is_one_network_incident() {
    let mut scene = Scene::new();
    for n in 0..20 {
        scene.input(Input::Beat { capsule: text(&format!("c{n}")), stated_ms: None });
    }
    for n in 0..7 {
        scene.input(Input::Signal(normal(&trip(&format!("c{n}"), Some("0.30"), Some("6")))));
        scene.until((n + 1) * SECOND);
        for alive in 7..20 {
            scene.input(Input::Beat { capsule: text(&format!("c{alive}")), stated_ms: None });
        }
    }
    scene.until(12 * SECOND);
    scene.check();
    let rules: Vec<String> =
        scene.decisions().iter().filter_map(|d| d.rule.as_ref()).map(ToString::to_string).collect();
    assert_eq!(rules, ["D4"; 7]);
    assert_eq!(scene.incidents(), 1);
    let incident = scene.incident(1);
    assert_eq!((incident.phase, incident.reopened), (Phase::FalsePositive, 0));
    assert_eq!((incident.signals, scene.notices().len()), (7, 1));
    assert_eq!(scene.count(Response::Rollback) + scene.count(Response::Contain), 0);
    let bot = Policy::shipped(Profile::ProvabilityBot);
    let differ = log::replay(&scene.log, &bot);
    let rollbacks =
        differ.iter().filter(|d| d.now.len() == 1 && d.now[0].actions == [Response::Rollback]);
    assert_eq!(rollbacks.count(), 7);
}

#[test]
fn row_12_a_capsule_at_risk_is_not_explained_by_the_network() {
    let mut scene = Scene::new();
    for (capsule, risk) in [("c1", "0.3"), ("c2", "0.6"), ("c3", "0.3"), ("c4", "0.3")] {
        scene.input(Input::Signal(normal(&trip(capsule, Some(risk), Some("6")))));
    }
    scene.until(12 * SECOND);
    scene.check();
    let mut rules: Vec<String> =
        scene.decisions().iter().filter_map(|d| d.rule.as_ref()).map(ToString::to_string).collect();
    rules.sort();
    assert_eq!(rules, ["D6", "D8", "D8", "D8"]);
}

#[test]
fn row_15_a_resolved_alert_triggers_nothing() {
    let draft = Draft { status: Status::Resolved, ..trip("c1", Some("0.95"), Some("5")) };
    assert_eq!(said(Profile::ResponderDefault, &draft, false), "resolved D2");
    assert_eq!(said(Profile::ProvabilityBot, &draft, false), BY_RISK);
    // Nor does one that nobody can read.
    let odd = Draft { status: Status::Resolved, ..trip("c1", None, None) };
    assert_eq!(said(Profile::ResponderDefault, &odd, false), "resolved D2");
}

#[test]
fn row_16_fifty_deliveries_are_one_incident_and_one_rollback() {
    for (profile, rollbacks) in [(Profile::ResponderDefault, 1), (Profile::ProvabilityBot, 50)] {
        let mut scene = Scene::by(Policy::shipped(profile));
        for _ in 0..50 {
            scene.input(Input::Signal(normal(&trip("c1", Some("0.95"), Some("5")))));
        }
        scene.check();
        assert_eq!((scene.incidents(), scene.count(Response::Rollback)), (1, rollbacks));
        assert_eq!(scene.incident(1).signals, 50);
    }
}

#[test]
fn fifty_unreadable_deliveries_wake_one_person_once() {
    let mut scene = Scene::new();
    for _ in 0..50 {
        scene.input(Input::Signal(normal(&trip("c1", None, Some("4")))));
    }
    scene.check();
    let rules: Vec<&str> =
        scene.decisions().iter().filter_map(|d| d.rule.as_ref()).map(|r| r.as_str()).collect();
    assert_eq!(rules, ["D1"; 50]);
    assert_eq!(scene.ladder(), [(0, "on-call"), (0, "security")]);
}

#[test]
fn row_16b_a_stronger_row_is_decided_again() {
    let mut scene = Scene::new();
    scene.input(Input::Signal(normal(&trip("c1", Some("0.20"), Some("1")))));
    assert_eq!(scene.incident(1).phase, Phase::FalsePositive);
    scene.until(30 * SECOND);
    scene.input(Input::Signal(normal(&trip("c1", Some("0.95"), Some("5")))));
    scene.check();
    let said: Vec<Verdict> = scene.decisions().iter().map(|d| d.verdict).collect();
    assert_eq!(said, [Verdict::FalsePositive, Verdict::Legitimate]);
    assert_eq!(scene.incidents(), 1);
    let incident = scene.incident(1);
    assert_eq!((incident.phase, incident.reopened), (Phase::Containing, 1));
    assert_eq!(scene.count(Response::Rollback), 1);
}

#[test]
fn row_16c_a_weaker_row_within_the_cool_down_is_a_duplicate() {
    let mut scene = Scene::new();
    scene.input(Input::Signal(normal(&trip("c1", Some("0.45"), Some("1")))));
    scene.until(599 * SECOND);
    scene.input(Input::Signal(normal(&trip("c1", Some("0.10"), Some("0")))));
    assert_eq!(scene.last().verdict, Verdict::Duplicate);
    assert_eq!(scene.last().next_best.as_ref().map(|rule| rule.as_str()), Some("D11"));
    scene.until(600 * SECOND);
    scene.input(Input::Signal(normal(&trip("c1", Some("0.10"), Some("0")))));
    assert_eq!(scene.last().rule.as_ref().map(|rule| rule.as_str()), Some("D11"));
    scene.check();
}

#[test]
fn row_17_three_false_positives_a_day_make_a_proposal() {
    let mut scene = Scene::new();
    for (n, risk) in [(1, "0.81"), (2, "0.82"), (3, "0.83")] {
        scene.input(Input::Signal(normal(&trip(&format!("c{n}"), Some(risk), Some("0")))));
        let incident = IncidentId(n);
        scene.says("responder-a", Input::Label { incident, verdict: Verdict::FalsePositive });
    }
    scene.check();
    let (from, to) = (Number::new(0.8).unwrap(), Number::new(0.85).unwrap());
    let cases = vec![IncidentId(1), IncidentId(2), IncidentId(3)];
    assert_eq!(scene.facts(|fact| *fact == Fact::Proposed { from, to, cases: cases.clone() }), 1);
    // The back-test: what the proposal would have said of the same day.
    let proposed = scene.desk().state().policy().with_high(to).unwrap();
    let differ = log::replay(&scene.log, &proposed);
    let now: Vec<Verdict> = differ.iter().flat_map(|d| &d.now).map(|said| said.verdict).collect();
    assert_eq!(now, [Verdict::FalsePositive; 3]);
    // Approving it takes two people within seven days.
    scene.ask("responder-a", 1, "change_policy", "desk");
    let request = scene.desk().state().request(lucarne_desk::approval::RequestId(1)).unwrap();
    assert_eq!((request.quorum.n, request.holds_ms), (2, 7 * 24 * 3600 * SECOND));
}

#[test]
fn row_18_an_action_that_is_refused_never_counts_as_done() {
    let mut scene = Scene::new();
    scene.input(Input::Signal(normal(&trip("c1", Some("0.9"), Some("4")))));
    for attempt in 1..=4 {
        let rollback = lucarne_desk::decision::What::Respond(Response::Rollback);
        let last = scene.actions.iter().rfind(|a| a.what == rollback).unwrap();
        assert_eq!(last.attempt, attempt);
        let last = last.id;
        let failed = Some(text("rbac refuses create"));
        scene.input(Input::Result { action: last, failed });
    }
    scene.check();
    assert_eq!(scene.count(Response::Rollback), 4, "once, and three times again");
    let failed = |n: &&&lucarne_desk::decision::Notice| {
        matches!(n, lucarne_desk::decision::Notice::ActionFailed { .. })
    };
    assert_eq!(scene.notices().iter().filter(failed).count(), 1);
    let incident = scene.incident(1);
    assert_eq!((incident.phase, incident.contained), (Phase::Containing, false));
}

#[test]
fn an_action_that_is_done_contains_and_one_without_a_word_is_missed() {
    let mut scene = Scene::new();
    scene.input(Input::Signal(normal(&trip("c1", Some("0.9"), Some("4")))));
    let rollback = |scene: &Scene| {
        let is = |a: &&lucarne_desk::decision::Action| {
            a.what == lucarne_desk::decision::What::Respond(Response::Rollback)
        };
        scene.actions.iter().rfind(is).unwrap().id
    };
    let first = rollback(&scene);
    scene.until(299 * SECOND);
    assert_eq!(scene.facts(|fact| matches!(fact, Fact::Overdue(_))), 0);
    scene.until(301 * SECOND);
    assert_eq!(scene.facts(|fact| *fact == Fact::Overdue(first)), 1);
    scene.input(Input::Result { action: first, failed: None });
    let incident = scene.incident(1);
    assert_eq!((incident.phase, incident.contained), (Phase::Preserving, true));
    // A second word about it is refused.
    scene.input(Input::Result { action: first, failed: None });
    assert_eq!(scene.refused().map(|why| why.code()), Some("unknown"));
    scene.check();
}

#[test]
fn what_a_window_explained_is_decided_once_when_it_ends() {
    let mut scene = Scene::new();
    window(&mut scene);
    for _ in 0..3 {
        scene.input(Input::Signal(normal(&trip("c1", Some("0.20"), Some("1")))));
    }
    assert_eq!(scene.incident(1).phase, Phase::Suppressed);
    scene.until(599 * SECOND);
    assert_eq!(scene.decisions().len(), 3);
    scene.until(660 * SECOND);
    scene.check();
    let rules: Vec<Verdict> = scene.decisions().iter().map(|d| d.verdict).collect();
    let (suppressed, duplicate) = (Verdict::Suppressed, Verdict::Duplicate);
    assert_eq!(rules, [suppressed, duplicate, duplicate, Verdict::FalsePositive]);
}

#[test]
fn a_resolved_alert_is_not_decided_when_its_window_ends() {
    let mut scene = Scene::new();
    window(&mut scene);
    scene.input(Input::Signal(normal(&trip("c1", Some("0.20"), Some("1")))));
    let over = Draft { status: Status::Resolved, ..trip("c1", Some("0.20"), Some("1")) };
    scene.input(Input::Signal(normal(&over)));
    scene.input(Input::WindowEnd("W-1".to_owned()));
    scene.check();
    let said: Vec<Verdict> = scene.decisions().iter().map(|d| d.verdict).collect();
    assert_eq!(said, [Verdict::Suppressed, Verdict::Resolved]);
}

#[test]
fn a_mute_records_and_does_nothing() {
    let mut scene = Scene::new();
    let mute = lucarne_desk::event::Mute {
        id: "M-1".to_owned(),
        scope: scope("tenant_id", "t-1"),
        for_ms: 60 * SECOND,
    };
    scene.input(Input::Mute(mute));
    scene.input(Input::Signal(normal(&trip("c1", Some("0.95"), Some("5")))));
    assert_eq!(scene.last().verdict, Verdict::Legitimate);
    assert_eq!(scene.actions, []);
    scene.until(61 * SECOND);
    scene.input(Input::Signal(normal(&trip("c2", Some("0.95"), Some("5")))));
    assert_eq!(scene.count(Response::Rollback), 1);
    scene.check();
}

#[test]
fn a_sender_whose_time_is_off_is_not_believed() {
    for (skew, rule) in [(300, "D5"), (301, "D1")] {
        let stated_ms = Some(T0.wall_ms - skew * SECOND);
        let draft = Draft { stated_ms, ..trip("c1", Some("0.95"), Some("5")) };
        let mut scene = Scene::new();
        scene.input(Input::Signal(normal(&draft)));
        assert_eq!(scene.last().rule.as_ref().map(|rule| rule.as_str()), Some(rule), "{skew} s");
    }
}
