//! What each role may do at a real store under the policy that we print.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use lucarne_archive::s3::inspection::{Finding, Locks};
use lucarne_archive::s3::policy::{Role, Store, Wanted};
use lucarne_archive::{Archive as _, Put, S3};
use lucarne_testkit::Ceph;

use crate::s3::{BUCKET, DAY_S, now_s, read, reader, seal, settings, store, writer};

fn apply(s3: &S3, grants: &[(Role, &str)]) {
    let grants =
        grants.iter().map(|(role, user)| (*role, format!("arn:aws:iam:::user/{user}"))).collect();
    let wanted =
        Wanted { bucket: BUCKET, prefix: "", store: Store::Ceph, retention_days: None, grants };
    let policy = wanted.bucket_policy().to_string();
    s3.wait(s3.client().put_bucket_policy().bucket(BUCKET).policy(policy).send()).unwrap();
}

fn as_user(ceph: &Ceph, user: &str) -> S3 {
    let keys = ceph.credentials(user);
    S3::open_read_only(settings(&ceph.endpoint(), &keys, BUCKET, "")).unwrap()
}

/// The status of a call that must be refused.
macro_rules! refused {
    ($s3:expr, $call:expr) => {{
        let error = $s3.wait($call.send()).unwrap_err();
        error.raw_response().unwrap().status().as_u16()
    }};
}

#[test]
fn the_forensic_role_reads_everything_and_is_refused_every_change() {
    let ceph = store();
    let owner = writer(&ceph, "");
    owner.put(&seal(0), b"content").unwrap();
    apply(&owner, &[(Role::Forensic, "forensic")]);
    let forensic = as_user(&ceph, "forensic");
    assert_eq!(read(&forensic, &seal(0)), b"content");
    assert_eq!(forensic.list("").unwrap().count(), 1);
    let version = forensic.versions("").next().unwrap().unwrap();
    assert_eq!(&forensic.read_version(&version).unwrap().bytes[..], b"content");
    assert!(forensic.locked_until(&version).unwrap().unwrap() > now_s() + 2 * DAY_S);
    let key = seal(0).to_string();
    let client = forensic.client();
    let retention = |mode| {
        let until = DateTime::from_secs(now_s() + 9 * DAY_S);
        ObjectLockRetention::builder().mode(mode).retain_until_date(until).build()
    };
    let compliance = retention(ObjectLockRetentionMode::Compliance);
    let body = ByteStream::from_static(b"x");
    let delete = || client.delete_object().bucket(BUCKET).key(&key);
    let statuses = [
        refused!(forensic, client.put_object().bucket(BUCKET).key("new").body(body)),
        refused!(forensic, delete()),
        refused!(forensic, delete().version_id(&version.id)),
        refused!(
            forensic,
            client.put_object_retention().bucket(BUCKET).key(&key).retention(compliance)
        ),
        refused!(forensic, client.delete_bucket_policy().bucket(BUCKET)),
        refused!(forensic, client.get_bucket_policy().bucket(BUCKET)),
    ];
    assert_eq!(statuses, [403; 6]);
    let error = as_user(&ceph, "stranger").open(&seal(0)).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("status 403, AccessDenied"), "{error}");
}

#[test]
fn the_writer_of_another_s_bucket_stores_and_even_the_owner_removes_nothing() {
    let ceph = store();
    let owner = reader(&ceph, BUCKET, "");
    apply(&owner, &[(Role::Writer, "stranger")]);
    let keys = ceph.credentials("stranger");
    let guest = S3::open(settings(&ceph.endpoint(), &keys, BUCKET, "")).unwrap();
    assert_eq!(guest.put(&seal(0), b"content").unwrap(), Put::Created);
    assert_eq!(guest.put(&seal(0), b"content").unwrap(), Put::AlreadyIdentical);
    let key = seal(0).to_string();
    for s3 in [&guest, &owner] {
        let delete = s3.client().delete_object().bucket(BUCKET).key(&key);
        assert_eq!(refused!(s3, delete), 403, "no delete marker either");
    }
}

#[test]
fn an_auditor_is_told_how_the_bucket_is_kept_and_others_are_not() {
    let ceph = store();
    let owner = reader(&ceph, BUCKET, "");
    let kinds = |s3: &S3| -> Vec<&'static str> {
        s3.inspect_bucket().unwrap().iter().map(Finding::kind).collect()
    };
    let bare = ["default-lock", "unconditional-put", "removal", "removal", "removal", "access-log"];
    assert_eq!(kinds(&owner), bare);
    apply(&owner, &[(Role::Auditor, "auditor"), (Role::Forensic, "forensic")]);
    let left = ["default-lock", "unconditional-put", "access-log"];
    assert_eq!(kinds(&as_user(&ceph, "auditor")), left);
    assert_eq!(kinds(&as_user(&ceph, "forensic")), ["not-told"; 4]);
}

#[test]
fn keys_that_were_touched_are_found() {
    let ceph = store();
    let s3 = writer(&ceph, "");
    for number in [0, 10, 20] {
        s3.put(&seal(number), b"content").unwrap();
    }
    let delete = |number: u64| {
        let key = seal(number).to_string();
        s3.wait(s3.client().delete_object().bucket(BUCKET).key(key).send()).unwrap();
    };
    let (hidden, doubled) = (seal(0).to_string(), seal(10).to_string());
    delete(0);
    delete(10);
    crate::s3::put_raw(&s3, &doubled, b"another", None);
    crate::s3::put_raw(&s3, "stray", b"", None);
    let found: Vec<Finding> = s3
        .versions("")
        .histories()
        .flat_map(|history| s3.inspect_key(&history.unwrap(), Locks::Each).unwrap())
        .collect();
    let version = s3.versions(&doubled).next().unwrap().unwrap().id;
    let expected = [
        Finding::DeleteMarker { key: hidden, hides: true },
        Finding::SecondVersion { key: doubled.clone(), versions: 2 },
        Finding::DeleteMarker { key: doubled.clone(), hides: false },
        Finding::Unlocked { key: doubled, version },
        Finding::Stray { key: "stray".to_owned() },
    ];
    assert_eq!(found, expected);
}
