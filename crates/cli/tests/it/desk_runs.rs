//! `lucarne runbook run | follow | resume | abort | approve` against a desk with a runbook of its
//! own: who may start it, where it stands, who answers, and what an abort takes back.

use std::path::Path;
use std::process::{Command, Stdio};

use super::desk::Site;

const RUNBOOK: &str = "
runbook: short
title: shuts, asks, tells
kinds: [audit_integrity]
approved_by: [security]
inputs: [instance]
steps:
  - {id: shut, phase: containing, timeout_seconds: 30,
     do: {act: {action: close_gate, effect: reversible, args: {gate: side, instance: '{instance}'},
     undo: open_gate}}}
  - {id: look, phase: diagnosing, timeout_seconds: 30,
     do: {query: {source: http, text: 'nothing that is there', evidence: said}}}
  - {id: ask, phase: containing, timeout_seconds: 900,
     do: {approve: {action: tell, n: 1}}}
  - {id: tell, phase: containing, timeout_seconds: 30,
     do: {act: {action: throttle_tenant, effect: reversible, args: {instance: '{instance}'},
     undo: unthrottle_tenant}}}
";

fn openssl(dir: &Path, args: &[&str]) {
    let status = Command::new("openssl").args(args).current_dir(dir).stderr(Stdio::null()).status();
    assert!(status.unwrap().success(), "{args:?}");
}

fn prepared() -> Site {
    let runs = "runs: {runbooks: runbooks, evidence: evidence, sealing_key: key.pem, \
                role_keys: {security: role.pub}}\n";
    Site::prepared(runs, |dir| {
        outfit(dir, &["key.pem", "role.pem"], RUNBOOK);
        openssl(dir, &["pkey", "-in", "role.pem", "-pubout", "-out", "role.pub"]);
    })
}

/// Writes keys and the one runbook of a site.
fn outfit(dir: &Path, keys: &[&str], runbook: &str) {
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
    for name in keys {
        openssl(dir, &[&["genpkey"], &curve[..], &[name]].concat());
    }
    std::fs::create_dir(dir.join("runbooks")).unwrap();
    std::fs::write(dir.join("runbooks/short.yaml"), runbook).unwrap();
}

const START: [&str; 7] =
    ["runbook", "run", "short", "--incident", "INC-1", "--input", "instance=i1"];

#[test]
fn a_run_is_approved_started_followed_let_go_on_and_aborted() {
    let site = prepared();
    let fault = ["--fault", "chain_mismatch", "--label", "instance=i1"];
    site.yes("source", &[&["signals", "send", "--kind", "audit_integrity"][..], &fault].concat());
    // The role has signed nothing yet; then another text; then this one.
    assert_eq!(site.said("ann", &START).0, Some(1));
    let approve =
        ["runbook", "approve", "runbooks/short.yaml", "--role", "security", "--by", "ann"];
    let sign = [&approve[..], &["--sign-with", "role.pem"]].concat();
    let signed =
        Command::new(env!("CARGO_BIN_EXE_lucarne")).args(&sign).current_dir(site.path("")).output();
    assert_eq!(signed.unwrap().status.code(), Some(0));
    let listed = site.yes("looker", &["runbook", "list"]);
    assert_eq!(listed, "short (4 steps): shuts, asks, tells\n");
    assert_eq!(site.said("looker", &START).0, Some(1), "a reader starts nothing");
    let missing = [&START[..5], &[]].concat();
    assert_eq!(site.said("ann", &missing).0, Some(1), "an input is missing");
    let text = site.yes("ann", &START);
    assert!(text.starts_with("RUN-1 is recorded as entry "), "{text}");

    // Nobody can be asked, so the run stands at `look`.
    let follow = ["runbook", "follow", "RUN-1", "--for", "30s"];
    let (code, text) = site.said("ann", &follow);
    let why = "RUN-1 is failed at look: the catalogue names no collector\n";
    assert!(code == Some(1) && text.ends_with(why), "{code:?} {text}");
    assert!(text.contains("shut: done\n"), "{text}");
    site.no("looker", &["gate", "show", "side"], "side is shut");
    let resume = |how: &str| {
        ["runbook", "resume", "RUN-1", "--how", how, "--reason", "nobody is there"]
            .map(str::to_owned)
    };
    let again = resume("again");
    site.yes("ann", &again.each_ref().map(String::as_str));
    assert_eq!(site.said("ann", &follow).0, Some(1));
    let skip = resume("skip");
    site.yes("ann", &skip.each_ref().map(String::as_str));
    let (code, text) = site.said("ann", &follow);
    let asks = "RUN-1 is running at ask, which asks for throttle_tenant by REQ-1\n";
    assert!(code == Some(2) && text.ends_with(asks), "{code:?} {text}");
    site.no("ann", &["approve", "REQ-1"], "own_request");
    site.yes("ben", &["approve", "REQ-1"]);
    // The catalogue names no such action: it is tried, and the run stands there.
    let (code, text) = site.said("ann", &follow);
    assert!(code == Some(1) && text.contains("ask: approved\n"), "{code:?} {text}");

    site.yes("ann", &["runbook", "abort", "RUN-1", "--reason", "it is another cause"]);
    let (code, text) = site.said("ann", &follow);
    assert!(code == Some(1) && text.contains("RUN-1 is aborted"), "{code:?} {text}");
    site.yes("looker", &["gate", "show", "side"]);
    site.no("ann", &skip.each_ref().map(String::as_str), "409");
    let runs = site.json(&["runbook", "runs"]);
    assert_eq!((&runs[0]["name"], &runs[0]["standing"]), (&"RUN-1".into(), &"aborted".into()));
    // An edit takes the signature back, at the next start of the desk.
    let path = site.path("runbooks/short.yaml");
    std::fs::write(&path, RUNBOOK.replace("shuts, asks", "asks, shuts")).unwrap();
    let mut site = site;
    assert_eq!(site.stop(), Some(0));
    site.again();
    assert_eq!(site.said("ann", &START).0, Some(1));
    assert_eq!(site.stop(), Some(0));
}

