//! Runbooks: what is refused and where, what is linted, the shipped ones, and runs that were
//! killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::lint::Rule;
use super::run::{Next, Resume, Run, RunEvent, RunId};
use super::{Runbook, Work};
use crate::scrub::Scrubbed;

const GOOD: &str = "\
runbook: example
title: an example
kinds: [other]
inputs: [instance]
steps:
  - {id: look, phase: diagnosing, timeout_seconds: 30, retries: 1,
     do: {query: {source: logql, text: 'x', evidence: logs}}}
  - {id: which, phase: diagnosing, timeout_seconds: 5,
     do: {branch: {on: look, cases: {bad: gate}, otherwise: end}}}
  - {id: gate, phase: containing, timeout_seconds: 30, do: {act:
     {action: close_gate, effect: reversible, undo: open_gate, args: {gate: '{instance}'}}}}
  - {id: keep, phase: preserving, timeout_seconds: 60,
     do: {preserve: {items: [logs], seal: true}}}
  - {id: ask, phase: recovering, timeout_seconds: 900,
     do: {approve: {action: replace, n: 2, groups: [security, ciso]}}}
  - {id: replace, phase: recovering, timeout_seconds: 300,
     do: {act: {action: replace_instance, effect: destructive, requires_evidence: [logs]}}}
  - {id: ready, phase: validating, timeout_seconds: 600,
     do: {check: {probe: ready, expect: '200', soak_seconds: 300}}}
";

#[track_caller]
fn refused(from: &str, to: &str, expected: &str) {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "nothing was changed");
    assert_eq!(Runbook::parse(&text).unwrap_err().to_string(), expected);
}

#[test]
fn a_mistake_is_named_with_its_line() {
    refused("bad: gate", "bad: gone", "line 8: which: there is no such step: gone");
    refused("bad: gate", "bad: look", "line 8: which: there is no such step: look");
    refused("on: look", "on: gate", "line 8: which: there is no such step: gate");
    refused("'{instance}'", "'{tenant}'", "line 10: gate: there is no such input: tenant");
    refused("action: replace,", "action: keep,", "line 14: ask: there is no such step: keep");
    refused("id: which", "id: look", "line 8: look: expected each name once");
    refused(
        "n: 2",
        "n: 0",
        "line 14: ask: expected 1 to 86400 seconds, at most 5 retries and a quorum of 1 to 8",
    );
    refused(
        "id: look",
        "id: end",
        "line 6: end: expected a name of a-z, 0-9 and -, up to 64 bytes",
    );
    let unknown = Runbook::parse(&GOOD.replace("seal: true", "sael: true")).unwrap_err();
    assert_eq!((unknown.line, unknown.to_string().contains("sael")), (13, true));
}

#[track_caller]
fn linted(from: &str, to: &str, expected: &[(&str, Rule)]) {
    let text = GOOD.replacen(from, to, 1);
    let runbook = Runbook::parse(&text).unwrap();
    let found = runbook.lint();
    let found: Vec<(&str, Rule)> =
        found.iter().map(|lint| (lint.step.as_str(), lint.rule)).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_should_not_be_is_found() {
    linted("", "", &[]);
    linted("n: 2", "n: 1", &[("replace", Rule::ActsAlone)]);
    linted("undo: open_gate, ", "", &[("gate", Rule::Undo)]);
    linted("seal: true", "seal: false", &[("replace", Rule::BeforeEvidence)]);
    linted(
        "requires_evidence: [logs]",
        "requires_evidence: [keys]",
        &[("replace", Rule::EvidenceMissing)],
    );
    linted("bad: gate", "bad: keep", &[("gate", Rule::Unreachable)]);
    linted("phase: validating", "phase: recovering", &[("replace", Rule::NotValidated)]);
    linted(
        "id: replace, phase: recovering, timeout_seconds: 300",
        "id: replace, phase: recovering, timeout_seconds: 300, retries: 1",
        &[("replace", Rule::RetriesBlindly)],
    );
}

#[test]
fn a_dry_run_says_what_would_happen() {
    let runbook = Runbook::parse(GOOD).unwrap();
    let lines = runbook.dry_run(&[("instance".to_owned(), "nitro-001".to_owned())]);
    assert_eq!(
        lines,
        [
            "1. look [diagnosing] query logql x, kept as logs",
            "2. which [diagnosing] branch on look: bad to gate, otherwise end",
            "3. gate [containing] act close_gate (reversible) gate=nitro-001, undone by open_gate",
            "4. keep [preserving] preserve logs, then seal",
            "5. ask [recovering] approve 2 of security, ciso for replace",
            "6. replace [recovering] act replace_instance (destructive) ",
            "7. ready [validating] check ready must be 200 for 300 s",
        ]
    );
}

#[test]
fn every_shipped_runbook_is_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let runbook = Runbook::parse(&text).unwrap_or_else(|error| {
            let name = path.display();
            panic!("{name}: {error}")
        });
        assert_eq!(runbook.lint(), [], "{}", path.display());
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(runbook.id.as_str()));
        names.push(runbook.id);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "attestation-failure",
            "audit-backlog",
            "audit-chain-failure",
            "audit-tamper",
            "circuit-open",
            "error-rate-spike",
            "guard-trip",
            "planned-restart",
            "policy-broad-allow",
            "revocation-stale",
            "secret-exposure",
            "telemetry-gap",
        ]
    );
}

