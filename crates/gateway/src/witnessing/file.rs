//! The `witnesses:` section of the gateway's file: a policy in the form of C2SP tlog-policy, in a
//! file of its own or in place.
//!
//! ```yaml
//! witnesses:
//!   text: |
//!     witness w1 <verifier key> http://w1:7380
//!     quorum w1
//! ```
//!
//! Who has a URL is asked. Refused: a quorum that those who are asked cannot make up, and none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderMap;
use lucarne_ledger::trust_policy::{POLICY_BYTES_MAX, PolicyError, TrustPolicy};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::ConfigError;
use crate::durable_file;
use crate::export::client::{Endpoint, Version};
use crate::export::config::trusted;

/// The section as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessesFile {
    /// A policy file.
    #[serde(default)]
    policy: Option<Spanned<PathBuf>>,
    /// The policy itself.
    #[serde(default)]
    text: Option<Spanned<String>>,
    /// Limit in milliseconds for connecting and for each request; default 10,000.
    #[serde(default)]
    timeout_ms: Option<Spanned<u64>>,
    /// Certificates (PEM) to trust for `https`; default the system's.
    #[serde(default)]
    ca_file: Option<Spanned<PathBuf>>,
}

/// The section, checked.
#[derive(Debug)]
pub struct Witnesses {
    /// Whose word makes up a quorum.
    pub policy: TrustPolicy,
    /// Who is asked, by the position in the policy, and where.
    pub endpoints: Vec<(usize, Endpoint)>,
}

impl WitnessesFile {
    /// Reads the policy; `file` is where the section stands.
    ///
    /// # Errors
    /// One line with file, line and key of what was expected.
    pub fn check(&self, file: &Path) -> Result<Witnesses, ConfigError> {
        let (policy, line, key) = self.policy(file)?;
        let wrong = |problem: String| ConfigError::at(file, line, format!("{key}: {problem}"));
        let timeout = self.timeout(file)?;
        let mut endpoints = Vec::new();
        for (at, witness) in policy.witnesses().iter().enumerate() {
            let Some(url) = &witness.url else { continue };
            let endpoint = self.endpoint(file, url, timeout).ok_or_else(|| {
                wrong(format!(
                    "witness {}: expected http://host[:port][/path] or https with certificates \
                     to trust, found {url:?}",
                    witness.name
                ))
            })?;
            endpoints.push((at, endpoint));
        }
        if policy.asks_for_none() {
            return Err(wrong("expected a quorum of witnesses, found none".to_owned()));
        }
        let asked: Vec<usize> = endpoints.iter().map(|(at, _)| *at).collect();
        if !policy.is_quorum_of(&asked) {
            return Err(wrong("the witnesses with a URL do not make up the quorum".to_owned()));
        }
        Ok(Witnesses { policy, endpoints })
    }

    fn policy(&self, file: &Path) -> Result<(TrustPolicy, u64, &'static str), ConfigError> {
        match (&self.policy, &self.text) {
            (Some(path), None) => {
                let line = path.referenced.line();
                let policy = read(&beside(file, &path.value)).map_err(|error| {
                    if error.has_line() {
                        return error;
                    }
                    ConfigError::at(file, line, format!("witnesses.policy: {error}"))
                })?;
                Ok((policy, line, "witnesses.policy"))
            }
            (None, Some(text)) => {
                let line = text.referenced.line();
                // A block begins in the line after its key; so its lines are those of the file.
                let policy = text.value.parse().map_err(|error: PolicyError| {
                    let line = line.saturating_add(error.line as u64).saturating_sub(1);
                    ConfigError::at(file, line, format!("witnesses.text: {}", error.fault))
                })?;
                Ok((policy, line, "witnesses.text"))
            }
            (Some(_), Some(text)) => {
                let problem = "witnesses: expected policy or text, found both";
                Err(ConfigError::at(file, text.referenced.line(), problem))
            }
            (None, None) => {
                Err(ConfigError::new(file, "witnesses: expected policy or text, found neither"))
            }
        }
    }

    fn timeout(&self, file: &Path) -> Result<Duration, ConfigError> {
        match &self.timeout_ms {
            None => Ok(TIMEOUT),
            Some(at) if (1..=TIMEOUT_MS_MAX).contains(&at.value) => {
                Ok(Duration::from_millis(at.value))
            }
            Some(at) => {
                let problem = format!("witnesses.timeout_ms: expected 1 to {TIMEOUT_MS_MAX}");
                Err(ConfigError::at(file, at.referenced.line(), problem))
            }
        }
    }

