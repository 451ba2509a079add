//! A refused request: why, in words for the client, and when to come back.
//!
//! One table says what each reason is in HTTP and in gRPC, so that both protocols answer alike. The
//! words never quote what the client sent: they may end up in its logs.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::counters::Reason;
use super::durability;
use super::status::Code;
use crate::intake::{Durability, Refusal};

/// Why a request gets no good answer.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) message: Cow<'static, str>,
    /// Set exactly where trying again can help.
    pub(super) retry_after: Option<Duration>,
    /// How far the request came, where the intake said so.
    pub(super) reached: Option<Durability>,
}

impl Refused {
    pub(super) const fn new(reason: Reason, message: &'static str) -> Self {
        Self { reason, message: Cow::Borrowed(message), retry_after: None, reached: None }
    }

    pub(super) const fn retry(reason: Reason, message: &'static str, after: Duration) -> Self {
        Self { reason, message: Cow::Borrowed(message), retry_after: Some(after), reached: None }
    }

    /// What the intake refused. `pause` is for what names no time itself.
    pub(super) fn by_intake(refusal: Refusal, asked: Durability, pause: Duration) -> Self {
        match refusal {
            Refusal::Malformed(message) => {
                Self { message: Cow::Owned(message), ..Self::new(Reason::Malformed, "") }
            }
            Refusal::Overloaded(after) => {
                Self::retry(Reason::Overloaded, "the queue is full; nothing was taken", after)
            }
            Refusal::Stopping => {
                Self::retry(Reason::Stopping, "the process is stopping; nothing was taken", pause)
            }
            Refusal::Unavailable(message) => Self::new(Reason::Unavailable, message),
            Refusal::TimedOut(reached) => Self {
                message: Cow::Owned(format!(
                    "taken and {}, but the time ran out before it was {}",
                    durability::name(reached),
                    durability::name(asked)
                )),
                reached: Some(reached),
                ..Self::new(Reason::TimedOut, "")
            },
        }
    }

    /// The status of OTLP/HTTP.
    pub(super) const fn http(&self) -> StatusCode {
        table(self.reason).0
    }

    /// The status of OTLP/gRPC.
    pub(super) const fn grpc(&self) -> Code {
        table(self.reason).1
    }
}

/// gRPC's `ResourceExhausted` without RetryInfo means "do not send this again" in OTLP.
const fn table(reason: Reason) -> (StatusCode, Code) {
    match reason {
        Reason::Malformed | Reason::Corrupt | Reason::Durability => {
            (StatusCode::BAD_REQUEST, Code::InvalidArgument)
        }
        Reason::Unavailable => (StatusCode::BAD_REQUEST, Code::FailedPrecondition),
        Reason::TooLarge | Reason::DecodedTooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted)
        }
        Reason::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument),
        Reason::ContentEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented),
        Reason::Path => (StatusCode::NOT_FOUND, Code::Unimplemented),
        Reason::Method => (StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented),
        Reason::Overloaded | Reason::Requests | Reason::Bytes | Reason::Connections => {
            (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted)
        }
        Reason::Stopping | Reason::Accept => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        Reason::SlowBody | Reason::SlowHead => {
            (StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded)
        }
        Reason::TimedOut => (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded),
        Reason::Aborted => (StatusCode::BAD_REQUEST, Code::Cancelled),
        Reason::Violation => (StatusCode::BAD_REQUEST, Code::Internal),
    }
}