#[test]
fn a_change_that_was_announced_is_worked_on_and_rules_are_read_again() {
    let runs = "runs: {runbooks: runbooks, catalogue: catalogue.yaml, evidence: evidence, \
                sealing_key: key.pem}\n";
    let site = Site::prepared(runs, |dir| {
        outfit(dir, &["key.pem"], &RUNBOOK.replace("approved_by: [security]\n", ""));
        std::fs::write(dir.join("catalogue.yaml"), "rules: []\n").unwrap();
    });
    let start = ["runbook", "run", "short", "--change", "CHG-7", "--input", "instance=i1"];
    site.no("ann", &start, "404");
    site.yes("ann", &["change", "add", "CHG-7", "--scope", "instance=i1"]);
    let text = site.yes("ann", &start);
    assert!(text.starts_with("RUN-1 is recorded as entry "), "{text}");
    let both = [&start[..], &["--incident", "INC-1"]].concat();
    assert_eq!(site.said("ann", &both).0, Some(3), "one or the other");

    let rule = "rules: [{name: one, kind: other, ready: {call: {url: 'http://127.0.0.1:1/'}}}]";
    std::fs::write(site.path("catalogue.yaml"), rule).unwrap();
    let reload = ["rules", "reload"];
    assert_eq!(site.yes("ann", &reload), "the desk asks 1 rule\n  new: one\n");
    std::fs::write(site.path("catalogue.yaml"), "rules: [").unwrap();
    site.no("ann", &reload, "the rules stay as they are");
    site.no("looker", &reload, "403");
}

#[test]
fn an_incident_leaves_as_an_event_of_the_schema() {
    let site = Site::start("");
    let drill = ["--label", "drill=true", "--label", "instance=drill"];
    let send = ["signals", "send", "--kind", "guard_trip", "--risk", "0.91", "--misses", "4"];
    site.yes("source", &[&send[..], &drill].concat());
    let text = site.yes("looker", &["incident", "export", "INC-1", "--format", "ocsf"]);
    let event: serde_json::Value = serde_json::from_str(&text).unwrap();
    let word = |name: &str| event[name].clone();
    assert_eq!((word("class_uid"), word("verdict")), (2005.into(), "Test".into()), "{text}");
    assert_eq!(word("finding_info_list")[0]["uid"], "INC-1");
    assert_eq!(text, site.yes("looker", &["incident", "export", "INC-1"]));
    site.no("looker", &["incident", "export", "INC-9"], "not_found");
    let named = site.yes("looker", &["incident", "list", "--kind", "telemetry_gap"]);
    assert_eq!(named, "no incidents\n");
}
