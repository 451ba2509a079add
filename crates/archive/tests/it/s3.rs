//! The contract of an archive, kept by a real store: Ceph's S3 gateway with Object Lock.

use std::io::Read as _;
use std::path::Path;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockMode, VersioningConfiguration};
use lucarne_archive::s3::settings::{Checksum, CredentialsFile, RetentionDays};
use lucarne_archive::s3::{Fault, S3Error, Settings, SettingsFile};
use lucarne_archive::{Archive as _, ArchiveError, Name, Put, S3};
use lucarne_testkit::Ceph;

pub(crate) const BUCKET: &str = "archive";
pub(crate) const DAYS: RetentionDays = RetentionDays { segments: 3, epochs: 5, checkpoints: 2 };
pub(crate) const DAY_S: i64 = 24 * 60 * 60;

/// What a user writes down for a bucket at an endpoint.
pub(crate) fn file(endpoint: &str, keys: &Path, bucket: &str, prefix: &str) -> SettingsFile {
    SettingsFile {
        bucket: bucket.to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
        ca_file: None,
        checksum: Checksum::Md5,
        retention_days: Some(DAYS),
        credentials: CredentialsFile {
            file: Some(keys.to_owned()),
            profile: None,
            instance: false,
        },
        timeout_ms: Some(20_000),
    }
}

pub(crate) fn settings(endpoint: &str, keys: &Path, bucket: &str, prefix: &str) -> Settings {
    Settings::check(file(endpoint, keys, bucket, prefix), Path::new("/")).unwrap()
}

/// A cluster with a bucket that has Object Lock.
pub(crate) fn store() -> Ceph {
    let ceph = Ceph::start();
    create_bucket(&reader(&ceph, BUCKET, ""), BUCKET, true);
    ceph
}

pub(crate) fn reader(ceph: &Ceph, bucket: &str, prefix: &str) -> S3 {
    let keys = ceph.credentials("writer");
    S3::open_read_only(settings(&ceph.endpoint(), &keys, bucket, prefix)).unwrap()
}

pub(crate) fn writer(ceph: &Ceph, prefix: &str) -> S3 {
    let keys = ceph.credentials("writer");
    S3::open(settings(&ceph.endpoint(), &keys, BUCKET, prefix)).unwrap()
}

pub(crate) fn create_bucket(s3: &S3, bucket: &str, lock: bool) {
    let create = s3.client().create_bucket().bucket(bucket);
    s3.wait(create.object_lock_enabled_for_bucket(lock).send()).unwrap();
}

/// Stores without any of our care, as somebody else with the right to put would.
pub(crate) fn put_raw(s3: &S3, key: &str, bytes: &[u8], lock: Option<(ObjectLockMode, i64)>) {
    let body = ByteStream::from(bytes.to_vec());
    let mut put = s3.client().put_object().bucket(BUCKET).key(key).body(body);
    if let Some((mode, until)) = lock {
        put = put.object_lock_mode(mode).object_lock_retain_until_date(DateTime::from_secs(until));
    }
    s3.wait(put.send()).unwrap();
}

pub(crate) fn checkpoint(number: u64) -> Name {
    let (epoch, root) = ("ab".repeat(16), "cd".repeat(32));
    format!("checkpoints/i{}/{epoch}/audit/{number:020}-{root}.note", number % 3).parse().unwrap()
}

pub(crate) fn seal(first: u64) -> Name {
    let (epoch, root) = ("ab".repeat(16), "cd".repeat(32));
    let file = format!("{first:020}-{:020}-{root}.r0.seal", first + 9);
    format!("2026/11/21/i/{epoch}/audit/{file}").parse().unwrap()
}

pub(crate) fn evidence() -> Name {
    format!("epochs/i/{}/evidence.cbor", "ab".repeat(16)).parse().unwrap()
}

