//! OTLP/HTTP (opentelemetry.io/docs/specs/otlp, section OTLP/HTTP): POST of protobuf or JSON to
//! three paths.
//!
//! Answers are in the encoding of the request; errors carry `google.rpc.Status` in it, protobuf
//! where the request's encoding is not known.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use lucarne_otlp::Signal;

use super::answer::Answer;
use super::body::{Format, Gate, Head};
use super::counters::{Protocol, Reason};
use super::durability;
use super::encoding::Encoding;
use super::refused::Refused;
use super::status;
use crate::intake::{Accepted, Intake};

/// Answers one request.
pub(super) async fn answer<I: Intake>(
    gate: &Gate<I>,
    request: Request<Incoming>,
) -> Response<Answer> {
    let format = format(request.headers());
    match handle(gate, request, format).await {
        Ok((head, accepted)) => good(head, accepted),
        Err(refused) => {
            gate.counters.refuse(refused.reason);
            bad(format.unwrap_or(Format::Protobuf), &refused)
        }
    }
}

async fn handle<I: Intake>(
    gate: &Gate<I>,
    request: Request<Incoming>,
    format: Option<Format>,
) -> Result<(Head, Accepted), Refused> {
    let (parts, body) = request.into_parts();
    let signal = signal(parts.uri.path())?;
    if parts.method != Method::POST {
        return Err(Refused::new(Reason::Method, "only POST is served here"));
    }
    let content_type = "content-type must be application/x-protobuf or application/json";
    let head = Head {
        protocol: Protocol::Http,
        signal,
        format: format.ok_or(Refused::new(Reason::ContentType, content_type))?,
        encoding: encoding(&parts.headers)?,
        durability: durability::asked(&parts.headers)?,
    };
    let _place = gate.admit()?;
    let mut lease = gate.lease();
    let accepted = gate
        .within(None, async {
            let body = gate.read(body, gate.limits.body_bytes_max, |_| None, &mut lease).await?;
            gate.offer(head, body, lease).await
        })
        .await?;
    Ok((head, accepted))
}

fn signal(path: &str) -> Result<Signal, Refused> {
    match path {
        "/v1/logs" => Ok(Signal::Logs),
        "/v1/metrics" => Ok(Signal::Metrics),
        "/v1/traces" => Ok(Signal::Traces),
        _ => Err(Refused::new(Reason::Path, "served are /v1/logs, /v1/metrics and /v1/traces")),
    }
}

/// The message's format, without regard to parameters such as `charset`.
fn format(headers: &HeaderMap) -> Option<Format> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(PROTOBUF) {
        Some(Format::Protobuf)
    } else if essence.eq_ignore_ascii_case(JSON) {
        Some(Format::Json)
    } else {
        None
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refused> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refused::new(Reason::ContentEncoding, "more than one content-encoding"));
    }
    Encoding::named(first)
}

fn good(head: Head, accepted: Accepted) -> Response<Answer> {
    let body = match head.format {
        Format::Protobuf => status::response_protobuf(accepted.rejected),
        Format::Json => status::response_json(head.signal, accepted.rejected),
    };
    let mut response = response(StatusCode::OK, head.format, body);
    let reached = HeaderValue::from_static(durability::name(head.durability));
    response.headers_mut().insert(durability::HEADER, reached);
    response
}

fn bad(format: Format, refused: &Refused) -> Response<Answer> {
    let body = match format {
        Format::Protobuf => status::status_protobuf(refused),
        Format::Json => status::status_json(refused),
    };
    let mut response = response(refused.http(), format, body);
    let headers = response.headers_mut();
    if let Some(after) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, seconds(after).into());
    }
    if refused.reason == Reason::Method {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    if let Some(reached) = refused.reached {
        let reached = HeaderValue::from_static(durability::name(reached));
        headers.insert(durability::HEADER, reached);
    }
    response
}

fn response(status: StatusCode, format: Format, body: Vec<u8>) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(body));
    *response.status_mut() = status;
    let content_type = match format {
        Format::Protobuf => PROTOBUF,
        Format::Json => JSON,
    };
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// `Retry-After` knows whole seconds: never less than asked for, never 0.
fn seconds(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1)
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_rounds_up() {
        let after = [0, 1, 999, 1000, 1001, 2500].map(|ms| seconds(Duration::from_millis(ms)));
        assert_eq!(after, [1, 1, 1, 1, 2, 3]);
    }

    #[test]
    fn content_types_are_told_apart() {
        let of = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            format(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };
        assert_eq!(of("application/x-protobuf"), Some(Format::Protobuf));
        assert_eq!(of("Application/JSON ; charset=utf-8"), Some(Format::Json));
        for other in ["", "text/plain", "application/grpc", "application/json5", "json"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(format(&HeaderMap::new()), None);
    }
}
