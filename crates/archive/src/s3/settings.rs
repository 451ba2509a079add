//! How a bucket is reached and what is asked of it: the keys below `s3` in a configuration.
//!
//! [`SettingsFile`] is what was written, [`Settings`] what it means. Nothing is taken from the
//! environment: a key that is not in the file is not set. An archive is written only with a
//! retention for each kind of object; reading needs none.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::name::Name;

/// What the file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsFile {
    /// The bucket's name.
    pub bucket: String,
    /// Its region, as in `eu-central-1`; what the store was told, where it is not AWS.
    pub region: String,
    /// Base URL of the store; left out, that of AWS in the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path rather than in the host's name.
    #[serde(default)]
    pub path_style: bool,
    /// Stands before every name, with a slash between; left out, the archive is the whole bucket.
    #[serde(default)]
    pub prefix: Option<String>,
    /// PEM file with the authorities that are believed; left out, those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What proves to the store that the bytes arrived.
    #[serde(default)]
    pub checksum: Checksum,
    /// For how long each kind of object is locked; needed for writing.
    #[serde(default)]
    pub retention_days: Option<RetentionDays>,
    /// Whose name requests carry.
    pub credentials: CredentialsFile,
    /// For one request until the end of its answer.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// What proves to the store that the bytes arrived.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// `x-amz-checksum-sha256`, checked and kept by the store.
    #[default]
    Sha256,
    /// `Content-MD5`, for stores that lack the newer header; our own SHA-256 goes with the object.
    Md5,
}

/// Days from the writing during which no one can remove an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RetentionDays {
    /// Of `.seal` files.
    pub segments: u32,
    /// Of what is below `epochs/`.
    pub epochs: u32,
    /// Of what is below `checkpoints/`.
    pub checkpoints: u32,
}

/// Where the key comes from: exactly one of `file` and `instance`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialsFile {
    /// A file in the form of AWS's shared credentials, read anew for every request.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Its section; left out, `default`.
    #[serde(default)]
    pub profile: Option<String>,
    /// Whether the instance's own role is asked for.
    #[serde(default)]
    pub instance: bool,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) endpoint: Option<http::Uri>,
    pub(super) path_style: bool,
    /// Empty, or ends with a slash.
    pub(super) prefix: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) checksum: Checksum,
    pub(super) retention: Option<RetentionDays>,
    pub(super) credentials: CredentialsSource,
    pub(super) timeout: Duration,
}

/// Where the key comes from.
#[derive(Clone, Debug)]
pub(super) enum CredentialsSource {
    /// A file and its section.
    File { path: PathBuf, profile: String },
    /// The instance metadata service at this address.
    Instance { base: String },
}

/// A setting that cannot be used. The text begins with its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SettingsError {
    /// Not the name of a bucket.
    Bucket,
    /// Not a region.
    Region,
    /// Not `http://host:port` or `https://host:port`.
    Endpoint,
    /// Not a path of lower-case parts.
    Prefix,
    /// A number of days that no store takes.
    Retention {
        /// Below `retention_days`.
        key: &'static str,
        /// What stands there.
        got: u32,
    },
    /// Neither `file` nor `instance`, or both.
    Credentials,
    /// No time in which a store could answer, or one that nobody waits for.
    Timeout {
        /// What stands there.
        got: u64,
    },
}

