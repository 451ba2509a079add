//! The desk as a process and its verbs as its clients: what is said is kept over a restart, and
//! each exit code means what the help says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;

/// A desk with a folder of its own.
pub(crate) struct Site {
    dir: TempDir,
    desk: Option<Process>,
    url: String,
}

const PEOPLE: [(&str, &str, &str); 4] = [
    ("ann", "1", "[security, ciso]"),
    ("ben", "2", "[compliance]"),
    ("eve", "3", "[security]"),
    ("joe", "4", "[]"),
];

fn config(port: u16, more: &str) -> String {
    let mut text = format!(
        "listen: 127.0.0.1:{port}\nname: desk-1\nidentity: identity\nstore: {{sqlite: desk.db}}\n\
         keys:\n- {{name: source, roles: [source], token_file: source}}\n\
         - {{name: looker, roles: [reader], token_file: looker}}\n"
    );
    for (name, employee, groups) in PEOPLE {
        text.push_str(&format!(
            "- {{name: {name}, roles: [responder], token_file: {name}, \
             person: {{employee: '{employee}', groups: {groups}}}}}\n"
        ));
    }
    text + more
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Site {
    pub(crate) fn start(more: &str) -> Self {
        Self::prepared(more, |_| ())
    }

    /// The same with files of its own, made before anything starts.
    pub(crate) fn prepared(more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["source", "looker", "ann", "ben", "eve", "joe"] {
            std::fs::write(dir.path().join(name), format!("{name}-token-0123456789\n")).unwrap();
        }
        let port = free_port();
        std::fs::write(dir.path().join("desk.yaml"), config(port, more)).unwrap();
        prepare(dir.path());
        let mut site = Self { dir, desk: None, url: format!("http://127.0.0.1:{port}") };
        site.again();
        site
    }

    pub(crate) fn again(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucarne"));
        command.args(["desk", "--config"]).arg(self.path("desk.yaml"));
        self.desk = Some(Process::start(&mut command, &self.path("desk.log")).ready());
    }

    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.desk.take().unwrap().stop("-INT")
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a verb as somebody.
    pub(crate) fn run(&self, who: &str, line: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucarne"));
        command.args(line).args(["--desk", &self.url, "--key"]).arg(self.path(who));
        command.current_dir(self.dir.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// Exit code and standard output, with what went wrong after it.
    pub(crate) fn said(&self, who: &str, line: &[&str]) -> (Option<i32>, String) {
        let output = self.run(who, line);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    #[track_caller]
    pub(crate) fn yes(&self, who: &str, line: &[&str]) -> String {
        let (code, text) = self.said(who, line);
        assert_eq!(code, Some(0), "{line:?}: {text}");
        text
    }

    #[track_caller]
    pub(crate) fn no(&self, who: &str, line: &[&str], why: &str) {
        let (code, text) = self.said(who, line);
        assert!(code == Some(1) && text.contains(why), "{line:?}: {code:?} {text}");
    }

    pub(crate) fn json(&self, line: &[&str]) -> Value {
        let text = self.said("looker", &[line, &["--output", "json"]].concat()).1;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{line:?}: {text}"))
    }
}

const TRIP: [&str; 12] = [
    "signals",
    "send",
    "--kind",
    "guard_trip",
    "--label",
    "capsule_hash=c1",
    "--label",
    "tenant_id=t1",
    "--risk",
    "0.91",
    "--misses",
    "4",
];

#[test]
fn what_was_said_is_there_after_a_restart() {
    let mut site = Site::start("");
    let text = site.yes("source", &TRIP);
    assert!(text.ends_with("incident  INC-1\nverdict   legitimate (D5)\n"), "{text}");
    // Somebody is to be woken: the list says so with its exit code.
    site.no("looker", &["incident", "list"], "SEV1 guard_trip legitimate (D5)");
    // Also when it is not among those that are printed.
    site.yes("source", &["signals", "send", "--kind", "other", "--label", "instance=i1"]);
    let (code, text) = site.said("looker", &["incident", "list", "--limit", "1"]);
    assert!(code == Some(1) && text.contains("INC-2") && !text.contains("INC-1"), "{text}");
    let before = site.json(&["incident", "show", "INC-1"]);
    assert_eq!(site.stop(), Some(0));
    let (code, text) = site.said("looker", &["incident", "list"]);
    assert!(code == Some(4) && text.contains("ask the desk at"), "{code:?} {text}");
    site.again();
    assert_eq!(site.json(&["incident", "show", "INC-1"]), before);
    site.yes("ann", &["incident", "ack", "INC-1"]);
    assert_eq!(site.json(&["incident", "show", "INC-1"])["incident"]["acked"][0], "ann");
    assert_eq!(site.stop(), Some(0));
}

#[test]
fn a_key_is_asked_for_and_has_roles() {
    let site = Site::start("");
    let none = Command::new(env!("CARGO_BIN_EXE_lucarne"))
        .args(["incident", "list", "--desk", &site.url])
        .env_remove("LUCARNE_DESK_KEY")
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(3));
    let named = Command::new(env!("CARGO_BIN_EXE_lucarne"))
        .args(["incident", "list", "--desk", &site.url])
        .env("LUCARNE_DESK_KEY", site.path("looker"))
        .output()
        .unwrap();
    assert_eq!((named.status.code(), named.stdout), (Some(0), b"no incidents\n".to_vec()));
    site.no("looker", &TRIP, "(forbidden, 403)");
    site.no("ann", &["incident", "ack", "INC-1"], "(unknown, 404)");
    let odd = site.said("source", &["signals", "send", "--kind", "nonsense"]);
    assert_eq!(odd.0, Some(3), "{}", odd.1);
}

#[test]
fn an_incident_is_closed_with_cause_and_lessons_and_not_without() {
    let site = Site::start("");
    site.yes("source", &TRIP);
    let step = |to: &str| site.yes("ann", &["incident", "move", "INC-1", to, "--reason", "r"]);
    let refused = |to: &str, why: &str| {
        site.no("ann", &["incident", "move", "INC-1", to, "--reason", "r"], why);
    };
    site.yes("ann", &["incident", "note", "INC-1", "the guard is read"]);
    step("diagnosing");
    refused("recovering", "evidence_not_sealed");
    for who in ["ann", "ben"] {
        let waive = ["incident", "waive", "INC-1", "bundle", "--reason", "a test"];
        site.yes(who, &waive);
        site.no(who, &waive, "same_person");
    }
    step("recovering");
    step("validating");
    refused("resolved", "no_checks");
    let (code, text) = site.said("looker", &["validate", "INC-1"]);
    assert_eq!((code, text.as_str()), (Some(2), "no checks: nothing shows that INC-1 is over\n"));
    // The checks are what a runbook hands in; here a person does.
    site.yes("ann", &["check", "plan", "INC-1", "canary=0s"]);
    site.yes("ann", &["check", "result", "INC-1", "canary", "fail"]);
    site.no("looker", &["validate", "INC-1"], "FAIL     canary");
    site.yes("ann", &["check", "result", "INC-1", "canary", "pass"]);
    site.yes("looker", &["validate", "INC-1"]);
    // The desk resolves by itself as soon as everything is green, within a second; or a person.
    let resolved = site.said("ann", &["incident", "move", "INC-1", "resolved", "--reason", "r"]);
    assert!(resolved.0 == Some(0) || resolved.1.contains("no_such_move"), "{}", resolved.1);
    step("in_review");
    let close = ["incident", "close", "INC-1", "--reason", "reviewed"];
    site.no("ann", &close, "no_review");
    let blank = ["incident", "review", "INC-1", "--root-cause", " ", "--lessons", "x"];
    assert_eq!(site.said("ann", &blank).0, Some(3));
    let review = [
        "incident",
        "review",
        "INC-1",
        "--root-cause",
        "a guard was too strict",
        "--lessons",
        "test guards with load",
        "--task",
        "ann 2026-06-01T00:00:00Z Update monitoring rules",
    ];
    site.yes("ann", &review);
    let text = site.yes("ann", &close);
    assert!(text.starts_with("INC-1 is closed; its report is sealed as "), "{text}");
    let file = site.yes("looker", &["incident", "report", "INC-1", "--dir", "."]);
    let name = Path::new(file.trim()).file_name().unwrap().to_str().unwrap().to_owned();
    let digits = name.strip_prefix("incident-report-").and_then(|it| it.strip_suffix(".md"));
    let (date, time) = digits.unwrap().split_once('-').unwrap();
    assert_eq!((date.len(), time.len()), (8, 6), "{name}");
    let text = std::fs::read_to_string(site.path(&name)).unwrap();
    for line in [
        "**Capsule Hash:** c1  ",
        "**Tenant ID:** t1  ",
        "**Risk Score:** 0.91  ",
        "**Heartbeat Misses:** 4  ",
        "a guard was too strict",
        "test guards with load",
        "- [ ] Update monitoring rules (ann, 2026-06-01T00:00:00Z)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("Recovery completed") && !text.contains("not yet"), "{text}");
    // It is not written over.
    let again = site.said("looker", &["incident", "report", "INC-1", "--dir", "."]);
    assert_eq!(again.0, Some(4), "{}", again.1);
    site.yes("looker", &["incident", "list"]);
}

#[test]
fn a_decision_is_explained_with_what_else_was_known() {
    let site = Site::start("");
    let change = ["change", "add", "CHG-0525", "--scope", "capsule_hash=c1"];
    site.yes("source", &change);
    site.yes("source", &TRIP);
    let other = TRIP.map(|word| if word == "capsule_hash=c1" { "capsule_hash=c2" } else { word });
    site.yes("source", &other);
    let text = site.yes("looker", &["triage", "explain", "INC-2"]);
    for line in [
        "verdict         legitimate (D5)",
        "false positive  Very Low",
        "playbook says   Proceed with rollback",
        "heartbeats      Suspicious activity",
        "known capsule   no",
        "changes         none",
        "planned work    none",
        "similar         INC-1 legitimate (containing)",
        "tenant          1 signals in the last hour, 0.0 in a usual one",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let first = site.json(&["triage", "explain", "INC-1"]);
    assert_eq!(first["context"]["changes"], serde_json::json!(["CHG-0525"]));
    assert_eq!(first["bands"][0]["false_positive_likelihood"], "Very Low");
    let tail = site.yes("looker", &["signals", "tail", "--from", "0", "--count", "2"]);
    let lines: Vec<&str> = tail.lines().collect();
    assert!(lines[0].contains("signal guard_trip firing capsule_hash=c1 tenant_id=t1"), "{tail}");
    assert!(lines[1].ends_with("decided legitimate by D5 for INC-1"), "{tail}");
}

#[test]
fn planned_work_and_mutes_are_listed_and_ended() {
    let site = Site::start("");
    let scope = ["--scope", "instance=i1", "--for", "30m"];
    site.yes("ann", &[&["window", "create", "CHG-0525"], &scope[..]].concat());
    site.yes("ann", &[&["mute", "create", "net"], &scope[..]].concat());
    let windows = site.yes("looker", &["window", "list"]);
    assert!(windows.starts_with("CHG-0525 instance=i1 from 2"), "{windows}");
    assert_eq!(site.yes("looker", &["mute", "list"]), "net instance=i1 for 1800 s\n");
    // What is about integrity is neither planned nor muted.
    let text = site.yes(
        "source",
        &[
            "signals",
            "send",
            "--kind",
            "audit_integrity",
            "--fault",
            "chain_mismatch",
            "--label",
            "instance=i1",
        ],
    );
    assert!(text.contains("legitimate (D0)"), "{text}");
    site.yes("ann", &["window", "end", "CHG-0525"]);
    site.yes("ann", &["mute", "end", "net"]);
    assert_eq!(site.yes("looker", &["window", "list"]), "");
    assert_eq!(site.yes("looker", &["mute", "list"]), "");
    let twice = ["window", "create", "w", "--scope", "a=1", "--scope", "a=2", "--for", "1m"];
    assert_eq!(site.said("ann", &twice).0, Some(3));
}

#[test]
fn two_people_agree_to_an_action_and_one_no_ends_it() {
    let site = Site::start("");
    site.yes("source", &TRIP);
    let ask = ["approval", "ask", "INC-1", "rollback", "--arg", "to=v1", "--reason", "it is bad"];
    let text = site.yes("joe", &ask);
    assert!(text.starts_with("REQ-1 is recorded"), "{text}");
    site.no("joe", &["approve", "REQ-1"], "own_request");
    site.no("ben", &["approve", "REQ-1", "--digest", &"0".repeat(64)], "other_arguments");
    site.no("ann", &["approval", "execute", "REQ-1"], "quorum_not_met");
    let shown = site.yes("ann", &["approve", "REQ-1"]);
    assert!(shown.contains("REQ-1 INC-1 rollback to=v1 (reversible) 0 of 2, open"), "{shown}");
    site.yes("ben", &["approve", "REQ-1"]);
    site.yes("joe", &["approval", "execute", "REQ-1"]);
    site.no("joe", &["approval", "execute", "REQ-1"], "not_open");
    site.yes("joe", &ask);
    site.yes("ben", &["reject", "REQ-2"]);
    site.no("ann", &["approve", "REQ-2"], "not_open");
    let list = site.yes("looker", &["approval", "list"]);
    assert!(list.contains("REQ-2 INC-1 rollback to=v1 (reversible) 0 of 2, rejected"), "{list}");
    site.no("joe", &["approval", "break-glass", "INC-1", "rollback", "--reason", "r"], "commander");
}

#[test]
fn a_policy_is_tried_on_the_past_agreed_to_by_two_and_taken_back() {
    let mut site = Site::start("");
    let risk = TRIP.map(|word| match word {
        "0.91" => "0.82",
        "4" => "0",
        other => other,
    });
    site.yes("source", &risk);
    site.no("looker", &["policy", "back-test", "--high", "0.85"], "legitimate (D5) would be ");
    site.yes("looker", &["policy", "back-test", "--high", "0.81"]);
    let holds = |site: &Site| site.json(&["policy", "show"])["high"].clone();
    assert_eq!(holds(&site), 0.8);
    let propose = ["policy", "propose", "--high", "0.9", "--for", "2h", "--reason", "noise"];
    site.yes("joe", &propose);
    let shown = site.json(&["policy", "show"]);
    let digest = shown["proposals"][0]["policy"].as_str().unwrap().to_owned();
    site.no("joe", &["policy", "approve", &digest], "own_request");
    site.yes("ann", &["policy", "approve", &digest]);
    site.no("ann", &["policy", "approve", &digest], "same_person");
    assert_eq!(holds(&site), 0.8);
    site.yes("ben", &["policy", "approve", &digest]);
    assert_eq!(holds(&site), 0.9);
    let left = site.json(&["policy", "show"])["left_ms"].as_u64().unwrap();
    assert!((7_100_000..=7_200_000).contains(&left), "{left}");
    // People have agreed; the configuration, which is what it was, does not undo it.
    assert_eq!(site.stop(), Some(0));
    site.again();
    assert_eq!(holds(&site), 0.9);
    site.yes("joe", &["policy", "revert", "--reason", "it hides what is real"]);
    assert_eq!(holds(&site), 0.8);
    site.no("joe", &["policy", "revert", "--reason", "again"], "unknown");
    site.yes("ann", &["policy", "propose", "--high", "0.85", "--reason", "back-tested"]);
    let digest = site.json(&["policy", "show"])["proposals"][0]["policy"].clone();
    for who in ["eve", "ben"] {
        site.yes(who, &["policy", "approve", digest.as_str().unwrap()]);
    }
    assert_eq!(
        (holds(&site), site.json(&["policy", "show"])["left_ms"].clone()),
        (0.85.into(), Value::Null)
    );
}

#[test]
fn contacts_are_the_ladder_and_a_test_page_needs_a_way() {
    let site = Site::start("");
    let list = site.yes("looker", &["contacts", "list"]);
    let roles: Vec<(&str, &str)> = list
        .lines()
        .map(|line| line.split_once(" after ").unwrap())
        .map(|(role, rest)| (role.trim(), rest.split(" min").next().unwrap().trim()))
        .collect();
    assert_eq!(
        roles,
        [
            ("on-call", "0"),
            ("sre-lead", "15"),
            ("security", "30"),
            ("engineering-manager", "60"),
            ("ciso", "120"),
            ("compliance", "120")
        ]
    );
    assert!(
        list.lines().any(|line| line.starts_with("security") && line.contains("people ann, eve"))
    );
    site.no("ann", &["contacts", "page-test", "on-call"], "no channel");
    site.no("ann", &["contacts", "page-test", "nobody"], "404");
}
