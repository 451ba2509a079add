//! Bucket policies: what an archive's should say, and whether one says it.
//!
//! A lock keeps versions, not names: only a policy keeps a second version and a delete marker from
//! being made. Reading is strict in one direction: a statement counts only if it denies to
//! everybody, on every object, under no condition but the one wanted. What is not understood does
//! not count.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

/// Who is given rights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The gateway: creates locked objects, and reads back what it did.
    Writer,
    /// An investigator: reads objects and their versions, and how long they are locked.
    Forensic,
    /// The same, and how the bucket is kept.
    Auditor,
}

/// What the store makes of conditions that AWS has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Store {
    /// AWS, or a store that knows the same condition keys.
    Aws,
    /// Ceph: it knows neither `s3:if-none-match` nor the keys about locks, and takes a missing key
    /// for a refusal of everything.
    Ceph,
}

/// What a policy is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// What stands before every name: empty, or ends with a slash.
    pub prefix: &'a str,
    /// Where it will be used.
    pub store: Store,
    /// No object may be locked for less than these days; AWS only.
    pub retention_days: Option<u32>,
    /// Who gets which role, by ARN.
    pub grants: Vec<(Role, String)>,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Writer, Self::Forensic, Self::Auditor];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Forensic => "forensic",
            Self::Auditor => "auditor",
        }
    }

    const fn on_objects(self) -> &'static [&'static str] {
        match self {
            // Locking at creation needs the right to lock; nobody can shorten a COMPLIANCE lock.
            Self::Writer => &[
                "s3:PutObject",
                "s3:PutObjectRetention",
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectRetention",
            ],
            Self::Forensic | Self::Auditor => &[
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectRetention",
                "s3:GetObjectLegalHold",
            ],
        }
    }

    const fn on_bucket(self) -> &'static [&'static str] {
        match self {
            Self::Writer => &[
                "s3:ListBucket",
                "s3:ListBucketVersions",
                "s3:GetBucketVersioning",
                "s3:GetBucketObjectLockConfiguration",
            ],
            Self::Forensic => &["s3:ListBucket", "s3:ListBucketVersions"],
            Self::Auditor => &[
                "s3:ListBucket",
                "s3:ListBucketVersions",
                "s3:GetBucketVersioning",
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetBucketPolicy",
                "s3:GetBucketLogging",
                "s3:GetLifecycleConfiguration",
            ],
        }
    }
}

impl Wanted<'_> {
    /// The policy of the bucket: what nobody may do, then what the granted may.
    pub fn bucket_policy(&self) -> Value {
        let mut statements = self.denials();
        for (role, principal) in &self.grants {
            let to = json!({ "AWS": [principal] });
            let name = role.as_str();
            statements.push(json!({
                "Sid": format!("{name}-objects"), "Effect": "Allow", "Principal": to,
                "Action": role.on_objects(), "Resource": [self.objects()],
            }));
            statements.push(json!({
                "Sid": format!("{name}-bucket"), "Effect": "Allow", "Principal": to,
                "Action": role.on_bucket(), "Resource": [self.whole_bucket()],
            }));
        }
        json!({ "Version": VERSION, "Statement": statements })
    }

    /// The policy of an identity that has this role and nothing else.
    pub fn access_policy(&self, role: Role) -> Value {
        json!({ "Version": VERSION, "Statement": [
            { "Sid": "objects", "Effect": "Allow", "Action": role.on_objects(),
              "Resource": [self.objects()] },
            { "Sid": "bucket", "Effect": "Allow", "Action": role.on_bucket(),
              "Resource": [self.whole_bucket()] },
        ]})
    }

    fn denials(&self) -> Vec<Value> {
        let deny = |sid: &str, actions: &[&str], resource: String, condition: Option<Value>| {
            let mut statement = json!({
                "Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions,
                "Resource": [resource],
            });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        };
        let put = ["s3:PutObject"];
        let removal = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
        let mut all = vec![
            deny("no-removal", &removal, self.objects(), None),
            deny("no-rules", &[LIFECYCLE], self.whole_bucket(), None),
        ];
        if self.store == Store::Ceph {
            return all;
        }
        let unconditional = json!({ "Null": { CONDITION: "true" } });
        all.push(deny("no-second-version", &put, self.objects(), Some(unconditional)));
        let unlocked = json!({ "StringNotEquals": { "s3:object-lock-mode": "COMPLIANCE" } });
        all.push(deny("no-unlocked-object", &put, self.objects(), Some(unlocked)));
        if let Some(days) = self.retention_days {
            let key = "s3:object-lock-remaining-retention-days";
            let short = json!({ "NumericLessThan": { key: days.to_string() } });
            all.push(deny("no-short-lock", &put, self.objects(), Some(short)));
        }
        let plain = json!({ "Bool": { "aws:SecureTransport": "false" } });
        all.push(deny("no-plain-text", &["s3:*"], self.objects(), Some(plain)));
        all
    }

    fn objects(&self) -> String {
        format!("arn:aws:s3:::{}/{}*", self.bucket, self.prefix)
    }

    fn whole_bucket(&self) -> String {
        format!("arn:aws:s3:::{}", self.bucket)
    }
}

