//! What an OTLP receiver's answer means, after the failure rules of the OTLP specification.
//!
//! `RESOURCE_EXHAUSTED` without a retry delay is not "later": receivers say that of messages that
//! are too large, and halving helps. Credentials and paths that are wrong are the operator's to
//! mend: "later".

use std::time::Duration;

use http::header::HeaderMap;
use lucarne_otlp::wire::{Reader, Value};

use super::OtlpTransport;
use crate::export::client::Answer;
use crate::export::push::{Verdict, judge_status, retry_after};
use crate::export::sink::{Reason, Stuck};

/// Judges an answer.
pub fn judge(transport: OtlpTransport, answer: &Answer) -> Verdict {
    match (transport, answer.status.as_u16()) {
        (OtlpTransport::Http, 200..=299) => taken(&answer.body),
        // The specification lists 429, 502, 503 and 504; another 5xx is the receiver's last word.
        (OtlpTransport::Http, status @ (500 | 501 | 505..=599)) => {
            Verdict::Never(Reason::Status(status))
        }
        (OtlpTransport::Http, _) => judge_status(answer.status, &answer.headers),
        (OtlpTransport::Grpc, 200) => judge_grpc(answer),
        // A proxy on the way has answered, not a gRPC server.
        (OtlpTransport::Grpc, status) => {
            let retry_after = retry_after(&answer.headers);
            Verdict::Later(Stuck { reason: Reason::Status(status), retry_after })
        }
    }
}

fn judge_grpc(answer: &Answer) -> Verdict {
    let status = answer.headers.get("grpc-status").and_then(|value| value.to_str().ok());
    let Some(status) = status.and_then(|text| text.parse::<u32>().ok()) else {
        return Verdict::Later(Stuck { reason: Reason::Protocol, retry_after: None });
    };
    let reason = Reason::Grpc(status);
    let delay = retry_delay(&answer.headers);
    match (status, delay) {
        (0, _) => taken(answer.body.get(GRPC_PREFIX_BYTES..).unwrap_or_default()),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS; and
        // PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED, which an operator mends.
        (1 | 4 | 10 | 11 | 14 | 15 | 7 | 12 | 16, retry_after) => {
            Verdict::Later(Stuck { reason, retry_after })
        }
        (8, Some(_)) => Verdict::Later(Stuck { reason, retry_after: delay }),
        _ => Verdict::Never(reason),
    }
}

/// `Export*ServiceResponse`: `partial_success` (1) with the number of rejected records (1).
fn taken(body: &[u8]) -> Verdict {
    let partial = bytes_field(body, 1).unwrap_or_default();
    let rejected = field(partial, 1).and_then(|value| match value {
        Value::Varint(count) => u64::try_from(count.cast_signed()).ok(),
        Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32(_) => None,
    });
    Verdict::Taken { refused: rejected.unwrap_or(0) }
}

/// `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn retry_delay(headers: &HeaderMap) -> Option<Duration> {
    let encoded = headers.get("grpc-status-details-bin")?.to_str().ok()?;
    let status = base64(encoded)?;
    let mut reader = Reader::new(&status);
    while let Some(detail) = reader.next_field().ok()? {
        let (3, Value::Bytes(any)) = (detail.number, detail.value) else { continue };
        if bytes_field(any, 1)?.ends_with(b"/google.rpc.RetryInfo") {
            let info = bytes_field(any, 2).unwrap_or_default();
            let delay = bytes_field(info, 1).unwrap_or_default();
            let number = |at| match field(delay, at) {
                Some(Value::Varint(number)) => number,
                Some(Value::Fixed64(_) | Value::Bytes(_) | Value::Fixed32(_)) | None => 0,
            };
            let nanos = u32::try_from(number(2)).unwrap_or(0).min(999_999_999);
            let seconds = number(1).min(SECONDS_MAX);
            return Some(Duration::new(seconds, nanos));
        }
    }
    None
}

fn field(message: &[u8], number: u32) -> Option<Value<'_>> {
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field().ok()? {
        if field.number == number {
            return Some(field.value);
        }
    }
    None
}

fn bytes_field(message: &[u8], number: u32) -> Option<&[u8]> {
    match field(message, number)? {
        Value::Bytes(bytes) => Some(bytes),
        Value::Varint(_) | Value::Fixed64(_) | Value::Fixed32(_) => None,
    }
}

/// Binary headers of gRPC are base64, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0x00ff_ffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

const GRPC_PREFIX_BYTES: usize = 5;
/// More than any backoff uses.
const SECONDS_MAX: u64 = 86_400;
