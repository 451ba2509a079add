//! The key that requests are signed with: out of a file, or of the instance's role.
//!
//! A file is read for every request, so that a rotated key needs no restart. A role's key is kept
//! until shortly before it expires; the instance is asked by the session-oriented protocol (IMDSv2)
//! alone. The environment is not looked at.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat, SdkBody};
use bytes::Bytes;
use serde::Deserialize;

use super::connection::{Connector, Silence};
use super::settings::CredentialsSource;

/// Why there is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyError {
    /// The file could not be read.
    File(std::io::ErrorKind),
    /// It has no such section, or one without `aws_access_key_id` and `aws_secret_access_key`.
    Section,
    /// The instance did not answer.
    Instance(Silence),
    /// The instance has no role, or its answer is not understood.
    Role,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(kind) => write!(f, "read the credentials file: {kind}"),
            Self::Section => write!(f, "credentials file has no such profile with both keys"),
            Self::Instance(silence) => write!(f, "ask the instance for its role: {silence}"),
            Self::Role => write!(f, "instance has no role with a key"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Finds the key.
pub(super) struct Keys {
    source: CredentialsSource,
    connector: Connector,
    kept: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Keys {
    pub(super) const fn new(source: CredentialsSource, connector: Connector) -> Self {
        Self { source, connector, kept: Mutex::new(None) }
    }

    async fn find(&self) -> Result<Credentials, KeyError> {
        match &self.source {
            CredentialsSource::File { path, profile } => from_file(path, profile),
            CredentialsSource::Instance { base } => {
                if let Some(kept) = self.kept() {
                    return Ok(kept);
                }
                let fresh = self.of_instance(base).await?;
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = Some(fresh.clone());
                Ok(fresh)
            }
        }
    }

    /// The kept key, unless it expires soon.
    fn kept(&self) -> Option<Credentials> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = SystemTime::now() + EXPIRY_MARGIN;
        kept.clone().filter(|key| key.expiry().is_some_and(|at| at > soon))
    }

    async fn of_instance(&self, base: &str) -> Result<Credentials, KeyError> {
        let token = self.ask("PUT", &format!("{base}/latest/api/token"), TOKEN_ASKED).await?;
        let token = [(TOKEN, token.as_str())];
        let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
        let listed = self.ask("GET", &roles, token).await?;
        let role = listed.lines().next().filter(|role| !role.is_empty()).ok_or(KeyError::Role)?;
        let answer = self.ask("GET", &format!("{roles}{role}"), token).await?;
        let key: RoleKey = serde_json::from_str(&answer).map_err(|_| KeyError::Role)?;
        let expires = DateTime::from_str(&key.expiration, DateTimeFormat::DateTime)
            .ok()
            .and_then(|at| SystemTime::try_from(at).ok())
            .ok_or(KeyError::Role)?;
        let token = Some(key.token);
        Ok(Credentials::new(key.id, key.secret, token, Some(expires), PROVIDER))
    }

    async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: [(&'static str, &str); 1],
    ) -> Result<String, KeyError> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(SdkBody::empty()).map_err(|_| KeyError::Role)?;
        let answer = self.connector.exchange(request).await.map_err(KeyError::Instance)?;
        if !answer.status().is_success() {
            return Err(KeyError::Role);
        }
        let body: Bytes = answer.into_body();
        String::from_utf8(body.to_vec()).map_err(|_| KeyError::Role)
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.find().await.map_err(CredentialsError::provider_error)
        })
    }
}

#[derive(Deserialize)]
struct RoleKey {
    #[serde(rename = "AccessKeyId")]
    id: String,
    #[serde(rename = "SecretAccessKey")]
    secret: String,
    #[serde(rename = "Token")]
    token: String,
    #[serde(rename = "Expiration")]
    expiration: String,
}

fn from_file(path: &Path, profile: &str) -> Result<Credentials, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|error| KeyError::File(error.kind()))?;
    parse(&text, profile).ok_or(KeyError::Section)
}

/// The section `[profile]` of a shared credentials file. Other keys of it are for other programs.
fn parse(text: &str, profile: &str) -> Option<Credentials> {
    let (mut id, mut secret, mut token) = (None, None, None);
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == profile;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside) else { continue };
        let slot = match key.trim() {
            "aws_access_key_id" => &mut id,
            "aws_secret_access_key" => &mut secret,
            "aws_session_token" => &mut token,
            _ => continue,
        };
        *slot = Some(value.trim().to_owned());
    }
    let full = |value: Option<String>| value.filter(|value| !value.is_empty());
    Some(Credentials::new(full(id)?, full(secret)?, full(token), None, PROVIDER))
}

const PROVIDER: &str = "lucarne";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// One call's worth: each key is fetched with a token of its own.
const TOKEN_ASKED: [(&str, &str); 1] = [("x-aws-ec2-metadata-token-ttl-seconds", "60")];
/// A request that begins with a key ends with it.
const EXPIRY_MARGIN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