pub(crate) fn read(s3: &S3, name: &Name) -> Vec<u8> {
    let mut bytes = Vec::new();
    s3.open(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn fault(error: ArchiveError) -> Fault {
    match error {
        ArchiveError::S3(error) => error.fault,
        other => panic!("{other}"),
    }
}

pub(crate) fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[test]
fn an_object_is_created_once_and_never_replaced() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    for name in [seal(0), checkpoint(1), evidence()] {
        assert_eq!(s3.put(&name, b"content").unwrap(), Put::Created, "{name}");
        assert_eq!(s3.put(&name, b"content").unwrap(), Put::AlreadyIdentical, "{name}");
        assert_eq!(s3.put(&name, b"other!!").unwrap(), Put::Different, "{name}");
        assert_eq!(s3.put(&name, b"longer than that").unwrap(), Put::Different, "{name}");
        assert_eq!(read(&s3, &name), b"content");
    }
    let histories: Vec<_> = s3.versions("").histories().map(Result::unwrap).collect();
    assert_eq!(histories.len(), 3);
    assert!(histories.iter().all(|history| history.is_plain()), "{histories:?}");
    let missing = s3.open(&seal(7)).map(|_| ()).unwrap_err();
    assert_eq!(missing.to_string(), format!("archive has no {}", seal(7)));
    let empty = s3.put(&seal(7), b"").unwrap();
    assert_eq!((empty, read(&s3, &seal(7))), (Put::Created, Vec::new()));
    let large = vec![7; 9 << 20];
    assert_eq!(s3.put(&seal(17), &large).unwrap(), Put::Created);
    assert!(read(&s3, &seal(17)) == large, "nine megabytes come back as they were");
}

#[test]
fn each_kind_of_object_is_locked_for_as_long_as_configured() {
    let ceph = store();
    let s3 = writer(&ceph, "site-a/eu");
    for (name, days) in [(seal(0), 3), (evidence(), 5), (checkpoint(0), 2)] {
        let before = now_s();
        s3.put(&name, b"content").unwrap();
        let after = now_s();
        let version = s3.versions(&name.to_string()).next().unwrap().unwrap();
        assert_eq!(version.key, name.to_string(), "the prefix is not part of a name");
        let until = s3.locked_until(&version).unwrap().unwrap();
        assert!((before..=after).contains(&(until - days * DAY_S)), "{name} until {until}");
    }
    assert_eq!(reader(&ceph, BUCKET, "").list("").unwrap().count(), 3);
    assert_eq!(reader(&ceph, BUCKET, "site-b").list("").unwrap().count(), 0);
}

#[test]
fn a_listing_is_in_the_order_of_bytes_over_pages_and_names_strays() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    let mut expected: Vec<String> = (0..1_005).map(|n| checkpoint(n).to_string()).collect();
    expected.push("checkpoints/notes + é%.txt".to_owned());
    expected.push("lost".to_owned());
    for key in &expected {
        put_raw(&s3, key, b"", None);
    }
    expected.sort();
    let listed: Vec<String> = s3
        .list("")
        .unwrap()
        .map(|item| match item {
            Ok(name) => name.to_string(),
            Err(ArchiveError::Stray { path }) => path.display().to_string(),
            Err(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(listed, expected);
    let versions: Vec<String> = s3.versions("").map(|version| version.unwrap().key).collect();
    assert_eq!(versions, expected);
    let some = s3.list("checkpoints/i2/").unwrap().count();
    assert_eq!(some, 335);
    let error = s3.list("/checkpoints").map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "no archive name begins with this prefix");
}

#[test]
fn a_bucket_that_cannot_lock_is_refused_at_the_start() {
    let ceph = Ceph::start();
    let plain = reader(&ceph, "plain", "");
    let keys = ceph.credentials("writer");
    let open = |bucket: &str| {
        S3::open(settings(&ceph.endpoint(), &keys, bucket, "")).map(|_| ()).unwrap_err()
    };
    let absent = Fault::Refused { status: 404, code: "NoSuchBucket".to_owned() };
    assert_eq!(fault(open("plain")), absent);
    create_bucket(&plain, "plain", false);
    assert_eq!(fault(open("plain")), Fault::NotVersioned);
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let version = plain.client().put_bucket_versioning().bucket("plain");
    plain.wait(version.versioning_configuration(enabled.build()).send()).unwrap();
    assert_eq!(fault(open("plain")), Fault::NoObjectLock);
    assert!(!open("plain").is_retryable());
    let error = plain.put(&seal(0), b"x").unwrap_err();
    assert_eq!(error.to_string(), "archive is open for reading only");
}

#[test]
fn a_wrong_key_and_a_store_that_is_away_are_told_apart_and_may_pass() {
    let ceph = store();
    let strange = settings(&ceph.endpoint(), &ceph.credentials("stranger"), BUCKET, "");
    let error = S3::open(strange).map(|_| ()).unwrap_err();
    assert_eq!(fault_of(&error), "status 403, AccessDenied");
    assert!(error.is_retryable(), "rights are given at the store");
    let keys = ceph.dir().join("wrong.credentials");
    std::fs::write(&keys, "[default]\naws_access_key_id=writer\naws_secret_access_key=x\n")
        .unwrap();
    let error = S3::open(settings(&ceph.endpoint(), &keys, BUCKET, "")).map(|_| ()).unwrap_err();
    assert_eq!(fault_of(&error), "status 403, SignatureDoesNotMatch");
    let s3 = writer(&ceph, "");
    let keys = ceph.dir().join("writer.credentials");
    std::fs::remove_file(&keys).unwrap();
    let error = s3.put(&seal(0), b"x").unwrap_err();
    assert_eq!(fault_of(&error), "read the credentials file: entity not found");
    assert!(error.is_retryable(), "a file that is being replaced comes back");
    let keys = ceph.credentials("writer");
    let endpoint = ceph.endpoint();
    drop(ceph);
    let away = S3::open(settings(&endpoint, &keys, BUCKET, "")).map(|_| ()).unwrap_err();
    // The folder of the cluster is gone as well, and with it the key.
    assert_eq!(fault_of(&away), "read the credentials file: entity not found");
}

fn fault_of(error: &ArchiveError) -> String {
    match error {
        ArchiveError::S3(error) => {
            let S3Error { fault, .. } = &**error;
            fault.to_string()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_there_but_not_locked_as_asked_is_not_acknowledged() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    let days = |days: i64| now_s() + days * DAY_S;
    let locks = [
        (None, None),
        (Some((ObjectLockMode::Governance, days(9))), None),
        (Some((ObjectLockMode::Compliance, days(1))), Some(())),
    ];
    for (number, (lock, short)) in (0..).step_by(10).zip(locks) {
        let name = seal(number);
        put_raw(&s3, &name.to_string(), b"content", lock);
        let error = fault(s3.put(&name, b"content").unwrap_err());
        let fits = match short {
            None => error == Fault::Unlocked,
            Some(()) => matches!(error, Fault::LockedTooShort { asked, got } if got < asked),
        };
        assert!(fits, "{name}: {error}");
        assert_eq!(s3.versions(&name.to_string()).count(), 1, "and nothing is added");
    }
    let name = seal(30);
    put_raw(&s3, &name.to_string(), b"content", Some((ObjectLockMode::Compliance, days(4))));
    assert_eq!(s3.put(&name, b"content").unwrap(), Put::AlreadyIdentical);
}
