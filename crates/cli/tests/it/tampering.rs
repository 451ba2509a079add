//! One byte of an archive is changed, at many places: the command says no and names the range. And
//! what was planted is in no byte of the site outside the enclave's own directory.

use std::path::{Path, PathBuf};

use super::process::run;
use super::site::{Changes, Site, lucarne_program};

/// Places in each file that are changed one at a time, beside the first and the last byte.
const PLACES: usize = 12;

fn audit(site: &Site) -> (Option<i32>, serde_json::Value) {
    let (archive, policy) = (site.path("archive"), site.path("audit-policy.yaml"));
    let args = ["audit", "verify", "--output", "json", "--records-dir", archive.to_str().unwrap()];
    let args = [&args[..], &["--policy", policy.to_str().unwrap()]].concat();
    let output = run(lucarne_program(), &args);
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|_| panic!("no report: {output:?}")))
}

pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn stopped_site(more: &[&str]) -> Site {
    let mut site = Site::start(&Changes::default());
    let mut load = site.send(&[&["--count", "300", "--batch", "50"], more].concat());
    assert_eq!(load.end(), Some(0), "{}", load.said());
    assert_eq!(site.stop(), [Some(0); 3]);
    site
}

#[test]
fn a_flipped_byte_anywhere_in_a_seal_is_a_no_with_its_range() {
    let site = stopped_site(&[]);
    let (exit, report) = audit(&site);
    assert_eq!((exit, report["findings"].as_array().unwrap().len()), (Some(5), 0), "{report:#}");
    let seals: Vec<PathBuf> = files_below(&site.path("archive"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "seal"))
        .collect();
    assert!(seals.len() >= 2, "{seals:?}");
    for seal in &seals {
        let whole = std::fs::read(seal).unwrap();
        let spread = (0..PLACES).map(|place| place * whole.len() / PLACES);
        for place in spread.chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            std::fs::write(seal, &changed).unwrap();
            let (exit, report) = audit(&site);
            let at = format!("byte {place} of {}: {report:#}", seal.display());
            assert_eq!(exit, Some(1), "{at}");
            let findings = report["findings"].as_array().unwrap();
            let named = |one: &serde_json::Value| {
                one["severity"] == "tamper" && one["first"].is_u64() && one["last"].is_u64()
            };
            assert!(findings.iter().any(named), "{at}");
        }
        std::fs::write(seal, &whole).unwrap();
    }
    assert_eq!(audit(&site).0, Some(5), "whole again");
}

#[test]
fn what_is_planted_is_in_no_file_outside_the_enclaves_own() {
    let secrets = [
        ("attr:form.income=", "95000.4711-planted"),
        ("attr:applicant.name=", "Erika-Mustermann-planted"),
        ("attr:calculation.result=", "1500000.42-planted"),
        ("body:Calculation result: ", "1234567.89-planted"),
        ("span:result.score=", "812-planted"),
        ("label:amount_range=", "1000000-2000000-planted"),
        ("body:authorization: bearer ", "3f9a0c7e5b1d4826a7c0e91f-planted"),
        ("body:paid with ", "4111111111111111"),
        ("body:ssn ", "078-05-1120"),
    ];
    let list = tempfile::NamedTempFile::new().unwrap();
    let text: String = secrets.iter().map(|(place, value)| format!("{place}{value}\n")).collect();
    std::fs::write(list.path(), text).unwrap();
    let site = stopped_site(&["--signal", "mixed", "--secrets", list.path().to_str().unwrap()]);
    let inside = site.path("tee");
    let outside: Vec<PathBuf> =
        files_below(&site.path("")).into_iter().filter(|path| !path.starts_with(&inside)).collect();
    let exported = std::fs::read_to_string(site.path("export/logs.jsonl")).unwrap();
    assert!(exported.contains("\"executionId\":\"exec-"), "nothing came out at all");
    for path in outside.iter().filter(|path| path.is_file()) {
        let mut bytes = std::fs::read(path).unwrap();
        // Frames of the archive are compressed; what they hold is looked at as it was sealed.
        bytes.extend(opened(path));
        let text = String::from_utf8_lossy(&bytes);
        for (_, value) in secrets {
            assert!(!text.contains(value), "{value} is in {}", path.display());
        }
    }
}

/// The content of a `.seal`; of other files nothing.
pub(crate) fn opened(path: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    if path.extension().is_some_and(|extension| extension == "seal") {
        let file = std::fs::File::open(path).unwrap();
        let mut reader = lucarne_archive::segment::SegmentReader::open(file).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            content.extend(frame.content);
        }
        assert!(!content.is_empty(), "{}", path.display());
    }
    content
}
