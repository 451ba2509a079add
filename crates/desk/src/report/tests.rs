//! The report of one guard trip from its first signal to its review, field by field.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reading, Report, text, utc};
use crate::decide::Desk;
use crate::event::{Entry, Input};
use crate::incident::{FollowUp, IncidentId, Review};
use crate::moment::Moment;
use crate::person::{Actor, Person, PersonId};
use crate::policy::{Policy, Profile};
use crate::scrub::Scrubber;
use crate::signal::{Draft, Kind, Signal, Source};

/// 2026-05-25T10:00:00Z.
const T0: u64 = 1_779_703_200_000;

fn trip(scrubber: &Scrubber) -> Signal {
    let labels = [("capsule_hash", "sha256:abc"), ("tenant_id", "t_1 <b>_x_</b>")];
    let labels = labels.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let body = serde_json::json!({
        "kind": "guard_trip", "risk": 0.91, "misses": 4,
        "labels": labels.into_iter().collect::<BTreeMap<_, _>>(),
    });
    let draft: Draft =
        crate::intake::plain(body.to_string().as_bytes(), Source::Person, T0).unwrap();
    let policy = Policy::shipped(Profile::ResponderDefault);
    Signal::new(&draft, scrubber, policy.chosen(Kind::GuardTrip)).unwrap()
}

// Page by page, as it is read.
fn read(entries: &[Entry]) -> Option<Report> {
    let mut reading = Reading::of(IncidentId(1));
    entries.chunks(7).for_each(|page| reading.take(page.to_vec()));
    reading.end()
}

fn log() -> Vec<Entry> {
    logged(0)
}

// With so many repeats before its end.
fn logged(repeats: u64) -> Vec<Entry> {
    let scrubber = Scrubber::new([7; 32]);
    let mut desk = Desk::new(Policy::shipped(Profile::ResponderDefault)).unwrap();
    let ann = Person {
        id: PersonId("ann".to_owned()),
        employee: "1".to_owned(),
        groups: BTreeSet::from(["security".to_owned()]),
    };
    let incident = IncidentId(1);
    let review = Review {
        root_cause: scrubber.scrub("a guard was too strict"),
        lessons: scrubber.scrub("test guards with load"),
    };
    let task = FollowUp {
        task: scrubber.scrub("Update monitoring rules"),
        owner: Some(ann.id.clone()),
        due_ms: Some(T0 + 86_400_000),
    };
    let by = Actor::Person(ann.id.clone());
    let inputs = [
        (0, Actor::Desk, Input::Person(ann)),
        (1_000, Actor::Adapter("alertmanager".to_owned()), Input::Signal(trip(&scrubber))),
        (61_000, by.clone(), Input::Ack(incident)),
        (62_000, by, Input::Reviewed { incident, review, follow_ups: vec![task] }),
    ];
    let mut entries = Vec::new();
    let signal = trip(&scrubber);
    let again = |ms| (ms, Actor::Desk, Input::Signal(signal.clone()));
    let [first @ .., ack, review] = inputs;
    let repeats = (0..repeats).map(|at| again(1_001 + at));
    for (ms, actor, input) in first.into_iter().chain(repeats).chain([ack, review]) {
        let at = Moment { wall_ms: T0 + ms, mono_ms: ms };
        entries.extend(desk.take(at, actor, input).0);
    }
    entries.remove(0);
    entries
}

