//! What the gateway's pages say of an enclave, a workload and gates that change; and how long a
//! record takes to come out.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::process::{PATIENCE, until};
use super::site::{Changes, Site, http};

/// A heartbeat a second, a silence of three; a probe that notices at once.
const QUICK_BEAT: &str = "limits: { heartbeat_ms: 1000 }\n";

fn health(site: &Site) -> (u16, String) {
    site.get("/health").unwrap()
}

fn becomes(site: &Site, status: u16, state: &str) {
    let expected = (status, format!("{{\"processengine\":\"{state}\"}}"));
    until(state, PATIENCE, || (health(site) == expected).then_some(()));
}

fn quick(workload: Option<std::net::SocketAddr>) -> Changes {
    let silent =
        ("gate_token_file: keys/gate", "gate_token_file: keys/gate, silent_after_ms: 3000");
    Changes { enclave: QUICK_BEAT, gateway: vec![silent], workload }
}

#[test]
fn a_dead_workload_is_told_while_its_agent_lives() {
    let workload = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = workload.local_addr().unwrap();
    let mut site = Site::start(&quick(Some(address)));
    becomes(&site, 200, "healthy");
    drop(workload);
    becomes(&site, 503, "not-responding");
    let beats = || {
        let lines = std::fs::read_to_string(site.path("export/logs.jsonl")).unwrap_or_default();
        let beat = |line: &&str| line.contains("\"type\":\"heartbeat\"");
        lines.lines().filter(beat).map(str::to_owned).collect::<Vec<String>>()
    };
    let said = |state: &str| {
        let sign = format!("\"workload\":\"{state}\"");
        until(&sign, PATIENCE, || beats().into_iter().find(|beat| beat.contains(&sign)));
    };
    said("healthy");
    said("not-responding");
    let _again = TcpListener::bind(address).unwrap();
    becomes(&site, 200, "healthy");
    assert_eq!(site.stop(), [Some(0); 3]);
}

#[test]
fn a_dead_enclave_is_silence_and_told_as_such() {
    let mut site = Site::start(&quick(None));
    becomes(&site, 200, "healthy");
    // Idle for longer than the silence: heartbeats alone keep it alive.
    let start = Instant::now();
    until("an idle while", PATIENCE, || {
        assert_eq!(health(&site).0, 200);
        (start.elapsed() > Duration::from_secs(4)).then_some(())
    });
    site.enclave = None;
    becomes(&site, 503, "not-responding");
    // A restart of the gateway ends no silence.
    let age = |site: &Site| -> Option<f64> {
        let page = site.get("/metrics")?.1;
        let line = page.lines().find(|line| line.starts_with("lucarne_heartbeat_age_seconds{"))?;
        line.rsplit_once(' ')?.1.parse().ok()
    };
    assert_eq!(site.gateway.take().unwrap().stop("-TERM"), Some(0));
    site.start_gateway();
    assert!(age(&site).is_some_and(|age| age >= 2.0), "{:?}", age(&site));
    assert!(site.get("/metrics").unwrap().1.contains("lucarne_attestation_result{"));
    site.start_enclave();
    becomes(&site, 200, "healthy");
    // What said its end is not missed by a start.
    assert_eq!(site.enclave.take().unwrap().stop("-TERM"), Some(0));
    assert_eq!(site.gateway.take().unwrap().stop("-TERM"), Some(0));
    site.start_gateway();
    assert_eq!(age(&site), None);
}

#[test]
fn a_gate_is_set_with_the_token_alone_and_kept_over_a_restart() {
    let mut site = Site::prepare(&Changes::default());
    site.start_gateway();
    let token = std::fs::read_to_string(site.path("keys/gate")).unwrap();
    let set = |site: &Site, token: &str, state: &str| {
        let head = format!("PUT /v1/gates/credit HTTP/1.1\r\nauthorization: Bearer {token}\r\n");
        http(site.addresses.gateway, &head, &format!("{{\"state\":\"{state}\"}}")).unwrap().0
    };
    let ask = |site: &Site| site.get("/v1/gates/credit").unwrap().0;
    assert_eq!(ask(&site), 404);
    assert_eq!((set(&site, "another-token-of-enough-bytes", "open"), ask(&site)), (401, 404));
    assert_eq!((set(&site, token.trim(), "open"), ask(&site)), (200, 200));
    assert_eq!((set(&site, token.trim(), "closed"), ask(&site)), (200, 503));
    // Killed, not stopped: what was answered is on the disk.
    site.gateway = None;
    site.start_gateway();
    assert_eq!(ask(&site), 503);
    assert_eq!((set(&site, token.trim(), "open"), ask(&site)), (200, 200));
    site.gateway = None;
    site.start_gateway();
    assert_eq!(ask(&site), 200);
}

#[test]
#[expect(clippy::print_stdout, reason = "the measured times are a result")]
fn a_record_is_out_at_the_exporters_within_thirty_seconds() {
    let mut site = Site::start(&Changes::default());
    let mut times = Vec::new();
    for _ in 0..5 {
        let called = Instant::now();
        let mut call = site.send(&["--count", "1", "--batch", "1"]);
        assert_eq!(call.end(), Some(0));
        let id = site.acknowledged().pop().unwrap();
        let out = || std::fs::read_to_string(site.path("export/logs.jsonl")).unwrap_or_default();
        until("the record is out", PATIENCE, || out().contains(&id).then_some(()));
        times.push(called.elapsed());
    }
    times.sort();
    println!("out after {times:?}, typically {:?}", times[times.len() / 2]);
    assert!(times.iter().all(|time| *time <= Duration::from_secs(30)), "{times:?}");
    assert_eq!(site.stop(), [Some(0); 3]);
}
