//! Erasure by destroying the data key of a day, or of a tenant: what can be read before, with keys
//! and without, what is left afterwards, and that a hold stops it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::process::run;
use super::site::{Changes, Site, lucarne_program, replace};
use super::withholding::{lucarne, stopped_site, tellers};

/// A stopped site that encrypts what it archives, and one record of it.
struct Erasable {
    site: Site,
    keys: String,
    day: String,
    index: String,
    value: String,
}

impl Erasable {
    fn new() -> Self {
        Self::with("erasure: { keys: keys }\nstate:")
    }

    fn with(erasure: &'static str) -> Self {
        let erasable = ("state:", erasure);
        let (site, line) = stopped_site(&Changes { gateway: vec![erasable], ..Changes::default() });
        let keys = site.path("keys").to_str().unwrap().to_owned();
        let index = line["tee_record_index"].to_string();
        let value = line["executionId"].as_str().unwrap().to_owned();
        let day = std::fs::read_dir(&keys).unwrap().find_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.ends_with(".key").then(|| name[..10].replace('-', "/"))
        });
        Self { site, keys, day: day.unwrap(), index, value }
    }

    /// Exit code and both outputs of a command over the archive.
    fn said(&self, args: &[&str]) -> (Option<i32>, String) {
        let (exit, out, err) = lucarne(&self.site, args);
        (exit, out + &err)
    }

    fn report(&self, more: &[&str]) -> (Option<i32>, Value) {
        let args = [&["audit", "verify", "--output", "json"], more].concat();
        let (exit, report, said) = lucarne(&self.site, &args);
        (exit, serde_json::from_str(&report).unwrap_or_else(|_| panic!("{said}")))
    }

    fn show(&self, more: &[&str]) -> (Option<i32>, String) {
        self.said(&[&["audit", "show", &self.index, "--ledger", "telemetry"], more].concat())
    }

    fn prove(&self, more: &[&str]) -> (Option<i32>, String) {
        let bundle = self.site.path("record.proof");
        let path = bundle.to_str().unwrap();
        let args = ["audit", "prove", &self.index, "--ledger", "telemetry", "--bundle", path];
        self.said(&[&args, more].concat())
    }

    /// What the command says, and the rows.
    fn export(&self, name: &str, more: &[&str]) -> (String, String) {
        let to = self.site.path(name);
        let args = ["audit", "export", "--ledger", "telemetry", "--format", "jsonl", "--to"];
        let (exit, said) = self.said(&[&args[..], &[to.to_str().unwrap()], more].concat());
        assert_eq!(exit, Some(5), "{said}");
        (said, std::fs::read_to_string(to).unwrap())
    }

    fn hold(&self, verb: &str) {
        let word = ["--authority", "Landgericht Mitte", "--reason", "3 O 12/26"];
        let args = [&["archive", "hold", verb, "case-1"], &word[..]].concat();
        assert_eq!(lucarne(&self.site, &args).0, Some(0));
    }

    fn erase(&self) -> (Option<i32>, String) {
        self.erase_what(&["--day", &self.day])
    }

    /// Exit code and both outputs of the command.
    fn erase_what(&self, what: &[&str]) -> (Option<i32>, String) {
        let config = self.site.path("gateway.yaml");
        let word = ["--authority", "data protection officer", "--reason", "request 17"];
        let args = ["archive", "erase", "--config", config.to_str().unwrap()];
        let output = run(lucarne_program(), &[&args[..], what, &word].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Of each exported record its tenant, its number and a value that occurs nowhere else.
    fn exported(&self) -> Vec<(String, String, String)> {
        let lines = std::fs::read_to_string(self.site.path("export/logs.jsonl")).unwrap();
        let record = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| line[name].as_str().map(str::to_owned);
            Some((text("tenantHash")?, line["tee_record_index"].to_string(), text("executionId")?))
        };
        lines.lines().filter_map(record).collect()
    }

    fn key_files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.keys).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".key")).collect()
    }
}

fn sum(report: &Value, what: &str) -> u64 {
    let ledgers = report["ledgers"].as_array().unwrap();
    ledgers.iter().map(|ledger| ledger[what].as_u64().unwrap()).sum()
}

