//! The register of a real site: every epoch and every end is in it, and what it names and the
//! archive lacks is found missing.

use std::path::PathBuf;

use serde_json::Value;

use super::process::run;
use super::site::{Changes, Site, lucarne_program};
use super::tampering::files_below;

fn lucarne(site: &Site, args: &[&str]) -> (Option<i32>, Value) {
    let (archive, policy) = (site.path("archive"), site.path("audit-policy.yaml"));
    let place = ["--records-dir", archive.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
    let output = run(lucarne_program(), &[args, &place, &["--output", "json"]].concat());
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|_| panic!("no report: {output:?}")))
}

fn kinds(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|one| one["kind"].as_str().unwrap()).collect()
}

/// Two boots of one instance, both ended in order.
fn site_of_two_epochs() -> Site {
    let mut site = Site::start(&Changes::default());
    for _ in 0..2 {
        if site.enclave.is_none() {
            site.start_enclave();
        }
        let mut load = site.send(&["--count", "20", "--batch", "10"]);
        assert_eq!(load.end(), Some(0), "{}", load.said());
        assert_eq!(site.enclave.take().unwrap().stop("-TERM"), Some(0));
    }
    site.stop();
    site
}

fn epoch_folders(site: &Site, epoch: &str) -> Vec<PathBuf> {
    let mut folders = vec![];
    for file in files_below(&site.path("archive")) {
        let mut above = file.ancestors().skip(1);
        folders.extend(above.find(|path| path.ends_with(epoch)).map(PathBuf::from));
    }
    folders.sort();
    folders.dedup();
    folders
}

#[test]
fn a_whole_epoch_that_is_taken_away_is_missed() {
    let site = site_of_two_epochs();
    let (exit, shown) = lucarne(&site, &["register", "show"]);
    let entries = shown["entries"].as_array().unwrap();
    let what: Vec<&str> = entries.iter().map(|one| one["entry"].as_str().unwrap()).collect();
    assert_eq!((exit, what), (Some(0), vec!["epoch", "end", "end", "epoch", "end", "end"]));
    assert_eq!(entries[3]["predecessor"]["epoch"], entries[0]["epoch"]);
    assert_eq!(lucarne(&site, &["register", "check"]).0, Some(0));
    let (exit, report) = lucarne(&site, &["audit", "verify"]);
    assert_eq!((exit, kinds(&report)), (Some(5), vec![]), "{report:#}");

    // The last epoch goes whole, evidence and all: nothing else would ever have named it.
    let last = entries[3]["epoch"].as_str().unwrap();
    // Whoever leaves one of its files behind hides no more than that.
    let left = |path: &PathBuf| path.ends_with("binding.cbor");
    for folder in epoch_folders(&site, last) {
        let files = files_below(&folder);
        files
            .iter()
            .filter(|path| !left(path))
            .for_each(|path| std::fs::remove_file(path).unwrap());
    }
    let (exit, report) = lucarne(&site, &["audit", "verify"]);
    assert_eq!((exit, kinds(&report)), (Some(1), vec!["MISSING"]), "{report:#}");
    for folder in epoch_folders(&site, last) {
        std::fs::remove_dir_all(folder).unwrap();
    }
    let (exit, report) = lucarne(&site, &["audit", "verify"]);
    assert_eq!((exit, kinds(&report)), (Some(1), vec!["MISSING"]), "{report:#}");
    assert_eq!(report["findings"][0]["epoch"], last, "{report:#}");

    // Who removes its entries as well is betrayed by the signed heads.
    let register = site.path("archive/register");
    for entry in 3..6 {
        std::fs::remove_file(register.join(format!("{entry:020}.cbor"))).unwrap();
    }
    assert_eq!(lucarne(&site, &["register", "check"]).0, Some(1));
    let (exit, report) = lucarne(&site, &["audit", "verify"]);
    assert_eq!(exit, Some(1), "{report:#}");
    assert!(kinds(&report).iter().all(|kind| *kind == "TRUNCATED"), "{report:#}");

    // And who removes those too leaves a register that its witnesses know to be longer; without
    // witnesses nothing here can tell. What goes with the whole register is missed by the policy.
    std::fs::remove_dir_all(&register).unwrap();
    let (exit, report) = lucarne(&site, &["audit", "verify"]);
    assert_eq!((exit, kinds(&report)), (Some(2), vec!["INCOMPLETE"]), "{report:#}");
}

#[test]
fn an_epoch_that_the_register_does_not_name_was_inserted() {
    let site = site_of_two_epochs();
    let register = site.path("archive/register");
    let first: Vec<PathBuf> = files_below(&register)
        .into_iter()
        .filter(|path| path.to_str().unwrap().contains("-"))
        .collect();
    assert!(!first.is_empty());
    // A register of the same site that has seen the first epoch only.
    for file in files_below(&register) {
        let number: u64 = file.file_name().unwrap().to_str().unwrap()[..20].parse().unwrap();
        let entry = file.extension().is_some_and(|extension| extension == "cbor");
        if (entry && number >= 3) || (!entry && number > 3) {
            std::fs::remove_file(file).unwrap();
        }
    }
    let (exit, report) = lucarne(&site, &["audit", "verify"]);
    assert_eq!((exit, kinds(&report)), (Some(1), vec!["INSERTED"]), "{report:#}");
}
