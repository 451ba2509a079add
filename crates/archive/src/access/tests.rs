//! Logs as AWS writes them.

use std::io::Write as _;

use lucarne_testkit::replay;

use super::*;

const LINE: &str = "79a59df9 archive [21/Nov/2026:06:33:51 +0000] 192.0.2.3 \
    arn:aws:iam::123456789012:user/eve 3E57427F33A59F07 REST.DELETE.OBJECT \
    epochs/i/abab/evidence.cbor \"DELETE /archive/epochs/i/abab/evidence.cbor HTTP/1.1\" 403 \
    AccessDenied 243 - 7 - \"-\" \"curl \"quoted\" x\" v1 s9lzHYrFp76 SigV4 \
    ECDHE-RSA-AES128-GCM-SHA256 AuthHeader archive.s3.amazonaws.com TLSV1.2 - -";

const TRAIL: &str = r#"{"Records":[
  {"eventVersion":"1.11","eventTime":"2026-11-21T06:33:51Z","eventSource":"s3.amazonaws.com",
   "eventName":"PutObjectRetention","sourceIPAddress":"192.0.2.3","requestID":"R1",
   "userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::1:user/eve"},
   "errorCode":"AccessDenied","errorMessage":"no",
   "requestParameters":{"bucketName":"archive","key":"k","versionId":"v1","retention":""},
   "responseElements":null},
  {"eventTime":"2026-11-21T06:33:52Z","eventSource":"s3.amazonaws.com","eventName":"PutObject",
   "userIdentity":{"type":"AWSService","invokedBy":"x.amazonaws.com"},
   "requestParameters":{"bucketName":"archive","key":"k"},
   "responseElements":{"x-amz-version-id":"v2"}},
  {"eventTime":"2026-11-21T06:33:53Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances"}
]}"#;

fn expected_line() -> Access {
    Access {
        time: "2026-11-21T06:33:51Z".to_owned(),
        who: "arn:aws:iam::123456789012:user/eve".to_owned(),
        source: "192.0.2.3".to_owned(),
        operation: "REST.DELETE.OBJECT".to_owned(),
        kind: Kind::Delete,
        bucket: "archive".to_owned(),
        key: "epochs/i/abab/evidence.cbor".to_owned(),
        version: "v1".to_owned(),
        result: Outcome::Refused("403 AccessDenied".to_owned()),
        request: "3E57427F33A59F07".to_owned(),
    }
}

#[test]
fn a_line_of_an_access_log_is_read_field_by_field() {
    assert_eq!(read(LINE.as_bytes()), Ok(vec![expected_line()]));
    let twice = format!("{LINE}\n\n{LINE}\n");
    assert_eq!(read(twice.as_bytes()), Ok(vec![expected_line(), expected_line()]));
    let done = LINE.replace(" 403 AccessDenied ", " 204 - ");
    assert_eq!(read(done.as_bytes()).unwrap()[0].result, Outcome::Done);
}

#[test]
fn cloud_trail_tells_who_did_what_to_which_version() {
    let found = read(TRAIL.as_bytes()).unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.who.as_str(), one.kind, one.version.as_str(), one.result.clone()))
        .collect();
    let refused = Outcome::Refused("AccessDenied".to_owned());
    let expected = [
        ("arn:aws:iam::1:user/eve", Kind::Retention, "v1", refused),
        ("x.amazonaws.com", Kind::Put, "v2", Outcome::Done),
    ];
    assert_eq!(told, expected);
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files_are_read_and_damaged_ones_are_not() {
    let file = packed(TRAIL);
    assert_eq!(read(&file).unwrap().len(), 2);
    assert_eq!(read(&file[..file.len() - 1]), Err(LogError::Compressed));
    assert_eq!(read(&[&file[..], b"x"].concat()), Err(LogError::Compressed));
    let bomb = packed(&" ".repeat(LOG_BYTES_MAX + 1));
    assert_eq!(read(&bomb), Err(LogError::TooLarge));
}

#[test]
fn what_is_not_understood_is_named_and_never_skipped() {
    let cut = LINE.split_once("\"DELETE").unwrap().0;
    for (text, error) in [
        (format!("{LINE}\n{cut}"), LogError::Line(2)),
        (LINE.replace("Nov", "Nov."), LogError::Line(1)),
        (LINE.replace("+0000", "+0100"), LogError::Line(1)),
        (LINE.replace(" 403 ", " 4o3 "), LogError::Line(1)),
        (LINE.replace("evidence.cbor \"", "%zz \""), LogError::Line(1)),
        ("hello".to_owned(), LogError::Line(1)),
        (TRAIL.replace("Records", "records"), LogError::NotCloudTrail),
        (TRAIL.replace("\"eventName\":\"PutObject\",", ""), LogError::NotCloudTrail),
    ] {
        assert_eq!(read(text.as_bytes()), Err(error), "{text}");
    }
    assert_eq!(read(b"\xff"), Err(LogError::NotText));
    assert_eq!(read(b""), Ok(Vec::new()));
}

#[test]
fn operations_of_both_logs_are_sorted() {
    for (operation, kind) in [
        ("REST.DELETE.OBJECT", Kind::Delete),
        ("BATCH.DELETE.OBJECT", Kind::Delete),
        ("REST.POST.MULTI_OBJECT_DELETE", Kind::Delete),
        ("S3.EXPIRE.OBJECT", Kind::Delete),
        ("S3.CREATE.DELETEMARKER", Kind::Delete),
        ("DeleteObjects", Kind::Delete),
        ("DeleteBucket", Kind::Delete),
        ("REST.PUT.OBJECT", Kind::Put),
        ("REST.COPY.OBJECT", Kind::Put),
        ("REST.POST.UPLOAD", Kind::Put),
        ("CompleteMultipartUpload", Kind::Put),
        ("CopyObject", Kind::Put),
        ("REST.PUT.OBJECT_LOCK_RETENTION", Kind::Retention),
        ("PutObjectLegalHold", Kind::Retention),
        ("PutObjectLockConfiguration", Kind::Retention),
        ("REST.PUT.BUCKETPOLICY", Kind::Rules),
        ("DeleteBucketPolicy", Kind::Rules),
        ("PutBucketLifecycle", Kind::Rules),
        ("PutBucketVersioning", Kind::Rules),
        ("REST.GET.OBJECT", Kind::Other),
        ("REST.GET.OBJECT_LOCK_RETENTION", Kind::Other),
        ("ListObjectVersions", Kind::Other),
        ("REST.PUT.PART", Kind::Other),
        ("PutObjectTagging", Kind::Other),
    ] {
        assert_eq!(Kind::of(operation), kind, "{operation}");
    }
}

#[test]
fn a_key_is_unescaped_as_often_as_it_was_escaped() {
    for (key, expected) in [
        ("a%2520b", "a b"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("2026/11/x.r0.seal", "2026/11/x.r0.seal"),
    ] {
        assert_eq!(unescaped(key).as_deref(), Some(expected), "{key}");
    }
}

#[test]
fn the_corpora_replay() {
    replay("archive_access", crate::fuzzing::fuzz_access);
    replay("archive_policy", crate::fuzzing::fuzz_policy);
}