#[test]
fn whoever_looks_at_an_encrypted_payload_reads_it_or_is_told_why_not() {
    let erasable = Erasable::new();
    let (keys, value) = (["--keys", erasable.keys.as_str()], erasable.value.as_str());
    let (exit, without) = erasable.report(&[]);
    assert_eq!((exit, &without["findings"]), (Some(5), &Value::Array(vec![])), "{without:#}");
    let encrypted = sum(&without, "encrypted");
    assert!(encrypted >= 200 && without["notes"].to_string().contains("payloads not read"));
    let (exit, with) = erasable.report(&keys);
    assert_eq!((exit, sum(&with, "encrypted")), (Some(5), 0), "{with:#}");
    assert_eq!(sum(&with, "verified"), sum(&without, "verified"));

    let (exit, shown) = erasable.show(&[]);
    assert_eq!(exit, Some(5), "{shown}");
    assert!(shown.contains("\"encrypted\": true") && !shown.contains(value), "{shown}");
    let (exit, shown) = erasable.show(&keys);
    assert!(exit == Some(5) && shown.contains(value), "{shown}");
    let (exit, said) = erasable.prove(&[]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("is encrypted under ") && said.contains("give --keys"), "{said}");
    let (exit, said) = erasable.prove(&keys);
    assert_eq!(exit, Some(5), "{said}");
    let (said, rows) = erasable.export("closed.jsonl", &[]);
    assert!(said.contains("payloads are ENCRYPTED or ERASED"), "{said}");
    assert!(rows.contains("\"payload_state\":\"ENCRYPTED\"") && !rows.contains(value));
    let (said, rows) = erasable.export("opened.jsonl", &keys);
    assert!(!said.contains("ENCRYPTED") && rows.contains(value), "{said}");
    assert!(!rows.contains("payload_state"));
}

#[test]
fn erasing_a_day_leaves_its_payloads_nowhere_and_the_seals_valid_unless_it_is_held() {
    let erasable = Erasable::new();
    let (keys, value) = (["--keys", erasable.keys.as_str()], erasable.value.as_str());
    let told = tellers(&erasable.site, value);
    let state = erasable.site.path("state");
    assert!(!told.is_empty() && told.iter().all(|path| path.starts_with(&state)));
    let verified = sum(&erasable.report(&keys).1, "verified");

    erasable.hold("set");
    let (exit, said) = erasable.erase();
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("hold case-1 covers it: 3 O 12/26"), "{said}");
    assert_eq!(sum(&erasable.report(&keys).1, "encrypted"), 0, "a hold changes nothing");
    erasable.hold("lift");

    let (exit, said) = erasable.erase();
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(tellers(&erasable.site, value), [] as [PathBuf; 0]);
    let (exit, after) = erasable.report(&keys);
    assert_eq!(exit, Some(5), "{after:#}");
    let findings = after["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|one| one["kind"] == "ERASED"));
    assert!(after.to_string().contains("order of data protection officer: request 17"));
    assert_eq!((sum(&after, "encrypted"), sum(&after, "verified")), (0, verified));
    let (exit, shown) = erasable.show(&keys);
    assert!(exit == Some(5) && shown.contains("\"erased\": \"order of data"), "{shown}");
    let (exit, said) = erasable.prove(&keys);
    assert!(exit == Some(2) && said.contains("is erased: order of data"), "{said}");
    let (_, rows) = erasable.export("erased.jsonl", &keys);
    assert!(rows.contains("\"payload_state\":\"ERASED\"") && !rows.contains(value));

    // Without its order, a key that is gone is no erasure.
    std::fs::remove_dir_all(erasable.site.path("archive/erasures")).unwrap();
    let (exit, thrown) = erasable.report(&keys);
    assert_eq!(exit, Some(2), "{thrown:#}");
    let findings = thrown["findings"].as_array().unwrap();
    assert!(!findings.is_empty(), "{thrown:#}");
    assert!(findings.iter().all(|one| one["code"] == "data-key-absent"), "{thrown:#}");
    assert_eq!(erasable.erase().0, Some(2), "nothing is left to do");
}

