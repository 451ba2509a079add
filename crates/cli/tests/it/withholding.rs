//! Records left out of an archive by order: nothing tells them any more, every seal stays valid,
//! and a hold stops it, wherever the gateway keeps them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process::{PATIENCE, run, until};
use super::site::{Changes, Site, lucarne_program};
use super::tampering::{files_below, opened};

/// A site with a few records that was stopped in order, and one line that it exported.
pub(super) fn stopped_site(changes: &Changes) -> (Site, Value) {
    let mut site = Site::start(changes);
    let mut load = site.send(&["--count", "200", "--batch", "50"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
    let lines = || std::fs::read_to_string(site.path("export/logs.jsonl")).unwrap_or_default();
    let exported = || lines().matches("\"executionId\"").count() >= 200;
    until("every record is exported", PATIENCE, || exported().then_some(()));
    let lines = lines();
    let line = lines.lines().filter(|line| line.contains("\"executionId\"")).nth(77).unwrap();
    let line = serde_json::from_str(line).unwrap();
    assert_eq!(site.stop(), [Some(0); 3]);
    (site, line)
}

pub(super) fn lucarne(site: &Site, args: &[&str]) -> (Option<i32>, String, String) {
    let place = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let (archive, policy, config) =
        (place("archive"), place("audit-policy.yaml"), place("gateway.yaml"));
    let more: &[&str] = match args {
        ["archive", "withhold", ..] => &["--config", &config],
        ["audit", ..] => &["--records-dir", &archive, "--policy", &policy],
        _ => &["--records-dir", &archive],
    };
    let output = run(lucarne_program(), &[args, more].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The files outside the enclave and the exports that tell `value`.
pub(super) fn tellers(site: &Site, value: &str) -> Vec<PathBuf> {
    let tells = |path: &PathBuf| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.extend(opened(path));
        bytes.windows(value.len()).any(|window| window == value.as_bytes())
    };
    let of = |path: &Path| files_below(&site.path(path.to_str().unwrap()));
    let files = [of(Path::new("archive")), of(Path::new("state"))].concat();
    files.into_iter().filter(tells).collect()
}

#[test]
fn an_order_leaves_a_record_nowhere_and_the_seals_valid_unless_it_is_held() {
    let (site, line) = stopped_site(&Changes::default());
    let value = line["executionId"].as_str().unwrap();
    let seq = line["tee_record_index"].as_u64().unwrap();
    let (number, neighbour) = (seq.to_string(), (seq - 1).to_string());
    assert!(tellers(&site, value).len() >= 2, "archive and log tell it");
    let order = |more: &[&'static str]| {
        let word = ["--authority", "data protection officer", "--reason", "request 17"];
        let args = ["archive", "withhold", &number, "--ledger", "telemetry", "--output", "json"];
        lucarne(&site, &[&args[..], &word, more].concat())
    };

    let word = ["--authority", "Landgericht Mitte", "--reason", "3 O 12/26"];
    let hold = |verb| lucarne(&site, &[&["archive", "hold", verb, "case-1"], &word[..]].concat());
    let list = || lucarne(&site, &["archive", "hold", "list"]);
    assert_eq!(list(), (Some(0), String::new(), String::new()));
    assert_eq!(hold("set").0, Some(0));
    let held = "case-1: holds everything (Landgericht Mitte: 3 O 12/26)\n";
    assert_eq!(list(), (Some(1), held.to_owned(), String::new()));
    for more in [&[][..], &["--dry-run"]] {
        let (exit, _, said) = order(more);
        assert_eq!(exit, Some(1), "{said}");
        assert!(said.contains("hold case-1 covers it: 3 O 12/26"), "{said}");
    }
    assert!(tellers(&site, value).len() >= 2, "a hold changes nothing");
    assert_eq!(hold("lift").0, Some(0));
    assert_eq!(list().0, Some(0));

    let (exit, dry, said) = order(&["--dry-run"]);
    assert_eq!(exit, Some(0), "{said}");
    let dry: Value = serde_json::from_str(&dry).unwrap();
    assert_eq!((&dry["dry_run"], &dry["withheld"]), (&true.into(), &1.into()));
    assert!(tellers(&site, value).len() >= 2, "a dry run changes nothing");

    let (exit, done, said) = order(&[]);
    assert_eq!(exit, Some(0), "{said}");
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(done["withheld"], 1, "{done}");
    assert!(done["log_rolls_removed"].as_u64().unwrap() >= 1, "{done}");
    assert_eq!(tellers(&site, value), [] as [PathBuf; 0]);

    let (exit, report, _) = lucarne(&site, &["audit", "verify", "--output", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(exit, Some(5), "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    let kinds: Vec<&str> = findings.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["WITHHELD"], "{report:#}");
    assert_eq!((&findings[0]["first"], &findings[0]["last"]), (&seq.into(), &seq.into()));
    assert!(report.to_string().contains("order of data protection officer: request 17"));

    let show = |seq: &str| lucarne(&site, &["audit", "show", seq, "--ledger", "telemetry"]);
    let (exit, shown, said) = show(&neighbour);
    assert_eq!(exit, Some(5), "{said}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["seq"], seq - 1);
    let (exit, shown, _) = show(&number);
    assert_eq!(exit, Some(5));
    assert!(!shown.contains(value), "{shown}");

    let again: Value = serde_json::from_str(&order(&[]).1).unwrap();
    assert_eq!((&again["withheld"], &again["files"]), (&0.into(), &Value::Array(vec![])));
}

#[test]
fn a_gateway_that_runs_is_not_worked_on() {
    let mut site = Site::start(&Changes::default());
    let mut load = site.send(&["--count", "50", "--batch", "50"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
    let seals = || {
        files_below(&site.path("archive"))
            .iter()
            .any(|p| p.extension().is_some_and(|e| e == "seal"))
    };
    until("something is archived", PATIENCE, || seals().then_some(()));
    let word = ["--authority", "a", "--reason", "b"];
    let args = ["archive", "withhold", "3", "--ledger", "telemetry"];
    let (exit, _, said) = lucarne(&site, &[&args[..], &word].concat());
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("written by another process"), "{said}");
    assert_eq!(site.stop(), [Some(0); 3]);
}

#[test]
fn a_hold_keeps_the_log_of_a_running_gateway_from_being_cut() {
    let keep = ("state:", "keep_log_bytes: 0\nstate:");
    let mut site = Site::start(&Changes { gateway: vec![keep], ..Changes::default() });
    let rolls = |site: &Site| files_below(&site.path("state/wal")).len();
    let send = |site: &Site| {
        let mut load = site.send(&["--count", "50", "--batch", "50", "--durability", "archived"]);
        assert_eq!(load.end(), Some(0), "{}", load.said());
    };
    send(&site);
    let cut = rolls(&site);
    let word = ["--authority", "a", "--reason", "b"];
    let hold = |verb| lucarne(&site, &[&["archive", "hold", verb, "case-1"], &word[..]].concat()).0;
    assert_eq!(hold("set"), Some(0));
    (0..4).for_each(|_| send(&site));
    let held = rolls(&site);
    assert!(held >= cut + 3, "{held} files after {cut}");
    assert_eq!(hold("lift"), Some(0));
    (0..2).for_each(|_| send(&site));
    until("the log is cut again", PATIENCE, || (rolls(&site) < held).then_some(()));
    assert_eq!(site.stop(), [Some(0); 3]);
}