/// What a policy that was found keeps everybody from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Denied {
    /// Puts without `If-None-Match`.
    pub unconditional_put: bool,
    /// Delete markers.
    pub delete_object: bool,
    /// Removal of versions, once their lock has ended.
    pub delete_version: bool,
    /// Rules that make the store itself delete.
    pub lifecycle: bool,
}

/// Reads a policy; `None` when it is not one.
pub fn denied(text: &str, bucket: &str, prefix: &str) -> Option<Denied> {
    if text.len() > POLICY_BYTES_MAX {
        return None;
    }
    let policy: Value = serde_json::from_str(text).ok()?;
    let objects = format!("{bucket}/{prefix}");
    let mut found = Denied::default();
    for statement in several(policy.get("Statement")?) {
        let to_all = is_deny_to_all(statement);
        let covers = |action: &str, resource: &str| {
            to_all && names_action(statement, action) && covers_all(statement, resource)
        };
        let always = statement.get("Condition").is_none_or(is_empty);
        let conditional = always || statement.get("Condition").is_some_and(is_unconditional_put);
        found.unconditional_put |= conditional && covers("s3:PutObject", &objects);
        found.delete_object |= always && covers("s3:DeleteObject", &objects);
        found.delete_version |= always && covers("s3:DeleteObjectVersion", &objects);
        found.lifecycle |= always && covers(LIFECYCLE, bucket);
    }
    Some(found)
}

/// A value, or the values of a list.
fn several(value: &Value) -> &[Value] {
    match value {
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

fn is_empty(condition: &Value) -> bool {
    condition.as_object().is_some_and(serde_json::Map::is_empty)
}

fn is_deny_to_all(statement: &Value) -> bool {
    let everybody = |value: &Value| several(value).iter().any(|one| one.as_str() == Some("*"));
    let principal = statement.get("Principal");
    statement.get("Effect").and_then(Value::as_str) == Some("Deny")
        && principal.is_some_and(|to| everybody(to) || to.get("AWS").is_some_and(everybody))
}

fn names_action(statement: &Value, action: &str) -> bool {
    let matches = |pattern: &str| {
        matches_pattern(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
    };
    let named = statement.get("Action").map(several).unwrap_or_default();
    named.iter().filter_map(Value::as_str).any(matches)
}

/// Whether a resource of the statement is everything that begins like `wanted`, or just that.
fn covers_all(statement: &Value, wanted: &str) -> bool {
    let resources = statement.get("Resource").map(several).unwrap_or_default();
    resources.iter().filter_map(Value::as_str).any(|resource| {
        // Partitions differ (`aws`, `aws-cn`); everything else before the bucket is empty.
        let local = resource
            .strip_prefix("arn:")
            .and_then(|rest| rest.split_once(":s3:::"))
            .map_or(resource, |(_, local)| local);
        let is_bucket = !wanted.contains('/');
        match local.strip_suffix('*') {
            Some(head) => !head.contains(['*', '?']) && wanted.starts_with(head),
            None => is_bucket && local == wanted,
        }
    })
}

/// `{"Null": {"s3:if-none-match": "true"}}`, with or without AWS's exemption for parts of uploads.
fn is_unconditional_put(condition: &Value) -> bool {
    let Some(operators) = condition.as_object() else { return false };
    let is_true = |value: &Value| {
        let one = several(value);
        one.len() == 1 && (one[0] == Value::Bool(true) || one[0].as_str() == Some("true"))
    };
    let holds = |operator: &str, key: &str| {
        operators.get(operator).and_then(Value::as_object).is_some_and(|keys| {
            keys.len() == 1
                && keys.iter().all(|(name, value)| name.eq_ignore_ascii_case(key) && is_true(value))
        })
    };
    let parts = operators.contains_key("Bool");
    holds("Null", CONDITION)
        && operators.len() == 1 + usize::from(parts)
        && (!parts || holds("Bool", "s3:ObjectCreationOperation"))
}

/// `*` is any number of characters, `?` is one.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + 1),
            Some(byte) if text.get(t) == Some(byte) => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((after, from)) => {
                    (p, t) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotARole;

impl fmt::Display for NotARole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected writer, forensic or auditor")
    }
}

impl std::error::Error for NotARole {}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(NotARole)
    }
}

/// The version of the language, not of the policy.
const VERSION: &str = "2012-10-17";
const CONDITION: &str = "s3:if-none-match";
const LIFECYCLE: &str = "s3:PutLifecycleConfiguration";
/// AWS takes 20 KiB.
const POLICY_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;
