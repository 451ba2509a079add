//! Policies as they are written, by us and by others, and what they are worth.

use super::*;

fn wanted(store: Store) -> Wanted<'static> {
    let grants = vec![(Role::Writer, "arn:aws:iam::1:role/gateway".to_owned())];
    Wanted { bucket: "b", prefix: "site/", store, retention_days: Some(30), grants }
}

const ALL: Denied =
    Denied { unconditional_put: true, delete_object: true, delete_version: true, lifecycle: true };

#[test]
fn what_we_print_denies_what_we_look_for() {
    let aws = wanted(Store::Aws).bucket_policy().to_string();
    assert_eq!(denied(&aws, "b", "site/"), Some(ALL));
    let ceph = wanted(Store::Ceph).bucket_policy().to_string();
    assert_eq!(denied(&ceph, "b", "site/"), Some(Denied { unconditional_put: false, ..ALL }));
    assert_eq!(denied(&aws, "b", ""), Some(Denied { lifecycle: true, ..Denied::default() }));
    assert_eq!(denied(&aws, "other", "site/"), Some(Denied::default()));
}

#[test]
fn the_forensic_policy_is_pinned() {
    let policy = wanted(Store::Aws).access_policy(Role::Forensic);
    let expected = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "objects", "Effect": "Allow",
          "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention",
                     "s3:GetObjectLegalHold"],
          "Resource": ["arn:aws:s3:::b/site/*"] },
        { "Sid": "bucket", "Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
          "Resource": ["arn:aws:s3:::b"] },
    ]});
    assert_eq!(policy, expected);
}

#[test]
fn no_role_may_remove_or_change_anything() {
    for role in Role::ALL {
        assert_eq!(role.to_string().parse(), Ok(role));
        let actions = role.on_objects().iter().chain(role.on_bucket());
        for action in actions {
            let reads = action.starts_with("s3:Get") || action.starts_with("s3:List");
            let creates = ["s3:PutObject", "s3:PutObjectRetention"].contains(action);
            assert!(reads || (role == Role::Writer && creates), "{role} may {action}");
        }
    }
    assert_eq!("owner".parse::<Role>(), Err(NotARole));
}

/// One statement that denies puts without a condition, changed in one place.
fn puts_denied(change: impl FnOnce(&mut Value)) -> bool {
    let mut statement = json!({
        "Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": "s3:Put*",
        "Resource": "arn:aws-cn:s3:::b/*", "Condition": {"Null": {"s3:If-None-Match": true}},
    });
    change(&mut statement);
    let policy = json!({ "Statement": statement }).to_string();
    denied(&policy, "b", "site/").unwrap().unconditional_put
}

#[test]
fn a_statement_counts_only_if_it_holds_for_all_and_always() {
    assert!(puts_denied(|_| {}));
    assert!(puts_denied(|s| s["Action"] = json!(["s3:GetObject", "S3:PUTOBJECT"])));
    assert!(puts_denied(|s| s["Resource"] = json!("*")));
    assert!(puts_denied(|s| s["Condition"] = json!({})), "denying all puts denies these as well");
    let aws = json!({ "Null": {"s3:if-none-match": "true"},
                      "Bool": {"s3:ObjectCreationOperation": "true"} });
    assert!(puts_denied(|s| s["Condition"] = aws.clone()));
    for (key, weaker) in [
        ("Effect", json!("Allow")),
        ("Principal", json!({"AWS": ["arn:aws:iam::1:user/a"]})),
        ("Action", json!("s3:PutObjectAcl")),
        ("Action", json!("s3:P?tObjec")),
        ("Resource", json!("arn:aws:s3:::b/other/*")),
        ("Resource", json!("arn:aws:s3:::b/*/x")),
        ("Resource", json!("arn:aws:s3:::b/s*e/*")),
        ("Resource", json!("arn:aws:s3:::b")),
        ("Condition", json!({"Null": {"s3:if-none-match": "false"}})),
        ("Condition", json!({"Null": {"s3:if-match": "true"}})),
        ("Condition", json!({"StringEquals": {"s3:if-none-match": "true"}})),
        ("Condition", json!({"Null": {"s3:if-none-match": "true"}, "Bool": {"aws:x": "true"}})),
        ("Condition", json!({"Null": {"s3:if-none-match": "true", "aws:x": "true"}})),
    ] {
        let text = weaker.to_string();
        assert!(!puts_denied(|s| s[key] = weaker), "{key}: {text}");
    }
    let spared = |s: &mut Value| {
        s["NotPrincipal"] = s["Principal"].take();
        s.as_object_mut().unwrap().remove("Principal");
    };
    assert!(!puts_denied(spared));
}

#[test]
fn what_is_no_policy_is_told_apart_from_one_that_allows() {
    assert_eq!(denied("", "b", ""), None);
    assert_eq!(denied("{}", "b", ""), None);
    assert_eq!(denied("{\"Statement\": []}", "b", ""), Some(Denied::default()));
    assert_eq!(denied(&" ".repeat(POLICY_BYTES_MAX + 1), "b", ""), None);
}

#[test]
fn patterns_match_as_the_store_matches() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("s3:*", "s3:getobject", true),
        ("s3:delete*version", "s3:deleteobjectversion", true),
        ("s3:delete?bject", "s3:deleteobject", true),
        ("s3:delete?", "s3:delete", false),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("", "a", false),
    ] {
        assert_eq!(matches_pattern(pattern, text), fits, "{pattern} on {text}");
    }
}
