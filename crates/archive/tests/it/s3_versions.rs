//! Attacks on what lies behind a key: what the store refuses, and what it lets happen and we see.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode};
use lucarne_archive::s3::version::History;
use lucarne_archive::{Archive as _, Put, S3};
use lucarne_testkit::Ceph;

use crate::proxy::Proxy;
use crate::s3::{BUCKET, DAY_S, now_s, put_raw, read, seal, settings, store, writer};

fn history(s3: &S3, key: &str) -> History {
    s3.versions(key).histories().next().unwrap().unwrap()
}

fn delete(s3: &S3, key: &str) {
    s3.wait(s3.client().delete_object().bucket(BUCKET).key(key).send()).unwrap();
}

/// Status and code of a refusal.
macro_rules! refused {
    ($s3:expr, $call:expr) => {{
        let error = $s3.wait($call.send()).unwrap_err();
        error.raw_response().unwrap().status().as_u16()
    }};
}

#[test]
fn nobody_with_the_rights_of_the_owner_removes_or_unlocks_a_locked_version() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    let key = seal(0).to_string();
    s3.put(&seal(0), b"content").unwrap();
    let version = history(&s3, &key).versions[0].clone();
    let until = s3.locked_until(&version).unwrap().unwrap();
    let client = s3.client();
    let object = || client.delete_object().bucket(BUCKET).key(&key).version_id(&version.id);
    assert_eq!(refused!(s3, object()), 403);
    assert_eq!(refused!(s3, object().bypass_governance_retention(true)), 403);
    let retain = |mode: ObjectLockRetentionMode, until: i64| {
        let until = DateTime::from_secs(until);
        let retention = ObjectLockRetention::builder().mode(mode).retain_until_date(until).build();
        let put = client.put_object_retention().bucket(BUCKET).key(&key);
        put.version_id(&version.id).retention(retention).bypass_governance_retention(true)
    };
    let sooner = retain(ObjectLockRetentionMode::Compliance, until - DAY_S);
    assert_eq!(refused!(s3, sooner), 403);
    assert_eq!(refused!(s3, retain(ObjectLockRetentionMode::Governance, until)), 403);
    s3.wait(retain(ObjectLockRetentionMode::Compliance, until + DAY_S).send()).unwrap();
    assert_eq!(s3.locked_until(&version).unwrap(), Some(until + DAY_S), "longer is allowed");
    assert_eq!(read(&s3, &seal(0)), b"content");
}

#[test]
fn a_delete_marker_hides_an_object_and_is_seen() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    let key = seal(0).to_string();
    s3.put(&seal(0), b"content").unwrap();
    delete(&s3, &key);
    let error = s3.open(&seal(0)).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), format!("archive has no {key}"));
    assert_eq!(s3.list("").unwrap().count(), 0, "an ordinary listing knows nothing of it");
    let found = history(&s3, &key);
    let markers: Vec<bool> = found.versions.iter().map(|version| version.is_marker()).collect();
    assert_eq!((found.is_plain(), markers), (false, vec![true, false]));
    let behind = s3.read_version(&found.versions[1]).unwrap();
    assert_eq!((&behind.bytes[..], behind.is_as_digested), (&b"content"[..], true));
    assert_eq!(s3.put(&seal(0), b"content").unwrap(), Put::Different, "the name is spoilt");
    assert_eq!(history(&s3, &key).versions.len(), 2, "and nothing was added to it");
}

#[test]
fn a_second_version_is_compared_and_never_added_to() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    let lock = Some((ObjectLockMode::Compliance, now_s() + 4 * DAY_S));
    for (number, bytes, put) in
        [(0, b"content", Put::AlreadyIdentical), (10, b"CONTENT", Put::Different)]
    {
        s3.put(&seal(number), b"content").unwrap();
        put_raw(&s3, &seal(number).to_string(), bytes, lock.clone());
        assert_eq!(s3.put(&seal(number), b"content").unwrap(), put, "beside {bytes:?}");
        let found = history(&s3, &seal(number).to_string());
        assert_eq!((found.versions.len(), found.is_plain()), (2, false));
    }
}

#[test]
fn what_the_cluster_s_own_administrator_removes_is_missing_from_the_versions() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    s3.put(&seal(0), b"content").unwrap();
    s3.put(&seal(10), b"content").unwrap();
    let version = history(&s3, &seal(0).to_string()).versions[0].clone();
    let object = format!("--object={}", seal(0));
    let id = format!("--object-version={}", version.id);
    ceph.admin(&["object", "rm", "--bucket=archive", &object, &id]);
    let left: Vec<String> = s3.versions("").map(|version| version.unwrap().key).collect();
    assert_eq!(left, [seal(10).to_string()], "a lock does not hold against that administrator");
}

/// Runs a `put` while somebody else creates the same name between our look and our write.
fn raced(ceph: &Ceph, number: u64, theirs: &'static [u8]) -> (Put, History) {
    let proxy = Proxy::before(ceph.address());
    let keys = ceph.credentials("writer");
    let ours = S3::open(settings(&proxy.endpoint(), &keys, BUCKET, "")).unwrap();
    let direct = writer(ceph, "");
    proxy.before_put(move || {
        assert_eq!(direct.put(&seal(number), theirs).unwrap(), Put::Created);
    });
    let put = ours.put(&seal(number), b"content").unwrap();
    (put, history(&ours, &seal(number).to_string()))
}

/// Ceph 16 ignores `If-None-Match` in a bucket with versions, so both are written. We see it.
#[test]
fn on_a_store_without_conditional_writes_a_race_is_seen_afterwards() {
    let ceph = store();
    let (put, found) = raced(&ceph, 0, b"content");
    assert_eq!((put, found.versions.len()), (Put::Created, 2));
    let (put, found) = raced(&ceph, 10, b"theirs!");
    assert_eq!((put, found.versions.len()), (Put::Different, 2));
}
