//! The courier: posts signals to the webhook, one after the other, until each is taken.
//!
//! A signal is taken by an answer 2xx; anything else is tried again, later and later, the others in
//! between. The HMAC is over the bytes of the body, so a receiver checks what it received before it
//! reads it. It follows no redirects and reads no proxy variables.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use lucarne_gateway::export::backoff::Backoff;
use lucarne_gateway::export::client::{Client, Endpoint, Version};
use lucarne_gateway::export::config::trusted;
use lucarne_ledger::hash::to_hex;
use tokio::sync::watch::Receiver;

use super::signals::Signals;
use super::warn;
use crate::failure::Failure;
use crate::shutdown::stopped;

/// Where signals go.
pub(super) struct Webhook {
    endpoint: Endpoint,
    key: hmac::Key,
}

/// As few bytes as nobody guesses, as many as anybody needs.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=1024;
/// Larger than the key that is allowed: what is longer is refused, not cut.
const KEY_FILE_BYTES_MAX: u64 = 4096;
/// For connecting, and for a request until the end of its answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The header with the HMAC, as `sha256=<hex>`.
const SIGNATURE: &str = "lucarne-signature";
/// The header with the id of the signal.
const ID: &str = "lucarne-signal-id";

impl Webhook {
    /// Checks the address and reads the key.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(super) fn open(url: &str, key: &Path, ca: Option<&Path>) -> Result<Self, Failure> {
        let text = "expected http://host[:port][/path] or https";
        let wrong = || Failure::usage(format!("--webhook {url}: {text}"));
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let credentials = uri.authority().is_none_or(|host| host.as_str().contains('@'));
        if uri.query().is_some() || credentials {
            return Err(wrong());
        }
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(trusted(ca, Version::Http1).ok_or_else(|| {
                Failure::usage("--webhook: no certificates to trust for https")
                    .hint("name them with --webhook-ca FILE")
            })?),
            _ => return Err(wrong()),
        };
        let (headers, timeout, version) = (HeaderMap::new(), TIMEOUT, Version::Http1);
        let bearer_token_file = None;
        let endpoint = Endpoint { uri, tls, headers, bearer_token_file, timeout, version };
        Ok(Self { endpoint, key: read_key(key)? })
    }

    /// The headers of one signal.
    fn headers(&self, id: &str, body: &str) -> HeaderMap {
        let tag = hmac::sign(&self.key, body.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let signature = format!("sha256={}", to_hex(tag.as_ref()));
        for (name, text) in [(SIGNATURE, signature.as_str()), (ID, id)] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Posts one signal; says why it was not taken.
    async fn post(&self, id: &str, body: String) -> Result<(), String> {
        let headers = self.headers(id, &body);
        // Signals are rare and receivers forget connections.
        let mut client = Client::new(Endpoint { headers, ..self.endpoint.clone() });
        match client.post("", &[], body.into()).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(format!("status {}", answer.status.as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn read_key(path: &Path) -> Result<hmac::Key, Failure> {
    let bytes = lucarne_gateway::durable_file::read(path, KEY_FILE_BYTES_MAX)
        .map_err(|error| Failure::unreadable(&format!("read {}", path.display()), &error))?;
    let bytes = bytes.unwrap_or_default();
    let key = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    if !KEY_BYTES.contains(&key.len()) {
        let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
        let text = format!("{}: expected a key of {least} to {most} bytes", path.display());
        return Err(Failure::usage(text).hint("openssl rand -hex 32 makes one"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, key))
}

/// Who brings the signals there.
pub(super) struct Courier {
    webhook: Webhook,
    signals: Arc<Signals>,
}

impl Courier {
    /// Brings these signals there.
    pub(super) const fn new(webhook: Webhook, signals: Arc<Signals>) -> Self {
        Self { webhook, signals }
    }

    /// Works until nothing waits and `end` is true.
    pub(super) async fn run(self, mut end: Receiver<bool>) {
        let mut backoff = Backoff::new(u64::from(std::process::id()));
        let mut failed: Option<String> = None;
        loop {
            let Some((id, body)) = self.signals.next(failed.as_deref()) else {
                if *end.borrow() {
                    return;
                }
                tokio::select! {
                    () = self.signals.more() => {}
                    () = stopped(&mut end) => {}
                }
                continue;
            };
            match self.webhook.post(&id, body).await {
                Ok(()) => {
                    backoff.succeeded();
                    failed = None;
                    let noted = tokio::task::block_in_place(|| self.signals.sent(&id));
                    noted.unwrap_or_else(|failure| warn(&failure.text(false)));
                }
                Err(why) => {
                    let wait = backoff.failed(None);
                    warn(&format!("warning: signal {id} was not taken: {why}\n"));
                    failed = Some(id);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_an_hmac_over_the_body() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        // RFC 4231, test case 6: a key of 131 bytes; a line end after it does not count.
        let mut key = vec![0xaa; 131];
        key.push(b'\n');
        std::fs::write(&path, key).unwrap();
        let webhook = Webhook::open("http://localhost:1/x", &path, None).unwrap();
        let headers =
            webhook.headers("17", "Test Using Larger Than Block-Size Key - Hash Key First");
        let expected = "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        assert_eq!(headers.get(SIGNATURE).unwrap(), expected);
        assert_eq!(headers.get(ID).unwrap(), "17");
    }

    #[test]
    fn addresses_and_keys_that_cannot_be_used_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let open = |url: &str| Webhook::open(url, &path, None).map_err(|f| f.exit()).err();
        std::fs::write(&path, [7; 16]).unwrap();
        assert_eq!(open("http://localhost:1/x"), None);
        for url in ["", "localhost", "ftp://a/", "http://a/?b", "http://a:b@c/", "/x"] {
            assert_eq!(open(url), Some(crate::failure::Exit::Usage), "{url}");
        }
        for bytes in [15, 1025] {
            std::fs::write(&path, vec![7; bytes]).unwrap();
            assert_eq!(open("http://a/"), Some(crate::failure::Exit::Usage), "{bytes}");
        }
    }
}