fn text(text: &str) -> Scrubbed {
    Scrubbed::assertion(text.to_owned())
}

fn reads(runbook: &Runbook, step: usize) -> bool {
    !matches!(
        runbook.steps[step].work,
        Work::Act { .. } | Work::Preserve { .. } | Work::Notify { .. }
    )
}

fn begun(step: usize, attempt: u8, again: bool) -> RunEvent {
    RunEvent::Begun { step, attempt, again, by: "desk/1".to_owned(), over: None }
}

/// Drives a run to its end; before the `kill`th event the driver forgets everything but the log.
fn drive(
    runbook: &Arc<Runbook>,
    kill: usize,
    bad: bool,
) -> (Vec<RunEvent>, BTreeMap<usize, usize>) {
    let (mut log, mut executed) = (Vec::new(), BTreeMap::new());
    let mut run = Run::new(Arc::clone(runbook), RunId(1));
    let mut turns = 0;
    loop {
        turns += 1;
        if turns == kill {
            run = Run::new(Arc::clone(runbook), RunId(1));
            apply_all(&mut run, &log);
        }
        let event = match run.next() {
            Next::Do { step, attempt, .. } => {
                let begun = begun(step, attempt, reads(runbook, step));
                if log.last() == Some(&begun) {
                    *executed.entry(step).or_default() += 1;
                    RunEvent::ended(step, Ok(text(if bad { "bad" } else { "ok" })), "desk/1")
                } else {
                    begun
                }
            }
            // The driver knows that it was not killed within the step; a person says so otherwise.
            Next::InDoubt { step } => {
                if turns != kill {
                    *executed.entry(step).or_default() += 1;
                }
                RunEvent::ended(step, Ok(text("ok")), "desk/1")
            }
            Next::Done => return (log, executed),
            other @ (Next::Undo { .. } | Next::Aborted | Next::Failed { .. }) => {
                panic!("{other:?}")
            }
        };
        run.apply(&event).unwrap();
        log.push(event);
    }
}

#[test]
fn killed_at_every_event_no_step_is_done_twice() {
    let runbook = Arc::new(Runbook::parse(GOOD).unwrap());
    let (whole, all) = drive(&runbook, 0, true);
    assert_eq!((whole.len(), all.len()), (14, 7));
    for kill in 1..=15 {
        let (log, executed) = drive(&runbook, kill, true);
        assert_eq!(log, whole, "killed before event {kill}");
        assert!(executed.values().all(|count| *count == 1), "{kill}: {executed:?}");
    }
    let (short, _) = drive(&runbook, 0, false);
    assert_eq!(short.len(), 4, "the branch ends the run");
}

