//! Each request × each failure: `put` again says what is true, and nothing is there twice.

use std::collections::BTreeMap;
use std::path::Path;

use lucarne_archive::s3::Settings;
use lucarne_archive::{Archive as _, Put, S3};
use lucarne_testkit::Ceph;

use crate::proxy::{Fault, Proxy};
use crate::s3::{BUCKET, DAY_S, file, now_s, read, reader, seal, settings, store, writer};

const FAULTS: [Fault; 7] = [
    Fault::NotDone,
    Fault::DoneButSilent,
    Fault::DoneButError,
    Fault::TornRequest,
    Fault::TornAnswer,
    Fault::KilledAfter,
    Fault::KilledBefore,
];

fn content(number: u64) -> Vec<u8> {
    format!("object {number}").repeat(20).into_bytes()
}

/// What a session was told.
type Acknowledged = BTreeMap<u64, Put>;

/// Stores an object and stores it again, as a gateway does after it came back.
/// An error ends it: it is got over within a call, or the process was killed.
fn session(s3: &S3) -> Acknowledged {
    let puts = [0, 0].into_iter().map(|number| (number, s3.put(&seal(number), &content(number))));
    puts.map_while(|(number, put)| Some((number, put.ok()?))).collect()
}

/// All acknowledged objects whole and locked; every key with one version and no marker.
#[track_caller]
fn check(s3: &S3, acknowledged: &Acknowledged) {
    let mut found = Vec::new();
    for history in s3.versions("").histories() {
        let history = history.unwrap();
        assert!(history.is_plain(), "twice: {history:?}");
        let number = (0..1).find(|&n| seal(n).to_string() == history.key).unwrap();
        assert_eq!(read(s3, &seal(number)), content(number), "object {number} is not whole");
        let until = s3.locked_until(&history.versions[0]).unwrap().unwrap();
        assert!(until > now_s() + 2 * DAY_S, "object {number} is locked until {until}");
        found.push(number);
    }
    for number in acknowledged.keys() {
        assert!(found.contains(number), "acknowledged object {number} is lost");
    }
}

/// One cell of the table. False when the session ends before the step.
fn cell(ceph: &Ceph, proxy: &Proxy, step: u64, fault: Fault) -> bool {
    let prefix = format!("{fault:?}-{step}").to_lowercase();
    let keys = ceph.credentials("writer");
    proxy.plan(step, fault);
    let through = S3::open(settings(&proxy.endpoint(), &keys, BUCKET, &prefix));
    let acknowledged = through.map(|s3| session(&s3)).unwrap_or_default();
    let reached = proxy.take_plan();
    let killed = matches!(fault, Fault::KilledAfter | Fault::KilledBefore);
    if !killed {
        assert_eq!(acknowledged.len(), 1, "one failure is got over: {fault:?} at {step}");
    }
    check(&reader(ceph, BUCKET, &prefix), &acknowledged);
    let s3 = writer(ceph, &prefix);
    let again = session(&s3);
    assert_eq!(again.len(), 1, "the second session stores everything");
    for number in acknowledged.keys() {
        assert_eq!(again[number], Put::AlreadyIdentical, "what was acknowledged is there");
    }
    check(&s3, &again);
    reached
}

#[test]
fn no_failure_loses_or_doubles_what_is_stored() {
    let ceph = store();
    let proxy = Proxy::before(ceph.address());
    for fault in FAULTS {
        let steps = (0..100).take_while(|&step| cell(&ceph, &proxy, step, fault)).count();
        // Two questions at the start; list, put, list, head; then list, get, head.
        assert_eq!(steps, 9, "steps under {fault:?}");
    }
}

#[test]
fn a_store_that_stays_silent_is_given_up_in_time_and_nothing_is_acknowledged() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let keys = std::env::temp_dir().join(format!("lucarne-keys-{}", std::process::id()));
    std::fs::write(&keys, "[default]\naws_access_key_id=a\naws_secret_access_key=b\n").unwrap();
    let mut file = file(&endpoint, &keys, BUCKET, "");
    file.timeout_ms = Some(100);
    let silent = Settings::check(file, Path::new("/")).unwrap();
    let error = S3::open(silent).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "archive: ask for versioning of archive: timed out");
    assert!(error.is_retryable());
    std::fs::remove_file(&keys).unwrap();
}
