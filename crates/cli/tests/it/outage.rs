//! The gateway stands still under full load: the enclave pushes back, stays within its bounds,
//! loses nothing that it acknowledged, and goes on by itself.
//!
//! `LUCARNE_OUTAGE_SECONDS=60` gives the full length of the acceptance test.

use std::time::{Duration, Instant};

use super::main_job::archived_ids;
use super::process::until;
use super::site::{Changes, Site};

const QUEUE_BYTES: u64 = 4 << 20;
const RAW_BYTES: u64 = 4 << 20;
/// What the process may use beside its queue and its ring.
const BESIDE_BYTES: u64 = 64 << 20;
const SECONDS: u64 = 5;

#[test]
#[expect(clippy::print_stdout, reason = "the measured peak is a result")]
fn a_standing_gateway_makes_the_enclave_push_back_and_costs_nothing_acknowledged() {
    let seconds =
        std::env::var("LUCARNE_OUTAGE_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let mut site = Site::start(&Changes {
        enclave: "limits: { queue_bytes: 4194304 }\ninside: { bytes: 4194304 }\n",
        ..Changes::default()
    });
    let duration = (seconds + 2).to_string();
    let mut load = site.send(&["--duration", &duration, "--patience", "120", "--in-flight", "8"]);
    until("the first acknowledgement", Duration::from_secs(30), || site.acknowledged().pop());
    site.gateway.as_ref().unwrap().signal("-STOP");
    let peak = watch_memory(&site, Duration::from_secs(seconds));
    let during = site.acknowledged().len();
    site.gateway.as_ref().unwrap().signal("-CONT");

    assert_eq!(load.end(), Some(0), "{}", load.said());
    let report: serde_json::Value = serde_json::from_str(&load.rest().concat()).unwrap();
    println!("peak of the enclave {} KiB, sender: {report}", peak / 1024);
    assert!(report["refused"].as_u64() > Some(0), "no backpressure: {report}");
    assert!(peak <= QUEUE_BYTES + RAW_BYTES + BESIDE_BYTES, "{} KiB", peak / 1024);
    let acknowledged = site.acknowledged();
    assert!(acknowledged.len() > during, "it goes on after the outage");
    assert_eq!(site.stop(), [Some(0); 3]);
    let archived = archived_ids(&site.path("archive"));
    let wrong: Vec<_> =
        acknowledged.iter().filter(|id| archived.get(*id) != Some(&1)).take(5).collect();
    assert_eq!(wrong, Vec::<&String>::new(), "of {} acknowledged", acknowledged.len());
}

/// The largest resident size that was seen, in bytes.
fn watch_memory(site: &Site, time: Duration) -> u64 {
    let (start, mut peak) = (Instant::now(), 0);
    let enclave = site.enclave.as_ref().unwrap();
    until("the outage is over", time * 2, || {
        peak = peak.max(enclave.status_kib("VmRSS") * 1024);
        (start.elapsed() >= time).then_some(peak)
    })
}
