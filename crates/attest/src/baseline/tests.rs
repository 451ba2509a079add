//! Each standing, each way to alter a baseline, and who may approve.

use alloc::string::ToString;
use alloc::vec;

use lucarne_ledger::key::{Ed25519Key, Signer as _};

use super::*;
use crate::classify::{Change, RegisterNames};
use crate::policy::{DebugMode, Measurements, Policy, Root};
use crate::rejected::{Difference, Rejected};
use crate::verify::{Expect, When, verify};

const DAY: u64 = 86_400_000;
const OLD: Register = Register([1; 48]);
const NEW: Register = Register([2; 48]);

fn day(day: u64) -> Time {
    Time::from_unix_ms(day * DAY)
}

fn key(seed: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> [u8; 32] {
    key(seed).public_key().raw().try_into().unwrap()
}

fn approvers() -> Approvers {
    let people = [("alice", 1), ("bob", 2), ("carol", 3)];
    let people = people.map(|(name, seed)| Approver { name: name.into(), key: public(seed) });
    Approvers::new(people.into()).unwrap()
}

fn registers(value: Register) -> BTreeMap<u8, Register> {
    BTreeMap::from([(0, value), (1, OLD), (2, value), (8, Register::ZERO)])
}

fn entry(name: &str, value: Register) -> Entry {
    Entry {
        version: name.into(),
        any_of: vec![registers(value)],
        valid_from: day(10),
        valid_until: Some(day(20)),
        deployment: Some("deploy-v1.2.3".into()),
        change: Some("CHG-1".into()),
        git_commit: Some("ab".repeat(20)),
        build_digest: None,
    }
}

fn approval(entry: &Entry, by: &str, seed: u8, at: Time) -> Approval {
    let signature = key(seed).sign(&approval_message(&entry.digest(), by, at)).unwrap();
    Approval { by: by.into(), key: public(seed), at, signature }
}

fn approved(entry: Entry) -> Version {
    let approvals = vec![approval(&entry, "alice", 1, day(8)), approval(&entry, "bob", 2, day(9))];
    Version { entry, approvals, retirement: None }
}

fn retired(mut version: Version, at: Time) -> Version {
    let (reason, by) = ("a known bug", "mallory");
    let message = retirement_message(&version.entry.digest(), by, at, reason);
    let signature = key(9).sign(&message).unwrap();
    let (reason, by) = (reason.into(), by.into());
    version.retirement = Some(Retirement { reason, by, key: public(9), at, signature });
    version
}

#[track_caller]
fn stands(versions: Vec<Version>, shown: Register, at: Time, expected: &Standing) {
    let baseline = Baseline::new(versions).unwrap();
    assert_eq!(baseline.standing(&approvers(), &registers(shown), at), *expected);
    let text = expected.to_string();
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
}

fn authorised(version: &str) -> Standing {
    let deployment = Some("deploy-v1.2.3".into());
    Standing::Authorised { version: version.into(), deployment }
}

#[test]
fn a_version_counts_inside_its_window() {
    let one = || vec![approved(entry("v1", NEW))];
    let version = || "v1".into();
    stands(one(), NEW, day(10), &authorised("v1"));
    stands(one(), NEW, Time::from_unix_ms(20 * DAY - 1), &authorised("v1"));
    let early = Time::from_unix_ms(10 * DAY - 1);
    stands(one(), NEW, early, &Standing::NotYetValid { version: version(), from: day(10) });
    stands(one(), NEW, day(20), &Standing::Expired { version: version(), until: day(20) });
    let mut open = entry("v1", NEW);
    open.valid_until = None;
    stands(vec![approved(open)], NEW, day(30_000), &authorised("v1"));
}

#[test]
fn two_people_that_count_have_to_approve_before_it_runs() {
    let not = |approvals| Standing::NotApproved { version: "v1".into(), approvals };
    let with = |approvals: Vec<Approval>| {
        vec![Version { entry: entry("v1", NEW), approvals, retirement: None }]
    };
    let by = |name: &str, seed| approval(&entry("v1", NEW), name, seed, day(9));
    stands(with(vec![]), NEW, day(15), &not(0));
    stands(with(vec![by("alice", 1)]), NEW, day(15), &not(1));
    stands(with(vec![by("alice", 1), by("mallory", 7)]), NEW, day(15), &not(1));
    // A name that counts under a key that does not.
    stands(with(vec![by("alice", 1), by("bob", 7)]), NEW, day(15), &not(1));
    stands(with(vec![by("alice", 1), by("carol", 3)]), NEW, day(15), &authorised("v1"));
    // Approved only after it ran: it ran without.
    let late = approval(&entry("v1", NEW), "bob", 2, day(16));
    stands(with(vec![by("alice", 1), late.clone()]), NEW, day(15), &not(1));
    stands(with(vec![by("alice", 1), late]), NEW, day(16), &authorised("v1"));
}

#[test]
fn a_retired_version_was_good_before() {
    let version = || vec![retired(approved(entry("v1", NEW)), day(15))];
    stands(version(), NEW, Time::from_unix_ms(15 * DAY - 1), &authorised("v1"));
    let reason = "a known bug".into();
    let expected = Standing::Retired { version: "v1".into(), since: day(15), reason };
    stands(version(), NEW, day(15), &expected);
}

#[test]
fn values_that_no_version_had_are_unknown() {
    let differs = |index| Difference { index, want: OLD, got: Some(NEW) };
    let differences = vec![differs(0), differs(2)];
    let expected = Standing::Unknown { closest: Some("v1".into()), differences };
    stands(vec![approved(entry("v1", OLD))], NEW, day(15), &expected);
    stands(vec![], NEW, day(15), &Standing::Unknown { closest: None, differences: vec![] });
}

#[test]
fn one_authorised_version_of_the_same_registers_is_enough() {
    let both = vec![approved(entry("v1", NEW)), retired(approved(entry("v2", NEW)), day(1))];
    stands(both, NEW, day(15), &authorised("v1"));
    let mut either = entry("v3", OLD);
    either.any_of.push(registers(NEW));
    stands(vec![approved(either.clone())], NEW, day(15), &authorised("v3"));
    stands(vec![approved(either)], OLD, day(15), &authorised("v3"));
}

#[test]
fn every_field_is_under_the_signatures() {
    let changes: [fn(&mut Version); 11] = [
        |v| v.entry.version.push('0'),
        |v| {
            v.entry.any_of[0].insert(2, OLD);
        },
        |v| {
            v.entry.any_of[0].remove(&8);
        },
        |v| v.entry.any_of.push(registers(OLD)),
        |v| v.entry.valid_from = day(9),
        |v| v.entry.valid_until = None,
        |v| v.entry.deployment = None,
        |v| v.entry.change = Some("CHG-2".into()),
        |v| v.entry.git_commit = Some("cd".repeat(20)),
        |v| v.entry.build_digest = Some("sha256:00".into()),
        |v| v.approvals[0].at = day(7),
    ];
    for change in changes {
        let mut version = approved(entry("v1", NEW));
        change(&mut version);
        let expected =
            BaselineError::Altered { version: version.entry.version.clone(), by: "alice".into() };
        assert_eq!(Baseline::new(vec![version]), Err(expected));
    }
    // A text may not slip from one field into the next.
    let mut slipped = entry("v1", NEW);
    (slipped.change, slipped.deployment) = (slipped.deployment, None);
    assert_ne!(slipped.digest(), Entry { change: None, ..entry("v1", NEW) }.digest());
}

#[test]
fn a_retirement_cannot_be_altered_either() {
    let changes: [fn(&mut Retirement); 3] = [
        |retired| retired.reason.push('!'),
        |retired| retired.at = day(16),
        |retired| retired.by = "alice".into(),
    ];
    for change in changes {
        let mut version = retired(approved(entry("v1", NEW)), day(15));
        change(version.retirement.as_mut().unwrap());
        let by = version.retirement.as_ref().unwrap().by.clone();
        let expected = BaselineError::Altered { version: "v1".into(), by };
        assert_eq!(Baseline::new(vec![version]), Err(expected));
    }
}

#[test]
fn one_person_cannot_approve_twice() {
    let entry = entry("v1", NEW);
    for (name, seed) in [("alice", 1), ("alice", 5), ("alice again", 1)] {
        let second = approval(&entry, name, seed, day(9));
        let approvals = vec![approval(&entry, "alice", 1, day(8)), second];
        let version = Version { entry: entry.clone(), approvals, retirement: None };
        let expected = BaselineError::SamePerson { version: "v1".into(), by: name.into() };
        assert_eq!(Baseline::new(vec![version]), Err(expected));
    }
}

#[test]
fn approvers_are_two_people_at_least() {
    let person = |name: &str, seed| Approver { name: name.into(), key: public(seed) };
    let new = |people| Approvers::new(people).unwrap_err();
    assert_eq!(new(vec![]), BaselineError::TooFewApprovers { got: 0 });
    assert_eq!(new(vec![person("a", 1)]), BaselineError::TooFewApprovers { got: 1 });
    let same = || BaselineError::SameApprover { name: "b".into() };
    assert_eq!(new(vec![person("a", 1), person("b", 1)]), same());
    assert_eq!(new(vec![person("b", 1), person("b", 2)]), same());
}

#[test]
fn entries_that_could_not_be_approved_are_refused() {
    let version = || "v1".into();
    type Case = (fn(&mut Entry), BaselineError);
    let cases: [Case; 10] = [
        (|e| e.version.clear(), BaselineError::Text { key: "version" }),
        (|e| e.change = Some("a\nb".into()), BaselineError::Text { key: "change" }),
        (|e| e.deployment = Some("x".repeat(257)), BaselineError::Text { key: "deployment" }),
        (|e| e.build_digest = Some(" a".into()), BaselineError::Text { key: "build_digest" }),
        (|e| e.git_commit = Some("HEAD".into()), BaselineError::Commit { got: "HEAD".into() }),
        (|e| e.valid_until = Some(day(10)), BaselineError::Window { version: version() }),
        (|e| e.any_of.clear(), BaselineError::Sets { version: version(), got: 0 }),
        (
            |e| {
                e.any_of[0].insert(32, NEW);
            },
            BaselineError::Index { version: version(), got: 32 },
        ),
        (
            |e| {
                e.any_of[0].remove(&0);
            },
            BaselineError::Unmeasured { version: version() },
        ),
        (
            |e| {
                e.any_of[0].insert(1, Register::ZERO);
            },
            BaselineError::Unmeasured { version: version() },
        ),
    ];
    for (change, expected) in cases {
        let mut entry = entry("v1", NEW);
        change(&mut entry);
        let text = expected.to_string();
        assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
        assert_eq!(Baseline::new(vec![approved(entry)]), Err(expected));
    }
    let twice = vec![approved(entry("v1", NEW)), approved(entry("v1", OLD))];
    assert_eq!(Baseline::new(twice), Err(BaselineError::Twice { version: version() }));
}

#[test]
fn a_register_of_zeros_may_be_left_out_by_the_evidence_and_no_other() {
    let baseline = Baseline::new(vec![approved(entry("v1", NEW))]).unwrap();
    let mut shown = registers(NEW);
    shown.remove(&8);
    assert_eq!(baseline.standing(&approvers(), &shown, day(15)), authorised("v1"));
    shown.insert(8, OLD);
    let differences = vec![Difference { index: 8, want: Register::ZERO, got: Some(OLD) }];
    let expected = Standing::Unknown { closest: Some("v1".into()), differences };
    assert_eq!(baseline.standing(&approvers(), &shown, day(15)), expected);
}

fn site(versions: Vec<Version>) -> Authority {
    Authority { baseline: Baseline::new(versions).unwrap(), approvers: approvers() }
}

#[test]
fn what_moved_is_judged_by_what_is_known_of_it() {
    let other = Register([3; 48]);
    let versions = || vec![approved(entry("v1", OLD)), approved(entry("v2", NEW))];
    let judge = |versions, shown, at| {
        let names = RegisterNames::nitro();
        let shown = registers(shown);
        site(versions).evaluate(&names, &registers(OLD), &shown, at).0
    };
    assert_eq!(judge(versions(), OLD, day(15)), Change::Match);
    assert_eq!(judge(versions(), NEW, day(15)), Change::AuthorisedChange);
    assert_eq!(judge(versions(), NEW, day(20)), Change::UnauthorisedDeployment);
    assert_eq!(judge(versions(), other, day(15)), Change::ModifiedCode);
    let mut unapproved = versions();
    unapproved[1].approvals.pop();
    assert_eq!(judge(unapproved, NEW, day(15)), Change::UnauthorisedDeployment);
    // What still runs unchanged is no match once it is retired or past its window.
    let mut gone = versions();
    gone[0] = retired(gone[0].clone(), day(15));
    assert_eq!(judge(gone.clone(), OLD, day(14)), Change::Match);
    assert_eq!(judge(gone, OLD, day(15)), Change::UnauthorisedDeployment);
    assert_eq!(judge(versions(), OLD, day(20)), Change::UnauthorisedDeployment);
    assert_eq!(judge(vec![], OLD, day(15)), Change::ModifiedCode);
}

#[test]
fn a_policy_may_refuse_what_its_baseline_does_not_authorise() {
    let version = || vec![approved(entry("v1", NEW))];
    let check = |shown, at| site(version()).check(&registers(shown), at);
    assert_eq!(check(NEW, day(15)), Ok(()));
    let standing = Standing::Expired { version: "v1".into(), until: day(20) };
    let refused = Rejected::NotAuthorised { standing };
    let text = "unauthorised-deployment: v1 may not run since 1970-01-21T00:00:00.000Z";
    assert_eq!(refused.to_string(), text);
    assert_eq!(check(NEW, day(20)), Err(refused));
    let text = "modified-code: no version has these registers; v1 differs in 0 2";
    assert_eq!(check(OLD, day(15)).unwrap_err().to_string(), text);
}

/// A document that AWS signed, judged by a baseline of its own registers.
#[test]
fn genuine_evidence_is_judged_at_its_own_time() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/nitro/evervault_valid_beta.bin");
    let evidence = std::fs::read(path).unwrap();
    let verdict = |measurements, when| {
        let roots = vec![Root::aws_nitro()];
        let policy = Policy { roots, measurements, debug: DebugMode::Refuse };
        let claims = verify(&evidence, &policy, when, Expect::AnyNonce)?.into_inner();
        Ok((claims.time, claims.pcrs))
    };
    let (made, pcrs) = verdict(Measurements::DangerAny, When::Replay).unwrap();
    let second = |by: u64| Time::from_unix_ms(made.unix_ms() + by * 1_000);
    let with = |from: Time, until: Time| {
        let mut entry = entry("v1", NEW);
        entry.any_of = vec![pcrs.clone()];
        (entry.valid_from, entry.valid_until) = (from, Some(until));
        Measurements::Baseline(alloc::boxed::Box::new(site(vec![approved(entry)])))
    };
    assert_eq!(verdict(with(made, second(1)), When::Replay), Ok((made, pcrs.clone())));
    // An auditor judges at the time of the evidence, a gateway at its own.
    let live = |by| When::Live { now: second(by), age_max_ms: 600_000 };
    assert_eq!(verdict(with(made, second(5)), live(4)), Ok((made, pcrs.clone())));
    let standing = Standing::Expired { version: "v1".into(), until: second(5) };
    let expected = Err(Rejected::NotAuthorised { standing });
    assert_eq!(verdict(with(made, second(5)), live(5)), expected);
    let standing = Standing::NotYetValid { version: "v1".into(), from: second(1) };
    let expected = Err(Rejected::NotAuthorised { standing });
    assert_eq!(verdict(with(second(1), second(2)), When::Replay), expected);
    let nothing = Measurements::Baseline(alloc::boxed::Box::new(site(vec![])));
    let standing = Standing::Unknown { closest: None, differences: vec![] };
    let expected = Err(Rejected::NotAuthorised { standing });
    assert_eq!(verdict(nothing, When::Replay), expected);
}