#[test]
fn every_field_of_the_template_comes_from_an_event() {
    let report = read(&log()).unwrap();
    assert_eq!(report.file_name(), "incident-report-20260525-100102.md");
    let text = report.markdown();
    for line in [
        "# Incident Report",
        "**Date:** 2026-05-25T10:01:02Z  ",
        "**Capsule Hash:** sha256:abc  ",
        "**Tenant ID:** t\\_1 \\<b\\>\\_x\\_\\</b\\>  ",
        "**Risk Score:** 0.91  ",
        "**Heartbeat Misses:** 4  ",
        "**Verdict:** legitimate (D5)  ",
        "- 2026-05-25T10:00:01Z: Incident detected",
        "- 2026-05-25T10:00:01Z: Rollback initiated",
        "- not yet: Recovery completed",
        "## Root Cause",
        "a guard was too strict",
        "## Lessons Learned",
        "test guards with load",
        "- [ ] Update monitoring rules (ann, 2026-05-26T10:00:00Z)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let page = report.html();
    assert!(page.contains("t_1 &lt;b&gt;_x_&lt;/b&gt;") && !page.contains("<b>"), "{page}");
}

#[test]
fn repeats_are_left_out_and_the_end_is_not() {
    let report = read(&logged(3_400)).unwrap();
    // A signal, that it was attached, and what was decided.
    assert_eq!(report.repeats + report.timeline.len() as u64, 10_200 + log().len() as u64);
    assert!((9_999..10_010).contains(&report.timeline.len()), "{}", report.timeline.len());
    assert!(report.review.is_some(), "it is there to its end");
    let (text, page) = (report.markdown(), report.html());
    let said = format!("{} lines of repeats are left out", report.repeats);
    assert!(text.contains(&said) && page.contains(&said), "{said}");
    let few = read(&logged(100)).unwrap();
    assert_eq!((few.repeats, few.timeline.len()), (0, 300 + log().len()));
}

#[test]
fn the_timeline_says_who_agreed_to_what_and_what_runs_did() {
    use crate::approval::RequestId;
    use crate::decision::{Action, ActionId, Notice, What};
    use crate::event::{Event, Fact};
    use crate::runbook::run::{RunEvent, RunId};
    let scrubbed = |text: &str| Scrubber::new([7; 32]).scrub(text);
    let (request, by) = (RequestId(2), PersonId("ann".to_owned()));
    let tell = |fact| text::tell(&Event::Fact(fact));
    assert_eq!(tell(Fact::Granted { request, by }), "ann agrees to REQ-2");
    assert_eq!(tell(Fact::Approved(request)), "REQ-2 is approved");
    let stepped = |event| tell(Fact::Stepped { run: RunId(1), incident: IncidentId(1), event });
    let ended = RunEvent::ended(3, Err(scrubbed("answered 503")), "desk-1/1");
    assert_eq!(stepped(ended), "RUN-1 failed at step 3: answered 503");
    let undone = RunEvent::undone(3, Ok(()), "desk-1/1");
    assert_eq!(stepped(undone), "RUN-1 has undone step 3");
    let what = What::Tell(Notice::Escalated { role: "ciso".to_owned() });
    let action = Action { id: ActionId(4), incident: IncidentId(1), what, attempt: 1 };
    assert_eq!(tell(Fact::Issued(action)), "ACT-4 escalated to ciso");
    let failed = Some(scrubbed("rbac refuses"));
    let result = Event::Input(Input::Result { action: ActionId(4), failed });
    assert_eq!(text::tell(&result), "ACT-4 could not be done: rbac refuses");
}

/// Every attribute that class 2005 of schema 1.8.0 requires is there, and nothing moves unseen.
#[test]
fn an_incident_is_an_incident_finding_of_the_schema() {
    let report = read(&log()).unwrap();
    let expected = serde_json::json!({
        "activity_id": 2, "activity_name": "Update",
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2005, "class_name": "Incident Finding",
        "type_uid": 200_502, "type_name": "Incident Finding: Update",
        "time": T0 + 62_000, "start_time": T0 + 1_000,
        "severity_id": 4, "severity": "High",
        "status_id": 2, "status": "In Progress",
        "verdict_id": 2, "verdict": "True Positive",
        "desc": "a guard was too strict",
        "assignee_group": { "name": "on-call" },
        "finding_info_list": [{
            "uid": "INC-1", "title": "INC-1: guard_trip", "types": ["guard_trip"],
            "created_time": T0 + 1_000, "modified_time": T0 + 62_000,
            "analytic": { "type_id": 1, "type": "Rule", "name": "D5" },
        }],
        "metadata": {
            "version": "1.8.0", "uid": format!("INC-1/{}", T0 + 62_000),
            "labels": ["capsule_hash: sha256:abc", "tenant_id: t_1 <b>_x_</b>"],
            "product": { "name": "Lucarne desk", "vendor_name": "Lucarne",
                         "version": env!("CARGO_PKG_VERSION") },
        },
        "unmapped": {
            "phase": "containing", "severity": "SEV1", "verdict": "legitimate (D5)",
            "capsule": "sha256:abc", "tenant": "t_1 <b>_x_</b>", "risk": "0.91", "misses": "4",
            "evidence_bag_sha256": null, "report_sha256": report.digest(),
            "entries": report.timeline.len(),
        },
    });
    assert_eq!(report.ocsf(), expected);
}

#[test]
fn standings_and_verdicts_have_the_numbers_of_the_schema() {
    use crate::incident::Phase;
    let report = read(&log()).unwrap();
    let seen = |phase, verdict: Option<&str>| {
        let mut report = report.clone();
        (report.phase, report.verdict) = (phase, verdict.map(str::to_owned));
        let event = report.ocsf();
        ["activity_id", "status_id", "verdict_id"].map(|name| event[name].as_u64().unwrap())
    };
    assert_eq!(seen(Phase::Triaged, Some("investigate (D1)")), [1, 1, 7]);
    assert_eq!(seen(Phase::Suppressed, Some("suppressed (D9)")), [2, 3, 3]);
    assert_eq!(seen(Phase::Resolved, Some("legitimate (D0)")), [2, 4, 2]);
    assert_eq!(seen(Phase::FalsePositive, Some("false_positive (D11)")), [3, 5, 1]);
    assert_eq!(seen(Phase::Merged, Some("legitimate (D5)")), [3, 5, 10]);
    assert_eq!(seen(Phase::Detected, None), [1, 1, 0]);
    // A label alone makes no test of a real finding: who reads the export passes tests over.
    let labelled = |labels: &[(&str, &str)]| {
        let mut report = report.clone();
        let scrub = |text: &str| Scrubber::new([7; 32]).scrub(text);
        let labels = labels.iter().map(|(name, text)| ((*name).to_owned(), scrub(text)));
        report.labels = labels.collect();
        report.ocsf()["verdict_id"].as_u64().unwrap()
    };
    assert_eq!(labelled(&[("drill", "true"), ("instance", "drill")]), 6);
    assert_eq!(labelled(&[("drill", "true"), ("instance", "nitro-001")]), 2);
}

#[test]
fn the_same_entries_give_the_same_digest_and_others_another() {
    let entries = log();
    let digest = |entries: &[Entry]| read(entries).unwrap().digest();
    assert_eq!(digest(&entries), digest(&entries));
    assert_ne!(digest(&entries), digest(&entries[..entries.len() - 1]));
    assert!(read(&[]).is_none());
}

#[test]
fn moments_are_those_of_the_calendar() {
    assert_eq!(utc(0), "1970-01-01T00:00:00Z");
    assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00Z");
    assert_eq!(utc(T0), "2026-05-25T10:00:00Z");
    assert_eq!(text::civil(1_735_689_599_999), [2024, 12, 31, 23, 59, 59]);
}
