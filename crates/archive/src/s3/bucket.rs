//! The calls themselves: each is one request, its answer read strictly, its failure sorted.
//!
//! The SDK's own retries are off, because what may be repeated is decided above, and its timers
//! too, because the connection has one. Every object carries our SHA-256 as metadata, so that what
//! is read can be checked on stores that keep no such checksum.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, IdentityCache, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, DefaultRetention, EncodingType, ObjectLockEnabled,
    ObjectLockMode, ObjectLockRetentionMode,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lucarne_ledger::hash::{Hash, to_hex};

use super::Object;
use super::connection::{Connector, trust};
use super::credentials::Keys;
use super::failure::{Call, Fault, S3Error, sorted};
use super::md5;
use super::settings::{Checksum, Settings};
use super::version::{Page, Place, Version, decoded};
use crate::store::OBJECT_BYTES_MAX;

/// One bucket; clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    client: Client,
    name: String,
    checksum: Checksum,
}

/// A version that the store says it has just written.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) version: String,
    /// The lock that was asked for, in seconds since the Unix epoch.
    pub(super) until: i64,
}

/// The bytes of a version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// As they are.
    pub bytes: Bytes,
    /// Whether they are what the digest beside them says, if there is one.
    pub is_as_digested: bool,
}

/// How a version is locked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lock {
    /// In COMPLIANCE mode until then.
    Compliance(i64),
    /// Not at all, or in a mode that somebody may lift.
    None,
}

impl Lock {
    pub(super) const fn until(self) -> Option<i64> {
        match self {
            Self::Compliance(until) => Some(until),
            Self::None => None,
        }
    }
}

/// The lock that a bucket gives to objects that bring none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DefaultLock {
    /// None.
    None,
    /// In COMPLIANCE mode.
    Compliance,
    /// In a mode that somebody may lift.
    Governance,
}

