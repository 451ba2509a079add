//! Actions: what changes something in the world, by a call, a signed webhook or a program.
//!
//! Each is told an idempotency key. One that is declared `idempotent` drops a key that it has seen,
//! so it may be asked again after a crash; any other is asked once, and a person says what became
//! of it when nobody knows.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::exchange::{Call, ExchangeError, Names, Place, fill};
use crate::http::access::signature;
use crate::program::{Program, ProgramError};

/// Something that changes the world. It does a key once, or is not asked twice.
pub trait Action {
    /// Does it.
    fn perform(
        &self,
        names: &Names,
        key: &str,
        patience: Duration,
    ) -> impl Future<Output = Result<String, ActionError>> + Send;
}

/// An action of the catalogue.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ActionAt {
    /// How it is done.
    pub by: Doing,
    /// Whether it drops a key that it has seen.
    #[serde(default)]
    pub idempotent: bool,
}

/// How an action is done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Doing {
    /// A call; the key is in `Idempotency-Key`.
    Http(Call),
    /// A call whose body is signed as the desk's own intake wants it.
    Webhook(Webhook),
    /// A program; the key is `{key}`.
    Command(Program),
}

/// A signed webhook.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where.
    pub call: Call,
    /// The file with the secret.
    pub secret_file: PathBuf,
}

/// Why it was not done, as far as anybody knows.
#[derive(Debug)]
pub enum ActionError {
    /// No answer.
    Exchange(ExchangeError),
    /// Refused.
    Status(u16),
    /// No program.
    Program(ProgramError),
    /// The program says no.
    Exit(i32),
    /// The secret cannot be read.
    Secret,
    /// The catalogue has no such action.
    Unknown,
    /// It does not drop a key that it has seen.
    NotIdempotent,
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange(cause) => cause.fmt(f),
            Self::Status(status) => write!(f, "answered {status}"),
            Self::Program(cause) => cause.fmt(f),
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Secret => f.write_str("secret cannot be read"),
            Self::Unknown => f.write_str("no such action in the catalogue"),
            Self::NotIdempotent => f.write_str("the catalogue does not call it idempotent"),
        }
    }
}

impl std::error::Error for ActionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their own words are this one's.
            Self::Exchange(cause) => cause.source(),
            Self::Program(cause) => cause.source(),
            Self::Status(_)
            | Self::Exit(_)
            | Self::Secret
            | Self::Unknown
            | Self::NotIdempotent => None,
        }
    }
}

impl Action for Call {
    async fn perform(
        &self,
        names: &Names,
        key: &str,
        patience: Duration,
    ) -> Result<String, ActionError> {
        send(self, names, &[("idempotency-key", key.to_owned())], patience).await
    }
}

/// The call with these headers; done when the status is one that it accepts.
async fn send(
    call: &Call,
    names: &Names,
    headers: &[(&'static str, String)],
    patience: Duration,
) -> Result<String, ActionError> {
    let answered = call.send(names, headers, patience).await.map_err(ActionError::Exchange)?;
    if call.accepts(answered.status) {
        Ok("done".to_owned())
    } else {
        Err(ActionError::Status(answered.status))
    }
}

impl Action for Webhook {
    async fn perform(
        &self,
        names: &Names,
        key: &str,
        patience: Duration,
    ) -> Result<String, ActionError> {
        let secret = std::fs::read_to_string(&self.secret_file);
        let secret = secret.map_err(|_| ActionError::Secret)?;
        let body = fill(self.call.body.as_deref().unwrap_or("{}"), names, Place::Json);
        let now = crate::engine::wall_ms() / 1000;
        let signed = signature(secret.trim().as_bytes(), now, body.as_bytes());
        let headers = [
            ("idempotency-key", key.to_owned()),
            (crate::http::access::TIMESTAMP, now.to_string()),
            (crate::http::access::SIGNATURE, signed),
        ];
        let call = Call { body: Some(body), ..self.call.clone() };
        // The body is filled already, and what is signed is what is sent.
        send(&call, &Names::new(), &headers, patience).await
    }
}

impl Action for Program {
    async fn perform(
        &self,
        names: &Names,
        key: &str,
        patience: Duration,
    ) -> Result<String, ActionError> {
        let mut names = names.clone();
        names.insert("key".to_owned(), key.to_owned());
        match self.run(&names, patience).await.map_err(ActionError::Program)? {
            said if self.accepts(said.code) => Ok("done".to_owned()),
            said => Err(ActionError::Exit(said.code)),
        }
    }
}

impl Action for ActionAt {
    async fn perform(
        &self,
        names: &Names,
        key: &str,
        patience: Duration,
    ) -> Result<String, ActionError> {
        match &self.by {
            Doing::Http(call) => call.perform(names, key, patience).await,
            Doing::Webhook(hook) => hook.perform(names, key, patience).await,
            Doing::Command(program) => program.perform(names, key, patience).await,
        }
    }
}
