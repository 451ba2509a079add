//! The `time_stamps:` section of the gateway's file.
//!
//! ```yaml
//! time_stamps:
//!   authority: http://tsa.example:318/tsr
//!   roots: tsa-roots.pem
//!   every_ms: 3600000
//! ```

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderMap;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Authority;
use crate::config::ConfigError;
use crate::export::client::{Endpoint, Version};
use crate::export::config::trusted;
use crate::policy;

/// The section as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStampsFile {
    /// Where requests are posted. `http` is enough: an answer is signed, and who listens learns a
    /// digest.
    authority: Spanned<String>,
    /// Certificates (PEM) that its answers are believed under.
    roots: Spanned<PathBuf>,
    /// Milliseconds from one round to the next; default an hour.
    #[serde(default)]
    every_ms: Option<Spanned<u64>>,
    /// Certificates (PEM) to trust for `https`; default the system's.
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

/// The section, checked.
pub struct TimeStamps {
    /// Who is asked.
    pub authority: Authority,
    /// From one round to the next.
    pub every: Duration,
}

impl std::fmt::Debug for TimeStamps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeStamps").field("every", &self.every).finish_non_exhaustive()
    }
}

impl TimeStampsFile {
    /// Reads the roots; `file` is where the section stands.
    ///
    /// # Errors
    /// One line with file, line and key of what was expected.
    pub fn check(&self, file: &Path) -> Result<TimeStamps, ConfigError> {
        let beside = |path: &Path| file.parent().unwrap_or(Path::new("")).join(path);
        let wrong = |line: u64, key: &str, problem: String| {
            ConfigError::at(file, line, format!("time_stamps.{key}: {problem}"))
        };
        let url = &self.authority;
        let endpoint = self.endpoint(&beside).ok_or_else(|| {
            let expected = "expected http://host[:port]/path, or https with certificates to trust";
            wrong(url.referenced.line(), "authority", format!("{expected}, found {:?}", url.value))
        })?;
        let roots = policy::certificates(&beside(&self.roots.value))
            .map_err(|problem| wrong(self.roots.referenced.line(), "roots", problem))?;
        let every = match &self.every_ms {
            None => EVERY,
            Some(at) if (EVERY_MS_MIN..=EVERY_MS_MAX).contains(&at.value) => {
                Duration::from_millis(at.value)
            }
            Some(at) => {
                let problem = format!("expected {EVERY_MS_MIN} to {EVERY_MS_MAX}");
                return Err(wrong(at.referenced.line(), "every_ms", problem));
            }
        };
        Ok(TimeStamps { authority: Authority::new(endpoint, roots), every })
    }

    fn endpoint(&self, beside: &dyn Fn(&Path) -> PathBuf) -> Option<Endpoint> {
        let uri: http::Uri = self.authority.value.parse().ok()?;
        let credentials = uri.authority()?.as_str().contains('@');
        if uri.query().is_some() || credentials {
            return None;
        }
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => {
                Some(trusted(self.ca_file.as_deref().map(beside).as_deref(), Version::Http1)?)
            }
            _ => return None,
        };
        let (headers, bearer_token_file, version) = (HeaderMap::new(), None, Version::Http1);
        Some(Endpoint { uri, tls, headers, bearer_token_file, timeout: TIMEOUT, version })
    }
}

const EVERY: Duration = Duration::from_secs(3_600);
/// An authority that is asked more often than once a second is being attacked.
const EVERY_MS_MIN: u64 = 1_000;
const EVERY_MS_MAX: u64 = 7 * 86_400_000;
/// Authorities answer within seconds; some wait on a device.
const TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(section: &str) -> Result<Duration, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.yaml");
        std::fs::write(&path, section).unwrap();
        std::fs::write(dir.path().join("none.pem"), "no certificate").unwrap();
        let root = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        std::fs::write(dir.path().join("tsa.pem"), root).unwrap();
        let file: TimeStampsFile = crate::config::read_yaml(&path).unwrap();
        let checked = file.check(&path).map(|stamps| stamps.every);
        let prefix = format!("{}/", dir.path().display());
        checked.map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = "authority: http://tsa.example/tsr\nroots: tsa.pem\n";
        assert_eq!(check(good), Ok(EVERY));
        assert_eq!(check(&format!("{good}every_ms: 1000\n")), Ok(Duration::from_secs(1)));
        let expected = "expected http://host[:port]/path, or https with certificates to trust";
        for url in ["ftp://h/", "http://u@h/", "http://h/?q", "/path"] {
            assert_eq!(
                check(&good.replace("http://tsa.example/tsr", url)),
                Err(format!("gateway.yaml:1: time_stamps.authority: {expected}, found {url:?}"))
            );
        }
        assert_eq!(
            check(&good.replace("tsa.pem", "none.pem")),
            Err("gateway.yaml:2: time_stamps.roots: none.pem: expected certificates in PEM".into())
        );
        assert_eq!(
            check(&format!("{good}every_ms: 999\n")),
            Err("gateway.yaml:3: time_stamps.every_ms: expected 1000 to 604800000".into())
        );
    }
}
