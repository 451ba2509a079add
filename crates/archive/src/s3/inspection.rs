//! What a bucket is worth as a write-once store: each thing that is missing is a finding.
//!
//! Nothing is changed or repaired. What the store does not tell is a finding too, of another
//! weight: that a question was refused does not mean that all is well.

use std::fmt;

use super::bucket::DefaultLock;
use super::failure::{Call, Fault, S3Error};
use super::policy;
use super::version::{History, Version};
use super::{CLOCKS_DIFFER_S, DAY_S, S3};
use crate::name::Name;
use crate::store::ArchiveError;

/// One thing that is wrong with a bucket, or that it does not tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The bucket keeps no versions, or does so no longer.
    Versioning {
        /// Whether it once did.
        suspended: bool,
    },
    /// The bucket has no object lock.
    ObjectLock,
    /// Objects that bring no lock get none, or one that somebody may lift.
    DefaultLock {
        /// Whether there is one that may be lifted.
        governance: bool,
    },
    /// The policy lets puts without `If-None-Match` through.
    UnconditionalPut,
    /// The policy lets something be removed.
    Removal {
        /// By which right.
        action: &'static str,
    },
    /// Who does what is not logged.
    AccessLog,
    /// A key has more than one version.
    SecondVersion {
        /// The key.
        key: String,
        /// How many versions.
        versions: usize,
    },
    /// A key has a delete marker.
    DeleteMarker {
        /// The key.
        key: String,
        /// Whether it hides the key from readers now.
        hides: bool,
    },
    /// A version is not locked in COMPLIANCE mode.
    Unlocked {
        /// The key.
        key: String,
        /// The version.
        version: String,
    },
    /// A version is locked for less time than configured.
    LockedTooShort {
        /// The key.
        key: String,
        /// The version.
        version: String,
    },
    /// A key that is no name of an archive.
    Stray {
        /// The key.
        key: String,
    },
    /// The store did not tell.
    NotTold {
        /// What it was asked.
        call: Call,
        /// What it answered.
        fault: Fault,
    },
}

/// What a finding means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// Something is wrong.
    Wrong,
    /// It could not be told.
    Unknown,
}

impl Finding {
    /// A short name that does not change, for programs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Versioning { .. } => "versioning",
            Self::ObjectLock => "object-lock",
            Self::DefaultLock { .. } => "default-lock",
            Self::UnconditionalPut => "unconditional-put",
            Self::Removal { .. } => "removal",
            Self::AccessLog => "access-log",
            Self::SecondVersion { .. } => "second-version",
            Self::DeleteMarker { .. } => "delete-marker",
            Self::Unlocked { .. } => "unlocked",
            Self::LockedTooShort { .. } => "locked-too-short",
            Self::Stray { .. } => "stray",
            Self::NotTold { .. } => "not-told",
        }
    }

    /// Every [`kind`](Self::kind).
    pub const KINDS: [&'static str; 12] = [
        "versioning",
        "object-lock",
        "default-lock",
        "unconditional-put",
        "removal",
        "access-log",
        "second-version",
        "delete-marker",
        "unlocked",
        "locked-too-short",
        "stray",
        "not-told",
    ];

    /// What it means.
    pub const fn weight(&self) -> Weight {
        match self {
            Self::NotTold { .. } => Weight::Unknown,
            _ => Weight::Wrong,
        }
    }

    /// The key that it is about.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::SecondVersion { key, .. }
            | Self::DeleteMarker { key, .. }
            | Self::Unlocked { key, .. }
            | Self::LockedTooShort { key, .. }
            | Self::Stray { key } => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Versioning { suspended: true } => write!(f, "versioning is suspended"),
            Self::Versioning { suspended: false } => write!(f, "versioning is not enabled"),
            Self::ObjectLock => write!(f, "object lock is not enabled"),
            Self::DefaultLock { governance: true } => {
                write!(f, "the default retention is in GOVERNANCE mode, which somebody may lift")
            }
            Self::DefaultLock { governance: false } => {
                write!(f, "there is no default retention: what is put without a lock has none")
            }
            Self::UnconditionalPut => {
                write!(f, "no policy denies puts without If-None-Match: a key can be overwritten")
            }
            Self::Removal { action } => write!(f, "no policy denies {action} to everybody"),
            Self::AccessLog => write!(f, "access is not logged"),
            Self::SecondVersion { key, versions } => write!(f, "{key} has {versions} versions"),
            Self::DeleteMarker { key, hides: true } => {
                write!(f, "{key} is hidden by a delete marker")
            }
            Self::DeleteMarker { key, hides: false } => {
                write!(f, "{key} was deleted and created again")
            }
            Self::Unlocked { key, version } => {
                write!(f, "{key} version {version} is not locked in COMPLIANCE mode")
            }
            Self::LockedTooShort { key, version } => {
                write!(f, "{key} version {version} is locked for less time than configured")
            }
            Self::Stray { key } => write!(f, "{key:?} is no name of an archive"),
            Self::NotTold { call, fault } => write!(f, "cannot {call} the bucket: {fault}"),
        }
    }
}

