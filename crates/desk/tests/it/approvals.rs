//! Approvals: who, for what exactly, for how long, and once.

use lucarne_desk::approval::{RequestId, Standing};
use lucarne_desk::decision::{Notice, What};
use lucarne_desk::event::{Fact, Input};
use lucarne_desk::incident::IncidentId;
use lucarne_desk::refusal::Refusal;
use lucarne_desk::signal::{Fault, Kind};

use crate::clock::{MINUTE, SECOND, Scene, integrity, spec, text};

const INSTANCE: &str = "nitro-001-us-east";

/// The bundle of a broken chain is sealed, and responder-b asks to redeploy.
fn asked() -> Scene {
    let mut scene = Scene::new();
    scene.input(Input::Signal(integrity(Kind::AuditIntegrity, Fault::ChainMismatch, INSTANCE)));
    scene.seal_bundle(1);
    scene.ask("responder-b", 1, "redeploy_known_good", INSTANCE);
    scene
}

fn executed(scene: &Scene) -> usize {
    let is = |action: &&lucarne_desk::decision::Action| matches!(action.what, What::Execute { .. });
    scene.actions.iter().filter(is).count()
}

fn standing(scene: &Scene, request: u64) -> Standing {
    scene.desk().state().request(RequestId(request)).unwrap().standing
}

fn execute(scene: &mut Scene, request: u64) {
    scene.says("responder-b", Input::Execute(RequestId(request)));
}

#[test]
fn two_groups_approve_and_it_happens_once() {
    let mut scene = asked();
    execute(&mut scene, 1);
    assert_eq!(scene.refused(), Some(&Refusal::QuorumNotMet));
    scene.approve("security-approver", 1);
    scene.approve("security-approver", 1);
    assert_eq!(scene.refused(), Some(&Refusal::SamePerson));
    execute(&mut scene, 1);
    assert_eq!(scene.refused(), Some(&Refusal::QuorumNotMet));
    scene.approve("compliance-approver", 1);
    assert_eq!(standing(&scene, 1), Standing::Approved);
    for _ in 0..2 {
        execute(&mut scene, 1);
    }
    assert_eq!(scene.refused(), Some(&Refusal::NotOpen));
    assert_eq!((executed(&scene), standing(&scene, 1)), (1, Standing::Executed));
    scene.check();
}

#[test]
fn who_asks_does_not_approve_nor_does_their_other_account() {
    let mut scene = asked();
    scene.person("b-admin", "responder-b", &["security", "compliance"]);
    scene.person("security-two", "security-approver", &["compliance"]);
    for (who, why) in [
        ("responder-b", Refusal::OwnRequest),
        ("b-admin", Refusal::OwnRequest),
        ("responder-a", Refusal::NotInGroup { group: "security".to_owned() }),
        ("nobody", Refusal::Stranger),
    ] {
        scene.approve(who, 1);
        assert_eq!(scene.refused(), Some(&why), "{who}");
    }
    scene.approve("security-approver", 1);
    scene.approve("security-two", 1);
    assert_eq!(scene.refused(), Some(&Refusal::SamePerson));
    scene.check();
}

#[test]
fn one_human_in_two_groups_is_still_one() {
    let mut scene = asked();
    scene.person("both", "both", &["security", "compliance"]);
    scene.person("also-security", "also-security", &["security"]);
    scene.approve("both", 1);
    assert_eq!(standing(&scene, 1), Standing::Open);
    // Each group finds a human of its own, whoever came first.
    scene.approve("also-security", 1);
    assert_eq!(standing(&scene, 1), Standing::Approved);
    scene.check();
}

#[test]
fn an_approval_holds_a_quarter_of_an_hour_by_the_count() {
    for (late, standing_after) in
        [(15 * MINUTE, Standing::Approved), (15 * MINUTE + SECOND, Standing::Expired)]
    {
        let mut scene = asked();
        scene.approve("security-approver", 1);
        // The wall goes back an hour; the count does not.
        scene.jump_wall(-3_600_000);
        scene.away(late);
        scene.approve("compliance-approver", 1);
        assert_eq!(standing(&scene, 1), standing_after, "after {late} ms");
        let refused = (standing_after == Standing::Expired).then_some(&Refusal::Expired);
        assert_eq!(scene.refused(), refused);
        scene.check();
    }
    // Approved in time, and executed too late.
    let mut scene = asked();
    scene.approve("security-approver", 1);
    scene.approve("compliance-approver", 1);
    scene.until(15 * MINUTE + SECOND);
    execute(&mut scene, 1);
    assert_eq!((scene.refused(), executed(&scene)), (Some(&Refusal::Expired), 0));
    scene.check();
}

