//! Constant egress on the real uplink: who reads lengths and times learns nothing of the load.
//!
//! Every frame of both directions is timed by a relay between enclave and proxy, first while
//! nothing is sent and then at full load. Sizes must be equal, and the times between frames must
//! come from one distribution by the two-sample test of Kolmogorov and Smirnov. The same relay on
//! an uplink without constant egress sees the difference at once.
//!
//! `LUCARNE_EGRESS_SECONDS=600` gives the campaign of `docs/boundary.md`.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::{Duration, Instant};

use super::crossing::contract;
use super::main_job::archived_ids;
use super::process::{PATIENCE, until};
use super::site::{Changes, Site, append, replace};

const INTERVAL_MS: u32 = 100;
const FRAME_BYTES: usize = 32 << 10;
const DOWN_FRAME_BYTES: usize = 4 << 10;
/// How long each of the two samples is.
const SECONDS: u64 = 8;
/// The first byte of the messages that agree on it.
const AGREED: [u8; 2] = [7, 72];

/// When a frame was whole, its bytes, and whether constant egress was agreed on before.
type Seen = Arc<Mutex<[Vec<(Instant, usize, bool)>; 2]>>;

/// Relays connections and notes each frame.
fn time_frames(socket: &Path, target: &Path) -> Seen {
    let listener = UnixListener::bind(socket).unwrap();
    let (seen, target) = (Seen::default(), target.to_owned());
    let noted = Arc::clone(&seen);
    spawn(move || {
        for enclave in listener.incoming().map_while(Result::ok) {
            let Ok(gateway) = UnixStream::connect(&target) else { continue };
            let ends = [&enclave, &gateway].map(|end| end.try_clone().unwrap());
            let [enclave_too, gateway_too] = ends;
            let (up, down) = (Arc::clone(&noted), Arc::clone(&noted));
            spawn(move || relay(enclave, gateway_too, 0, &up));
            spawn(move || relay(gateway, enclave_too, 1, &down));
        }
    });
    seen
}

fn relay(mut from: UnixStream, mut to: UnixStream, way: usize, seen: &Seen) {
    let (mut buffer, mut held, mut agreed) = (vec![0; 256 << 10], Vec::new(), false);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let now = Instant::now();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        held.extend_from_slice(&buffer[..count]);
        while let Some(length) = held.first_chunk::<4>() {
            let whole = 4 + u32::from_be_bytes(*length) as usize;
            if held.len() < whole {
                break;
            }
            seen.lock().unwrap()[way].push((now, whole, agreed));
            agreed |= held[4] == AGREED[way] && !agreed;
            held.drain(..whole);
        }
    }
    // Either may be closed already.
    to.shutdown(Shutdown::Both).ok();
    from.shutdown(Shutdown::Both).ok();
}

fn start(egress: &str) -> (Site, Seen) {
    let enclave = "limits: { queue_bytes: 2097152, heartbeat_ms: 1000 }\n";
    let mut site = Site::prepare(&Changes { enclave, ..Changes::default() });
    let text = contract(&[]) + egress;
    std::fs::write(site.path("tee/contract.yaml"), text).unwrap();
    append(&site.path("tee/enclave.yaml"), "contract: contract.yaml\n");
    replace(&site.path("tee/enclave.yaml"), "/proxy.sock", "/timed.sock");
    replace(&site.path("gateway.yaml"), "close_after_ms: 1000", "close_after_ms: 200");
    let seen = time_frames(&site.path("timed.sock"), &site.path("proxy.sock"));
    site.start_gateway();
    site.start_proxy();
    site.start_enclave();
    (site, seen)
}

fn constant() -> String {
    format!("\negress: {{ shape: constant, interval: {INTERVAL_MS}ms, frame: {FRAME_BYTES}B }}\n")
}

/// Milliseconds between the frames of a direction within a span of time.
fn gaps(seen: &Seen, way: usize, from: Instant, to: Instant) -> Vec<f64> {
    let seen = seen.lock().unwrap();
    let within = seen[way].iter().filter(|(at, _, agreed)| *agreed && (from..to).contains(at));
    let at: Vec<Instant> = within.map(|(at, _, _)| *at).collect();
    at.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect()
}

/// The largest distance between the two empirical distributions.
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let share = |sample: &[f64], at: f64| {
        sample.iter().filter(|it| **it <= at).count() as f64 / sample.len() as f64
    };
    let points = one.iter().chain(other);
    points.map(|at| (share(one, *at) - share(other, *at)).abs()).fold(0.0, f64::max)
}