#[test]
fn a_tenant_is_erased_on_every_day_and_its_neighbours_are_read_as_before() {
    let erasable = Erasable::with("erasure: { keys: keys, tenant: tenantHash }\nstate:");
    let keys = ["--keys", erasable.keys.as_str()];
    let exported = erasable.exported();
    let tenant = exported[0].0.clone();
    let (own, others): (Vec<_>, Vec<_>) = exported.iter().partition(|record| record.0 == tenant);
    assert!(own.len() > 10 && others.len() > 10, "{} and {}", own.len(), others.len());
    let (gone, stays) = (own[own.len() / 2], others[others.len() / 2]);
    let tenants: BTreeSet<&String> = exported.iter().map(|record| &record.0).collect();
    let files = erasable.key_files();
    let of_tenants = files.iter().filter(|name| name.contains(".telemetry.tenant-")).count();
    assert_eq!(of_tenants, tenants.len(), "{files:?}");
    let (exit, before) = erasable.report(&keys);
    assert_eq!((exit, sum(&before, "encrypted")), (Some(5), 0), "{before:#}");
    let hidden = sum(&erasable.report(&[]).1, "encrypted");
    assert!(hidden >= exported.len() as u64, "{hidden}");

    let (exit, said) = erasable.erase_what(&["--tenant", "nobody"]);
    assert!(exit == Some(2) && said.contains("no key for the tenant `nobody`"), "{said}");
    let (exit, said) = erasable.erase_what(&["--tenant", &tenant, "--until", "2001/01/01"]);
    assert!(exit == Some(2) && said.contains("nothing to erase"), "{said}");
    let wanted = ["--tenant", &tenant, "--since", "2001/01/01"];
    erasable.hold("set");
    let (exit, said) = erasable.erase_what(&wanted);
    assert!(exit == Some(1) && said.contains("hold case-1 covers it: 3 O 12/26"), "{said}");
    erasable.hold("lift");
    let (exit, said) = erasable.erase_what(&[&wanted[..], &["--dry-run"]].concat());
    assert!(exit == Some(0) && said.contains("would destroy 1 key;"), "{said}");
    assert_eq!(erasable.key_files().len(), files.len(), "neither changes anything");

    let (exit, said) = erasable.erase_what(&[&wanted[..], &["--output", "json"]].concat());
    let done: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!((exit, done["orders"].as_array().map(Vec::len)), (Some(0), Some(1)), "{said}");
    assert_eq!(done["crowded"], Value::Array(vec![]), "{said}");
    assert_eq!(tellers(&erasable.site, &gone.2), [] as [PathBuf; 0]);
    let (exit, after) = erasable.report(&keys);
    assert_eq!(exit, Some(5), "{after:#}");
    let findings = after["findings"].as_array().unwrap();
    let kinds: Vec<&str> = findings.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ERASED"], "{after:#}");
    let rule = "order of data protection officer: request 17";
    let counted = |ledger: &Value| ledger["erased"][rule].as_u64();
    let erased: u64 = after["ledgers"].as_array().unwrap().iter().filter_map(counted).sum();
    assert_eq!(erased, own.len() as u64, "exactly the records of the tenant: {after:#}");
    assert_eq!((sum(&after, "encrypted"), sum(&after, "verified")), (0, sum(&before, "verified")));

    let show = |number: &str| {
        erasable.said(&[&["audit", "show", number, "--ledger", "telemetry"], &keys[..]].concat())
    };
    let (exit, shown) = show(&gone.1);
    assert!(exit == Some(5) && shown.contains("\"erased\": \"order of data"), "{shown}");
    let (exit, shown) = show(&stays.1);
    assert!(exit == Some(5) && shown.contains(&stays.2), "{shown}");
    let (_, rows) = erasable.export("tenants.jsonl", &keys);
    assert!(own.iter().all(|record| !rows.contains(&record.2)));
    assert!(others.iter().all(|record| rows.contains(&record.2)));
    let bundle = erasable.site.path("neighbour.proof");
    let args = ["audit", "prove", &stays.1, "--ledger", "telemetry", "--bundle"];
    let args = [&args[..], &[bundle.to_str().unwrap()], &keys[..]].concat();
    let (exit, said) = erasable.said(&args);
    assert_eq!(exit, Some(5), "{said}");
    assert_eq!(erasable.erase_what(&wanted).0, Some(2), "nothing is left to do");

    // A day is everybody's.
    let (exit, said) = erasable.erase();
    assert_eq!((exit, erasable.key_files()), (Some(0), vec![]), "{said}");
    assert_eq!(tellers(&erasable.site, &stays.2), [] as [PathBuf; 0]);
    let (exit, after) = erasable.report(&keys);
    assert_eq!((exit, sum(&after, "verified")), (Some(5), sum(&before, "verified")), "{after:#}");
}

#[test]
fn an_erasure_that_cannot_be_meant_says_what_to_write() {
    let erasable = Erasable::new();
    let (exit, said) = erasable.erase_what(&["--tenant", "t_8f3a2b1c"]);
    assert_eq!(exit, Some(3), "{said}");
    assert!(said.contains("no `erasure.tenant`") && said.contains("with --day"), "{said}");
    let wrong: [&[&str]; 5] = [
        &[],
        &["--since", "2026/11/01"],
        &["--day", "2026-11-01"],
        &["--day", "2026/11/01", "--since", "2026/11/01", "--tenant", "a"],
        &["--tenant", "a", "--until", "tomorrow"],
    ];
    for args in wrong {
        let (exit, said) = erasable.erase_what(args);
        assert_eq!(exit, Some(3), "{args:?}: {said}");
    }
    let config = erasable.site.path("gateway.yaml");
    replace(&config, "erasure: { keys: keys }", "erasure: { keys: keys, tenant: '' }");
    let (exit, said) = erasable.erase_what(&["--day", &erasable.day]);
    assert_eq!(exit, Some(3), "{said}");
    assert!(said.contains("erasure.tenant") && said.contains("name of an attribute"), "{said}");
}