#[test]
fn an_edit_voids_what_was_approved() {
    let mut scene = asked();
    scene.approve("security-approver", 1);
    let old = scene.desk().state().request(RequestId(1)).unwrap().digest;
    let args = spec("", "nitro-002-us-east").args;
    scene.says("responder-b", Input::Edit { request: RequestId(1), args });
    assert_eq!((standing(&scene, 1), standing(&scene, 2)), (Standing::Void, Standing::Open));
    scene.approve("compliance-approver", 1);
    assert_eq!(scene.refused(), Some(&Refusal::NotOpen));
    let stale = Input::Approve { request: RequestId(2), digest: old };
    scene.says("compliance-approver", stale);
    assert_eq!(scene.refused(), Some(&Refusal::OtherArguments));
    execute(&mut scene, 1);
    execute(&mut scene, 2);
    assert_eq!(executed(&scene), 0);
    scene.check();
}

#[test]
fn everything_is_looked_at_again_when_it_is_executed() {
    // A role that was lost.
    let mut scene = asked();
    scene.approve("security-approver", 1);
    scene.approve("compliance-approver", 1);
    scene.person("compliance-approver", "compliance-approver", &[]);
    execute(&mut scene, 1);
    assert_eq!((scene.refused(), executed(&scene)), (Some(&Refusal::QuorumNotMet), 0));
    scene.check();
    // A hold that came in between.
    let mut scene = asked();
    scene.approve("security-approver", 1);
    scene.approve("compliance-approver", 1);
    scene.input(Input::Signal(integrity(Kind::Attestation, Fault::DebugMode, INSTANCE)));
    execute(&mut scene, 1);
    assert_eq!((scene.refused(), executed(&scene)), (Some(&Refusal::ForensicHold), 0));
    scene.check();
}

#[test]
fn one_no_is_a_no() {
    let mut scene = asked();
    scene.approve("security-approver", 1);
    scene.says("ciso", Input::Reject(RequestId(1)));
    scene.approve("compliance-approver", 1);
    assert_eq!(scene.refused(), Some(&Refusal::NotOpen));
    assert_eq!(standing(&scene, 1), Standing::Rejected);
    scene.check();
}

#[test]
fn evidence_comes_before_rotation() {
    let mut scene = asked();
    scene.ask("responder-b", 1, "rotate_key", "sts");
    let required = Refusal::EvidenceRequired { item: "key-usage".to_owned() };
    assert_eq!(scene.refused(), Some(&required));
    let action = spec("rotate_key", "sts");
    let alone = Input::BreakGlass { incident: IncidentId(1), action, reason: text("now") };
    scene.says("commander", alone);
    assert_eq!(scene.refused(), Some(&required), "not for a commander either");
    scene.input(Input::Collected { incident: IncidentId(1), item: "key-usage".to_owned() });
    scene.ask("responder-b", 1, "rotate_key", "sts");
    assert_eq!(scene.refused(), None);
    scene.check();
}

#[test]
fn a_commander_acts_alone_and_is_heard() {
    let mut scene = asked();
    let glass = |reason: &str| Input::BreakGlass {
        incident: IncidentId(1),
        action: spec("restart_instance", INSTANCE),
        reason: text(reason),
    };
    scene.says("responder-a", glass("now"));
    assert_eq!(scene.refused(), Some(&Refusal::NotInGroup { group: "commander".to_owned() }));
    scene.says("commander", glass(" "));
    assert_eq!(scene.refused(), Some(&Refusal::NoReason));
    scene.says("commander", glass("customers wait"));
    assert_eq!(executed(&scene), 1);
    let told = Notice::BrokenGlass { role: "ciso".to_owned(), request: Some(RequestId(2)) };
    assert_eq!(scene.notices().last(), Some(&&told));
    assert_eq!(scene.facts(|fact| matches!(fact, Fact::Executed(RequestId(2)))), 1);
    scene.check();
}
