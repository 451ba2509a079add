//! The configuration of a witness: one YAML file, checked before anything starts.
//!
//! ```yaml
//! name: witness.example/w1
//! state: state
//! keys: { ed25519: keys/witness, ml_dsa_44: keys/witness-ml-dsa }
//! http: { address: "127.0.0.1:7380", prefix: /w1 }
//! logs:
//!   - example.com/log+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
//! epochs: audit-policy.yaml
//! ```
//!
//! A witness without `logs` and `epochs` would cosign nothing and is refused.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lucarne_ledger::note::{NoteKey, SignatureType};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::keys::KeyFiles;
use super::logs::{Epochs, Logs};
use crate::config::{ConfigError, read_yaml};
use crate::policy;

/// What the file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the witness signs as: a name like a URL without a scheme.
    name: Spanned<String>,
    /// Directory of its state; made when absent.
    state: PathBuf,
    keys: Keys,
    http: Http,
    /// Verifier keys of logs; the name of each is the origin of its log.
    #[serde(default)]
    logs: Vec<Spanned<String>>,
    /// The policy file by which evidence of epochs is believed; its `log_prefix` is that of their
    /// origins.
    #[serde(default)]
    epochs: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    ed25519: PathBuf,
    #[serde(default)]
    ml_dsa_44: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    address: Spanned<String>,
    #[serde(default)]
    prefix: Option<Spanned<String>>,
}

/// The configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Directory of the state.
    pub state: PathBuf,
    /// Where its keys are.
    pub keys: KeyFiles,
    /// Where it listens.
    pub listen: Listen,
    /// What the paths of the protocol begin with; empty or `/...`.
    pub prefix: String,
    /// Whose checkpoints it takes.
    pub logs: Logs,
}

/// An address with the place where it is written, for when it turns out to be taken.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    file: PathBuf,
    line: u64,
}

impl Listen {
    /// One line that leads to the address.
    pub fn fault(&self, problem: &dyn fmt::Display) -> ConfigError {
        ConfigError::at(&self.file, self.line, format!("http.address: {problem}"))
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One line with file, line and key of what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file: File = read_yaml(path)?;
        let wrong = |key: &str, at: &Spanned<String>, expected: &str| {
            let problem = format!("{key}: expected {expected}, found {:?}", at.value);
            ConfigError::at(path, at.referenced.line(), problem)
        };
        let beside = |inner: &Path| path.parent().map_or(inner.to_owned(), |dir| dir.join(inner));
        if !is_name(&file.name.value) {
            return Err(wrong("name", &file.name, "1 to 255 bytes without spaces and +"));
        }
        let prefix = match &file.http.prefix {
            None => String::new(),
            Some(prefix) if is_prefix(&prefix.value) => prefix.value.clone(),
            Some(prefix) => return Err(wrong("http.prefix", prefix, "a path like /witness")),
        };
        let mut known = Vec::new();
        for written in &file.logs {
            let key: NoteKey = written.value.parse().map_err(|error| {
                let problem = format!("logs: {error}");
                ConfigError::at(path, written.referenced.line(), problem)
            })?;
            if key.signature_type() == SignatureType::Cosignature {
                return Err(wrong("logs", written, "the key of a log, not of a cosigner"));
            }
            known.push(key);
        }
        let epochs = file.epochs.map(|policy| policy::read(&beside(&policy))).transpose()?;
        if known.is_empty() && epochs.is_none() {
            let problem = "logs: expected verifier keys, or epochs with a policy, found neither";
            return Err(ConfigError::new(path, problem));
        }
        let address = &file.http.address;
        Ok(Self {
            state: beside(&file.state),
            keys: KeyFiles {
                name: file.name.value,
                ed25519: beside(&file.keys.ed25519),
                ml_dsa_44: file.keys.ml_dsa_44.as_deref().map(beside),
            },
            listen: Listen {
                address: (address.value.parse()).map_err(|_| {
                    wrong("http.address", address, "an address like 127.0.0.1:7380")
                })?,
                file: path.to_owned(),
                line: address.referenced.line(),
            },
            prefix,
            logs: Logs::new(known, epochs.map(Epochs::new)),
        })
    }
}

/// What fits a signature line and an ML-DSA-44 cosignature.
fn is_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    (1..=255).contains(&name.len()) && !name.contains(bad)
}

fn is_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    prefix.len() <= PREFIX_BYTES_MAX
        && prefix.starts_with('/')
        && !prefix.ends_with('/')
        && prefix.bytes().all(allowed)
}

/// Nobody types more.
const PREFIX_BYTES_MAX: usize = 200;