impl SettingsError {
    /// The key at fault, below `s3`.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Region => "region",
            Self::Endpoint => "endpoint",
            Self::Prefix => "prefix",
            Self::Retention { .. } => "retention_days",
            Self::Credentials => "credentials",
            Self::Timeout { .. } => "timeout_ms",
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key();
        match self {
            Self::Bucket => write!(f, "{key}: expected 3 to 63 of a-z, 0-9, dot and hyphen"),
            Self::Region => write!(f, "{key}: expected a region like eu-central-1"),
            Self::Endpoint => write!(f, "{key}: expected https://host or http://host:port"),
            Self::Prefix => write!(f, "{key}: expected parts of a-z, 0-9 and hyphen with slashes"),
            Self::Retention { key: kind, got } => {
                write!(f, "{key}.{kind}: expected 1 to {DAYS_MAX} days, found {got}")
            }
            Self::Credentials => write!(f, "{key}: expected either file or instance: true"),
            Self::Timeout { got } => {
                let (least, most) = TIMEOUT_MS_RANGE;
                write!(f, "{key}: expected {least} to {most}, found {got}")
            }
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Checks what a file says; relative paths are meant from `base`.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn check(file: SettingsFile, base: &Path) -> Result<Self, SettingsError> {
        if !is_bucket(&file.bucket) {
            return Err(SettingsError::Bucket);
        }
        if file.region.is_empty() || !file.region.bytes().all(is_part_byte) {
            return Err(SettingsError::Region);
        }
        let timeout_ms = file.timeout_ms.unwrap_or(TIMEOUT_MS);
        if !(TIMEOUT_MS_RANGE.0..=TIMEOUT_MS_RANGE.1).contains(&timeout_ms) {
            return Err(SettingsError::Timeout { got: timeout_ms });
        }
        if let Some(days) = file.retention_days {
            days.check()?;
        }
        Ok(Self {
            endpoint: file.endpoint.map(|url| endpoint(&url)).transpose()?,
            prefix: prefix(file.prefix)?,
            credentials: file.credentials.source(base)?,
            bucket: file.bucket,
            region: file.region,
            path_style: file.path_style,
            ca_file: file.ca_file.map(|path| base.join(path)),
            checksum: file.checksum,
            retention: file.retention_days,
            timeout: Duration::from_millis(timeout_ms),
        })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What stands before every name: empty, or ends with a slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// For how long objects are locked, if they are to be written.
    pub const fn retention(&self) -> Option<RetentionDays> {
        self.retention
    }
}

impl RetentionDays {
    /// Days for an object of that name.
    pub const fn of(&self, name: &Name) -> u32 {
        match name {
            Name::Seal(_) | Name::Json(_) => self.segments,
            Name::Epoch(_) | Name::Register(_) | Name::Erasure(_) => self.epochs,
            Name::Checkpoint(_) | Name::Stamp(_) => self.checkpoints,
        }
    }

    fn check(self) -> Result<(), SettingsError> {
        let kinds = [
            ("segments", self.segments),
            ("epochs", self.epochs),
            ("checkpoints", self.checkpoints),
        ];
        let wrong = kinds.into_iter().find(|(_, days)| !(1..=DAYS_MAX).contains(days));
        wrong.map_or(Ok(()), |(key, got)| Err(SettingsError::Retention { key, got }))
    }
}

impl CredentialsFile {
    fn source(self, base: &Path) -> Result<CredentialsSource, SettingsError> {
        match (self.file, self.profile, self.instance) {
            (Some(path), profile, false) => Ok(CredentialsSource::File {
                path: base.join(path),
                profile: profile.unwrap_or_else(|| "default".to_owned()),
            }),
            (None, None, true) => Ok(CredentialsSource::Instance { base: METADATA.to_owned() }),
            _ => Err(SettingsError::Credentials),
        }
    }
}

/// The rules for names of buckets that all stores share.
fn is_bucket(name: &str) -> bool {
    let inner = |b: u8| is_part_byte(b) || b == b'.';
    (3..=63).contains(&name.len()) && name.bytes().all(inner) && !name.contains("..")
}

const fn is_part_byte(b: u8) -> bool {
    matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')
}

fn endpoint(url: &str) -> Result<http::Uri, SettingsError> {
    let uri: http::Uri = url.parse().map_err(|_| SettingsError::Endpoint)?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let bare = uri.path() == "/" && uri.query().is_none() && !url.contains('@');
    if known && bare { Ok(uri) } else { Err(SettingsError::Endpoint) }
}

fn prefix(text: Option<String>) -> Result<String, SettingsError> {
    let Some(text) = text else { return Ok(String::new()) };
    let good = |part: &str| !part.is_empty() && part.bytes().all(is_part_byte);
    if text.len() <= PREFIX_BYTES_MAX && text.split('/').all(good) {
        Ok(text + "/")
    } else {
        Err(SettingsError::Prefix)
    }
}

/// A hundred years, the most that AWS takes.
const DAYS_MAX: u32 = 36_500;
/// A segment of 8 MiB over a thin line.
const TIMEOUT_MS: u64 = 60_000;
const TIMEOUT_MS_RANGE: (u64, u64) = (100, 600_000);
/// With the longest name it stays far below the 1,024 bytes of a key.
const PREFIX_BYTES_MAX: usize = 256;
/// The link-local address at which clouds tell an instance about itself.
const METADATA: &str = "http://169.254.169.254";

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> SettingsFile {
        let credentials =
            CredentialsFile { file: Some("keys".into()), profile: None, instance: false };
        SettingsFile {
            bucket: "archive".to_owned(),
            region: "eu-central-1".to_owned(),
            endpoint: None,
            path_style: false,
            prefix: None,
            ca_file: None,
            checksum: Checksum::Sha256,
            retention_days: None,
            credentials,
            timeout_ms: None,
        }
    }

    #[track_caller]
    fn expect(change: impl FnOnce(&mut SettingsFile), text: &str) {
        let mut changed = file();
        change(&mut changed);
        let error = Settings::check(changed, Path::new("/etc")).unwrap_err();
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_key() {
        let days = RetentionDays { segments: 1, epochs: 0, checkpoints: 1 };
        let bucket = "bucket: expected 3 to 63 of a-z, 0-9, dot and hyphen";
        expect(|file| file.bucket = "Archive".to_owned(), bucket);
        expect(|file| file.bucket = "a/b/c".to_owned(), bucket);
        let region = "region: expected a region like eu-central-1";
        expect(|file| file.region = String::new(), region);
        let endpoint = "endpoint: expected https://host or http://host:port";
        for url in ["ftp://x", "https://x/y", "https://me@x", "x", "https://x?y"] {
            expect(|file| file.endpoint = Some(url.to_owned()), endpoint);
        }
        let prefix = "prefix: expected parts of a-z, 0-9 and hyphen with slashes";
        for text in ["", "/a", "a/", "a//b", "..", "A"] {
            expect(|file| file.prefix = Some(text.to_owned()), prefix);
        }
        let retention = "retention_days.epochs: expected 1 to 36500 days, found 0";
        expect(|file| file.retention_days = Some(days), retention);
        let credentials = "credentials: expected either file or instance: true";
        expect(|file| file.credentials.instance = true, credentials);
        expect(|file| file.credentials.file = None, credentials);
        let timeout = "timeout_ms: expected 100 to 600000, found 99";
        expect(|file| file.timeout_ms = Some(99), timeout);
    }

    #[test]
    fn paths_are_meant_from_the_file_and_a_prefix_ends_with_a_slash() {
        let mut written = file();
        written.prefix = Some("site-a/eu".to_owned());
        written.ca_file = Some("ca.pem".into());
        let settings = Settings::check(written, Path::new("/etc")).unwrap();
        assert_eq!(settings.prefix(), "site-a/eu/");
        assert_eq!(settings.ca_file, Some("/etc/ca.pem".into()));
        let CredentialsSource::File { path, profile } = settings.credentials else { panic!() };
        assert_eq!((path, profile), ("/etc/keys".into(), "default".to_owned()));
    }
}
