//! The configuration of a desk: one YAML file, read whole and checked before anything starts.
//!
//! Secrets are in files that it names, never in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::http::access::Role;
use crate::http::auth::{KeysAt, ProviderAt};
use crate::intake::Mapping;

/// What is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The name of the desk: 1 to 64 of letters, digits and `-`.
    pub name: String,
    /// The file with its key and salt; made at the first start.
    pub identity: PathBuf,
    /// Where everything is kept.
    pub store: StoreAt,
    /// The policy; absent: `responder-default-v1`.
    pub policy: Option<PathBuf>,
    /// Who may do what.
    pub keys: Vec<Key>,
    /// An identity provider whose tokens are taken beside the keys; absent: none.
    pub provider: Option<ProviderAt>,
    /// Generic bodies by the last part of their path.
    #[serde(default)]
    pub mappings: BTreeMap<String, Mapping>,
    /// Where notifications go.
    #[serde(default)]
    pub channels: Vec<ChannelAt>,
    /// What is run; absent: nothing.
    pub runs: Option<RunsAt>,
}

/// Runbooks, what their names mean, and where their evidence goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunsAt {
    /// The folder of runbooks, one `.yaml` each.
    pub runbooks: PathBuf,
    /// What their names mean; absent: nothing can be asked or done.
    pub catalogue: Option<PathBuf>,
    /// The folder of evidence; absent: nothing can be preserved.
    pub evidence: Option<PathBuf>,
    /// The PKCS#8 PEM file of a P-256 key that seals bags; with `evidence`.
    pub sealing_key: Option<PathBuf>,
    /// PEM files of the P-256 keys that speak for the roles of `approved_by`; a runbook that asks
    /// for a role without a key is not run.
    #[serde(default)]
    pub role_keys: BTreeMap<String, PathBuf>,
}

/// Where everything is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreAt {
    /// A file.
    Sqlite(PathBuf),
    /// A server: the file that holds `host=… user=… dbname=…`.
    PostgresFile(PathBuf),
}

/// A key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name, in which entries are written.
    pub name: String,
    /// What it may.
    pub roles: BTreeSet<Role>,
    /// The file with its bearer token.
    pub token_file: Option<PathBuf>,
    /// The file with the secret that bodies are signed with.
    pub hmac_file: Option<PathBuf>,
    /// The human behind it.
    pub person: Option<Human>,
}

/// A human.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Human {
    /// Two accounts of one human have the same.
    pub employee: String,
    /// What they may speak for.
    #[serde(default)]
    pub groups: BTreeSet<String>,
}

/// A channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelAt {
    /// Its name.
    pub name: String,
    /// Where a copy goes after a minute.
    pub fallback: Option<String>,
    /// PEM file of the roots for `https`.
    pub ca: Option<PathBuf>,
    /// The file with the address of an incoming webhook of Slack.
    pub slack_file: Option<PathBuf>,
    /// PagerDuty.
    pub pagerduty: Option<PagerDutyAt>,
    /// Mail.
    pub mail: Option<MailAt>,
    /// A signed webhook.
    pub webhook: Option<WebhookAt>,
}

/// PagerDuty.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDutyAt {
    /// Where its Events API v2 is.
    pub url: String,
    /// The file with the routing key.
    pub routing_key_file: PathBuf,
}

/// Mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailAt {
    /// The relay: host and port.
    pub relay: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
}

/// A signed webhook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookAt {
    /// Where.
    pub url: String,
    /// The file with the secret.
    pub secret_file: PathBuf,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// A file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// It is not of the grammar.
    Grammar(Box<serde_path_to_error::Error<serde_saphyr::Error>>),
    /// It is not one YAML document.
    Yaml(Box<serde_saphyr::Error>),
    /// A value is wrong.
    Value {
        /// Where.
        key: String,
        /// What is expected.
        want: &'static str,
    },
    /// The policy is wrong.
    Policy(crate::policy::PolicyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "read {}", path.display()),
            Self::Grammar(_) | Self::Yaml(_) => f.write_str("configuration is not of the grammar"),
            Self::Value { key, want } => write!(f, "{key}: expected {want}"),
            Self::Policy(_) => f.write_str("policy cannot be used"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { cause, .. } => Some(cause),
            Self::Grammar(cause) => Some(cause.as_ref()),
            Self::Yaml(cause) => Some(cause.as_ref()),
            Self::Policy(cause) => Some(cause),
            Self::Value { .. } => None,
        }
    }
}

impl File {
    /// Reads a file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// When it cannot be read or is not of the grammar.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = text(path)?;
        let mut file = Self::parse(&text)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        file.for_paths(|path| *path = folder.join(&*path));
        Ok(file)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is not of the grammar.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
            Ok(serde_path_to_error::deserialize(reader)
                .map_err(|cause| ConfigError::Grammar(Box::new(cause))))
        })
        // After a mistake the reader complains about the rest of the file as well.
        .unwrap_or_else(|cause: serde_saphyr::Error| Err(ConfigError::Yaml(Box::new(cause))))
    }

    fn for_paths(&mut self, mut change: impl FnMut(&mut PathBuf)) {
        change(&mut self.identity);
        match &mut self.store {
            StoreAt::Sqlite(path) | StoreAt::PostgresFile(path) => change(path),
        }
        self.policy.iter_mut().for_each(&mut change);
        if let Some(runs) = &mut self.runs {
            change(&mut runs.runbooks);
            runs.catalogue.iter_mut().for_each(&mut change);
            runs.evidence.iter_mut().chain(&mut runs.sealing_key).for_each(&mut change);
            runs.role_keys.values_mut().for_each(&mut change);
        }
        for key in &mut self.keys {
            key.token_file.iter_mut().chain(&mut key.hmac_file).for_each(&mut change);
        }
        match self.provider.as_mut().map(|provider| &mut provider.keys) {
            Some(KeysAt::File(path)) => change(path),
            Some(KeysAt::Https(at)) => change(&mut at.ca),
            Some(KeysAt::Url(_)) | None => {}
        }
        for channel in &mut self.channels {
            channel.ca.iter_mut().chain(&mut channel.slack_file).for_each(&mut change);
            channel.pagerduty.iter_mut().for_each(|it| change(&mut it.routing_key_file));
            channel.webhook.iter_mut().for_each(|it| change(&mut it.secret_file));
        }
    }
}

/// The text of a small file.
pub(crate) fn text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })
}

/// A secret of a file: its first line, long enough not to be guessed.
pub(crate) fn secret(path: &Path) -> Result<String, ConfigError> {
    let line = text(path)?.lines().next().unwrap_or_default().trim().to_owned();
    if line.len() < SECRET_BYTES_MIN {
        let key = path.display().to_string();
        return Err(ConfigError::Value { key, want: "a secret of at least 16 characters" });
    }
    Ok(line)
}

const SECRET_BYTES_MIN: usize = 16;