impl Bucket {
    pub(super) fn new(settings: &Settings) -> Result<Self, S3Error> {
        let secure = settings.endpoint.as_ref().is_none_or(|uri| uri.scheme_str() == Some("https"));
        let tls = match (secure, trust(settings.ca_file.as_deref())) {
            (true, None) => {
                return Err(S3Error::new(Call::List, &settings.bucket, Fault::Trust));
            }
            (true, tls) => tls,
            (false, _) => None,
        };
        let connector = Connector::new(tls, settings.timeout);
        let keys = Keys::new(settings.credentials.clone(), connector.clone());
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.region.clone()))
            .force_path_style(settings.path_style)
            .http_client(connector)
            .credentials_provider(keys)
            .identity_cache(IdentityCache::no_cache())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint.to_string().trim_end_matches('/'));
        }
        let client = Client::from_conf(config.build());
        Ok(Self { client, name: settings.bucket.clone(), checksum: settings.checksum })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Creates the object, locked, unless the store sees one.
    pub(super) async fn put(&self, object: &Object, until: i64) -> Result<Stored, S3Error> {
        let key = &object.key;
        let put = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .if_none_match("*")
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(DateTime::from_secs(until))
            .metadata(DIGEST, object.sha256.to_string())
            .content_type("application/octet-stream")
            .body(ByteStream::from(object.bytes.clone()));
        let put = match self.checksum {
            Checksum::Sha256 => put
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .checksum_sha256(STANDARD.encode(object.sha256.0)),
            Checksum::Md5 => put.content_md5(STANDARD.encode(md5::digest(&object.bytes))),
        };
        let done = put.send().await.map_err(sorted(Call::Put, key))?;
        // Without an id the bucket keeps no versions any more, and a lock means nothing.
        let version = done.version_id().filter(|id| *id != NULL_VERSION);
        let unversioned = || S3Error::new(Call::Put, key, Fault::NotVersioned);
        Ok(Stored { version: version.ok_or_else(unversioned)?.to_owned(), until })
    }

    /// How a version is locked.
    pub(super) async fn head(&self, key: &str, version: &str) -> Result<Lock, S3Error> {
        let head = self.client.head_object().bucket(&self.name).key(key).version_id(version);
        let head = head.send().await.map_err(sorted(Call::Head, key))?;
        let until = head.object_lock_retain_until_date().map(DateTime::secs);
        Ok(match (head.object_lock_mode(), until) {
            (Some(ObjectLockMode::Compliance), Some(until)) => Lock::Compliance(until),
            _ => Lock::None,
        })
    }

    /// A version, or the current one, whole and checked against the digest that came with it.
    pub(super) async fn get(&self, key: &str, version: Option<&str>) -> Result<Bytes, S3Error> {
        let content = self.get_as_is(key, version).await?;
        if content.is_as_digested {
            return Ok(content.bytes);
        }
        Err(S3Error::new(Call::Get, key, Fault::Damaged))
    }

    /// The same, whatever its digest says.
    pub(super) async fn get_as_is(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Content, S3Error> {
        let get = self.client.get_object().bucket(&self.name).key(key);
        let get = get.set_version_id(version.map(ToOwned::to_owned));
        let answer = get.send().await.map_err(sorted(Call::Get, key))?;
        let fault = |fault| S3Error::new(Call::Get, key, fault);
        let said = answer.metadata().and_then(|metadata| metadata.get(DIGEST)).cloned();
        let length = answer.content_length().and_then(|length| usize::try_from(length).ok());
        let bytes = answer.body.collect().await.map_err(|_| fault(Fault::NotUnderstood))?;
        let bytes = bytes.into_bytes();
        if length != Some(bytes.len()) || bytes.len() > OBJECT_BYTES_MAX {
            return Err(fault(Fault::NotUnderstood));
        }
        let is_as_digested = said.is_none_or(|said| said == to_hex(&Hash::of(&bytes).0));
        Ok(Content { bytes, is_as_digested })
    }

    /// Every version and marker of exactly this key, the newest first. No more than one page of
    /// them: that many are far beyond any reason.
    pub(super) async fn versions_of(&self, key: &str) -> Result<Vec<Version>, S3Error> {
        let page = self.version_page(key, None).await?;
        Ok(page.items.into_iter().filter(|version| version.key == key).collect())
    }

    /// A page of versions and markers of keys that begin with `prefix`.
    pub(super) async fn version_page(
        &self,
        prefix: &str,
        after: Option<Place>,
    ) -> Result<Page<Version>, S3Error> {
        let list = self
            .client
            .list_object_versions()
            .bucket(&self.name)
            .prefix(prefix)
            .encoding_type(EncodingType::Url);
        let list = match after {
            None => list,
            Some(Place { key, version }) => {
                list.key_marker(key).set_version_id_marker(Some(version))
            }
        };
        let answer = list.send().await.map_err(sorted(Call::Versions, prefix))?;
        page_of_versions(&answer)
            .ok_or_else(|| S3Error::new(Call::Versions, prefix, Fault::NotUnderstood))
    }

    /// A page of keys that begin with `prefix`.
    pub(super) async fn key_page(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<Page<String>, S3Error> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let list = list.encoding_type(EncodingType::Url).set_continuation_token(after);
        let answer = list.send().await.map_err(sorted(Call::List, prefix))?;
        let keys = answer.contents().iter().map(|object| decoded(object.key()?)).collect();
        let next = answer
            .next_continuation_token()
            .map(|token| Place { key: token.to_owned(), version: String::new() });
        let items: Option<Vec<String>> = keys;
        match (items, answer.is_truncated().unwrap_or(false), next) {
            (Some(items), false, _) => Ok(Page { items, next: None }),
            (Some(items), true, Some(next)) => Ok(Page { items, next: Some(next) }),
            _ => Err(S3Error::new(Call::List, prefix, Fault::NotUnderstood)),
        }
    }

    /// Whether versions are kept: `None` when they never were, false when that was suspended.
    pub(super) async fn versioning(&self) -> Result<Option<bool>, S3Error> {
        let ask = self.client.get_bucket_versioning().bucket(&self.name);
        let answer = ask.send().await.map_err(sorted(Call::Versioning, &self.name))?;
        Ok(answer.status().map(|status| *status == BucketVersioningStatus::Enabled))
    }

    /// The lock that objects get by default; `None` when the bucket has no object lock.
    pub(super) async fn lock_configuration(&self) -> Result<Option<DefaultLock>, S3Error> {
        let ask = self.client.get_object_lock_configuration().bucket(&self.name);
        let answer = match ask.send().await.map_err(sorted(Call::LockConfiguration, &self.name)) {
            Ok(answer) => answer,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let configuration = answer
            .object_lock_configuration()
            .filter(|found| found.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled));
        let mode = configuration.map(|found| {
            let retention = found.rule().and_then(|rule| rule.default_retention());
            retention.and_then(DefaultRetention::mode).cloned()
        });
        Ok(mode.map(|mode| match mode {
            None => DefaultLock::None,
            Some(ObjectLockRetentionMode::Compliance) => DefaultLock::Compliance,
            Some(_) => DefaultLock::Governance,
        }))
    }

    /// The bucket's policy as it was written; `None` when it has none.
    pub(super) async fn policy(&self) -> Result<Option<String>, S3Error> {
        let ask = self.client.get_bucket_policy().bucket(&self.name);
        match ask.send().await.map_err(sorted(Call::Policy, &self.name)) {
            Ok(answer) => Ok(answer.policy().map(ToOwned::to_owned)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether access is logged.
    pub(super) async fn logs_access(&self) -> Result<bool, S3Error> {
        let ask = self.client.get_bucket_logging().bucket(&self.name);
        let answer = ask.send().await.map_err(sorted(Call::Logging, &self.name))?;
        Ok(answer.logging_enabled().is_some())
    }
}

fn page_of_versions(answer: &ListObjectVersionsOutput) -> Option<Page<Version>> {
    let objects = answer.versions().iter().map(|found| {
        Some(Version {
            key: decoded(found.key()?)?,
            id: found.version_id()?.to_owned(),
            is_latest: found.is_latest()?,
            bytes: Some(u64::try_from(found.size()?).ok()?),
            modified_s: found.last_modified()?.secs(),
        })
    });
    let markers = answer.delete_markers().iter().map(|found| {
        Some(Version {
            key: decoded(found.key()?)?,
            id: found.version_id()?.to_owned(),
            is_latest: found.is_latest()?,
            bytes: None,
            modified_s: found.last_modified()?.secs(),
        })
    });
    let items: Option<Vec<Version>> = objects.chain(markers).collect();
    let mut items = items?;
    // Versions and markers come in two lists; within a key the newest is wanted first.
    items.sort_by(|a, b| {
        a.key
            .cmp(&b.key)
            .then(b.is_latest.cmp(&a.is_latest))
            .then_with(|| b.modified_s.cmp(&a.modified_s))
    });
    if !answer.is_truncated().unwrap_or(false) {
        return Some(Page { items, next: None });
    }
    let key = decoded(answer.next_key_marker()?)?;
    let version = answer.next_version_id_marker().unwrap_or_default().to_owned();
    Some(Page { items, next: Some(Place { key, version }) })
}

/// Metadata of every object of ours: SHA-256 of its bytes in hex.
const DIGEST: &str = "lucarne-sha256";
/// What a bucket without versions calls the only one.
const NULL_VERSION: &str = "null";
