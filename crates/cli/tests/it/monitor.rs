//! The monitor with real processes: an enclave is asked again and again, what it answers is kept,
//! and one that stops answering is an outage until it answers again.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::process::{PATIENCE, until};
use super::site::{Changes, Site};

/// Every answer that the gateway has kept so far.
fn kept(site: &Site) -> Vec<Value> {
    let directory = site.path("state/monitor");
    let mut files: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| lines(file)).collect()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    // A line without its end is being written at this moment.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The value of a metric whose line begins so.
fn metric(site: &Site, beginning: &str) -> Option<f64> {
    let (_, page) = site.get("/metrics")?;
    let line = page.lines().find(|line| line.starts_with(beginning))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

fn checks(site: &Site, class: &str) -> f64 {
    let labels = format!("{{tee_instance_id=\"nitro-001-us-east\",result=\"{class}\"}}");
    metric(site, &format!("lucarne_attestation_checks_total{labels}")).unwrap_or(0.0)
}

fn is_now(site: &Site, class: &str) -> bool {
    let labels = format!("{{tee_instance_id=\"nitro-001-us-east\",result=\"{class}\"}}");
    metric(site, &format!("lucarne_attestation_result{labels}")) == Some(1.0)
}

#[test]
fn an_enclave_is_asked_again_and_again_and_missed_when_it_is_silent() {
    let gateway = vec![("state: state\n", "state: state\nmonitor: { every_ms: 150 }\n")];
    let mut site = Site::start(&Changes { gateway, ..Changes::default() });
    until("some answers", PATIENCE, || (checks(&site, "match") >= 4.0).then_some(()));
    assert!(is_now(&site, "match"));

    let enclave = site.enclave.as_ref().unwrap();
    enclave.signal("-STOP");
    until("an outage", PATIENCE, || is_now(&site, "outage").then_some(()));
    enclave.signal("-CONT");
    until("an answer after it", PATIENCE, || is_now(&site, "match").then_some(()));

    let [ended, ..] = [site.enclave.take().unwrap().stop("-TERM")];
    assert_eq!(ended, Some(0));
    let missed = checks(&site, "outage");
    let scraped = checks(&site, "match");
    let age = || metric(&site, "lucarne_attestation_match_age_seconds").unwrap();
    // Long enough for several outages, had it not said its end.
    until("some time", PATIENCE, || (age() > 1.5).then_some(()));
    assert_eq!((checks(&site, "outage"), checks(&site, "match")), (missed, scraped));

    let kept = kept(&site);
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    assert_eq!((&*text(&kept[0], "occasion"), &*text(&kept[0], "class")), ("handshake", "match"));
    let asked = kept.iter().filter(|line| line["occasion"] == "monitor").count();
    assert!(asked >= 4, "{asked} answers are kept");
    let nonces: BTreeSet<String> = kept.iter().map(|line| text(line, "nonce")).collect();
    assert_eq!(nonces.len(), kept.len(), "each question has a nonce of its own");
    assert!(kept.iter().all(|line| text(line, "evidence").len() > 1_000));
    assert_eq!(site.stop(), [None, Some(0), Some(0)]);
}

/// A peer that speaks version 1 is told what is wrong, in words that name both versions.
#[test]
fn an_enclave_of_the_version_before_is_refused_by_name() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    let mut site = Site::prepare(&Changes::default());
    site.start_gateway();
    let mut line = UnixStream::connect(site.path("gateway.sock")).unwrap();
    let hello = [&b"\x01\x83\x01\x61a\x50"[..], &[0; 16]].concat();
    let length = u32::try_from(hello.len()).unwrap();
    line.write_all(&length.to_be_bytes()).unwrap();
    line.write_all(&hello).unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).unwrap();
    let said = String::from_utf8_lossy(&answer);
    let expected = "peer speaks version 1 of the protocol, this side 2; update the older one";
    assert!(said.contains(expected), "{said}");
}