/// A distance that two samples of one distribution exceed once in a thousand times.
fn critical(one: usize, other: usize) -> f64 {
    let (one, other) = (one as f64, other as f64);
    1.95 * ((one + other) / (one * other)).sqrt()
}

fn seconds() -> u64 {
    // The campaign is a person's choice, like the names of tests given to the runner.
    std::env::var("LUCARNE_EGRESS_SECONDS").map_or(SECONDS, |text| text.parse().unwrap())
}

fn wait_until(at: Instant) {
    until("a sample is over", PATIENCE + Duration::from_secs(seconds()), || {
        (Instant::now() >= at).then_some(())
    });
}

fn agreed(seen: &Seen) -> bool {
    let seen = seen.lock().unwrap();
    seen.iter().all(|way| way.iter().any(|(_, _, agreed)| *agreed))
}

#[test]
#[expect(clippy::print_stdout, reason = "the distances are a result")]
fn sizes_and_times_are_the_same_idle_and_at_full_load() {
    let (mut site, seen) = start(&constant());
    let each = Duration::from_secs(seconds());
    until("both directions are constant", PATIENCE, || agreed(&seen).then_some(()));
    let idle = Instant::now();
    wait_until(idle + each);
    let duration = (seconds() + 3).to_string();
    let mut load = site.send(&["--duration", &duration, "--patience", "120", "--in-flight", "8"]);
    until("the load is on", PATIENCE, || site.acknowledged().pop());
    let full = Instant::now();
    wait_until(full + each);
    let over = Instant::now();
    assert_eq!(load.end(), Some(0), "{}", load.said());
    let report: serde_json::Value = serde_json::from_str(&load.rest().concat()).unwrap();

    for (way, bytes) in [(0, FRAME_BYTES), (1, DOWN_FRAME_BYTES)] {
        let sizes: BTreeSet<usize> =
            seen.lock().unwrap()[way].iter().filter(|it| it.2).map(|it| it.1).collect();
        assert_eq!(sizes, [bytes].into(), "direction {way}");
        let (idle, full) = (gaps(&seen, way, idle, full), gaps(&seen, way, full, over));
        let (found, most) = (distance(&idle, &full), critical(idle.len(), full.len()));
        println!(
            "direction {way}: {} and {} gaps, distance {found:.3} of {most:.3}",
            idle.len(),
            full.len()
        );
        assert!(idle.len() >= 5 * usize::try_from(seconds()).unwrap(), "{}", idle.len());
        assert!(found < most, "direction {way}: {found} is not below {most}");
    }
    // The rate is far below the load: the receivers pushed back, and nothing was lost by it.
    assert!(report["refused"].as_u64() > Some(0), "no back-pressure: {report}");
    let acknowledged = site.acknowledged();
    assert_eq!(site.stop(), [Some(0); 3]);
    let archived = archived_ids(&site.path("archive"));
    let wrong: Vec<_> =
        acknowledged.iter().filter(|id| archived.get(*id) != Some(&1)).take(5).collect();
    assert_eq!(wrong, Vec::<&String>::new(), "of {} acknowledged", acknowledged.len());
}

#[test]
fn without_it_sizes_tell_the_load() {
    let (mut site, seen) = start("");
    let mut load = site.send(&["--count", "5000", "--batch", "500", "--durability", "archived"]);
    assert_eq!(load.end(), Some(0), "{}", load.said());
    assert_eq!(site.stop(), [Some(0); 3]);
    let seen = seen.lock().unwrap();
    let sizes: BTreeSet<usize> = seen[0].iter().map(|(_, bytes, _)| *bytes).collect();
    assert!(sizes.len() > 3, "{sizes:?}");
    assert!(seen.iter().flatten().all(|(_, _, agreed)| !agreed));
}

#[test]
fn the_distance_tells_distributions_apart() {
    let even: Vec<f64> = (0..200).map(f64::from).collect();
    let same: Vec<f64> = (0..100).map(|n| f64::from(n) * 2.0 + 0.5).collect();
    let late: Vec<f64> = even.iter().map(|it| it + 60.0).collect();
    assert!(distance(&even, &same) < 0.02);
    assert!((distance(&even, &late) - 0.3).abs() < 1e-9);
    assert!(distance(&even, &late) > critical(200, 200));
    assert!((critical(200, 200) - 0.195).abs() < 1e-9);
}
