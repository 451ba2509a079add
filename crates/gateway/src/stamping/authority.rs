//! A time-stamping authority: asked over HTTP (RFC 3161 §3.4), and believed under given roots.

use std::fmt;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use lucarne_attest::timestamp::{Answering, Request, Trust, verify_response};

use super::StampError;
use crate::export::client::{Client, ClientError, Endpoint};

/// Whom to ask, and under which roots its word counts.
pub struct Authority {
    client: Client,
    roots: Vec<Vec<u8>>,
}

/// Why an authority did not answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AskError {
    /// No random numbers for the nonce.
    Entropy,
    /// The network, or the other side.
    Client(ClientError),
    /// An answer that is none of an authority.
    Answer(StatusCode),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entropy => write!(f, "no random numbers"),
            Self::Client(error) => write!(f, "{error}"),
            Self::Answer(status) => write!(f, "HTTP {status}, which is no {REPLY_TYPE}"),
        }
    }
}

impl std::error::Error for AskError {}

impl Authority {
    /// An authority at `endpoint`, believed under `roots` (certificates in DER).
    pub fn new(endpoint: Endpoint, roots: Vec<Vec<u8>>) -> Self {
        Self { client: Client::new(endpoint), roots }
    }

    /// Its answer over `data`, which verifies.
    pub(super) async fn stamp(&mut self, data: &[u8]) -> Result<Vec<u8>, StampError> {
        let mut nonce = [0; 16];
        let drawn = SystemRandom::new().fill(&mut nonce);
        drawn.map_err(|_| StampError::Ask(AskError::Entropy))?;
        let request = Request::new(data, nonce);
        let response = ask(&mut self.client, &request).await.map_err(StampError::Ask)?;
        let trust = Trust { roots: &self.roots, certificates: &[] };
        verify_response(&response, data, Answering::Request(&request), trust)
            .map_err(StampError::Refused)?;
        Ok(response)
    }
}

/// Sends a request to an authority; what it answers has not been believed.
///
/// # Errors
/// When there is no answer, or none of an authority.
pub async fn ask(client: &mut Client, request: &Request) -> Result<Vec<u8>, AskError> {
    let headers = [("content-type", QUERY_TYPE), ("accept", REPLY_TYPE)];
    let answer = client.post("", &headers, request.to_der().into()).await;
    let answer = answer.map_err(AskError::Client)?;
    let kind = answer.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if answer.status != StatusCode::OK || kind != Some(REPLY_TYPE.as_bytes()) {
        return Err(AskError::Answer(answer.status));
    }
    Ok(answer.body.to_vec())
}

const QUERY_TYPE: &str = "application/timestamp-query";
const REPLY_TYPE: &str = "application/timestamp-reply";