impl S3 {
    /// Looks at how the bucket is kept.
    ///
    /// # Errors
    /// When the store does not answer. A refusal is a finding.
    pub fn inspect_bucket(&self) -> Result<Vec<Finding>, ArchiveError> {
        let mut found = Vec::new();
        let versioning = self.ask(|bucket| async move { bucket.versioning().await });
        match told(versioning, &mut found)? {
            Some(Some(true)) | None => {}
            Some(kept) => found.push(Finding::Versioning { suspended: kept == Some(false) }),
        }
        let lock = self.ask(|bucket| async move { bucket.lock_configuration().await });
        match told(lock, &mut found)? {
            Some(Some(DefaultLock::Compliance)) | None => {}
            Some(None) => found.push(Finding::ObjectLock),
            Some(Some(DefaultLock::None)) => {
                found.push(Finding::DefaultLock { governance: false });
            }
            Some(Some(DefaultLock::Governance)) => {
                found.push(Finding::DefaultLock { governance: true });
            }
        }
        let policy = self.ask(|bucket| async move { bucket.policy().await });
        if let Some(policy) = told(policy, &mut found)? {
            self.judge_policy(policy.as_deref(), &mut found);
        }
        let logs = self.ask(|bucket| async move { bucket.logs_access().await });
        if told(logs, &mut found)? == Some(false) {
            found.push(Finding::AccessLog);
        }
        Ok(found)
    }

    fn judge_policy(&self, policy: Option<&str>, found: &mut Vec<Finding>) {
        let (bucket, prefix) = (self.settings().bucket(), self.settings().prefix());
        let denied = match policy.map(|text| policy::denied(text, bucket, prefix)) {
            None => policy::Denied::default(),
            Some(Some(denied)) => denied,
            Some(None) => {
                let fault = Fault::NotUnderstood;
                return found.push(Finding::NotTold { call: Call::Policy, fault });
            }
        };
        if !denied.unconditional_put {
            found.push(Finding::UnconditionalPut);
        }
        let removals = [
            (denied.delete_object, "s3:DeleteObject"),
            (denied.delete_version, "s3:DeleteObjectVersion"),
            (denied.lifecycle, "s3:PutLifecycleConfiguration"),
        ];
        let open = removals.into_iter().filter(|(denied, _)| !denied);
        found.extend(open.map(|(_, action)| Finding::Removal { action }));
    }

    /// Looks at what one key has.
    ///
    /// # Errors
    /// When the store does not answer; asks it only about locks.
    pub fn inspect_key(
        &self,
        history: &History,
        locks: Locks,
    ) -> Result<Vec<Finding>, ArchiveError> {
        let mut found = Vec::new();
        let key = || history.key.clone();
        let name: Option<Name> = history.key.parse().ok();
        if name.is_none() {
            found.push(Finding::Stray { key: key() });
        }
        let (markers, versions): (Vec<&Version>, Vec<&Version>) =
            history.versions.iter().partition(|version| version.is_marker());
        if versions.len() > 1 {
            found.push(Finding::SecondVersion { key: key(), versions: versions.len() });
        }
        if !markers.is_empty() {
            let hides = markers.iter().any(|marker| marker.is_latest);
            found.push(Finding::DeleteMarker { key: key(), hides });
        }
        if let (Some(name), Locks::Each) = (&name, locks) {
            for version in versions {
                found.extend(self.inspect_lock(name, version)?);
            }
        }
        Ok(found)
    }

    fn inspect_lock(
        &self,
        name: &Name,
        version: &Version,
    ) -> Result<Option<Finding>, ArchiveError> {
        let (key, id) = (version.key.clone(), version.id.clone());
        let Some(until) = self.locked_until(version)? else {
            return Ok(Some(Finding::Unlocked { key, version: id }));
        };
        let days = self.settings().retention().map_or(0, |days| days.of(name));
        let asked = version.modified_s + i64::from(days) * DAY_S - CLOCKS_DIFFER_S;
        Ok((until < asked).then_some(Finding::LockedTooShort { key, version: id }))
    }
}

/// Whether every version is asked for its lock: a request each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Locks {
    /// Yes.
    Each,
    /// No.
    Unasked,
}

/// An answer; a refusal goes to the findings.
fn told<T>(
    answer: Result<T, S3Error>,
    found: &mut Vec<Finding>,
) -> Result<Option<T>, ArchiveError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(S3Error {
            call,
            fault: fault @ Fault::Refused { status: 400 | 401 | 403 | 405 | 501, .. },
            ..
        }) => {
            found.push(Finding::NotTold { call, fault });
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
