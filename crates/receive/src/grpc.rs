//! OTLP/gRPC, framed by hand (grpc/grpc `doc/PROTOCOL-HTTP2.md`): a unary call is five bytes, a
//! message, and trailers.
//!
//! Streams of messages, other services, reflection and health are refused as unimplemented.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
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

/// Answers one call.
pub(super) async fn answer<I: Intake>(
    gate: &Gate<I>,
    request: Request<Incoming>,
) -> Response<Answer> {
    match handle(gate, request).await {
        Ok((head, accepted)) => good(head, accepted),
        Err(refused) => {
            gate.counters.refuse(refused.reason);
            bad(&refused)
        }
    }
}

async fn handle<I: Intake>(
    gate: &Gate<I>,
    request: Request<Incoming>,
) -> Result<(Head, Accepted), Refused> {
    let (parts, body) = request.into_parts();
    if !is_grpc(&parts.headers) {
        return Err(Refused::new(Reason::ContentType, "content-type must be application/grpc"));
    }
    if parts.method != Method::POST {
        return Err(Refused::new(Reason::Method, "only POST is served here"));
    }
    let head = Head {
        protocol: Protocol::Grpc,
        signal: signal(parts.uri.path())?,
        format: Format::Protobuf,
        encoding: Encoding::named(parts.headers.get(ENCODING))?,
        durability: durability::asked(&parts.headers)?,
    };
    let patience = parts.headers.get(TIMEOUT).map(timeout).transpose()?;
    let _place = gate.admit()?;
    let mut lease = gate.lease();
    let accepted = gate
        .within(patience, async {
            let limit = gate.limits.body_bytes_max.saturating_add(PREFIX_BYTES);
            let body = gate.read(body, limit, announced, &mut lease).await?;
            let (compressed, message) = unframe(body)?;
            let head = match (compressed, head.encoding) {
                (false, _) => Head { encoding: Encoding::Identity, ..head },
                (true, Encoding::Identity) => return Err(malformed("compressed without encoding")),
                (true, Encoding::Gzip | Encoding::Zstd) => head,
            };
            gate.offer(head, message, lease).await
        })
        .await?;
    Ok((head, accepted))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence == b"application/grpc" || essence == b"application/grpc+proto"
}

fn signal(path: &str) -> Result<Signal, Refused> {
    match path {
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Ok(Signal::Logs),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Ok(Signal::Metrics),
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Ok(Signal::Traces),
        _ => Err(Refused::new(Reason::Path, "served is Export of logs, metrics and traces")),
    }
}

/// `1*8DIGIT` and a unit.
pub(super) fn timeout(value: &HeaderValue) -> Result<Duration, Refused> {
    let parse = |bytes: &[u8]| {
        let (unit, digits) = bytes.split_last()?;
        if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        match unit {
            b'H' => number.checked_mul(3600).map(Duration::from_secs),
            b'M' => number.checked_mul(60).map(Duration::from_secs),
            b'S' => Some(Duration::from_secs(number)),
            b'm' => Some(Duration::from_millis(number)),
            b'u' => Some(Duration::from_micros(number)),
            b'n' => Some(Duration::from_nanos(number)),
            _ => None,
        }
    };
    parse(value.as_bytes()).ok_or_else(|| malformed("grpc-timeout is not a number and a unit"))
}

/// The size of the whole body, once its prefix is there.
fn announced(start: &[u8]) -> Option<usize> {
    let (_, length) = prefix(start)?;
    usize::try_from(length).ok()?.checked_add(PREFIX_BYTES)
}

fn prefix(body: &[u8]) -> Option<(u8, u32)> {
    let [flag, length @ ..] = *body.first_chunk::<PREFIX_BYTES>()?;
    Some((flag, u32::from_be_bytes(length)))
}

/// Whether the one message is compressed, and the message, in place.
pub(super) fn unframe(mut body: Bytes) -> Result<(bool, Bytes), Refused> {
    let (flag, length) = prefix(&body).ok_or_else(|| malformed("the message prefix is cut off"))?;
    body.advance(PREFIX_BYTES);
    let compressed = match flag {
        0 => false,
        1 => true,
        _ => return Err(malformed("the message prefix is not valid")),
    };
    match usize::try_from(length) {
        Ok(length) if length == body.len() => Ok((compressed, body)),
        Ok(length) if length < body.len() => Err(malformed("more than one message")),
        _ => Err(malformed("the message is cut off")),
    }
}

const fn malformed(message: &'static str) -> Refused {
    Refused::new(Reason::Malformed, message)
}

fn good(head: Head, accepted: Accepted) -> Response<Answer> {
    let message = status::response_protobuf(accepted.rejected);
    // A response is far below 4 GiB: it is empty or one sentence.
    let length = u32::try_from(message.len()).unwrap_or(0);
    let mut data = vec![0];
    data.extend_from_slice(&length.to_be_bytes());
    data.extend_from_slice(&message);
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let mut response = response(Answer::trailed(data, trailers));
    let reached = HeaderValue::from_static(durability::name(head.durability));
    response.headers_mut().insert(durability::HEADER, reached);
    response
}

/// Trailers alone: the status is in the head, and the stream ends with it.
fn bad(refused: &Refused) -> Response<Answer> {
    let mut response = response(Answer::empty());
    if refused.reason == Reason::ContentType {
        // Not gRPC: the protocol asks for a plain HTTP status.
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from(refused.grpc() as u16));
    let message = percent_encoded(&refused.message);
    headers.insert(MESSAGE, message.unwrap_or(HeaderValue::from_static("")));
    // Binary metadata is sent without padding.
    let details = STANDARD_NO_PAD.encode(status::status_protobuf(refused));
    if let Ok(details) = HeaderValue::try_from(details) {
        headers.insert(DETAILS, details);
    }
    if let Some(reached) = refused.reached {
        let reached = HeaderValue::from_static(durability::name(reached));
        headers.insert(durability::HEADER, reached);
    }
    response
}

fn response(answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,zstd"));
    response
}

/// `grpc-message`: printable ASCII but the percent sign as it is, the rest by its bytes.
fn percent_encoded(message: &str) -> Option<HeaderValue> {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(hex));
            }
            b' '..=b'~' => out.push(byte.into()),
        }
    }
    HeaderValue::try_from(out).ok()
}

fn hex(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

const PREFIX_BYTES: usize = 5;
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

#[cfg(test)]
mod tests;
