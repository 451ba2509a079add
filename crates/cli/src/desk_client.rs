//! The client of a desk: one request a connection, a key from a file, answers as JSON.
//!
//! It decides what a status means for the exit code, once for all verbs: what the desk refuses is a
//! no, what it does not understand is the command line's fault, and a desk that cannot be reached
//! or keeps nothing is "could not read". Only `http` is spoken; a desk on another machine is behind
//! a proxy that ends TLS. It follows no redirects and reads no proxy variables.

mod scope;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) use self::scope::{Scope, span};
use crate::failure::{Exit, Failure};

/// How to reach a desk, as whom, and how to print what it says.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DeskAt {
    /// Where the desk serves
    #[arg(long, value_name = "URL", default_value = DESK_URL, value_parser = url)]
    #[arg(env = DESK_VARIABLE, hide_env_values = true)]
    desk: Uri,
    /// The file with your key [default: the file that LUCARNE_DESK_KEY names]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How to print it
    #[arg(long, short, value_enum, default_value = "text")]
    pub(crate) output: Output,
}

/// How to print an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// As the desk said it.
    Json,
}

/// A desk.
pub(crate) struct Desk {
    authority: String,
    prefix: String,
    token: Option<String>,
    runtime: tokio::runtime::Runtime,
}

/// What a desk answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body; null when it is no JSON.
    pub(crate) body: Value,
}

impl DeskAt {
    /// Reads the key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(&self) -> Result<Desk, Failure> {
        let named = || std::env::var_os(KEY_VARIABLE).map(PathBuf::from);
        let token = self.key.clone().or_else(named).as_deref().map(key).transpose()?;
        Desk::new(&self.desk, token)
    }
}

impl Desk {
    /// A desk at an address, with a key.
    ///
    /// # Errors
    /// When the machine is out of threads or descriptors.
    pub(crate) fn new(at: &Uri, token: Option<String>) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| Failure::because(Exit::Unreadable, "start the runtime", &cause))?;
        let authority = at.authority().map(ToString::to_string).unwrap_or_default();
        let prefix = at.path().trim_end_matches('/').to_owned();
        Ok(Self { authority, prefix, token, runtime })
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        format!("http://{}{}", self.authority, self.prefix)
    }

    /// Looks something up.
    ///
    /// # Errors
    /// With what the desk says, or that it cannot be reached.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.good(path, self.ask(&Method::GET, path, None)?)
    }

    /// Says something.
    ///
    /// # Errors
    /// With what the desk says, or that it cannot be reached.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.good(path, self.ask(&Method::POST, path, Some(body))?)
    }

    /// Ends something.
    ///
    /// # Errors
    /// With what the desk says, or that it cannot be reached.
    pub(crate) fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.good(path, self.ask(&Method::DELETE, path, None)?)
    }

    /// The answer, whatever it is.
    ///
    /// # Errors
    /// When the desk cannot be reached or does not speak HTTP.
    pub(crate) fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let exchange = self.exchange(method, path, body.unwrap_or_default());
        let asked = async { tokio::time::timeout(PATIENCE, exchange).await };
        match self.runtime.block_on(asked) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(self.unreachable(&why)),
            Err(_) => Err(self.unreachable("no answer in time")),
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::new(Exit::Unreadable, format!("ask the desk at {}: {why}", self.place()))
            .hint("give the address with --desk; `lucarne desk --config FILE` starts one")
    }

    async fn exchange(&self, method: &Method, path: &str, body: Bytes) -> Result<Answer, String> {
        let port = if self.authority.contains(':') { "" } else { ":80" };
        let stream = TcpStream::connect(format!("{}{port}", self.authority))
            .await
            .map_err(|cause| cause.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|cause| cause.to_string())?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(|_| "the request cannot be written")?;
        let response = sender.send_request(request).await.map_err(|cause| cause.to_string())?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = read.map_err(|_| "the answer is cut or too long")?.to_bytes();
        driver.abort();
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    fn good(&self, path: &str, answer: Answer) -> Result<Value, Failure> {
        let Answer { status, body } = answer;
        if status == 200 {
            return Ok(body);
        }
        let said = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
        let (code, message) = (said("code"), said("message"));
        let text = format!("{path}: {message} ({code}, {status})");
        Err(match status {
            // Not known, refused by a guard, or not for this key.
            403 | 404 | 409 => Failure::new(Exit::No, text),
            400 | 413 => Failure::usage(text),
            401 => Failure::usage(text).hint("give the file with your key by --key"),
            _ => Failure::new(Exit::Unreadable, format!("{}{text}", self.place())),
        })
    }
}

fn key(path: &Path) -> Result<String, Failure> {
    let what = format!("read {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::unreadable(&what, &cause))?;
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    let good = !line.is_empty() && line.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(line) } else { Err(Failure::usage(format!("{what}: expected a key in one line"))) }
}

fn url(text: &str) -> Result<Uri, String> {
    let expected = || format!("expected an address such as {DESK_URL}");
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let good = uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none();
    if good { Ok(uri) } else { Err(expected()) }
}

/// Where `lucarne up` has its desk.
pub(crate) const DESK_URL: &str = "http://127.0.0.1:8090";
/// Says where it is, for whoever asks one desk all day.
const DESK_VARIABLE: &str = "LUCARNE_DESK";
/// Names the file with the key.
const KEY_VARIABLE: &str = "LUCARNE_DESK_KEY";
/// For everything, from the connection to the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A thousand entries at their longest are more than anybody reads.
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_with_a_host_and_nothing_behind_it() {
        assert_eq!(url(DESK_URL).unwrap().authority().unwrap(), "127.0.0.1:8090");
        for wrong in ["https://desk", "desk:80", "http://", "http://desk/?a=1", ""] {
            assert_eq!(url(wrong), Err(format!("expected an address such as {DESK_URL}")));
        }
    }

    #[test]
    fn a_key_is_one_line_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "0123456789abcdef\nmore\n").unwrap();
        assert_eq!(key(&path).unwrap(), "0123456789abcdef");
        std::fs::write(&path, "two words\n").unwrap();
        assert_eq!(key(&path).unwrap_err().exit(), Exit::Usage);
        assert_eq!(key(&dir.path().join("none")).unwrap_err().exit(), Exit::Unreadable);
    }

    #[test]
    fn a_status_has_the_exit_code_of_its_meaning() {
        let desk = Desk::new(&url(DESK_URL).unwrap(), None).unwrap();
        let exit = |status| {
            let answer = Answer { status, body: Value::Null };
            desk.good("/v1/x", answer).unwrap_err().exit()
        };
        let exits = [400, 401, 403, 404, 409, 413, 503].map(exit);
        let no = Exit::No;
        assert_eq!(exits, [Exit::Usage, Exit::Usage, no, no, no, Exit::Usage, Exit::Unreadable]);
    }
}