    fn endpoint(&self, file: &Path, url: &str, timeout: Duration) -> Option<Endpoint> {
        let uri: http::Uri = url.parse().ok()?;
        let credentials = uri.authority()?.as_str().contains('@');
        if uri.query().is_some() || credentials {
            return None;
        }
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => {
                let path = self.ca_file.as_ref().map(|path| beside(file, &path.value));
                Some(trusted(path.as_deref(), Version::Http1)?)
            }
            _ => return None,
        };
        let (headers, bearer_token_file) = (HeaderMap::new(), None);
        Some(Endpoint { uri, tls, headers, bearer_token_file, timeout, version: Version::Http1 })
    }
}

/// Reads a policy file.
///
/// # Errors
/// One line that leads to what is wrong.
fn read(path: &Path) -> Result<TrustPolicy, ConfigError> {
    let text = durable_file::read(path, POLICY_BYTES_MAX as u64)
        .map_err(|error| ConfigError::new(path, format!("cannot read it: {error}")))?
        .ok_or_else(|| ConfigError::new(path, "there is no such file"))?;
    let text = String::from_utf8(text).map_err(|_| ConfigError::new(path, "it is not UTF-8"))?;
    text.parse().map_err(|error: PolicyError| {
        ConfigError::at(path, error.line as u64, error.fault.to_string())
    })
}

// A relative path in a file is meant from that file.
fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |parent| parent.join(path))
}

/// A witness syncs its disk before it answers, and may be on another continent.
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MS_MAX: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const W1: &str = "witness.example/w1+ed8c37d6+BLDvac9mmAMfo6UM3ZhuGEswRR4MUnSlB9TyBI0y+MK1";

    fn check(section: &str) -> Result<Vec<usize>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.yaml");
        std::fs::write(&path, section).unwrap();
        let good = format!("\nwitness w1 {W1} http://127.0.0.1:1/w\nquorum w1\n");
        std::fs::write(dir.path().join("good.policy"), good).unwrap();
        std::fs::write(dir.path().join("bad.policy"), "\nquorum w1\n").unwrap();
        let file: WitnessesFile = crate::config::read_yaml(&path).unwrap();
        let checked = file.check(&path);
        let prefix = format!("{}/", dir.path().display());
        checked
            .map(|witnesses| witnesses.endpoints.iter().map(|(at, _)| *at).collect())
            .map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn a_policy_is_read_from_its_place_or_its_file() {
        assert_eq!(check("policy: good.policy\n"), Ok(vec![0]));
        let text = format!("text: |\n  witness w1 {W1} http://h/\n  quorum w1\ntimeout_ms: 5\n");
        assert_eq!(check(&text), Ok(vec![0]));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let said = |section: &str| check(section).unwrap_err();
        assert_eq!(
            said("policy: good.policy\ntext: \"\"\n"),
            "gateway.yaml:2: witnesses: expected policy or text, found both"
        );
        assert_eq!(
            said("timeout_ms: 5\n"),
            "gateway.yaml: witnesses: expected policy or text, found neither"
        );
        assert_eq!(
            said("policy: good.policy\ntimeout_ms: 0\n"),
            "gateway.yaml:2: witnesses.timeout_ms: expected 1 to 60000"
        );
        assert_eq!(said("policy: bad.policy\n"), "bad.policy:2: no earlier line defines w1");
        assert_eq!(
            said("policy: none.policy\n"),
            "gateway.yaml:1: witnesses.policy: none.policy: there is no such file"
        );
        let text = |lines: &str| said(&format!("text: |\n  {}\n", lines.replace('\n', "\n  ")));
        assert_eq!(
            text("quorum none"),
            "gateway.yaml:2: witnesses.text: expected a quorum of witnesses, found none"
        );
        assert_eq!(
            text(&format!("witness w1 {W1}\nquorum w1")),
            "gateway.yaml:2: witnesses.text: the witnesses with a URL do not make up the quorum"
        );
        for url in ["ftp://h/", "http://u@h/", "http://h/?q", "/path"] {
            assert_eq!(
                text(&format!("witness w1 {W1} {url}\nquorum w1")),
                format!(
                    "gateway.yaml:2: witnesses.text: witness w1: expected \
                     http://host[:port][/path] or https with certificates to trust, found {url:?}"
                )
            );
        }
        assert_eq!(
            text(&format!("witness w1 {W1}\nwitness w2\nquorum w1")),
            "gateway.yaml:3: witnesses.text: too few or too many items"
        );
    }
}
