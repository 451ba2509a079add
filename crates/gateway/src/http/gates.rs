//! Gates: named switches that load balancers ask, `/v1/gates/{name}`.
//!
//! 200 while open, 503 while closed. Setting one needs the bearer token and is durable before it is
//! answered, so that a restart opens nothing that somebody has closed. A gate exists once it was
//! set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::{Pages, Problem, json};
use crate::durable_file;

/// All gates, and who may set them.
pub struct Gates {
    path: PathBuf,
    /// SHA-256 of the token: equal lengths to compare, and no secret to print. `None`: nobody may.
    token: Option<Digest>,
    states: Mutex<BTreeMap<String, GateState>>,
}

impl fmt::Debug for Gates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gates").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The two states.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// Let through.
    Open,
    /// Keep out.
    Closed,
}

/// The right to set gates. Made by [`Gates::authorise`] only.
#[derive(Debug)]
pub struct Permit(());

/// Why gates cannot be served.
#[derive(Debug)]
pub enum GatesError {
    /// The token file cannot be read, or its token is shorter than 16 bytes.
    Token {
        /// The file.
        path: PathBuf,
    },
    /// The file of states cannot be read.
    States {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file of states is not one. Starting without it could open what was closed.
    Format {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for GatesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { path } => write!(
                f,
                "{}: expected a file with a token of {TOKEN_BYTES_MIN} bytes or more",
                path.display()
            ),
            Self::States { path, source } => write!(f, "gates {}: {source}", path.display()),
            Self::Format { path } => {
                write!(f, "gates {}: not a file of gate states", path.display())
            }
        }
    }
}

impl std::error::Error for GatesError {}

impl Gates {
    /// Reads the states kept at `path` and the token.
    ///
    /// # Errors
    /// When either is there and cannot be used.
    pub fn open(path: PathBuf, token_file: Option<&Path>) -> Result<Self, GatesError> {
        let kept = durable_file::read(&path, STATES_BYTES_MAX)
            .map_err(|source| GatesError::States { path: path.clone(), source })?;
        let states = match kept {
            None => BTreeMap::new(),
            Some(kept) => serde_json::from_slice(&kept)
                .map_err(|_| GatesError::Format { path: path.clone() })?,
        };
        let token = token_file.map(read_token).transpose()?;
        Ok(Self { path, token, states: Mutex::new(states) })
    }

    /// The state of a gate, if it was ever set.
    pub fn state(&self, name: &str) -> Option<GateState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// The right to set gates, for the one who shows the token.
    ///
    /// # Errors
    /// When the token is not shown, is another, or none is configured.
    pub fn authorise(&self, headers: &HeaderMap) -> Result<Permit, Problem> {
        let expected = self.token.as_ref().ok_or(Problem::GATES_LOCKED)?;
        let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer "));
        let shown = digest(&SHA256, shown.ok_or(Problem::UNAUTHORIZED)?);
        verify_slices_are_equal(shown.as_ref(), expected.as_ref())
            .map_err(|_| Problem::UNAUTHORIZED)?;
        Ok(Permit(()))
    }

    /// Sets a gate; on return it is on the disk. Blocks.
    ///
    /// # Errors
    /// When there are too many gates or the disk refuses; the state is then what it was.
    pub fn set(&self, _permit: &Permit, name: &str, state: GateState) -> Result<(), Problem> {
        // Held while writing, so that the file is written in the order of the settings.
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = states.clone();
        next.insert(name.to_owned(), state);
        if next.len() > GATES_MAX {
            return Err(Problem::GATES_FULL);
        }
        let content = serde_json::to_vec(&next).map_err(|_| Problem::GATE_NOT_KEPT)?;
        durable_file::replace(&self.path, &content).map_err(|_| Problem::GATE_NOT_KEPT)?;
        *states = next;
        Ok(())
    }
}

/// Answers `GET /v1/gates/{name}`.
pub(super) async fn show(
    State(pages): State<Arc<Pages>>,
    UrlPath(name): UrlPath<String>,
) -> Result<Response, Problem> {
    check_name(&name)?;
    let state = pages.gates.state(&name).ok_or(Problem::GATE_UNKNOWN)?;
    let status = match state {
        GateState::Open => StatusCode::OK,
        GateState::Closed => StatusCode::SERVICE_UNAVAILABLE,
    };
    Ok(render(status, &name, state))
}

/// Answers `PUT` and `POST /v1/gates/{name}`.
pub(super) async fn set(
    State(pages): State<Arc<Pages>>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let permit = pages.gates.authorise(&headers)?;
    check_name(&name)?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| Problem::GATE_STATE)?;
    let (gates, gate) = (Arc::clone(&pages.gates), name.clone());
    tokio::task::spawn_blocking(move || gates.set(&permit, &gate, wanted.state))
        .await
        .map_err(|_| Problem::GATE_NOT_KEPT)??;
    Ok(render(StatusCode::OK, &name, wanted.state))
}

/// A body that is understood says one of the two states.
pub(crate) fn check_body(body: &[u8]) {
    if let Ok(Wanted { state }) = serde_json::from_slice(body) {
        assert!(
            serde_json::to_vec(&state)
                .is_ok_and(|text| body.windows(text.len()).any(|it| it == text))
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: GateState,
}

fn render(status: StatusCode, name: &str, state: GateState) -> Response {
    json(status, &serde_json::json!({ "gate": name, "state": state }))
}

fn check_name(name: &str) -> Result<(), Problem> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (1..=63).contains(&name.len()) && name.bytes().all(allowed);
    if good { Ok(()) } else { Err(Problem::GATE_NAME) }
}

fn read_token(path: &Path) -> Result<Digest, GatesError> {
    let wrong = || GatesError::Token { path: path.to_owned() };
    let content = durable_file::read(path, TOKEN_BYTES_MAX).ok().flatten().ok_or_else(wrong)?;
    let token = content.trim_ascii();
    if token.len() < TOKEN_BYTES_MIN { Err(wrong()) } else { Ok(digest(&SHA256, token)) }
}

/// A load balancer asks a handful.
const GATES_MAX: usize = 256;
/// 256 names of 63 bytes.
const STATES_BYTES_MAX: u64 = 64 * 1024;
/// Shorter ones can be guessed over a network.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: u64 = 4096;
