//! Answers: JSON, and what goes wrong as a status, a code and one sentence.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::engine::Answer;
use crate::engine::lanes::Unavailable;
use crate::intake::IntakeError;
use crate::refusal::Refusal;

/// An answer that is not what was asked for. Everything in it is for the caller's eyes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
}

macro_rules! problems {
    ($($name:ident = $status:ident $code:literal $message:literal;)*) => {
        impl Problem {
            $(pub(crate) const $name: Self = Self {
                status: StatusCode::$status,
                code: $code,
                message: Cow::Borrowed($message),
            };)*
        }
    };
}

problems! {
    NOT_FOUND = NOT_FOUND "not_found" "there is nothing here";
    UNAUTHORIZED = UNAUTHORIZED "unauthorized" "a key is needed, or its signature is wrong";
    FORBIDDEN = FORBIDDEN "forbidden" "this key has no role that may do this";
    TOO_LARGE = PAYLOAD_TOO_LARGE "too_large" "a body has at most 1 MiB";
    TOO_DIFFERENT = PAYLOAD_TOO_LARGE "too_different" "too much differs: ask for less time";
    SLOW = REQUEST_TIMEOUT "slow" "the body did not arrive in time";
    QUERY = BAD_REQUEST "query" "a parameter is not known or no number";
    BODY = BAD_REQUEST "body" "the body has not the shape that this path takes";
    NAME = BAD_REQUEST "name" "a name is 1 to 64 of letters, digits and . _ : -";
    SCOPE = BAD_REQUEST "scope" "a scope has 1 to 16 labels of at most 256 bytes";
    SECRET = BAD_REQUEST "secret" "a name or a scope may hold nothing that looks like a secret";
    PERIOD = BAD_REQUEST "period" "a period ends after it begins and is at most 90 days long";
    BUSY = SERVICE_UNAVAILABLE "busy" "too much is waiting";
    STORE = SERVICE_UNAVAILABLE "store" "the store takes nothing";
    SHUT = SERVICE_UNAVAILABLE "shut" "the gate is shut";
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message: Cow::Owned(message) }
    }

    /// The file of the rules is none.
    pub(crate) fn rules(why: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "rules", format!("the rules stay as they are: {why}"))
    }

    pub(crate) fn response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(why: Unavailable) -> Self {
        let code = match why {
            Unavailable::Busy => "busy",
            Unavailable::Full => "full",
            Unavailable::Store => "store",
            Unavailable::Stopping => "stopping",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, why.to_string())
    }
}

impl From<IntakeError> for Problem {
    fn from(why: IntakeError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body", why.to_string())
    }
}

impl From<&Refusal> for Problem {
    fn from(why: &Refusal) -> Self {
        let status = match why {
            Refusal::Unknown => StatusCode::NOT_FOUND,
            Refusal::Stranger
            | Refusal::NotAPerson
            | Refusal::NotInGroup { .. }
            | Refusal::ForensicHold
            | Refusal::OwnRequest
            | Refusal::SamePerson => StatusCode::FORBIDDEN,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, why.code(), why.to_string())
    }
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = json_bytes(bytes.into());
    *response.status_mut() = status;
    response
}

pub(crate) fn json_bytes(body: Bytes) -> Response {
    typed("application/json", body)
}

pub(crate) fn typed(kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What came of one input, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    entry: u64,
    incident: Option<String>,
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    rule: Option<String>,
    verdict: Option<String>,
}

impl From<Answer> for Taken {
    fn from(answer: Answer) -> Self {
        let (rule, verdict) = answer.decided.unzip();
        Self {
            entry: answer.seq,
            incident: answer.incident.map(|incident| incident.to_string()),
            request: answer.request.map(|request| request.to_string()),
            run: answer.run.map(|run| run.to_string()),
            rule,
            verdict,
        }
    }
}

/// The answer to an act: what came of it, or why it was refused.
pub(crate) fn acted(answers: Vec<Answer>) -> Result<Response, Problem> {
    let answer = answers.into_iter().next().ok_or(Problem::STORE)?;
    match &answer.refused {
        Some(why) => Err(why.into()),
        None => Ok(json(StatusCode::OK, &Taken::from(answer))),
    }
}