#[test]
fn a_failed_step_is_tried_again_and_an_aborted_run_is_undone() {
    let runbook = Arc::new(Runbook::parse(GOOD).unwrap());
    let mut run = Run::new(Arc::clone(&runbook), RunId(1));
    for attempt in 0..2 {
        run.apply(&begun(0, attempt, true)).unwrap();
        run.apply(&RunEvent::Ended { step: 0, answer: None, why: None, by: None }).unwrap();
    }
    assert_eq!(run.next(), Next::Failed { step: 0 });
    run.apply(&RunEvent::Resumed(Resume::Skip)).unwrap();
    assert!(matches!(run.next(), Next::Do { step: 1, .. }));
    let (log, _) = drive(&runbook, 0, true);
    let mut run = Run::new(runbook, RunId(1));
    apply_all(&mut run, &log[..6]);
    run.apply(&RunEvent::Aborted).unwrap();
    assert!(matches!(run.next(), Next::Undo { step: 2, .. }));
    assert!(run.apply(&begun(3, 0, true)).is_err());
    let undoing = RunEvent::Undoing { step: 2, again: false, by: "desk/1".to_owned(), over: None };
    run.apply(&undoing).unwrap();
    assert_eq!(run.next(), Next::InDoubt { step: 2 }, "killed while it was undone");
    run.apply(&RunEvent::Undone { step: 2, done: false, why: None, by: None }).unwrap();
    assert_eq!(run.next(), Next::InDoubt { step: 2 });
    run.apply(&RunEvent::Resumed(Resume::Again)).unwrap();
    run.apply(&undoing).unwrap();
    run.apply(&RunEvent::Undone { step: 2, done: true, why: None, by: None }).unwrap();
    assert_eq!(run.next(), Next::Aborted);
}

/// Both questions come first, as in a planned restart.
const ASKED_FIRST: &str = "\
runbook: asked-first
title: both are asked for before either is done
kinds: [other]
inputs: []
steps:
  - {id: ask-stop, phase: containing, timeout_seconds: 900,
     do: {approve: {action: stop, n: 2, groups: [security, ciso]}}}
  - {id: ask-restart, phase: containing, timeout_seconds: 900,
     do: {approve: {action: restart, n: 2, groups: [security, ciso]}}}
  - {id: stop, phase: containing, timeout_seconds: 30,
     do: {act: {action: close_epoch, effect: destructive}}}
  - {id: restart, phase: containing, timeout_seconds: 30,
     do: {act: {action: restart_instance, effect: destructive}}}
";

fn apply_all(run: &mut Run, events: &[RunEvent]) {
    for event in events {
        run.apply(event).unwrap();
    }
}

fn ended(step: usize) -> RunEvent {
    RunEvent::ended(step, Ok(text("ok")), "desk/1")
}

#[test]
fn what_was_done_before_an_approval_ran_out_is_not_done_again() {
    let mut run = Run::new(Arc::new(Runbook::parse(ASKED_FIRST).unwrap()), RunId(1));
    for step in 0..3 {
        apply_all(&mut run, &[begun(step, 0, false), ended(step)]);
    }
    assert!(matches!(run.next(), Next::Do { step: 3, .. }));
    run.apply(&RunEvent::Returned { step: 1 }).unwrap();
    apply_all(
        &mut run,
        &[begun(1, 0, true), RunEvent::Ended { step: 1, answer: None, why: None, by: None }],
    );
    assert_eq!(run.next(), Next::Failed { step: 1 }, "nobody agreed");
    apply_all(&mut run, &[RunEvent::Resumed(Resume::Again), begun(1, 0, true), ended(1)]);
    assert!(matches!(run.next(), Next::Do { step: 3, .. }), "the epoch is closed already");
    apply_all(&mut run, &[begun(3, 0, false), ended(3)]);
    assert_eq!(run.next(), Next::Done);
}

#[test]
fn a_step_is_unheard_of_from_its_begin_to_its_end_and_to_the_end_of_its_undoing() {
    let mut run = Run::new(Arc::new(Runbook::parse(GOOD).unwrap()), RunId(1));
    apply_all(&mut run, &[begun(0, 0, true)]);
    assert_eq!(run.unheard(), None, "whatever reads may be begun again");
    run.apply(&RunEvent::Ended { step: 0, answer: Some(text("bad")), why: None, by: None })
        .unwrap();
    apply_all(&mut run, &[begun(1, 0, true), ended(1), begun(2, 0, false)]);
    assert_eq!(run.unheard(), Some(2));
    apply_all(&mut run, &[ended(2), begun(3, 0, true), RunEvent::Aborted]);
    assert_eq!((run.unheard(), run.at_work()), (None, Some((3, "desk/1"))));
    let undoing = RunEvent::Undoing { step: 2, again: false, by: "desk/2".to_owned(), over: None };
    run.apply(&undoing).unwrap();
    assert_eq!((run.unheard(), run.at_work()), (Some(2), Some((2, "desk/2"))));
    run.apply(&RunEvent::Undone { step: 2, done: false, why: None, by: None }).unwrap();
    assert_eq!(run.unheard(), None, "it is known to have failed");
}
